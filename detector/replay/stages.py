"""The stages of a replay that look at one unit alone: any scheduler can run them, in any process and order.

    plan ──▶ lifecycle(unit) ──▶ registry ──▶ scan(unit) ──▶ place ──▶ judge ──▶ write

- `plan` cuts the sources into units (`detector.ingest.units`).
- `lifecycle` gives what a unit says of tasks and credentials. The registry is built of that of all units.
- `scan` gives the leaks, uses and dead letters in a unit, found with the registry.
- `place` puts these together in the order of the units (`detector.replay.placing`). Lines count on from unit to unit,
  and so does the time that a record inherits.
- `judge` and `write` are of the whole history (`detector.replay.replay`, `detector.outputs`).

A `Runner` (`detector.replay.runner`) runs a stage over units.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final, Generic, TypeVar

import msgspec

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.event_ranges import RangeLook, event_blocks
from detector.ingest.files import read
from detector.ingest.range_reader import RangeReader, Reading
from detector.ingest.sources import Source
from detector.ingest.trust.policy import InputTrust
from detector.ingest.units import Unit
from detector.replay.buckets import CredentialBuckets, routed
from detector.scan.leaks import LeakFinder
from detector.stages.ranges import LifecycleCollector, LifecycleFacts, RangeFacts, RangeScanner
from detector.values.events import Identifier
from detector.values.times import SKEW

R = TypeVar("R", bound=msgspec.Struct)


class Work(msgspec.Struct, frozen=True):
    """What every unit needs. `now` is the wall clock, `skew` the policy's (ns), `classifier` is what is recognised.

    `finder` is None while only events are read, and looks for the `identifiers` that are registered. `trust` has what
    holds each source, if anything holds one. `text` are the indices of the sources in which nothing is an event; they
    are read by the classifier `logs`. Lines that look like events are counted in those that are `suspected`. `found`
    are the sources under the names by which they were found. `buckets` are those of a history that is judged in some.
    """

    sources: Sequence[Source]
    now: int
    finder: LeakFinder | None = None
    classifier: RecordClassifier = BUNDLED
    trust: Sequence[InputTrust | None] = ()
    logs: RecordClassifier = BUNDLED
    text: Collection[int] = frozenset()
    suspected: Collection[int] = frozenset()
    skew: int = SKEW
    identifiers: Collection[Identifier] = ()
    found: Sequence[Source] = ()
    buckets: CredentialBuckets | None = None


def lifecycle(work: Work, unit: Unit) -> LifecycleFacts:
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
    return LifecycleFacts(collector.lifecycle(), reader.latest, look, rest, collector.first_uses.uses())


def scan(work: Work, unit: Unit) -> RangeFacts:
    """The leaks, uses and dead letters in a unit, and what was read.

    If there are buckets, the uses are routed to them.
    """
    return with_routes(work, scanned(work, unit, RangeScanner(work.finder)))


def with_routes(work: Work, facts: RangeFacts) -> RangeFacts:
    """The facts with their uses routed, if there are buckets."""
    if work.buckets is not None and facts.uses:
        facts.routed, facts.uses = routed(facts.uses, work.buckets)
    return facts


def scanned(work: Work, unit: Unit, scanner: RangeScanner) -> RangeFacts:
    """What a scanner finds in a unit."""
    source = work.sources[unit.source]
    trust = work.trust[unit.source] if work.trust else None
    classifier = work.logs if unit.source in work.text else work.classifier
    suspected = work.classifier if unit.source in work.suspected else None
    reading = Reading(work.now, classifier, trust, suspected, work.skew)
    return scanner.facts(read(source, unit.start, unit.end, scanner, reading))


class Stage(Generic[R]):
    """One stage over all units: its name, what it does with each, and the type of its facts."""

    def __init__(self, name: str, do: Callable[[Work, Unit], R], gives: type[R]) -> None:
        self.name = name
        self.do = do
        self.decoder = msgspec.json.Decoder(gives)


LIFECYCLE: Final = Stage("lifecycle", lifecycle, LifecycleFacts)
SCAN: Final = Stage("scan", scan, RangeFacts)
