"""A replay looks at every record with the larger share, and says which it could not examine whole."""

import base64
import gzip
import io
import random
import string
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from rich.console import Console

from detector.judge.policy import Policy, RuleOverride
from detector.judge.rules.catalog import RULES
from detector.outputs.headline import headline
from detector.outputs.ocsf import finding_record
from detector.outputs.report import Report
from detector.outputs.report_text import print_report
from detector.outputs.summary import Summary
from detector.registry.finders import Finders
from detector.replay.replay import Result
from detector.replay.runner import Processes
from detector.scan.leaks import LeakFinder
from detector.values.events import Identifier
from detector.values.findings import MOST_FINDINGS, SCAN_LIMITED, Severity, finding_uid
from tests.bundled import bundled_scanner
from tests.replay.test_replay import run
from tests.small_history import KEY, at, event, identifier_of, secret_of
from tests.small_history import jsonl as lines_of

b64 = base64.b64encode


def packed(text: bytes) -> bytes:
    return b64(gzip.compress(text, mtime=0))


BOMB = packed(packed(b"x" * 3_000_000)).decode()
BEYOND_FIRST = packed(
    b"so it goes " * 3_600
).decode()  # more than the first look's share, less than the second's


def line(
    number: int, message: str, task: str | None = "build-1", stream: str | None = "stdout"
) -> dict[str, Any]:
    return {"time": at(number), "message": message, "task_id": task, "stream": stream}


def jsonl(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    path.write_bytes(lines_of(records))
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """17 hostile lines of two streams, and a registered token of another task in base64 twice."""
    token = secret_of(1)
    lines = [line(number, BOMB, "evil", ("stdout", "stderr")[number % 2]) for number in range(17)]
    lines.append(line(20, b64(b64(b"token " + token)).decode()))
    lines.append(line(21, BEYOND_FIRST))
    return jsonl(tmp_path / "app.jsonl", lines)


def test_hostile_lines_hide_nothing_and_each_of_their_streams_is_named(log: Path, tmp_path: Path) -> None:
    events = jsonl(tmp_path / "events.jsonl", [
        event(0, "task.started", 0, task_id="evil", owner="mallory"),
        event(1, "task.started", 0, task_id="build-1"),
        event(2, "credential.issued", 1, credential_id="c", task_id="build-1", identifiers=[identifier_of(1)]),
    ])  # fmt: skip
    result = run(events, log)
    leaked = [one for one in result.findings if one.rule == "leaked-credential"]
    assert [one.key for one in leaked] == ["c"]
    limited = [one for one in result.findings if one.rule == SCAN_LIMITED]
    assert [(one.key, one.count) for one in limited] == [
        (f"{log}/evil/stdout", 9),
        (f"{log}/evil/stderr", 8),
    ]
    for one in limited:
        assert one.severity == Severity.MEDIUM
        assert one.uid == finding_uid(SCAN_LIMITED, one.key)
        assert one.task is not None
        assert one.task.owner == "mallory"
        assert not any(command.reasons == (SCAN_LIMITED,) for command in result.commands)
    record = finding_record(limited[0], {}, lambda text: text)
    assert record["count"] == 9
    assert record["finding_info"]["title"] == (
        f"9 log records of task evil could not be examined whole, first: {log} line 1"
    )
    assert record["evidences"][1]["data"]["line"] == 3
    assert record["evidences"][1]["data"]["type"] == "log"
    assert record["evidences"][1]["data"]["reason"] == "decoding"
    assert record["unmapped"]["task_id"] == "evil"
    assert result.summary.limited == {str(log): 17}
    assert result.summary.record()["limited"] == {str(log): 17}


def test_the_same_records_are_named_however_the_file_is_cut(log: Path, tmp_path: Path) -> None:
    whole = run(log)
    alone = [
        run(jsonl(tmp_path / f"{number}.jsonl", [msgspec.json.decode(text)]))
        for number, text in enumerate(log.read_bytes().splitlines())
    ]
    counts = [sum(one.count for one in each.findings if one.rule == SCAN_LIMITED) for each in alone]
    assert counts == [1] * 17 + [0, 0]
    assert sum(one.count for one in whole.findings if one.rule == SCAN_LIMITED) == 17
    for unit in (300, 2048):
        assert run(log, unit=unit).findings == whole.findings


def said(result: Result) -> str:
    out = io.StringIO()
    print_report(Report([], [], result.summary, {}, lambda text: text), Console(file=out, width=110))
    return out.getvalue()


def test_a_replay_that_could_not_examine_everything_gives_no_all_clear(log: Path) -> None:
    result = run(log)
    text = said(result)
    assert text.startswith("Nothing found, but 17 records could not be examined whole.\n")
    assert "\nlimited     17 records could not be examined whole: 17\n" in text
    clean = jsonl(log.parent / "clean.jsonl", [line(1, "all is well")])
    assert said(run(clean)).startswith("Nothing found.\n")


def test_nothing_found_is_no_all_clear_where_something_could_not_be_read_or_looked_for(
    tmp_path: Path,
) -> None:
    far = {"scheme": "hmac-sha256", "value": "0" * 64, "length": 1 << 20}
    ids = [identifier_of(1), far]
    issue = event(1, "credential.issued", 1, credential_id="c", task_id="t", identifiers=ids)
    started = event(3, "task.started", 0, task_id="t")
    revoked = event(2, "credential.revoked", 2, credential_id="c")
    events = jsonl(tmp_path / "events.jsonl", [started, issue, revoked])
    one = "the secrets of 1 registered identifier could not be looked for"
    assert said(run(events)).startswith(f"Nothing found, but {one}.\n")
    two = "the secrets of 2 registered identifiers could not be looked for"
    assert said(run(events, keyed=False)).startswith(f"Nothing found, but {two}.\n")
    (tmp_path / "logs.zip").write_bytes(b"PK\x03\x04 what a zip file holds")
    gaps = f"1 record or file could not be read and {one}"
    result = run(events, tmp_path / "logs.zip")
    assert headline([], result.summary.gaps) == f"Nothing found, but {gaps}."
    summary = Summary(dead_letters={"unsigned": 2}, untrusted={"a.jsonl": {"unsigned": 2}})
    assert summary.gaps == ("2 events were not trusted",)


@pytest.mark.parametrize("beside", [{}, {"k": "v"}, {"k": "v\n"}], ids=["flat", "as it stands", "decoded"])
@pytest.mark.parametrize("name", ["stream", "time", "timestamp", "level"])
@pytest.mark.parametrize("before", ["", "2026-05-01T00:00:09Z "])
def test_a_secret_where_a_stream_or_a_time_should_be_is_found(
    beside: dict[str, str], name: str, before: str, tmp_path: Path
) -> None:
    issue = event(1, "credential.issued", 1, credential_id="c", task_id="t", identifiers=[identifier_of(1)])
    events = jsonl(tmp_path / "events.jsonl", [issue])
    hiding = {"message": "x", **beside, name: before + secret_of(1).decode()}
    log = jsonl(tmp_path / "app.jsonl", [line(1, "a"), hiding, line(2, "b")])
    assert "leaked-credential" in {one.rule for one in run(events, log).findings}


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_an_archive_in_an_archive_is_told(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "app.log.gz").write_bytes(gzip.compress(pack(b"token " + secret_of(1))))
    gaps = run(tmp_path / "app.log.gz").summary.gaps
    assert gaps == ("1 record or file could not be read",)


def test_an_event_of_an_unknown_type_is_no_place_to_hide_text_in(tmp_path: Path) -> None:
    """Nobody searches it, so it is no all-clear."""
    hiding = event(1, "app.log", 1, message=secret_of(1).decode())
    gaps = run(jsonl(tmp_path / "app.jsonl", [hiding])).summary.gaps
    assert gaps == ("1 event of an unknown type was skipped",)


def test_a_rule_that_is_switched_off_leaves_the_count(log: Path) -> None:
    off = RuleOverride(enabled=False).over(RULES[SCAN_LIMITED].policy)
    policy = msgspec.structs.replace(Policy(), rules={**Policy().rules, SCAN_LIMITED: off})
    result = run(log, policy=policy)
    assert not any(one.rule == SCAN_LIMITED for one in result.findings)
    assert result.summary.limited == {str(log): 17}


def test_a_text_file_has_its_lines_as_one_stream(tmp_path: Path) -> None:
    log = tmp_path / "plain.log"
    log.write_text(f"one\n{BOMB}\n{BEYOND_FIRST}\nx {BOMB}\n")
    [finding] = [one for one in run(log).findings if one.rule == SCAN_LIMITED]
    assert (finding.key, finding.count) == (f"{log}//", 2)
    assert [getattr(piece.event, "line", None) for piece in finding.evidences] == [2, 4]


def test_of_a_dump_some_secrets_are_reported_and_the_others_counted(tmp_path: Path) -> None:
    rng = random.Random(3)
    tokens = ["hf_" + "".join(rng.choices(string.ascii_letters, k=34)) for _ in range(MOST_FINDINGS + 500)]
    tokens[-200] = f"x{secret_of(1).decode()}y"
    log = tmp_path / "dump.log"
    log.write_text("\n".join(tokens))
    events = jsonl(tmp_path / "events.jsonl", [
        event(1, "task.started", 0, task_id="build-1"),
        event(2, "credential.issued", 1, credential_id="c", task_id="build-1", identifiers=[identifier_of(1)]),
    ])  # fmt: skip

    def finder_of(identifiers: Sequence[Identifier]) -> LeakFinder:
        finders = Finders(bundled_scanner(), (KEY,))
        finders.renew(identifiers)
        return finders.finder

    result = run(events, log, finder_of=finder_of)
    found = Counter(one.rule for one in result.findings)
    assert (found["leaked-secret"], found["leaked-credential"], found[SCAN_LIMITED]) == (MOST_FINDINGS, 1, 1)
    (limited,) = [one for one in result.findings if one.rule == SCAN_LIMITED]
    assert (limited.key, limited.count) == (f"{log}//", 500)
    record = finding_record(limited, {}, lambda text: text)
    assert (
        record["finding_info"]["title"]
        == f"500 log records could not be examined whole, first: {log} line 1001"
    )
    assert record["evidences"][0]["data"]["reason"] == "findings"
    assert record["evidences"][0]["data"]["records"] == 500
    assert "findings_per_stream" in str(limited.evidences[0].detail)
    assert result.summary.limited == {str(log): 500}
    assert [command.credential.credential_id for command in result.commands] == ["c"]
    assert run(events, log, finder_of=finder_of, runner=Processes(2)).findings == result.findings
