"""Records that no scan outlives, or that take too long: each is set aside, and nothing else is lost."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.broker import Cluster
from tests.ingest.streams import until
from tests.service.whole.crashing_worker import CRASHES, TAKES_LONG, TAKES_MUCH
from tests.service.whole.deployment import ended, terminate
from tests.service.whole.disturbed import Disturbed, deployed
from tests.service.whole.test_disk_faults import why
from tests.small_history import event, identifier_of, secret_of

TASKS = range(3)
PARTITION = 1


class Crashing(Disturbed):
    """Restarts the service whenever it has died, as an orchestrator does. `exits` are its exit codes."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.module = ("tests.service.whole.crashing_worker",)
        self.exits: list[int] = []

    async def kept_running(self) -> None:
        while True:
            process = self.start()
            self.exits.append(await asyncio.to_thread(process.wait))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.kept_running())
        try:
            yield
        finally:
            task.cancel()
            terminate(self.processes[-1])
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def deployment(broker: Cluster, tmp_path: Path) -> Any:
    made = Crashing(broker.bootstrap, tmp_path, changed=[("poll_records = 50", "poll_records = 5000")])
    await made.create()
    with deployed(made):
        yield made


def issued(task: int) -> list[bytes]:
    events = (
        event(2 * task, "task.started", 0, task_id=f"t{task}"),
        event(
            2 * task + 1,
            "credential.issued",
            0,
            credential_id=f"c{task}",
            task_id=f"t{task}",
            identifiers=[identifier_of(task)],
        ),
    )
    return [json.dumps(each).encode() for each in events]


async def gone(deployment: Disturbed) -> bool:
    return deployment.processes[-1].poll() is not None


async def counts(deployment: Disturbed) -> dict[str, int]:
    """How often each credential was leaked."""
    return {
        each["unmapped"]["credential_id"]: each["count"]
        for each in (await deployment.findings()).values()
        if each["finding_info"]["analytic"]["uid"] == "leaked-credential"
    }


async def put_among(deployment: Disturbed, poison: list[bytes], beside: int) -> list[int]:
    """Registers credentials, and sends their secrets with the poison between them; where the poison stands."""
    await deployment.put((1, 0, each) for task in TASKS for each in issued(task))
    lines: list[bytes] = []
    places = []
    for task in TASKS:
        lines += [b"plain line %d of %d" % (number, task) for number in range(beside)]
        lines.append(b"token " + secret_of(task))
        if task < len(poison):
            places.append(len(lines))
            lines.append(poison[task])
    await deployment.put((0, PARTITION, line) for line in lines)
    return places


async def set_aside(deployment: Disturbed, places: list[int]) -> list[str]:
    """Waits until the poison is set aside and all else is judged; what the dead letters say."""

    async def all_found() -> bool:
        return set(await counts(deployment)) == {f"c{task}" for task in TASKS}

    await until(all_found, "what stands beside the poison", every=0.5)

    async def read_to_the_end() -> bool:
        return await deployment.quiet()

    await until(read_to_the_end, "the look-back", every=0.5)
    letters = [json.loads(record.value) for record in await deployment.topic("dead-letters")]
    assert [(each["partition"], each["offset"]) for each in letters] == [(PARTITION, at) for at in places]
    assert {each["reason"] for each in letters} == {"unreadable"}
    return [each["detail"] for each in letters]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
async def test_records_that_crash_the_scan_are_set_aside_after_a_few_restarts(
    deployment: Crashing, number: signal.Signals
) -> None:
    poison = b"%b%02d" % (CRASHES, number)
    places = await put_among(deployment, [poison, poison], 700)
    async with deployment.running():
        details = await set_aside(deployment, places)
        assert all(number.name in each and "crashed the process" in each for each in details)
        assert deployment.exits == [-number]
    before = await counts(deployment)
    async with (
        deployment.running()
    ):  # what waits for later records is read again, but not what crashed the scan
        await deployment.put([(0, PARTITION, b"once more: token " + secret_of(0))])

        async def counted() -> bool:
            return await counts(deployment) == {**before, "c0": before["c0"] + 1}

        await until(counted, "the next record", every=0.5)
        await until(deployment.quiet, "the look-back", every=0.5)
        assert deployment.exits.count(-number) == 1


async def test_what_is_killed_as_memory_runs_out_is_no_dead_letter(deployment: Crashing) -> None:
    places = await put_among(deployment, [b"%b%02d" % (CRASHES, signal.SIGKILL)], 50)
    deployment.start()
    await until(lambda: gone(deployment), "its crash", every=0.1)
    process = deployment.start()
    assert await ended(process) == 2
    assert why(deployment).startswith("memory ran out")
    assert f"partition {PARTITION}, offset {places[0]}" in why(deployment)
    assert await deployment.topic("dead-letters") == []


async def test_a_record_for_which_no_memory_suffices_is_set_aside(deployment: Crashing) -> None:
    places = await put_among(deployment, [TAKES_MUCH + b"everything"], 100)
    async with deployment.running():
        (detail,) = await set_aside(deployment, places)
        assert "MiB of memory" in detail
        assert deployment.exits == []


@pytest.mark.chaos  # minutes of CPU time: each halving takes ten seconds of it
async def test_a_record_that_takes_longer_than_the_group_waits_is_set_aside(deployment: Crashing) -> None:
    few = 5  # each halving takes ten seconds of CPU time
    places = await put_among(deployment, [TAKES_LONG + b"25"], few)
    async with deployment.running():
        (detail,) = await set_aside(deployment, places)
        assert "of CPU time" in detail
        assert deployment.exits == []
