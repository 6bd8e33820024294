"""The fifth held-out half of the `names` corpus: names, values, contexts and look-alikes that the other halves lack.

Names of secrets are variables that vendors document. Half of the contexts, with those of the dev half, are plain
ones; the others are what tools print otherwise. Everything here was written without a look at curfewd's lexicon,
contexts or patterns.
"""

import json
import random
import re
import shlex
import string
from typing import Final

from benchmarks.formats import BASE32, BASE62, DIGITS, HEX, LOWER, b64, b64url, pick, uuid4
from benchmarks.names_contexts import Context, Shown, as_yaml, escaped, in_json, plain, stamp, tag
from benchmarks.names_lookalikes import Line, LookAlike, either, hexadecimal, own
from benchmarks.names_words import Half, Name, Value, drawn, every, named, of_bytes, password, random_text

NAMES: Final[dict[str, tuple[Name, ...]]] = {
    "password": named("LDAP_ADMIN_PASSWORD MONGODB_ROOT_PASSWORD RABBITMQ_PASSWORD REDIS_MASTER_PASSWORD DOCKER_INFLUXDB_INIT_PASSWORD FLYWAY_PASSWORD LIQUIBASE_COMMAND_PASSWORD SQLCMDPASSWORD MYSQL_PWD RESTIC_PASSWORD FASTLANE_PASSWORD KEYCHAIN_PASSWORD APPLE_APP_SPECIFIC_PASSWORD HARBOR_ADMIN_PASSWORD VSPHERE_PASSWORD ANSIBLE_NET_PASSWORD MAIL_PASSWORD TAURI_SIGNING_PRIVATE_KEY_PASSWORD JICOFO_AUTH_PASSWORD MLFLOW_TRACKING_PASSWORD"),
    "token": named("NETLIFY_AUTH_TOKEN CACHIX_AUTH_TOKEN PERCY_TOKEN QODANA_TOKEN ARGOCD_AUTH_TOKEN TURBO_TOKEN NX_CLOUD_ACCESS_TOKEN PACKAGECLOUD_TOKEN FIREBASE_TOKEN SHOPIFY_CLI_THEME_TOKEN BITRISE_API_TOKEN CROWDIN_PERSONAL_TOKEN DUCKDNS_TOKEN METAL_AUTH_TOKEN NEPTUNE_API_TOKEN APPCENTER_ACCESS_TOKEN CODACY_PROJECT_TOKEN CONTENTFUL_MANAGEMENT_TOKEN DNSIMPLE_OAUTH_TOKEN"),
    "secret": named("FACEBOOK_APP_SECRET AKAMAI_CLIENT_SECRET SPOTIPY_CLIENT_SECRET PAYPAL_CLIENT_SECRET AUTH0_CLIENT_SECRET WOODPECKER_AGENT_SECRET JWT_APP_SECRET GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET GODADDY_API_SECRET EXOSCALE_API_SECRET TWITTER_CONSUMER_SECRET SECRETS_SYSTEM APP_SECRET_TOKEN"),
    "key": named("STRIPE_SECRET_KEY BRAINTREE_PRIVATE_KEY GF_SECURITY_SECRET_KEY SPACES_SECRET_ACCESS_KEY ALICLOUD_SECRET_KEY TENCENTCLOUD_SECRET_KEY LITESTREAM_SECRET_ACCESS_KEY CALENDSO_ENCRYPTION_KEY VAPID_PRIVATE_KEY SUPABASE_SERVICE_ROLE_KEY CLEARML_API_SECRET_KEY SENTRY_SECRET_KEY"),
    "service key": named("RESEND_API_KEY BREVO_API_KEY GROQ_API_KEY PINECONE_API_KEY ELEVENLABS_API_KEY INFRACOST_API_KEY CLOUDSMITH_API_KEY NAMECHEAP_API_KEY IBMCLOUD_API_KEY CHECKLY_API_KEY SAUCE_ACCESS_KEY CYPRESS_RECORD_KEY KAGGLE_KEY"),
    "other": named("NS1_APIKEY SUMOLOGIC_ACCESSKEY RELEASE_COOKIE GRAFANA_AUTH SMTP_PASSPHRASE"),
}  # fmt: skip


def _suggested(rng: random.Random) -> str:
    """As Safari suggests a password: three groups of six, with one capital and one digit."""
    groups = [pick(rng, string.ascii_lowercase, 6) for _ in range(3)]
    groups[0] = groups[0][:2] + rng.choice(string.ascii_uppercase) + groups[0][3:]
    groups[2] = groups[2][:5] + rng.choice(DIGITS)
    return "-".join(groups)


VALUES: Final[dict[str, Value]] = {
    "hex 60": of_bytes(30, bytes.hex),
    "base62 28": drawn(BASE62, 28),
    "base62 36": drawn(BASE62, 36),
    "base62 80": drawn(BASE62, 80),
    "base36 lower 40": drawn(LOWER, 40),
    "base64 of 12 bytes": of_bytes(12, b64),
    "base64 of 30 bytes": of_bytes(30, b64),
    "base64 of 40 bytes": of_bytes(40, b64),
    "base64url of 48 bytes": of_bytes(48, b64url),
    "base64url of 32 bytes, padded": lambda rng: b64url(rng.randbytes(32)) + "=",
    "base32 upper 16": drawn(BASE32, 16),
    "password 13, signs": password("!@#$%^&*-_=+?", 13),
    "password 32, signs": password("!#$%&()*+,-.:;=?@^_", 32),
    "three groups of six": _suggested,
    "own prefix with a dash, hex 32": lambda rng: f"{tag(rng)[:3]}-{pick(rng, HEX, 32)}",
    "three parts with dots": lambda rng: ".".join(every(rng, BASE62, size) for size in (20, 8, 32)),
}  # fmt: skip


def _stored(value: str) -> str:
    """As `java.util.Properties.store` writes it."""
    return re.sub(r"([\\=:#!])", r"\\\1", value)


def _teamcity(value: str) -> str:
    return re.sub(r"(['|\[\]])", r"|\1", value)


def _in_xml(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_PLAIN: Final[dict[str, Context]] = {
    "dotenv, single quotes": plain(lambda n, v, _: f"{n.upper}='{v}'"),
    "export, double quotes": plain(lambda n, v, _: f'export {n.upper}="{v}"'),
    "printenv with a time": plain(lambda n, v, r: f"{stamp(r)}.{r.randrange(10**7):07d}Z {n.upper}={v}"),
    "env before a command": escaped(shlex.quote, lambda n, v, r: f"+ env CI=true {n.upper}={v} npm run {tag(r)}"),
    "properties, stored": escaped(_stored, lambda n, v, _: f"{n.dotted}={v}"),
    "yaml, camel, quoted": escaped(in_json, lambda n, v, _: f'    {n.camel}: "{v}"'),
    "json, upper": escaped(in_json, lambda n, v, _: f'  "{n.upper}": "{v}",'),
    "header, lower": plain(lambda n, v, _: f"> {n.header.lower()}: {v}"),
    "header, wget": plain(lambda n, v, r: f"+ wget -q --header='{n.header}: {v}' https://dl.{tag(r)}.test/latest.tar.gz"),
    "flag, quoted": plain(lambda n, v, r: f'$ {tag(r)} login --{n.kebab}="{v}" --non-interactive'),
    "flag, snake": escaped(shlex.quote, lambda n, v, r: f"+ python -m {tag(r)}.main --{n.snake}={v} --epochs=3"),
    "docker run --env": escaped(shlex.quote, lambda n, v, r: f"+ docker run --rm --env={n.upper}={v} {tag(r)}/{tag(r)}:latest"),
}  # fmt: skip

CONTEXTS: Final[dict[str, Context]] = {
    **_PLAIN,
    "terraform plan, map": escaped(in_json, lambda n, v, _: f'              + "{n.upper}" = "{v}"'),
    "pulumi preview": escaped(in_json, lambda n, v, _: f'        + {n.camel:<20}: "{v}"'),
    "heroku config:set": escaped(shlex.quote, lambda n, v, r: f"+ heroku config:set {n.upper}={v} --app {tag(r)}"),
    "kubectl describe configmap": lambda n, v, _: Shown((f"{n.upper}:", "----", v, ""), v),
    "buildkit step": escaped(shlex.quote, lambda n, v, r: f"#{r.randrange(5, 30)} [build 4/7] RUN {n.upper}={v} make {tag(r)}"),
    "docker history, ENV": plain(lambda n, v, r: f"{pick(r, HEX, 12)}   2 weeks ago   /bin/sh -c #(nop)  ENV {n.upper}={v}   0B"),
    "docker history, build argument": plain(lambda n, v, _: f"<missing>      3 days ago   RUN |1 {n.upper}={v} /bin/sh -c make dist # buildkit   12MB"),
    "teamcity message": escaped(_teamcity, lambda n, v, _: f"##teamcity[setParameter name='env.{n.upper}' value='{v}']"),
    "set-output": escaped(lambda v: v.replace("%", "%25"), lambda n, v, _: f"::set-output name={n.snake}::{v}"),
    "variables with a delimiter": lambda n, v, _: Shown((f"{n.upper}<<EOF", v, "EOF"), v),
    "python os.environ": plain(lambda n, v, _: f'os.environ["{n.upper}"] = "{v}"'),
    "node process.env": plain(lambda n, v, _: f"process.env.{n.upper} = '{v}'"),
    "go os.Setenv": escaped(in_json, lambda n, v, _: f'\tos.Setenv("{n.upper}", "{v}")'),
    "go header map": plain(lambda n, v, _: f"request headers: map[Accept:[*/*] User-Agent:[Go-http-client/1.1] {n.header}:[{v}]]"),
    "python headers": plain(lambda n, v, _: f"DEBUG headers={{'User-Agent': 'python-requests/2.32.3', 'Accept': '*/*', '{n.header}': '{v}'}}"),
    "spring headers": plain(lambda n, v, _: f'HTTP GET with headers=[Accept:"application/json", {n.header}:"{v}"]'),
    "nginx debug log": plain(lambda n, v, r: f'2026/11/2{r.randrange(7)} 10:12:07 [debug] 31#31: *{r.randrange(99)} http header: "{n.header}: {v}"'),
    "envoy debug log": plain(lambda n, v, _: f"'{n.header.lower()}', '{v}'"),
    "java setter": escaped(in_json, lambda n, v, _: f'        config.set{n.pascal}("{v}");'),
    "java constant": escaped(in_json, lambda n, v, _: f'    private static final String {n.upper} = "{v}";'),
    "typescript field": plain(lambda n, v, _: f"  readonly {n.camel}: string = '{v}';"),
    "spark-submit --conf": escaped(shlex.quote, lambda n, v, r: f"+ spark-submit --master yarn --conf spark.{tag(r)}.{n.dotted}={v} job.py"),
    "vault kv put": escaped(shlex.quote, lambda n, v, r: f"+ vault kv put secret/{tag(r)} {n.snake}={v}"),
    "supervisor environment": plain(lambda n, v, _: f'environment=LANG="C.UTF-8",{n.upper}="{v}"'),
    "cmake cache": plain(lambda n, v, _: f"{n.upper}:STRING={v}"),
    "windows setx": plain(lambda n, v, _: f'setx {n.upper} "{v}" /M'),
    "xml with a namespace": escaped(_in_xml, lambda n, v, _: f"<ns2:{n.camel}>{v}</ns2:{n.camel}>"),
    "yaml block": lambda n, v, _: Shown((f"  {n.snake}: |-", f"    {v}"), v),
    "yaml flow": escaped(as_yaml, lambda n, v, r: f"  {tag(r)}: {{host: {tag(r)}.internal, {n.snake}: {v}, port: 5432}}"),
    "gitlab variables": escaped(in_json, lambda n, v, _: f'{{"variable_type":"env_var","key":"{n.upper}","value":"{v}","protected":false,"masked":false}}'),
    "curl, json body": escaped(in_json, lambda n, v, r: f"+ curl -sf -X POST https://{tag(r)}.test/api -d '{{\"name\":\"{tag(r)}\",\"{n.snake}\":\"{v}\"}}'"),
    "curl, form field": escaped(shlex.quote, lambda n, v, r: f"+ curl -sf -F file=@dist.zip -F {n.snake}={v} https://up.{tag(r)}.test/"),
    "flutter --dart-define": escaped(shlex.quote, lambda n, v, _: f"+ flutter build apk --release --dart-define={n.upper}={v}"),
    "make variable": escaped(shlex.quote, lambda n, v, r: f"make -C {tag(r)} {n.upper}={v} publish"),
    "ssh -v": plain(lambda n, v, _: f'debug1: channel 0: setting env {n.upper} = "{v}"'),
    "opentelemetry debug exporter": plain(lambda n, v, _: f"     -> {n.dotted}: Str({v})"),
}  # fmt: skip


def _of_password(rng: random.Random) -> str:
    crypt = "./" + BASE62
    return rng.choice((
        f"$2a$10${pick(rng, crypt, 53)}", f"$6$rounds=656000${pick(rng, crypt, 16)}${pick(rng, crypt, 86)}", f"$7$C6..../....{pick(rng, crypt, 43)}", f"scrypt:32768:8:1${pick(rng, BASE62, 16)}${pick(rng, HEX, 128)}",
        f"$argon2id$v=19$m=19456,t=2,p=1${b64(rng.randbytes(16)).rstrip('=')}${b64(rng.randbytes(32)).rstrip('=')}", f"{{SSHA512}}{b64(rng.randbytes(72))}", f"pbkdf2:sha256:600000${pick(rng, BASE62, 16)}${pick(rng, HEX, 64)}",
    ))  # fmt: skip


def _identifier(rng: random.Random) -> str:
    return rng.choice((
        uuid4(rng), str(rng.randrange(10**11)), pick(rng, HEX, 32), f"prj_{pick(rng, BASE62, 28)}", f"i-0{pick(rng, HEX, 17)}", pick(rng, BASE62, 22), f"{tag(rng)}-{rng.randrange(10**6)}", f"01{pick(rng, '0123456789ABCDEFGHJKMNPQRSTVWXYZ', 24)}",
        f"{pick(rng, DIGITS, 12)}-{pick(rng, LOWER, 32)}.apps.googleusercontent.com",
    ))  # fmt: skip


def _sealed(rng: random.Random) -> str:
    return rng.choice((
        f"AQICAH{b64(rng.randbytes(120))}", f"vault:v1:{b64(rng.randbytes(44))}", f"-----BEGIN AGE ENCRYPTED FILE-----{b64(rng.randbytes(60))}", f"v10{b64(rng.randbytes(45))}", f"kms:{b64(rng.randbytes(130))}", f"enc:v2:{pick(rng, HEX, 96)}",
    ))  # fmt: skip


def _masked(rng: random.Random) -> str:
    return rng.choice((
        "***", "****", "******", "********", "[masked]", "[MASKED]", "(sensitive value)", "<sensitive>", "[secret]", "[redacted]", "<REDACTED>", "xxxxxxxx", "[FILTERED]", "(redacted)", "-----", "<secret>", "[SECRET VALUE]", "*****hidden*****",
        f"{pick(rng, BASE62, 3)}*****************", f"*****************{pick(rng, BASE62, 4)}", f"{pick(rng, BASE62, 4)}****{pick(rng, BASE62, 4)}", f"…{pick(rng, BASE62, 4)}", "password-masked", "<omitted>",
    ))  # fmt: skip


def _reference(rng: random.Random) -> str:
    one, two = tag(rng), tag(rng)
    return rng.choice((
        f"${{{one.upper()}_{two.upper()}:?not set}}", f"$${one.upper()}_{two.upper()}", f"${{{{ secrets.{one.upper()} }}}}", f"${{{{ vars.{one.upper()}_{two.upper()} }}}}", f"{{{{ {one}_{two} }}}}", f"{{{{ vault_{one}_{two} }}}}", f"$({one}.{two})", f"%{one.upper()}%",
        f"op://{one}/{two}/token", f"arn:aws:ssm:us-east-1:{pick(rng, DIGITS, 12)}:parameter/{one}/{two}", f"gcp:secretmanager:projects/{one}/secrets/{two}", f"@Microsoft.KeyVault(SecretUri=https://{one}.vault.azure.net/secrets/{two}/)", f"module.{one}.{two}_token", f"data.aws_ssm_parameter.{one}.value",
        f"<{one}.{two}>", f"/run/secrets/{one}", f"env:{one.upper()}_{two.upper()}", f"file:/etc/{one}/{two}", f"secret://{one}/{two}", f"config('{one}.{two}')", f"settings.{one.upper()}_{two.upper()}", f"{{{{ .Secrets.{one} }}}}", f"vault kv get -field={two} {one}", f"!vault {one}.{two}",
    ))  # fmt: skip


def _placeholder(rng: random.Random) -> str:
    return rng.choice((
        "changeme", "change_me_please", "YOUR_TOKEN_HERE", "<your api key>", "your-api-key", "replace-me", "FIXME", "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", "0000000000000000000000000000000000000000", "abcdefghijklmnopqrstuvwxyz123456", "dummy-value",
        "test-token", "fake", "example-key", "not-a-real-secret", "none", "null", "undefined", "password", "guest", "admin", "root", "postgres", "secret", "<insert token>", "super-secret-key", "ci-only", "unset", "todo",
    ))  # fmt: skip


def _kind(text: str, *makers: Value) -> LookAlike:
    return own(Half.FIFTH, text, *makers)


_TAKEN: Final = "RABBITMQ_PASSWORD NETLIFY_AUTH_TOKEN AUTH0_CLIENT_SECRET STRIPE_SECRET_KEY RESEND_API_KEY"
LOOK_ALIKES: Final[dict[str, LookAlike]] = {
    "commit": _kind("APPVEYOR_REPO_COMMIT SEMAPHORE_GIT_SHA BITRISE_GIT_COMMIT CODEBUILD_RESOLVED_SOURCE_VERSION HEROKU_SLUG_COMMIT CF_PAGES_COMMIT_SHA RAILWAY_GIT_COMMIT_SHA SOURCE_COMMIT", hexadecimal(40)),
    "image's digest": _kind("MANIFEST_LIST_DIGEST CONTAINER_IMAGE_SHA RELEASE_IMAGE_DIGEST PLATFORM_MANIFEST", lambda rng: f"sha256:{pick(rng, HEX, 64)}", hexadecimal(64)),
    "file's checksum": _kind("DISTRIBUTION_SHA256_SUM LAMBDA_PACKAGE_HASH CODE_SHA256 INSTALLER_CHECKSUM ZIP_SHA1 CONTENT_SHA512", hexadecimal(32, 40, 64, 128), lambda rng: b64(rng.randbytes(32))),
    "page": _kind("NEXT_RECORD_TOKEN SCAN_START_KEY LAST_SCANNED_KEY NEXT_KEY_MARKER ES_SCROLL_ID PAGE_INFO_END_CURSOR PREVIOUS_PAGE_CURSOR", random_text, lambda rng: b64(json.dumps({"id": rng.randrange(10**9), "ts": stamp(rng)}).encode())),
    "place in a stream": _kind("CHANGE_STREAM_RESUME_TOKEN BINLOG_POSITION PUBSUB_SNAPSHOT_CURSOR KINESIS_SEQUENCE_NUMBER DELTA_LINK_TOKEN", random_text, lambda rng: pick(rng, DIGITS, 56), lambda rng: f"82{pick(rng, '0123456789ABCDEF', 60)}"),
    "trace": _kind("W3C_TRACE_STATE X_DATADOG_PARENT_ID X_AMZN_REQUESTID X_VERCEL_ID HONEYCOMB_TRACE_ID X_CLOUD_TRACE", hexadecimal(16, 32), uuid4, lambda rng: f"00-{pick(rng, HEX, 32)}-{pick(rng, HEX, 16)}-01"),
    "cache's key": _kind("MAVEN_CACHE_KEY MYPY_CACHE_KEY PNPM_STORE_KEY CACHE_WARM_HIT_KEY GO_MOD_CACHE_KEY CYPRESS_BINARY_CACHE_KEY", lambda rng: f"macOS-{tag(rng)}-{pick(rng, HEX, 64)}", hexadecimal(32, 64), random_text),
    "id of a credential": _kind("SECRET_VERSION_STAGE_ID MACHINE_TOKEN_ID DEPLOY_TOKEN_ID API_KEY_UID APPLICATION_CREDENTIAL_ID OAUTH_TOKEN_ID JWT_SIGNER_KEY_ID CERTIFICATE_KEY_ID HOST_KEY_ID", _identifier),
    "identifier": _kind("NETLIFY_SITE_ID VERCEL_PROJECT_ID FIREBASE_APP_ID INSTALLATION_ID AZURE_TENANT_ID CLOUDFLARE_ACCOUNT_ID AUTH0_CLIENT_ID BUILD_REQUEST_ID EXECUTION_ID", _identifier),
    "public key": _kind("COSIGN_PUBLIC_KEY REMOTE_PUBLIC_KEY TUF_ROOT_PUBKEY NEBULA_PUBLIC_KEY AGE_RECIPIENT_PUBLIC_KEY TAURI_UPDATER_PUBKEY", lambda rng: b64(rng.randbytes(32)), hexadecimal(64), lambda rng: f"age1{pick(rng, '023456789acdefghjklmnpqrstuvwxyz', 58)}", lambda rng: f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ{b64(rng.randbytes(240))}"),
    "key of a browser's": _kind("GCAPTCHA_SITE_KEY CF_TURNSTILE_SITEKEY VITE_STRIPE_PUBLISHABLE_KEY NUXT_PUBLIC_SCRIPTS_KEY PUBLIC_SEGMENT_KEY REACT_APP_PUBLIC_MAP_KEY", random_text),
    "fingerprint": _kind("SFTP_HOST_FINGERPRINT OIDC_PROVIDER_THUMBPRINT TLS_CERT_FINGERPRINT RELEASE_KEY_FINGERPRINT SSH_CA_FINGERPRINT", lambda rng: f"SHA256:{b64(rng.randbytes(32)).rstrip('=')}", lambda rng: pick(rng, "0123456789ABCDEF", 40), lambda rng: f"MD5:{':'.join(pick(rng, HEX, 2) for _ in range(16))}"),
    "idempotency": _kind("X_IDEMPOTENCY_KEY CALLER_IDEMPOTENCY_TOKEN RETRY_IDEMPOTENCY_TOKEN ORDER_IDEMPOTENCY_KEY", uuid4, random_text),
    "hash of a password": _kind("BASIC_AUTH_PASSWORD_HASH ROOT_PASSWORD_CRYPTED BCRYPT_PASSWORD_HASH GRUB_PASSWORD_HASH WEB_UI_PW_HASH", _of_password),
    "hash of a secret": _kind("HASHED_API_KEY PAT_SHA256 ACCESS_TOKEN_HASH CLIENT_SECRET_DIGEST INVITE_TOKEN_HASH", hexadecimal(64), lambda rng: b64(rng.randbytes(32)), lambda rng: f"sha512:{pick(rng, HEX, 128)}"),
    "encrypted": _kind("ENCRYPTED_DEK ENCRYPTED_API_TOKEN PASSPHRASE_CIPHERTEXT KEY_BLOB_ENCRYPTED SEALED_CREDENTIAL SECRET_KEY_ENC", _sealed),
    "masked": _kind(_TAKEN, _masked),
    "reference": _kind(_TAKEN, _reference),
    "placeholder": _kind(_TAKEN, _placeholder),
    "file": _kind("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE REDIS_PASSWORD_FILE SSL_CERTIFICATE_KEY_PATH PGPASSFILE CREDENTIALS_DIRECTORY SIGNING_KEY_FILE DOCKER_AUTH_CONFIG_PATH API_TOKEN_FILE", lambda rng: f"/etc/{tag(rng)}/{tag(rng)}.json", lambda rng: f"/run/credentials/{tag(rng)}.service/{pick(rng, HEX, 32)}", lambda rng: f"~/.{tag(rng)}/{tag(rng)}_ed25519", lambda rng: f"D:\\agent\\_temp\\{uuid4(rng)}.p12"),
    "address": _kind("CIRCLE_OIDC_TOKEN_ENDPOINT TOKEN_INTROSPECTION_URL SECRETS_BACKEND_URL OAUTH_ACCESS_TOKEN_URL PUBLIC_KEYS_URL GPG_KEYSERVER_URL", lambda rng: f"https://{tag(rng)}.actions.test/{pick(rng, HEX, 32)}//idtoken/{uuid4(rng)}/{uuid4(rng)}?api-version=2.0", lambda rng: f"https://login.{tag(rng)}.test/{uuid4(rng)}/oauth2/v2.0/token", lambda rng: f"http://{tag(rng)}:8200/v1/secret/{tag(rng)}"),
    "record's key": _kind("DIMENSION_KEY SURROGATE_KEY_VALUE GSI_RANGE_KEY BUSINESS_KEY YOUTRACK_ISSUE_KEY PRIMARY_KEY_VALUE MULTI_COLUMN_KEY", random_text, lambda rng: f"{tag(rng)[:3].upper()}-{rng.randrange(10**5)}", lambda rng: f"USER#{uuid4(rng)}"),
    "object's key": _kind("S3_OBJECT_KEY TERRAFORM_BACKEND_KEY ARTIFACT_STORE_KEY SOURCE_BUNDLE_KEY SNAPSHOT_OBJECT_KEY", lambda rng: f"env/{tag(rng)}/terraform.tfstate", lambda rng: f"releases/{pick(rng, HEX, 40)}/{tag(rng)}.zip", lambda rng: f"{tag(rng)}/{rng.randrange(2020, 2027)}/{uuid4(rng)}.parquet"),
    "message's key": _kind("RABBIT_BINDING_KEY EVENT_GROUPING_KEY PAGERDUTY_DEDUP_KEY SENTRY_GROUPING_KEY ALERT_GROUP_KEY ADVISORY_LOCK_KEY", random_text, lambda rng: f"{tag(rng)}.{tag(rng)}.#", lambda rng: f"{{}}:{{alertname={tag(rng)}}}"),
    "key of a flag or text": _kind("FEATURE_FLAG_KEY CATALOG_TEXT_KEY OPTIMIZELY_EXPERIMENT_KEY LABEL_KEY METRIC_LABEL_KEY SORT_BY_KEY", lambda rng: f"{tag(rng)}.{tag(rng)}.title", lambda rng: f"enable-{tag(rng)}-{tag(rng)}", lambda rng: f"{tag(rng)}_{tag(rng)}_v{rng.randrange(9)}"),
    "key of a project": _kind("SONARCLOUD_PROJECT_KEY JIRA_PROJECT_KEY WORKSPACE_KEY QODANA_PROJECT_KEY STATUS_PAGE_COMPONENT_KEY", lambda rng: f"{tag(rng)}_{tag(rng)}-{tag(rng)}", lambda rng: f"{tag(rng)}:{tag(rng)}", lambda rng: f"{tag(rng)}_{pick(rng, BASE62, 20)}"),
    "certificate": _kind("CLUSTER_CA_CERTIFICATE SERVER_CRT_PEM SIGNING_CERT_PEM KUBE_CLUSTER_CA LDAP_TLS_CA_CRT", lambda rng: "MIIE" + b64(rng.randbytes(280)), lambda rng: f"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSU{pick(rng, BASE62, 260)}"),
    "signature": _kind("NOTATION_SIGNATURE X_GITEA_SIGNATURE GPG_SIGNATURE X_SLACK_SIGNATURE UPDATE_SIGNATURE", lambda rng: f"v0={pick(rng, HEX, 64)}", lambda rng: f"MEUCIQ{b64(rng.randbytes(64))}", lambda rng: b64(rng.randbytes(96)), hexadecimal(128)),
    "entity tag": _kind("IF_MATCH_TAG LAST_SEEN_ETAG S3_VERSION_ID BODY_MD5 STATE_SERIAL_ETAG", lambda rng: f'W/"{pick(rng, HEX, 40)}"', random_text, lambda rng: b64(rng.randbytes(16))),
    "number": _kind("MAX_NEW_TOKENS PROMPT_TOKENS_TOTAL TOKENS_USED_TODAY SECRETS_COUNT RSA_KEY_BITS PASSWORD_HISTORY_SIZE KEY_ROTATIONS API_KEY_QUOTA", lambda rng: str(rng.randrange(10**8)), lambda rng: f"{rng.random() * 10:.4f}", lambda rng: f"{rng.randrange(999)}k"),
    "time": _kind("REFRESH_TOKEN_EXPIRES_AT SECRET_NEXT_ROTATION KEY_NOT_AFTER PASSWORD_CHANGED_ON TOKEN_TTL_SECONDS ACCESS_TOKEN_VALIDITY CREDENTIALS_EXPIRATION", lambda rng: f"{stamp(rng)}.{rng.randrange(1000):03d}Z", lambda rng: f"{stamp(rng).replace('T', ' ')} UTC", lambda rng: str(1_795_000_000_000 + rng.randrange(10**9)), either("1h", "90d", "PT1H", "3600s", "never")),
    "kind or setting": _kind("ACCESS_TOKEN_FORMAT SSH_KEY_ALGORITHM SECRET_BACKEND_CLASS PASSWORD_CHARSET TOKEN_ENDPOINT_METHOD KEY_EXCHANGE_METHOD CREDENTIAL_PROVIDER AUTH_TOKEN_SOURCE", either("jwt", "ed25519", "ssh-rsa", "rsa-sha2-512", "client_secret_basic", "hashicorp_vault", "AWS4-HMAC-SHA256", "curve25519-sha256", "keyring", "github-oidc", "airflow.providers.amazon.aws.secrets.SecretsManagerBackend", "utf8mb4_unicode_ci", "private_key_jwt")),
    "name of an object": _kind("CHART_PULL_SECRET REGISTRY_CREDENTIALS_ID EC2_KEYPAIR_LABEL WEBHOOK_SECRET_REF PAT_DISPLAY_NAME PASSWORD_KEY_NAME DB_SECRET_ARN_NAME API_KEY_TITLE", lambda rng: f"{tag(rng)}-{tag(rng)}-registry", lambda rng: f"{tag(rng)}-secret-{pick(rng, 'bcdfghjklmnpqrstvwxz2456789', 10)}", lambda rng: f"{tag(rng)}/ci/{tag(rng)}_password", lambda rng: f"{tag(rng)} deploy {rng.randrange(99)}"),
    "who": _kind("TOKEN_ISSUED_TO KEY_HOLDER_NAME SECRET_CREATED_BY CREDENTIAL_ACCOUNT API_KEY_OWNER_EMAIL PASSWORD_RESET_USER", lambda rng: f"{tag(rng)}[bot]", lambda rng: f"{tag(rng)}@{tag(rng)}.test", lambda rng: f"repo:acme/{tag(rng)}:ref:refs/heads/main", lambda rng: f"{tag(rng)}-ci-{rng.randrange(999)}"),
    "nonce or salt in the open": _kind("CSP_SCRIPT_NONCE OIDC_STATE OAUTH_CODE_CHALLENGE GNAP_NONCE CBC_IV", lambda rng: b64(rng.randbytes(16)), lambda rng: b64url(rng.randbytes(32)), hexadecimal(24, 32)),
    "machine": _kind("NODE_MACHINE_ID BOOT_ID CONTAINER_ID DISK_UUID AGENT_INSTANCE_ID", hexadecimal(32, 64), uuid4),
    "another word": _kind("MONKEYPATCH_ID KEYFRAME_HASH TOKENIZER_SHA AUTHOR_AVATAR_HASH PASSENGER_REVISION KEYPAD_SLUG PASSPORT_BUILD_TAG TURKISH_LOCALE_HASH DONKEY_RUN_ID", random_text),
}  # fmt: skip

TALK: Final[tuple[Line, ...]] = (
    lambda rng: f"+ aws secretsmanager get-secret-value --secret-id {tag(rng)}/{tag(rng)}-{pick(rng, BASE62, 6)} --query SecretString",
    lambda rng: f"+ gcloud secrets versions access latest --secret={tag(rng)}_api_key_{rng.randrange(99)}",
    lambda rng: f"+ kubectl -n {tag(rng)} get secret {tag(rng)}-token-{pick(rng, 'bcdfghjklmnpqrstvwxz2456789', 5)} -o yaml",
    lambda rng: f"Login Succeeded. The token expires in {rng.randrange(99)} hours (session {uuid4(rng)})",
    lambda rng: f'error: secrets "{tag(rng)}-password-{pick(rng, HEX, 8)}" is forbidden: User "system:serviceaccount:{tag(rng)}:default" cannot get resource',
    lambda rng: f'raise ValueError("{tag(rng).upper()}_API_KEY must be set to a string of {rng.randrange(20, 64)} characters")',
    lambda rng: f"const token = await getToken({{ scope: '{tag(rng)}.read', id: {rng.randrange(10**9)} }});",
    lambda rng: f'let password = std::env::var("{tag(rng).upper()}_PASSWORD_{rng.randrange(9)}").expect("set it");',
    lambda rng: f"password: passwordSchema.min({rng.randrange(8, 30)}).regex(/[A-Z{rng.randrange(9)}]/),",
    lambda rng: f"::add-mask::*** for {tag(rng).upper()}_TOKEN ({rng.randrange(10**6)})",
    lambda rng: f"Masking secret env vars: {tag(rng).upper()}_TOKEN, {tag(rng).upper()}_PASSWORD_{rng.randrange(99)}",
    lambda rng: f"Run actions/cache@v4 with key: Linux-{tag(rng)}-{pick(rng, HEX, 64)}",
    lambda rng: f"Cache saved with key: node-{tag(rng)}-{pick(rng, HEX, 64)}",
    lambda rng: f"apt-key: gpg: key {pick(rng, '0123456789ABCDEF', 16)}: public key \"{tag(rng)} <{tag(rng)}@{tag(rng)}.test>\" imported",
    lambda rng: f"debug1: Server host key: ssh-ed25519 SHA256:{b64(rng.randbytes(32)).rstrip('=')}",
    lambda rng: f"POST /oauth/token 200 in {rng.randrange(999)}ms, request {uuid4(rng)}",
    lambda rng: f"Pushed {tag(rng)}/{tag(rng)}: digest: sha256:{pick(rng, HEX, 64)} size: {rng.randrange(9999)}",
    lambda rng: f"  ✓ rejects a wrong password ({rng.randrange(999)} ms) [{tag(rng)}-{pick(rng, HEX, 8)}]",
    lambda rng: f"aws_iam_access_key.{tag(rng)}: Refreshing state... [id={tag(rng)}-{pick(rng, DIGITS, 12)}]",
    lambda rng: f"vault_token.{tag(rng)}: Creation complete after {rng.randrange(9)}s [id={pick(rng, BASE62, 24)}]",
)  # fmt: skip
