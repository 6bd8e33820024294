"""A stage is killed and stalled, on a real broker: nothing is lost or written twice."""

import asyncio
import random
import re
import signal
from pathlib import Path

import pytest

from tests.broker import Cluster
from tests.chaos import MANY
from tests.ingest.streams import (
    Streams,
    check_copies,
    committed_offsets,
    drained,
    ends,
    filled_by_keys,
    grown,
    made,
    until,
)
from tests.kafka.stage_processes import Worker, workers

KILLS = 9 * MANY


async def sizes(streams: Streams) -> list[int]:
    return [end for _, end in sorted((await ends(streams, streams.source)).items())]


async def all_done(streams: Streams) -> None:
    await until(lambda: drained(streams), "the end of the source")
    await check_copies(streams, await sizes(streams))


def last_step(worker: Worker) -> str:
    """Where the last transaction of a worker stood when it died."""
    steps = [line for line in worker.told.splitlines() if line.startswith("TransactionStep")]
    return steps[-1].rsplit("step=", 1)[1].strip("')") if steps else "none"


async def test_killed_at_random_moments(broker: Cluster, tmp_path: Path) -> None:
    """A third of the rounds dies at a chosen step of a transaction, a third some time after it took partitions,
    a third some time after its start, while it joins and restores."""
    rng = random.Random(20260731)
    streams = await made(broker.bootstrap)
    died = []
    with workers(streams, tmp_path) as group:
        for round_ in range(KILLS):
            await filled_by_keys(streams, 400, 4, seed=round_)
            if round_ % 3 == 0:
                worker = group.start("--poll", "20", "--kill-at", str(rng.randrange(1, 60)))
                await until(worker.ended, "its own kill")
            elif round_ % 3 == 1:
                worker = group.start("--poll", "20")
                await until(worker.telling("PartitionStarted"), "a partition", every=0.01)
                await asyncio.sleep(rng.random() * 0.3)
            else:
                worker = group.start("--poll", "20")
                await asyncio.sleep(0.3 + rng.random())
            worker.signal(signal.SIGKILL)
            await until(worker.ended, "its end", every=0.01)
            died.append(last_step(worker))
        group.start("--poll", "200")
        await all_done(streams)
    assert len(died) == KILLS
    assert sum(step in {"begun", "written", "offsets"} for step in died) >= KILLS // 4, died


@pytest.mark.parametrize("step", ["begun", "written", "offsets"])
async def test_a_stalled_instance_cannot_commit_after_its_partitions_moved(
    broker: Cluster, tmp_path: Path, step: str
) -> None:
    streams = await made(broker.bootstrap)
    await filled_by_keys(streams, 400, 4)
    with workers(streams, tmp_path) as group:
        # Its transactions time out after the patience of this test: whoever takes over has to abort them.
        zombie = group.start("--poll", "50", "--stall-at", step, "--transaction", "600")
        await until(zombie.stalled, "a stalled transaction")
        group.start("--poll", "50")
        await until(lambda: drained(streams), "the other to do all the work")
        offsets, written = await committed_offsets(streams), await ends(streams, streams.target)
        # What the zombie had written is there, and aborted: it will never be seen.
        await check_copies(streams, await sizes(streams))

        zombie.signal(signal.SIGCONT)
        await until(zombie.telling("PartitionStopped"), "the zombie to learn that it is one")
        assert re.search(r"reason='(fenced|moved)'", zombie.told), (
            "refused, or told by the group before it asked"
        )
        assert f"step='{step}'" in zombie.told
        assert await committed_offsets(streams) == offsets
        await check_copies(streams, await sizes(streams))
        assert sum((await ends(streams, streams.target)).values()) >= sum(written.values())

        # It comes back as an ordinary member.
        await until(zombie.telling("PartitionStarted", 5), "partitions for the former zombie")
        await filled_by_keys(streams, 400, 4, seed=2)
        await all_done(streams)


def came_back(told: str) -> set[str]:
    """The partitions that a member gave away and got again, by its facts.

    A partition that failed starts again where it is. A member that is missed for a session, of 1.5 s here, begins all
    its partitions again: another may have had them.
    """
    moved: set[str] = set()
    back: set[str] = set()
    anew: set[str] = set()
    for line in told.splitlines():
        if line.startswith("Rebalanced"):
            kept, gained, lost = (
                set(re.findall(r"number=(\d+)", part)) for part in re.split("gained=|lost=", line)
            )
            if not kept and gained & lost:
                moved.clear()
                anew |= gained & lost
        elif found := re.match(r"Partition(Started|Stopped) .*?number=(\d+)(?:.*reason='(\w+)')?", line):
            fact, number, reason = found.groups()
            if fact == "Started" and number in moved:
                back.add(number)
            if reason == "moved":
                (anew.remove if number in anew else moved.add)(number)
    return back


async def test_instances_join_and_leave(broker: Cluster, tmp_path: Path) -> None:
    streams = await made(broker.bootstrap, 6)
    with workers(streams, tmp_path) as group:

        async def joined() -> Worker:
            worker = group.start("--poll", "20")
            await until(worker.telling("PartitionStarted"), "partitions for one more")
            await filled_by_keys(streams, 600, 6, seed=len(group.all))
            return worker

        first, second, third = await joined(), await joined(), await joined()
        first.signal(signal.SIGTERM)
        await until(first.ended, "a drained end")
        assert first.process.returncode == 0
        await filled_by_keys(streams, 600, 6, seed=11)
        second.signal(signal.SIGKILL)
        fourth = await joined()
        await all_done(streams)
        # Nobody's state was thrown away for a neighbour: what the third has taken stays with it. How much that is,
        # depends on whether the fourth came before anybody noticed that the second was gone.
        assert "PartitionStarted" in third.told
        assert not came_back(third.told), third.told
        assert fourth.told.count("reason='fenced'") == 0


async def test_partitions_are_added_while_it_runs(broker: Cluster, tmp_path: Path) -> None:
    streams = await made(broker.bootstrap, 5, source=2)
    with workers(streams, tmp_path) as group:
        worker = group.start("--poll", "20")
        await filled_by_keys(streams, 400, 2)
        await until(worker.telling("TransactionCommitted"), "work")
        await grown(streams, streams.source, 5)
        await until(worker.telling("PartitionStarted", 5), "the new partitions")
        await filled_by_keys(streams, 1000, 5, seed=2)
        await all_done(streams)


async def test_the_broker_answers_nobody_for_longer_than_a_transaction_may_take(
    frail_broker: Cluster, tmp_path: Path
) -> None:
    streams = await made(frail_broker.bootstrap)
    await filled_by_keys(streams, 2000, 4)
    with workers(streams, tmp_path) as group:
        worker = group.start("--poll", "20", "--transaction", "1")
        await until(worker.telling("TransactionCommitted"), "work", every=0.01)
        frail_broker.nodes[0].signal(signal.SIGSTOP)
        try:
            await until(worker.telling("PartitionStopped"), "a transaction given up")
        finally:
            frail_broker.nodes[0].signal(signal.SIGCONT)
        await all_done(streams)
        assert worker.process.poll() is None


async def test_the_broker_is_killed_and_comes_back(frail_broker: Cluster, tmp_path: Path) -> None:
    streams = await made(frail_broker.bootstrap)
    with workers(streams, tmp_path) as group:
        running = [group.start("--poll", "20"), group.start("--poll", "20")]
        for worker in running:
            await until(worker.telling("PartitionStarted"), "partitions")
        await filled_by_keys(streams, 4000, 4)
        for worker in running:
            await until(worker.telling("TransactionCommitted"), "work")
        await asyncio.to_thread(frail_broker.nodes[0].kill)
        await asyncio.to_thread(frail_broker.nodes[0].start)
        await filled_by_keys(streams, 400, 4, seed=2)
        await all_done(streams)
        assert [worker.process.poll() for worker in running] == [None, None]
