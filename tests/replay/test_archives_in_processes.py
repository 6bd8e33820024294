"""Archives in several processes, and what is left of one that is killed."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.ingest.inputs import find_sources
from detector.judge.policy import Policy
from detector.replay import runner as runner_module
from detector.replay.plan import Plan
from detector.replay.replay import replay
from detector.replay.runner import Processes
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.scanner import PatternScanner
from detector.terminal.progress import NoMeter
from tests.ingest.archives_made import gzipped, tarred, zipped
from tests.small_history import KEY, NOW, secret_of, write


def test_any_number_of_processes_finds_the_same_in_an_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "SMALL", 0)
    monkeypatch.chdir(tmp_path)
    events, logs = (path.read_bytes() for path in write(tmp_path / "history"))
    members = {
        f"{number}.log": logs + b"token %d " % number + secret_of(number) + b"\n" for number in range(3)
    }
    Path("all.tar.gz").write_bytes(gzipped(tarred({"events.jsonl": events, "in.zip": zipped(members)})))

    def found(jobs: int) -> list[str]:
        sources, letters = find_sources(["all.tar.gz"])
        plan = Plan(
            sources,
            Policy(),
            lambda identifiers: LeakFinder(PatternScanner([]), KnownIndex(identifiers, [KEY]), [KEY]),
            keyed=True,
            now=NOW,
            runner=Processes(jobs),
            unit=1000,
            letters=letters,
        )
        return [str(finding) for finding in replay(plan, NoMeter()).findings]

    alone = found(1)
    assert any("all.tar.gz!in.zip!2.log" in finding for finding in alone)
    assert found(3) == alone


def open_files(pid: int) -> Iterator[str]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            yield str(link.readlink())


def test_a_replay_that_is_killed_leaves_nothing_of_an_archive(tmp_path: Path) -> None:
    lines = random.Random(1).randbytes(20_000_000).hex().encode()
    (tmp_path / "a.tar.gz").write_bytes(gzipped(tarred({"a.log": lines})))
    before = (tmp_path / "a.tar.gz").stat()
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-m", "detector.cli", "replay", str(tmp_path / "a.tar.gz")]
    environ = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ
    ) as process:
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            # Python writes a file to see whether it may, and removes it. What is kept has no name from the start.
            if any(
                str(tmp_path / "tmp") in path and path.endswith("(deleted)")
                for path in open_files(process.pid)
            ):
                break
        else:
            raise AssertionError("it kept nothing")
        process.send_signal(signal.SIGKILL)
    assert list((tmp_path / "tmp").iterdir()) == []
    after = (tmp_path / "a.tar.gz").stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
