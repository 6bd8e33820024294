"""`curfewd topics accept`: goes on with topics that were deleted and recreated, and reads again what they lack.

| recreated | what is done about it |
| --- | --- |
| an input | it is read from its beginning |
| `work`, `registry` | all inputs are read again from their beginning, and `work` with them |
| `state` | all inputs are read again; what is in `state` and `work` by now does not count |
| `findings` | the judge stage writes all findings that stand once more |
| any other | nothing: what was in it is gone |

All processes have to be stopped. The new ids are kept last: if this fails, run it again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from detector.configuration.kafka_settings import KafkaSettings
from detector.kafka.clients import (
    offset_reader,
    reaction,
    read_to_end,
    started_admin,
    stop_consumer,
    topic_ids,
)
from detector.kafka.connection import ConnectionSettings
from detector.kafka.connection_check import reach
from detector.kafka.handlers import Partition
from detector.kafka.moved_offsets import first_offsets, move_offsets, partitions, refuse_members
from detector.registry.registered import ID_KEY_PARTITION, TOPIC, KeptTopic
from detector.service.stage_settings import connection_of
from detector.service.topic_identity import keep_topics, notes_of, recreated, roles
from detector.service.topics import survey
from detector.values.errors import StopError

_LOST: Final = {
    "work": "all inputs are read again",
    "registry": "all inputs are read again; credentials whose issue is no longer in any input are unknown",
    "state": "all inputs are read again; commands are written again, with the ids that they had",
    "findings": "all findings that stand are written again",
    "revocations": "commands that nobody had read are gone; each that is not confirmed is reported",
}


def run_accept_topics(live: KafkaSettings, names: Sequence[str]) -> list[str]:
    """A line for each topic that is accepted.

    Raises:
        StopError: a process is still there, or a topic was not recreated.
        RetryError: the brokers do not answer now.
    """
    return asyncio.run(_accept(live, names))


async def _accept(live: KafkaSettings, names: Sequence[str]) -> list[str]:
    connection = connection_of(live)
    found = await survey(live, connection)
    await reach(connection)
    reader = offset_reader(connection)
    try:
        async with started_admin(connection) as admin:
            await reader.start()
            return await _accept_with(admin, reader, connection, live, found, names)
    except Exception as error:
        raise reaction(error, "topics accept") from error
    finally:
        await stop_consumer(reader)


async def _accept_with(  # noqa: PLR0913, PLR0917 - what it asks, whom, and about what
    admin: Any,
    reader: Any,
    connection: ConnectionSettings,
    live: KafkaSettings,
    found: Mapping[str, int],
    names: Sequence[str],
) -> list[str]:
    scan, judge, lookback = (f"{live.group}-{stage}" for stage in ("scan", "judge", "lookback"))
    await refuse_members(admin, (scan, judge, lookback))
    present = await topic_ids(admin, found) or {}
    kept = await kept_topics(connection, live.topics.registry.name)
    known = {name: each.id for name, each in kept.items()}
    changed = recreated(present, known, await notes_of(admin, (scan, judge)), live)
    wrong = [name for name in names if name not in changed]
    if wrong or not names:
        there = ", ".join(changed) or "none"
        raise StopError(f"{', '.join(wrong) or 'name a topic'}: recreated topics are: {there}")
    role_of = {name: role for role, name in roles(live).items()}
    accepted = {role_of.get(name, name) for name in names}
    again = bool(accepted & {"work", "registry", "state"})
    ids = {role: present[name] for role, name in roles(live).items() if name in present and role in accepted}
    read_again = [topic for topic in found if again or topic in names]
    for group in (scan, lookback):
        first = await first_offsets(reader, admin, group, read_again)
        await move_offsets(connection, admin, group, ids, first)
    work = partitions(live.topics.work.name, found[live.topics.work.name])
    moved: Mapping[Any, int] = {}
    floors: dict[int, int] = {}
    if "state" in accepted:
        moved = await reader.end_offsets(work)
        state = partitions(live.topics.state.name, found[live.topics.state.name])
        floors = {source.partition: end for source, end in (await reader.end_offsets(state)).items()}
    elif "work" in accepted:
        moved = await reader.beginning_offsets(work)
    await move_offsets(connection, admin, judge, ids, moved)
    new = {name: KeptTopic(present[name]) for name in names}
    if floors:
        new[live.topics.state.name] = KeptTopic(present[live.topics.state.name], floors)
    await keep_topics(connection, live.topics.registry.name, new)
    return [f"{name}: {_LOST.get(role_of.get(name, ''), _otherwise(live, name))}" for name in names]


def _otherwise(live: KafkaSettings, name: str) -> str:
    if live.inputs.reads(name):
        return "it is read from its beginning; what was not read of the earlier one is lost"
    return "accepted; what was in the earlier one is gone"


async def kept_topics(connection: ConnectionSettings, registry: str) -> dict[str, KeptTopic]:
    """The topics that the registry topic keeps."""
    kept: dict[str, KeptTopic] = {}
    begins = f'["{TOPIC}",'.encode()
    async for records in read_to_end(connection, Partition(registry, ID_KEY_PARTITION)):
        for record in records:
            if record.key and record.value and record.key.startswith(begins):
                name = msgspec.json.decode(record.key, type=tuple[str, str, str, str])[1]
                kept[name] = msgspec.json.decode(record.value, type=KeptTopic)
    return kept
