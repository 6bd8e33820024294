"""How far a group has read its inputs, and the records before a position, on a real broker."""

import asyncio
import re
import time

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from detector.kafka.handlers import Partition
from detector.kafka.positions import REREAD, GroupPositions
from detector.values.times import MILLISECOND, SECOND
from tests.broker import Cluster
from tests.ingest.streams import filled, made


async def test_records_before_an_offset_and_how_far_a_group_is(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    began = time.time_ns()
    await filled(streams, 0, [b"%d" % number for number in range(REREAD + 44)])
    partition = Partition(streams.source, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=streams.bootstrap, group_id=streams.name, enable_auto_commit=False
    )
    async with GroupPositions(streams.clients, streams.name) as positions, consumer:
        assert [record.value for record in await positions.records_before(partition, 2)] == [b"0", b"1"]
        assert len(await positions.records_before(partition, REREAD + 44)) == REREAD
        assert await positions.records_before(partition, 0) == ()

        after = time.time_ns() + SECOND
        assert not await positions.has_read(after)
        source = TopicPartition(streams.source, 0)
        consumer.assign([source])
        await consumer.commit({source: 10})
        assert await positions.has_read(began - 10 * MILLISECOND)
        assert not await positions.has_read(after)
        await consumer.commit({source: REREAD + 44})
        assert await positions.has_read(after)


async def test_asking_how_far_the_scan_stage_is_fetches_no_records(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    await filled(streams, 0, [b"%d" % number for number in range(300)])
    consumer = AIOKafkaConsumer(
        bootstrap_servers=streams.bootstrap, group_id=streams.name, enable_auto_commit=False
    )
    async with GroupPositions(streams.clients, streams.name) as positions, consumer:
        source = TopicPartition(streams.source, 0)
        consumer.assign([source])
        await consumer.commit({source: REREAD + 44})
        assert await positions.has_read(time.time_ns() + SECOND)
        asked = positions._consumer
        assert asked.assignment() == {source}
        assert asked.paused() == {source}  # else a client fetches ahead, from the beginning
        await asyncio.sleep(0.5)
        assert not asked._fetcher._records


async def test_a_mark_of_a_transaction_is_nothing_to_be_scanned(broker: Cluster) -> None:
    streams = await made(broker.bootstrap, 1)
    producer = AIOKafkaProducer(bootstrap_servers=streams.bootstrap, transactional_id=streams.name)
    async with producer, producer.transaction():
        await producer.send_and_wait(streams.source, b"x", partition=0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=streams.bootstrap, group_id=streams.name, enable_auto_commit=False
    )
    async with GroupPositions(streams.clients, streams.name) as positions, consumer:
        source = TopicPartition(streams.source, 0)
        consumer.assign([source])
        await consumer.commit({source: 1})
        assert await positions.has_read(time.time_ns())


@pytest.mark.parametrize("named", ["by name", "by pattern"])
async def test_what_stands_in_a_partition_that_nobody_has_got_to_yet_is_not_read(
    broker: Cluster, named: str
) -> None:
    streams = await made(broker.bootstrap, 2)
    await filled(streams, 1, [b"x"])
    inputs: tuple[tuple[str, ...], str | None] = ((streams.source,), None)
    if named == "by pattern":
        inputs = (), rf"(?:{re.escape(streams.name)}\.i)"
    consumer = AIOKafkaConsumer(
        bootstrap_servers=streams.bootstrap, group_id=streams.name, enable_auto_commit=False
    )
    async with GroupPositions(streams.clients, streams.name, *inputs) as positions, consumer:
        first, second = (TopicPartition(streams.source, number) for number in range(2))
        consumer.assign([first, second])
        await consumer.commit({first: 0})
        later = time.time_ns() + SECOND
        assert not await positions.has_read(later)
        await consumer.commit({second: 1})
        assert await positions.has_read(later)
