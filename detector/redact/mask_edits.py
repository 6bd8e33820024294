"""Puts masks into a value without changing its form: JSON stays JSON, protobuf stays protobuf, lines stay lines.

A mask stands inside the JSON strings that show a secret, never across their quotes; a number becomes a string. The
same holds for JSON in a string of JSON, and for JSON behind a prefix, as container runtimes write it. Every byte
beside the masks stays as it was.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby
from typing import Final

import msgspec

from detector.adapters.otlp import protobuf_edits as otlp_masks
from detector.adapters.otlp.wire import looks_like_request
from detector.records.json_texts import JsonStrings, begins, tokens
from detector.scan.mask_spans import MaskSpan, literals, merged

_DEEPEST: Final = 3  # JSON in a string of JSON in …
_LEAST: Final = 8  # a shorter text is looked for as a whole string only


class Edit(msgspec.Struct, frozen=True):
    """text[start:end] becomes `new`."""

    start: int
    end: int
    new: bytes


def masked(value: bytes, mask_spans: Sequence[MaskSpan]) -> bytes:
    """The value with masks in its texts. The spans are in order and do not overlap.

    Where a span covers the structure of JSON or protobuf, that is left.
    """
    if not mask_spans:
        return value
    if not looks_like_request(value):
        return _spliced(value, _edits(value, mask_spans, 0))

    def change(start: int, end: int) -> bytes | None:
        inside = _within(mask_spans, start, end)
        return _spliced(value[start:end], _edits(value[start:end], inside, 0)) if inside else None

    return otlp_masks.rewritten(value, change)


def underneath(mask_spans: Iterable[MaskSpan], first: Sequence[MaskSpan]) -> Iterator[MaskSpan]:
    """Mask spans of a text with the `first` masks in it, as spans of the text without them.

    A mask that one of them touches is covered whole.
    """
    # Where masks begin, and by how many bytes each and all before it are longer than what they hide.
    begins, grown = [0], [0]
    for mask_span in first:
        begins.append(mask_span.start + grown[-1])
        grown.append(grown[-1] + len(mask_span.text.encode()) - (mask_span.end - mask_span.start))

    def back(at: int) -> tuple[int, int]:
        number = bisect_right(begins, at, 1) - 1
        at -= grown[number]
        hidden = first[number - 1] if number and at < first[number - 1].end else None
        return (at, at + 1) if hidden is None else (hidden.start, hidden.end)

    for mask_span in mask_spans:
        yield _moved(mask_span, back(mask_span.start)[0], back(mask_span.end - 1)[1])


class Places:
    """Where the log texts that one value holds stand in it, perhaps escaped."""

    def __init__(self, value: bytes) -> None:
        self._value = value
        self._strings = _strings(value)
        self._by_text: dict[bytes, list[tuple[int, JsonStrings]]] = {}
        for start, string in self._strings or ():
            self._by_text.setdefault(string.text, []).append((start, string))

    def spans(self, text: bytes, mask_spans: Sequence[MaskSpan]) -> tuple[list[MaskSpan], list[MaskSpan]]:
        """Mask spans of a log text as spans of the value, and those of them whose place is not found."""
        if text == self._value:
            return list(mask_spans), []
        if self._strings is None:
            at = self._value.rfind(text)
            if at < 0:
                return [], list(mask_spans)
            return [_moved(each, each.start + at, each.end + at) for each in mask_spans], []
        there = [string for end in (b"", b"\n", b"\r\n") for string in self._by_text.get(text + end, ())]
        if there:
            return [
                _moved(each, *(start + at for at in string.raw(each.start, each.end)))
                for start, string in there
                for each in mask_spans
            ], []
        return self._literally({text[each.start : each.end]: each for each in mask_spans})

    def _literally(self, shown: Mapping[bytes, MaskSpan]) -> tuple[list[MaskSpan], list[MaskSpan]]:
        """Wherever a string holds what is shown, and what is shown that no string holds."""
        strings = self._strings or []
        bases = [0, *accumulate(len(string.text) + 1 for _, string in strings)]
        data = b"\n".join(string.text for _, string in strings)
        found: list[MaskSpan] = []
        missing = dict(shown)
        for hit in literals(data, (0, len(data)), [*shown.items()], _LEAST):
            number = bisect_right(bases, hit.start) - 1
            start, string = strings[number]
            at, end = hit.start - bases[number], hit.end - bases[number]
            if end <= len(string.text):
                found.append(_moved(hit, *(start + place for place in string.raw(at, end))))
                missing.pop(data[hit.start : hit.end], None)
        for short in [each for each in missing if len(each) < _LEAST]:
            for start, string in self._by_text.get(short, ()):
                found.append(_moved(shown[short], *(start + at for at in string.raw(0, len(short)))))
                missing.pop(short, None)
        return found, [*missing.values()]


def _strings(value: bytes) -> list[tuple[int, JsonStrings]] | None:
    """The strings of JSON or protobuf and where they begin; None if the value is neither."""
    if looks_like_request(value):
        # Protobuf has no escapes.
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


def _edits(text: bytes, mask_spans: Sequence[MaskSpan], depth: int) -> list[Edit]:
    """What to do to a text, in order."""
    at = begins(text) if depth <= _DEEPEST else None
    if at is not None:
        return _in_json(text, at, mask_spans, depth)
    if depth == 0 and text.find(b"\n", 0, len(text) - 1) >= 0:
        return list(_in_lines(text, mask_spans))
    return [Edit(mask_span.start, mask_span.end, mask_span.text.encode()) for mask_span in mask_spans]


def _in_lines(text: bytes, mask_spans: Sequence[MaskSpan]) -> Iterator[Edit]:
    """If a span covers several lines and one of them is JSON, each line gets its own mask."""
    ends = -1
    groups: list[int] = []
    for mask_span in mask_spans:
        if mask_span.start >= ends:
            groups.append(len(groups))
        else:
            groups.append(groups[-1])
        end = text.find(b"\n", mask_span.end - 1)
        ends = max(ends, len(text) if end < 0 else end + 1)
    for _, numbered in groupby(zip(groups, mask_spans, strict=True), key=lambda pair: pair[0]):
        some = [mask_span for _, mask_span in numbered]
        low = text.rfind(b"\n", 0, some[0].start) + 1
        high = text.find(b"\n", some[-1].end - 1) + 1 or len(text)
        lines = text[low:high].splitlines(keepends=True)
        if all(begins(line) is None for line in lines):
            yield from (Edit(mask_span.start, mask_span.end, mask_span.text.encode()) for mask_span in some)
            continue
        for line in lines:
            inside = _within(some, low, low + len(line.rstrip(b"\r\n")))
            for edit in _edits(line, inside, 1) if inside else ():
                yield Edit(low + edit.start, low + edit.end, edit.new)
            low += len(line)


def _in_json(text: bytes, begin: int, mask_spans: Sequence[MaskSpan], depth: int) -> list[Edit]:
    done = [
        Edit(mask_span.start, mask_span.end, mask_span.text.encode())
        for mask_span in _within(mask_spans, 0, begin, begin=0)
    ]
    first = 0
    for token in tokens(text, begin):
        while first < len(mask_spans) and mask_spans[first].end <= token.start:
            first += 1
        if first == len(mask_spans):
            break
        last = first
        while last < len(mask_spans) and mask_spans[last].start < token.end:
            last += 1
        if last == first:
            continue
        if not token.quoted:
            done.append(Edit(token.start, token.end, b'"' + mask_spans[first].text.encode() + b'"'))
            continue
        string = JsonStrings(text[token.start : token.end])
        inside = _within(mask_spans[first:last], token.start, token.end)
        moved = merged(
            _moved(mask_span, *string.decoded(mask_span.start, mask_span.end)) for mask_span in inside
        )
        for edit in _edits(string.text, moved, depth + 1):
            low, high = string.raw(edit.start, edit.end)
            new = edit.new.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            done.append(Edit(token.start + low, token.start + high, new))
    return done


def _within(mask_spans: Sequence[MaskSpan], start: int, end: int, begin: int | None = None) -> list[MaskSpan]:
    """The parts of the mask spans in [start, end), counted from `begin` or else from `start`."""
    base = start if begin is None else begin
    first = bisect_right(mask_spans, start, key=lambda mask_span: mask_span.end)
    last = bisect_left(mask_spans, end, first, key=lambda mask_span: mask_span.start)
    return [
        _moved(mask_span, max(mask_span.start, start) - base, min(mask_span.end, end) - base)
        for mask_span in mask_spans[first:last]
    ]


def _moved(mask_span: MaskSpan, start: int, end: int) -> MaskSpan:
    return MaskSpan(start, end, mask_span.rule, mask_span.length, mask_span.weight)


def _spliced(text: bytes, edits: Iterable[Edit]) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for edit in edits:
        if edit.start < at:  # two mask_spans in one character
            at = max(at, edit.end)
            continue
        pieces += (text[at : edit.start], edit.new)
        at = edit.end
    return b"".join((*pieces, text[at:]))
