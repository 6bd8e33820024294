"""The output files: whole or not there, the same bytes for the same findings, JSON whatever was read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detector.outputs.files import FILES, folder_outputs
from detector.outputs.output import Run, write_run
from detector.outputs.summary import SourceRead, Summary, verdicts
from detector.outputs.writers import Draft, dumps, write_file
from detector.records.dead_letters import NOT_JSON, DeadLetter
from detector.values.errors import UsageError
from detector.values.findings import LEAKED_SECRET
from tests.outputs import finding_samples as made


def write(folder: Path, **options: Any) -> None:
    findings, commands = made.all_rules(), [made.command(), made.command(escalated=True)]
    counts = verdicts(findings, commands)
    summary = Summary(
        read=(
            SourceRead("b.log", "text", 3, 30),
            SourceRead("a.log", "cri", 2, 20),
            SourceRead("a.log", "text", 1, 5),
        ),
        events={"task.started": 2, "credential.used": 1},
        findings_by_rule=counts.by_rule,
        findings_by_severity=counts.by_severity,
        plain=counts.plain,
        escalated=counts.escalated,
        dead_letters={NOT_JSON: 1},
        untrusted={"b.log": {"unsigned": 2}, "a.log": {"untrusted-type": 1, "unsigned": 1}},
        unresolved={"aws": 1},
        idle={"google/activity": 2, "azure/other": 1},
        durations={"total": 1.23456},
    )
    letters = [DeadLetter("a.log", NOT_JSON, "it is not JSON", line=7)]
    run = Run(made.PATTERNS, options.get("clean", made.untouched), summary)
    write_run(folder_outputs(folder.joinpath), run, findings, commands, options.get("letters", letters))


def test_the_four_files(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "out")
    out = tmp_path / "deep" / "out"
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    assert {*FILES} >= {"dead-letters.jsonl", "findings.jsonl", "revocations.jsonl", "summary.json"}
    findings = [json.loads(line) for line in (out / "findings.jsonl").read_text().splitlines()]
    assert [one["finding_info"]["analytic"]["uid"] for one in findings] == [
        one.rule for one in made.all_rules()
    ]
    assert len((out / "revocations.jsonl").read_text().splitlines()) == 2
    assert json.loads((out / "dead-letters.jsonl").read_text()) == {
        "source": "a.log",
        "line": 7,
        "reason": "not-json",
        "detail": "it is not JSON",
    }


def test_the_summary_counts_by_source_and_format(tmp_path: Path) -> None:
    write(tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["records"] == {"a.log": {"cri": 2, "text": 1}, "b.log": {"text": 3}}
    assert summary["bytes"] == {"a.log": {"cri": 20, "text": 5}, "b.log": {"text": 30}}
    assert summary["events"] == {"credential.used": 1, "task.started": 2}
    assert sum(summary["findings"]["by_severity"].values()) == len(made.all_rules())
    assert list(summary["findings"]["by_severity"]) == ["critical", "high", "medium", "low"]
    assert summary["commands"] == {"plain": 1, "escalated": 1}
    assert summary["dead_letters"] == {"not-json": 1}
    assert list(summary["untrusted"].items()) == [
        ("a.log", {"unsigned": 1, "untrusted-type": 1}),
        ("b.log", {"unsigned": 2}),
    ]
    assert summary["unresolved"] == {"aws": 1}
    assert list(summary["idle"].items()) == [("azure/other", 1), ("google/activity", 2)]
    assert summary["durations"] == {"total": 1.235}


def test_the_same_findings_give_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two")
    for name in ("findings.jsonl", "revocations.jsonl", "dead-letters.jsonl", "summary.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_dead_letters_source_may_hold_a_secret(tmp_path: Path) -> None:
    write(tmp_path, clean=lambda text: text.replace("a.log", "‹x›"))
    assert json.loads((tmp_path / "dead-letters.jsonl").read_text())["source"] == "‹x›"


class InterruptedRunError(Exception):
    pass


def half(letters: list[DeadLetter]) -> Iterator[DeadLetter]:
    yield from letters
    raise InterruptedRunError


def test_a_failure_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "findings.jsonl"
    write_file(path, b"before")
    with pytest.raises(InterruptedRunError):
        write(tmp_path, letters=half([DeadLetter("a.log", NOT_JSON, "")]))
    assert path.read_bytes() == b"before"
    assert [one.name for one in tmp_path.iterdir()] == ["findings.jsonl"]


def test_what_cannot_be_written_is_said_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "findings.jsonl").mkdir()
    with pytest.raises(UsageError, match=r"cannot write .*findings\.jsonl"):
        write(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["findings.jsonl"]
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot make the output folder"):
        write(tmp_path / "file" / "out")
    with pytest.raises(UsageError):
        Draft(tmp_path / "no" / "such" / "folder").open()


def test_many_findings_are_written_in_their_order(tmp_path: Path) -> None:
    findings = [made.finding(LEAKED_SECRET, key=f"k{number}") for number in range(2500)]
    write_run(folder_outputs(tmp_path.joinpath), Run(made.PATTERNS, made.untouched), findings, [], [])
    lines = (tmp_path / "findings.jsonl").read_text().splitlines()
    assert [json.loads(line)["finding_info"]["uid"] for line in lines] == [one.uid for one in findings]


def test_half_a_surrogate_pair_is_written_as_a_question_mark() -> None:
    assert dumps({"a\ud800": ["x\udfff", {"n": 1}]}) == b'{"a?":["x?",{"n":1}]}'
