"""A producer for a service that answers for single records: each `write` returns once all replicas in sync have them.

A producer of aiokafka that failed once is never used again (`detector.kafka.clients`): then everything that waits
fails, and a new one is made. Brokers that are away are no failure: the producer tries again for as long as they are,
and writes are given up by whoever asked, so that a record may be written although nobody was told.

While nothing is acknowledged it asks the brokers for metadata, so that it notices that they are away before anybody
writes, and that they are back though nobody does.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka

from detector.kafka.clients import discard, reaction
from detector.kafka.connection import ConnectionSettings
from detector.kafka.retry import until_it_succeeds
from detector.values.errors import RetryError

_LONGEST_PAUSE_SECONDS: Final = 5.0
_ASK_SECONDS: Final = 2.0
SILENT_SECONDS: Final = 10.0
"""So long the brokers may acknowledge nothing and answer no question. An election of a leader takes less."""

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
        self._answered = 0.0  # when the brokers last acknowledged or answered something

    @property
    def problem(self) -> str | None:
        """Why nothing can be written now. One topic that takes nothing is no reason: others may."""
        if not self._started.is_set() or self._failed.is_set():
            return "Kafka cannot be reached"
        silent = time.monotonic() - self._answered
        return f"Kafka has not answered for {silent:.0f} s" if silent > SILENT_SECONDS else None

    async def run(self) -> None:
        """Keeps a producer until it is cancelled."""
        try:
            while True:
                self._producer = await until_it_succeeds(
                    self._start, self._observe, longest_pause=_LONGEST_PAUSE_SECONDS
                )
                self._answered = time.monotonic()
                self._started.set()
                await self._until_it_fails(self._producer)
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

    async def _until_it_fails(self, producer: Any) -> None:
        while not self._failed.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ASK_SECONDS):
                    await self._failed.wait()
            if time.monotonic() - self._answered < _ASK_SECONDS:
                continue
            with contextlib.suppress(TimeoutError):  # the next turn waits for the same answer
                async with asyncio.timeout(_ASK_SECONDS):
                    if await producer.client.force_metadata_update():
                        self._answered = time.monotonic()

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
            self._answered = time.monotonic()
        except (kafka.KafkaError, AssertionError, OSError) as error:
            self._fail(producer, error)
            raise RetryError("Kafka did not accept it") from None

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
