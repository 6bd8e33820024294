"""A topic that is deleted and recreated ends the service with a line that says what to do, and nothing is lost then."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import NewTopic

from tests.broker import Cluster
from tests.command_line import curfewd
from tests.ingest.streams import admin, until
from tests.service.whole.deployment import (
    Deployment,
    Expected,
    asked,
    ended,
    replayed,
    settled,
    summary,
    terminate,
)
from tests.service.whole.instances import drained
from tests.service.whole.test_replay_parity import HELD, PATIENT, UNTIL
from tests.small_history import KEY_TEXT, write

OURS = ("findings", "work", "state", "registry")
# Two topics, one each way; `make chaos` takes them all both ways.
CASES = [
    pytest.param(
        name,
        running,
        id=f"{'running' if running else 'down'}-{name}",
        marks=[] if (name, running) in {("findings", True), ("state", False)} else pytest.mark.chaos,
    )
    for running in (True, False)
    for name in OURS
]
Records = list[tuple[int, bytes]]


@contextlib.asynccontextmanager
async def deployed(broker: Cluster, folder: Path) -> AsyncIterator[tuple[Deployment, Records, Expected]]:
    """A deployment with its topics, the records of the small history, and what replay says of them."""
    (folder / "deployment.key").write_text(KEY_TEXT)
    deployment = Deployment(broker.bootstrap, folder, f'key_file = "deployment.key"\n{PATIENT}{HELD}')
    paths = write(folder / "history")
    records = [
        (1 - number, line) for number, path in enumerate(paths) for line in path.read_bytes().splitlines()
    ]
    expected = replayed(folder, deployment.config, paths, UNTIL)
    try:
        await deployment.create()
        yield deployment, records, expected
    finally:
        deployment.end()


async def stopped(process: Any) -> None:
    terminate(process)
    assert await ended(process) == 0


async def make_anew(deployment: Deployment, *names: str) -> None:
    async with admin(deployment.bootstrap) as client:
        await client.delete_topics([f"{deployment.name}.{name}" for name in names])
        await asyncio.sleep(1)  # what is deleted cannot be made at once
    await deployment.create()


async def same_as_replay(
    deployment: Deployment, expected: Expected, stale: AbstractSet[str] = frozenset()
) -> bool:
    """Whether live says what replay says. A command may be written twice under one id, and before all is known."""
    found = {uid: each for uid, each in (await deployment.findings()).items() if uid not in stale}
    commands = {(each[0], each[1]) for each in asked(await deployment.commands())}
    return summary(found) == summary(expected.findings) and commands == {
        (each[0], each[1]) for each in asked(expected.commands)
    }


async def refused(deployment: Deployment, process: Any, *names: str) -> None:
    """It ends, and the line names these topics and the command that accepts them."""
    assert await ended(process) == 2
    (why,) = (line["why"] for line in deployment.said() if line["event"] == "cannot go on")
    full = sorted(f"{deployment.name}.{name}" for name in names)
    assert f"run curfewd topics accept {' '.join(full)}" in why


async def accept(deployment: Deployment, *names: str) -> None:
    full = [f"{deployment.name}.{name}" for name in names]
    done = await asyncio.to_thread(curfewd, "topics", "accept", *full, "--config", deployment.config)
    assert done.code == 0, done.err
    assert [line.partition(":")[0] for line in done.out.decode().splitlines()] == full


@pytest.mark.parametrize(("name", "running"), CASES)
async def test_a_topic_of_ours_recreated(
    broker: Cluster, tmp_path: Path, name: str, *, running: bool
) -> None:
    async with deployed(broker, tmp_path) as (deployment, records, expected):
        # What comes later is about credentials, tasks and leaks that only the first half tells of, and the other way.
        random.Random(3).shuffle(records)
        half = len(records) // 2
        await deployment.fill(records[:half], seed=1)
        process = deployment.start()
        await until(lambda: judged_all(deployment), "what there is to judge")
        before = (await deployment.findings()).keys()
        if not running:
            await stopped(process)
        await make_anew(deployment, name)
        await refused(deployment, process if running else deployment.start(), name)
        await accept(deployment, name)
        await deployment.fill(records[half:], seed=2)
        process = deployment.start()
        # Nobody closes a finding of which only the lost state knew.
        stale = before - expected.findings.keys() if name == "state" else set()
        await until(lambda: same_as_replay(deployment, expected, stale), "what replay says")
        await stopped(process)
        process = deployment.start()  # and it is accepted for good
        await until(deployment.ready, "the service")


@pytest.mark.parametrize(
    "running", [True, pytest.param(False, marks=pytest.mark.chaos)], ids=["running", "down"]
)
async def test_an_input_recreated(broker: Cluster, tmp_path: Path, *, running: bool) -> None:
    async with deployed(broker, tmp_path) as (deployment, records, expected):
        logs = [record for record in records if record[0] == 0]
        half = len(logs) // 2
        await deployment.fill([*(each for each in records if each[0] == 1), *logs[:half]], seed=1)
        process = deployment.start()
        await until(lambda: judged_all(deployment), "what there is to judge")
        if not running:
            await stopped(process)
        await make_anew(deployment, "logs")
        # More records than there were: a reader that goes on at its old offset would skip some.
        await deployment.fill([*logs[half:], *[(0, b"a line like any other")] * 2 * half], seed=2)
        await refused(deployment, process if running else deployment.start(), "logs")
        await accept(deployment, "logs")
        deployment.start()
        await until(lambda: same_as_replay(deployment, expected), "what replay says")


async def read_all(deployment: Deployment) -> bool:
    if not await deployment.ready():
        return False
    async with admin(deployment.bootstrap) as client:
        offsets = await client.list_consumer_group_offsets(f"{deployment.name}-scan")
    return len({source.topic for source in offsets}) == 2


async def judged_all(deployment: Deployment) -> bool:
    """Whether both stages have committed all that there is."""
    return await deployment.ready() and await drained(deployment)


@pytest.mark.chaos
async def test_all_of_them_recreated_while_it_is_down(broker: Cluster, tmp_path: Path) -> None:
    async with deployed(broker, tmp_path) as (deployment, records, expected):
        await deployment.fill(records, seed=1)
        process = deployment.start()
        await settled(deployment, expected)
        await stopped(process)
        await make_anew(deployment, *OURS, "logs")
        await deployment.fill([record for record in records if record[0] == 0], seed=2)
        await refused(deployment, deployment.start(), *OURS)
        await accept(deployment, *OURS)
        deployment.start()
        await until(lambda: same_as_replay(deployment, expected), "what replay says")


async def test_work_that_nobody_had_judged_is_made_again_from_the_inputs(
    broker: Cluster, tmp_path: Path
) -> None:
    async with deployed(broker, tmp_path) as (deployment, records, expected):
        await deployment.fill(records, seed=1)
        process = deployment.start("--stage", "scan")
        await until(lambda: read_all(deployment), "what there is to read")
        await stopped(process)
        await make_anew(deployment, "work")
        await refused(deployment, deployment.start(), "work")
        await accept(deployment, "work")
        deployment.start()
        await settled(deployment, expected)


async def test_nothing_is_accepted_that_was_not_recreated_nor_while_a_process_is_there(
    broker: Cluster, tmp_path: Path
) -> None:
    async with deployed(broker, tmp_path) as (deployment, records, _):
        await deployment.fill(records, seed=1)
        process = deployment.start()
        await until(lambda: read_all(deployment), "what there is to read")
        findings = f"{deployment.name}.findings"
        arguments = ("topics", "accept", findings, "--config", deployment.config)
        done = await asyncio.to_thread(curfewd, *arguments)
        assert done.code == 2
        assert "stop all instances first" in done.err.decode()
        await stopped(process)
        done = await asyncio.to_thread(curfewd, *arguments)
        assert done.code == 2
        assert f"{findings}: recreated topics are: none" in done.err.decode()


async def test_a_topic_that_is_deleted_ends_a_running_service(broker: Cluster, tmp_path: Path) -> None:
    async with deployed(broker, tmp_path) as (deployment, records, _):
        await deployment.fill(records, seed=1)
        process = deployment.start()
        await until(lambda: read_all(deployment), "what there is to read")
        async with admin(deployment.bootstrap) as client:
            await client.delete_topics([f"{deployment.name}.findings"])
        assert await ended(process) == 2
        (why,) = (line["why"] for line in deployment.said() if line["event"] == "cannot go on")
        assert f"{deployment.name}.findings: deleted" in why


async def test_a_new_input_and_one_that_is_gone_end_nothing(broker: Cluster, tmp_path: Path) -> None:
    async with deployed(broker, tmp_path) as (deployment, records, expected):
        await deployment.fill(records, seed=1)
        process = deployment.start()
        await settled(deployment, expected)
        async with admin(deployment.bootstrap) as client:
            await client.create_topics([NewTopic(f"{deployment.name}.other", 1, 1)])
            await client.delete_topics([f"{deployment.name}.logs"])
        await asyncio.sleep(25)
        assert process.poll() is None
