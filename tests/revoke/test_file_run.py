"""`curfewd revoke --commands`: a replay's commands are carried out once, and a second run repeats nothing."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from detector.configuration.revoke_settings import RevokeSettings, TargetTable
from detector.configuration.settings import Settings
from detector.revoke import case_files, file_run
from detector.revoke.audit_log import verify_audit_log
from detector.revoke.case import new
from detector.revoke.command_masker import CommandMasker
from detector.revoke.outcomes import Outcome, outcome_event
from detector.revoke.stored_cases import case_record
from detector.revoke.target import Step
from detector.revoke.target_tables import TableTarget
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.stages.masking import EventMasker
from detector.values.secrets import DeploymentKey
from detector.values.times import DAY, SECOND
from tests.bundled import bundled_scanner
from tests.revoke.recording import RecordingOptions, RecordingTarget
from tests.revoke.running import command

MASKER = CommandMasker(Settings())
SETTINGS = RevokeSettings(given=True, mode="act", deadline=2 * SECOND)


class KilledError(BaseException):
    """The process ends at once: nothing of it goes on."""


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingTarget]:
    """The target of each run."""
    made = RecordingTarget()
    made.live |= {"cred-1", "cred-2", "cred-3"}
    monkeypatch.setattr(
        file_run, "make_targets", lambda _: (TableTarget(TargetTable("memory", "recording"), made),)
    )
    yield made
    assert made.closed


def run(folder: Path, credentials: Sequence[str], **changes: Any) -> int:
    settings = RevokeSettings(
        **{"given": True, "mode": "act", "audit_log": str(folder / "audit.jsonl"), **changes}
    )
    return file_run.run_file(settings, [command(name) for name in credentials], folder / "out", str, MASKER)


def outcomes(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out" / "outcomes.jsonl").read_text().splitlines()]


def verdicts(folder: Path) -> list[tuple[str, str]]:
    return [
        (each["data"]["credential_id"], each["data"].get("outcome", "revoked")) for each in outcomes(folder)
    ]


def test_each_command_is_carried_out_once(
    target: RecordingTarget, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, ["cred-1", "cred-2"]) == 0
    assert sorted(verdicts(tmp_path)) == [
        ("cred-1", "confirmed"), ("cred-1", "revoked"), ("cred-2", "confirmed"), ("cred-2", "revoked"),
    ]  # fmt: skip
    assert "2 commands: 2 confirmed" in capsys.readouterr().out
    assert run(tmp_path, ["cred-1", "cred-2", "cred-3"]) == 0
    assert target.kills == {"cred-1": 1, "cred-2": 1, "cred-3": 1}
    assert len(target.revoked) == 3
    assert list(verify_audit_log(tmp_path / "audit.jsonl")) == []


def test_outcomes_alone_are_enough_not_to_repeat_it(target: RecordingTarget, tmp_path: Path) -> None:
    assert run(tmp_path, ["cred-1"]) == 0
    (tmp_path / "out" / "cases.jsonl").unlink()
    target.live.add("cred-1")
    assert run(tmp_path, ["cred-1"]) == 0
    assert verdicts(tmp_path) == [("cred-1", "confirmed"), ("cred-1", "revoked")]
    assert len(target.revoked) == 1


@pytest.mark.parametrize("moment", [0, 1], ids=["before a line is written", "between the two files"])
def test_killed_while_it_says_later_it_still_takes_the_later_step(
    target: RecordingTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    target.options = RecordingOptions(
        steps=(Step("disable it", reversible=True), Step("delete it", delay=0.5))
    )
    write, left = case_files._append, [moment]

    def killed(file: BinaryIO, lines: Iterable[bytes]) -> None:
        lines = list(lines)
        left[0] -= target.kills["cred-1"] and bool(lines)
        if left[0] < 0:
            raise KilledError
        write(file, lines)

    with monkeypatch.context() as patch:
        patch.setattr(case_files, "_append", killed)
        with pytest.raises(KilledError):
            run(tmp_path, ["cred-1"])
    target.closed = False
    assert run(tmp_path, ["cred-1"]) == 0
    assert [step for _, _, step in target.revoked][-1] == 1
    # Who does not know any more that it was alive says so of what is dead now.
    dead = {("cred-1", "confirmed"), ("cred-1", "gone-already")} if moment == 0 else {("cred-1", "confirmed")}
    first, told, last = verdicts(tmp_path)
    assert {first, last} <= dead
    assert told == ("cred-1", "revoked")
    assert [each["id"].rpartition("/")[2] for each in outcomes(tmp_path)] == ["1", "revoked", "2"]


def test_a_plan_holds_everything_and_acts_once_the_mode_is_set(
    target: RecordingTarget, tmp_path: Path
) -> None:
    assert run(tmp_path, ["cred-1"], mode="plan") == 1
    assert verdicts(tmp_path) == [("cred-1", "held")]
    assert not target.revoked
    assert not target.probes
    target.closed = False
    assert run(tmp_path, ["cred-1"], mode="plan") == 1
    assert len(outcomes(tmp_path)) == 1
    assert run(tmp_path, ["cred-1"]) == 0
    assert [each["id"][-1] for each in outcomes(tmp_path)] == ["1", "2", "d"]


@pytest.mark.parametrize("lost", ["nothing", "cases"])
def test_what_failed_long_ago_is_still_no_success(
    target: RecordingTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    def refuse(_: str) -> None:
        raise ValueError("a bug")

    target.trouble = refuse
    assert run(tmp_path, ["cred-1"], deadline=SECOND // 10) == 1
    if lost == "cases":
        (tmp_path / "out" / "cases.jsonl").unlink()
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 400 * DAY)
    target.closed = False
    assert run(tmp_path, ["cred-1"]) == 1
    assert verdicts(tmp_path) == [("cred-1", "failed")]


def test_a_torn_last_line_did_not_happen(target: RecordingTarget, tmp_path: Path) -> None:
    assert run(tmp_path, ["cred-1"]) == 0
    path = tmp_path / "out" / "outcomes.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id": "1/1", "ty')
    assert run(tmp_path, ["cred-1", "cred-2"]) == 0
    assert path.read_bytes().startswith(whole + b"{")
    assert len(outcomes(tmp_path)) == 4
    assert target.kills == {"cred-1": 1, "cred-2": 1}


def test_what_fails_is_said_by_the_exit_code(
    target: RecordingTarget, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: str) -> None:
        raise ValueError("a bug")

    target.trouble = refuse
    assert run(tmp_path, ["cred-1", "cred-2"], deadline=SECOND) == 1
    assert sorted(verdicts(tmp_path)) == [("cred-1", "failed"), ("cred-2", "failed")]
    said = capsys.readouterr()
    assert "2 commands: 2 failed" in said.out
    assert "tries failed, the last one: ValueError" in said.out
    assert said.err == "memory: ValueError\n"  # at once, and once for each target


TOKEN = "glpat-7Rm2VtXb9KdYw4Lz8HnP"


def test_what_an_earlier_version_stored_with_a_secret_is_read_and_not_written_again(
    tmp_path: Path, target: RecordingTarget
) -> None:
    old = new(command(TOKEN), 0, time.time_ns())
    told = outcome_event(old.command, Outcome(1, "held", "memory", time.time_ns()), str)
    (tmp_path / "out").mkdir()
    cases = tmp_path / "out" / "cases.jsonl"
    cases.write_bytes(case_record(old.changed(outcomes=1), [told]) + b"\n")
    before = cases.stat().st_size
    run(tmp_path, [], deadline=0)
    run(tmp_path, ["cred-1"])
    outcomes = (tmp_path / "out" / "outcomes.jsonl").read_text()
    assert TOKEN not in outcomes
    assert json.loads(outcomes.splitlines()[0])["data"]["credential_id"] == "‹gitlab-pat:26›"
    assert TOKEN.encode() not in cases.read_bytes()[before:]
    assert [credential for credential, _, _ in target.revoked] == ["cred-1"]


def test_a_command_gets_the_id_that_the_detector_gives() -> None:
    key = DeploymentKey.of(b"k" * 32)
    finder = LeakFinder(bundled_scanner(), KnownIndex(), (key,))
    masker = CommandMasker(Settings(keys=(key,)))
    masked = masker.command(command(TOKEN, owner=f"ann {TOKEN}", task_ids=(TOKEN,)))
    assert masked.credential_id == EventMasker(finder).id(TOKEN) != TOKEN
    assert masked.task_ids == (masked.credential_id,)
    assert masked.owner == "ann ‹gitlab-pat:26›"
    assert masked.id == command(TOKEN).id
    assert masker.command(masked) is masked
    assert masker.case(new(command(TOKEN), 0, 1)).digest == new(masker.command(command(TOKEN)), 0, 1).digest


SCRIPT = """
import sys
from pathlib import Path
from detector.configuration.revoke_settings import RevokeSettings, TargetTable
from detector.configuration.settings import Settings
from detector.revoke import file_run
from detector.revoke.command_masker import CommandMasker
from detector.revoke.target_tables import TableTarget
from tests.revoke.running import command
from tests.revoke.slow_file_target import SlowFileTarget

folder = Path(sys.argv[1])
file_run.make_targets = lambda _: (TableTarget(TargetTable("files", "files"), SlowFileTarget(folder)),)
settings = RevokeSettings(given=True, mode="act", audit_log=str(folder / "audit.jsonl"))
sys.exit(file_run.run_file(settings, [command(f"cred-{n}") for n in range(20)], folder / "out", str, CommandMasker(Settings())))
"""


def test_killed_again_and_again_it_finishes_and_does_nothing_twice(tmp_path: Path) -> None:
    rng = random.Random(3)
    for number in range(20):
        (tmp_path / f"cred-{number}").touch()
    (tmp_path / "bystander").touch()
    kills = 0
    while True:
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, tmp_path], stdout=subprocess.DEVNULL)
        try:
            if kills < 2:
                began = tmp_path / "out" / "cases.jsonl"
                while process.poll() is None and not (
                    began.exists() and began.stat().st_size > 20_000 * kills
                ):
                    time.sleep(0.005)
                time.sleep(rng.random() * 0.2)
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
            if process.wait(60) == 0:
                break
        finally:
            process.kill()
            process.wait()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(("cred", "by"))] == ["bystander"]
    told = [each for each in outcomes(tmp_path) if "outcome" in each["data"]]
    assert sorted(each["data"]["credential_id"] for each in told) == sorted(f"cred-{n}" for n in range(20))
    assert {each["data"]["outcome"] for each in told} <= {"confirmed", "gone-already"}
    assert list(verify_audit_log(tmp_path / "audit.jsonl")) == []
