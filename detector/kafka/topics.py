"""Creates the topics that the service needs, and says where those that are there differ from what it needs.

Nothing that exists is ever changed: a topic may be shared, and a changed one may lose records.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiokafka import errors as kafka
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from detector.configuration.kafka_settings import LiveSettings, Topic
from detector.kafka.acls import Operation, Right, check_rights, lacking, rights_to_create
from detector.kafka.connection_check import reach
from detector.kafka.security import client_options, explain, retriable
from detector.values.errors import RetryError, StopError
from detector.values.times import DAY

_MILLI: Final = 1_000_000  # ns
_TRIES: Final = 20
_PAUSE_SECONDS: Final = 0.2
_SEGMENT_BYTES: Final = (
    64 << 20
)  # only closed segments are compacted: small ones bound what a restore has to read
# Longer than anyone takes to read a compacted topic from its beginning, else a deleted key would come back.
_TOMBSTONES: Final = DAY
# What a wrong value of would lose or double findings, state or commands; the rest is said and lived with.
_GRAVE: Final = frozenset({"cleanup.policy", "unclean.leader.election.enable"})


class Plan(msgspec.Struct, frozen=True):
    """A topic as it should be. `configs` as Kafka names and writes them; `tied`: its partitions are those of another."""

    topic: Topic
    replication: int
    configs: dict[str, str]
    tied: bool = False


class Difference(msgspec.Struct, frozen=True):
    """A setting of a topic that is not as it should be; `grave`: the service would not work correctly."""

    topic: str
    setting: str
    found: str
    wanted: str
    grave: bool

    def __str__(self) -> str:
        return (
            f"{self.topic}: {self.setting} is {self.found}, configured is {self.wanted}; it is left as it is"
        )


class Outcome(msgspec.Struct, frozen=True):
    """What was made and what was there, by name."""

    created: tuple[str, ...]
    existing: tuple[str, ...]
    differences: tuple[Difference, ...]


def plans(settings: LiveSettings, inputs: Mapping[str, int]) -> tuple[Plan, ...]:
    """The topics as they should be. `inputs` are those that are there, and their numbers of partitions.

    Raises:
        StopError: an input is missing whose redacted topic is to have as many partitions.
    """
    topics, retention = settings.topics, settings.redacted.retention if settings.redacted is not None else 0
    missing = [name for name in settings.passed_on(settings.inputs) if name not in inputs]
    if missing:
        raise StopError(
            f"there is no topic {', '.join(missing)}: create it first, what it goes to gets as many partitions"
        )
    redacted = [Topic(name, inputs[topic], retention) for topic, name in settings.passed_on(inputs).items()]
    return tuple(
        Plan(topic, settings.replication, _configs(settings, topic), topic in {topics.work, topics.state})
        for topic in (*topics.all(), *redacted)
    )


def _configs(settings: LiveSettings, topic: Topic) -> dict[str, str]:
    """Everything that matters is set, whatever the cluster's defaults are."""
    configs = {
        "min.insync.replicas": str(settings.min_insync),
        "unclean.leader.election.enable": "false",  # it would lose what was committed
        "max.message.bytes": str(settings.record_bytes),
        "message.timestamp.type": "CreateTime",
    }
    if topic.retention is not None:
        return {
            **configs,
            "cleanup.policy": "delete",
            "retention.ms": str(topic.retention // _MILLI),
            "retention.bytes": "-1",
        }
    return {
        **configs,
        "cleanup.policy": "compact",
        "segment.bytes": str(_SEGMENT_BYTES),
        "delete.retention.ms": str(_TOMBSTONES // _MILLI),
        "min.cleanable.dirty.ratio": "0.1",
    }


def differences(plan: Plan, partitions: int, replication: int, found: dict[str, str]) -> list[Difference]:
    """Where a topic that is there differs from its plan. `found` has at least the plan's settings."""
    name = plan.topic.name
    pairs = {
        "partitions": (str(partitions), str(plan.topic.partitions)),
        "replication": (str(replication), str(plan.replication)),
        **{key: (found.get(key, "not told"), wanted) for key, wanted in plan.configs.items()},
    }
    return [
        Difference(
            name, setting, is_now, wanted, setting in _GRAVE or (plan.tied and setting == "partitions")
        )
        for setting, (is_now, wanted) in pairs.items()
        if is_now != wanted
    ]


async def create_topics(settings: LiveSettings) -> Outcome:
    """Creates the topics that are missing and compares the others.

    Raises:
        RetryError: the brokers cannot be reached, or not now.
        StopError: they refuse.
        ConfigError: a certificate or key cannot be used.
    """
    await reach(settings)
    # Who may not describe a topic is never shown it, and would wait for what was made. The rest is told by what fails.
    await check_rights(
        settings, [right for right in rights_to_create(settings) if right.operation == "Describe"]
    )
    admin = AIOKafkaAdminClient(
        **client_options(settings),
        request_timeout_ms=settings.request_timeout // _MILLI,
        connections_max_idle_ms=60_000,
    )
    try:
        await admin.start()
        return await _create(admin, plans(settings, await _inputs(admin, settings)))
    except (OSError, EOFError, kafka.KafkaError) as error:
        raise _error(error, f"the topics cannot be created: {explain(error)}") from None
    finally:
        await admin.close()


async def survey(settings: LiveSettings) -> dict[str, int]:
    """How many partitions each of our topics has that is there, each input, and what it is passed on to.

    Raises:
        RetryError, StopError, ConfigError: as for `create_topics`.
    """
    await reach(settings)
    admin = AIOKafkaAdminClient(
        **client_options(settings), request_timeout_ms=settings.request_timeout // _MILLI
    )
    try:
        await admin.start()
        inputs = await _inputs(admin, settings)
        names = {topic.name for topic in settings.topics.all()} | set(settings.passed_on(inputs).values())
        return {**inputs, **{name: shape[0] for name, shape in (await _shapes(admin, names)).items()}}
    except (kafka.KafkaError, OSError, ValueError) as error:
        raise _error(error, f"the topics cannot be listed: {explain(error)}") from None
    finally:
        await admin.close()


async def _create(admin: Any, wanted: tuple[Plan, ...]) -> Outcome:
    names = {plan.topic.name for plan in wanted}
    there = await _shapes(admin, names)
    created = await _make(admin, [plan for plan in wanted if plan.topic.name not in there])
    # A broker may learn of a new topic a little later than the controller, and what starts next would miss it.
    for _ in range(_TRIES):
        if names <= there.keys():
            break
        await asyncio.sleep(_PAUSE_SECONDS)
        there = await _shapes(admin, names)
    else:
        raise RetryError("the topics are created, but the brokers do not show them yet. It may work later")
    rest = [plan for plan in wanted if plan.topic.name not in created]
    found = await _settings_of(admin, rest)
    return Outcome(
        created,
        tuple(plan.topic.name for plan in rest),
        tuple(
            difference
            for plan in rest
            for difference in differences(plan, *there[plan.topic.name], found[plan.topic.name])
        ),
    )


async def _shapes(admin: Any, names: set[str]) -> dict[str, tuple[int, int]]:
    """Partitions and copies of those topics that are there.

    All topics are asked for: asked by name, brokers of old habit would create a missing one with their defaults.
    """
    return {
        topic["topic"]: (len(topic["partitions"]), max(len(each["replicas"]) for each in topic["partitions"]))
        for topic in await admin.describe_topics()
        if topic["topic"] in names and topic["partitions"]
    }


async def _inputs(admin: Any, settings: LiveSettings) -> dict[str, int]:
    """The inputs that are there, and how many partitions each has."""
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in await admin.describe_topics()
        if topic["partitions"] and settings.reads(topic["topic"])
    }


async def _make(admin: Any, missing: list[Plan]) -> tuple[str, ...]:
    if not missing:
        return ()
    new = [
        NewTopic(plan.topic.name, plan.topic.partitions, plan.replication, topic_configs=plan.configs)
        for plan in missing
    ]
    try:
        answer = await admin.create_topics(new)
    except AttributeError:  # aiokafka 0.14 takes it for granted that there is a controller
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
        told = "; ".join(
            f"{name}: {_why(error, name, 'Create')}{f' ({message})' if message else ''}"
            for name, error, message in refused
        )
        made = f". Created: {', '.join(created)}" if created else ""
        raise _error(refused[0][1], f"topics cannot be created: {told}{made}")
    return tuple(created)


async def _settings_of(admin: Any, wanted: list[Plan]) -> dict[str, dict[str, str]]:
    """The settings of topics that are there, by topic. A broker may learn of a new one a little later than others."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, plan.topic.name, plan.configs) for plan in wanted]
    found: dict[str, dict[str, str]] = {}
    for tries_left in reversed(range(_TRIES if resources else 0)):
        for answer in await admin.describe_configs(resources):
            for code, _, _, name, entries in answer.resources:
                kind = kafka.for_code(code)
                if kind is kafka.NoError:
                    found[name] = {entry[0]: entry[1] for entry in entries}
                elif kind is not kafka.UnknownTopicOrPartitionError or not tries_left:
                    error = kind()
                    raise _error(
                        error, f"{name}: its settings cannot be read: {_why(error, name, 'DescribeConfigs')}"
                    )
        resources = [resource for resource in resources if resource.name not in found]
        if not resources:
            break
        await asyncio.sleep(_PAUSE_SECONDS)
    return found


def _why(error: Exception, topic: str, operation: Operation) -> str:
    """What went wrong with a request about a topic, which needs that right on it."""
    if isinstance(error, kafka.TopicAuthorizationFailedError):
        return f"Kafka does not let this user: {lacking([Right('topic', topic, operation)])}"
    return explain(error)


def _error(error: BaseException, text: str) -> RetryError | StopError:
    return RetryError(f"{text}. It may work later") if retriable(error) else StopError(text)
