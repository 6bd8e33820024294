"""`curfewd revoke --dry-run`: the plan of a replay's commands, through the command line and a real replay."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from detector.cli import main
from detector.revoke.reader import LARGEST

TARGET = '[revoke.targets.db]\ntype = "tests.revoke.test_plan_table:Words"\n'


class Words:
    """A target of one's own: it takes what names it, and asks nobody."""

    from msgspec import Struct  # noqa: PLC0415 - the options are part of the class

    name = "words"

    class Options(Struct, frozen=True):
        """None."""

    def __init__(self, _options: Any) -> None:
        pass

    @staticmethod
    def accepts(command: Any) -> bool:
        return bool(command.provider == "words")

    def plan(self, command: Any) -> Any:
        from detector.revoke.target import Plan, RefusedError, Step  # noqa: PLC0415 - as a program of one's own would

        if command.text("user") == "boom":
            raise ZeroDivisionError(command.text("user"))
        if not command.text("user"):
            raise RefusedError("the handle has no user")
        steps = (Step(f"lock {command.text('user')}", reversible=True), Step("drop it", delay=3600.0))
        return Plan(steps, "the login is refused", 5.0, unproved="open sessions")


def line(number: int, **fields: Any) -> str:
    data = {"credential_id": f"c-{number}", "task_id": f"t-{number}", "severity": "high", "owner": "ann"}
    data |= {"revocation": {"provider": "words", "user": f"u{number}"}, "reasons": ["outlives-task"]} | fields
    return json.dumps(
        {
            "specversion": "1.0",
            "id": f"00000000-0000-0000-0000-{number:012}",
            "source": "curfewd",
            "type": "credential.revocation.requested",
            "time": f"2026-11-03T12:00:{number:02}Z",
            "data": data,
        }
    )


@pytest.fixture
def planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(
        lines: list[str], *arguments: str, config: str = "", name: str = "r.jsonl"
    ) -> tuple[int, str, str]:
        (tmp_path / "curfewd.toml").write_text(f"[revoke]\n{config}\n{TARGET}")
        (tmp_path / "r.jsonl").write_text("".join(f"{each}\n" for each in lines))
        words = ["revoke", "--config", str(tmp_path / "curfewd.toml"), "--dry-run"]
        code = main([*words, name if name == "-" else str(tmp_path / name), *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err.replace(f"{tmp_path}/", "")

    return run


def test_of_many_commands_the_first_are_shown_and_all_are_counted(planned: Any) -> None:
    many = [
        line(number, severity="critical" if number == 1500 else "low").replace(
            f"2026-11-03T12:00:{number:02}Z", "2026-11-03T12:00:00Z"
        )
        for number in range(1501)
    ]
    code, out, _ = planned(many, config="[revoke.limits]\nper_minute = 3\nper_hour = 3")
    assert code == 0
    assert "c-1500" in out, "the most severe are decided, and shown, first"
    assert "501 more commands not shown: --json prints all." in out
    assert "1,501 commands: 3 go, 1498 held." in out
    _, out, _ = planned(many, "--json")
    assert len(json.loads(out)["commands"]) == 1501


def test_a_table_says_what_would_be_done_and_how_it_is_proved(planned: Any) -> None:
    code, out, err = planned([line(1), line(2, revocation={"provider": "words"}), line(3, revocation={})])
    assert (code, err) == (0, "")
    for words in (
        "c-1", "task t-1", "high", "2026-11-03 12:00:01Z", "at db", "1. lock u1", "2. drop it (after 1 h)", "go",
        "proof: the login is refused", "not proved: open sessions", "the handle has no user", "no target",
        "3 commands: 1 go, 2 refused.", 'revoke.mode is "plan"',
    ):  # fmt: skip
        assert words in " ".join(out.split()), words


def test_a_narrow_terminal_gets_whole_sentences(planned: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    _, out, _ = planned([line(1)])
    assert "Each is decided as if it had come at the time of its evidence.\n" in out
    assert 'revoke.mode is "plan": nothing is revoked until you set "act".\n' in out


def test_json_has_the_same_and_is_the_same_each_time(planned: Any) -> None:
    lines = [line(number) for number in (3, 1, 2)]
    code, out, _ = planned(lines, "--json", config="[revoke.limits]\nper_owner = 2")
    again = planned(lines[::-1], "--json", config="[revoke.limits]\nper_owner = 2")
    assert (code, out) == again[:2]
    found = json.loads(out)
    assert found["mode"] == "plan"
    assert [(each["credential_id"], each["verdict"], each["until"]) for each in found["commands"]] == [
        ("c-1", "go", None),
        ("c-2", "go", None),
        ("c-3", "held", "2026-11-03T13:00:01Z"),
    ]
    assert found["commands"][0]["steps"] == ["lock u1", "drop it (after 1 h)"]
    assert "revoke.limits" in found["commands"][2]["why"]


def test_rails_say_why(planned: Any) -> None:
    config = (
        'never = ["u1"]\n[revoke.deny]\nowners = ["bob"]\n[[revoke.quiet_hours]]\nfrom = "11:00"\nuntil = "13:00"\n'
        'zone = "UTC"\n'
    )
    lines = [line(1), line(2, owner="bob"), line(3), line(4, severity="critical")]
    _, out, _ = planned(lines, "--json", config=config)
    assert [(each["verdict"], each["why"][:12]) for each in json.loads(out)["commands"]] == [
        ("refused", "revoke.never"),
        ("refused", "revoke.deny."),
        ("held", "quiet hours:"),
        ("go", ""),
    ]


def test_a_wrong_file_is_one_clear_line(planned: Any) -> None:
    assert planned([], name="nothing") == (2, "", "curfewd: nothing: No such file or directory\n")
    assert planned([], name=".")[0] == 2
    for lines in (['{"a": 1}'], ["not json", "\x00"], [line(1).replace("requested", "outcome")]):
        assert planned(lines) == (
            2,
            "",
            "curfewd: r.jsonl: no line of it is a command: name the revocations.jsonl of `curfewd replay --out`\n",
        )


def test_an_empty_file_says_so(planned: Any) -> None:
    assert planned([]) == (0, "No commands: there is nothing to revoke.\n", "")
    assert json.loads(planned([], "--json")[1]) == {"mode": "plan", "commands": []}


def test_lines_that_cannot_be_read_are_named_and_the_others_are_planned(planned: Any) -> None:
    long = line(5, reasons=["x" * 2 * LARGEST])
    code, out, err = planned([line(1), "oops", "", long, line(2), line(1)])
    assert code == 3
    assert "2 commands: 2 go." in " ".join(out.split())
    assert [each.split(": ")[1] for each in err.splitlines()] == ["r.jsonl:2", "r.jsonl:4"]
    assert "oops" not in err


def test_a_hostile_command_stops_nothing_and_reaches_no_terminal(planned: Any) -> None:
    lines = [line(1, revocation={"provider": "words", "user": "boom"}), line(2, owner="\x1b[31m\u202e" * 50)]
    lines += [
        line(3, credential_id="\x1b]0;x\x07" * 200, revocation={"provider": "words", "user": "\n\r\x1b[2J"})
    ]
    code, out, err = planned(lines)
    assert code == 0
    assert not set("\x1b\u202e\x07\r") & set(out + err)
    assert "(ZeroDivisionError)" in out


def test_a_secret_in_a_file_that_is_no_replays_is_masked(planned: Any) -> None:
    token = "glpat-" + "Qm3vX8rT2kLw9ZpB5nHd"
    code, out, err = planned([line(1, revocation={"provider": "words", "user": token})], "--json")
    assert code == 0
    assert token not in out + err


def test_standard_input(planned: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line(7).encode())))
    code, out, _ = planned([], name="-")
    assert code == 0
    assert "c-7" in out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["approve", "--dry-run", "x"], "--dry-run goes with no approve"),
        (["--dry-run", "x", "--as", "bob"], "--as goes with `revoke approve`, `deny` and `retry`"),
        (["--json"], "--json goes with --dry-run or `revoke held`"),
        (["held", "an-id"], "an id goes with `revoke approve`, `deny` and `retry`"),
        (["approve"], "there is no [[revoke.approver]]"),
        (["held"], "there is no [kafka] table"),
    ],
)
def test_arguments_that_do_not_go_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    (tmp_path / "curfewd.toml").write_text("[revoke]\n")
    assert main(["revoke", *arguments, "--config", str(tmp_path / "curfewd.toml")]) == 2
    said = capsys.readouterr()
    assert reason in said.err or "there is no [kafka] table" in said.err
    assert said.out == ""
