"""Asks a provider's HTTP API on behalf of a target: one request, one bounded answer, and errors that the revoker knows.

Everything that comes back is hostile. An answer is read up to a limit and within a time. No redirect is followed. No
error quotes what a provider wrote: it might be the token. Nothing is tried again here: the revoker does that.

The address is always the configuration's. Parts of a path may come from a command, and are quoted.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from yarl import URL

from detector import __version__
from detector.configuration.urls import loopback
from detector.fetch.answers import ApiError, is_redirect, wait_of
from detector.fetch.client import proxy_of
from detector.kafka.authorities import trusting
from detector.revoke.target import RefusedError, UnavailableError
from detector.terminal.output import shown
from detector.values.bounded_files import SECRET_BYTES, BadFileError, read_bounded
from detector.values.errors import ConfigError
from detector.values.secrets import Secret

ANSWER_BYTES: Final = 1 << 20
_CHUNK: Final = 1 << 16
_CONNECT_SECONDS: Final = 5.0
_LONGEST_WAIT: Final = 3600.0  # a provider may ask for more; the revoker asks again after an hour
_MAX_TOKEN: Final = 1 << 14
_MAX_PART: Final = 512  # of a path: ids of providers are shorter
_VISIBLE: Final = range(0x21, 0x7F)
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_BUSY: Final = frozenset({408, 425, 429})
_FAILED: Final = 500


class HttpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What each target over HTTP may be told.

    - `url`: the address of its API, `https://…`; plain `http://` to this machine only.
    - `token_file`: a file with the revoker's own token for it. It is read for each request, so it can be rotated.
    - `ca_file`: the authorities to trust, in PEM form; by default the system's.
    - `timeout`: seconds for one answer, at most 14: the revoker gives a question up after 15.
    - `use_proxy`: whether requests go through the proxy that the environment names.
    """

    url: str
    token_file: str | None = None
    ca_file: str | None = None
    timeout: float = 10.0
    use_proxy: bool = False

    def __post_init__(self) -> None:
        """Checks the address, so that a wrong configuration is found before a command comes.

        Raises:
            ValueError: a value cannot be used.
        """
        check_address("url", self.url)
        if not 0 < self.timeout <= 14:  # noqa: PLR2004 - the docstring says it
            raise ValueError("timeout: write seconds, more than 0 and at most 14")


def check_address(key: str, text: str) -> URL:
    """The address that a key of the configuration has.

    Raises:
        ValueError: it is none, carries a name or password, or would send secrets in the clear.
    """
    try:
        url = URL(text)
        usable = bool(url.host) and url.user is None and url.password is None
        usable = usable and not url.query_string and not url.fragment
        safe = url.scheme == "https" or (url.scheme == "http" and loopback(url.host or ""))
    except ValueError:
        usable = safe = False
    if not usable or not safe:
        raise ValueError(
            f"{key}: write https://HOST/… without a name, a password or a query (http:// to this machine only)"
        )
    return url


class Answer:
    """A provider's answer: its `status`, `headers` (names in lower case) and `body` (bytes).

    It has no useful `repr`, so that nobody logs a body.
    """

    __slots__ = ("_host", "body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, host: str) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self._host = host

    def __repr__(self) -> str:
        return f"<answer of HTTP {self.status}, {len(self.body)} bytes>"

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            UnavailableError: it is none.
        """
        try:
            return msgspec.json.decode(self.body)
        except (ValueError, RecursionError):  # of which msgspec's errors are some
            raise UnavailableError(
                f"{self._host} answers HTTP {self.status} with something that is not JSON"
            ) from None

    def fields(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            UnavailableError: it is none.
        """
        found = self.json()
        if not isinstance(found, dict):
            raise UnavailableError(
                f"{self._host} answers HTTP {self.status} with something that is not a JSON object"
            )
        return found


class ProviderHttp:
    """One provider's API. It connects with the first request, and keeps connections until `close`.

    `scheme` is what stands before the token in the header `Authorization`; with an empty one the target sends its token
    in a header of its own, by `token`.
    """

    def __init__(
        self,
        options: HttpOptions,
        *,
        scheme: str = "Bearer",
        headers: Mapping[str, str] | None = None,
        limit: int = ANSWER_BYTES,
    ) -> None:
        self._options = options
        self._url = URL(options.url)
        self._scheme = scheme
        self._headers = dict(headers or {})
        self._limit = limit
        self._session: aiohttp.ClientSession | None = None

    @property
    def host(self) -> str:
        """The provider's host and port, for a person."""
        port = "" if self._url.is_default_port() else f":{self._url.port}"
        return f"{self._url.host}{port}"

    async def token(self) -> str | None:
        """The revoker's token, as the file has it now; None if no file is configured.

        Raises:
            UnavailableError: the file has none. Once it is mended, the command goes on.
        """
        if self._options.token_file is None:
            return None
        return (await read_secret(self._options.token_file)).reveal().decode("ascii")

    async def ask(  # noqa: PLR0913 - one request of HTTP
        self,
        method: str,
        path: Sequence[str],
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to one request.

        `path` has the parts after the address, unquoted. One of `form` (URL-encoded), `json` and `body` may be sent.
        Answers that ask to come back later are errors; any other status is for the target to judge, a redirect and 401
        and 403 aside.

        Raises:
            UnavailableError: it cannot be reached, is slow, throttles, fails, redirects, does not accept the revoker's
                own token, or answers too much.
            RefusedError: a part of the path cannot be one.
        """
        address = self._address(path, query)
        sent = {**self._headers, **(headers or {})}
        token = await self.token() if self._scheme else None
        if token is not None:
            sent["Authorization"] = f"{self._scheme} {token}"
        data = body
        if form is not None:
            data, sent["Content-Type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
        elif json is not None:
            data, sent["Content-Type"] = msgspec.json.encode(json), "application/json"
        answer = await self._answered(method, address, sent, data)
        self._check(answer)
        return answer

    async def close(self) -> None:
        """Closes the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _address(self, path: Sequence[str], query: Mapping[str, str] | None) -> URL:
        for part in path:
            if part in {"", ".", ".."} or len(part) > _MAX_PART or not part.isprintable():
                raise RefusedError("the command names something that cannot be part of an address")
        text = "/".join([str(self._url).rstrip("/"), *(quote(part, safe=":") for part in path)])
        return URL(f"{text}?{urlencode(query)}" if query else text, encoded=True)

    async def _answered(
        self, method: str, address: URL, headers: Mapping[str, str], data: bytes | None
    ) -> Answer:
        try:
            async with asyncio.timeout(self._options.timeout):
                async with self._connected().request(
                    method,
                    address,
                    headers=headers,
                    data=data,
                    allow_redirects=False,
                    proxy=self._proxy(address),
                ) as response:
                    body = await self._read(response)
                    named = {name.lower(): value for name, value in response.headers.items()}
                    return Answer(response.status, named, body, self.host)
        except TimeoutError:
            reason = f"does not answer within {self._options.timeout:g} s"
        except (aiohttp.ClientConnectorCertificateError, ssl.SSLError):
            reason = "has a certificate that is not trusted: set ca_file to your authorities"
        except aiohttp.ClientConnectorDNSError:
            reason = "cannot be looked up: check the name in url, and the network"
        except aiohttp.ClientConnectorError:
            reason = "cannot be reached: check url, and the network"
        except aiohttp.ClientHttpProxyError as error:
            reason = f"is behind a proxy that answers HTTP {error.status}: check HTTPS_PROXY and its password"
        except (aiohttp.ClientError, ConnectionError, ValueError):
            reason = "sends an answer that is cut short or is not HTTP"
        raise UnavailableError(f"{self.host} {reason}")

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            response.close()
            raise UnavailableError(f"{self.host} compresses its answer without being asked to")
        parts, size = [], 0
        async for chunk in response.content.iter_chunked(_CHUNK):
            size += len(chunk)
            if size > self._limit:
                response.close()
                raise UnavailableError(f"{self.host} answers more than {self._limit >> 10} KiB")
            parts.append(chunk)
        return b"".join(parts)

    def _check(self, answer: Answer) -> None:
        status = answer.status
        if status in _BUSY or status == _FORBIDDEN or status >= _FAILED:
            wait = wait_of(status, answer.headers, answer.body[:_CHUNK], time.time())
            if wait is not None or status != _FORBIDDEN:
                after = None if wait is None else min(wait, _LONGEST_WAIT)
                raise UnavailableError(f"{self.host} answers HTTP {status}", after)
        if is_redirect(status):
            raise UnavailableError(f"{self.host} redirects (HTTP {status}): set url to where its API is")
        if status == _UNAUTHORIZED:
            raise UnavailableError(
                f"{self.host} does not accept the revoker's own token (HTTP 401): renew it"
            )

    def _proxy(self, address: URL) -> URL | None:
        if not self._options.use_proxy:
            return None
        try:
            return proxy_of(address)
        except ApiError as error:
            raise UnavailableError(str(error)) from None

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            try:
                # Reading the authorities of the system takes 20 ms: not for a server on this machine.
                trusted = trusting(self._options.ca_file) if self._url.scheme == "https" else True
            except ConfigError as error:
                raise UnavailableError(str(error)) from None
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=8, ssl=trusted),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                headers={"User-Agent": f"curfewd/{__version__}", "Accept-Encoding": "identity"},
                auto_decompress=False,
            )
        return self._session


async def read_secret(path: str) -> Secret:
    """The token or password in a file, without white space around it.

    Raises:
        UnavailableError: it cannot be read, or has none.
    """
    try:
        raw = await asyncio.to_thread(read_bounded, path, SECRET_BYTES)
    except BadFileError as error:
        raise UnavailableError(f"{shown(path)}: {error}") from None
    value = raw.strip()
    if not value or len(value) > _MAX_TOKEN or not all(byte in _VISIBLE for byte in value):
        raise UnavailableError(f"{shown(path)}: there is no token in it, or more than one")
    return Secret(value)


def forbidden(answer: Answer, right: str) -> None:
    """Nothing, unless the revoker may not do what it asked for: its token lacks a `right`, in words.

    Raises:
        RefusedError: it may not.
    """
    if answer.status == _FORBIDDEN:
        raise RefusedError(f"the revoker's token may not do this (HTTP 403): give it {right}")
