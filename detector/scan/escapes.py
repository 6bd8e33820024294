"""The compiled loops that undo escapes: lines or words rewritten, and where each piece of them comes from.

Without numba the same functions run as plain Python over the lines concerned.
"""
# ruff: noqa: C901, PLR0911, PLR0912, PLR0913, PLR0915, PLR0917, PLR1714, PLR2004 - a compiled loop is one function; bytes are written as their codes, the character stands beside them

from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.scan.digits import BASE64, HEX, NONE, PRINTABLE
from detector.scan.runs import head_like

ESCAPE: Final = 0x1B
_STRIDE: Final = 64  # bytes looked at at once
_FEW: Final = 16  # are copied one by one
_SHORT: Final = np.zeros(256, np.uint8)  # what a backslash and one byte stand for
_SHORT[list(b"ntr/\"'\\")] = list(b"\n\t\r/\"'\\")
# What is farther from all that is rewritten says decoded what it says as it stands: more bytes than a match has, with
# its keywords (`regexes.MAX_MATCH` and `pattern_source.REACH`).
AROUND: Final = 24 << 10
_LOOK_BACK: Final = 256  # bytes before the `=` at the end of a line
_LEAST_PADDED, _UNPADDED = 15, 3  # digits before one `=`; of the last four
_SOFT_FROM, _SOFT_TO = 69, 76  # bytes before the `=` of a soft break (RFC 2045: lines of at most 76)
_LONGEST_BRACED: Final = 7  # of `\\u{10FFFF}`, a brace and what stands in it
_LONGEST_ENTITY: Final = 10  # bytes of `&lowbar;` and of `&#x10FFFF;`
# Those of white space, and of what stands in secrets and around them.
_ENTITIES: Final = {
    b"amp": "&", b"lt": "<", b"gt": ">", b"quot": '"', b"apos": "'", b"nbsp": " ", b"Tab": "\t", b"NewLine": "\n",
    b"sol": "/", b"plus": "+", b"equals": "=", b"lowbar": "_", b"colon": ":", b"semi": ";",
    b"commat": "@", b"num": "#", b"dollar": "$", b"percnt": "%", b"period": ".", b"comma": ",", b"excl": "!",
    b"quest": "?", b"ast": "*", b"midast": "*", b"bsol": "\\", b"lpar": "(", b"rpar": ")", b"lsqb": "[", b"lbrack": "[",
    b"rsqb": "]", b"rbrack": "]", b"lcub": "{", b"lbrace": "{", b"rcub": "}", b"rbrace": "}", b"verbar": "|",
    b"vert": "|", b"grave": "`", b"Hat": "^",
}  # fmt: skip
_NAMES: Final = np.array([int.from_bytes(name, "big") for name in _ENTITIES], np.uint64)
_CHARACTERS: Final = np.array([ord(character) for character in _ENTITIES.values()], np.int64)


@bare
def _hex_at(data: Any, at: int, digits: int, end: int) -> int:
    """The number written as so many hex digits, or -1."""
    if at + digits > end:
        return -1
    number = 0
    for digit in range(at, at + digits):
        value = int(HEX[data[digit]])
        if value == NONE:
            return -1
        number = number * 16 + value
    return number


@bare
def _put_code_point(out: Any, at: int, point: int) -> int:
    if point < 0x80:
        out[at] = point
        return at + 1
    if point < 0x800:
        out[at] = 0xC0 | point >> 6
        out[at + 1] = 0x80 | point & 63
        return at + 2
    if point < 0x10000:
        out[at] = 0xE0 | point >> 12
        out[at + 1] = 0x80 | point >> 6 & 63
        out[at + 2] = 0x80 | point & 63
        return at + 3
    out[at] = 0xF0 | point >> 18
    out[at + 1] = 0x80 | point >> 12 & 63
    out[at + 2] = 0x80 | point >> 6 & 63
    out[at + 3] = 0x80 | point & 63
    return at + 4


@bare
def _octal(data: Any, at: int, end: int, out: Any, to: int) -> tuple[int, int]:
    r"""Decode one `\101` or `\0101` of text: (bytes read, place in `out` after it), 0 read if it is none."""
    first = at + 1
    if first + 3 < end and data[first] == 0x30 and 0x30 <= data[first + 3] < 0x38 and data[first + 1] < 0x32:
        first += 1
    value = 0
    for place in range(first, first + 3):
        if place >= end or not 0x30 <= data[place] < 0x38:
            return 0, to
        value = value * 8 + int(data[place]) - 0x30
    if value > 0x7E or not PRINTABLE[value]:
        return 0, to
    out[to] = value
    return first + 3 - at, to + 1


@bare
def _braced(data: Any, at: int, end: int, out: Any, to: int) -> tuple[int, int]:
    r"""Decode the rest of one `\u{41}` or `\x{41}`, whose brace is at `at`: (bytes read, place in `out` after it)."""
    point, place = 0, at + 1
    while place < end and place - at < _LONGEST_BRACED and HEX[data[place]] != NONE:
        point = point * 16 + int(HEX[data[place]])
        place += 1
    if place == at + 1 or place >= end or data[place] != 0x7D or point > 0x10FFFF:
        return 0, to
    return place + 1 - at, _put_code_point(out, to, point)


@bare
def _unescaped(data: Any, at: int, end: int, out: Any, to: int) -> tuple[int, int]:
    r"""Decode one `\u0041`, `\x41`, `\u{41}` or `\101`: (bytes read, place in `out` after it), 0 read if it is none."""
    if data[at] != 0x5C or at + 1 >= end:
        return 0, to
    kind = data[at + 1]
    if kind == 0x30 or kind == 0x31:
        return _octal(data, at, end, out, to)
    if (kind == 0x75 or kind == 0x78) and at + 2 < end and data[at + 2] == 0x7B:
        read, after = _braced(data, at + 2, end, out, to)
        return (2 + read, after) if read else (0, to)
    if kind == 0x75:  # u
        point = _hex_at(data, at + 2, 4, end)
        return (0, to) if point < 0 else (6, _put_code_point(out, to, point))
    if kind == 0x78:  # x
        point = _hex_at(data, at + 2, 2, end)
        if point < 0:
            return 0, to
        out[to] = point
        return 4, to + 1
    return 0, to


@bare
def _unpercented(data: Any, at: int, end: int, out: Any, to: int) -> tuple[int, int]:
    """Decode one `%41`."""
    if data[at] != 0x25:
        return 0, to
    byte = _hex_at(data, at + 1, 2, end)
    if byte < 0:
        return 0, to
    out[to] = byte
    return 3, to + 1


@bare
def _uncoloured(data: Any, at: int, end: int, to: int) -> tuple[int, int]:
    """Leave out one control sequence (ECMA-48, section 5.4: ESC [, parameters, a final byte of 0x40 to 0x7E)."""
    if data[at] != ESCAPE or at + 1 >= end or data[at + 1] != 0x5B:
        return 0, to
    stop = at + 2
    while stop < end and 0x20 <= data[stop] < 0x40:
        stop += 1
    if stop >= end or data[stop] > 0x7E or data[stop] < 0x40:
        return 0, to
    return stop + 1 - at, to


@bare
def _named(data: Any, at: int, stop: int, out: Any, to: int) -> tuple[int, int]:
    name = np.uint64(0)  # the number that its bytes are
    for place in range(at + 1, stop):
        if data[place] == 0x3B:  # ;
            for index in range(_NAMES.size):
                if _NAMES[index] == name:
                    return place + 1 - at, _put_code_point(out, to, int(_CHARACTERS[index]))
            return 0, to
        name = name << np.uint64(8) | np.uint64(data[place])
    return 0, to


@bare
def _entity(data: Any, at: int, end: int, out: Any, to: int) -> tuple[int, int]:
    """Decode one `&#65;`, `&#x41;`, `&amp;` (HTML, section 13.5); a number may lack its semicolon."""
    if data[at] != 0x26 or at + 3 >= end:
        return 0, to
    stop = min(end, at + _LONGEST_ENTITY)
    if data[at + 1] != 0x23:  # no #
        return _named(data, at, stop, out, to)
    in_hex = (data[at + 2] | 0x20) == 0x78  # x
    place = first = at + 3 if in_hex else at + 2
    point = 0
    while place < stop:
        value = HEX[data[place]]
        if value == NONE or (value > 9 and not in_hex):
            break
        point = point * (16 if in_hex else 10) + int(value)
        place += 1
    if place == first or point == 0 or point > 0x10FFFF:
        return 0, to
    if place < end and data[place] == 0x3B:
        place += 1
    return place - at, _put_code_point(out, to, point)


@bare
def _unquoted(data: Any, at: int, end: int, head: int, out: Any, to: int) -> tuple[int, int]:
    """Decode one `=41`, or leave out a soft line break (RFC 2045, section 6.7) and what a log puts behind it."""
    if data[at] != 0x3D or at + 1 >= end:
        return 0, to
    after = at + 2 if data[at + 1] == 0x0D else at + 1
    if after < end and data[after] == 0x0A:
        return min(end, head_like(data, head, at, after + 1)) - at, to
    byte = _hex_at(data, at + 1, 2, end)
    if byte < 0:
        return 0, to
    out[to] = byte
    return 3, to + 1


@bare
def words(data: Any, marks: Any, out: Any) -> int:
    """Into `out` the runs without blank, tab or line feed that hold one of the marks, a `%` before two hex digits."""
    count = 0
    high = 0
    for mark in marks:
        if mark < high or _hex_at(data, mark + 1, 2, data.size) < 0:
            continue
        low = mark
        while low > high and not (data[low - 1] == 0x20 or data[low - 1] == 0x09 or data[low - 1] == 0x0A):
            low -= 1
        high = mark
        while high < data.size and not (data[high] == 0x20 or data[high] == 0x09 or data[high] == 0x0A):
            high += 1
        out[count, 0] = low
        out[count, 1] = high
        count += 1
    return count


@bare
def _holds(data: Any, at: int, byte: int) -> bool:
    """Whether the byte is among the `_STRIDE` at `at`; without a branch, so that the compiler looks at all at once."""
    text, wanted, found = data[at : at + _STRIDE], np.uint8(byte), np.uint8(0)
    for step in range(_STRIDE):
        found |= np.uint8(text[step] == wanted)
    return bool(found != 0)


@bare
def _found(data: Any, at: int, stop: int, byte: int) -> int:
    """Where the byte stands first in data[at:stop], or `stop`."""
    while at + _STRIDE <= stop and not _holds(data, at, byte):
        at += _STRIDE
    while at < stop and data[at] != byte:
        at += 1
    return at


@bare
def _line_start(data: Any, at: int, floor: int) -> int:
    """The start of the line that holds `at`, or `floor` if that is behind it."""
    while at - _STRIDE >= floor and not _holds(data, at - _STRIDE, 0x0A):
        at -= _STRIDE
    while at > floor and data[at - 1] != 0x0A:
        at -= 1
    return at


@bare
def lines(data: Any, places: Any, out: Any) -> int:
    """Into `out` the lines that hold the places, which are in order; of long ones what is around the places. How many.

    Such a line is cut at a blank, for registered secrets hold none, and no nearer to a place than `AROUND`.
    """
    count = 0
    high = done = 0  # the end of the last stretch, and of the last that ends with its line
    for place in places:
        if place < done:
            continue
        if place >= high:
            near = max(high, place - AROUND)
            low = _line_start(data, place, near)
            if low == near:
                while low > high and data[low - 1] != 0x0A and data[low] != 0x20 and data[low] != 0x09:
                    low -= 1
            if count == 0 or low > high:
                out[count, 0] = low
                count += 1
            high = place
        near = min(data.size, place + AROUND + 1)
        high = _found(data, high, near, 0x0A)
        if high == near:
            while (
                high < data.size and data[high] != 0x0A and data[high - 1] != 0x20 and data[high - 1] != 0x09
            ):
                high += 1
        out[count - 1, 1] = high
        if high == data.size or data[high] == 0x0A:
            done = high
    return count


@bare
def _digits_before(data: Any, place: int) -> int:
    """How many digits of base64 stand before `place`, as far as they are looked at."""
    low = place
    while low > 0 and place - low < _LOOK_BACK and BASE64[data[low - 1]] != NONE:
        low -= 1
    return place - low


@bare
def _ends_softly(data: Any, end: int) -> bool:
    """Whether the line that ends at `end` ends in a soft break; it may be padding where nothing else is escaped.

    Behind base64 it is padding: its lines are of any length, soft breaks stand at 76.
    """
    place = end - 2 if end > 1 and data[end - 1] == 0x0D else end - 1
    if place < 0 or data[place] != 0x3D or (place > 0 and data[place - 1] == 0x3D):
        return False
    if _digits_before(data, place) < _LEAST_PADDED:
        return True
    low = place
    while low > 0 and place - low < _LOOK_BACK and data[low - 1] != 0x0A:
        low -= 1
    below = place + 3 if place + 1 < data.size and data[place + 1] == 0x0D else place + 2
    width = place - low - (head_like(data, low, place, below) - below)
    return bool(_SOFT_FROM <= width < _SOFT_TO)


@bare
def is_padding(data: Any, place: int) -> bool:
    """Whether the `=` at the end of a line is that of base64, if nothing before it is escaped."""
    if place + 1 >= data.size or (data[place + 1] != 0x0D and data[place + 1] != 0x0A):
        return False
    digits = _digits_before(data, place)
    if digits >= _LEAST_PADDED and digits % 4 == _UNPADDED and digits != _SOFT_TO - 1:
        return True
    return not _ends_softly(data, place + 1)


@bare
def soft_lines(data: Any, places: Any, out: Any) -> int:
    """Into `out` the lines of the places (of `=`, in order) with those that soft breaks tie to their end; how many."""
    count = 0
    high = -1
    for place in places:
        if place <= high or is_padding(data, place):
            continue
        low = _line_start(data, place, high + 1)
        high = _found(data, place, data.size, 0x0A)
        while high < data.size and _ends_softly(data, high):
            high = _found(data, high + 1, data.size, 0x0A)
        out[count, 0] = low
        out[count, 1] = high
        count += 1
    return count


ESCAPED, PERCENT, ANSI, ENTITIES, QUOTED = range(5)
_TRIGGERS: Final = np.frombuffer(b"\\%\x1b&=", np.uint8)


@bare
def _copied(data: Any, at: int, end: int, trigger: int, out: Any, to: int) -> int:
    """Copy data[at:end] to `out` until the trigger; where that stands, or `end`."""
    stop = _found(data, at, end, trigger)
    source, target = data[at:stop], out[to : to + stop - at]
    for step in range(source.size):
        target[step] = source[step]
    return stop


@bare
def rewrite(kind: int, data: Any, spans: Any, out: Any, segments: Any) -> tuple[int, int]:
    """Write the spans of `data` to `out` decoded, a newline after each: (bytes, segments).

    Before one that is not the next line there is one more newline. Spans in which nothing was to be decoded are left
    out, and all from the first on for which there is no room.

    A segment is (place in `out`, start and end in `data`, step): step 1 if it was copied as it is, the bytes of each
    escape, negative, if each made one byte, and 0 if one made more.
    """
    trigger = _TRIGGERS[kind]
    to = 0
    count = 0
    below = 0  # where the line behind the last span begins
    for index in range(spans.shape[0]):
        at, end = spans[index, 0], spans[index, 1]
        step = 2  # of the last segment: of none yet
        changed = False
        first, mark = to, count
        if to + (end - at) + 2 > out.size:
            break
        if to and at != below:
            out[to] = 0x0A
            to += 1
        while at < end:
            read, after = 0, to
            if data[at] == trigger:  # each called from here: what calls them in turn costs as much as they do
                if kind == ESCAPED and at + 1 < end and _SHORT[data[at + 1]] != 0:
                    out[to] = _SHORT[data[at + 1]]
                    read, after = 2, to + 1
                elif kind == ESCAPED:
                    read, after = _unescaped(data, at, end, out, to)
                elif kind == PERCENT:
                    read, after = _unpercented(data, at, end, out, to)
                elif kind == ANSI:
                    read, after = _uncoloured(data, at, end, to)
                elif kind == ENTITIES:
                    read, after = _entity(data, at, end, out, to)
                else:
                    read, after = _unquoted(data, at, end, spans[index, 0], out, to)
            if read:
                changed = True
                if after == to:
                    step = 2
                elif step == -read and after == to + 1:
                    segments[count - 1, 2] = at + read
                else:
                    step = -read if after == to + 1 else 0
                    segments[count, 0] = to
                    segments[count, 1] = at
                    segments[count, 2] = at + read
                    segments[count, 3] = step
                    count += 1
                to = after
                at += read
                continue
            if step != 1:
                step = 1
                segments[count, 0] = to
                segments[count, 1] = at
                segments[count, 3] = 1
                count += 1
            near = min(end, at + _FEW)
            while True:
                out[to] = data[at]
                to += 1
                at += 1
                if at >= near or data[at] == trigger:
                    break
            if near < end and at == near:
                stop = _copied(data, at, end, trigger, out, to)
                to += stop - at
                at = stop
            segments[count - 1, 2] = at
        if changed:
            out[to] = 0x0A
            to += 1
            below = end + 1
        else:
            to, count = first, mark
    return to, count
