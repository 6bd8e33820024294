"""Asks a REST API: retries, rate limits, pages, and downloads that a redirect sends elsewhere.

aiohttp speaks HTTP, stamina makes the pauses between retries. The token goes to the API's own origin only: where a
redirect or a link to the next page leads elsewhere, the request has none. Of the environment only the proxies are
taken: aiohttp's `trust_env` would also take passwords of `~/.netrc`, and refuse to send them beside the token.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
import stamina
from stamina.instrumentation import set_on_retry_hooks
from yarl import URL

from detector import __version__
from detector.fetch.answers import (
    ApiError,
    TooLargeError,
    TransientError,
    UnreachableError,
    WaitError,
    check,
    is_redirect,
)

_T = TypeVar("_T")
_OK: Final = 200
_CHUNK: Final = 1 << 16
_ERROR_BODY: Final = 1 << 14  # of an error's text, to look for the words of a rate limit
_MAX_REDIRECTS: Final = 5
_MAX_PAGES: Final = 100_000
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

# stamina would log and count each retry itself, with the arguments of the call.
set_on_retry_hooks(())


class Limits(msgspec.Struct, frozen=True):
    """How long to wait (seconds), how often to try, and how much to read (bytes)."""

    attempts: int = 5
    first_pause: float = 1.0
    longest_pause: float = 60.0
    connect: float = 15.0
    silence: float = 60.0
    answer: float = 300.0
    download: float = 3600.0
    rate_limit: float = 3900.0
    json: int = 64 << 20
    log: int = 2 << 30


class Page(msgspec.Struct, frozen=True):
    """One page of a list: its JSON `value`, and the address of the `following` one."""

    value: Any
    following: URL | None


class ApiClient:
    """One API, asked with one token. `waiting` is told the seconds of a rate limit before they are waited."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: URL,
        headers: Mapping[str, str],
        *,
        limits: Limits,
        waiting: Callable[[float], None],
    ) -> None:
        """`headers` go with each request to the API's own origin, the token among them."""
        self._session = session
        self.url = url
        self._headers = headers
        self._limits = limits
        self._waiting = waiting
        self._resume = 0.0
        self._retrying = stamina.AsyncRetryingCaller(
            attempts=limits.attempts,
            timeout=None,
            wait_initial=limits.first_pause,
            wait_max=limits.longest_pause,
            wait_jitter=limits.first_pause,
        ).on(TransientError)

    @property
    def place(self) -> str:
        """The API's host, as the name of a folder: jobs of two instances may have the same id."""
        port = "" if self.url.is_default_port() else f"_{self.url.port}"
        return f"{str(self.url.host).replace(':', '-')}{port}"

    async def json(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """The answer to one request.

        Raises:
            GoneError: there is no such thing.
            ApiError: it cannot be asked.
        """
        return (await self._page(self._address(path, parameters))).value

    async def pages(self, path: str, parameters: Mapping[str, str] | None = None) -> AsyncIterator[Any]:
        """The pages of a list, one after another, by the links between them.

        Raises:
            GoneError: there is no such list.
            ApiError: it cannot be asked, or its pages do not end.
        """
        following: URL | None = self._address(path, parameters)
        seen: set[URL] = set()
        while following is not None:
            if following in seen or len(seen) >= _MAX_PAGES:
                raise ApiError(f"{self._name()}: the pages of its list do not end")
            seen.add(following)
            page = await self._page(following)
            yield page.value
            following = page.following

    async def download(self, path: str, begin: Callable[[], Callable[[bytes], object]]) -> int:
        """Gives a body chunk by chunk to what `begin` gives, which is called again for each try; its size (bytes).

        Raises:
            GoneError: there is no such thing.
            TooLargeError: it is larger than is fetched.
            UnreachableError: it could not be had in many tries.
            ApiError: it cannot be asked.
        """
        address = self._address(path)

        async def once() -> int:
            take, size = begin(), 0
            async with self._answer(address, self._limits.download, plain=True) as response:
                async for chunk in response.content.iter_chunked(_CHUNK):
                    size += len(chunk)
                    if size > self._limits.log:
                        raise TooLargeError("a log is larger than 2 GiB")
                    take(chunk)
            return size

        return await self._tried(once)

    def _address(self, path: str, parameters: Mapping[str, str] | None = None) -> URL:
        """The address of `path`, whose parts are encoded already."""
        url = URL(f"{str(self.url).rstrip('/')}{path}", encoded=True)
        return url.with_query(parameters) if parameters else url

    def _name(self) -> str:
        return str(self.url.host)

    async def _page(self, address: URL) -> Page:
        async def once() -> Page:
            parts, size = [], 0
            async with self._answer(address, self._limits.answer) as response:
                async for chunk in response.content.iter_chunked(_CHUNK):
                    parts.append(chunk)
                    size += len(chunk)
                    if size > self._limits.json:
                        raise ApiError(
                            f"{self._name()}: an answer is larger than {self._limits.json >> 20} MiB"
                        )
                return Page(_decoded(b"".join(parts)), self._following(response))

        return await self._tried(once)

    def _following(self, response: aiohttp.ClientResponse) -> URL | None:
        try:
            link = response.links.get("next")
            following = None if link is None else URL(str(link["url"]))
        except (ValueError, KeyError, TypeError):
            raise TransientError("the link to its next page cannot be read") from None
        if following is not None and following.origin() != self.url.origin():
            raise ApiError(f"{self._name()}: its next page is on another host: set --api-url to that one")
        return following

    async def _tried(self, once: Callable[[], Awaitable[_T]]) -> _T:
        """What `once` gives, tried again where that may help; a wait for a rate limit is no try."""
        waited = 0.0
        while True:
            await self._rested()
            try:
                return await self._retrying(once)
            except WaitError as error:
                waited += error.seconds
                if waited > self._limits.rate_limit:
                    raise ApiError(
                        f"{self._name()}: its rate limit asks to wait longer than an hour: run the same command later"
                    ) from None
                self._rest(error.seconds)
            except TransientError as error:
                raise UnreachableError(
                    f"{self._name()}: {error} (tried {self._limits.attempts} times): run the same command again"
                ) from None

    def _rest(self, seconds: float) -> None:
        """No request before so many seconds have passed."""
        resume = time.monotonic() + seconds
        if resume > self._resume:
            self._resume = resume
            self._waiting(seconds)

    async def _rested(self) -> None:
        await asyncio.sleep(max(0.0, self._resume - time.monotonic()))

    @asynccontextmanager
    async def _answer(
        self, address: URL, seconds: float, *, plain: bool = False
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that can be read, after all redirects. Whatever breaks on the way is an error of `answers`."""
        try:
            async with asyncio.timeout(seconds):
                for _ in range(_MAX_REDIRECTS + 1):
                    own = address.origin() == self.url.origin()
                    headers = {"Accept-Encoding": "identity"} if plain else {}
                    headers |= self._headers if own else {}
                    async with self._session.get(
                        address, headers=headers, allow_redirects=False, proxy=proxy_of(address)
                    ) as response:
                        if is_redirect(response.status):
                            address = self._redirected(address, response, plain=plain)
                            continue
                        await _check(response, own=own)
                        yield response
                        return
        except TimeoutError:
            raise TransientError("it does not answer in time") from None
        except (aiohttp.ClientConnectorCertificateError, ssl.SSLError):
            raise ApiError(
                f"{address.host}: its certificate is not trusted: set SSL_CERT_FILE to your authorities"
            ) from None
        except aiohttp.ClientConnectorDNSError:
            raise TransientError("its name cannot be looked up: check the name and the network") from None
        except aiohttp.ClientConnectorError:
            raise TransientError(
                "cannot connect: check the network, and HTTPS_PROXY if you need one"
            ) from None
        except aiohttp.ClientHttpProxyError as error:
            raise ApiError(
                f"the proxy answers HTTP {error.status}: check HTTPS_PROXY and its password"
            ) from None
        except (aiohttp.ClientError, ConnectionError, ValueError):
            raise TransientError("its answer is cut short or cannot be read") from None
        raise ApiError(f"{self._name()}: it redirects more than {_MAX_REDIRECTS} times")

    def _redirected(self, address: URL, response: aiohttp.ClientResponse, *, plain: bool) -> URL:
        """Where an answer leads: JSON stays on the API's origin, a log may be in a storage."""
        try:
            target = address.join(URL(response.headers.get("Location", "")))
            own = target.origin() == self.url.origin()
        except ValueError:
            raise TransientError("it redirects without an address") from None
        if not own and not plain:
            raise ApiError(f"{self._name()}: it redirects to another host: set --api-url to that one")
        if not own and not is_safe(target):
            raise ApiError(f"{self._name()}: it redirects to an address without TLS")
        return target


def is_safe(url: URL) -> bool:
    """Whether what is sent to an address cannot be read on the way."""
    return url.scheme == "https" or (url.scheme == "http" and url.host in _LOOPBACK)


def proxy_of(address: URL) -> URL | None:
    """The proxy that the environment names for an address.

    Raises:
        ApiError: it is no address of one.
    """
    named = getproxies().get(address.scheme)
    if named is None or proxy_bypass(str(address.host)):
        return None
    try:
        proxy = URL(named if "://" in named else f"http://{named}")
        usable = proxy.scheme in {"http", "https"} and bool(proxy.host)
    except ValueError:
        usable = False
    if not usable:
        variable = f"{address.scheme.upper()}_PROXY"
        raise ApiError(f"{variable} is not the address of an HTTP proxy: write http://HOST:PORT")
    return proxy


async def _check(response: aiohttp.ClientResponse, *, own: bool) -> None:
    if response.status == _OK:
        return
    begin = await response.content.read(_ERROR_BODY)
    try:
        check(
            response.status,
            {name.lower(): value for name, value in response.headers.items()},
            begin,
            time.time(),
        )
    except ApiError as error:
        if not own:  # a storage: its link may have expired while it was waited for
            raise TransientError(f"the storage of its logs answers HTTP {response.status}") from None
        raise ApiError(f"{response.url.host}: {error}") from None


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TransientError("its answer is not JSON: is --api-url the address of its REST API?") from None


@asynccontextmanager
async def connected(
    url: URL,
    headers: Mapping[str, str],
    *,
    connections: int,
    waiting: Callable[[float], None],
    limits: Limits | None = None,
) -> AsyncIterator[ApiClient]:
    """A client of the API at `url`, with `connections` to it at once. Proxies are those of the environment."""
    limits = limits or Limits()
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=limits.connect, sock_read=limits.silence)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections * 2),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=timeout,
        headers={"User-Agent": f"curfewd/{__version__}"},
    ) as session:
        yield ApiClient(session, url, headers, limits=limits, waiting=waiting)
