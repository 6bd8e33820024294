"""Finds leaks in log records, in clear or encoded, by patterns and by registered fingerprints.

batch ─┬─ as it is ──┬─▶ patterns, fingerprints ──▶ sightings ──▶ by record and secret ──▶ leaks
       └─ decoded ───┘
"""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np

from detector.configuration.allowlist import Allowlist
from detector.scan.decoding_shares import BatchStreams, DecodingShares
from detector.scan.finding_shares import FindingShares, Texts
from detector.scan.known_credentials import KnownIndex
from detector.scan.leak_details import Fingerprinter, LeakDetails, LeakDetailsCache, matched_secret
from detector.scan.mask_spans import Excerpts, MaskSpan, merged
from detector.scan.redactor import Redactor
from detector.scan.repeats import HeldSpans, Repeated, repeated_leaks
from detector.scan.scanner import PatternScanner
from detector.scan.shares import SECOND_LOOK, LimitedText, Share
from detector.scan.sightings import (
    KNOWN_CREDENTIAL,
    FirstSecrets,
    NoPatterns,
    Scanner,
    Sighting,
    SightingMasks,
    blanked,
    shown_bytes,
    sightings_in,
    told_apart,
    with_further,
)
from detector.values.events import Leak
from detector.values.findings import MOST_FINDINGS
from detector.values.secrets import DeploymentKey, KeyedHash, Secret, mask

UNKNOWN_TIME: Final = -(1 << 63)  # of a record without a time: the reader fills it in
_WARM_UP: Final = b"%41 \\n \x1b[0m"
_MORE: Final = 1.25  # times the secrets that are reported: some may be registered, or stand in others


class RecordAt(msgspec.Struct, frozen=True):
    """A record of a batch, data[start:end], and where it comes from.

    `time` is in nanoseconds, None if unknown; `time_origin` and `received` (ns) are as a `Leak` has them.
    """

    start: int
    end: int
    id: str
    time: int | None = None
    line: int | None = None
    offset: int | None = None
    partition: int | None = None
    task_id: str | None = None
    stream: str | None = None
    time_origin: str | None = None
    received: int | None = None


class Batch(msgspec.Struct, frozen=True):
    """Records of one source, joined by newlines. `locate` returns the record that holds a byte of `data`.

    `texts` says which records there are. Without it `data` is a part of one record, which counts where it first stands.
    """

    source: str
    data: bytes
    locate: Callable[[int], RecordAt]
    texts: Callable[[], Sequence[Texts]] = tuple


class Look(msgspec.Struct, frozen=True):
    """What a scan of a batch gave.

    One leak for each record and secret, the spans of all secrets in `data`, merged, and the text that was not examined
    whole, in order.
    """

    leaks: list[Leak]
    spans: list[MaskSpan]
    limited: list[LimitedText]


class _Reported(msgspec.Struct):
    """What is reported of a record: some sightings numbered from `first` to `last`, and until when each is allowed.

    If it is `bare`, of the text around them nothing is shown.
    """

    record: RecordAt
    first: int
    last: int
    sightings: list[Sighting] = []
    allowed: list[int | None] = []
    bare: bool = False


class LeakFinder:
    """Finds the leaks of batches. Build it before processes fork or threads start; then it only reads.

    Without a deployment key, leaks get fingerprints under `fallback`, by default a random key of this process.
    `id_key` names ids that hold a secret (`detector.stages.masking`), by default the oldest of `keys`, else `fallback`.
    `redactor` masks what the finder finds, `pattern_redactor` only what patterns find.
    `share` is how much decoding each line may ask for, `most_findings` is for `FindingShares`.
    A leak that `allowlist` covers is marked, not left out: a credential may claim it later.
    """

    def __init__(  # noqa: PLR0913 - what it finds with, each by its name
        self,
        scanner: Scanner,
        known: KnownIndex,
        keys: Sequence[DeploymentKey],
        fallback: DeploymentKey | None = None,
        allowlist: Allowlist | None = None,
        *,
        id_key: DeploymentKey | None = None,
        share: Share = SECOND_LOOK,
        most_findings: int = MOST_FINDINGS,
    ) -> None:
        fallback = fallback or DeploymentKey.of(os.urandom(32))
        self.redactor = Redactor(scanner, known)
        self.pattern_redactor = Redactor(scanner)
        self.id_key = KeyedHash(id_key or (keys[-1] if keys else fallback))
        self._scanner = scanner
        self._known = known
        self._share = share
        self.most_findings = most_findings
        self._allowlist = allowlist or Allowlist()
        self._fingerprinter = Fingerprinter(keys, fallback)
        sightings_in(
            _WARM_UP, scanner, known
        )  # compiles what is compiled, once for all processes forked later

    @property
    def known_version(self) -> int:
        """Changes whenever more credentials are looked for."""
        return self._known.version

    def find(self, batch: Batch) -> list[Leak]:
        """One leak for each secret that a record shows, in the order of the records.

        A secret over many lines is its first record's. What a registered credential's secret overlaps is not
        reported beside it, and a generic pattern not beside another.
        """
        return self.look(batch).leaks

    def look(
        self,
        batch: Batch,
        shares: FindingShares | None = None,
        decoding: DecodingShares | None = None,
        *,
        every_span: bool = False,
        together: bool = False,
    ) -> Look:
        """The same, with the spans of all secrets in `batch.data`, and what was not examined.

        A leak has only its first record. With `shares` a stream of records has no more leaks than its share of secrets
        that nobody registered. Text that no more can be reported of is not searched with the patterns, unless
        `every_span` is asked for, or a registered credential may be told by a pattern alone. With `decoding` a stream
        that goes on asking for too much has a narrow share.

        With `together` a leak may have the lines of further ones (`repeats`), whose spans are not given then.
        """
        look = self._look(batch, shares, decoding, every_span=every_span, together=together)
        if shares is not None:
            shares.count(batch.texts)
        return look

    def _sightings(
        self,
        batch: Batch,
        shares: FindingShares | None,
        decoding: DecodingShares | None,
        *,
        every_span: bool,
        held: HeldSpans | None,
    ) -> tuple[list[Sighting], list[LimitedText], int]:
        """All secrets found, and the text that was not examined whole.

        What only patterns see in text that is cut short is left out. Nor is there what only patterns see in lines
        behind the last number, where more secrets stand before than a stream has reported.
        """
        search = every_span or shares is None or self._known.needs_patterns
        spans = None if search or shares is None else shares.cut_short(batch.texts)
        scanner: Scanner = self._scanner if spans is None else NoPatterns()
        first: FirstSecrets | None = None
        most = 0 if search or self._allowlist or held is None else int(_MORE * self.most_findings)
        if most and isinstance(scanner, PatternScanner):
            scanner = first = FirstSecrets(scanner, batch.data, most)
        searched = (
            None if spans is None or shares is None else shares.used_up
        )  # of others, patterns would find more
        streams = None if decoding is None else BatchStreams(decoding, batch.texts, batch.locate, searched)
        records = partial(_bounds, batch)
        seen, limited = sightings_in(
            batch.data, scanner, self._known, self._share, streams, held, records=records
        )
        if decoding is not None:
            decoding.end()
        if spans is not None and int((spans[:, 1] - spans[:, 0]).sum()) + len(spans) < len(batch.data):
            left = blanked(batch.data, spans)
            others, _ = sightings_in(left, self._scanner, self._known, self._share, streams, records=records)
            seen += [one for one in others if one.pattern is not None]
            seen.sort(key=lambda one: (one.start, one.end, one.preference))
        return seen, limited, len(batch.data) if first is None else first.end

    def _look(
        self,
        batch: Batch,
        shares: FindingShares | None,
        decoding: DecodingShares | None,
        *,
        every_span: bool,
        together: bool,
    ) -> Look:
        details = LeakDetailsCache(self._fingerprinter, self._known)
        held = self._holding(batch, shares, details) if together and shares is not None else None
        seen, limited, end = self._sightings(batch, shares, decoding, every_span=every_span, held=held)
        if not seen:
            return Look([], [], limited)
        if any(one.within for one in seen):
            seen.sort(key=lambda one: one.begins)
        lines: dict[int, tuple[int, ...]] = {}
        if held is not None and shares is not None:
            by_place, free = held.settled([one.begins for one in seen])
            seen += [Sighting(start, end, Secret(batch.data[start:end]), None) for start, end in free]
            telling = [one for one in seen if one.begins in by_place]
            seen = _in_order([one for one in seen if one.begins not in by_place]) if telling or free else seen
            seen, lines = _once(seen, self._repeated(batch, seen, shares, details))
            lines |= {id(one): by_place[one.begins] for one in telling}
            seen = _in_order([*seen, *telling]) if telling else seen
        found = self._told(batch, seen, shares, details, end, together=together)
        masked = [
            one
            for told in found
            for one in seen[told.first : told.last]
            if every_span or not told.bare or _reaches_beyond(one, told.record)
        ]
        mask_spans = dict(
            zip(map(id, masked), map(SightingMasks(masked, details.is_known).of, masked), strict=True)
        )
        spans = merged(mask_spans.values())
        excerpts = Excerpts(batch.data, spans)
        leaks: list[Leak] = []
        for told in found:
            if told.bare:
                texts: Iterable[str] = [_mask_alone(one, details) for one in told.sightings]
            elif told.sightings:
                sightings = seen[told.first : told.last]
                shown = shown_bytes(batch.data, sightings, [mask_spans[id(one)] for one in sightings])
                places = [one.begins for one in told.sightings]
                texts = excerpts.around(places, (told.record.start, told.record.end), shown)
            else:
                continue
            for one, until, excerpt in zip(told.sightings, told.allowed, texts, strict=True):
                leak = _leak(batch.source, told.record, one, details.of(one), excerpt, until)
                also = lines.get(id(one))
                leaks.append(leak if also is None else msgspec.structs.replace(leak, also=also))
        return Look(leaks, spans, limited)

    def _told(  # noqa: PLR0913 - what is told, and by what
        self,
        batch: Batch,
        seen: list[Sighting],
        shares: FindingShares | None,
        details: LeakDetailsCache,
        end: int,
        *,
        together: bool,
    ) -> list[_Reported]:
        """What is reported of each record.

        Patterns searched the lines up to `end`; `seen` gets what they see in others.
        """
        found: list[_Reported] = []
        last = 0
        while last < len(seen) or end < len(batch.data):
            first = last
            if first < len(seen):
                record, last = _next_record(seen, first, batch.locate)
            else:
                record = batch.locate(end)
            told = _Reported(record, first, last)
            if shares is not None and shares.used_up(record):
                if first == len(seen):
                    break
                if together and not self._known.needs_patterns and shares.same(batch.texts):
                    # So are all records behind it; of a file nobody asks which text of theirs is to be masked.
                    seen[first:] = [one for one in seen[first:] if one.pattern is None]
                    end, last, together = len(batch.data), first, False
                    continue
                told.bare = True
                self._tell_known(told, seen[first:last], details)
            elif end < len(batch.data) and (first == len(seen) or record.end > end):
                # Some of the secrets before are registered, or stand in others: fewer count than were found.
                seen[first:] = with_further(seen[first:], batch.data, self._scanner, record.start)
                end, last = len(batch.data), first
                continue
            else:
                self._tell(batch, told, seen[first:last], shares, details)
            found.append(told)
        return found

    def _holding(self, batch: Batch, shares: FindingShares, details: LeakDetailsCache) -> HeldSpans:
        """Holds back registered secrets that the stream has shown so often that their lines are enough."""

        def shown(start: int, end: int) -> int:
            one = Sighting(start, end, Secret(batch.data[start:end]), None)
            return shares.more_shown(batch.locate(start), details.of(one).fingerprint)

        return HeldSpans(batch.texts, shares.window, shown)

    def _repeated(
        self, batch: Batch, seen: Sequence[Sighting], shares: FindingShares, details: LeakDetailsCache
    ) -> list[Repeated]:
        """The sightings that say no more than others. Their places are spent."""

        def shown(one: Sighting, different: int) -> tuple[int, int]:
            record, what = batch.locate(one.begins), details.of(one)
            if what.known:
                most = len(seen)
            elif self._allowlist:  # it may ask for the line
                most = 0
            else:
                most = shares.surely_admitted(record, different)
            return shares.more_shown(record, what.fingerprint, different), most

        found = list(repeated_leaks(seen, batch.texts(), shares.window, shown))
        for each in found:
            first = seen[each.first]
            if not details.of(first).known:
                shares.spend(batch.locate(first.begins), len(each.others))
        return found

    def _tell(
        self,
        batch: Batch,
        told: _Reported,
        sightings: Sequence[Sighting],
        shares: FindingShares | None,
        details: LeakDetailsCache,
    ) -> None:
        """Fills in what is reported of a record.

        The text around secrets that its stream shows very often is not shown.
        """
        often, admitted = shares is not None, False
        for one in told_apart(sightings, details.is_known):
            what = details.of(one)
            until = None if what.known else self._allowed_until(batch, one, what)
            exempt = what.known or until is not None
            if shares is None or exempt or shares.admit(told.record, what.fingerprint):
                told.sightings.append(one)
                told.allowed.append(until)
                often = shares is not None and shares.shown_often(told.record, what.fingerprint) and often
                admitted = admitted or not exempt
        told.bare = often and bool(told.sightings)
        if shares is not None and admitted:
            shares.spend(told.record, len(sightings))

    def _tell_known(self, told: _Reported, sightings: Sequence[Sighting], details: LeakDetailsCache) -> None:
        """Fills in the registered credentials in a record that is cut short.

        They are the same whether patterns searched the record or not.
        """
        if not self._known.needs_patterns:
            sightings = [one for one in sightings if one.pattern is None]
        told.sightings = [one for one in told_apart(sightings, details.is_known) if details.is_known(one)]
        told.allowed = [None] * len(told.sightings)

    def _allowed_until(self, batch: Batch, one: Sighting, what: LeakDetails) -> int | None:
        """The time until which a secret is allowed."""
        if not self._allowlist:
            return None
        return self._allowlist.until(matched_secret(batch.source, what.fingerprint, one, batch.data))


def _bounds(batch: Batch) -> tuple[Any, Any]:
    """Where the records of a batch begin and end, in order."""
    texts = batch.texts()
    if not texts:
        return np.array([0]), np.array([len(batch.data)])
    return np.concatenate([part.starts for part in texts]), np.concatenate([part.ends for part in texts])


def _once(
    seen: list[Sighting], repeats: Iterable[Repeated]
) -> tuple[list[Sighting], dict[int, tuple[int, ...]]]:
    """The sightings without those that say no more than another, and the lines of these by the `id` of that one."""
    lines: dict[int, tuple[int, ...]] = {}
    gone: set[int] = set()
    for each in repeats:
        lines[id(seen[each.first])] = each.lines
        gone.update(each.others)
    return [one for index, one in enumerate(seen) if index not in gone] if gone else seen, lines


def _in_order(seen: Iterable[Sighting]) -> list[Sighting]:
    return sorted(seen, key=lambda one: (one.begins, one.start, one.end, one.preference))


def _reaches_beyond(one: Sighting, record: RecordAt) -> bool:
    """Whether a sighting covers text of other records."""
    return one.start < record.start or one.end > record.end


def _mask_alone(one: Sighting, details: LeakDetailsCache) -> str:
    """The excerpt of a leak of whose text nothing is shown."""
    name = KNOWN_CREDENTIAL if one.pattern is None or details.is_known(one) else one.pattern.id
    return mask(name, len(one.secret))


def _leak(  # noqa: PLR0913, PLR0917 - what a leak is made of
    source: str, record: RecordAt, one: Sighting, what: LeakDetails, excerpt: str, until: int | None
) -> Leak:
    return Leak(
        time=UNKNOWN_TIME if record.time is None else record.time,
        source=source,
        id=record.id,
        identifiers=what.identifiers,
        fingerprint=what.fingerprint,
        pattern=None if one.pattern is None else one.pattern.id,
        severity=one.severity,
        excerpt=excerpt,
        encodings=one.encodings,
        line=record.line,
        offset=record.offset,
        partition=record.partition,
        task_id=record.task_id,
        stream=record.stream,
        allowed_until=until,
        received=record.received,
        time_origin=record.time_origin,
        name=None if one.named is None else one.named.name,
        confidence=None if one.named is None else int(one.named.confidence),
    )


def _next_record(
    seen: Sequence[Sighting], first: int, locate: Callable[[int], RecordAt]
) -> tuple[RecordAt, int]:
    """The record in which the `first` sighting begins, and the number of the one behind its last."""
    record = locate(seen[first].begins)
    after = first + 1
    while after < len(seen) and seen[after].begins < record.end:
        after += 1
    return record, after
