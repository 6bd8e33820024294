"""Quiet hours: until when it is quiet, in time zones whose clocks are put forward and back."""

import datetime as dt
from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo

from detector.configuration.revoke_settings import QuietHours
from detector.values.times import SECOND

_MINUTES: Final = 24 * 60
_MOST: Final = 400  # periods that follow on one another without a gap


def quiet_until(periods: Sequence[QuietHours], now: int) -> int | None:
    """When the quiet hours around `now` end (ns since the epoch), None if it is not quiet.

    Where one period begins before another ends, the end is that of the last. A period whose begin or end happens twice,
    because clocks are put back, is as long as it can be; one whose begin or end is left out, too.
    """
    end: int | None = None
    at = now
    for _ in range(_MOST):
        further = max(
            (until for period in periods if (until := _end_of(period, at)) is not None), default=None
        )
        if further is None:
            return end
        end = at = further
    return end


def _end_of(period: QuietHours, now: int) -> int | None:
    """When this period ends, None if `now` is not in it. The moment of the end is not in it."""
    zone = ZoneInfo(period.zone)
    today = dt.datetime.fromtimestamp(now // SECOND, zone).date()
    for day in (today - dt.timedelta(days=offset) for offset in (-1, 0, 1, 2)):
        if day.weekday() not in period.days:
            continue
        length = (period.end - period.start) % _MINUTES or _MINUTES
        start, end = _moments(day, period.start, zone), _moments(day, period.start + length, zone)
        if min(start) <= now < max(end):
            return max(end)
    return None


def _moments(day: dt.date, minute: int, zone: ZoneInfo) -> tuple[int, ...]:
    """The moments (ns) at which the clocks show this minute of the day, which may be on the next day."""
    days, minutes = divmod(minute, _MINUTES)
    wall = dt.datetime.combine(day + dt.timedelta(days=days), dt.time(*divmod(minutes, 60)), zone)
    return tuple(int(wall.replace(fold=fold).timestamp()) * SECOND for fold in (0, 1))
