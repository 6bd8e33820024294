"""When a log record was written: the time, whose it is, and how late it may be.

A log line may state any time. So no time stands that is later, by more than the skew, than the time of whatever carried
the record: its envelope, Kafka, the archive. An earlier one stands, because logs come late.
"""

from typing import Final, NamedTuple

RECORD: Final = "record"
"""The record states it."""

CARRIER: Final = "carrier"
"""What a runtime, a relay or a collector wrote around the record: CRI, Docker, syslog, journald, OTLP, EventBridge."""

KAFKA: Final = "kafka"
"""Kafka's timestamp."""

ARCHIVE: Final = "archive-member"
"""The modification time that the archive states for the member."""

EARLIER_RECORD: Final = "earlier-record"
"""Of the nearest record before it, in the same file, that has one."""

FILE: Final = "file"
"""The modification time of the file."""

LATEST: Final = "latest-read"
"""The latest event or log time of the whole replay: nothing says more."""

CLOCK: Final = "clock"
"""The clock of the replay, or its `--until`: no record of it has a time, and no file."""

TIMELESS: Final = frozenset({ARCHIVE, FILE, LATEST, CLOCK})
"""The origins of a time that no record and no carrier states: expiries are held against the clock."""


class LogTime(NamedTuple):
    """A time (ns), None if nothing states one, and its origin.

    `received` is Kafka's timestamp (ns), if there is one.
    """

    time: int | None
    origin: str | None
    received: int | None = None


NO_TIME: Final = LogTime(None, None)


def stated(time: int | None, origin: str, carried: int | None, skew: int) -> LogTime:
    """The time of a record by what it states and by what its carrier states, each in ns, None if it states none.

    `origin` is that of `time`.
    """
    if carried is None:
        return NO_TIME if time is None else LogTime(time, origin)
    return bounded(NO_TIME if time is None else LogTime(time, origin), LogTime(carried, CARRIER), skew)


def bounded(time: LogTime, bound: LogTime, skew: int) -> LogTime:
    """The time, or the bound in place of none or of one that is later than it by more than `skew` (ns)."""
    if bound.time is None or (time.time is not None and time.time <= bound.time + skew):
        return time
    return bound
