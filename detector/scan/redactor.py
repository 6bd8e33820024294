"""Masks secrets in texts that are about to be written, in clear or encoded."""

import re  # for masks alone: each is of bounded length
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import accumulate
from typing import Final

import msgspec
import numpy as np

from detector.configuration.allowlist import Allowlist
from detector.scan.known_credentials import KnownIndex
from detector.scan.leak_details import Fingerprinter, LeakDetailsCache, matched_secret
from detector.scan.mask_spans import LEAST_LITERAL, MaskSpan, literals, merged, with_masks
from detector.scan.record_ceilings import Records
from detector.scan.shares import SECOND_LOOK, LimitedText, Share
from detector.scan.sightings import (
    KNOWN_CREDENTIAL,
    Scanner,
    Sighting,
    SightingMasks,
    Spans,
    shown_bytes,
    sightings_in,
)
from detector.values.secrets import DeploymentKey

UNEXAMINED: Final = "unexamined:decoding"  # what a mask calls a text that may hide a secret, as `redact` does
_CLEAN_TEXTS: Final = 1 << 16
APART: Final = (
    b"\n\n--\n\n"  # between texts that are searched together: nothing that is encoded goes on over it
)
_MASK_BEGINS: Final = "‹".encode()
_MASK: Final = re.compile("‹[a-z0-9._:-]{1,100}?(:[0-9]{1,9}(?::[0-9a-f]{8})?›)".encode())
PASSES: Final = 8  # a mask can part two secrets that stood without a boundary between them


class Allowing(msgspec.Struct, frozen=True):
    """What a redactor lets pass: the entries in force, for a text of this source; `keys` as a `LeakFinder` has them."""

    allowlist: Allowlist
    source: str
    keys: Sequence[DeploymentKey] = ()

    def covers(self, one: Sighting, fingerprint: str, data: bytes) -> bool:
        """Whether an entry allows this sighting of a secret with that fingerprint (empty if there is no key)."""
        return self.allowlist.until(matched_secret(self.source, fingerprint, one, data)) is not None


def _unallowed(
    seen: list[Sighting], allowing: Allowing, details: LeakDetailsCache, data: bytes
) -> list[Sighting]:
    """The sightings to mask.

    Other sightings of an allowed secret (generic, or decoded once more) need no mask either.
    """
    what = {id(one): details.of(one) for one in seen}
    told = {id(one) for one in seen if one.pattern is None or what[id(one)].known}
    gone = [
        one for one in seen if id(one) not in told and allowing.covers(one, what[id(one)].fingerprint, data)
    ]
    left, spans = {id(one) for one in gone}, Spans(gone)
    patterns = {one.pattern.id for one in gone if one.pattern is not None}

    def beside(one: Sighting) -> bool:
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
        # Texts that show nothing of what is registered by a version.
        self._clean: tuple[int, set[int]] = 0, set()

    def clean(self, text: str) -> str:
        """`text` with every secret in it, encoded ones too, replaced by its mask.

        A text that was not examined whole is masked whole.
        """
        _, seen = self._memory()
        if hash(text) in seen:
            return text
        data = text.encode("utf-8", "replace")
        spans, limited = self.look(data)
        if limited:
            return with_masks(data, [_whole(data)]).decode()
        if not spans:
            shown = data.decode("utf-8", "replace")
            if shown == text:
                _remember(seen, (text,))
            return shown
        masked = self.masked(with_masks(data, spans))
        return (
            KNOWN_CREDENTIAL if masked is None else masked.decode("utf-8", "replace")
        )  # or nothing of it is shown

    def cleaned(self, texts: Collection[str]) -> dict[str, str]:
        """What becomes of those texts that show a secret. One pass searches all that were not seen before."""
        _, seen = self._memory()
        fresh = [text for text in texts if hash(text) not in seen]
        if not fresh:
            return {}
        showing = self.mask_spans_of([text.encode("utf-8", "replace") for text in fresh])
        _remember(seen, (text for number, text in enumerate(fresh) if number not in showing))
        return {fresh[number]: self.clean(fresh[number]) for number in showing}

    def remember(self, texts: Iterable[str], version: int) -> None:
        """Texts that show nothing, by a search that began with this version of what is registered."""
        now, seen = self._memory()
        if now == version:
            _remember(seen, texts)

    def _memory(self) -> tuple[int, set[int]]:
        """The version of what is registered now, and the texts that show nothing of it."""
        version = 0 if self._known is None else self._known.version
        if self._clean[0] != version:
            self._clean = version, set()
        return self._clean

    def masked(
        self,
        data: bytes,
        least: int = LEAST_LITERAL,
        put: Callable[[bytes, Sequence[MaskSpan]], bytes] = with_masks,
    ) -> bytes | None:
        """`data` with all secrets masked; None if masks keep revealing further ones, as in text made to resist masking.

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

    def look(
        self, data: bytes, least: int = LEAST_LITERAL, searched: int | None = None
    ) -> tuple[list[MaskSpan], list[LimitedText]]:
        """The same, and the text that was not examined whole.

        Only data[:searched] is searched: whoever searched the rest has to know where the bytes found here stand there.
        """
        seen, limited = self._seen(data[:searched])
        return _spans_in(data, (0, len(data)), seen, least) if seen else [], limited

    def mask_spans_of(self, texts: Sequence[bytes]) -> dict[int, list[MaskSpan]]:
        """The mask spans of each text that shows a secret, by its number. One pass searches all texts.

        No text changes what is found in another. A text that was not examined whole is masked whole. Public
        identifiers are no secrets.
        """
        data = APART.join(texts)
        starts = list(accumulate((len(text) + len(APART) for text in texts), initial=0))
        seen, limited = self._seen(data, lambda: (np.array(starts[:-1]), np.array(starts[1:]) - len(APART)))
        if not seen and not limited:
            return {}

        def reached(start: int, end: int) -> range:
            return range(bisect_right(starts, start) - 1, min(bisect_left(starts, end), len(texts)))

        inside: dict[int, list[Sighting]] = {}
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

    def _seen(self, data: bytes, records: Records | None = None) -> tuple[list[Sighting], list[LimitedText]]:
        """The sightings to mask, and the text that was not examined whole.

        The digits of a mask are no secret, though a name with digits behind it looks like many a secret to a pattern.
        Anybody can write `‹SECRET:40›`, so what stands where a mask has its name is one, and so is a registered secret.
        """
        seen, limited = sightings_in(data, self._scanner, self._known, self._share, records=records)
        if seen and _MASK_BEGINS in data:
            digits = [found.span(1) for found in _MASK.finditer(data)]
            starts = [start for start, _ in digits]
            seen = [one for one in seen if one.pattern is None or not _inside(one, digits, starts)]
        if seen and self._allowing is not None:
            known = KnownIndex() if self._known is None else self._known
            details = LeakDetailsCache(Fingerprinter(self._allowing.keys), known)
            seen = _unallowed(seen, self._allowing, details, data)
        return seen, limited


def _remember(seen: set[int], texts: Iterable[str]) -> None:
    """Keeps 64 bits of each text, under a random key: no other text passes for it."""
    if len(seen) > _CLEAN_TEXTS:
        seen.clear()
    seen.update(map(hash, texts))


def _inside(one: Sighting, spans: Sequence[tuple[int, int]], starts: Sequence[int]) -> bool:
    number = bisect_right(starts, one.start) - 1
    return number >= 0 and one.end <= spans[number][1]


def _whole(text: bytes) -> MaskSpan:
    return MaskSpan(0, len(text), UNEXAMINED, len(text), (True, True, len(text)))


def _spans_in(
    data: bytes, span: tuple[int, int], seen: Sequence[Sighting], least: int = LEAST_LITERAL
) -> list[MaskSpan]:
    """The mask spans of sightings in data[span], and of their bytes where they stand there once more; in order."""
    mask_spans = list(map(SightingMasks(seen, lambda one: one.pattern is None).of, seen))
    shown = shown_bytes(data, seen, mask_spans)
    return merged((*mask_spans, *literals(data, span, shown, least)))
