"""JWTs as bearer tokens: who signed one, for whom it is, whose it is, and that it is still good (RFC 7519, RFC 9068).

Google signs one for each push of Pub/Sub, Entra ID for Event Grid, an authorization server for EventBridge.
"""

import base64
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError

from detector.configuration.receive_settings import TokenClaims
from detector.receive.delivery import Head, RefusalError
from detector.receive.issuer_keys import IssuerKeys

_ALGORITHMS: Final = ["RS256", "ES256", "PS256"]  # of public keys alone
_LONGEST: Final = 8192
_LEEWAY_SECONDS: Final = 60
_WRONG: Final = "the bearer token is not a JWT that may send here"


class _Header(msgspec.Struct):
    kid: str


_HEADER: Final = msgspec.json.Decoder(_Header)


class TokenProof:
    """A JWT that says what `claims` asks, under one of the issuer's keys."""

    def __init__(self, claims: TokenClaims, keys: IssuerKeys, clock: Callable[[], float] = time.time) -> None:
        self._claims = claims
        self._keys = keys
        self._clock = clock

    async def check(self, head: Head) -> None:
        """See `Proof`."""
        scheme, _, token = head.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > _LONGEST:
            raise RefusalError(401, "proof", "there is no bearer token")
        key_id = _key_id(token)
        try:
            claims = jwt.decode(token, await self._keys.named(key_id), algorithms=_ALGORITHMS).claims
            self._hold(claims)
        except (JoseError, ValueError, TypeError, RecursionError):
            raise RefusalError(401, "proof", _WRONG) from None

    def _hold(self, claims: dict[str, Any]) -> None:
        """Raises JoseError or ValueError if a claim is not as it must be."""
        jwt.JWTClaimsRegistry(
            now=int(self._clock()),
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._claims.issuer},
            aud={"essential": True, "value": self._claims.audience},
            exp={"essential": True},
        ).validate(claims)
        if self._claims.emails and not (
            claims.get("email_verified") is True and claims.get("email") in self._claims.emails
        ):
            raise ValueError("another account's")


def _key_id(token: str) -> str:
    """The key that a token names.

    Raises:
        RefusalError: it names none, or is no JWT.
    """
    header = token.partition(".")[0]
    try:
        named: _Header = _HEADER.decode(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (ValueError, RecursionError):
        raise RefusalError(401, "proof", _WRONG) from None
    return named.kid
