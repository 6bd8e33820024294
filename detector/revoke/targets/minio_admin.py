"""MinIO's admin API: signed requests, and bodies that are encrypted with the caller's secret key.

The `minio` library signs and encrypts; the requests themselves go as those of all targets over HTTP.
"""

import asyncio
import hashlib
import io
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from detector.revoke.target import GoneError, UnavailableError
from detector.revoke.targets.password_file import read_password
from detector.revoke.targets.provider_http import Answer, HttpOptions, ProviderHttp

_ROOT: Final = ("minio", "admin", "v3")
_OK: Final = 200
_DONE: Final = frozenset({200, 204})
_NOT_FOUND: Final = frozenset(
    {"XMinioInvalidIAMCredentials", "XMinioAdminNoSuchAccessKey", "XMinioAdminNoSuchUser"}
)
_OWN: Final = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "XMinioAccessKeyDisabled"})
_DENIED: Final = 403


class DeniedError(UnavailableError):
    """The revoker lacks a right, or the key is of another kind: MinIO says the same of both."""


class _Body(io.BytesIO):
    """An answer's body as the library reads it."""

    def release_conn(self) -> None:
        """Nothing: there is no connection behind it."""


class MinioAdmin:
    """Asks one MinIO as the user `access_key`, whose secret is read from a file each time."""

    def __init__(self, options: HttpOptions, access_key: str, secret_key_file: str) -> None:
        self._http = ProviderHttp(options, scheme="")
        self._url = options.url.rstrip("/")
        self._access_key = access_key
        self._secret_key_file = secret_key_file

    @property
    def host(self) -> str:
        """The server, for a person."""
        return self._http.host

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()

    async def account(self, access_key: str) -> dict[str, Any]:
        """What MinIO knows of a service account's key, also if that is switched off.

        Raises:
            GoneError: nothing: it is no service account's.
            UnavailableError: it cannot be asked.
        """
        return await self._read("info-service-account", access_key)

    async def active_key(self, access_key: str) -> dict[str, Any]:
        """What MinIO knows of a session's key, or of a service account's that is switched on.

        Raises:
            GoneError: nothing.
            UnavailableError: it cannot be asked.
        """
        return await self._read("info-access-key", access_key)

    async def is_user(self, name: str) -> bool:
        """Whether a key is a user of MinIO's own.

        Raises:
            UnavailableError: it cannot be asked.
        """
        secret = await read_password(self._secret_key_file)
        answer = await self._ask("GET", ("user-info",), {"accessKey": name}, secret)
        try:
            self._check(answer)
        except GoneError:
            return False
        return True

    async def _read(self, command: str, access_key: str) -> dict[str, Any]:
        from minio import crypto  # noqa: PLC0415 - a plan needs no library

        secret = await read_password(self._secret_key_file)
        answer = await self._ask("GET", (command,), {"accessKey": access_key}, secret)
        self._check(answer)
        if answer.status != _OK:
            raise UnavailableError(f"{self.host} answers HTTP {answer.status}")
        try:
            text = await asyncio.to_thread(crypto.decrypt, _Body(answer.body), secret)  # type: ignore[arg-type]  # reads only
            found = msgspec.json.decode(text)
        except (
            OSError,
            ValueError,
            IndexError,
            RecursionError,
        ):  # msgspec's and the ciphers' errors are ValueErrors
            raise UnavailableError(
                f"{self.host} sends an answer that cannot be decrypted, or is not JSON"
            ) from None
        if not isinstance(found, dict):
            raise UnavailableError(f"{self.host} answers no JSON object")
        return found

    async def write(
        self,
        method: str,
        path: tuple[str, ...],
        query: Mapping[str, str],
        change: Mapping[str, str] | None = None,
    ) -> None:
        """Changes something; `change` is sent encrypted.

        Raises:
            GoneError, UnavailableError: it was not done.
        """
        from minio import crypto  # noqa: PLC0415 - a plan needs no library

        secret = await read_password(self._secret_key_file)
        body = None
        if change is not None:
            body = await asyncio.to_thread(crypto.encrypt, msgspec.json.encode(change), secret)
        answer = await self._ask(method, path, query, secret, body)
        self._check(answer)
        if answer.status not in _DONE:
            raise UnavailableError(f"{self.host} answers HTTP {answer.status}")

    async def _ask(
        self,
        method: str,
        path: tuple[str, ...],
        query: Mapping[str, str],
        secret: str,
        body: bytes | None = None,
    ) -> Answer:
        from minio import signer, time  # noqa: PLC0415 - a plan needs no library
        from minio.credentials.credentials import Credentials  # noqa: PLC0415 - a plan needs no library

        parts = (*_ROOT, *path)
        url = urlsplit(f"{self._url}/{'/'.join(parts)}?{urlencode(query)}")
        digest, date = hashlib.sha256(body or b"").hexdigest(), time.utcnow()
        headers: dict[str, str | list[str] | tuple[str]] = {
            "Host": url.netloc,
            "x-amz-date": time.to_amz_date(date),
            "x-amz-content-sha256": digest,
        }
        signed = signer.sign_v4_s3(
            method=method,
            url=url,
            region="",
            headers=headers,
            credentials=Credentials(self._access_key, secret),
            content_sha256=digest,
            date=date,
        )
        sent = {name: str(value) for name, value in signed.items()}
        return await self._http.ask(method, parts, query=query, body=body, headers=sent)

    def _check(self, answer: Answer) -> None:
        """Raises for the answers that mean the same everywhere."""
        if answer.status in _DONE:
            return
        code = answer.fields().get("Code")
        if code in _NOT_FOUND:
            raise GoneError("MinIO knows no such access key")
        if code in _OWN:
            raise UnavailableError(
                f"{self.host} does not accept the revoker's own key: look at secret_key_file"
            )
        if answer.status == _DENIED:
            raise DeniedError(
                f"{self.host} does not let the revoker do this: give it deploy/revoke/minio.json"
            )
