"""Loops that are compiled in a moment: of tuples of arrays, as the reader of flat records has them, and one array."""

from typing import Any

import numpy as np

from detector.jit import bare, compiled


@bare
def weighed(data: Any, tables: Any, scratch: Any) -> tuple[int, int]:
    """The sum of the bytes' weights, and how many have one; `scratch` gets both."""
    weights, squares = tables
    sums, _ = scratch
    sums[:] = 0
    for byte in data:
        sums[0] += weights[byte] + squares[byte, 1]
        sums[1] += weights[byte] > 0
    return sums[0], sums[1]


@compiled
def places(data: Any, least: int) -> Any:
    """Where the bytes are that are no less."""
    found, count = np.empty(data.size, np.int64), 0
    for at in range(data.size):
        if data[at] >= least:
            found[count] = at
            count += 1
    return found[:count].copy()
