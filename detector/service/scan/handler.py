"""The handler of the scan stage: sends what input records say to the aggregates it concerns.

records ─▶ `detector.stages.scan` ─┬─▶ events ─┬─▶ routes ─▶ work, registry
                                   ├─▶ leaks ──┘
                                   ├─▶ dead letters
                                   └─▶ spans of secrets ─▶ redacted topic

Scanning runs on the event loop, as routing does, unless it is likely to take long (`ScanTurns`).
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any, Final, Protocol

import msgspec

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.format_names import TEXT_FORMATS
from detector.ingest.trust.policy import InputTrust
from detector.judge.routing import InputProgress, Owners, encode, registry_key, without_terms
from detector.judge.watermark import AGAIN, BEGINNING, IDLE, source_name
from detector.kafka.handlers import Output, Partition, PassedOn, Refusal, ToWrite
from detector.records.dead_letters import TOO_LARGE, DeadLetter
from detector.records.record_columns import size_of
from detector.redact.unexamined import Handling
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.service.record_times import LONGEST, PollTimes, RecordTimes, output_timestamp
from detector.service.scan.dead_letter_records import dead_letter_output, refusal_letter
from detector.service.scan.redaction import Held, Redacted, Redaction, noted_offset, offset_note
from detector.service.scan.scan_marks import NoMarks
from detector.service.scan.suspects import Suspects
from detector.service.scan.trials import why_it_dies
from detector.service.scan.turns import ScanTurns
from detector.service.scan.work_records import PendingIssues, WorkRecords
from detector.stages.blinding import blinded
from detector.stages.masking import EventMasker
from detector.stages.scan import PartitionScanner, ScanFacts
from detector.values.events import AnyEvent, CanonicalEvent, CredentialIssued
from detector.values.stored_format import FORMAT_HEADERS
from detector.values.times import SECOND, SKEW

PATIENCE: Final = 5 * SECOND  # text waits no longer if no record comes
LONGEST_WAIT: Final = 6 * PATIENCE  # nor any longer if others come: a busy stage reads them late
LARGEST: Final = 256 << 10
ROOM: Final = 4  # events that a record may hold at most: two, and more beside them

ClassifierOf = Callable[[str], RecordClassifier]
TrustOf = Callable[[str], InputTrust | None]


class ScanTopics(msgspec.Struct, frozen=True):
    """The topics that the scan stage writes.

    Each of the `work_partitions` gets the progress of each input partition. `longest_backdating` is in ns,
    `largest` in bytes: an event may take so much.
    """

    work: str
    work_partitions: int
    registry: str
    dead_letters: str
    longest_backdating: int = LONGEST
    largest: int = LARGEST


class ScanSettings(msgspec.Struct, frozen=True):
    """What the scan stage reads and writes.

    - `delay` is the policy's watermark delay and `skew` its skew (ns).
    - `redacted` gives the topic to which an input's records are passed on without their leaks, None if they are not.
      `unexamined` says what becomes of those that could not be examined whole.
    - `classifier_of` gives what is recognised in a topic, `trust_of` what its events are held to.
    """

    topics: ScanTopics
    delay: int = 10 * SECOND
    skew: int = SKEW
    redacted: Callable[[str], str | None] = lambda _: None
    unexamined: Handling = "mask"
    classifier_of: ClassifierOf = lambda _: BUNDLED
    trust_of: TrustOf = lambda _: None


class Positions(Protocol):
    """What the handler asks about its inputs: the part of `detector.kafka.positions.GroupPositions` that it uses."""

    async def committed(self, partition: Partition) -> tuple[int, str]:
        """The offset that the stage has committed and the note beside it; 0 and "" if there is none."""

    async def records_before(self, partition: Partition, offset: int, since: int) -> Sequence[Any]:
        """The records shortly before `offset`, and all from `since` on."""


class NoPositions:
    """Positions in inputs of which nothing was read before."""

    async def committed(self, partition: Partition) -> tuple[int, str]:  # noqa: ARG002 - the protocol's signature
        """Nothing."""
        return 0, ""

    async def records_before(self, partition: Partition, offset: int, since: int) -> Sequence[Any]:  # noqa: ARG002 - as above
        """No records."""
        return ()


class ScannedPoll(msgspec.Struct, frozen=True):
    """One poll, for metrics. `seconds` is the time that reading and scanning took together.

    `limited` records asked for more than their share of decoding or findings, `limited_size` is the bytes of their
    text. `allowed` counts, by pattern, the leaks that the configuration allows. `leaks` leaves them out.
    `masked_revocations` counts the revocation handles that showed a secret. `misplaced` counts records that look like
    events in a log topic (`event`), and text in an event topic (`text`).
    """

    partition: Partition
    records: int
    size: int
    formats: dict[str, int]
    events: tuple[type[CanonicalEvent], ...]
    unknown: int
    leaks: int
    dead: tuple[str, ...]
    seconds: float
    allowed: dict[str, int] = {}
    masked_revocations: int = 0
    misplaced: dict[str, int] = {}
    limited: int = 0
    limited_size: int = 0


class _Scan(msgspec.Struct):
    """The facts of one poll, and the records that are passed on to the redacted topic."""

    facts: ScanFacts
    passed_on: list[PassedOn]


class _PartitionState:
    """What is known of one partition between polls.

    - `committed` and `noted` are the group's offsets when the partition was assigned: of the next record, and of the
      first that waits to be scanned or passed on, if one does.
    - `waiting_since` is since when (ns) text waits for later records, `quiet_since` since when no record has come.
    - `fresh` until the records before the first poll have been read again.
    - `latest` is how far the events came, as `ScanFacts` has it, and `came` when the last of them was read, or when the
      partition was assigned. `reported` is what the work topic got last, and `reported_at` when (ns).
    - `announced` once the work topic knows of the partition.
    - `pending` are the issues that wait for the commit.
    """

    def __init__(
        self,
        partition: Partition,
        scanner: PartitionScanner,
        redaction: Redaction | None,
        pending: PendingIssues,
        now: int,
    ) -> None:
        self.partition = partition
        self.scanner = scanner
        self.redaction = redaction
        self.committed = 0
        self.noted: int | None = None
        self.waiting_since = 0
        self.quiet_since = 0
        self.fresh = True
        self.latest: int | None = None
        self.came = now
        self.reported: int | None = None
        self.reported_at = 0
        self.announced = False
        self.pending = pending
        self.times = PollTimes()

    def progress(self, caught_up: int, delay: int) -> int:
        """How far it has come: its latest event less the delay, or, while none comes, how long all of it is read.

        All that was there at `caught_up` (ns) has been read.
        """
        if caught_up - self.came >= IDLE:
            return caught_up - delay
        return BEGINNING if self.latest is None else self.latest - delay

    def scan(
        self, finders: Finders, records: Sequence[Any], now: int, sent_until: int | None = None
    ) -> _Scan:
        """Scans records. Those before the offset `sent_until` were passed on before."""
        redaction = self.redaction
        facts = self.scanner.scan(records, finders.finder, now, with_clean=redaction is not None)
        if redaction is None:
            return _Scan(facts, [])
        redactor = finders.redactor(self.partition.topic, now)
        held = Held(self.scanner.oldest, self.scanner.held)
        redaction.take(records, facts, held, redactor, sent_until)
        return _Scan(facts, redaction.settle(facts, held, redactor, now))

    def flush(self, finders: Finders, now: int) -> _Scan:
        """Scans the text that waits."""
        facts = self.scanner.flush(finders.finder, with_clean=self.redaction is not None)
        if self.redaction is None:
            return _Scan(facts, [])
        redactor = finders.redactor(self.partition.topic, now)
        return _Scan(facts, self.redaction.settle(facts, Held(), redactor, now))


class ScanHandler:
    """Implements `detector.kafka.handlers.Handler`. `clock` gives ns.

    No record of a partition is scanned before `registry_is_read` returns: what its last holder registered is known
    then.

    When a partition moves, the text that waited is read again from the records before the committed offset. The note
    beside that is the first offset that waits: else nobody would read it again where no more records come.

    Records that a process was scanning when it died (`marks`), or that took long and were not committed, are scanned in
    a process of their own before (`why_it_dies`). If that dies, polls are halved until one record is left, and that is
    set aside.
    """

    def __init__(  # noqa: PLR0913 - what it works with, each by its name
        self,
        settings: ScanSettings,
        registered: RegisteredCredentials,
        threads: Executor,
        positions: Positions | None = None,
        *,
        clock: Callable[[], int] = time.time_ns,
        observe: Callable[[ScannedPoll | Redacted], None] = lambda _: None,
        registry_is_read: Callable[[], Awaitable[object]] | None = None,
        marks: NoMarks | None = None,
    ) -> None:
        self._settings = settings
        self._registry_is_read = registered.complete.wait if registry_is_read is None else registry_is_read
        self._topics = settings.topics
        self._registered = registered
        self._turns = ScanTurns(threads)
        self._positions = NoPositions() if positions is None else positions
        self._clock = clock
        self._observe = observe
        self._keys = tuple(key.material for key in registered.finders.keys)
        self._work = WorkRecords(settings.topics.work, registered, self._keys)
        self._partitions: dict[Partition, _PartitionState] = {}
        self._masker: EventMasker | None = None
        self._marks = NoMarks() if marks is None else marks
        self._suspects = Suspects(self._marks)

    async def assigned(self, partition: Partition) -> None:
        """Waits until the registry is known as it was when the partition came: no record is scanned before."""
        await self._registry_is_read()
        state = self._partitions[partition] = self._fresh(partition)
        self._suspects.assigned(partition)
        state.committed, note = await self._positions.committed(partition)
        state.noted = noted_offset(
            note, f"the offset of topic {partition.topic}, partition {partition.number},"
        )

    def _fresh(self, partition: Partition) -> _PartitionState:
        classifier, name = (
            self._settings.classifier_of(partition.topic),
            self._settings.redacted(partition.topic),
        )
        settings = self._settings
        trust = settings.trust_of(partition.topic)
        scanner = PartitionScanner(partition.topic, partition.number, classifier, trust, skew=settings.skew)
        redaction = None if name is None else Redaction(partition, name, classifier, settings.unexamined)
        pending = PendingIssues(self._registered.registry)
        return _PartitionState(partition, scanner, redaction, pending, self._clock())

    def _state(self, partition: Partition) -> _PartitionState:
        return self._partitions.get(partition) or self._partitions.setdefault(
            partition, self._fresh(partition)
        )

    async def process(self, partition: Partition, records: Sequence[Any]) -> list[ToWrite]:
        """Reads, scans and routes one poll."""
        state, now = self._state(partition), self._clock()
        first: list[ToWrite] = [*self._announce(partition, state)]
        if state.fresh:
            first += await self._reread(partition, state, records[0].offset, now)
        began = time.monotonic()
        waited = state.scanner.oldest
        finders = self._registered.finders
        scan = await self._scanned(state, finders, records, now)
        state.quiet_since = self._clock()
        if waited is None or state.scanner.oldest != waited:
            state.waiting_since = now
        seconds = time.monotonic() - began
        outputs = self._outputs(partition, state, scan.facts, state.times.read(records))
        latest = scan.facts.latest
        if latest is not None:
            state.latest = latest if state.latest is None else max(latest, state.latest)
            state.came = state.quiet_since
        self._observe(_scanned_poll(partition, records, scan.facts, seconds, state.scanner))
        return [*first, *outputs, *self._passed_on(state, scan.passed_on)]

    async def _scanned(
        self, state: _PartitionState, finders: Finders, records: Sequence[Any], now: int
    ) -> _Scan:
        """Scans a poll. One that a process may have died of, or that took long, is tried out before.

        Raises:
            TrialError, StopError: the process that tried it out has died.
        """
        partition, end = state.partition, records[-1].offset + 1
        with self._suspects.timed(partition, end):
            if not self._suspects.has(partition, records[0].offset):
                return await self._turns.scanned(
                    partition, size_of(records), self._marked, state, end, finders, records, now
                )
            death = await why_it_dies(partial(state.scan, finders, records, now))
            if death is not None:
                raise death.error(partition, records)
            return await self._turns.in_thread(self._marked, state, end, finders, records, now)

    def _marked(self, state: _PartitionState, end: int, *scanned: Any) -> _Scan:
        """Scans, which is on record as long as it runs, though nobody waits for it."""
        with self._marks.scanning("scan", state.partition, end):
            return state.scan(*scanned)

    async def _read_again(
        self, state: _PartitionState, earlier: Sequence[Any], now: int, since: int
    ) -> tuple[Sequence[Any], _Scan]:
        """Scans earlier records once more, without what was set aside. Of those that no scan outlives the last ones.

        Raises:
            StopError: memory is lacking.
        """
        finders, partition = self._registered.finders, state.partition
        earlier = self._suspects.without_aside(partition, earlier)
        while earlier and self._suspects.has(partition, earlier[0].offset):
            death = await why_it_dies(partial(state.scan, finders, earlier, now, since))
            if death is None:
                break
            if death.lacking:
                raise death.error(partition, earlier[-1:])
            earlier = earlier[len(earlier) // 2 + 1 :]
        end = earlier[-1].offset + 1 if earlier else 0
        return earlier, await self._turns.in_thread(self._marked, state, end, finders, earlier, now, since)

    async def _reread(
        self, partition: Partition, state: _PartitionState, offset: int, now: int
    ) -> list[ToWrite]:
        """Reads the records before an offset again: text that waited when the partition moved waits again."""
        since = offset if state.noted is None else state.noted
        earlier = await self._positions.records_before(partition, offset, since)
        earlier, scan = await self._read_again(state, earlier, now, since)
        state.fresh, state.waiting_since, state.quiet_since = False, now, self._clock()
        # What was passed on before was scanned before. The rest may have been: scanning it twice does no harm.
        leaks = [leak for leak in scan.facts.leaks if leak.offset is not None and leak.offset >= since]
        times = state.times.read(earlier) if earlier else state.times.earlier()
        limited, for_others, cut_short = (
            [each for each in some if each.offset is not None and each.offset >= since]
            for some in (scan.facts.limited, scan.facts.limited_for_others, scan.facts.cut_short)
        )
        facts = ScanFacts(leaks=leaks, limited=limited, limited_for_others=for_others, cut_short=cut_short)
        outputs = self._outputs(partition, state, facts, times)
        return [*outputs, *self._passed_on(state, scan.passed_on)]

    def _passed_on(self, state: _PartitionState, outputs: Sequence[ToWrite]) -> list[ToWrite]:
        """The records to pass on, and dead letters for those that cannot be. It reports both."""
        redaction = state.redaction
        if redaction is None:
            return list(outputs)
        letters, redaction.letters = redaction.letters, []
        fact = redaction.told()
        if fact.records or fact.unexamined:
            self._observe(fact)
        return [*outputs, *self._dead(letters)]

    def _dead(self, letters: Sequence[DeadLetter]) -> list[Output]:
        """Dead letters to write: the name of a topic may show a secret, as any source may."""
        masked = self._masking().masked(letters)
        return [dead_letter_output(self._topics.dead_letters, letter) for letter in masked]

    def _masking(self) -> EventMasker:
        """The masker with what is recognised now."""
        finder = self._registered.finders.finder
        if self._masker is None or self._masker.finder is not finder:
            self._masker = EventMasker(finder)
        return self._masker

    def note(self, partition: Partition) -> str:
        """The first offset that waits to be scanned or, where records are passed on, to be passed on."""
        state = self._partitions.get(partition)
        if state is None:
            return ""
        waits = state.scanner.oldest if state.redaction is None else state.redaction.unsent
        waits = state.noted if state.fresh else waits
        return "" if waits is None else offset_note(waits)

    async def tick(self, partition: Partition, now: int, *, caught_up: int = 0) -> list[ToWrite]:
        """Scans text that has waited long enough, and reports the progress of this partition to the work topic."""
        state = self._state(partition)
        outputs: list[ToWrite] = [*self._announce(partition, state)]
        if state.fresh and state.noted is not None:  # it may be long until a record comes
            outputs += await self._reread(partition, state, state.committed, now)
        given_up = now - state.quiet_since >= PATIENCE or now - state.waiting_since >= LONGEST_WAIT
        if state.scanner.oldest is not None and given_up:
            scan = await self._turns.in_thread(state.flush, self._registered.finders, now)
            outputs += self._outputs(partition, state, scan.facts, state.times.earlier())
            outputs += self._passed_on(state, scan.passed_on)
        news = state.latest != state.reported
        if state.announced and (news or now - state.reported_at >= AGAIN):
            state.reported, state.reported_at = state.latest, now
            outputs += self._progress(partition, state.progress(caught_up, self._settings.delay))
        return outputs

    def _announce(self, partition: Partition, state: _PartitionState) -> list[Output]:
        """Before anything else of a partition: that it is there. Else the watermark would not wait for it.

        A partition that carries no events has no part in the watermark.
        """
        if state.announced or not state.scanner.believes_events:
            return []
        state.announced, state.reported_at = True, self._clock()
        return self._progress(partition, BEGINNING)

    def _progress(self, partition: Partition, time: int) -> list[Output]:
        source = source_name(self._masking().id(partition.topic), partition.number)
        key, value = f"m:{source}".encode(), encode(InputProgress(source, time))
        return [
            Output(self._topics.work, key, value, FORMAT_HEADERS, partition=number)
            for number in range(self._topics.work_partitions)
        ]

    async def committed(self, partition: Partition, offset: int | None) -> None:
        """Registers what was issued at once here. Other instances learn of it from the registry topic."""
        if offset is not None:
            self._suspects.committed(partition, offset)
        state = self._partitions.get(partition)
        if state is not None and state.pending:
            await self._registered.register(state.pending.taken())

    async def refused(self, partition: Partition, refusal: Refusal) -> list[Output]:
        """A dead letter. A record that could not be scanned is not scanned again.

        Raises:
            StopError: a topic of ours takes less than the largest event needs.
        """
        topics, output = self._topics, refusal.output
        ours = topics.work, topics.registry, topics.dead_letters
        if output is not None and output.topic in ours and refusal.limit < ROOM * topics.largest:
            raise refusal.misfit()
        if refusal.reason == "record-failed" and refusal.offset is not None:
            self._marks.set_aside(partition, refusal.offset)
        return self._dead([refusal_letter(partition, refusal)])

    async def revoked(self, partition: Partition) -> None:
        """Forgets what waited and was not committed."""
        self._partitions.pop(partition, None)
        self._turns.forget(partition)

    def _too_large(self, partition: Partition, offset: int) -> Output:
        """A dead letter. Several events are written as evidence in one record, and they have to fit."""
        detail = f"an event may have at most {self._topics.largest} bytes"
        letter = DeadLetter(partition.topic, TOO_LARGE, detail, offset=offset, partition=partition.number)
        (output,) = self._dead([letter])
        return output

    def _outputs(
        self, partition: Partition, state: _PartitionState, facts: ScanFacts, times: RecordTimes
    ) -> list[Output]:
        outputs: list[Output] = []
        now, pending, largest = self._clock(), state.pending, self._topics.largest
        for offset, event in facts.events:
            routed = self._routed(event, offset, times, now, pending)
            if any(len(output.value or b"") > largest for output in routed):
                outputs.append(self._too_large(partition, offset))
                continue
            if type(event) is CredentialIssued:
                issue = blinded(without_terms(event), self._keys)
                pending.add(issue)
                outputs.append(
                    Output(self._topics.registry, registry_key(issue), encode(issue), FORMAT_HEADERS)
                )
            outputs += routed
        for leak in facts.leaks:
            outputs += self._routed(leak, leak.offset, times, now)
        # The look-back tells of the others: it sees that their lines ask for too much, and looks closer.
        again = self._registered.finders.looks_again
        limited = facts.limited_for_others if again else facts.limited
        for record in (*facts.cut_short, *limited):
            outputs += self._routed(record, record.offset, times, now)
        outputs += self._dead(facts.dead_letters)
        return outputs

    def _routed(
        self, event: AnyEvent, offset: int | None, times: RecordTimes, now: int, owners: Owners | None = None
    ) -> list[Output]:
        began = output_timestamp(times.of(offset), now, self._topics.longest_backdating)
        return self._work.of(event, offset, began, owners)


def _scanned_poll(
    partition: Partition, records: Sequence[Any], facts: ScanFacts, seconds: float, scanner: PartitionScanner
) -> ScannedPoll:
    allowed = Counter(leak.pattern for leak in facts.leaks if leak.allowed and leak.pattern is not None)
    return ScannedPoll(
        partition,
        len(records),
        size_of(records),
        facts.formats,
        tuple(type(event) for _, event in facts.events),
        facts.unknown,
        len(facts.leaks) - allowed.total(),
        tuple(letter.reason for letter in facts.dead_letters),
        seconds,
        allowed,
        facts.masked_revocations,
        _misplaced(facts, scanner),
        len(facts.limited) + facts.cut_short_records,
        sum(record.size for record in facts.limited) + facts.cut_short_size,
    )


def _misplaced(facts: ScanFacts, scanner: PartitionScanner) -> dict[str, int]:
    text = sum(facts.formats.get(name, 0) for name in TEXT_FORMATS) if scanner.believes_events else 0
    return {name: count for name, count in (("event", facts.suspects), ("text", text)) if count}
