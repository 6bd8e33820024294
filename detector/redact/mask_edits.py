"""Masks in a value, so that it stays what it is: JSON stays JSON, a request in protobuf a request, lines stay lines.

A mask stands inside the strings of JSON that show a secret, never across their quotes; a number becomes a string. That
holds for JSON in a string of JSON too, and for JSON behind a prefix, as container runtimes write it. Not one byte
beside the masks is another than it was.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

import msgspec

from detector.adapters.otlp import protobuf_edits as otlp_masks
from detector.adapters.otlp.wire import looks_like_request
from detector.records.json_texts import JsonStrings, begins, tokens
from detector.scan.mask_spans import MaskSpan, merged

_DEEPEST: Final = 3  # JSON in a string of JSON in …
_LEAST: Final = 8  # a shorter text is looked for as a whole string only


class Edit(msgspec.Struct, frozen=True):
    """text[start:end] becomes `new`."""

    start: int
    end: int
    new: bytes


def masked(value: bytes, veils: Sequence[MaskSpan]) -> bytes:
    """The value with those veils, which are in order and do not overlap, in its texts.

    What of a veil covers no text, the structure of JSON or protobuf, is left.
    """
    if not veils:
        return value
    if not looks_like_request(value):
        return _spliced(value, _edits(value, veils, 0))

    def change(start: int, end: int) -> bytes | None:
        inside = _within(veils, start, end)
        return _spliced(value[start:end], _edits(value[start:end], inside, 0)) if inside else None

    return otlp_masks.rewritten(value, change)


def underneath(veils: Iterable[MaskSpan], first: Sequence[MaskSpan]) -> Iterator[MaskSpan]:
    """Veils of what `veiled` made of a text with the `first` veils, as veils of that text; a mask they touch as a whole."""
    begins, grown = (
        [0],
        [0],
    )  # where masks begin, and by how many bytes that and all before it are longer than what they hide
    for veil in first:
        begins.append(veil.start + grown[-1])
        grown.append(grown[-1] + len(veil.text.encode()) - (veil.end - veil.start))

    def back(at: int) -> tuple[int, int]:
        number = bisect_right(begins, at, 1) - 1
        at -= grown[number]
        hidden = first[number - 1] if number and at < first[number - 1].end else None
        return (at, at + 1) if hidden is None else (hidden.start, hidden.end)

    for veil in veils:
        yield _moved(veil, back(veil.start)[0], back(veil.end - 1)[1])


def placed(value: bytes, text: bytes, veils: Iterable[MaskSpan]) -> list[MaskSpan]:
    """Veils of a text as veils of the value that says it, be it escaped there; in order, none overlapping."""
    found = list(veils)
    strings = _strings(value)
    if strings is None:
        at = value.rfind(text)
        return [] if at < 0 else [_moved(veil, veil.start + at, veil.end + at) for veil in found]
    there = [(start, said) for start, said in strings if said.text in (text, text + b"\n", text + b"\r\n")]
    if there:
        return merged(
            _moved(veil, *(start + at for at in said.raw(veil.start, min(veil.end, len(said.text)))))
            for start, said in there
            for veil in found
            if veil.start < len(said.text)
        )
    return merged(_literally(strings, text, found))


def _literally(
    strings: Sequence[tuple[int, JsonStrings]], text: bytes, veils: Iterable[MaskSpan]
) -> Iterator[MaskSpan]:
    """Wherever a string has the bytes under a veil, be it with others."""
    wanted = {text[veil.start : veil.end]: veil for veil in veils}
    for shown, veil in wanted.items():
        for start, said in strings:
            at = said.text.find(shown) if len(shown) >= _LEAST or said.text == shown else -1
            while at >= 0:
                low, high = said.raw(at, at + len(shown))
                yield _moved(veil, start + low, start + high)
                at = said.text.find(shown, at + len(shown))


def _strings(value: bytes) -> list[tuple[int, JsonStrings]] | None:
    """The strings of JSON or protobuf and where they begin; None if the value is neither."""
    if looks_like_request(value):
        # Without a backslash in it a text says itself: what is written raw is shown as it is.
        return [(start, _Plain(value[start:end])) for start, end in otlp_masks.texts(value)]
    at, strings = 0, []
    for line in (value,) if begins(value) is not None else value.splitlines(keepends=True):
        begin = begins(line)
        if begin is not None:
            strings += [
                (at + token.start, JsonStrings(line[token.start : token.end]))
                for token in tokens(line, begin)
                if token.quoted
            ]
        at += len(line)
    return strings or None


class _Plain(JsonStrings):
    """A text that is written as it is."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(b"")
        self._raw = self.text = raw


def _edits(text: bytes, veils: Sequence[MaskSpan], depth: int) -> list[Edit]:
    """What to do to a text, in order."""
    at = begins(text) if depth <= _DEEPEST else None
    if at is not None:
        return _in_json(text, at, veils, depth)
    if depth == 0 and text.find(b"\n", 0, len(text) - 1) >= 0:
        return list(_in_lines(text, veils))
    return [Edit(veil.start, veil.end, veil.text.encode()) for veil in veils]


def _in_lines(text: bytes, veils: Sequence[MaskSpan]) -> Iterator[Edit]:
    """Of a veil over lines of which one is JSON each line has its own mask."""
    ends = -1
    groups: list[int] = []
    for veil in veils:
        if veil.start >= ends:
            groups.append(len(groups))
        else:
            groups.append(groups[-1])
        end = text.find(b"\n", veil.end - 1)
        ends = max(ends, len(text) if end < 0 else end + 1)
    for _, numbered in groupby(zip(groups, veils, strict=True), key=lambda pair: pair[0]):
        some = [veil for _, veil in numbered]
        low = text.rfind(b"\n", 0, some[0].start) + 1
        high = text.find(b"\n", some[-1].end - 1) + 1 or len(text)
        lines = text[low:high].splitlines(keepends=True)
        if all(begins(line) is None for line in lines):
            yield from (Edit(veil.start, veil.end, veil.text.encode()) for veil in some)
            continue
        for line in lines:
            inside = _within(some, low, low + len(line.rstrip(b"\r\n")))
            for edit in _edits(line, inside, 1) if inside else ():
                yield Edit(low + edit.start, low + edit.end, edit.new)
            low += len(line)


def _in_json(text: bytes, begin: int, veils: Sequence[MaskSpan], depth: int) -> list[Edit]:
    done = [Edit(veil.start, veil.end, veil.text.encode()) for veil in _within(veils, 0, begin, begin=0)]
    first = 0
    for token in tokens(text, begin):
        while first < len(veils) and veils[first].end <= token.start:
            first += 1
        if first == len(veils):
            break
        last = first
        while last < len(veils) and veils[last].start < token.end:
            last += 1
        if last == first:
            continue
        if not token.quoted:
            done.append(Edit(token.start, token.end, b'"' + veils[first].text.encode() + b'"'))
            continue
        said = JsonStrings(text[token.start : token.end])
        inside = _within(veils[first:last], token.start, token.end)
        told = merged(_moved(veil, *said.said(veil.start, veil.end)) for veil in inside)
        for edit in _edits(said.text, told, depth + 1):
            low, high = said.raw(edit.start, edit.end)
            new = edit.new.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            done.append(Edit(token.start + low, token.start + high, new))
    return done


def _within(veils: Iterable[MaskSpan], start: int, end: int, begin: int | None = None) -> list[MaskSpan]:
    """The parts of the veils in [start, end), counted from `begin`, or from `start`."""
    base = start if begin is None else begin
    return [
        _moved(veil, max(veil.start, start) - base, min(veil.end, end) - base)
        for veil in veils
        if veil.start < end and veil.end > start
    ]


def _moved(veil: MaskSpan, start: int, end: int) -> MaskSpan:
    return MaskSpan(start, end, veil.rule, veil.length, veil.weight)


def _spliced(text: bytes, edits: Iterable[Edit]) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for edit in edits:
        if edit.start < at:  # two veils in one character
            at = max(at, edit.end)
            continue
        pieces += (text[at : edit.start], edit.new)
        at = edit.end
    return b"".join((*pieces, text[at:]))
