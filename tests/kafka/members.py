"""Members of a stage's group, without the stage."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import TopicPartition

from detector.kafka.assignor import StickyAssignor
from detector.kafka.clients import stage_consumer, stop_consumer
from detector.kafka.group_offsets import GroupOffsets
from detector.kafka.membership import Membership
from tests.ingest.streams import Streams, until


@contextlib.asynccontextmanager
async def member(streams: Streams) -> AsyncIterator[tuple[Any, GroupOffsets]]:
    """A member of the group, at its first assignment."""
    consumer, offsets = stage_consumer(streams.clients, streams.stage(), StickyAssignor()), GroupOffsets(5)
    consumer.subscribe([streams.source])
    await consumer.start()
    try:
        await until(lambda: asyncio.sleep(0, Membership.of(consumer).generation > 0), "the group", every=0.01)
        offsets.joined(consumer)
        yield consumer, offsets
    finally:
        await stop_consumer(consumer)


def by(offsets: GroupOffsets) -> Membership:
    assert offsets.membership is not None
    return offsets.membership


async def commit(offsets: GroupOffsets, source: TopicPartition, offset: int) -> None:
    await offsets.commit(by(offsets), source, offset, "")
