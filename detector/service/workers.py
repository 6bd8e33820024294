"""`curfewd run` with `service.workers`: processes that are members of the same groups, behind one pair of ports.

1. The ports open. One worker starts; the others start once its stages have: what is wrong is told once.
2. A worker that dies is started again after a pause. One that cannot go on ends all: it has said why.
3. SIGTERM, SIGINT and SIGHUP go on to all workers. If this process dies, the kernel kills the workers.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from detector import __version__
from detector.configuration.settings import Settings
from detector.service.compiling import compile_beside
from detector.service.http.probes import ProbeServer
from detector.service.http.server import Answer, HttpServer, Page, Request, probe_answer
from detector.service.lifecycle import Lifecycle, end
from detector.service.observability import series
from detector.service.observability.metrics import PAGE_SECONDS, answer_of
from detector.service.observability.readiness import Readiness, StandbyCopies
from detector.service.rights import Which
from detector.service.worker_link import ParentEnd, WorkerStatus
from detector.values.errors import StopError
from detector.values.shortage import DEATHS
from detector.values.times import SECOND
from detector.values.wording import Fixed

ASK_SECONDS: Final = 1.0
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
SETTLED_SECONDS: Final = 60.0  # of a worker that lived so long the next pause is the first
SILENT_SECONDS: Final = 60.0  # without an answer: then a restart helps
GRACE_SECONDS: Final = 30.0  # behind `kafka.drain_timeout`: then a worker is killed
_FAILED: Final = 2  # the exit code of a process that only a person can help


class WorkersReadiness(Readiness):
    """Ready when all workers are; alive when each that runs is."""

    def __init__(self, count: int) -> None:
        super().__init__(0)
        self.statuses = [WorkerStatus() for _ in range(count)]

    def alive(self) -> str | None:
        """See `Readiness.alive`."""
        return super().alive() or _first(each.alive for each in self.statuses)

    def ready(self) -> str | None:
        """See `Readiness.ready`."""
        return self.alive() or self.waiting or _first(each.ready for each in self.statuses)

    @property
    def detail(self) -> str:
        """What the copies of all workers are, to show beside the answer."""
        return str(StandbyCopies.of_all([each.standbys for each in self.statuses]))


def _first(reasons: Iterable[str | None]) -> str | None:
    return next((f"worker {n}: {reason}" for n, reason in enumerate(reasons) if reason is not None), None)


class Workers:
    """The parent of as many workers as `settings` say. `log` is structlog's.

    Each worker gets `lock` and so holds the folder of state for as long as it lives.
    """

    def __init__(self, settings: Settings, config: str, which: Which, log: Any, lock: int) -> None:
        self._settings = settings.service
        self._drain_seconds = settings.live().drain_timeout / SECOND
        self._config = config
        self._which = which
        self._log = log
        self._lock = lock
        self._readiness = WorkersReadiness(settings.service.workers)
        self._lifecycle = Lifecycle(self._readiness, log, "all workers end")
        self._first_works = asyncio.Event()
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._ends: dict[int, ParentEnd] = {}
        self._code = 0

    async def run(self) -> int:
        """Works until a signal, or until a worker cannot go on; the exit code.

        Raises:
            UsageError: a port cannot be had.
        """
        self._lifecycle.listen(lambda: self._signal(signal.SIGHUP))
        async with self._ports() as addresses:
            if await compile_beside(self._lifecycle, self._readiness, self._log):
                self._log.info("started", version=__version__, workers=self._settings.workers, **addresses)
                self._readiness.waiting = None
                await asyncio.gather(*(self._keep(number) for number in range(self._settings.workers)))
        if self._lifecycle.failure is not None:
            raise self._lifecycle.failure
        self._log.info(Fixed("stopped"))
        return self._code

    @contextlib.asynccontextmanager
    async def _ports(self) -> AsyncIterator[dict[str, str]]:
        probed: dict[str, Page] = {
            "/healthz": lambda _: probe_answer(self._readiness.alive()),
            "/readyz": lambda _: probe_answer(self._readiness.ready(), self._readiness.detail),
        }
        pages: dict[str, Page] = {
            "/metrics": WorkersPage(lambda: self._ends, lambda: self._readiness.ready() is None).page
        }
        async with (
            ProbeServer(self._settings.probes, probed) as probes,
            HttpServer(self._settings.listen, pages) as server,
            self._lifecycle.turning(),
        ):
            yield {"listen": str(server.address), "probes": str(probes.address)}

    async def _keep(self, number: int) -> None:
        """Starts a worker again and again, until the end is asked for."""
        if number and not await self._before_the_end(self._first_works.wait()):
            return
        pause = FIRST_PAUSE_SECONDS
        while not self._lifecycle.stopping.is_set():
            began = time.monotonic()
            code = await self._run_one(number)
            if self._lifecycle.stopping.is_set():
                return
            if code == _FAILED:
                self._code = _FAILED
                self._lifecycle.stop()
                return
            if time.monotonic() - began >= SETTLED_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._log.error(
                "a worker died and is started again",
                worker=number,
                code=code,
                why=DEATHS.get(-code, "it does not say"),
                pause_seconds=pause,
            )
            await self._before_the_end(asyncio.sleep(pause))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _before_the_end(self, what: Any) -> bool:
        """Waits for something; whether it came before the end was asked for."""
        waited, stopping = asyncio.ensure_future(what), asyncio.create_task(self._lifecycle.stopping.wait())
        await asyncio.wait([waited, stopping], return_when=asyncio.FIRST_COMPLETED)
        came = not stopping.done()
        await end(waited, stopping)
        return came

    async def _run_one(self, number: int) -> int:
        """Runs a worker until it has ended; its exit code."""
        ours = self._ends[number] = ParentEnd()
        command = [sys.executable, "-m", "detector.service.worker", self._config, self._which, str(number)]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                str(ours.descriptor),
                str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(ours.descriptor, self._lock),
            )
        except OSError as error:
            raise StopError(f"worker {number} cannot be started: {error.strerror}") from None
        ours.started()
        self._processes[number] = process
        asking = asyncio.create_task(self._ask(number, ours))
        try:
            ended = asyncio.create_task(process.wait())
            if not await self._before_the_end(asyncio.shield(ended)):
                await self._end_one(process, ended)
            return await ended
        finally:
            await end(asking)
            del self._processes[number], self._ends[number]
            self._readiness.statuses[number] = WorkerStatus(ready="it has ended")
            ours.close()

    async def _end_one(self, process: asyncio.subprocess.Process, ended: "asyncio.Task[int]") -> None:
        """Asks a worker for its end, and sees to it."""
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            await asyncio.wait([ended], timeout=self._drain_seconds + GRACE_SECONDS)
            if not ended.done():
                process.kill()

    async def _ask(self, number: int, ours: ParentEnd) -> None:
        """Keeps the status of a worker up to date."""
        answered = time.monotonic()
        while True:
            status = await asyncio.to_thread(ours.status)
            if status is None:
                hung = time.monotonic() - answered > SILENT_SECONDS
                silent = "it does not answer"
                status = WorkerStatus(silent if hung else None, silent)
            else:
                answered = time.monotonic()
            self._readiness.statuses[number] = status
            if status.working:
                self._first_works.set()
            await asyncio.sleep(ASK_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)


class WorkersPage:
    """`/metrics` of all workers: every series with the label `worker`, as if each were an instance.

    They are not added up: where a worker was started again, a sum of counters would fall. Whether they are `ready`
    together has no such label, so that one that has ended counts, and an instance is one whatever its workers.
    """

    def __init__(self, ends: Callable[[], dict[int, ParentEnd]], ready: Callable[[], bool]) -> None:
        self._ends = ends
        self._ready = ready
        self._lock = asyncio.Lock()
        self._made = 0.0
        self._families: list[Metric] = []

    async def page(self, request: Request) -> Answer:
        """The page as it is, or was half a second ago."""
        async with self._lock:
            if time.monotonic() - self._made >= PAGE_SECONDS:
                self._families = await asyncio.to_thread(self._collected)
                self._made = time.monotonic()
        registry = CollectorRegistry()
        registry.register(self)
        return answer_of(registry, request.headers.get("accept", ""))

    def collect(self) -> list[Metric]:
        """The series of all workers, for prometheus_client."""
        return self._families

    def _collected(self) -> list[Metric]:
        name, about = series.READY.shown, series.READY.about
        families: dict[str, Metric] = {name: GaugeMetricFamily(name, about, value=float(self._ready()))}
        for number, each in sorted(self._ends().items()):
            written = each.metrics()
            text = (written or b"# EOF\n").decode()
            for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]  # it has no types
                if family.name == name:
                    continue
                known = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                known.samples += [
                    one._replace(labels={"worker": str(number), **one.labels}) for one in family.samples
                ]
        return list(families.values())
