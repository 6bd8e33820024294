"""The folder of state: no two services work in one, and what cannot be written ends the service with what to do."""

import asyncio
import errno
import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detector.service.state_lock import state_locked
from tests.broker import Cluster
from tests.ingest.streams import until
from tests.service.whole.deployment import ROOT, Deployment, ended, log_lines, terminate
from tests.service.whole.disturbed import Disturbed
from tests.service.whole.small_disk import SmallDisk
from tests.service.whole.test_workers import of_two_workers, workers

DIED = "the last run in this folder of state did not end by itself"
NOBODY = "127.0.0.1:1"  # no broker: the folder is taken before one is asked


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    one = Deployment(NOBODY, tmp_path)
    yield one
    one.end()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path / "state", 12) as small:
        yield small


async def at_work(deployment: Deployment) -> None:
    async def started() -> bool:
        return any(line["event"] == "started" for line in deployment.said())

    await until(started, "its start")


def refusal(deployment: Deployment) -> str:
    """What the last process said, once and for a person."""
    assert "Traceback" not in deployment.log.read_text()
    (line,) = [line for line in deployment.said() if line["level"] != "info"]
    assert line["event"] == "cannot go on"
    return str(line["why"])


async def test_a_second_service_in_one_folder_is_refused_with_who_holds_it(deployment: Deployment) -> None:
    first = deployment.start()
    await at_work(deployment)
    log = deployment.log
    assert await ended(deployment.start()) == 2
    why = refusal(deployment)
    assert why.startswith(
        f"service.state: the folder {deployment.folder}/state is in use by curfewd run (pid {first.pid} on host "
        f"{socket.gethostname()} since "
    )
    assert why.endswith("): give each instance a folder of its own")
    assert first.poll() is None
    assert not [line for line in log_lines(log) if line["event"] == "cannot go on"]

    first.kill()
    third = deployment.start()
    await at_work(deployment)
    terminate(third)
    assert await ended(third) == 0


async def test_workers_that_outlive_their_parent_keep_the_folder(deployment: Deployment) -> None:
    parent = of_two_workers(deployment).start()

    async def has_worker() -> bool:
        return 0 in workers(parent.pid)

    await until(has_worker, "its first worker")
    parent.kill()
    parent.wait()
    lock = os.open(deployment.folder / "state" / "lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as a worker that the kernel takes long to kill
        assert await ended(deployment.start()) == 2
        assert f"is still in use by workers of curfewd run (pid {parent.pid} on host " in refusal(deployment)
        waiting = deployment.start()
        await asyncio.sleep(1)
        assert waiting.poll() is None
    finally:
        os.close(lock)
    await at_work(deployment)
    (line,) = [line for line in deployment.said() if line["event"] == DIED]
    assert f"(pid {parent.pid} on host " in line["why"]
    terminate(waiting)
    assert await ended(waiting) == 0
    last = deployment.start()
    await at_work(deployment)
    terminate(last)
    assert await ended(last) == 0
    assert not [line for line in deployment.said() if line["event"] == DIED]


async def test_the_workers_of_one_service_share_the_folder(broker: Cluster, tmp_path: Path) -> None:
    deployment = of_two_workers(Deployment(broker.bootstrap, tmp_path))
    await deployment.create()
    process = deployment.start()
    try:
        await until(deployment.ready, "both workers")
        assert await ended(deployment.start()) == 2
        assert f"(pid {process.pid} on host" in refusal(deployment)
        assert process.poll() is None
    finally:
        deployment.end()


async def test_a_read_only_folder_ends_it_at_the_start(tmp_path: Path, disk: SmallDisk) -> None:
    disk.make_read_only()
    deployment = Disturbed(NOBODY, tmp_path)
    deployment.inside = disk.inside
    for options in ((), ("--stage", "scan")):
        assert await ended(deployment.start(*options)) == 2
        assert refusal(deployment) == (
            f"service.state: {deployment.folder}/state: Read-only file system: let curfewd write there, or name another "
            "folder"
        )


def test_a_folder_that_has_turned_read_only_ends_it_once_the_judge_fails(disk: SmallDisk) -> None:
    disk.make_read_only()
    asked = (
        f"from pathlib import Path; from detector.kafka.stage_facts import PartitionStopped as Stopped; "
        f"from detector.kafka.handlers import Partition; from detector.service.hopeless import HopelessFailures; "
        f"failures = HopelessFailures('group', Path({str(disk.folder)!r})); "
        f"print(failures.observe('judge', Stopped(Partition('work', 0), 'failed')))"
    )
    command = [*disk.inside, sys.executable, "-c", asked]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert said.startswith(f"service.state: {disk.folder}: Read-only file system: ")


async def test_a_folder_that_cannot_be_made_ends_it(deployment: Deployment) -> None:
    (deployment.folder / "state").write_text("a file")
    assert await ended(deployment.start()) == 2
    assert refusal(deployment).startswith(f"service.state: {deployment.folder}/state: ")
    config = deployment.config.read_text()
    deployment.config.write_text(config.replace('state = "state"', 'state = "/proc/curfewd"'))
    assert await ended(deployment.start()) == 2
    assert refusal(deployment).startswith("service.state: /proc/curfewd: ")


async def test_a_file_system_without_locks_is_told(tmp_path: Path) -> None:
    def without_locks(_file: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    said: list[tuple[str, dict[str, Any]]] = []
    warn = lambda event, **fields: said.append((event, fields))  # noqa: E731
    async with state_locked(tmp_path, "c", warn, flock=without_locks):
        pass
    ((event, fields),) = said
    assert event.startswith(
        "nothing keeps a second service out of service.state, as its file system has no locks"
    )
    assert fields == {"why": "No locks available"}
