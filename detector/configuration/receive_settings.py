"""The `[receive]` table as values: the port of `curfewd receive`, and who may send what to it."""

from typing import Final, Literal, get_args

import msgspec

from detector.configuration.service_settings import Address
from detector.values.errors import ConfigError
from detector.values.secrets import Secret
from detector.values.times import SECOND

SenderType = Literal[
    "github",
    "gitlab",
    "buildkite",
    "circleci",
    "azure-devops",
    "cloudevents",
    "otlp",
    "kubernetes",
    "eventbridge",
    "pubsub",
    "eventgrid",
    "okta",
    "auth0",
]
SENDER_TYPES: Final[tuple[SenderType, ...]] = get_args(SenderType)
GOOGLE_ISSUER: Final = "https://accounts.google.com"
GOOGLE_KEYS: Final = "https://www.googleapis.com/oauth2/v3/certs"


class TokenClaims(msgspec.Struct, frozen=True):
    """What a JWT in `Authorization: Bearer` must say, and where the public keys of its issuer are (a JWKS)."""

    issuer: str
    audience: str
    keys_url: str
    emails: tuple[str, ...] = ()


class SourceEntry(msgspec.Struct, frozen=True):
    """One `[[receive.source]]`. Each proof that it names must hold: it names at least one.

    - `secrets`: any of them is right, so that one can be rotated. `header` carries it, or `user` has it as a password.
    - `clients`: globs of the names in a client's certificate.
    - `token`: what a JWT must say.
    - `sources`: globs of what its events may name as their source.
    """

    name: str
    type: SenderType
    topic: str
    secrets: tuple[Secret, ...] = ()
    header: str | None = None
    user: str | None = None
    clients: tuple[str, ...] = ()
    token: TokenClaims | None = None
    sources: tuple[str, ...] = ()


class TlsFiles(msgspec.Struct, frozen=True):
    """The certificate of the port, its key, and the authorities of clients' certificates."""

    cert_file: str
    key_file: str | None = None
    client_ca_file: str | None = None


class ReceiveSettings(msgspec.Struct, frozen=True):
    """Everything under `[receive]`; `given` if there is such a table. Durations are in ns, sizes in bytes.

    `unmet` is what it names and this machine lacks: only `curfewd receive` needs it. `unread` are warnings of topics
    that `curfewd run` does not read, `warnings` those that hold without Kafka too.
    """

    given: bool = False
    listen: Address = Address("127.0.0.1", 8080)
    probes: Address = Address("127.0.0.1", 9467)
    tls: TlsFiles | None = None
    sources: tuple[SourceEntry, ...] = ()
    body_bytes: int = 25 << 20
    waiting_bytes: int = 128 << 20
    connections: int = 1000
    connections_per_client: int = 1000
    body_timeout: int = 10 * SECOND
    write_timeout: int = 8 * SECOND
    drain_timeout: int = 20 * SECOND
    warnings: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    unmet: tuple[ConfigError, ...] = ()
