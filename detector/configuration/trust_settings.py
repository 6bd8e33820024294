"""What `[[trust]]` entries say: which input may carry events of which source, and how it proves it.

`detector.configuration.trust_table` reads them, `detector.ingest.trust` holds records to them.
"""

from typing import Final

import msgspec

from detector.values.secrets import Secret

JWS: Final = "jws"
STANDARD_WEBHOOKS: Final = "standard-webhooks"
GITHUB: Final = "github"
SCHEMES: Final = (JWS, STANDARD_WEBHOOKS, GITHUB)
SIGNATURE_HEADERS: Final = {
    JWS: "x-jws-signature",
    STANDARD_WEBHOOKS: "webhook-signature",
    GITHUB: "x-hub-signature-256",
}

ED25519: Final = "Ed25519"
ES256: Final = "ES256"
ES384: Final = "ES384"
PS256: Final = "PS256"
RS256: Final = "RS256"
ALGORITHMS: Final = (ED25519, ES256, ES384, PS256, RS256)


class TrustKey(msgspec.Struct, frozen=True):
    """A key that signatures are verified with.

    Of a JWS the `algorithm` and the `public` key in PEM, else the `secret` of an HMAC.
    """

    id: str
    algorithm: str = ""
    public: bytes = b""
    secret: Secret | None = None


class Signature(msgspec.Struct, frozen=True):
    """A signature that every record of an input has to carry, in `header`.

    Events older than their record by more than `max_age` (ns) are refused: somebody may have sent the record again
    after curfewd forgot the event.
    """

    scheme: str
    header: str
    keys: tuple[TrustKey, ...]
    max_age: int


class TrustedHeader(msgspec.Struct, frozen=True):
    """A header that every record of an input has to carry. `value` is a glob."""

    name: str
    value: str


class TrustEntry(msgspec.Struct, frozen=True):
    """A `[[trust]]` entry. It holds the inputs that a glob in `topics` or `paths` matches.

    Such an input may carry events whose source matches a glob in `sources` (None: of any source) and whose type matches
    one in `types` (None: any), in records that carry the `header` and the `signature`, where these are set. If
    `exclusive`, no input but those of entries with such `sources` may carry events of these sources. `line` is the
    entry's line in the configuration.
    """

    topics: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    sources: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    exclusive: bool = True
    header: TrustedHeader | None = None
    signature: Signature | None = None
    line: int | None = None
