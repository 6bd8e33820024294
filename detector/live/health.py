"""The service's own port: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever runs the process.

HTTP/1.1 as far as that takes: GET, one request a connection, no body read. Whatever else comes is answered with an error
and closed, within fixed limits of size, time and number.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, Self

import msgspec

from detector.errors import UsageError
from detector.service_settings import Address

REQUEST_BYTES: Final = 8192
READ_SECONDS: Final = 5.0
WRITE_SECONDS: Final = 10.0
LINGER_SECONDS: Final = 1.0
LINGER_READS: Final = 128
CONNECTIONS: Final = 32
TEXT_PLAIN: Final = "text/plain; charset=utf-8"
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
_PARTS: Final = 3  # of a request line


class Answer(msgspec.Struct, frozen=True):
    """What is sent back."""

    status: int
    body: bytes
    content_type: str = TEXT_PLAIN


Page = Callable[[str], Answer]  # of the Accept header


def verdict(reason: str | None) -> Answer:
    """200 if all is well, else 503 with a reason of one line."""
    return _line(200, "ok") if reason is None else _line(503, reason)


class HealthServer:
    """Serves `pages` by path; `open` and `close` it within a running loop."""

    def __init__(self, address: Address, pages: dict[str, Page]) -> None:
        self._address = address
        self._pages = pages
        self._server: asyncio.Server | None = None
        self._open = 0

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
            writer.write(_encoded(await self._answer(reader)))
            writer.write_eof()
            async with asyncio.timeout(WRITE_SECONDS):
                await writer.drain()
            await _read_off(reader)
        except (OSError, TimeoutError, EOFError):
            pass  # the other side is gone or asleep: nobody is left to be told
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        try:
            async with asyncio.timeout(READ_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
        except TimeoutError:
            return _line(408, "no request in time")
        except asyncio.LimitOverrunError:
            return _line(431, "the request is too long")
        except asyncio.IncompleteReadError as error:
            if not error.partial:
                raise EOFError from None
            return _line(400, "not a request")
        return self._page(head)

    def _page(self, head: bytes) -> Answer:
        first, *lines = head.decode("latin-1").split("\r\n")
        parts = first.split(" ")
        if len(parts) != _PARTS or not parts[0].isalpha() or not parts[2].startswith("HTTP/"):
            return _line(400, "not a request")
        method, target, version = parts
        if version not in {"HTTP/1.0", "HTTP/1.1"}:
            return _line(505, "HTTP/1.1 is spoken here")
        page = self._pages.get(target.split("?", 1)[0])
        if page is None:
            return _line(404, f"known here: {', '.join(self._pages)}")
        if method != "GET":
            return _line(405, "GET only")
        return _made(page, _header(lines, "accept"))


async def _read_off(reader: asyncio.StreamReader) -> None:
    """What was sent and not asked for: closing with it unread would cut off the answer too."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            for _ in range(LINGER_READS):
                if not await reader.read(REQUEST_BYTES):
                    return


def _made(page: Page, accept: str) -> Answer:
    try:
        return page(accept)
    except Exception as error:  # noqa: BLE001 - one page's mistake is not the process's end
        return _line(500, type(error).__name__)


def _header(lines: list[str], name: str) -> str:
    values = [
        value.strip() for key, _, value in (line.partition(":") for line in lines) if key.lower() == name
    ]
    return ", ".join(values)


def _line(status: int, text: str) -> Answer:
    return Answer(status, f"{text}\n".encode())


def _encoded(answer: Answer) -> bytes:
    allow = "Allow: GET\r\n" if answer.status == 405 else ""  # noqa: PLR2004 - as the table above has it
    head = (
        f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}\r\n"
        f"Content-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n{allow}"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + answer.body
