"""When what is written began: Kafka's timestamp of the input record behind it, carried so that latency counts from there.

Records of `work` bear it as their own timestamp, as far as that is safe: brokers delete by it, and refuse what is ahead
of their clock. So it is never in the future, and never further back than `longest`.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from detector.values.times import HOUR, MILLISECOND

LONGEST: Final = HOUR
POLLS: Final = 64


def longest(retention: int | None) -> int:
    """How far back a record may be dated in a topic that keeps for so long, in ns: it has to be read before it goes."""
    return LONGEST if retention is None else min(LONGEST, retention // 2)


def dated(began_ms: int | None, now: int, longest: int) -> int | None:
    """The timestamp (ms) of a record that follows from one of `began_ms`; None, the time of writing, if that has none.

    `now` and `longest` are in ns.
    """
    if began_ms is None or began_ms < 0:
        return None
    return min(max(began_ms, (now - longest) // MILLISECOND), now // MILLISECOND)


class Polls:
    """When the polls of one input partition began: for text that was held over from one that is not in memory any more."""

    def __init__(self) -> None:
        self._polls: deque[tuple[int, int]] = deque(maxlen=POLLS)

    def read(self, records: Sequence[Any]) -> "Origins":
        """Takes note of a poll."""
        self._polls.append((records[0].offset, records[0].timestamp))
        return Origins(records, self._polls)

    def held(self) -> "Origins":
        """For what is left of earlier polls."""
        return Origins((), self._polls)


class Origins:
    """Timestamps (ms) by offset: a record's own where it is in this poll, else that of the first of its poll."""

    def __init__(self, records: Sequence[Any], polls: Sequence[tuple[int, int]]) -> None:
        self._records = records
        self._polls = polls
        self._stamps: dict[int, int] | None = None

    def of(self, offset: int | None) -> int | None:
        """When that record was appended, None if nobody knows."""
        if offset is None:
            return None
        if self._stamps is None:  # most polls give nothing to write
            self._stamps = {record.offset: record.timestamp for record in self._records}
        if offset in self._stamps:
            return self._stamps[offset]
        at = bisect_right(self._polls, offset, key=lambda poll: poll[0])
        return self._polls[max(at - 1, 0)][1] if self._polls else None
