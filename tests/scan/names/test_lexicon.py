"""What names say: the word that decides, the words that turn it, every way to write a name."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.scan.names.lexicon import FILE, Lexicon, load, shown_name, words_of
from detector.values.findings import Confidence

LEXICON = load()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ACME_API_KEY", ["acme", "api", "key"]),
        ("acme-api-key", ["acme", "api", "key"]),
        ("acmeApiKey", ["acme", "api", "key"]),
        ("AcmeAPIKey", ["acme", "api", "key"]),
        ("acme.api.key", ["acme", "api", "key"]),
        ("X-Acme-Api-Key", ["x", "acme", "api", "key"]),
        ("--acme-api-key", ["acme", "api", "key"]),
        ("_authToken", ["auth", "token"]),
        ("KEY_2", ["key", "2"]),
        ("I18N_KEY", ["i18n", "key"]),
        ("i18nKey", ["i18n", "key"]),
        ("K8S_TOKEN", ["k8s", "token"]),
        ("v2Key", ["v2", "key"]),
    ],
)
def test_a_name_is_cut_into_words_however_it_is_written(name: str, words: list[str]) -> None:
    assert words_of(name) == words


@pytest.mark.parametrize(
    "name",
    [
        "HARBOR_TOKEN", "harborToken", "harbor.token", "Harbor-Token", "TOKEN", "JWT_SECRET", "SECRET_KEY_BASE", "DB_PASSWORD_PROD",
        "dbpassword", "MYSQL_PWD", "smtpPass", "dbpass", "API_KEY_2", "apikey", "MASTER_KEY", "storageKey", "REDIS_AUTH",
        "ACME_CREDENTIALS", "secret_access_key", "idToken", "TOKEN_GITHUB", "GITHUB_PAT", "APPROLE_SECRET_ID", "VPN_PSK", "ACME_KEY",
        "-Dacme.token", "PASSWORD_1", "unseal_key", "license-key", "-PacmeToken", "-Password", "-PrivateKey",
        "ACME_ENCRYPTION_PRIMARY_KEY", "storageSecondaryKey", "CACHE_PASSWORD", "PAGE_ACCESS_TOKEN", "CAPTCHA_SECRET", "SYNC_API_KEY",
        "ERLANG_COOKIE", "AUTH_SALT", "BASIC_AUTH", "TF_TOKEN_app_terraform_io", "authkey", "dbpasswd", "userpw", "db_passwort", "Api Key",
        "DbPasswordOutput", "TWITCH_STREAM_KEY", "codecovUploadToken", "API_TOKEN_SALT", "signingSalt", "PACKAGECLOUD_READ_TOKEN",
        "APPLICATION_CREDENTIAL_SECRET", "AZURE_SEARCH_KEY", "smbpass", "IOTHUB_DEVICE_PRIMARY_KEY", "cypress-record-key", "requirepass",
    ],
)  # fmt: skip
def test_these_names_say_secret(name: str) -> None:
    meaning = LEXICON.meaning(name)
    assert meaning is not None
    assert meaning.strength >= Confidence.MEDIUM


@pytest.mark.parametrize(
    "name",
    [
        "COMMIT", "token_count", "token-file", "maxTokens", "nextPageToken", "continuation_token", "cache_key", "sort-key", "rowKey",
        "s3_key", "keyId", "ACCESS_KEY_ID", "secretName", "SECRET_ARN", "password_hash", "passwordBcrypt", "public_key", "tokenType",
        "key_path", "PASSWORD_FILE", "idempotencyKey", "etag", "compass", "bypass", "keyboard", "monkey", "author", "AUTH_METHOD",
        "TOKEN_URL", "secret_expires_at", "token_sha256", "kms_key", "encrypted_password", "key_fingerprint", "primaryKey",
        "auth_nonce", "Sec-WebSocket-Key", "collapse_key", "csrfmiddlewaretoken", "existingSecret", "passwordSecret", "save-key",
        "I18N_KEY", "-PnextToken", "-PencryptedToken", "SHA256_OF_TOKEN", "number_of_tokens", "PROJECT_KEY", "repoKey", "trusted-keys",
        "creationToken", "SEALED_SECRET_DATA", "wrappedKey", "token_idempotent", "skiptoken", "$skipToken", "retry_token", "TOKEN_JTI",
        "token_revision", "PASSWORD_AUTHENTICATION", "TOKEN_ROTATED", "seen_key", "PROCESS_KEY", "design_token", "TOKEN_SYMBOL", "Next Page Token",
        "API_KEY_LAST4", "Set-Cookie", "COOKIE_DOMAIN", "after_token", "KEY_ATTESTATION", "credential_handle",
        "REDIS_STREAM_KEY", "UPLOAD_TOKEN", "TABLE_PRIMARY_KEY", "RECORD_KEY", "PASSWORD_CHARSET", "SEARCH_KEY", "READ_TOKEN", "USER_KEY",
    ],
)  # fmt: skip
def test_these_names_say_something_else(name: str) -> None:
    assert LEXICON.meaning(name) is None


def test_key_alone_is_little_to_go_by() -> None:
    meaning = LEXICON.meaning("key")
    assert meaning is not None
    assert meaning.strength == Confidence.LOW


def test_a_word_that_somebody_adds_counts() -> None:
    table = tomllib.loads(FILE.read_text())
    table["heads"]["losung"] = {"kind": "password", "strength": "high"}
    table["turned_by_what_follows"]["place"].append("ort")
    lexicon = Lexicon(table)
    assert LEXICON.meaning("DB_LOSUNG") is None
    assert lexicon.meaning("DB_LOSUNG") is not None
    assert lexicon.meaning("DB_LOSUNG_ORT") is None
    assert b"losung" in lexicon.heads


@given(st.text(alphabet="abcXYZ019_-. éß", max_size=80))
def test_any_name_is_judged_and_shown_in_bounds(name: str) -> None:
    LEXICON.meaning(name)
    assert len(shown_name(name)) <= 64


def test_what_may_be_a_secret_in_a_name_is_not_shown() -> None:
    assert shown_name("DB_PASSWORD") == "DB_PASSWORD"
    assert shown_name("ghp_a1b2c3d4e5f6a7b8c9d0_TOKEN") == "ghp_…_TOKEN"
    assert "hunter" not in shown_name("x" * 50 + "hunter_TOKEN")
    assert shown_name("A_" * 40 + "TOKEN").endswith("_TOKEN")
