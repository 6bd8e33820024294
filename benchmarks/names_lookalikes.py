"""Text that looks as if its name gave a secret away, and does not: what must not be reported.

Each kind is reported apart. A kind has names for either half, and makes of values. Those of `ASSIGNED` stand in the
same contexts as the secrets, in the same share; those of `LINES` are whole lines.
"""

import base64
import random
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from benchmarks.formats import BASE62, DIGITS, HEX, b64, b64url, pick, uuid4
from benchmarks.names_words import Half, Name, Value, named, random_text


class LookAlike(msgspec.Struct, frozen=True):
    """One kind: names of each half and the makers of values that stand behind them."""

    by_half: dict[Half, tuple[Name, ...]]
    values: tuple[Value, ...]

    def names(self, half: Half) -> tuple[Name, ...]:
        """The names of one half."""
        return self.by_half[half]


def _kind(dev: str, held_out: str, *values: Value) -> LookAlike:
    return LookAlike({Half.DEV: named(dev), Half.HELD_OUT: named(held_out)}, values or (random_text,))


def own(half: Half, names: str, *values: Value) -> LookAlike:
    """A kind that only one half has."""
    return LookAlike({half: named(names)}, values)


def either(*texts: str) -> Value:
    """One of the texts."""
    return lambda rng: rng.choice(texts)


def hexadecimal(*lengths: int) -> Value:
    """Digits of one of the lengths."""
    return lambda rng: pick(rng, HEX, rng.choice(lengths))


def _tag(rng: random.Random) -> str:
    return pick(rng, "abcdefghijklmnopqrstuvwxyz", 6)


def _cursor(rng: random.Random) -> str:
    return b64(f'{{"after":"{uuid4(rng)}","n":{rng.randrange(999)}}}'.encode())


def _cache(rng: random.Random) -> str:
    return rng.choice(
        (f"linux-x64-{pick(rng, HEX, 64)}", pick(rng, HEX, 40), f"v3-{_tag(rng)}-{b64url(rng.randbytes(24))}")
    )


def _bcrypt(rng: random.Random) -> str:
    alphabet = "./" + BASE62
    return f"$2{rng.choice('aby')}$12${pick(rng, alphabet, 53)}"


def _argon2(rng: random.Random) -> str:
    salt, tag = (b64(rng.randbytes(size)).rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m=65536,t=3,p=4${salt}${tag}"


def _crypt(rng: random.Random) -> str:
    return f"$6${pick(rng, BASE62, 16)}${pick(rng, './' + BASE62, 86)}"


def _scram(rng: random.Random) -> str:
    salt, stored, server = (b64(rng.randbytes(size)) for size in (16, 32, 32))
    return f"SCRAM-SHA-256$4096:{salt}${stored}:{server}"


def _spki(rng: random.Random) -> str:
    return "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE" + b64(rng.randbytes(64))


def _ssh(rng: random.Random) -> str:
    return f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{b64(rng.randbytes(32))[:43]}"


def _certificate(rng: random.Random) -> str:
    return "MIID" + b64(rng.randbytes(300))


def _fingerprint(rng: random.Random) -> str:
    digest = rng.randbytes(20).hex()
    return rng.choice((
        f"SHA256:{b64(rng.randbytes(32)).rstrip('=')}",
        ":".join(digest[at : at + 2].upper() for at in range(0, 40, 2)),
        digest.upper(),
        pick(rng, HEX, 64),
    ))  # fmt: skip


def _key_id(rng: random.Random) -> str:
    return rng.choice(
        (
            uuid4(rng),
            pick(rng, HEX, 40),
            pick(rng, "0123456789ABCDEF", 16),
            b64url(rng.randbytes(24)),
            pick(rng, BASE62, 20),
        )
    )


def _arn(rng: random.Random) -> str:
    return rng.choice((
        f"arn:aws:secretsmanager:eu-west-1:{pick(rng, DIGITS, 12)}:secret:prod/{_tag(rng)}-{pick(rng, BASE62, 6)}",
        f"arn:aws:kms:us-east-1:{pick(rng, DIGITS, 12)}:key/{uuid4(rng)}",
        f"projects/{pick(rng, DIGITS, 12)}/secrets/{_tag(rng)}-{_tag(rng)}/versions/{rng.randrange(1, 99)}",
        f"https://{_tag(rng)}.vault.azure.net/secrets/{_tag(rng)}/{pick(rng, HEX, 32)}",
        f"/subscriptions/{uuid4(rng)}/resourceGroups/{_tag(rng)}",
        f"secret/data/ci/{_tag(rng)}#{_tag(rng)}",
    ))  # fmt: skip


def _object_name(rng: random.Random) -> str:
    return rng.choice((
        f"{_tag(rng)}-credentials-{pick(rng, 'bcdfghjklmnpqrstvwxz2456789', 10)}",
        f"{_tag(rng)}-{_tag(rng)}-tls",
        f"sh.helm.release.v1.{_tag(rng)}.v{rng.randrange(99)}",
        f"{_tag(rng)}-token-{pick(rng, 'bcdfghjklmnpqrstvwxz2456789', 5)}",
    ))  # fmt: skip


def _file(rng: random.Random) -> str:
    return rng.choice((
        f"/var/run/secrets/{_tag(rng)}/token",
        f"/etc/ssl/private/{_tag(rng)}-{pick(rng, HEX, 16)}.pem",
        f"./keys/{uuid4(rng)}.json",
        f"C:\\ProgramData\\{_tag(rng)}\\{_tag(rng)}.key",
        f"~/.config/{_tag(rng)}/credentials-{rng.randrange(10**6)}",
        f"s3://{_tag(rng)}-state/{_tag(rng)}/{pick(rng, HEX, 32)}.tfstate",
    ))  # fmt: skip


def _url(rng: random.Random) -> str:
    return rng.choice((
        f"https://login.{_tag(rng)}.internal/oauth2/{uuid4(rng)}/v2.0/token",
        f"https://{_tag(rng)}.{_tag(rng)}.test/realms/{_tag(rng)}/protocol/openid-connect/certs",
        f"https://sqs.eu-west-1.amazonaws.com/{pick(rng, DIGITS, 12)}/{_tag(rng)}-{pick(rng, HEX, 12)}",
    ))  # fmt: skip


def _masked(rng: random.Random) -> str:
    return rng.choice((
        "***", "********", "*" * rng.randrange(12, 40), "<redacted>", "[FILTERED]", "[REDACTED]", "(sensitive value)", "<hidden>",
        f"****{pick(rng, BASE62, 4)}", f"{pick(rng, BASE62, 4)}{'*' * 28}", f"{pick(rng, BASE62, 4)}...{pick(rng, BASE62, 4)}",
        f"{pick(rng, BASE62, 3)}{'x' * 24}", "•" * 12, "xxxxxxxxxxxxxxxxxxxx", "--- sensitive ---", "<sensitive>",
        f"{pick(rng, BASE62, 4)}…{pick(rng, BASE62, 4)}", "‹password:20›", "[MASKED]", "######",
    ))  # fmt: skip


def _reference(rng: random.Random) -> str:
    name = f"{_tag(rng)}_{_tag(rng)}".upper()
    return rng.choice((
        f"${{{name}}}", f"${name}", f"$({_tag(rng)} get {_tag(rng)})", f"%{name}%", f"{{{{ vault.{_tag(rng)} }}}}", f"{{{{ .Values.{_tag(rng)}.{_tag(rng)} }}}}",
        f"${{{{ secrets.{name} }}}}", f"${{env:{name}}}", f"op://ci/{_tag(rng)}/{_tag(rng)}", f"vault:secret/data/{_tag(rng)}#{_tag(rng)}",
        f"ref+awsssm://{_tag(rng)}/{_tag(rng)}", f"ssm:/prod/{_tag(rng)}/{_tag(rng)}", f"file:/run/secrets/{_tag(rng)}", f"env:{name}", f"!vault {_tag(rng)}",
        f"@Microsoft.KeyVault(SecretUri=https://{_tag(rng)}.vault.azure.net/secrets/{_tag(rng)}/)", f"<%= ENV['{name}'] %>", f"#{{{_tag(rng)}.{_tag(rng)}}}",
        f"{{{{resolve:secretsmanager:prod/{_tag(rng)}:SecretString:{_tag(rng)}}}}}", f"${{{name}:-}}", f"${{file({_tag(rng)}.yml):{_tag(rng)}}}",
    ))  # fmt: skip


def _placeholder(rng: random.Random) -> str:
    return rng.choice((
        "changeme", "CHANGE_ME_PLEASE_12345", "your-token-goes-here", "<your-api-key>", "replace-with-your-secret-key", "REPLACE_ME", "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
        "00000000-0000-0000-0000-000000000000", "0123456789abcdef0123456789abcdef", "abcdefghijklmnopqrstuvwxyz123456", "00000000000000000000000000000000",
        "deadbeefdeadbeefdeadbeefdeadbeef", "test-token", "dummy-secret-value", "fake_api_key_for_tests", "not-a-real-secret", "example-password", "null", "None", "undefined",
        "TODO", "insert-token-here", "my-super-secret-token", "ThisIsNotARealPassword1", "1234567890abcdefghij", "sample_key_value_1", "placeholder", "empty", "unset", "n/a",
    ))  # fmt: skip


def _encrypted(rng: random.Random) -> str:
    return rng.choice((
        f"ENC[AES256_GCM,data:{b64(rng.randbytes(24))},iv:{b64(rng.randbytes(32))},tag:{b64(rng.randbytes(16))},type:str]",
        f"vault:v1:{b64(rng.randbytes(48))}",
        f"AQICAH{b64(rng.randbytes(120))}",
        f"ENC({b64(rng.randbytes(32))})",
        f"{{cipher}}{pick(rng, HEX, 96)}",
    ))  # fmt: skip


def _integrity(rng: random.Random) -> str:
    return rng.choice(
        (
            f"sha512-{b64(rng.randbytes(64))}",
            f"h1:{b64(rng.randbytes(32))}",
            f"sha256:{pick(rng, HEX, 64)}",
            pick(rng, HEX, 128),
        )
    )


def _number(rng: random.Random) -> str:
    return str(rng.randrange(10 ** rng.randrange(1, 13)))


def _time(rng: random.Random) -> str:
    return rng.choice(
        (
            f"2026-11-{rng.randrange(10, 29)}T10:{rng.randrange(10, 60)}:00Z",
            str(1_795_000_000 + rng.randrange(10**7)),
            "PT1H",
            "3600s",
            "720h0m0s",
            "1h",
        )
    )


def _row(rng: random.Random) -> str:
    return rng.choice(
        (
            f"USER#{uuid4(rng)}",
            f"{pick(rng, HEX, 32)}",
            f"2026#{_tag(rng)}#{pick(rng, BASE62, 22)}",
            f"{pick(rng, BASE62, 27)}",
            f"orders/{uuid4(rng)}",
        )
    )


def _path(rng: random.Random) -> str:
    return rng.choice(
        (
            f"uploads/{uuid4(rng)}/{_tag(rng)}.parquet",
            f"{_tag(rng)}/year=2026/{pick(rng, HEX, 32)}.gz",
            f"artifacts/{pick(rng, HEX, 40)}/{_tag(rng)}.zip",
        )
    )


def _traceparent(rng: random.Random) -> str:
    return rng.choice(
        (
            f"00-{pick(rng, HEX, 32)}-{pick(rng, HEX, 16)}-01",
            pick(rng, HEX, 32),
            pick(rng, HEX, 16),
            f"1-{pick(rng, HEX, 8)}-{pick(rng, HEX, 24)}",
            uuid4(rng),
        )
    )


def _machine_id(rng: random.Random) -> str:
    return rng.choice(
        (
            uuid4(rng),
            f"i-0{pick(rng, HEX, 16)}",
            pick(rng, HEX, 32),
            f"0o{pick(rng, BASE62, 16)}",
            f"{pick(rng, DIGITS, 12)}-{pick(rng, 'abcdefghijklmnop0123456789', 32)}.apps.{_tag(rng)}.test",
            b64url(rng.randbytes(16)),
        )
    )


def _policy(rng: random.Random) -> str:
    return rng.choice(
        (
            "required",
            "optional",
            "min_length=12,uppercase",
            "rotate-90d",
            "HS256",
            "RS256",
            "aes-256-gcm",
            "bearer",
            "Bearer",
            "basic",
            "client_credentials",
            "true",
            "false",
            "disabled",
            "SCRAM-SHA-512",
            "urn:ietf:params:oauth:token-type:jwt",
            "X-Api-Key",
            "JWT",
            "ed25519",
        )
    )


def _word(rng: random.Random) -> str:
    return rng.choice(
        (
            f"{_tag(rng)}.{_tag(rng)}.{_tag(rng)}",
            "whitespace",
            "WordPiece",
            "cl100k_base",
            "mistral-7b-instruct-v0.3",
            "sentencepiece/xlm-roberta-base",
            "en_US.UTF-8",
            "qwerty-us-intl",
            "KeyboardInterrupt",
        )
    )


ASSIGNED: Final[dict[str, LookAlike]] = {
    "commit": _kind("GIT_COMMIT COMMIT_SHA CI_COMMIT_SHA REVISION", "GITHUB_SHA HEAD_SHA MERGE_BASE VCS_REF SOURCE_VERSION", hexadecimal(40), hexadecimal(40, 64)),
    "digest": _kind("IMAGE_DIGEST SHA256 CHECKSUM CONTENT_MD5", "ARTIFACT_SHA1 MANIFEST_DIGEST LAYER_DIFF MD5SUM PAYLOAD_HASH", hexadecimal(32, 40, 64, 128), _integrity),
    "integrity": _kind("INTEGRITY SOURCE_CODE_HASH", "SUBRESOURCE_INTEGRITY NAR_HASH", _integrity, lambda rng: b64(rng.randbytes(32))),
    "cache key": _kind("CACHE_KEY RESTORE_KEY", "CACHE_KEY_PREFIX BUILD_CACHE_KEY CCACHE_KEY", _cache, random_text),
    "page token": _kind("PAGE_TOKEN NEXT_PAGE_TOKEN", "NEXT_TOKEN PREV_PAGE_TOKEN PAGINATION_TOKEN", _cursor, random_text),
    "continuation token": _kind("CONTINUATION_TOKEN SYNC_TOKEN", "CONTINUE_TOKEN NEXT_CONTINUATION_TOKEN RESUME_TOKEN SKIP_TOKEN", _cursor, random_text),
    "cursor": _kind("CURSOR START_CURSOR", "END_CURSOR SCROLL_ID NEXT_MARKER", _cursor, random_text),
    "trace id": _kind("TRACE_ID SPAN_ID TRACEPARENT", "CORRELATION_ID PARENT_SPAN_ID REQUEST_ID XRAY_TRACE_ID", _traceparent),
    "key id": _kind("KEY_ID API_KEY_ID SIGNING_KEY_ID KID", "ACCESS_KEY_ID KMS_KEY_ID ENCRYPTION_KEY_ID GPG_KEY_ID TOKEN_ID", _key_id),
    "secret's version or id": _kind("SECRET_VERSION SECRET_VERSION_ID TOKEN_UUID", "CREDENTIAL_ID PASSWORD_VERSION SECRET_ETAG CREDENTIALS_ID", _key_id),
    "public key": _kind("PUBLIC_KEY SSH_PUBLIC_KEY", "HOST_KEY JWT_PUBLIC_KEY VERIFY_KEY DEPLOY_PUBLIC_KEY", _spki, _ssh, lambda rng: b64(rng.randbytes(32)), hexadecimal(64)),
    "publishable key": _kind("PUBLISHABLE_KEY RECAPTCHA_SITE_KEY", "NEXT_PUBLIC_SITE_KEY VAPID_PUBLIC_KEY TURNSTILE_SITE_KEY", random_text),
    "certificate": _kind("CA_CERTIFICATE CLIENT_CERT", "CERTIFICATE_AUTHORITY_DATA SERVER_CERT CA_BUNDLE", _certificate),
    "fingerprint": _kind("FINGERPRINT KEY_FINGERPRINT", "CERT_FINGERPRINT HOST_KEY_FINGERPRINT TOKEN_FINGERPRINT THUMBPRINT", _fingerprint),
    "idempotency key": _kind("IDEMPOTENCY_KEY DEDUP_KEY", "IDEMPOTENT_KEY DEDUPLICATION_KEY REQUEST_KEY", random_text, uuid4),
    "password hash": _kind("PASSWORD_HASH PASSWORD_BCRYPT", "HASHED_PASSWORD PASSWORD_DIGEST ADMIN_PASSWORD_HASH PASSWD_SHA512", _bcrypt, _argon2, _crypt, _scram, hexadecimal(64, 128)),
    "token's hash": _kind("TOKEN_HASH TOKEN_SHA256", "HASHED_TOKEN API_KEY_HASH SECRET_CHECKSUM TOKEN_DIGEST", hexadecimal(64), lambda rng: b64(rng.randbytes(32))),
    "secret's name": _kind("SECRET_NAME TOKEN_NAME", "SECRET_REF EXISTING_SECRET IMAGE_PULL_SECRET PASSWORD_SECRET_NAME KEY_NAME", _object_name),
    "secret's arn": _kind("SECRET_ARN KMS_KEY_ARN", "DB_PASSWORD_ARN SECRET_URI CREDENTIALS_SECRET_ARN KEY_VAULT_SECRET_ID", _arn),
    "file": _kind("TOKEN_FILE PASSWORD_FILE KEY_PATH", "PRIVATE_KEY_FILE CREDENTIALS_PATH GOOGLE_APPLICATION_CREDENTIALS SECRET_KEY_FILE KEYSTORE_LOCATION", _file),
    "url": _kind("TOKEN_URL SECRETS_ENDPOINT", "TOKEN_ENDPOINT KEY_SERVER_URL AUTH_URL PASSWORD_RESET_URL", _url),
    "masked": _kind("DB_PASSWORD API_TOKEN CLIENT_SECRET MASTER_KEY", "ROOT_PASSWORD ACCESS_TOKEN SHARED_SECRET SERVICE_KEY", _masked),
    "reference": _kind("DB_PASSWORD API_TOKEN CLIENT_SECRET MASTER_KEY", "ROOT_PASSWORD ACCESS_TOKEN SHARED_SECRET SERVICE_KEY", _reference),
    "placeholder": _kind("DB_PASSWORD API_TOKEN CLIENT_SECRET MASTER_KEY", "ROOT_PASSWORD ACCESS_TOKEN SHARED_SECRET SERVICE_KEY", _placeholder),
    "encrypted": _kind("ENCRYPTED_PASSWORD SECRET_CIPHERTEXT", "PASSWORD_ENC KMS_CIPHERTEXT SEALED_TOKEN ENCRYPTED_DATA_KEY", _encrypted),
    "count or limit": _kind("TOKEN_COUNT MAX_TOKENS KEY_COUNT", "TOTAL_TOKENS PROMPT_TOKENS SECRETS_FOUND PASSWORD_MIN_LENGTH KEY_SIZE TOKENS_PER_MINUTE", _number),
    "time of a credential": _kind("TOKEN_EXPIRES_AT SECRET_TTL", "TOKEN_ISSUED_AT PASSWORD_CHANGED_AT KEY_ROTATION_PERIOD CREDENTIAL_EXPIRY", _time),
    "database key": _kind("PARTITION_KEY SORT_KEY ROW_KEY", "PRIMARY_KEY HASH_KEY SHARD_KEY FOREIGN_KEY RANGE_KEY CLUSTERING_KEY", _row, random_text),
    "object key": _kind("OBJECT_KEY S3_KEY", "BUCKET_KEY BLOB_KEY STORAGE_OBJECT_KEY UPLOAD_KEY", _path, _path, random_text),
    "message key": _kind("BINDING_KEY MESSAGE_KEY LOCK_KEY", "GROUP_KEY EVENT_KEY DIFF_KEY JOIN_KEY TRANSLATION_KEY MUTEX_KEY", random_text, _row),
    "etag": _kind("ETAG RESOURCE_VERSION", "IF_NONE_MATCH CONTENT_ETAG X_AMZ_VERSION_ID", hexadecimal(32, 64), random_text),
    "identifier": _kind("CLIENT_ID TENANT_ID MACHINE_ID BUILD_ID", "APP_ID ACCOUNT_ID USER_ID SUBSCRIPTION_ID INSTANCE_ID JOB_UUID DEVICE_ID", _machine_id, random_text),
    "session of a broker": _kind("CONSUMER_GROUP MEMBER_ID", "PRODUCER_ID TRANSACTIONAL_ID GENERATION_ID", random_text),
    "signature": _kind("IMAGE_SIGNATURE COSIGN_SIGNATURE", "SIGNATURE RELEASE_SIG CHECKPOINT_SIGNATURE", lambda rng: b64(rng.randbytes(64)), hexadecimal(128)),
    "policy or type": _kind("TOKEN_TYPE PASSWORD_POLICY AUTH_METHOD", "KEY_TYPE SECRET_TYPE KEY_ALGORITHM AUTH_MODE TOKEN_HEADER CREDENTIAL_TYPE", _policy),
    "another word": _kind("TOKENIZER KEYBOARD_LAYOUT AUTHOR", "TOKENIZATION_MODEL KEYSPACE MONKEY_PATCH COMPASS PASSENGER", _word),
    "another word, random value": _kind("AUTHORITY_HINT KEYFRAME TURKEY_REGION_TAG", "PASSENGER_REF COMPASS_BUILD KEYNOTE_SLUG SECRETARY_REF BYPASS_MARKER", random_text),
    "public nonce": _kind("CODE_CHALLENGE SEC_WEBSOCKET_ACCEPT", "SEC_WEBSOCKET_KEY SCRIPT_NONCE CSP_NONCE ACME_REPLAY_NONCE", lambda rng: b64url(rng.randbytes(32)), lambda rng: b64(rng.randbytes(16))),
    "blob": _kind("PAYLOAD THUMBNAIL", "BODY PREVIEW_IMAGE ATTACHMENT", lambda rng: b64(rng.randbytes(rng.randrange(60, 200)))),
}  # fmt: skip

Line = Callable[[random.Random], str]


def _pods(rng: random.Random) -> str:
    return f"{_tag(rng)}-{pick(rng, 'bcdfghjklmnpqrstvwxz2456789', 10)}"


_TALK_DEV: Final[tuple[Line, ...]] = (
    lambda rng: f"+ ./bin/{_tag(rng)} --token-file /var/run/secrets/{_tag(rng)}/token --verbose",
    lambda rng: f"+ vault login -method=jwt role={_tag(rng)} --token-file=/run/{_tag(rng)}.jwt",
    lambda rng: f"token expires in {rng.randrange(60, 3600)} seconds, request {uuid4(rng)}",
    lambda rng: f"commit {pick(rng, HEX, 40)} (HEAD -> main): rotate the api key of {_tag(rng)}",
    lambda rng: f"Warning: --password is deprecated, use --password-stdin instead ({_tag(rng)})",
    lambda rng: f"secret/{_tag(rng)}-{pick(rng, HEX, 10)} created with label checksum={pick(rng, HEX, 40)}",
    lambda rng: f"  token = get_token(session, scope='{_tag(rng)}', nonce={rng.randrange(10**9)})",
    lambda rng: f"    password: str = Field(default_factory=generate_{_tag(rng)}_password_v2)",
    lambda rng: f'api_key=os.environ["{_tag(rng).upper()}_API_KEY_2026"]',
    lambda rng: f"const apiKey = process.env.{_tag(rng).upper()}_API_KEY_V{rng.randrange(9)};",
    lambda rng: f"error: invalid token at line {rng.randrange(999)}: unexpected '{_tag(rng)}'",
    lambda rng: f"using key {_tag(rng)}-{rng.randrange(9999)} from keyring /etc/apt/keyrings/{_tag(rng)}.gpg",
    lambda rng: f"usage: {_tag(rng)} [--token TOKEN] [--password PASSWORD] [--api-key KEY] FILE",
    lambda rng: f"X-Amz-Signature={pick(rng, HEX, 64)}&X-Amz-Date=20261124T100000Z",
    lambda rng: f"Get:{rng.randrange(9)} http://deb.internal bookworm/main libsecret-1-0 amd64 0.20.{rng.randrange(9)}-1 [{rng.randrange(999)} kB] SHA256:{pick(rng, HEX, 64)}",
    lambda rng: f"key: {_tag(rng)}.{_tag(rng)}, value: {rng.randrange(10**6)}",
)  # fmt: skip
_TALK_HELD_OUT: Final[tuple[Line, ...]] = (
    lambda rng: f"+ kubectl --kubeconfig /tmp/{_tag(rng)} get secret {_pods(rng)} -o name",
    lambda rng: f"+ docker login --username ci --password-stdin registry.{_tag(rng)}.internal",
    lambda rng: f"exec: consul agent -token-path=/etc/{_tag(rng)}/{uuid4(rng)}",
    lambda rng: f"secretKeyRef: {{name: {_pods(rng)}, key: password}}",
    lambda rng: f"  envFrom: [{{secretRef: {{name: {_pods(rng)}}}}}]",
    lambda rng: f"Decoded {rng.randrange(10**5)} tokens in {rng.random():.6f}s, key cache {rng.randrange(99)} MB, run {pick(rng, HEX, 32)}",
    lambda rng: f"AssertionError: password mismatch for user {_tag(rng)} ({uuid4(rng)})",
    lambda rng: f"self.access_token = self.client.fetch_token_{_tag(rng)}(timeout={rng.randrange(99)})",
    lambda rng: f"func (c *Client) WithSecret(secret{rng.randrange(9)} string) *{_tag(rng).capitalize()}Options42 {{",
    lambda rng: f'private static final String API_KEY = System.getenv("{_tag(rng).upper()}_KEY_{rng.randrange(99)}");',
    lambda rng: f'psql: error: password authentication failed for user "{_tag(rng)}", backend {pick(rng, HEX, 32)}',
    lambda rng: f"Deleting expired key {uuid4(rng)} of {_tag(rng)}",
    lambda rng: f"key={_tag(rng)}/{pick(rng, HEX, 40)} size={rng.randrange(10**6)} hit=true",
    lambda rng: f"AccessKeyId: AKIA{pick(rng, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', 16)}, Status: Active",
    lambda rng: f"ssh: key {b64(rng.randbytes(32)).rstrip('=')} SHA256 (ED25519) accepted for {_tag(rng)}",
    lambda rng: f'{{"keys":[{{"kty":"RSA","kid":"{b64url(rng.randbytes(24))}","n":"{b64url(rng.randbytes(256))}","e":"AQAB"}}]}}',
    lambda rng: f"cookie consent token bucket refilled: {rng.randrange(999)} tokens, limiter {pick(rng, BASE62, 22)}",
    lambda rng: f"parser: unexpected token {base64.b64encode(_tag(rng).encode()).decode()} in JSON at position {rng.randrange(999)}",
)  # fmt: skip
TALK: Final = "talk, code and help"


def talk(half: Half) -> Sequence[Line]:
    """Whole lines that speak of secrets and show none."""
    return _TALK_DEV if half is Half.DEV else _TALK_HELD_OUT
