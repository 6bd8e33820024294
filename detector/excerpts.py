"""Which bytes of a text must not be shown, and the text around a leak without them."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

import msgspec

from detector.secrets import mask
from detector.wording import visible

MANY: Final = 1024  # ways to read the secrets of one record
AROUND: Final = 80  # characters of text on either side of a leak
_BYTES_AROUND: Final = 4 * AROUND  # in UTF-8 a character has at most four
# A shorter secret is masked where it was recognised, not wherever its letters occur.
LEAST_LITERAL: Final = 4
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
    for veil in sorted(veils, key=lambda one: (one.start, one.end)):
        if done and veil.start < done[-1].end:
            best = max(done[-1], veil, key=lambda one: one.weight)
            end = max(done[-1].end, veil.end)
            done[-1] = Veil(done[-1].start, end, best.rule, best.length, best.weight)
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


class Excerpts:
    """Makes the excerpts of one batch. `veils` are all of its recognised secrets, merged."""

    def __init__(self, data: bytes, veils: list[Veil]) -> None:
        self._data = data
        self._veils = veils
        self._starts = [veil.start for veil in veils]

    def around(self, at: int, record: tuple[int, int], shown: list[tuple[bytes, Veil]]) -> str:
        """The text around the veil that holds the byte `at`, within the record.

        `shown` are the record's secrets as they stand in it: no other occurrence of them is shown either.
        """
        centre = self._veils[bisect_right(self._starts, at) - 1]
        if len(shown) > MANY:  # searching for all of them around each would be quadratic
            return centre.text
        low = max(record[0], centre.start - _BYTES_AROUND)
        high = min(max(record[1], centre.end), centre.end + _BYTES_AROUND)
        longest = max((len(value) for value, _ in shown), default=0)
        reach = max(low - longest, 0), min(high + longest, len(self._data))
        veils = merged((*self._within(low, high), *literals(self._data, reach, shown)))
        if len(veils) == 1:
            alone = veils[0]
            return self._text(low, alone.start)[-AROUND:] + alone.text + self._text(alone.end, high)[:AROUND]
        middle = next(number for number, veil in enumerate(veils) if veil.end > at)
        before = [(self._text(low, veils[0].start), "")] if veils[0].start > low else []
        for veil, after in pairwise(veils[: middle + 1]):
            before.append((self._text(max(veil.end, low), after.start), veil.text if veil.end > low else ""))
        behind = []
        for number, veil in enumerate(veils[middle:], start=middle):
            stop = veils[number + 1].start if number + 1 < len(veils) else high
            tail = veils[number + 1].text if number + 1 < len(veils) and stop < high else ""
            behind.append((self._text(veil.end, min(stop, high)), tail))
        return _last(before) + veils[middle].text + _first(behind)

    def _within(self, low: int, high: int) -> list[Veil]:
        first = max(bisect_right(self._starts, low) - 1, 0)
        return self._veils[first : bisect_right(self._starts, high)]

    def _text(self, start: int, end: int) -> str:
        return visible(self._data[start:end].decode("utf-8", "replace"), _VISIBLE) if end > start else ""


def _last(pieces: list[tuple[str, str]]) -> str:
    """The last characters of (text, mask before it) in a row; a mask is whole or not there."""
    shown, left = "", AROUND
    for text, before in reversed(pieces):
        shown = text[-left:] + shown if left else shown
        left -= min(len(text), left)
        if left < len(before) or not left:
            break
        shown = before + shown
        left -= len(before)
    return shown


def _first(pieces: list[tuple[str, str]]) -> str:
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
