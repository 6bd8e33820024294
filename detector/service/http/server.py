"""A port of the service: `/metrics` and the live view on one, `/healthz` and `/readyz` on another.

aiohttp speaks HTTP. This module adds what a port beside the work needs: limits on connections, in all and for each
client, limits in seconds for whoever does not write or read, and errors of one line. Pages are plain functions from a
`Request` to an `Answer`.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, Self, cast

import msgspec
from aiohttp import HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.http_exceptions import LineTooLong

from detector.configuration.service_settings import Address
from detector.service.http.connection_limits import Limits, OpenConnections, Refusal, Refused, client_of
from detector.values.errors import UsageError

HEADER_BYTES: Final = 8190  # of the request line, and of each header
HEADERS: Final = 64
HEAD_BYTES: Final = 32 << 10  # of all that comes before a request is whole
READ_SECONDS: Final = 5.0  # for a request to arrive, on a new connection and on one that is kept alive
HANDSHAKE_SECONDS: Final = 5.0  # for TLS: only then does the connection count
WRITE_SECONDS: Final = 10.0
BODY_SECONDS: Final = 1.0  # for a body that nobody reads: closing earlier would cut off the answer
CLOSE_SECONDS: Final = 1.0
LIMITS: Final = Limits(connections=128, share=64)
REQUESTS: Final = 100  # on one connection: then it is closed
STREAM_BUFFER: Final = 1 << 16  # bytes of a stream that wait to be sent, here and in the kernel each
BUFFERED: Final = (
    1 << 12
)  # bytes of an answer that a connection always takes at once, if nothing else waits in it
TEXT_PLAIN: Final = "text/plain; charset=utf-8"
_BACKLOG: Final = 256  # connections that the kernel holds until they are accepted
# In one turn of the event loop. A request is read three turns after its connection: until then there must not be so
# many new connections that its own is cut off for them.
ACCEPTED: Final = 8
_BAD: Final = 400
_TOO_LARGE: Final = 431
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "curfewd"}


class Request(msgspec.Struct, frozen=True):
    """A request. `query` follows the `?`. `headers` has names in lower case; repeated ones are joined by commas.

    `client` is who asks, as limits count clients: an address, or a network of IPv6.
    """

    query: str
    headers: Mapping[str, str]
    client: str = ""


class Answer(msgspec.Struct, frozen=True):
    """A response. `stream` replaces the body: it is sent until it ends or the reader leaves."""

    status: int
    body: bytes
    content_type: str = TEXT_PLAIN
    headers: Mapping[str, str] = {}
    stream: Callable[[], AsyncIterator[bytes]] | None = None


Page = Callable[[Request], Answer | Awaitable[Answer]]


class Post(msgspec.Struct, frozen=True):
    """A page that is asked for by POST. Nobody reads the body: what is to be done stands in the query."""

    page: Page


def headers_of(request: web.BaseRequest) -> dict[str, str]:
    """The headers, their names in lower case; repeated ones are joined by commas."""
    return {name.lower(): ", ".join(request.headers.getall(name)) for name in set(request.headers.keys())}


def probe_answer(reason: str | None, detail: str = "") -> Answer:
    """200 if all is well, with a detail, else 503 with the reason on one line."""
    return line(200, f"ok{detail}") if reason is None else line(503, reason)


def line(status: int, text: str, headers: Mapping[str, str] = {}) -> Answer:
    """An answer of one line."""
    return Answer(status, f"{text}\n".encode(), headers=headers)


class HttpServer:
    """Serves `pages` by path. Call `open` and `close` in a running loop, or use it as a context manager.

    `setting` names the address in messages; `observe` gets every connection that is cut off and every request that is
    refused. With `tls` it speaks TLS.
    """

    def __init__(  # noqa: PLR0913 - keywords, with what a port is by default
        self,
        address: Address,
        pages: Mapping[str, Page | Post],
        *,
        setting: str = "service.listen",
        limits: Limits = LIMITS,
        observe: Callable[[Refused], None] = lambda _: None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._address = address
        self._tls = tls
        self.limits = limits
        self._pages = pages
        self._setting = setting
        self._observe = observe
        self._protocols: web.Server | None = None
        self._server: asyncio.Server | None = None
        self._open: OpenConnections[_Connection] = OpenConnections(limits)
        self._streams: set[asyncio.Task[Any]] = set()

    @property
    def address(self) -> Address:
        """Where it listens. Port 0 becomes the port that was free."""
        if self._server is None:
            return self._address
        host, port = self._server.sockets[0].getsockname()[:2]
        return Address(host, port)

    @property
    def idle_seconds(self) -> float:
        """How long a connection may bring no request."""
        return self.limits.idle_seconds or READ_SECONDS

    @property
    def connections(self) -> int:
        """How many connections count against the limit: streams have a limit of their own."""
        return len(self._open)

    async def open(self) -> None:
        """Listens.

        Raises:
            UsageError: the address cannot be had.
        """
        loop = asyncio.get_running_loop()
        self._protocols = web.Server(self._respond, handler_cancellation=True)
        try:
            self._server = await loop.create_server(
                self._connection,
                self._address.host,
                self._address.port,
                backlog=ACCEPTED,
                ssl=self._tls,
                ssl_handshake_timeout=None if self._tls is None else HANDSHAKE_SECONDS,
            )
            for each in self._server.sockets:
                with each.dup() as listening:  # asyncio has one number for both
                    listening.listen(_BACKLOG)
        except OSError as error:
            reason = error.strerror or "it is not an address of this machine"
            if error.errno == errno.EADDRINUSE:
                reason = "address already in use"
            raise UsageError(f"{self._setting}: cannot listen on {self._address}: {reason}") from None

    async def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Stops listening. Streams are cut at once; other answers have so many seconds to be sent."""
        server, self._server = self._server, None
        if server is None or self._protocols is None:
            return
        server.close()
        for stream in self._streams:
            stream.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)
        for connection in self._open:  # else aiohttp waits as long for one that brings nothing
            connection.end_if_idle()
        await self._protocols.shutdown(seconds)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def admit(self, connection: "_Connection") -> None:
        """Takes a new connection; another may have to go for it."""
        going = self._open.admit(connection, connection.client)
        if going is not None:
            old, client, reason = going
            old.cut()
            self.refused(reason, client)

    def ended(self, connection: "_Connection") -> None:
        """A connection is no more."""
        self._open.remove(connection)

    def refused(self, reason: Refusal, client: str) -> None:
        """A connection was cut off or a request refused."""
        self._observe(Refused(reason, client))

    def _connection(self) -> asyncio.Protocol:
        assert self._protocols is not None  # noqa: S101 - `open` made it before anything could connect
        return _Connection(
            self,
            self._protocols,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self.idle_seconds,
            lingering_time=BODY_SECONDS,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            max_headers=HEADERS,
            auto_decompress=False,  # whoever reads a body decompresses it within limits
            access_log=cast("Any", None),  # aiohttp's way to have none
        )

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast("_Connection", request.protocol)
        self._open.progressed(connection)
        last = connection.begins(request)
        # From Python 3.12 on aiohttp begins a task at once: requests that came together, a hundred at most, would be
        # answered in one turn of the event loop, which has other work to do.
        await asyncio.sleep(0)
        answer = await self.answer(request, connection.client)
        if answer.stream is not None:
            return await self._send_stream(request, connection, answer, answer.stream)
        response = _response(answer)
        if last:
            response.force_close()
        # What the connection buffers waits for nobody, and a timer is a twentieth of what a request costs.
        buffered = len(answer.body) <= BUFFERED and connection.idle
        async with contextlib.nullcontext() if buffered else self._time_to_write(connection):
            await response.prepare(request)
            await response.write_eof()
        if not request.content.is_eof():
            self.refused("unread-body", connection.client)
        connection.answered()
        return response

    async def answer(self, request: web.BaseRequest, client: str) -> Answer:
        """The answer to one request: that of its page."""
        if request.version not in {HttpVersion10, HttpVersion11}:
            return line(505, "only HTTP/1.1 is supported")
        # The target as it was sent: what is escaped or names another host is no path of ours.
        path, _, query = request.raw_path.partition("?")
        page = self._pages.get(path)
        if page is None:
            top = [each for each in self._pages if "/" not in each[1:]]
            return line(404, f"known here: {', '.join(top)}")
        method = "GET"
        if isinstance(page, Post):
            method, page = "POST", page.page
        if request.method != method:
            return line(405, f"{method} only", {"Allow": method})
        try:
            made = page(Request(query, headers_of(request), client))
            return made if isinstance(made, Answer) else await made
        except Exception as error:  # noqa: BLE001 - a page that fails must not end the process
            return line(500, type(error).__name__)

    async def _send_stream(
        self,
        request: web.BaseRequest,
        connection: "_Connection",
        answer: Answer,
        stream: Callable[[], AsyncIterator[bytes]],
    ) -> web.StreamResponse:
        """Sends what comes, until the reader leaves (then aiohttp cancels this task) or does not read."""
        task = asyncio.current_task()
        transport = request.transport
        response = web.StreamResponse(status=answer.status, headers=_headers(answer))
        if task is None or transport is None:
            return response
        transport.set_write_buffer_limits(STREAM_BUFFER)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BUFFER)
        self._streams.add(task)
        self._open.remove(connection)
        made: Any = stream()  # a generator: to be closed also if it is not read to its end
        try:
            async with contextlib.aclosing(made) as chunks:
                async with self._time_to_write(connection):
                    await response.prepare(request)
                async for chunk in chunks:
                    async with self._time_to_write(connection):
                        await response.write(chunk)
        finally:
            self._streams.discard(task)
        response.force_close()  # it counted no more: nothing may follow on it
        return response

    @contextlib.asynccontextmanager
    async def _time_to_write(self, connection: "_Connection") -> AsyncIterator[None]:
        """Cuts the connection of a reader that takes too long to read."""
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                yield
        except TimeoutError:
            connection.cut()
            self.refused("slow-reader", connection.client)
            raise ConnectionResetError from None


class _Connection(web.RequestHandler):
    """One connection. What is no request is answered with a line, and not logged: anyone can send it."""

    __slots__ = ("_body", "_head", "_http", "_idle_since", "_left", "_requests", "_socket", "client")

    def __init__(self, http: HttpServer, protocols: web.Server, **settings: Any) -> None:
        super().__init__(protocols, **settings)
        self._http = http
        self._socket: asyncio.Transport | None = None
        self._requests = 0
        self._head = 0  # bytes of the next request so far
        self._body: StreamReader | None = None  # of the last request: it may be still coming
        self._idle_since: float | None = None  # None while a request is answered
        self._left = False  # by the client
        self.client = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Lets the kernel cut off a reader that does not take what was sent."""
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(WRITE_SECONDS * 1000))
        self._socket = cast("asyncio.Transport", transport)
        self.client = client_of((transport.get_extra_info("peername") or ("",))[0])
        self._idle_since = self._loop.time()
        super().connection_made(transport)
        self._http.admit(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Counts what aiohttp and the kernel do without a word to a client that does not write or read."""
        self._http.ended(self)
        if isinstance(exc, TimeoutError):
            self._http.refused("slow-reader", self.client)
        since = self._idle_since
        begun = self._head or not self._requests
        if (
            begun
            and not self._left
            and since is not None
            and self._loop.time() - since >= self._http.idle_seconds
        ):
            self._http.refused("slow-request", self.client)
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """The client has closed the connection."""
        self._left = True

    def data_received(self, data: bytes) -> None:
        """Bounds what comes before a request is whole."""
        room = HEAD_BYTES + 1 - self._head
        while len(data) > room and not self._of_body and self._socket is not None:
            self._take(data[:room])
            if self._socket.is_closing():
                return
            data, room = data[room:], HEAD_BYTES + 1 - self._head
        self._take(data)

    @property
    def _of_body(self) -> bool:
        """Whether what comes belongs to the body of a request, one that was parsed and is not begun among them."""
        return self._requests < self._request_count or not (self._body is None or self._body.is_eof())

    def _take(self, data: bytes) -> None:
        before, of_body = self._request_count, self._of_body
        super().data_received(data)
        if self._request_count > before:
            self._head = 0
        elif not of_body:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self.cut()
                self._http.refused("too-long", self.client)

    def begins(self, request: web.BaseRequest) -> bool:
        """A request is answered now. Whether it is the last on this connection."""
        self._body = request.content
        self._idle_since = None
        self._requests += 1
        return self._requests >= (self._http.limits.requests or REQUESTS)

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be sent."""
        return self._socket is not None and not self._socket.get_write_buffer_size()

    def answered(self) -> None:
        """It waits for the next request."""
        self._idle_since = self._loop.time()

    def end_if_idle(self) -> None:
        """Ends the connection if no request is answered or has begun to arrive."""
        if self._idle_since is not None and not self._head and self._requests == self._request_count:
            self.cut()

    def cut(self) -> None:
        """Ends the connection at once, whatever was to be sent."""
        self._idle_since = None
        if self._socket is not None:
            self._socket.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what cannot be read."""
        del message  # it repeats what was sent
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        if isinstance(exc, LineTooLong):
            response = _response(line(_TOO_LARGE, "the request is too long"))
            self._http.refused("too-long", self.client)
        else:
            response = _response(line(status, "not a request" if status == _BAD else "cannot be answered"))
            self._http.refused("malformed", self.client)
        response.force_close()
        return response


def _headers(answer: Answer) -> dict[str, str]:
    return {**_HEADERS, "Content-Type": answer.content_type, **answer.headers}


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers=_headers(answer))
