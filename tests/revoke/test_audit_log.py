"""The audit log: every change and cut shows, and a crash in the middle of a line does not break the chain."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.cli import main
from detector.revoke.audit_log import AuditLog, verify_audit_log
from detector.revoke.audit_records import Recorder
from detector.revoke.case import Case
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.turn import Act
from detector.values.errors import UsageError


def written(path: Path, count: int = 5) -> str:
    log = AuditLog(path)
    for number in range(count):
        log.append({"act": "acting", "command_id": f"c-{number}"})
    asyncio.run(log.sync())
    head = log.head
    log.close()
    return head


def test_what_was_appended_is_there_and_verifies(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "audit.jsonl"
    written(path)
    written(path, 2)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["number"] for line in lines] == list(range(1, 8))
    assert list(verify_audit_log(path)) == []
    assert path.stat().st_mode & 0o777 == 0o600


@given(st.integers(0, 4), st.sampled_from(["change", "remove", "swap", "double", "insert"]))
def test_every_change_shows(number: int, how: str) -> None:
    import tempfile  # noqa: PLC0415 - hypothesis has no tmp_path for each example

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        head = written(path)
        lines = path.read_bytes().splitlines(keepends=True)
        if how == "change":
            lines[number] = lines[number].replace(b"acting", b"actinG")
        elif how == "remove":
            del lines[number]
        elif how == "swap":
            other = (number + 1) % 5
            lines[number], lines[other] = lines[other], lines[number]
        elif how == "double":
            lines.insert(number, lines[number])
        else:
            lines.insert(number, b'{"number":%d,"previous":"00"}\n' % (number + 1))
        path.write_bytes(b"".join(lines))
        last, _, digest = head.partition(":")
        assert list(verify_audit_log(path, {int(last): digest}))


def test_a_cut_shows_beside_an_outcome(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    number, _, digest = written(path).partition(":")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    assert list(verify_audit_log(path)) == []
    assert list(verify_audit_log(path, {int(number): digest})) == [
        "line number 5, which an outcome names, is not there"
    ]


@pytest.mark.parametrize("lost", [1, 2, 50, 200])
def test_a_crash_in_the_middle_of_a_line_breaks_no_chain(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "audit.jsonl"
    written(path)
    path.write_bytes(path.read_bytes()[:-lost])
    AuditLog(path).close()  # a process that does nothing
    written(path, 2)
    assert list(verify_audit_log(path)) == []
    assert json.loads(path.read_bytes().splitlines()[-1])["number"] == 7 - (lost > 1) - (lost > 150)


def test_only_one_process_writes_it(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    with pytest.raises(UsageError, match="another process writes it"):
        AuditLog(tmp_path / "audit.jsonl")
    log.close()


def test_a_file_of_something_else_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"x" * (1 << 20))
    with pytest.raises(UsageError, match="move it away"):
        AuditLog(path)


async def test_the_chain_goes_on_in_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    log.append({"act": "one"})
    os.rename(path, tmp_path / "audit.1")  # noqa: PTH104 - as logrotate does
    await log.reopen()
    log.append({"act": "two"})
    await log.sync()
    log.close()
    assert list(verify_audit_log(path)) == []
    assert json.loads(path.read_text())["number"] == 2
    assert json.loads(path.read_text())["previous"] != "0" * 64


def test_the_check_says_what_is_wrong_and_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, outcomes = tmp_path / "audit.jsonl", tmp_path / "outcomes.jsonl"
    head = written(path)
    outcomes.write_text(f'{{"id": "x/1", "curfewdaudit": "{head}"}}\n{{"id": "x/revoked"}}\nnonsense\n')
    check = ["revoke", "check-audit-log", str(path)]
    assert main([*check, "--outcomes", str(outcomes)]) == 0
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    assert main(check) == 0
    assert main([*check, "--outcomes", str(outcomes)]) == 1
    assert "line number 5, which an outcome names, is not there" in capsys.readouterr().out
    assert main(["revoke", "check-audit-log", str(tmp_path / "none")]) == 2
    assert main(["revoke", "check-audit-log"]) == 2
    assert main([*check, "--config", "x"]) == 2
    assert main(["revoke", "held"]) == 2
    assert "name the configuration: --config F" in capsys.readouterr().err


async def test_a_secret_in_an_id_or_in_words_is_masked_before_they_are_cut(tmp_path: Path) -> None:
    path, secret = tmp_path / "audit.jsonl", "SECRET" * 4
    recorder = Recorder(AuditLog(path), lambda text: text.replace(secret, "***"))
    words = f"{'x' * 290} {secret}"
    await recorder.act(Act("acting", Case(RevocationCommand("id", 0, f"job of {secret}")), words))
    recorder.log.close()
    assert b"SECR" not in path.read_bytes()
    assert json.loads(path.read_bytes())["credential_id"] == "job of ***"
