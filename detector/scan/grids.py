"""Text with one separator after every so many characters: groups of four, a sign or zero-width space between all.

Signs stand in it in a period. Every eighth place is looked at (`samples`): which of the next sixteen bytes are signs
is a number of 16 bits, and few of these are periodic.
"""
# ruff: noqa: C901, PLR2004, SIM110 - a compiled loop is one function; bytes are written as their codes

from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.scan.digits import HEX, NONE, PRINTABLE
from detector.scan.kernels import ALNUM, CLASSES

LEAST: Final = 16  # characters
_CHANGES: Final = 2
_SAMPLE: Final = 16
# Bytes of separator and of group.
_GRIDS: Final = ((1, 1), (2, 1), (3, 1), (4, 1), (1, 3), (1, 4), (1, 5), (2, 3), (2, 4))


_RARE: Final = np.array([byte in b"!#%&*?@^~" for byte in range(256)], np.uint8)


def _periods() -> Any:
    """Of each number of 16 bits the separator and the group, 16·separator + group, if it is periodic; else 0."""
    table = np.zeros(1 << _SAMPLE, np.uint8)
    for separator, group in _GRIDS:
        period = separator + group
        for phase in range(period):
            signs = [(at + phase) % period < separator for at in range(_SAMPLE)]
            if sum(signs) >= 3:
                table[sum(1 << at for at, sign in enumerate(signs) if sign)] = 16 * separator + group
    table.flags.writeable = False
    return table


PERIODS: Final = _periods()


@bare
def _mask(data: Any, at: int) -> int:
    bits = 0
    for step in range(_SAMPLE):
        bits |= int(CLASSES[data[at + step]] != ALNUM) << step
    return bits


@bare
def _blanks(data: Any, at: int) -> int:
    bits = 0
    for step in range(_SAMPLE):
        bits |= int(data[at + step] == 32) << step
    return bits


@bare
def _apart(data: Any, at: int, period: int, count: int) -> bool:
    """Whether the same sign stands so many times, a period apart."""
    byte = data[at]
    if CLASSES[byte] == ALNUM:
        return False
    for step in range(at + period, at + count * period, period):
        if data[step] != byte:
            return False
    return True


@bare
def dense(data: Any, at: int) -> tuple[int, int]:
    """As `PERIODS`, where there are signs within groups too; and where the first separator stands.

    It looks at 16 bytes.
    """
    for first in range(at, at + 2):
        if _apart(data, first, 2, 7):
            return 17, first
    for first in range(at, at + 3):
        if _apart(data, first, 3, 4) and _apart(data, first + 1, 3, 4):
            return 33, first
    return (20, at) if _apart(data, at, 5, 4) else (0, at)


@bare
def _separated(data: Any, at: int, first: int, separator: int) -> bool:
    """Whether the separator at `first` stands at `at` too."""
    if at < 0 or at + separator > data.size:
        return False
    for step in range(separator):
        if data[at + step] != data[first + step]:
            return False
    return True


@bare
def _graphic(data: Any, start: int, end: int) -> bool:
    """Whether data[start:end] is within the data, and printable ASCII without blanks."""
    if start < 0 or end > data.size:
        return False
    for at in range(start, end):
        if data[at] < 33 or data[at] > 126:
            return False
    return True


@bare
def _changes(data: Any, begin: int, end: int, period: int, group: int) -> int:
    """How often a digit stands beside a letter, or a capital behind a small letter, and how many rare signs there are.

    That is more than once in a token, and seldom in words and numbers.
    """
    changes = last = 0
    for start in range(begin, end, period):
        for at in range(start, min(start + group, end)):
            byte = data[at]
            kind = 1 if 48 <= byte <= 57 else 0
            if CLASSES[byte] == ALNUM and not kind:
                kind = 3 if byte < 97 else 2
            changes += kind != last and kind > 0 and last > 0 and (last != 3 or kind != 2)
            changes += int(_RARE[byte])
            last = kind
    return changes


@bare
def _recurs(data: Any, begin: int, end: int, period: int) -> bool:
    """Whether the byte at `begin` stands a period on too, and so on to the end."""
    for at in range(begin + period, end, period):
        if data[at] != data[begin]:
            return False
    return True


@bare
def _all_say_text(data: Any, begin: int, end: int) -> bool:
    """Whether each two of three bytes are the hex digits of a printable one."""
    for at in range(begin, end - 1, 3):
        first, second = HEX[data[at]], HEX[data[at + 1]]
        if (first | second) == NONE or not PRINTABLE[(first << 4 | second) & 255]:
            return False
    return True


@bare
def _are_entities(data: Any, begin: int, end: int, period: int) -> bool:
    """Whether `&#65;` or `&#x41;` stands at each place a period on but the last, and not `&#` between characters."""
    for at in range(begin, end - 2 * period + 1, period):
        digit = at + 2 + int(data[at + 2] | 0x20 == 0x78)
        if (
            data[at] != 0x26
            or data[at + 1] != 0x23
            or data[at + period - 1] != 0x3B
            or HEX[data[digit]] == NONE
        ):
            return False
        if digit == at + 2 and data[digit] > 0x39:
            return False
    return True


@bare
def _are_escapes(data: Any, begin: int, end: int, separator: int, period: int) -> bool:
    r"""Whether the groups are `&#65;`, `\u0041`, `\x41`, `0x41` or `%41`, or the same over and over.

    Each of the former has a decoder of its own.
    """
    if period == 3 and separator == 1 and data[begin + 2] == 0x25 and _all_say_text(data, begin, end):
        return True
    same = True
    for at in range(begin, min(begin + period + 1, end - 1)):  # a first group may be the rest of one
        recurs = _recurs(data, at, end, period)
        same &= recurs
        lead, kind = data[at], data[at + 1]
        if lead == 0x26 and kind == 0x23 and _are_entities(data, at, end, period):
            return True
        escape = (lead == 0x5C and ((kind == 0x75 and period == 6) or (kind == 0x78 and period == 4))) or (
            lead == 0x30 and kind == 0x78 and period > 4
        )
        if escape and recurs and _recurs(data, at + 1, end, period):
            return True
    return same


@bare
def _recurs_twice(data: Any, at: int, period: int) -> bool:
    """Whether the byte is a sign that stands a period on, and two."""
    return (
        CLASSES[data[at]] != ALNUM
        and _separated(data, at + period, at, 1)
        and _separated(data, at + 2 * period, at, 1)
    )


@bare
def _widened(data: Any, first: int, separator: int, group: int) -> tuple[int, int, int]:
    """The first separator, and the bytes of each and of a group: two signs may stand where one was seen."""
    period = separator + group
    if separator == 1 and group > 3:
        if _recurs_twice(data, first + 1, period):
            return first, 2, group - 1
        if _recurs_twice(data, first + period - 1, period):
            return first + period - 1, 2, group - 1
    return first, separator, group


@bare
def _left_alone(data: Any, first: int, separator: int, group: int) -> bool:
    """Whether `strides` closes it up; or whether colons stand between groups, as in addresses of IPv6."""
    byte = data[first]
    return byte == 0x3A if group > 1 else separator == 1 and byte in (0, 10, 32)


@bare
def extent(data: Any, place: int, done: int) -> tuple[int, int, int, int, int]:
    """The text around a place, not from before `done` on: its start, end, separator and group, and what is done then.

    The separator is 0 if there is none.
    """
    if place < done or place + _SAMPLE > data.size:
        return 0, 0, 0, 0, done
    kind = int(PERIODS[_mask(data, place)]) or int(PERIODS[_blanks(data, place)])  # in groups may be signs
    first = place  # the first whole separator
    if not kind:
        kind, first = dense(data, place)
        if not kind:
            return 0, 0, 0, 0, done
    separator, group = kind >> 4, kind & 15
    period = separator + group
    place = first
    while first < place + period and not (
        _separated(data, first + period, first, separator)
        and _graphic(data, first + separator, first + period)
        and CLASSES[data[first]] != ALNUM
    ):
        first += 1
    if first == place + period or _left_alone(data, first, separator, group):
        return 0, 0, 0, 0, done
    first, separator, group = _widened(data, first, separator, group)
    low = first
    while (
        low - period >= done
        and _separated(data, low - period, first, separator)
        and _graphic(data, low - group, low)
    ):
        low -= period
    begin = low - group if low - group >= done and _graphic(data, low - group, low) else low + separator
    high = first
    while _separated(data, high + period, first, separator) and _graphic(
        data, high + separator, high + period
    ):
        high += period
    end = high + separator
    while end < high + period and _graphic(data, end, end + 1):
        end += 1
    # A group to which others are glued is one of theirs: a UUID has three.
    if begin > 0 and CLASSES[data[begin - 1]] == ALNUM and CLASSES[data[begin]] == ALNUM:
        begin += period
    if end < data.size and CLASSES[data[end]] == ALNUM and CLASSES[data[end - 1]] == ALNUM:
        end -= (end - begin - 1) % period + 1 + separator
    if (end - begin + period - 1) // period * group < LEAST:
        return 0, 0, 0, 0, done  # another one may begin within it
    done = max(end, place + 1)
    if _changes(data, begin, end, period, group) < _CHANGES or _are_escapes(
        data, begin, end, separator, period
    ):
        return 0, 0, 0, 0, done
    return begin, end, separator, group, done


@bare
def closed_up(data: Any, places: Any, out: Any, segments: Any, starts: Any) -> tuple[int, int, int]:
    """Writes the texts around the places without separators, two line feeds after each: bytes, segments, texts.

    Segments are those of a `Part`. It stops at the text that has no room. Blanks, NUL and line feeds between single
    characters are not closed up here: `strides` does.
    """
    to = rows = texts = done = 0
    for place in places:
        begin, end, separator, group, done = extent(data, place, done)
        if separator == 0:
            continue
        period = separator + group
        size = (end - begin + period - 1) // period * group
        if to + size + 2 > out.size or rows + size // group + 1 > segments.shape[0] or texts == starts.size:
            break
        starts[texts] = to
        texts += 1
        if group == 1:
            segments[rows, 0], segments[rows, 1], segments[rows, 2] = to, begin, end
            segments[rows, 3] = period
            rows += 1
        for at in range(begin, end, period):
            stop = min(at + group, end)
            if group > 1:
                segments[rows, 0], segments[rows, 1], segments[rows, 2], segments[rows, 3] = to, at, stop, 1
                rows += 1
            for each in range(at, stop):
                out[to] = data[each]
                to += 1
        out[to] = out[to + 1] = 0x0A
        to += 2
    return to, rows, texts
