"""`curfewd revoke` on Kafka: one process with one stage, from its start to a clean end.

1. Targets, rails and the audit log are made, and the port opens. What is wrong with them ends it.
2. It waits for Kafka as long as that takes, reads the approvals to their end, and joins its group.
3. One member of the group has all commands; the others stand by. It acts once the cases of all partitions are restored.
4. SIGTERM and SIGINT: nothing new begins, and turns that run have a few seconds to end. SIGHUP: the `[revoke]`
   table is read again, the audit log reopened, and what is held is decided again.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from detector import __version__
from detector.configuration.kafka_settings import KafkaSettings
from detector.configuration.revoke_settings import RevokeSettings
from detector.configuration.settings import Settings
from detector.kafka.acls import check_rights
from detector.kafka.changelog import KafkaChangelog
from detector.kafka.clients import StageSettings
from detector.kafka.connection import ConnectionSettings
from detector.kafka.connection_check import reach
from detector.kafka.stage import Stage
from detector.kafka.stage_facts import Rebalanced
from detector.kafka.topic_follower import TopicFollower
from detector.revoke.audit_log import AuditLog
from detector.revoke.audit_records import Recorder
from detector.revoke.case import NEVER
from detector.revoke.command_masker import CommandMasker
from detector.revoke.deciding import Configured
from detector.revoke.executor import Executor, ExecutorSettings
from detector.revoke.handler import STAGE, RevokeHandler, RevokeTopics
from detector.revoke.notice_sender import NoticeSender
from detector.revoke.observing import RevocationObserver
from detector.revoke.target_tables import TableTarget, make_targets
from detector.revoke.turn import Turns, TurnSettings
from detector.service.approvals.given_approvals import GivenApprovals
from detector.service.command import run_process
from detector.service.compiling import compile_beside
from detector.service.hopeless import HopelessFailures
from detector.service.http.probes import ProbeServer
from detector.service.http.server import probe_answer
from detector.service.lifecycle import Lifecycle, end
from detector.service.observability import series
from detector.service.observability.http_log import HttpLog
from detector.service.observability.logs import LogMask
from detector.service.observability.measuring import MeasuredHandler
from detector.service.observability.metrics import Metrics, MetricsPage
from detector.service.observability.metrics_observer import MetricsObserver
from detector.service.observability.operator_log import OperatorLog
from detector.service.observability.readiness import Readiness
from detector.service.observability.sampling import Sampling
from detector.service.rights import rights_to_revoke
from detector.service.stage_settings import connection_of, stage_of
from detector.service.topics import survey
from detector.values.errors import StopError, UsageError
from detector.values.times import DAY, SECOND
from detector.values.wording import Fixed, masked

TICK_SECONDS: Final = 0.1
POLL_RECORDS: Final = 500
SAMPLE_SECONDS: Final = 1.0
_DRAIN_SECONDS: Final = 5.0
_LEFT_OPEN: Final = 60.0  # seconds for turns that began before a reload


class RevokeService:
    """One process.

    `reread` gives the settings as they are now, for SIGHUP; `log` is structlog's, masked by `log_mask`.
    """

    def __init__(
        self, settings: Settings, reread: Callable[[], Settings], log: Any, log_mask: LogMask
    ) -> None:
        self._settings = settings
        self._revoke = settings.revoke  # as it is in force now
        self._live = settings.live()
        self._reread = reread
        self._log = log
        self._clean = log_mask.clean
        self._masker = CommandMasker(settings)
        self._metrics = Metrics(self._clean)
        self._readiness = Readiness(settings.service.ready_lag)
        self._metrics.set_function(series.READY, lambda: float(self._readiness.ready() is None))
        self._lifecycle = Lifecycle(self._readiness, log)
        self._metrics_observer = MetricsObserver(self._metrics, "", time.time)
        self._operator_log = OperatorLog(log)
        self._observer = RevocationObserver(self._metrics, log, self._clean, time.time_ns)
        self._sampling = Sampling(self._metrics, self._readiness, self._operator_log)
        self._hopeless = HopelessFailures(self._live.group, Path(settings.service.state))
        self._notices = NoticeSender(
            settings.revoke.notices,
            self._clean,
            self._noticed,
        )
        self._reload = asyncio.Event()
        self._stage: Stage | None = None
        self._targets: Sequence[TableTarget] = ()
        self._closing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Works until a signal.

        Raises:
            UsageError: the configuration, the port or the audit log cannot be used.
            StopError: it cannot go on, and a person has to know why.
        """
        revoke = self._settings.revoke
        targets = make_targets(revoke)
        recorder = Recorder(AuditLog(Path(revoke.audit_log)), self._clean)
        self._lifecycle.listen(self._reload.set)
        probed = {
            "/healthz": lambda _: probe_answer(self._masked(self._readiness.alive())),
            "/readyz": lambda _: probe_answer(self._masked(self._readiness.ready())),
            "/metrics": MetricsPage(self._metrics).page,
        }
        refused = HttpLog("probes", self._metrics, self._log).observe
        server = ProbeServer(revoke.probes, probed, refused, setting="revoke.probes")
        async with server as probes, self._lifecycle.turning():
            if await compile_beside(self._lifecycle, self._readiness, self._log):
                self._log.info(
                    "started",
                    version=__version__,
                    stages=STAGE,
                    mode=revoke.mode,
                    targets=[target.name for target in targets],
                    probes=str(probes.address),
                    group=f"{self._live.group}-{STAGE}",
                )
                self._observer.expect(target.name for target in targets)
                self._observer.expect_notices(notice.name for notice in revoke.notices)
                if not targets:
                    self._log.warning("there is no [revoke.targets] table: every command will be refused")
                if not revoke.command_keys:
                    self._log.warning(
                        "there is no key to check signatures with: every command will be believed"
                    )
                await self._lifecycle.until_stopped(
                    self._work(targets, recorder), lambda: self._stage is not None
                )
        await self._notices.close()
        recorder.log.close()
        if self._lifecycle.failure is not None:
            raise self._lifecycle.failure
        self._log.info(Fixed("stopped"))

    def _noticed(self, name: str, why: str | None) -> None:
        self._observer.noticed(name, sent=why is None)
        if why is not None:
            self._operator_log.warn("a notice is not sent", notice=name, why=why)

    def _masked(self, why: str | None) -> str | None:
        return None if why is None else masked(why, self._clean)

    async def _work(self, targets: Sequence[TableTarget], recorder: Recorder) -> None:
        connection, retry = connection_of(self._live), self._lifecycle.retry
        await retry(lambda: reach(connection), "cannot reach Kafka yet")
        await retry(
            lambda: check_rights(connection, rights_to_revoke(self._live)), "cannot ask for permissions yet"
        )
        found = await retry(lambda: survey(self._live, connection), "cannot list topics yet")
        counts = counts_of(self._live, found)
        turns = Turns(
            turn_settings(self._settings.revoke), time.time_ns, recorder.act, random.random, self._clean
        )
        executor = Executor(
            Configured(self._settings.revoke, targets, lambda command_id: approvals.of(command_id)),  # noqa: PLW0108 - it wakes the executor
            executor_settings(self._settings.revoke, self._live),
            time.time_ns,
            turns,
            counts[self._live.topics.revocations.name],
        )
        approvals = GivenApprovals(
            self._live.topics.revocation_approvals.name,
            self._settings.revoke.approvers,
            lambda: time.time_ns() - self._settings.revoke.approval_age,
            told=executor.wake,
            refused=lambda why: self._operator_log.warn("an approval does not count", why=why),
        )
        follower = TopicFollower(
            self._live.topics.revocation_approvals.name,
            connection,
            approvals,
            observe=lambda why: self._operator_log.warn(
                "approvals cannot be read now, trying again", why=why
            ),
        )
        following = self._lifecycle.watched(follower.run())
        changelog = KafkaChangelog(self._live.topics.revocation_state.name, connection)
        self._targets = targets
        reloading = self._lifecycle.watched(self._reload_when_asked(executor, approvals, recorder))
        try:
            self._readiness.waiting = "reading approvals"
            await self._first_of(approvals.complete.wait())
            await self._run_stage(
                executor, connection, stage_settings(self._live, counts), recorder, changelog
            )
        finally:
            await end(following, reloading, *self._closing)
            await executor.close()
            await changelog.close()
            await close_targets(self._targets)

    async def _first_of(self, waiting: Any) -> None:
        """Waits for it, or for the end."""
        tasks = [asyncio.create_task(waiting), asyncio.create_task(self._lifecycle.stopping.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await end(*tasks)

    async def _run_stage(
        self,
        executor: Executor,
        connection: ConnectionSettings,
        settings: StageSettings,
        recorder: Recorder,
        changelog: KafkaChangelog,
    ) -> None:
        handler = RevokeHandler(
            topics_of(self._live),
            executor,
            changelog,
            recorder,
            self._masker,
            time.time_ns,
            settings=lambda: self._revoke,
        )
        stage = Stage(connection, settings, MeasuredHandler(handler, self._observe), self._observe)
        self._readiness.starting(STAGE)
        self._metrics_observer.expect(STAGE)
        self._readiness.waiting = "stopping" if self._lifecycle.stopping.is_set() else None
        self._stage = stage
        running = self._lifecycle.watched(stage.run())
        sampling = self._lifecycle.watched(self._sample(executor, stage))
        await self._lifecycle.stopping.wait()
        await self._drain(executor)
        stage.stop()
        await asyncio.gather(running, return_exceptions=True)
        await end(sampling)

    async def _drain(self, executor: Executor) -> None:
        """Lets turns end and what they changed be written, for a while: what is cut off shows when somebody looks."""
        executor.draining = True
        end_by = time.monotonic() + min(self._live.drain_timeout / SECOND / 2, _DRAIN_SECONDS)
        while not executor.drained and self._lifecycle.failure is None and time.monotonic() < end_by:  # noqa: ASYNC110 - many things drain
            await asyncio.sleep(TICK_SECONDS / 2)

    def _observe(self, fact: Any) -> None:
        self._metrics_observer.observe(STAGE, fact)
        self._operator_log.observe(STAGE, fact)
        self._sampling.observe(STAGE, fact)
        for told in self._observer.observe(fact):
            self._notices.tell(told)
        if isinstance(fact, Rebalanced):
            self._readiness.assigned(STAGE)
        if (hopeless := self._hopeless.observe(STAGE, fact)) is not None:
            self._lifecycle.fail(hopeless)

    async def _sample(self, executor: Executor, stage: Stage) -> None:
        due = time.monotonic()
        while True:
            self._metrics.set(series.LOOP_DELAY, max(time.monotonic() - due, 0.0))
            self._sampling.sample({STAGE: stage})
            self._observer.sample(executor)
            self._observer.masked(self._masker.handles)
            due = time.monotonic() + SAMPLE_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _reload_when_asked(
        self,
        executor: Executor,
        approvals: GivenApprovals,
        recorder: Recorder,
    ) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            self._log.info("reading the [revoke] table again", why="SIGHUP")
            try:
                revoke = (await asyncio.to_thread(self._reread)).revoke
                made = make_targets(revoke)
                await recorder.log.reopen()
            except UsageError as error:
                self._log.error(
                    "the configuration was not reloaded, the old one stays in force", why=str(error)
                )
                self._metrics.add(series.RELOADS, "refused")
                continue
            self._revoke = revoke
            approvals.use(revoke.approvers)
            self._notices.use(revoke.notices)
            executor.use(
                Configured(revoke, made, approvals.of),
                executor_settings(revoke, self._live),
                turn_settings(revoke),
            )
            self._observer.expect(each.name for each in made)
            self._observer.expect_notices(notice.name for notice in revoke.notices)
            self._metrics.add(series.RELOADS, "done")
            self._log.info(
                "the [revoke] table is reloaded", mode=revoke.mode, targets=[each.name for each in made]
            )
            if (revoke.probes, revoke.audit_log) != (
                self._settings.revoke.probes,
                self._settings.revoke.audit_log,
            ):
                self._log.warning("changes to revoke.probes and revoke.audit_log need a restart")
            closing = asyncio.create_task(_close_later(self._targets))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            self._targets = made


def run_revoker(config: str) -> int:
    """Runs the service until a signal; the exit code.

    Raises:
        UsageError: the configuration is wrong.
    """
    settings = Settings.load(config)
    settings.live()
    return run_process(
        settings, lambda log, mask: RevokeService(settings, lambda: Settings.load(config), log, mask).run()
    )


async def _close_later(targets: Sequence[TableTarget]) -> None:
    """Closes targets once no turn can ask them; at once if it is cancelled."""
    try:
        await asyncio.sleep(_LEFT_OPEN)
    finally:
        await close_targets(targets)


async def close_targets(targets: Sequence[TableTarget]) -> None:
    """Closes their connections, whatever state they are in."""
    for each in targets:
        with contextlib.suppress(Exception):  # nothing more can be done
            await each.target.close()


def counts_of(live: KafkaSettings, found: Mapping[str, int]) -> dict[str, int]:
    """The partitions of the topics that go together. `found` is what `survey` gives.

    Raises:
        StopError: a topic is missing, or one has another number of partitions than the commands.
    """
    topics = live.topics
    together = (topics.revocations.name, topics.revocation_state.name, topics.revocation_outcomes.name)
    missing = [name for name in (*together, topics.revocation_approvals.name) if name not in found]
    if missing:
        raise StopError(f"there is no topic {', '.join(missing)}: run curfewd topics create")
    counts = {name: found[name] for name in together}
    for name, count in counts.items():
        if count != counts[topics.revocations.name]:
            raise StopError(
                f"{topics.revocations.name} has {counts[topics.revocations.name]} partitions and {name} {count}: the "
                "outcome of a command would be kept apart from it; create both again, with the same number"
            )
    return counts


def topics_of(live: KafkaSettings) -> RevokeTopics:
    """Where the handler writes."""
    topics = live.topics
    return RevokeTopics(
        topics.revocation_state.name, topics.revocation_outcomes.name, topics.dead_letters.name
    )


def stage_settings(live: KafkaSettings, counts: Mapping[str, int]) -> StageSettings:
    """The stage: one member has all partitions, and what turns changed is written ten times a second."""
    return msgspec.structs.replace(
        stage_of(live, STAGE, (live.topics.revocations.name,)),
        poll_records=min(live.poll_records, POLL_RECORDS),
        tick_seconds=TICK_SECONDS,
        counts=dict(counts),
        exclusive=True,
    )


def executor_settings(revoke: RevokeSettings, live: KafkaSettings | None = None) -> ExecutorSettings:
    """A case is remembered for longer than its command is kept: a copy may be read for as long.

    Without Kafka nothing is forgotten: what became of a command is said at the end of each run.
    """
    retention = NEVER if live is None else live.topics.revocations.retention
    return ExecutorSettings(
        concurrency=revoke.concurrency,
        deadline=revoke.deadline,
        breaker_failures=revoke.breaker_failures,
        breaker_pause=revoke.breaker_pause,
        **({} if retention is None else {"keep": retention + DAY}),
    )


def turn_settings(revoke: RevokeSettings) -> TurnSettings:
    """How long one question may take."""
    return TurnSettings(call_timeout=max(revoke.call_timeout, SECOND))
