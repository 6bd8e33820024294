"""Masks every leak in some records of a stream, together: what is cut is found where its parts are joined.

values ── what they say, parts joined ──▶ veils ──▶ back into the values ──┐ until nothing is
       └─ each as it stands ────────────▶ veils ──▶ into the values ───────┘ recognised any more
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final, Protocol

import msgspec

from detector.records.log_records import LogText
from detector.redact.mask_edits import masked, placed
from detector.scan.leaks import KNOWN_CREDENTIAL, PASSES
from detector.scan.mask_spans import MaskSpan, merged

# A password that is a short word is masked where it is one, not wherever the word stands.
LEAST: Final = 8

Read = Callable[[int, bytes], Sequence[LogText]]
Count = Callable[[str], None]


class Masker(Protocol):
    """What recognises: `detector.scan.leaks.Redactor`."""

    def veils(self, data: bytes, least: int = LEAST) -> list[MaskSpan]:
        """Where `data` shows secrets, in order, none overlapping."""


class _Part(msgspec.Struct, frozen=True):
    """A text of values[number], and what stands between it and the next."""

    number: int
    text: bytes
    end: bytes = b"\n"


_Text = list[_Part]


def redacted(
    values: Sequence[bytes], read: Read, masker: Masker, count: Count = lambda _: None
) -> list[bytes | None]:
    """The values with all leaks masked, each still what it was; None for one that cannot be had without its leak.

    `read(number, value)` gives what the value of that number says, parts of lines with their channel. `count` is told the
    rule of every mask. The values stand in the order in which they came.
    """
    done, read = list(values), _remembering(read)
    for _ in range(PASSES):
        found = _veils(done, read, masker)
        if found is None:
            return list(done)
        for veils in found:
            for veil in veils:
                count(veil.rule)
        done = [masked(value, veils) for value, veils in zip(done, found, strict=True)]
    return _resisting(done, read, masker)


def _remembering(read: Read) -> Read:
    """`read`, asked once for each value as long as that stays what it is: after a pass most do."""
    known: dict[int, tuple[bytes, Sequence[LogText]]] = {}

    def said(number: int, value: bytes) -> Sequence[LogText]:
        before = known.get(number)
        if before is None or before[0] is not value:
            before = known[number] = value, read(number, value)
        return before[1]

    return said


def _resisting(values: list[bytes], read: Read, masker: Masker) -> list[bytes | None]:
    """Of what was made to resist, each mask letting another secret be seen, nothing is shown."""
    for _ in range(2):
        found = _veils(values, read, masker)
        if found is None:
            return list(values)
        values = [
            masked(value, [MaskSpan(0, len(value), KNOWN_CREDENTIAL, len(value), (False, False, 0))])
            if veils
            else value
            for value, veils in zip(values, found, strict=True)
        ]
    found = _veils(values, read, masker)
    return [
        None if veils else value for value, veils in zip(values, found or [[]] * len(values), strict=True)
    ]


def _veils(values: Sequence[bytes], read: Read, masker: Masker) -> list[list[MaskSpan]] | None:
    """Where each value shows secrets; None if none does.

    First by what they say, each stream by itself: else a key over many records would have in it what is around its
    lines, or between them.
    """
    lines, mixed = _texts(values, read)
    return _said(values, lines, masker) or _said(values, mixed, masker) or _as_they_stand(values, masker)


def _said(values: Sequence[bytes], texts: Sequence[_Text], masker: Masker) -> list[list[MaskSpan]] | None:
    found: list[list[MaskSpan]] = [[] for _ in values]
    for parts in texts:
        data = b"".join(part.text + part.end for part in parts)
        bases = list(accumulate((len(part.text) + len(part.end) for part in parts), initial=0))
        for veil in masker.veils(data, LEAST):
            for index in range(bisect_right(bases, veil.start) - 1, len(parts)):
                part, base = parts[index], bases[index]
                if base >= veil.end:
                    break
                low, high = max(veil.start - base, 0), min(veil.end - base, len(part.text))
                if low < high:
                    own = MaskSpan(low, high, veil.rule, veil.length, veil.weight)
                    value = values[part.number]
                    found[part.number] += placed(value, part.text, [own]) or _anywhere(value, own, masker)
    return [merged(veils) for veils in found] if any(found) else None


def _anywhere(value: bytes, veil: MaskSpan, masker: Masker) -> list[MaskSpan]:
    """For a veil that has no place in the value's texts: what shows in the value as it stands, else all of it."""
    return masker.veils(value, LEAST) or [MaskSpan(0, len(value), veil.rule, veil.length, veil.weight)]


def _as_they_stand(values: Sequence[bytes], masker: Masker) -> list[list[MaskSpan]] | None:
    found: list[list[MaskSpan]] = [[] for _ in values]
    bases = list(accumulate((len(value) + 1 for value in values), initial=0))
    for veil in masker.veils(b"\n".join(values), LEAST):
        for number in range(bisect_right(bases, veil.start) - 1, len(values)):
            base = bases[number]
            if base >= veil.end:
                break
            low, high = max(veil.start - base, 0), min(veil.end - base, len(values[number]))
            if low < high:
                found[number].append(MaskSpan(low, high, veil.rule, veil.length, veil.weight))
    return found if any(found) else None


def _texts(values: Sequence[bytes], read: Read) -> tuple[list[_Text], list[_Text]]:
    """What is scanned in one piece: the texts of each stream; and all texts in their order, lines of many parts joined."""
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
