"""The compiled loops that read uuencoded lines, and characters that a program is told to make one by one.

begin 644 token          chr(116)+chr(111)+chr(107)
.=&]K96X@/2!T;VM?6F(X
"""
# ruff: noqa: PLR0913, PLR0917, PLR2004 - a compiled loop takes its arrays apart; bytes are written as their codes

from typing import Any, Final

from detector.jit import bare
from detector.scan.byte_lists import LEAST, after_head
from detector.scan.digits import PRINTABLE
from detector.scan.runs import line_start

_LONGEST_LINE: Final = 45  # bytes
_LONGEST_NAME: Final = 128
_MOST_BETWEEN: Final = 24  # from one call to the next: an operator and blanks, and the name of the function


@bare
def _line_end(data: Any, at: int, most: int) -> int:
    while at < data.size and most > 0 and data[at] != 0x0A and data[at] != 0x0D:
        at += 1
        most -= 1
    return at


@bare
def _next_line(data: Any, at: int) -> int:
    """Where the next line begins, if the one at hand ends at `at`; else -1."""
    if at < data.size and data[at] == 0x0D:
        at += 1
    return at + 1 if at < data.size and data[at] == 0x0A else -1


@bare
def _read_line(data: Any, at: int, out: Any, to: int) -> tuple[int, int]:
    """Writes what the digits at `at` say, behind the one that says how many bytes: where they end, and `to` then.

    They end at -1 if they say no text.
    """
    size = (int(data[at]) - 0x20) & 63
    first = at + 1
    end = first + (size + 2) // 3 * 4
    if not 0 < size <= _LONGEST_LINE or end > data.size or to + size > out.size:
        return -1, to
    held = 0
    for digit in range(first, end):
        if not 0x20 <= data[digit] <= 0x60:
            return -1, to
        held = (held << 6 | ((int(data[digit]) - 0x20) & 63)) & 0xFFF
        said = (digit - first) * 6 + 6 >> 3
        if said > (digit - first) * 6 >> 3 and said <= size:
            byte = held >> ((digit - first + 1) * 6 & 7) & 255
            if not PRINTABLE[byte]:
                return -1, to
            out[to] = byte
            to += 1
    return end, to


@bare
def unuuencode(
    data: Any, places: Any, out: Any, segments: Any, digits: Any, starts: Any
) -> tuple[int, int, int]:
    """Writes the lines below each place, where `begin` stands, as far as they are text: bytes, segments, texts."""
    to = count = texts = done = 0
    for place in places:
        if place < done:
            continue
        head = line_start(data, place)
        at = _next_line(data, _line_end(data, place, _LONGEST_NAME))
        begin = to
        while at >= 0 and count < segments.shape[0]:
            first = after_head(data, head, place, at)
            if first < 0:
                first = at
            if first >= data.size:
                break
            end, after = _read_line(data, first, out, to)
            if end < 0:
                break
            segments[count, 0], segments[count, 1], segments[count, 2], segments[count, 3] = to, first, end, 0
            digits[count, 0], digits[count, 1] = 3 * first + 3, 4
            count += 1
            to, done = after, end
            at = _next_line(data, end)
        if to > begin and to + 2 <= out.size:
            starts[texts] = begin
            texts += 1
            out[to] = out[to + 1] = 0x0A
            to += 2
    return to, count, texts


@bare
def _call(data: Any, at: int) -> tuple[int, int]:
    """The number in the brackets that open at `at`, and where they end; -1 if no printable character has it."""
    number, end = 0, at + 1
    while end < data.size and end - at < 4 and 0x30 <= data[end] < 0x3A:
        number = number * 10 + int(data[end]) - 0x30
        end += 1
    good = end < data.size and data[end] == 0x29 and number < 256 and PRINTABLE[number & 255]
    return (number, end + 1) if good else (-1, at)


@bare
def called(data: Any, places: Any, out: Any, segments: Any, starts: Any) -> tuple[int, int, int]:
    """Writes the characters of calls such as `chr(116)` in a row: bytes, segments, texts.

    The first bracket comes after the first place.
    """
    to = texts = done = 0
    rows = 0
    for place in places:
        if place < done:
            continue
        begin, mark = to, rows
        at = place + 1
        while at >= 0:
            number, end = _call(data, at)
            if number < 0 or rows == segments.shape[0]:
                break
            segments[rows, 0], segments[rows, 1], segments[rows, 2], segments[rows, 3] = to, at, end, 0
            rows += 1
            out[to] = number
            to += 1
            done = end
            at = end
            while at < data.size and at - end < _MOST_BETWEEN and data[at] != 0x28:
                at += 1
            if at >= data.size or data[at] != 0x28 or (data[at - 1] | 0x20) != 0x72:  # r (
                break
        if to - begin < LEAST:
            to, rows = begin, mark
            continue
        starts[texts] = begin
        texts += 1
        out[to] = out[to + 1] = 0x0A
        to += 2
    return to, rows, texts
