"""The fourth held-out half of the `names` corpus: names, values, contexts and look-alikes that the other halves lack.

Names of secrets are environment variables and configuration keys that real tools document. Everything here was written
without a look at curfewd's lexicon, contexts or patterns, and committed before its only run.
"""

import json
import random
import re
import shlex
import string
from typing import Final

from benchmarks.formats import BASE62, DIGITS, HEX, LOWER, b64, b64url, pick, uuid4
from benchmarks.names_contexts import Context, Shown, as_yaml, escaped, in_json, plain, stamp, tag
from benchmarks.names_lookalikes import Line, LookAlike, either, hexadecimal, own
from benchmarks.names_words import Half, Name, Value, drawn, every, named, of_bytes, password, random_text

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

NAMES: Final[dict[str, tuple[Name, ...]]] = {
    "password": named("POSTGRESQL_PASSWORD MARIADB_ROOT_PASSWORD WORDPRESS_DB_PASSWORD GITLAB_ROOT_PASSWORD DOCKER_PASSWORD CI_REGISTRY_PASSWORD DJANGO_SUPERUSER_PASSWORD NEXTCLOUD_ADMIN_PASSWORD SSL_TRUSTSTORE_PASSWORD SPRING_RABBITMQ_PASSWORD QUARKUS_DATASOURCE_PASSWORD CSC_KEY_PASSWORD MATCH_PASSWORD OS_PASSWORD TF_VAR_DB_PASSWORD DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE DBPASS REDISPASS"),
    "token": named("GH_TOKEN GITHUB_TOKEN NPM_TOKEN NODE_AUTH_TOKEN VAULT_TOKEN SLACK_BOT_TOKEN DISCORD_TOKEN LINODE_TOKEN SUPABASE_ACCESS_TOKEN DATABRICKS_TOKEN JIRA_API_TOKEN COVERALLS_REPO_TOKEN CHROMATIC_PROJECT_TOKEN REPLICATE_API_TOKEN TF_TOKEN_APP_TERRAFORM_IO ELASTIC_APM_SECRET_TOKEN NETDATA_CLAIM_TOKEN SPLUNK_HEC_TOKEN CI_JOB_TOKEN UPSTASH_REDIS_REST_TOKEN"),
    "secret": named("JWT_SECRET_KEY ADMIN_JWT_SECRET AZURE_CLIENT_SECRET GOOGLE_CLIENT_SECRET ATLANTIS_GH_WEBHOOK_SECRET OTP_SECRET UTILS_SECRET TURN_SHARED_SECRET LIVEKIT_API_SECRET OVH_APPLICATION_SECRET CLOUDINARY_API_SECRET PLAID_SECRET"),
    "key": named("AWS_SECRET_ACCESS_KEY ARM_ACCESS_KEY MINIO_SECRET_KEY SCW_SECRET_KEY VAULT_ENC_KEY PAPERLESS_SECRET_KEY WIREGUARD_PRIVATE_KEY PARSE_SERVER_MASTER_KEY LANGFUSE_SECRET_KEY INNGEST_SIGNING_KEY ZITADEL_MASTERKEY ROUNDCUBEMAIL_DES_KEY"),
    "service key": named("OPENAI_API_KEY ANTHROPIC_API_KEY SENDGRID_API_KEY WANDB_API_KEY NUGET_API_KEY GEM_HOST_API_KEY VULTR_API_KEY PORKBUN_SECRET_API_KEY BROWSERSTACK_ACCESS_KEY MJ_APIKEY_PRIVATE FCM_SERVER_KEY PDNS_API_KEY"),
    "other": named("FLOWER_BASIC_AUTH ME_CONFIG_BASICAUTH_PASSWORD NUXT_SESSION_PASSWORD SMTP_PASSWD AUTH_KEY"),
}  # fmt: skip

VALUES: Final[dict[str, Value]] = {
    "hex 96": of_bytes(48, bytes.hex),
    "hex 24": of_bytes(12, bytes.hex),
    "base62 16": drawn(BASE62, 16),
    "base62 64": drawn(BASE62, 64),
    "base64 of 16 bytes": of_bytes(16, b64),
    "base64 of 36 bytes": of_bytes(36, b64),
    "base64url of 24 bytes": of_bytes(24, b64url),
    "crockford base32 26": drawn(_CROCKFORD, 26),
    "letters and digits 20, lower": drawn(LOWER, 20),
    "password 18, signs": password("!@#%^&*+=_-", 18),
    "password 24, signs": password("!@$%*()-_+.?", 24),
    "four groups of four letters": lambda rng: "-".join(pick(rng, string.ascii_lowercase, 4) for _ in range(4)),
    "own prefix with a dash, base62 40": lambda rng: f"{tag(rng)[:2]}-{every(rng, BASE62, 40)}",
    "user and password with a colon": lambda rng: f"{tag(rng)}:{every(rng, BASE62, 20)}",
}  # fmt: skip


def _ado(value: str) -> str:
    """As a connection string needs it: quoted where it has a sign that ends or begins a value."""
    return f'"{value}"' if re.search(r"[;=]", value) else value


def _in_xml(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


CONTEXTS: Final[dict[str, Context]] = {
    "sh export -p": plain(lambda n, v, _: f"export {n.upper}='{v}'"),
    "assignment before a command": escaped(shlex.quote, lambda n, v, r: f"{n.upper}={v} ./scripts/{tag(r)}.sh --env prod"),
    "echo to a file of variables": escaped(shlex.quote, lambda n, v, _: f"+ echo {n.upper}={v}"),
    "docker inspect, compact": escaped(in_json, lambda n, v, r: f'{{"Hostname":"{pick(r, HEX, 12)}","Env":["PATH=/usr/local/bin:/usr/bin","{n.upper}={v}","LANG=C.UTF-8"],"Cmd":null}}'),
    "docker inspect --format": plain(lambda n, v, _: f"[PATH=/usr/local/bin:/usr/bin {n.upper}={v} LANG=C.UTF-8]"),
    "docker compose config": escaped(as_yaml, lambda n, v, _: f"      {n.upper}: {v}"),
    "systemd unit": plain(lambda n, v, _: f"Environment={n.upper}={v}"),
    "log group of a step": lambda n, v, r: Shown((f"##[group]Run ./{tag(r)}.sh", "env:", f"  {n.upper}: {v}", "##[endgroup]"), v),
    "kubernetes secret's data": lambda n, v, r: Shown(("data:", f"  {n.kebab}: {b64(v.encode())}", "kind: Secret", "metadata:", f"  name: {tag(r)}"), b64(v.encode())),
    "helm get values": lambda n, v, _: Shown(("auth:", "  enabled: true", f"  {n.camel}: {as_yaml(v)}"), v),
    "yaml anchor": escaped(as_yaml, lambda n, v, _: f"  {n.snake}: &{n.snake} {v}"),
    "terraform output -json": escaped(in_json, lambda n, v, _: f'{{"{n.snake}":{{"sensitive":true,"type":"string","value":"{v}"}}}}'),
    "nomad env block": escaped(in_json, lambda n, v, _: f'        {n.upper} = "{v}"'),
    "ansible -v": escaped(in_json, lambda n, v, r: f'changed: [web-{r.randrange(9)}] => {{"changed": true, "invocation": {{"module_args": {{"name": "{tag(r)}", "{n.snake}": "{v}", "state": "present"}}}}}}'),
    "npm config list": escaped(in_json, lambda n, v, _: f'{n.kebab} = "{v}"'),
    "ini section": lambda n, v, r: Shown((f"[{tag(r)}]", f"{n.snake}={v}"), v),
    "spring properties, kebab": plain(lambda n, v, r: f"app.{tag(r)}.{n.kebab}={v}"),
    "spring actuator env": escaped(in_json, lambda n, v, r: f'"{n.dotted}":{{"value":"{v}","origin":"class path resource [application.properties] - {r.randrange(1, 99)}:5"}}'),
    "kafka's list of settings": plain(lambda n, v, _: f"\t{n.dotted} = {v}"),
    "java getenv": plain(lambda n, v, _: f"{{PATH=/usr/bin, {n.upper}={v}, HOME=/root}}"),
    "python environ": plain(lambda n, v, _: f"environ({{'PATH': '/usr/bin', '{n.upper}': '{v}', 'HOME': '/root'}})"),
    "pytest --showlocals": plain(lambda n, v, _: f"{n.snake:<12} = '{v}'"),
    "python http debug": plain(lambda n, v, r: f"send: b'GET /v1/{tag(r)} HTTP/1.1\\r\\nHost: api.{tag(r)}.test\\r\\n{n.header}: {v}\\r\\nAccept: */*\\r\\n\\r\\n'"),
    "node headers": plain(lambda n, v, _: f"    headers: {{ Accept: 'application/json', '{n.header}': '{v}' }},"),
    "go %#v": escaped(in_json, lambda n, v, r: f'main.Config{{Addr:"{tag(r)}:5432", {n.pascal}:"{v}", Retries:3}}'),
    "zap console": escaped(in_json, lambda n, v, r: f'{stamp(r)}.123Z\tINFO\t{tag(r)}/main.go:{r.randrange(999)}\tloaded\t{{"{n.camel}": "{v}", "retries": 3}}'),
    "ruby ENV": plain(lambda n, v, _: f'{{"PATH"=>"/usr/bin", "{n.upper}"=>"{v}", "HOME"=>"/root"}}'),
    "curl, HTTP/2": plain(lambda n, v, _: f"* [HTTP/2] [1] [{n.header.lower()}: {v}]"),
    "ado connection string": escaped(_ado, lambda n, v, r: f"Server=tcp:{tag(r)}.test,1433;Initial Catalog=app;{n.pascal}={v};Encrypt=True"),
    "libpq connection options": plain(lambda n, v, r: f"connecting with host={tag(r)}.internal port=5432 dbname=app {n.snake}={v} sslmode=require"),
    "sql update": plain(lambda n, v, r: f"UPDATE {tag(r)} SET {n.snake} = '{v}' WHERE id = {r.randrange(999)};"),  # noqa: S608 a line of a log, which nothing runs
    "cmd set, quoted": plain(lambda n, v, _: f'set "{n.upper}={v}"'),
    "azure pipelines variable": plain(lambda n, v, _: f"##vso[task.setvariable variable={n.upper}]{v}"),
    "powershell format-list": plain(lambda n, v, _: f"{n.pascal:<20} : {v}"),
    "toml inline table": escaped(in_json, lambda n, v, r: f'{tag(r)} = {{ host = "{tag(r)}", {n.snake} = "{v}" }}'),
    "cloudformation parameters": plain(lambda n, v, r: f"+ aws cloudformation deploy --stack-name {tag(r)} --parameter-overrides Stage=prod {n.pascal}={v}"),
    "parameter store": escaped(in_json, lambda n, v, r: f'{{"Name": "/prod/{tag(r)}/{n.snake}", "Type": "String", "Value": "{v}", "Version": {r.randrange(1, 99)}}}'),
    "xml entry": escaped(_in_xml, lambda n, v, _: f'<entry key="{n.dotted}">{v}</entry>'),
}  # fmt: skip


def _stored(rng: random.Random) -> str:
    crypt = "./" + BASE62
    return rng.choice((
        f"$6${pick(rng, crypt, 16)}${pick(rng, crypt, 86)}", f"$2b$12${pick(rng, crypt, 53)}", f"{{SHA256}}{b64(rng.randbytes(32))}", f"$argon2id$v=19$m=65536,t=3,p=4${b64(rng.randbytes(16)).rstrip('=')}${b64(rng.randbytes(32)).rstrip('=')}",
        f"bcrypt_sha256$$2b$12${pick(rng, crypt, 53)}", pick(rng, HEX, 64),
    ))  # fmt: skip


def _identifier(rng: random.Random) -> str:
    return rng.choice((
        uuid4(rng), pick(rng, _CROCKFORD, 26), pick(rng, HEX, 32), pick(rng, HEX, 24), f"{tag(rng)[:4]}_{pick(rng, BASE62, 20)}", str(rng.randrange(10**18)), b64url(rng.randbytes(12)), f"arn:aws:iam::{pick(rng, DIGITS, 12)}:role/{tag(rng)}",
    ))  # fmt: skip


def _encrypted(rng: random.Random) -> str:
    return rng.choice((
        f"AQECAH{b64(rng.randbytes(110))}", f"vault:v2:{b64(rng.randbytes(50))}", f"ENC[AES256_GCM,data:{b64(rng.randbytes(30))},iv:{b64(rng.randbytes(32))},tag:{b64(rng.randbytes(16))},type:str]", f"AgA{b64(rng.randbytes(200))}", f"{{cipher}}{pick(rng, HEX, 128)}",
    ))  # fmt: skip


def _masked(rng: random.Random) -> str:
    return rng.choice((
        "***", "*****", "[MASKED]", "<redacted>", "REDACTED", "(sensitive value)", "<sensitive>", "[FILTERED]", "xxxxx", "XXXXXXXXXXXXXXXX", "********************************", "<hidden>", "<concealed by 1Password>", "[secret]", "-- hidden --",
        f"{pick(rng, BASE62, 4)}{'*' * 28}", f"{'*' * 16}{pick(rng, BASE62, 4)}", f"{pick(rng, BASE62, 3)}...{pick(rng, BASE62, 3)}", "SENSITIVE", "<secret>", "••••••••••••",
    ))  # fmt: skip


def _reference(rng: random.Random) -> str:
    one, two = tag(rng), tag(rng)
    return rng.choice((
        f"${{{one.upper()}_{two.upper()}}}", f"${one.upper()}_{two.upper()}", f"${{{{ secrets.{one.upper()}_{two.upper()} }}}}", f"{{{{ .Values.{one}.{two} }}}}", f"$({one.upper()}_{two.upper()})", f"%{one.upper()}_{two.upper()}%", f"op://{one}/{two}/password",
        f"arn:aws:secretsmanager:eu-west-1:{pick(rng, DIGITS, 12)}:secret:{one}/{two}-{pick(rng, BASE62, 6)}", f"vault:secret/data/{one}#{two}", f"projects/{one}/secrets/{two}/versions/latest", f"os.environ['{one.upper()}_{two.upper()}']", f"var.{one}_{two}",
        f"{{{{ lookup('hashi_vault', 'secret/{one}:{two}') }}}}", f"${{{one}.{two}}}", f"/run/secrets/{one}_{two}", f"*{one}_{two}", f"config.{one}.{two}", f"${{ssm:/prod/{one}/{two}}}", f"ref+vault://{one}/{two}", f"$(cat /run/{one}/{two})",
    ))  # fmt: skip


def _placeholder(rng: random.Random) -> str:
    return rng.choice((
        "changeit", "change-me", "YOUR_API_KEY", "<your-token-here>", "your-secret-goes-here", "replace_with_a_strong_password", "TODO_SET_THIS", "xxxxxxxxxxxxxxxxxxxx", "00000000-0000-0000-0000-000000000000", "1234567890abcdef1234567890abcdef", "example", "sample-token",
        "test", "dummy", "postgres", "minioadmin", "secret123", "none", "null", "undefined", "NotARealKey", "insecure-dev-secret", "django-insecure-change-me", "not-needed", "sk-xxxxxxxxxxxxxxxxxxxxxxxx", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "fake-token-for-tests",
    ))  # fmt: skip


def _kind(text: str, *makers: Value) -> LookAlike:
    return own(Half.FOURTH, text, *makers)


_TAKEN: Final = "DOCKER_PASSWORD GH_TOKEN GOOGLE_CLIENT_SECRET MINIO_SECRET_KEY OPENAI_API_KEY"
LOOK_ALIKES: Final[dict[str, LookAlike]] = {
    "commit": _kind("CI_COMMIT_BEFORE_SHA BUILD_SOURCEVERSION DRONE_COMMIT_SHA TRAVIS_COMMIT BUILDKITE_COMMIT RENDER_GIT_COMMIT VERCEL_GIT_COMMIT_SHA PULL_BASE_SHA", hexadecimal(40)),
    "image's digest": _kind("BASE_IMAGE_DIGEST REPO_DIGEST INDEX_DIGEST IMAGE_SHA256", lambda rng: f"sha256:{pick(rng, HEX, 64)}", hexadecimal(64)),
    "file's checksum": _kind("TARBALL_SHA512 FILE_MD5 JAR_CHECKSUM DOWNLOAD_HASH X_CHECKSUM_SHA1 PACKAGE_INTEGRITY", hexadecimal(32, 40, 128), lambda rng: f"sha512-{b64(rng.randbytes(64))}", lambda rng: b64(rng.randbytes(16))),
    "page": _kind("NEXT_PAGE_KEY PAGE_CURSOR SEARCH_AFTER NEXTLINK_SKIPTOKEN LIST_NEXT_TOKEN LAST_SEEN_KEY", random_text, lambda rng: b64(json.dumps({"offset": rng.randrange(10**6), "s": tag(rng)}).encode())),
    "place in a stream": _kind("STREAM_CURSOR RESUME_AFTER_TOKEN START_AFTER_KEY SYNC_CHECKPOINT NEXT_BATCH CDC_POSITION", random_text, lambda rng: f"{rng.randrange(10**12)}:{rng.randrange(10**6)}", lambda rng: f"s{rng.randrange(10**6)}_{rng.randrange(10**6)}_0_{rng.randrange(99)}"),
    "trace": _kind("CLOUD_TRACE_CONTEXT B3_SPAN_ID OTEL_TRACE_ID X_REQUEST_ID AMZN_TRACE_ID CF_RAY X_CORRELATION_ID", hexadecimal(16, 32), uuid4, lambda rng: f"{pick(rng, HEX, 32)}/{rng.randrange(10**18)};o=1"),
    "cache's key": _kind("YARN_CACHE_KEY SCCACHE_KEY CACHE_HIT_KEY PRECOMMIT_CACHE_KEY RESTORE_KEYS CARGO_CACHE_HASH", lambda rng: f"Linux-{tag(rng)}-{pick(rng, HEX, 64)}", hexadecimal(40, 64), random_text),
    "id of a credential": _kind("SSH_KEY_ID TOKEN_JTI SECRET_UUID SIGNING_CERT_ID CREDENTIAL_HANDLE_ID GPG_SUBKEY_ID APIKEY_RECORD_ID JWT_KEY_ID PRIVATE_KEY_ID", _identifier),
    "identifier": _kind("PROJECT_UUID ORG_ID CLOUDFLARE_ZONE_ID AWS_REQUEST_ID OAUTH_APP_ID LINEAR_TEAM_ID RUN_ID WORKSPACE_ID DEPLOYMENT_UID AZURE_CLIENT_ID", _identifier),
    "public key": _kind("SSH_HOST_PUBKEY SIGSTORE_PUBLIC_KEY OIDC_PUBLIC_KEY WEBPUSH_PUBLIC_KEY MINISIGN_PUBLIC_KEY TAILNET_LOCK_PUBKEY", lambda rng: b64(rng.randbytes(32)), lambda rng: f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{pick(rng, BASE62, 43)}", lambda rng: b64url(b"\x04" + rng.randbytes(64))),
    "key of a browser's": _kind("STRIPE_PUBLISHABLE_KEY ARKOSE_SITE_KEY PUBLIC_POSTHOG_KEY EXPO_PUBLIC_MAPS_KEY NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY GATSBY_PUBLIC_KEY", random_text),
    "fingerprint": _kind("SSH_KEY_FINGERPRINT CERT_SHA256_FINGERPRINT SIGNING_KEY_FINGERPRINT CA_THUMBPRINT GPG_FINGERPRINT", lambda rng: f"SHA256:{b64(rng.randbytes(32)).rstrip('=')}", lambda rng: ":".join(pick(rng, "0123456789ABCDEF", 2) for _ in range(20)), hexadecimal(40)),
    "idempotency": _kind("STRIPE_IDEMPOTENCY_KEY CLIENT_TOKEN_IDEMPOTENT PAYMENT_IDEMPOTENCY_KEY DEDUPLICATION_TOKEN", uuid4, random_text),
    "hash of a password": _kind("HTPASSWD_HASH PASSWORD_HASH_SHA512 USER_PASSWORD_HASH ADMIN_PASSWORD_BCRYPT HASHED_PW TRAEFIK_PASSWORD_HASH", _stored),
    "hash of a secret": _kind("API_KEY_SHA256 REFRESH_TOKEN_HASH WEBHOOK_SECRET_SHA256 KEY_HASH TOKEN_HMAC_DIGEST", hexadecimal(64), lambda rng: b64(rng.randbytes(32)), lambda rng: f"sha256:{pick(rng, HEX, 64)}"),
    "encrypted": _kind("DB_PASSWORD_ENCRYPTED SEALED_API_KEY ENCRYPTED_SECRET_KEY TOKEN_CIPHERTEXT ENC_DATA_KEY KMS_WRAPPED_KEY", _encrypted),
    "masked": _kind(_TAKEN, _masked),
    "reference": _kind(_TAKEN, _reference),
    "placeholder": _kind(_TAKEN, _placeholder),
    "file": _kind("VAULT_TOKEN_FILE POSTGRES_PASSWORD_FILE SSL_KEY_FILE KUBECONFIG_PATH AWS_WEB_IDENTITY_TOKEN_FILE SOPS_AGE_KEY_FILE TLS_PRIVATE_KEY_PATH KEYSTORE_PATH", lambda rng: f"/var/run/secrets/{tag(rng)}/{tag(rng)}", lambda rng: f"/home/{tag(rng)}/.config/{tag(rng)}/{pick(rng, HEX, 16)}.key", lambda rng: f"C:\\Users\\{tag(rng)}\\.ssh\\id_{tag(rng)}", lambda rng: f"./certs/{uuid4(rng)}.pem"),
    "address": _kind("SECRETS_API_URL OIDC_TOKEN_URL JWKS_URI ACTIONS_RESULTS_URL OAUTH_REVOCATION_ENDPOINT KEYCLOAK_TOKEN_URL", lambda rng: f"https://{tag(rng)}.test/realms/{tag(rng)}/protocol/openid-connect/token", lambda rng: f"https://{tag(rng)}.test/keys/{uuid4(rng)}"),
    "record's key": _kind("DYNAMO_PARTITION_KEY CASSANDRA_ROW_KEY UNIQUE_KEY PARENT_KEY CONTEXT_KEY ENTITY_KEY COMPOUND_KEY", random_text, lambda rng: f"{tag(rng).upper()}#{uuid4(rng)}", lambda rng: f"{tag(rng)}:{rng.randrange(10**8)}"),
    "object's key": _kind("ARTIFACT_S3_KEY BACKUP_OBJECT_KEY DESTINATION_KEY MANIFEST_KEY UPLOAD_OBJECT_KEY", lambda rng: f"{tag(rng)}/2026/11/{pick(rng, HEX, 32)}.tar.zst", lambda rng: f"backups/{uuid4(rng)}.dump"),
    "message's key": _kind("AMQP_ROUTING_KEY RECORD_KEY PARTITION_ROUTING_KEY REDIS_LOCK_KEY RATE_LIMIT_KEY THROTTLE_KEY", random_text, lambda rng: f"{tag(rng)}.{tag(rng)}.{pick(rng, HEX, 24)}"),
    "certificate": _kind("CA_CERT_PEM CLIENT_CERT_PEM TLS_CRT SAML_IDP_CERT ISSUING_CA", lambda rng: "MIID" + b64(rng.randbytes(240)), lambda rng: f"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSU{pick(rng, BASE62, 300)}"),
    "signature": _kind("X_HUB_SIGNATURE_256 JAR_SIGNATURE COMMIT_SIGNATURE PAYLOAD_SIGNATURE SIGSTORE_BUNDLE_SIGNATURE", lambda rng: f"sha256={pick(rng, HEX, 64)}", lambda rng: b64(rng.randbytes(70)), hexadecimal(64)),
    "entity tag": _kind("BLOB_ETAG LAST_ETAG CONFIG_RESOURCE_VERSION OBJECT_VERSION_ID X_GOOG_HASH", lambda rng: f"W/{pick(rng, HEX, 32)}", random_text, lambda rng: f"crc32c={b64(rng.randbytes(4))}"),
    "number": _kind("INPUT_TOKENS OUTPUT_TOKENS TOKENS_REMAINING X_RATELIMIT_LIMIT_TOKENS PASSWORD_MAX_LENGTH SECRET_SIZE_BYTES KEY_LENGTH_BITS FAILED_PASSWORD_ATTEMPTS", lambda rng: str(rng.randrange(10**9)), lambda rng: f"{rng.random() * 1000:.3f}"),
    "time": _kind("TOKEN_EXPIRATION SECRET_ROTATION_DAYS KEY_VALID_UNTIL PASSWORD_EXPIRES TOKEN_EXPIRES_IN SECRET_LAST_ACCESSED JWT_EXPIRY", lambda rng: f"{stamp(rng)}Z", lambda rng: f"{stamp(rng)}+00:00", lambda rng: str(1_795_000_000 + rng.randrange(10**6)), either("24h", "15m", "P30D", "86400")),
    "kind or setting": _kind("JWT_ALGORITHM TOKEN_AUTH_METHOD PASSWORD_HASH_ALGORITHM SSL_KEYSTORE_TYPE SASL_MECHANISM SECRET_STORE_KIND KEY_MANAGEMENT CREDENTIAL_SOURCE PASSWORD_AUTHENTICATION", either("HS512", "PKCS12", "SCRAM-SHA-256", "kubernetes", "ClusterSecretStore", "argon2id", "Ec2InstanceMetadata", "ES256", "client_secret_post", "WPA-PSK", "yes", "AWS_MSK_IAM", "OAUTHBEARER")),
    "name of an object": _kind("EXISTING_SECRET_NAME IMAGE_PULL_SECRETS AUTH_SECRET_NAME SECRET_STORE_REF SERVICE_ACCOUNT_KEY_NAME PASSWORD_SECRET_KEY_REF AWS_SECRET_NAME TOKEN_DESCRIPTION", lambda rng: f"{tag(rng)}-{tag(rng)}-credentials", lambda rng: f"{tag(rng)}-token-{pick(rng, 'bcdfghjklmnpqrstvwxz2456789', 5)}", lambda rng: f"prod/{tag(rng)}/{tag(rng)}-key"),
    "who": _kind("TOKEN_OWNER KEY_USER_EMAIL PASSWORD_ROTATED_BY SECRET_MAINTAINER AUTH_PRINCIPAL DOCKER_AUTH_USER", lambda rng: f"{tag(rng)}.{tag(rng)}@{tag(rng)}.test", lambda rng: f"{tag(rng)}@{tag(rng)}-{rng.randrange(999)}.iam.gserviceaccount.com", lambda rng: f"svc-{tag(rng)}-{rng.randrange(99)}"),
    "nonce or salt in the open": _kind("OIDC_NONCE PKCE_CODE_CHALLENGE DPOP_NONCE AES_IV REQUEST_NONCE", lambda rng: b64url(rng.randbytes(32)), lambda rng: b64(rng.randbytes(12)), hexadecimal(24, 32)),
    "another word": _kind("KEYCLOAK_IMAGE_TAG TOKENIZER_REVISION MONKEY_SEED KEYBOARD_ID PASSENGER_BUILD_TAG AUTHORS_HASH COMPASS_REVISION BYPASS_BUILD_ID HOTKEY_MAP_TAG", random_text),
}  # fmt: skip

TALK: Final[tuple[Line, ...]] = (
    lambda rng: f"+ vault kv get -field=password secret/{tag(rng)}/{tag(rng)}-{rng.randrange(99)}",
    lambda rng: f"+ aws ssm get-parameter --name /prod/{tag(rng)}/db_password --with-decryption --query Parameter.Value",
    lambda rng: f"+ docker secret create {tag(rng)}_password /tmp/{tag(rng)}/{pick(rng, HEX, 16)}",
    lambda rng: f"Error: required variable {tag(rng).upper()}_API_TOKEN is not set (run {uuid4(rng)})",
    lambda rng: f"remote: Invalid username or password. fatal: Authentication failed for https://git.{tag(rng)}.test/{tag(rng)}.git/",
    lambda rng: f"token = os.environ.get('{tag(rng).upper()}_TOKEN_{rng.randrange(99)}', '')",
    lambda rng: f"apiKey: process.env.{tag(rng).upper()}_API_KEY_V{rng.randrange(9)} ?? throwError('{tag(rng)}')",
    lambda rng: f'password := os.Getenv("{tag(rng).upper()}_PASSWORD_{rng.randrange(9)}")',
    lambda rng: f"def rotate_secret(secret_id: str, version={rng.randrange(99)}, stage='{tag(rng)}') -> None:",
    lambda rng: f'secret "{tag(rng)}-tls-{pick(rng, HEX, 10)}" unchanged',
    lambda rng: f"Successfully issued token {uuid4(rng)} (accessor) with ttl {rng.randrange(99)}h",
    lambda rng: f"INFO key rotation finished: {rng.randrange(99)} keys, last key id {pick(rng, HEX, 32)}",
    lambda rng: f"usage: tokens_in={rng.randrange(10**6)} tokens_out={rng.randrange(10**5)} request_id=req_{pick(rng, BASE62, 24)}",
    lambda rng: f"SyntaxError: Unexpected token '{tag(rng)[:1]}', \"{tag(rng)}{rng.randrange(99)}\" is not valid JSON",
    lambda rng: f"sshd: Accepted publickey for {tag(rng)} from 10.0.{rng.randrange(256)}.9 port 51{rng.randrange(100, 999)} ssh2: ED25519 SHA256:{b64(rng.randbytes(32)).rstrip('=')}",
    lambda rng: f"      --password string   password of the registry {tag(rng)} (env {tag(rng).upper()}_PASSWORD)",
    lambda rng: f"Collecting python-keycloak=={rng.randrange(9)}.1.0 --hash=sha256:{pick(rng, HEX, 64)}",
    lambda rng: f"cache miss for key {tag(rng)}-{pick(rng, HEX, 40)}, restoring from {tag(rng)}-",
    lambda rng: f"github: secret scanning found no secrets in {rng.randrange(999)} commits up to {pick(rng, HEX, 40)}",
    lambda rng: f'{{"kid":"{pick(rng, HEX, 40)}","kty":"EC","crv":"P-256","x":"{b64url(rng.randbytes(32))}","y":"{b64url(rng.randbytes(32))}"}}',
)  # fmt: skip
