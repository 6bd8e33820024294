"""What bzip2, xz, lzma, zstd and deflate without a header packed, in base64; what gzip and zlib packed, in hex.

All are read only so far as a line has room. None may ask for more than 72 MiB, and it touches no more than its text fills.
"""

import bz2
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import zstandard

from detector.scan.binary_payloads import AT_ONCE, inflate
from detector.scan.decoder import Room
from detector.scan.digits import BASE64, HEX
from detector.scan.long_words import DEFLATED
from detector.scan.word_runs import gathered

BZIP2, XZ, LZMA, ZSTD, DEFLATE, GZIP, ZLIB = range(7)
IN_HEX: Final = -1  # the kind of words of hex digits
_ATTEMPT: Final = 1 << 10  # bytes that a try is charged with: it costs as much as so many that are decoded
_LEAST: Final = 16  # bytes of text
_LEAST_MADE, _GROWTH = (
    1 << 10,
    48,
)  # bytes that a word may decode to at most: so many, and for each of its own
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
)


def _kind(packed: bytes, kind: int) -> int:
    if kind == DEFLATED:
        return DEFLATE
    return next((number for magic, number in _MAGIC if packed.startswith(magic)), ZLIB)


def _unpacked(packed: bytes, kind: int, most: int, unzstd: zstandard.ZstdDecompressor) -> bytes:
    """The text, at most one byte more than `most`; nothing if it is of another kind after all."""
    try:
        if kind == BZIP2:
            return bz2.BZ2Decompressor().decompress(packed, most + 1)
        if kind in (XZ, LZMA):
            form = lzma.FORMAT_XZ if kind == XZ else lzma.FORMAT_ALONE
            return lzma.LZMADecompressor(form, memlimit=_MOST_MEMORY).decompress(packed, most + 1)
        if kind == ZSTD:
            return bytes(unzstd.stream_reader(packed, read_size=_READ).read(most + 1))
        if kind == DEFLATE:
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            text = inflater.decompress(packed, most + 1)
            return text if inflater.eof or len(text) > most else b""
    except (OSError, EOFError, ValueError, MemoryError, lzma.LZMAError, zlib.error, zstandard.ZstdError):
        return b""
    text, _, cut = inflate(memoryview(packed), most)
    return text + b" " if cut else text


def _gathered(data: bytes, rows: Any) -> list[tuple[int, int, int, bytes]]:
    """Kind, start, end and bytes of each word with the lines that go on with it. A few may begin within the lines of one."""
    view = np.frombuffer(data, np.uint8)
    out = np.empty(len(data) + 4, np.uint8)
    made: list[tuple[int, int, int, bytes]] = []
    done = within = 0
    for kind, start, end in rows.tolist():
        within = within + 1 if start < done else 0
        if within > _MOST_WITHIN:
            continue
        table, bits = (HEX, 4) if kind == IN_HEX else (BASE64, 6)
        size, stop = gathered(view, start, end, table, bits, out)
        done = max(done, stop)
        made.append((kind, start, stop, out[:size].tobytes()))
    return made


def unpacked(data: bytes, rows: Any, room: Room) -> Iterator[tuple[list[bytes], list[tuple[int, int, int]]]]:
    """The texts of the words (kind, start, end), in order; of each its start, its end and its number in `NAMES`.

    They come as those of `binary_payloads.inflated`.
    """
    words = _gathered(data, rows)
    unzstd = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW)
    spans = np.array([word[1:3] for word in words], np.int64)
    room.widen(spans[:, 0], spans[:, 1])
    lines = room.lines(np.ascontiguousarray(spans[:, 0]))
    texts: list[bytes] = []
    found: list[tuple[int, int, int]] = []
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
        if left <= 0:
            room.cut_short(line)
            continue
        room.spend(line, _ATTEMPT)
        text = _unpacked(packed, how, left, unzstd)
        if len(text) > left:
            room.cut_short(line)
            text = text[:left]
        if len(text) < _LEAST:
            continue
        room.spend(line, len(text) + 1)
        texts.append(text)
        found.append((start, stop, NAMES.index(("hex" if kind == IN_HEX else "base64", _NAMES[how]))))
        size += len(text) + 1
    if texts:
        yield texts, found


_NAMES: Final = ("bzip2", "xz", "lzma", "zstd", "deflate", "gzip", "zlib")
NAMES: Final[tuple[tuple[str, str], ...]] = (
    ("base64", "bzip2"), ("base64", "xz"), ("base64", "lzma"), ("base64", "zstd"), ("base64", "deflate"),
    ("hex", "gzip"), ("hex", "zlib"),
)  # fmt: skip
