"""`curfewd run` as a benchmark starts it, and what a process has used."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from benchmarks.live_load import key_of
from benchmarks.replay_bench import curfewd

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_KB: Final = 1024
_PATIENCE: Final = 900.0  # seconds until ready: ten million credentials are to be read
_numbers = itertools.count()


def cpu_of(pid: int) -> float:
    """User and system seconds of a process, its threads and its ended children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def processes_of(pid: int) -> list[int]:
    """A process and its children that live, theirs too."""
    found = [pid]
    for tasks in (Path(f"/proc/{one}/task") for one in found):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found += [
                int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()
            ]
    return found


def memory_of(pid: int) -> tuple[int, int]:
    """Resident bytes now, and at the most."""
    values = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in {"VmRSS", "VmHWM"}:
            values[name] = int(rest.split()[0]) * _KB
    return values["VmRSS"], values["VmHWM"]


class Process:
    """One `curfewd run`; killed on leaving."""

    def __init__(self, config: Path, seed: int, log: Path, *options: str) -> None:
        self.log = log
        self.began = time.monotonic()
        with log.open("wb") as out:
            self._popen = subprocess.Popen(
                [curfewd(), "run", "--config", str(config), *options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "CURFEWD_KEY": key_of(seed).material.hex()},
            )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._popen.pid

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    def said(self) -> Iterator[dict[str, Any]]:
        """Its log lines so far."""
        for line in self.log.read_text().splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    async def ready(self) -> float:
        """Waits until /readyz says so; seconds since the start.

        Raises:
            RuntimeError: it ended, or takes for ever.
        """
        while time.monotonic() - self.began < _PATIENCE:
            if self._popen.poll() is not None:
                raise RuntimeError(f"curfewd ended: {self.log.read_text()[-2000:]}")
            if await asyncio.to_thread(self._answers, "/readyz"):
                return time.monotonic() - self.began
            await asyncio.sleep(0.05)
        raise RuntimeError("curfewd is not ready")

    def _answers(self, path: str) -> bool:
        probes = next((line["probes"] for line in self.said() if line["event"] == "started"), None)
        if probes is None:
            return False
        try:
            with urllib.request.urlopen(f"http://{probes}{path}", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal; after SIGKILL or SIGTERM waits for the end."""
        self._popen.send_signal(number)
        if number in {signal.SIGKILL, signal.SIGTERM}:
            self._popen.wait(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.wait()


class Deployment:
    """A group with topics of its own over the inputs given, and a folder.

    `settings` are lines of `[kafka]`, `service` of `[service]`, `policy` those before any table; `registry` names a
    registry topic that is there already.
    """

    def __init__(  # noqa: PLR0913 - what a deployment is made of, each by its name
        self,
        bootstrap: str,
        folder: Path,
        inputs: str,
        *,
        seed: int,
        registry: str | None = None,
        partitions: int = 4,
        lookback: str = "0s",
        settings: str = "",
        service: str = "",
        policy: str = "",
        copies: int = 1,
    ) -> None:
        self.name = f"d{next(_numbers)}"
        self.seed = seed
        self.partitions = partitions
        self.folder = folder / self.name
        self.folder.mkdir()
        self.work = f"{self.name}.work"
        self._runs = 0
        self._service = service
        self._text = (
            f'{policy}[kafka]\nbootstrap = "{bootstrap}"\ngroup = "{self.name}"\nprefix = "{self.name}."\n'
            f'event_topics = ["{inputs}"]\nreplication = {copies}\n'
            f'min_insync = {max(1, copies - 1)}\nlookback = "{lookback}"\n{settings}\n'
            f"[kafka.topics.work]\npartitions = {partitions}\n"
            + (f'[kafka.topics.registry]\nname = "{registry}"\n' if registry else "")
        )

    def group(self, stage: str) -> str:
        """The consumer group of a stage."""
        return f"{self.name}-{stage}"

    def create_topics(self) -> None:
        """By the command."""
        subprocess.run(
            [curfewd(), "topics", "create", "--config", str(self._config("state"))],
            check=True,
            capture_output=True,
        )

    def start(self, *options: str, state: str = "state") -> Process:
        """A process with `state` for its folder."""
        self._runs += 1
        return Process(self._config(state), self.seed, self.folder / f"run-{self._runs}.log", *options)

    def _config(self, state: str) -> Path:
        path = self.folder / f"{state}.toml"
        service = f'[service]\nlisten = "127.0.0.1:0"\nprobes = "127.0.0.1:0"\nlog_format = "json"\nlog_level = "debug"\nstate = "{state}"\n{self._service}\n'
        path.write_text(self._text + service)
        return path
