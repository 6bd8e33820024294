"""Logs without any time: the file's, else the clock's; and expiries are held against the clock."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from detector.values.times import format_rfc3339, parse_rfc3339
from tests.command_line import curfewd
from tests.ingest.archives_made import MODIFIED, zipped

OLD = parse_rfc3339("2019-06-01T00:00:00Z")
SECRET = "ghp_" + "RAHhEBVMmxUAmOgKdSlPUK4dtx13hK0RTZy7"  # made up
LOG = f"token {SECRET}\n".encode()
ALLOW = '[[allow]]\npattern = "*"\nreason = "an example"\nexpiry = {expiry}\n'
ACCEPT = '[[accept]]\nrule = "leaked-secret"\nreason = "known"\nexpiry = {expiry}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def replayed(table: str, expiry: str, *arguments: str, given: bytes = b"") -> list[dict[str, Any]]:
    """The findings that nothing lets go."""
    Path("c.toml").write_text("[patterns]\ndetect_secrets = false\n" + table.format(expiry=expiry))
    done = curfewd("replay", "--config", "c.toml", "--out", "out", *arguments, given=given)
    assert done.code == 0, done.err
    found = map(json.loads, Path("out/findings.jsonl").read_text().splitlines())
    return [finding for finding in found if finding["status_id"] != 3]


def told(finding: dict[str, Any]) -> tuple[str, str]:
    (piece,) = finding["evidences"]
    return format_rfc3339(finding["finding_info"]["first_seen_time"] * 1_000_000), piece["data"][
        "time_origin"
    ]


@pytest.mark.parametrize("table", [ALLOW, ACCEPT], ids=["allow", "accept"])
@pytest.mark.parametrize("packed", [False, True], ids=["file", "member"])
def test_an_entry_that_has_expired_silences_no_log_without_times(
    folder: Path,
    table: str,
    packed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    path = folder / "old.log"
    path.write_bytes(zipped({"a.log": LOG}) if packed else LOG)
    os.utime(path, ns=(OLD, OLD))
    (finding,) = replayed(table, "2020-01-01T00:00:00Z", "old.log")
    expected = (format_rfc3339(MODIFIED), "archive-member") if packed else ("2019-06-01T00:00:00Z", "file")
    assert told(finding) == expected
    assert replayed(table, "9000-01-01T00:00:00Z", "old.log") == []
    # As of an earlier time, in which the entry was in force.
    assert len(replayed(table, "2027-01-01T00:00:00Z", "--until", "2028-01-01T00:00:00Z", "old.log")) == 1
    assert replayed(table, "2027-01-01T00:00:00Z", "--until", "2026-12-01T00:00:00Z", "old.log") == []


@pytest.mark.parametrize("table", [ALLOW, ACCEPT], ids=["allow", "accept"])
def test_a_log_with_times_is_held_against_them(folder: Path, table: str) -> None:
    (folder / "old.log").write_bytes(b"2019-06-01T00:00:00Z hello\n" + LOG)
    assert replayed(table, "2020-01-01T00:00:00Z", "old.log") == []
    assert len(replayed(table, "2019-01-01T00:00:00Z", "old.log")) == 1


@pytest.mark.parametrize("table", [ALLOW, ACCEPT], ids=["allow", "accept"])
def test_a_pipe_without_times_has_that_of_the_clock(folder: Path, table: str) -> None:
    assert folder.is_dir()
    (finding,) = replayed(table, "2020-01-01T00:00:00Z", "-", given=LOG)
    time, origin = told(finding)
    assert (time > "2026", origin) == (True, "clock")
    (finding,) = replayed(table, "2020-01-01T00:00:00Z", "--until", "2026-05-01T00:00:00Z", "-", given=LOG)
    assert told(finding) == ("2026-05-01T00:00:00Z", "clock")
    assert replayed(table, "9000-01-01T00:00:00Z", "-", given=LOG) == []


def test_text_before_the_first_time_of_a_file_has_that_of_the_file(folder: Path) -> None:
    (folder / "a.log").write_bytes(LOG + b"2019-06-02T00:00:00Z hello\n")
    os.utime(folder / "a.log", ns=(OLD, OLD))
    (finding,) = replayed("", "", "a.log")
    assert told(finding) == ("2019-06-01T00:00:00Z", "file")
