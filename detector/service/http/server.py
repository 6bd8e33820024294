"""The service's port: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever runs the process, the live view.

aiohttp speaks HTTP. This module adds what a port beside the work needs: a limit on connections, limits in seconds for readers
that do not read, and errors of one line. Pages are plain functions from a `Request` to an `Answer`.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, Self, cast

import msgspec
from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.http_exceptions import LineTooLong

from detector.configuration.service_settings import Address
from detector.values.errors import UsageError

HEADER_BYTES: Final = 8190  # of the request line, and of each header
HEADERS: Final = 64
READ_SECONDS: Final = 5.0  # for a request to arrive, on a new connection and on one that is kept alive
WRITE_SECONDS: Final = 10.0
BODY_SECONDS: Final = 1.0  # for a body that nobody reads: closing earlier would cut off the answer
CLOSE_SECONDS: Final = 1.0
CONNECTIONS: Final = 32
STREAM_BUFFER: Final = 1 << 16  # bytes of a stream that wait to be sent, here and in the kernel each
TEXT_PLAIN: Final = "text/plain; charset=utf-8"
_TOO_LARGE: Final = 431
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "curfewd"}


class Request(msgspec.Struct, frozen=True):
    """A GET request. `query` follows the `?`. `headers` has names in lower case; repeated ones are joined by commas."""

    query: str
    headers: Mapping[str, str]


class Answer(msgspec.Struct, frozen=True):
    """A response. `stream` replaces the body: it is sent until it ends or the reader leaves."""

    status: int
    body: bytes
    content_type: str = TEXT_PLAIN
    headers: Mapping[str, str] = {}
    stream: Callable[[], AsyncIterator[bytes]] | None = None


Page = Callable[[Request], Answer | Awaitable[Answer]]


def probe_answer(reason: str | None) -> Answer:
    """200 if all is well, else 503 with the reason on one line."""
    return line(200, "ok") if reason is None else line(503, reason)


def line(status: int, text: str, headers: Mapping[str, str] = {}) -> Answer:
    """An answer of one line."""
    return Answer(status, f"{text}\n".encode(), headers=headers)


class HttpServer:
    """Serves `pages` by path. Call `open` and `close` in a running loop, or use it as a context manager."""

    def __init__(self, address: Address, pages: Mapping[str, Page]) -> None:
        self._address = address
        self._pages = pages
        self._protocols: web.Server | None = None
        self._server: asyncio.Server | None = None
        self._streams: set[asyncio.Task[Any]] = set()

    @property
    def address(self) -> Address:
        """Where it listens. Port 0 becomes the port that was free."""
        if self._server is None:
            return self._address
        host, port = self._server.sockets[0].getsockname()[:2]
        return Address(host, port)

    @property
    def connections(self) -> int:
        """How many connections count against the limit: streams have a limit of their own, and must not keep probes out."""
        return 0 if self._protocols is None else len(self._protocols.connections) - len(self._streams)

    async def open(self) -> None:
        """Listens.

        Raises:
            UsageError: the address cannot be had.
        """
        loop = asyncio.get_running_loop()
        self._protocols = web.Server(self._respond, handler_cancellation=True)
        try:
            self._server = await loop.create_server(self._connection, self._address.host, self._address.port)
        except OSError as error:
            reason = error.strerror or "it is no address of this machine"
            if error.errno == errno.EADDRINUSE:
                reason = "address already in use"
            raise UsageError(f"service.listen: cannot listen on {self._address}: {reason}") from None

    async def close(self) -> None:
        """Stops listening. Streams are cut at once; other answers have a second to be sent."""
        server, self._server = self._server, None
        if server is None or self._protocols is None:
            return
        server.close()
        for stream in self._streams:
            stream.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)
        await self._protocols.shutdown(CLOSE_SECONDS)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _connection(self) -> asyncio.Protocol:
        if self._protocols is None or self.connections >= CONNECTIONS:
            return _TurnedAway()
        return _Connection(
            self._protocols,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=READ_SECONDS,
            lingering_time=BODY_SECONDS,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            max_headers=HEADERS,
            access_log=cast("Any", None),  # aiohttp's way to have none
        )

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        answer = await self._answer(request)
        if answer.stream is not None:
            return await self._send_stream(request, answer, answer.stream)
        response = _response(answer)
        async with _time_to_write(request):
            await response.prepare(request)
            await response.write_eof()
        return response

    async def _answer(self, request: web.BaseRequest) -> Answer:
        if request.version not in {HttpVersion10, HttpVersion11}:
            return line(505, "HTTP/1.1 is spoken here")
        # The target as it was sent: what is escaped or names another host is no path of ours.
        path, _, query = request.raw_path.partition("?")
        page = self._pages.get(path)
        if page is None:
            top = [each for each in self._pages if "/" not in each[1:]]
            return line(404, f"known here: {', '.join(top)}")
        if request.method != "GET":
            return line(405, "GET only", {"Allow": "GET"})
        headers = {
            name.lower(): ", ".join(request.headers.getall(name)) for name in set(request.headers.keys())
        }
        try:
            made = page(Request(query, headers))
            return made if isinstance(made, Answer) else await made
        except Exception as error:  # noqa: BLE001 - a page that fails must not end the process
            return line(500, type(error).__name__)

    async def _send_stream(
        self, request: web.BaseRequest, answer: Answer, stream: Callable[[], AsyncIterator[bytes]]
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
        made: Any = stream()  # a generator: to be closed also if it is not read to its end
        try:
            async with contextlib.aclosing(made) as chunks:
                async with _time_to_write(request):
                    await response.prepare(request)
                async for chunk in chunks:
                    async with _time_to_write(request):
                        await response.write(chunk)
        finally:
            self._streams.discard(task)
        return response


class _Connection(web.RequestHandler):
    """One connection. What is no request is answered with a line, and not logged: anyone can send it."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Lets the kernel cut off a reader that does not take what was sent."""
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(WRITE_SECONDS * 1000))
        super().connection_made(transport)

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
        else:
            response = _response(line(status, "not a request" if status == 400 else "cannot be answered"))  # noqa: PLR2004 - HTTP's number
        response.force_close()
        return response


class _TurnedAway(asyncio.Protocol):
    """A connection beyond the limit."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Closes it at once."""
        cast("asyncio.Transport", transport).abort()


def _headers(answer: Answer) -> dict[str, str]:
    return {**_HEADERS, "Content-Type": answer.content_type, **answer.headers}


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers=_headers(answer))


@contextlib.asynccontextmanager
async def _time_to_write(request: web.BaseRequest) -> AsyncIterator[None]:
    """Cuts the connection of a reader that takes too long to read."""
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            yield
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError from None
