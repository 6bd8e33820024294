"""Topics of a benchmark: made, filled quickly, and how far groups have read them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError

from benchmarks.live_load import Pair
from tests.broker import Cluster

BATCH: Final = 256 << 10
# Nothing is cleaned while it is measured; the broker keeps the pace of the disk's cache.
BROKER: Final = {"log.cleaner.enable": "false", "group.initial.rebalance.delay.ms": "0"}


def cluster(folder: Path, nodes: int = 1) -> Cluster:
    """One broker or some, a context manager."""
    return Cluster(folder, nodes, BROKER)


async def make(bootstrap: str, topics: Iterable[str], partitions: int) -> None:
    """New topics of one copy."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, partitions, 1) for topic in topics])
    await admin.close()


async def fill(
    bootstrap: str,
    topic: str,
    partitions: int,
    source: Callable[[int], Iterable[Pair]],
    codec: str | None = None,
) -> list[int]:
    """Fills each partition with what `source` has for it, in batches of 256 KiB; how many records each got."""
    counts = []
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, max_batch_size=BATCH, linger_ms=0, compression_type=codec
    ) as producer:
        for partition in range(partitions):
            batch, count = producer.create_batch(), 0
            for key, value in source(partition):
                if batch.append(timestamp=None, key=key, value=value) is None:
                    await producer.send_batch(batch, topic, partition=partition)
                    batch = producer.create_batch()
                    batch.append(timestamp=None, key=key, value=value)
                count += 1
            await producer.send_batch(batch, topic, partition=partition)
            counts.append(count)
        await producer.flush()
    return counts


class Groups:
    """How far consumer groups are, as the broker has it. A context manager."""

    def __init__(self, bootstrap: str) -> None:
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)

    async def __aenter__(self) -> Self:
        await self._admin.start()
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        """Committed offsets by partition; none while nobody knows the group."""
        try:
            found = await self._admin.list_consumer_group_offsets(group)
        except GroupCoordinatorNotAvailableError:
            return {}
        return {source: meta.offset for source, meta in found.items() if meta.offset >= 0}

    async def ends(self, topic: str, partitions: int) -> dict[TopicPartition, int]:
        """The offsets after the last records."""
        found = await self._consumer.end_offsets([TopicPartition(topic, n) for n in range(partitions)])
        return dict(found)

    async def lag(self, group: str, topic: str, partitions: int) -> int:
        """Offsets between a group and the ends, markers of transactions among them."""
        ends, done = await self.ends(topic, partitions), await self.committed(group)
        return sum(end - done.get(source, 0) for source, end in ends.items())


@contextlib.asynccontextmanager
async def reading(bootstrap: str, topic: str, isolation: str = "read_committed") -> AsyncIterator[Any]:
    """A consumer from the end of a topic on, as it stands on entry."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        isolation_level=isolation,
        auto_offset_reset="latest",
        fetch_max_wait_ms=100,
    )
    await consumer.start()
    try:
        await consumer.seek_to_end()
        await asyncio.gather(*(consumer.position(each) for each in consumer.assignment()))
        yield consumer
    finally:
        await consumer.stop()
