"""The eighth half of the `names` corpus: by the recipe of `names_recipe`, with names of real tools.

A random draw dealt the names and contexts out of one list to this half and another. Nobody who wrote the list had read
what the scanner knows of names and contexts.
"""

import shlex
from typing import Final

from benchmarks.formats import HEX, b64url, pick, uuid4
from benchmarks.names_contexts import Context, escaped, in_json, plain, stamp, tag
from benchmarks.names_lookalikes import Line, LookAlike
from benchmarks.names_recipe import TELLING, VALUES, lines, look_alikes
from benchmarks.names_words import Half, Name, named

__all__ = ["CONTEXTS", "LOOK_ALIKES", "LOOK_ALIKE_CONTEXTS", "NAMES", "TALK", "VALUES"]

NAMES: Final[dict[str, tuple[Name, ...]]] = {
    "password": named(
        "NEXUS_PASSWORD MAVEN_PASSWORD PROXMOX_VE_PASSWORD PIHOLE_WEBPASSWORD DB_PASS SEAFILE_ADMIN_PASSWORD MACOS_CERTIFICATE_PWD ODOO_PASSWORD KEYSTORE_PASSWORD"
    ),
    "token": named(
        "RKE2_TOKEN INFLUXDB_TOKEN GOTIFY_TOKEN DANGER_GITHUB_API_TOKEN GL_TOKEN JSR_TOKEN SURGE_TOKEN DESEC_TOKEN NOTION_TOKEN"
    ),
    "secret": named(
        "ZOOM_CLIENT_SECRET SPOTIFY_CLIENT_SECRET PAPERLESS_SECRET PUSHER_APP_SECRET GOOGLE_OAUTH_CLIENT_SECRET"
    ),
    "key": named(
        "BACKUP_ENCRYPTION_KEY S3_SECRET_KEY AZURE_STORAGE_ACCESS_KEY GITLAB_ROOT_DB_KEY_BASE WG_PRIVATE_KEY"
    ),
    "service key": named("MANDRILL_KEY OPENWEATHERMAP_API_KEY POSTHOG_API_KEY SERPAPI_KEY VICTOROPS_API_KEY"),
    "other": named("WORDPRESS_AUTH_SALT REGISTRY_AUTH GIT_CREDENTIALS"),
}

CONTEXTS: Final[dict[str, Context]] = {
    "vault kv put": escaped(shlex.quote, lambda n, v, r: f"+ vault kv put secret/{tag(r)}/ci {n.snake}={v}"),
    "gh secret set": escaped(shlex.quote, lambda n, v, r: f"+ gh secret set {n.upper} --repo {tag(r)}/{tag(r)} --body {v}"),
    "secretsmanager create-secret": escaped(in_json, lambda n, v, r: f"+ aws secretsmanager create-secret --name prod/{tag(r)} --secret-string '{{\"user\":\"{tag(r)}\",\"{n.snake}\":\"{v}\"}}'"),
    "os.environ": plain(lambda n, v, r: f"environ({{'PATH': '/usr/local/bin:/usr/bin', '{n.upper}': '{v}', 'HOSTNAME': '{tag(r)}'}})"),
    "batch set": plain(lambda n, v, r: f'D:\\a\\{r.randrange(9)}\\s>set "{n.upper}={v}"'),
    "curl -d": escaped(in_json, lambda n, v, r: f"+ curl -sf -X POST -H 'Content-Type: application/json' -d '{{\"client\":\"{tag(r)}\",\"{n.snake}\":\"{v}\"}}' https://{tag(r)}.internal/login"),
    "JSON log, nested": escaped(in_json, lambda n, v, r: f'{{"time":"{stamp(r)}Z","level":"INFO","msg":"config loaded","config":{{"listen":":8080","{n.camel}":"{v}"}}}}'),
    "terraform -var": escaped(shlex.quote, lambda n, v, r: f"+ terraform apply -auto-approve -var region=eu-west-1 -var {n.snake}={v} -var size={r.randrange(9)}"),
    "dotenv, single quotes": plain(lambda n, v, _: f"{n.upper}='{v}'"),
    "INI": lines(str, "[{tag}]\nhost = {tag}.internal\n{name.snake}={value}"),
    "Dockerfile ENV": plain(lambda n, v, r: f"Step {r.randrange(9)}/12 : ENV {n.upper} {v}"),
    "HCL variable": lines(in_json, 'variable "{name.snake}" {{\n  type    = string\n  default = "{value}"\n}}'),
    "GITHUB_ENV": plain(lambda n, v, _: f'  echo "{n.upper}={v}" >> "$GITHUB_ENV"'),
    "systemctl show": plain(lambda n, v, r: f"Environment=LANG=C.UTF-8 {n.upper}={v} PORT={r.randrange(1024, 9999)}"),
    "assign and export": escaped(shlex.quote, lambda n, v, _: f"{n.upper}={v}; export {n.upper}"),
    "helm --set": escaped(lambda v: shlex.quote(v.replace(",", "\\,")), lambda n, v, r: f"+ helm upgrade {tag(r)} ./chart --set image.tag=1.{r.randrange(99)} --set {tag(r)}.{n.camel}={v}"),
}  # fmt: skip
# A command that says itself that it is about a secret is no place for what is none.
LOOK_ALIKE_CONTEXTS: Final = {name: context for name, context in CONTEXTS.items() if name not in TELLING}

LOOK_ALIKES: Final[dict[str, LookAlike]] = look_alikes(
    Half.EIGHTH,
    {
        "commit": "CI_COMMIT_BEFORE_SHA SOURCE_COMMIT UPSTREAM_REVISION",
        "digest": "MANIFEST_DIGEST BINARY_SHA256 PACKAGE_SHA1",
        "cache key": "RESTORE_CACHE_KEY GO_BUILD_CACHE_KEY LAYER_CACHE_KEY",
        "page token": "PREV_PAGE_TOKEN LIST_PAGE_TOKEN",
        "continuation token": "CONTINUE_TOKEN RESULTS_CONTINUATION_TOKEN",
        "trace id": "OTEL_TRACE_ID DD_TRACE_ID REQUEST_TRACE_ID",
        "key id": "ENCRYPTION_KEY_ID ACCESS_KEY_IDENTIFIER JWKS_KEY_ID",
        "public key": "JWT_PUBLIC_KEY WG_PEER_PUBLIC_KEY COSIGN_PUBLIC_KEY",
        "fingerprint": "SSH_HOST_FINGERPRINT SIGNING_CERT_FINGERPRINT",
        "idempotency key": "REQUEST_IDEMPOTENCY_KEY X_IDEMPOTENCY_KEY",
        "password hash": "USER_PASSWORD_DIGEST ROOT_PASSWORD_HASH",
        "secret's name": "VAULT_SECRET_NAME TLS_SECRET_NAME TOKEN_SECRET_REF",
        "secret's ARN": "API_KEY_SECRET_ARN ROTATION_SECRET_ARN",
        "masked": "ADMIN_PASSWORD ACCESS_TOKEN SIGNING_SECRET",
        "reference": "MYSQL_PASSWORD REGISTRY_TOKEN",
        "placeholder": "REDIS_PASSWORD SERVICE_API_KEY",
        "token count": "COMPLETION_TOKEN_COUNT CACHED_TOKENS TOKEN_LIMIT",
        "partition key": "DYNAMO_PARTITION_KEY RANGE_SORT_KEY",
        "row and object key": "BLOB_OBJECT_KEY TABLE_ROW_KEY PRIMARY_ROW_KEY",
        "etag": "BLOB_ETAG IF_NONE_MATCH_ETAG",
        "token file": "PASSWORD_FILE API_KEY_FILE AUTH_TOKEN_PATH",
        "checksum": "SECRETS_CHECKSUM VALUES_HASH",
        "request id": "AMZN_REQUEST_ID OPERATION_ID",
        "public value": "HCAPTCHA_SITEKEY NEXT_PUBLIC_ANALYTICS_KEY",
        "token's time": "SECRET_ROTATION_INTERVAL TOKEN_ISSUED_AT SESSION_KEY_LIFETIME",
        "token's type": "SECRET_ENGINE CREDENTIAL_TYPE SIGNING_KEY_TYPE",
        "token's URL": "AUTH_TOKEN_URI PASSWORD_RESET_URL",
        "secret's version": "SECRET_VERSION_ID API_KEY_REVISION",
        "user": "SMTP_LOGIN OAUTH_CLIENT_ID",
        "encrypted": "TOKEN_CIPHERTEXT ENCRYPTED_API_KEY",
        "kubernetes object": "REPLICASET_UID NAMESPACE_UID",
        "upload": "BACKUP_ID ARTIFACT_ID RELEASE_ID",
        "certificate": "SSL_CERTIFICATE ROOT_CA_PEM",
        "switch": "ENABLE_SECRET_SCANNING USE_API_KEY",
        "integrity": "NPM_INTEGRITY SCRIPT_INTEGRITY",
        "device": "DEVICE_SERIAL HOST_UUID",
    },
)

TALK: Final[tuple[Line, ...]] = (
    lambda r: f"gpg: key {pick(r, HEX, 16).upper()}: public key {tag(r)} imported",
    lambda r: (
        f"Warning: using a password on the command line of {tag(r)} can be insecure, session {pick(r, HEX, 12)}"
    ),
    lambda r: f"GET /v2/{tag(r)}/items?limit=100&page_token={b64url(r.randbytes(24))} 200",
    lambda r: f"auth: invalid api key for tenant {uuid4(r)} from 10.0.0.{r.randrange(256)}",
    lambda r: f"const secret = await vault.read(`kv/{tag(r)}/${{{tag(r)}Name}}`);",
    lambda r: f"cosign: tlog entry verified offline, key {pick(r, HEX, 64)}, index {r.randrange(10**8)}",
    lambda r: f"secret {tag(r)}-tls unchanged, checksum/{tag(r)} {pick(r, HEX, 64)}",
    lambda r: (
        f"unexpected token '{tag(r)}', expected one of: KEY, PASSWORD, SECRET (line {r.randrange(999)})"
    ),
    lambda r: (
        f"    def set_password(self, raw_password: str, *, hasher: {tag(r).capitalize()}PasswordHasher) -> None:"
    ),
    lambda r: (
        f"usage_tokens={r.randrange(9999)} cache_key={pick(r, HEX, 40)} model={tag(r)}-{r.randrange(9)}"
    ),
)
