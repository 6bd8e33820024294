"""The compiled loops that say what long words say: base32, also over many lines, base58, digits reversed or in rot13.

Hex digits over many lines are read here too. Where a word is not all text, what stands before that is decoded.
"""
# ruff: noqa: C901, PLR0913, PLR0917, PLR2004 - bytes are written as their codes; a compiled loop is one function

from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.scan.binary_payloads import is_packed
from detector.scan.character_tables import ROT, SWAP
from detector.scan.digits import BASE64, HEX, NONE, PRINTABLE
from detector.scan.long_words import DIGITS32, DIGITS58, ROT_DIGITS
from detector.scan.runs import head_like, line_start

LEAST: Final = 16  # bytes of text
_LEAST_WRAPPED, _MOST_WRAPPED = 32, 160  # digits of a line that may go on in the next
_INDENT: Final = 16  # bytes of white space before its digits
_MOST_PADDING: Final = 6
_LEAST_PACKED: Final = 40  # digits
SCRATCH: Final = _LEAST_PACKED >> 1


@bare
def padding_end(data: Any, at: int) -> int:
    """The end of the `=` behind digits."""
    end = at
    while end < data.size and end - at < _MOST_PADDING and data[end] == 0x3D:
        end += 1
    return end


@bare
def _digits_of(data: Any, at: int, most: int, table: Any) -> int:
    """The end of the digits at `at`, if they and their padding are the rest of the line; else `at`."""
    last = at
    while last < data.size and last - at <= most and table[data[last]] != NONE:
        last += 1
    end = padding_end(data, last)
    return last if last - at <= most and (end >= data.size or data[end] in (0x0A, 0x0D)) else at


@bare
def digits_below(data: Any, stop: int, width: int, head: int, table: Any) -> tuple[int, int]:
    """The digits of the next line that go on with `width` that end at `stop`: from, to; 0, 0 if none do.

    As `runs.below`.
    """
    if width < _LEAST_WRAPPED or width > _MOST_WRAPPED:
        return 0, 0
    at = stop + 1 if stop < data.size and data[stop] == 0x0D else stop
    if at >= data.size or data[at] != 0x0A:
        return 0, 0
    at += 1
    first = head_like(data, head, stop, at)
    last = _digits_of(data, first, width, table)
    if last == first:
        first = at
        while first < data.size and first - at < _INDENT and (data[first] == 0x20 or data[first] == 0x09):
            first += 1
        last = _digits_of(data, first, width, table)
    return (first, last) if last > first else (0, 0)


@bare
def gathered(data: Any, first: int, last: int, table: Any, size: int, out: Any) -> tuple[int, int]:
    """What digits of `size` bits say, with those that go on below: bytes in `out`, and where the last line ends."""
    held = bits = to = 0
    width, head = last - first, line_start(data, first)
    while True:
        for digit in range(first, last):
            held = (held << size | int(table[data[digit]])) & 0xFFF
            bits += size
            if bits >= 8:
                bits -= 8
                out[to] = held >> bits & 255
                to += 1
        end = last
        short = last - first < width
        first, last = digits_below(data, last, width, head, table)
        if last == 0 or short or to + last - first > out.size:
            return to, padding_end(data, end)


@bare
def unbase32(data: Any, rows: Any, out: Any, segments: Any, starts: Any) -> tuple[int, int, int]:
    """Write what the rows (kind, start, end) say to `out`, two newlines after each: bytes, segments, texts."""
    to = count = texts = done = 0
    for row in range(rows.shape[0]):
        first, last = rows[row, 1], rows[row, 2]
        if first < done:
            continue
        table = DIGITS32[rows[row, 0]]
        begin, mark = to, count
        held = bits = 0
        width, head, good = last - first, line_start(data, first), True
        while good and to + last - first + 2 <= out.size and count < segments.shape[0]:
            segments[count, 0], segments[count, 1], segments[count, 3] = to, first, 0
            segments[count, 2] = padding_end(data, last)
            count += 1
            for digit in range(first, last):
                held = (held << 5 | int(table[data[digit]])) & 0xFFF
                bits += 5
                if bits >= 8:
                    bits -= 8
                    if not PRINTABLE[held >> bits & 255]:
                        good = False
                        break
                    out[to] = held >> bits & 255
                    to += 1
            done = last
            if good and last - first == width:
                first, last = digits_below(data, last, width, head, table)
                good = last > 0
            else:
                good = False
        if segments[count - 1, 0] == to and count > mark:  # a line that says nothing
            count -= 1
        if to - begin < LEAST:
            to, count = begin, mark
            continue
        starts[texts] = begin
        texts += 1
        out[to] = out[to + 1] = 0x0A
        to += 2
    return to, count, texts


@bare
def unbase58(data: Any, rows: Any, limbs: Any, out: Any, segments: Any) -> tuple[int, int]:
    """Write the texts of the rows (kind, start, end) that are all text to `out`: bytes, texts. `limbs` is scratch."""
    to = count = 0
    for row in range(rows.shape[0]):
        start, end = rows[row, 1], rows[row, 2]
        if to + end - start + 2 > out.size:
            break
        used = 1
        limbs[0] = np.uint64(0)
        at = start
        while at < end:  # five digits at a time are less than 32 bits
            number, factor = np.uint64(0), np.uint64(1)
            for digit in range(at, min(end, at + 5)):
                number = number * np.uint64(58) + np.uint64(DIGITS58[data[digit]])
                factor *= np.uint64(58)
            at += 5
            for limb in range(used):
                number += limbs[limb] * factor
                limbs[limb] = number & np.uint64(0xFFFFFFFF)
                number >>= np.uint64(32)
            if number != np.uint64(0):
                limbs[used] = number
                used += 1
        begin, good = to, True
        for place in range(4 * used - 1, -1, -1):
            byte = int(limbs[place >> 2] >> np.uint64(8 * (place & 3)) & np.uint64(255))
            if byte == 0 and to == begin:
                continue
            if not PRINTABLE[byte]:
                good = False
                break
            out[to] = byte
            to += 1
        if not good or to - begin < LEAST:
            to = begin
            continue
        segments[count, 0], segments[count, 1], segments[count, 2], segments[count, 3] = begin, start, end, 0
        count += 1
        out[to] = out[to + 1] = 0x0A
        to += 2
    return to, count


@bare
def unturned(
    data: Any, rows: Any, table: Any, size: int, step: int, out: Any, segments: Any
) -> tuple[int, int]:
    """Write what digits of `size` bits say, forwards or (`step` -1) backwards, as far as it is text: bytes, texts."""
    to = count = 0
    for row in range(rows.shape[0]):
        start, end = rows[row, 1], rows[row, 2]
        if to + end - start + 2 > out.size:
            break
        begin = to
        held = bits = 0
        at = start if step > 0 else end - 1
        while start <= at < end:
            held = (held << size | int(table[data[at]])) & 0xFFF
            bits += size
            at += step
            if bits >= 8:
                bits -= 8
                if not PRINTABLE[held >> bits & 255]:
                    break
                out[to] = held >> bits & 255
                to += 1
        if to - begin < LEAST - 1:
            to = begin
            continue
        segments[count, 0], segments[count, 1], segments[count, 2], segments[count, 3] = begin, start, end, 0
        count += 1
        out[to] = out[to + 1] = 0x0A
        to += 2
    return to, count


_SAME: Final = np.arange(256, dtype=np.uint8)
TURNED: Final[tuple[tuple[Any, int, int], ...]] = (
    (BASE64, 6, -1),
    (HEX, 4, -1),
    (ROT_DIGITS, 6, 1),
    (_SAME, 8, -1),
    (ROT, 8, 1),
    (SWAP, 8, 1),
)
"""Table, bits and direction of `long_words.REVERSED_BASE64` and the kinds behind it."""


@bare
def unhex(data: Any, rows: Any, out: Any, segments: Any, digits: Any, starts: Any) -> tuple[int, int, int]:
    """Write the texts of `digits.hex_stretches` to `out`, two newlines after each: bytes, segments, texts.

    Where a text reaches to the end of a line, the lines below that go on with it are read too, as far as they are text.
    """
    to = count = texts = done = 0
    for row in range(rows.shape[0]):
        start, end, run, stop = rows[row, 0], rows[row, 1], rows[row, 2], rows[row, 3]
        if start < done:
            continue
        if to + (end - start) // 2 + 2 > out.size:
            break
        starts[texts] = to
        texts += 1
        width, head = stop - run, -1
        while True:
            segments[count, 0], segments[count, 1], segments[count, 2], segments[count, 3] = to, run, stop, 0
            digits[count, 0], digits[count, 1] = 3 * start, 6
            count += 1
            for at in range(start, end - 1, 2):
                out[to] = HEX[data[at]] << 4 | HEX[data[at + 1]]
                to += 1
            if end < stop or stop - run < width or width & 1:
                break
            head = line_start(data, run) if head < 0 else head
            run, stop = digits_below(data, stop, width, head, HEX)
            if stop == 0 or to + (stop - run) // 2 + 2 > out.size or count == segments.shape[0]:
                break
            start = end = run
            while end + 1 < stop and PRINTABLE[(HEX[data[end]] << 4 | HEX[data[end + 1]]) & 255]:
                end += 2
            done = end
            if end == start:
                break
        out[to] = out[to + 1] = 0x0A
        to += 2
    return to, count, texts


@bare
def may_be_zlib(data: Any, at: int, scratch: Any) -> bool:
    """Whether a word begins at `at` whose hex digits may be of zlib by what follows its header.

    Most that seem to are digests. `scratch` is for `SCRATCH` bytes.
    """
    if at + _LEAST_PACKED > data.size or (at > 0 and HEX[data[at - 1]] != NONE):
        return False
    for byte in range(SCRATCH):
        first, second = HEX[data[at + 2 * byte]], HEX[data[at + 2 * byte + 1]]
        if first | second == NONE:
            return False
        scratch[byte] = first << 4 | second
    return bool(is_packed(scratch, 0, SCRATCH))


@bare
def hex_words(data: Any, places: Any, scratch: Any, spans: Any) -> int:
    """Fill `spans` with the hex digits (start, end) of which the first is at one of the places; how many.

    `scratch`: as above.
    """
    count = done = 0
    for start in places:
        if start < done or (start > 0 and HEX[data[start - 1]] != NONE):
            continue
        done = start
        while done < data.size and HEX[data[done]] != NONE:
            done += 1
        if done - start >= _LEAST_PACKED and (data[start] == 0x31 or may_be_zlib(data, start, scratch)):
            spans[count, 0], spans[count, 1] = start, done
            count += 1
    return count
