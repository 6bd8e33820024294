"""What times in log lines may do to a replay: they change no verdict for the better, and move its end no further."""

import gzip
import json
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from detector.ingest.inputs import find_sources
from detector.judge.policy import Policy
from detector.outputs.ocsf import finding_record
from detector.replay import runner as runner_module
from detector.replay.plan import Plan
from detector.replay.replay import Result, replay
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.scanner import PatternScanner
from detector.terminal.progress import NoMeter
from detector.values.events import Identifier, Leak
from detector.values.findings import Finding, Severity
from detector.values.times import HOUR, SECOND, format_rfc3339, parse_rfc3339
from tests.small_history import KEY, NOW, START, at, event, identifier_of, jsonl, secret_of

SCANNER = PatternScanner([])
SECRET = secret_of(0)
ISSUED, EXPIRES, LAST = START + 10 * SECOND, START + HOUR, START + 2 * HOUR
FORGED = b"1999-01-01T00:00:00Z hi\n"


def finder_of(identifiers: Iterable[Identifier]) -> LeakFinder:
    return LeakFinder(SCANNER, KnownIndex(identifiers, [KEY]), [KEY])


def run(folder: Path, unit: int = 1 << 24) -> Result:
    """A replay of a folder. The only credential lives for an hour, and the last event comes an hour after that."""
    life = [
        event(1, "task.started", 0, task_id="t"),
        event(
            2,
            "credential.issued",
            10,
            credential_id="c",
            task_id="t",
            identifiers=[identifier_of(0)],
            expires_at=at(3600),
        ),
        event(3, "task.started", 7200, task_id="other"),
    ]
    (folder / "events.jsonl").write_bytes(jsonl(life))
    sources, _ = find_sources([str(folder)])
    return replay(Plan(sources, Policy(), finder_of, keyed=True, now=NOW, unit=unit), NoMeter())


def leaked(result: Result) -> Finding:
    (found,) = (one for one in result.findings if one.rule == "leaked-credential")
    return found


def modified(path: Path, data: bytes, time: int) -> None:
    path.write_bytes(data)
    os.utime(path, ns=(time, time))


@pytest.mark.parametrize("unit", [1 << 24, 64])
def test_a_line_of_1999_takes_no_revocation_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: int
) -> None:
    monkeypatch.setattr(runner_module, "SMALL", 0)
    (tmp_path / "job.log").write_bytes(FORGED + b"hello\n" * 50 + b"token " + SECRET + b"\n")
    result = run(tmp_path, unit)
    finding = leaked(result)
    assert (finding.severity, format_rfc3339(finding.first_seen)) == (
        Severity.CRITICAL,
        "1999-01-01T00:00:00Z",
    )
    assert [format_rfc3339(command.time) for command in result.commands] == ["1999-01-01T00:00:00Z"]
    assert isinstance(finding.evidences[0].event, Leak)
    assert finding.evidences[0].event.time_origin == "earlier-record"


def test_a_file_without_any_time_has_its_modification_time_and_says_so(tmp_path: Path) -> None:
    for time, severity in ((ISSUED + SECOND, Severity.CRITICAL), (EXPIRES + SECOND, Severity.LOW)):
        modified(tmp_path / "job.log", b"token " + SECRET + b"\n", time)
        result = run(tmp_path)
        finding = leaked(result)
        assert (finding.severity, finding.first_seen) == (severity, time)
        assert result.until == LAST
        record = msgspec.json.decode(msgspec.json.encode(finding_record(finding, {}, lambda text: text)))
        (evidence,) = record["evidences"]
        assert evidence["data"]["time_origin"] == "file"
        assert "modification time" in evidence["data"]["detail"]


def test_a_modification_time_replaces_no_time_that_was_read(tmp_path: Path) -> None:
    written = format_rfc3339(EXPIRES - SECOND).encode() + b" " + SECRET + b"\n"
    for time in (SECOND, ISSUED, LAST + HOUR):
        modified(tmp_path / "job.log", written, time)
        assert leaked(run(tmp_path)).first_seen == EXPIRES - SECOND


def test_a_modification_time_of_the_future_is_none(tmp_path: Path) -> None:
    modified(tmp_path / "job.log", b"token " + SECRET + b"\n", NOW + HOUR)
    finding = leaked(run(tmp_path))
    assert finding.first_seen == LAST
    assert isinstance(finding.evidences[0].event, Leak)
    assert finding.evidences[0].event.time_origin == "latest-read"


def test_a_time_that_an_archive_bounds_moves_the_end_no_further(tmp_path: Path) -> None:
    ahead = format_rfc3339(LAST + 24 * HOUR).encode()
    text = ahead + b" hi\n" + json.dumps({"message": "x", "time": ahead.decode()}).encode() + b"\n" + SECRET
    (tmp_path / "job.log.gz").write_bytes(gzip.compress(text, mtime=EXPIRES // SECOND - 60))
    result = run(tmp_path)
    assert result.until == LAST
    assert leaked(result).severity == Severity.CRITICAL  # at the member's time, it had not expired
    (tmp_path / "job.log.gz").unlink()
    (tmp_path / "job.log").write_bytes(text)
    assert run(tmp_path).until == LAST + 24 * HOUR  # nothing bounds the times of a plain file


def test_no_time_of_a_line_ends_a_replay_after_now(tmp_path: Path) -> None:
    lines = [b"9999-12-31T23:59:59Z x", b"0001-01-01T00:00:00Z x", b"2016-12-31T23:59:60Z x"]
    lines += [b'{"message": "x", "time": 99999999999999999999}', b'{"message": "x", "time": -1}']
    lines += [b"2024-02-30T00:00:00Z x", b"2026-05-01T00:00:00+23:59 x"]
    (tmp_path / "job.log").write_bytes(b"\n".join(lines) + b"\n" + SECRET + b"\n")
    result = run(tmp_path)
    assert result.until == LAST
    assert leaked(result).severity == Severity.CRITICAL
    assert parse_rfc3339("0001-01-01T00:00:00Z") <= leaked(result).first_seen < LAST
