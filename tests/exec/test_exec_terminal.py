"""A job under `curfewd exec` on a real terminal, with its output masked and not."""

import base64
import os
import select
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from detector.scan.scanner import PatternScanner
from tests.bundled import bundled_patterns
from tests.exec.running import EXEC, TOKEN, ends_in, environment, run, terminal, until

PATTERN: Final = next(pattern for pattern in bundled_patterns() if pattern.id == "github-pat-classic")
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


GITHUB: Final = PatternScanner((PATTERN,)).scan(PATTERN.examples[0].encode())[0].secret.reveal().decode()
PRINTS: Final = """
import sys, time
for piece in sys.argv[1:]:
    print(piece, end="", flush=True)
    time.sleep(0.4)
print("\\nthe end", flush=True)
"""


def pieces_of(secret: str) -> dict[str, list[str]]:
    encoded = base64.b64encode(secret.encode()).decode()
    return {
        "three": [secret[:3], secret[3:]],
        "characters": [*secret[:12], secret[12:]],
        "base64": [encoded[:20], encoded[20:]],
        "half": [f"key {secret[:16]}", "\x1b[0m", secret[16:]],
        "blanks": [" ".join(secret[:16]) + " ", " ".join(secret[16:])],
    }


def printing(folder: Path, secret: str, name: str) -> list[str]:
    known = ("--secret-env", "DEPLOY_TOKEN") if secret == TOKEN else ()
    pieces = pieces_of(secret)[name]
    (folder / "job.py").write_text(f"import time\ntime.sleep(2)\n{PRINTS}")  # the scanner is loaded by then
    arguments = ("--task", "deploy/1", "--to", "events.jsonl", "--mask", *known, "--hold", "2min")
    return [*EXEC, *arguments, "--", sys.executable, "job.py", *pieces]


@pytest.mark.parametrize("name", sorted(pieces_of(TOKEN)))
@pytest.mark.parametrize("secret", [TOKEN, GITHUB], ids=["registered", "pattern"])
def test_a_secret_that_comes_in_pieces_does_not_show_on_a_terminal(
    tmp_path: Path, secret: str, name: str
) -> None:
    with terminal(tmp_path, *printing(tmp_path, secret, name)) as screen:
        screen.sees("the end")
        assert screen.ends() == 0
    mask = "‹known-credential:33›" if secret == TOKEN else "‹github-pat-classic:40›"
    before = "key " if name == "half" else ""
    assert screen.shown.decode() == f"{before}{mask}\r\nthe end\r\n"


@pytest.mark.parametrize("name", ["three", "half"])
def test_a_secret_that_comes_in_pieces_does_not_show_in_a_pipe(tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        printing(tmp_path, TOKEN, name),
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        check=True,
        timeout=240,
    )
    before = "key " if name == "half" else ""
    assert done.stdout.decode() == f"{before}‹known-credential:33›\nthe end\n"


def test_what_is_held_goes_out_when_the_time_is_over(tmp_path: Path) -> None:
    job = ("sh", "-c", f"sleep 2; printf {TOKEN[:9]}; read rest; echo {TOKEN[9:]}; echo end")
    with terminal(tmp_path, *exec_line("--mask", "--hold", "500ms", "--", *job)) as screen:
        screen.sees(TOKEN[:9])
        screen.type("\n")
        screen.sees("end")
        assert screen.ends() == 0
    assert TOKEN[9:] not in screen.shown.decode()


def test_a_prompt_and_what_is_typed_show_though_output_is_held(tmp_path: Path) -> None:
    (tmp_path / "curfewd.toml").write_text('[scan]\nhold = "1h"\n')
    arguments = exec_line("--mask", "--config", "curfewd.toml", "--", "bash", "--norc", "--noprofile", "-i")
    with terminal(tmp_path, *arguments) as screen:
        screen.sees("$ ")
        for key in "echo say":
            screen.type(key)
            screen.sees(key)
        screen.type("ing\n")
        screen.sees("\nsaying")
        screen.type("exit 3\n")
        assert screen.ends() == 3


def test_a_time_to_hold_goes_with_masking_and_is_a_duration(tmp_path: Path) -> None:
    for arguments, said in (
        (("--hold", "2s"), "--hold says how long --mask holds output back: give --mask too"),
        (("--mask", "--hold", "soon"), "--hold is not a duration"),
    ):
        done = run(tmp_path, *arguments, "--", "true")
        assert done.returncode == 2
        assert said in done.stderr.decode()


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


FAILED: Final = "‹masking failed›"
# Its own code runs as lines are searched: in time, or as the file is loaded.
PLUGIN: Final = """
import re
from detect_secrets.plugins.base import RegexBasedDetector

class Failing(RegexBasedDetector):
    secret_type = "Failing"
    denylist = [re.compile("fail-[0-9]{8}")]

    def analyze_string(self, string):
        raise {error}
"""
MUCH: Final = "seq 200000"  # more than a pipe or a terminal holds
FAILS: Final = f'echo "key fail-48203917 $DEPLOY_TOKEN"; {MUCH}; echo "$DEPLOY_TOKEN"; exit 7'


def failing(folder: Path, error: str = "MemoryError", *, loading: bool = False) -> tuple[str, ...]:
    """A configuration with which masking fails at `fail-48203917`, or as soon as it is loaded."""
    plugin = f"raise {error}" if loading else PLUGIN.replace("{error}", error)
    (folder / "failing.py").write_text(plugin)
    (folder / "curfewd.toml").write_text('[patterns]\nplugins = ["failing.py"]\n')
    return ("--config", "curfewd.toml", "--secret-env", "DEPLOY_TOKEN", "--mask")


@pytest.mark.parametrize("error", ["MemoryError", "SystemExit"])
@pytest.mark.parametrize("stream", [1, 2], ids=["stdout", "stderr"])
def test_a_job_ends_as_it_does_though_masking_fails(tmp_path: Path, stream: int, error: str) -> None:
    seen = f"until grep -q before {stream}; do sleep 0.1; done"
    script = f'echo "before $DEPLOY_TOKEN ." >&{stream}; {seen}; ({FAILS}) >&{stream}'
    with (tmp_path / "1").open("wb") as first, (tmp_path / "2").open("wb") as second:
        done = subprocess.run(
            exec_line(*failing(tmp_path, error), "--", "sh", "-c", script),
            cwd=tmp_path, env=environment(tmp_path), stdout=first, stderr=second, check=False, timeout=120,
        )  # fmt: skip
    assert done.returncode == 7
    said = f"curfewd: exec: masking failed ({error}): from here on the output is not shown, and the command runs on\n"
    shown = f"before ‹known-credential:33› .\n{FAILED}\n"
    out, err = (shown, said) if stream == 1 else ("", "".join(sorted_lines(shown, said)))
    assert (tmp_path / "1").read_text() == out
    assert sorted_lines((tmp_path / "2").read_text()) == sorted_lines(err)


def sorted_lines(*texts: str) -> list[str]:
    return sorted(line for text in texts for line in text.splitlines(keepends=True))


def test_two_streams_that_fail_are_said_once_and_nothing_of_them_shows(tmp_path: Path) -> None:
    script = f"({FAILS}) & ({FAILS}) >&2; wait; exit 5"
    done = run(tmp_path, *failing(tmp_path), "--", "sh", "-c", script)
    assert (done.returncode, done.stdout.decode()) == (5, f"{FAILED}\n")
    first, second = done.stderr.decode().splitlines()
    assert {first, second} == {
        FAILED,
        "curfewd: exec: masking failed (MemoryError): from here on the output is not shown, and the command runs on",
    }


def test_masking_that_fails_on_a_terminal_lets_the_job_go_on(tmp_path: Path) -> None:
    arguments = failing(tmp_path)
    with terminal(
        tmp_path, *exec_line(*arguments, "--", "sh", "-c", f"echo before; sleep 3; {FAILS}")
    ) as screen:
        screen.sees("before")
        screen.sees(FAILED)
        assert screen.ends() == 7
    assert TOKEN.encode() not in screen.shown
    assert screen.shown.count(b"masking failed (MemoryError)") == 1
    assert (
        b"runs on\r\n" in screen.shown
    )  # the terminal is raw: a line feed alone would not go back to the left
    assert f"{FAILED}\r\n".encode() in screen.shown


@pytest.mark.parametrize("target", ["&-", "/dev/full"], ids=["closed", "full"])
@pytest.mark.parametrize("stream", [1, 2], ids=["stdout", "stderr"])
@pytest.mark.parametrize("job", [FAILS, f"{MUCH}; exit 7"], ids=["failing", "masking"])
def test_a_job_ends_though_its_masked_output_goes_nowhere(
    tmp_path: Path, target: str, stream: int, job: str
) -> None:
    line = shlex.join(exec_line(*failing(tmp_path), "--", "sh", "-c", f"({job}) >&{stream}"))
    done = subprocess.run(
        ["sh", "-c", f"{line} {stream}>{target}"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 7
    assert TOKEN.encode() not in done.stdout + done.stderr
    assert done.stderr.count(b"masking failed (MemoryError)") == (job == FAILS and stream == 1)
    assert ends_in(tmp_path)["deploy/1"]["exit_code"] == 7


def test_what_a_slow_reader_does_not_wait_for_is_not_lost(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # as Node and others leave a pipe that they share with us
    line = exec_line("--mask", "--", "sh", "-c", f"{MUCH}; exit 7")
    process = subprocess.Popen(line, cwd=tmp_path, env=environment(tmp_path), stdout=writing)
    os.close(writing)
    until(lambda: select.select([reading], [], [], 0)[0])
    time.sleep(1)  # it finds the pipe full
    with os.fdopen(reading, "rb") as lines:
        assert lines.read().splitlines() == [str(number).encode() for number in range(1, 200_001)]
    assert process.wait(60) == 7


def test_output_that_cannot_be_masked_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text('[[pattern]]\nid = "x"\nregex = "("\n')
    (tmp_path / "curfewd.toml").write_text('[patterns]\npaths = ["broken.toml"]\n')
    script = f'echo "$DEPLOY_TOKEN"; {MUCH}; exit 2'
    done = run(tmp_path, "--config", "curfewd.toml", "--mask", "--", "sh", "-c", script)
    assert done.returncode == 2
    assert done.stdout.decode() == f"{FAILED}\n"
    [said] = done.stderr.decode().splitlines()
    assert said.startswith("curfewd: exec: masking failed (")
    assert "broken.toml" in said


@pytest.mark.parametrize(("prints", "shown"), [(MUCH, f"{FAILED}\n"), (":", "")], ids=["prints", "is silent"])
def test_a_job_ends_though_masking_cannot_be_loaded(tmp_path: Path, prints: str, shown: str) -> None:
    arguments = failing(tmp_path, "SystemExit", loading=True)
    done = run(tmp_path, *arguments, "--", "sh", "-c", f"sleep 30 & {prints}; exit 7")
    assert (done.returncode, done.stdout.decode()) == (7, shown)
    assert done.stderr.count(b"masking failed") == 1
