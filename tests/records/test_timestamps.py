import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from detector.records import timestamps
from detector.records.timestamps import (
    Ints,
    Stamps,
    float_stamps,
    leading_by_numpy,
    line_starts,
    log_time,
    text_stamps,
)
from detector.values.times import parse_rfc3339

_two = st.integers(0, 99).map("{:02d}".format)
_stamps = st.builds(
    "{}-{}-{}{}{}:{}:{}{}{}".format,
    st.one_of(st.integers(0, 9999), st.integers(1990, 2030)).map("{:04d}".format),
    st.integers(0, 13).map("{:02d}".format),
    st.integers(0, 32).map("{:02d}".format),
    st.sampled_from("Tt x"),
    st.integers(0, 25).map("{:02d}".format),
    _two,
    st.integers(0, 62).map("{:02d}".format),
    st.one_of(st.just(""), st.text("0123456789", min_size=0, max_size=20).map(".{}".format)),
    st.one_of(st.sampled_from(["Z", "z", "", "+0100", "X"]), st.builds("{}{}:{}".format, st.sampled_from("+-"), _two, _two)),
)  # fmt: skip


def _by_numpy(data: bytes, starts: Ints, *, whole: bool = False) -> Stamps:
    padded = np.frombuffer(data + b"\n" * 64, np.uint8)
    return leading_by_numpy(padded, starts, whole=whole) if len(starts) else timestamps.NO_STAMPS


@pytest.fixture(params=["compiled", "numpy"], autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "numpy":
        monkeypatch.setattr(timestamps, "leading_stamps", _by_numpy)


def _one_by_one(text: str) -> int | None:
    try:
        return parse_rfc3339(text)
    except ValueError:
        return None


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # it sets the same for every example
@given(st.lists(st.one_of(_stamps, st.text("09-:TZ.+ a\n", max_size=40)), min_size=1, max_size=20))
@example(["2024-02-29T23:59:60Z", "2023-02-29T00:00:00Z", "9999-12-31T23:59:59.999999999999999999-23:59"])
@example(["0001-01-01T00:00:00+23:59", "", ""])
@example(["no time", "\n", "2024-02-29T23:59:00Z", ""])  # one line more, and one less
def test_many_at_once_are_read_as_one_by_one(texts: list[str]) -> None:
    stamps = text_stamps(texts)
    found = {int(line): stamps.at(position) for position, line in enumerate(stamps.index)}
    expected = {line: time for line, text in enumerate(texts) if (time := _one_by_one(text)) is not None}
    assert found == expected
    assert stamps.latest() == max(expected.values(), default=None)


def test_lines_that_begin_with_a_time_have_it_and_the_others_that_of_the_line_above() -> None:
    data = (
        b"no time\n"
        b"2026-01-01T00:00:00Z one\n"
        b"  2026-01-09T00:00:00Z not at the start\n"
        b"2026-01-01T01:00:00.5+01:00|two\n"
        b"2026-01-01T00:00:00 no zone\n"
        b"2026-01-01T00:00:00Zulu is a word\n"
        b"2025-12-31T00:00:00Z"
    )
    starts = line_starts(data)
    stamps = timestamps.leading_stamps(data, starts)
    midnight = parse_rfc3339("2026-01-01T00:00:00Z")
    assert [stamps.before(line) for line in range(7)] == [
        None,
        midnight,
        midnight,
        midnight + 500_000_000,
        midnight + 500_000_000,
        midnight + 500_000_000,
        parse_rfc3339("2025-12-31T00:00:00Z"),
    ]
    assert stamps.latest() == midnight + 500_000_000
    assert stamps.last() == parse_rfc3339("2025-12-31T00:00:00Z")


def test_times_after_the_limit_are_set_apart() -> None:
    data = b"2026-01-01T00:00:00.1Z a\n9999-12-31T23:59:59Z b\n2026-01-01T00:00:00.2Z c\n"
    limit = parse_rfc3339("2026-01-01T00:00:00.1Z")
    kept, late = timestamps.leading_stamps(data, line_starts(data)).split(limit)
    assert kept.index.tolist() == [0]
    assert late.tolist() == [1, 2]
    assert np.array_equal(kept.split(limit)[0].index, kept.index)


@pytest.mark.parametrize(
    ("value", "rfc3339"),
    [
        ("2026-01-01T00:00:00.25Z", "2026-01-01T00:00:00.25Z"),
        (" 2026-01-01 00:00:00 ", "2026-01-01T00:00:00Z"),
        ("2026-01-01 02:00:00,123 +0200", "2026-01-01T00:00:00.123Z"),
        ("2026/01/01 00:00:00 UTC", "2026-01-01T00:00:00Z"),
        ("2026-01-01T02:00:00+02", "2026-01-01T00:00:00Z"),
        (1767225600, "2026-01-01T00:00:00Z"),
        (1767225600.5, "2026-01-01T00:00:00.5Z"),
        (1767225600123, "2026-01-01T00:00:00.123Z"),
        ("1767225600123456", "2026-01-01T00:00:00.123456Z"),
        ("1767225600123456789", "2026-01-01T00:00:00.123456789Z"),
        ("1767225600.000000001", "2026-01-01T00:00:00.000000001Z"),
    ],
)
def test_log_times_come_in_many_styles(value: object, rfc3339: str) -> None:
    assert log_time(value) == parse_rfc3339(rfc3339)


@pytest.mark.parametrize(
    "value",
    [None, True, -1, 10**30, float("inf"), "yesterday", "", "2026-13-01 00:00:00", "9" * 25, "1" * 100, [], {},
     "2026-01-01T00:00:00+99:99"],
)  # fmt: skip
def test_what_is_no_time_is_none(value: object) -> None:
    assert log_time(value) is None


@given(st.lists(st.floats(0, 10**11, exclude_max=True), min_size=1, max_size=9))
def test_many_floats_are_read_as_one_by_one(values: list[float]) -> None:
    stamps = float_stamps(np.array(values))
    assert stamps is not None
    assert [stamps.at(index) for index in range(len(values))] == [log_time(value) for value in values]


def test_floats_of_other_units_are_left_to_one_by_one() -> None:
    assert float_stamps(np.array([1.5, 1e12])) is None
    assert float_stamps(np.array([-1.0])) is None
