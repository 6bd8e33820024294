"""The service's topics: how each should be, whether they are so, and `curfewd topics create`."""

import asyncio
import logging
from collections.abc import Iterable, Mapping

from detector.configuration.kafka_settings import KafkaSettings, Topic
from detector.kafka.acls import check_rights
from detector.kafka.connection import ConnectionSettings
from detector.kafka.connection_check import reach
from detector.kafka.topics import Outcome, TopicAdmin, TopicPlan, topic_configs
from detector.service.rights import rights_to_create
from detector.service.stage_settings import connection_of
from detector.values.errors import StopError


def plans(live: KafkaSettings, existing: Mapping[str, int]) -> tuple[TopicPlan, ...]:
    """The topics as they should be. `existing` has the number of partitions of each topic that is there.

    Raises:
        StopError: an input is missing whose redacted topic is to have as many partitions, or one is declared as both.
    """
    topics, retention = live.topics, live.redacted.retention if live.redacted is not None else 0
    _refuse_ambiguous(live, existing)
    inputs = [topic for topic in existing if live.inputs.reads(topic)]
    missing = [name for name in live.passed_on(live.inputs.named) if name not in inputs]
    if missing:
        raise StopError(
            f"there is no topic {', '.join(missing)}: create it first, because its redacted topic gets as many partitions"
        )
    # Both keep apart by partition what belongs together: work and its state, commands and what became of them.
    fixed = {topics.work, topics.state}
    if live.revoking:
        fixed |= {topics.revocations, topics.revocation_state, topics.revocation_outcomes}
    redacted = [Topic(name, existing[topic], retention) for topic, name in live.passed_on(inputs).items()]
    return tuple(
        TopicPlan(
            topic.name,
            topic.partitions,
            live.replication,
            topic_configs(topic.retention, min_insync=live.min_insync, record_bytes=live.record_bytes),
            fixed_partitions=topic in fixed,
        )
        for topic in (*live.own_topics(), *redacted)
    )


def input_plans(live: KafkaSettings, existing: Iterable[str]) -> tuple[TopicPlan, ...]:
    """The missing inputs, with as many partitions as `work`. All else is as the cluster's defaults are."""
    partitions = live.topics.work.partitions
    missing = [name for name in live.inputs.named if name not in set(existing)]
    return tuple(TopicPlan(name, partitions, live.replication, {}) for name in missing)


async def create_topics(live: KafkaSettings, *, inputs: bool = False) -> Outcome:
    """Creates the missing topics and compares the others with the configuration.

    With `inputs` it also creates the inputs that are named without a wildcard. Existing ones are not compared.

    Raises:
        RetryError: the brokers cannot be reached, or not now.
        StopError: they refuse.
        ConfigError: a certificate or key cannot be used.
    """
    connection = connection_of(live)
    await reach(connection)
    # A user who may not describe a topic never sees it, and would wait for it for ever. The requests show other lacks.
    rights = rights_to_create(live, inputs=inputs)
    await check_rights(connection, [right for right in rights if right.operation == "Describe"])
    async with TopicAdmin(connection, "the topics cannot be created") as admin:
        if not inputs:
            return await admin.create(plans(live, await admin.partitions(live.passed_on(live.inputs.named))))
        existing = await admin.partitions()
        made = (await admin.create(input_plans(live, existing))).created
        there = tuple(name for name in live.inputs.named if name not in made)
        ours = await admin.create(plans(live, await admin.partitions()))
    return Outcome((*made, *ours.created), (*there, *ours.existing), ours.differences)


async def survey(live: KafkaSettings, connection: ConnectionSettings) -> dict[str, int]:
    """How many partitions each existing topic of ours has, each input, and each redacted topic.

    Raises:
        RetryError, StopError: as for `create_topics`.
    """
    await reach(connection)
    async with TopicAdmin(connection, "the topics cannot be listed") as admin:
        existing = await admin.partitions()
    inputs = [topic for topic in existing if live.inputs.reads(topic)]
    names = {topic.name for topic in live.own_topics()} | set(live.passed_on(inputs).values())
    return {topic: count for topic, count in existing.items() if topic in names or topic in inputs}


def check_topics(live: KafkaSettings, found: Mapping[str, int], *, scans: bool = True) -> list[str]:
    """Checks that the topics are as the stages need them. `found` is what `survey` gives.

    Returns the missing inputs, if this process `scans`.

    Raises:
        StopError: a topic is missing, has another number of partitions, or is declared as carrying both.
    """
    if scans:
        _refuse_ambiguous(live, found)
    inputs = [*live.inputs.named, *(topic for topic in found if live.inputs.reads(topic))] if scans else []
    wanted = [*(topic.name for topic in live.topics.all()), *live.passed_on(inputs).values()]
    missing = [name for name in wanted if name not in found]
    if missing:
        raise StopError(f"there is no topic {', '.join(missing)}: run curfewd topics create")
    work, state = live.topics.work.name, live.topics.state.name
    if found[work] != found[state]:
        raise StopError(
            f"{work} has {found[work]} partitions and {state} {found[state]}: state would be kept apart from its work"
        )
    if found[work] != live.topics.work.partitions:
        raise StopError(
            f"{work} has {found[work]} partitions and {live.topics.work.partitions} are configured: "
            "tasks would be judged in two places; set kafka.topics.work.partitions"
        )
    return [topic for topic in live.inputs.named if scans and topic not in found]


def _refuse_ambiguous(live: KafkaSettings, topics: Iterable[str]) -> None:
    ambiguous = live.inputs.ambiguous(topics)
    if ambiguous:
        raise StopError(
            f"{', '.join(ambiguous)}: matches event_topics and log_topics, but a topic carries events or text, not both: "
            "narrow the globs"
        )


def run_create_topics(live: KafkaSettings, *, inputs: bool = False) -> Outcome:
    """`create_topics` for the command line.

    The error that it raises says more than what aiokafka logs meanwhile, so that log is silent.
    """
    log = logging.getLogger("aiokafka")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    return asyncio.run(create_topics(live, inputs=inputs))


def report(outcome: Outcome) -> list[str]:
    """A line for each topic."""
    created = [f"{name}: created" for name in outcome.created]
    wrong = {difference.topic for difference in outcome.differences}
    existing = [
        f"{name}: there already{', with other settings' if name in wrong else ''}"
        for name in outcome.existing
    ]
    return [*created, *existing]
