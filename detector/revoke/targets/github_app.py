"""The revoker as a GitHub App: its key signs a short JWT, for which GitHub gives an installation's token of an hour.

`docs.github.com`: "Generating a JSON Web Token (JWT) for a GitHub App", "Create an installation access token for an
app".
"""

import asyncio
import time
from typing import Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from detector.revoke.target import UnavailableError
from detector.revoke.targets.provider_http import ProviderHttp
from detector.terminal.output import shown
from detector.values.bounded_files import SECRET_BYTES, BadFileError, read_bounded
from detector.values.times import SECOND, parse_rfc3339

_CREATED: Final = 201
_BEFORE: Final = 60  # seconds by which the clocks may differ
_LIFE: Final = 540  # of the JWT; GitHub takes ten minutes at most
_RENEW: Final = 300.0  # seconds before its end the token is renewed


class AppTokens:
    """The token of one installation of an app, renewed before it ends."""

    def __init__(self, http: ProviderHttp, app_id: str, installation_id: str, key_file: str) -> None:
        self._http = http
        self._app_id = app_id
        self._path = ("app", "installations", installation_id, "access_tokens")
        self._key_file = key_file
        self._token, self._until = "", 0.0

    async def headers(self) -> dict[str, str]:
        """The header with the token.

        Raises:
            UnavailableError: the key cannot be used, or GitHub gives no token for it.
        """
        if time.time() >= self._until:
            await self._renew()
        return {"Authorization": f"Bearer {self._token}"}

    def forget(self) -> None:
        """Asks for a new one at the next request."""
        self._until = 0.0

    async def _renew(self) -> None:
        signed = await asyncio.to_thread(self._signed)
        answer = await self._http.ask("POST", self._path, headers={"Authorization": f"Bearer {signed}"})
        if answer.status != _CREATED:
            raise UnavailableError(
                f"GitHub gives the app no token (HTTP {answer.status}): check app_id and installation_id"
            )
        facts = answer.fields()
        token, end = facts.get("token"), facts.get("expires_at")
        try:
            until = parse_rfc3339(end if isinstance(end, str) else "") / SECOND
        except ValueError:
            until = 0.0
        if not isinstance(token, str) or not until:
            raise UnavailableError("GitHub gives the app no token")
        self._token, self._until = token, until - _RENEW

    def _signed(self) -> str:
        now, where = int(time.time()), shown(self._key_file)
        claims = {"iss": self._app_id, "iat": now - _BEFORE, "exp": now + _LIFE}
        try:
            key = RSAKey.import_key(read_bounded(self._key_file, SECRET_BYTES))
            header = {"alg": "RS256", "typ": "JWT"}
            return jws.serialize_compact(header, msgspec.json.encode(claims), key, ["RS256"])
        except BadFileError as error:
            raise UnavailableError(f"{where}: {error}") from None
        except (JoseError, ValueError, TypeError):
            raise UnavailableError(f"{where}: there is no private RSA key in PEM form") from None
