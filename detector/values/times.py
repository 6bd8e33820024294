"""Times as whole nanoseconds since 1970-01-01T00:00:00Z, and durations as whole nanoseconds.

Vault and OpenTelemetry write nanoseconds, and rules compare times exactly. Python's integers hold the year 9999 without
overflow or rounding.
"""

import datetime as dt
import re  # short, anchored patterns over one time or duration
from contextlib import suppress
from functools import lru_cache
from typing import Final

MICROSECOND: Final = 1_000
MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
SKEW: Final = 5 * SECOND
"""How far the clocks of two machines may differ, unless the configuration says otherwise."""

_EPOCH_ORDINAL: Final = dt.date(1970, 1, 1).toordinal()
_MAX_HOUR, _MAX_MINUTE, _MAX_SECOND = 23, 59, 60  # RFC 3339 allows second 60 for a leap second
# RFC 3339, section 5.6: date-time with a zone; `T` and `Z` in either case, a space allowed for `T`.
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,18}))?"
    r"(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))",
)
_IN_SECONDS: Final = 20  # characters of a time in UTC without a fraction
_MAX_FRACTION: Final = 18
_LONGEST: Final = 1e10  # seconds, three centuries: a longer one has a wrong unit
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ns|us|µs|ms|s|sec|m|min|h|d)?")
_LONGEST_TEXT: Final = 40  # characters of a duration in a record
# `1h30m` as Go and Vault write it; ISO 8601 without months and years, which have no one length.
_COMPOUND = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h|d|w))+")
_COMPOUND_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)([a-zµ]+)")
_ISO_DURATION = re.compile(
    r"P(?=[0-9T])(?:([0-9]+(?:[.,][0-9]+)?)W)?(?:([0-9]+(?:[.,][0-9]+)?)D)?"
    r"(?:T(?=[0-9])(?:([0-9]+(?:[.,][0-9]+)?)H)?(?:([0-9]+(?:[.,][0-9]+)?)M)?(?:([0-9]+(?:[.,][0-9]+)?)S)?)?"
)
_UNITS: Final = {
    "ns": 1,
    "us": MICROSECOND,
    "µs": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "sec": SECOND,
    "m": MINUTE,
    "min": MINUTE,
    "h": HOUR,
    "d": DAY,
    None: SECOND,
}
UNITS: Final = {name: unit for name, unit in _UNITS.items() if name is not None} | {"w": 7 * DAY}
"""Nanoseconds of each unit of a duration."""


@lru_cache(maxsize=4096)
def _days(date: str) -> int:
    return dt.date.fromisoformat(date).toordinal() - _EPOCH_ORDINAL


def parse_rfc3339(text: str) -> int:
    """Nanoseconds since the epoch, from an RFC 3339 date-time. Digits after the ninth are dropped.

    Raises:
        ValueError: this is not an RFC 3339 date-time, or it has no zone. The message holds no part of the text.
    """
    if text[-1:] == "Z" and text.isascii():  # as most are written, and many in one minute
        second, fraction = text[17:19], text[20:-1]
        in_seconds = len(text) == _IN_SECONDS
        if (
            second.isdigit()
            and second <= "60"
            and (in_seconds or (text[19:20] == "." and fraction.isdigit() and len(fraction) <= _MAX_FRACTION))
        ):
            begin = _minute(text[:17])
            nanos = 0 if in_seconds else int(fraction[:9].ljust(9, "0"))
            return begin + int(second) * SECOND + nanos
    return _parsed(text)


@lru_cache(maxsize=4096)
def _minute(text: str) -> int:
    """The time of `2026-05-31T23:59:`."""
    return _parsed(f"{text}00Z")


def _parsed(text: str) -> int:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 date-time with a zone")
    date, hh, mm, ss, fraction, _, sign, zone_hh, zone_mm = match.groups()
    hours, minutes, seconds = int(hh), int(mm), int(ss)
    if hours > _MAX_HOUR or minutes > _MAX_MINUTE or seconds > _MAX_SECOND:
        raise ValueError("not an RFC 3339 date-time: a part is out of range")
    try:
        days = _days(date)
    except ValueError:
        raise ValueError("not an RFC 3339 date-time: no such day") from None
    nanos = int(fraction[:9].ljust(9, "0")) if fraction else 0
    total = days * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND + nanos
    if sign is not None:
        if int(zone_hh) > _MAX_HOUR or int(zone_mm) > _MAX_MINUTE:
            raise ValueError("not an RFC 3339 date-time: a part is out of range")
        offset = int(zone_hh) * HOUR + int(zone_mm) * MINUTE
        total += -offset if sign == "+" else offset
    return total


def format_rfc3339(time: int) -> str:
    """RFC 3339 in UTC, with as many fraction digits (0, 3, 6 or 9) as the time needs.

    A time before the year 1 or after 9999 becomes the first or last second of those years.
    """
    seconds, nanos = divmod(time, SECOND)
    days, second_of_day = divmod(seconds, 86_400)
    ordinal = days + _EPOCH_ORDINAL
    if ordinal < 1:
        return "0001-01-01T00:00:00Z"
    if ordinal > dt.date.max.toordinal():
        return "9999-12-31T23:59:59Z"
    date = dt.date.fromordinal(ordinal)
    hours, rest = divmod(second_of_day, 3600)
    minutes, secs = divmod(rest, 60)
    fraction = ""
    if nanos:
        digits = f"{nanos:09d}"
        fraction = "." + (
            digits[:3] if digits[3:] == "000000" else digits[:6] if digits[6:] == "000" else digits
        )
    return f"{date.isoformat()}T{hours:02d}:{minutes:02d}:{secs:02d}{fraction}Z"


def to_millis(time: int) -> int:
    """Epoch milliseconds, rounded down, as OCSF's `timestamp_t` wants them."""
    return time // MILLISECOND


def parse_duration(value: object) -> int:
    """Nanoseconds, from a number of seconds or from text such as `"90s"`, `"5 min"`, `"24h"`.

    Raises:
        ValueError: this is not a duration, or it is negative.
    """
    if isinstance(value, bool):
        raise ValueError('not a duration: write seconds as a number, or text such as "90s", "5 min", "24h"')  # noqa: TRY004 - callers branch on ValueError alone
    if isinstance(value, int | float):
        if not 0 <= value <= _LONGEST:
            raise ValueError("not a duration: out of range")
        return round(value * SECOND)
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is not None:
            duration = float(match[1]) * _UNITS[match[2]]
            if duration > _LONGEST * SECOND:
                raise ValueError("not a duration: out of range")
            return round(duration)
    raise ValueError('not a duration: write seconds as a number, or text such as "90s", "5 min", "24h"')


def read_duration(text: str, unit: int = SECOND) -> int:
    """Nanoseconds, as a record writes a duration: `90` of a unit (ns), `30m`, `1h30m`, `5 min`, `PT30M`, `P1DT12H`.

    Raises:
        ValueError: this is not a duration. A negative number is one, as some issuers write -1 for no end.
    """
    text = text.strip()
    if len(text) > _LONGEST_TEXT:
        raise ValueError("not a duration")
    with suppress(ValueError, OverflowError):  # no number, `nan`, `inf`
        return round(float(text) * unit)
    iso = _ISO_DURATION.fullmatch(text)
    if iso is not None:
        units = (7 * DAY, DAY, HOUR, MINUTE, SECOND)
        parts = zip(iso.groups(default="0"), units, strict=True)
        return round(sum(float(part.replace(",", ".")) * of for part, of in parts))
    if _COMPOUND.fullmatch(text) is not None:
        return round(sum(float(part) * UNITS[of] for part, of in _COMPOUND_PART.findall(text)))
    return parse_duration(text)


def read_moment(text: str, now: int) -> int:
    """A time (ns) as a person writes one: RFC 3339, a day (from its beginning in UTC), or how long before `now`: `7d`.

    Raises:
        ValueError: it has another form, or is before 1970. The message says what to write, and not what was written.
    """
    for read in (parse_rfc3339, lambda day: parse_rfc3339(f"{day}T00:00:00Z"), lambda ago: now - _age(ago)):
        with suppress(ValueError):
            found = read(text)
            if found >= 0:
                return found
    raise ValueError(
        "write a time such as 2026-05-01T08:00:00Z, a day such as 2026-05-01, or an age such as 7d"
    )


def _age(text: str) -> int:
    """A duration with its unit: a bare number may as well be a year or seconds since 1970."""
    if not (text[-1:].isalpha() and (text[0].isdecimal() or text[0] == "P")):
        raise ValueError("not an age")
    return read_duration(text)
