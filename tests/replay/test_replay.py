import gzip
import os
import random
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from detector.ingest.declarations import Declarations
from detector.ingest.inputs import find_sources
from detector.judge.policy import Policy
from detector.patterns.pattern import Pattern
from detector.replay import runner as runner_module
from detector.replay.plan import Plan
from detector.replay.replay import Result, replay
from detector.replay.runner import Processes
from detector.replay.stages import SCAN
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.scanner import PatternScanner
from detector.terminal.progress import NoMeter
from detector.values.errors import UsageError
from detector.values.events import Identifier
from detector.values.findings import Command, Finding, Severity
from detector.values.times import SECOND, format_rfc3339
from tests.small_history import (
    KEY,
    NOW,
    START,
    at,
    event,
    events,
    identifier_of,
    jsonl,
    logs,
    secret_of,
    write,
)

SCANNER = PatternScanner([])


def finder_of(identifiers: Iterable[Identifier]) -> LeakFinder:
    return LeakFinder(SCANNER, KnownIndex(identifiers, [KEY]), [KEY])


def run(*paths: Path, believed: Path | None = None, **options: Any) -> Result:
    declarations = Declarations([] if believed is None else [str(believed)])
    sources, letters = find_sources([str(path) for path in paths], declarations=declarations)
    plan = Plan(sources, Policy(), finder_of, keyed=True, now=NOW, letters=letters)
    return replay(msgspec.structs.replace(plan, **options), NoMeter())


def verdict(result: Result) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Everything about findings and commands but the names and places of files."""

    def finding(one: Finding) -> tuple[Any, ...]:
        return one.rule, one.key, one.count, one.first_seen, one.last_seen, one.severity

    def command(one: Command) -> tuple[Any, ...]:
        return one.id, one.time, one.reasons, one.severity

    return [finding(one) for one in result.findings], [command(one) for one in result.commands]


@pytest.fixture
def history(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "history")


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Options that make even a small history go through two processes."""
    monkeypatch.setattr(runner_module, "SMALL", 0)
    return {"runner": Processes(2), "unit": 4096}


def test_a_history_gives_its_findings(history: tuple[Path, Path]) -> None:
    result = run(*history)
    rules = [finding.rule for finding in result.findings]
    assert rules.count("leaked-credential") == 4
    assert rules.count("use-after-termination") == 6
    assert {finding.key for finding in result.findings if finding.rule == "leaked-credential"} == {
        "cred-0", "cred-3", "cred-6", "cred-9",
    }  # fmt: skip
    leak = next(one for one in result.findings if one.key == "cred-3" and one.rule == "leaked-credential")
    assert format_rfc3339(leak.first_seen) == at(309)
    assert leak.evidences[0].event.id == str(3 * 40 + 9 + 1)
    assert secret_of(3).decode() not in repr(result)
    assert result.summary.events == {
        "task.started": 12, "credential.issued": 12, "credential.used": 18, "task.ended": 12, "credential.revoked": 6,
    }  # fmt: skip
    assert result.summary.records == 60 + 480
    assert result.summary.bytes == sum(path.stat().st_size for path in history)


def test_the_order_of_files_and_lines_is_no_matter(history: tuple[Path, Path], tmp_path: Path) -> None:
    expected = verdict(run(*history))
    shuffled = [*jsonl(events()).splitlines(keepends=True), *jsonl(logs()).splitlines(keepends=True)]
    random.Random(3).shuffle(shuffled)
    one = tmp_path / "one.jsonl"
    one.write_bytes(b"".join(shuffled))
    backwards = tmp_path / "a-logs.jsonl"  # read before the events
    backwards.write_bytes(b"".join(jsonl(logs()).splitlines(keepends=True)[::-1]))
    assert verdict(run(one, believed=one)) == expected
    assert verdict(run(history[0], backwards)) == expected
    assert verdict(run(history[0].parent)) == expected


def test_events_given_twice_count_once(history: tuple[Path, Path], tmp_path: Path) -> None:
    once = run(*history)
    (tmp_path / "copy.jsonl").write_bytes(jsonl(events()))
    twice = run(*history, tmp_path / "copy.jsonl")
    assert verdict(twice) == verdict(once)
    assert twice.summary.events == once.summary.events
    assert twice.summary.records == once.summary.records + 60


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_archives_read_as_what_is_in_them(history: tuple[Path, Path], tmp_path: Path, pack: Any) -> None:
    expected = verdict(run(*history))
    packed = []
    for path in history:
        packed.append(tmp_path / f"{path.name}.packed")
        packed[-1].write_bytes(pack(path.read_bytes()))
    assert verdict(run(*packed)) == expected


def test_any_number_of_processes_and_any_cut_give_the_same(
    history: tuple[Path, Path], forks: dict[str, Any]
) -> None:
    def all_of(result: Result) -> Any:
        return (
            result.findings,
            result.commands,
            msgspec.structs.replace(result.summary, durations={}),
            list(result.letters),
        )

    with history[1].open("ab") as file:
        file.write(b'{"message": "broken\nplain text at the end\n' + jsonl(logs(3)))
    whole = all_of(run(*history))
    assert whole[3][0].line == 481
    assert all_of(run(*history, **forks)) == whole
    for unit in (1, 1000, 33_333):
        assert all_of(run(*history, unit=unit)) == whole


def test_lines_and_inherited_times_go_on_from_unit_to_unit(
    history: tuple[Path, Path], tmp_path: Path
) -> None:
    log = tmp_path / "plain.log"
    leak = secret_of(5).decode()
    log.write_text(f"{at(530)} begins\n" + "without a time\n" * 500 + f"here {leak} is\n")
    for unit in (256, 1 << 20):
        (finding,) = (
            one for one in run(history[0], log, unit=unit).findings if one.rule == "leaked-credential"
        )
        (evidence,) = finding.evidences
        assert (format_rfc3339(evidence.time), evidence.event.id) == (at(530), "502")


def test_a_record_without_any_time_has_the_latest_event_time(
    history: tuple[Path, Path], tmp_path: Path
) -> None:
    log = tmp_path / "plain.log"
    log.write_bytes(b"nothing but " + secret_of(5) + b"\n")
    (finding,) = (one for one in run(history[0], log).findings if one.rule == "leaked-credential")
    assert format_rfc3339(finding.first_seen) == at(1190)


PATTERN = Pattern(
    family="test",
    id="made-up",
    name="Made up",
    regex=r"(?P<secret>mk_[a-z0-9]{20})",
    keywords=("mk_",),
    severity=Severity.HIGH,
)


def test_where_no_event_is_read_it_has_the_latest_log_time(tmp_path: Path) -> None:
    log = tmp_path / "plain.log"
    log.write_text(f"mk_{'a1' * 10}\n{at(7)} later\n{at(3)} earlier\n")

    def patterned(identifiers: Iterable[Identifier]) -> LeakFinder:
        return LeakFinder(PatternScanner([PATTERN]), KnownIndex(identifiers, [KEY]), [KEY])

    (finding,) = run(log, finder_of=patterned).findings
    assert (finding.rule, format_rfc3339(finding.first_seen)) == ("leaked-secret", at(7))


def test_rules_judged_later_fire_up_to_until_or_the_latest_time_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    story = [
        event(1, "task.started", 0, task_id="t"),
        event(2, "credential.issued", 1, credential_id="c", task_id="t", identifiers=[identifier_of(1)], expires_at=at(9000)),
        event(3, "task.ended", 60, task_id="t"),
    ]  # fmt: skip
    path.write_bytes(jsonl(story))

    def rules(*paths: Path, **options: Any) -> list[str]:
        return [finding.rule for finding in run(*paths, **options).findings]

    assert rules(path) == []
    assert rules(path, until=START + 119 * SECOND) == []
    assert rules(path, until=START + 120 * SECOND) == ["outlives-task"]
    log = tmp_path / "plain.log"
    log.write_text(f"{at(120)} the log goes on\n")
    assert rules(path, log) == ["outlives-task"]


def test_bad_input_is_counted_and_the_rest_goes_on(history: tuple[Path, Path], tmp_path: Path) -> None:
    bad, bad_events = tmp_path / "bad.jsonl", tmp_path / "bad-events.jsonl"
    wrong = [event(900, "task.ended", 1), event(901, "task.ended", 40 * 86_400, task_id="t")]
    bad_events.write_bytes(jsonl(wrong))
    lines = [
        jsonl([{"message": "x"}]),
        b'{"message": "cut\n',
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"\n",
        b'{"message": "\xff"}\n',
        jsonl([{"message": "x", "time": "late"}]),
    ]
    bad.write_bytes(b"".join(lines))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(history[1].read_bytes())[:-20])
    result = run(*history, bad, bad_events, tmp_path / "cut.gz")
    assert dict(result.summary.dead_letters) == {
        "missing-field": 1, "future-time": 1, "truncated-json": 2, "too-deep": 1, "not-utf8": 1, "bad-time": 1,
        "truncated-archive": 1,
    }  # fmt: skip
    assert verdict(result)[1] == verdict(run(*history))[1]
    assert [letter.reason for letter in result.letters] == [letter.reason for letter in result.letters]


def test_an_identifier_claimed_by_two_credentials_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    claim = {"task_id": "t", "identifiers": [identifier_of(1)]}
    path.write_bytes(
        jsonl(event(n, "credential.issued", n, credential_id=f"c{n}", **claim) for n in (1, 2))
        + jsonl([event(3, "credential.used", 3, credential_id="nobody")])
    )
    summary = run(path).summary
    assert (summary.conflicts, dict(summary.unresolved)) == (1, {"ci": 1})


def test_identifiers_that_no_scan_finds_are_counted_and_told(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    far = {"scheme": "hmac-sha256", "value": "0" * 64, "length": 1 << 20}
    issue = event(
        1, "credential.issued", 1, credential_id="c", task_id="t", identifiers=[identifier_of(1), far]
    )
    path.write_bytes(jsonl([issue]))
    summary = run(path).summary
    assert dict(summary.unfindable) == {"its length is above 16,384 bytes": 1}
    assert summary.record()["unfindable"] == {"its length is above 16,384 bytes": 1}
    assert [
        text for text in summary.warnings if text.startswith("1 registered identifier that no scan can find")
    ]


def test_no_warning_of_public_identifiers(tmp_path: Path) -> None:
    """They name no secret, so there is none that a scan could miss."""
    accessor = {"scheme": "vault-accessor", "value": "acc"}
    path = tmp_path / "events.jsonl"
    issue = event(1, "credential.issued", 1, credential_id="c", task_id="t", identifiers=[accessor])
    path.write_bytes(jsonl([issue]))
    summary = run(path).summary
    assert (dict(summary.unfindable), summary.warnings) == ({}, ())


def test_a_worker_that_is_killed_is_told_in_one_sentence(
    history: tuple[Path, Path], forks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(SCAN, "do", dies)
    with pytest.raises(UsageError, match="a worker process was killed"):
        run(*history, **forks)


def test_a_file_that_vanishes_between_the_passes_is_a_dead_letter(history: tuple[Path, Path]) -> None:
    def vanish(identifiers: Iterable[Identifier]) -> LeakFinder:
        history[1].unlink()
        return finder_of(identifiers)

    result = run(*history, finder_of=vanish)
    assert [(letter.source, letter.reason) for letter in result.letters] == [(str(history[1]), "unreadable")]
    assert result.summary.records == 60


@pytest.mark.parametrize("end", [b"\n", b""])
@pytest.mark.parametrize("jobs", [1, 2])
def test_what_holds_nothing_but_lifecycle_is_read_once(
    history: tuple[Path, Path], tmp_path: Path, forks: dict[str, Any], jobs: int, end: bytes
) -> None:
    registry = tmp_path / "registry.jsonl"
    lines = jsonl(one for one in events() if one["type"] != "credential.used").removesuffix(b"\n") + end

    def without(identifiers: Iterable[Identifier]) -> LeakFinder:
        registry.unlink()
        return finder_of(identifiers)

    def all_of(result: Result) -> Any:
        return verdict(result), msgspec.structs.replace(result.summary, durations={}), list(result.letters)

    registry.write_bytes(lines)
    options = forks if jobs > 1 else {}
    once = run(registry, history[1], finder_of=without, **options)
    # every line is counted with its newline, also one that lacks it
    assert once.summary.bytes == len(lines) + (not end) + history[1].stat().st_size
    registry.write_bytes(lines[:500] + b"\n" + lines[500:])  # a line that is cut: it is read in both passes
    assert run(registry, history[1], finder_of=without).letters.counts["unreadable"] == 1
    registry.write_bytes(b"\n" + lines)  # an empty line is no event: the same, read in both
    assert all_of(once) == all_of(run(registry, history[1], **options))


def test_lines_and_times_go_on_behind_what_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    lifecycle = [one for one in events() if one["type"] != "credential.used"]
    leak = {"message": f"here {secret_of(5).decode()} is"}
    path.write_bytes(jsonl([*lifecycle, leak]) + b'{"message": "broken\n')
    for unit in (1000, 1 << 20):
        result = run(path, believed=path, unit=unit)
        (finding,) = (one for one in result.findings if one.rule == "leaked-credential")
        (evidence,) = finding.evidences
        line = len(lifecycle) + 1
        assert (format_rfc3339(evidence.time), evidence.event.id) == (lifecycle[-1]["time"], str(line))
        assert [letter.line for letter in result.letters] == [line + 1]


def test_nothing_at_all_is_read_without_complaint(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.log").write_bytes(b"")
    result = run(tmp_path / "empty", tmp_path / "empty.log")
    assert (result.findings, result.commands, result.summary.records) == ([], [], 0)
