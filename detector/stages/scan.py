"""The scan stage: a batch of records and the registered credentials go in, typed facts come out.

Example: two polls of a partition, in a service, in a job on a cluster or in a test.

    scanner = PartitionScanner("ci-logs", 0)
    facts = scanner.scan(records, finders.finder, now)
    for leak in facts.leaks:
        for key, fact in routes(leak, registry, keys):  # the key of an aggregate, and a fact for it
            ...
    facts = scanner.scan(more, finders.finder, now)
    facts = scanner.flush(finders.finder)  # no record has come for some seconds

The facts are plain values: encode them as you like. Nothing here reads a clock, writes, or knows Kafka's clients: a
record is anything with `topic`, `partition`, `offset`, `timestamp` (ms), `key`, `value` and `headers`. A scanner keeps
only the text that waits for later records, such as the first part of a split line. That need not be stored: scan the
records from `oldest` on again.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np

from detector.ingest.classify import BUNDLED, RecordClassifier
from detector.ingest.kafka import RecordAssembler, batch_of
from detector.ingest.kafka_records import Contents, count_suspects
from detector.ingest.positions import Segment, joined, spans_of
from detector.ingest.trust.policy import InputTrust
from detector.judge.routing import Owners, Routed, route
from detector.records.dead_letters import DeadLetter
from detector.records.record_columns import under_spans
from detector.records.timestamps import Ints
from detector.registry.finders import Finders
from detector.scan.decoding_shares import DecodingShares
from detector.scan.finding_shares import FindingShares, Unreported
from detector.scan.leaks import UNKNOWN_TIME, Batch, LeakFinder, Look
from detector.scan.redactor import Redactor
from detector.scan.repeats import repeatedly_limited
from detector.scan.shares import LimitedText
from detector.scan.sightings import KNOWN_CREDENTIAL
from detector.stages.blinding import blinded
from detector.stages.masking import EventMasker
from detector.values.events import AnyEvent, CanonicalEvent, Leak, LimitedRecord
from detector.values.findings import TOO_MANY_SECRETS
from detector.values.secrets import mask
from detector.values.times import SKEW

LeakIdentity: TypeAlias = tuple[str, str, str | None]


class ScanFacts(msgspec.Struct):
    """What a batch of records says. Positions are offsets.

    - `events` come with the position of their record. `unknown` counts events of a type that is not ours.
    - `leaks` has one leak for each record and secret. `secret_spans` has, for each place that shows a secret, the
      positions of the first and the last record that it covers.
    - `limited` has one `LimitedRecord` for each record that was not examined whole, `limited_spans` for each such text
      the positions of the first and the last record that it covers. `unfinished` are the positions of records that are
      part of a line, key or wrapped text that could not be put together. Whoever passes records on must not pass these
      on as clean.
    - `limited_for_others` are those of `limited` that other records are the cause of: who scans one of them again, or
      begins later, may not see that it was cut short.
    - `cut_short` has, for each stream that showed more secrets than its share, the first record of those that were cut
      short in its window, and how many there are so far; `cut_short_records` and `cut_short_size` (bytes) are by how
      much they grew.
    - `suspects` counts records that look like events where nothing is believed to be one.
    - `formats` counts records by format. `latest` (ns) is how far the events came, as `Contents` has it: text does not
      count, and no event counts as later than Kafka got it.
    - `textless` are the positions of records that hold an event and no log record, `clean` of those whose whole value
      was scanned and shows no secret. `clean` may be too small.
    - `masked_revocations` counts the revocation handles that showed a secret.

    No text in events, leaks and dead letters shows a secret (`detector.stages.masking`).
    """

    events: list[tuple[int, CanonicalEvent]] = []
    leaks: list[Leak] = []
    dead_letters: list[DeadLetter] = []
    secret_spans: list[tuple[int, int]] = []
    limited: list[LimitedRecord] = []
    limited_for_others: list[LimitedRecord] = []
    limited_spans: list[tuple[int, int]] = []
    cut_short: list[LimitedRecord] = []
    cut_short_records: int = 0
    cut_short_size: int = 0
    unfinished: set[int] = set()
    formats: dict[str, int] = {}
    suspects: int = 0
    unknown: int = 0
    latest: int | None = None
    textless: set[int] = set()
    clean: list[int] = []
    masked_revocations: int = 0


class LookbackFacts(msgspec.Struct):
    """What a second scan finds: `leaks`, and leaks that are to be `withdrawn`.

    The leaks are those of registered credentials and, where a record asked for more than the first share of decoding,
    all of that record. `limited` are the records that asked for more than the second share as well.

    Before a credential was known, or the whole record was examined, a pattern may have found a part of its secret, or
    more than it. Once it is known, the credential's leak is the only one.
    """

    leaks: list[Leak] = []
    withdrawn: list[Leak] = []
    limited: list[LimitedRecord] = []


class PartitionScanner:
    """Scans the records of one partition in the order of their offsets.

    `classifier` says what is recognised in a record, `trust` which events the topic may carry, `skew` (ns) how far the
    clocks of two machines may differ. `believes_events` says whether anything is an event.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        classifier: RecordClassifier = BUNDLED,
        trust: InputTrust | None = None,
        *,
        skew: int = SKEW,
    ) -> None:
        self._topic = topic
        self._partition = partition
        self.believes_events = classifier.believes_events
        self._suspected = classifier.suspected
        self._assembler = RecordAssembler(classifier, trust, skew=skew)
        self._masker: EventMasker | None = None
        self._shares: FindingShares | None = None
        self._decoding = DecodingShares()  # of the first look
        self._decoding_again = DecodingShares()

    @property
    def oldest(self) -> int | None:
        """The position of the first record whose text waits for later records, None if none does."""
        return self._assembler.oldest

    @property
    def held(self) -> set[int]:
        """The positions of the records that are part of a line or key whose rest is waited for."""
        return self._assembler.held

    def scan(
        self, records: Sequence[Any], finder: LeakFinder, now: int, *, with_clean: bool = False
    ) -> ScanFacts:
        """The facts in these records, and in the text that waited for them. `now` (ns) is the wall clock.

        Only if `with_clean` is set, `clean` is filled.
        """
        contents = Contents()
        segments = self._assembler.read(records, now, contents)
        look = self._first_look(finder, segments, self._share(finder), every_span=with_clean)
        facts = self._seen(finder, segments, look)
        masker = self._masking(finder)
        before = masker.revocations
        offsets = [offset for offset, _ in contents.events]
        events = masker.masked([event for _, event in contents.events])
        facts.events = list(zip(offsets, events, strict=True))
        facts.masked_revocations = masker.revocations - before
        facts.dead_letters = masker.masked(contents.letters)
        facts.formats = contents.formats
        facts.suspects = 0 if self._suspected is None else count_suspects(records, now, self._suspected)
        facts.unknown = contents.unknown
        facts.latest = contents.latest
        facts.textless = contents.textless
        if with_clean:
            shown = (*facts.secret_spans, *facts.limited_spans)
            whole = _scanned_whole(records, segments, finder.redactor)
            facts.clean = whole[~under_spans(whole, shown)].tolist()
        return facts

    def flush(self, finder: LeakFinder, *, with_clean: bool = False) -> ScanFacts:
        """The facts in the text that waits, as far as it is there."""
        segments = self._assembler.flush()
        look = self._first_look(finder, segments, self._share(finder), every_span=with_clean)
        return self._seen(finder, segments, look)

    def _seen(self, finder: LeakFinder, segments: Sequence[Segment], look: Look) -> ScanFacts:
        """What was seen in texts, and what was not examined."""
        masker = self._masking(finder)
        cut_short = self._unreported()
        for_others = [text for text in look.limited if not text.alone]
        return ScanFacts(
            leaks=masker.masked(look.leaks),
            secret_spans=spans_of(segments, look.spans),
            limited=masker.masked(self._limited(segments, look.limited)),
            limited_for_others=masker.masked(self._limited(segments, for_others)),
            cut_short=masker.masked(unreported_records(self._topic, cut_short)),
            cut_short_records=sum(one.grew for one in cut_short),
            cut_short_size=sum(one.grew_size for one in cut_short),
            limited_spans=spans_of(segments, look.limited),
            unfinished=self._assembler.unfinished(),
        )

    def _share(self, finder: LeakFinder) -> FindingShares:
        """How many secrets that nobody registered each stream may still have reported."""
        if self._shares is None:
            self._shares = FindingShares(finder.most_findings)
        return self._shares

    def _unreported(self) -> list[Unreported]:
        return [] if self._shares is None else self._shares.unreported()

    def look_back(self, records: Sequence[Any], finders: Finders, now: int) -> LookbackFacts:
        """Scans again, for the registered credentials alone. Without records it takes the text that waits.

        Records that ask for more than the first share of decoding are scanned for all secrets, with the second share.
        The excerpts are as a full scan makes them: without the secrets that only patterns see.
        """
        segments = self._assembler.read(records, now, Contents()) if records else self._assembler.flush()
        look = self._first_look(finders.known_finder, segments)
        if not look.leaks and not look.limited:
            return LookbackFacts()
        facts = self._registered_late(look.leaks, finders, segments) if look.leaks else LookbackFacts()
        if look.limited and finders.looks_again:
            ids = {record.id for record in self._limited(segments, look.limited)}
            facts = self._second_look(ids, facts, finders, segments)
        masker = self._masking(finders.finder)
        return LookbackFacts(
            masker.masked(facts.leaks), masker.masked(facts.withdrawn), masker.masked(facts.limited)
        )

    def _registered_late(
        self, leaks: Sequence[Leak], finders: Finders, segments: Sequence[Segment]
    ) -> LookbackFacts:
        """Leaks of registered credentials as a full scan of their records tells them."""
        positions = {leak.offset for leak in leaks}
        texts = joined(
            [record for segment in segments for record in segment.records() if record.at in positions]
        )
        full = self._look(finders.finder, [texts]).leaks
        excerpts = {(leak.id, leak.fingerprint): leak.excerpt for leak in full}
        before = self._look(finders.pattern_finder, [texts]).leaks
        return LookbackFacts(
            [_with_excerpt(leak, excerpts.get((leak.id, leak.fingerprint))) for leak in leaks],
            [leak for leak in before if (leak.id, leak.fingerprint) not in excerpts],
        )

    def _second_look(
        self, ids: Collection[str], facts: LookbackFacts, finders: Finders, segments: Sequence[Segment]
    ) -> LookbackFacts:
        """All leaks of the records with these ids, which the first share was too small for, beside other `facts`."""
        self._decoding_again.begin()
        shares = self._share(finders.second_finder)
        look = self._look(finders.second_finder, segments, shares, self._decoding_again, every_span=True)
        found = {(leak.id, leak.fingerprint): leak for leak in look.leaks if leak.id in ids}
        # The scan stage may have known the credentials that are registered now, or not.
        before = [
            leak
            for finder in (finders.finder, finders.pattern_finder)
            for leak in self._look(finder, segments, None, self._decoding).leaks
            if leak.id in ids
        ]
        gone = {(leak.id, leak.fingerprint): leak for leak in (*facts.withdrawn, *before)}
        told = {(leak.id, leak.fingerprint) for leak in facts.leaks}
        return LookbackFacts(
            [*facts.leaks, *(leak for name, leak in found.items() if name not in told)],
            [leak for name, leak in gone.items() if name not in found and name not in told],
            [
                *self._limited(segments, look.limited),
                *(
                    one
                    for one in unreported_records(self._topic, self._unreported())
                    if one.id.partition("#")[0] in ids
                ),
            ],
        )

    def _masking(self, finder: LeakFinder) -> EventMasker:
        """The masker with this finder. It is kept: it remembers texts that show nothing."""
        if self._masker is None or self._masker.finder is not finder:
            self._masker = EventMasker(finder)
        return self._masker

    def _first_look(
        self,
        finder: LeakFinder,
        segments: Sequence[Segment],
        shares: FindingShares | None = None,
        *,
        every_span: bool = False,
    ) -> Look:
        """The look that is charged to the streams. Others at the same segments decode as much as it did."""
        self._decoding.begin()
        return self._look(finder, segments, shares, self._decoding, every_span=every_span)

    def _look(
        self,
        finder: LeakFinder,
        segments: Sequence[Segment],
        shares: FindingShares | None = None,
        decoding: DecodingShares | None = None,
        *,
        every_span: bool = False,
    ) -> Look:
        return _look(finder, self._topic, self._partition, segments, shares, decoding, every_span=every_span)

    def _limited(self, segments: Sequence[Segment], limited: Sequence[LimitedText]) -> list[LimitedRecord]:
        return limited_records(batch_of(self._topic, self._partition, segments), limited) if limited else []


def find_leaks(finder: LeakFinder, topic: str, partition: int, segments: Sequence[Segment]) -> list[Leak]:
    """The leaks in texts of one partition, one for each record and secret."""
    return _look(finder, topic, partition, segments).leaks


def limited_records(batch: Batch, limited: Sequence[LimitedText]) -> list[LimitedRecord]:
    """The records with text that was not examined whole, each once; those of a file that are alike together."""
    if not limited:
        return []
    found: dict[str, LimitedRecord] = {}
    also: dict[int, tuple[int, ...]] = {}
    told: set[int] = set()
    for repeated in repeatedly_limited(limited, batch.texts()):
        also[repeated.first] = repeated.lines
        told.update(repeated.others)
    for index, text in enumerate(limited):
        if index in told:
            continue
        record = batch.locate(text.start)
        found.setdefault(
            record.id,
            LimitedRecord(
                time=UNKNOWN_TIME if record.time is None else record.time,
                source=batch.source,
                id=record.id,
                reason=text.reason,
                size=record.end - record.start,
                line=record.line,
                offset=record.offset,
                partition=record.partition,
                task_id=record.task_id,
                stream=record.stream,
                also=also.get(index, ()),
            ),
        )
    return list(found.values())


def unreported_records(source: str, found: Iterable[Unreported]) -> list[LimitedRecord]:
    """What was cut short because its stream showed more secrets than its share: the first record, and how many."""
    return [
        LimitedRecord(
            time=UNKNOWN_TIME if one.first.time is None else one.first.time,
            source=source,
            id=f"{one.first.id}#{TOO_MANY_SECRETS}",
            reason=TOO_MANY_SECRETS,
            size=one.size,
            line=one.first.line,
            offset=one.first.offset,
            partition=one.first.partition,
            task_id=one.first.task_id,
            stream=one.first.stream,
            records=one.records,
        )
        for one in found
    ]


def identity_of(leak: Leak) -> LeakIdentity:
    """What makes two leaks of one source the same: their record, secret and pattern."""
    return leak.id, leak.fingerprint, leak.pattern


def routes(event: AnyEvent, registry: Owners, keys: Sequence[bytes]) -> list[Routed]:
    """The aggregates that an event or leak concerns, by key, and the fact for each.

    The facts may travel: under the deployment `keys`, no plain hash of a secret is in them.
    """
    return route(blinded(event, keys), registry)


def _look(  # noqa: PLR0913, PLR0917 - what is looked at, and how, each by its name
    finder: LeakFinder,
    topic: str,
    partition: int,
    segments: Sequence[Segment],
    shares: FindingShares | None = None,
    decoding: DecodingShares | None = None,
    *,
    every_span: bool = False,
) -> Look:
    """As `LeakFinder.look`, with one leak for each record and secret."""
    if not segments:
        return Look([], [], [])
    found: dict[LeakIdentity, Leak] = {}
    look = finder.look(batch_of(topic, partition, segments), shares, decoding, every_span=every_span)
    for leak in look.leaks:
        found.setdefault(identity_of(leak), leak)
    return Look(list(found.values()), look.spans, look.limited)


def _with_excerpt(leak: Leak, excerpt: str | None) -> Leak:
    """The leak with the excerpt of a full scan. Where that does not find it, the text around it may show more."""
    if excerpt is None:
        excerpt = mask(KNOWN_CREDENTIAL, leak.identifiers[0].length or 0)
    return msgspec.structs.replace(leak, excerpt=excerpt)


def _scanned_whole(records: Iterable[Any], segments: Iterable[Segment], redactor: Redactor) -> Ints:
    """The positions of the records in which all is the text of a segment, or shows no secret beside it."""
    made_of = any(segment.made_of for segment in segments)
    values = {record.offset: record.value for record in records if record.value} if made_of else {}
    whole: list[Ints] = [np.empty(0, np.int64)]
    framed: list[Ints] = []
    fields: set[str] = set()
    for segment in segments:
        if segment.as_read:
            whole.append(_positions(segment))
        elif segment.beside is not None:
            beside = segment.beside()
            fields.update(beside.fields)
            framed.append(np.delete(_positions(segment), beside.numbered))
        alike = [record.at for record in segment.made_of or () if values.get(record.at) == record.text]
        whole.append(np.array(alike, np.int64))
    spans, limited = redactor.look("\n".join(fields).encode("utf-8", "replace"))
    return np.unique(np.concatenate(whole if spans or limited else [*whole, *framed]))


def _positions(segment: Segment) -> Ints:
    """The positions of the records of a segment, by index."""
    if segment.at is not None:
        return np.asarray(segment.at, np.int64)
    return np.array([segment.record(index).at for index in range(len(segment.edges()) - 1)], np.int64)
