"""The second held-out half of the `names` corpus: names, values, contexts and look-alikes that the first two lack.

Names of secrets are environment variables and configuration keys that real tools document. Everything here was written
without a look at curfewd's lexicon or patterns, and committed before its first run.
"""

import json
import random
import shlex
import string
from typing import Final

from benchmarks.formats import BASE32, BASE62, DIGITS, HEX, LOWER, UPPER, b64, b64url, pick, uuid4
from benchmarks.names_contexts import Context, as_yaml, escaped, in_json, percent, plain, stamp, tag
from benchmarks.names_lookalikes import Line, LookAlike, either, hexadecimal, own
from benchmarks.names_words import Half, Name, Value, drawn, every, named, of_bytes, password, random_text

NAMES: Final[dict[str, tuple[Name, ...]]] = {
    "password": named("GF_DATABASE_PASSWORD KC_DB_PASSWORD MYSQL_REPLICATION_PASSWORD ELASTIC_PASSWORD PGADMIN_DEFAULT_PASSWORD MINIO_ROOT_PASSWORD SPRING_DATASOURCE_PASSWORD SONAR_JDBC_PASSWORD N8N_SMTP_PASS MSSQL_SA_PASSWORD BORG_PASSPHRASE PULUMI_CONFIG_PASSPHRASE ANSIBLE_BECOME_PASS"),
    "token": named("SENTRY_AUTH_TOKEN VERCEL_TOKEN SNYK_TOKEN FLY_API_TOKEN CLOUDFLARE_API_TOKEN BUILDKITE_AGENT_TOKEN K3S_TOKEN NGROK_AUTHTOKEN RENOVATE_TOKEN CONSUL_HTTP_TOKEN DIGITALOCEAN_ACCESS_TOKEN HF_TOKEN CODECOV_TOKEN GITEA_RUNNER_REGISTRATION_TOKEN"),
    "secret": named("AUTH_SECRET OAUTH2_PROXY_COOKIE_SECRET ARM_CLIENT_SECRET DRONE_RPC_SECRET APP_SECRET SLACK_SIGNING_SECRET STRIPE_WEBHOOK_SECRET RADIUS_SHARED_SECRET"),
    "key": named("SECRET_KEY_BASE N8N_ENCRYPTION_KEY AIRFLOW_CORE_FERNET_KEY MEILI_MASTER_KEY DD_API_KEY SUPERSET_SECRET_KEY AUTHENTIK_SECRET_KEY ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY QDRANT_SERVICE_API_KEY WG_PRESHARED_KEY"),
    "service key": named("NEW_RELIC_LICENSE_KEY ROLLBAR_ACCESS_TOKEN POSTMARK_API_KEY HONEYCOMB_API_KEY ALGOLIA_API_KEY TWILIO_AUTH_TOKEN MAILCHIMP_API_KEY LAUNCHDARKLY_SDK_KEY AMPLITUDE_SECRET_KEY HEROKU_API_KEY"),
    "other": named("NEO4J_AUTH TS_AUTHKEY RABBITMQ_ERLANG_COOKIE SMTP_AUTH JENKINS_CREDS"),
}  # fmt: skip

VALUES: Final[dict[str, Value]] = {
    "hex 56": of_bytes(28, bytes.hex),
    "base62 22": drawn(BASE62, 22),
    "base64 of 20 bytes": of_bytes(20, b64),
    "base64url of 64 bytes": of_bytes(64, b64url),
    "uuid 4, upper": lambda rng: uuid4(rng).upper(),
    "password 14, signs": password("!@#$%^&*()-_=+?", 14),
    "base32 lower 26": drawn(BASE32.lower(), 26),
    "groups of five": lambda rng: "-".join(pick(rng, UPPER, 5) for _ in range(5)),
    "own prefix, hex 40": lambda rng: f"{tag(rng)[:3]}_{pick(rng, HEX, 40)}",
    "id and secret with a colon": lambda rng: f"{pick(rng, LOWER, 10)}:{every(rng, BASE62, 32)}",
}

# An attribute between name and value, a name of two columns, a name with `::`: each as its tool prints it.
CONTEXTS: Final[dict[str, Context]] = {
    "terraform plan": escaped(in_json, lambda n, v, r: f'      {r.choice("+~-")} {n.snake} = "{v}"' + r.choice(("", " -> null", " -> (known after apply)", " # forces replacement"))),
    "helm --set": escaped(shlex.quote, lambda n, v, r: f"+ helm upgrade --install {tag(r)} ./chart --set {tag(r)}.{n.camel}={v} --wait"),
    "docker build-arg": escaped(shlex.quote, lambda n, v, r: f"+ docker build --build-arg {n.upper}={v} -t {tag(r)}:ci ."),
    "dockerfile step": plain(lambda n, v, r: f"Step {r.randrange(2, 9)}/9 : ENV {n.upper}={v}"),
    "compose list": plain(lambda n, v, _: f"      - {n.upper}={v}"),
    "az app settings": escaped(in_json, lambda n, v, _: f'  {{"name": "{n.upper}", "slotSetting": false, "value": "{v}"}},'),
    "rust debug": escaped(in_json, lambda n, v, r: f'Config {{ addr: "0.0.0.0:{r.randrange(1024, 9999)}", {n.snake}: Some("{v}"), retries: 3 }}'),
    "python repr": plain(lambda n, v, r: f"Settings(host='{tag(r)}', {n.snake}='{v}', retries=3)"),
    "c# record": plain(lambda n, v, r: f"Options {{ Host = {tag(r)}, {n.pascal} = {v}, Timeout = 30 }}"),
    "php print_r": plain(lambda n, v, _: f"    [{n.snake}] => {v}"),
    "perl dumper": plain(lambda n, v, _: f"          '{n.snake}' => '{v}',"),
    "gradle -P": escaped(shlex.quote, lambda n, v, _: f"+ ./gradlew publish -P{n.camel}={v} --no-daemon"),
    "psql table": plain(lambda n, v, r: f" {r.randrange(99):3d} | {n.snake:<24} | {v} | t"),
    "cookie": escaped(percent, lambda n, v, r: f"Cookie: theme=dark; {n.snake}={v}; lang={tag(r)[:2]}"),
    "strace": escaped(in_json, lambda n, v, r: f'[pid {r.randrange(99999)}] execve("/usr/bin/{tag(r)}", ["{tag(r)}"], ["PATH=/usr/bin", "{n.upper}={v}", "HOME=/root"]) = 0'),
    "ps eww": plain(lambda n, v, r: f"{r.randrange(99999):>7} ?        Ssl    0:0{r.randrange(9)} /app/{tag(r)} PATH=/usr/bin {n.upper}={v} HOME=/root"),
    "protobuf text": escaped(in_json, lambda n, v, r: f'config {{ host: "{tag(r)}" {n.snake}: "{v}" port: {r.randrange(1024, 9999)} }}'),
    "web.config": escaped(lambda v: v.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;"), lambda n, v, _: f'    <add key="{n.pascal}" value="{v}" />'),
    "edn": escaped(in_json, lambda n, v, r: f'{{:host "{tag(r)}", :{n.kebab} "{v}", :port 5432}}'),
    "csh setenv": escaped(shlex.quote, lambda n, v, _: f"setenv {n.upper} {v}"),
    "vault kv get": plain(lambda n, v, _: f"{n.snake:<24}    {v}"),
    "gcloud env vars": plain(lambda n, v, r: f"+ gcloud run deploy {tag(r)} --set-env-vars=LOG=info,{n.upper}={v} --region europe-west1"),
    "node inspect": plain(lambda n, v, _: f"  {n.camel}: '{v}',"),
    "hiera": escaped(as_yaml, lambda n, v, r: f"profile::{tag(r)}::{n.snake}: {v}"),
    "diff": escaped(as_yaml, lambda n, v, r: f"{r.choice('+-')}  {n.snake}: {v}"),
    "systemctl show": plain(lambda n, v, _: f"Environment=LANG=C.UTF-8 {n.upper}={v} TERM=xterm"),
    "kubectl get -o yaml, annotation": escaped(lambda v: in_json(in_json(v)), lambda n, v, r: f'    kubectl.kubernetes.io/last-applied-configuration: {{"data":{{"{n.kebab}":"{v}"}},"kind":"ConfigMap","metadata":{{"name":"{tag(r)}"}}}}'),
    "ruby inspect": plain(lambda n, v, r: f'#<Client:0x0000{pick(r, HEX, 12)} @host="{tag(r)}", @{n.snake}="{v}", @retries=3>'),
}  # fmt: skip


def _cid(rng: random.Random) -> str:
    base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    return rng.choice(
        (f"Qm{pick(rng, base58, 44)}", f"bafybei{pick(rng, string.ascii_lowercase + '234567', 52)}")
    )


def _nix(rng: random.Random) -> str:
    return rng.choice((f"sha256-{b64(rng.randbytes(32))}", pick(rng, "0123456789abcdfghijklmnpqrsvwxyz", 52), f"/nix/store/{pick(rng, '0123456789abcdfghijklmnpqrsvwxyz', 32)}-{tag(rng)}-1.2"))  # fmt: skip


def _identifier(rng: random.Random) -> str:
    return rng.choice((
        pick(rng, "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26), pick(rng, BASE62, 27), pick(rng, HEX, 24), b64url(rng.randbytes(15)),
        str(rng.randrange(10**17, 10**18)), uuid4(rng), f"req_{pick(rng, BASE62, 24)}", f"{tag(rng)}-{pick(rng, HEX, 32)}",
    ))  # fmt: skip


def _stored(rng: random.Random) -> str:
    crypt = "./" + BASE62
    return rng.choice((
        f"pbkdf2_sha256$600000${pick(rng, BASE62, 22)}${b64(rng.randbytes(32))}", f"$y$j9T${pick(rng, crypt, 22)}${pick(rng, crypt, 43)}",
        f"$apr1${pick(rng, crypt, 8)}${pick(rng, crypt, 22)}", f"{{SSHA}}{b64(rng.randbytes(24))}", f"$2y$10${pick(rng, crypt, 53)}",
    ))  # fmt: skip


def _sealed(rng: random.Random) -> str:
    return rng.choice((
        f"AgB{b64(rng.randbytes(270))}", "--".join(b64(rng.randbytes(size)) for size in (60, 12, 16)), f"$ANSIBLE_VAULT;1.1;AES256;{pick(rng, HEX, 80)}",
        f"ENC[PKCS7,{b64(rng.randbytes(150))}]", f"age-encryption.org/v1:{b64(rng.randbytes(90))}",
    ))  # fmt: skip


def _masked(rng: random.Random) -> str:
    return rng.choice((
        "[secure]", "(sensitive)", "<secret hidden>", "********************", "********", "[hidden by the runner]", "*** masked ***", "<REDACTED:32 chars>",
        f"{pick(rng, BASE62, 6)}**********", f"************{pick(rng, BASE62, 4)}", "XXXX-XXXX-XXXX-XXXX", "●●●●●●●●", "<scrubbed>", "[Filtered]", "SecureString(**)", "********-****-****",
    ))  # fmt: skip


def _reference(rng: random.Random) -> str:
    one, two = tag(rng), tag(rng)
    return rng.choice((
        f"<path:secret/data/{one}#{two}>", f"!Ref {one.capitalize()}Password", f"!GetAtt {one.capitalize()}.Outputs.{two.capitalize()}", f"var.{one}_token_{two}", f"module.{one}.{two}_password",
        f"data.vault_generic_secret.{one}.data", f"process.env.{one.upper()}_{two.upper()}", f"akv://{one}/{two}/v1", f"gcp-sm://{one}-{two}", f"doppler://{one}/{two}/SECRET",
        f"{{{{ lookup('env', '{one.upper()}') }}}}", f"{{{{ .Env.{one.upper()} }}}}", f"$[[ inputs.{one} ]]", f"((vault:{one}.{two}))", f"awssm:{one}/{two}:password", f"$(cat /run/secrets/{one})",
        f"kms://{one}/{two}?version=3", f"%env({one.upper()}_{two.upper()})%", f"secretRef:{one}-{two}", f"k8s:secret/{one}/{two}", f"__{one.upper()}_{two.upper()}__",
    ))  # fmt: skip


def _placeholder(rng: random.Random) -> str:
    return rng.choice((
        "set-me-in-production", "your_api_key_here", "INSERT_YOUR_TOKEN", "<paste token>", "s3cr3t", "Passw0rd!", "password123", "TBD", "todo-rotate-this", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "11111111-1111-1111-1111-111111111111", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "<none>", "(not set)", "nil", "default", "same-as-staging", "change-this-to-a-long-random-string", "example.token.value",
    ))  # fmt: skip


def _kind(text: str, *makers: Value) -> LookAlike:
    return own(Half.SECOND, text, *makers)


_TAKEN: Final = "GF_DATABASE_PASSWORD SENTRY_AUTH_TOKEN APP_SECRET MEILI_MASTER_KEY ALGOLIA_API_KEY"
LOOK_ALIKES: Final[dict[str, LookAlike]] = {
    "git object": _kind("GIT_TREE_HASH PARENT_COMMIT BLOB_OID GITHUB_WORKFLOW_SHA CI_MERGE_REQUEST_DIFF_BASE_SHA", hexadecimal(40, 64)),
    "content address": _kind("IPFS_CID CONTENT_ID CHAIN_ID IMAGE_CONFIG_DIGEST", _cid, lambda rng: f"sha256:{pick(rng, HEX, 64)}"),
    "lock file's hash": _kind("LOCKFILE_HASH VENDOR_HASH NPM_SHASUM CARGO_CHECKSUM BREW_SHA256 DEPS_HASH", _nix, hexadecimal(40, 64), lambda rng: f"sha512-{b64(rng.randbytes(64))}"),
    "build id": _kind("GNU_BUILD_ID DEBUG_ID SOURCEMAP_UUID BUILD_FINGERPRINT RELEASE_SHA", hexadecimal(32, 40), uuid4),
    "sequence token": _kind("UPLOAD_SEQUENCE_TOKEN NEXT_SEQUENCE_TOKEN CHANGE_TOKEN DELTA_TOKEN SHARD_ITERATOR", random_text, lambda rng: pick(rng, DIGITS, 56), lambda rng: b64(rng.randbytes(120))),
    "page": _kind("PAGING_TOKEN NEXT_PAGE_CURSOR LAST_EVALUATED_KEY EXCLUSIVE_START_KEY BOOKMARK", random_text, lambda rng: b64(json.dumps({"id": uuid4(rng), "n": 3}).encode())),
    "request token": _kind("CLIENT_REQUEST_TOKEN IDEMPOTENCY_TOKEN CREATION_TOKEN UPLOAD_ID", random_text, uuid4),
    "public key": _kind("WG_PUBLIC_KEY PEER_PUBLIC_KEY COSIGN_PUB_KEY MINISIGN_PUBKEY AGE_RECIPIENT TRUSTED_KEYS", lambda rng: b64(rng.randbytes(32)), lambda rng: f"age1{pick(rng, 'qpzry9x8gf2tvdw0s3jn54khce6mua7l', 58)}", lambda rng: f"cache.{tag(rng)}.org-1:{b64(rng.randbytes(32))}"),
    "public client key": _kind("SENTRY_PUBLIC_KEY HCAPTCHA_SITEKEY REACT_APP_PUBLIC_KEY NEXT_PUBLIC_PUBLISHABLE_KEY", random_text, hexadecimal(32)),
    "initialization vector": _kind("GCM_IV INITIALIZATION_VECTOR CIPHER_NONCE HANDSHAKE_NONCE", lambda rng: b64(rng.randbytes(12)), hexadecimal(24, 32), lambda rng: b64(rng.randbytes(24))),
    "flag or text key": _kind("FLAG_KEY EXPERIMENT_KEY I18N_KEY METRIC_KEY SETTING_KEY", lambda rng: f"{tag(rng)}.{tag(rng)}-{rng.randrange(10**6)}", lambda rng: f"{tag(rng)}_{pick(rng, HEX, 12)}", random_text),
    "project key": _kind("SONAR_PROJECT_KEY JIRA_ISSUE_KEY PROJECT_KEY REPO_KEY", lambda rng: f"{tag(rng)}_{tag(rng)}_AY{pick(rng, BASE62 + '_-', 18)}", lambda rng: f"{tag(rng)[:4].upper()}-{rng.randrange(9999)}"),
    "key of a record": _kind("COMPOSITE_KEY NATURAL_KEY SURROGATE_KEY DOCUMENT_KEY AGGREGATE_KEY INDEX_KEY LOOKUP_KEY", random_text, lambda rng: f"{tag(rng)}:{uuid4(rng)}", lambda rng: pick(rng, HEX, 24)),
    "state's key": _kind("STATE_KEY BACKEND_KEY TFSTATE_KEY ARTIFACT_KEY", lambda rng: f"env/{tag(rng)}/{pick(rng, HEX, 32)}/terraform.tfstate", lambda rng: f"{tag(rng)}/{uuid4(rng)}.json"),
    "cache's key": _kind("GRADLE_CACHE_KEY CACHE_PRIMARY_KEY CACHE_MATCHED_KEY LAYER_CACHE_KEY", lambda rng: f"gradle-{pick(rng, HEX, 64)}", lambda rng: f"v2-deps-{b64(rng.randbytes(32))}", random_text),
    "identifier": _kind("REQUEST_UID SESSION_UUID OAUTH_CLIENT_ID AUTH_REQUEST_ID SERVICE_TOKEN_ID ROLE_ID KEY_VERSION_ID CREDENTIAL_UID APP_KEY_ID", _identifier),
    "stored password": _kind("BASIC_AUTH_HASH SHADOW_ENTRY DJANGO_PASSWORD_HASH PASSWORD_CRYPT ROOT_PW_HASH USER_PASSWORD_BCRYPT", _stored),
    "hash of a credential": _kind("SHA256_OF_TOKEN SECRET_DIGEST KEY_CHECK_VALUE PASSWORD_SHA1 API_TOKEN_SHA256 CREDENTIAL_FINGERPRINT", hexadecimal(40, 64), lambda rng: b64(rng.randbytes(32))),
    "sealed": _kind("SEALED_SECRET_DATA WRAPPED_DEK ENCRYPTED_TOKEN PASSWORD_CIPHERTEXT ENCRYPTED_API_KEY", _sealed),
    "masked": _kind(_TAKEN, _masked),
    "reference": _kind(_TAKEN, _reference),
    "placeholder": _kind(_TAKEN, _placeholder),
    "where it lies": _kind("TOKEN_PATH PASSPHRASE_FILE SECRETS_DIR KEYSTORE_FILE SSH_KEY_FILE CREDENTIALS_JSON_PATH SECRET_MOUNT VAULT_SECRET_PATH", lambda rng: f"/etc/{tag(rng)}/{pick(rng, HEX, 16)}/{tag(rng)}", lambda rng: f"kv/data/{tag(rng)}/{tag(rng)}-{rng.randrange(99)}", lambda rng: f"${{HOME}}/.{tag(rng)}/{tag(rng)}.json", lambda rng: f"D:\\secrets\\{tag(rng)}\\{uuid4(rng)}.pfx"),
    "endpoint": _kind("TOKEN_URI SECRET_STORE_URL KEYS_URL PASSWORD_RESET_LINK_HOST ACTIONS_ID_TOKEN_REQUEST_URL", lambda rng: f"https://{tag(rng)}.{tag(rng)}.test/oauth/{pick(rng, HEX, 24)}/token", lambda rng: f"https://{tag(rng)}.test/.well-known/jwks-{uuid4(rng)}.json"),
    "certificate": _kind("CLIENT_CERTIFICATE_DATA CERT_CHAIN CSR_PEM DH_PARAMS OCSP_RESPONSE", lambda rng: "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t" + b64(rng.randbytes(300)), lambda rng: "MIIB" + b64(rng.randbytes(200))),
    "signature": _kind("WEBHOOK_SIGNATURE X_HUB_SIGNATURE ATTESTATION_SIGNATURE REQUEST_SIGNATURE", lambda rng: f"sha256={pick(rng, HEX, 64)}", lambda rng: f"v0={pick(rng, HEX, 64)}", lambda rng: b64(rng.randbytes(72))),
    "count": _kind("COMPLETION_TOKENS TOKENS_USED PASSWORD_LENGTH SECRET_COUNT KEYS_ROTATED TOKEN_LIMIT", lambda rng: str(rng.randrange(10**9)), lambda rng: f"{rng.random() * 1e6:.4f}"),
    "time": _kind("TOKEN_EXPIRY LAST_KEY_ROTATION PASSWORD_MAX_AGE SECRET_LEASE_DURATION ACCESS_TOKEN_LIFETIME", lambda rng: f"{stamp(rng)}.{rng.randrange(10**6)}+00:00", lambda rng: str(1_790_000_000_000 + rng.randrange(10**10)), either("2764800", "768h", "P90D", "15m0s")),
    "kind or setting": _kind("TOKEN_FORMAT PASSWORD_ENCRYPTION KEY_EXCHANGE SECRET_BACKEND AUTH_TYPE TOKEN_ENDPOINT_AUTH_METHOD KEYCLOAK_REALM", either("scram-sha-256", "client_secret_basic", "curve25519-sha256", "aws-secretsmanager-v2", "opaque", "urn:ietf:params:oauth:grant-type:device_code", "private_key_jwt", "ecdsa-p384", "S256", "diffie-hellman-group14-sha256")),
    "name of an object": _kind("K8S_SECRET_NAME TLS_SECRET_NAME API_KEY_NAME TOKEN_LABEL PULL_SECRET_NAME SSH_KEY_NAME KEYPAIR_NAME", lambda rng: f"{tag(rng)}-{tag(rng)}-{pick(rng, 'bcdfghjklmnpqrstvwxz2456789', 5)}", lambda rng: f"{tag(rng)}@{tag(rng)}-{rng.randrange(99)}", lambda rng: f"prod/{tag(rng)}/{tag(rng)}-{pick(rng, BASE62, 6)}"),
    "another word": _kind("TOKENIZERS_PARALLELISM KEYMAP SECRETARIAT_REF PASSTHROUGH_ID AUTHOR_HASH MONKEY_BUILD KEYRING_DIGEST COMPASSION_SLUG", random_text),
    "host or user": _kind("DB_PASSWORD_USER SECRETS_HOST KEY_OWNER TOKEN_ISSUER TOKEN_AUDIENCE AUTH_USER", lambda rng: f"{tag(rng)}-{rng.randrange(99)}.{tag(rng)}.internal", lambda rng: f"{tag(rng)}-ci@{tag(rng)}-{rng.randrange(999)}.iam.gserviceaccount.com", lambda rng: f"https://{tag(rng)}.test/{uuid4(rng)}"),
}  # fmt: skip

TALK: Final[tuple[Line, ...]] = (
    lambda rng: f"Rotating secret {tag(rng)}-{pick(rng, HEX, 8)} (version {uuid4(rng)})",
    lambda rng: f"vault: token lookup failed, accessor {pick(rng, BASE62, 24)}",
    lambda rng: f"+ aws secretsmanager get-secret-value --secret-id prod/{tag(rng)}-{pick(rng, BASE62, 6)} --query SecretString",
    lambda rng: f"+ gcloud secrets versions access latest --secret={tag(rng)}-{tag(rng)}-key",
    lambda rng: f"git fetch: {pick(rng, HEX, 40)}..{pick(rng, HEX, 40)} token-refresh -> origin/token-refresh",
    lambda rng: f"{tag(rng)}.go:{rng.randrange(999)}: password := readPassword(ctx, opts.{tag(rng).capitalize()}V2)",
    lambda rng: f'let token = std::env::var("{tag(rng).upper()}_TOKEN_V{rng.randrange(9)}").expect("set the token");',
    lambda rng: f'String password = request.getParameter("{tag(rng)}Password{rng.randrange(9)}");',
    lambda rng: f"def verify_token(token: str, leeway={rng.randrange(99)}, secret=DEFAULT_{tag(rng).upper()}_2) -> Claims:",
    lambda rng: f"401 Unauthorized: the api key ending in {pick(rng, BASE62, 4)} is not valid (request {uuid4(rng)})",
    lambda rng: f"  --api-key KEY       key of the service {tag(rng)} (env: {tag(rng).upper()}_API_KEY) [required]",
    lambda rng: f"imported key 0x{pick(rng, '0123456789ABCDEF', 16)}: public key \"{tag(rng)} <{tag(rng)}@debian.org>\" imported",
    lambda rng: f"SHA256:{b64(rng.randbytes(32)).rstrip('=')} {tag(rng)}@host (ED25519) added to agent as key {rng.randrange(9)}",
    lambda rng: f"lease key={pick(rng, HEX, 16)} grant={pick(rng, HEX, 16)} ttl=30s",
    lambda rng: f"llm: prompt tokens: {rng.randrange(10**5)}, cached tokens: {rng.randrange(10**5)}, id: chatcmpl-{pick(rng, BASE62, 29)}",
    lambda rng: f"ERROR 1045 (28000): Access denied for user '{tag(rng)}'@'10.0.{rng.randrange(256)}.7' (using password: YES)",
    lambda rng: f"Downloading secretstorage-3.3.{rng.randrange(9)}-py3-none-any.whl --hash=sha256:{pick(rng, HEX, 64)}",
    lambda rng: f"  passwordHash: sha256 of {rng.randrange(999)} bytes, key derivation {rng.randrange(10**6)} rounds",
    lambda rng: f"Set-Cookie: consent={uuid4(rng)}; Path=/; SameSite=Lax",
    lambda rng: f"etcd: compacted key space at revision {rng.randrange(10**9)}, hash {pick(rng, HEX, 32)}",
)  # fmt: skip
