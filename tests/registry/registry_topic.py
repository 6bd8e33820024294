"""A registry topic on a real broker: issues that are written to it, and what follows it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from aiokafka import AIOKafkaProducer

from detector.judge.routing import encode, registry_key
from detector.kafka.topic_follower import TopicFollower
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.scan.known_credentials import KeyRing
from detector.scan.sightings import NoPatterns
from detector.values.events import CredentialIssued
from detector.values.secrets import DeploymentKey, Secret
from tests.ingest.streams import Streams

KEY = DeploymentKey.of(b"k" * 32)
SECRET = "corp_Zr8Lq2WvN5tYx0Kd9Hs3Jf7"  # made up, of no known pattern


def issue(number: int, secret: str = SECRET) -> CredentialIssued:
    return CredentialIssued(
        time=number,
        source="s",
        id=str(number),
        credential_id=f"c{number}",
        task_id=f"t{number}",
        identifiers=KeyRing((KEY,)).identifiers(Secret(secret.encode())),
    )


async def write_issues(streams: Streams, *issues: CredentialIssued, gone: bool = False) -> None:
    """Writes issues to the registry topic, in transactions, or removes them."""
    producer = AIOKafkaProducer(
        bootstrap_servers=streams.bootstrap, transactional_id=f"{streams.name}-registry"
    )
    async with producer:
        for each in issues:
            async with producer.transaction():
                value = None if gone else encode(each)
                await producer.send_and_wait(streams.changelog, value, key=registry_key(each))


@contextlib.asynccontextmanager
async def working(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Jobs that run until cancelled."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def followed(
    streams: Streams, finders: Finders | None = None, discovery_seconds: float = 30
) -> tuple[RegisteredCredentials, TopicFollower]:
    """The registered credentials, and what follows their topic."""
    registered = RegisteredCredentials(Finders(NoPatterns(), (KEY,)) if finders is None else finders)
    follower = TopicFollower(
        streams.changelog, streams.clients, registered, discovery_seconds=discovery_seconds, columns=True
    )
    return registered, follower
