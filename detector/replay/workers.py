"""What is done with one unit, in this process or in one of several forked from it, and how the results come back.

Results cross as JSON: unlike MessagePack it holds the nanoseconds of the year 9999. No secret crosses.
"""

import multiprocessing
import signal
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, Generic, TypeVar

import msgspec

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.files import event_blocks, read
from detector.ingest.range_reader import AGAIN, RangeReader
from detector.ingest.sources import Source
from detector.ingest.units import Unit
from detector.records.dead_letters import DeadLetter
from detector.scan.leaks import Batch, LeakFinder
from detector.values.errors import UsageError
from detector.values.events import TYPE_NAMES, CanonicalEvent, CredentialUsed, Leak, Lifecycle

IN_FLIGHT: Final = 2  # units a worker has waiting: results are bounded, reading never runs far ahead

_R = TypeVar("_R", bound=msgspec.Struct)


class Work(msgspec.Struct, frozen=True):
    """What every unit needs. `now` is the wall clock (ns), `shapes` what is recognised.

    `finder` is None while only events are read.
    """

    sources: Sequence[Source]
    now: int
    finder: LeakFinder | None = None
    shapes: RecordClassifier = BUNDLED


class UnitRead(msgspec.Struct):
    """The second pass over a unit. Lines count from its start; leaks with `UNKNOWN_TIME` stand before its first time.

    `counts` are records and bytes by format, `seen` by event type a 64-bit hash for each event, `unknown` the
    events of a type that is not ours.
    """

    leaks: list[Leak]
    uses: list[CredentialUsed]
    letters: list[DeadLetter]
    counts: dict[str, tuple[int, int]]
    seen: dict[str, bytes]
    unknown: int
    lines: int
    inherited: int | None
    latest: int | None


class EventsRead(msgspec.Struct):
    """The first pass over a unit: what happened to tasks and credentials, and the latest time of any event.

    `rest` is what the second pass would give if there is nothing else in the unit: then it is not read again.
    """

    lifecycle: list[Lifecycle]
    latest: int | None
    rest: UnitRead | None = None


class _Collector:
    """Keeps what a reader gives, the text already scanned."""

    def __init__(self, finder: LeakFinder | None) -> None:
        self._finder = finder
        self.leaks: list[Leak] = []
        self.uses: list[CredentialUsed] = []
        self.letters: list[DeadLetter] = []
        self.seen: dict[str, array[int]] = {name: array("q") for name in TYPE_NAMES.values()}
        self._pieces: set[tuple[str, str, str | None]] = set()

    def batch(self, batch: Batch, part: int = 0) -> None:
        if self._finder is None:
            return
        found = self._finder.find(batch)
        if part == AGAIN:
            known = {(leak.id, leak.fingerprint, leak.pattern) for leak in self.leaks}
            found = [leak for leak in found if (leak.id, leak.fingerprint, leak.pattern) not in known]
        elif part:
            found = self._once(found, part)
        self.leaks.extend(found)

    def _once(self, found: list[Leak], part: int) -> list[Leak]:
        """Without what an earlier piece of the same record showed: one leak per record and secret."""
        if part == 1:
            self._pieces.clear()
        fresh = []
        for leak in found:
            key = (leak.id, leak.fingerprint, leak.pattern)
            if key not in self._pieces:
                self._pieces.add(key)
                fresh.append(leak)
        return fresh

    def event(self, event: CanonicalEvent) -> None:
        self.seen[TYPE_NAMES[type(event)]].append(hash((event.source, event.id)))
        if isinstance(event, CredentialUsed):
            self.uses.append(event)

    def dead(self, letter: DeadLetter) -> None:
        self.letters.append(letter)


class _Lifecycle(_Collector):
    """Keeps what happened to tasks and credentials; of uses only that there were some."""

    def __init__(self) -> None:
        super().__init__(None)
        self.lifecycle: list[Lifecycle] = []
        self.used = False

    def event(self, event: CanonicalEvent) -> None:
        if isinstance(event, CredentialUsed):
            self.used = True
        else:
            self.lifecycle.append(event)
            self.seen[TYPE_NAMES[type(event)]].append(hash((event.source, event.id)))


def first_pass(work: Work, unit: Unit) -> EventsRead:
    """The lifecycle in a unit."""
    source = work.sources[unit.source]
    sink = _Lifecycle()
    reader = RangeReader(source.name, source.task_id, work.now, sink, work.shapes)
    alone = True
    for events, data in event_blocks(source, unit.start, unit.end, work.now, work.shapes):
        if data is None:
            alone = False
            for event in events:
                reader.event(event)
        else:
            reader.events(events, data)
            reader.lines += data.count(b"\n")
    return EventsRead(
        sink.lifecycle, reader.latest, _unit_read(sink, reader) if alone and not sink.used else None
    )


def second_pass(work: Work, unit: Unit) -> UnitRead:
    """The leaks, uses and dead letters in a unit, and what was read."""
    sink = _Collector(work.finder)
    return _unit_read(
        sink, read(work.sources[unit.source], unit.start, unit.end, work.now, sink, work.shapes)
    )


def _unit_read(sink: _Collector, reader: RangeReader) -> UnitRead:
    return UnitRead(
        leaks=sink.leaks,
        uses=sink.uses,
        letters=sink.letters,
        counts={name: (records, reader.bytes[name]) for name, records in sorted(reader.records.items())},
        seen={name: hashes.tobytes() for name, hashes in sink.seen.items() if hashes},
        unknown=reader.unknown,
        lines=reader.lines,
        inherited=reader.inherited,
        latest=reader.latest,
    )


class Pass(Generic[_R]):
    """One pass over all units: what is done with each and what it gives."""

    def __init__(self, do: Callable[[Work, Unit], _R], gives: type[_R]) -> None:
        self.do = do
        self.decoder = msgspec.json.Decoder(gives)


FIRST: Final = Pass(first_pass, EventsRead)
SECOND: Final = Pass(second_pass, UnitRead)

_forked: list[tuple[Pass[EventsRead] | Pass[UnitRead], Work]] = []  # set before the fork, read after it


def _initialise() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means


def _remote(unit: Unit) -> bytes:
    step, work = _forked[-1]
    return msgspec.json.encode(step.do(work, unit))


def run(step: Pass[_R], work: Work, todo: Iterable[Unit], jobs: int) -> Iterator[tuple[Unit, _R]]:
    """Each unit with its result, in the order of `todo`, on `jobs` processes (1: this one).

    Raises:
        UsageError: a worker process was ended from outside.
    """
    if jobs == 1:
        for unit in todo:
            yield unit, step.do(work, unit)
        return
    _forked.append((step, work))  # type: ignore[arg-type]  # a Pass of one of its two kinds
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("fork"), _initialise)
    waiting: deque[tuple[Unit, Future[bytes]]] = deque()
    try:
        for unit in todo:
            waiting.append((unit, pool.submit(_remote, unit)))
            if len(waiting) >= jobs * IN_FLIGHT:
                yield _next(step, waiting)
        while waiting:
            yield _next(step, waiting)
    finally:
        _forked.pop()
        pool.shutdown(wait=not waiting, cancel_futures=True)


def _next(step: Pass[_R], waiting: deque[tuple[Unit, Future[bytes]]]) -> tuple[Unit, _R]:
    unit, future = waiting[0]
    try:
        result = step.decoder.decode(future.result())
    except BrokenProcessPool:
        raise UsageError(
            "a worker process was ended from outside, most likely because memory ran out: "
            "try again with --jobs 1, or on fewer files"
        ) from None
    waiting.popleft()
    return unit, result
