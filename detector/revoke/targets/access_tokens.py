"""Short access tokens for a provider's API, from its token endpoint (RFC 6749), kept until shortly before expiry."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from detector.revoke.target import UnavailableError
from detector.revoke.targets.provider_http import Answer, HttpOptions, ProviderHttp

_OK: Final = 200
_EARLY: Final = 60.0  # seconds before its expiry, from which on a token is not used
_LONGEST: Final = 3600.0
_MOST: Final = 1 << 14  # characters of a token


class AccessTokens:
    """Asks the endpoint with what `form` gives, which may read a file again each time."""

    def __init__(
        self,
        options: HttpOptions,
        form: Callable[[], Awaitable[Mapping[str, str]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = ProviderHttp(options, scheme="")
        self._form = form
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._until = 0.0

    async def token(self) -> str:
        """A token that is valid for a minute or more.

        Raises:
            UnavailableError: none can be had now.
        """
        async with self._lock:
            if self._clock() >= self._until:
                answer = await self._http.ask("POST", [], form=await self._form())
                if answer.status != _OK:
                    raise UnavailableError(
                        f"{self._http.host} gives the revoker no token (HTTP {answer.status}): check its credentials"
                    )
                fields = answer.fields()
                token, lives = fields.get("access_token"), fields.get("expires_in")
                if not isinstance(token, str) or not token.isascii() or not 0 < len(token) <= _MOST:
                    raise UnavailableError(f"{self._http.host} answers with no token")
                if not token.isprintable() or type(lives) not in (int, float):
                    raise UnavailableError(f"{self._http.host} answers with a token that cannot be used")
                self._token = token
                self._until = self._clock() + min(float(lives or 0), _LONGEST) - _EARLY
            return self._token

    def forget(self) -> None:
        """Asks again for the next token."""
        self._until = 0.0

    async def close(self) -> None:
        """Closes connections."""
        await self._http.close()


class AuthorizedHttp:
    """One provider's API, asked with a token of `tokens`, or of the options' `token_file` if there are none."""

    def __init__(self, options: HttpOptions, tokens: AccessTokens | None) -> None:
        self._http = ProviderHttp(options, scheme="")
        self._tokens = tokens

    @property
    def host(self) -> str:
        """The provider's host and port, for a person."""
        return self._http.host

    async def ask(
        self,
        method: str,
        path: tuple[str, ...],
        json: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to one request, as `ProviderHttp.ask` gives it.

        Raises:
            RefusedError, UnavailableError: there is none.
        """
        token = await (self._http.token() if self._tokens is None else self._tokens.token())
        headers = {"Authorization": f"Bearer {token}"}
        try:
            return await self._http.ask(method, path, json=json, query=query, headers=headers)
        except UnavailableError:
            if self._tokens is not None:
                self._tokens.forget()  # it may be the token
            raise

    async def close(self) -> None:
        """Closes connections."""
        await self._http.close()
        if self._tokens is not None:
            await self._tokens.close()
