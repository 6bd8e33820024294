"""Finds assignments in a text: a name with a telling stem, and the value that it is given. Compiled loops.

name ─▶ separators ─▶ wrappers ─▶ value_ends
`value` and the like ─▶ pairs: the name that belongs to it

What is found at a place depends on a bounded number of bytes around it.
"""
# ruff: noqa: PLR2004 - bytes are compared with bytes
# ruff: noqa: C901, PLR0912, PLR0913, PLR0917 - a compiled parser: numba cannot see into a struct

from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.scan.names.byte_classes import PART, TABLE, TELLS
from detector.scan.names.lexicon import NAME_LONGEST
from detector.scan.names.pairs import NAME_LEAST, is_value, pair_name
from detector.scan.names.value_kernel import kind_of, nested_kind_of, starts
from detector.scan.names.value_kinds import NOTHING
from detector.scan.names.value_places import value_of

EARLY: Final = 40


@bare
def _stem_in(data: Any, start: int, end: int, stems: Any, sizes: Any, first: Any) -> bool:
    """Whether one of the stems, lower case, is in data[start:end] in any case.

    `first` is 1 for the two letters that begin one.
    """
    for at in range(start, end - 1):
        pair = np.int64(data[at] & 31) << np.int64(5) | np.int64(data[at + 1] & 31)
        if not first[pair]:
            continue
        for number in range(sizes.size):
            # Most stems are passed by at their first letters: a slice costs more than the comparison.
            if stems[number, 0] != data[at] | 32 or stems[number, 1] != data[at + 1] | 32:
                continue
            if starts(data, at, end, stems[number, : sizes[number]]):
                return True
    return False


@bare
def _grouped(data: Any, start: int, end: int) -> bool:
    """Whether the value is groups of 4, 5 or 6 letters with hyphens between: `abcd-efgh-ijkl-mnop`."""
    size = 0
    while start + size < end and size < 7 and data[start + size] != 45:
        size += 1
    if not 4 <= size <= 6 or end - start < 16 or (end - start + 1) % (size + 1):
        return False
    for at in range(start, end):  # noqa: SIM110 - numba compiles no generator
        if (data[at] == 45) != ((at - start + 1) % (size + 1) == 0):
            return False
    return True


@bare
def _tells(data: Any, start: int, end: int) -> bool:
    """Whether one of `TELLING` is among the first bytes."""
    for at in range(start, min(end, start + EARLY)):
        if TABLE[data[at]] & TELLS:
            return True
    return _grouped(data, start, end)


@bare
def assignments(
    data: Any,
    regions: Any,
    stems: Any,
    sizes: Any,
    first: Any,
    entries: Any,
    kind_entries: Any,
    out: Any,
    region: int,
    begin: int,
    plain: Any,
    summed: Any,
    sums: Any,
) -> tuple[int, int, int]:
    """Fills `out` with a row for each name and its value.

    A row is the start and end of the name and of the value, the kind of value, its randomness, and 1 if it has to be
    random. Begins at `begin` in the region of that number; returns how many rows there are and where to go on, (rows,
    regions.shape[0], 0) at the end. Values of no kind are left out. `plain`, `summed` and `sums` are as for
    `unquoted_end` and `nested_kind_of`.
    """
    size = data.size
    count = before = 0  # where the values end that were read so far
    while region < regions.shape[0]:
        low, high = regions[region, 0], regions[region, 1]
        at = max(low, begin)
        begin = 0
        back = at
        while back > 0 and at - back <= NAME_LONGEST and TABLE[data[back - 1]] & PART:
            back -= 1
        if back > 0 and TABLE[data[back - 1]] & PART:  # too long for a name
            while at < high and TABLE[data[at]] & PART:
                at += 1
            back = at
        at = back
        while at < high:
            if not TABLE[data[at]] & PART:
                at += 1
                continue
            name = at
            while at < size and TABLE[data[at]] & PART:
                at += 1
            if not NAME_LEAST <= at - name <= NAME_LONGEST:
                continue
            bare = is_value(data, name, at)
            if not (bare or _stem_in(data, name, at, stems, sizes, first)):
                continue
            start, end, weak = value_of(data, name, at, plain)
            if start < 0 or end <= start or not _tells(data, start, end):
                continue
            if start < before:
                kind, rating = nested_kind_of(data, start, end, entries, kind_entries, sums, summed)
            else:
                kind, rating = kind_of(data, start, end, entries, kind_entries)
            before = max(before, end)
            if kind == NOTHING:
                continue
            stop = at
            if bare:
                pair, pair_end = pair_name(data, name, end, plain)
                if (
                    pair >= 0
                    and pair_end - pair <= NAME_LONGEST
                    and _stem_in(data, pair, pair_end, stems, sizes, first)
                ):
                    name, stop = pair, pair_end
                elif not _stem_in(data, name, at, stems, sizes, first):
                    continue
            if count == out.shape[0]:
                return count, region, at - 1
            out[count, 0], out[count, 1], out[count, 2], out[count, 3] = name, stop, start, end
            out[count, 4], out[count, 5], out[count, 6] = kind, rating, weak
            count += 1
        region += 1
    return count, region, 0
