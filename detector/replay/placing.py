"""The stage `place` of a replay: the facts of all units together, each at its line, with its time and masked."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain
from typing import Final

import msgspec
import numpy as np

from detector.ingest.sources import Source
from detector.ingest.spool import Spool
from detector.ingest.units import Unit
from detector.outputs.dead_letter_spool import DeadLetterSpool
from detector.outputs.summary import UNKNOWN_TYPE, SourceRead, Summary, verdicts
from detector.records.dead_letters import UNTRUSTED, DeadLetter
from detector.records.log_times import CLOCK, EARLIER_RECORD, FILE, LATEST, TIMELESS, LogTime
from detector.replay.first_pass import FirstPass
from detector.replay.history import Concluded, History
from detector.replay.plan import Plan
from detector.scan.leaks import UNKNOWN_TIME
from detector.stages.masking import EventMasker
from detector.stages.ranges import RangeFacts
from detector.values.events import MAX_FUTURE, Leak, LimitedRecord
from detector.values.findings import Finding

_HASHES: Final = 16 * 1024 * 1024  # bytes
_PARTS: Final = 64
_NAMED: Final = 1000  # files that are named where they were not understood


class Placing:
    """Puts the facts of all units together, in order: lines count on from unit to unit, as does the time inherited."""

    def __init__(self, plan: Plan, history: History, first: FirstPass, masker: EventMasker) -> None:
        self._plan = plan
        self._history = history
        self._masker = masker
        self._first = first
        self._latest_event = first.latest
        self._latest = first.latest
        self._suspects: Counter[int] = Counter()
        self._source: int | None = None  # the one at hand: the units of each come together
        self._lines = 0
        self._inherited: int | None = None
        self._timeless: list[Leak | LimitedRecord] = []
        self._limited: Counter[str] = Counter()
        self._limited_seen: set[tuple[str, str]] = set()
        self._read = _Read()
        self._seen: dict[str, _Distinct] = defaultdict(_Distinct)
        self._unknown = 0
        self._idle: Counter[str] = Counter()
        self._allowed: Counter[str] = Counter()
        self._untrusted: dict[str, Counter[str]] = defaultdict(Counter)
        self._unread: dict[str, str] = {}
        self.letters = DeadLetterSpool()
        for letter in plan.letters:
            self._dead(letter, masker.path(letter.source))

    @property
    def latest(self) -> int:
        """The latest event or log time read; 0 if there was none at all."""
        return self._latest or 0

    def take(self, unit: Unit, result: RangeFacts) -> None:
        """The result of the next unit."""
        if unit.source != self._source:
            self._source, self._lines, self._inherited = unit.source, 0, None
        before, inherited = self._lines, self._inherited
        source = self._plan.sources[unit.source]
        for leak in result.leaks:
            self._leak(source, leak, before, inherited)
        for record in result.limited:
            self._leak(source, record, before, inherited)
        self._history.use(result.uses)
        self._history.put(result.routed)
        name = source.name
        for letter in result.dead_letters:
            self._dead(letter, name, before)
        for format_name, (records, size) in result.counts.items():
            self._read.add(unit.source, format_name, records, size)
        for kind, hashes in result.seen.items():
            self._seen[kind].add(hashes)
        self._unknown += result.unknown
        self._idle.update(result.idle)
        if result.suspects:
            self._suspects[unit.source] += result.suspects
        self._lines = before + result.lines
        if result.inherited is not None:
            self._inherited = result.inherited
        if result.latest is not None and (self._latest is None or result.latest > self._latest):
            self._latest = result.latest

    def _dead(self, letter: DeadLetter, source: str, lines_before: int = 0) -> None:
        line = None if letter.line is None else letter.line + lines_before
        (masked,) = self._masker.masked([msgspec.structs.replace(letter, source=source, line=line)])
        self.letters.add(masked)
        if masked.line is None and masked.reason not in UNTRUSTED and len(self._unread) < _NAMED:
            self._unread.setdefault(masked.source, masked.reason)
        if masked.reason in UNTRUSTED:
            self._untrusted[masked.source][masked.reason] += 1

    def _leak(
        self, source: Source, leak: Leak | LimitedRecord, lines_before: int, inherited: int | None
    ) -> None:
        if lines_before and leak.line is not None:
            line = leak.line + lines_before
            _, mark, part = leak.id.partition("#")
            leak = msgspec.structs.replace(leak, line=line, id=f"{line}{mark}{part}")
            if leak.also:
                also = tuple([each + lines_before for each in leak.also])
                leak = msgspec.structs.replace(leak, also=also)
        if leak.time == UNKNOWN_TIME:
            known = self._untimed(source, inherited)
            if known.time is None:
                self._timeless.append(leak)
                return
            leak = _at_time(leak, known.time, known.origin)
        self._timed(leak)

    def _untimed(self, source: Source, inherited: int | None) -> LogTime:
        """The time of a record that states none and has none before it in its range."""
        if inherited is not None:
            return LogTime(inherited, EARLIER_RECORD)
        if source.modified is not None and source.modified <= self._plan.now + MAX_FUTURE:
            return LogTime(source.modified, FILE)
        return LogTime(self._latest_event, LATEST)

    def _timed(self, leak: Leak | LimitedRecord) -> None:
        """A leak with its time goes to the ledger, unless allowed: what is registered was known when it was found."""
        if isinstance(leak, LimitedRecord):
            fresh = {(leak.source, name) for name in leak.ids} - self._limited_seen
            if fresh:
                self._limited_seen |= fresh
                self._limited[leak.source] += leak.records + len(fresh) - 1
            self._history.show(leak)
            return
        leak = self._held_against_clock(leak)
        if leak.allowed and leak.pattern is not None:
            self._allowed[leak.pattern] += 1
        else:
            self._history.show(leak)

    def _held_against_clock(self, leak: Leak) -> Leak:
        """The leak: no longer allowed by an entry that has expired, where nothing but a file gives its time."""
        until = leak.allowed_until
        if until is None or leak.time_origin not in TIMELESS or self._plan.clock <= until:
            return leak
        return msgspec.structs.replace(leak, allowed_until=None)

    def settle(self) -> None:
        """Where no event was read at all, a record without a time has the latest of any log, else that of the clock."""
        time, origin = (self._plan.time_of_undated, CLOCK) if self._latest is None else (self._latest, LATEST)
        for leak in self._timeless:
            self._timed(_at_time(leak, time, origin))
        self._timeless.clear()

    def summary(self, findings: Sequence[Finding], concluded: Concluded) -> Summary:
        """The numbers, without durations.

        The findings are those of the history, with the names that they are written by.
        """
        counts = verdicts(findings, concluded.commands)
        events = {kind: distinct.count() for kind, distinct in self._seen.items()}
        if self._unknown:
            events[UNKNOWN_TYPE] = self._unknown
        not_believed = self._first.not_believed(
            lambda index: self._plan.sources[index].name, self._suspects, self._plan.text_line
        )
        return Summary(
            read=self._read.of_sources(self._plan.sources),
            events=events,
            idle=self._idle,
            findings_by_rule=counts.by_rule,
            findings_by_severity=counts.by_severity,
            accepted=counts.accepted,
            allowed=self._allowed,
            limited=self._limited,
            plain=counts.plain,
            escalated=counts.escalated,
            dead_letters=self.letters.counts,
            unread=self._unread,
            untrusted=self._untrusted,
            unresolved=concluded.unresolved,
            conflicts=concluded.conflicts,
            not_believed=not_believed,
            warnings=(
                *(each.warning for each in not_believed),
                *map(self._masker.text, self._plan.warnings),
            ),
            masked_revocations=self._masker.revocations,
            coverage=concluded.coverage,
        )


def _at_time(found: Leak | LimitedRecord, time: int, origin: str | None) -> Leak | LimitedRecord:
    if isinstance(found, Leak):
        return msgspec.structs.replace(found, time=time, time_origin=origin)
    return msgspec.structs.replace(found, time=time)


class _Read:
    """Records and bytes by source and format, 18 bytes and more for each source. They come source by source."""

    def __init__(self) -> None:
        self._formats: list[str] = []
        self._columns = array("q"), array("h"), array("q"), array("q")
        self._at: dict[int, int] = {}  # of the last source, where each format stands
        self._source = -1

    def add(self, source: int, format_name: str, records: int, size: int) -> None:
        if source != self._source:
            self._source = source
            self._at.clear()
        if format_name not in self._formats:
            self._formats.append(format_name)
        number = self._formats.index(format_name)
        row = self._at.setdefault(number, len(self._columns[0]))
        if row == len(self._columns[0]):
            for column, value in zip(self._columns, (source, number, 0, 0), strict=True):
                column.append(value)
        self._columns[2][row] += records
        self._columns[3][row] += size

    def of_sources(self, sources: Sequence[Source]) -> tuple[SourceRead, ...]:
        rows = zip(*self._columns, strict=True)
        found = (
            SourceRead(sources[source].name, self._formats[number], records, size)
            for source, number, records, size in rows
        )
        return tuple(sorted(found, key=lambda one: (one.source, one.format)))


class _Distinct:
    """Counts distinct 64-bit hashes. They wait on disk, by their last bits: of each part all are in memory once."""

    def __init__(self, in_memory: int = _HASHES) -> None:
        self._most = in_memory
        self._fresh: list[bytes] = []
        self._size = 0
        self._spool: Spool | None = None
        self._parts = defaultdict[int, list[tuple[int, int]]](list)

    def add(self, hashes: bytes) -> None:
        self._fresh.append(hashes)
        self._size += len(hashes)
        if self._size >= self._most:
            self._write()

    def count(self) -> int:
        if self._spool is None:
            return len(np.unique(np.frombuffer(b"".join(self._fresh), np.int64)))
        self._write()
        spool = self._spool
        parts = (
            b"".join(chain.from_iterable(spool.read(*one) for one in some)) for some in self._parts.values()
        )
        return sum(len(np.unique(np.frombuffer(part, np.int64))) for part in parts)

    def _write(self) -> None:
        """Writes those in memory, each once."""
        if self._spool is None:
            self._spool = Spool()
        fresh = np.unique(np.frombuffer(b"".join(self._fresh), np.int64))
        self._fresh, self._size = [], 0
        for part in range(_PARTS):
            self._parts[part].append(self._spool.append(fresh[fresh & (_PARTS - 1) == part].tobytes()))
