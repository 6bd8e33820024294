"""Tells together what very many records of a stream say alike, at one time.

A log of nothing but one token has a leak on each line, one of nothing but bombs a line that is not examined whole. Each
adds a record to the count of a finding and nothing else. So those of one batch that differ in their line alone are told
in one fact, which names all their lines.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np

from detector.scan.finding_shares import Texts
from detector.scan.shares import LimitedText
from detector.scan.sightings import Sighting

_MANY: Final = 256  # in a batch: fewer are not worth the search
_FEW: Final = 16  # that show one value: fewer are told one by one
_NEVER: Final = 1 << 62  # positions


class Repeated(NamedTuple):
    """The index of a thing that was found, the indexes of those that say the same, and the lines of their records."""

    first: int
    others: list[int]
    lines: tuple[int, ...]


def repeated_leaks(
    seen: Sequence[Sighting],
    texts: Sequence[Texts],
    window: int,
    shown: Callable[[Sighting, int], tuple[int, int]],
) -> Iterator[Repeated]:
    """Sightings of one secret, one a record, of which the stream has shown so many that text around says nothing new.

    `shown` says of how many more, in its `window` of positions, the text is shown, where so many different secrets are
    seen; and how many sightings, from the first of all on, may be told together. `seen` is in the order in which they
    begin.
    """
    if len(seen) < _MANY:
        return
    kinds, different = _kinds(seen)
    rows = np.array(
        [
            [one.start + one.within for one in seen],
            [one.start for one in seen],
            [one.end for one in seen],
            kinds,
        ],
        np.int64,
    )
    for each in _repeated(rows.T, texts, window):
        more, most = shown(seen[each.first], different)
        last = bisect_left(each.others, most)
        if more < last:
            first = each.others[more - 1] if more else each.first
            yield Repeated(first, each.others[more:last], each.lines[more:last])


class HeldSpans:
    """Spans of registered secrets that are held back before anything is made of them: only their lines are told.

    In its line each stands alone, and so does one before it that tells for it. `shown` says of how many more leaks of
    the secret in data[start:end] the text around is shown.
    """

    def __init__(
        self, texts: Callable[[], Sequence[Texts]], window: int, shown: Callable[[int, int], int]
    ) -> None:
        self._texts = texts
        self._window = window
        self._shown = shown
        # Where the one that tells begins, the spans and their lines.
        self._groups: list[tuple[int, Any, Any]] = []

    def hold(self, data: bytes, spans: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
        """The spans, in order, without those that are held back."""
        if len(spans) < _MANY:
            return spans
        rows = np.fromiter(chain.from_iterable(spans), np.int64, 2 * len(spans)).reshape(-1, 2)
        gone = np.zeros(len(rows), np.bool_)
        found = np.column_stack([rows[:, 0], rows, _values(data, rows)])
        for alike, lines in _groups(found, self._texts(), self._window):
            more = self._shown(*spans[alike[0]])
            if more < len(alike) - 1:
                held = alike[more + 1 :]
                self._groups.append((spans[alike[more]][0], rows[held], lines[more + 1 :]))
                gone[held] = True
        return [spans[number] for number in np.flatnonzero(~gone).tolist()] if self._groups else spans

    @property
    def spans(self) -> Any:
        """All that are held back: rows (start, end)."""
        return np.concatenate([np.empty((0, 2), np.int64), *(rows for _, rows, _ in self._groups)])

    def settled(self, begins: Sequence[int]) -> tuple[dict[int, tuple[int, ...]], list[tuple[int, int]]]:
        """The lines that one at its place tells, and the spans not held back after all, given where all others begin.

        Something else begins in their lines, or beside the one that would tell.
        """
        lines: dict[int, tuple[int, ...]] = {}
        free: list[tuple[int, int]] = []
        if self._groups:
            starts = np.concatenate([part.starts for part in self._texts()])
            busy, counts = np.unique(starts.searchsorted(np.array(begins), "right"), return_counts=True)
            crowded = busy[counts > 1]
            for begin, rows, told in self._groups:
                others = np.isin(starts.searchsorted(rows[:, 0], "right"), busy)
                others |= np.isin(starts.searchsorted(begin, "right"), crowded)
                free += map(tuple, rows[others].tolist())
                lines[begin] = tuple(told[~others].tolist())
        return {begin: some for begin, some in lines.items() if some}, free


def _values(data: bytes, spans: Any) -> Any:
    """A number for each span, the same for many that show the same."""
    first: dict[bytes, int] = {}
    numbers = np.array(
        [first.setdefault(data[start:end], row) for row, (start, end) in enumerate(spans.tolist())]
    )
    few = np.bincount(numbers)[numbers] < _FEW
    numbers[few] = np.flatnonzero(few)
    return numbers


def _kinds(seen: Sequence[Sighting]) -> tuple[list[int], int]:
    """A number for each sighting, the same if they say the same; and how many different secrets there are, at most."""
    kinds: dict[tuple[object, ...], int] = {}
    by_objects: dict[tuple[int, ...], int] = {}  # mostly one of each is made for what says the same
    numbers: list[int] = []
    for one in seen:
        objects = id(one.secret), id(one.pattern), id(one.named), id(one.encodings), id(one.owners)
        number = by_objects.get(objects)
        if number is None:
            pattern = None if one.pattern is None else one.pattern.id
            named = None if one.named is None else (one.named.name, one.named.confidence)
            kind = one.secret.reveal(), pattern, named, one.encodings, one.owners
            number = by_objects[objects] = kinds.setdefault(kind, len(kinds))
        numbers.append(number)
    return numbers, len(kinds)


def repeatedly_limited(limited: Sequence[LimitedText], texts: Sequence[Texts]) -> Iterator[Repeated]:
    """Lines that were not examined whole for one reason, and are as long as each other. `limited` is in order."""
    if len(limited) < _MANY:
        return
    kinds: dict[tuple[object, ...], int] = {}
    rows = [
        (one.start, one.start, one.end, kinds.setdefault((one.reason, one.end - one.start), len(kinds)))
        for one in limited
    ]
    yield from _repeated(np.array(rows, np.int64), texts, _NEVER)


def _repeated(found: Any, texts: Sequence[Texts], window: int) -> Iterator[Repeated]:
    """What says the same, as `_groups` has it."""
    for alike, lines in _groups(found, texts, window):
        first, *others = alike.tolist()
        yield Repeated(first, others, tuple(lines[1:].tolist()))


def _groups(found: Any, texts: Sequence[Texts], window: int) -> Iterator[tuple[Any, Any]]:
    """The indexes and lines of what says the same in `found`: rows (where it begins, start and end, kind), in order.

    The texts that hold it have nothing else, one time and one window.
    """
    begins, starts, ends, kinds = found.T
    for part in texts:
        if part.alike is None or part.moments is None or not len(part.starts):
            continue
        low, high = begins.searchsorted((part.starts[0], part.ends[-1])).tolist()
        some = slice(low, high)
        rows = part.starts.searchsorted(begins[some], "right") - 1
        again = rows[1:] == rows[:-1]
        alone = (starts[some] >= part.starts[rows]) & (ends[some] <= part.ends[rows])
        alone[1:] &= ~again
        alone[:-1] &= ~again
        indexes, rows = low + np.flatnonzero(alone), rows[alone]
        lines = np.asarray(part.at)[rows]
        numbers, counts = _numbered(kinds[indexes], lines // window, part.moments(rows))
        several = counts[numbers] > 1
        order = np.flatnonzero(several)[np.argsort(numbers[several], kind="stable")]
        for group in np.split(order, np.cumsum(counts[counts > 1])[:-1]) if len(order) else ():
            yield indexes[group], lines[group]


def _numbered(*columns: Any) -> tuple[Any, Any]:
    """A number for each row, the same for equal ones, and how many have each.

    numpy sorts whole numbers much sooner than rows.
    """
    numbers = counts = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        if len(column) and (column == column[0]).all():
            counts = counts if counts.any() else np.array([len(column)])
            continue
        _, values = np.unique(column, return_inverse=True)
        both = numbers * (len(column) + 1) + values
        _, numbers, counts = np.unique(both, return_inverse=True, return_counts=True)
    return numbers, counts
