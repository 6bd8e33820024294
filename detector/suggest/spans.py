"""How long things take: the median, the 99th percentile and the longest."""

import math
from array import array
from typing import Final

import msgspec

from detector.values.times import MICROSECOND, SECOND


class Spans(msgspec.Struct, frozen=True):
    """Durations summed up, in seconds; None if there are none. Percentiles are by nearest rank: one that was seen."""

    n: int
    p50: float | None = None
    p99: float | None = None
    longest: float | None = None


_UNIT: Final = SECOND // MICROSECOND


def spans_of(durations: "array[int]") -> Spans:
    """Durations (in microseconds: 8 bytes hold the year 9999) summed up."""
    if not durations:
        return Spans(0)
    ordered = sorted(durations)
    p50, p99 = (ordered[math.ceil(len(ordered) * part / 100) - 1] for part in (50, 99))
    return Spans(len(ordered), p50 / _UNIT, p99 / _UNIT, ordered[-1] / _UNIT)
