"""What a broker has comes out of a consumer of columns as out of an ordinary one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiokafka
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.protocol.fetch import FetchRequest

from detector.kafka import clients, stage
from detector.kafka.assignor import StickyAssignor
from detector.kafka.clients import (
    LEAST_FETCHED_BYTES,
    group_consumer,
    share_fetches,
    stage_consumer,
    stop_consumer,
)
from detector.kafka.columns_check import fields
from detector.kafka.raw_batches import BRIEFLY
from detector.kafka.stage import Stage
from detector.kafka.stage_facts import ColumnsUnavailable, Rebalanced, TransactionCommitted
from detector.records.record_columns import RecordColumns
from tests.broker import Cluster
from tests.ingest.streams import Streams, admin, filled, made, read, until
from tests.kafka.stage_handlers import Copy, FactRecorder, running

CODECS = (None, "gzip", "snappy", "lz4", "zstd")
HEADERS = [("name", b"value"), ("none", None), ("", b"")]


@contextlib.asynccontextmanager
async def reading(
    streams: Streams, fetch_bytes: int = 1 << 20, partitions: int = 1
) -> AsyncIterator[tuple[Any, TopicPartition]]:
    """A consumer of columns at the first record of the source's only partition, as if it had so many."""
    settings = streams.stage(partition_fetch_bytes=fetch_bytes)
    consumer = stage_consumer(streams.clients, settings, StickyAssignor())
    source = TopicPartition(streams.source, 0)
    await consumer.start()
    try:
        share_fetches(consumer, settings, partitions)
        consumer.assign([source])
        await consumer.seek_to_beginning(source)
        yield consumer, source
    finally:
        await stop_consumer(consumer)


async def polled(consumer: Any, source: TopicPartition, most: int, end: int) -> list[Any]:
    """Polls up to an offset."""
    polls: list[Any] = []

    async def there() -> bool:
        got = await consumer.getmany(source, timeout_ms=100, max_records=most)
        polls.extend(got.values())
        return bool(await consumer.position(source) >= end)

    await until(there, "the end of the source", every=0)
    return polls


async def sent(producer: Any, topic: str, values: Sequence[bytes | None]) -> None:
    for number, value in enumerate(values):
        await producer.send_and_wait(
            topic, value, key=None if number % 2 else b"key", headers=HEADERS[: number % 4], partition=0
        )


async def by_aiokafka(streams: Streams) -> list[Any]:
    return [fields(each) for each in (await read(streams, streams.source))[0]]


async def test_less_is_fetched_of_each_of_many_partitions(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    await filled(streams, 0, [b"x" * 60_000] * 80)
    first = []
    for partitions in (1, 1000):
        async with reading(streams, 4 << 20, partitions) as (consumer, source):
            first.append((await polled(consumer, source, 80, 1))[0].size)
    assert first[1] <= LEAST_FETCHED_BYTES < first[0] <= 4 << 20


async def test_what_every_codec_wrote_comes_out(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    for codec in CODECS:
        async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, compression_type=codec) as producer:
            await sent(producer, streams.source, [b"a value " * 9, b"", None, b"last"])
    expected = await by_aiokafka(streams)
    async with reading(streams) as (consumer, source):
        polls = await polled(consumer, source, 7, 20)
        assert all(isinstance(each, RecordColumns) and len(each) <= 7 for each in polls)
        assert [fields(each) for poll in polls for each in poll] == expected
        assert consumer.highwater(source) == 20
        consumer.seek(source, 13)
        assert [fields(each) for poll in await polled(consumer, source, 3, 20) for each in poll] == expected[
            13:
        ]


async def test_transactions_that_are_aborted_or_open_are_not_seen(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    open_one = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=f"{streams.name}-open")
    ended = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=f"{streams.name}-ended")
    async with ended, open_one:
        for value, commits in ((b"one", True), (b"not this", False), (b"two", True)):
            await ended.begin_transaction()
            await sent(ended, streams.source, [value, value])
            await (ended.commit_transaction() if commits else ended.abort_transaction())
        await open_one.begin_transaction()
        await sent(open_one, streams.source, [b"nor this"])
        async with reading(streams) as (consumer, source):
            polls = await polled(consumer, source, 100, 9)
            assert [each.value for poll in polls for each in poll] == [b"one", b"one", b"two", b"two"]
            assert (await consumer.position(source), consumer.last_stable_offset(source)) == (9, 9)
            await open_one.abort_transaction()
            assert await polled(consumer, source, 100, 11) == []


async def test_the_time_of_the_append(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    topic = f"{streams.name}.times.in"
    async with admin(broker.bootstrap) as client:
        await client.create_topics(
            [NewTopic(topic, 1, 1, topic_configs={"message.timestamp.type": "LogAppendTime"})]
        )
    streams = Streams(streams.bootstrap, f"{streams.name}.times")
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        await producer.send_and_wait(topic, b"value", partition=0, timestamp_ms=1)
    async with reading(streams) as (consumer, source):
        polls = await polled(consumer, source, 7, 1)
    (record,) = (each for poll in polls for each in poll)
    assert record.timestamp > 1
    assert [fields(record)] == await by_aiokafka(streams)


async def test_a_batch_is_taken_in_polls_of_any_size(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    await filled(streams, 0, [b"%d" % number for number in range(500)], "lz4")
    async with reading(streams) as (consumer, source):
        polls = []
        for most in (1, 99, 300, 1000):
            polls += (await consumer.getmany(source, timeout_ms=60_000, max_records=most)).values()
        assert [len(each) for each in polls][:3] == [1, 99, 300]
        polls += await polled(consumer, source, 1000, 500)
    assert [each.value for poll in polls for each in poll] == [b"%d" % number for number in range(500)]


def patient_consumer(streams: Streams) -> Any:
    """As the look-back has it, whose records wait for minutes: it would ask for the others all the time."""
    return group_consumer(
        streams.clients, streams.name, session_seconds=6, partition_fetch_bytes=1 << 20, max_poll_seconds=600
    )


@pytest.mark.parametrize(("is_stage", "wait"), [(True, BRIEFLY), (False, 500)])
async def test_a_busy_partition_of_a_stage_waits_but_briefly_for_idle_ones(
    broker: Cluster, monkeypatch: pytest.MonkeyPatch, *, is_stage: bool, wait: int
) -> None:
    streams = await made(broker.bootstrap, 2)
    await filled(streams, 0, [b"busy"])
    consumer = (
        stage_consumer(streams.clients, streams.stage(), StickyAssignor())
        if is_stage
        else patient_consumer(streams)
    )
    busy, idle = (TopicPartition(streams.source, number) for number in range(2))
    asked: set[tuple[frozenset[int], int]] = set()
    await consumer.start()
    send = consumer._client.send

    async def noted(node: int, request: Any, **options: Any) -> Any:
        if isinstance(request, FetchRequest):
            numbers = frozenset(number for _, fetches in request.topics for number, *_ in fetches)
            asked.add((numbers, request._max_wait_ms))
        return await send(node, request, **options)

    async def asked_for_the_idle_alone() -> bool:  # aiokafka does so a tenth of a second after the poll
        return any(numbers == {1} for numbers, _ in asked)

    monkeypatch.setattr(consumer._client, "send", noted)
    try:
        consumer.assign([busy, idle])
        await consumer.seek_to_beginning(busy, idle)
        assert await consumer.getmany(busy, timeout_ms=60_000, max_records=10)
        await until(asked_for_the_idle_alone, "a fetch while the records of the poll are worked on")
        assert await consumer.getmany(busy, timeout_ms=200, max_records=10) == {}
    finally:
        await stop_consumer(consumer)
    assert {each for each in asked if each[0] == {1}} == {(frozenset({1}), wait)}
    assert (frozenset({0, 1}), 500) in asked


async def test_an_aiokafka_without_columns_gives_records(
    broker: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams, facts = await made(broker.bootstrap, 1), FactRecorder()
    await filled(streams, 0, [b"a", b"b"])
    for module in (clients, stage):
        monkeypatch.setattr(module, "columns_work", lambda: False)
    async with running(Stage(streams.clients, streams.stage(), Copy(streams.target), facts)):
        await until(lambda: copied(streams, 2), "all copies")
    assert facts.of(ColumnsUnavailable) == [ColumnsUnavailable(aiokafka.__version__)]


async def test_records_that_wait_while_partitions_move_are_read_once(broker: Cluster) -> None:
    streams, facts = await made(broker.bootstrap, 2), FactRecorder()
    for partition in range(2):
        await filled(streams, partition, [b"%d-%d" % (partition, n) for n in range(400)])
    first, second = (
        Stage(streams.clients, streams.stage(poll_records=7), Copy(streams.target), facts) for _ in range(2)
    )
    async with running(first):
        await until(lambda: asyncio.sleep(0, bool(facts.of(TransactionCommitted))), "a commit")
        async with running(second):
            await until(lambda: copied(streams, 800), "all copies")
    assert len(facts.of(Rebalanced)) > 1
    values = [each.value for records in (await read(streams, streams.target)).values() for each in records]
    assert sorted(values) == sorted(b"%d-%d" % (partition, n) for partition in range(2) for n in range(400))


async def copied(streams: Streams, count: int) -> bool:
    return sum(map(len, (await read(streams, streams.target)).values())) >= count
