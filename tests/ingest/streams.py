"""Topics for tests of the stage: made, filled, and read back as a read_committed consumer sees them."""

import asyncio
import contextlib
import itertools
import json
import os
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import KafkaError

from detector.kafka.clients import StageSettings, read_to_end
from detector.kafka.connection import ConnectionSettings
from detector.kafka.handlers import Partition

_names = itertools.count()
PATIENCE_SECONDS = 300.0


class Streams(msgspec.Struct, frozen=True):
    """Three topics and a group, named for one test."""

    bootstrap: str
    name: str

    @property
    def source(self) -> str:
        return f"{self.name}.in"

    @property
    def target(self) -> str:
        return f"{self.name}.out"

    @property
    def changelog(self) -> str:
        return f"{self.name}.state"

    @property
    def clients(self) -> ConnectionSettings:
        return ConnectionSettings(self.bootstrap, request_seconds=5, metadata_seconds=1)

    def stage(self, **changes: Any) -> StageSettings:
        settings = StageSettings(
            group=self.name,
            topics=(self.source,),
            session_seconds=1.5,
            rebalance_seconds=5,
            transaction_seconds=10,
            drain_seconds=10,
            tick_seconds=0.2,
            columns=True,
        )
        return msgspec.structs.replace(settings, **changes)


@contextlib.asynccontextmanager
async def admin(bootstrap: str) -> AsyncIterator[Any]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def made(
    bootstrap: str, partitions: int = 4, *, source: int | None = None, target: dict[str, str] | None = None
) -> Streams:
    """New topics with so many partitions each, the source perhaps another number, the target with settings."""
    streams = Streams(bootstrap, f"t{os.getpid()}-{next(_names)}")
    topics = [
        NewTopic(streams.source, source or partitions, 1, topic_configs={"max.message.bytes": "2000000"}),
        NewTopic(streams.target, partitions, 1, topic_configs=target or {}),
        NewTopic(streams.changelog, partitions, 1),
    ]
    async with admin(bootstrap) as client:
        await client.create_topics(topics)
    return streams


async def create(bootstrap: str, topic: str) -> None:
    """A topic of one partition."""
    async with admin(bootstrap) as client:
        await client.create_topics([NewTopic(topic, 1, 1)])


async def grown(streams: Streams, topic: str, partitions: int) -> None:
    async with admin(streams.bootstrap) as client:
        await client.create_partitions({topic: NewPartitions(partitions)})

    async def told() -> bool:
        return await partitions_of(streams, topic) == partitions

    # The broker answers before all of it knows: a producer would find too few.
    await until(told, f"{partitions} partitions of {topic}")


async def committed_offsets(streams: Streams) -> dict[Partition, int]:
    """The group's offsets; none while its coordinator comes up."""
    async with admin(streams.bootstrap) as client:
        try:
            offsets = await client.list_consumer_group_offsets(streams.name)
        except KafkaError:
            return {}
    return {Partition(tp.topic, tp.partition): meta.offset for tp, meta in offsets.items()}


async def filled(streams: Streams, partition: int, values: Iterable[bytes], codec: str | None = None) -> None:
    """Writes to one partition of the source, few values in one batch, and waits for all of it."""
    producer = AIOKafkaProducer(
        bootstrap_servers=streams.bootstrap,
        linger_ms=20,
        max_batch_size=1 << 16,
        max_request_size=4 << 20,
        compression_type=codec,
    )
    async with producer:
        sent = [await producer.send(streams.source, value, partition=partition) for value in values]
        await asyncio.gather(*sent)


async def filled_by_keys(
    streams: Streams, records: int, partitions: int, seed: int = 1, keys: int = 7
) -> None:
    """Numbered records of a few keys over all partitions."""
    rng = random.Random(seed)
    producer = AIOKafkaProducer(bootstrap_servers=streams.bootstrap, linger_ms=5)
    async with producer:
        sent = [
            await producer.send(
                streams.source,
                b"%d" % number,
                key=b"key-%d" % rng.randrange(keys),
                partition=rng.randrange(partitions),
            )
            for number in range(records)
        ]
        await asyncio.gather(*sent)


async def partitions_of(streams: Streams, topic: str) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=streams.bootstrap)
    await consumer.start()
    try:
        await consumer._client._wait_on_metadata(topic)
        return len(consumer.partitions_for_topic(topic) or ())
    finally:
        await consumer.stop()


async def read(streams: Streams, topic: str) -> dict[int, list[Any]]:
    """What a read_committed consumer sees of a topic, by partition."""
    seen: dict[int, list[Any]] = {}
    for number in range(await partitions_of(streams, topic)):
        seen[number] = [
            r async for some in read_to_end(streams.clients, Partition(topic, number)) for r in some
        ]
    return seen


async def ends(streams: Streams, topic: str, *, committed: bool = True) -> dict[int, int]:
    """The end of each partition: of what is committed, or of all."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=streams.bootstrap,
        isolation_level="read_committed" if committed else "read_uncommitted",
    )
    await consumer.start()
    try:
        await consumer._client._wait_on_metadata(topic)
        sources = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
        return {tp.partition: end for tp, end in (await consumer.end_offsets(sources)).items()}
    finally:
        await consumer.stop()


async def until(holds: Callable[[], Awaitable[bool]], what: str, every: float | None = None) -> None:
    """Waits for something that must come about; how long it takes is not what is tested.

    It looks less often the longer that takes: a look costs the broker, too. `every` says how often it is to look.
    """
    began = time.monotonic()
    while not await holds():
        waited = time.monotonic() - began
        assert waited < PATIENCE_SECONDS, f"never came: {what}"
        await asyncio.sleep(min(0.1 + waited / 10, 1.0) if every is None else every)


async def drained(streams: Streams) -> bool:
    """Whether everything in the source is done, by the group's offsets."""
    offsets = await committed_offsets(streams)
    wanted = await ends(streams, streams.source)
    return all(offsets.get(Partition(streams.source, n), 0) >= end for n, end in wanted.items() if end)


async def check_copies(streams: Streams, sizes: Sequence[int]) -> None:
    """Each source record stands in the target exactly once, in order, with the count its key had reached.

    `sizes` is how many records each source partition has. The counts come from the changelog, so they tell whether
    state and outputs went together.
    """
    copies: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
    orders: dict[tuple[int, str, int], list[int]] = defaultdict(list)
    for target, records in (await read(streams, streams.target)).items():
        for record in records:
            copy = json.loads(record.value)
            source, offset = copy["partition"], copy["offset"]
            assert offset not in copies[source], f"twice: {source}/{offset}"
            copies[source][offset] = copy
            orders[source, copy["key"], target].append(offset)
    assert {n: len(copies[n]) for n in range(len(sizes))} == dict(enumerate(sizes)), "lost"
    for offsets in orders.values():
        assert offsets == sorted(offsets)
    for by_offset in copies.values():
        counts: dict[str, int] = defaultdict(int)
        for offset in sorted(by_offset):
            copy = by_offset[offset]
            counts[copy["key"]] += 1
            assert copy["count"] == counts[copy["key"]], f"state and outputs went apart at {offset}"
