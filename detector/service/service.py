"""`curfewd run`: one process with one or both stages, from its start to a clean end.

1. The ports open: the process is alive, but not ready. If the configuration, the disk or a port is wrong, it ends.
   Processes of its own compile the loops that were not built, before anything is masked.
2. It waits for Kafka as long as that takes. What only a person can mend ends it (StopError).
3. It loads its loops, and reads the registry to where it ended at the start. If a version that cannot work
   beside this one is in a group, it waits. Then the stages join their groups.
4. SIGTERM and SIGINT: every stage commits its open transactions and leaves its group, within `kafka.drain_timeout`.
   SIGHUP: patterns are swapped between polls. For a new policy the judge stage leaves its group and joins again.
"""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec

from detector import __version__
from detector.configuration.allowlist import Allowlist
from detector.configuration.settings import Settings
from detector.ingest.mapped_adapter import configured_classifier
from detector.kafka.acls import Right, check_rights
from detector.kafka.changelog import KafkaChangelog
from detector.kafka.clients import reaction
from detector.kafka.connection import ConnectionSettings
from detector.kafka.connection_check import reach
from detector.kafka.delayed_reader import DelayedReader
from detector.kafka.group_members import check_alone
from detector.kafka.positions import GroupPositions
from detector.kafka.stage import Stage
from detector.kafka.stage_facts import PartitionStarted, Rebalanced
from detector.kafka.topic_follower import TopicFollower
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.scan.scanner import PatternScanner
from detector.scan.scanner_loader import load_scanner
from detector.scan.shares import FIRST_LOOK, SECOND_LOOK
from detector.service.allocator import give_back
from detector.service.approvals.approval_topics import ApprovalTopics
from detector.service.compiled_loops import compile_loops
from detector.service.compiling import compile_beside
from detector.service.composition import (
    ProcessContext,
    classifier_in_topics,
    event_inputs,
    fallback_key,
    input_positions,
    judge_stage,
    lookback_reader,
    scan_stage,
    threads_of,
)
from detector.service.hopeless import HopelessFailures
from detector.service.http.probes import ProbeServer
from detector.service.http.server import HttpServer, Page, Post, probe_answer
from detector.service.id_key import agree_on_id_key
from detector.service.judge.event_inputs import EventInputs
from detector.service.judge.restore import Restoring
from detector.service.judge.standby_stores import StandbyStores
from detector.service.judge.store_memory import StoreMemory
from detector.service.lifecycle import Lifecycle, end
from detector.service.observability import series
from detector.service.observability.http_log import HttpLog
from detector.service.observability.logs import LogMask
from detector.service.observability.measuring import StageName
from detector.service.observability.metrics import OPENMETRICS, Metrics, MetricsPage
from detector.service.observability.metrics_observer import MetricsObserver
from detector.service.observability.operator_log import OperatorLog
from detector.service.observability.readiness import Readiness
from detector.service.observability.sampling import Sampling
from detector.service.registry_snapshots import RegistrySnapshots
from detector.service.reload import Reloads
from detector.service.rights import Which, rights, stages_of
from detector.service.scan.scan_marks import NoMarks, ScanMarks
from detector.service.stage_settings import connection_of
from detector.service.topic_identity import TopicIdentity
from detector.service.topics import check_topics, survey
from detector.service.view.view import View
from detector.service.worker_link import WorkerEnd, WorkerStatus
from detector.values.errors import BarredError, CurfewdError, RetryError, StopError
from detector.values.wording import Fixed, masked

SAMPLE_SECONDS: Final = 1.0
OTHERS_SECONDS: Final = 5.0
_SHOWN: Final = 50  # topics in a line of the log


class Service:
    """One process. `reread` gives the settings as they are now, for SIGHUP; `log` is structlog's, masked by `log_mask`.

    A worker has no ports, but an `end` of the line to its parent.
    """

    def __init__(  # noqa: PLR0913 - what a process is made of, each by its name
        self,
        settings: Settings,
        which: Which,
        reread: Callable[[], Settings],
        log: Any,
        log_mask: LogMask | None = None,
        *,
        end: WorkerEnd | None = None,
    ) -> None:
        self._settings = settings
        self._end = end
        self._live = settings.live()
        self._which = which
        self._log = log
        self._log_mask = LogMask() if log_mask is None else log_mask
        self._metrics = Metrics()
        self._metrics_observer = MetricsObserver(self._metrics, self._live.topics.work.name, time.time)
        self._readiness = Readiness(settings.service.ready_lag)
        self._metrics.set_function(series.READY, lambda: float(self._readiness.ready() is None))
        self._operator_log = OperatorLog(log)
        self._sampling = Sampling(self._metrics, self._readiness, self._operator_log)
        self._hopeless = HopelessFailures(self._live.group, Path(settings.service.state))
        self._reloads = Reloads(settings, reread, self._metrics, log)
        self._approvals = (
            ApprovalTopics(settings, lambda: self._log_mask.clean, self._warn_of_approvals)
            if settings.revoke.approvers
            else None
        )
        approvals = self._approvals.pages if self._approvals is not None else None
        self._view = (
            View(settings.service, self._live, self._metrics, self._readiness, approvals)
            if settings.service.view
            else None
        )
        self._stages: dict[StageName, Stage] = {}
        self._standbys: StandbyStores | None = None
        self._lifecycle = Lifecycle(self._readiness, log)

    async def run(self) -> None:
        """Works until a signal.

        Raises:
            UsageError: the configuration, the port or the folder of state cannot be used.
            StopError: it cannot go on, and a person has to know why.
        """
        self._lifecycle.listen(self._reloads.ask)
        async with self._ports() if self._end is None else self._answers(self._end) as addresses:
            if await compile_beside(self._lifecycle, self._readiness, self._log):
                self._log.info(
                    "started",
                    version=__version__,
                    stages=self._which,
                    **addresses,
                    group=self._live.group,
                    state=self._settings.service.state,
                )
                scanner, warnings = await asyncio.to_thread(load_scanner, self._settings.patterns)
                for warning in (
                    *self._settings.warnings,
                    *self._live.warnings,
                    *self._settings.service.warnings,
                    *warnings,
                ):
                    self._log.warning(warning)
                await self._lifecycle.until_stopped(self._work(scanner), lambda: bool(self._stages))
        if self._lifecycle.failure is not None:
            raise await self._explained(self._lifecycle.failure)
        self._log.info(Fixed("stopped"))

    async def _explained(self, failure: CurfewdError) -> CurfewdError:
        """The same, with all rights that are missing and who lacks them, as far as the brokers say."""
        if not isinstance(failure, BarredError):
            return failure
        connection = connection_of(self._live)
        with contextlib.suppress(RetryError):
            try:
                await check_rights(connection, self._rights())
            except StopError as missing:
                return missing
        return StopError(f"{failure}. The user is {connection.user}")

    def _rights(self) -> tuple[Right, ...]:
        return rights(self._live, self._which, approving=self._approvals is not None)

    @contextlib.asynccontextmanager
    async def _answers(self, end: WorkerEnd) -> AsyncIterator[dict[str, str]]:
        """In place of the ports: what the parent of a worker asks."""
        end.answer(
            lambda: WorkerStatus(
                self._masked(self._readiness.alive()),
                self._masked(self._readiness.ready()),
                bool(self._stages),
                self._readiness.standbys,
            ),
            lambda: self._metrics.page(OPENMETRICS).body,
        )
        async with self._lifecycle.turning():
            yield {}

    @contextlib.asynccontextmanager
    async def _ports(self) -> AsyncIterator[dict[str, str]]:
        """Both ports. While they are open, the probes are told that the event loop runs."""
        settings = self._settings.service
        seen = {port: HttpLog(port, self._metrics, self._log).observe for port in ("listen", "probes")}
        pages: dict[str, Page | Post] = {
            "/metrics": MetricsPage(self._metrics).page,
            **(self._view.pages() if self._view is not None else {}),
            **(self._approvals.pages.pages() if self._approvals is not None else {}),
        }
        probed: dict[str, Page] = {
            "/healthz": lambda _: probe_answer(self._masked(self._readiness.alive())),
            "/readyz": lambda _: probe_answer(
                self._masked(self._readiness.ready()), str(self._readiness.standbys)
            ),
        }
        async with (
            ProbeServer(settings.probes, probed, seen["probes"]) as probes,
            HttpServer(settings.listen, pages, observe=seen["listen"]) as server,
            self._lifecycle.turning(),
        ):
            yield {"listen": str(server.address), "probes": str(probes.address)}

    def _masked(self, why: str | None) -> str | None:
        return None if why is None else masked(why, self._log_mask.clean)

    async def _work(self, scanner: PatternScanner) -> None:
        connection = connection_of(self._live)
        await self._lifecycle.retry(lambda: reach(connection), "cannot reach Kafka yet")
        await self._lifecycle.retry(
            lambda: check_rights(connection, self._rights()), "cannot ask for permissions yet"
        )
        found = await self._lifecycle.retry(lambda: survey(self._live, connection), "cannot list topics yet")
        for topic in check_topics(self._live, found, scans=self._which != "judge"):
            self._log.warning("an input topic does not exist yet; it will be read once it does", topic=topic)
        self._readiness.waiting = Fixed("starting")
        await asyncio.to_thread(compile_loops, scanner)
        allowlist = Allowlist(self._settings.allows)
        finders = Finders(
            scanner,
            self._settings.keys,
            fallback_key(self._settings),
            allowlist,
            every_window=self._settings.scan.every_window,
            forms=self._settings.scan.forms,
            share=FIRST_LOOK if self._live.lookback else SECOND_LOOK,
            most_findings=self._settings.scan.findings_per_stream,
        )
        registered = RegisteredCredentials(finders)
        self._log_mask.clean = self._metrics.clean = finders.clean
        self._tell_inputs(found)
        snapshots = RegistrySnapshots(
            Path(self._settings.service.state),
            registered,
            self._log,
            every=self._settings.service.registry_snapshot,
            writes=not self._settings.service.worker,
        )
        registry_topic = TopicFollower(
            self._live.topics.registry.name,
            connection,
            registered,
            observe=lambda why: self._operator_log.warn(
                "the registry cannot be read now, trying again", why=why
            ),
            resume=snapshots.resume,
            columns=True,
        )
        identity = self._identity(connection, registered)
        with ThreadPoolExecutor(threads_of(self._settings.service.workers), "scan") as threads:
            classifier_of = classifier_in_topics(self._live, configured_classifier(self._settings.sources))
            context = ProcessContext(
                live=self._live,
                connection=connection,
                registered=registered,
                registry_topic=registry_topic,
                threads=threads,
                observe=self._observe,
                classifier_of=classifier_of,
                store_memory=StoreMemory(
                    self._settings.service.store_memory_bytes, self._live.topics.work.partitions
                ),
                view=self._view,
                marks=self._scan_marks(),
            )
            following = [self._lifecycle.watched(registry_topic.run())]
            if self._approvals is not None:
                following.append(self._lifecycle.watched(self._approvals.run(connection)))
            try:
                await self._registry_read(registered, registry_topic)
                groups = [f"{self._live.group}-{stage}" for stage in stages_of(self._live)]
                await self._lifecycle.retry(
                    lambda: check_alone(connection, groups), "cannot begin yet", OTHERS_SECONDS
                )
                if registered.complete.is_set():
                    await self._check_ids(identity, found)
                following.append(self._lifecycle.watched(identity.watch(self._rights(), self._inputs)))
                context = msgspec.structs.replace(context, ids=identity.ours)
                following.append(self._lifecycle.watched(snapshots.run(lambda: registry_topic.positions)))
                if (
                    not self._settings.keys
                    and self._which != "judge"
                    and not self._lifecycle.stopping.is_set()
                ):
                    topic = self._live.topics.registry.name
                    await self._lifecycle.retry(
                        lambda: agree_on_id_key(connection, topic, registered, registry_topic),
                        "cannot agree on a key for ids yet",
                    )
                await self._run_stages(context, scanner, identity.floors)
                await snapshots.save(registry_topic.positions)
            finally:
                await end(*following)

    def _scan_marks(self) -> NoMarks:
        """What is being scanned, on record. If it cannot be, a crash is not looked into."""
        if self._which == "judge":
            return NoMarks()
        settings = self._settings.service
        try:
            return ScanMarks(Path(settings.state), settings.worker)
        except OSError as error:
            self._log.warning(
                "what is being scanned cannot be recorded: a record that crashes the scan will not be found. Give "
                "each process a folder of its own that it may write to",
                folder=settings.state,
                why=error.strerror,
            )
            return NoMarks()

    def _warn_of_approvals(self, why: str) -> None:
        self._operator_log.warn("approvals of revocations", why=why)

    def _tell_inputs(self, found: Mapping[str, int]) -> None:
        """Says which inputs there are now, and which of them carry events."""
        if self._which == "judge":
            return
        inputs = [topic for topic in sorted(found) if self._live.inputs.reads(topic)]
        events = [topic for topic in inputs if self._live.carries_events(topic)]
        self._log.info(
            "inputs",
            event_topics=events[:_SHOWN],
            log_topics=[topic for topic in inputs if topic not in events][:_SHOWN],
            topics=len(inputs),
        )
        if not events:
            self._log.warning(
                "no topic of kafka.event_topics is there: tasks and credentials stay unknown, and nothing can be judged "
                "but leaks of known patterns"
            )

    async def _registry_read(self, registered: RegisteredCredentials, topic: TopicFollower) -> None:
        complete = asyncio.create_task(registered.complete.wait())
        stopping = asyncio.create_task(self._lifecycle.stopping.wait())
        done: AbstractSet[Any] = set()
        while not done:
            self._readiness.waiting = (
                f"reading the registry: {len(registered.registry):,} credentials are known, {topic.behind:,} offsets "
                "are to be read"
            )
            self._metrics.set(series.CREDENTIALS, len(registered.registry))
            done, _ = await asyncio.wait(
                [complete, stopping], timeout=SAMPLE_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
        await end(complete, stopping)
        gc.freeze()  # a collection over a million credentials takes a second and finds nothing

    def _identity(self, connection: ConnectionSettings, registered: RegisteredCredentials) -> TopicIdentity:
        stages = ("scan", "judge") if self._which == "all" else (self._which,)
        groups = [f"{self._live.group}-{stage}" for stage in stages]
        return TopicIdentity(self._live, connection, groups, registered.topics, self._log.warning)

    async def _check_ids(self, identity: TopicIdentity, topics: Iterable[str]) -> None:
        try:
            await self._lifecycle.retry(
                lambda: identity.check(topics), "cannot ask for the ids of topics yet"
            )
        except CurfewdError as error:
            self._lifecycle.fail(error)  # before what is watched is cancelled
            raise

    def _inputs(self) -> set[str]:
        """The inputs of which this process has partitions."""
        scan = self._stages.get("scan")
        return set() if scan is None else {partition.topic for partition in scan.partitions}

    async def _run_stages(
        self, context: ProcessContext, scanner: PatternScanner, floors: Mapping[int, int]
    ) -> None:
        """Runs the stages, the look-back and what watches them, until the end is asked for."""
        stages: list[asyncio.Task[None]] = []
        others: list[asyncio.Task[None]] = []
        looking_back: DelayedReader | None = None
        inputs: EventInputs | None = None
        async with contextlib.AsyncExitStack() as stack:
            if self._which != "judge":
                positions = await self._lifecycle.retry(
                    lambda: self._open_positions(stack, context), "cannot reach Kafka now"
                )
                scan = scan_stage(context, self._settings, positions)
                stages.append(self._lifecycle.watched(self._run_stage("scan", scan)))
                if self._live.lookback:
                    looking_back = lookback_reader(context, positions, self._settings.policy.skew)
                    others.append(self._lifecycle.watched(looking_back.run()))
            if self._which != "scan":
                changelog = KafkaChangelog(
                    self._live.topics.state.name, context.connection, columns=True, floors=floors
                )
                stack.push_async_callback(changelog.close)
                inputs = event_inputs(context)
                others.append(self._lifecycle.watched(inputs.run(context.connection)))
                judging = self._run_judge_stage(context, scanner, changelog, inputs)
                stages.append(self._lifecycle.watched(judging))
            else:
                others.append(self._lifecycle.watched(self._reloads.run(context.registered.finders)))
            others.append(self._lifecycle.watched(context.registry_topic.keep_lag(SAMPLE_SECONDS)))
            others.append(self._lifecycle.watched(self._sample(context, looking_back, inputs)))
            others.append(self._lifecycle.watched(give_back()))
            self._readiness.waiting = "stopping" if self._lifecycle.stopping.is_set() else None
            await self._lifecycle.stopping.wait()
            for stage in self._stages.values():
                stage.stop()
            await asyncio.gather(*stages, return_exceptions=True)
            await end(*others)

    async def _open_positions(
        self, stack: contextlib.AsyncExitStack, context: ProcessContext
    ) -> GroupPositions:
        try:
            return await stack.enter_async_context(input_positions(context))
        except Exception as error:
            raise reaction(error, "connecting to Kafka") from error

    async def _run_judge_stage(
        self,
        context: ProcessContext,
        scanner: PatternScanner,
        changelog: KafkaChangelog,
        inputs: EventInputs,
    ) -> None:
        """Runs the judge stage, under one policy after another."""
        settings = self._settings
        while not self._lifecycle.stopping.is_set():
            stage, self._standbys = judge_stage(context, settings, scanner, changelog, inputs)
            running = asyncio.create_task(self._run_stage("judge", stage))
            try:
                reloaded = None
                while reloaded is None and not running.done():
                    reloaded = await self._reloads.next(context.registered.finders, running)
                if reloaded is not None:
                    settings, scanner = reloaded.settings, reloaded.scanner
                    stage.stop()
            finally:
                await running

    async def _run_stage(self, name: StageName, stage: Stage) -> None:
        self._readiness.starting(name)
        self._metrics_observer.expect(name)
        self._stages[name] = stage
        if self._lifecycle.stopping.is_set():
            stage.stop()
        await stage.run()

    def _observe(self, stage: StageName, fact: Any) -> None:
        """Hands a fact to all that listen. Some facts end the service."""
        self._metrics_observer.observe(stage, fact)
        self._operator_log.observe(stage, fact)
        self._sampling.observe(stage, fact)
        if self._view is not None:
            self._view.observe(fact)
        if isinstance(fact, PartitionStarted) and stage == "scan":
            self._check_input(fact.partition.topic)
        if isinstance(fact, Rebalanced):
            self._readiness.assigned(stage)
        if isinstance(fact, Restoring):
            self._readiness.restoring(stage, fact.changes)
        if (hopeless := self._hopeless.observe(stage, fact)) is not None:
            self._lifecycle.fail(hopeless)

    def _check_input(self, topic: str) -> None:
        """A topic that was made later may match both lists."""
        if self._live.inputs.ambiguous([topic]):
            self._operator_log.warn(
                "a topic matches event_topics and log_topics: it is read as text until the globs are fixed",
                topic=topic,
            )

    async def _sample(
        self, context: ProcessContext, looking_back: DelayedReader | None, inputs: EventInputs | None
    ) -> None:
        """Sets gauges once a second."""
        due = time.monotonic()
        registry = context.registered.registry
        while True:
            self._metrics.set(series.LOOP_DELAY, max(time.monotonic() - due, 0.0))
            self._sampling.sample(self._stages)
            if inputs is not None:
                self._sampling.sample_inputs(inputs.problem)
            if self._standbys is not None:
                self._sampling.sample_standbys(self._standbys.held, self._standbys.lags())
            if looking_back is not None:
                self._metrics.set(series.LOOKBACK_OVERDUE, looking_back.overdue_seconds)
            for part, size in context.store_memory.usage.items():
                self._metrics.set(series.STORE_MEMORY, size, part)
            self._metrics.set(series.CREDENTIALS, len(registry))
            self._metrics.set(series.REGISTRY_LAG, context.registry_topic.behind)
            self._metrics.set(series.REGISTRY_LAG_SECONDS, context.registry_topic.lag_seconds)
            self._metrics.set(series.CONFLICTS, registry.conflicts)
            self._sampling.sample_unfindable(context.registered.finders.known.unfindable)
            due = time.monotonic() + SAMPLE_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)
