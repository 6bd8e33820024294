"""When what is written began: Kafka's timestamp of the input record behind it, so that latency counts from there.

A record of the work topic bears that time as its own timestamp, as far as that is safe. Brokers delete by timestamp and
refuse what is ahead of their clock. So it is never in the future, and never further back than `longest_backdating`.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from detector.records.record_columns import offsets_of, timestamps_of
from detector.values.times import HOUR, MILLISECOND

LONGEST: Final = HOUR
POLLS: Final = 64


def longest_backdating(retention: int | None) -> int:
    """How far back (ns) a record may be dated in a topic with that retention: it must be read before it is deleted."""
    return LONGEST if retention is None else min(LONGEST, retention // 2)


def output_timestamp(began_ms: int | None, now: int, longest: int) -> int | None:
    """The timestamp (ms) of a record that follows from one of `began_ms`.

    None, the time of writing, if that has no timestamp. `now` and `longest` are in ns.
    """
    if began_ms is None or began_ms < 0:
        return None
    return min(max(began_ms, (now - longest) // MILLISECOND), now // MILLISECOND)


class PollTimes:
    """The timestamps of the last polls of one partition, for text that waited and whose records are not in memory."""

    def __init__(self) -> None:
        self._polls: deque[tuple[int, int]] = deque(maxlen=POLLS)

    def read(self, records: Sequence[Any]) -> "RecordTimes":
        """Notes a poll."""
        self._polls.append((records[0].offset, records[0].timestamp))
        return RecordTimes(records, self._polls)

    def earlier(self) -> "RecordTimes":
        """The times of records of earlier polls."""
        return RecordTimes((), self._polls)


class RecordTimes:
    """Timestamps (ms) by offset: the record's own if it is in this poll, else that of the first record of its poll."""

    def __init__(self, records: Sequence[Any], polls: Sequence[tuple[int, int]]) -> None:
        self._offsets = offsets_of(records)
        self._times = timestamps_of(records)
        self._first = self._offsets[0] if len(self._offsets) else 0
        self._polls = polls

    def of(self, offset: int | None) -> int | None:
        """When that record was appended, None if that is not known."""
        if offset is None:
            return None
        at = offset - self._first  # as long as no offset is left out
        if 0 <= at < len(self._offsets) and self._offsets[at] == offset:
            return self._times[at]
        at = bisect_left(self._offsets, offset)
        if at < len(self._offsets) and self._offsets[at] == offset:
            return self._times[at]
        at = bisect_right(self._polls, offset, key=lambda poll: poll[0])
        return self._polls[max(at - 1, 0)][1] if self._polls else None
