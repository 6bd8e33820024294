"""Names and values of the `names` corpus: what all halves have, and the first two halves, which share no name.

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
    """Which part of the names, values and contexts. All but the dev half are held out, each until its run."""

    DEV = "dev"
    HELD_OUT = "held-out"
    SECOND = "second"
    THIRD = "third"
    FOURTH = "fourth"
    FIFTH = "fifth"
    SIXTH = "sixth"
    SEVENTH = "seventh"
    EIGHTH = "eighth"


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


def named(text: str) -> tuple[Name, ...]:
    """Names from their upper-case forms, with blanks between."""
    return tuple(map(Name.of, text.split()))


# What each name says, so that a table can tell which kind is missed.
NAMES: Final[dict[Half, dict[str, tuple[Name, ...]]]] = {
    Half.DEV: {
        "password": named("DB_PASSWORD MYSQL_ROOT_PASSWORD SMTP_PASS LDAP_BIND_PW KEYSTORE_PASSPHRASE PGPASSWORD SVC_PASSWD"),
        "token": named("TOKEN BUILDBOT_TOKEN SONAR_TOKEN CI_DEPLOY_TOKEN REFRESH_TOKEN REGISTRY_AUTH_TOKEN PREFECT_WORKER_TOKEN"),
        "secret": named("SECRET SESSION_SECRET OAUTH_CLIENT_SECRET WEBHOOK_SECRET COOKIE_SECRET APPROLE_SECRET_ID"),
        "key": named("API_KEY APIKEY DJANGO_SECRET_KEY ENCRYPTION_KEY SIGNING_KEY AZURE_STORAGE_KEY HMAC_KEY DD_APP_KEY MASTER_KEY"),
        "service key": named("ALGOLIA_ADMIN_KEY FASTLY_API_KEY SEGMENT_WRITE_KEY PAGERDUTY_KEY OPSGENIE_API_KEY"),
        "other": named("BOT_CREDENTIALS MQTT_AUTH BASIC_AUTH_CREDENTIAL NPM_AUTH VPN_PSK"),
    },
    Half.HELD_OUT: {
        "password": named("POSTGRES_PASSWORD RABBITMQ_DEFAULT_PASS MONGO_INITDB_ROOT_PASSWORD WIFI_PASSPHRASE SSHPASS ORACLE_PWD GRAFANA_ADMIN_PASSWD"),
        "token": named("ACCESS_TOKEN DRONE_TOKEN CODECLIMATE_REPO_TOKEN RUNNER_REGISTRATION_TOKEN INFLUX_TOKEN HASS_BEARER_TOKEN NOMAD_TOKEN PLEX_TOKEN"),
        "secret": named("CLIENT_SECRET NEXTAUTH_SECRET FLASK_SECRET GITHUB_WEBHOOK_SECRET TOTP_SECRET SHARED_SECRET"),
        "key": named("SECRET_KEY APP_API_KEY FERNET_KEY COSMOS_ACCOUNT_KEY LARAVEL_APP_KEY PRIVATE_KEY ACCESS_KEY JWT_SIGNING_KEY UNSEAL_KEY"),
        "service key": named("CLOUDFLARE_GLOBAL_API_KEY SENDINBLUE_KEY WEATHER_API_KEY TYPESENSE_API_KEY BUGSNAG_API_KEY INTERCOM_ACCESS_KEY"),
        "other": named("ARTIFACTORY_CREDS REDISCLI_AUTH SMTP_CREDENTIALS PROXY_AUTH RESTIC_REPOSITORY_PASSWORD"),
    },
}  # fmt: skip


def of_bytes(count: int, text: Callable[[bytes], str]) -> Value:
    """So many random bytes, as text."""
    return lambda rng: text(rng.randbytes(count))


def drawn(alphabet: str, length: int) -> Value:
    """So many characters of an alphabet, with each of its classes."""
    return lambda rng: every(rng, alphabet, length)


def every(rng: random.Random, alphabet: str, length: int) -> str:
    """Drawn from the alphabet; again, until each class of characters that it has comes at least once."""
    classes = [part for part in (string.ascii_lowercase, string.ascii_uppercase, string.digits) if set(part) & set(alphabet)]  # fmt: skip
    signs = set(alphabet) - set(string.ascii_letters + string.digits)
    while True:
        text = pick(rng, alphabet, length)
        if all(set(part) & set(text) for part in classes) and (not signs or signs & set(text)):
            return text


def password(signs: str, length: int) -> Value:
    """Begins with a letter, so that no place takes it for an option or a reference."""

    def made(rng: random.Random) -> str:
        while True:
            tail = every(rng, string.ascii_letters + string.digits + signs, length - 1)
            # What a program would read as a URL, a template or a comment is not what is measured here.
            if re.search(r"://|\$[({\w]|%[({]|[{<\[].*[}>\]]|//|--|\|\||&&", tail) is None:
                return rng.choice(string.ascii_letters) + tail

    return made


def memorable(rng: random.Random) -> str:
    """Two words and a number."""
    first, second = rng.sample(_WORDS, 2)
    return f"{first.capitalize()}-{second}-{rng.randrange(10, 1000)}"


# What all halves have.
SHARED: Final[dict[str, Value]] = {
    "hex 32": of_bytes(16, bytes.hex),
    "hex 40": of_bytes(20, bytes.hex),
    "hex 64": of_bytes(32, bytes.hex),
    "hex 32 upper": of_bytes(16, lambda data: data.hex().upper()),
    "base62 20": drawn(BASE62, 20),
    "base62 24": drawn(BASE62, 24),
    "base62 32": drawn(BASE62, 32),
    "base62 48": drawn(BASE62, 48),
    "base36 lower 25": drawn(LOWER, 25),
    "base64 of 24 bytes": of_bytes(24, b64),
    "base64 of 32 bytes": of_bytes(32, b64),
    "base64url of 32 bytes": of_bytes(32, b64url),
    "uuid 4": uuid4,
    "base32 upper 32": drawn(BASE32, 32),
    "password 16, signs": password(_SIGNS, 16),
    "password 20, tame signs": password(_TAME_SIGNS, 20),
}
# What only one of the first two has.
_OWN: Final[dict[Half, dict[str, Value]]] = {
    Half.DEV: {
        "base64 of 64 bytes": of_bytes(64, b64),
        "own prefix, base62 32": lambda rng: (
            f"acme_{rng.choice(('live', 'test', 'ci'))}_{every(rng, BASE62, 32)}"
        ),
    },
    Half.HELD_OUT: {
        "hex 48": of_bytes(24, bytes.hex),
        "hex 128": of_bytes(64, bytes.hex),
        "base62 upper 28": drawn(UPPER, 28),
        "password 12, signs": password(_SIGNS, 12),
        "two parts with a dot": lambda rng: f"{every(rng, BASE62, 12)}.{every(rng, BASE62, 30)}",
    },
}
# Nothing tells these from a word but the name: counted apart.
MEMORABLE: Final = "memorable"


def values(half: Half) -> dict[str, Value]:
    """Each kind of value of the half; the last is beyond the aim."""
    return {**SHARED, **_OWN[half], MEMORABLE: memorable}


def random_text(rng: random.Random) -> str:
    """Text as random as a secret, of the usual kinds: what digests, identifiers and keys of caches look like."""
    kind = rng.randrange(8)
    if kind < 3:
        return pick(rng, HEX, (32, 40, 64)[kind])
    if kind < 5:
        return every(rng, BASE62, (24, 32)[kind - 3])
    return (uuid4(rng), b64(rng.randbytes(32)), b64url(rng.randbytes(24)))[kind - 5]
