"""Runs a command and measures it: wall time, CPU time and memory of all its processes."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

_EVERY: Final = 0.2  # seconds between two looks at the memory
_KB: Final = 1024


class Run(msgspec.Struct, frozen=True):
    """One run: seconds of wall and CPU (user + system of all processes), peak bytes of memory, exit code.

    `memory` is the greatest sum of the processes' proportional set sizes seen at five looks a second (Linux),
    and never less than the peak resident set of the largest single process.
    """

    wall: float
    cpu: float
    memory: int
    exit_code: int
    output: str

    def rate(self, size: int) -> float:
        """MB of input for each CPU-second."""
        return size / 1e6 / self.cpu if self.cpu else 0.0


def offline() -> list[str]:
    """A command prefix that leaves a program no network but an idle loopback, where the system allows it."""
    tool = shutil.which("unshare")
    if tool is None:
        return []
    prefix = [tool, "--net", "--"]
    probe = subprocess.run([*prefix, "true"], check=False, capture_output=True)
    return prefix if probe.returncode == 0 else []


def run(command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Run:
    """Runs `command` to its end. `output` is the end of what it wrote to either stream."""
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        watch = _Watch(process.pid)
        watch.start()
        output = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        watch.stop()
    memory = max(watch.peak, usage.ru_maxrss * _KB)
    tail = output[-4000:].decode(errors="replace")
    return Run(wall, usage.ru_utime + usage.ru_stime, memory, process.returncode, tail)


class _Watch(threading.Thread):
    """Looks at the memory of a session's processes until it is stopped."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.session = session
        self.peak = 0
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(_EVERY):
            self.peak = max(self.peak, sum(map(_memory, self._processes())))

    def stop(self) -> None:
        """Ends the watch."""
        self._done.set()
        self.join()

    def _processes(self) -> list[Path]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if os.getsid(int(entry.name)) == self.session:
                        found.append(entry)
                except OSError:
                    continue
        return found


def _memory(process: Path) -> int:
    """Proportional set size of one process in bytes, 0 if it is gone."""
    try:
        for line in (process / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * _KB
    except OSError:
        pass
    return 0
