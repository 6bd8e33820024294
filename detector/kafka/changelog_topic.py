"""The judge stage's changelog in Kafka: the state topic, read as committed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from detector.kafka.changelog import Change
from detector.kafka.clients import KafkaSettings, reaction, stop_consumer
from detector.values.errors import CurfewdError

_POLL: Final = 10_000
_POLL_MS: Final = 250


class KafkaChangelog:
    """Implements `Changelog` over a compacted topic. `close` it at the end.

    All methods raise RetryError or StopError where Kafka does not answer.
    """

    def __init__(self, topic: str, clients: KafkaSettings) -> None:
        self._topic = topic
        self._clients = clients
        self._asking: Any = None
        self._opening = asyncio.Lock()

    async def span(self, partition: int) -> tuple[int, int]:
        """As the protocol has it. One consumer, that reads nothing, asks for all partitions."""
        source = TopicPartition(self._topic, partition)
        try:
            consumer = await self._asker()
            first = await consumer.beginning_offsets([source])
            end = await consumer.end_offsets([source])
        except Exception as error:
            raise _told(error) from error
        return first[source], end[source]

    async def read(self, partition: int, start: int) -> AsyncIterator[list[Change]]:
        """As the protocol has it."""
        source = TopicPartition(self._topic, partition)
        consumer = _reader(self._clients)
        try:
            await consumer.start()
            consumer.assign([source])
            end = (await consumer.end_offsets([source]))[source]
            consumer.seek(source, start)
            # Transaction markers take offsets too: the position passes them, no record does.
            while await consumer.position(source) < end:
                got = await consumer.getmany(source, timeout_ms=_POLL_MS, max_records=_POLL)
                changes = [(record.key, record.value) for record in got.get(source, ()) if record.key]
                if changes:
                    yield changes
        except Exception as error:
            raise _told(error) from error
        finally:
            await stop_consumer(consumer)

    async def close(self) -> None:
        """Lets go of the connection."""
        asking, self._asking = self._asking, None
        if asking is not None:
            await stop_consumer(asking)

    async def _asker(self) -> Any:
        async with self._opening:
            if self._asking is None:
                consumer = _reader(self._clients)
                try:
                    await consumer.start()
                except BaseException:
                    await stop_consumer(consumer)
                    raise
                self._asking = consumer
            return self._asking


def _reader(clients: KafkaSettings) -> Any:
    """A consumer of what is committed, in no group."""
    return AIOKafkaConsumer(
        bootstrap_servers=clients.bootstrap,
        client_id=clients.client_id,
        request_timeout_ms=int(clients.request_seconds * 1000),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **clients.security,
    )


def _told(error: Exception) -> CurfewdError:
    return reaction(error, "reading the state topic")
