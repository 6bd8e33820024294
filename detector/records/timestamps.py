"""Times of log records: RFC 3339 at the start of many lines at once, and one value in any of many styles."""

import re  # over text of bounded length only
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from detector.records import timestamp_kernel
from detector.values.times import DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND, parse_rfc3339

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_WIDTH: Final = 46  # 19 characters, a point, 18 digits, a zone of 6, and what stands after it
_PAD: Final = b"\n" * _WIDTH
_DIGITS: Final = np.array([0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18])
_MONTH_DAYS: Final = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_FRACTION: Final = 20
_MAX_FRACTION: Final = 18
_MAX_TEXT: Final = 64  # longer text is no time
# Zone-less times are taken as UTC; the zone may stand apart, lack its colon or its minutes.
_LOOSE = re.compile(
    r"([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,18}))?"
    r" ?(?:[Zz]|UTC|GMT|([+-])([0-9]{2}):?([0-9]{2})?)?"
)
_LEADING = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,18})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
    r"(?![0-9A-Za-z])"
)
_NUMBER = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,18})[0-9]*)?")
# The unit of an epoch number is told by its size: seconds until the year 5138, milliseconds from 1973 on, ...
_EPOCH_UNITS: Final = ((10**11, SECOND), (10**14, MILLISECOND), (10**17, MICROSECOND), (10**20, 1))


class Stamps:
    """The times found among `n` lines: `index` which lines have one, ascending, and what it is."""

    __slots__ = ("_nanos", "_seconds", "index")

    def __init__(self, index: Ints, seconds: Ints, nanos: Ints) -> None:
        self.index, self._seconds, self._nanos = index, seconds, nanos

    def __len__(self) -> int:
        return len(self.index)

    def at(self, position: int) -> int:
        """The `position`-th time found, in nanoseconds."""
        return int(self._seconds[position]) * SECOND + int(self._nanos[position])

    def all(self) -> Iterator[int]:
        """The times in nanoseconds, one after the other."""
        return (
            second * SECOND + nano
            for second, nano in zip(self._seconds.tolist(), self._nanos.tolist(), strict=True)
        )

    def before(self, line: int) -> int | None:
        """The time of `line`, or of the nearest one above it that has one."""
        if self._is(line, line):
            return self.at(line)
        position = int(self.index.searchsorted(line, side="right")) - 1
        return self.at(position) if position >= 0 else None

    def whose(self, line: int) -> int | None:
        """The line that the time of `before` is from."""
        position = int(self.index.searchsorted(line, side="right")) - 1
        return int(self.index[position]) if position >= 0 else None

    def moments(self, lines: Ints) -> Ints:
        """A number for each line: the same for those that have the same time of their own, or from lines above them."""
        _, ranks = np.unique(self._seconds, return_inverse=True)
        times = np.concatenate((_NO_TIME, 1 + ranks * SECOND + self._nanos))
        after = self.index.searchsorted(lines, side="right")
        own = self.index.searchsorted(lines) < after
        return 2 * times[after] + own

    def exactly(self, line: int) -> int | None:
        """The time of `line` itself."""
        position = line if self._is(line, line) else int(self.index.searchsorted(line))
        return self.at(position) if self._is(position, line) else None

    def _is(self, position: int, line: int) -> bool:
        """Whether the `position`-th time is that of `line`: mostly each line has one."""
        return position < len(self.index) and bool(self.index[position] == line)

    def latest(self) -> int | None:
        """The latest time found."""
        if not len(self.index):
            return None
        top = np.max(self._seconds)
        return int(top) * SECOND + int(self._nanos[self._seconds == top].max())

    def last(self) -> int | None:
        """The time found last, which what follows inherits."""
        return self.at(len(self.index) - 1) if len(self.index) else None

    def replaced(self, lines: Ints, time: int) -> "Stamps":
        """These, and `time` for each of the `lines`, which have none here."""
        seconds, nanos = divmod(time, SECOND)
        index = np.concatenate((self.index, lines))
        order = np.argsort(index, kind="stable")
        return Stamps(
            index[order],
            np.concatenate((self._seconds, np.full(len(lines), seconds)))[order],
            np.concatenate((self._nanos, np.full(len(lines), nanos)))[order],
        )

    def split(self, limit: int) -> tuple["Stamps", Ints]:
        """These less the ones later than `limit`, and the lines of those."""
        seconds, nanos = divmod(limit, SECOND)
        late = (self._seconds > seconds) | ((self._seconds == seconds) & (self._nanos > nanos))
        if not late.any():
            return self, _NO_LINES
        keep = ~late
        return Stamps(self.index[keep], self._seconds[keep], self._nanos[keep]), self.index[late]


_NO_LINES: Final = np.zeros(0, np.int64)
_NO_TIME: Final = np.zeros(1, np.int64)
NO_STAMPS: Final = Stamps(_NO_LINES, _NO_LINES, _NO_LINES)


def line_starts(data: bytes) -> Ints:
    """The offsets at which the lines of `data` begin; a newline at the end begins no further line."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
    starts = np.concatenate((np.zeros(1, np.int64), ends))
    return starts[:-1] if len(starts) and starts[-1] == len(data) else starts


def line_span(data: bytes, starts: Ints, index: int) -> tuple[int, int]:
    """Where the line at `index` stands, without its newline."""
    start = int(starts[index])
    end = int(starts[index + 1]) if index + 1 < len(starts) else len(data)
    return start, end - data.endswith(b"\n", start, end)


def leading_stamps(data: bytes, starts: Ints, *, whole: bool = False) -> Stamps:
    """The RFC 3339 times with a zone that stand at `starts`, just as `parse_rfc3339` reads them.

    What follows the time may not be a letter or digit; with `whole` it is the end of the line.
    """
    if not len(starts):
        return NO_STAMPS
    padded = np.frombuffer(data + _PAD, np.uint8)
    index, seconds, nanos = (np.empty(len(starts), np.int64) for _ in range(3))
    found = timestamp_kernel.leading(padded, starts, whole, index, seconds, nanos)
    return Stamps(index[:found], seconds[:found], nanos[:found])


def leading_by_numpy(padded: Bytes, starts: Ints, *, whole: bool) -> Stamps:
    """As `leading_stamps`, for a process that compiles nothing else: compiled code takes 20 MB."""
    likely = (padded[starts + 4] == ord("-")) & (padded[starts + 7] == ord("-"))
    likely &= (padded[starts + 13] == ord(":")) & (padded[starts + 16] == ord(":"))
    index = np.flatnonzero(likely)
    if not len(index):
        return NO_STAMPS
    windows = np.lib.stride_tricks.as_strided(
        padded, (len(padded) - _WIDTH + 1, _WIDTH), (1, 1), writeable=False
    )
    columns = np.ascontiguousarray(windows[starts[index]].T)
    numbers = columns - ord("0")  # wraps round: whatever is no digit is above 9
    valid = (numbers[_DIGITS] <= 9).all(axis=0)  # noqa: PLR2004 - a digit
    valid &= (columns[10] == ord("T")) | (columns[10] == ord("t")) | (columns[10] == ord(" "))
    length, nanos = _fractions(columns, numbers)
    offset, ends, zoned = _zones(columns, numbers, 19 + np.where(length > 0, length + 1, 0))
    seconds, in_range = _seconds(numbers.astype(np.int64))
    valid &= zoned & in_range
    after = columns[ends, np.arange(len(index))]
    valid &= (after == ord("\n")) if whole else ~_alphanumeric(after)
    if not valid.all():
        index, seconds, nanos, offset = index[valid], seconds[valid], nanos[valid], offset[valid]
    return Stamps(index, seconds - offset, nanos)


def leading_stamp(line: bytes) -> int | None:
    """The same of one line."""
    if line[4:5] != b"-" or line[13:14] != b":":
        return None
    match = _LEADING.match(line[:_WIDTH].decode("latin-1"))
    if match is None:
        return None
    try:
        return parse_rfc3339(match[0])
    except ValueError:
        return None


def _alphanumeric(column: Bytes) -> npt.NDArray[np.bool_]:
    letters = ((column | 0x20) - ord("a")) < 26  # noqa: PLR2004 - letters of the alphabet
    digits = (column - ord("0")) < 10  # noqa: PLR2004 - digits
    return letters | digits


def _fractions(columns: Bytes, numbers: Bytes) -> tuple[Ints, Ints]:
    """How many digits follow a point in column 19, and the nanoseconds they say."""
    alive = columns[19] == ord(".")
    length = np.zeros(columns.shape[1], np.int64)
    nanos = np.zeros(columns.shape[1], np.int64)
    scale = SECOND // 10
    for place in range(_FRACTION, _FRACTION + _MAX_FRACTION):
        alive = alive & (numbers[place] <= 9)  # noqa: PLR2004 - a digit
        if not alive.any():
            break
        length += alive
        if scale:
            nanos += np.where(alive, numbers[place], 0).astype(np.int64) * scale
            scale //= 10
    return length, nanos


def _zones(columns: Bytes, numbers: Bytes, at: Ints) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """The seconds to take off for the zone in column `at`, the column after it, and whether it is one."""
    each = np.arange(columns.shape[1])
    mark = columns[at, each]
    zulu = (mark == ord("Z")) | (mark == ord("z"))
    if zulu.all():
        return np.zeros(len(each), np.int64), at + 1, zulu
    places = [np.minimum(at + step, _WIDTH - 1) for step in range(1, 6)]
    tens, ones, colon, m_tens, m_ones = (numbers[place, each].astype(np.int64) for place in places)
    hours, minutes = tens * 10 + ones, m_tens * 10 + m_ones
    numeric = ((mark == ord("+")) | (mark == ord("-"))) & (colon == ord(":") - ord("0"))
    numeric &= np.maximum(np.maximum(tens, ones), np.maximum(m_tens, m_ones)) <= 9  # noqa: PLR2004 - a digit
    numeric &= (hours <= 23) & (minutes <= 59)  # noqa: PLR2004 - RFC 3339
    offset = np.where(mark == ord("-"), -1, 1) * (hours * 3600 + minutes * 60)
    return np.where(numeric, offset, 0), np.minimum(at + np.where(zulu, 1, 6), _WIDTH - 1), zulu | numeric


def _seconds(n: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Seconds since the epoch of the date and time in the digit columns, and whether there is one."""
    year = ((n[0] * 10 + n[1]) * 10 + n[2]) * 10 + n[3]
    month, day = n[5] * 10 + n[6], n[8] * 10 + n[9]
    hour, minute, second = n[11] * 10 + n[12], n[14] * 10 + n[15], n[17] * 10 + n[18]
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    days_in_month = _MONTH_DAYS[np.minimum(month, 12)] + ((month == 2) & leap)  # noqa: PLR2004 - February
    valid = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= days_in_month)  # noqa: PLR2004
    valid &= (hour <= 23) & (minute <= 59) & (second <= 60)  # noqa: PLR2004 - RFC 3339 knows leap seconds
    # Days from the civil date: the year begins in March, so that the leap day is its last.
    y = year - (month <= 2)  # noqa: PLR2004 - February
    m = np.where(month > 2, month - 3, month + 9)  # noqa: PLR2004 - February
    days = y * 365 + y // 4 - y // 100 + y // 400 + (153 * m + 2) // 5 + day - 719_469
    return days * 86_400 + hour * 3600 + minute * 60 + second, valid


def text_stamps(texts: Sequence[str]) -> Stamps:
    """The times among `texts` that are RFC 3339 as a whole; the others are for `log_time`."""
    joined = "\n".join(texts).encode()
    starts = line_starts(joined)
    broken = joined.count(b"\n") >= len(texts)  # one has a newline in it: all after it would be shifted
    if broken or len(starts) != len(texts):  # or the last is empty: no shortcut
        padded = ["" if "\n" in text else text for text in texts]
        joined = ("\n".join(padded) + "\n").encode()
        starts = line_starts(joined)
    return leading_stamps(joined, starts, whole=True)


def log_time(value: object) -> int | None:
    """Nanoseconds of a log record's time, or None if it cannot be read.

    RFC 3339, the same without a zone (UTC), and epoch numbers, also as text, in s, ms, µs or ns by their size.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return _epoch(str(value)) if 0 <= value < _EPOCH_UNITS[-1][0] else None
    if isinstance(value, float):
        return _float_epoch(value)
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        return None
    text = value.strip()
    try:
        return parse_rfc3339(text)
    except ValueError:
        pass
    match = _LOOSE.fullmatch(text)
    return _loose(match) if match is not None else _epoch(text)


def _loose(match: "re.Match[str]") -> int | None:
    year, month, day, hh, mm, ss, fraction, sign, zone_hh, zone_mm = match.groups()
    try:
        time = parse_rfc3339(f"{year}-{month}-{day}T{hh}:{mm}:{ss}{'.' + fraction if fraction else ''}Z")
    except ValueError:
        return None
    if sign is not None:
        offset = int(zone_hh) * HOUR + int(zone_mm or 0) * MINUTE
        if offset > DAY:
            return None
        time += -offset if sign == "+" else offset
    return time


def _float_epoch(value: float) -> int | None:
    """To the microsecond, beyond which a float of today's seconds has only noise."""
    for limit, unit in _EPOCH_UNITS:
        if 0 <= value < limit:
            return round(value * (unit // MICROSECOND)) * MICROSECOND if unit > 1 else int(value)
    return None


def float_stamps(values: Ints | npt.NDArray[np.float64]) -> Stamps | None:
    """What `log_time` gives for floats that are all seconds; None if one is not."""
    if not ((values >= 0) & (values < _EPOCH_UNITS[0][0])).all():
        return None
    micros = np.rint(values * (SECOND // MICROSECOND)).astype(np.int64)
    seconds, rest = np.divmod(micros, SECOND // MICROSECOND)
    return Stamps(np.arange(len(values)), seconds, rest * MICROSECOND)


def _epoch(text: str) -> int | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    whole, fraction = int(match[1]), match[2]
    for limit, unit in _EPOCH_UNITS:
        if whole < limit:
            part = int(fraction) * unit // 10 ** len(fraction) if fraction else 0
            return whole * unit + part
    return None


def stamps_of(times: Sequence[tuple[int, int]]) -> Stamps:
    """The stamps of (line, time in ns) pairs in the order of their lines."""
    if not times:
        return NO_STAMPS
    parts = [divmod(time, SECOND) for _, time in times]
    return Stamps(
        np.array([line for line, _ in times], np.int64),
        np.array([seconds for seconds, _ in parts], np.int64),
        np.array([nanos for _, nanos in parts], np.int64),
    )
