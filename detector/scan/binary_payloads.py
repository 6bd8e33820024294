"""Base64 whose bytes are not text yet: of what gzip or zlib packed, of UTF-16. Over many lines too."""
# ruff: noqa: PLR2004, PLR0913, PLR0917 - bytes are written as their codes; a compiled loop takes its arrays apart

import zlib
from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.scan.digits import BASE64, NONE, PRINTABLE
from detector.scan.runs import after_padding, below, line_start, undo

MOST_INFLATED: Final = 64 << 10  # bytes of one packed blob
_LEAST_PACKED: Final = 24  # digits
_LEAST_WIDE: Final = 6  # characters
_EITHER: Final = 15  # window bits, and
_HEADER: Final = 32  # zlib's word for a header of gzip or of zlib


@bare
def _run_end(data: Any, at: int) -> int:
    while at < data.size and BASE64[data[at]] != NONE:
        at += 1
    return at


@bare
def _lines(data: Any, first: int, last: int, out: Any, to: int, pieces: Any, count: int) -> tuple[int, int]:
    """Decode data[first:last], digits, and those that go on with them: the place in `out` after it, pieces in all.

    A piece is (place in `out` where it ends, start and end of its digits).
    """
    held = bits = 0
    lines, width, head = 1, last - first, line_start(data, first)
    goes_on = True
    while True:
        held, bits, to = undo(data, first, last, held, bits, out, to)
        pieces[count, 0], pieces[count, 1], pieces[count, 2] = to, first, last
        count += 1
        if not goes_on or count == pieces.shape[0]:
            return to, count
        first, last = below(data, last, width, head)
        if last == 0 or to + last - first > out.size:
            return to, count
        lines += 1
        goes_on = last - first == width or lines == 2  # before the first digits others may stand
        width = last - first


@bare
def _fills(out: Any, at: int) -> bool:
    """Whether the lengths, of three bits each, of the code for the lengths of the codes fill it."""
    room = 0
    for index in range(int(out[at + 1] >> 5 | (out[at + 2] & 1) << 3) + 4):
        bit = 17 + 3 * index
        length = (int(out[at + (bit >> 3)]) | int(out[at + (bit >> 3) + 1]) << 8) >> (bit & 7) & 7
        if length:
            room += 128 >> length
    return room == 128


@bare
def _is_packed(out: Any, at: int, end: int) -> bool:
    """Whether the first block may be one (RFC 1951, section 3.2): of text that only begins as one it seldom is."""
    gzip = at + 20 < end and out[at] == 0x1F
    if gzip and out[at + 3]:  # what follows such a header is not read; three of its bits are never set
        return bool(out[at + 3] < 0x20)
    at += 10 if gzip else 2
    if at + 10 >= end:
        return True
    kind = out[at] >> 1 & 3
    if kind == 2:
        return bool(out[at] >> 3 < 30 and out[at + 1] & 31 < 30) and _fills(out, at)
    # 0 is stored: its length, and that inverted.
    return bool(
        kind == 1 or (kind == 0 and out[at + 1] ^ out[at + 3] == 255 and out[at + 2] ^ out[at + 4] == 255)
    )


@bare
def _packed(data: Any, places: Any, out: Any, pieces: Any, blobs: Any) -> int:
    """Fill `blobs` with rows (start and end in `out`, first and last of its `pieces`); how many."""
    done = to = count = found = 0
    for start in places:
        if start < done or (data[start] != 0x48 and start > 0 and BASE64[data[start - 1]] != NONE):
            continue
        done = _run_end(data, start)
        if done - start < _LEAST_PACKED:
            continue
        if to + done - start > out.size or count == pieces.shape[0]:
            break
        first = count
        begin = to
        to, count = _lines(data, start, done, out, to, pieces, count)
        if _is_packed(out, begin, to):
            blobs[found, 0], blobs[found, 1], blobs[found, 2], blobs[found, 3] = begin, to, first, count
            found += 1
            done = pieces[count - 1, 2]
            pieces[count - 1, 2] = after_padding(data, done)
        else:
            to, count = begin, first
    return found


def packed(data: bytes, places: Any, budget: int) -> tuple[list[bytes], list[list[int]]]:
    """The texts of the blobs that begin at the places, of `budget` bytes in all; of each start, end, 1 if zlib, 0 if gzip."""
    if budget <= 0:  # zlib takes 0 for "without a limit"
        return [], []
    view = np.frombuffer(data, np.uint8)
    out = np.empty(len(data) + 4, np.uint8)
    pieces = np.empty((places.size + len(data) // 32 + 2, 3), np.int64)
    blobs = np.empty((places.size, 4), np.int64)
    found = blobs[: _packed(view, places, out, pieces, blobs)].tolist()
    packed_bytes = out.data
    texts: list[bytes] = []
    rows: list[list[int]] = []
    for begin, end, first, most in found:
        inflater = zlib.decompressobj(_HEADER + _EITHER)
        try:
            text = inflater.decompress(packed_bytes[begin:end], min(budget, MOST_INFLATED))
        except zlib.error:
            continue
        last = most
        used = end - len(inflater.unused_data)
        while last - 1 > first and pieces[last - 2, 0] >= used:
            last -= 1
        budget -= len(text) + 1
        if text:
            start = int(pieces[first, 1])
            texts.append(text)
            rows.append([start, int(pieces[last - 1, 2]), int(data[start] != 0x48)])
        if budget <= 0:
            break
    return texts, rows


@bare
def _pairs(out: Any, at: int, end: int, character: int) -> int:
    """How many pairs of a byte of text and a NUL stand at `at`; `character` is the place of the byte in a pair."""
    pairs = 0
    while at + 1 < end and PRINTABLE[out[at + character]] and out[at + 1 - character] == 0:
        pairs += 1
        at += 2
    return pairs


@bare
def _wide(data: Any, places: Any, scratch: Any, pieces: Any, out: Any, texts: Any) -> int:
    """Fill `texts` with rows (start and end in `out`, start and end in `data`); how many."""
    done = to = found = 0
    for place in places:
        if place < done:
            continue
        low = place
        while low > done and BASE64[data[low - 1]] != NONE:
            low -= 1
        first = low + ((place - low) & 3)
        end, count = _lines(data, first, _run_end(data, place), scratch, 0, pieces, 0)
        done = pieces[count - 1, 2]
        at = piece = 0
        while at + 2 * _LEAST_WIDE <= end:
            character = 0
            pairs = _pairs(scratch, at, end, character)
            if pairs < _LEAST_WIDE:
                character = 1
                pairs = _pairs(scratch, at, end, character)
            if pairs < _LEAST_WIDE:
                at += 1
                continue
            if to + pairs + 1 > out.size or found == texts.shape[0]:
                return found
            texts[found, 0] = to
            for pair in range(pairs):
                out[to] = scratch[at + 2 * pair + character]
                to += 1
            at += 2 * pairs
            while pieces[piece, 0] < at and piece + 1 < count:
                piece += 1
            texts[found, 1] = to
            texts[found, 2] = low
            texts[found, 3] = after_padding(data, pieces[piece, 2])
            found += 1
            out[to] = 0x0A
            to += 1
    return found


def wide(data: bytes, places: Any, budget: int) -> tuple[Any, Any]:
    """The texts of base64 of UTF-16 around the places, and rows (start and end of each, start and end in `data`).

    Each place is that of the first of four digits.
    """
    view = np.frombuffer(data, np.uint8)
    scratch = np.empty(len(data) + 4, np.uint8)
    pieces = np.empty((len(data) // 32 + 2, 3), np.int64)
    out = np.empty(min(budget, len(data)), np.uint8)
    texts = np.empty((len(data) // (2 * _LEAST_WIDE) + 1, 4), np.int64)
    return out, texts[: _wide(view, places, scratch, pieces, out, texts)]
