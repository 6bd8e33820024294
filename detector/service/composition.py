"""Builds the parts of the service from its settings: stages and readers that are ready to run."""

import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.configuration.kafka_settings import KafkaSettings
from detector.configuration.settings import Settings
from detector.ingest.classify import RecordClassifier
from detector.ingest.reassemble import PATIENCE
from detector.ingest.trust.policy import TrustPolicy
from detector.judge.policy import Policy
from detector.kafka.backlogs import Backlogs
from detector.kafka.changelog import KafkaChangelog
from detector.kafka.clients import LEAST_FETCHED_BYTES
from detector.kafka.connection import ConnectionSettings
from detector.kafka.delayed_reader import DelayedReader, DelayedReaderSettings
from detector.kafka.handlers import Handler
from detector.kafka.positions import GroupPositions
from detector.kafka.stage import Stage
from detector.kafka.topic_follower import TopicFollower
from detector.outputs.command_signature import signing_key
from detector.outputs.output import Run
from detector.registry.registered import RegisteredCredentials
from detector.scan.scanner import PatternScanner
from detector.service.judge.event_inputs import EventInputs
from detector.service.judge.handler import JudgeHandler, JudgeSettings, Topics
from detector.service.judge.standby_stores import StandbyStores
from detector.service.judge.store_memory import StoreMemory
from detector.service.lookback.lookback import Lookback, LookbackProblem, LookbackSettings
from detector.service.observability.measuring import MeasuredHandler, StageName
from detector.service.record_times import longest_backdating
from detector.service.scan.handler import (
    LARGEST,
    ROOM,
    ClassifierOf,
    ScanHandler,
    ScanSettings,
    ScanTopics,
)
from detector.service.scan.scan_marks import NoMarks
from detector.service.stage_settings import stage_of
from detector.service.view.task import ViewContext
from detector.service.view.view import View
from detector.stages.masking import EventMasker
from detector.values.bounded_files import SECRET_BYTES, read_bounded
from detector.values.errors import ConfigError
from detector.values.secrets import DeploymentKey
from detector.values.times import SECOND
from detector.values.wording import Clean

FALLBACK_FILE: Final = "fingerprints.key"
_KEY_BYTES: Final = 32
_OURS: Final = 0o600


class ProcessContext(msgspec.Struct, frozen=True):
    """What all stages of a process share. `observe` takes the facts of each stage, `registry_topic` is followed.

    `ids` are those of the topics that belong together, by what each is for.
    """

    live: KafkaSettings
    connection: ConnectionSettings
    registered: RegisteredCredentials
    registry_topic: TopicFollower
    threads: Executor
    observe: Callable[[StageName, Any], None]
    classifier_of: ClassifierOf
    store_memory: StoreMemory
    view: View | None = None
    marks: NoMarks = msgspec.field(default_factory=NoMarks)
    ids: Mapping[str, str] = {}
    backlogs: Backlogs = msgspec.field(default_factory=Backlogs)

    def observer(self, stage: StageName) -> Callable[[Any], None]:
        """Takes the facts of one stage."""
        return lambda fact: self.observe(stage, fact)


def classifier_in_topics(live: KafkaSettings, classifier: RecordClassifier) -> ClassifierOf:
    """What is recognised in each topic. Only in a topic that is declared to carry events, something is an event."""
    logs = classifier.logs_only()
    return lambda topic: classifier if live.carries_events(topic) else logs


def fallback_key(settings: Settings) -> DeploymentKey | None:
    """The key that makes fingerprints if there is no deployment key, None if there is one.

    It is kept in the folder of state, so that a leaked secret keeps its fingerprint over restarts.

    Raises:
        ConfigError: the key cannot be read or made.
    """
    if settings.keys:
        return None
    path = Path(settings.service.state) / FALLBACK_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            fresh = path.with_suffix(".new")
            fresh.touch(_OURS)
            fresh.write_bytes(secrets.token_bytes(_KEY_BYTES))
            fresh.rename(path)
        return DeploymentKey.of(read_bounded(path, SECRET_BYTES))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no key"
        raise ConfigError(f"service.state: {reason}", str(path)) from None


def input_positions(context: ProcessContext) -> GroupPositions:
    """How far the scan stage has read its inputs, and the records before a position."""
    group = f"{context.live.group}-scan"
    return GroupPositions(context.connection, group, *context.live.inputs.subscription(), reread=PATIENCE)


def scan_stage(context: ProcessContext, settings: Settings, positions: GroupPositions) -> Stage:
    """The scan stage."""
    live = context.live
    topics = ScanTopics(
        live.topics.work.name,
        live.topics.work.partitions,
        live.topics.registry.name,
        live.topics.dead_letters.name,
        longest_backdating(live.topics.work.retention),
        min(LARGEST, live.record_bytes // ROOM),
    )
    scan_settings = ScanSettings(
        topics,
        delay=settings.policy.watermark_delay,
        skew=settings.policy.skew,
        redacted=lambda topic: live.passed_on((topic,)).get(topic),
        unexamined="mask" if live.redacted is None else live.redacted.unexamined,
        classifier_of=context.classifier_of,
        trust_of=TrustPolicy(settings.trust).of_topic,
    )
    handler = ScanHandler(
        scan_settings,
        context.registered,
        context.threads,
        positions,
        observe=lambda fact: measured.report(fact),  # noqa: PLW0108 - `measured` is made of this handler
        registry_is_read=context.registry_topic.up_to_date,
        marks=context.marks,
    )
    measured = _measured(context, "scan", handler)
    names, pattern = live.inputs.subscription()
    stage = msgspec.structs.replace(stage_of(live, "scan", names, pattern), ids=context.ids)
    return Stage(context.connection, stage, measured, context.observer("scan"), context.backlogs)


def lookback_reader(context: ProcessContext, positions: GroupPositions, skew: int) -> DelayedReader:
    """The look-back, some minutes behind the scan stage."""
    observe = context.observer("lookback")
    live = context.live
    names, pattern = live.inputs.subscription()
    settings = DelayedReaderSettings(
        group=f"{live.group}-lookback",
        counts={live.topics.work.name: live.topics.work.partitions},
        topics=names,
        pattern=pattern,
        delay=live.lookback,
        poll_records=live.poll_records,
        partition_fetch_bytes=min(live.partition_fetch_bytes, LEAST_FETCHED_BYTES),
        session_seconds=live.session_timeout / SECOND,
    )

    async def all_registered_known(time: int) -> bool:
        """Whether what was registered by then is known here, whichever instance read it."""
        if not await positions.has_read(time):
            return False
        await context.registry_topic.up_to_date()
        return True

    handler = Lookback(
        LookbackSettings(live.topics.work.name, live.lookback, context.classifier_of, skew),
        context.registered,
        context.threads,
        observe=observe,
        marks=context.marks,
    )
    return DelayedReader(
        context.connection,
        settings,
        handler,
        may_read=all_registered_known,
        observe=lambda why: observe(LookbackProblem(why)),
    )


def store_of(worker: int | None) -> str:
    """The folder of a process's store, in that of the state. No two processes may open one."""
    return "judge" if worker is None else f"judge-{worker}"


def judge_stage(
    context: ProcessContext,
    settings: Settings,
    scanner: PatternScanner,
    changelog: KafkaChangelog,
    inputs: EventInputs,
) -> tuple[Stage, StandbyStores]:
    """The judge stage, under the policy of `settings`, and its copies of what other processes judge."""
    live, topics = context.live, context.live.topics
    patterns = {pattern.id: pattern for pattern in scanner.patterns}
    policy = with_masked_reasons(settings.policy, context.registered.finders.clean)
    handler = JudgeHandler(
        JudgeSettings(
            policy,
            Path(settings.service.state) / store_of(settings.service.worker),
            Topics(
                work=topics.work.name,
                state=topics.state.name,
                registry=topics.registry.name,
                findings=topics.findings.name,
                revocations=topics.revocations.name,
                dead_letters=topics.dead_letters.name,
            ),
            settings.service.cache_size,
            work_dated=longest_backdating(topics.work.retention),
            work_partitions=topics.work.partitions,
            memory=context.store_memory,
            findings_id=context.ids.get("findings", ""),
        ),
        Run(patterns, context.registered.finders.clean, command_key=signing_key(settings.keys)),
        changelog,
        time.time_ns,
        context.observer("judge"),
        inputs=lambda: inputs.listed,
    )
    if context.view is not None:
        finders = context.registered.finders
        view_context = ViewContext(policy, patterns, finders.clean, id_of=masked_id(context))
        context.view.judging(lambda: handler.stores, view_context)
    standbys = StandbyStores(
        topics.work.name,
        handler.local_stores,
        changelog,
        time.time_ns,
        context.observer("judge"),
    )
    stage = msgspec.structs.replace(
        stage_of(live, "judge", (topics.work.name,)),
        ids=context.ids,
        standbys=settings.service.standbys,
        place=(socket.gethostname(), str(Path(settings.service.state).absolute())),
    )
    measured = _measured(context, "judge", handler)
    return (
        Stage(
            context.connection,
            stage,
            measured,
            context.observer("judge"),
            context.backlogs,
            standbys=standbys,
        ),
        standbys,
    )


def event_inputs(context: ProcessContext) -> EventInputs:
    """Which inputs the judge stage waits for."""
    return EventInputs(context.live, lambda: context.registered.topics, masked_id(context))


def masked_id(context: ProcessContext) -> Callable[[str], str]:
    """How names are masked, with what is recognised at that moment."""
    finders = context.registered.finders
    return lambda name: EventMasker(finders.finder).id(name)


def with_masked_reasons(policy: Policy, clean: Clean) -> Policy:
    """The policy with every reason of an acceptance as it may be stored: a finding in the state has it."""
    accepts = tuple(msgspec.structs.replace(accept, reason=clean(accept.reason)) for accept in policy.accepts)
    return msgspec.structs.replace(policy, accepts=accepts)


def _measured(context: ProcessContext, stage: StageName, handler: Handler) -> MeasuredHandler:
    return MeasuredHandler(handler, context.observer(stage))


def threads_of(workers: int = 1) -> int:
    """How many threads decode and scan in one of so many processes: in all as many as there are cores."""
    return max(len(os.sched_getaffinity(0)) // workers, 1)
