"""While one stage of a process reads a backlog, another lets its transactions wait for more."""

import asyncio
from collections.abc import Sequence
from typing import Any

from detector.kafka.backlogs import LINGER_SECONDS, Backlogs
from detector.kafka.handlers import Output, Partition
from detector.kafka.stage import Stage
from detector.kafka.stage_facts import TransactionStep
from tests.broker import Cluster
from tests.ingest.streams import Streams, drained, filled, made, until
from tests.kafka.members import member
from tests.kafka.stage_handlers import Copy, running
from tests.kafka.test_transactions import poll, values, writing

LOGS, WORK = Partition("logs", 0), Partition("work", 3)


def test_only_a_stage_that_keeps_up_lingers() -> None:
    backlogs = Backlogs()
    assert backlogs.linger_seconds("judge") == 0
    backlogs.note("scan", LOGS, behind=True)
    assert (backlogs.linger_seconds("scan"), backlogs.linger_seconds("judge")) == (0, LINGER_SECONDS)
    backlogs.note("judge", WORK, behind=True)
    assert backlogs.linger_seconds("judge") == 0
    backlogs.note("judge", WORK, behind=False)
    assert backlogs.linger_seconds("judge") == LINGER_SECONDS
    backlogs.note("scan", LOGS, behind=False)
    assert backlogs.linger_seconds("judge") == 0


class Watching(Copy):
    """Notes in each poll how long another stage lingers."""

    def __init__(self, streams: Streams, backlogs: Backlogs) -> None:
        super().__init__(streams.target)
        self.seen: list[float] = []
        self._backlogs = backlogs

    async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
        self.seen.append(self._backlogs.linger_seconds("other"))
        return await super().process(partition, records)


async def test_a_stage_is_behind_while_more_than_a_poll_is_left(broker: Cluster) -> None:
    streams, backlogs = await made(broker.bootstrap, 1), Backlogs()
    watching = Watching(streams, backlogs)
    await filled(streams, 0, [b"%d" % n for n in range(45)])
    async with running(Stage(streams.clients, streams.stage(poll_records=10), watching, backlogs=backlogs)):
        await until(lambda: drained(streams), "the end of the source")
    assert watching.seen == [
        LINGER_SECONDS,
        LINGER_SECONDS,
        LINGER_SECONDS,
        0,
        0,
    ]  # 35, 25, 15, 5 and 0 are left


async def test_a_stage_that_ends_is_behind_no_longer(broker: Cluster) -> None:
    streams, backlogs = await made(broker.bootstrap, 1), Backlogs()
    watching = Watching(streams, backlogs)
    await filled(streams, 0, [b"%d" % n for n in range(45)])
    stage = Stage(streams.clients, streams.stage(poll_records=1), watching, backlogs=backlogs)
    async with running(stage):
        await until(lambda: asyncio.sleep(0, bool(watching.seen)), "a poll", every=0.001)
    assert watching.seen[-1] == LINGER_SECONDS
    assert backlogs.linger_seconds("other") == 0


async def test_polls_that_come_soon_after_a_transaction_share_the_next_one(broker: Cluster) -> None:
    streams, backlogs = await made(broker.bootstrap, 3), Backlogs(2.0)
    backlogs.note("another", LOGS, behind=True)
    async with member(streams) as (_, offsets), writing(streams, offsets, backlogs) as (transactions, facts):
        await transactions.commit(poll(streams, offsets, 0, 5))
        first = asyncio.create_task(transactions.commit(poll(streams, offsets, 1, 5)))
        await asyncio.sleep(0.1)  # without a backlog its transaction begins now
        await asyncio.gather(first, transactions.commit(poll(streams, offsets, 2, 5)))
    steps = [(each.step, each.partition.number) for each in facts if isinstance(each, TransactionStep)]
    begun = [number for step, number in steps if step == "begun"]
    assert begun == [0, 1, 2]
    assert steps[4:6] == [("begun", 1), ("begun", 2)]


async def test_while_a_stage_is_behind_half_of_its_polls_share_a_transaction(broker: Cluster) -> None:
    streams, backlogs = await made(broker.bootstrap, 4), Backlogs()
    backlogs.note(streams.stage().group, Partition(streams.source, 3), behind=True)
    async with member(streams) as (_, offsets), writing(streams, offsets, backlogs) as (transactions, facts):

        async def worked(number: int, ready: asyncio.Event) -> None:
            with transactions.processing():
                await ready.wait()
            await transactions.commit(poll(streams, offsets, number, 5))

        ready = [asyncio.Event() for _ in range(4)]
        polls = [asyncio.create_task(worked(number, each)) for number, each in enumerate(ready)]
        await asyncio.sleep(0)
        ready[0].set()
        await asyncio.sleep(0)
        ready[1].set()
        await asyncio.gather(*polls[:2])  # three are processed when the first is ready
        ready[2].set()
        ready[3].set()
        await asyncio.gather(*polls[2:])
    steps = [(each.step, each.partition.number) for each in facts if isinstance(each, TransactionStep)]
    assert steps[:2] == [("begun", 0), ("begun", 1)]
    assert [number for step, number in steps if step == "committed"] == [0, 1, 2, 3]


async def test_a_poll_that_takes_long_keeps_no_other_from_its_transaction(broker: Cluster) -> None:
    streams, backlogs = await made(broker.bootstrap, 2), Backlogs()
    backlogs.note(streams.stage().group, Partition(streams.source, 0), behind=True)
    async with member(streams) as (_, offsets), writing(streams, offsets, backlogs) as (transactions, _):
        with transactions.processing(), transactions.processing():
            await asyncio.wait_for(transactions.commit(poll(streams, offsets, 0, 5)), 30)
    assert await values(streams) == [b"0-5"]
