"""Base64 of what bzip2, xz, lzma, zstd, lz4, brotli and deflate without a header packed; hex of gzip and zlib.

All are read only so far as a line has room. None may ask for more than 72 MiB, and it touches no more than its text
fills.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, Final

import cramjam
import numpy as np
import zstandard

from detector.scan import long_words
from detector.scan.binary_payloads import AT_ONCE, inflate
from detector.scan.decoder import Room
from detector.scan.digits import BASE64, HEX
from detector.scan.long_words import DEFLATED, IN_BASE64
from detector.scan.word_runs import gathered

BZIP2, XZ, LZMA, ZSTD, DEFLATE, GZIP, ZLIB, LZ4, BROTLI = range(9)
IN_HEX: Final = -1  # the kind of words of hex digits
_ATTEMPT: Final = 1 << 10  # bytes that a try is charged with: it costs as much as so many that are decoded
_LEAST: Final = 16  # bytes of text
_LEAST_MADE: Final = 256  # bytes that a word may decode to at most: so many,
_GROWTH: Final = 16  # and for each of its own
_READ: Final = 1 << 10
_MOST_WITHIN: Final = 3  # words that begin within the lines of another
_MOST_MEMORY: Final = 72 << 20  # `xz -9` needs 65 MiB, and touches what the text fills
_MOST_WINDOW: Final = 8 << 20
_MAGIC: Final = (
    (b"BZh", BZIP2),
    (b"\xfd7zXZ", XZ),
    (b"\x28\xb5\x2f\xfd", ZSTD),
    (b"\x1f\x8b", GZIP),
    (b"]\0", LZMA),
    (b"\x04\x22\x4d\x18", LZ4),
)


_BLOCK: Final = 100_000  # bytes of a block of bzip2, for each unit of the level in its header
_BZIP2_BEGUN: Final = bytes.fromhex("314159265359")
_LEVELS: Final = frozenset(b"%d" % level for level in range(1, 10))
_GZIP_IN_HEX: Final = b"1f8b08"
_LEAST_XZ: Final = 24  # bytes of both headers
_LEAST_FAILURES: Final = 8  # tries of bzip2 and zstd, which decode a whole block before they say anything:
_BYTES_FAILURE: Final = 8 << 10  # so many in vain, and one more for each so many bytes of the data
_LEAST_DICTIONARY: Final = 18  # bits


_BY_KIND: Final = {DEFLATED: DEFLATE, long_words.BROTLI: BROTLI}


def _kind(packed: bytes, kind: int) -> int:
    if kind in _BY_KIND:
        return _BY_KIND[kind]
    return next((number for magic, number in _MAGIC if packed.startswith(magic)), ZLIB)


def _small_blocks(packed: bytes, most: int) -> bytes:
    """What bzip2 packed, with a header that says how large the blocks are that are decoded: the others end in an error.

    Nothing, if it is of another kind after all.
    """
    if packed[4:10] != _BZIP2_BEGUN or packed[3:4] not in _LEVELS:
        return b""
    level = min(int(packed[3:4]), -(-most // _BLOCK))
    return b"BZh%d" % level + packed[4:]


def _small_dictionary(packed: bytes, kind: int, most: int) -> bytes:
    """What xz or lzma packed, with a header that asks for no more memory than so much text needs.

    The dictionary of a tiny text may be of 64 MiB, and to ask for them costs more than to decode it. Of xz only
    headers with the one filter LZMA2 are changed.
    """
    bits = max(_LEAST_DICTIONARY, most.bit_length())
    if kind == LZMA:
        size = min(int.from_bytes(packed[1:5], "little"), 1 << bits)
        return packed[:1] + size.to_bytes(4, "little") + packed[5:]
    if len(packed) < _LEAST_XZ:
        return packed
    end = 12 + 4 * packed[12]  # of the header of the first block, before its checksum
    at = 14
    for size_bit in (0x40, 0x80):  # sizes of the block, if it says them
        if packed[13] & size_bit:
            while at < len(packed) - 3 and packed[at] & 0x80:
                at += 1
            at += 1
    number = 2 * (bits - 12)  # 2 to the power of bits
    if packed[13] & 3 or packed[at : at + 2] != b"\x21\x01" or at + 2 >= end or packed[at + 2] <= number:
        return packed
    header = packed[12 : at + 2] + bytes([number]) + packed[at + 3 : end]
    return packed[:12] + header + zlib.crc32(header).to_bytes(4, "little") + packed[end + 4 :]


_DAMAGED: Final = (lzma.LZMAError, zlib.error, zstandard.ZstdError, cramjam.DecompressionError)


def _inflated(packed: bytes, most: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    text = inflater.decompress(packed, most + 1)
    return text if inflater.eof or len(text) > most else b""


def _filled(decompress_into: Callable[[bytes, bytearray], int], packed: bytes, most: int) -> bytes:
    """The text, or one byte more than `most` of it: what has no room is not written."""
    text = bytearray(most + 1)
    try:
        return bytes(text[: decompress_into(packed, text)])
    except cramjam.DecompressionError:
        if text[-1]:
            return bytes(text)
        raise


_LIMITED: Final[dict[int, Callable[[bytes, int], bytes]]] = {
    DEFLATE: _inflated,
    LZ4: partial(_filled, cramjam.lz4.decompress_into),
    BROTLI: partial(_filled, cramjam.brotli.decompress_into),
}


def _unpacked(
    packed: bytes, kind: int, most: int, unzstd: Callable[[], zstandard.ZstdDecompressor]
) -> bytes | None:
    """The text, at most one byte more than `most`; None if it is damaged, or of another kind after all."""
    try:
        if kind == BZIP2:
            return bz2.BZ2Decompressor().decompress(packed, most + 1)
        if kind in (XZ, LZMA):
            form = lzma.FORMAT_XZ if kind == XZ else lzma.FORMAT_ALONE
            packed = _small_dictionary(packed, kind, most)
            return lzma.LZMADecompressor(form, memlimit=_MOST_MEMORY).decompress(packed, most + 1)
        if kind == ZSTD:
            return bytes(unzstd().stream_reader(packed, read_size=_READ).read(most + 1))
        if kind in _LIMITED:
            return _LIMITED[kind](packed, most)
    except (OSError, EOFError, ValueError, MemoryError, *_DAMAGED):
        return None
    text, _, cut = inflate(memoryview(packed), most)
    return text + b" " if cut else text


def _gathered(data: bytes, rows: Any) -> list[tuple[int, int, int, bytes]]:
    """Kind, start, end and bytes of each word with the lines that go on with it.

    A word with a magic number of three bytes or more ends the one above it. Of the others a few may begin within its
    lines.
    """
    view = np.frombuffer(data, np.uint8)
    out = np.empty(len(data) + 4, np.uint8)
    made: list[tuple[int, int, int, bytes]] = []
    done = within = 0
    words = rows.tolist()
    limits, limit = [], len(data)
    for kind, start, _ in reversed(words):
        limits.append(limit)
        if kind == IN_BASE64 or (kind == IN_HEX and data[start : start + len(_GZIP_IN_HEX)] == _GZIP_IN_HEX):
            limit = start
    for (kind, start, end), limit in zip(words, reversed(limits), strict=True):
        within = within + 1 if start < done else 0
        if within > _MOST_WITHIN:
            continue
        table, bits = (HEX, 4) if kind == IN_HEX else (BASE64, 6)
        size, stop = gathered(view[:limit], start, end, table, bits, out)
        done = max(done, stop)
        made.append((kind, start, stop, out[:size].tobytes()))
    return made


def unpacked(data: bytes, rows: Any, room: Room) -> Iterator[tuple[list[bytes], list[tuple[int, int, int]]]]:
    """The texts of the words (kind, start, end), in order; of each its start, its end and its number in `NAMES`.

    They come as those of `binary_payloads.inflated`.
    """
    words = _gathered(data, rows)
    # Made once, and only if there is a word for it: to make it costs more than to read a word.
    unzstd = cache(partial(zstandard.ZstdDecompressor, max_window_size=_MOST_WINDOW))
    spans = np.array([word[1:3] for word in words], np.int64)
    room.widen(spans[:, 0], spans[:, 1])
    lines = room.lines(np.ascontiguousarray(spans[:, 0]))
    texts: list[bytes] = []
    found: list[tuple[int, int, int]] = []
    failures = _LEAST_FAILURES + len(data) // _BYTES_FAILURE
    size, before = 0, -1
    for number in np.argsort(lines, kind="stable").tolist():
        kind, start, stop, packed = words[number]
        line = int(lines[number])
        if size >= AT_ONCE and line != before:
            yield texts, found
            texts, found, size = [], [], 0
        before = line
        how = _kind(packed, kind)
        left = min(room.left(line), _ATTEMPT + _LEAST_MADE + _GROWTH * len(packed)) - _ATTEMPT
        if left <= 0 or (how in {BZIP2, ZSTD} and failures <= 0):
            room.cut_short(line, for_others=left > 0)
            continue
        if how == BZIP2:
            packed = _small_blocks(packed, left)
            if not packed:
                continue
        text = _unpacked(packed, how, left, unzstd)
        over = text is not None and len(text) > left
        if (over and how == ZSTD) or (how == BZIP2 and (over or text is None)):
            failures -= 1
        if over or (how == BZIP2 and text is None):
            room.cut_short(line)
        text = (text or b"")[:left]
        made = len(text) >= _LEAST
        room.spend_one(line, _ATTEMPT + (len(text) + 1 if made else 0))
        if not made:
            continue
        texts.append(text)
        found.append((start, stop, NAMES.index(("hex" if kind == IN_HEX else "base64", _NAMES[how]))))
        size += len(text) + 1
    if texts:
        yield texts, found


_NAMES: Final = ("bzip2", "xz", "lzma", "zstd", "deflate", "gzip", "zlib", "lz4", "brotli")
NAMES: Final[tuple[tuple[str, str], ...]] = (
    ("base64", "bzip2"), ("base64", "xz"), ("base64", "lzma"), ("base64", "zstd"), ("base64", "deflate"),
    ("hex", "gzip"), ("hex", "zlib"), ("base64", "lz4"), ("base64", "brotli"),
)  # fmt: skip
