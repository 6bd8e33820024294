"""Masks every leak in some records of a stream together: of a secret that is cut in two, the parts are joined.

values ── their log texts, parts joined ──▶ mask spans ──▶ back into the values ──┐ until nothing is
       └─ each as it stands ──────────────▶ mask spans ──▶ into the values ───────┘ recognised any more
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final, Protocol

import msgspec

from detector.records.log_records import LogText
from detector.redact.mask_edits import Places, masked
from detector.redact.unexamined import (
    DECODING,
    UNFINISHED,
    Note,
    already_masked,
    is_unexamined,
    unexamined,
)
from detector.scan.mask_spans import MaskSpan, merged
from detector.scan.redactor import PASSES
from detector.scan.shares import LimitedText
from detector.scan.sightings import KNOWN_CREDENTIAL

# A password that is a short word is masked where it is one, not wherever the word stands.
LEAST: Final = 8

Read = Callable[[int, bytes], Sequence[LogText]]
Count = Callable[[str], None]


class Masker(Protocol):
    """Recognises secrets, as `detector.scan.redactor.Redactor` does."""

    def look(self, data: bytes, least: int = LEAST) -> tuple[list[MaskSpan], list[LimitedText]]:
        """Where `data` shows secrets, in order, none overlapping; and what of it was not examined whole."""


class _Part(msgspec.Struct, frozen=True):
    """A text of values[number], and what stands between it and the next."""

    number: int
    text: bytes
    end: bytes = b"\n"


_Text = list[_Part]


def redacted(
    values: Sequence[bytes],
    read: Read,
    masker: Masker,
    count: Count = lambda _: None,
    note: Note = lambda _number, _reason: True,
) -> list[bytes | None]:
    """The values with all leaks masked, in their own form; None for a value whose leak cannot be masked.

    The values stand in the order in which they came. `read(number, value)` gives the log texts of the value of that
    number, parts of lines with their channel. `count` gets the rule of every mask of a secret, `note` every value
    that was not examined whole; it says whether what was not is masked too.
    """
    done, read = list(values), _cached(read)
    for _ in range(PASSES):
        found = _mask_spans(done, read, masker, note)
        if found is None:
            return list(done)
        for mask_spans in found:
            for mask_span in mask_spans:
                if not is_unexamined(mask_span):
                    count(mask_span.rule)
        done = [masked(value, mask_spans) for value, mask_spans in zip(done, found, strict=True)]
    return _without_resisting(done, read, masker, note)


def without_texts(value: bytes, texts: Sequence[LogText]) -> bytes:
    """A value that is a part of what is not there, with each of its log texts masked whole."""
    places, found = Places(value), list[MaskSpan]()
    for text in {log.text for log in texts if log.text and not already_masked(log.text)}:
        found += places.spans(text, [unexamined(0, len(text), UNFINISHED)])[0]
    return masked(value, merged(found))


def _cached(read: Read) -> Read:
    """`read`, called once for each value until a mask changes it: most are never changed."""
    known: dict[int, tuple[bytes, Sequence[LogText]]] = {}

    def texts_of(number: int, value: bytes) -> Sequence[LogText]:
        before = known.get(number)
        if before is None or before[0] is not value:
            before = known[number] = value, read(number, value)
        return before[1]

    return texts_of


def _without_resisting(values: list[bytes], read: Read, masker: Masker, note: Note) -> list[bytes | None]:
    """Masks values whole in which every mask shows another secret; somebody made them so."""
    for _ in range(2):
        found = _mask_spans(values, read, masker, note)
        if found is None:
            return list(values)
        values = [
            masked(value, [MaskSpan(0, len(value), KNOWN_CREDENTIAL, len(value), (False, False, 0))])
            if mask_spans
            else value
            for value, mask_spans in zip(values, found, strict=True)
        ]
    found = _mask_spans(values, read, masker, note)
    return [
        None if mask_spans else value
        for value, mask_spans in zip(values, found or [[]] * len(values), strict=True)
    ]


def _mask_spans(
    values: Sequence[bytes], read: Read, masker: Masker, note: Note
) -> list[list[MaskSpan]] | None:
    """Where each value shows secrets; None if none does.

    The log texts come first, each stream by itself. In the values as they stand, a key over many records has the
    names and braces of the records between its lines.
    """
    lines, mixed = _texts(values, read)
    return (
        _spans_in_texts(values, lines, masker, note)
        or _spans_in_texts(values, mixed, masker, note)
        or _spans_as_they_stand(values, masker, note)
    )


def _spans_in_texts(
    values: Sequence[bytes], texts: Sequence[_Text], masker: Masker, note: Note
) -> list[list[MaskSpan]] | None:
    in_texts: list[dict[bytes, list[MaskSpan]]] = [{} for _ in values]
    for parts in texts:
        data = b"".join(part.text + part.end for part in parts)
        bases = list(accumulate((len(part.text) + len(part.end) for part in parts), initial=0))
        mask_spans, limited = masker.look(data, LEAST)
        hidden = [unexamined(text.start, text.end, DECODING) for text in limited]
        for mask_span in (*mask_spans, *hidden):
            for index in range(bisect_right(bases, mask_span.start) - 1, len(parts)):
                part, base = parts[index], bases[index]
                if base >= mask_span.end:
                    break
                low, high = max(mask_span.start - base, 0), min(mask_span.end - base, len(part.text))
                if low < high and (not is_unexamined(mask_span) or note(part.number, DECODING)):
                    own = MaskSpan(low, high, mask_span.rule, mask_span.length, mask_span.weight)
                    in_texts[part.number].setdefault(part.text, []).append(own)
    if not any(in_texts):
        return None
    return [
        _in_value(value, found, masker) if found else []
        for value, found in zip(values, in_texts, strict=True)
    ]


def _in_value(value: bytes, in_texts: dict[bytes, list[MaskSpan]], masker: Masker) -> list[MaskSpan]:
    """The mask spans of the log texts of a value as spans of the value; in order, none overlapping.

    Where a secret is not found in it, those of the value as it stands count too, else all of it.
    """
    places, found, missing = Places(value), list[MaskSpan](), list[MaskSpan]()
    for text, mask_spans in in_texts.items():
        some, others = places.spans(text, merged(mask_spans))
        found += some
        missing += others
    if missing:
        first = missing[0]
        found += masker.look(value, LEAST)[0] or [
            MaskSpan(0, len(value), first.rule, first.length, first.weight)
        ]
    return merged(found)


def _spans_as_they_stand(values: Sequence[bytes], masker: Masker, note: Note) -> list[list[MaskSpan]] | None:
    found: list[list[MaskSpan]] = [[] for _ in values]
    bases = list(accumulate((len(value) + 1 for value in values), initial=0))
    mask_spans, limited = masker.look(b"\n".join(values), LEAST)
    hidden = [unexamined(text.start, text.end, DECODING) for text in limited]
    for mask_span in (*mask_spans, *hidden):
        for number in range(bisect_right(bases, mask_span.start) - 1, len(values)):
            base = bases[number]
            if base >= mask_span.end:
                break
            low, high = max(mask_span.start - base, 0), min(mask_span.end - base, len(values[number]))
            if low < high and (not is_unexamined(mask_span) or note(number, DECODING)):
                found[number].append(MaskSpan(low, high, mask_span.rule, mask_span.length, mask_span.weight))
    return [merged(spans) for spans in found] if any(found) else None


def _texts(values: Sequence[bytes], read: Read) -> tuple[list[_Text], list[_Text]]:
    """The texts that are scanned together: those of each stream, and all in their order. Parts of lines are joined."""
    streams: dict[str | None, _Text] = {}
    opened: dict[str, tuple[str | None, _Text]] = {}
    lines: _Text = []
    rests: _Text = []

    def add(stream: str | None, parts: _Text) -> None:
        lines.extend(parts)
        streams.setdefault(stream, []).extend(parts)

    for number, value in enumerate(values):
        for log in read(number, value):
            if log.rest:
                rests.append(_Part(number, log.rest))
            if log.channel is not None and (not log.ends or log.channel in opened):
                _, parts = opened.setdefault(log.channel, (log.stream, []))
                parts.append(_Part(number, log.text, b"\n" if log.ends else b""))
                if log.ends:
                    add(*opened.pop(log.channel))
            elif log.text:
                add(log.stream, [_Part(number, log.text)])
    for stream, parts in opened.values():
        add(stream, [*parts, _Part(parts[-1].number, b"")])
    return [parts for parts in (*streams.values(), rests) if parts], [lines] if len(streams) > 1 else []
