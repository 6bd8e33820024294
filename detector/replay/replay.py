"""Replays sources: reads lifecycle events first, then uses and logs, so the order of files and lines does not matter.

1. All sources that may carry events are read, and those that do not are text (`detector.ingest.event_ranges`). A unit
   that has nothing but lifecycle events, such as one of a registry, is done.
2. The index of all registered credentials is built. The lifecycle events are masked with it and go to the ledger, which
   is then sealed. The processes of the second pass are forked after that, and share the index.
3. Logs are scanned and uses are judged, unit by unit. Results are applied in the order of the units, so they are the
   same for any number of processes.

The judging is `detector.judge.stage.judge_history`: the rules and the ledger of the service, with all tasks in one
ledger. The service has a ledger for each task and keeps its state between events.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
import numpy as np

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.sources import Source
from detector.ingest.trust.policy import NO_ENTRIES, InputTrust, TrustPolicy
from detector.ingest.units import UNIT, Unit, units
from detector.judge.join_coverage import join_coverage
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.stable_fingerprints import with_stable_fingerprints
from detector.judge.stage import judge_history
from detector.judge.terms import NEVER
from detector.outputs.dead_letter_spool import DeadLetterSpool
from detector.outputs.summary import UNKNOWN_TYPE, SourceRead, Summary, verdicts
from detector.records.dead_letters import UNTRUSTED, DeadLetter
from detector.records.log_times import CLOCK, EARLIER_RECORD, FILE, LATEST, TIMELESS, LogTime
from detector.replay.expiries import held_against_clock
from detector.replay.first_pass import FirstPass
from detector.replay.workers import FIRST, SECOND, Work, run
from detector.scan.known_credentials import HMAC, never_found
from detector.scan.leaks import UNKNOWN_TIME, LeakFinder
from detector.stages.first_uses import FirstUses
from detector.stages.masking import EventMasker
from detector.stages.ranges import RangeFacts
from detector.terminal.progress import Meter
from detector.values.events import (
    MAX_FUTURE,
    CredentialIssued,
    CredentialUsed,
    Identifier,
    Leak,
    Lifecycle,
    LimitedRecord,
)
from detector.values.findings import Command, Finding

SMALL: Final = 4 * 1024 * 1024  # bytes that are read faster than processes are forked
_NO_KEY: Final = "there is no deployment key"
_NAMED: Final = 1000  # files that are named where they were not understood
_TOGETHER: Final = 1 << 14  # lifecycle events that are masked at once

FinderOf = Callable[[Sequence[Identifier]], LeakFinder]


class Plan(msgspec.Struct, frozen=True):
    """What to replay and how. `now` is the wall clock and `until` the time judged up to (None: the latest read), ns.

    `finder_of` makes the leak finder for the registered identifiers; `keyed` says whether fingerprints are made
    under a deployment key, and so last. `letters` are the inputs that could not be opened.
    """

    sources: Sequence[Source]
    policy: Policy
    finder_of: FinderOf
    keyed: bool
    now: int
    until: int | None = None
    jobs: int = 1
    unit: int = UNIT
    letters: Sequence[DeadLetter] = ()
    warnings: tuple[str, ...] = ()
    classifier: RecordClassifier = BUNDLED
    trust: TrustPolicy = NO_ENTRIES

    @property
    def clock(self) -> int:
        """The time (ns) that expiries are held against where a record has none: the end that was asked for, or now."""
        return self.now if self.until is None else self.until


class Result(msgspec.Struct, frozen=True):
    """What a replay found. `until` is the time judged up to (ns), 0 if nothing that was read has one."""

    findings: list[Finding]
    commands: list[Command]
    letters: DeadLetterSpool
    summary: Summary
    until: int


def replay(plan: Plan, meter: Meter) -> Result:
    """Reads everything, what has more than lifecycle in it twice, and judges it.

    Raises:
        UsageError: a worker process was ended from outside.
    """
    clock = _Clock()
    todo = list(units(plan.sources, plan.unit))
    ledger = Ledger(plan.policy)
    first = read_lifecycle(plan, todo, meter)
    done = first.done
    clock.lap("lifecycle")
    identifiers = registered_identifiers(first.events)
    finder = plan.finder_of(identifiers)
    unfindable = Counter(why for each in identifiers if (why := never_found(each)) is not None)
    plan = msgspec.structs.replace(plan, warnings=(*plan.warnings, *map(_unfindable, unfindable.items())))
    if not plan.keyed:  # there is a warning about that already
        unfindable[_NO_KEY] += sum(each.scheme == HMAC and never_found(each) is None for each in identifiers)
        unfindable = +unfindable
    clock.lap("index")
    masker = EventMasker(finder)
    apply_lifecycle(first.events, masker, ledger, first.first_uses.uses(), plan.until)
    first.first_uses = FirstUses()
    clock.lap("lifecycle")
    sources = [msgspec.structs.replace(source, name=masker.path(source.name)) for source in plan.sources]
    second = _SecondPass(msgspec.structs.replace(plan, sources=sources), ledger, first, masker)
    work = second_work(plan, sources, finder, first, first.suspected())
    meter.stage("logs", sum(unit.end - unit.start for unit in todo))
    rest = [unit for unit in todo if unit not in done]
    results = run(SECOND, work, rest, jobs_for(plan, rest))
    for unit in todo:
        second.take(unit, done.pop(unit) if unit in done else next(results)[1])
        meter.advance(unit.end - unit.start)
    second.settle()
    clock.lap("logs")
    until = second.latest if plan.until is None else plan.until
    findings, commands = judge_history(ledger, until)
    findings = held_against_clock(findings, plan.policy, plan.clock)
    if not plan.keyed:
        findings = with_stable_fingerprints(findings)
    coverage = join_coverage(ledger.accounts(), until)
    clock.lap("judging")
    summary = second.summary(findings, commands)
    summary = msgspec.structs.replace(
        summary, durations=clock.laps, keyed=plan.keyed, unfindable=unfindable, coverage=coverage
    )
    return Result(findings, commands, second.letters, summary, until)


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name], self._last = self.laps.get(name, 0.0) + now - self._last, now


def trust_of_sources(plan: Plan) -> tuple[InputTrust | None, ...]:
    """What holds each source. The path tells, and not the name that outputs have."""
    return tuple(plan.trust.of_path(source.name, source.path) for source in plan.sources)


def jobs_for(plan: Plan, todo: Sequence[Unit]) -> int:
    """How many processes are worth it for these units."""
    size = sum(unit.end - unit.start for unit in todo)
    return 1 if len(todo) < 2 or size <= SMALL else min(plan.jobs, len(todo))  # noqa: PLR2004 - one unit, one process


def read_lifecycle(plan: Plan, todo: Sequence[Unit], meter: Meter) -> FirstPass:
    """The first pass over all units that may carry events.

    Raises:
        UsageError: a worker process was ended from outside.
    """
    first = FirstPass(plan.sources)
    wanted = [unit for unit in todo if first.wants(unit)]
    meter.stage("events", sum(unit.end - unit.start for unit in wanted))
    jobs = jobs_for(plan, wanted)
    work = Work(plan.sources, plan.now, None, plan.classifier, trust_of_sources(plan))
    for unit, found in run(FIRST, work, wanted, jobs):
        first.take(unit, found)
        meter.advance(unit.end - unit.start)
    first.settle()
    return first


def second_work(
    plan: Plan,
    sources: Sequence[Source],
    finder: LeakFinder,
    first: FirstPass,
    suspected: frozenset[int] = frozenset(),
) -> Work:
    """What the units of a second pass need: what was looked for first is known, and which sources are text."""
    return Work(
        sources,
        plan.now,
        finder,
        plan.classifier,
        trust_of_sources(plan),
        plan.classifier.logs_only(),
        first.text,
        suspected,
        plan.policy.skew,
    )


def registered_identifiers(events: Iterable[Lifecycle]) -> list[Identifier]:
    """All identifiers that are registered, each once."""
    issues = (event for event in events if isinstance(event, CredentialIssued))
    return list(dict.fromkeys(identifier for issue in issues for identifier in issue.identifiers))


def _unfindable(counted: tuple[str, int]) -> str:
    reason, count = counted
    return (
        f"{count:,} registered {'identifier' if count == 1 else 'identifiers'} that no scan can find: {reason}; "
        "a leak of the secret goes unseen. `curfewd fingerprint` prints identifiers that are found"
    )


def apply_lifecycle(
    events: deque[Lifecycle],
    masker: EventMasker,
    ledger: Ledger,
    first_uses: Sequence[CredentialUsed] = (),
    until: int | None = None,
) -> None:
    """Masks the events and gives them to the ledger. They are let go meanwhile: there may be millions.

    `until` is the time that is asked about, None if that is the latest of all.
    """
    while events:
        some = [events.popleft() for _ in range(min(_TOGETHER, len(events)))]
        for event in masker.masked(some):
            ledger.apply(event)
    ledger.seal_lifecycle(masker.masked(first_uses), NEVER if until is None else until)


class _SecondPass:
    """Puts the units' results together: lines count on from unit to unit, and so does the time inherited."""

    def __init__(self, plan: Plan, ledger: Ledger, first: FirstPass, masker: EventMasker) -> None:
        self._plan = plan
        self._ledger = ledger
        self._masker = masker
        self._first = first
        self._latest_event = first.latest
        self._latest = first.latest
        self._suspects: Counter[int] = Counter()
        self._lines: Counter[int] = Counter()
        self._inherited: dict[int, int | None] = {}
        self._timeless: list[Leak | LimitedRecord] = []
        self._limited: Counter[str] = Counter()
        self._limited_seen: set[tuple[str, str]] = set()
        self._records: Counter[tuple[str, str]] = Counter()
        self._bytes: Counter[tuple[str, str]] = Counter()
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
        before = self._lines[unit.source]
        inherited = self._inherited.get(unit.source)
        source = self._plan.sources[unit.source]
        for leak in result.leaks:
            self._leak(source, leak, before, inherited)
        for record in result.limited:
            self._leak(source, record, before, inherited)
        for use in result.uses:
            self._ledger.apply(use)
        name = self._plan.sources[unit.source].name
        for letter in result.dead_letters:
            self._dead(letter, name, before)
        for format_name, (records, size) in result.counts.items():
            self._records[name, format_name] += records
            self._bytes[name, format_name] += size
        for kind, hashes in result.seen.items():
            self._seen[kind].add(hashes)
        self._unknown += result.unknown
        self._idle.update(result.idle)
        self._suspects[unit.source] += result.suspects
        self._lines[unit.source] = before + result.lines
        if result.inherited is not None:
            self._inherited[unit.source] = result.inherited
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
        """A leak with its time goes to the ledger, unless it is allowed: what is registered was known when it was found."""
        if isinstance(leak, LimitedRecord):
            if (leak.source, leak.id) not in self._limited_seen:
                self._limited_seen.add((leak.source, leak.id))
                self._limited[leak.source] += leak.records
            self._ledger.apply(leak)
            return
        leak = self._held_against_clock(leak)
        if leak.allowed and leak.pattern is not None:
            self._allowed[leak.pattern] += 1
        else:
            self._ledger.apply(leak)

    def _held_against_clock(self, leak: Leak) -> Leak:
        """The leak: no longer allowed by an entry that has expired, where nothing but a file gives its time."""
        until = leak.allowed_until
        if until is None or leak.time_origin not in TIMELESS or self._plan.clock <= until:
            return leak
        return msgspec.structs.replace(leak, allowed_until=None)

    def settle(self) -> None:
        """Where no event was read at all, a record without a time has the latest of any log, else that of the clock."""
        time, origin = (self._plan.clock, CLOCK) if self._latest is None else (self._latest, LATEST)
        for leak in self._timeless:
            self._timed(_at_time(leak, time, origin))
        self._timeless.clear()

    def summary(self, findings: Sequence[Finding], commands: Sequence[Command]) -> Summary:
        """The numbers, without durations."""
        counts = verdicts(findings, commands)
        events = {kind: distinct.count() for kind, distinct in self._seen.items()}
        if self._unknown:
            events[UNKNOWN_TYPE] = self._unknown
        names = [source.name for source in self._plan.sources]
        not_believed = self._first.not_believed(names, self._suspects, self._plan.now, self._plan.classifier)
        return Summary(
            read=tuple(
                SourceRead(source, format_name, records, self._bytes[source, format_name])
                for (source, format_name), records in sorted(self._records.items())
            ),
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
            unresolved=self._ledger.unresolved,
            conflicts=len(self._ledger.conflicts),
            not_believed=not_believed,
            warnings=(
                *(each.warning for each in not_believed),
                *map(self._masker.text, self._plan.warnings),
            ),
            masked_revocations=self._masker.revocations,
        )


def _at_time(found: Leak | LimitedRecord, time: int, origin: str | None) -> Leak | LimitedRecord:
    if isinstance(found, Leak):
        return msgspec.structs.replace(found, time=time, time_origin=origin)
    return msgspec.structs.replace(found, time=time)


class _Distinct:
    """Counts distinct 64-bit hashes, 8 bytes each."""

    _BATCH: Final = 1 << 20

    def __init__(self) -> None:
        self._known = np.zeros(0, np.int64)
        self._fresh: list[bytes] = []
        self._size = 0

    def add(self, hashes: bytes) -> None:
        self._fresh.append(hashes)
        self._size += len(hashes)
        if self._size >= max(self._BATCH * 8, self._known.nbytes):  # as seldom as the known ones have doubled
            self._merge()

    def count(self) -> int:
        self._merge()
        return len(self._known)

    def _merge(self) -> None:
        fresh = np.frombuffer(b"".join(self._fresh), np.int64)
        self._known = np.union1d(self._known, fresh)
        self._fresh, self._size = [], 0
