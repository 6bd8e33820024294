"""Notices topics that were deleted and recreated: the name is the same, but what the service has written is gone.

Kafka gives each topic an id (KIP-516), and another one if it is recreated. The ids are kept in two places, so that no
topic takes the memory of itself along: each input and each topic of ours has a record in the registry topic, and each
committed offset has the ids of our topics beside it (`kafka.offset_notes`).

A topic with another id ends the service: at the start before anything is read, later within `WATCH_SECONDS`. `curfewd
topics accept` goes on with it (`accept_topics`).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from detector.configuration.kafka_settings import KafkaSettings
from detector.kafka.acls import Right, check_rights_by
from detector.kafka.clients import idempotent_producer, reaction, started, started_admin, topic_ids
from detector.kafka.connection import ConnectionSettings
from detector.kafka.offset_notes import ids_in
from detector.registry.registered import ID_KEY_PARTITION, KeptTopic, topic_key
from detector.values.errors import StopError
from detector.values.stored_format import FORMAT_HEADERS

WATCH_SECONDS: Final = 10.0
SEE: Final = "docs/live.md, Recreated topics, says what that means"


def roles(live: KafkaSettings) -> dict[str, str]:
    """The topics that belong together, by what each is for: an offset holds for these only."""
    topics = live.topics
    return {
        "work": topics.work.name,
        "state": topics.state.name,
        "registry": topics.registry.name,
        "findings": topics.findings.name,
        "revocations": topics.revocations.name,
    }


def recreated(
    present: Mapping[str, str],
    kept: Mapping[str, str],
    beside: Iterable[Mapping[str, str]],
    live: KafkaSettings,
) -> list[str]:
    """The topics whose id in `present` is another than was kept, or stands `beside` an offset."""
    names = roles(live)
    known = [
        *kept.items(),
        *((names[role], made) for ids in beside for role, made in ids.items() if role in names),
    ]
    return sorted({name for name, made in known if present.get(name, made) != made})


def refusal(topics: Iterable[str]) -> StopError:
    """The error if topics were recreated."""
    named = " ".join(topics)
    return StopError(
        f"deleted and recreated since this service wrote or read them: {named.replace(' ', ', ')}. What was in them is "
        f"gone ({SEE}): stop all instances, then run curfewd topics accept {named}"
    )


async def notes_of(admin: Any, groups: Iterable[str]) -> list[dict[str, str]]:
    """The ids that stand beside the committed offsets of groups."""
    return [
        ids_in(str(each.metadata))
        for group in groups
        for each in (await admin.list_consumer_group_offsets(group)).values()
    ]


async def keep_topics(connection: ConnectionSettings, registry: str, topics: Mapping[str, KeptTopic]) -> None:
    """Writes the records that keep topics.

    Raises:
        Exception: Kafka's own error.
    """
    if not topics:
        return
    async with started(idempotent_producer(connection)) as producer:
        for name, each in topics.items():
            await producer.send_and_wait(
                registry,
                msgspec.json.encode(each),
                key=topic_key(name),
                partition=ID_KEY_PARTITION,
                headers=list(FORMAT_HEADERS),
            )


class TopicIdentity:
    """The ids of the topics of a process: `ours` by what each is for, all of them in `kept` by name.

    `kept` is what the registry topic keeps, once it was read. `groups` are those whose offsets this process commits.
    """

    def __init__(
        self,
        live: KafkaSettings,
        connection: ConnectionSettings,
        groups: Iterable[str],
        kept: dict[str, KeptTopic],
        warn: Callable[[str], None],
    ) -> None:
        self._live = live
        self._connection = connection
        self._groups = tuple(groups)
        self._kept = kept
        self._warn = warn
        self._ids: dict[str, str] = {}
        self._gone: frozenset[str] = frozenset()

    @property
    def ours(self) -> dict[str, str]:
        """The ids of the topics that belong together; none if the brokers tell none."""
        return {role: self._ids[name] for role, name in roles(self._live).items() if name in self._ids}

    @property
    def floors(self) -> Mapping[int, int]:
        """The offsets of the state topic before which its records are void."""
        kept = self._kept.get(self._live.topics.state.name)
        return {} if kept is None else kept.floors

    async def check(self, names: Iterable[str]) -> None:
        """Compares the topics of these names with what was kept, and keeps those that are new.

        Raises:
            StopError: some were recreated.
            RetryError: the brokers do not answer now.
        """
        try:
            async with started_admin(self._connection) as admin:
                present = await topic_ids(admin, names)
                if present is None:
                    self._warn("the brokers do not report the ids of topics: a recreated one is not noticed")
                    return
                kept = {name: each.id for name, each in self._kept.items()}
                self._refuse(present, kept, await notes_of(admin, self._groups))
                self._ids = {**kept, **present}
                await self._keep(present)
        except Exception as error:
            raise reaction(error, "asking for the ids of topics") from error

    def _refuse(
        self, present: Mapping[str, str], kept: Mapping[str, str], beside: Iterable[Mapping[str, str]] = ()
    ) -> None:
        """Raises StopError if a topic was recreated."""
        changed = recreated(present, kept, beside, self._live)
        if changed:
            raise refusal(changed)

    async def _keep(self, present: Mapping[str, str]) -> None:
        new = {name: KeptTopic(made) for name, made in present.items() if name not in self._kept}
        await keep_topics(self._connection, self._live.topics.registry.name, new)
        self._kept.update(new)

    async def watch(self, needed: tuple[Right, ...], inputs: Callable[[], Iterable[str]]) -> None:
        """Looks every so often whether all is as it was, the rights of this user too, until it is cancelled.

        Raises:
            StopError: a topic was deleted or recreated, or a right is missing.
        """
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                async with started_admin(self._connection) as admin:
                    while True:
                        await check_rights_by(admin, self._connection.user, needed)
                        if self._ids:
                            await self._look(admin, set(inputs()))
                        await asyncio.sleep(WATCH_SECONDS)
            except Exception as error:
                known = reaction(error, "asking for the ids of topics")
                if isinstance(known, StopError):
                    raise known from error

    async def _look(self, admin: Any, inputs: set[str]) -> None:
        ours = {topic.name for topic in self._live.topics.all()}
        present = await topic_ids(admin, ours | inputs | self._ids.keys())
        if present is None:
            return
        self._refuse(present, self._ids)
        gone = frozenset(ours - present.keys())
        if gone & self._gone:  # a broker may learn of a topic later than others
            raise StopError(
                f"{', '.join(sorted(gone & self._gone))}: deleted, and what was in it is gone ({SEE}): stop all instances, "
                "run curfewd topics create, then curfewd topics accept with these names"
            )
        self._gone = gone
        self._ids |= present
        await self._keep(present)
