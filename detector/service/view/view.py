"""The live view at `/view`: the state of this process, the findings and commands that it commits, a task's history.

It is read-only and does not slow down the stages: committed findings and commands go into a list of fixed size, and
everything else is made when somebody looks.

    /view          the page: no data, so no token
    /view/events   server-sent events: hello, now (once a second), finding, command, resync (something was left out),
                   held (the commands that wait for a person, whenever they change)
    /view/task     ?id=…: one task as the judge stage knows it, if its partition is here
"""

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from detector import __version__
from detector.configuration.kafka_settings import KafkaSettings
from detector.configuration.service_settings import ServiceSettings
from detector.judge.routing import task_key
from detector.judge.rules.catalog import RULES
from detector.kafka.batches import partition_of
from detector.kafka.handlers import Partition
from detector.outputs.page_records import rule_references
from detector.service.approvals.pages import ApprovalPages
from detector.service.http.server import Answer, Page, Request, line
from detector.service.judge.store import Store, digest_of
from detector.service.observability.measuring import HandlerThroughput
from detector.service.observability.metrics import Metrics
from detector.service.observability.readiness import Readiness
from detector.service.view.access import Access
from detector.service.view.page import DATA_HEADERS, live_page
from detector.service.view.recent import Recent, RecentEntry
from detector.service.view.status import status_of
from detector.service.view.task import ViewContext, bounded, task_view
from detector.values.findings import Command, FindingChange

READERS: Final = 16
NOW_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.25  # between two batches: a page gets no more, however much is found
BATCH: Final = 100
WRITTEN_TOGETHER: Final = 25
LONGEST_ID: Final = 1024
JSON: Final = "application/json"
EVENT_STREAM: Final = "text/event-stream"

_MILLI: Final = 1000


class View:
    """Serves `pages`; `observe` takes all facts of the stages."""

    def __init__(
        self,
        settings: ServiceSettings,
        live: KafkaSettings,
        metrics: Metrics,
        readiness: Readiness,
        approvals: ApprovalPages | None = None,
    ) -> None:
        self._access = Access(settings.view_token, local=settings.listen.loopback)
        self._live = live
        self._metrics = metrics
        self._readiness = readiness
        self._approvals = approvals
        self._recent = Recent(self._shown)
        self._run = secrets.token_hex(4)  # entries are numbered from 1 in each run
        self._readers = 0
        self._changed = asyncio.Event()
        self._now: tuple[float, bytes] = (0.0, b"")
        self._stores: Callable[[], Mapping[Partition, Store]] = dict
        self._context: ViewContext | None = None
        self._one_task = asyncio.Lock()

    def pages(self) -> dict[str, Page]:
        """The pages by path."""
        return {"/view": self._page, "/view/events": self._events, "/view/task": self._task}

    def judging(self, stores: Callable[[], Mapping[Partition, Store]], context: ViewContext) -> None:
        """A judge stage runs: `stores` gives the stores of its partitions now."""
        self._stores, self._context = stores, context

    def observe(self, fact: Any) -> None:
        """Keeps committed findings and commands."""
        if not isinstance(fact, HandlerThroughput):
            return
        before = self._recent.last
        for output in fact.outputs:
            if isinstance(output.fact, FindingChange):
                self._recent.add("finding", output.key, output.fact, len(output.value or b""))
            elif isinstance(output.fact, Command):
                self._recent.add("command", self._recent.last, output.fact, len(output.value or b""))
        if self._readers and self._recent.last != before:
            self._changed.set()
            self._changed = asyncio.Event()

    def _shown(self, fact: FindingChange | Command) -> dict[str, Any]:
        """What a page gets of a finding or command."""
        assert self._context is not None  # noqa: S101 - only a judge stage commits findings, and it came with one
        return self._context.shown(fact)

    def _page(self, request: Request) -> Answer:
        return self._access.refuse_foreign_host(request.headers) or live_page()

    def _events(self, request: Request) -> Answer:
        refusal = self._access.refuse(request.headers)
        if refusal is not None:
            return refusal
        if self._readers >= READERS:
            return line(503, f"the view already has {READERS} readers", {"Retry-After": "10"})
        place = request.headers.get("last-event-id", "")
        return Answer(200, b"", EVENT_STREAM, DATA_HEADERS, lambda: self._stream(place))

    async def _stream(self, place: str) -> AsyncIterator[bytes]:
        """Events from a place on, until the reader goes."""
        if self._readers >= READERS:
            return
        self._readers += 1
        try:
            yield _event(
                "hello", msgspec.json.encode({"version": __version__, "rules": rule_references(RULES)})
            )
            run, _, number = place.partition(".")
            known = run == self._run and number.isdecimal()
            read = int(number) if known else 0
            entries, missed = self._recent.after(read, BATCH if known else self._recent.most)
            if place and (missed or not known):
                yield _event("resync", b'"behind"' if known else b'"restarted"')
            sent = b""
            waiting: tuple[int, int] | None = None
            while True:
                for start in range(0, len(entries), WRITTEN_TOGETHER):
                    yield b"".join(map(self._of, entries[start : start + WRITTEN_TOGETHER]))
                    await asyncio.sleep(0)
                read = entries[-1].number if entries else read
                if (now := self._status()) is not sent:
                    yield _event("now", now)
                    sent = now
                if self._approvals is not None and self._approvals.version != waiting:
                    waiting = self._approvals.version
                    yield _event("held", self._approvals.shown())
                await asyncio.sleep(PAUSE_SECONDS)
                if self._recent.last == read:
                    await self._wait_for_change(NOW_SECONDS - PAUSE_SECONDS)
                entries, missed = self._recent.after(read, BATCH)
                if missed:
                    yield _event("resync", b'"behind"')
        finally:
            self._readers -= 1

    async def _wait_for_change(self, seconds: float) -> None:
        """Waits until something is committed, but no longer than that."""
        changed = self._changed
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            return

    def _of(self, entry: RecentEntry) -> bytes:
        return b"id: %s.%d\n" % (self._run.encode(), entry.number) + _event(
            entry.kind, self._recent.json(entry)
        )

    def _status(self) -> bytes:
        """The state of the service as JSON, made once a second for all readers."""
        made, now = self._now[0], time.monotonic()
        if not self._now[1] or now - made >= NOW_SECONDS * 0.9:
            status = {
                "at": int(time.time() * _MILLI),
                "group": self._live.group,
                "host": socket.gethostname(),
                "ready": None if (reason := self._readiness.ready()) is None else str(reason),
                "judged": {
                    "here": sorted(each.number for each in self._stores()),
                    "of": self._live.topics.work.partitions,
                },
                "readers": self._readers,
                **status_of(self._metrics.registry.collect()),
            }
            self._now = (now, msgspec.json.encode(status))
        return self._now[1]

    async def _task(self, request: Request) -> Answer:
        refusal = self._access.refuse(request.headers)
        if refusal is not None:
            return refusal
        ids = parse_qs(request.query, errors="replace").get("id", [])
        if len(ids) != 1 or len(ids[0]) > LONGEST_ID:
            return line(400, f"ask for one task: ?id=…, of at most {LONGEST_ID} characters", DATA_HEADERS)
        if self._one_task.locked():  # it is beside the work, and those who wait would keep probes out
            return line(503, "another task is looked up, ask again", {**DATA_HEADERS, "Retry-After": "1"})
        async with self._one_task:
            found = await self._looked_up(ids[0])
        return Answer(200, msgspec.json.encode(found), JSON, DATA_HEADERS)

    async def _looked_up(self, name: str) -> dict[str, Any]:
        """A task by the id that its events have: where that shows a secret, it is kept under another."""
        task_id = name if self._context is None else self._context.id_of(name)
        work, stores, key = self._live.topics.work, self._stores(), task_key(task_id)
        number = partition_of(key.encode(), work.partitions)
        place = {
            "partition": number,
            "of": work.partitions,
            "here": sorted(partition.number for partition in stores),
        }
        store = stores.get(Partition(work.name, number))
        if store is None or self._context is None:
            return {**place, "found": "elsewhere"}
        # All of it at once, before anything can be committed or the store be closed.
        watermark = store.watermark()
        rows = bounded(store.entries(digest_of(key)))
        if rows is None:
            return {**place, "found": "too much"}
        view = await asyncio.to_thread(task_view, task_id, rows, watermark, self._context)
        return {**place, "found": "nothing"} if view is None else {**place, "found": "task", **view}


def _event(kind: str, data: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), data)
