"""Reads a request's body: no longer than may be, compressed or not, in time, within what all requests may hold."""

import asyncio
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import StreamReader
from aiohttp.http_exceptions import HttpProcessingError

from detector.receive.delivery import RefusalError, malformed

_GZIP: Final = 16 + zlib.MAX_WBITS
_PIECE: Final = 1 << 16  # bytes that are decompressed at once
_ENCODINGS: Final = ("", "identity")


class Waiting:
    """The bytes of all requests that are held, in all and by source."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_source: Counter[str] = Counter()
        self.bytes = 0

    @contextmanager
    def of(self, source: str) -> Iterator[Callable[[int], None]]:
        """What takes more bytes for one request of a source. They are given back when the context ends."""
        held = 0

        def take(size: int) -> None:
            nonlocal held
            if self._by_source[source] + size > self._limit // 2:
                raise RefusalError(429, "busy", "too much of this source waits to be written")
            if self.bytes + size > self._limit:
                raise RefusalError(503, "busy", "too much waits to be written")
            held += size
            self.bytes += size
            self._by_source[source] += size

        try:
            yield take
        finally:
            self.bytes -= held
            self._by_source[source] -= held


async def read_body(
    content: StreamReader, encoding: str, limit: int, seconds: float, take: Callable[[int], None]
) -> bytes:
    """The body, decompressed. `take` is told of all bytes before they are kept.

    Raises:
        RefusalError: it is too long, too slow, compressed in a way that is not known, or `take` refuses.
    """
    if encoding not in (*_ENCODINGS, "gzip"):
        raise RefusalError(415, "content-type", "send it with Content-Encoding gzip, or without")
    parts: list[bytes] = []
    size = 0
    try:
        # Most bodies have arrived already: a timer is a tenth of what their requests cost.
        async with asyncio.timeout(None if content.is_eof() else seconds):
            async for part in _plain(content) if encoding in _ENCODINGS else _decompressed(content):
                size += len(part)
                if size > limit:
                    raise RefusalError(413, "too-large", f"the body is longer than {limit} bytes")
                take(len(part))
                parts.append(part)
    except TimeoutError:
        raise RefusalError(408, "slow-body", "the body did not arrive in time") from None
    except HttpProcessingError:
        raise malformed("the body cannot be read") from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _plain(content: StreamReader) -> AsyncIterator[bytes]:
    while part := await content.readany():
        yield part


async def _decompressed(content: StreamReader) -> AsyncIterator[bytes]:
    """In pieces: of a bomb no more is made than is looked at."""
    gzip = zlib.decompressobj(_GZIP)
    try:
        async for part in _plain(content):
            left = part
            while left and not gzip.eof:
                yield gzip.decompress(left, _PIECE)
                left = gzip.unconsumed_tail
            if gzip.unused_data:
                raise malformed("there is more data after the gzip data")
        while made := gzip.decompress(gzip.unconsumed_tail, _PIECE):
            yield made
    except zlib.error:
        raise malformed("the body is not gzip data") from None
    if not gzip.eof:
        raise malformed("the gzip data ends too early")
