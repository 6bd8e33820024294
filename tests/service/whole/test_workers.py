"""`service.workers`: several processes behind one pair of ports, which die and end together."""

import asyncio
import functools
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from detector.configuration.settings import Settings
from detector.service.http.server import Request
from detector.service.observability.readiness import StandbyCopies
from detector.service.worker import main
from detector.service.worker_link import ParentEnd, WorkerEnd, WorkerStatus
from detector.service.workers import WorkersPage, WorkersReadiness
from detector.values.errors import ConfigError
from tests.broker import Cluster
from tests.exec.running import children_of
from tests.ingest.streams import until
from tests.service.whole.deployment import Deployment, Expected, ended, settled, terminate
from tests.service.whole.test_replay_parity import small

__all__ = ("small",)
MODULE = "detector.service.worker"


def of_two_workers(deployment: Deployment) -> Deployment:
    deployment.config.write_text(deployment.config.read_text() + "workers = 2\n")
    return deployment


def workers(pid: int) -> dict[int, int]:
    """The workers of a process: the pid of each number."""
    found = {}
    for child in children_of(pid):
        words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
        if MODULE in words:
            found[int(words[words.index(MODULE) + 3])] = child
    return found


def gone(pid: int) -> bool:
    """Whether no process has it; one that nobody waits for counts as none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def test_a_worker_and_then_the_parent_are_killed(small: tuple[Deployment, Expected]) -> None:
    deployment, expected = small
    parent = of_two_workers(deployment).start()
    await until(deployment.ready, "both workers")
    (first, second) = (workers(parent.pid)[number] for number in (0, 1))
    page = (await asyncio.to_thread(deployment.get, "/metrics"))[1]
    assert "\ncurfewd_ready 1.0\n" in page
    assert all(f'curfewd_event_loop_delay_seconds{{worker="{number}"}}' in page for number in (0, 1))

    os.kill(second, signal.SIGKILL)

    async def started_again() -> bool:
        return workers(parent.pid).get(1, second) != second and await deployment.ready()

    await until(started_again, "another worker in place of the one that was killed")
    assert workers(parent.pid)[0] == first
    (line,) = [line for line in deployment.said() if line["event"].startswith("a worker died")]
    assert (line["worker"], line["code"]) == (1, -signal.SIGKILL)
    assert "memory ran out" in line["why"]
    await settled(deployment, expected)

    left = [*workers(parent.pid).values()]
    os.kill(left[0], signal.SIGSTOP)  # as one that is too busy to do anything about it
    parent.kill()

    async def all_gone() -> bool:
        return all(map(gone, left))

    await until(all_gone, "the end of the workers")
    parent.wait()

    parent = deployment.start()
    await until(deployment.ready, "both workers")
    left = [*workers(parent.pid).values()]
    terminate(parent)
    assert await ended(parent) == 0
    assert all(map(gone, left))
    assert deployment.said()[-1]["event"] == "stopped"
    await settled(deployment, expected)


def test_a_worker_whose_parent_died_before_it_was_there_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-m", MODULE, str(tmp_path / "none.toml"), "all", "0", "0"]
    assert subprocess.run([*command, "1"], check=False).returncode == -signal.SIGKILL
    assert subprocess.run([*command, str(os.getpid())], check=False).returncode == 2


async def test_what_no_worker_can_mend_is_told_once(broker: Cluster, tmp_path: Path) -> None:
    deployment = of_two_workers(Deployment(broker.bootstrap, tmp_path))
    process = deployment.start()
    try:
        assert await ended(process) == 2
    finally:
        deployment.end()
    (error,) = [line for line in deployment.said() if line["level"] == "error"]
    assert "run curfewd topics create" in error["why"]
    assert error["worker"] == 0


def test_the_view_shows_one_process(tmp_path: Path) -> None:
    config = tmp_path / "curfewd.toml"
    config.write_text("[service]\nview = true\nworkers = 2\n")
    with pytest.raises(ConfigError, match=r"service\.view: .*workers = 1"):
        Settings.load(str(config))


def test_a_configuration_that_went_wrong_meanwhile_ends_a_worker_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "curfewd.toml"
    config.write_text("[service]\nworkers = 0\n")
    assert main(str(config), "all", 1, -1) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"curfewd: worker 1: {config}:2: service.workers: write a whole number from 1 to 256"
    ]


def test_the_standby_copies_of_all_workers_are_told() -> None:
    readiness = WorkersReadiness(3)
    readiness.waiting = None
    assert readiness.detail == ""
    copies = StandbyCopies(2, 2, 5), StandbyCopies(), StandbyCopies(3, 1, 1200)
    readiness.statuses = [WorkerStatus(ready=None, standbys=each) for each in copies]
    assert readiness.ready() is None
    assert readiness.detail == "; 3 of 5 standby copies are ready, at most 1,200 records behind"


async def test_the_series_of_each_worker_are_told_apart() -> None:
    ends = {number: ParentEnd() for number in (0, 1)}
    for number, end in ends.items():
        written = f'# TYPE curfewd_ready gauge\ncurfewd_ready {number}.0\n# TYPE x counter\nx_total{{topic="t"}} {number + 5}.0 # {{uid="u"}} 1.0\n# EOF\n'.encode()
        worker = WorkerEnd(os.dup(end.descriptor))
        worker.answer(WorkerStatus, functools.partial(bytes, written))
        end.started()
    page = WorkersPage(lambda: ends, lambda: False)
    plain = (await page.page(Request("", {}))).body.decode()
    assert 'x_total{topic="t",worker="0"} 5.0\nx_total{topic="t",worker="1"} 6.0\n' in plain
    assert re.findall(r"^curfewd_ready.*", plain, re.MULTILINE) == ["curfewd_ready 0.0"], (
        "the instance, not each"
    )
    exact = (await page.page(Request("", {"accept": "application/openmetrics-text"}))).body.decode()
    assert 'worker="1"} 6.0 # {uid="u"} 1.0' in exact
    assert ends[0].status() == WorkerStatus()
    for end in ends.values():
        end.close()
    assert ends[0].status() is None
