"""Polls of several partitions in one transaction: by members only, and none takes another with it for ever."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import IncompatibleBrokerVersion, TransactionalIdAuthorizationFailed

from detector.kafka import transactions as transactions_module
from detector.kafka.backlogs import Backlogs
from detector.kafka.batches import Limits
from detector.kafka.group_offsets import GroupOffsets
from detector.kafka.group_requests import ListTransactions, OffsetFetch, TxnOffsetCommit
from detector.kafka.handlers import Output, Partition
from detector.kafka.left_open import abort_left_open, left_by
from detector.kafka.membership import Membership
from detector.kafka.stage import Stage
from detector.kafka.stage_facts import Fact, PartitionStopped, TransactionCommitted, TransactionStep
from detector.kafka.transactions import Poll, Transactions
from detector.values.errors import FencedError, RetryError, StopError
from tests.broker import Cluster
from tests.ingest.streams import Streams, committed_offsets, drained, ends, filled, made, read, until
from tests.kafka.members import by, member
from tests.kafka.stage_handlers import Copy, FactRecorder, running


@contextlib.asynccontextmanager
async def writing(
    streams: Streams, offsets: GroupOffsets, backlogs: Backlogs | None = None
) -> AsyncIterator[tuple[Transactions, list[Fact]]]:
    """The transactions of a member."""
    facts: list[Fact] = []
    limits, name = Limits(1 << 20, 1 << 20), f"{streams.name}-{uuid.uuid4().hex}"
    transactions = Transactions(
        streams.clients, streams.stage(), name, limits, offsets, facts.append, backlogs or Backlogs()
    )
    transactions.start()
    try:
        await transactions.settled(Partition(streams.source, 0))
        yield transactions, facts
    finally:
        await transactions.close()


def poll(streams: Streams, offsets: GroupOffsets, number: int, offset: int) -> Poll:
    """A poll that gives one output."""
    output = Output(streams.target, None, b"%d-%d" % (number, offset), partition=number)
    return Poll(Partition(streams.source, number), by(offsets), [output], offset, f"note {number}")


async def values(streams: Streams) -> list[bytes]:
    return [each.value for some in (await read(streams, streams.target)).values() for each in some]


async def test_what_is_ready_together_is_committed_together(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 3)
    async with member(streams) as (_, offsets), writing(streams, offsets) as (transactions, facts):
        await asyncio.gather(*(transactions.commit(poll(streams, offsets, n, 5 + n)) for n in range(3)))
    steps = [(fact.step, fact.partition.number) for fact in facts if isinstance(fact, TransactionStep)]
    assert steps == [(step, n) for step in ("begun", "written", "offsets", "committed") for n in range(3)]
    assert await values(streams) == [b"0-5", b"1-6", b"2-7"]
    assert await committed_offsets(streams) == {Partition(streams.source, n): 5 + n for n in range(3)}


async def test_a_member_of_an_earlier_generation_writes_nothing(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    async with member(streams) as (_, late), writing(streams, late) as (transactions, _):
        await transactions.commit(poll(streams, late, 0, 3))
        async with member(streams) as (_, other), writing(streams, other) as (others, _):
            with pytest.raises(FencedError):
                await transactions.commit(poll(streams, late, 0, 2))
            await others.commit(poll(streams, other, 0, 4))
            with pytest.raises(FencedError):
                await transactions.commit(poll(streams, late, 0, 5))
    assert await values(streams) == [b"0-3", b"0-4"]
    assert await committed_offsets(streams) == {Partition(streams.source, 0): 4}


async def test_what_was_polled_before_the_last_assignment_is_not_written(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    async with member(streams) as (_, offsets), writing(streams, offsets) as (transactions, facts):
        earlier = poll(streams, offsets, 0, 3)
        earlier = earlier._replace(by=earlier.by._replace(generation=earlier.by.generation - 1))
        with pytest.raises(FencedError, match="joined again"):
            await transactions.commit(earlier)
    assert facts == []


async def test_what_is_given_up_is_settled_before_its_partition_starts_again(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    async with member(streams) as (_, offsets), writing(streams, offsets) as (transactions, facts):
        given_up = asyncio.create_task(transactions.commit(poll(streams, offsets, 0, 3)))
        await until(lambda: asyncio.sleep(0, bool(facts)), "an open transaction", every=0)
        given_up.cancel()
        await transactions.settled(Partition(streams.source, 0))
        assert await offsets.stable(TopicPartition(streams.source, 0)) == 3
    assert await values(streams) == [b"0-3"]
    with pytest.raises(RetryError, match="stopped"):
        await transactions.commit(poll(streams, offsets, 0, 4))


async def test_a_partition_whose_transactions_fail_takes_no_other_with_it_for_ever(broker: Cluster) -> None:
    """The brokers refuse what partition 0 writes, each time: the others go on."""
    streams, facts = await made(broker.bootstrap, 3), FactRecorder()
    streams_refusing = await made(broker.bootstrap, 1, target={"message.timestamp.after.max.ms": "1000"})

    class Refused(Copy):
        async def process(self, partition: Partition, records: Sequence[Any]) -> list[Output]:
            if partition.number:
                return await super().process(partition, records)
            return [Output(streams_refusing.target, None, b"", timestamp_ms=9_999_999_999_999)]

    for number in range(3):
        await filled(streams, number, [b"%d" % number] * 50)
    stage = Stage(streams.clients, streams.stage(poll_records=5), Refused(streams.target), facts)
    wanted = {Partition(streams.source, n): 50 for n in (1, 2)}

    async def others_done() -> bool:
        return await committed_offsets(streams) == wanted

    async with running(stage):
        await until(others_done, "the end of the others")
        failures = [fact.partition.number for fact in facts.of(PartitionStopped) if fact.reason == "failed"]
        await until(
            lambda: asyncio.sleep(0, facts.of(PartitionStopped)[-1].partition.number == 0), "another failure"
        )
    assert failures.count(0) > 1
    assert max(failures.count(n) for n in (1, 2)) <= 1
    assert sorted(await values(streams)) == [b"1"] * 50 + [b"2"] * 50


async def test_partitions_share_transactions_and_go_their_own_way(broker: Cluster) -> None:
    streams, facts = await made(broker.bootstrap, 4), FactRecorder()
    for number in range(4):
        await filled(streams, number, [b"%d" % number] * 200)
    async with running(Stage(streams.clients, streams.stage(poll_records=10), Copy(streams.target), facts)):
        await until(lambda: drained(streams), "the end of the source")
    assert sorted(await values(streams)) == sorted(b"%d" % n for n in range(4) for _ in range(200))
    commits = len(facts.of(TransactionCommitted))
    markers = sum((await ends(streams, streams.target)).values()) - 800
    assert commits >= 80
    assert markers < 80, "a transaction for each would leave at least a marker for each"


INSTANCES = [uuid.UUID(int=n).hex for n in range(3)]


def test_only_ids_of_our_group_that_nobody_has_are_left() -> None:
    names = {f"g-{each}" for each in INSTANCES} | {
        f"g-x-{INSTANCES[0]}",
        "g-in-0",
        "g-in-1",
        "h-in-0",
        "g-",
        "g",
    }
    gained = frozenset({Partition("in", 0)})
    assert left_by(names, "g", {INSTANCES[1]}, gained) == [f"g-{INSTANCES[0]}", f"g-{INSTANCES[2]}", "g-in-0"]


async def test_what_an_instance_that_is_gone_has_left_open_is_aborted(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 3)
    gone, live = INSTANCES[:2]
    producers = [
        AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=f"{group}-{instance}")
        for group, instance in ((streams.name, gone), (streams.name, live), (f"{streams.name}-other", gone))
    ]
    async with member(streams) as (consumer, _), contextlib.AsyncExitStack() as stack:
        for number, producer in enumerate(producers):
            await producer.start()
            stack.push_async_callback(producer.stop)
            await producer.begin_transaction()
            await producer.send_and_wait(streams.target, b"%d" % number, partition=number)
        await abort_left_open(streams.clients, streams.stage(), consumer, {live}, frozenset())
        for producer in producers[1:]:
            await producer.commit_transaction()
        assert await values(streams) == [b"1", b"2"]
        with pytest.raises(Exception, match=r"(?i)fenced"):
            await producers[0].commit_transaction()


def test_brokers_that_cannot_fence_are_refused() -> None:
    versions = {28: (0, 3), 9: (0, 6)}
    with pytest.raises(IncompatibleBrokerVersion, match="too old: it does not know OffsetFetch"):
        OffsetFetch("group", TopicPartition("in", 0)).prepare(versions)
    with pytest.raises(IncompatibleBrokerVersion, match="does not know ListTransactions"):
        ListTransactions().prepare(versions)
    assert TxnOffsetCommit("id", (1, 0), Membership("group", "m", 1), {}).prepare(versions).API_VERSION == 3


async def test_nobody_waits_for_a_producer_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> Any:
        raise TransactionalIdAuthorizationFailed("curfewd-scan-1")

    monkeypatch.setattr(transactions_module, "transactional_producer", refused)
    streams, offsets, limits = Streams("", "s"), GroupOffsets(1), Limits(1, 1)
    transactions = Transactions(
        streams.clients, streams.stage(), "id", limits, offsets, lambda _: None, Backlogs()
    )
    partition = Partition(streams.source, 0)
    waiting = asyncio.create_task(transactions.commit(Poll(partition, Membership("s", "m", 1), [], 0)))
    transactions.start()
    for wait in (waiting, transactions.settled(partition)):
        with pytest.raises(StopError, match="Kafka does not let this user at the transactional id"):
            await wait
    await transactions.close()
