"""Secrets seen in a text, in clear or decoded, by patterns and by fingerprints; and which of them to report.

One secret is often seen more than once: by two patterns, or as it stands and decoded.
"""

import binascii
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, compress
from operator import ge
from typing import Any, Final, Protocol

import msgspec
import numpy as np

from detector.patterns.pattern import Pattern, finds_public_ids
from detector.scan.decode import DecodedPiece, DecodedText, pieces
from detector.scan.decoders import CHANGED, JOINED, SPACED, rare_forms
from detector.scan.known_credentials import KnownIndex
from detector.scan.known_forms import Disguise
from detector.scan.lines_apart import LINES_APART
from detector.scan.mask_spans import MaskSpan
from detector.scan.pattern_matcher import Named
from detector.scan.record_ceilings import RecordCeilings, Records
from detector.scan.scanner import Match, PatternScanner
from detector.scan.shares import MUCH, SECOND_LOOK, LimitedText, Limits, Share
from detector.values.events import Identifier
from detector.values.findings import severity_of
from detector.values.secrets import Secret

KNOWN_CREDENTIAL: Final = "known-credential"  # what a mask calls a secret that only its fingerprint tells
_LONG_MARK: Final = 4
_VERY_MUCH: Final = 4 << 20  # bytes that a piece decodes to, at which it is cut smaller if not before
_SMALL: Final = 8 << 10  # bytes of such a smaller piece
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")


class Scanner(Protocol):
    """What finds secrets by pattern: `detector.scan.scanner.PatternScanner`."""

    def scan(self, data: bytes, *, generic: bool = True) -> list[Match]:
        """The secrets in `data`, with or without those that only generic patterns find."""


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """A secret found in data[start:end] of a batch, by a pattern or (None) by its fingerprint alone.

    What is decoded from a run of digits comes from all of it, which may reach over lines of others. `begins` is where
    the secret itself does. `owners` are by what the credential is registered if `secret` is not its secret, but the
    rest of it.
    """

    start: int
    end: int
    secret: Secret
    pattern: Pattern | None
    encodings: tuple[str, ...] = ()
    within: int = 0
    owners: tuple[Identifier, ...] = ()
    named: Named | None = None

    @property
    def begins(self) -> int:
        """Where the secret itself begins."""
        return self.start + self.within

    @property
    def generic(self) -> bool:
        """Whether only a pattern saw it that every other one is better than."""
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


class NoPatterns:
    """A scanner without patterns: only registered credentials are found."""

    def scan(self, data: bytes, *, generic: bool = True) -> list[Match]:  # noqa: ARG002 - the protocol's signature
        """Finds nothing."""
        return []


class FirstSecrets:
    """A scanner of `data` and what it decodes to; of `data` only up to `end`, where more than `most` secrets stand."""

    def __init__(self, scanner: PatternScanner, data: bytes, most: int) -> None:
        self._scanner = scanner
        self._data = data
        self._most = most
        self.end = len(data)

    def scan(self, data: bytes, *, generic: bool = True) -> list[Match]:
        """The secrets in `data`, or in its first lines."""
        if data is not self._data:
            return self._scanner.scan(data, generic=generic)
        found, self.end = self._scanner.scan_first(data, self._most)
        return found


class Holding(Protocol):
    """What holds back spans of registered secrets: `detector.scan.repeats.HeldSpans`."""

    def hold(self, data: bytes, spans: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
        """Those that are not held back."""

    @property
    def spans(self) -> Any:
        """Those that are, as rows (start, end)."""


class Streams(Protocol):
    """The streams that a text is of, and what they may ask for: `detector.scan.decoding_shares.BatchStreams`."""

    def limits(self) -> Limits:
        """What they may no longer ask for."""

    def charge(self, piece: DecodedPiece, gave: Sequence[tuple[int, int]], end: int) -> bool:
        """Charges the streams with what lines before `end` asked for. Whether one may ask for less now.

        `gave` are the places of what was seen in rare forms, and the numbers of these.
        """


def sightings_in(  # noqa: PLR0913, PLR0917 - what is looked at, and how
    data: bytes,
    scanner: Scanner,
    known: KnownIndex | None,
    share: Share = SECOND_LOOK,
    streams: Streams | None = None,
    holding: Holding | None = None,
    *,
    records: Records | None = None,
) -> tuple[list[Sighting], list[LimitedText]]:
    """All secrets found in the data, in order, and the text that was not examined whole; without what is held back.

    The `records` have ceilings. Without them each line is one.
    """
    seen = _as_it_stands(data, scanner, known, holding=holding)
    ceilings = None if records is None else RecordCeilings(share, records)
    decoded, limited = _decoded(data, scanner, known, share, streams, _whole(seen, holding), ceilings)
    joined: list[Sighting] = []
    apart: list[Sighting] = []
    others: list[Sighting] = []
    for one in decoded:
        (apart if LINES_APART in one.encodings else joined if JOINED in one.encodings else others).append(one)
    if apart:
        others += _hidden(apart, others, seen)
    seen += others
    if joined:
        seen += _not_whole(joined, _whole(seen, holding))
    starts = [one.start for one in seen]
    if any(map(ge, starts, starts[1:])):
        seen.sort(key=lambda one: (one.start, one.end, one.preference))
    return seen, limited


def _decoded(  # noqa: PLR0913, PLR0917 - what is looked at, and how
    data: bytes,
    scanner: Scanner,
    known: KnownIndex | None,
    share: Share,
    streams: Streams | None,
    whole: "Spans",
    ceilings: RecordCeilings | None,
) -> tuple[list[Sighting], list[LimitedText]]:
    """What is seen in what the data decodes to, piece by piece, without words put together over `whole` secrets.

    Where a piece asks for very much, it is cut smaller, and the lines behind the one that asks for too much are
    looked at again. What is found is the same however text is cut into pieces.
    """
    seen: list[Sighting] = []
    limited: list[LimitedText] = []
    limits = None if streams is None else streams.limits()
    todo = list(pieces(data))[::-1]
    while todo:
        start, end = todo.pop()
        piece = DecodedPiece(data, start, end, share, limits if ceilings is None else ceilings.limits(limits))
        found: list[Sighting] = []
        divisible = (streams is not None or ceilings is not None) and end - start > _SMALL
        most = min(_VERY_MUCH, MUCH * (end - start))
        for view in piece.texts():
            if divisible and piece.asked > most:
                smaller = list(pieces(data, start, end, _SMALL))[::-1]
                if len(smaller) > 1:
                    todo += smaller
                    break
                divisible = False
            found += _seen_in(view, scanner, known, whole)
        else:
            if ceilings is not None and ceilings.charge(piece):
                todo.append((start, end))
                continue
            if streams is not None and streams.charge(piece, _given(found), end):
                limits = streams.limits()
                todo.append((start, end))
                continue
            seen += found
            limited += piece.limited
    return seen, limited


def _given(found: Sequence[Sighting]) -> list[tuple[int, int]]:
    """Where something was seen in rare forms, and in which."""
    return [(one.begins, form) for one in found for form in rare_forms(one.encodings)]


def _seen_in(
    view: DecodedText, scanner: Scanner, known: KnownIndex | None, whole: "Spans"
) -> Iterator[Sighting]:
    """What is seen in one decoded text."""

    def believed(starts: Any, ends: Any) -> Any:
        """By text, whether it is in one piece, and not put together where a whole secret stands."""
        origins = view.origins(starts, ends)
        joined = np.array([JOINED in names for names in origins.names], np.bool_)[origins.encodings]
        if not joined.any():
            return origins.whole
        return origins.whole & ~(joined & whole.overlapped(origins.starts, origins.ends))

    seen = _as_it_stands(view.data, scanner, known, believed, generic=not view.changed)
    if not seen:
        return
    starts, ends = np.array([(one.start, one.end) for one in seen], np.int64).T
    kept = believed(starts, ends)
    origins = view.origins(starts[kept], ends[kept])
    for one, start, end, begins, number in zip(
        compress(seen, kept.tolist()),
        origins.starts.tolist(),
        origins.ends.tolist(),
        origins.begins.tolist(),
        origins.encodings.tolist(),
        strict=True,
    ):
        encodings = origins.names[number]
        if one.pattern is not None and _by_chance(encodings) and not _unmistakable(one.pattern, one.secret):
            continue
        yield Sighting(
            start,
            end,
            one.secret,
            one.pattern,
            (*encodings, *one.encodings),
            begins - start,
            one.owners,
            one.named,
        )


def _as_it_stands(  # noqa: PLR0913 - what is looked at, and how
    data: bytes,
    scanner: Scanner,
    known: KnownIndex | None,
    believed: Callable[[Any, Any], Any] | None = None,
    *,
    generic: bool = True,
    holding: Holding | None = None,
) -> list[Sighting]:
    """What is seen undecoded: by patterns, in order, then by fingerprints, then registered secrets in other forms.

    What only a fingerprint tells and is not `believed` is left out, and so is what only `generic` patterns see, if
    nobody would believe them.
    """
    matches = _secrets(data, scanner, generic=generic)
    spans: Sequence[tuple[int, int]] = ()
    disguises: Sequence[Disguise] = ()
    if known is not None:
        spans, disguises = known.seen(data)
    if not (matches or spans or disguises):
        return []
    seen = [
        Sighting(m.start, m.end, m.secret, m.pattern, named=named)
        for m, named in zip(matches, _shown_names(matches, spans), strict=True)
    ]
    if spans and believed is not None:
        spans = list(compress(spans, believed(*np.array(spans, np.int64).T).tolist()))
    elif holding is not None:
        spans = holding.hold(data, spans)
    secrets: dict[bytes, Secret] = {}
    for start, end in spans:
        value = data[start:end]
        secret = secrets.get(value)
        if secret is None:
            secret = secrets[value] = Secret(value)
        seen.append(Sighting(start, end, secret, None))
    seen += [
        Sighting(one.start, one.end, Secret(one.value), None, (one.form,), 0, one.owners) for one in disguises
    ]
    return seen


def with_further(seen: Sequence[Sighting], data: bytes, scanner: Scanner, start: int) -> list[Sighting]:
    """The sightings, and what patterns see in data[start:] as it stands, which was not searched for them."""
    matches = _secrets(data, scanner, generic=True)
    spans = [(one.start, one.end) for one in seen if one.pattern is None and not one.encodings]
    further = [
        Sighting(match.start, match.end, match.secret, match.pattern, named=named)
        for match, named in zip(matches, _shown_names(matches, spans), strict=True)
        if match.start >= start
    ]
    joined = [one for one in seen if JOINED in one.encodings]
    left = _not_whole(joined, _whole(further)) if joined else joined
    every = [*(one for one in seen if JOINED not in one.encodings), *left, *further]
    return sorted(every, key=lambda one: (one.begins, one.start, one.end, one.preference))


def _secrets(data: bytes, scanner: Scanner, *, generic: bool) -> list[Match]:
    """The matches of patterns, without public identifiers: text that shows one is no leak."""
    return [match for match in scanner.scan(data, generic=generic) if not finds_public_ids(match.pattern)]


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


def _by_chance(encodings: tuple[str, ...]) -> bool:
    """Whether text in these encodings may be like a secret by chance: single letters, and tokens that were changed."""
    return SPACED in encodings or encodings[-1] in CHANGED


def _unmistakable(pattern: Pattern, secret: Secret) -> bool:
    """Whether a match in such text can be believed: it has a checksum or a long keyword."""
    text = secret.reveal().lower()
    marked = any(len(word) >= _LONG_MARK and word.encode() in text for word in pattern.keywords)
    return not pattern.generic and (pattern.proven or marked)


def _not_whole(joined: Sequence[Sighting], whole: "Spans") -> list[Sighting]:
    """Of what stands in words put together what can be believed: registered or proven, with nothing whole there."""
    return [one for one in joined if (one.pattern is None or one.pattern.proven) and not whole.overlap(one)]


def _hidden(
    apart: Sequence[Sighting], others: Sequence[Sighting], clear: Iterable[Sighting]
) -> list[Sighting]:
    """Of what is seen in lines apart what is not seen, nor is a part of what is seen, in all of the lines.

    A registered or proven secret is whole wherever it is seen, and so is what stands in a value that is one `clear`
    sighting, as in `Authorization: Basic …`.
    """
    values = {one.secret.reveal() for one in others}
    every, specific = Spans(others), Spans(one for one in others if not one.generic)
    whole = {(one.start, one.end) for one in clear}
    hidden: list[Sighting] = []
    for one in apart:
        certain = one.pattern is None or one.pattern.proven or (one.start, one.end) in whole
        if one.secret.reveal() in values and every.overlap(one):
            continue
        if certain or not (every if one.generic else specific).overlap(one):
            encodings = tuple(name for name in one.encodings if name != LINES_APART)
            hidden.append(msgspec.structs.replace(one, encodings=encodings))
    return hidden


def _whole(seen: Iterable[Sighting], holding: Holding | None = None) -> "Spans":
    """The secrets that are registered or proven, and what is held back."""
    return Spans((one for one in seen if one.pattern is None or one.pattern.proven), holding)


class SightingMasks:
    """Makes the mask spans of sightings. A mask has the name of the best pattern that found the secret."""

    def __init__(self, seen: Sequence[Sighting], is_known: Callable[[Sighting], bool]) -> None:
        self._is_known = is_known
        self._best: dict[bytes, Sighting] = {}
        for one in seen:
            if one.pattern is None:
                continue
            value = one.secret.reveal()
            best = self._best.setdefault(value, one)
            # Of one pattern the earlier is the better, if it is no more encoded.
            again = best.pattern is one.pattern and len(best.encodings) <= len(one.encodings)
            if not again and one.preference < best.preference:
                self._best[value] = one

    def of(self, one: Sighting) -> MaskSpan:
        """The mask span of one sighting. A registered credential's mask wins over those that it overlaps."""
        value = one.secret.reveal()
        best = self._best.get(value)
        name = KNOWN_CREDENTIAL if best is None or best.pattern is None else best.pattern.id
        weight = self._is_known(one), not one.generic, one.end - one.start
        return MaskSpan(one.start, one.end, name, len(value), weight)


def shown_bytes(
    data: bytes, seen: Iterable[Sighting], mask_spans: Iterable[MaskSpan]
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


def blanked(data: bytes, spans: Any) -> bytes:
    """The data with newlines in place of these spans."""
    edges = np.zeros(len(data) + 1, np.int8)
    np.add.at(edges, spans[:, 0], 1)
    np.subtract.at(edges, spans[:, 1], 1)
    gone = np.cumsum(edges[:-1], dtype=np.int8) > 0
    return np.where(gone, np.uint8(ord("\n")), np.frombuffer(data, np.uint8)).tobytes()


class Spans:
    """The places of some sightings, and of what is held back, to ask whether another overlaps one."""

    def __init__(self, sightings: Iterable[Sighting], holding: Holding | None = None) -> None:
        self._sightings = sightings
        self._holding = holding

    @cached_property
    def _bounds(self) -> tuple[Any, Any]:
        """Where they begin, in order, and of each the greatest end so far. Made when somebody asks, which is seldom."""
        sightings = [*self._sightings]
        starts = np.array([one.start for one in sightings], np.int64)
        ends = np.array([one.end for one in sightings], np.int64)
        if self._holding is not None:
            held = self._holding.spans
            starts, ends = np.concatenate([starts, held[:, 0]]), np.concatenate([ends, held[:, 1]])
        order = starts.argsort(kind="stable")
        return starts[order], np.maximum.accumulate(ends[order])

    def overlap(self, one: Sighting) -> bool:
        """Whether one of them overlaps `one`."""
        starts, ends = self._bounds
        before = int(starts.searchsorted(one.end))
        return before > 0 and bool(ends[before - 1] > one.start)

    def overlapped(self, starts: Any, ends: Any) -> Any:
        """By span, whether one of them overlaps it."""
        own_starts, own_ends = self._bounds
        if not own_starts.size:
            return np.zeros(len(starts), np.bool_)
        before = own_starts.searchsorted(ends)
        return (before > 0) & (own_ends[before - 1] > starts)


def told_apart(sightings: Sequence[Sighting], is_known: Callable[[Sighting], bool]) -> list[Sighting]:
    """One sighting for each secret to report for a record."""
    if len(sightings) == 1:
        return [*sightings]
    if not any(one.pattern is None or one.generic or one.encodings for one in sightings):
        # Seen by patterns alone, as the text stands, none overlaps another.
        return _firsts(sightings)
    known = Spans(one for one in sightings if is_known(one))
    specific = Spans(one for one in sightings if not one.generic)
    clear: dict[str, list[Sighting]] = {}
    for one in sightings:
        if one.pattern is not None and not one.encodings:
            clear.setdefault(one.pattern.id, []).append(one)
    in_clear = {pattern: Spans(found) for pattern, found in clear.items()}
    best: dict[Secret, Sighting] = {}
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


def _firsts(sightings: Iterable[Sighting]) -> list[Sighting]:
    """The first sighting of each secret."""
    first: dict[bytes, Sighting] = {}
    for one in sightings:
        first.setdefault(one.secret.reveal(), one)
    return list(first.values())
