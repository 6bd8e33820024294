"""Where values stand among others, if both are nearly in order: hardly more than one pass over both. Compiled loops.

numpy's `searchsorted` looks each value up by itself, which is what dense encodings cost most.
"""
# ruff: noqa: PLR0913, PLR0917 - a compiled loop takes a table in columns

from typing import Any, Final

import numpy as np

from detector.jit import bare

THIRDS: Final = 3  # of a byte: three bytes are four digits of base64


@bare
def _rank(ordered: Any, least: int, near: int) -> int:
    """How many of `ordered` are less than `least`; looks from `near` on, further and further away."""
    low, high, width = 0, int(ordered.size), 1
    if near and ordered[near - 1] >= least:
        high = near - 1
    else:
        low = near
        while low < high and ordered[low] < least:
            low += 1
            if low + width >= high or ordered[low + width] >= least:
                high = min(high, low + width)
                break
            low += width
            width *= 2
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < least:
            low = middle + 1
        else:
            high = middle
    return low


@bare
def _fill_ranks(ordered: Any, values: Any, out: Any) -> None:
    rank = 0
    for number in range(values.size):
        rank = _rank(ordered, values[number], rank)
        out[number] = rank


@bare
def _fill_origins(starts: Any, zero: Any, step: Any, least: Any, values: Any, out: Any) -> None:
    rank = 0
    for number in range(values.size):
        rank = _rank(starts, values[number] + 1, rank)
        segment = rank - 1
        out[number] = max((zero[segment] + step[segment] * values[number]) // THIRDS, least[segment])


def ranks(ordered: Any, values: Any) -> Any:
    """As `ordered.searchsorted(values)`, of whole numbers."""
    values = np.ascontiguousarray(values, np.int64)
    out = np.empty(values.size, np.int64)
    _fill_ranks(np.ascontiguousarray(ordered, np.int64), values, out)
    return out


@bare
def _fill_columns(segments: Any, places: Any, from_: Any, zero: Any, step: Any) -> None:
    for row in range(segments.shape[0]):
        places[row], from_[row] = segments[row, 0], segments[row, 1]
        step[row] = THIRDS * abs(np.int64(segments[row, 3]))
        zero[row] = THIRDS * from_[row] - step[row] * places[row]


def columns(segments: Any) -> Any:
    """Of segments (place, start in the origin, end, bytes of it for each, or a negative number), four rows of numbers.

    Their places, their starts, and `zero` and `step`: the byte at a place comes from `zero` + `step` · place, in thirds
    of a byte.
    """
    made = np.empty((4, len(segments)), np.int64)
    _fill_columns(segments, *made)
    return made


def origins(starts: Any, zero: Any, step: Any, least: Any, values: Any) -> Any:
    """(`zero` + `step` · value) // `THIRDS` of each value, at least `least`, by the segments that begin at `starts`."""
    values = np.ascontiguousarray(values, np.int64)
    out = np.empty(values.size, np.int64)
    _fill_origins(starts, zero, step, least, values, out)
    return out
