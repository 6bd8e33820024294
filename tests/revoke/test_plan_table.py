"""`curfewd revoke --dry-run`: the plan of a replay's commands, through the command line and a real replay."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from detector.cli import main
from detector.configuration.deployment_keys import KEY_VARIABLE
from detector.configuration.settings import Settings
from detector.outputs.command_signature import signed, signing_key
from detector.revoke.reader import LARGEST
from detector.values.secrets import DeploymentKey

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


KEY = DeploymentKey.of(bytes(range(32)))


def test_with_a_key_what_it_did_not_sign_is_named_and_not_planned(planned: Any, tmp_path: Path) -> None:
    """The key that commands are checked with comes from the deployment key, or is all that the revoker has."""
    (tmp_path / "deployment.key").write_text(KEY.material.hex())
    (tmp_path / "command.key").write_text(KEY.for_commands().material.hex())
    own = [signed(line(number).encode(), signing_key([KEY]))[0].decode() for number in (1, 2)]
    lines = [line(1), own[0].replace('"ann"', '"bob"'), *own]
    for config in ('command_key_file = "command.key"', '[[keys]]\nid = "k"\nfile = "deployment.key"'):
        code, out, err = planned(lines, "--json", config=config)
        assert code == 3
        assert [each["credential_id"] for each in json.loads(out)["commands"]] == ["c-1", "c-2"]
        assert [each.split(": ")[1:4] for each in err.splitlines()[-2:]] == [
            ["r.jsonl:1", "no command", "unsigned"],
            ["r.jsonl:2", "no command", "bad-signature"],
        ]
        code, out, err = planned(lines[:2], config=config)
        assert (code, out) == (2, "")
        assert "no key of the configuration has signed a line of it" in err
        assert "revoke.allow_unsigned" in err
        assert "revoke.allow_unsigned" not in planned(lines[1:2], config=config)[2]
    allowing = 'command_key_file = "command.key"\nallow_unsigned = true'
    code, out, _ = planned([line(1), own[1]], "--json", config=allowing)
    assert (code, len(json.loads(out)["commands"])) == (0, 2)
    assert planned(lines, "--json")[0] == 0  # without a key every command is believed


def test_the_command_keys_of_all_deployment_keys_are_printed_and_are_a_key_file(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old.key").write_text(KEY.material.hex())
    config = tmp_path / "curfewd.toml"
    config.write_text('[[keys]]\nid = "old"\nfile = "old.key"\n')
    monkeypatch.setenv(KEY_VARIABLE, "ab" * 32)
    assert main(["revoke", "command-keys", "--config", str(config)]) == 0
    printed = capsysbinary.readouterr().out
    both = Settings.load(str(config)).revoke.command_keys
    assert len(both) == 2
    assert KEY.material.hex().encode() not in printed
    (tmp_path / "command-keys").write_bytes(printed)
    config.write_text('[revoke]\ncommand_key_file = "command-keys"\n')
    monkeypatch.delenv(KEY_VARIABLE)
    assert [key.material for key in Settings.load(str(config)).revoke.command_keys] == [
        key.material for key in both
    ]
    assert main(["revoke", "command-keys"]) == 2
    assert b"there is no deployment key" in capsysbinary.readouterr().err
    for wrong in ("", "short", "00" * 16 + "\nxyz"):
        (tmp_path / "command-keys").write_text(wrong)
        assert main(["revoke", "--config", str(config), "--dry-run", "nothing"]) == 2
        assert b"revoke.command_key_file: " in capsysbinary.readouterr().err


def test_a_key_file_that_cannot_be_read_stops_it(planned: Any) -> None:
    code, out, err = planned([line(1)], config='command_key_file = "missing.key"')
    assert (code, out) == (2, "")
    assert err.endswith("revoke.command_key_file: missing.key: cannot be read: No such file or directory\n")


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


def test_a_plan_without_a_configuration_has_no_targets_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.jsonl").write_text(f"{line(1)}\n")
    assert main(["revoke", "--dry-run", str(tmp_path / "r.jsonl")]) == 0
    said = capsys.readouterr()
    assert said.err == (
        "curfewd: planned without targets, so nothing could be revoked: --config F names a file with [revoke.targets]\n"
    )
    assert "1 command: 1 refused." in said.out
    assert main(["revoke", "--commands", str(tmp_path / "r.jsonl"), "--out", str(tmp_path)]) == 2
    assert "name the configuration: --config F" in capsys.readouterr().err
