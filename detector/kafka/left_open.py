"""Aborts the transactions that instances which are gone have left open.

An open transaction hides what others write behind its records, and keeps the offsets that it commits from being read.
The brokers abort it after the timeout of transactions, some ten seconds late. Another producer with its id does so at
once.
"""

from collections.abc import Set as AbstractSet
from string import hexdigits
from typing import Any, Final

from aiokafka import errors as kafka
from aiokafka.client import ConnectionGroup

from detector.kafka.clients import StageSettings, discard, reaction, start_or_discard, transactional_producer
from detector.kafka.connection import ConnectionSettings
from detector.kafka.group_requests import ListTransactions
from detector.kafka.handlers import Partition

_DIGITS: Final = 32


def transactional_id(group: str, instance: str) -> str:
    """The id of an instance's transactions. `instance` is 32 hexadecimal digits."""
    return f"{group}-{instance}"


def left_by(
    names: AbstractSet[str], group: str, live: AbstractSet[str], gained: AbstractSet[Partition]
) -> list[str]:
    """The transactional ids that nobody has now. `live` are the group's instances.

    Before 0.2 each partition had an id of its own; those of the partitions that we have `gained` are nobody's now.
    """
    ours = transactional_id(group, "")
    earlier = {f"{group}-{partition.topic}-{partition.number}" for partition in gained}
    gone = {
        name
        for name in names
        if name.startswith(ours) and _is_instance(name[len(ours) :]) and name[len(ours) :] not in live
    }
    return sorted(gone | (names & earlier))


def _is_instance(text: str) -> bool:
    return len(text) == _DIGITS and set(text) <= set(hexdigits)


async def abort_left_open(
    connection: ConnectionSettings,
    stage: StageSettings,
    consumer: Any,
    live: AbstractSet[str],
    gained: AbstractSet[Partition],
) -> None:
    """Aborts what is open and nobody's.

    Raises:
        RetryError: Kafka cannot be reached.
        StopError: Kafka refuses us, or the brokers are older than 3.0 and cannot list what is open.
    """
    try:
        for name in left_by(await _open(consumer), stage.group, live, gained):
            producer = transactional_producer(connection, stage, name)
            await start_or_discard(producer)
            await discard(producer)
    except Exception as error:
        raise reaction(error, "aborting what was left open") from error


async def _open(consumer: Any) -> set[str]:
    """The ids of all open transactions that we may know of."""
    client = consumer._client  # noqa: SLF001 - aiokafka's own admin client knows no such request
    names: set[str] = set()
    for broker in client.cluster.brokers():
        answer = await client.send(broker.nodeId, ListTransactions(), group=ConnectionGroup.COORDINATION)
        if answer.error_code:
            raise kafka.for_code(answer.error_code)
        names |= {name for name, *_ in answer.transactions}
    return names
