"""A loop that takes tuples of arrays, as the reader of flat records does, and is compiled in a moment."""

from typing import Any

from detector.jit import bare


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
