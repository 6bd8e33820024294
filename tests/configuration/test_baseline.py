"""The file of known findings: what it says, that it is the same for the same entries, and what a wrong line is told."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.configuration.baseline import BaselineEntry, baseline_bytes, day_of, read_baseline
from detector.judge.policy import Accept
from detector.values.errors import ConfigError
from detector.values.findings import Severity
from detector.values.times import DAY, parse_rfc3339

UID = "0b9f3a52-6f4c-5d0e-9a53-3c0a6f2c8d11"
ENTRY = BaselineEntry(
    uid=UID,
    rule="outlives-task",
    severity="high",
    about="Token t of task x still worked",
    reason="SEC-12",
    by="ann",
    added="2026-11-01",
    expires="2027-01-31",
)
LINE = baseline_bytes([ENTRY])


def told(folder: Path, data: bytes) -> str:
    path = folder / "baseline.jsonl"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        read_baseline(str(path))
    message = str(caught.value)
    assert message.startswith(f"{path}:")
    assert "\n" not in message
    return message.removeprefix(f"{path}:")


def test_an_entry_accepts_its_finding_until_the_end_of_its_day() -> None:
    until = parse_rfc3339("2027-02-01T00:00:00Z") - 1
    assert ENTRY.accept == Accept("SEC-12 (baseline, by ann)", until, uid=UID, severity=Severity.HIGH)
    assert (day_of(until), day_of(until + 1)) == ("2027-01-31", "2027-02-01")


@settings(max_examples=50)
@given(entries=st.lists(st.uuids(version=5), unique=True, max_size=8), shuffle=st.randoms())
def test_the_file_is_the_same_for_the_same_entries(
    entries: list[object], shuffle: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = [
        msgspec.structs.replace(ENTRY, uid=str(uid), rule=f"rule-{index % 2}")
        for index, uid in enumerate(entries)
    ]
    other = list(made)
    shuffle.shuffle(other)  # type: ignore[attr-defined] # hypothesis gives a Random
    data = baseline_bytes(made)
    assert baseline_bytes(other) == data
    path = tmp_path_factory.mktemp("baseline") / "b.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n\n"))
    assert baseline_bytes(read_baseline(str(path))) == data


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"<<<<<<< HEAD\n", "a conflict of git"),
        (b"not json marker", "write one JSON object a line"),
        (b'{"uid": "' + b"\xff" * 9 + b'"}', "write one JSON object a line"),
        (b"[" * 100_000, "not an entry of a baseline"),
        (b"[1]", "not an entry of a baseline: expected `object`, got `array`"),
        (b"{}", "missing required field `uid`"),
        (LINE.replace(b'"reason"', b'"raeson"'), "did you mean reason?"),
        (LINE.replace(b'"by":"ann"', b'"by":"ann","marker":1'), "no such key; the keys are uid, rule"),
        (LINE.replace(b'"SEC-12"', b'" "'), "reason: is empty: say who accepts the finding, and why"),
        (LINE.replace(b'"ann"', b"7"), "expected `str`, got `int`"),
        (LINE.replace(UID.encode(), b"marker"), "uid: write the uid of a finding"),
        (LINE.replace(b'"high"', b'"marker"'), "severity: write low, medium, high or critical"),
        (LINE.replace(b"2027-01-31", b"2027-02-30"), "expires: write a day, such as 2027-01-31"),
        (LINE.replace(b"2027-01-31", b"31.1.2027"), "expires: write a day, such as 2027-01-31"),
        (LINE.replace(b"outlives-task", b"x" * 2000), "of length <= 1024"),
        (LINE, "the finding of line 1 again"),
    ],
    ids=range(16),
)
def test_a_wrong_line_is_told_without_what_it_says(tmp_path: Path, line: bytes, words: str) -> None:
    message = told(tmp_path, LINE + line)
    assert message.startswith("2: ")
    assert words in message
    assert "marker" not in message


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_baseline(str(path))


def test_the_last_days_can_be_told() -> None:
    assert msgspec.structs.replace(ENTRY, expires="9999-12-31").until > parse_rfc3339("9999-12-31T00:00:00Z")
    assert day_of(365 * DAY) == "1971-01-01"
