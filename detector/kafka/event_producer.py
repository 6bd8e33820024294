"""Sends a few records to one topic and ends: for what is no service."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka

from detector.configuration.kafka_settings import Security
from detector.kafka.connection import ConnectionSettings, secured
from detector.values.errors import RetryError


def produce(
    brokers: tuple[str, ...],
    security: Security | None,
    topic: str,
    records: Sequence[tuple[bytes, bytes]],
    seconds: float,
) -> None:
    """Sends (key, value) records, in order, and waits until all replicas in sync have them.

    Raises:
        RetryError: they may not have them all. Its text names the error of Kafka.
        ConfigError: a certificate or key cannot be used.
    """
    connection = (
        ConnectionSettings(brokers, client_id="curfewd-exec", request_seconds=seconds)
        if security is None
        else secured(brokers, security, client_id="curfewd-exec", request_seconds=seconds)
    )
    try:
        asyncio.run(asyncio.wait_for(_produce(connection, topic, records), 2 * seconds))
    except (kafka.KafkaError, TimeoutError, OSError, ValueError) as error:
        raise RetryError(f"Kafka did not accept the events: {type(error).__name__}") from None


async def _produce(
    connection: ConnectionSettings, topic: str, records: Sequence[tuple[bytes, bytes]]
) -> None:
    producer = AIOKafkaProducer(**connection.client_options(), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        sent = [await producer.send(topic, value, key=key) for key, value in records]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
