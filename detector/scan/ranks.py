"""Where values stand among others, if both are nearly in order: hardly more than one pass over both. Compiled loops.

numpy's `searchsorted` looks each value up by itself, which is what dense encodings cost most.
"""
# ruff: noqa: PLR0913, PLR0917 - a compiled loop takes a table in columns

from typing import Any

import numpy as np

from detector.jit import bare


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
def _fill_origins(starts: Any, zero: Any, step: Any, least: Any, unit: int, values: Any, out: Any) -> None:
    rank = 0
    for number in range(values.size):
        rank = _rank(starts, values[number] + 1, rank)
        segment = rank - 1
        out[number] = max((zero[segment] + step[segment] * values[number]) // unit, least[segment])


def ranks(ordered: Any, values: Any) -> Any:
    """As `ordered.searchsorted(values)`, of whole numbers."""
    values = np.ascontiguousarray(values, np.int64)
    out = np.empty(values.size, np.int64)
    _fill_ranks(np.ascontiguousarray(ordered, np.int64), values, out)
    return out


def origins(starts: Any, zero: Any, step: Any, least: Any, unit: int, values: Any) -> Any:
    """(`zero` + `step` · value) // `unit` of each value, no less than `least`, by the segments that begin at `starts`."""
    values = np.ascontiguousarray(values, np.int64)
    out = np.empty(values.size, np.int64)
    _fill_origins(starts, zero, step, least, unit, values, out)
    return out
