"""Receives the responses of brokers into buffers of their size, and copies them once.

asyncio's reader of streams copies them twice and more: a fetch costs 0.23 µs for a record of 345 bytes there, and 0.08
here. aiokafka has no setting for it (docs/upstream-raw-batches.md). So `install` puts a class in front of its protocol,
for the whole process, if its connections still read as they did: four bytes with a size, then so many.
"""

import asyncio
import struct
from collections import deque
from typing import Any, Final

from aiokafka import conn

_SIZE: Final = struct.Struct(">i")
_ROOM: Final = 64 << 10  # bytes that are received before the size of a response is known
_FIRST_ROOM: Final = 16 << 20  # bytes at first: a server that is no broker may claim gigabytes
_READS: Final = frozenset({"read", "readexactly", "readline", "readuntil"})


class ResponseProtocol(conn.AIOKafkaProtocol, asyncio.BufferedProtocol):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's protocol; its reader's `readexactly` gives in turn the size of a response and the response."""

    def __init__(self, closed: Any, reader: Any, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(closed, reader, loop=loop)
        reader.readexactly = self._next
        self._parts: deque[bytes] = deque()
        self._first = bytearray(_ROOM)
        self._response: bytearray | None = None  # room for one that has not come whole
        self._size = 0  # of that one
        self._filled = 0  # of its room, or else of `_first`
        self._waiting: asyncio.Future[None] | None = None
        self._end: BaseException | None = None

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        del sizehint
        return memoryview(self._first if self._response is None else self._response)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes have come."""
        self._filled += nbytes
        if self._response is None:
            self._take_first()
        elif self._filled == self._size:
            self._give(self._response)
            self._response, self._filled = None, 0
        elif self._filled == len(self._response):
            more = min(self._size, 2 * self._filled) - self._filled
            self._response = self._response + bytes(more)  # whoever filled the old one may still hold it
        if self._parts:
            self._wake()

    def _take_first(self) -> None:
        """Gives the responses that have come whole, and makes room for one that has not."""
        view, at = memoryview(self._first)[: self._filled], 0
        while len(view) - at >= _SIZE.size:
            (size,) = _SIZE.unpack_from(view, at)
            at += _SIZE.size
            if size < 0:
                raise ValueError("a response of negative length")
            if size > len(view) - at:
                self._size = size
                self._response = bytearray(min(size, max(_FIRST_ROOM, len(view))))
                self._response[: len(view) - at] = view[at:]
                self._filled -= at
                return
            self._give(view[at : at + size])
            at += size
        self._filled -= at
        self._first[: self._filled] = bytes(view[at:])

    def _give(self, response: bytearray | memoryview) -> None:
        self._parts += (_SIZE.pack(len(response)), bytes(response))

    async def _next(self, size: int) -> bytes:
        while not self._parts:
            if self._end is not None:
                raise self._end
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        part = self._parts.popleft()
        if len(part) != size:
            raise asyncio.IncompleteReadError(part, size)
        return part

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def eof_received(self) -> bool | None:
        """Nothing more will come."""
        self._ended(None)
        kept: bool | None = super().eof_received()
        return kept

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will come."""
        self._ended(exc)
        super().connection_lost(exc)

    def _ended(self, error: Exception | None) -> None:
        self._end = self._end or error or asyncio.IncompleteReadError(b"", None)
        self._wake()


def reads_sized_responses() -> bool:
    """Whether this aiokafka's connections read nothing but sizes and responses."""
    names = set(conn.AIOKafkaConnection._read.__code__.co_names)  # noqa: SLF001 - it is what may change
    return names & _READS == {"readexactly"} and issubclass(
        conn.AIOKafkaProtocol, asyncio.StreamReaderProtocol
    )


def install() -> None:
    """Lets all connections that are made from now on receive so."""
    if reads_sized_responses():
        conn.AIOKafkaProtocol = ResponseProtocol
