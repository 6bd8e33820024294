"""One partition's transactions: begin, write, offsets, commit, each within a deadline."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka import errors as kafka
from aiokafka.structs import OffsetAndMetadata

from detector.kafka import transaction_retry
from detector.kafka.batches import Limits, batches_of
from detector.kafka.clients import StageSettings, discard, partition_producer, reaction
from detector.kafka.connection import ConnectionSettings
from detector.kafka.handlers import Partition, ToWrite
from detector.kafka.stage_facts import StepName
from detector.values.errors import RetryError, StopError


def miscounted(stage: StageSettings, topic: str, count: int) -> StopError:
    """The error if a topic that must keep its number of partitions (`StageSettings.counts`) has another."""
    return StopError(
        f"{topic} has {count} partitions now and {stage.counts[topic]} are configured: "
        "keys and their state would be in different partitions"
    )


class TransactionWriter:
    """The transactional producer of one partition, from its start until it fails once or is closed.

    Its transactional id is the group, topic and partition, so only the latest writer can commit. That keeps a stalled
    instance from committing after its partitions moved. aiokafka cannot send the group's generation with the offsets:
    the broker has only the producer's epoch to go by.
    """

    def __init__(
        self,
        connection: ConnectionSettings,
        stage: StageSettings,
        partition: Partition,
        limits: Limits,
        step: Callable[[StepName], None],
    ) -> None:
        self._connection = connection
        self._stage = stage
        self._partition = partition
        self._limits = limits
        self._step = step
        self._producer: Any = None

    async def start(self) -> None:
        """Fences the last writer of this partition, and waits until its last transaction is committed or aborted.

        Read the committed state only after this.

        Raises:
            RetryError, StopError: Kafka cannot be reached, or refuses us.
        """
        transaction_retry.install()
        producer = partition_producer(self._connection, self._stage, self._partition)
        try:
            await producer.start()
        except BaseException as error:
            await discard(producer)
            if isinstance(error, Exception):
                raise reaction(error, "start of a transactional producer") from error
            raise
        self._producer = producer

    async def commit(self, outputs: Sequence[ToWrite], offset: int | None, note: str = "") -> None:
        """Runs one transaction.

        1. Begin.
        2. Write the outputs, changelog included, and wait until the brokers have each batch.
        3. Send the offset of the next record to read, with `note` beside it. It is last, so nothing before it can be
           missing.
        4. Commit.

        After any error this writer cannot be used again. Once another has started, the committed offset shows whether
        the transaction happened.

        Raises:
            FencedError: another instance has the partition.
            RetryError: the transaction did not get through in time, or a batch was refused.
            StopError: Kafka refuses us.
        """
        try:
            async with asyncio.timeout(self._stage.transaction_seconds):
                await self._producer.begin_transaction()
                self._step("begun")
                await self._write(outputs)
                self._step("written")
                if offset is not None:
                    source = TopicPartition(self._partition.topic, self._partition.number)
                    offsets = {source: OffsetAndMetadata(offset, note)}
                    await self._producer.send_offsets_to_transaction(offsets, self._stage.group)
                    self._step("offsets")
                await self._producer.commit_transaction()
                self._step("committed")
        except Exception as error:
            raise reaction(error, "transaction") from error

    async def close(self) -> None:
        """Discards the producer, in any state."""
        producer, self._producer = self._producer, None
        if producer is not None:
            # Shielded: a cancellation here must not leave connections open.
            await asyncio.shield(discard(producer))

    async def _write(self, outputs: Sequence[ToWrite]) -> None:
        counts = {
            topic: len(await self._producer.partitions_for(topic)) for topic in {o.topic for o in outputs}
        }
        for topic, count in counts.items():
            if count != self._stage.counts.get(topic, count):
                raise miscounted(self._stage, topic, count)
        batches = batches_of(outputs, counts, self._limits, self._producer.create_batch)
        done = await asyncio.gather(
            *(self._write_partition(topic, number, made) for (topic, number), made in batches.items()),
            return_exceptions=True,
        )
        for error in done:
            if error is not None:
                raise error

    async def _write_partition(self, topic: str, number: int, batches: Sequence[Any]) -> None:
        """Writes batches of one partition in their order: each is sent after the one before it."""
        sent = [await self._producer.send_batch(batch, topic, partition=number) for batch in batches]
        results = await asyncio.gather(*sent, return_exceptions=True)
        for batch, error in zip(batches, results, strict=True):
            if isinstance(error, kafka.MessageSizeTooLargeError | kafka.RecordListTooLargeError):
                self._limits.refuse(topic, batch.size(), batch.record_count())
                raise RetryError(f"{topic} takes no batch of {batch.size()} bytes") from error
        for error in results:
            if isinstance(error, BaseException):
                raise error
