"""Tokens inside an event: hashed when they are read, decoded if they are JWTs, and never kept.

Nothing is verified, because the issuer of the token wrote the event. RFC 7519 defines the claims, RFC 8693, section
4.1, defines `act`.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from detector.patterns.jwt import read_jwt
from detector.patterns.pattern import JWT_ID
from detector.records.timestamps import log_time
from detector.values.events import Identifier
from detector.values.secrets import Secret, sha256_hex

# Shorter ones are placeholders ("REDACTED", "***"), and so little entropy must not be hashed without a key.
_MIN_TOKEN: Final = 20
_MAX_CLAIMS: Final = 64


class Token(msgspec.Struct, frozen=True):
    """The identifiers of a token and its claims, which are empty if it is not a JWT."""

    identifiers: tuple[Identifier, ...]
    claims: Mapping[str, Any]

    @property
    def expires_at(self) -> int | None:
        """Its `exp` in nanoseconds."""
        return moment(self.claims.get("exp"))

    def text(self, claim: str) -> str | None:
        """A claim, if it is text and not empty."""
        value = self.claims.get(claim)
        return value if isinstance(value, str) and value else None


def read_token(value: object) -> Token | None:
    """The token in a field; None if the field has none, or a masked one."""
    if not isinstance(value, str) or len(value) < _MIN_TOKEN or not value.isascii() or " " in value:
        return None
    secret = Secret(value.encode())
    identifiers = [Identifier("sha256", sha256_hex(secret), length=len(secret))]
    claims = _claims(secret)
    jti = claims.get("jti")
    if isinstance(jti, str) and jti:
        identifiers.insert(0, Identifier(JWT_ID, jti))
    return Token(tuple(identifiers), claims)


def _claims(secret: Secret) -> dict[str, Any]:
    token = read_jwt(secret.reveal())
    if token is None or len(token.claims) > _MAX_CLAIMS:
        return {}
    try:
        return {name: msgspec.json.decode(value) for name, value in token.claims.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def moment(value: object) -> int | None:
    """A NumericDate (RFC 7519, section 2), seconds, perhaps with a fraction, as nanoseconds; None if it is no time."""
    return log_time(value) if isinstance(value, int | float) else None


def session_group(session: str) -> str:
    """The group of all tokens of one session (`sid`)."""
    return f"oauth/session/{session}"


def subject_group(issuer: str, subject: str) -> str:
    """The group of all tokens that an issuer gave to a subject."""
    return f"oauth/subject/{issuer} {subject}"
