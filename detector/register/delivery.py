"""Sends what a spool file holds, and what older processes left behind."""

import json
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from detector.register.destinations import Destination, UndeliveredError
from detector.register.heartbeats import Heartbeats
from detector.register.messages import ended, has_ended, is_event
from detector.register.spool import Spool, SpoolFile
from detector.values.times import SECOND

BEAT_SECONDS: Final = 10.0
"""How often a lease is renewed."""
LEASE_SECONDS: Final = 30.0
"""When nobody renews it for so long, the task has ended."""
_FIRST_WAIT: Final = 0.5  # seconds after the first failure; twice as long after each further one
_LONGEST_WAIT: Final = 60.0


class Delivery:
    """Sends the lines of one file in order. What fails is tried again, later each time."""

    def __init__(self, file: SpoolFile, destination: Destination) -> None:
        self._file = file
        self._destination = destination
        self._sent = 0
        self._failures = 0
        self.retry_at = 0.0  # by the monotonic clock
        self.reason: str | None = None  # why the last try failed
        self.hopeless = False  # and whether another would fail too

    def attempt(self) -> bool:
        """Tries to send what is there. Returns whether nothing is left."""
        lines = self._file.lines(self._sent)
        events = [line for line in lines if is_event(line)]
        if events:
            try:
                self._destination.send(events)
            except UndeliveredError as error:
                self._skip(lines, error.done)
                self.reason, self.hopeless = str(error), not error.later
                self._failures += 1
                wait = min(_FIRST_WAIT * 2 ** min(self._failures - 1, 20), _LONGEST_WAIT)
                self.retry_at = time.monotonic() + wait
                return False
        self._skip(lines, len(events))
        self._failures, self.retry_at, self.reason, self.hopeless = 0, 0.0, None, False
        return True

    def insist(self, until: float) -> bool:
        """Tries to send the last events until this time of the monotonic clock. Returns whether nothing is left."""
        self._failures = min(self._failures, 1)
        while not self.attempt():
            pause = self.retry_at - time.monotonic()
            if self.hopeless or self.retry_at >= until:
                return False
            time.sleep(max(pause, 0))
        return True

    def wait(self) -> float:
        """Seconds until the next try, or until the lease is to be renewed."""
        return min(max(self.retry_at - time.monotonic(), 0) or BEAT_SECONDS, BEAT_SECONDS)

    def left(self) -> int:
        """How many events are not sent."""
        return sum(map(is_event, self._file.lines(self._sent)))

    def compact(self) -> None:
        """Frees the file of what is sent. Nobody may append meanwhile."""
        self._sent = self._file.compact(self._sent)

    def _skip(self, lines: Sequence[bytes], events: int) -> None:
        """Counts the first lines as sent, up to so many events and the notes behind them."""
        for line in lines:
            if is_event(line):
                if not events:
                    return
                events -= 1
            self._sent += len(line) + 1


def send_abandoned(spool: Spool, destination: Destination) -> tuple[int, str | None]:
    """Ends the tasks whose process died, and sends what waits.

    Returns:
        How many files were sent, and why others were not.
    """
    sent, reason = 0, None
    for file in spool.abandoned():
        try:
            lines = file.lines()
            if not lines:
                file.remove()
                continue
            if not has_ended(lines):
                if _still_runs(lines):
                    continue
                file.append(_by_lease(lines, file.touched()))
                lines = file.lines()
            destination.send(list(filter(is_event, lines)))
            file.remove()
            sent += 1
        except UndeliveredError as error:
            reason = str(error)
            if error.later:
                break
        except (
            OSError,
            ValueError,
            KeyError,
        ):  # a file that is no spool file, or cannot be written: for a person
            reason = "a file of the spool cannot be read"
        finally:
            file.close()
    return sent, reason


def _by_lease(lines: Sequence[bytes], touched: int) -> bytes:
    """The end of a task whose lease ran out: nobody can say more exactly when it died."""
    first = json.loads(lines[0])
    time_of_end = min(touched + int(LEASE_SECONDS * SECOND), time.time_ns())
    return ended(first["source"], time_of_end, first["data"]["task_id"], "failed", detail="its lease ran out")


def process_note(pid: int) -> bytes:
    """A line that says which process does the task's work, for whoever finds the file abandoned."""
    return json.dumps({"process": pid, "started": _started(pid), "boot": _boot()}).encode()


def _still_runs(lines: Sequence[bytes]) -> bool:
    """Whether the process that a note names is alive."""
    for line in lines:
        if not is_event(line):
            note = json.loads(line)
            started = _started(note["process"])
            if started is not None and (started, _boot()) == (note["started"], note["boot"]):
                return True
    return False


def _started(pid: int) -> str | None:
    """When a process started, in ticks since the boot; None if there is none, or it is a zombie."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()
        return None if fields[0] in ("Z", "X") else fields[19]
    return None


def _boot() -> str | None:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return None


class Sender:
    """Sends a file from a thread of its own, as long as the task lives."""

    def __init__(
        self, file: SpoolFile, spool: Spool | None, destination: Destination, heartbeats: Heartbeats
    ) -> None:
        self._delivery = Delivery(file, destination)
        self._heartbeats = heartbeats
        self._file = file
        self._spool = spool
        self._destination = destination
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._appending = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="curfewd-register", daemon=True)
        self._thread.start()

    def append(self, line: bytes) -> None:
        """Tells one event.

        Raises:
            SpoolFullError: too many wait already.
            OSError: the spool cannot be written.
        """
        with self._appending:
            self._file.append(line)
        self._changed.set()

    def beat(self, line: bytes) -> None:
        """Tells a heartbeat, as soon as it can be sent and unless a later one is told until then."""
        self._heartbeats.tell(line)
        self._changed.set()

    def finish(self, seconds: float) -> tuple[int, str | None]:
        """Waits at most so long for the last events. Returns how many are left in the spool, and why."""
        self._stopped.set()
        self._changed.set()
        self._thread.join(seconds)
        left = self._delivery.left()
        if not left:
            self._file.remove()
        if self._thread.is_alive():  # it goes on as long as the process does, and holds the file
            return left, self._delivery.reason or "it takes too long"
        self._file.close()
        return left, self._delivery.reason

    def _run(self) -> None:
        swept = self._spool is None
        while True:
            self._changed.clear()
            last = self._stopped.is_set()
            if last or time.monotonic() >= self._delivery.retry_at:
                done = self._delivery.attempt()
                if done and not swept and self._spool is not None:
                    swept = True
                    send_abandoned(self._spool, self._destination)
                with self._appending:
                    self._delivery.compact()
            if last:
                return
            self._file.touch()
            self._heartbeats.attempt()
            self._changed.wait(min(self._delivery.wait(), self._heartbeats.wait()))
