"""The loop of `detector.records.timestamps` compiled: RFC 3339 times at the starts of lines, a few nanoseconds each.

`leading_by_numpy` answers alike.
"""

from typing import Any, Final

from detector.jit import bare

NO_TIME: Final = -1_000_000


@bare
def _number(data: Any, at: int, digits: int) -> int:
    value = 0
    for place in range(at, at + digits):
        digit = int(data[place]) - 48
        if digit < 0 or digit > 9:  # noqa: PLR2004 - a digit
            return -1
        value = value * 10 + digit
    return value


@bare
def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01, or `NO_TIME` where there is no such day."""
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    length = 31
    if month == 2:  # noqa: PLR2004 - February
        length = 29 if leap else 28
    elif month in (4, 6, 9, 11):
        length = 30
    if year < 1 or month < 1 or month > 12 or day < 1 or day > length:  # noqa: PLR2004 - months
        return NO_TIME
    y = year - 1 if month <= 2 else year  # noqa: PLR2004 - the year begins in March
    m = month - 3 if month > 2 else month + 9  # noqa: PLR2004 - the same
    return y * 365 + y // 4 - y // 100 + y // 400 + (153 * m + 2) // 5 + day - 719_469


@bare
def _zone(data: Any, at: int) -> tuple[int, int]:
    """The zone's offset in seconds and the place after it; the place is -1 where there is no zone."""
    mark = data[at]
    if mark in (90, 122):  # Z, z
        return 0, at + 1
    if mark not in (43, 45) or data[at + 3] != 58:  # noqa: PLR2004 - plus, minus; a colon
        return 0, -1
    hours, minutes = _number(data, at + 1, 2), _number(data, at + 4, 2)
    if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:  # noqa: PLR2004 - RFC 3339
        return 0, -1
    offset = hours * 3600 + minutes * 60
    return (-offset if mark == 45 else offset), at + 6  # noqa: PLR2004 - a minus


@bare
def stamp(data: Any, at: int) -> tuple[int, int, int]:
    """Where the time that begins at `at` ends, -1 if there is none, and its seconds and nanoseconds.

    `data` (uint8) goes on for 46 bytes from there.
    """
    if data[at + 4] != 45 or data[at + 7] != 45 or data[at + 13] != 58 or data[at + 16] != 58:  # noqa: PLR2004 - hyphens, colons
        return -1, 0, 0
    if data[at + 10] not in (84, 116, 32):  # T, t, space
        return -1, 0, 0
    days = _days(_number(data, at, 4), _number(data, at + 5, 2), _number(data, at + 8, 2))
    hour, minute = _number(data, at + 11, 2), _number(data, at + 14, 2)
    second = _number(data, at + 17, 2)
    if days <= NO_TIME or hour < 0 or hour > 23 or minute < 0 or minute > 59:  # noqa: PLR2004 - RFC 3339
        return -1, 0, 0
    if second < 0 or second > 60:  # noqa: PLR2004 - RFC 3339 knows leap seconds
        return -1, 0, 0
    place, nano, scale = at + 19, 0, 100_000_000
    if data[place] == 46:  # noqa: PLR2004 - a point
        place += 1
        first = place
        while place - first < 18 and 48 <= data[place] <= 57:  # noqa: PLR2004 - up to 18 digits
            nano += (int(data[place]) - 48) * scale
            scale //= 10
            place += 1
        if place == first:
            return -1, 0, 0
    offset, after = _zone(data, place)
    return after, days * 86_400 + hour * 3600 + minute * 60 + second - offset, nano


@bare
def leading(data: Any, starts: Any, whole: bool, index: Any, seconds: Any, nanos: Any) -> int:  # noqa: FBT001, PLR0913, PLR0917 - where it reads, and what it fills
    """Fills `index`, `seconds`, `nanos` for the lines that begin with a time; how many those are.

    `data` (uint8) goes on for 46 newlines after its last line; `whole`: nothing may follow the time.
    """
    found = 0
    for line in range(len(starts)):
        after, second, nano = stamp(data, starts[line])
        if after < 0:
            continue
        byte = data[after]
        if whole:
            if byte != 10:  # noqa: PLR2004 - a newline
                continue
        elif 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122:  # noqa: PLR2004 - letters and digits
            continue
        index[found] = line
        seconds[found] = second
        nanos[found] = nano
        found += 1
    return found
