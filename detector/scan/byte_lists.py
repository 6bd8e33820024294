"""The compiled loops that read bytes printed one by one: hex dumps, lists of numbers, over many lines too.

    00000000: 746f 6b65 6e3d 6768   [116 111 107 101]   0x74, 0x6f   0000000   t   o   k   e

A list is read in each form that its first token allows: `744f` may be two bytes in either order, `116` may be decimal
or octal. What is kept says printable text.
"""
# ruff: noqa: C901, PLR0911, PLR0912, PLR0913, PLR0917, PLR1714, PLR2004, SIM109, SIM110 - bytes are written as their codes; a compiled loop is one function, without sets and generators

from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.scan.digits import HEX, NONE, PRINTABLE
from detector.scan.kernels import ALNUM, CLASSES

(
    PAIRS,
    PREFIXED,
    DECIMAL,
    OCTAL,
    WORDS,
    SWAPPED,
    OCTAL_WORDS,
    BITS,
    LONGS,
    SWAPPED_LONGS,
    CHARACTERS,
    DECIMAL_WORDS,
) = range(12)
"""The forms, each by an example.

`74 6f`, `0x74, 0x6f`, `116 111`, `164 157`, `746f` and `6f74`, `067564`, `01110100`, `746f6b65` and `656b6f74`,
`   t   o`, `28532`.
"""

HEX_DUMP, IN_DECIMAL, IN_OCTAL, IN_BINARY, ONE_BY_ONE = range(5)
"""What a form is called: an index into the decoder's names."""
_NAME_OF: Final = np.array(
    [
        HEX_DUMP, HEX_DUMP, IN_DECIMAL, IN_OCTAL, HEX_DUMP, HEX_DUMP, IN_OCTAL, IN_BINARY, HEX_DUMP, HEX_DUMP,
        ONE_BY_ONE, IN_DECIMAL,
    ],
    np.int64,
)  # fmt: skip
LEAST: Final = 12  # bytes of text
_BACK: Final = 24  # tokens before a place that are looked at
_MOST_BLANKS: Final = 64  # between two tokens, with the indentation of a list that has one on each line
_IN_TOKENS: Final = 64  # of a segment: a mask covers no more than the segments that it touches
_LONGEST_HEAD: Final = 160  # what stands before the bytes in a line: what a log puts there, an offset
_LONGEST_COLUMN: Final = 80  # what stands behind them: the same bytes as characters
_CONTROL: Final = np.zeros(256, np.uint8)  # what `od -c` writes behind a backslash
_CONTROL[list(b"0abtnvfr")] = [1, 7, 8, 9, 10, 11, 12, 13]  # NUL is no text; 1 is none either


@bare
def _is_blank(byte: int) -> bool:
    return byte == 0x20 or byte == 0x09


@bare
def _is_alnum(byte: int) -> bool:
    return bool(CLASSES[byte] == ALNUM)


@bare
def _number(data: Any, at: int, digits: int, base: int) -> int:
    """The number written as so many digits, or -1."""
    if at + digits > data.size:
        return -1
    number = 0
    for place in range(at, at + digits):
        value = int(HEX[data[place]])
        if value >= base:
            return -1
        number = number * base + value
    return number


@bare
def _ends(data: Any, at: int) -> bool:
    return at >= data.size or not _is_alnum(data[at])


@bare
def _character(data: Any, at: int) -> tuple[int, int]:
    """A byte as `od -c` and `hexdump -c` write it, in four columns: its value and the end, or -1."""
    if at + 4 > data.size or data[at] != 0x20:
        return -1, at
    if data[at + 1] == 0x20:
        if data[at + 2] == 0x20:
            byte = int(data[at + 3])
            return (byte, at + 4) if 0x20 <= byte < 0x7F else (-1, at)
        if data[at + 2] == 0x5C and _CONTROL[data[at + 3]]:
            return int(_CONTROL[data[at + 3]]), at + 4
        return -1, at
    value = _number(data, at + 1, 3, 8)
    return (value, at + 4) if 0 <= value < 256 else (-1, at)


@bare
def _token(data: Any, at: int, form: int) -> tuple[int, int, int]:
    """The bytes of a token as a number, how many they are, and the end; -1 if no token of this form is there."""
    if at >= data.size:
        return -1, 0, at
    if form == CHARACTERS:
        value, end = _character(data, at)
        return value, 1, end
    if form == PREFIXED:
        if at + 2 >= data.size or data[at] != 0x30 or (data[at + 1] | 0x20) != 0x78:
            return -1, 0, at
        digits = 2 if not _ends(data, at + 3) else 1
        value = _number(data, at + 2, digits, 16)
        return (value, 1, at + 2 + digits) if value >= 0 and _ends(data, at + 2 + digits) else (-1, 0, at)
    if form == DECIMAL:
        digits = 1
        while digits < 4 and at + digits < data.size and 0x30 <= data[at + digits] < 0x3A:
            digits += 1
        value = _number(data, at, digits, 10)
        good = 0 <= value < 256 and (digits == 1 or data[at] != 0x30) and _ends(data, at + digits)
        return (value, 1, at + digits) if good else (-1, 0, at)
    if form == BITS:
        value = _number(data, at, 8, 2)
        return (value, 1, at + 8) if value >= 0 else (-1, 0, at)
    digits, base, count = 2, 16, 1
    if form == OCTAL:
        digits, base = 3, 8
    elif form == WORDS or form == SWAPPED:
        digits, count = 4, 2
    elif form == OCTAL_WORDS:
        digits, base, count = 6, 8, 2
    elif form == DECIMAL_WORDS:
        digits, base, count = 5, 10, 2
    elif form == LONGS or form == SWAPPED_LONGS:
        digits, count = 8, 4
    value = _number(data, at, digits, base)
    if value < 0 or value >> (8 * count) or not _ends(data, at + digits):
        if form == WORDS or form == LONGS:  # the last bytes of a dump
            value = _number(data, at, 2, 16)
            if value >= 0 and _ends(data, at + 2):
                return value, 1, at + 2
        return -1, 0, at
    if form == SWAPPED or form == OCTAL_WORDS or form == DECIMAL_WORDS:
        value = value >> 8 | (value & 255) << 8
    elif form == SWAPPED_LONGS:
        value = value >> 24 | (value >> 8 & 0xFF00) | (value & 0xFF00) << 8 | (value & 255) << 24
    return value, count, at + digits


@bare
def _next(data: Any, end: int, form: int, tokens: int) -> int:
    """Where the token behind one that ends at `end` begins, on the same line of a dump; -1 if none may."""
    if form == CHARACTERS:
        return end
    at = end
    comma = at < data.size and (data[at] == 0x2C or data[at] == 0x3A or data[at] == 0x3B or data[at] == 0x2D)
    if comma:
        at += 1
    first = at
    while at < data.size and at - first < _MOST_BLANKS:
        if not _is_blank(data[at]) and not (comma and (data[at] == 0x0A or data[at] == 0x0D)):
            break
        at += 1
    if at == end:
        return end if form == BITS else -1
    if not comma and at - end > 1:
        # Two blanks stand in the midst of `hexdump -C`, and before the characters of all others.
        if form == PAIRS:
            return at if at - end == 2 and tokens == 8 else -1
        if form == PREFIXED or form == WORDS or form == BITS or form == LONGS or form == SWAPPED_LONGS:
            return -1
        return at if at - end < 5 else -1
    return at


@bare
def _printable(value: int, count: int) -> bool:
    for shift in range(0, 8 * count, 8):
        if not PRINTABLE[value >> shift & 255]:
            return False
    return True


@bare
def _goes_on(data: Any, at: int, form: int) -> bool:
    """Whether a token stands at `at`; at a line's start only one that says text, for a time may stand there too."""
    value, count, _ = _token(data, at, form)
    return value >= 0 and (data[at - 1] != 0x0A or _printable(value, count))


@bare
def _before(data: Any, at: int, form: int, floor: int) -> int:
    """Where the token before the one at `at` begins, or -1."""
    if form == CHARACTERS:
        start = at - 4
        return start if start >= floor and _token(data, start, form)[0] >= 0 else -1
    end = at
    while end > floor and at - end < 5 and _is_blank(data[end - 1]):
        end -= 1
    if end > floor and (
        data[end - 1] == 0x2C or data[end - 1] == 0x3A or data[end - 1] == 0x3B or data[end - 1] == 0x2D
    ):
        end -= 1
    if end == at and form != BITS:
        return -1
    if end == at:
        value = _number(data, at - 8, 8, 2) if at - 8 >= floor else -1
        return at - 8 if value >= 0 and PRINTABLE[value] else -1
    start = end
    while start > floor and end - start < 8 and _is_alnum(data[start - 1]):
        start -= 1
    value, count, stop = _token(data, start, form)
    return start if value >= 0 and stop == end and _printable(value, count) else -1


@bare
def _line_of(data: Any, at: int) -> int:
    """The start of the line that holds `at`; -1 if that is too far back."""
    low = at
    while low > 0 and data[low - 1] != 0x0A:
        low -= 1
        if at - low > _LONGEST_HEAD:
            return -1
    return low


@bare
def _hex_end(data: Any, at: int, end: int) -> int:
    while at < end and HEX[data[at]] != NONE:
        at += 1
    return at


@bare
def _blanks_end(data: Any, at: int, end: int) -> int:
    while at < end and _is_blank(data[at]):
        at += 1
    return at


@bare
def after_head(data: Any, head: int, end: int, at: int) -> int:
    """Where the line at `at` goes on behind what data[head:end] has too, but for numbers and blanks; -1 if not."""
    most = min(data.size, at + 2 * _LONGEST_HEAD)
    while head < end and at < most:
        if HEX[data[head]] != NONE and HEX[data[at]] != NONE:
            head, at = _hex_end(data, head, end), _hex_end(data, at, most)
        elif _is_blank(data[head]) and _is_blank(data[at]):
            head, at = _blanks_end(data, head, end), _blanks_end(data, at, most)
        elif data[head] == data[at] and data[at] != 0x0A:
            head += 1
            at += 1
        else:
            return -1
    return at if head == end else -1


@bare
def _line_end(data: Any, at: int) -> int:
    """The end of the line whose last token ends at `at`, if it has room for the bytes as characters only; else -1."""
    stop = at
    while stop < data.size and data[stop] != 0x0A:
        stop += 1
        if stop - at > _LONGEST_COLUMN:
            return -1
    if stop == at:
        return stop
    first = data[at]
    if _is_blank(first) or first == 0x0D:
        return stop
    rest = at + 1
    while rest < stop and (_is_blank(data[rest]) or data[rest] == 0x0D):
        rest += 1
    return stop if rest == stop and (first == 0x2C or first == 0x3A or first == 0x3B or first == 0x5C) else -1


@bare
def _read(
    data: Any, start: int, form: int, out: Any, to: int, segments: Any, count: int
) -> tuple[int, int, int]:
    """Read the list at `start`, as far as it says text, with the lines that go on with it.

    Gives the place in `out` after it, the segments in all and the place in `data` after it.
    """
    line = _line_of(data, start)
    at = first = start
    tokens = held = 0
    low = start  # of the segment
    begun = to
    while to + 4 <= out.size and count < segments.shape[0]:
        value, size, end = _token(data, at, form)
        if value < 0 or not _printable(value, size):
            break
        if held == 0:
            low, begun = at, to
        for shift in range(8 * size - 8, -1, -8):
            out[to] = value >> shift & 255
            to += 1
        tokens += 1
        held += 1
        first = end
        after = _next(data, end, form, tokens)
        following = after >= 0 and _goes_on(data, after, form)
        if following and held < _IN_TOKENS:
            at = after
            continue
        stop = end
        if not following:
            stop = _line_end(data, end) if line >= 0 else -1
        segments[count, 0], segments[count, 1], segments[count, 3] = begun, low, 0
        segments[count, 2] = after if following else max(end, stop)
        count += 1
        held = 0
        if following:
            at = after
            continue
        if stop < 0 or stop + 1 >= data.size:
            break
        below = after_head(data, line, start, stop + 1)
        if below < 0:
            break
        if form != CHARACTERS:
            below = _blanks_end(data, below, min(data.size, below + 5))
        at = below
        tokens = 0
    if held:
        segments[count, 0], segments[count, 1], segments[count, 2], segments[count, 3] = begun, low, first, 0
        count += 1
    return to, count, first


@bare
def _varied(out: Any, start: int, end: int) -> bool:
    """Whether there are more than two different bytes: a year or a status over and over says nothing."""
    first = second = out[start]
    for at in range(start + 1, end):
        byte = out[at]
        if byte != first and byte != second:
            if second != first:
                return True
            second = byte
    return False


@bare
def _character_near(data: Any, low: int, high: int) -> int:
    """Where the first column of four with a character in it begins; -1 if there is none."""
    for stop in range(low + 3, min(high, data.size)):
        if data[stop] != 0x20:
            if data[stop - 1] == 0x20 and data[stop - 2] == 0x20:
                return stop - 3 if data[stop] != 0x5C else stop - 2
            return -1
    return -1


@bare
def _may_be(data: Any, at: int, form: int, width: int) -> bool:
    """Whether a token of so many digits may be of a form."""
    if form == CHARACTERS:
        return True
    if form == PREFIXED:
        return 2 < width < 5 and bool(data[at] == 0x30)
    if form == DECIMAL:
        return width < 4
    if form == OCTAL:
        return width == 3
    if form == BITS:
        return width >= 8 and bool(data[at] < 0x32)
    if form == PAIRS:
        return width == 2
    if form == OCTAL_WORDS or form == DECIMAL_WORDS:
        return width == (6 if form == OCTAL_WORDS else 5)
    return width == (4 if form in (WORDS, SWAPPED) else 8)


@bare
def read_lists(
    data: Any, places: Any, out: Any, segments: Any, starts: Any, kinds: Any
) -> tuple[int, int, int]:
    """Write the texts of the lists around the places to `out`, two newlines after each: bytes, segments, texts.

    `starts` gets the place of each text, `kinds` the number of its name. It stops at the text that has no room.
    """
    to = count = texts = 0
    floor = 0
    for place in places:
        if place < floor:
            continue
        # The first token from here on; a place within a token is one of the token before.
        at = place
        while at < data.size and at - place < 10 and not _is_alnum(data[at]):
            at += 1
        while at > floor and place - at < 12 and _is_alnum(data[at - 1]):
            at -= 1
        width = 0
        if at == 0 or not _is_alnum(data[at - 1]):
            while at + width < data.size and width < 9 and _is_alnum(data[at + width]):
                width += 1
        elif data[at] < 0x32 and data[at + 1] < 0x32:  # a long word: of bits?
            width = 9
        character = _character_near(data, max(place, floor), place + 12)
        done = floor
        for form in range(12):
            start = character if form == CHARACTERS else at
            if start < 0 or not _may_be(data, start, form, width):
                continue
            for _ in range(_BACK):
                before = _before(data, start, form, floor)
                if before < 0:
                    break
                start = before
            if texts == starts.shape[0]:
                return to, count, texts
            after, rows, end = _read(data, start, form, out, to, segments, count)
            if after - to < LEAST or after + 2 > out.size:
                continue
            if not _varied(out, to, after):
                done = max(done, end)
                continue
            starts[texts], kinds[texts] = to, _NAME_OF[form]
            texts += 1
            out[after] = out[after + 1] = 0x0A
            to, count = after + 2, rows
            done = max(done, end)
        floor = max(floor, done)
    return to, count, texts
