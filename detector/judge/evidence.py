"""The evidence of one finding, added up.

A `Tally` keeps each piece, because a later event may still take it back. Pieces that no event can now take back
are compacted to `Sums`. A `FinalTally` never takes a piece back: a replay uses it once all lifecycle events are read.
"""

import hashlib
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from enum import IntEnum
from heapq import nsmallest
from itertools import repeat
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from detector.judge.time_order import TimeOrder
from detector.values.events import AnyEvent, Leak, LimitedRecord
from detector.values.findings import MAX_EVIDENCES, Severity

_KEY: Final = 4
_EVER: Final = 1 << 126  # later than any time
SEEN: Final = 1024  # compacted pieces of which a second copy is recognised


class RevocationRequest(IntEnum):
    """The revocation that a piece of evidence requests."""

    NOTHING = 0
    PLAIN = 1
    ESCALATED = 2


class EvidenceEntry(NamedTuple):
    """One piece of evidence as a tally keeps it; `time` is in nanoseconds.

    `tie` tells apart what one event or log record shows twice about one credential, such as two of its secrets in one
    line. That counts as one piece.
    """

    time: int
    source: str
    id: str
    tie: str
    severity: Severity
    request: RevocationRequest
    event: AnyEvent


EarliestRequest: TypeAlias = tuple[int, Severity]  # its time, and the highest severity at that time


class Sums(msgspec.Struct):
    """Compacted evidence. The first 20 pieces of a tally are never compacted, because findings show them.

    `seen` has digests of the first `SEEN` events and records: a second copy of a later one counts again.
    """

    count: int = 0
    first: int = _EVER
    last: int = -_EVER
    severity: Severity = Severity.LOW
    patterns: tuple[str, ...] = ()
    requests: dict[RevocationRequest, EarliestRequest] = {}
    seen: set[bytes] = set()

    def add(self, entries: Sequence[EvidenceEntry], after: int) -> None:
        """Adds pieces, given in order. Only those later than `after` request a revocation."""
        distinct: dict[tuple[int, str, str], EvidenceEntry] = {}
        patterns = set(self.patterns)
        for entry in entries:
            distinct.setdefault(entry[:3], entry)
            self.severity = max(self.severity, entry.severity)
            if entry.request and entry.time > after:
                found, known = (entry.time, entry.severity), self.requests.get(entry.request)
                if known is None or _earlier(found, known):
                    self.requests[entry.request] = found
            if isinstance(entry.event, Leak) and entry.event.pattern is not None:
                patterns.add(entry.event.pattern)
        pieces = list(distinct.values())
        self.patterns = tuple(sorted(patterns))
        self.count += sum(map(_records, pieces))
        self.first = min(self.first, pieces[0].time)
        self.last = max(self.last, pieces[-1].time)
        self.seen.update(map(_digest, pieces[: SEEN - len(self.seen)]))


def _records(entry: EvidenceEntry) -> int:
    """How many events or records a piece stands for."""
    return entry.event.records if isinstance(entry.event, LimitedRecord) else 1


def _earlier(one: EarliestRequest, other: EarliestRequest) -> bool:
    """Whether one is earlier than the other, or as early and more severe."""
    return (one[0], -one[1]) < (other[0], -other[1])


def _digest(entry: EvidenceEntry) -> bytes:
    name = f"{entry.time}\0{entry.source}\0{entry.id}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(name, digest_size=8).digest()


class Tally(msgspec.Struct, eq=False, gc=False):
    """The evidence of one finding; `sums` has what was compacted, None if nothing was."""

    sums: Sums | None = None
    _count: int = 0
    _entries: TimeOrder = msgspec.field(default_factory=lambda: TimeOrder(_KEY))
    _requests: dict[RevocationRequest, TimeOrder] | None = None
    _severities: dict[Severity, int] = {}  # how many pieces have each
    _patterns: dict[str, int] | None = None

    def find(self, key: tuple[int, str, str, str]) -> EvidenceEntry | None:
        """The piece with this time, source, id and tie."""
        found: EvidenceEntry | None = self._entries.find(key)  # type: ignore[assignment] # only entries are put in
        return found

    def entries(self) -> Iterator[EvidenceEntry]:
        """The pieces that were not compacted, in order."""
        yield from self._entries  # type: ignore[misc] # only entries are put in

    @property
    def count(self) -> int:
        """How many events or records there are."""
        return self._count if self.sums is None else self._count + self.sums.count

    def add(self, entry: EvidenceEntry) -> None:
        """Adds a piece. There must be none with its key; one that was compacted is not added again."""
        if self.sums is not None and _digest(entry) in self.sums.seen:
            return
        if self._entries.find(entry[:3]) is None:
            self._count += _records(entry)
        self._entries.put(entry)
        self._severities[entry.severity] = self._severities.get(entry.severity, 0) + 1
        if entry.request:
            if self._requests is None:
                self._requests = {}
            order = self._requests.get(entry.request)
            if order is None:
                order = self._requests[entry.request] = TimeOrder(5)
            order.put(_by_severity(entry))
        if isinstance(entry.event, Leak) and entry.event.pattern is not None:
            if self._patterns is None:
                self._patterns = {}
            self._patterns[entry.event.pattern] = self._patterns.get(entry.event.pattern, 0) + 1

    def remove(self, entry: EvidenceEntry) -> None:
        """Takes a piece back."""
        self._entries.take(entry[:_KEY])
        if self._entries.find(entry[:3]) is None:
            self._count -= _records(entry)
        self._subtract(entry)

    @property
    def first(self) -> int:
        """The time of the first piece."""
        compacted = _EVER if self.sums is None else self.sums.first
        return min(compacted, self._entries.first[0]) if len(self._entries) else compacted

    @property
    def last(self) -> int:
        """The time of the last piece."""
        compacted = -_EVER if self.sums is None else self.sums.last
        return max(compacted, self._entries.last[0]) if len(self._entries) else compacted

    @property
    def severity(self) -> Severity:
        """The highest severity."""
        highest = max(self._severities, default=Severity.LOW)
        return highest if self.sums is None else max(highest, self.sums.severity)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The ids of the patterns that matched the leaks, sorted."""
        compacted = () if self.sums is None else self.sums.patterns
        return tuple(sorted({*(self._patterns or ()), *compacted}))

    def earliest(self) -> list[EvidenceEntry]:
        """The first 20 pieces in order; of one event or record only the first by tie."""
        found: list[EvidenceEntry] = []
        for entry in self._entries:
            if found and found[-1][:3] == entry[:3]:
                continue
            if len(found) == MAX_EVIDENCES:
                break
            found.append(entry)  # type: ignore[arg-type] # only entries are put in
        return found

    def earliest_request(self, request: RevocationRequest, after: int) -> EarliestRequest | None:
        """The earliest piece that requests this revocation, of those later than `after`."""
        order = self._requests.get(request) if self._requests is not None else None
        item = order.after(after) if order is not None else None
        found = (item[0], Severity(-item[1])) if item is not None else None
        known = None if self.sums is None else self.sums.requests.get(request)
        if known is None or known[0] <= after or (found is not None and _earlier(found, known)):
            return found
        return known

    def compact(self, gone: AbstractSet[tuple[int, str, str]], before: int, after: int) -> None:
        """Compacts the pieces of the events in `gone`, all earlier than `before`. `after` is as in `Sums.add`."""
        entries: list[EvidenceEntry] = []
        for entry in self._entries.cut(before):
            if entry[:3] in gone:
                entries.append(entry)  # type: ignore[arg-type] # only entries are put in
            else:
                self._entries.put(entry)
        if not entries:
            return
        if self.sums is None:
            self.sums = Sums()
        self._count -= sum(map(_records, {entry[:3]: entry for entry in entries}.values()))
        for entry in entries:
            self._subtract(entry)
        self.sums.add(entries, after)

    def _subtract(self, entry: EvidenceEntry) -> None:
        _decrement(self._severities, entry.severity)
        if entry.request and self._requests is not None:
            self._requests[entry.request].take(_by_severity(entry))
        if isinstance(entry.event, Leak) and entry.event.pattern is not None and self._patterns is not None:
            _decrement(self._patterns, entry.event.pattern)

    def final(self, after: int) -> "FinalTally":
        """The same evidence, of which nothing can be taken back."""
        tally = FinalTally(after)
        for entry in self._entries:
            tally.add(entry)  # type: ignore[arg-type] # only entries are put in
        return tally


def _by_severity(entry: EvidenceEntry) -> tuple[Any, ...]:
    """Orders requests by time, the most severe first: the first one says the highest severity at its time."""
    return (entry.time, -entry.severity, *entry[1:_KEY])


def _decrement(counts: dict[Any, int], key: object) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]


class TallyPart(msgspec.Struct, frozen=True, array_like=True):
    """What some pieces of evidence add to a `FinalTally`: their sums, and the first 20."""

    sums: Sums
    earliest: list[EvidenceEntry]


class FinalTally:
    """Evidence of which nothing is taken back: sums, the first 20 pieces, and hashes that recognise a second copy.

    Only pieces later than `after` request a revocation: until then an `[[accept]]` entry covers them.
    """

    __slots__ = (
        "_after",
        "_earliest",
        "_more",
        "_patterns",
        "_requests",
        "_seen",
        "first",
        "last",
        "severity",
    )

    def __init__(self, after: int) -> None:
        self._after = after
        self._seen: set[int] = set()
        self._more = 0  # records that others stand for
        self._earliest: list[EvidenceEntry] = []
        self._requests: dict[RevocationRequest, EarliestRequest] = {}
        self._patterns: set[str] = set()
        self.first = _EVER
        self.last = -_EVER
        self.severity = Severity.LOW

    @property
    def count(self) -> int:
        """How many events or records there are."""
        return len(self._seen) + self._more

    @property
    def patterns(self) -> tuple[str, ...]:
        """The ids of the patterns that matched the leaks, sorted."""
        return tuple(sorted(self._patterns))

    def add(self, entry: EvidenceEntry) -> None:
        """Adds a piece of evidence; a second copy changes nothing."""
        if isinstance(entry.event, Leak | LimitedRecord) and entry.event.also:
            self._add_several(entry, entry.event)
            return
        time, source, id_, _, severity, request, event = entry
        key = hash((time, source, id_))
        fresh = key not in self._seen
        if fresh:
            self._seen.add(key)
            self._more += _records(entry) - 1
            self.first = min(self.first, time)
            self.last = max(self.last, time)
        self.severity = max(self.severity, severity)
        self._keep(entry, fresh=fresh)
        if request and time > self._after:
            known = self._requests.get(request)
            if known is None or time < known[0] or (time == known[0] and severity > known[1]):
                self._requests[request] = (time, severity)
        if isinstance(event, Leak) and event.pattern is not None:
            self._patterns.add(event.pattern)

    def _add_several(self, entry: EvidenceEntry, found: Leak | LimitedRecord) -> None:
        """Adds the pieces of several records at one time, which differ in nothing but their line."""
        self.add(entry._replace(event=msgspec.structs.replace(found, also=())))
        names = found.ids[1:]
        keys = dict(zip(map(hash, zip(repeat(entry.time), repeat(entry.source), names)), names, strict=True))
        again = keys.keys() & self._seen
        shown = again.union(nsmallest(MAX_EVIDENCES, keys.keys() - again, keys.__getitem__))
        for name in map(keys.__getitem__, shown):
            piece = msgspec.structs.replace(found, id=name, line=int(name), also=())
            self.add(entry._replace(id=piece.id, event=piece))
        self._seen.update(keys)

    def _keep(self, entry: EvidenceEntry, *, fresh: bool) -> None:
        kept = self._earliest
        if fresh:
            if len(kept) < MAX_EVIDENCES or entry[:3] < kept[-1][:3]:
                insort(kept, entry)
                del kept[MAX_EVIDENCES:]
            return
        at = bisect_left(kept, entry[:3])
        if at < len(kept) and kept[at][:3] == entry[:3] and entry.tie < kept[at].tie:
            kept[at] = entry

    def earliest(self) -> list[EvidenceEntry]:
        """The first 20 pieces in order."""
        return self._earliest

    def earliest_request(self, request: RevocationRequest, after: int) -> EarliestRequest | None:
        """The earliest piece that requests this revocation, of those later than `after`.

        `after` must be the one that the tally was made with.
        """
        del after
        return self._requests.get(request)

    def part(self) -> TallyPart:
        """What its pieces add to another tally."""
        sums = Sums(self.count, self.first, self.last, self.severity, self.patterns, self._requests)
        return TallyPart(sums, self._earliest)

    def add_part(self, part: TallyPart) -> None:
        """Adds the pieces of a part, none of which is here already."""
        sums = part.sums
        self._more += sums.count
        self.first, self.last = min(self.first, sums.first), max(self.last, sums.last)
        self.severity = max(self.severity, sums.severity)
        self._patterns.update(sums.patterns)
        for request, found in sums.requests.items():
            known = self._requests.get(request)
            if known is None or _earlier(found, known):
                self._requests[request] = found
        self._earliest = sorted([*self._earliest, *part.earliest], key=lambda entry: entry[:3])[
            :MAX_EVIDENCES
        ]
