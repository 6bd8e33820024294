"""Puts the service together: from settings to stages that are ready to run."""

import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.configuration.kafka_settings import LiveSettings
from detector.configuration.settings import Settings
from detector.ingest.classify import RecordClassifier
from detector.kafka.changelog_topic import KafkaChangelog
from detector.kafka.clients import KafkaSettings
from detector.kafka.handlers import Handler
from detector.kafka.positions import InputPositions
from detector.kafka.stage import Stage
from detector.kafka.stage_facts import Fact
from detector.kafka.stage_settings import stage_of
from detector.scan.leaks import Redactor
from detector.scan.scanner import PatternScanner
from detector.service.judge.handler import JudgeHandler, JudgeSettings, Topics
from detector.service.judge.output_encoder import OutputEncoder
from detector.service.lookback.lookback import Lookback, LookbackProblem, LookbackProgress, LookbackSettings
from detector.service.observability.measuring import Measured, StageName
from detector.service.observability.metrics import Metrics
from detector.service.scan.finders import Finders
from detector.service.scan.handler import LARGEST, ClassifierOf, ScanHandler, Scanned, ScanTopics
from detector.service.scan.origins import longest
from detector.service.scan.redaction import Redacted
from detector.service.scan.registry_feed import RegistryFeed
from detector.service.view.task import Telling
from detector.service.view.view import View
from detector.values.errors import ConfigError, StopError
from detector.values.globs import compile_glob
from detector.values.secrets import DeploymentKey
from detector.values.times import SECOND

FALLBACK_FILE: Final = "fingerprints.key"
_KEY_BYTES: Final = 32
_OURS: Final = 0o600

Observe = Callable[[StageName, Any], None]


class Wiring(msgspec.Struct, frozen=True):
    """What all stages of a process share."""

    live: LiveSettings
    clients: KafkaSettings
    finders: Finders
    feed: RegistryFeed
    threads: Executor
    metrics: Metrics
    tell: Observe
    shapes: ClassifierOf
    view: View | None = None


def shapes_in_topics(live: LiveSettings, shapes: RecordClassifier) -> ClassifierOf:
    """What is recognised in each topic: in one that is said to be of logs, no event."""
    globs, logs = [compile_glob(glob) for glob in live.log_topics], shapes.logs_only()
    return lambda topic: logs if any(matches(topic) for matches in globs) else shapes


def check_topics(live: LiveSettings, found: dict[str, int], *, scans: bool = True) -> list[str]:
    """Whether the topics are as the stages need them; `found` has the partitions of those that are there, inputs too.

    Gives the inputs that are not there, if this process `scans`.

    Raises:
        StopError: they are not.
    """
    inputs = [*live.inputs, *(topic for topic in found if live.reads(topic))] if scans else []
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
    return [topic for topic in live.inputs if scans and topic not in found]


def fallback_key(settings: Settings) -> DeploymentKey | None:
    """Without a deployment key: one of this folder of state, so that a leaked secret has one name over restarts.

    Raises:
        ConfigError: it cannot be read or made.
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
        return DeploymentKey.of(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no key"
        raise ConfigError(f"service.state: {reason}", str(path)) from None


def scan_stage(
    wiring: Wiring, settings: Settings, positions: InputPositions, observe: Callable[[Fact], None]
) -> Stage:
    """The scan stage."""
    live = wiring.live
    topics = ScanTopics(
        live.topics.work.name,
        live.topics.work.partitions,
        live.topics.registry.name,
        live.topics.dead_letters.name,
        longest(live.topics.work.retention),
        min(LARGEST, live.record_bytes // 4),  # of two events and what is said of them one record is made
    )
    measured: list[Measured] = []

    def tell(fact: Scanned | Redacted) -> None:
        measured[0].tell(fact)

    handler = ScanHandler(
        topics,
        wiring.finders,
        wiring.feed,
        wiring.threads,
        delay=settings.policy.watermark_delay,
        before=positions.before,
        noted=positions.note,
        redacted=lambda topic: live.passed_on((topic,)).get(topic),
        shapes=wiring.shapes,
        observe=tell,
    )
    measured.append(_measured(wiring, "scan", handler))
    names, pattern = live.subscription()
    return Stage(wiring.clients, stage_of(live, "scan", names, pattern), measured[0], observe)


def lookback(
    wiring: Wiring, positions: InputPositions, observe: Callable[[LookbackProgress | LookbackProblem], None]
) -> Lookback:
    """The second look at the logs."""
    live = wiring.live
    names, pattern = live.subscription()
    settings = LookbackSettings(
        group=f"{live.group}-lookback",
        work=live.topics.work.name,
        work_partitions=live.topics.work.partitions,
        topics=names,
        pattern=pattern,
        delay=live.lookback,
        poll_records=live.poll_records,
        partition_fetch_bytes=live.partition_fetch_bytes,
        session_seconds=live.session_timeout / SECOND,
    )

    async def known(time: int) -> bool:
        """Whether what was registered by then is known here, whichever instance read it."""
        if not await positions.scanned(time):
            return False
        await wiring.feed.up_to_date()
        return True

    return Lookback(
        settings,
        wiring.clients,
        wiring.finders,
        wiring.feed,
        wiring.threads,
        scanned=known,
        shapes=wiring.shapes,
        observe=observe,
    )


def judge_stage(
    wiring: Wiring,
    settings: Settings,
    scanner: PatternScanner,
    changelog: KafkaChangelog,
    observe: Callable[[Fact], None],
) -> Stage:
    """The judge stage, under the policy of `settings`."""
    live, topics = wiring.live, wiring.live.topics
    patterns = {pattern.id: pattern for pattern in scanner.patterns}
    handler = JudgeHandler(
        JudgeSettings(
            settings.policy,
            Path(settings.service.state) / "judge",
            Topics(
                work=topics.work.name,
                state=topics.state.name,
                registry=topics.registry.name,
                findings=topics.findings.name,
                revocations=topics.revocations.name,
                dead_letters=topics.dead_letters.name,
            ),
            settings.service.cache_size,
            work_dated=longest(topics.work.retention),
        ),
        OutputEncoder(patterns, Cleaning(scanner, wiring.finders).clean),
        changelog,
        time.time_ns,
        lambda fact: wiring.tell("judge", fact),
    )
    if wiring.view is not None:
        telling = Telling(settings.policy, patterns, Cleaning(scanner, wiring.finders).clean)
        wiring.view.judging(lambda: handler.stores, telling)
    return Stage(
        wiring.clients,
        stage_of(live, "judge", (topics.work.name,)),
        _measured(wiring, "judge", handler),
        observe,
    )


class Cleaning:
    """Masks what patterns and the registry, as it is at the moment, recognise."""

    def __init__(self, scanner: PatternScanner, finders: Finders) -> None:
        self._scanner = scanner
        self._finders = finders
        self._known = finders.known
        self._redactor = Redactor(scanner, self._known)

    def clean(self, text: str) -> str:
        """As `Redactor.clean`."""
        if self._finders.known is not self._known:
            self._known = self._finders.known
            self._redactor = Redactor(self._scanner, self._known)
        return self._redactor.clean(text)


def _measured(wiring: Wiring, stage: StageName, handler: Handler) -> Measured:
    return Measured(handler, lambda fact: wiring.tell(stage, fact))


def threads_of() -> int:
    """How many threads decode and scan: as many as there are cores."""
    return len(os.sched_getaffinity(0))
