"""Creates topics by plan, and says where the existing ones differ from it.

An existing topic is never changed: it may be shared, and a change may lose records.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

import msgspec
from aiokafka import errors as kafka
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from detector.kafka.acls import Operation, Right, lacking
from detector.kafka.clients import admin_client, topic_ids
from detector.kafka.connection import ConnectionSettings
from detector.kafka.security import explain, retriable
from detector.values.errors import RetryError, StopError
from detector.values.times import DAY, HOUR

_MILLI: Final = 1_000_000  # ns
_TRIES: Final = 20
_PAUSE_SECONDS: Final = 0.2
_IDLE_MS: Final = 60_000
# Only closed segments are compacted, and a segment is deleted as a whole. Small ones keep a compacted topic short to
# read, but one in which little is written would fill none for months: so they are closed by time, too.
_COMPACTED_SEGMENT_BYTES: Final = 64 << 20
_COMPACTED_SEGMENT: Final = HOUR
_SEGMENT_BYTES: Final = 1 << 30
_LONGEST_SEGMENT: Final = 7 * DAY
_SEGMENTS: Final = 8  # in a retention: by an eighth of it, a record may outlive it
# Longer than anyone takes to read a compacted topic from its start: else a deleted key would come back.
_TOMBSTONES: Final = DAY
# A wrong value of these loses or doubles records; of any other setting it is only reported.
_GRAVE: Final = frozenset({"cleanup.policy", "unclean.leader.election.enable"})


class TopicPlan(msgspec.Struct, frozen=True):
    """A topic as it should be. `configs` has Kafka's names and values.

    With `fixed_partitions` another number of partitions is a grave difference.
    """

    name: str
    partitions: int
    replication: int
    configs: dict[str, str]
    fixed_partitions: bool = False


class Difference(msgspec.Struct, frozen=True):
    """A setting of an existing topic that differs from the plan.

    If it is `grave`, the service cannot work correctly.
    """

    topic: str
    setting: str
    found: str
    wanted: str
    grave: bool

    def __str__(self) -> str:
        return f"{self.topic}: {self.setting} is {self.found}, but {self.wanted} is configured; it is left unchanged"


class Outcome(msgspec.Struct, frozen=True):
    """The topics that were created and those that existed, by name."""

    created: tuple[str, ...]
    existing: tuple[str, ...]
    differences: tuple[Difference, ...]


def topic_configs(retention: int | None, *, min_insync: int, record_bytes: int) -> dict[str, str]:
    """The settings of a topic that keeps records for `retention` (ns), or of a compacted one if that is None.

    Every setting that matters is given, whatever the cluster's defaults are.
    """
    configs = {
        "min.insync.replicas": str(min_insync),
        "unclean.leader.election.enable": "false",  # it would lose committed records
        "max.message.bytes": str(record_bytes),
        "message.timestamp.type": "CreateTime",
    }
    if retention is not None:
        return {
            **configs,
            "cleanup.policy": "delete",
            "retention.ms": str(retention // _MILLI),
            "retention.bytes": "-1",
            "segment.bytes": str(_SEGMENT_BYTES),
            "segment.ms": str(min(retention // _SEGMENTS, _LONGEST_SEGMENT) // _MILLI),
        }
    return {
        **configs,
        "cleanup.policy": "compact",
        "segment.bytes": str(max(_COMPACTED_SEGMENT_BYTES, record_bytes)),
        "segment.ms": str(_COMPACTED_SEGMENT // _MILLI),
        "delete.retention.ms": str(_TOMBSTONES // _MILLI),
        "min.cleanable.dirty.ratio": "0.1",
    }


def differences(
    plan: TopicPlan, partitions: int, replication: int, found: dict[str, str]
) -> list[Difference]:
    """Where an existing topic differs from its plan. `found` has at least the plan's settings."""
    pairs = {
        "partitions": (str(partitions), str(plan.partitions)),
        "replication": (str(replication), str(plan.replication)),
        **{key: (found.get(key, "not told"), wanted) for key, wanted in plan.configs.items()},
    }
    return [
        Difference(
            plan.name,
            setting,
            is_now,
            wanted,
            setting in _GRAVE or (plan.fixed_partitions and setting == "partitions"),
        )
        for setting, (is_now, wanted) in pairs.items()
        if is_now != wanted
    ]


class TopicAdmin:
    """Lists and creates topics. Use it as a context manager; `doing` names the work in errors.

    All that happens within it raises:
        RetryError: the brokers cannot be reached, or not now.
        StopError: they refuse.
    """

    def __init__(self, connection: ConnectionSettings, doing: str) -> None:
        self._admin = admin_client(connection, connections_max_idle_ms=_IDLE_MS)
        self._doing = doing

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_exit(self.__aexit__)
            await self._admin.start()
            stack.pop_all()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._admin.close()
        if error is not None and (known := self._reaction(error)) is not error:
            raise known from None

    def _reaction(self, error: BaseException) -> BaseException:
        if isinstance(error, OSError | EOFError | ValueError | kafka.KafkaError):
            return _error(error, f"{self._doing}: {explain(error)}")
        return error

    async def partitions(self, awaited: Iterable[str] = ()) -> dict[str, int]:
        """How many partitions each topic has. While an `awaited` one is missing, it asks again, for some seconds."""
        return {name: partitions for name, (partitions, _) in (await self._counts(awaited)).items()}

    async def existing(self, topics: Iterable[str]) -> set[str]:
        """Those of these topics that there are; none from brokers before Kafka 2.8.

        Raises:
            StopError: the user may not know of one.
        """
        try:
            return {*(await topic_ids(self._admin, topics) or ())}
        except kafka.TopicAuthorizationFailedError as error:
            raise StopError(f"{self._doing}: {_why(error, str(error.args[0]), 'Describe')}") from None

    async def create(self, plans: Sequence[TopicPlan]) -> Outcome:
        """Creates the missing topics and compares the others with their plans."""
        names = {plan.name for plan in plans}
        existing = await self._counts_now()
        created = await self._create([plan for plan in plans if plan.name not in existing])
        existing = await self._counts(names)  # whoever starts next would miss those that are not shown yet
        if not names <= existing.keys():
            raise RetryError(
                "the topics are created, but the brokers do not show them yet. It may work later"
            )
        rest = [plan for plan in plans if plan.name not in created]
        found = await self._settings_of(rest)
        return Outcome(
            created,
            tuple(plan.name for plan in rest),
            tuple(
                difference
                for plan in rest
                for difference in differences(plan, *existing[plan.name], found[plan.name])
            ),
        )

    async def _counts(self, awaited: Iterable[str] = ()) -> Mapping[str, tuple[int, int]]:
        """Partitions and copies of every topic.

        A broker may learn of a new one, an `awaited`, later than the controller.
        """
        for tries_left in reversed(range(_TRIES)):
            counts = await self._counts_now()
            if not tries_left or counts.keys() >= set(awaited):
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        return counts

    async def _counts_now(self) -> Mapping[str, tuple[int, int]]:
        """Partitions and copies of every topic that the broker knows.

        It asks for all topics: brokers with old defaults would create a missing one that is asked for by name.
        """
        return {
            topic["topic"]: (
                len(topic["partitions"]),
                max(len(partition["replicas"]) for partition in topic["partitions"]),
            )
            for topic in await self._admin.describe_topics()
            if topic["partitions"]
        }

    async def _create(self, missing: Sequence[TopicPlan]) -> tuple[str, ...]:
        if not missing:
            return ()
        new = [
            NewTopic(plan.name, plan.partitions, plan.replication, topic_configs=plan.configs)
            for plan in missing
        ]
        try:
            answer = await self._admin.create_topics(new)
        except AttributeError:  # aiokafka 0.14 expects that there is a controller
            raise RetryError("the cluster has no controller now. It may work later") from None
        created = []
        refused: list[tuple[str, Exception, str]] = []
        for name, code, message in answer.topic_errors:
            kind = kafka.for_code(code)
            if kind is kafka.NoError:
                created.append(name)
            elif kind is not kafka.TopicAlreadyExistsError:
                refused.append((name, kind(), message or ""))
        if refused:
            reasons = "; ".join(
                f"{name}: {_why(error, name, 'Create')}{f' ({message})' if message else ''}"
                for name, error, message in refused
            )
            made = f". Created: {', '.join(created)}" if created else ""
            raise _error(refused[0][1], f"topics cannot be created: {reasons}{made}")
        return tuple(created)

    async def _settings_of(self, plans: Sequence[TopicPlan]) -> dict[str, dict[str, str]]:
        """The settings of existing topics, by topic. A broker may learn of a new topic later than others."""
        resources = [ConfigResource(ConfigResourceType.TOPIC, plan.name, plan.configs) for plan in plans]
        found: dict[str, dict[str, str]] = {}
        for tries_left in reversed(range(_TRIES if resources else 0)):
            for answer in await self._admin.describe_configs(resources):
                for code, _, _, name, entries in answer.resources:
                    kind = kafka.for_code(code)
                    if kind is kafka.NoError:
                        found[name] = {entry[0]: entry[1] for entry in entries}
                    elif kind is not kafka.UnknownTopicOrPartitionError or not tries_left:
                        error = kind()
                        reason = _why(error, name, "DescribeConfigs")
                        raise _error(error, f"{name}: its settings cannot be read: {reason}")
            resources = [resource for resource in resources if resource.name not in found]
            if not resources:
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        return found


def _why(error: Exception, topic: str, operation: Operation) -> str:
    """Why a request about a topic failed that needs the right to this operation."""
    if isinstance(error, kafka.TopicAuthorizationFailedError):
        return f"Kafka does not let this user: {lacking([Right('topic', topic, operation)])}"
    return explain(error)


def _error(error: BaseException, text: str) -> RetryError | StopError:
    return RetryError(f"{text}. It may work later") if retriable(error) else StopError(text)
