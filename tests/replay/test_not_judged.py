"""Credentials whose task nobody reported: a replay by the real command says so, unasked, and gives no all-clear."""

import json
from pathlib import Path
from typing import Any

import pytest

from detector import cli
from tests.small_history import event


def replayed(
    capsys: pytest.CaptureFixture[str], folder: Path, events: list[dict[str, Any]], *arguments: str
) -> tuple[int, list[str], dict[str, Any]]:
    """The exit code, what was printed, and `coverage` of summary.json."""
    source = folder / "events.jsonl"
    source.write_text("".join(f"{json.dumps(one)}\n" for one in events))
    code = cli.main(["replay", "--out", str(folder / "out"), *arguments, str(source)])
    summary = json.loads((folder / "out" / "summary.json").read_text())
    return code, capsys.readouterr().out.splitlines(), summary["coverage"]


def issued(number: int, task: str, kind: str = "token") -> dict[str, Any]:
    identifiers = [{"scheme": "jwt-id", "value": f"jti-{number}"}]
    return event(
        100 + number,
        "credential.issued",
        10,
        credential_id=f"c{number}",
        task_id=task,
        identifiers=identifiers,
        kind=kind,
        expires_at="2026-05-01T00:05:00Z",
    )


def lived(task: str, number: int) -> list[dict[str, Any]]:
    started = event(number, "task.started", 0, task_id=task)
    return [started, event(number + 1, "task.ended", 3600, task_id=task)]


def test_credentials_with_their_tasks_are_an_all_clear(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, said, coverage = replayed(capsys, tmp_path, [*lived("t1", 1), issued(1, "t1"), issued(2, "t1")])
    assert (code, said[0]) == (0, "Nothing found.")
    assert "judged      2 of 2 credentials have a task that started and ended" in said
    assert (coverage["credentials"], coverage["judged"]) == (2, 2)


def test_a_credential_whose_task_nobody_reported_is_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    events = [*lived("t1", 1), issued(1, "t1"), issued(2, "T1")]
    code, said, coverage = replayed(capsys, tmp_path, events)
    assert (code, said[0]) == (0, "Nothing found, but 1 of 2 credentials could not be judged.")
    assert "NOT JUDGED (1 of 2 credentials)" in said
    assert "    such as c2 (task T1)" in said
    assert coverage["by_join"] == {"ended": 1, "unreported": 1}
    assert replayed(capsys, tmp_path, events, "--strict", "--fail-on", "low")[0] == 0  # the exit code stays


def test_a_use_of_a_credential_that_nobody_registered_is_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    use = event(9, "credential.used", 20, identifier={"scheme": "jwt-id", "value": "nobody"}, action="read")
    _, said, coverage = replayed(capsys, tmp_path, [*lived("t1", 1), issued(1, "t1"), use])
    assert said[0] == "Nothing found, but 1 event names a credential that nobody registered."
    assert coverage["judged"] == 1


def test_a_credential_of_the_last_moments_is_information(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    started = event(1, "task.started", 0, task_id="t1")
    _, said, coverage = replayed(capsys, tmp_path, [started, issued(1, "t1")])
    assert said[0] == "Nothing found."
    assert any("1 of 1 credential has a task that still runs" in line for line in said)
    assert coverage["by_join"] == {"running": 1}


def test_beside_findings_it_is_said_in_the_headline_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    late = event(9, "credential.used", 3700, credential_id="c1", action="read")
    _, said, _ = replayed(capsys, tmp_path, [*lived("t1", 1), issued(1, "t1"), issued(2, "t2"), late])
    assert " ".join(said[:2]).endswith(" But 1 of 2 credentials could not be judged.")


def test_no_credentials_nothing_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, said, coverage = replayed(capsys, tmp_path, lived("t1", 1))
    assert said[0] == "Nothing found."
    assert not any(line.startswith("judged") for line in said)
    assert coverage == {"credentials": 0, "judged": 0, "by_join": {}, "rows": []}
