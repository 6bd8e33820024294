"""The seventh half of the `names` corpus: by the recipe of `names_recipe`, with names of real tools.

A random draw dealt the names and contexts out of one list to this half and another. Nobody who wrote the list had read
what the scanner knows of names and contexts.
"""

import shlex
from typing import Final

from benchmarks.formats import HEX, pick, uuid4
from benchmarks.names_contexts import Context, as_yaml, escaped, in_json, plain, stamp, tag
from benchmarks.names_lookalikes import Line, LookAlike
from benchmarks.names_recipe import TELLING, VALUES, lines, look_alikes
from benchmarks.names_words import Half, Name, named

__all__ = ["CONTEXTS", "LOOK_ALIKES", "LOOK_ALIKE_CONTEXTS", "NAMES", "TALK", "VALUES"]

NAMES: Final[dict[str, tuple[Name, ...]]] = {
    "password": named(
        "CASSANDRA_PASSWORD OPENVPN_PASSWORD IPMI_PASSWORD GPG_PASSPHRASE SNMP_AUTH_PASSPHRASE DBT_PASSWORD REDSHIFT_PASSWORD P12_PASSWORD SNOWSQL_PWD"
    ),
    "token": named(
        "SWARM_JOIN_TOKEN TFE_TOKEN MAPBOX_ACCESS_TOKEN SEMGREP_APP_TOKEN SANITY_AUTH_TOKEN CIVO_TOKEN DOCKERHUB_TOKEN BITBUCKET_TOKEN PYPI_TOKEN"
    ),
    "secret": named(
        "DROPBOX_APP_SECRET PAYPAL_SECRET GITHUB_CLIENT_SECRET COGNITO_CLIENT_SECRET OKTA_CLIENT_SECRET"
    ),
    "key": named(
        "SPACES_SECRET_KEY MAGENTO_CRYPT_KEY FLASK_SECRET_KEY R2_SECRET_ACCESS_KEY DB_ENCRYPTION_KEY"
    ),
    "service key": named(
        "DEVELOCITY_ACCESS_KEY SHODAN_API_KEY ONESIGNAL_REST_API_KEY SHIPPO_API_KEY TMDB_API_KEY"
    ),
    "other": named("API_TOKEN_SALT VSCE_PAT HASHIDS_SALT"),
}

CONTEXTS: Final[dict[str, Context]] = {
    "aws ssm put-parameter": escaped(shlex.quote, lambda n, v, r: f"+ aws ssm put-parameter --name /prod/{tag(r)}/{n.upper} --type SecureString --value {v} --overwrite"),
    "stringData": lines(as_yaml, "kind: Secret\nstringData:\n  {name.kebab}: {value}\ntype: Opaque"),
    "kubectl create secret": escaped(shlex.quote, lambda n, v, r: f"+ kubectl -n {tag(r)} create secret generic {tag(r)} --from-literal={n.upper}={v}"),
    "TOML": lines(in_json, '[{tag}]\nendpoint = "https://{tag}.internal"\n{name.snake} = "{value}"'),
    "heroku config:set": escaped(shlex.quote, lambda n, v, r: f"+ heroku config:set {n.upper}={v} --app {tag(r)}"),
    "compose list item": plain(lambda n, v, _: f"      - {n.upper}={v}"),
    "PowerShell": plain(lambda n, v, _: f'$env:{n.upper} = "{v}"'),
    "keyword argument": plain(lambda n, v, r: f'    client = Client(host="{tag(r)}.internal", {n.snake}="{v}", timeout={r.randrange(60)})'),
    "GitLab's coloured command": escaped(shlex.quote, lambda n, v, _: f"\x1b[32;1m$ export {n.upper}={v}\x1b[0;m"),
    "journal": plain(lambda n, v, r: f"Nov 2{r.randrange(7)} 10:02:{r.randrange(10, 60)} ip-10-0-3-{r.randrange(256)} {tag(r)}[{r.randrange(9999)}]: {n.upper}={v}"),
    "ps eww": plain(lambda n, v, r: f"{r.randrange(300, 9999):>7} ?        Ssl    0:0{r.randrange(9)} node /srv/{tag(r)}/server.js HOME=/root {n.upper}={v} LANG=C.UTF-8 PATH=/usr/bin"),
    "docker build --build-arg": escaped(shlex.quote, lambda n, v, r: f"+ docker build --build-arg {n.upper}={v} -t {tag(r)}:latest ."),
    "before a command": escaped(shlex.quote, lambda n, v, r: f"+ {n.upper}={v} ./scripts/{tag(r)}.sh --all"),
    "gcloud --set-env-vars": escaped(shlex.quote, lambda n, v, r: f"+ gcloud run deploy {tag(r)} --region europe-west1 --set-env-vars LOG_LEVEL=info,{n.upper}={v}"),
    "ansible-playbook -e": escaped(shlex.quote, lambda n, v, r: f"+ ansible-playbook -i hosts {tag(r)}.yml -e {n.snake}={v} --diff"),
    "bash set": escaped(shlex.quote, lambda n, v, _: f"{n.upper}={v}"),
}  # fmt: skip
# A command that says itself that it is about a secret is no place for what is none.
LOOK_ALIKE_CONTEXTS: Final = {name: context for name, context in CONTEXTS.items() if name not in TELLING}

LOOK_ALIKES: Final[dict[str, LookAlike]] = look_alikes(
    Half.SEVENTH,
    {
        "commit": "GIT_SHA BUILD_COMMIT_SHA HEAD_REVISION",
        "digest": "IMAGE_DIGEST LAYER_SHA256 ARTIFACT_SHA512",
        "cache key": "CACHE_KEY TURBO_CACHE_KEY NODE_MODULES_CACHE_KEY",
        "page token": "NEXT_PAGE_TOKEN PAGE_TOKEN",
        "continuation token": "CONTINUATION_TOKEN NEXT_CONTINUATION_TOKEN",
        "trace id": "TRACE_ID B3_TRACE_ID PARENT_SPAN_ID",
        "key id": "SIGNING_KEY_ID API_KEY_ID KMS_KEY_ID",
        "public key": "PUBLIC_KEY DEPLOY_PUBLIC_KEY VAPID_PUBLIC_KEY",
        "fingerprint": "KEY_FINGERPRINT CERT_FINGERPRINT",
        "idempotency key": "IDEMPOTENCY_KEY PAYMENT_IDEMPOTENCY_KEY",
        "password hash": "PASSWORD_HASH ADMIN_PASSWORD_BCRYPT",
        "secret's name": "SECRET_NAME PULL_SECRET_NAME DB_SECRET_ID",
        "secret's ARN": "SECRET_ARN DB_CREDENTIALS_ARN",
        "masked": "DB_PASSWORD API_TOKEN CLIENT_SECRET",
        "reference": "DATABASE_PASSWORD DEPLOY_TOKEN",
        "placeholder": "SMTP_PASSWORD WEBHOOK_SECRET",
        "token count": "TOKEN_COUNT PROMPT_TOKENS MAX_TOKENS",
        "partition key": "PARTITION_KEY SORT_KEY",
        "row and object key": "ROW_KEY OBJECT_KEY S3_OBJECT_KEY",
        "etag": "ETAG OBJECT_ETAG",
        "token file": "TOKEN_FILE VAULT_TOKEN_FILE WEB_IDENTITY_TOKEN_FILE",
        "checksum": "CONFIG_CHECKSUM LOCKFILE_HASH",
        "request id": "REQUEST_ID CORRELATION_ID",
        "public value": "RECAPTCHA_SITE_KEY STRIPE_PUBLISHABLE_KEY",
        "token's time": "TOKEN_TTL TOKEN_EXPIRES_AT PASSWORD_MAX_AGE",
        "token's type": "TOKEN_TYPE AUTH_METHOD KEY_ALGORITHM",
        "token's URL": "TOKEN_URL OAUTH_TOKEN_ENDPOINT",
        "secret's version": "SECRET_VERSION KEY_VERSION",
        "user": "DB_USERNAME CLIENT_ID",
        "encrypted": "ENCRYPTED_PASSWORD SEALED_TOKEN",
        "kubernetes object": "POD_UID NODE_UID",
        "upload": "UPLOAD_ID SNAPSHOT_ID MULTIPART_UPLOAD_ID",
        "certificate": "TLS_CERT CA_BUNDLE",
        "switch": "REQUIRE_PASSWORD DISABLE_AUTH_TOKEN",
        "integrity": "INTEGRITY SUBRESOURCE_INTEGRITY",
        "device": "MACHINE_ID INSTALLATION_ID",
    },
)

TALK: Final[tuple[Line, ...]] = (
    lambda r: f"+ vault write auth/jwt/login role={tag(r)} --token-file /var/run/secrets/{tag(r)}/token",
    lambda r: f"commit {pick(r, HEX, 40)} rotate the password of {tag(r)}",
    lambda r: f"usage: {tag(r)} login [--password PASSWORD | --password-stdin] [--token TOKEN]",
    lambda r: f"error: token of {tag(r)} expired {r.randrange(99)} minutes ago (request id: {uuid4(r)})",
    lambda r: f"    secret = client.get_secret({tag(r)}_{tag(r)}, version_stage='AWSCURRENT')",
    lambda r: f"Set secret {tag(r).upper()}_TOKEN for {tag(r)}/{tag(r)}, updated {stamp(r)}Z",
    lambda r: (
        f'{{"level":"info","msg":"token refreshed","key_id":"{uuid4(r)}","expires_in":{r.randrange(3600)}}}'
    ),
    lambda r: f"Restored cache from key: linux-{tag(r)}-{pick(r, HEX, 64)}",
    lambda r: f"Successfully copied secret/{tag(r)}-{pick(r, HEX, 10)} to namespace {tag(r)}",
    lambda r: f"if token.type == Token.{tag(r).upper()} and password_{tag(r)} is None:",
)
