"""The value that a name is given: where it begins and where it ends. Compiled loops."""
# ruff: noqa: PLR2004 - bytes are compared with bytes
# ruff: noqa: C901, PLR0911, PLR0912 - a compiled parser: numba cannot see into a struct

from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.scan.names.byte_classes import (
    BACKSLASH,
    DOUBLE,
    OPEN,
    QUOTES,
    SINGLE,
    TABLE,
    ends_line,
    past_blanks,
    past_space,
    word,
)
from detector.scan.names.markup import text_end
from detector.scan.names.separators import (
    CELL,
    COLUMN,
    ELEMENT,
    FIELD,
    LAST,
    LINE,
    PAIR,
    QUOTED,
    SCALAR,
    WEAK,
    WHOLE,
    separated,
)
from detector.scan.names.value_ends import (
    bracketed_end,
    ends_cell,
    ends_list,
    field_end,
    past_type,
    quoted_end,
    unquoted_end,
)
from detector.scan.names.value_kernel import starts
from detector.scan.names.wrappers import unwrapped

_STR: Final = word(b"str(")


@bare
def _ends_as(data: Any, stop: int, flags: int) -> bool:
    """Whether the text behind a value is what the place asks for."""
    if flags & LAST:
        return ends_list(data, stop)
    if flags & LINE:
        return ends_line(data, stop)
    if flags & CELL:
        return ends_cell(data, stop)
    if flags & COLUMN and not ends_line(data, stop):
        return bool(data[stop] == 9 or (data[stop] == 32 and stop + 1 < data.size and data[stop + 1] == 32))
    return True


@bare
def _line_before(data: Any, name: int) -> bool:
    """Whether nothing but blanks, `+`, `export` and the like stands between the start of the line and the name."""
    at = name - 1
    least = max(0, name - 24)
    while at >= least and data[at] != 10:
        byte = data[at]
        if not (byte in (32, 9, 43, 45) or 97 <= byte <= 122 or 65 <= byte <= 90):
            return False
        at -= 1
    return at < 0 or data[at] == 10


@bare
def value_of(data: Any, name: int, end: int, plain: Any) -> tuple[int, int, bool]:
    """The value that the name data[name:end] is given: its start and end, and whether it has to be random.

    It is (-1, -1, …) if there is none. `plain` is as for `unquoted_end`.
    """
    size = data.size
    behind, flags = separated(data, name, end)
    if behind < 0:
        return -1, -1, False
    weak = bool(flags & WEAK)
    at = unwrapped(data, behind) if flags & (PAIR | LAST) else past_blanks(data, behind)
    if flags & PAIR and starts(data, at, size, _STR):  # name: Str(value)
        stop = bracketed_end(data, at + _STR.size, 41)
        if stop > at + _STR.size:
            return int(at + _STR.size), stop, weak
    if flags & (CELL | COLUMN):
        at = past_type(data, at)
    if at + 1 < size and data[at] in (91, 40, 123):
        closing = 41 if data[at] == 40 else int(data[at]) + 2
        stop = bracketed_end(data, at + 1, closing)
        if stop > at + 1 and (data[at] == 91 or not flags & PAIR):
            return at + 1, stop, weak
        if weak and at + 2 < size and (TABLE[data[at + 1]] & OPEN or data[at + 1] == BACKSLASH):
            at += 1
    start = at
    if (
        at + 1 < size
        and data[at] in (36, 64, 66, 82, 85, 98, 102, 114, 117)
        and data[at + 1] in (DOUBLE, SINGLE)
    ):
        at += 1  # b'…', $'…'
    while at < size and at - start < QUOTES and data[at] == BACKSLASH:
        at += 1
    if at < size and TABLE[data[at]] & OPEN:
        run = at - 1
        while run >= start and data[run] == BACKSLASH:
            run -= 1
        stop = quoted_end(data, at + 1, data[at], at - 1 - run)
        if stop >= 0:
            place = stop + 1 if flags & CELL else stop
            return (at + 1, stop, weak) if _ends_as(data, place, flags) else (-1, -1, False)
        start = at + 1
    if start >= size or flags & QUOTED:
        return -1, -1, False
    if flags & ELEMENT:
        stop = text_end(data, start)
        behind = past_space(data, stop)  # a tag, or `<your-token>` was none
        closed = behind >= size or data[behind] in (60, 93)
        return (start, stop, weak) if closed else (-1, -1, False)
    before = data[name - 1] if name > 0 else np.uint8(10)
    query = before in (63, 38)  # ? &
    alone = bool(flags & (WHOLE | LINE | COLUMN))
    whole = alone or (behind == end + 1 and not query and _line_before(data, name))
    stop = unquoted_end(data, start if alone else name, start, query, whole, bool(flags & SCALAR), plain)
    if flags & FIELD:
        stop = field_end(data, start, stop)
    if stop > start and flags & LINE and data[stop - 1] == 59:  # name value;
        stop -= 1
    if stop < 0 or not _ends_as(data, stop, flags):
        return -1, -1, False
    return start, stop, weak
