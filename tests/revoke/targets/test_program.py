"""A program that revokes: real processes, with what they may do wrong."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detector.revoke.target import GoneError, RefusedError, UnavailableError
from detector.revoke.targets.program import Program, ProgramOptions
from tests.revoke.targets.commands import command

ASKED = command({"provider": "shipit", "id": "71; rm -rf /", "env": "$HOME"})
Make = Callable[..., Program]


@pytest.fixture
def program(tmp_path: Path) -> Make:
    """A program of a few lines of shell."""

    def make(script: str, *arguments: str, **options: Any) -> Program:
        path = tmp_path / "revoke-it"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        values = {"command": [str(path), *arguments], "timeout": 10.0}
        return Program(msgspec.convert(values | options, ProgramOptions))

    return make


async def test_it_gets_the_command_as_json_and_arguments_as_configured(program: Make, tmp_path: Path) -> None:
    target = program(f'cat > "{tmp_path}/message"; echo "$1|$#" > "{tmp_path}/arguments"', "a b;$(id)")
    assert target.accepts(ASKED)
    assert (await target.probe(ASKED)).state == "unknown"
    assert (await target.revoke(ASKED, 0)).endswith("ended with 0")
    message = msgspec.json.decode((tmp_path / "message").read_bytes())
    assert message["type"] == "credential.revocation.requested"
    assert message["data"]["revocation"] == ASKED.revocation
    assert message["data"]["command_id"] == ASKED.id
    assert (tmp_path / "arguments").read_text() == "a b;$(id)|1\n"
    assert (await target.probe(ASKED)).state == "unknown"


async def test_its_environment_is_scrubbed(
    program: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURFEWD_KAFKA_PASSWORD", "secret-of-the-revoker")
    monkeypatch.setenv("SHIPIT_URL", "https://shipit.example")
    await program(
        f'cat >/dev/null; /usr/bin/env > "{tmp_path}/env"; pwd >> "{tmp_path}/env"',
        environment=["SHIPIT_URL", "NONE"],
    ).revoke(ASKED, 0)
    lines = set((tmp_path / "env").read_text().splitlines())
    assert {line.partition("=")[0] for line in lines} <= {
        "PATH",
        "LANG",
        "SHIPIT_URL",
        "PWD",
        "_",
        "/",
        "SHLVL",
        "OLDPWD",
    }
    assert "SHIPIT_URL=https://shipit.example" in lines
    assert "/" in lines


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ("exit 3", GoneError, "gone"),
        ("exit 4", RefusedError, "refuses"),
        ('echo \'{"refused": "not ours"}\'; exit 4', RefusedError, "not ours"),
        ("exit 75", UnavailableError, "not now"),
        ("exit 1", UnavailableError, "exit code 1"),
        ("kill -9 $$", UnavailableError, "exit code -9"),
        ("echo done", UnavailableError, "does not describe"),
        ("exec /bin/cat /dev/zero", UnavailableError, "more than 64 KiB"),
        ("/bin/cat /dev/zero", UnavailableError, "more than 64 KiB"),
        ("exec 2>&1; echo leaked-token >&2; exit 1", UnavailableError, "exit code 1"),
    ],
)
async def test_its_exit_code_is_the_answer(
    program: Make, script: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        await program(script).revoke(ASKED, 0)
    assert "leaked-token" not in str(raised.value)


async def test_it_may_state_what_became_of_it(program: Make) -> None:
    target = program('echo \'{"state": "dead", "how": "looked it up", "control": true}\'')
    assert "is dead" in await target.revoke(ASKED, 0)
    seen = await target.probe(ASKED)
    assert (seen.state, seen.control) == ("dead", True)
    assert seen.how.endswith("says so: looked it up")


async def test_what_it_was_given_is_not_told(program: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIPIT_TOKEN", "the-token-of-the-program")
    said = program(
        'cat >/dev/null; printf \'{"refused": "no right for %s"}\' "$SHIPIT_TOKEN"; exit 4',
        environment=["SHIPIT_TOKEN"],
    )
    with pytest.raises(RefusedError, match="no right for ‹secret›") as raised:
        await said.revoke(ASKED, 0)
    assert "the-token" not in str(raised.value)


async def test_it_is_asked_for_the_state_if_it_can_tell(program: Make) -> None:
    script = 'case "$(cat)" in *revocation.probe*) echo \'{"state": "live"}\';; *) exit 3;; esac'
    assert (await program(script, probes=True).probe(ASKED)).state == "live"
    assert (await program("exit 3", probes=True).probe(ASKED)).state == "absent"
    with pytest.raises(GoneError):
        await program(script, probes=True).revoke(ASKED, 0)


async def test_a_program_that_hangs_is_killed_with_what_it_started(program: Make, tmp_path: Path) -> None:
    target = program(f'/bin/sleep 60 & echo $! > "{tmp_path}/pid"; wait', timeout=0.5)
    started = time.monotonic()
    with pytest.raises(UnavailableError, match=r"within 0\.5 s"):
        await target.revoke(ASKED, 0)
    assert time.monotonic() - started < 5
    await gone(int((tmp_path / "pid").read_text()))


async def test_a_cancelled_turn_leaves_no_program_behind(program: Make, tmp_path: Path) -> None:
    turn = asyncio.create_task(program(f'echo $$ > "{tmp_path}/pid"; exec /bin/sleep 60').revoke(ASKED, 0))
    for _ in range(1000):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip():
            break
        await asyncio.sleep(0.01)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await gone(int((tmp_path / "pid").read_text()))


async def gone(pid: int) -> None:
    """Waits until a process has ended; whoever inherited it may take a moment to notice."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{pid} still runs")


async def test_a_large_message_to_a_program_that_does_not_read_it(program: Make) -> None:
    large = command({"provider": "shipit", "note": "x" * 500_000})
    assert (await program("exit 0").revoke(large, 0)).endswith("ended with 0")
    assert (await program('echo \'{"state": "dead"}\'; cat > /dev/null').revoke(large, 0)).endswith("is dead")


async def test_a_program_that_is_not_there_is_waited_for() -> None:
    made = Program(ProgramOptions(command=("/nowhere/revoke-it",)))
    with pytest.raises(UnavailableError, match="No such file"):
        await made.revoke(ASKED, 0)


@pytest.mark.parametrize(
    "options", [{"command": []}, {"command": ["revoke-it"]}, {"command": ["/x"], "timeout": 0}]
)
def test_what_cannot_be_run_is_found_with_the_configuration(options: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"command|timeout"):
        msgspec.convert(options, ProgramOptions)


async def test_a_program_in_python(tmp_path: Path) -> None:
    """The example of docs/revoke.md."""
    page = (Path(__file__).parents[3] / "docs" / "revoke.md").read_text()
    script = page.split("```python\n#!/usr/bin/env python3\n")[1].split("```")[0]
    path = tmp_path / "revoke_it.py"
    path.write_text(script)
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "71").touch()
    os.environ["SHIPIT_TOKENS"] = str(tmp_path / "tokens")
    try:
        options = ProgramOptions(
            command=(sys.executable, str(path)), probes=True, environment=("SHIPIT_TOKENS",)
        )
        target = Program(options)
        asked = command({"provider": "shipit", "id": "71"})
        assert (await target.probe(asked)).state == "live"
        await target.revoke(asked, 0)
        assert (await target.probe(asked)).state == "dead"
        with pytest.raises(GoneError):
            await target.revoke(asked, 0)
        with pytest.raises(RefusedError, match="no id"):
            await target.revoke(command({"provider": "shipit", "id": "../71"}), 0)
    finally:
        del os.environ["SHIPIT_TOKENS"]


async def test_it_may_say_what_it_found(program: Make) -> None:
    asked = program('echo \'{"state": "live", "found": {"user": "ann"}}\'', probes=True)
    assert (await asked.probe(ASKED)).found == {"user": "ann"}
