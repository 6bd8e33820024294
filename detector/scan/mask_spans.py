"""Mask spans and excerpts: which bytes of a text must not be shown, and the text around a leak without them."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Final

import msgspec
import numpy as np

from detector.values.secrets import mask
from detector.values.wording import visible

MANY: Final = 1024  # ways to read the secrets of one record, or texts that are searched for one by one
_HEAD: Final = 4  # bytes by which they are told apart at first
AROUND: Final = 80  # characters of text on either side of a leak
_BYTES_AROUND: Final = 4 * AROUND  # in UTF-8 a character has at most four
# A shorter secret is masked where it was recognised, not wherever its letters occur.
LEAST_LITERAL: Final = 4
_TOGETHER: Final = 4 << 10  # bytes of a record that are searched at once
_LONG: Final = 2 * _TOGETHER  # bytes around a mask span, of which only its edges are searched
_ORDER: Final = attrgetter("start", "end")
_VISIBLE: Final = 10 * _BYTES_AROUND  # the longest escape, `\U0010ffff`, of every character


class MaskSpan(msgspec.Struct, frozen=True):
    """data[start:end] is replaced by `‹rule:length›`. Of two that overlap, the one with the higher `weight` wins."""

    start: int
    end: int
    rule: str
    length: int
    weight: tuple[bool, bool, int]

    @property
    def text(self) -> str:
        """The masked text."""
        return mask(self.rule, self.length)


def merged(mask_spans: Iterable[MaskSpan]) -> list[MaskSpan]:
    """The mask spans in order, merged where they overlap."""
    done: list[MaskSpan] = []
    for mask_span in sorted(mask_spans, key=_ORDER):
        if done and mask_span.start < done[-1].end:
            last = done[-1]
            if mask_span.weight > last.weight or mask_span.end > last.end:
                best = max(last, mask_span, key=lambda one: one.weight)
                end = max(last.end, mask_span.end)
                done[-1] = MaskSpan(last.start, end, best.rule, best.length, best.weight)
        else:
            done.append(mask_span)
    return done


def literals(
    data: bytes, span: tuple[int, int], shown: Sequence[tuple[bytes, MaskSpan]], least: int = LEAST_LITERAL
) -> Iterator[MaskSpan]:
    """Wherever in data[span] the same bytes stand once more, recognised or not, of those with at least `least`."""
    if len(shown) > MANY:
        yield from _many_literals(data, span, shown, least)
        return
    for value, mask_span in shown:
        if len(value) < least:
            continue
        at = data.find(value, *span)
        while at >= 0:
            yield MaskSpan(at, at + len(value), mask_span.rule, mask_span.length, mask_span.weight)
            at = data.find(value, at + 1, span[1])


def _many_literals(
    data: bytes, span: tuple[int, int], shown: Iterable[tuple[bytes, MaskSpan]], least: int
) -> Iterator[MaskSpan]:
    """The same in one pass over the data: by their first four bytes, then by all of them.

    However many secrets somebody prints, those of others are masked wherever they stand.
    """
    known = {value: mask_span for value, mask_span in reversed([*shown]) if len(value) >= max(least, _HEAD)}
    lengths: dict[bytes, set[int]] = {}
    for value in known:
        lengths.setdefault(value[:_HEAD], set()).add(len(value))
    view = np.frombuffer(data, np.uint8)[span[0] : span[1]].astype(np.uint32)
    if len(view) < _HEAD or not known:
        return
    windows = view[:-3] | view[1:-2] << 8 | view[2:-1] << 16 | view[3:] << 24
    heads = np.array([int.from_bytes(head, "little") for head in lengths], np.uint32)
    for place in np.flatnonzero(np.isin(windows, heads)).tolist():
        at = span[0] + place
        for length in lengths[data[at : at + _HEAD]]:
            mask_span = known.get(data[at : at + length]) if at + length <= span[1] else None
            if mask_span is not None:
                yield MaskSpan(at, at + length, mask_span.rule, mask_span.length, mask_span.weight)


def with_masks(data: bytes, mask_spans: Iterable[MaskSpan]) -> bytes:
    """The text with the masks in place. The mask spans do not overlap."""
    pieces: list[bytes] = []
    at = 0
    for mask_span in mask_spans:
        pieces += (data[at : mask_span.start], mask_span.text.encode())
        at = mask_span.end
    return b"".join((*pieces, data[at:]))


def _window(centre: MaskSpan, record: tuple[int, int]) -> tuple[int, int]:
    """The bytes of a record from which the excerpt around a mask span is made."""
    low = max(record[0], centre.start - _BYTES_AROUND)
    return low, min(max(record[1], centre.end), centre.end + _BYTES_AROUND)


def _plain(text: bytes) -> str | None:
    """The text, if it is shown as it stands, a character a byte."""
    if not text.isascii():
        return None
    shown = text.decode("ascii")
    return shown if shown.isprintable() else None


class _Line(msgspec.Struct, frozen=True):
    """Text with masks in it, and the places of those.

    `base` is its first byte, `first` the number of its first mask span.
    """

    base: int
    first: int
    text: str
    begins: list[int]
    ends: list[int]


class Excerpts:
    """Makes the excerpts of one batch. `mask_spans` covers all secrets found in it, merged."""

    def __init__(self, data: bytes, mask_spans: list[MaskSpan]) -> None:
        self._data = data
        self._mask_spans = mask_spans
        self._starts = [mask_span.start for mask_span in mask_spans]

    def around(
        self, places: Sequence[int], record: tuple[int, int], shown: list[tuple[bytes, MaskSpan]]
    ) -> Iterator[str]:
        """For each of the places, in order, the text around the mask span that holds it, within the record.

        `shown` are the record's secrets as they stand in it: no other occurrence of them is shown either.
        """
        numbers = [bisect_right(self._starts, at) - 1 for at in places]
        if len(shown) > MANY:  # searching for all of them around each would be quadratic
            yield from (self._mask_spans[number].text for number in numbers)
            return
        if len(numbers) == 1:
            alone = self._alone(numbers[0], record, shown)
            if alone is not None:
                yield alone
                return
        windows = [_window(self._mask_spans[number], record) for number in numbers]
        longest = max((len(value) for value, _ in shown), default=0)
        done = 0
        while done < len(places):
            # Neighbours are searched for together, as far as what is found in bounded memory.
            number, low = done, windows[done][0]
            done += 1
            while done < len(places) and windows[done][1] <= low + _TOGETHER:
                done += 1
            stop = max(high for _, high in windows[number:done])
            reaches = self._reaches(self._mask_spans[numbers[number]], low, stop, longest)
            line = self._line(low, stop) if all(self._nowhere_else(each, shown) for each in reaches) else None
            if line is not None:
                for one in range(number, done):
                    yield self._cut(line, numbers[one], *windows[one])
                continue
            found = sorted((one for each in reaches for one in literals(self._data, each, shown)), key=_ORDER)
            starts = [mask_span.start for mask_span in found]
            for one in range(number, done):
                low, high = windows[one]
                first, after = max(low - longest, 0), min(high + longest, len(self._data))
                near = found[bisect_left(starts, first) : bisect_right(starts, after)]
                mask_spans = merged(
                    (*self._within(low, high), *(mask_span for mask_span in near if mask_span.end <= after))
                )
                yield self._shown(mask_spans, places[one], low, high)

    def _reaches(self, centre: MaskSpan, low: int, high: int, longest: int) -> list[tuple[int, int]]:
        """Where to look for secrets of which a part may be shown in data[low:high]; of a long mask at its edges."""
        first, last = max(low - longest, 0), min(high + longest, len(self._data))
        if high - low <= _LONG or centre.end - centre.start <= 2 * longest:
            return [(first, last)]
        return [(first, centre.start + longest), (centre.end - longest, last)]

    def _alone(self, number: int, record: tuple[int, int], shown: list[tuple[bytes, MaskSpan]]) -> str | None:
        """The text around a mask span; None if that takes more than a look: another is near, or not all is plain."""
        mask_span, mask_spans = self._mask_spans[number], self._mask_spans
        low = max(record[0], mask_span.start - AROUND)
        high = min(max(record[1], mask_span.end), mask_span.end + AROUND)
        if (number and mask_spans[number - 1].end > low) or (
            number + 1 < len(mask_spans) and mask_spans[number + 1].start < high
        ):
            return None
        before, behind = _plain(self._data[low : mask_span.start]), _plain(self._data[mask_span.end : high])
        if before is None or behind is None:
            return None
        for value, one in shown:
            size = len(value)
            if size < LEAST_LITERAL:
                continue
            at = self._data.find(value, max(low - size + 1, 0), high + size - 1)
            while at >= 0:
                if (at, at + size) != (mask_span.start, mask_span.end) or one.weight > mask_span.weight:
                    return None
                at = self._data.find(value, at + 1, high + size - 1)
        return before + mask_span.text + behind

    def _nowhere_else(self, span: tuple[int, int], shown: Iterable[tuple[bytes, MaskSpan]]) -> bool:
        """Whether all that `shown` has in data[span] is with_masks already, by what speaks louder or is just that."""
        for value, one in shown:
            size = len(value)
            if size < LEAST_LITERAL:
                continue
            at = self._data.find(value, *span)
            while at >= 0:
                mask_span = self._mask_spans[
                    bisect_right(self._starts, at) - 1
                ]  # before the first it is the last: no match
                same = (at, at + size) == (mask_span.start, mask_span.end)
                inside = mask_span.start <= at and at + size <= mask_span.end
                if (
                    not inside
                    or one.weight > mask_span.weight
                    or (one.weight == mask_span.weight and not same)
                ):
                    return False
                at = self._data.find(value, at + 1, span[1])
        return True

    def _line(self, low: int, high: int) -> _Line | None:
        """data[low:high] with its masks, if what stands between them is plain."""
        first = bisect_right(self._starts, low) - 1
        if first < 0 or self._mask_spans[first].end <= low:
            first += 1
        mask_spans = self._mask_spans[first : bisect_left(self._starts, high)]
        pieces: list[str] = []
        begins: list[int] = []
        ends: list[int] = []
        at, size = low, 0
        for mask_span in mask_spans:
            between = _plain(self._data[at : mask_span.start])
            if between is None:
                return None
            masked = mask_span.text
            pieces += (between, masked)
            size += len(between)
            begins.append(size)
            size += len(masked)
            ends.append(size)
            at = mask_span.end
        rest = _plain(self._data[at:high])
        return None if rest is None else _Line(low, first, "".join((*pieces, rest)), begins, ends)

    def _cut(self, line: _Line, number: int, low: int, high: int) -> str:
        """The text of a line around the mask span of that number, in data[low:high]; a mask is whole or not there."""
        own = number - line.first
        begin = max(line.begins[own] - AROUND, self._place(line, low, after=False))
        at = bisect_right(line.begins, begin) - 1
        if at >= 0 and line.begins[at] < begin < line.ends[at]:
            begin = line.ends[at]
        end = min(line.ends[own] + AROUND, self._place(line, high, after=True))
        at = bisect_left(line.begins, end) - 1
        if at >= 0 and line.begins[at] < end < line.ends[at]:
            end = line.begins[at]
        return line.text[begin:end]

    def _place(self, line: _Line, at: int, *, after: bool) -> int:
        """The place in a line of a byte; of one under a mask the start of that, or the end if `after`."""
        number = (bisect_left if after else bisect_right)(self._starts, at) - 1
        if number < line.first:
            return at - line.base
        mask_span, held = self._mask_spans[number], number - line.first
        if mask_span.end > at:
            return line.ends[held] if after else line.begins[held]
        return line.ends[held] + at - mask_span.end

    def _shown(self, mask_spans: list[MaskSpan], at: int, low: int, high: int) -> str:
        """The text of data[low:high] around the one of the mask spans that holds the byte `at`."""
        if len(mask_spans) == 1:
            before, behind = self._text(low, mask_spans[0].start), self._text(mask_spans[0].end, high)
            return before[-AROUND:] + mask_spans[0].text + behind[:AROUND]
        middle = next(number for number, mask_span in enumerate(mask_spans) if mask_span.end > at)

        def backwards() -> Iterator[tuple[str, str]]:
            for number in range(middle, 0, -1):
                mask_span = mask_spans[number - 1]
                end = max(mask_span.end, low)
                yield self._text(end, mask_spans[number].start), mask_span.text if mask_span.end > low else ""
            yield self._text(low, mask_spans[0].start), ""

        def forwards() -> Iterator[tuple[str, str]]:
            for mask_span, after in pairwise(mask_spans[middle:]):
                yield (
                    self._text(mask_span.end, min(after.start, high)),
                    after.text if after.start < high else "",
                )
            yield self._text(mask_spans[-1].end, high), ""

        return _last(backwards()) + mask_spans[middle].text + _first(forwards())

    def _within(self, low: int, high: int) -> list[MaskSpan]:
        first = max(bisect_right(self._starts, low) - 1, 0)
        return self._mask_spans[first : bisect_right(self._starts, high)]

    def _text(self, start: int, end: int) -> str:
        return visible(self._data[start:end].decode("utf-8", "replace"), _VISIBLE) if end > start else ""


def _last(pieces: Iterable[tuple[str, str]]) -> str:
    """The last characters of (text, mask before it) in a row, given from its end; a mask is whole or not there."""
    shown, left = "", AROUND
    for text, before in pieces:
        shown = text[-left:] + shown if left else shown
        left -= min(len(text), left)
        if left < len(before) or not left:
            break
        shown = before + shown
        left -= len(before)
    return shown


def _first(pieces: Iterable[tuple[str, str]]) -> str:
    """The first characters of (text, mask after it) in a row."""
    shown, left = "", AROUND
    for text, after in pieces:
        shown += text[:left]
        left -= min(len(text), left)
        if left < len(after) or not left:
            break
        shown += after
        left -= len(after)
    return shown
