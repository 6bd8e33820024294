"""Compressed input as a stream: gzip and Zstandard, told by their first bytes, never held whole."""

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

import zstandard

from detector.records.blocks import BLOCK
from detector.records.dead_letters import CORRUPT_ARCHIVE, TRUNCATED_ARCHIVE, bad

GZIP: Final = "gzip"
ZSTD: Final = "zstd"
_MAGIC: Final = ((b"\x1f\x8b", GZIP), (b"\x28\xb5\x2f\xfd", ZSTD))
_GZIP_WINDOW: Final = 31  # zlib's way to say: gzip, window of 32 KiB
_ZSTD_WINDOW: Final = 1 << 27  # what `zstd -d` takes without being told to; a larger one is refused


_ZSTD_FEED: Final = 1024  # so much input makes at most 32 MiB of output, whatever it is


def packing(head: bytes) -> str | None:
    """How a file that begins with `head` is compressed, if it is."""
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def unpacked(chunks: Iterable[bytes], packing: str) -> Iterator[bytes]:
    """The decompressed bytes in chunks of at most 256 KiB, of all members or frames one after another.

    Raises:
        BadRecordError: the data ends in the middle or is damaged, after all that could be read was given.
    """
    return _gunzip(chunks) if packing == GZIP else _unzstd(chunks)


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(_GZIP_WINDOW)
    begun = True
    for chunk in chunks:
        rest = chunk
        while rest:
            if member.eof:
                rest = rest.lstrip(b"\0")  # padding after a member, as tape and block devices leave it
                if not rest:
                    begun = False
                    break
                member, begun = zlib.decompressobj(_GZIP_WINDOW), True
            try:
                data = member.decompress(rest, BLOCK)
            except zlib.error:
                raise bad(CORRUPT_ARCHIVE) from None
            if data:
                yield data
            rest = member.unused_data if member.eof else member.unconsumed_tail
            if not rest and not member.eof and len(data) == BLOCK:
                yield from _drained(member)
    if begun and not member.eof:
        raise bad(TRUNCATED_ARCHIVE)


def _drained(member: "zlib._Decompress") -> Iterator[bytes]:
    """What zlib still holds after all input was taken, when the limit on one call's output was reached."""
    while True:
        try:
            data = member.decompress(b"", BLOCK)
        except zlib.error:
            raise bad(CORRUPT_ARCHIVE) from None
        if not data:
            return
        yield data


def _unzstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Frame by frame: zstandard's own stream reader cannot tell a frame that ended from one that was cut."""
    decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    frame = decoder.decompressobj()
    inside = False
    ready: list[bytes] = []
    size = 0
    for piece in _small(chunks):
        rest = piece
        while rest:
            if frame.eof:
                frame = decoder.decompressobj()
            inside = True
            try:
                data = frame.decompress(rest)
            except zstandard.ZstdError:
                yield from ready
                raise bad(CORRUPT_ARCHIVE) from None
            if data:
                ready.append(data)
                size += len(data)
            rest, inside = frame.unused_data if frame.eof else b"", not frame.eof
        if size >= BLOCK:
            yield from _even(ready)
            ready, size = [], 0
    yield from ready
    if inside:
        raise bad(TRUNCATED_ARCHIVE)


def _small(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), _ZSTD_FEED):
            yield chunk[start : start + _ZSTD_FEED]


def _even(parts: list[bytes]) -> Iterator[bytes]:
    data = b"".join(parts)
    for start in range(0, len(data), BLOCK):
        yield data[start : start + BLOCK]
