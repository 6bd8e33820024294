"""Base64 whose bytes are not text yet: of what gzip or zlib packed, of UTF-16. Over many lines too."""
# ruff: noqa: C901, PLR2004, PLR0913, PLR0917 - bytes are written as their codes; a compiled loop takes its arrays apart

import contextlib
import zlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.records import magic_numbers as magic
from detector.scan.decoder import Room
from detector.scan.digits import BASE64, NONE, PRINTABLE
from detector.scan.runs import after_padding, below, line_start, undo

AT_ONCE: Final = 4 << 20  # bytes that are inflated and scanned together, about
_GZIP: Final = ord("H")  # the first digit of what gzip packed
_LEAST_PACKED: Final = 16  # digits: of 16 letters that repeat zlib makes as few
_BEGINNING: Final = 4  # lines that say as many bytes as `is_packed` looks at
_LOOKED_AT: Final = 32
_LEAST_WIDE: Final = 6  # characters
_PIECE: Final = 8 << 10  # bytes of a blob that are inflated at a time
_STEP: Final = 1024  # bytes of a damaged blob that are inflated at a time
_MOST_WITHIN: Final = 16 << 10  # bytes of a blob that may only be a part of the one above
_LEAST_DAMAGED: Final = 8  # bytes of text: of what only looks like a header a few may be text
_EITHER: Final = 15  # window bits, and
_HEADER: Final = 32  # zlib's word for a header of gzip or of zlib


@bare
def _run_end(data: Any, at: int) -> int:
    while at < data.size and BASE64[data[at]] != NONE:
        at += 1
    return at


@bare
def _begins_another(data: Any, first: int, last: int, aligned: bool) -> bool:  # noqa: FBT001 - numba takes no keywords
    """Whether digits that might go on with those above begin a blob of their own: then they are another's.

    A line of a blob begins with `H4sI` once in 16 million; further in it may, where the next member of gzip begins.
    What zlib's header looks like is more frequent; there it is tried both ways, which needs digits above it in fours,
    as all that wrap base64 write them.
    """
    if data[first] == 0x48:
        return bool(
            last - first > 3
            and data[first + 1] == 0x34
            and data[first + 2] == 0x73
            and data[first + 3] == 0x49
        )
    return bool(data[first] == 0x65 and not aligned)


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
        if last == 0 or to + last - first > out.size or _begins_another(data, first, last, bits == 0):
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
def is_packed(out: Any, at: int, end: int) -> bool:
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
    """Fill `blobs` with rows: start and end in `out`, first and last of its `pieces`, 1 if part of the one before.

    Gives how many there are. A blob may begin in a line that seems to go on with the blob above: both are tried.
    """
    done = run = to = count = found = begin = lower = 0
    for start in places:
        if start < run or (data[start] != 0x48 and start > 0 and BASE64[data[start - 1]] != NONE):
            continue
        if start < done:
            while pieces[lower, 1] < start:
                lower += 1
            within = pieces[lower - 1, 0]
            if pieces[lower, 1] == start and is_packed(out, within, to):
                blobs[found, 0], blobs[found, 1] = within, min(to, within + _MOST_WITHIN)
                blobs[found, 2], blobs[found, 3], blobs[found, 4] = lower, count, 1
                found += 1
            continue
        run = _run_end(data, start)
        if run - start < _LEAST_PACKED:
            continue
        if to + run - start > out.size or count == pieces.shape[0]:
            break
        first = count
        begin = to
        to, count = _lines(data, start, run, out, begin, pieces[: first + _BEGINNING], first)
        if to - begin < _LOOKED_AT or is_packed(out, begin, to):  # else it is none, whatever goes on with it
            to, count = _lines(data, start, run, out, begin, pieces, first)
        if is_packed(out, begin, to):
            blobs[found, 0], blobs[found, 1], blobs[found, 2], blobs[found, 3] = begin, to, first, count
            blobs[found, 4] = 0
            found += 1
            lower = first
            done = pieces[count - 1, 2]
            pieces[count - 1, 2] = after_padding(data, done)
        else:
            to, count = begin, first
    return found


def inflated(
    data: bytes, places: Any, room: Room
) -> Iterator[tuple[list[bytes], list[tuple[int, int, bool]]]]:
    """The texts of the blobs that begin at the places; of each its start, its end and whether it is zlib's.

    They come line by line, about `AT_ONCE` bytes at a time, a line's all together. What a line has no room for is cut.
    """
    view = np.frombuffer(data, np.uint8)
    out = np.empty(len(data) + 4, np.uint8)
    pieces = np.empty((places.size + len(data) // 32 + 2, 3), np.int64)
    blobs = np.empty((places.size, 5), np.int64)
    blobs = blobs[: _packed(view, places, out, pieces, blobs)]
    if not len(blobs):
        return
    starts = pieces[blobs[:, 2], 1]
    alone = blobs[:, 4] == 0
    room.widen(starts[alone], pieces[blobs[alone, 3] - 1, 2])
    lines = room.lines(starts)
    may = room.open(lines)
    if not may.all():
        room.cut_short(lines[~may])
        blobs, lines = blobs[may], lines[may]
    texts: list[bytes] = []
    rows: list[tuple[int, int, bool]] = []
    size, before = 0, -1
    for number in np.argsort(lines, kind="stable").tolist():
        line = int(lines[number])
        if size >= AT_ONCE and line != before:
            yield texts, rows
            texts, rows, size = [], [], 0
        before = line
        begin, end, first, most, _ = blobs[number].tolist()
        left = room.left(line)
        if not left:
            room.cut_short(line)
            continue
        text, used, cut = inflate(out.data[begin:end], left)
        if cut:
            room.cut_short(line)
        if not text:
            continue
        room.spend_one(line, len(text) + 1)
        last = min(most, first + 1 + int(pieces[first:most, 0].searchsorted(begin + used)))
        start = int(pieces[first, 1])
        texts.append(text)
        rows.append((start, int(pieces[last - 1, 2]), data[start] != _GZIP))
        size += len(text) + 1
    if texts:
        yield texts, rows


def inflate(packed: memoryview, most: int) -> tuple[bytes, int, bool]:
    """The text of a blob, at most so many bytes, how much of the blob was read, and whether there is more text.

    A blob of gzip may have several members, with NULs between them; their texts follow each other (RFC 1952, section
    2.2).
    """
    texts: list[bytes] = []
    left, at = most + 1, 0  # of the text one byte more; 0 would be "without a limit"
    while left > 0:
        text, used = _member(packed[at:], left)
        texts.append(text)
        left -= len(text)
        at += used
        if left <= 0:
            break
        at = _next_member(packed, at)
        if bytes(packed[at : at + len(magic.GZIP)]) != magic.GZIP:
            break
    return b"".join(texts)[:most], at, left <= 0


def _next_member(packed: memoryview, at: int) -> int:
    """The place behind the NULs at `at`, if a member of gzip stands there; else `at`."""
    after = at
    while after < len(packed) and packed[after] == 0:
        piece = bytes(packed[after : after + _STEP])
        after += len(piece) - len(piece.lstrip(b"\0"))
    return after if bytes(packed[after : after + len(magic.GZIP)]) == magic.GZIP else at


def _member(packed: memoryview, most: int) -> tuple[bytes, int]:
    """The text of the member at the start, at most so many bytes, and how much of `packed` was read.

    It is read in pieces: zlib copies what stands behind a member, and of short ones there may be very many.
    """
    inflater = zlib.decompressobj(_HEADER + _EITHER)
    texts: list[bytes] = []
    left = most
    for at in range(0, len(packed), _PIECE):
        try:
            texts.append(inflater.decompress(packed[at : at + _PIECE], left))
        except zlib.error:
            return _before_damage(packed, most), len(packed)
        left -= len(texts[-1])
        if inflater.eof or left <= 0:
            unread = len(inflater.unused_data) + len(inflater.unconsumed_tail)
            return b"".join(texts), min(at + _PIECE, len(packed)) - unread
    return b"".join(texts), len(packed)


def _before_damage(packed: memoryview, most: int) -> bytes:
    """What a blob says before it is damaged: its checksum may be wrong, or its end be another text's."""
    inflater = zlib.decompressobj(_HEADER + _EITHER)
    texts: list[bytes] = []
    for at in range(0, len(packed), _STEP):
        before, step = inflater.copy(), packed[at : at + _STEP]
        try:
            texts.append(inflater.decompress(step, most))
        except zlib.error:
            with contextlib.suppress(zlib.error):
                texts.extend(before.decompress(step[byte : byte + 1]) for byte in range(len(step)))
            break
        most -= len(texts[-1])
        if most <= 0:
            break
    text = b"".join(texts)
    return text if len(text) >= _LEAST_DAMAGED else b""


@bare
def _pairs(out: Any, at: int, end: int, character: int) -> int:
    """How many pairs of a byte of text and a NUL stand at `at`; `character` is the place of the byte in a pair."""
    pairs = 0
    while at + 1 < end and PRINTABLE[out[at + character]] and out[at + 1 - character] == 0:
        pairs += 1
        at += 2
    return pairs


@bare
def _wide(
    data: Any, places: Any, scratch: Any, pieces: Any, out: Any, segments: Any, digits: Any, starts: Any
) -> tuple[int, int, int]:
    """Write the texts to `out`, a newline after each: bytes, segments, texts.

    `segments`, `digits` and `starts` are as `decoder.Part` has them; a text has a segment for each line.
    """
    done = run = to = found = floor = count = 0
    aligned = True
    for place in places:
        if place < run:
            continue
        low = place
        while low > floor and BASE64[data[low - 1]] != NONE:
            low -= 1
        first = low + ((place - low) & 3)
        if place < done and first == low and aligned:
            continue
        floor = run = _run_end(data, place)
        # In a line that seemed to go on with others, what did not fit them is decoded by itself.
        most = pieces if place >= done else pieces[:1]
        end, lines = _lines(data, first, run, scratch, 0, most, 0)
        if place >= done:
            done, aligned = pieces[lines - 1, 2], (run - first) & 3 == 0
            aligned = aligned and (lines == 1 or (pieces[1, 2] - pieces[1, 1]) & 3 == 0)
        at = piece = read = 0  # `read` are the digits of the pieces before
        while at + 2 * _LEAST_WIDE <= end:
            character = 0
            pairs = _pairs(scratch, at, end, character)
            if pairs < _LEAST_WIDE:
                character = 1
                pairs = _pairs(scratch, at, end, character)
            if pairs < _LEAST_WIDE:
                at += 1
                continue
            if to + pairs + 1 > out.size or count + lines > segments.shape[0]:
                return to, count, found
            starts[found] = to
            found += 1
            begun = True
            for byte in range(at + character, at + 2 * pairs, 2):
                while pieces[piece, 0] <= byte and piece + 1 < lines:
                    read += pieces[piece, 2] - pieces[piece, 1]
                    piece += 1
                    begun = True
                if begun:
                    segments[count, 0], segments[count, 3] = to, 0
                    segments[count, 1] = pieces[piece, 1] if piece else low
                    segments[count, 2] = after_padding(data, pieces[piece, 2])
                    digits[count, 0], digits[count, 1] = 3 * (pieces[piece, 1] - read) + 4 * byte, 8
                    count += 1
                    begun = False
                out[to] = scratch[byte]
                to += 1
            at += 2 * pairs
            out[to] = 0x0A
            to += 1
    return to, count, found


def wide(data: bytes, places: Any) -> tuple[bytes, Any, Any, Any]:
    """The texts of base64 of UTF-16 around the places, each on a line, and their segments, digits and starts (`Part`).

    Each place is that of the first of four digits.
    """
    view = np.frombuffer(data, np.uint8)
    scratch = np.empty(len(data) + 4, np.uint8)
    pieces = np.empty((len(data) // 32 + 2, 3), np.int64)
    out = np.empty(len(data), np.uint8)
    most = len(data) // _LEAST_WIDE + 1
    segments = np.empty((most + len(pieces), 4), np.int32)
    digits, starts = np.empty((len(segments), 2), np.int64), np.empty(most, np.int64)
    size, count, texts = _wide(view, places, scratch, pieces, out, segments, digits, starts)
    return out[: size - 1].tobytes() if size else b"", segments[:count], digits[:count], starts[:texts]
