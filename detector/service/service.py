"""`curfewd run`: one process with one or both stages, from its start to a clean end.

1. The port opens: alive, not ready. What is wrong with configuration, disk or port ends the process here.
2. Kafka is waited for as long as it takes; what only a person can mend ends the process (StopError).
3. The registry is read to where it stood. Then the stages join their groups.
4. SIGTERM and SIGINT: every stage commits what is open, and leaves, within `kafka.drain_timeout`.
   SIGHUP: patterns are swapped between polls; for a new policy the judge stage leaves and comes back, nothing open.
"""

import asyncio
import contextlib
import gc
import shutil
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from detector import __version__
from detector.configuration.allowlist import Allowlist
from detector.configuration.settings import Settings
from detector.ingest.mapped_adapter import shapes_of
from detector.ingest.reassemble import PATIENCE
from detector.kafka.acls import check_rights
from detector.kafka.changelog import KafkaChangelog
from detector.kafka.clients import reaction
from detector.kafka.connection_check import reach
from detector.kafka.delayed_reader import DelayedReader
from detector.kafka.handlers import Partition
from detector.kafka.positions import GroupPositions
from detector.kafka.stage import Stage
from detector.kafka.stage_facts import Committed, Dropped, Rebalanced
from detector.kafka.topic_follower import TopicFollower
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.scan.scanner import PatternScanner
from detector.scan.scanner_loader import load_scanner
from detector.service.composition import (
    ProcessContext,
    fallback_key,
    judge_stage,
    lookback_reader,
    scan_stage,
    shapes_in_topics,
    threads_of,
)
from detector.service.http.server import HttpServer, Page, probe_answer
from detector.service.observability import series as names
from detector.service.observability.measuring import StageName
from detector.service.observability.metrics import Metrics
from detector.service.observability.operator_log import OperatorLog
from detector.service.observability.readiness import Readiness
from detector.service.observability.sampling import Sampling
from detector.service.rights import Which, rights
from detector.service.stage_settings import connection_of
from detector.service.topics import check_topics, survey
from detector.service.view.view import View
from detector.values.errors import CurfewdError, RetryError, StopError, UsageError

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
SAMPLE_SECONDS: Final = 1.0
FENCED_FOR_GOOD: Final = (
    20  # times in a row without a commit between: someone else holds it and will not let go
)
FULL_BYTES: Final = 4 << 20  # left on the disk: RocksDB needs more for its next file


class Service:
    """One process. `reread` gives the settings as they are now, for SIGHUP; `log` is structlog's."""

    def __init__(self, settings: Settings, which: Which, reread: Callable[[], Settings], log: Any) -> None:
        self._settings = settings
        self._live = settings.live()
        self._which = which
        self._reread = reread
        self._log = log
        self._metrics = Metrics(self._live.topics.work.name, time.time)
        self._readiness = Readiness(settings.service.ready_lag)
        self._metrics.follow(names.READY, lambda: float(self._readiness.ready() is None))
        looked_at = (settings.service, self._live, self._metrics, self._readiness)
        self._view = View(*looked_at) if settings.service.view else None
        self._stages: dict[StageName, Stage] = {}
        self._logbook = OperatorLog(log)
        self._sampling = Sampling(self._metrics, self._readiness, self._logbook)
        self._fenced: Counter[tuple[StageName, Partition]] = Counter()
        self._stopping = asyncio.Event()
        self._reloading = asyncio.Event()
        self._failure: CurfewdError | None = None

    async def run(self) -> None:
        """Works until a signal.

        Raises:
            UsageError: the configuration, the port or the folder of state is no good.
            StopError: it cannot go on, and a person has to know why.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop, number.name)
        loop.add_signal_handler(signal.SIGHUP, self._asked_to_reload)
        pages: dict[str, Page] = {
            "/metrics": lambda request: self._metrics.page(request.headers.get("accept", "")),
            "/healthz": lambda _: probe_answer(self._readiness.alive()),
            "/readyz": lambda _: probe_answer(self._readiness.ready()),
            **(self._view.pages() if self._view is not None else {}),
        }
        async with HttpServer(self._settings.service.listen, pages) as server:
            self._log.info(
                "started",
                version=__version__,
                stages=self._which,
                listen=str(server.address),
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
            await self._until_stopped(self._work(scanner))
        if self._failure is not None:
            raise self._failure
        self._log.info("stopped")

    def _asked_to_stop(self, why: str) -> None:
        if not self._stopping.is_set():
            self._log.info("stopping: what is open is committed, then the group is left", why=why)
        self.stop()

    def _asked_to_reload(self) -> None:
        self._log.info("reading patterns and policy anew", why="SIGHUP")
        self._reloading.set()

    def stop(self) -> None:
        """Asks for the end."""
        self._readiness.waiting = "stopping"
        self._stopping.set()

    async def _until_stopped(self, work: Any) -> None:
        """Runs the work; a stop before it is under way cancels it, later it ends by itself."""
        task = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                _, late = await asyncio.wait([task], timeout=None if self._stages else 0)
                if late:
                    task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        finally:
            stopping.cancel()

    async def _work(self, scanner: PatternScanner) -> None:
        connection = connection_of(self._live)
        await self._retry(lambda: reach(connection), "cannot reach Kafka yet")
        needed = rights(self._live, self._which)
        await self._retry(lambda: check_rights(connection, needed), "cannot ask for permissions yet")
        found = await self._retry(lambda: survey(self._live, connection), "cannot list topics yet")
        for topic in check_topics(self._live, found, scans=self._which != "judge"):
            self._log.warning("an input topic is not there yet; it is read once it is", topic=topic)
        allowlist = Allowlist(self._settings.allows)
        finders = Finders(scanner, self._settings.keys, fallback_key(self._settings), allowlist)
        registered = RegisteredCredentials(finders)
        registry_topic = TopicFollower(
            self._live.topics.registry.name,
            connection,
            registered,
            observe=lambda problem: self._logbook.seldom(
                "the registry cannot be read now, trying again", why=problem
            ),
        )
        with ThreadPoolExecutor(threads_of(), "scan") as threads:
            shapes = shapes_in_topics(self._live, shapes_of(self._settings.sources))
            context = ProcessContext(
                self._live, connection, registered, threads, self._metrics, self._tell, shapes, self._view
            )
            following = self._watched(registry_topic.run())
            try:
                await self._caught_up(registered)
                await self._run_stages(context, scanner, registry_topic)
            finally:
                await _ended(following)

    async def _caught_up(self, registered: RegisteredCredentials) -> None:
        self._readiness.waiting = "reading the registry"
        caught_up = asyncio.create_task(registered.complete.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([caught_up, stopping], return_when=asyncio.FIRST_COMPLETED)
        await _ended(caught_up, stopping)
        gc.freeze()  # a look through a million credentials takes a second, and finds nothing to collect

    async def _run_stages(
        self, context: ProcessContext, scanner: PatternScanner, registry_topic: TopicFollower
    ) -> None:
        """Both stages, the look-back and what watches them, until the end is asked for."""
        changelog = KafkaChangelog(self._live.topics.state.name, context.connection)
        running: list[asyncio.Task[None]] = []
        beside: list[asyncio.Task[None]] = []
        looking: DelayedReader | None = None
        async with contextlib.AsyncExitStack() as stack:
            if self._which != "judge":
                positions = await self._retry(
                    lambda: self._positions(stack, context), "cannot reach Kafka now"
                )
                stage = scan_stage(context, self._settings, positions, self._observer("scan"))
                running.append(self._watched(self._stage("scan", stage)))
                if self._live.lookback:
                    looking = lookback_reader(context, positions, registry_topic, self._observer("lookback"))
                    beside.append(self._watched(looking.run()))
            if self._which != "scan":
                running.append(self._watched(self._judging(context, scanner, changelog)))
            else:
                beside.append(self._watched(self._reloads(context)))
            beside.append(self._watched(self._sample(context, looking)))
            self._readiness.waiting = "stopping" if self._stopping.is_set() else None
            await self._stopping.wait()
            for stage in self._stages.values():
                stage.stop()
            await asyncio.gather(*running, return_exceptions=True)
            await _ended(*beside)
            await changelog.close()

    async def _positions(self, stack: contextlib.AsyncExitStack, context: ProcessContext) -> GroupPositions:
        try:
            positions = GroupPositions(
                context.connection,
                f"{self._live.group}-scan",
                *self._live.subscription(),
                reread=PATIENCE,
            )
            return await stack.enter_async_context(positions)
        except Exception as error:
            raise reaction(error, "connecting to Kafka") from error

    async def _judging(
        self, context: ProcessContext, scanner: PatternScanner, changelog: KafkaChangelog
    ) -> None:
        """The judge stage, under one policy after another."""
        settings = self._settings
        while not self._stopping.is_set():
            stage = judge_stage(context, settings, scanner, changelog, self._observer("judge"))
            running = asyncio.create_task(self._stage("judge", stage))
            try:
                fresh = None
                while fresh is None and not running.done():
                    fresh = await self._reload(context, running)
                if fresh is not None:
                    settings, scanner = fresh
                    stage.stop()
            finally:
                await running

    async def _reloads(self, context: ProcessContext) -> None:
        """Reloads where there is no judge stage."""
        forever = asyncio.create_task(asyncio.Event().wait())
        try:
            while True:
                await self._reload(context, forever)
        finally:
            forever.cancel()

    async def _reload(
        self, context: ProcessContext, until: "asyncio.Task[Any]"
    ) -> tuple[Settings, PatternScanner] | None:
        """Waits for SIGHUP, or for that task's end. Patterns are swapped; what the judge stage needs is given back."""
        asked = asyncio.create_task(self._reloading.wait())
        try:
            await asyncio.wait([asked, until], return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
        if not self._reloading.is_set():
            return None
        self._reloading.clear()
        try:
            settings = await asyncio.to_thread(self._reread)
            scanner, warnings = await asyncio.to_thread(load_scanner, settings.patterns)
        except UsageError as error:
            self._log.error("the configuration was not reloaded, the old one stays in force", why=str(error))
            self._metrics.add(names.RELOADS, "refused")
            return None
        for warning in warnings:
            self._log.warning(warning)
        if (settings.kafka, settings.service, settings.keys) != (
            self._settings.kafka,
            self._settings.service,
            self._settings.keys,
        ):
            self._log.warning("changes to [kafka], [service] and keys wait for a new start")
        context.registered.finders.reload(scanner, Allowlist(settings.allows))
        self._metrics.add(names.RELOADS, "done")
        self._log.info("patterns and policy reloaded", patterns=len(scanner.patterns))
        kept = {name: getattr(self._settings, name) for name in ("kafka", "service", "keys")}
        return Settings(policy=settings.policy, patterns=settings.patterns, **kept), scanner

    async def _stage(self, name: StageName, stage: Stage) -> None:
        """Runs a stage."""
        self._readiness.left(name)
        self._metrics.expect(name)
        self._stages[name] = stage
        if self._stopping.is_set():
            stage.stop()
        await stage.run()

    def _watched(self, work: Any) -> "asyncio.Task[None]":
        """A task whose end by an error, or by nobody's wish, ends the service."""

        def ended(task: "asyncio.Task[None]") -> None:
            if task.cancelled():
                # By a library, if not by us: what it followed would silently be followed no more.
                if not self._stopping.is_set():
                    self._fail(asyncio.CancelledError())
            elif (error := task.exception()) is not None:
                self._fail(error)

        task = asyncio.create_task(work)
        task.add_done_callback(ended)
        return task

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            if isinstance(error, CurfewdError):
                self._failure = error
            else:  # its text may contain what was read
                self._log.error("internal error", error=error)
                self._failure = StopError(f"internal error: {type(error).__name__}; please report it")
            self._readiness.dead = str(self._failure)
        self.stop()

    async def _retry(self, attempt: Callable[[], Awaitable[Any]], what: str) -> Any:
        """Tries until it succeeds."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await attempt()
            except RetryError as error:
                self._readiness.waiting = str(error)
                self._log.warning(f"{what}, trying again", why=str(error), seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _observer(self, stage: StageName) -> Callable[[Any], None]:
        return lambda fact: self._tell(stage, fact)

    def _tell(self, stage: StageName, fact: Any) -> None:
        """Facts become metrics, some of them log lines, and a few the end."""
        self._metrics.observer(stage)(fact)
        self._logbook.tell(stage, fact)
        self._sampling.hear(stage, fact)
        if self._view is not None:
            self._view.hear(fact)
        if isinstance(fact, Committed):
            self._fenced.pop((stage, fact.partition), None)
        elif isinstance(fact, Rebalanced):
            self._readiness.assigned(stage)
        elif isinstance(fact, Dropped):
            self._dropped(stage, fact)

    def _dropped(self, stage: StageName, fact: Dropped) -> None:
        """Ends what would only go on failing."""
        if fact.reason == "fenced":
            self._fenced[stage, fact.partition] += 1
            if self._fenced[stage, fact.partition] >= FENCED_FOR_GOOD:
                self._fail(
                    StopError(
                        f"someone else keeps writing in our name: is group {self._live.group} used by another deployment?"
                    )
                )
        elif (
            fact.reason == "failed"
            and stage == "judge"
            and (left := _left(Path(self._settings.service.state))) < FULL_BYTES
        ):
            self._fail(StopError(f"the disk of service.state is full: {left} bytes left"))

    async def _sample(self, context: ProcessContext, looking: DelayedReader | None) -> None:
        """Gauges, once a second."""
        asked = time.monotonic()
        while True:
            self._metrics.set(names.LOOP_DELAY, max(time.monotonic() - asked, 0.0))
            self._sampling.look(self._stages)
            if looking is not None:
                self._metrics.set(names.LOOKBACK_OVERDUE, looking.overdue_seconds)
            self._metrics.set(names.CREDENTIALS, len(context.registered.registry))
            self._metrics.set(names.CONFLICTS, context.registered.registry.conflicts)
            asked = time.monotonic() + SAMPLE_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)


def _left(folder: Path) -> int:
    """Bytes that are free where the folder is, or would be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


async def _ended(*tasks: "asyncio.Task[Any]") -> None:
    """Ends tasks that run beside; how they ended has been told."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
