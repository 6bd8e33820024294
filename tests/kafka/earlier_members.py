"""Members of a group as an earlier version of curfewd has them: the brokers tell them from ours by their protocol."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from detector.kafka.assignor import StickyAssignor
from detector.kafka.clients import NO_PARTITION, stop_consumer
from tests.ingest.streams import until


class FirstAssignor(StickyAssignor):
    """0.1.0's: its protocol has no number, and it told what it held and nothing else."""

    name = "curfewd-sticky"

    def metadata(self, topics: Iterable[str]) -> Any:
        return ConsumerProtocolMemberMetadata(0, list(topics), msgspec.msgpack.encode(self._owned))


class LaterAssignor(StickyAssignor):
    """One that tells its version."""

    name = "curfewd-sticky-99"

    def metadata(self, topics: Iterable[str]) -> Any:
        return ConsumerProtocolMemberMetadata(0, list(topics), msgspec.msgpack.encode({"version": "9.9.9"}))


@contextlib.asynccontextmanager
async def foreign_member(
    bootstrap: str, group: str, topics: Iterable[str], assignor: StickyAssignor | None = None
) -> AsyncIterator[Any]:
    """A member that has its partitions, and reads nothing; without an assignor it has aiokafka's own."""
    strategy = {} if assignor is None else {"partition_assignment_strategy": (assignor,)}
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=500,
        **strategy,
    )
    try:
        await consumer.start()

        async def assigned() -> bool:
            await consumer.getmany(NO_PARTITION, timeout_ms=0)
            return bool(consumer.assignment())

        await until(assigned, "its partitions", every=0.1)
        yield consumer
    finally:
        await stop_consumer(consumer)
