"""The public keys of an issuer of JWTs (a JWKS, RFC 7517), fetched when they are needed and kept for a while."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from detector.receive.delivery import RefusalError

_SECONDS: Final = 10.0
_MOST_BYTES: Final = 1 << 20
_KEPT_SECONDS: Final = 3600.0
_PAUSE_SECONDS: Final = (
    30.0  # after a fetch, whatever came of it: nobody can have them fetched again and again
)
_OK: Final = 200
_FORM: Final = msgspec.json.Decoder(dict[str, Any])


class IssuerKeys:
    """The keys at a URL. Those that were fetched last are used while the URL does not answer."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: KeySet | None = None
        self._ids: frozenset[str] = frozenset()
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._fetching = asyncio.Lock()

    async def named(self, key_id: str) -> KeySet:
        """The keys, with that one if the issuer has it. A key that is not known yet may be a new one.

        Raises:
            RefusalError: they cannot be had now.
        """
        if not self._good_for(key_id):
            async with self._fetching:
                if not self._good_for(key_id) and self._clock() - self._tried >= _PAUSE_SECONDS:
                    self._tried = self._clock()
                    await self._fetch()
        if self._keys is None:
            raise RefusalError(503, "unwritten", "the keys of the token's issuer cannot be fetched now")
        return self._keys

    def _good_for(self, key_id: str) -> bool:
        return key_id in self._ids and self._clock() - self._fetched < _KEPT_SECONDS

    async def _fetch(self) -> None:
        try:
            timeout = aiohttp.ClientTimeout(total=_SECONDS)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self._url, allow_redirects=False) as answer,
            ):
                body = await answer.content.read(_MOST_BYTES + 1)
                if answer.status != _OK or not answer.content.at_eof():
                    return
            keys = KeySet.import_key_set(_FORM.decode(body))  # type: ignore[arg-type]  # it checks the form
        except (aiohttp.ClientError, TimeoutError, OSError, JoseError, ValueError, TypeError, KeyError):
            return
        self._keys = keys
        self._ids = frozenset(str(key.kid) for key in keys.keys if key.kid)
        self._fetched = self._clock()
