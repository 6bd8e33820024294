"""A job under `curfewd exec` on a real terminal, with its output masked and not."""

import shlex
import sys
from pathlib import Path

from tests.exec.running import EXEC, TOKEN, ends_in, environment, run, terminal

ASKS = """
import os, signal, sys
print("size", *os.get_terminal_size(), "token", os.environ["DEPLOY_TOKEN"])
name = input("who? ")
try:
    print("hello", name)
    signal.pause()
except KeyboardInterrupt:
    print("interrupted once")
    sys.exit(4)
"""


def exec_line(*arguments: str) -> list[str]:
    return [*EXEC, "--task", "deploy/1", "--secret-env", "DEPLOY_TOKEN", "--to", "events.jsonl", *arguments]


def test_the_command_has_the_terminal_itself(tmp_path: Path) -> None:
    with terminal(tmp_path, *exec_line("--", sys.executable, "-c", ASKS)) as screen:
        screen.sees(f"size 100 40 token {TOKEN}")
        screen.sees("who? ")
        screen.type("ann\n")
        screen.sees("hello ann")
        screen.type("\x03")
        assert screen.ends() == 4
    assert screen.shown.count(b"interrupted once") == 1
    assert ends_in(tmp_path)["deploy/1"] == {"task_id": "deploy/1", "outcome": "cancelled", "exit_code": 4}


def test_a_masked_command_has_a_terminal_and_its_secrets_do_not_show(tmp_path: Path) -> None:
    with terminal(tmp_path, *exec_line("--mask", "--", sys.executable, "-c", ASKS)) as screen:
        screen.sees("size 100 40 token ‹known-credential:33›")
        screen.sees("who? ")
        screen.type("ann\n")
        screen.sees("hello ann")
        screen.type("\x03")
        assert screen.ends() == 4
    assert screen.shown.count(b"interrupted once") == 1
    assert TOKEN.encode() not in screen.shown
    assert b"\r\r" not in screen.shown  # a line ends as it does on a terminal
    assert ends_in(tmp_path)["deploy/1"]["exit_code"] == 4


def test_what_was_typed_before_the_masked_command_reads_is_read(tmp_path: Path) -> None:
    with terminal(tmp_path, *exec_line("--mask", "--", "sh", "-c", "read name; echo hello $name")) as screen:
        screen.type("ann\n")
        screen.sees("hello ann")
        assert screen.ends() == 0


def test_a_shell_stops_and_continues_the_job(tmp_path: Path) -> None:
    # Not dash: one that is stopped within its vfork hangs, under any parent.
    job = shlex.join(exec_line("--", "bash", "-c", "echo run''ning; sleep 1; sleep 1; echo do''ne; exit 6"))
    with terminal(tmp_path, "bash", "--norc", "-i") as screen:
        screen.type(f"{job}\n")
        screen.sees("running")
        screen.type("\x1a")
        screen.sees("Stopped")
        screen.type("fg; echo code=$?\n")
        screen.sees("done")
        screen.sees("code=6")
        screen.type("exit\n")
        screen.ends()
    assert ends_in(tmp_path)["deploy/1"]["exit_code"] == 6


def test_masked_pipes_stay_two_streams_and_hide_encoded_secrets(tmp_path: Path) -> None:
    script = (
        'echo "out $DEPLOY_TOKEN"; printf %s "$DEPLOY_TOKEN" | base64; echo "err $DEPLOY_TOKEN" >&2; exit 3'
    )
    done = run(tmp_path, "--secret-env", "DEPLOY_TOKEN", "--mask", "--", "sh", "-c", script)
    assert done.returncode == 3
    assert done.stdout.decode() == "out ‹known-credential:33›\n‹known-credential:33›\n"
    assert done.stderr.decode() == "err ‹known-credential:33›\n"


def test_output_that_cannot_be_masked_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text('[[pattern]]\nid = "x"\nregex = "("\n')
    (tmp_path / "curfewd.toml").write_text('[patterns]\npaths = ["broken.toml"]\n')
    done = run(
        tmp_path, "--config", "curfewd.toml", "--mask", "--", "sh", "-c", 'echo "$DEPLOY_TOKEN"; exit 2',
        environ=environment(tmp_path),
    )  # fmt: skip
    assert done.returncode == 2
    assert TOKEN not in (done.stdout + done.stderr).decode()
    assert "cannot be masked" in done.stdout.decode()
