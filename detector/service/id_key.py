"""The key under which instances without a deployment key name ids that hold a secret: one for all, in the registry.

Two instances have to give an id the same name, or the events of a task would not match. Each that finds no key offers a
random one. The first in the topic is the one that all of them use, now and after a restart. Compaction keeps it, as
each offer has a record key of its own.

Whoever reads the registry topic has the key, and can test guesses of a secret that stood in an id. With a deployment
key nobody can.
"""

import secrets
from typing import Final

import msgspec

from detector.kafka.clients import idempotent_producer, reaction, started
from detector.kafka.connection import ConnectionSettings
from detector.kafka.topic_follower import TopicFollower
from detector.registry.registered import ID_KEY, ID_KEY_PARTITION, RegisteredCredentials
from detector.values.stored_format import FORMAT_HEADERS

_KEY_BYTES: Final = 32


async def agree_on_id_key(
    connection: ConnectionSettings, topic: str, registered: RegisteredCredentials, follower: TopicFollower
) -> None:
    """Offers a key if `registered` knows none, and waits until it knows the first that was offered.

    Raises:
        RetryError, StopError: it cannot be written or read.
    """
    if registered.id_key is not None:
        return
    try:
        async with started(idempotent_producer(connection)) as producer:
            await producer.send_and_wait(
                topic,
                secrets.token_hex(_KEY_BYTES).encode(),
                key=msgspec.json.encode((ID_KEY, secrets.token_hex(8), "", "")),
                partition=ID_KEY_PARTITION,
                headers=list(FORMAT_HEADERS),
            )
    except Exception as error:
        raise reaction(error, f"offering a key in {topic}") from error
    await follower.up_to_date()
