"""The evidence of one finding, added up: in full while it may still change, as sums once it may not.

Of a service that runs for months only the old may not: a `Tally` folds it into `Sums` and goes on.

An `Entry` is (time, source, id, tie, severity, ask, event). `tie` tells apart what one event or log record
shows twice about one credential (two of its secrets in one line): that counts once.
"""

import hashlib
from bisect import bisect_left, insort
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from enum import IntEnum
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from detector.judge.time_order import TimeOrder
from detector.values.events import AnyEvent, Leak
from detector.values.findings import MAX_EVIDENCES, Severity

_KEY: Final = 4
_EVER: Final = 1 << 126  # later than any time
SEEN: Final = 1024  # pieces of folded evidence of which a second copy is known as one
_SEVERITIES: Final = tuple(reversed(Severity))


class RevocationRequest(IntEnum):
    """What a piece of evidence asks for."""

    NOTHING = 0
    PLAIN = 1
    ESCALATED = 2


class Entry(NamedTuple):
    """One piece of evidence as it is kept. Times in nanoseconds."""

    time: int
    source: str
    id: str
    tie: str
    severity: Severity
    ask: RevocationRequest
    event: AnyEvent


Request: TypeAlias = tuple[
    int, Severity
]  # the time of the earliest that asks, the highest severity at that time


class Sums(msgspec.Struct):
    """Evidence that stands for good, added up, as it is stored. The first 20 pieces of a tally are never among it.

    `seen` are digests of its events and records, of the first `SEEN`: a second copy of a later one counts again.
    """

    count: int = 0
    first: int = _EVER
    last: int = -_EVER
    severity: Severity = Severity.LOW
    patterns: tuple[str, ...] = ()
    requests: dict[RevocationRequest, Request] = {}
    seen: set[bytes] = set()

    def add(self, entries: Sequence[Entry], after: int) -> None:
        """Adds pieces, in order; those that ask count as such if later than `after`."""
        distinct: dict[tuple[int, str, str], Entry] = {}
        patterns = set(self.patterns)
        for entry in entries:
            distinct.setdefault(entry[:3], entry)
            self.severity = max(self.severity, entry.severity)
            if entry.ask and entry.time > after:
                request, known = (entry.time, entry.severity), self.requests.get(entry.ask)
                if known is None or _sooner(request, known):
                    self.requests[entry.ask] = request
            if isinstance(entry.event, Leak) and entry.event.pattern is not None:
                patterns.add(entry.event.pattern)
        pieces = list(distinct.values())
        self.patterns = tuple(sorted(patterns))
        self.count += len(pieces)
        self.first = min(self.first, pieces[0].time)
        self.last = max(self.last, pieces[-1].time)
        self.seen.update(map(_digest, pieces[: SEEN - len(self.seen)]))


def _sooner(one: Request, other: Request) -> bool:
    """Whether one is the earlier, or as early and more severe."""
    return (one[0], -one[1]) < (other[0], -other[1])


def _digest(entry: Entry) -> bytes:
    name = f"{entry.time}\0{entry.source}\0{entry.id}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(name, digest_size=8).digest()


class Tally:
    """Evidence that may still be taken back, and what was folded because it may not."""

    __slots__ = ("_asks", "_count", "_entries", "_patterns", "_weights", "folded")

    def __init__(self) -> None:
        self.folded: Sums | None = None
        self._count = 0
        self._entries = TimeOrder(_KEY)
        self._asks: dict[RevocationRequest, TimeOrder] | None = None
        self._weights: dict[Severity, int] = {}
        self._patterns: dict[str, int] | None = None

    def find(self, key: tuple[int, str, str, str]) -> Entry | None:
        """The entry with this time, source, id and tie."""
        found: Entry | None = self._entries.find(key)  # type: ignore[assignment] # only entries are put in
        return found

    @property
    def count(self) -> int:
        """How many events or records."""
        return self._count if self.folded is None else self._count + self.folded.count

    def add(self, entry: Entry) -> None:
        """Adds a piece of evidence; none with its key may be there. One that was folded is there already."""
        if self.folded is not None and _digest(entry) in self.folded.seen:
            return
        if self._entries.find(entry[:3]) is None:
            self._count += 1
        self._entries.put(entry)
        self._weights[entry.severity] = self._weights.get(entry.severity, 0) + 1
        if entry.ask:
            if self._asks is None:
                self._asks = {}
            order = self._asks.get(entry.ask)
            if order is None:
                order = self._asks[entry.ask] = TimeOrder(5)
            order.put(_asking(entry))
        if isinstance(entry.event, Leak) and entry.event.pattern is not None:
            if self._patterns is None:
                self._patterns = {}
            self._patterns[entry.event.pattern] = self._patterns.get(entry.event.pattern, 0) + 1

    def remove(self, entry: Entry) -> None:
        """Takes back a piece of evidence that was added."""
        self._entries.take(entry[:_KEY])
        if self._entries.find(entry[:3]) is None:
            self._count -= 1
        self._forget(entry)

    @property
    def first(self) -> int:
        """The time of the first."""
        folded = _EVER if self.folded is None else self.folded.first
        return min(folded, self._entries.first[0]) if len(self._entries) else folded

    @property
    def last(self) -> int:
        """The time of the last."""
        folded = -_EVER if self.folded is None else self.folded.last
        return max(folded, self._entries.last[0]) if len(self._entries) else folded

    @property
    def severity(self) -> Severity:
        """The highest."""
        highest = max(self._weights, default=Severity.LOW)
        return highest if self.folded is None else max(highest, self.folded.severity)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The ids of the patterns that saw its leaks, sorted."""
        folded = () if self.folded is None else self.folded.patterns
        return tuple(sorted({*(self._patterns or ()), *folded}))

    def earliest(self) -> list[Entry]:
        """The first 20, in order; of one event or record the first by tie."""
        found: list[Entry] = []
        for entry in self._entries:
            if found and found[-1][:3] == entry[:3]:
                continue
            if len(found) == MAX_EVIDENCES:
                break
            found.append(entry)  # type: ignore[arg-type] # only entries are put in
        return found

    def request(self, ask: RevocationRequest, after: int) -> Request | None:
        """The earliest that asks for this, of those later than `after`."""
        order = self._asks.get(ask) if self._asks is not None else None
        item = order.after(after) if order is not None else None
        found = (item[0], Severity(-item[1])) if item is not None else None
        known = None if self.folded is None else self.folded.requests.get(ask)
        if known is None or known[0] <= after or (found is not None and _sooner(found, known)):
            return found
        return known

    def fold(self, gone: AbstractSet[tuple[int, str, str]], before: int, after: int) -> None:
        """Adds up the pieces of the events in `gone`, all earlier than `before`. `after` as in `request`."""
        entries: list[Entry] = []
        for entry in self._entries.cut(before):
            if entry[:3] in gone:
                entries.append(entry)  # type: ignore[arg-type] # only entries are put in
            else:
                self._entries.put(entry)
        if not entries:
            return
        if self.folded is None:
            self.folded = Sums()
        self._count -= len({entry[:3] for entry in entries})
        for entry in entries:
            self._forget(entry)
        self.folded.add(entries, after)

    def _forget(self, entry: Entry) -> None:
        _decrement(self._weights, entry.severity)
        if entry.ask and self._asks is not None:
            self._asks[entry.ask].take(_asking(entry))
        if isinstance(entry.event, Leak) and entry.event.pattern is not None and self._patterns is not None:
            _decrement(self._patterns, entry.event.pattern)

    def seal(self, after: int) -> "FinalTally":
        """The same as sums."""
        sealed = FinalTally(after)
        for entry in self._entries:
            sealed.add(entry)  # type: ignore[arg-type] # only entries are put in
        return sealed


def _asking(entry: Entry) -> tuple[Any, ...]:
    """Ordered by time, the most severe first, so that the first says the highest severity at its time."""
    return (entry.time, -entry.severity, *entry[1:_KEY])


def _decrement(counts: dict[Any, int], key: object) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]


class FinalTally:
    """Evidence that stands: sums, the first 20 pieces, and what tells a second copy from a new piece.

    Of evidence that asks, the earliest later than `after` is kept: what is accepted until then asks nothing.
    """

    __slots__ = ("_after", "_patterns", "_requests", "_seen", "_top", "first", "last", "severity")

    def __init__(self, after: int) -> None:
        self._after = after
        self._seen: set[int] = set()
        self._top: list[Entry] = []
        self._requests: dict[RevocationRequest, Request] = {}
        self._patterns: set[str] = set()
        self.first = _EVER
        self.last = -_EVER
        self.severity = Severity.LOW

    @property
    def count(self) -> int:
        """How many events or records."""
        return len(self._seen)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The ids of the patterns that saw its leaks, sorted."""
        return tuple(sorted(self._patterns))

    def add(self, entry: Entry) -> None:
        """Adds a piece of evidence; a second copy changes nothing."""
        time, source, id_, _, severity, ask, event = entry
        key = hash((time, source, id_))
        fresh = key not in self._seen
        if fresh:
            self._seen.add(key)
            self.first = min(self.first, time)
            self.last = max(self.last, time)
        self.severity = max(self.severity, severity)
        self._keep(entry, fresh=fresh)
        if ask and time > self._after:
            known = self._requests.get(ask)
            if known is None or time < known[0] or (time == known[0] and severity > known[1]):
                self._requests[ask] = (time, severity)
        if isinstance(event, Leak) and event.pattern is not None:
            self._patterns.add(event.pattern)

    def _keep(self, entry: Entry, *, fresh: bool) -> None:
        top = self._top
        if fresh:
            if len(top) < MAX_EVIDENCES or entry[:3] < top[-1][:3]:
                insort(top, entry)
                del top[MAX_EVIDENCES:]
            return
        at = bisect_left(top, entry[:3])
        if at < len(top) and top[at][:3] == entry[:3] and entry.tie < top[at].tie:
            top[at] = entry

    def earliest(self) -> list[Entry]:
        """The first 20, in order."""
        return self._top

    def request(self, ask: RevocationRequest, after: int) -> Request | None:
        """The earliest that asks for this, of those later than `after`, which is as it was at the sealing."""
        del after
        return self._requests.get(ask)
