"""Names and values of the `names` corpus, in two halves that share no name.

Everything here was written without a look at curfewd's lexicon or patterns. `Half.DEV` is what people tune with.
`Half.HELD_OUT` is for the totals alone.
"""

import enum
import random
import re
import string
from collections.abc import Callable
from typing import Final

import msgspec

from benchmarks.formats import BASE32, BASE62, HEX, LOWER, UPPER, b64, b64url, pick, uuid4

_SIGNS: Final = "!@#$%^&*()-_=+[]{}:;,.?/~|<>"
# What a person can type in a shell without quotes, and what many generators of passwords are limited to.
_TAME_SIGNS: Final = "!@#%^*-_=+.?~:"
_WORDS: Final = ("amber", "canoe", "delta", "ember", "fjord", "glyph", "hazel", "ivory", "jolly", "koala", "lunar", "maple")  # fmt: skip

Value = Callable[[random.Random], str]


class Half(enum.Enum):
    """Which part of the names, values and contexts."""

    DEV = "dev"
    HELD_OUT = "held-out"


class Name(msgspec.Struct, frozen=True):
    """What a variable, key, flag or header is called, as words in lower case."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "Name":
        """From `DB_PASSWORD`."""
        return cls(tuple(text.lower().split("_")))

    @property
    def upper(self) -> str:
        """`DB_PASSWORD`."""
        return "_".join(self.words).upper()

    @property
    def snake(self) -> str:
        """`db_password`."""
        return "_".join(self.words)

    @property
    def kebab(self) -> str:
        """`db-password`."""
        return "-".join(self.words)

    @property
    def dotted(self) -> str:
        """`db.password`."""
        return ".".join(self.words)

    @property
    def pascal(self) -> str:
        """`DbPassword`."""
        return "".join(word.capitalize() for word in self.words)

    @property
    def camel(self) -> str:
        """`dbPassword`."""
        return self.words[0] + self.pascal[len(self.words[0]) :]

    @property
    def header(self) -> str:
        """`X-Db-Password`."""
        return "-".join(("X", *(word.capitalize() for word in self.words)))


def _names(text: str) -> tuple[Name, ...]:
    return tuple(map(Name.of, text.split()))


# What each name says, so that a table can tell which kind is missed.
NAMES: Final[dict[Half, dict[str, tuple[Name, ...]]]] = {
    Half.DEV: {
        "password": _names("DB_PASSWORD MYSQL_ROOT_PASSWORD SMTP_PASS LDAP_BIND_PW KEYSTORE_PASSPHRASE PGPASSWORD SVC_PASSWD"),
        "token": _names("TOKEN BUILDBOT_TOKEN SONAR_TOKEN CI_DEPLOY_TOKEN REFRESH_TOKEN REGISTRY_AUTH_TOKEN PREFECT_WORKER_TOKEN"),
        "secret": _names("SECRET SESSION_SECRET OAUTH_CLIENT_SECRET WEBHOOK_SECRET COOKIE_SECRET APPROLE_SECRET_ID"),
        "key": _names("API_KEY APIKEY DJANGO_SECRET_KEY ENCRYPTION_KEY SIGNING_KEY AZURE_STORAGE_KEY HMAC_KEY DD_APP_KEY MASTER_KEY"),
        "service key": _names("ALGOLIA_ADMIN_KEY FASTLY_API_KEY SEGMENT_WRITE_KEY PAGERDUTY_KEY OPSGENIE_API_KEY"),
        "other": _names("BOT_CREDENTIALS MQTT_AUTH BASIC_AUTH_CREDENTIAL NPM_AUTH VPN_PSK"),
    },
    Half.HELD_OUT: {
        "password": _names("POSTGRES_PASSWORD RABBITMQ_DEFAULT_PASS MONGO_INITDB_ROOT_PASSWORD WIFI_PASSPHRASE SSHPASS ORACLE_PWD GRAFANA_ADMIN_PASSWD"),
        "token": _names("ACCESS_TOKEN DRONE_TOKEN CODECLIMATE_REPO_TOKEN RUNNER_REGISTRATION_TOKEN INFLUX_TOKEN HASS_BEARER_TOKEN NOMAD_TOKEN PLEX_TOKEN"),
        "secret": _names("CLIENT_SECRET NEXTAUTH_SECRET FLASK_SECRET GITHUB_WEBHOOK_SECRET TOTP_SECRET SHARED_SECRET"),
        "key": _names("SECRET_KEY APP_API_KEY FERNET_KEY COSMOS_ACCOUNT_KEY LARAVEL_APP_KEY PRIVATE_KEY ACCESS_KEY JWT_SIGNING_KEY UNSEAL_KEY"),
        "service key": _names("CLOUDFLARE_GLOBAL_API_KEY SENDINBLUE_KEY WEATHER_API_KEY TYPESENSE_API_KEY BUGSNAG_API_KEY INTERCOM_ACCESS_KEY"),
        "other": _names("ARTIFACTORY_CREDS REDISCLI_AUTH SMTP_CREDENTIALS PROXY_AUTH RESTIC_REPOSITORY_PASSWORD"),
    },
}  # fmt: skip


def names(half: Half) -> list[tuple[str, Name]]:
    """Each name of the half with its kind."""
    return [(kind, name) for kind, some in NAMES[half].items() for name in some]


def _bytes(count: int, text: Callable[[bytes], str]) -> Value:
    return lambda rng: text(rng.randbytes(count))


def _drawn(alphabet: str, length: int) -> Value:
    return lambda rng: _every(rng, alphabet, length)


def _every(rng: random.Random, alphabet: str, length: int) -> str:
    """Drawn from the alphabet; again, until each class of characters that it has comes at least once."""
    classes = [part for part in (string.ascii_lowercase, string.ascii_uppercase, string.digits) if set(part) & set(alphabet)]  # fmt: skip
    signs = set(alphabet) - set(string.ascii_letters + string.digits)
    while True:
        text = pick(rng, alphabet, length)
        if all(set(part) & set(text) for part in classes) and (not signs or signs & set(text)):
            return text


def _password(signs: str, length: int) -> Value:
    """Begins with a letter, so that no place takes it for an option or a reference."""

    def made(rng: random.Random) -> str:
        while True:
            tail = _every(rng, string.ascii_letters + string.digits + signs, length - 1)
            # What a program would read as a URL, a template or a comment is not what is measured here.
            if re.search(r"://|\$[({\w]|%[({]|[{<\[].*[}>\]]|//|--|\|\||&&", tail) is None:
                return rng.choice(string.ascii_letters) + tail

    return made


def _memorable(rng: random.Random) -> str:
    first, second = rng.sample(_WORDS, 2)
    return f"{first.capitalize()}-{second}-{rng.randrange(10, 1000)}"


# What both halves have.
_SHARED: Final[dict[str, Value]] = {
    "hex 32": _bytes(16, bytes.hex),
    "hex 40": _bytes(20, bytes.hex),
    "hex 64": _bytes(32, bytes.hex),
    "hex 32 upper": _bytes(16, lambda data: data.hex().upper()),
    "base62 20": _drawn(BASE62, 20),
    "base62 24": _drawn(BASE62, 24),
    "base62 32": _drawn(BASE62, 32),
    "base62 48": _drawn(BASE62, 48),
    "base36 lower 25": _drawn(LOWER, 25),
    "base64 of 24 bytes": _bytes(24, b64),
    "base64 of 32 bytes": _bytes(32, b64),
    "base64url of 32 bytes": _bytes(32, b64url),
    "uuid 4": uuid4,
    "base32 upper 32": _drawn(BASE32, 32),
    "password 16, signs": _password(_SIGNS, 16),
    "password 20, tame signs": _password(_TAME_SIGNS, 20),
}
# What the other half does not have.
_OWN: Final[dict[Half, dict[str, Value]]] = {
    Half.DEV: {
        "base64 of 64 bytes": _bytes(64, b64),
        "own prefix, base62 32": lambda rng: (
            f"acme_{rng.choice(('live', 'test', 'ci'))}_{_every(rng, BASE62, 32)}"
        ),
    },
    Half.HELD_OUT: {
        "hex 48": _bytes(24, bytes.hex),
        "hex 128": _bytes(64, bytes.hex),
        "base62 upper 28": _drawn(UPPER, 28),
        "password 12, signs": _password(_SIGNS, 12),
        "two parts with a dot": lambda rng: f"{_every(rng, BASE62, 12)}.{_every(rng, BASE62, 30)}",
    },
}
# Nothing tells these from a word but the name: counted apart.
MEMORABLE: Final = "memorable"


def values(half: Half) -> dict[str, Value]:
    """Each kind of value of the half; the last is beyond the aim."""
    return {**_SHARED, **_OWN[half], MEMORABLE: _memorable}


def random_text(rng: random.Random) -> str:
    """Text as random as a secret, of the usual kinds: what digests, identifiers and keys of caches look like."""
    kind = rng.randrange(8)
    if kind < 3:
        return pick(rng, HEX, (32, 40, 64)[kind])
    if kind < 5:
        return _every(rng, BASE62, (24, 32)[kind - 3])
    return (uuid4(rng), b64(rng.randbytes(32)), b64url(rng.randbytes(24)))[kind - 5]
