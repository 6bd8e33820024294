"""`curfewd check` and `[revoke]`: what it refuses, what it warns of, and that it never shows a token."""

import sys
from pathlib import Path

import pytest

from detector.cli import main
from detector.values.secrets import DeploymentKey

TOKEN = "0123456789abcdef0123456789abcdef"


class Folder:
    """A configuration in a folder, and what `curfewd check` says of it."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capsys = capsys

    def file(self, name: str, text: str = TOKEN, mode: int = 0o600) -> None:
        (self.path / name).write_text(text)
        (self.path / name).chmod(mode)

    def check(self, text: str) -> tuple[int, list[str]]:
        config = self.path / "curfewd.toml"
        config.write_text(f'key_file = "key"\n{text}')
        self.file("key", "00" * 16)
        code = main(["check", "--config", str(config)])
        said = self._capsys.readouterr()
        assert TOKEN not in said.out + said.err
        lines = said.err.replace(f"{self.path}/", "").removesuffix("\n").split("\n")
        return code, [line.removeprefix("curfewd: warning: ") for line in lines if line]


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Folder:
    return Folder(tmp_path, capsys)


GOOD = """
[revoke]
mode = "act"
[[revoke.approver]]
name = "alice"
token_file = "alice.token"
[[revoke.notice]]
name = "hook"
type = "webhook"
url = "https://hooks.example/x"
secret_file = "hook.secret"
[revoke.targets.db]
type = "postgresql"
host = "127.0.0.1"
password_file = "db.password"
"""


def good(folder: Folder) -> None:
    folder.file("alice.token")
    folder.file("hook.secret", "whsec_" + TOKEN)
    folder.file("db.password")


def test_a_good_one_has_nothing_against_it(folder: Folder) -> None:
    good(folder)
    assert folder.check(GOOD) == (0, [])


def test_secrets_that_others_can_read_or_change_are_named(folder: Folder) -> None:
    folder.file("alice.token", mode=0o644)
    folder.file("hook.secret", "whsec_" + TOKEN, mode=0o622)
    folder.file("db.password", mode=0o604)
    code, said = folder.check(GOOD)
    assert code == 0
    assert said == [
        "revoke.approver alice: token_file: others on this machine can read alice.token: chmod 600 it",
        "revoke.notice hook: secret_file: others on this machine can write hook.secret: chmod 600 it",
        "revoke.targets.db.password_file: others on this machine can read db.password: chmod 600 it",
    ]


def test_a_targets_files_that_this_machine_lacks_are_named(folder: Folder) -> None:
    good(folder)
    (folder.path / "db.password").unlink()
    code, said = folder.check(f'{GOOD}ca_file = "ca.pem"\n')
    assert code == 0  # the service may have them elsewhere, as those that systemd hands over
    assert said == [
        f"revoke.targets.db.{option}: {name}: cannot be read: No such file or directory; without it nothing is "
        "revoked at this target"
        for option, name in (("password_file", "db.password"), ("ca_file", "ca.pem"))
    ]


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        ("", "empty"),
        ("short", "a weak token"),
        ("a" * 64, "a weak token"),
        ("0123456789abcdef 0123456789abcdef", "a token must be ASCII"),
    ],
)
def test_an_approver_without_a_good_token_is_a_mistake(
    folder: Folder, token: str | None, reason: str
) -> None:
    good(folder)
    (folder.path / "alice.token").unlink()
    if token is not None:
        folder.file("alice.token", token)
    code, said = folder.check(GOOD)
    assert code == 2
    assert len(said) == 1
    assert "revoke.approver alice: token_file" in said[0]
    assert reason in said[0]


def test_two_people_with_one_token_are_a_mistake(folder: Folder) -> None:
    good(folder)
    folder.file("bob.token")
    code, said = folder.check(GOOD + '[[revoke.approver]]\nname = "bob"\ntoken_file = "bob.token"\n')
    assert code == 2
    assert said == [
        "bob.token: revoke.approver bob: token_file: it is the token of alice too: nobody would know who approved"
    ]


def test_commands_that_anybody_may_have_written_are_warned_of(
    folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good(folder)
    _, said = folder.check(GOOD.replace("[revoke]\n", "[revoke]\nallow_unsigned = true\n"))
    assert [each.split(":")[0] for each in said] == ["revoke.allow_unsigned"]
    config = tmp_path / "revoke.toml"
    config.write_text(GOOD)
    assert main(["check", "--config", str(config)]) == 0
    assert (
        "warning: revoke.command_key_file: there is no key to check signatures with"
        in capsys.readouterr().err
    )
    folder.file("command.key", DeploymentKey.of(bytes(16)).for_commands().material.hex(), mode=0o644)
    config.write_text(GOOD.replace("[revoke]\n", '[revoke]\ncommand_key_file = "command.key"\n'))
    assert main(["check", "--config", str(config)]) == 0
    said = capsys.readouterr().err.splitlines()
    assert not any("there is no key to check" in each for each in said)
    assert any("revoke.command_key_file: others on this machine can read" in each for each in said)


def test_approvers_whose_names_differ_in_case_alone_are_a_mistake(folder: Folder) -> None:
    good(folder)
    folder.file("other.token", TOKEN[::-1])
    code, said = folder.check(GOOD + '[[revoke.approver]]\nname = "Alice"\ntoken_file = "other.token"\n')
    assert code == 2
    assert any("another approver has this name" in each for each in said)


def test_power_without_limits_or_targets_is_warned_of(folder: Folder) -> None:
    code, said = folder.check(
        '[revoke]\nmode = "act"\nnever = ["**"]\n'
        "[revoke.limits]\nper_minute = 0\nper_hour = 0\nper_owner = 0\nper_target = 0\n"
        '[revoke.allow]\nkinds = []\ntargets = ["nowhere", "v*"]\n[revoke.deny]\nowners = ["*"]\n'
    )
    assert code == 0
    assert said == [
        "revoke.targets: there are none, so every command is refused: add a table [revoke.targets.NAME]",
        (
            "revoke.limits: mode is act and there is no limit: whoever can write a command can have every credential "
            "revoked that the targets reach"
        ),
        "revoke.allow.kinds: an empty list allows nothing: every command is refused",
        "revoke.never: a glob in it matches everything: every command is refused",
        "revoke.deny.owners: a glob in it matches everything: every command is refused",
        "revoke.allow.targets: there is no [revoke.targets.nowhere]",
    ]
    _, said = folder.check('[revoke]\nmode = "act"\n[revoke.limits]\nper_hour = 0\nper_owner = 0\n')
    assert said[1:] == ["revoke.limits.per_hour: 0 is no limit, and so are per_owner"]
    _, said = folder.check("[revoke]\n[revoke.limits]\nper_hour = 0\n")
    assert len(said) == 1


def test_a_target_that_never_gets_a_command_is_named(folder: Folder) -> None:
    folder.file("p")
    table = '[revoke.targets.{}]\ntype = "postgresql"\nhost = "127.0.0.1"\npassword_file = "p"\n{}'
    matched = 'match = { cluster = "eu" }\n'
    code, said = folder.check("[revoke]\n" + table.format("all", "") + table.format("eu", matched))
    assert code == 0
    assert said == [
        (
            "revoke.targets.eu: all, of the same type and without match, stands before it and takes every command: give "
            "that one a match, or write it last"
        )
    ]
    assert folder.check("[revoke]\n" + table.format("eu", matched) + table.format("all", "")) == (0, [])


@pytest.mark.parametrize(
    ("table", "line", "reason"),
    [
        ('type = "postgresq"', 4, "type: no such type (did you mean postgresql?); known are vault, aws"),
        ('type = "nowhere.at.all:Class"', 4, "type: there is no module nowhere.at.all"),
        ('type = "detector.revoke.rails:Class"', 4, "type: the module detector.revoke.rails has no Class"),
        ('type = "postgresql"\nhots = "x"', 5, "hots: no such option of a target of type postgresql (did you mean host?)"),
        ('type = "postgresql"\nhost = 5\npassword_file = "x"', 5, "host: write a text in quotes"),
        ('type = "postgresql"\nhost = "h"\npassword_file = "x"\nport = "5432"', 7, "port: write a whole number"),
        ('type = "redis"\nservers = "h:1"\npassword_file = "x"\nuser_prefix = "t-"', 5, "servers: write a list"),
        ('type = "postgresql"\nhost = "h"\npassword_file = "x"\nstandbys = [5]', 7, "standbys: write a text in quotes"),
        ('type = "postgresql"\nhost = "h"', 3, "one: needs password_file"),
        ('type = "postgresql"\npassword = "x"', 5, "password: never write a secret in the configuration"),
        ("host = 5", 3, "needs type"),
        ('type = "vault"\nmatch = { nothing = "x" }', 5, "match.nothing: no such key"),
        ('type = "vault"\nmatch = { kind = [] }', 5, "match.kind: an empty list matches nothing"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_target_has_its_line(folder: Folder, table: str, line: int, reason: str) -> None:
    code, said = folder.check(f"[revoke]\n[revoke.targets.one]\n{table}\n")
    assert code == 2
    assert said[0].startswith(f"curfewd.toml:{line}: revoke.targets.one")
    assert reason in said[0]


def test_a_library_that_is_not_installed_is_named_with_the_way_to_get_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine without the extra: Python's own import system says that the library is not there."""
    good(folder)
    for name in [name for name in sys.modules if name.startswith("detector.revoke.targets.postgresql")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    code, said = folder.check(GOOD)
    assert code == 2
    assert "needs the library asyncpg, which is not installed: pip install '.[revoke]' in the" in said[0]


def test_approvals_on_a_port_for_all_are_warned_of(folder: Folder) -> None:
    good(folder)
    code, said = folder.check(f'[service]\nlisten = "0.0.0.0:9464"\n{GOOD}')
    assert code == 0
    assert said == [
        "revoke.approver: on 0.0.0.0:9464 the tokens of approvers are sent in the clear; put TLS in front of it"
    ]
