"""Which bytes of a text must not be shown, and the text around a leak without them."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Final

import msgspec

from detector.secrets import mask
from detector.wording import visible

MANY: Final = 1024  # ways to read the secrets of one record
AROUND: Final = 80  # characters of text on either side of a leak
_BYTES_AROUND: Final = 4 * AROUND  # in UTF-8 a character has at most four
# A shorter secret is masked where it was recognised, not wherever its letters occur.
LEAST_LITERAL: Final = 4
_TOGETHER: Final = 4 << 10  # bytes of a record that are searched at once
_ORDER: Final = attrgetter("start", "end")
_VISIBLE: Final = 10 * _BYTES_AROUND  # the longest escape, `\U0010ffff`, of every character


class Veil(msgspec.Struct, frozen=True):
    """data[start:end] is shown as `rule` and the secret's `length`; of two that overlap the higher `weight` speaks."""

    start: int
    end: int
    rule: str
    length: int
    weight: tuple[bool, bool, int]

    @property
    def text(self) -> str:
        """What is shown."""
        return mask(self.rule, self.length)


def merged(veils: Iterable[Veil]) -> list[Veil]:
    """The veils in order, those that overlap made one."""
    done: list[Veil] = []
    for veil in sorted(veils, key=_ORDER):
        if done and veil.start < done[-1].end:
            last = done[-1]
            if veil.weight > last.weight or veil.end > last.end:
                best = max(last, veil, key=lambda one: one.weight)
                end = max(last.end, veil.end)
                done[-1] = Veil(last.start, end, best.rule, best.length, best.weight)
        else:
            done.append(veil)
    return done


def literals(
    data: bytes, span: tuple[int, int], shown: Iterable[tuple[bytes, Veil]], least: int = LEAST_LITERAL
) -> Iterator[Veil]:
    """Wherever in data[span] the same bytes stand once more, recognised or not, of those with at least `least`."""
    for value, veil in shown:
        if len(value) < least:
            continue
        at = data.find(value, *span)
        while at >= 0:
            yield Veil(at, at + len(value), veil.rule, veil.length, veil.weight)
            at = data.find(value, at + 1, span[1])


def veiled(data: bytes, veils: Iterable[Veil]) -> bytes:
    """All of the text with the veils, which do not overlap, in their places."""
    pieces: list[bytes] = []
    at = 0
    for veil in veils:
        pieces += (data[at : veil.start], veil.text.encode())
        at = veil.end
    return b"".join((*pieces, data[at:]))


def _window(centre: Veil, record: tuple[int, int]) -> tuple[int, int]:
    """The bytes of the record of which the text around a veil is made."""
    low = max(record[0], centre.start - _BYTES_AROUND)
    return low, min(max(record[1], centre.end), centre.end + _BYTES_AROUND)


class Excerpts:
    """Makes the excerpts of one batch. `veils` are all of its recognised secrets, merged."""

    def __init__(self, data: bytes, veils: list[Veil]) -> None:
        self._data = data
        self._veils = veils
        self._starts = [veil.start for veil in veils]

    def around(
        self, places: Sequence[int], record: tuple[int, int], shown: list[tuple[bytes, Veil]]
    ) -> Iterator[str]:
        """For each of the places, in order, the text around the veil that holds it, within the record.

        `shown` are the record's secrets as they stand in it: no other occurrence of them is shown either.
        """
        centres = [self._veils[bisect_right(self._starts, at) - 1] for at in places]
        if len(shown) > MANY:  # searching for all of them around each would be quadratic
            yield from (centre.text for centre in centres)
            return
        longest = max((len(value) for value, _ in shown), default=0)
        found, starts, done = [], [], 0
        for number, (at, centre) in enumerate(zip(places, centres, strict=True)):
            low, high = _window(centre, record)
            if number >= done:
                # Neighbours are searched for together, as far as what is found in bounded memory.
                done = number + 1
                while done < len(places) and _window(centres[done], record)[1] <= low + _TOGETHER:
                    done += 1
                stop = max(_window(one, record)[1] for one in centres[number:done])
                reach = max(low - longest, 0), min(stop + longest, len(self._data))
                found = sorted(literals(self._data, reach, shown), key=_ORDER)
                starts = [veil.start for veil in found]
            first, after = max(low - longest, 0), min(high + longest, len(self._data))
            near = found[bisect_left(starts, first) : bisect_right(starts, after)]
            veils = merged((*self._within(low, high), *(veil for veil in near if veil.end <= after)))
            yield self._shown(veils, at, low, high)

    def _shown(self, veils: list[Veil], at: int, low: int, high: int) -> str:
        """The text of data[low:high] around the one of the veils that holds the byte `at`."""
        if len(veils) == 1:
            before, behind = self._text(low, veils[0].start), self._text(veils[0].end, high)
            return before[-AROUND:] + veils[0].text + behind[:AROUND]
        middle = next(number for number, veil in enumerate(veils) if veil.end > at)

        def backwards() -> Iterator[tuple[str, str]]:
            for number in range(middle, 0, -1):
                veil = veils[number - 1]
                end = max(veil.end, low)
                yield self._text(end, veils[number].start), veil.text if veil.end > low else ""
            yield self._text(low, veils[0].start), ""

        def forwards() -> Iterator[tuple[str, str]]:
            for veil, after in pairwise(veils[middle:]):
                yield self._text(veil.end, min(after.start, high)), after.text if after.start < high else ""
            yield self._text(veils[-1].end, high), ""

        return _last(backwards()) + veils[middle].text + _first(forwards())

    def _within(self, low: int, high: int) -> list[Veil]:
        first = max(bisect_right(self._starts, low) - 1, 0)
        return self._veils[first : bisect_right(self._starts, high)]

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
