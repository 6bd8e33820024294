"""The look-alikes of the sixth half: 40 kinds of what is no secret, and lines of talk, code and help."""

import random
import string
from typing import Final

from benchmarks.formats import BASE62, DIGITS, HEX, LOWER, UPPER, b64, b64url, pick, uuid4
from benchmarks.names_contexts import stamp, tag
from benchmarks.names_lookalikes import Line, LookAlike, either, hexadecimal, own
from benchmarks.names_words import Half, Value, of_bytes, random_text


def _kind(text: str, *makers: Value) -> LookAlike:
    return own(Half.SIXTH, text, *makers)


def _masked(rng: random.Random) -> str:
    end = pick(rng, BASE62, 4)
    return rng.choice(
        (
            "*" * rng.choice((6, 8, 16, 32)), "<redacted>", "(sensitive value)", "[FILTERED]", "REDACTED", "[secure]",
            f"xxxxxxxxxxxx{end}", f"***{end}", "•" * 12, "<sensitive>", f"sk_live_****{end}", "**** (32 chars)",
            "[MASKED]", "(hidden)", "<set to a non-empty value>", "X" * 24, f"{end}************", "[PROTECTED]",
        )
    )  # fmt: skip


def _reference(rng: random.Random) -> str:
    one, two = tag(rng), tag(rng)
    return rng.choice(
        (
            f"${{{one.upper()}_{two.upper()}}}", f"${one.upper()}_TOKEN", f"$(cat /run/secrets/{one})",
            f"$(pass show ci/{one})", f"{{{{ vault_{one} }}}}", f"{{{{ .Values.{one}.{two} }}}}", f"secrets.{one.upper()}_KEY",
            f"${{{{ secrets.{one.upper()}_TOKEN }}}}", f"vault:secret/data/{one}#{two}", f"op://{one}/{two}/credential",
            f"@Microsoft.KeyVault(SecretUri=https://{one}.vault.azure.net/secrets/{two}/)", f"%env({one.upper()}_DSN)%",
            f"process.env.{one.upper()}_KEY", f"var.{one}_password", f"data.aws_ssm_parameter.{one}.value",
            f"projects/{pick(rng, DIGITS, 12)}/secrets/{one}/versions/latest", f"ref+awsssm://{one}/{two}",
            f"%{one.upper()}_PASSWORD%", f"env:{one.upper()}_SECRET", f"!secret {one}_{two}", f"random_password.{one}.result",
            f"file:///run/secrets/{one}", f"{{{{resolve:secretsmanager:{one}:SecretString:{two}}}}}",
        )
    )  # fmt: skip


def _placeholder(rng: random.Random) -> str:
    return rng.choice(
        (
            "changeme", "your-token-here", "<YOUR_API_KEY>", "xxxxxxxxxxxxxxxx", "TODO", "null", "None", "undefined",
            "replace_me", "insert-secret-here", "example", "dummy", "not-set", "(none)", "false", "CHANGE_ME_PLEASE",
            "my-super-secret-token", "test", "n/a", "<generated>", "0000000000000000", f"your_{tag(rng)}_key",
        )
    )  # fmt: skip


def _version(rng: random.Random) -> str:
    core = f"{rng.randrange(30)}.{rng.randrange(30)}.{rng.randrange(99)}"
    return rng.choice(
        (core, f"v{core}-rc.{rng.randrange(9)}", f"{core}+build.{pick(rng, HEX, 7)}", str(rng.randrange(9)))
    )


def _path(rng: random.Random) -> str:
    one, two = tag(rng), tag(rng)
    return rng.choice((f"/var/run/secrets/{one}/{two}", f"/etc/{one}/tls.key", f"C:\\ProgramData\\{one}\\{two}.pfx", f"~/.{one}/credentials"))  # fmt: skip


def _arn(rng: random.Random) -> str:
    account = pick(rng, DIGITS, 12)
    return rng.choice((
        f"arn:aws:secretsmanager:eu-west-1:{account}:secret:prod/{tag(rng)}-{pick(rng, BASE62, 6)}",
        f"arn:aws:kms:us-east-2:{account}:key/{uuid4(rng)}",
        f"arn:aws:iam::{account}:role/{tag(rng)}-deploy",
    ))  # fmt: skip


def _date(rng: random.Random) -> str:
    return rng.choice((f"{stamp(rng)}Z", str(1_790_000_000 + rng.randrange(9_000_000)), f"{rng.randrange(9000)}s", f"{rng.randrange(90)}m"))  # fmt: skip


def _count(rng: random.Random) -> str:
    return str(rng.randrange(10 ** rng.randrange(1, 9)))


def _public(rng: random.Random) -> str:
    return rng.choice((
        f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{pick(rng, BASE62, 43)}",
        f"-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEA{pick(rng, BASE62, 43)}=\\n-----END PUBLIC KEY-----",
        f"age1{pick(rng, LOWER, 58)}", b64(rng.randbytes(32)), "04" + pick(rng, HEX, 128), f"B{b64url(rng.randbytes(64))}",
    ))  # fmt: skip


def _cursor(rng: random.Random) -> str:
    return rng.choice((b64(f'{{"id":{_count(rng)},"at":"{stamp(rng)}"}}'.encode()), b64url(rng.randbytes(36)), pick(rng, BASE62, 40)))  # fmt: skip


def _colons(rng: random.Random) -> str:
    return ":".join(pick(rng, HEX, 2) for _ in range(20)).upper()


def _fingerprint(rng: random.Random) -> str:
    return rng.choice(
        (f"SHA256:{b64(rng.randbytes(32)).rstrip('=')}", "MD5:" + _colons(rng)[:47].lower(), _colons(rng))
    )


def _hash(rng: random.Random) -> str:
    return rng.choice((
        f"$2y$12${pick(rng, BASE62 + './', 53)}", f"$argon2id$v=19$m=65536,t=3,p=4${pick(rng, BASE62, 22)}${pick(rng, BASE62, 43)}",
        f"pbkdf2_sha256$600000${pick(rng, BASE62, 22)}${b64(rng.randbytes(32))}", f"$6${pick(rng, BASE62, 16)}${pick(rng, BASE62, 86)}",
        f"SCRAM-SHA-256$4096:{b64(rng.randbytes(16))}${b64(rng.randbytes(32))}:{b64(rng.randbytes(32))}", pick(rng, HEX, 64),
    ))  # fmt: skip


def _url(rng: random.Random) -> str:
    return f"https://{tag(rng)}.{tag(rng)}.io/{rng.choice(('oauth2/token', '.well-known/jwks.json', 'v1/keys', 'password/reset'))}"


def _object(rng: random.Random) -> str:
    return f"{tag(rng)}/{stamp(rng)[:10]}/{uuid4(rng)}.{rng.choice(('parquet', 'json.gz', 'png'))}"


def _encrypted(rng: random.Random) -> str:
    return rng.choice((
        f"ENC[AES256_GCM,data:{b64(rng.randbytes(24))},iv:{b64(rng.randbytes(32))},tag:{b64(rng.randbytes(16))},type:str]",
        f"vault:v1:{b64(rng.randbytes(40))}", f"AgB{b64(rng.randbytes(60))}", f"AQICAHh{b64(rng.randbytes(60))}",
        f"gAAAAA{b64url(rng.randbytes(70))}", f"{{cipher}}{pick(rng, HEX, 96)}",
    ))  # fmt: skip


def _dotted(rng: random.Random) -> str:
    return ".".join(tag(rng) for _ in range(rng.choice((2, 3, 4))))


def _host(rng: random.Random) -> str:
    return rng.choice((f"ip-10-{rng.randrange(99)}-{rng.randrange(99)}-7.ec2.internal", f"{tag(rng)}-{pick(rng, HEX, 10)}-{pick(rng, LOWER, 5)}"))  # fmt: skip


def _mail_id(rng: random.Random) -> str:
    return f"<{pick(rng, HEX, 32)}.{rng.randrange(10**9)}@{tag(rng)}.{tag(rng)}.net>"


def _etag(rng: random.Random) -> str:
    return rng.choice(
        (f'W/"{pick(rng, HEX, 40)}"', pick(rng, HEX, 32), f"{pick(rng, HEX, 32)}-{rng.randrange(40)}")
    )


_RANDOM: Final = random_text
_HEX_ID: Final = hexadecimal(16, 24, 32)
_SECRETISH: Final = (
    "WORKER_API_TOKEN CHART_DB_PASSWORD PORTAL_CLIENT_SECRET MOBILE_API_KEY PROBE_AUTH_TOKEN BATCH_ENCRYPTION_KEY"
    " SMTP_SENDER_PASS FIRMWARE_SIGNING_KEY"
)

LOOK_ALIKES: Final[dict[str, LookAlike]] = {
    "masked": _kind(_SECRETISH, _masked),
    "reference": _kind(_SECRETISH, _reference),
    "placeholder": _kind(_SECRETISH, _placeholder),
    "commit": _kind("HEAD_COMMIT_OID MERGE_BASE_SHA VCS_REVISION_HASH UPSTREAM_TREE_SHA", hexadecimal(40)),
    "image digest": _kind("STAGE_IMAGE_DIGEST OCI_MANIFEST_DIGEST SIDECAR_REPO_DIGEST", lambda r: f"sha256:{pick(r, HEX, 64)}"),
    "checksum": _kind("TARBALL_SHA256SUM LAYER_MD5SUM WHEEL_BLAKE2B DOWNLOAD_CHECKSUM", hexadecimal(32, 64), of_bytes(32, b64)),
    "integrity": _kind("LOCKFILE_SRI_INTEGRITY SCRIPT_TAG_INTEGRITY", lambda r: f"sha512-{b64(r.randbytes(64))}"),
    "version": _kind("SIGNING_KEY_VERSION TOKENIZER_RELEASE_VERSION SECRETS_OPERATOR_VERSION", _version),
    "path": _kind("MTLS_PRIVATE_KEY_PATH TOKEN_MOUNT_DIR KEYSTORE_LOCATION_PATH PASSWORD_LIST_FILE SA_KEYFILE_PATH", _path),
    "ARN": _kind("RDS_CREDENTIALS_ARN SIGNER_KEY_ARN DEPLOY_SECRET_ROLE_ARN", _arn),
    "count": _kind("TOKENS_CONSUMED_TOTAL WRONG_PASSWORD_TRIES EVICTED_KEYS_SUM MAX_COMPLETION_TOKENS", _count),
    "public key": _kind("VAPID_WEBPUSH_PUBLIC_KEY WG_PEER_PUBKEY FULCIO_PUBLIC_KEY HOST_PUBLIC_KEY", _public),
    "publishable key": _kind("CHECKOUT_PUBLISHABLE_KEY MAPS_SITE_PUBLIC_TOKEN TURNSTILE_SITEKEY", lambda r: f"0x4AAA{pick(r, BASE62, 18)}", of_bytes(16, bytes.hex)),
    "cursor": _kind("ACTIVITY_AFTER_CURSOR CALENDAR_SYNC_PAGE_TOKEN LIST_CONTINUE_TOKEN SCROLL_PAGE_CURSOR", _cursor),
    "nonce": _kind("CSP_INLINE_NONCE OIDC_REPLAY_NONCE SIWE_LOGIN_NONCE", of_bytes(16, b64), hexadecimal(32), uuid4),
    "test id": _kind("PLAYWRIGHT_TEST_ID CYPRESS_RECORD_RUN_ID FIXTURE_CASE_ID", uuid4, _HEX_ID),
    "build id": _kind("GRADLE_BUILD_SCAN_ID ELF_BUILD_ID NEXT_STATIC_BUILD_ID", lambda r: pick(r, BASE62 + "-_", 21), hexadecimal(40)),
    "etag": _kind("BLOB_IF_MATCH_ETAG S3_PART_ETAG RESPONSE_WEAK_ETAG", _etag),
    "session name": _kind("AWS_STS_SESSION_NAME TMUX_TARGET_SESSION DEBUG_SESSION_LABEL", lambda r: f"{tag(r)}-{pick(r, DIGITS, 10)}", lambda r: f"{tag(r)}-{tag(r)}-{pick(r, HEX, 8)}"),
    "trace id": _kind("B3_PARENT_SPAN_ID DD_CORRELATION_TRACE_ID XRAY_SEGMENT_ID", hexadecimal(16, 32), lambda r: f"1-{pick(r, HEX, 8)}-{pick(r, HEX, 24)}"),
    "request id": _kind("AMZN_INVOKE_REQUEST_ID CF_RAY_ID SUPPORT_INCIDENT_REF", uuid4, hexadecimal(16), lambda r: pick(r, BASE62, 26)),
    "idempotency key": _kind("PAYOUT_IDEMPOTENCY_KEY DEDUPLICATION_MESSAGE_KEY", uuid4, _RANDOM),
    "cache key": _kind("PNPM_CACHE_KEY BAZEL_REMOTE_CACHE_KEY CDN_SURROGATE_KEY", lambda r: f"{tag(r)}-linux-{pick(r, HEX, 64)}", hexadecimal(64)),
    "partition and sort key": _kind("KINESIS_SHARD_PARTITION_KEY DYNAMO_SORT_KEY TENANT_ROW_KEY", uuid4, lambda r: f"USER#{pick(r, BASE62, 20)}", _RANDOM),
    "routing key": _kind("AMQP_BINDING_ROUTING_KEY EXCHANGE_TOPIC_KEY", _dotted),
    "object key": _kind("INVOICE_OBJECT_KEY BACKUP_BLOB_KEY THUMBNAIL_STORAGE_KEY", _object),
    "fingerprint": _kind("SSH_HOSTKEY_FINGERPRINT GPG_SIGNER_FINGERPRINT TLS_LEAF_THUMBPRINT", _fingerprint, hexadecimal(40)),
    "password hash": _kind("HTPASSWD_USER_HASH STORED_PASSWORD_DIGEST SHADOW_CRYPT_HASH", _hash),
    "password policy": _kind("PASSWORD_MINIMUM_LENGTH PASSWORD_ROTATION_POLICY PASSWORD_STRENGTH_LEVEL", _count, either("strict", "lowercase-and-digits", "NIST-800-63B", "zxcvbn")),
    "key id": _kind("JWT_HEADER_KID KMS_CMK_KEY_ID OPENPGP_SUBKEY_ID ACCESS_KEY_UUID", uuid4, hexadecimal(16, 40), lambda r: f"alias/{tag(r)}", b64url_id := of_bytes(20, b64url)),
    "client id": _kind("ENTRA_CLIENT_ID OAUTH_APP_CONSUMER_ID SPOTIFY_CLIENT_ID", uuid4, hexadecimal(32), lambda r: f"{pick(r, DIGITS, 12)}-{pick(r, LOWER, 32)}.apps.googleusercontent.com"),
    "tenant and user id": _kind("SUBSCRIPTION_TENANT_UUID PLAYER_ACCOUNT_ID ORG_WORKSPACE_ID", uuid4, _HEX_ID, b64url_id),
    "kind of token": _kind("OAUTH_TOKEN_TYPE API_AUTH_SCHEME SECRET_BACKEND_KIND", either("Bearer", "client_credentials", "urn:ietf:params:oauth:token-type:jwt", "kubernetes.io/service-account-token", "private_key_jwt", "PLAIN")),
    "expiry": _kind("OFFLINE_TOKEN_EXPIRES_AT PASSWORD_LAST_CHANGED KEY_ROTATED_ON SESSION_SECRET_TTL", _date),
    "URL": _kind("OIDC_TOKEN_ENDPOINT JWKS_KEYS_URI PASSWORD_FORGOT_URL API_KEY_DOCS_LINK", _url),
    "secret's name": _kind("HELM_PULL_SECRET_NAME EXISTING_SECRET_REF TLS_SECRETNAME", lambda r: f"{tag(r)}-{tag(r)}-tls", lambda r: f"prod/{tag(r)}/{tag(r)}", lambda r: f"regcred-{pick(r, LOWER, 5)}"),
    "encrypted": _kind("SEALED_DB_CIPHERTEXT SOPS_ENCRYPTED_BLOB WRAPPED_DATAKEY_CIPHERTEXT", _encrypted),
    "machine": _kind("NODE_BOOT_UUID EDGE_GATEWAY_SERIAL POD_TEMPLATE_HASH VM_INSTANCE_HOSTNAME", _host, uuid4, lambda r: pick(r, UPPER, 12), hexadecimal(10, 32)),
    "words": _kind("I18N_MESSAGE_KEY SHORTCUT_HOTKEY MODEL_PAD_TOKEN MODEL_EOS_TOKEN FOREIGN_KEY_COLUMN", _dotted, either("Ctrl+Shift+P", "<|endoftext|>", "[PAD]", "</s>", "customer_account_id", "errors.password.too_short")),
    "switch": _kind("PASSWORD_LOGIN_ENABLED REQUIRE_SIGNED_TOKENS ALLOW_INSECURE_SECRETS", either("true", "false", "on", "1", "optional", "disabled-by-policy")),
    "message id": _kind("INBOUND_MAIL_MESSAGE_ID SQS_RECEIPT_MESSAGE_ID PUSH_COLLAPSE_ID", _mail_id, uuid4, _RANDOM),
    "lock": _kind("TFSTATE_LOCK_ID LEADER_LEASE_HOLDER MUTEX_OWNER_UUID", uuid4, _host),
    "bundle hash": _kind("WEBPACK_CHUNK_HASH TEMPLATE_CONTENT_HASH SCHEMA_MIGRATION_HASH", hexadecimal(20, 32, 64), lambda r: pick(r, BASE62, 20)),
}  # fmt: skip

TALK: Final[tuple[Line, ...]] = (
    lambda r: f"commit {pick(r, HEX, 40)} Merge branch 'rotate-{tag(r)}-token' into main",
    lambda r: f"usage: {tag(r)} [--password PASSWORD] [--token-file FILE] [--api-key KEY]",
    lambda r: f"const token = await get{tag(r).capitalize()}AccessToken(scopes, clientSecret);",
    lambda r: f"Password for user {tag(r)}: ",
    lambda r: f'error: authentication failed for "{tag(r)}": token expired at {stamp(r)}Z (request {uuid4(r)})',
    lambda r: f"func New{tag(r).capitalize()}Client(apiKey string, secret []byte) (*Client, error) {{",
    lambda r: f'        self.{tag(r)}_password = kwargs.pop("{tag(r)}_password", None) or getpass.getpass()',
    lambda r: f"remote: secret scanning of {pick(r, HEX, 40)}: 0 secrets, {r.randrange(99)} keys checked",
    lambda r: f"{tag(r)}: sessions (token_hash, api_key_id): no row with id = '{uuid4(r)}'",
    lambda r: f"secret/{tag(r)}-credentials created (resourceVersion {pick(r, DIGITS, 9)})",
    lambda r: f'api_key = settings.get("services", "{tag(r)}_api_key", fallback=DEFAULT_API_KEY)',
    lambda r: f"{stamp(r)} Token usage: prompt_tokens={r.randrange(9999)} completion_tokens={r.randrange(9999)}",
    lambda r: f'key={tag(r)}:{r.randrange(10**6)}:profile etag={pick(r, HEX, 32)} ttl=300 msg="cache hit"',
    lambda r: f"-          password: ${{{{ secrets.{tag(r).upper()}_PASSWORD }}}}",
    lambda r: f"debug1: Server host key: ssh-ed25519 SHA256:{b64(r.randbytes(32)).rstrip('=')}",
    lambda r: f"Set-Cookie: session=deleted; Path=/{tag(r)}; Max-Age=0; HttpOnly",
    lambda r: f"npm notice integrity:     sha512-{pick(r, BASE62, 13)}[...]{pick(r, BASE62, 13)}==",
    lambda r: f"if (password !== confirmPassword) throw new Error('{tag(r)}: passwords differ');",
    lambda r: f"Resolved secret prod/{tag(r)} from {_arn(r)}",
    lambda r: f"GET /v1/{tag(r)}/tokens?limit=50&after={uuid4(r)} 200 {r.randrange(900)}ms",
    lambda r: f"W: key {pick(r, HEX, 16).upper()} is not bound in [signed-by=/etc/apt/keyrings/{tag(r)}.gpg]",
    lambda r: f"auth: password rejected for {tag(r)}@{tag(r)}.org, {r.randrange(9)} attempts left, sid={pick(r, string.ascii_lowercase, 10)}",
)  # fmt: skip
