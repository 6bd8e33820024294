"""The service's own port: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever runs the process, the live view.

HTTP/1.1 as far as that takes: GET, one request a connection, no body read. Whatever else comes is answered with an error
and closed, within fixed limits of size, time and number. An answer that streams ends when its reader leaves or does not read.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, Self

import msgspec

from detector.configuration.service_settings import Address
from detector.values.errors import UsageError

REQUEST_BYTES: Final = 8192
READ_SECONDS: Final = 5.0
WRITE_SECONDS: Final = 10.0
LINGER_SECONDS: Final = 1.0
LINGER_READS: Final = 128
CONNECTIONS: Final = 32
STREAM_BUFFER: Final = 1 << 16  # bytes written to a stream and not sent yet, here and in the kernel each
TEXT_PLAIN: Final = "text/plain; charset=utf-8"
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
_PARTS: Final = 3  # of a request line


class Request(msgspec.Struct, frozen=True):
    """What is asked for. `query` is what follows the `?`; of headers, by name in lower case, several are joined by commas."""

    query: str
    headers: Mapping[str, str]


class Answer(msgspec.Struct, frozen=True):
    """What is sent back. `headers` are whole lines; `stream` is what goes on after the body, until its end or the reader's."""

    status: int
    body: bytes
    content_type: str = TEXT_PLAIN
    headers: tuple[str, ...] = ()
    stream: Callable[[], AsyncIterator[bytes]] | None = None


Page = Callable[[Request], Answer | Awaitable[Answer]]


def verdict(reason: str | None) -> Answer:
    """200 if all is well, else 503 with a reason of one line."""
    return line(200, "ok") if reason is None else line(503, reason)


def line(status: int, text: str, *headers: str) -> Answer:
    """An answer of one line."""
    return Answer(status, f"{text}\n".encode(), headers=headers)


class HealthServer:
    """Serves `pages` by path; `open` and `close` it within a running loop."""

    def __init__(self, address: Address, pages: Mapping[str, Page]) -> None:
        self._address = address
        self._pages = pages
        self._server: asyncio.Server | None = None
        self._open = 0
        self._streams: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> Address:
        """Where it listens; with the port that was free, where 0 was asked for."""
        if self._server is None:
            return self._address
        host, port = self._server.sockets[0].getsockname()[:2]
        return Address(host, port)

    async def open(self) -> None:
        """Listens.

        Raises:
            UsageError: the address cannot be had.
        """
        try:
            self._server = await asyncio.start_server(
                self._serve, self._address.host, self._address.port, limit=REQUEST_BYTES
            )
        except OSError as error:
            reason = error.strerror or "it is no address of this machine"
            if error.strerror and "address already in use" in error.strerror:
                reason = "address already in use"
            raise UsageError(f"service.listen: cannot listen on {self._address}: {reason}") from None

    async def close(self) -> None:
        """Stops listening; answers under way are cut."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for stream in self._streams:
                stream.cancel()
            await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= CONNECTIONS:
            writer.transport.abort()
            return
        self._open += 1
        try:
            answer = await self._answer(reader)
            writer.write(_encoded(answer))
            if answer.stream is not None:
                await self._pour(answer.stream, reader, writer)
                return
            writer.write_eof()
            async with asyncio.timeout(WRITE_SECONDS):
                await writer.drain()
            await _read_off(reader)
        except (OSError, TimeoutError, EOFError):
            pass  # the other side is gone or asleep: nobody is left to be told
        finally:
            self._open -= 1
            writer.close()
            try:
                async with asyncio.timeout(1):
                    await writer.wait_closed()
            except (OSError, TimeoutError):
                writer.transport.abort()

    async def _pour(
        self,
        stream: Callable[[], AsyncIterator[bytes]],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Writes what comes, until the other side is gone or does not take it."""
        writer.transport.set_write_buffer_limits(STREAM_BUFFER)
        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BUFFER)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(WRITE_SECONDS * 1000))
        pouring = asyncio.create_task(_poured(stream, writer))
        leaving = asyncio.create_task(_left(reader))
        self._streams.add(pouring)
        self._open -= 1  # whoever streams has a limit of his own, and is not to keep a probe out
        try:
            await asyncio.wait([pouring, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open += 1
            self._streams.discard(pouring)
            pouring.cancel()
            leaving.cancel()
            await asyncio.gather(pouring, leaving, return_exceptions=True)
            writer.transport.abort()  # what is not sent by now, nobody reads

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        try:
            async with asyncio.timeout(READ_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
        except TimeoutError:
            return line(408, "no request in time")
        except asyncio.LimitOverrunError:
            return line(431, "the request is too long")
        except asyncio.IncompleteReadError as error:
            if not error.partial:
                raise EOFError from None
            return line(400, "not a request")
        return await self._page(head)

    async def _page(self, head: bytes) -> Answer:
        first, *lines = head.decode("latin-1").split("\r\n")
        parts = first.split(" ")
        if len(parts) != _PARTS or not parts[0].isalpha() or not parts[2].startswith("HTTP/"):
            return line(400, "not a request")
        method, target, version = parts
        if version not in {"HTTP/1.0", "HTTP/1.1"}:
            return line(505, "HTTP/1.1 is spoken here")
        path, _, query = target.partition("?")
        page = self._pages.get(path)
        if page is None:
            known = [each for each in self._pages if "/" not in each[1:]]
            return line(404, f"known here: {', '.join(known)}")
        if method != "GET":
            return line(405, "GET only", "Allow: GET")
        return await _made(page, Request(query, _headers(lines)))


async def _read_off(reader: asyncio.StreamReader) -> None:
    """What was sent and not asked for: closing with it unread would cut off the answer too."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            for _ in range(LINGER_READS):
                if not await reader.read(REQUEST_BYTES):
                    return


async def _poured(stream: Callable[[], AsyncIterator[bytes]], writer: asyncio.StreamWriter) -> None:
    made: Any = stream()  # a generator, to be closed when it is not read to its end
    async with contextlib.aclosing(made) as chunks:
        async for chunk in chunks:
            writer.write(chunk)
            async with asyncio.timeout(WRITE_SECONDS):
                await writer.drain()


async def _left(reader: asyncio.StreamReader) -> None:
    """Until the other side closes, or goes on sending what nobody asked for."""
    for _ in range(LINGER_READS):
        if not await reader.read(REQUEST_BYTES):
            return


async def _made(page: Page, request: Request) -> Answer:
    try:
        made = page(request)
        return made if isinstance(made, Answer) else await made
    except Exception as error:  # noqa: BLE001 - one page's mistake is not the process's end
        return line(500, type(error).__name__)


def _headers(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in lines:
        name, _, value = each.partition(":")
        name = name.lower()
        found[name] = f"{found[name]}, {value.strip()}" if name in found else value.strip()
    return found


def _encoded(answer: Answer) -> bytes:
    sized = () if answer.stream is not None else (f"Content-Length: {len(answer.body)}",)
    head = (
        f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}",
        f"Content-Type: {answer.content_type}",
        *sized,
        *answer.headers,
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
        "\r\n",
    )
    return "\r\n".join(head).encode("ascii") + answer.body
