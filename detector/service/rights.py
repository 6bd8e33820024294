"""The rights on the brokers that the service needs, and no more."""

from typing import Literal

from detector.configuration.kafka_settings import KafkaSettings
from detector.kafka.acls import Operation, Right

Which = Literal["all", "scan", "judge"]


def rights(live: KafkaSettings, which: Which, *, approving: bool = False) -> tuple[Right, ...]:
    """What `curfewd run` needs. Read and Write imply Describe, so Describe is named only where it is alone.

    `approving` says that it serves approvals.

    Inputs that only a glob names are among them if its one wildcard is a `*` at the end. Read on each input that
    another glob matches is needed too; of the judge stage alone Describe, if the input carries events.
    """
    topics = live.topics
    names: dict[str, set[Operation]] = {topic.name: set() for topic in topics.all()}
    groups: list[str] = []
    if which != "judge":
        for name in (*live.inputs.named, *live.inputs.prefixes, *live.inputs.outcomes):
            names.setdefault(name, set()).add("Read")
        for name in live.passed_on(live.inputs.named).values():
            names.setdefault(name, set()).add("Write")
        names[topics.work.name].add("Write")
        names[topics.registry.name] |= {"Read", "Write"}
        names[topics.dead_letters.name].add("Write")
        groups += ["scan", "lookback"] if live.lookback else ["scan"]
    else:
        names |= {name: set() for name in _listed(live) if name not in names}
    if which != "scan":
        for topic in (topics.work, topics.registry, topics.state):
            names[topic.name] |= {"Read", "Write"}
        for topic in (topics.findings, topics.revocations, topics.dead_letters):
            names[topic.name].add("Write")
        groups.append("judge")
    if approving:
        for right in rights_to_approve(live):
            names.setdefault(right.name, set()).add(right.operation)
    describe: set[Operation] = {"Describe"}
    return (
        *(
            Right("topic", name, operation)
            for name, operations in names.items()
            for operation in sorted(operations or describe)
        ),
        *(
            Right("group", f"{live.group}-{name}", "Read" if name in groups else "Describe")
            for name in stages_of(live)
        ),
        *(
            Right("transactional id", f"{live.group}-{name}-*", "Write")
            for name in groups
            if name != "lookback"
        ),
    )


def _listed(live: KafkaSettings) -> list[str]:
    """The inputs of which the judge stage asks how many partitions they have."""
    inputs = live.inputs
    return [
        *(name for name in (*inputs.named, *inputs.prefixes) if name in inputs.events),
        *inputs.outcomes,
    ]


def stages_of(live: KafkaSettings) -> tuple[str, ...]:
    """What has a group in the deployment. Whoever works in one looks at all of them first (`check_alone`)."""
    return ("scan", "lookback", "judge") if live.lookback else ("scan", "judge")


def rights_to_revoke(live: KafkaSettings) -> tuple[Right, ...]:
    """What `curfewd revoke` needs: an identity of its own, which cannot write events, findings or commands."""
    topics = live.topics
    return (
        Right("topic", topics.revocations.name, "Read"),
        Right("topic", topics.revocation_state.name, "Read"),
        Right("topic", topics.revocation_state.name, "Write"),
        Right("topic", topics.revocation_outcomes.name, "Write"),
        Right("topic", topics.revocation_approvals.name, "Read"),
        Right("topic", topics.dead_letters.name, "Write"),
        Right("group", f"{live.group}-revoke", "Read"),
        Right("transactional id", f"{live.group}-revoke-*", "Write"),
    )


def rights_to_approve(live: KafkaSettings) -> tuple[Right, ...]:
    """What `curfewd revoke approve`, `deny` and `held` need."""
    topics = live.topics
    return (
        Right("topic", topics.revocation_outcomes.name, "Read"),
        Right("topic", topics.revocation_approvals.name, "Read"),
        Right("topic", topics.revocation_approvals.name, "Write"),
    )


def rights_to_create(live: KafkaSettings, *, inputs: bool = False) -> tuple[Right, ...]:
    """What `curfewd topics create` needs, with `--inputs` or without. `curfewd run` needs none of it."""
    operations: tuple[Operation, ...] = ("Create", "Describe", "DescribeConfigs")
    passed_on = live.passed_on(live.inputs.named)
    ours = [*(topic.name for topic in live.own_topics()), *passed_on.values()]
    if inputs:
        ours += live.inputs.named
    return (
        *(Right("topic", name, operation) for name in ours for operation in operations),
        *(Right("topic", name, "Describe") for name in passed_on),  # for their number of partitions
    )
