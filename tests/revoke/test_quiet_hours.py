"""Quiet hours: around midnight, on single days, and where clocks are put forward and back."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.configuration.revoke_settings import QuietHours
from detector.revoke.quiet_hours import quiet_until
from detector.values.times import HOUR, MINUTE, SECOND, format_rfc3339, parse_rfc3339

BERLIN = "Europe/Berlin"
LORD_HOWE = "Australia/Lord_Howe"  # half an hour is put forward
ZONES = st.sampled_from([BERLIN, "America/New_York", LORD_HOWE, "Asia/Kolkata", "UTC", "Pacific/Apia"])


def hours(start: str, end: str, zone: str = BERLIN, days: tuple[int, ...] = tuple(range(7))) -> QuietHours:
    first, last = (int(text[:2]) * 60 + int(text[3:]) for text in (start, end))
    return QuietHours(first, last, zone, days)


def until(moment: str, *periods: QuietHours) -> str | None:
    end = quiet_until(periods, parse_rfc3339(moment))
    return None if end is None else format_rfc3339(end)


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2026-11-03T21:59:59+01:00", None),
        ("2026-11-03T22:00:00+01:00", "2026-11-04T06:00:00Z"),
        ("2026-11-03T23:59:59+01:00", "2026-11-04T06:00:00Z"),
        ("2026-11-04T00:00:00+01:00", "2026-11-04T06:00:00Z"),
        ("2026-11-04T06:59:59.999999999+01:00", "2026-11-04T06:00:00Z"),
        ("2026-11-04T07:00:00+01:00", None),
        ("2026-12-31T23:00:00+01:00", "2027-01-01T06:00:00Z"),
    ],
)
def test_a_night_goes_over_midnight(moment: str, end: str | None) -> None:
    assert until(moment, hours("22:00", "07:00")) == end


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        # 29 March 2026, 02:00 becomes 03:00; the night has an hour less.
        ("2026-03-28T23:00:00+01:00", "2026-03-29T05:00:00Z"),
        ("2026-03-29T03:30:00+02:00", "2026-03-29T05:00:00Z"),
        # 25 October 2026, 03:00 becomes 02:00; it has an hour more.
        ("2026-10-25T02:30:00+02:00", "2026-10-25T06:00:00Z"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T06:00:00Z"),
    ],
)
def test_a_night_in_which_the_clocks_change_ends_by_the_clock(moment: str, end: str) -> None:
    assert until(moment, hours("22:00", "07:00")) == end


def test_an_hour_that_happens_twice_is_quiet_both_times_and_between() -> None:
    period = hours("02:15", "02:45")
    assert until("2026-10-25T02:20:00+02:00", period) == "2026-10-25T01:45:00Z"
    assert until("2026-10-25T02:50:00+02:00", period) == "2026-10-25T01:45:00Z"
    assert until("2026-10-25T02:20:00+01:00", period) == "2026-10-25T01:45:00Z"


def test_days_are_those_on_which_it_begins() -> None:
    friday = hours("22:00", "07:00", days=(4,))
    assert until("2026-11-06T23:00:00+01:00", friday) == "2026-11-07T06:00:00Z"
    assert until("2026-11-07T01:00:00+01:00", friday) == "2026-11-07T06:00:00Z"
    assert until("2026-11-06T01:00:00+01:00", friday) is None


def test_periods_that_follow_on_one_another_are_one() -> None:
    weekend = (hours("22:00", "24:00", days=(4,)), hours("00:00", "24:00", days=(5, 6)))
    assert until("2026-11-06T22:30:00+01:00", *weekend) == "2026-11-08T23:00:00Z"


def test_always_quiet_has_an_end_all_the_same() -> None:
    end = quiet_until((hours("00:00", "24:00", "UTC"),), parse_rfc3339("2026-11-06T22:30:00Z"))
    assert end is not None


@given(
    ZONES,
    st.integers(0, 24 * 60 - 1),
    st.integers(1, 24 * 60),
    st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2028, 1, 1)),  # noqa: DTZ001 - hypothesis takes them so, in UTC
)
def test_every_minute_that_the_clock_shows_in_it_is_quiet(
    zone: str, start: int, length: int, moment: dt.datetime
) -> None:
    """The clock on the wall decides; only within an hour of a change of clocks it may be quiet beyond it."""
    period = QuietHours(start, (start + length - 1) % (24 * 60) + 1, zone)
    now = int(moment.replace(tzinfo=dt.UTC).timestamp()) * SECOND
    wall = dt.datetime.fromtimestamp(now // SECOND, ZoneInfo(zone))
    minute = wall.hour * 60 + wall.minute
    shown = (minute - start) % (24 * 60) < length
    end = quiet_until((period,), now)
    offsets = {
        dt.datetime.fromtimestamp((now + shift) // SECOND, ZoneInfo(zone)).utcoffset()
        for shift in range(-26 * HOUR, 27 * HOUR, 30 * MINUTE)
    }
    if len(offsets) == 1:
        assert (end is not None) == shown
    elif shown:
        assert end is not None
    if end is not None and length < 24 * 60:
        assert now < end
        assert quiet_until((period,), end) is None or len(offsets) > 1
