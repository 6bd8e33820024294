"""Starts stage workers, and kills and stalls them."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from tests.ingest.streams import Streams

ROOT = Path(__file__).parents[2]


class Worker:
    """A stage in its own process; its facts are in `path`."""

    def __init__(self, streams: Streams, path: Path, *options: str) -> None:
        self.path = path
        self._log = path.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.kafka.stage_worker", streams.bootstrap, streams.name, *options],
            cwd=ROOT,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )

    def telling(self, fact: str, times: int = 1) -> Callable[[], Awaitable[bool]]:
        """Whether it has reported so many facts of a kind."""

        async def told() -> bool:
            return self.told.count(f"\n{fact} ") + self.told.startswith(f"{fact} ") >= times

        return told

    @property
    def told(self) -> str:
        return self.path.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, number)

    async def ended(self) -> bool:
        return self.process.poll() is not None

    async def stalled(self) -> bool:
        """Whether the process is stopped."""
        return self._state() == "T"

    def _state(self) -> str:
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        return stat.rsplit(")", 1)[1].split()[0]

    def end(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait()
        self._log.close()


class Workers:
    """The workers of one test."""

    def __init__(self, streams: Streams, folder: Path) -> None:
        self._streams = streams
        self._folder = folder
        self.all: list[Worker] = []

    def start(self, *options: str) -> Worker:
        worker = Worker(self._streams, self._folder / f"worker-{len(self.all)}.log", *options)
        self.all.append(worker)
        return worker


@contextlib.contextmanager
def workers(streams: Streams, folder: Path) -> Iterator[Workers]:
    """Workers that end with the block."""
    group = Workers(streams, folder)
    try:
        yield group
    finally:
        for worker in group.all:
            worker.end()
