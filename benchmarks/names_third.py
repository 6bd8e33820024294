"""The third held-out half of the `names` corpus: names, values, contexts and look-alikes that the other three lack.

Names of secrets are environment variables and configuration keys that real tools document. Everything here was written
together with the second held-out half, before either was run, and is run once after the scanner was mended for it.
"""

import base64
import random
import shlex
import string
from typing import Final

from benchmarks.formats import BASE62, DIGITS, HEX, LOWER, UPPER, b64, b64url, pick, uuid4
from benchmarks.names_contexts import Context, Shown, as_yaml, escaped, in_json, percent, plain, stamp, tag
from benchmarks.names_lookalikes import Line, LookAlike, either, hexadecimal, own
from benchmarks.names_words import Half, Name, Value, drawn, every, named, of_bytes, password, random_text

_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

NAMES: Final[dict[str, tuple[Name, ...]]] = {
    "password": named("KEYCLOAK_ADMIN_PASSWORD TWINE_PASSWORD SNOWFLAKE_PASSWORD OPENSEARCH_INITIAL_ADMIN_PASSWORD CLICKHOUSE_PASSWORD EMAIL_HOST_PASSWORD MAVEN_GPG_PASSPHRASE VNC_PW ARANGO_ROOT_PASSWORD COSIGN_PASSWORD RCLONE_CONFIG_PASS REDIS_SENTINEL_PASSWORD DATABASE_PASSWD WEBPASSWORD"),
    "token": named("GITLAB_TOKEN PULUMI_ACCESS_TOKEN DOPPLER_TOKEN CARGO_REGISTRY_TOKEN POETRY_PYPI_TOKEN_PYPI RAILWAY_TOKEN EXPO_TOKEN LOGTAIL_SOURCE_TOKEN CIRCLE_TOKEN ACTIONS_RUNTIME_TOKEN SYSTEM_ACCESSTOKEN TELEGRAM_BOT_TOKEN HCLOUD_TOKEN OP_CONNECT_TOKEN VAULT_DEV_ROOT_TOKEN_ID TUNNEL_TOKEN"),
    "secret": named("BETTER_AUTH_SECRET PAYLOAD_SECRET HASURA_GRAPHQL_ADMIN_SECRET OIDC_CLIENT_SECRET SYNAPSE_REGISTRATION_SHARED_SECRET CRON_SECRET REGISTRY_HTTP_SECRET PROXMOX_TOKEN_SECRET"),
    "key": named("APP_KEY LITELLM_MASTER_KEY TRIGGER_SECRET_KEY MB_ENCRYPTION_SECRET_KEY SECURE_AUTH_KEY B2_APPLICATION_KEY STORAGE_ENCRYPTION_KEY SERVICE_ROLE_KEY LOGGED_IN_KEY CLERK_SECRET_KEY"),
    "service key": named("PERPLEXITY_API_KEY DEEPL_AUTH_KEY MAXMIND_LICENSE_KEY AIRTABLE_API_KEY TODOIST_API_TOKEN STATUSPAGE_API_KEY ALPACA_SECRET_KEY TWITCH_CLIENT_SECRET LASTFM_API_SECRET TRELLO_TOKEN"),
    "other": named("NETBOX_SUPERUSER_API_TOKEN GALAXY_AUTH MQTT_CREDENTIALS CROWDSEC_BOUNCER_KEY VAULTWARDEN_ADMIN_TOKEN"),
}  # fmt: skip

VALUES: Final[dict[str, Value]] = {
    "hex 80": of_bytes(40, bytes.hex),
    "base62 18": drawn(BASE62, 18),
    "base62 40": drawn(BASE62, 40),
    "base64 of 48 bytes": of_bytes(48, b64),
    "base64url of 18 bytes": of_bytes(18, b64url),
    "two uuids": lambda rng: uuid4(rng).replace("-", "") + uuid4(rng).replace("-", ""),
    "password 15, signs": password("!@#$%^&*+=?_-~", 15),
    "base36 upper 30": drawn(UPPER, 30),
    "base58 44": lambda rng: every(rng, _BASE58, 44),
    "base64 with its prefix": lambda rng: f"base64:{b64(rng.randbytes(32))}",
    "own prefix, base62 36": lambda rng: f"{tag(rng)[:4]}-pat-{every(rng, BASE62, 36)}",
}

CONTEXTS: Final[dict[str, Context]] = {
    "kotlin data class": plain(lambda n, v, r: f"Settings(host={tag(r)}, {n.camel}={v}, timeout={r.randrange(99)})"),
    "elixir map": escaped(in_json, lambda n, v, r: f'[debug] %{{host: "{tag(r)}", {n.snake}: "{v}", pool: 5}}'),
    "scala map": plain(lambda n, v, r: f"Map(host -> {tag(r)}, {n.camel} -> {v}, tls -> true)"),
    "php var_dump": lambda n, v, _: Shown((f'  ["{n.snake}"]=>', f'  string({len(v)}) "{v}"'), v),
    "msbuild /p": escaped(shlex.quote, lambda n, v, r: f"+ msbuild {tag(r)}.sln /p:{n.pascal}={v} /m"),
    "markdown table": plain(lambda n, v, r: f"| {n.upper} | {v} | {tag(r)} |"),
    "redirect fragment": escaped(percent, lambda n, v, r: f"Location: https://app.{tag(r)}.test/callback#{n.snake}={v}&expires_in=3600"),
    "multipart form": lambda n, v, _: Shown((f'Content-Disposition: form-data; name="{n.snake}"', "", v), v),
    "hadoop xml": escaped(lambda v: v.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"), lambda n, v, _: f"<property><name>{n.dotted}</name><value>{v}</value></property>"),
    "plist": escaped(lambda v: v.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"), lambda n, v, _: f"    <key>{n.pascal}</key><string>{v}</string>"),
    "yaml key and value": lambda n, v, _: Shown((f"    - key: {n.upper}", f"      value: {as_yaml(v)}"), v),
    "environ, cat -v": plain(lambda n, v, _: f"PATH=/usr/bin^@{n.upper}={v}^@HOME=/root^@"),
    "json pair": escaped(in_json, lambda n, v, r: f'[["host","{tag(r)}"],["{n.snake}","{v}"]]'),
    "hcl name and value": escaped(in_json, lambda n, v, _: f'      {{ name = "{n.upper}", value = "{v}" }},'),
    "gitlab trace": escaped(shlex.quote, lambda n, v, r: f"{stamp(r)}.{r.randrange(10**6):06d}Z 01O $ export {n.upper}={v}"),
    "lua table": escaped(in_json, lambda n, v, _: f'  ["{n.snake}"] = "{v}",'),
    "powershell table": plain(lambda n, v, _: f"{n.upper:<30} {v}"),
    "objective-c dictionary": escaped(in_json, lambda n, v, _: f'    {n.camel} = "{v}";'),
    "java toString": plain(lambda n, v, r: f"Config{{host='{tag(r)}', {n.camel}='{v}', retries=3}}"),
    "javascript map": plain(lambda n, v, r: f"Map(2) {{ 'host' => '{tag(r)}', '{n.camel}' => '{v}' }}"),
    "ansible -e": escaped(shlex.quote, lambda n, v, r: f"+ ansible-playbook -i {tag(r)} -e {n.snake}={v} site.yml"),
    "lambda variables": plain(lambda n, v, r: f"+ aws lambda update-function-configuration --function-name {tag(r)} --environment Variables={{LOG=info,{n.upper}={v}}}"),
    "kubectl set env": escaped(shlex.quote, lambda n, v, r: f"+ kubectl set env deployment/{tag(r)} {n.upper}={v}"),
    "asp.net section": plain(lambda n, v, r: f"{tag(r).capitalize()}__{n.pascal}={v}"),
    "gh secret set": escaped(shlex.quote, lambda n, v, r: f"+ gh secret set {n.upper} --body {v} --repo acme/{tag(r)}"),
    "launchctl": escaped(shlex.quote, lambda n, v, _: f"launchctl setenv {n.upper} {v}"),
    "withEnv": plain(lambda n, v, _: f"[Pipeline] withEnv(['LANG=C', '{n.upper}={v}'])"),
    "square brackets": plain(lambda n, v, r: f"{stamp(r)} INFO {tag(r)}: host=[{tag(r)}] {n.camel}=[{v}]"),
    "backticks": plain(lambda n, v, r: f"{stamp(r)} set `{n.snake}` to `{v}`"),
    "swift dictionary": escaped(in_json, lambda n, v, r: f'["host": "{tag(r)}", "{n.camel}": "{v}"]'),
}  # fmt: skip


def _ulid(rng: random.Random) -> str:
    return rng.choice((
        f"01{pick(rng, '0123456789ABCDEFGHJKMNPQRSTVWXYZ', 24)}", f"cl{pick(rng, LOWER, 23)}", pick(rng, BASE62, 21), f"{rng.randrange(10**9)}-{pick(rng, HEX, 8)}", uuid4(rng),
        pick(rng, HEX, 32), f"org_{pick(rng, BASE62, 16)}", f"vpc-0{pick(rng, HEX, 16)}",
    ))  # fmt: skip


def _layer(rng: random.Random) -> str:
    return rng.choice((f"sha256:{pick(rng, HEX, 64)}", f"sha384-{b64(rng.randbytes(48))}", pick(rng, HEX, 64), pick(rng, HEX, 40), f"md5:{pick(rng, HEX, 32)}"))  # fmt: skip


def _stored(rng: random.Random) -> str:
    return rng.choice((
        f"md5{pick(rng, HEX, 32)}", f"$scrypt$ln=16,r=8,p=1${b64(rng.randbytes(16))}${b64(rng.randbytes(32))}", f"*{pick(rng, '0123456789ABCDEF', 40)}", f"$5$rounds=5000${pick(rng, BASE62, 16)}${pick(rng, './' + BASE62, 43)}",
        f"{{PBKDF2-SHA512}}10000${b64(rng.randbytes(16))}${b64(rng.randbytes(64))}", f"$argon2i$v=19$m=4096,t=3,p=1${b64(rng.randbytes(16)).rstrip('=')}${b64(rng.randbytes(32)).rstrip('=')}",
    ))  # fmt: skip


def _locked(rng: random.Random) -> str:
    return rng.choice((
        f"ENC[AES256_GCM,data:{b64(rng.randbytes(40))},iv:{b64(rng.randbytes(32))},tag:{b64(rng.randbytes(16))},type:str]", f"CiQA{b64(rng.randbytes(90))}", f"{{AES}}{b64(rng.randbytes(48))}",
        f"gAAAAAB{b64url(rng.randbytes(90))}", f"vault:v3:{b64(rng.randbytes(60))}", f"transit:v1:{b64(rng.randbytes(44))}",
    ))  # fmt: skip


def _masked(rng: random.Random) -> str:
    return rng.choice((
        "<masked>", "(hidden)", "[REDACTED BY POLICY]", "<sensitive data>", "¤¤¤¤¤¤¤¤", "***REMOVED***", "<value stripped>", "[scrubbed]", "--redacted--", "#################", "(write-only attribute)",
        f"{pick(rng, BASE62, 4)}{'•' * 20}", f"{'*' * 36}", f"{pick(rng, BASE62, 2)}***{pick(rng, BASE62, 2)}", f"{pick(rng, BASE62, 8)}...", "{redacted}", "%!s(REDACTED)", "Secret(***)", "SecretStr('**********')",
    ))  # fmt: skip


def _reference(rng: random.Random) -> str:
    one, two = tag(rng), tag(rng)
    return rng.choice((
        f"local.{one}.{two}_secret", f"aws_db_instance.{one}.password", f"random_password.{one}.result", f'os.Getenv("{one.upper()}")', f"ENV.fetch('{one.upper()}')", f"Rails.application.credentials.{one}",
        f"sops://{one}.enc.yaml#{two}", f"${{{{ env.{one.upper()} }}}}", f"$env:{one.upper()}_{two.upper()}", f"!secret {one}_{two}", f"{{{{secrets/{one}/{two}}}}}", f"aws-sm:///{one}/{two}",
        f"<% {one}.{two} %>", f"@{{{one}_{two}}}", f"op://{one}/{two}/credential", f"${{{one}.{two}:#{{null}}}}", f"keychain:{one}/{two}", f"@/run/secrets/{one}_{two}", f"bitwarden://{uuid4(rng)}", f"secrets.{one.upper()}_{two.upper()}",
        f"${{vault.{one}.{two}}}", f"configmap:{one}/{two}",
    ))  # fmt: skip


def _placeholder(rng: random.Random) -> str:
    return rng.choice((
        "REPLACE-WITH-RANDOM-STRING", "<YOUR_TOKEN>", "put-your-key-here", "dev-only-not-secret", "hunter2", "letmein", "admin123", "secret", "test1234", "unused", "NOTSET", "********-example",
        "00000000000000000000000000000000000000000000", "abcabcabcabcabcabcabcabcabcabc", "fakefakefakefakefakefakefakefake", "dummy_token_for_ci", "my_secret_key", "NONE", "false", "-", "local-development-key",
    ))  # fmt: skip


def _kind(text: str, *makers: Value) -> LookAlike:
    return own(Half.THIRD, text, *makers)


_TAKEN: Final = "TWINE_PASSWORD DOPPLER_TOKEN CRON_SECRET APP_KEY TRELLO_TOKEN"
LOOK_ALIKES: Final[dict[str, LookAlike]] = {
    "revision": _kind("GIT_REV BASE_REF_SHA UPSTREAM_COMMIT SUBMODULE_SHA CIRCLE_SHA1 BITBUCKET_COMMIT BUILD_VCS_NUMBER", hexadecimal(40)),
    "layer's digest": _kind("OCI_DIGEST ROOTFS_DIFF_ID SBOM_HASH CONFIG_SHA256SUM CHART_DIGEST WHEEL_HASH PROVIDER_HASH", _layer),
    "next page": _kind("PAGINATION_CURSOR NEXT_PAGE_URL_TOKEN AFTER_CURSOR ITERATOR_TOKEN LIST_CONTINUE STARTING_TOKEN", random_text, lambda rng: b64(f"id={rng.randrange(10**9)}&t={rng.randrange(10**9)}".encode())),
    "sync position": _kind("NEXT_SYNC_TOKEN WATCH_BOOKMARK STREAM_POSITION_TOKEN CHECKPOINT_TOKEN LSN_TOKEN REPLICATION_CURSOR", random_text, lambda rng: f"s{rng.randrange(10**7)}_{rng.randrange(10**6)}_{rng.randrange(99)}_1"),
    "span": _kind("SENTRY_TRACE X_B3_TRACEID DD_TRACE_ID W3C_TRACEPARENT UBER_TRACE_ID TRANSACTION_UUID", hexadecimal(16, 32), lambda rng: f"{pick(rng, HEX, 32)}-{pick(rng, HEX, 16)}-1", lambda rng: f"{pick(rng, HEX, 16)}:{pick(rng, HEX, 16)}:0:1"),
    "id of a credential": _kind("AWS_KMS_KEY_ID VAULT_TOKEN_ACCESSOR KEY_PAIR_ID SECRET_GUID PAT_ID API_TOKEN_UUID JWK_KID PASSWORD_ENTRY_ID DEPLOY_KEY_ID", _ulid),
    "key for verifying": _kind("JWT_VERIFICATION_PUBKEY RELEASE_PUBLIC_KEY DKIM_PUBLIC_KEY APT_SIGNING_PUBLIC_KEY SIGNER_PUBKEY NODE_PUB_KEY", lambda rng: b64(rng.randbytes(32)), hexadecimal(64, 66), lambda rng: f"MCowBQYDK2VwAyEA{b64(rng.randbytes(32))}"),
    "key of a browser's": _kind("RECAPTCHA_PUBLIC_KEY FIREBASE_VAPID_PUBLIC_KEY PUBLIC_API_IDENTIFIER FRIENDLY_CAPTCHA_SITEKEY VITE_PUBLIC_KEY", random_text),
    "deduplication": _kind("DEDUPE_KEY IDEMPOTENCY_KEY_HEADER_VALUE MESSAGE_DEDUPLICATION_ID REQUEST_IDEMPOTENCY_KEY UNIQUE_REQUEST_TOKEN", random_text, uuid4),
    "key in a store": _kind("MEMCACHE_KEY STORAGE_KEY_PATH BLOB_OBJECT_KEY REDIS_KEY_NAME DYNAMODB_HASH_KEY SORTKEY PARTITIONKEY", random_text, lambda rng: f"{tag(rng)}:{rng.randrange(10**6)}:{pick(rng, HEX, 24)}", lambda rng: f"{tag(rng)}/{uuid4(rng)}"),
    "cache": _kind("TURBO_CACHE_KEY CACHE_RESTORE_KEY NPM_CACHE_KEY BAZEL_ACTION_KEY DOCKER_CACHE_KEY PIP_CACHE_HASH", lambda rng: f"Linux-node-{pick(rng, HEX, 64)}", hexadecimal(16, 64), random_text),
    "message": _kind("KAFKA_MESSAGE_KEY EVENT_DEDUP_KEY ORDERING_KEY AGGREGATION_KEY MERGE_KEY SHARDING_KEY GROUPING_KEY", random_text, lambda rng: f"order-{uuid4(rng)}"),
    "hash of a password": _kind("MYSQL_PASSWORD_HASH LDAP_PASSWORD_HASH ENCRYPTED_PASSWORD_HASH PG_PASSWORD_MD5 ADMIN_PASS_HASH PASSWORD_VERIFIER_HASH", _stored),
    "hash of a secret": _kind("SECRET_SHA256 TOKEN_CHECKSUM KEY_DIGEST CLIENT_SECRET_HASH API_KEY_FINGERPRINT SESSION_TOKEN_HASH", hexadecimal(32, 64), lambda rng: b64(rng.randbytes(32))),
    "locked": _kind("ENCRYPTED_DB_PASSWORD CIPHERTEXT_BLOB KMS_ENCRYPTED_SECRET SECRET_ENCRYPTED WRAPPED_MASTER_KEY ENC_PASSWORD", _locked),
    "masked": _kind(_TAKEN, _masked),
    "reference": _kind(_TAKEN, _reference),
    "placeholder": _kind(_TAKEN, _placeholder),
    "place": _kind("SECRETS_FILE PRIVATE_KEY_PATH KUBE_TOKEN_FILE PASSWORD_STORE_DIR SSL_KEY_LOCATION COSIGN_KEY_PATH TOKEN_CACHE_DIR AGE_KEY_FILE", lambda rng: f"/opt/{tag(rng)}/keys/{pick(rng, HEX, 32)}.key", lambda rng: f"../{tag(rng)}/{tag(rng)}_rsa_{rng.randrange(9999)}", lambda rng: f"gs://{tag(rng)}-secrets/{uuid4(rng)}/key.json", lambda rng: f"%APPDATA%\\{tag(rng)}\\{pick(rng, HEX, 16)}.dat"),
    "address": _kind("OAUTH_TOKEN_ENDPOINT KEYSERVER SECRET_MANAGER_ENDPOINT AUTHORIZATION_URL PASSWORD_RESET_BASE_URL KEY_VAULT_URI", lambda rng: f"https://{tag(rng)}.vault.test/keys/{tag(rng)}/{pick(rng, HEX, 32)}", lambda rng: f"hkps://keys.{tag(rng)}.test/{uuid4(rng)}", lambda rng: f"https://{tag(rng)}.test/tenants/{uuid4(rng)}/oauth2/token"),
    "certificate": _kind("ROOT_CA_DATA SERVER_CERTIFICATE TRUST_BUNDLE CLIENT_CERT_CHAIN INTERMEDIATE_CERT", lambda rng: "MIIF" + b64(rng.randbytes(250)), lambda rng: base64.b64encode(b"-----BEGIN CERTIFICATE-----\n" + rng.randbytes(180)).decode()),
    "signature": _kind("RELEASE_SIGNATURE MANIFEST_SIG SNS_SIGNATURE MESSAGE_SIGNATURE STRIPE_SIGNATURE_HEADER", lambda rng: b64(rng.randbytes(256)), lambda rng: f"t={rng.randrange(10**9)},v1={pick(rng, HEX, 64)}", hexadecimal(128)),
    "number": _kind("CACHED_TOKENS MAX_OUTPUT_TOKENS PASSWORD_MIN_DIGITS SECRETS_SCANNED KEY_BITS TOKEN_BUDGET KEYS_PER_SECOND", lambda rng: str(rng.randrange(10**10)), lambda rng: f"{rng.randrange(999)}/{rng.randrange(999)}", lambda rng: f"{rng.random() * 100:.6f}"),
    "date": _kind("SECRET_CREATED_AT TOKEN_NOT_BEFORE KEY_EXPIRATION_DATE PASSWORD_LAST_SET CREDENTIAL_ROTATED_ON TOKEN_REFRESH_INTERVAL", lambda rng: f"{stamp(rng)}Z", lambda rng: f"Tue Nov 2{rng.randrange(9)} 10:{rng.randrange(10, 60)}:00 UTC 2026", either("12h30m", "1209600", "PT15M")),
    "mode": _kind("AUTH_TOKEN_TYPE KEY_USAGE SECRET_ENGINE PASSWORD_HASHER KEY_WRAP_ALGORITHM CREDENTIAL_HELPER TOKEN_STRATEGY CREDENTIAL_PROCESS", either("django.contrib.auth.hashers.Argon2PasswordHasher", "RSA-OAEP-256", "digital_signature", "osxkeychain", "aes256-gcm96", "docker-credential-ecr-login", "kv-v2", "bearer_token_v2", "A256KW", "sha512-crypt-rounds-5000")),
    "called": _kind("VAULT_SECRET_NAME SERVICE_ACCOUNT_TOKEN_NAME SSH_KEYPAIR_NAME KEY_ALIAS PASSWORD_FIELD SECRET_PREFIX TLS_KEY_SECRET_NAME", lambda rng: f"alias/{tag(rng)}-{tag(rng)}-{rng.randrange(99)}", lambda rng: f"{tag(rng)}-{pick(rng, 'bcdfghjklmnpqrstvwxz2456789', 9)}", lambda rng: f"{tag(rng)}_{tag(rng)}_v{rng.randrange(9)}"),
    "other words": _kind("KEYSTONE_REGION_TAG TOKENIZED_SHA AUTHENTICODE_STAMP PASSIVE_PORT_TAG MONKEYTYPE_RUN TURNKEY_IMAGE HOCKEY_SLUG SECRETION_RATE_ID", random_text),
    "who": _kind("SECRET_OWNER TOKEN_SUBJECT KEY_CREATED_BY PASSWORD_ADMIN_EMAIL CREDENTIAL_USERNAME AUTH_REALM", lambda rng: f"system:serviceaccount:{tag(rng)}:{tag(rng)}-{rng.randrange(99)}", lambda rng: f"{tag(rng)}.{tag(rng)}@{tag(rng)}-{rng.randrange(99)}.test", lambda rng: f"spiffe://{tag(rng)}.test/ns/{tag(rng)}/sa/{uuid4(rng)}"),
}  # fmt: skip

TALK: Final[tuple[Line, ...]] = (
    lambda rng: f"+ az keyvault secret show --vault-name {tag(rng)} --name {tag(rng)}-key-{rng.randrange(99)} --query value -o tsv",
    lambda rng: f"+ cosign sign --key awskms:///alias/{tag(rng)} registry.test/{tag(rng)}@sha256:{pick(rng, HEX, 64)}",
    lambda rng: f"+ ssh-keygen -lf /etc/ssh/{tag(rng)}.pub -E sha256; key length {rng.randrange(4096)}",
    lambda rng: f"Revoked token with accessor {pick(rng, BASE62, 24)} after {rng.randrange(99)} uses",
    lambda rng: f'warning: secret "{tag(rng)}-{pick(rng, HEX, 8)}" not found in namespace {tag(rng)}',
    lambda rng: f"  assert response.json()['token'] == create_token(user_{rng.randrange(99)}, key='{tag(rng)}')",
    lambda rng: f'val apiKey = System.getenv("{tag(rng).upper()}_API_KEY_{rng.randrange(9)}") ?: error("no key")',
    lambda rng: f"password = config.get_secret('{tag(rng)}/{tag(rng)}/password_v{rng.randrange(9)}')",
    lambda rng: f'type Credentials{rng.randrange(9)} struct {{ Token string `json:"{tag(rng)}_token"`; Secret []byte }}',
    lambda rng: f"Creating 2 tokens for {tag(rng)}: ids {uuid4(rng)}, {uuid4(rng)}",
    lambda rng: f"pod/{tag(rng)}-{pick(rng, HEX, 10)}-{pick(rng, LOWER, 5)} env from secret/{tag(rng)}-credentials configured",
    lambda rng: f"gpg: using RSA key {pick(rng, '0123456789ABCDEF', 40)}",
    lambda rng: f'Fetched key set (etag W/"{pick(rng, HEX, 32)}"), {rng.randrange(9)} keys',
    lambda rng: f"tokenizer.json: sha256 {pick(rng, HEX, 64)}, {rng.randrange(10**5)} tokens, vocabulary {tag(rng)}",
    lambda rng: f"Error: authentication token of {tag(rng)} expired {rng.randrange(99)} minutes ago; correlation {uuid4(rng)}",
    lambda rng: f"npm http fetch GET 200 https://registry.test/{tag(rng)}-auth-token/-/{tag(rng)}-auth-token-{rng.randrange(9)}.0.1.tgz sha512-{b64(rng.randbytes(64))}",
    lambda rng: f"PASS tests/{tag(rng)}/api_key_rotation_test.py::test_key_{pick(rng, HEX, 12)} in {rng.randrange(99)} ms",
    lambda rng: f"kafka: partition key {uuid4(rng)} hashed to partition {rng.randrange(64)}",
    lambda rng: f"state lock acquired, key {tag(rng)}/terraform.tfstate, lock {uuid4(rng)}",
    lambda rng: f"The password must have {rng.randrange(8, 64)} characters; policy {tag(rng)}-{pick(rng, DIGITS, 6)} ({string.ascii_lowercase[:3]})",
)  # fmt: skip
