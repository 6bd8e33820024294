"""Runs `curfewd exec` as a process of its own, with streams or on a terminal."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

TOKEN: Final = "dep1_7KdWq4ZtB9xLr2MvN6hPc8YjQm3v"
EXEC: Final = (sys.executable, "-m", "detector.cli", "exec")
_SECONDS: Final = 240.0  # the first that masks compiles for the processor


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The variables of a job, with the token in one, and a spool in that folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CURFEWD_")}
    return {**kept, "CURFEWD_SPOOL": str(folder / "spool"), "DEPLOY_TOKEN": TOKEN, **more}


def run(
    folder: Path,
    *arguments: str,
    task: str = "deploy/1",
    given: bytes = b"",
    environ: Mapping[str, str] | None = None,
) -> "subprocess.CompletedProcess[bytes]":
    """Runs to its end; the events go to `events.jsonl` in the folder, unless the arguments say otherwise."""
    to = () if "--to" in arguments else ("--to", str(folder / "events.jsonl"))
    named = () if "--flush" in arguments else ("--task", task)
    return subprocess.run(
        [*EXEC, *named, *to, *arguments],
        input=given,
        capture_output=True,
        check=False,
        cwd=folder,
        env=dict(environ or environment(folder)),
        timeout=_SECONDS,
    )


def events_in(folder: Path) -> list[dict[str, Any]]:
    """What was sent to the file, which is not there before."""
    told = folder / "events.jsonl"
    return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []


def ends_in(folder: Path) -> dict[str, Any]:
    """What each task's end says, by task."""
    return {
        event["data"]["task_id"]: event["data"]
        for event in events_in(folder)
        if event["type"] == "task.ended"
    }


def spooled(folder: Path) -> list[Path]:
    return [path for path in (folder / "spool").rglob("*") if path.is_file()]


def children_of(pid: int) -> list[int]:
    """The processes that the main thread of a process has started, and that nobody has waited for."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def until(condition: Any) -> None:
    """Waits for what happens soon."""
    end = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


class Terminal:
    """A terminal on which a process runs as the leader of a session."""

    def __init__(self, master: int, process: "subprocess.Popen[bytes]") -> None:
        self.master = master
        self.process = process
        self.shown = b""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def sees(self, text: str) -> None:
        """Waits until the text stands on the screen."""
        end = time.monotonic() + _SECONDS
        while text.encode() not in self.shown:
            assert time.monotonic() < end, self.shown
            if select.select([self.master], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    self.shown += os.read(self.master, 4096)
            elif self.process.poll() is not None and text.encode() not in self.shown:
                raise AssertionError(self.shown)

    def ends(self) -> int:
        """Waits for the end of the process, and returns what it exited with."""
        end = time.monotonic() + _SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < end, self.shown
            if select.select([self.master], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    self.shown += os.read(self.master, 4096)
        with contextlib.suppress(OSError):
            while select.select([self.master], [], [], 0)[0] and (data := os.read(self.master, 4096)):
                self.shown += data
        return self.process.returncode


@contextlib.contextmanager
def terminal(folder: Path, *command: str) -> Iterator[Terminal]:
    """A terminal of 40 lines and 100 columns, with the command on it."""
    import fcntl  # noqa: PLC0415 - here alone
    import struct  # noqa: PLC0415 - here alone
    import termios  # noqa: PLC0415 - here alone

    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = subprocess.Popen(
        [
            "setsid",
            "--ctty",
            "--wait",
            "env",
            "--default-signal",
            *command,
        ],  # who started the tests may ignore some
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=folder,
        env=environment(folder, PS1="$ ", TERM="dumb"),
    )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)
