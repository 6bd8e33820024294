"""How far a group has read its inputs, and the records before a position."""

import asyncio
import re  # the pattern is from the configuration, and it is matched against topic names
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final, Self

from aiokafka import TopicPartition
from aiokafka import errors as kafka

from detector.kafka.clients import admin_client, committed_reader, reaction, stop_consumer, unreadable
from detector.kafka.connection import ConnectionSettings
from detector.kafka.error_codes import asks_for
from detector.kafka.handlers import Partition
from detector.kafka.offset_notes import note_in
from detector.values.times import MILLISECOND

REREAD: Final = 1024  # records
_REREAD_BYTES: Final = 4 << 20
_FETCH_BYTES: Final = 1 << 16  # or one batch: it reads few records, and discards what else was fetched
_POLL_MS: Final = 500
_TRIES: Final = 20


class GroupPositions:
    """Asks the brokers, one question at a time. Use it as a context manager.

    `group` reads `topics`, or the topics whose names match `pattern`. `reread` is how many records before a position
    are read again.
    """

    def __init__(
        self,
        connection: ConnectionSettings,
        group: str,
        topics: tuple[str, ...] = (),
        pattern: str | None = None,
        *,
        reread: int = REREAD,
    ) -> None:
        self._group = group
        self._topics = topics
        self._pattern = None if pattern is None else re.compile(pattern)
        self._reread = reread
        self._consumer = committed_reader(connection, max_partition_fetch_bytes=_FETCH_BYTES)
        self._admin = admin_client(connection)
        self._asking = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        await self._admin.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._admin.close()
        await stop_consumer(self._consumer)

    async def committed(self, partition: Partition) -> tuple[int, str]:
        """The offset that the group has committed and the note beside it; 0 and "" if there is none.

        Raises:
            CurfewdError: the brokers do not answer; its class says what to do.
        """
        source = TopicPartition(partition.topic, partition.number)
        try:
            found = await self._admin.list_consumer_group_offsets(self._group, partitions=[source])
        except Exception as error:
            raise reaction(error, "reading the committed offset") from error
        if source not in found or found[source].offset < 0:
            return 0, ""
        return int(found[source].offset), note_in(str(found[source].metadata))

    async def records_before(
        self, partition: Partition, offset: int, since: int | None = None
    ) -> Sequence[Any]:
        """The last committed records before `offset`, oldest first: `reread` of them, and all from `since` on.

        They are 4 MiB at most, but all from `since` on are among them.

        Raises:
            CurfewdError: the brokers do not answer; its class says what to do.
        """
        try:
            source = TopicPartition(partition.topic, partition.number)
            return await self._records_before(source, offset, offset if since is None else since)
        except Exception as error:
            raise reaction(error, "reading earlier records again") from error

    async def _records_before(self, source: TopicPartition, offset: int, since: int) -> Sequence[Any]:
        async with self._asking:
            self._consumer.assign([source])
            first = (await self._consumer.beginning_offsets([source]))[source]
            if first >= offset:
                return ()
            position, step = max(first, min(offset - self._reread, since)), 1
            self._consumer.seek(source, position)
            found: deque[Any] = deque()
            size = tries = 0
            while tries < _TRIES:
                records = await self._readable(source, self._reread)
                tries += not records
                if records is None:
                    # Nobody says where the unreadable batch ends: skip ahead, as the stage itself did.
                    position, step = position + step, 2 * step
                    self._consumer.seek(source, position)
                    found = deque(record for record in found if record.offset >= since)
                    size = 0
                    continue
                for record in records:
                    if record.offset < offset:
                        found.append(record)
                        size += len(record.value or b"")
                while size > _REREAD_BYTES and found and found[0].offset < since:
                    size -= len(found.popleft().value or b"")
                position = await self._consumer.position(source)
                if position >= offset:
                    break
            return tuple(found)

    async def _readable(self, source: TopicPartition, most: int) -> Sequence[Any] | None:
        """The next records; None if they cannot be decoded."""
        try:
            got = await self._consumer.getmany(source, timeout_ms=_POLL_MS, max_records=most)
        except Exception as error:
            if not unreadable(error):
                raise
            return None
        return tuple(got.get(source, ()))

    async def has_read(self, time: int) -> bool:
        """Whether the group has read every record that its inputs had at `time` (ns), by Kafka's timestamps."""
        async with self._asking:
            try:
                committed = await self._admin.list_consumer_group_offsets(self._group)
            except kafka.KafkaError as error:
                if asks_for(error) == "again":
                    return False  # a broker that starts does not know yet how far the group is
                raise
            read = {source: meta.offset for source, meta in committed.items() if meta.offset >= 0}
            if not read:
                return False
            unread = await self._inputs() - read.keys()  # no member has committed there yet
            self._consumer.assign([*read, *unread])
            # Only end offsets are asked for. Records that are fetched and never read stay in a reference cycle of
            # aiokafka's, up to a megabyte for each partition, and are rarely collected where few objects are made.
            self._consumer.pause(*read, *unread)
            read.update(await self._consumer.beginning_offsets(list(unread)) if unread else {})
            ends = await self._consumer.end_offsets(list(read))
            later = await self._consumer.offsets_for_times(dict.fromkeys(read, time // MILLISECOND + 1))
            behind: Iterable[TopicPartition] = [
                source
                for source, offset in read.items()
                if offset < (ends[source] if later.get(source) is None else later[source].offset)
            ]
            for source in behind:
                if not await self._nothing_until(source, read[source], time):
                    return False
            return True

    async def _inputs(self) -> set[TopicPartition]:
        """All partitions that the inputs have now."""
        asked = list(self._topics) if self._pattern is None else None
        return {
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await self._admin.describe_topics(asked)
            if self._pattern is None or self._pattern.match(topic["topic"])
            for partition in topic["partitions"]
        }

    async def _nothing_until(self, source: TopicPartition, offset: int, time: int) -> bool:
        """Whether no record from `offset` on is as old as `time`: transaction markers take offsets too."""
        self._consumer.assign([source])
        self._consumer.seek(source, offset)
        end = (await self._consumer.end_offsets([source]))[source]
        for _ in range(_TRIES):
            records = await self._readable(source, 1)
            if records is None:
                return False
            if records:
                return bool(records[0].timestamp > time // MILLISECOND)
            if await self._consumer.position(source) >= end:
                return True
        return False
