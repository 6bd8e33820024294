"""The scan stage for a range of a file: its texts and events go in, typed facts come out.

A `detector.ingest.range_reader.RangeReader` reads the range and hands what it finds to one of the collectors here.
Positions are lines, counted from the start of the range.
"""

import hashlib
from typing import Final, TypeVar

import msgspec

from detector.ingest.event_ranges import RangeLook
from detector.ingest.range_reader import REASSEMBLED, RangeReader
from detector.records.dead_letters import DeadLetter
from detector.scan.decoding_shares import DecodingShares
from detector.scan.finding_shares import FindingShares
from detector.scan.leaks import Batch, LeakFinder
from detector.stages.first_uses import FirstUses
from detector.stages.masking import EventMasker
from detector.stages.scan import LeakIdentity, identity_of, limited_records, unreported_records
from detector.values.events import (
    TYPE_NAMES,
    CanonicalEvent,
    CredentialUsed,
    Leak,
    Lifecycle,
    LimitedRecord,
    TaskHeartbeat,
)
from detector.values.findings import MOST_FINDINGS

_HASHED_SOURCES: Final = 1024
_F = TypeVar("_F", bound=msgspec.Struct)


class RangeFacts(msgspec.Struct):
    """What a range says. Leaks and limited records with `UNKNOWN_TIME` stand before its first time.

    - `limited` are the log records that could not be examined whole. One may be there twice.
    - `counts` has the records and bytes of each format.
    - `seen` has a 64-bit hash of each event, by event type, the same in every process. `unknown` counts events of a
      type that is not ours.
    - `idle` counts the records of sources that are of no use, by source and type.
    - `suspects` counts lines of text that look like events.
    - `routed` are uses that a later stage packed by the bucket in which they are judged; they are not in `uses`.
    - `inherited` is the time that a record behind the range has if it states none, `latest` the latest time (both ns).
    """

    leaks: list[Leak]
    limited: list[LimitedRecord]
    uses: list[CredentialUsed]
    dead_letters: list[DeadLetter]
    counts: dict[str, tuple[int, int]]
    seen: dict[str, bytes]
    unknown: int
    lines: int
    inherited: int | None
    latest: int | None
    suspects: int = 0
    idle: dict[str, int] = {}
    routed: dict[int, bytes] = {}


class LifecycleFacts(msgspec.Struct):
    """What happened to tasks and credentials in a range, and the latest time of any event.

    The events are as they were read. They register the secrets that are masked in all events, so whoever puts the
    ranges together masks them (`detector.stages.masking`).

    `look` tells what the records are. If the range holds nothing else, `rest` is all that a scan would give: it need
    not be read again. `first_uses` has the earliest uses, as `FirstUses` picks them.
    """

    lifecycle: list[Lifecycle]
    latest: int | None
    look: RangeLook
    rest: RangeFacts | None = None
    first_uses: list[CredentialUsed] = []


class RangeScanner:
    """Scans the texts of a range and keeps its uses and dead letters. Implements `detector.ingest.range_reader.Sink`.

    What it gives is masked, unless there is no finder.
    """

    def __init__(self, finder: LeakFinder | None) -> None:
        self._finder = finder
        self._leaks: list[Leak] = []
        self._limited: list[LimitedRecord] = []
        self._uses: list[CredentialUsed] = []
        self._dead_letters: list[DeadLetter] = []
        self._source = ""
        self._seen: dict[str, bytearray] = {name: bytearray() for name in TYPE_NAMES.values()}
        self._hashed_sources: dict[str, hashlib.blake2b] = {}
        self._in_record: set[LeakIdentity] = set()
        self._decoding = DecodingShares()
        self._shares = FindingShares(MOST_FINDINGS if finder is None else finder.most_findings)

    def facts(self, reader: RangeReader) -> RangeFacts:
        """The facts of the range that was read. They are given once."""
        masker = None if self._finder is None else EventMasker(self._finder)
        self._limited += unreported_records(self._source, self._shares.unreported())
        return RangeFacts(
            leaks=_taken(self._leaks, masker),
            limited=_taken(self._limited, masker),
            uses=_taken(self._uses, masker),
            dead_letters=_taken(self._dead_letters, None),
            counts={name: (records, reader.bytes[name]) for name, records in sorted(reader.records.items())},
            seen={name: bytes(hashes) for name, hashes in self._seen.items() if hashes},
            unknown=reader.unknown,
            lines=reader.lines,
            inherited=reader.inherited,
            latest=reader.latest,
            suspects=reader.suspects,
            idle=dict(sorted(reader.idle.items())),
        )

    def batch(self, batch: Batch, part: int = 0) -> None:
        """See `Sink`."""
        if self._finder is None:
            return
        self._decoding.begin()
        look = self._finder.look(batch, self._shares, self._decoding, together=not part)
        self._source = batch.source
        self._limited += limited_records(batch, look.limited)
        found = look.leaks
        if part == REASSEMBLED:
            known = {(name, leak.fingerprint, leak.pattern) for leak in self._leaks for name in leak.ids}
            found = [leak for leak in found if identity_of(leak) not in known]
        elif part:
            found = self._not_in_record(found, part)
        self._leaks.extend(found)

    def _not_in_record(self, found: list[Leak], part: int) -> list[Leak]:
        """The leaks that no earlier part of the same record showed."""
        if part == 1:
            self._in_record.clear()
        fresh = []
        for leak in found:
            identity = identity_of(leak)
            if identity not in self._in_record:
                self._in_record.add(identity)
                fresh.append(leak)
        return fresh

    def event(self, event: CanonicalEvent) -> None:
        """See `Sink`."""
        self._saw(event)
        if isinstance(event, CredentialUsed):
            self._uses.append(event)

    def _saw(self, event: CanonicalEvent) -> None:
        source = event.source
        hashed = self._hashed_sources.get(source)
        if hashed is None:  # a copy of the state costs half of a new hash
            if len(self._hashed_sources) >= _HASHED_SOURCES:
                self._hashed_sources.clear()
            name = source.encode("utf-8", "surrogatepass")
            hashed = self._hashed_sources[source] = hashlib.blake2b(
                b"%d:%b" % (len(name), name), digest_size=8
            )
        hashed = hashed.copy()
        hashed.update(event.id.encode("utf-8", "surrogatepass"))
        self._seen[TYPE_NAMES[type(event)]] += hashed.digest()

    def dead(self, letter: DeadLetter) -> None:
        """See `Sink`."""
        self._dead_letters.append(letter)


class LifecycleCollector(RangeScanner):
    """Keeps lifecycle events and the earliest uses, and scans nothing. `has_uses` says whether there are uses."""

    def __init__(self) -> None:
        super().__init__(None)
        self._lifecycle: list[Lifecycle] = []
        self._heartbeats: dict[str, TaskHeartbeat] = {}  # by task, the one that counts
        self.has_uses = False
        self.first_uses = FirstUses()

    def event(self, event: CanonicalEvent) -> None:
        """See `Sink`."""
        if isinstance(event, CredentialUsed):
            self.has_uses = True
            self.first_uses.add(event)
        else:
            if not isinstance(event, TaskHeartbeat):
                self._lifecycle.append(event)
            elif event.outlasts(self._heartbeats.get(event.task_id)):
                self._heartbeats[event.task_id] = event
            self._saw(event)

    def lifecycle(self) -> list[Lifecycle]:
        """The lifecycle events, once, without the heartbeats that others outlast: there may be thousands of a task."""
        return [*_taken(self._lifecycle, None), *self._heartbeats.values()]


def _taken(facts: list[_F], masker: EventMasker | None) -> list[_F]:
    """The facts, which are let go here.

    What reads a range is in a cycle of references, and stays until Python looks for cycles.
    """
    taken = facts[:]
    facts.clear()
    return taken if masker is None else masker.masked(taken)
