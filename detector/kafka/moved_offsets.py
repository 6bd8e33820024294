"""Moves the offsets of a group that has no members."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from detector.kafka.acls import described
from detector.kafka.clients import stop_consumer
from detector.kafka.connection import ConnectionSettings
from detector.kafka.offset_notes import beside, ids_in, note_in
from detector.values.errors import StopError


def partitions(topic: str, count: int) -> list[TopicPartition]:
    """All partitions of a topic, as clients name them."""
    return [TopicPartition(topic, number) for number in range(count)]


async def refuse_members(admin: Any, groups: Iterable[str]) -> None:
    """Raises StopError if a process is in one of the groups."""
    for name in groups:
        members = (await described(admin, name))["members"]
        if members:
            raise StopError(f"{len(members)} members are in the group {name}: stop all instances first")


async def first_offsets(
    reader: Any, admin: Any, group: str, topics: Collection[str]
) -> dict[TopicPartition, int]:
    """The first offset of each partition of which the group has an offset, of these topics."""
    sources = [source for source in await admin.list_consumer_group_offsets(group) if source.topic in topics]
    return dict(await reader.beginning_offsets(sources)) if sources else {}


async def move_offsets(
    connection: ConnectionSettings,
    admin: Any,
    group: str,
    ids: Mapping[str, str],
    moved: Mapping[TopicPartition, int],
) -> None:
    """Moves offsets of a group, and has the new `ids` stand beside all. A note beside one that moves is void."""
    offsets = {
        source: OffsetAndMetadata(
            each.offset, beside(note_in(each.metadata), {**ids_in(each.metadata), **ids})
        )
        for source, each in (await admin.list_consumer_group_offsets(group)).items()
    }
    offsets |= {source: OffsetAndMetadata(offset, beside("", ids)) for source, offset in moved.items()}
    if not offsets:
        return
    consumer = AIOKafkaConsumer(**connection.client_options(), group_id=group, enable_auto_commit=False)
    try:
        await consumer.start()
        consumer.assign(list(offsets))
        await consumer.commit(offsets)
    finally:
        await stop_consumer(consumer)
