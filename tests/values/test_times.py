"""Times: exact to the nanosecond, whatever the year."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.values import times
from detector.values.times import (
    MINUTE,
    SECOND,
    format_rfc3339,
    parse_duration,
    parse_rfc3339,
    read_moment,
    to_millis,
)


@given(st.integers(min_value=-62_135_596_800 * SECOND, max_value=253_402_300_799 * SECOND))
def test_a_time_survives_being_written(time: int) -> None:
    assert parse_rfc3339(format_rfc3339(time)) == time


@given(st.datetimes(timezones=st.just(dt.UTC)))
def test_agrees_with_the_standard_library(moment: dt.datetime) -> None:
    delta = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    assert parse_rfc3339(moment.isoformat()) == (delta // dt.timedelta(microseconds=1)) * 1000


def test_zones_fractions_and_leap_seconds() -> None:
    base = parse_rfc3339("2026-11-01T12:00:00Z")
    assert parse_rfc3339("2026-11-01T14:30:00.5+02:30") == base + SECOND // 2
    assert parse_rfc3339("2026-11-01t07:00:00.123456789123-05:00") == base + 123_456_789
    assert parse_rfc3339("2026-11-01T11:59:60Z") == base
    assert to_millis(-1) == -1


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-01T12:00:00",
        "2026-11-01",
        "2026-02-30T00:00:00Z",
        "2026-11-01T24:00:00Z",
        "",
        "2026-11-01T12:00:00+24:00",
        "0000-01-01T00:00:00Z",
        "\uff12026-11-01T12:00:00Z",
        "2026-11-01T12:00:00Z\n",
    ],
)
def test_what_is_no_time_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339") as error:
        parse_rfc3339(text)
    assert not text or text not in str(error.value)


def test_times_beyond_the_calendar_are_clamped_when_written() -> None:
    assert format_rfc3339(10**30) == "9999-12-31T23:59:59Z"
    assert format_rfc3339(-(10**30)) == "0001-01-01T00:00:00Z"


def test_durations() -> None:
    assert parse_duration(5) == parse_duration("5s") == parse_duration("5 sec") == 5 * SECOND
    assert parse_duration("1.5 min") == 90 * SECOND
    assert parse_duration("15m") == 15 * MINUTE
    for wrong in (-1, True, "5 weeks", "", None, 1e12, "-5s"):
        with pytest.raises(ValueError, match="not a duration"):
            parse_duration(wrong)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-05-01T08:00:00Z", "2026-05-01T08:00:00Z"),
        ("2026-05-01T10:00:00+02:00", "2026-05-01T08:00:00Z"),
        ("2026-05-01", "2026-05-01T00:00:00Z"),
        ("7d", "2026-11-20T12:00:00Z"),
        ("12h", "2026-11-27T00:00:00Z"),
        ("1h30m", "2026-11-27T10:30:00Z"),
        ("2w", "2026-11-13T12:00:00Z"),
        ("P1DT12H", "2026-11-26T00:00:00Z"),
        ("0s", "2026-11-27T12:00:00Z"),
    ],
)
def test_a_moment_is_a_time_a_day_or_an_age(text: str, time: str) -> None:
    assert read_moment(text, parse_rfc3339("2026-11-27T12:00:00Z")) == parse_rfc3339(time)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "noon",
        "2026",
        "1793491200",
        "-7d",
        "7",
        "7 parsecs",
        "99999d",
        "nan",
        "inf",
        "1e300d",
        "2026-02-30",
    ],
)
def test_what_is_no_moment_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="a day such as 2026-05-01, or an age such as 7d") as error:
        read_moment(text, parse_rfc3339("2026-11-27T12:00:00Z"))
    assert "noon" not in str(error.value)


@given(
    st.text("0123456789-:T.Zz +\u0661", min_size=0, max_size=4),
    st.sampled_from(
        [
            "2026-11-01T11:59:60Z",
            "2026-02-29T00:00:00Z",
            "2024-02-29T00:00:00.5Z",
            "2026-11-01 24:00:59.123456789123456789Z",
        ]
    ),
    st.integers(0, 40),
    st.integers(0, 4),
)
def test_both_ways_to_read_a_time_agree(other: str, text: str, at: int, gone: int) -> None:
    """What is written in UTC is read in a shorter way."""
    changed = text[:at] + other + text[at + gone :]
    read: list[int | str] = []
    for way in (parse_rfc3339, times._parsed):
        try:
            read.append(way(changed))
        except ValueError as error:
            read.append(str(error))
    assert read[0] == read[1]
