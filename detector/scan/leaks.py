"""Finds leaks in log records, in clear or encoded, by patterns and by registered fingerprints.

batch ─┬─ as it is ──┬─▶ patterns, fingerprints ──▶ sightings ──▶ by record and secret ──▶ leaks
       └─ decoded ───┘
"""

import binascii
import os
import re  # for masks alone: each is of bounded length
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, Protocol

import msgspec

from detector.configuration.allowlist import Allowlist, MatchedSecret
from detector.patterns.pattern import Pattern, finds_public_ids
from detector.scan.decode import Decoding
from detector.scan.decoders import SPACED
from detector.scan.known_credentials import KnownIndex
from detector.scan.leak_details import Fingerprinter, LeakDetails, LeakDetailsCache
from detector.scan.mask_spans import LEAST_LITERAL, Excerpts, MaskSpan, literals, merged, with_masks
from detector.scan.pattern_matcher import Named
from detector.scan.scanner import Match, line_around
from detector.scan.shares import SECOND_LOOK, LimitedText, Share
from detector.values.events import Identifier, Leak
from detector.values.findings import severity_of
from detector.values.secrets import DeploymentKey, KeyedHash, Secret

UNKNOWN_TIME: Final = -(1 << 63)  # of a record without a time: the reader fills it in
KNOWN_CREDENTIAL: Final = "known-credential"  # what a mask calls a secret that only its fingerprint tells
UNEXAMINED: Final = "unexamined:decoding"  # what a mask calls a text that may hide a secret, as `redact` does
_WARM_UP: Final = b"%41 \\n \x1b[0m"
_CLEAN_TEXTS: Final = 1 << 16
_LONG_MARK: Final = 4
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
APART: Final = (
    b"\n\n--\n\n"  # between texts that are searched together: nothing that is encoded goes on over it
)
_MASK_BEGINS: Final = "‹".encode()
_MASK: Final = re.compile("‹[a-z0-9._:-]{1,100}?(:[0-9]{1,9}(?::[0-9a-f]{8})?›)".encode())
PASSES: Final = 8  # a mask can part two secrets that stood without a boundary between them


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
    """Records of one source, joined by newlines. `locate` returns the record that holds a byte of `data`."""

    source: str
    data: bytes
    locate: Callable[[int], RecordAt]


class Look(msgspec.Struct, frozen=True):
    """What a scan of a batch gave.

    One leak for each record and secret, the spans of all secrets in `data`, merged, and the text that was not examined
    whole, in order.
    """

    leaks: list[Leak]
    spans: list[MaskSpan]
    limited: list[LimitedText]


class Scanner(Protocol):
    """What finds secrets by pattern: `detector.scan.scanner.PatternScanner`."""

    def scan(self, data: bytes) -> list[Match]:
        """The secrets in `data`."""


class _Sighting(msgspec.Struct, frozen=True):
    """A secret found in data[start:end] of a batch, by a pattern or (None) by its fingerprint alone.

    What is decoded from a run of digits comes from all of it, which may reach over lines of others. `begins` is where
    the secret itself does. `owner` is by what the credential is registered if `secret` is not its secret, but the rest of it.
    """

    start: int
    end: int
    secret: Secret
    pattern: Pattern | None
    encodings: tuple[str, ...] = ()
    within: int = 0
    owner: Identifier | None = None
    named: Named | None = None

    @property
    def begins(self) -> int:
        return self.start + self.within

    @property
    def generic(self) -> bool:
        return self.pattern is not None and self.pattern.generic

    @property
    def severity(self) -> int | None:
        """The pattern's; of what only its name gave away, that of the confidence."""
        if self.named is not None:
            return int(severity_of(self.named.confidence))
        return None if self.pattern is None else int(self.pattern.severity)

    @property
    def preference(self) -> tuple[int, bool, bool, int]:
        """Smaller is better: least encoded, named by a pattern, one that is not generic, earliest."""
        pattern = self.pattern
        return len(self.encodings), pattern is None, pattern is not None and pattern.generic, self.start


def _sightings(
    data: bytes, scanner: Scanner, known: KnownIndex | None, share: Share = SECOND_LOOK
) -> tuple[list[_Sighting], list[LimitedText]]:
    """All secrets found in the data, in order, and the text that was not examined whole."""
    matches = _secrets(data, scanner)
    spans = known.find(data) if known is not None else []
    seen = [
        _Sighting(m.start, m.end, m.secret, m.pattern, named=named)
        for m, named in zip(matches, _shown_names(matches, spans), strict=True)
    ]
    alone = len(seen)  # in order, and none overlaps another
    seen += [_Sighting(start, end, Secret(data[start:end]), None) for start, end in spans]
    if known is not None:
        seen += [
            _Sighting(one.start, one.end, Secret(one.value), None, (one.form,), 0, one.owner)
            for one in known.disguised(data)
        ]
    decoding = Decoding(data, share)
    for view in decoding:
        matches = _secrets(view.data, scanner)
        spans = known.find(view.data) if known is not None else []
        found = [
            (m.start, m.end, m.secret, m.pattern, named)
            for m, named in zip(matches, _shown_names(matches, spans), strict=True)
        ]
        for start, end, secret, pattern, named in (
            *found,
            *((start, end, Secret(view.data[start:end]), None, None) for start, end in spans),
        ):
            place = view.origin(start, end)
            if place is not None and (
                pattern is None or SPACED not in place[1] or _unmistakable(pattern, secret)
            ):
                within = view.place(start) - place[0][0]
                seen.append(_Sighting(*place[0], secret, pattern, place[1], within, named=named))
        for one in known.disguised(view.data) if known is not None else ():
            place = view.origin(one.start, one.end)
            if place is not None:
                within = view.place(one.start) - place[0][0]
                encodings = *place[1], one.form
                seen.append(_Sighting(*place[0], Secret(one.value), None, encodings, within, one.owner))
    if len(seen) > alone:
        seen.sort(key=lambda one: (one.start, one.end, one.preference))
    return seen, decoding.limited


def _secrets(data: bytes, scanner: Scanner) -> list[Match]:
    """The matches of patterns, without public identifiers: text that shows one is no leak."""
    return [match for match in scanner.scan(data) if not finds_public_ids(match.pattern)]


def _shown_names(matches: Sequence[Match], spans: Iterable[tuple[int, int]]) -> list[Named | None]:
    """What gave each match away. A name that shows a part of another secret is left out."""
    if all(match.named is None for match in matches):
        return [None] * len(matches)
    others = sorted([*((match.start, match.end) for match in matches), *spans])
    starts = [start for start, _ in others]
    ends = list(accumulate((end for _, end in others), max))
    shown: list[Named | None] = []
    for match in matches:
        named = match.named
        if named is not None:
            before = bisect_left(starts, named.end)
            if before and ends[before - 1] > named.start:
                named = msgspec.structs.replace(named, name=None)
        shown.append(named)
    return shown


def _unmistakable(pattern: Pattern, secret: Secret) -> bool:
    """Whether a match in spaced-out text can be believed: it has a checksum or a long keyword. Single letters spell many things."""
    text = secret.reveal().lower()
    marked = any(len(word) >= _LONG_MARK and word.encode() in text for word in pattern.keywords)
    return not pattern.generic and (pattern.proven or marked)


class _MaskSpans:
    """Makes the mask spans of sightings. A mask has the name of the best pattern that found the secret."""

    def __init__(self, seen: Sequence[_Sighting], is_known: Callable[[_Sighting], bool]) -> None:
        self._is_known = is_known
        self._best: dict[bytes, _Sighting] = {}
        for one in seen:
            if one.pattern is None:
                continue
            value = one.secret.reveal()
            best = self._best.setdefault(value, one)
            # Of one pattern the earlier is the better, if it is no more encoded.
            again = best.pattern is one.pattern and len(best.encodings) <= len(one.encodings)
            if not again and one.preference < best.preference:
                self._best[value] = one

    def of(self, one: _Sighting) -> MaskSpan:
        """The mask span of one sighting. A registered credential's mask wins over those that it overlaps."""
        value = one.secret.reveal()
        best = self._best.get(value)
        name = KNOWN_CREDENTIAL if best is None or best.pattern is None else best.pattern.id
        weight = self._is_known(one), not one.generic, one.end - one.start
        return MaskSpan(one.start, one.end, name, len(value), weight)


def _shown(
    data: bytes, seen: Iterable[_Sighting], mask_spans: Iterable[MaskSpan]
) -> list[tuple[bytes, MaskSpan]]:
    """The bytes that would reveal a secret, each once, with its mask span.

    This includes the secret's base64 and hex, since runs too short for a decoder must not be shown either.
    """
    shown: dict[bytes, MaskSpan] = {}
    before: set[bytes] = set()
    for one, mask_span in zip(seen, mask_spans, strict=True):
        value = one.secret.reveal()
        shown.setdefault(data[one.start : one.end], mask_span)
        if value in before:
            continue
        before.add(value)
        standard = binascii.b2a_base64(value, newline=False).rstrip(b"=")
        shown.setdefault(value, mask_span)
        shown.setdefault(standard, mask_span)
        shown.setdefault(standard.translate(_TO_URL), mask_span)
        shown.setdefault(binascii.hexlify(value), mask_span)
    return list(shown.items())


class LeakFinder:
    """Finds the leaks of batches. Build it before processes fork or threads start; then it only reads.

    Without a deployment key, leaks get fingerprints under `fallback`, by default a random key of this process.
    `id_key` names ids that hold a secret (`detector.stages.masking`), by default the oldest of `keys`, else `fallback`.
    `redactor` masks what the finder finds, `pattern_redactor` only what patterns find.
    `share` is how much decoding each line may ask for.
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
    ) -> None:
        fallback = fallback or DeploymentKey.of(os.urandom(32))
        self.redactor = Redactor(scanner, known)
        self.pattern_redactor = Redactor(scanner)
        self.id_key = KeyedHash(id_key or (keys[-1] if keys else fallback))
        self._scanner = scanner
        self._known = known
        self._share = share
        self._allowlist = allowlist or Allowlist()
        self._fingerprinter = Fingerprinter(keys, fallback)
        _sightings(_WARM_UP, scanner, known)  # compiles what is compiled, once for all processes forked later

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

    def look(self, batch: Batch) -> Look:
        """The same, with the spans of all secrets in `batch.data` (a leak has only its first record), and what was not examined."""
        seen, limited = _sightings(batch.data, self._scanner, self._known, self._share)
        if not seen:
            return Look([], [], limited)
        if any(one.within for one in seen):
            seen.sort(key=lambda one: one.begins)
        details = LeakDetailsCache(self._fingerprinter, self._known)

        def is_known(one: _Sighting) -> bool:
            return details.of(one.secret, one.pattern, one.owner).known

        mask_spans = list(map(_MaskSpans(seen, is_known).of, seen))
        spans = merged(mask_spans)
        excerpts = Excerpts(batch.data, spans)
        leaks: list[Leak] = []
        for record, first, last in _by_record(seen, batch.locate):
            sightings = seen[first:last]
            shown = _shown(batch.data, sightings, mask_spans[first:last])
            told = _told_apart(sightings, is_known)
            texts = excerpts.around([one.begins for one in told], (record.start, record.end), shown)
            for one, excerpt in zip(told, texts, strict=True):
                what = details.of(one.secret, one.pattern, one.owner)
                leak = _leak(batch.source, record, one, what, excerpt)
                asked = self._allowlist and not what.known
                leaks.append(self._marked(leak, one, batch.data) if asked else leak)
        return Look(leaks, spans, limited)

    def _marked(self, leak: Leak, one: _Sighting, data: bytes) -> Leak:
        """The leak with the time until which it is allowed."""
        until = self._allowlist.until(_seen(leak.source, leak.fingerprint, one, data))
        return leak if until is None else msgspec.structs.replace(leak, allowed_until=until)


def _leak(source: str, record: RecordAt, one: _Sighting, what: LeakDetails, excerpt: str) -> Leak:
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
        received=record.received,
        time_origin=record.time_origin,
        name=None if one.named is None else one.named.name,
        confidence=None if one.named is None else int(one.named.confidence),
    )


def _seen(source: str, fingerprint: str, one: _Sighting, data: bytes) -> MatchedSecret:
    """A sighting in the form that an allowlist takes."""
    pattern = KNOWN_CREDENTIAL if one.pattern is None else one.pattern.id
    return MatchedSecret(
        source, pattern, fingerprint, one.secret, lambda: line_around(data, one.start, one.end)
    )


def _by_record(
    seen: Sequence[_Sighting], locate: Callable[[int], RecordAt]
) -> Iterator[tuple[RecordAt, int, int]]:
    """The records in which secrets begin, each with the numbers of its first sighting and of the one after its last."""
    first, last = 0, len(seen)
    while first < last:
        record = locate(seen[first].begins)
        after = first + 1
        while after < last and seen[after].begins < record.end:
            after += 1
        yield record, first, after
        first = after


class _Spans:
    """The places of some sightings, to ask whether another overlaps one."""

    def __init__(self, sightings: Iterable[_Sighting]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []  # the greatest so far
        for one in sorted(sightings, key=lambda one: one.start):
            self._starts.append(one.start)
            self._ends.append(max(one.end, self._ends[-1] if self._ends else 0))

    def overlap(self, one: _Sighting) -> bool:
        """Whether one of them overlaps `one`."""
        before = bisect_left(self._starts, one.end)
        return before > 0 and self._ends[before - 1] > one.start


def _told_apart(sightings: Sequence[_Sighting], is_known: Callable[[_Sighting], bool]) -> list[_Sighting]:
    """One sighting for each secret to report for a record."""
    if len(sightings) == 1:
        return [*sightings]
    if not any(one.pattern is None or one.generic or one.encodings for one in sightings):
        # Seen by patterns alone, as the text stands, none overlaps another.
        return _firsts(sightings)
    known = _Spans(one for one in sightings if is_known(one))
    specific = _Spans(one for one in sightings if not one.generic)
    clear: dict[str, list[_Sighting]] = {}
    for one in sightings:
        if one.pattern is not None and not one.encodings:
            clear.setdefault(one.pattern.id, []).append(one)
    in_clear = {pattern: _Spans(found) for pattern, found in clear.items()}
    best: dict[Secret, _Sighting] = {}
    for one in sorted(sightings, key=lambda one: one.preference):
        if one.secret in best:
            continue
        if one.pattern is not None and not is_known(one):
            if known.overlap(one) or (one.generic and specific.overlap(one)):
                continue
            # `hunter2\"` in clear is `hunter2"` unescaped: the same sighting of the same pattern, once.
            same = in_clear.get(one.pattern.id)
            if one.encodings and same is not None and same.overlap(one):
                continue
        best[one.secret] = one
    return sorted(best.values(), key=lambda one: (one.begins, one.start, one.end))


def _firsts(sightings: Iterable[_Sighting]) -> list[_Sighting]:
    """The first sighting of each secret."""
    first: dict[bytes, _Sighting] = {}
    for one in sightings:
        first.setdefault(one.secret.reveal(), one)
    return list(first.values())


class Allowing(msgspec.Struct, frozen=True):
    """What a redactor lets pass: the entries in force, for a text of this source; `keys` as a `LeakFinder` has them."""

    allowlist: Allowlist
    source: str
    keys: Sequence[DeploymentKey] = ()

    def covers(self, one: _Sighting, fingerprint: str, data: bytes) -> bool:
        """Whether an entry allows this sighting of a secret with that fingerprint (empty if there is no key)."""
        return self.allowlist.until(_seen(self.source, fingerprint, one, data)) is not None


def _unallowed(
    seen: list[_Sighting], allowing: Allowing, details: LeakDetailsCache, data: bytes
) -> list[_Sighting]:
    """The sightings to mask. Other sightings of an allowed secret (generic, or decoded once more) need no mask either."""
    what = {id(one): details.of(one.secret, one.pattern, one.owner) for one in seen}
    told = {id(one) for one in seen if one.pattern is None or what[id(one)].known}
    gone = [
        one for one in seen if id(one) not in told and allowing.covers(one, what[id(one)].fingerprint, data)
    ]
    left, spans = {id(one) for one in gone}, _Spans(gone)
    patterns = {one.pattern.id for one in gone if one.pattern is not None}

    def beside(one: _Sighting) -> bool:
        return (one.generic or (one.pattern is not None and one.pattern.id in patterns)) and spans.overlap(
            one
        )

    return [one for one in seen if id(one) in told or not (id(one) in left or beside(one))]


class Redactor:
    """Masks secrets in texts about to be written: those that patterns find and, if given, registered ones."""

    def __init__(
        self,
        scanner: Scanner,
        known: KnownIndex | None = None,
        allowing: Allowing | None = None,
        share: Share = SECOND_LOOK,
    ) -> None:
        self._scanner = scanner
        self._known = known
        self._allowing = allowing
        self._share = share
        self._clean: OrderedDict[tuple[int, int], None] = OrderedDict()

    def clean(self, text: str) -> str:
        """`text` with every secret in it, encoded ones too, replaced by its mask."""
        version = 0 if self._known is None else self._known.version
        key = hash(text), version  # 64 bits under a random key: no other text passes for this one
        if key in self._clean:
            return text
        masked = self.masked(text.encode("utf-8", "replace"))
        if masked is None:
            return KNOWN_CREDENTIAL  # nothing of it is shown
        done = masked.decode("utf-8", "replace")
        if done == text:
            self._clean[key] = None
            if len(self._clean) > _CLEAN_TEXTS:
                self._clean.popitem(last=False)
        return done

    def masked(
        self,
        data: bytes,
        least: int = LEAST_LITERAL,
        put: Callable[[bytes, Sequence[MaskSpan]], bytes] = with_masks,
    ) -> bytes | None:
        """`data` with every secret masked; None if masks keep revealing further secrets, as in text made to resist masking.

        `put` puts mask_spans into a text, `least` is as for `mask_spans`.
        """
        for _ in range(PASSES):
            mask_spans = self.mask_spans(data, least)
            if not mask_spans:
                return data
            data = put(data, mask_spans)
        return None

    def mask_spans(self, data: bytes, least: int = LEAST_LITERAL) -> list[MaskSpan]:
        """Where `data` shows secrets, and where the bytes of one of at least `least` stand once more; in order."""
        return self.look(data, least)[0]

    def look(self, data: bytes, least: int = LEAST_LITERAL) -> tuple[list[MaskSpan], list[LimitedText]]:
        """The same, and the text that was not examined whole."""
        seen, limited = self._seen(data)
        return _spans_in(data, (0, len(data)), seen, least) if seen else [], limited

    def mask_spans_of(self, texts: Sequence[bytes]) -> dict[int, list[MaskSpan]]:
        """The mask spans of each text that shows a secret, by its number. One pass searches all texts.

        No text changes what is found in another. A text that was not examined whole is masked whole. Public
        identifiers are no secrets.
        """
        data = APART.join(texts)
        seen, limited = self._seen(data)
        if not seen and not limited:
            return {}
        starts = list(accumulate((len(text) + len(APART) for text in texts), initial=0))

        def reached(start: int, end: int) -> range:
            return range(bisect_right(starts, start) - 1, min(bisect_left(starts, end), len(texts)))

        inside: dict[int, list[_Sighting]] = {}
        alone: set[int] = set()
        for one in seen:
            numbers = reached(one.start, one.end)
            first = numbers[0]
            if len(numbers) == 1 and one.end <= starts[first] + len(texts[first]):
                inside.setdefault(first, []).append(one)
            else:  # it reaches over several texts: no secret, and it may hide one
                alone.update(numbers)
        found: dict[int, list[MaskSpan]] = {}
        for number in sorted({*inside, *alone}):
            if number in alone:
                found[number] = self.mask_spans_of([texts[number]]).get(0, [])
            else:
                start = starts[number]
                found[number] = [
                    msgspec.structs.replace(span, start=span.start - start, end=span.end - start)
                    for span in _spans_in(data, (start, start + len(texts[number])), inside[number])
                ]
        for text in limited:
            for number in reached(text.start, text.end):
                if texts[number]:
                    found[number] = [_whole(texts[number])]
        return {number: spans for number, spans in found.items() if spans}

    def _seen(self, data: bytes) -> tuple[list[_Sighting], list[LimitedText]]:
        """The sightings to mask, and the text that was not examined whole.

        The digits of a mask are no secret, though a name with digits behind it looks like many a secret to a pattern.
        Anybody can write `‹SECRET:40›`, so what stands where a mask has its name is one, and so is a registered secret.
        """
        seen, limited = _sightings(data, self._scanner, self._known, self._share)
        if seen and _MASK_BEGINS in data:
            digits = [found.span(1) for found in _MASK.finditer(data)]
            starts = [start for start, _ in digits]
            seen = [one for one in seen if one.pattern is None or not _inside(one, digits, starts)]
        if seen and self._allowing is not None:
            known = KnownIndex() if self._known is None else self._known
            details = LeakDetailsCache(Fingerprinter(self._allowing.keys), known)
            seen = _unallowed(seen, self._allowing, details, data)
        return seen, limited


def _inside(one: _Sighting, spans: Sequence[tuple[int, int]], starts: Sequence[int]) -> bool:
    number = bisect_right(starts, one.start) - 1
    return number >= 0 and one.end <= spans[number][1]


def _whole(text: bytes) -> MaskSpan:
    return MaskSpan(0, len(text), UNEXAMINED, len(text), (True, True, len(text)))


def _spans_in(
    data: bytes, span: tuple[int, int], seen: Sequence[_Sighting], least: int = LEAST_LITERAL
) -> list[MaskSpan]:
    """The mask spans of sightings in data[span], and of their bytes where they stand there once more; in order."""
    mask_spans = list(map(_MaskSpans(seen, lambda one: one.pattern is None).of, seen))
    shown = _shown(data, seen, mask_spans)
    return merged((*mask_spans, *literals(data, span, shown, least)))
