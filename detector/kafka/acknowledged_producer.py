"""A producer for a service that answers for single records: each `write` returns once all replicas in sync have them.

A producer of aiokafka that failed once is never used again (`detector.kafka.clients`): then everything that waits fails,
and a new one is made. Brokers that are away are no failure: the producer tries again for as long as they are, and writes
are given up by whoever asked, so that a record may be written although nobody was told.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka

from detector.kafka.clients import discard, reaction
from detector.kafka.connection import ConnectionSettings
from detector.kafka.retry import until_it_succeeds
from detector.values.errors import RetryError

_LONGEST_PAUSE_SECONDS: Final = 5.0

Headers = Sequence[tuple[str, bytes]]


class AcknowledgedProducer:
    """Writes with `acks=all`, idempotent. `observe` gets why it fails; `options` are more of aiokafka's."""

    def __init__(
        self, connection: ConnectionSettings, observe: Callable[[RetryError], None], **options: Any
    ) -> None:
        self._connection = connection
        self._observe = observe
        self._options = options
        self._producer: Any = None
        self._started = asyncio.Event()
        self._failed = asyncio.Event()

    @property
    def started(self) -> bool:
        """Whether there is a producer that has reached the brokers, and has not failed since."""
        return self._started.is_set() and not self._failed.is_set()

    async def run(self) -> None:
        """Keeps a producer until it is cancelled."""
        try:
            while True:
                self._producer = await until_it_succeeds(
                    self._start, self._observe, longest_pause=_LONGEST_PAUSE_SECONDS
                )
                self._started.set()
                await self._failed.wait()
                self._started.clear()
                self._failed.clear()
                # Else what waits in it would wait for ever.
                self._producer._message_accumulator.fail_all(kafka.ProducerClosed())  # noqa: SLF001
                await discard(self._producer)
        finally:
            self._started.clear()
            if self._producer is not None:
                await discard(self._producer)

    async def _start(self) -> Any:
        producer = AIOKafkaProducer(
            **self._connection.client_options(), acks="all", enable_idempotence=True, **self._options
        )
        try:
            await producer.start()
        except (kafka.KafkaError, OSError, ValueError) as error:
            with contextlib.suppress(Exception):
                await producer.stop()
            raise reaction(error, "starting a producer") from None
        return producer

    async def write(self, records: Sequence[tuple[str, bytes | None, bytes, Headers]]) -> None:
        """Writes records of (topic, key, value, headers). It waits for the brokers, also while they are away.

        Raises:
            RetryError: some may not be written.
        """
        await self._started.wait()
        producer = self._producer
        try:
            sent = [
                await producer.send(topic, value, key=key, headers=list(headers))
                for topic, key, value, headers in records
            ]
            await (sent[0] if len(sent) == 1 else asyncio.gather(*sent))
        except (kafka.KafkaError, AssertionError, OSError) as error:
            self._fail(producer, error)
            raise RetryError("Kafka did not take it") from None

    def _fail(self, producer: Any, error: BaseException) -> None:
        """The first failure of a producer ends it. One that is only late is tried on by itself."""
        if (
            isinstance(error, kafka.KafkaTimeoutError)
            or producer is not self._producer
            or self._failed.is_set()
        ):
            return
        self._observe(RetryError(str(reaction(error, "writing to Kafka"))))
        self._failed.set()
