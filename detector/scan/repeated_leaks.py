"""Tells leaks together that say the same: a stream shows a registered secret very often, at one time.

A log of nothing but one token has a leak on each line. Behind the first thousand, whose text is shown, each adds a record
to the count of a finding and nothing else. So those of one batch that differ in their line alone are one leak, which
names all their lines.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from detector.scan.finding_shares import Texts
from detector.scan.sightings import Sighting

MANY: Final = 256  # sightings of a batch: fewer are not worth the search


class Repeated(NamedTuple):
    """The index of a sighting, the indexes of those that say the same, and the lines of their records."""

    first: int
    others: list[int]
    lines: tuple[int, ...]


def repeated(
    seen: Sequence[Sighting], texts: Sequence[Texts], window: int, often: Callable[[Sighting], bool]
) -> Iterator[Repeated]:
    """Those of records that show one secret each, at one time and in one `window` of positions, `often` shown before.

    `seen` is in the order in which they begin.
    """
    if len(seen) < MANY:
        return
    kinds: dict[tuple[object, ...], int] = {}
    kind_of = np.array(
        [
            -1
            if one.pattern is not None
            else kinds.setdefault((one.secret, one.encodings, one.owner), len(kinds))
            for one in seen
        ],
        np.int64,
    )
    begins, starts, ends = (
        np.array(each, np.int64)
        for each in zip(*[(one.start + one.within, one.start, one.end) for one in seen], strict=True)
    )
    for part in texts:
        if part.alike is None or part.moments is None or not len(part.starts):
            continue
        low, high = begins.searchsorted((part.starts[0], part.ends[-1])).tolist()
        some = slice(low, high)
        rows = part.starts.searchsorted(begins[some], "right") - 1
        again = rows[1:] == rows[:-1]
        alone = (kind_of[some] >= 0) & (starts[some] >= part.starts[rows]) & (ends[some] <= part.ends[rows])
        alone[1:] &= ~again
        alone[:-1] &= ~again
        indexes, rows = low + np.flatnonzero(alone), rows[alone]
        lines = np.asarray(part.at)[rows]
        names = np.column_stack([kind_of[indexes], lines // window, part.moments(rows)])
        _, numbers, counts = np.unique(names, axis=0, return_inverse=True, return_counts=True)
        order = np.argsort(numbers.ravel(), kind="stable")
        for group in np.split(order, np.cumsum(counts)[:-1]) if len(order) else ():
            first, *others = indexes[group].tolist()
            if others and often(seen[first]):
                yield Repeated(first, others, tuple(lines[group[1:]].tolist()))
