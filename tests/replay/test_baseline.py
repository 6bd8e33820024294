"""`curfewd baseline` and `replay --baseline`: from many findings to none, and only new ones fail."""

import fcntl
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detector import cli
from detector.configuration.baseline import read_baseline
from detector.scan.scanner import PatternScanner
from tests.bundled import bundled_patterns
from tests.small_history import KEY_TEXT, at, event, identifier_of, jsonl, secret_of

Run = Callable[..., tuple[int, str, str]]
QUICK = '[patterns]\ndisable = ["*"]\ndetect_secrets = false\n'
REASON = ("--reason", "first run: to triage")
GITHUB = next(pattern for pattern in bundled_patterns() if pattern.id == "github-pat-classic")
NOBODYS = PatternScanner((GITHUB,)).scan(GITHUB.examples[0].encode())[0].secret.reveal().decode()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CURFEWD_KEY", KEY_TEXT)
    Path("quick.toml").write_text(QUICK)

    def command(*arguments: str) -> tuple[int, str, str]:
        try:
            code = cli.main(list(arguments))
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def history(*more: Any, leaks: int = 1) -> None:
    """A task whose token is printed, lives on after it, and is used then."""
    events = [
        event(1, "task.started", 0, task_id="t"),
        event(
            2,
            "credential.issued",
            1,
            credential_id="c",
            task_id="t",
            identifiers=[identifier_of(7)],
            expires_at=at(90_000),
        ),
        event(3, "task.ended", 60, task_id="t"),
        event(4, "credential.used", 400, credential_id="c"),
    ]
    lines = [{"time": at(20 + n), "message": f"t={secret_of(7).decode()}"} for n in range(leaks)]
    Path("events.jsonl").write_bytes(jsonl([*events, *more]))
    Path("log.jsonl").write_bytes(jsonl(lines))


def replay(
    run: Run, *more: str, out: str = "out", config: str = "quick.toml"
) -> tuple[int, dict[str, Any], str]:
    code, printed, _ = run("replay", "--config", config, "--out", out, *more, "events.jsonl", "log.jsonl")
    return code, json.loads(Path(out, "summary.json").read_text()), printed


def test_after_a_baseline_only_what_is_new_fails(run: Run) -> None:
    history()
    fails = ("--fail-on", "low")
    assert replay(run, *fails)[0] == 1
    assert run("baseline", "write", "b.jsonl", "--from", "out", *REASON, "--by", "ann")[:2] == (
        0,
        "b.jsonl: 3 added, 0 renewed (2 critical, 1 high), 0 kept\n",
    )
    code, summary, printed = replay(run, *fails, "--baseline", "b.jsonl")
    assert code == 0
    assert printed.startswith("3 findings, all accepted.\n")
    assert "baseline    3 of 3 entries accept a finding" in printed
    assert summary["findings"]["accepted"] == 3
    assert summary["commands"] == {"plain": 0, "escalated": 0}
    assert summary["baseline"] == {
        "entries": 3, "accepted": 3, "expired": [], "exceeded": [], "gone": [], "unjudged": 0,
    }  # fmt: skip
    findings = [json.loads(line) for line in Path("out/findings.jsonl").read_bytes().splitlines()]
    assert {one["status_id"] for one in findings} == {3}
    assert {one["unmapped"]["accepted"] for one in findings} == {"first run: to triage (baseline, by ann)"}

    history(
        event(5, "credential.used", 500, credential_id="c"), leaks=9
    )  # the same findings, with more evidence
    assert replay(run, *fails, "--baseline", "b.jsonl")[0] == 0

    history(event(5, "credential.used", 30, credential_id="c", task_id="other"))
    code, summary, printed = replay(run, *fails, "--baseline", "b.jsonl")
    assert code == 1
    assert summary["findings"]["by_rule"]["use-by-other-workload"] == 1
    assert summary["findings"]["accepted"] == 3
    assert summary["commands"] == {"plain": 1, "escalated": 0}


def test_a_finding_that_became_worse_is_new_again_and_asks(run: Run) -> None:
    history(event(5, "credential.revoked", 10, credential_id="c"))  # shown after it was revoked: low
    replay(run)
    run("baseline", "write", "b.jsonl", "--from", "out", *REASON)
    assert replay(run, "--fail-on", "low", "--baseline", "b.jsonl")[0] == 0
    history(event(5, "credential.revoked", 30, credential_id="c"), leaks=2)
    code, summary, printed = replay(run, "--fail-on", "critical", "--baseline", "b.jsonl")
    assert code == 1
    assert [one["rule"] for one in summary["baseline"]["exceeded"]] == ["leaked-credential"]
    assert summary["commands"]["plain"] == 1
    assert "worse or later than the baseline accepts" in " ".join(printed.split())


def test_an_entry_that_has_expired_counts_no_more_and_is_named(run: Run) -> None:
    history()
    replay(run)
    run("baseline", "write", "b.jsonl", "--from", "out", *REASON, "--by", "ann", "--expires", "2099-01-31")
    late = ("--until", "2099-02-01T00:00:00Z", "--fail-on", "low", "--baseline", "b.jsonl")
    code, summary, _ = replay(run, *late)
    assert code == 1
    assert len(summary["baseline"]["expired"]) == 3
    assert any("(by ann, until 2099-01-31)" in warning for warning in summary["warnings"])
    assert replay(run, "--until", "2099-01-31T23:59:59Z", *late[2:])[0] == 0


def test_what_no_longer_occurs_is_said_and_pruned_and_the_rest_keeps_who_and_why(run: Run) -> None:
    history()
    replay(run)
    run("baseline", "write", "b.jsonl", "--from", "out", "--reason", "old", "--by", "ann")
    history(event(5, "credential.revoked", 70, credential_id="c"))
    Path("log.jsonl").write_text("")
    _, summary, printed = replay(run, "--baseline", "b.jsonl")
    gone = {one["rule"] for one in summary["baseline"]["gone"]}
    assert gone == {"leaked-credential", "outlives-task", "use-after-termination"} - set(
        summary["findings"]["by_rule"]
    )
    assert "no longer occur" in " ".join(printed.split())
    run("baseline", "update", "b.jsonl", "--from", "out", "--reason", "new", "--by", "bob")
    entries = {one.rule: one for one in read_baseline("b.jsonl")}
    assert {rule for rule, one in entries.items() if one.by == "bob"} == set(
        summary["findings"]["by_rule"]
    ) - {"use-after-termination"}
    assert entries["leaked-credential"].reason == "old"
    assert run("baseline", "prune", "b.jsonl", "--from", "out")[0] == 0
    assert {one.rule for one in read_baseline("b.jsonl")} == set(summary["findings"]["by_rule"])


def test_update_changes_nothing_where_nothing_is_new(run: Run) -> None:
    history()
    replay(run)
    run("baseline", "write", "b.jsonl", "--from", "out", *REASON)
    reordered = b"".join(reversed(Path("b.jsonl").read_bytes().splitlines(keepends=True)))
    Path("b.jsonl").write_bytes(reordered)
    for arguments in (("update", "b.jsonl", "--from", "out", *REASON), ("prune", "b.jsonl", "--from", "out")):
        assert run("baseline", *arguments)[0] == 0
        assert Path("b.jsonl").read_bytes() == reordered


def test_update_renews_what_the_entry_accepts_no_more(run: Run) -> None:
    history()
    replay(run)
    run("baseline", "write", "b.jsonl", "--from", "out", *REASON)
    lines = Path("b.jsonl").read_text().splitlines()
    days = [lines[0].replace('"critical"', '"low"'), *lines[1:]]
    Path("b.jsonl").write_text("\n".join(days))
    code, out, _ = run("baseline", "update", "b.jsonl", "--from", "out", "--reason", "again", "--by", "bob")
    assert (code, out) == (0, "b.jsonl: 0 added, 1 renewed (1 critical), 2 kept\n")
    assert [one.by for one in read_baseline("b.jsonl")].count("bob") == 1


def test_without_a_key_leaked_secrets_have_no_lasting_uid(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    history()
    Path("log.jsonl").write_text(NOBODYS + "\n")
    Path("all.toml").write_text("")
    _, summary, _ = replay(run, config="all.toml")
    assert "leaked-secret" in summary["findings"]["by_rule"]
    run("baseline", "write", "keyed.jsonl", "--from", "out", *REASON)
    assert "leaked-secret" in {one.rule for one in read_baseline("keyed.jsonl")}

    monkeypatch.delenv("CURFEWD_KEY")
    code, summary, _ = replay(run, "--baseline", "keyed.jsonl", "--fail-on", "low", config="all.toml")
    assert code == 1  # it cannot be told whether it is the same secret
    assert summary["baseline"]["unjudged"] == 1
    _, _, said = run("baseline", "write", "unkeyed.jsonl", "--from", "out", *REASON)
    assert "without a deployment key" in said
    assert "leaked-secret" not in {one.rule for one in read_baseline("unkeyed.jsonl")}
    _, _, said = run("baseline", "prune", "keyed.jsonl", "--from", "out")
    assert "kept" in said
    assert "leaked-secret" in {one.rule for one in read_baseline("keyed.jsonl")}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("write", "b.jsonl", "--from", "out", *REASON), "b.jsonl exists"),
        (("update", "b.jsonl", "--from", "out"), "say why with --reason"),
        (("update", "b.jsonl", "--from", "nowhere", *REASON), "nowhere/summary.json: cannot be read"),
        (("update", "none.jsonl", "--from", "out", *REASON), "none.jsonl: cannot be read"),
        (("update", "b.jsonl", "--from", "out", *REASON, "--expires", "soon"), "--expires: write a duration"),
        (("update", "b.jsonl", "--from", "out", *REASON, "--expires", "2020-01-31"), "that day is over"),
        (
            ("update", "b.jsonl", "--from", "garbled", *REASON),
            "garbled/findings.jsonl:2: not a finding of curfewd",
        ),
        (("update", "b.jsonl", "--from", "older", *REASON), "no summary of this version"),
    ],
    ids=range(8),
)
def test_what_is_wrong_is_told_in_a_line_and_nothing_is_written(
    run: Run, arguments: tuple[str, ...], words: str
) -> None:
    history()
    replay(run)
    run("baseline", "write", "b.jsonl", "--from", "out", *REASON)
    before = Path("b.jsonl").read_bytes()
    Path("garbled").mkdir()
    Path("garbled/summary.json").write_bytes(Path("out/summary.json").read_bytes())
    first = Path("out/findings.jsonl").read_bytes().splitlines(keepends=True)[0]
    Path("garbled/findings.jsonl").write_bytes(first + b"\x00" * 99 + b"\n")
    Path("older").mkdir()
    Path("older/summary.json").write_text('{"records": {}}')
    Path("older/findings.jsonl").write_bytes(first)
    code, out, err = run("baseline", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert Path("b.jsonl").read_bytes() == before


def test_a_baseline_in_a_folder_of_inputs_is_no_input_and_no_secret_comes_into_it(run: Run) -> None:
    history()
    replay(run)
    reason = ("--reason", f"because {NOBODYS}", "--by", NOBODYS)
    run("baseline", "write", "b.jsonl", "--from", "out", *reason)
    assert "because ‹github-pat-classic:40›" in Path("b.jsonl").read_text()
    assert NOBODYS not in Path("b.jsonl").read_text()
    code, _, _ = run("replay", "--config", "quick.toml", "--out", "out2", "--baseline", "b.jsonl", ".")
    assert code == 0
    read = json.loads(Path("out2/summary.json").read_text())["records"]
    assert not any(name.endswith("b.jsonl") for name in read)


def test_what_an_entry_says_is_masked_in_the_summary(run: Run) -> None:
    history()
    entry = {
        "uid": str(uuid.UUID(int=1)),
        "rule": NOBODYS,
        "about": NOBODYS,
        "reason": NOBODYS,
        "by": NOBODYS,
    }
    dates = {"severity": "low", "added": "2026-01-01", "expires": "9999-01-01"}
    Path("b.jsonl").write_text(json.dumps(entry | dates) + "\n")
    Path("all.toml").write_text("[patterns]\ndetect_secrets = false\n")
    _, summary, printed = replay(run, "--baseline", "b.jsonl", config="all.toml")
    assert [one["rule"] for one in summary["baseline"]["gone"]] == ["‹github-pat-classic:40›"]
    assert NOBODYS not in json.dumps(summary) + printed


def test_an_update_through_a_link_changes_the_file_behind_it(run: Run) -> None:
    history()
    replay(run)
    Path("real.jsonl").write_bytes(b"")
    Path("b.jsonl").symlink_to("real.jsonl")
    assert run("baseline", "update", "b.jsonl", "--from", "out", *REASON)[0] == 0
    assert Path("b.jsonl").is_symlink()
    assert len(read_baseline("real.jsonl")) == 3


def test_two_updates_at_once_lose_nothing(run: Run) -> None:
    history()
    replay(run)
    run("baseline", "write", "b.jsonl", "--from", "out", *REASON)
    before = Path("b.jsonl").read_bytes()
    Path("b.jsonl").write_bytes(b"")
    folder = os.open(".", os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)  # as another update has it
    command = [
        sys.executable,
        "-m",
        "detector.cli",
        "baseline",
        "update",
        "b.jsonl",
        "--from",
        "out",
        *REASON,
    ]
    with subprocess.Popen(command) as second:
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(3)
        Path("b.jsonl").write_bytes(before)
        os.close(folder)
    assert Path("b.jsonl").read_bytes() == before


def test_an_output_does_not_replace_the_baseline(run: Run) -> None:
    history()
    replay(run)
    run("baseline", "write", "b.jsonl", "--from", "out", *REASON)
    before = Path("b.jsonl").read_bytes()
    code, _, err = run("replay", "--baseline", "b.jsonl", "--findings", "b.jsonl", "events.jsonl")
    assert (code, err) == (2, "curfewd: cannot write b.jsonl: it is an input\n")
    assert Path("b.jsonl").read_bytes() == before
