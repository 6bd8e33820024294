"""Runs the scan stage over units of files, in this process or in several that are forked from it.

Facts cross between processes as JSON: unlike MessagePack it holds the nanoseconds of the year 9999. No secret crosses.
"""

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, Generic, TypeVar

import msgspec

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.event_ranges import RangeLook, event_blocks
from detector.ingest.files import read
from detector.ingest.range_reader import RangeReader, Reading
from detector.ingest.sources import Source
from detector.ingest.trust.policy import InputTrust
from detector.ingest.units import Unit
from detector.records.repeated_names import has_repeated_name
from detector.scan.leaks import LeakFinder
from detector.stages.ranges import LifecycleCollector, LifecycleFacts, RangeFacts, RangeScanner
from detector.values.errors import UsageError
from detector.values.times import SKEW

IN_FLIGHT: Final = 2  # units that wait for each worker: memory is bounded, and reading never runs far ahead

_R = TypeVar("_R", bound=msgspec.Struct)


class Work(msgspec.Struct, frozen=True):
    """What every unit needs. `now` is the wall clock, `skew` the policy's (ns), `classifier` is what is recognised.

    `finder` is None while only events are read. `trust` has what holds each source, if anything holds one. `text` are
    the indices of the sources in which nothing is an event; they are read by the classifier `logs`. Lines that look like
    events are counted in those that are `suspected`.
    """

    sources: Sequence[Source]
    now: int
    finder: LeakFinder | None = None
    classifier: RecordClassifier = BUNDLED
    trust: Sequence[InputTrust | None] = ()
    logs: RecordClassifier = BUNDLED
    text: frozenset[int] = frozenset()
    suspected: frozenset[int] = frozenset()
    skew: int = SKEW


def first_pass(work: Work, unit: Unit) -> LifecycleFacts:
    """The lifecycle and the earliest uses in a unit."""
    source = work.sources[unit.source]
    collector = LifecycleCollector()
    trust = work.trust[unit.source] if work.trust else None
    reader = RangeReader(source.name, source.task_id, collector, Reading(work.now, work.classifier, trust))
    only_events, look = True, RangeLook()
    for events, data in event_blocks(source, unit.start, unit.end, work.now, look, work.classifier):
        if data is None:
            only_events = False
            reader.held_events(events, None)  # a scan says at which lines
        else:
            reader.events(events, data)
            reader.lines += data.count(b"\n")
    if source.carries_events is None and look.text is not None:
        return LifecycleFacts([], None, look)
    complete = only_events and not collector.has_uses
    rest = collector.facts(reader) if complete else None
    return LifecycleFacts(collector.lifecycle, reader.latest, look, rest, collector.first_uses.uses())


def second_pass(work: Work, unit: Unit) -> RangeFacts:
    """The leaks, uses and dead letters in a unit, and what was read."""
    return scanned(work, unit, RangeScanner(work.finder))


def scanned(work: Work, unit: Unit, scanner: RangeScanner) -> RangeFacts:
    """What a scanner finds in a unit."""
    source = work.sources[unit.source]
    trust = work.trust[unit.source] if work.trust else None
    classifier = work.logs if unit.source in work.text else work.classifier
    suspected = work.classifier if unit.source in work.suspected else None
    reading = Reading(work.now, classifier, trust, suspected, work.skew)
    return scanner.facts(read(source, unit.start, unit.end, scanner, reading))


class Pass(Generic[_R]):
    """One pass over all units: what it does with each, and the type of its facts."""

    def __init__(self, do: Callable[[Work, Unit], _R], gives: type[_R]) -> None:
        self.do = do
        self.decoder = msgspec.json.Decoder(gives)


FIRST: Final = Pass(first_pass, LifecycleFacts)
SECOND: Final = Pass(second_pass, RangeFacts)

_forked: list[tuple[Pass[LifecycleFacts] | Pass[RangeFacts], Work]] = []  # set before the fork, read after it


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
    has_repeated_name(b"{}")  # loads what is compiled, once for all processes that are forked
    _forked.append((step, work))  # type: ignore[arg-type]  # a Pass of one of its two kinds
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("fork"), _initialise)
    waiting: deque[tuple[Unit, Future[bytes]]] = deque()
    try:
        for unit in todo:
            try:
                waiting.append((unit, pool.submit(_remote, unit)))
            except BrokenProcessPool:
                raise _ended_from_outside() from None
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
        raise _ended_from_outside() from None
    waiting.popleft()
    return unit, result


def _ended_from_outside() -> UsageError:
    return UsageError(
        "a worker process was ended from outside, most likely because memory ran out: "
        "try again with --jobs 1, or on fewer files"
    )
