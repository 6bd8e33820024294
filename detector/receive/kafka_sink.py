"""Writes to Kafka's topics: safe is what all replicas in sync have."""

from collections.abc import Callable, Sequence
from typing import Final

from detector.configuration.kafka_settings import KafkaSettings
from detector.kafka.acknowledged_producer import AcknowledgedProducer
from detector.receive.sinks import Written
from detector.service.stage_settings import connection_of
from detector.values.errors import RetryError

_BEFORE: Final = 512  # bytes that Kafka adds to a record and its batch


class KafkaSink:
    """Records of at most `kafka.record_bytes`. `observe` gets why nothing can be written.

    Raises:
        ConfigError: a certificate or key cannot be used.
    """

    def __init__(self, live: KafkaSettings, observe: Callable[[RetryError], None]) -> None:
        self.record_bytes = live.record_bytes - _BEFORE
        self.binary = True
        self._producer = AcknowledgedProducer(
            connection_of(live),
            observe,
            max_batch_size=live.batch_bytes,
            max_request_size=live.record_bytes,
            compression_type=None if live.compression == "none" else live.compression,
        )

    @property
    def problem(self) -> str | None:
        """See `Sink`."""
        return self._producer.problem

    async def run(self) -> None:
        """See `Sink`."""
        await self._producer.run()

    async def write(self, records: Sequence[Written]) -> None:
        """See `Sink`."""
        await self._producer.write([(each.topic, each.key, each.value, each.headers) for each in records])

    async def close(self) -> None:
        """Nothing is left to do: the end of `run` ends the producer."""
