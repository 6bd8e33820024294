"""Words that were cut in two as strings: put together by an operator, of keys that differ in a character, in a list."""
# ruff: noqa: PLR1714, PLR2004 - bytes are written as their codes; a compiled loop is one function

from typing import Any, Final

from detector.jit import bare
from detector.scan.joins import DOT, LONGEST, NEWLINE, line_start
from detector.scan.runs import head_like

_GAP: Final = 96  # bytes between two strings
_OPERATORS: Final = 2
_UNKNOWN: Final = -2  # where a line starts
_BACK: Final = 4  # strings before the one in which something changes
COMMA, COLON, CLOSES = 0x2C, 0x3A, 0x5D


@bare
def string_start(data: Any, end: int) -> int:
    """The start of the string, without blanks in it, whose quote is at `end`; -1 if none begins it."""
    at = end - 1
    while at >= 0 and end - at < LONGEST and data[at] > 0x20 and data[at] != data[end]:
        at -= 1
    return at + 1 if at >= 0 and data[at] == data[end] and at + 1 < end else -1


@bare
def _string_end(data: Any, start: int, quote: int) -> int:
    """The place of the quote behind the string at `start`; -1 if a blank is before it."""
    end = start
    while end < data.size and end - start < LONGEST and data[end] > 0x20 and data[end] != quote:
        end += 1
    return end if start < end < data.size and data[end] == quote else -1


@bare
def _operates(byte: Any) -> bool:
    return bool(byte == 0x2B or byte == DOT or byte == 0x26 or byte == 0x7C or byte == 0x5C)


@bare
def _next_string(data: Any, at: int) -> int:
    """Where the string begins that is put behind the one whose quote is at `at`; -1 if none is."""
    operators, near, line = 0, at + 1, _UNKNOWN
    while near < data.size and near - at < _GAP:
        byte = data[near]
        if byte == data[at]:
            return near + 1 if near > at + 1 else -1
        if byte > 0x20:
            operators += 1
            if operators > _OPERATORS or not _operates(byte):
                return -1
        near += 1
        if byte == NEWLINE:
            if line == _UNKNOWN:
                line = line_start(data, at)
            near = head_like(data, line, at, near) if line >= 0 else near
    return -1


@bare
def _first_string(data: Any, at: int) -> int:
    """The quote of the string before the one whose quote is at `at`, if that is put behind it, and so on; else `at`."""
    for _ in range(_BACK):
        start = string_start(data, at)
        near = start - 2
        while near > 0 and start - near < _GAP and (data[near] <= 0x20 or _operates(data[near])):
            near -= 1
        if start < 0 or near <= 0 or data[near] != data[at] or string_start(data, near) < 0:
            break
        if _next_string(data, near) != start:
            break
        at = near
    return at


@bare
def _added(data: Any, at: int, parts: Any) -> int:
    """Fill `parts` with the strings that are put together, one with its quote at `at`: how many."""
    if _next_string(data, at) < 0:
        return 0
    end = _first_string(data, at)
    start = string_start(data, end)
    if start < 0:
        return 0
    parts[0, 0], parts[0, 1] = start, end
    count, size = 1, end - start
    while count < parts.shape[0] and size < LONGEST:
        start = _next_string(data, end)
        end = _string_end(data, start, data[at]) if start >= 0 else -1
        if end < 0:
            break
        parts[count, 0], parts[count, 1] = start, end
        size += end - start
        count += 1
    return count


@bare
def _past(data: Any, at: int, sign: int, step: int) -> int:
    """The first place from `at` on, forwards or backwards, with neither a blank nor the sign; -1 behind the data."""
    while 0 <= at < data.size and (data[at] <= 0x20 or data[at] == sign):
        at += step
    return at if 0 <= at < data.size else -1


@bare
def _keyed(data: Any, at: int, parts: Any) -> int:
    """The same of two values of an object; the key of the second has its quote at `at`."""
    quote, key = data[at], string_start(data, at)
    end = _past(data, key - 2, COMMA, -1) if key > 1 else -1
    start = string_start(data, end) if end > 0 and data[end] == quote else -1
    before = _past(data, start - 2, COLON, -1) if start > 1 else -1
    size = at - key
    if before <= size or data[before] != quote or data[before - size - 1] != quote:
        return 0
    differ = 0
    for step in range(size):
        differ += data[before - 1 - step] != data[at - 1 - step]
    other = _past(data, at + 1, COLON, 1)
    if differ != 1 or other < 0 or data[other] != quote:
        return 0
    stop = _string_end(data, other + 1, quote)
    parts[0, 0], parts[0, 1], parts[1, 0], parts[1, 1] = start, end, other + 1, stop
    return 2 if stop >= 0 else 0


@bare
def _listed(data: Any, at: int, parts: Any) -> int:
    """The same of a list of strings; the last has its quote at `at`."""
    count, end, size = 0, at, 0
    while count < parts.shape[0] and size < LONGEST:
        start = string_start(data, end)
        if start < 0:
            return 0
        parts[count, 0], parts[count, 1] = start, end
        count += 1
        size += end - start
        end = _past(data, start - 2, COMMA, -1) if start > 1 else -1
        if end < 0 or data[end] != data[at]:
            break
    for row in range(count >> 1):
        other = count - 1 - row
        start, end = parts[row, 0], parts[row, 1]
        parts[row, 0], parts[row, 1] = parts[other, 0], parts[other, 1]
        parts[other, 0], parts[other, 1] = start, end
    return count


@bare
def string_parts(data: Any, at: int, parts: Any) -> int:
    """Fill `parts` with strings (start, end) that make one with that of the quote at `at`: how many; 0 if none do."""
    if at + 4 >= data.size or at == 0:
        return 0
    byte = data[at + 1]
    if byte == COLON:
        return int(_keyed(data, at, parts))
    if byte == CLOSES:
        return int(_listed(data, at, parts)) if data[at + 2] == DOT or data[at + 2] == 0x29 else 0
    if byte <= 0x20 or _operates(byte):
        return int(_added(data, at, parts))
    return 0
