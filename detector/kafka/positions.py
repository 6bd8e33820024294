"""What stands in the inputs beside what a group is given to read: records just before an offset, how far a group is."""

import asyncio
import re  # the pattern is the configuration's, and what it is for are names of topics
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka import errors as kafka
from aiokafka.admin import AIOKafkaAdminClient

from detector.ingest.reassemble import PATIENCE
from detector.kafka.clients import KafkaSettings, reaction, stop_consumer, unreadable
from detector.kafka.handlers import Partition
from detector.values.times import MILLISECOND

BEFORE: Final = PATIENCE  # records read again for what was held when a partition moved
_BEFORE_BYTES: Final = 4 << 20  # of them
_FETCH_BYTES: Final = 1 << 16  # or a batch: few records are looked at, and what else comes is for nothing
_POLL_MS: Final = 500
_TRIES: Final = 20


class InputPositions:
    """Answers from the broker, one question at a time. Use it as a context manager.

    `group` is the scan stage's, `topics` or `pattern` its inputs.
    """

    def __init__(
        self, clients: KafkaSettings, group: str, topics: tuple[str, ...] = (), pattern: str | None = None
    ) -> None:
        self._group = group
        self._topics = topics
        self._pattern = None if pattern is None else re.compile(pattern)
        connection: dict[str, Any] = {
            "bootstrap_servers": clients.bootstrap,
            "client_id": clients.client_id,
            "request_timeout_ms": int(clients.request_seconds * 1000),
            **clients.security,
        }
        self._consumer = AIOKafkaConsumer(
            **connection,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        self._admin = AIOKafkaAdminClient(**connection)
        self._asking = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        await self._admin.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._admin.close()
        await stop_consumer(self._consumer)

    async def note(self, partition: Partition) -> tuple[int, str]:
        """The offset that the group has committed, and what stands beside it; 0 and nothing if there is none.

        Raises:
            CurfewdError: what to do about the broker.
        """
        source = TopicPartition(partition.topic, partition.number)
        try:
            found = await self._admin.list_consumer_group_offsets(self._group, partitions=[source])
        except Exception as error:
            raise reaction(error, "reading what was noted") from error
        if source not in found or found[source].offset < 0:
            return 0, ""
        return int(found[source].offset), str(found[source].metadata)

    async def before(self, partition: Partition, offset: int, since: int | None = None) -> Sequence[Any]:
        """The committed records of the last offsets before one, oldest first, 4 MiB of them at most; all from `since` on.

        Raises:
            CurfewdError: what to do about the broker.
        """
        try:
            source = TopicPartition(partition.topic, partition.number)
            return await self._before(source, offset, offset if since is None else since)
        except Exception as error:
            raise reaction(error, "reading again what was held") from error

    async def _before(self, source: TopicPartition, offset: int, since: int) -> Sequence[Any]:
        async with self._asking:
            self._consumer.assign([source])
            first = (await self._consumer.beginning_offsets([source]))[source]
            if first >= offset:
                return ()
            position, step = max(first, min(offset - BEFORE, since)), 1
            self._consumer.seek(source, position)
            found: deque[Any] = deque()
            size = tries = 0
            while tries < _TRIES:
                records = await self._readable(source, BEFORE)
                tries += not records
                if records is None:
                    # Where it ends is not told: on with what comes later, as the stage itself went on.
                    position, step = position + step, 2 * step
                    self._consumer.seek(source, position)
                    found = deque(record for record in found if record.offset >= since)
                    size = 0
                    continue
                for record in records:
                    if record.offset < offset:
                        found.append(record)
                        size += len(record.value or b"")
                while size > _BEFORE_BYTES and found and found[0].offset < since:
                    size -= len(found.popleft().value or b"")
                position = await self._consumer.position(source)
                if position >= offset:
                    break
            return tuple(found)

    async def _readable(self, source: TopicPartition, most: int) -> Sequence[Any] | None:
        """The next records, None if they cannot be decoded."""
        try:
            got = await self._consumer.getmany(source, timeout_ms=_POLL_MS, max_records=most)
        except Exception as error:
            if not unreadable(error):
                raise
            return None
        return tuple(got.get(source, ()))

    async def scanned(self, time: int) -> bool:
        """Whether the group has read every record that its inputs had at a time (ns), by Kafka's timestamps."""
        async with self._asking:
            try:
                committed = await self._admin.list_consumer_group_offsets(self._group)
            except (kafka.GroupCoordinatorNotAvailableError, kafka.GroupLoadInProgressError):
                return False  # a broker that starts does not know yet how far the group is
            read = {source: meta.offset for source, meta in committed.items() if meta.offset >= 0}
            if not read:
                return False
            # Of a partition that nobody has got to yet, nothing is read.
            unread = await self._inputs() - read.keys()
            self._consumer.assign([*read, *unread])
            # Only where they end is asked. What is fetched and never read is a reference cycle of the client's, up to a
            # megabyte for each partition, and rarely collected where few objects are made.
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
        """The partitions of the inputs as they stand."""
        asked = list(self._topics) if self._pattern is None else None
        return {
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await self._admin.describe_topics(asked)
            if self._pattern is None or self._pattern.match(topic["topic"])
            for partition in topic["partitions"]
        }

    async def _nothing_until(self, source: TopicPartition, offset: int, time: int) -> bool:
        """Whether no record stands from an offset on that is as old: marks of transactions take offsets too."""
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
