"""Decompresses record batches within a limit: a megabyte on the wire can be gigabytes of zeros.

aiokafka decompresses a batch whole and without a limit, and Kafka's own limit is about the compressed size. `install`
replaces its decompressors by these functions, for the whole process. Each takes the bytes of a batch's records and the
limit. It raises TooMuchError before it has made more than that, or whatever else its decompressor raises.
"""

import io
import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any, Final

import cramjam
import zstandard
from aiokafka import codec
from aiokafka.record import default_records, legacy_records

from detector.records.magic_numbers import LZ4, XERIAL

STEP: Final = 1 << 20
GZIP: Final = 31  # zlib's word for a gzip header and the largest window
SMALLEST_WINDOW: Final = 1 << 23  # what every decoder of Zstandard should take, by RFC 8878
XERIAL_HEADER: Final = 16
ZSTD_SKIPPED: Final = b"\x2a\x4d\x18"  # the rest of the magic number of a frame that holds nothing
ZSTD_CHECKSUM: Final = 0x04  # a flag of a frame descriptor
ZSTD_REPEATED: Final = 1  # the type of a block that is one byte, so many times
# Flags of a frame descriptor: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
LZ4_BLOCK_CHECKSUM: Final = 0x10
LZ4_CONTENT_SIZE: Final = 0x08
LZ4_CONTENT_CHECKSUM: Final = 0x04
LZ4_DICTIONARY: Final = 0x01
LZ4_UNCOMPRESSED: Final = 0x80000000
LZ4_SMALLEST: Final = 4  # the code of 64 KiB blocks; each next is four times as large
LZ4_LARGEST: Final = 7


class TooMuchError(ValueError):
    """A batch would be larger than the limit once it is decompressed."""


def gzip(data: bytes, limit: int) -> bytes:
    """One member or several."""
    made = bytearray()
    while data:
        member = zlib.decompressobj(GZIP)
        made += member.decompress(data, limit + 1 - len(made))
        _check(len(made), limit)
        if not member.eof:
            raise ValueError("the gzip stream ends too early")
        data = member.unused_data
    return bytes(made)


def snappy(data: bytes, limit: int) -> bytes:
    """One block, or several with a size before each, as in Java's snappy streams."""
    if data[: len(XERIAL)] != XERIAL:
        _check(cramjam.snappy.decompress_raw_len(data), limit)
        return bytes(cramjam.snappy.decompress_raw(data))
    made = bytearray()
    at = XERIAL_HEADER
    if len(data) < at:
        raise ValueError("a snappy stream ends too early")
    while at < len(data):
        (size,) = struct.unpack_from("!i", data, at)
        at += 4
        block = data[at : at + size] if size > 0 else b""
        if len(block) != size:
            raise ValueError("a snappy block ends too early")
        at += size
        _check(len(made) + cramjam.snappy.decompress_raw_len(block), limit)
        made += cramjam.snappy.decompress_raw(block)
    return bytes(made)


def lz4(data: bytes, limit: int) -> bytes:
    """Frames, whose headers say how large their blocks can become."""
    _check(_lz4_bound(data), limit)
    return bytes(cramjam.lz4.decompress(data))


def zstd(data: bytes, limit: int) -> bytes:
    """Frames, whether they state their size or not. The decompressor takes one that was cut for a whole one."""
    _check_frames(data)
    decompressor = zstandard.ZstdDecompressor(max_window_size=max(limit, SMALLEST_WINDOW))
    made = bytearray()
    with decompressor.stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
        while step := reader.read(STEP):
            made += step
            _check(len(made), limit)
    return bytes(made)


DECODERS: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "gzip_decode": gzip,
    "snappy_decode": snappy,
    "lz4_decode": lz4,
    "zstd_decode": zstd,
}


def install(limit: int) -> None:
    """From now on a poll raises TooMuchError if a batch would be larger than `limit` bytes."""
    compiled = {default_records.DefaultRecordBatch.__module__, legacy_records.LegacyRecordBatch.__module__}
    modules = [codec, default_records, legacy_records, *(sys.modules[name] for name in compiled)]
    for name, decode in DECODERS.items():
        for module in modules:
            if hasattr(module, name):
                setattr(module, name, _bounded(decode, limit))


def _bounded(decode: Callable[[bytes, int], bytes], limit: int) -> Callable[[Any], bytes]:
    return lambda data: decode(bytes(data), limit)


def _check(size: int, limit: int) -> None:
    if size > limit:
        raise TooMuchError(f"a record batch is larger than {limit} bytes once it is decompressed")


def _check_frames(data: bytes) -> None:
    """Raises if the last Zstandard frame is not all there."""
    at = 0
    while at < len(data):
        at = _behind_frame(data, at)
    if at > len(data):
        raise ValueError("the Zstandard frame ends too early")


def _behind_frame(data: bytes, at: int) -> int:
    """Where a Zstandard frame ends, behind the data if it is not all there (RFC 8878, 3.1)."""
    if data[at + 1 : at + 4] == ZSTD_SKIPPED:
        return at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
    flags = data[at + 4] if at + 4 < len(data) else 0
    single = flags >> 5 & 1
    at += 5 + (1 - single) + (0, 1, 2, 4)[flags & 3] + (single, 2, 4, 8)[flags >> 6]
    last = 0
    while not last:
        if at + 3 > len(data):
            return len(data) + 1
        block = int.from_bytes(data[at : at + 3], "little")
        last = block & 1
        at += 3 + (1 if block >> 1 & 3 == ZSTD_REPEATED else block >> 3)
    return at + (4 if flags & ZSTD_CHECKSUM else 0)


def _lz4_bound(data: bytes) -> int:
    """The most bytes that the frames can become: uncompressed blocks as they are, all others full."""
    bound = at = 0
    while at < len(data):
        if data[at : at + 4] != LZ4:
            raise ValueError("this is no LZ4 frame")
        flags, block = struct.unpack_from("BB", data, at + 4)
        code = block >> 4 & 7
        if not LZ4_SMALLEST <= code <= LZ4_LARGEST:
            raise ValueError("an LZ4 frame has no such block size")
        full = 1 << (8 + 2 * code)
        at += 7 + (8 if flags & LZ4_CONTENT_SIZE else 0) + (4 if flags & LZ4_DICTIONARY else 0)
        while True:
            (size,) = struct.unpack_from("<I", data, at)
            at += 4
            if not size:
                break
            stored = size & ~LZ4_UNCOMPRESSED
            bound += stored if size & LZ4_UNCOMPRESSED else full
            at += stored + (4 if flags & LZ4_BLOCK_CHECKSUM else 0)
        at += 4 if flags & LZ4_CONTENT_CHECKSUM else 0
    return bound
