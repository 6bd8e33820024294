"""Joins numbers that belong together, however many: they are in files, and a part of them at a time is in memory."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detector.scan.pages import slices, zeros

Ints: TypeAlias = NDArray[np.int64]


def distinct(*parts: Ints) -> Ints:
    """The numbers in some arrays in order, each once.

    Raises:
        OSError: the disk is full.
    """
    found: Ints = zeros(sum(map(len, parts)), np.int64, in_file=True)
    end = 0
    for part in parts:
        for some in slices(len(part)):
            found[end : end + some.stop - some.start] = part[some]
            end += some.stop - some.start
    found.sort()
    end, last = 0, None
    for some in slices(len(found)):
        numbers = found[some]
        new = np.append(numbers[0] != last, numbers[1:] != numbers[:-1])
        last = numbers[-1]
        kept = numbers[new]
        found[end : end + len(kept)] = kept
        end += len(kept)
    return found[:end]


def repeated(numbers: Ints, times: int) -> Ints:
    """Those that are in an array so many times at the least. It gets sorted.

    Raises:
        OSError: the disk is full.
    """
    numbers.sort()
    first, last = numbers[: max(0, len(numbers) - times + 1)], numbers[times - 1 :]
    return distinct(*(first[some][first[some] == last[some]] for some in slices(len(first))))


def among(numbers: Ints, known: Ints) -> NDArray[np.bool_]:
    """Which numbers are in an ordered array."""
    if not len(known):
        return np.zeros(len(numbers), bool)
    at = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    found: NDArray[np.bool_] = known[at] == numbers
    return found


def places(numbers: Ints, known: Ints) -> Any:
    """Where numbers stand in an ordered array that has all of them.

    Raises:
        OSError: the disk is full.
    """
    found = zeros(len(numbers), _narrow(len(known)), in_file=True)
    for some in slices(len(numbers)):
        found[some] = np.searchsorted(known, numbers[some])
    return found


def connected(size: int, one: Sequence[int] | Ints, other: Sequence[int] | Ints) -> Any:
    """For each of `size` nodes the least one that it is connected with, given the two nodes of each edge.

    Each round hooks trees to lesser ones and halves their depth, so the rounds grow with the logarithm of the size.

    Raises:
        OSError: the disk is full.
    """
    labels = zeros(size, _narrow(size), in_file=True)
    for some in slices(size):
        labels[some] = np.arange(some.start, some.stop)
    changed = True
    while changed:
        changed = False
        for some in slices(len(one)):
            ends = np.stack((one[some], other[some]))
            roots = labels[ends]
            apart = roots[0] != roots[1]
            if apart.any():
                changed = True
                low = roots[:, apart].min(axis=0)
                for each in (*roots, *ends):
                    np.minimum.at(labels, each[apart], low)
        for some in slices(size):
            above = labels[labels[some]]
            changed |= not np.array_equal(above, labels[some])
            labels[some] = above
    return labels


def _narrow(size: int) -> type[Any]:
    """Of numbers below `size`: half the room, where that is enough."""
    return np.int32 if size < 1 << 31 else np.int64
