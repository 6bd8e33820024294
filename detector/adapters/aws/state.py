"""How a task of AWS is, as far as one event tells, and the parts of events that several services write alike."""

from typing import Final, NamedTuple

from detector.adapters.adapter import Record
from detector.adapters.fields import find, text, time
from detector.records.dead_letters import WRONG_FIELD, bad

_LONGEST: Final = 31_536_000  # seconds, a year: no service lets a task run longer
OUTCOMES: Final = {
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "FAULT": "failed",
    "STOPPED": "cancelled",
    "ABORTED": "cancelled",
    "TIMED_OUT": "timed_out",
}


class State(NamedTuple):
    """A task and how it is: when it started and ended (ns), as far as the event says, and its outcome.

    `lasts` is its timeout (ns), and `account` that of the task where the event has it in an ARN alone.
    """

    task_id: str
    kind: str
    workload: str | None
    owner: str | None
    started: int | None
    ended: int | None
    outcome: str | None = None
    lasts: int | None = None
    account: str | None = None


def state_time(record: Record, path: str, now: int) -> int:
    """The time of a state; that of the event, where the state has none."""
    return time(record, path if find(record, path) else "time", now)


def last_of(record: Record, path: str, separator: str) -> str:
    """What an ARN has behind the last separator."""
    last = text(record, path).rpartition(separator)[2]
    if not last:
        raise bad(WRONG_FIELD, path, "not an ARN")
    return last


def lasting(record: Record, path: str, unit: int) -> int | None:
    """A timeout in ns, if the event has one."""
    value = find(record, path)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) * unit if number and 0 < value <= _LONGEST else None
