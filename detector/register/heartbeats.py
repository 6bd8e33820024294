"""The heartbeats of a task: while one is not sent, the next takes its place."""

import time
from typing import Final

from detector.register.destinations import Destination, UndeliveredError
from detector.register.messages import event
from detector.values.errors import UsageError
from detector.values.registrable import LONGEST_LEASE
from detector.values.times import SECOND, parse_duration

SHORTEST_LEASE: Final = 3 * SECOND
_BEATS: Final = 3  # in a lease
_TRIES: Final = 3  # until the next beat


def lease_of(value: str | float) -> int:
    """A lease in ns, from seconds or a text such as `90s`.

    Raises:
        UsageError: it is no duration of 3 s to a day.
    """
    try:
        lease = parse_duration(value)
    except ValueError as error:
        raise UsageError(f"the lease is {error}") from None
    if not SHORTEST_LEASE <= lease <= LONGEST_LEASE:
        raise UsageError("a lease lasts 3 s at least, and a day at most")
    return lease


def heartbeat(source: str, task_id: str, lease: int) -> bytes:
    """The event that a task is alive now, and for its lease (ns) from now on."""
    return event(
        "task.heartbeat", source, time.time_ns(), {"task_id": task_id, "lease": f"{lease / SECOND:g}s"}
    )


class Heartbeats:
    """Sends a heartbeat every third of the `lease` (ns); if that is None, only those that are told."""

    def __init__(self, destination: Destination, source: str, task_id: str, lease: int | None) -> None:
        self._destination = destination
        self._source = source
        self._task_id = task_id
        self._lease = lease
        self._every = float("inf") if lease is None else lease / SECOND / _BEATS
        self._due = time.monotonic() + self._every
        self._retry_at = 0.0
        self._waiting: bytes | None = None

    def tell(self, line: bytes) -> None:
        """Takes a heartbeat that is to be sent at once, in place of one that waits."""
        self._waiting, self._retry_at = line, 0.0

    def wait(self) -> float:
        """Seconds until there is something to send; it may be infinite."""
        at = self._due if self._waiting is None else min(self._due, self._retry_at)
        return max(0.0, at - time.monotonic())

    def attempt(self) -> None:
        """Sends a heartbeat, if it is time to."""
        now = time.monotonic()
        if self._lease is not None and now >= self._due:
            self._due = now + self._every
            self.tell(heartbeat(self._source, self._task_id, self._lease))
        line = self._waiting
        if line is None or now < self._retry_at:
            return
        try:
            self._destination.send([line])
        except UndeliveredError:
            if self._waiting is line:  # else another was told meanwhile
                self._retry_at = time.monotonic() + min(self._every, 30) / _TRIES
        else:
            if self._waiting is line:
                self._waiting = None
