"""Sends a task's events from a process of its own, which lives on when `curfewd exec` is killed.

The command so starts without waiting for a connection. When `curfewd exec` dies without a word, this process waits for
the command, tells that the task ended, and sends that. When it dies too, the task's lease runs out.
"""

import json
import os
import select
import signal
import time
from contextlib import suppress
from typing import Final, NoReturn

from detector.register.delivery import Delivery, process_note, send_abandoned
from detector.register.destinations import Destination, UndeliveredError
from detector.register.heartbeats import Heartbeats
from detector.register.messages import ended
from detector.register.spool import Spool, SpoolFile, SpoolFullError

_ORPHAN_SECONDS: Final = 60.0  # for the last event when `curfewd exec` was killed
_SHARE: Final = 0.8  # of the wait of `curfewd exec`: then there is time to say why it failed
_CHANGED, _STARTED, _UNKEPT, _ENDED = b"n", b"c", b"u", b"e"


class SenderProcess:
    """The process, and the pipes to it. Only the process that made it uses it."""

    def __init__(self, sending: "Sending") -> None:
        self._file = sending.file
        self.keeps = sending.keeps  # what is not sent; as far as it is known
        hears, self._tells = os.pipe()
        self._report, reports = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self._tells)
            os.close(self._report)
            _live(sending, hears, reports)
        os.close(hears)
        os.close(reports)

    def append(self, line: bytes) -> None:
        """Tells one event. If the spool cannot hold it, it is sent at the end, or lost."""
        try:
            self._file.append(line)
        except (OSError, SpoolFullError):
            self.keeps = False
            self._tell(_UNKEPT + line)
        else:
            self._tell(_CHANGED)

    def command_started(self, pid: int) -> None:
        """Says which process is the command."""
        with suppress(OSError):  # a full disk: then nobody can tell whether it lives
            self._file.append(process_note(pid))
        self._tell(_STARTED + str(pid).encode())

    def finish(self, seconds: float) -> str | None:
        """Waits at most so long until all is sent. Returns why something was not, or None."""
        self._tell(_ENDED + str(seconds).encode())
        os.close(self._tells)
        ready, _, _ = select.select([self._report], [], [], seconds)
        data = os.read(self._report, 4096) if ready else b""
        os.close(self._report)
        if not ready:
            os.kill(self.pid, signal.SIGKILL)
        with suppress(ChildProcessError):  # in a container it may have been waited for
            os.waitpid(self.pid, 0)
        if not ready:
            return f"it took more than {seconds:g} s"
        return json.loads(data)["reason"] if data else "the sending process ended"

    def _tell(self, word: bytes) -> None:
        with suppress(BrokenPipeError):  # it was killed: what is in the file is sent later
            os.write(self._tells, word + b"\n")


class Sending:
    """What the process sends, and when."""

    def __init__(  # noqa: PLR0913, PLR0917 - what is sent, and where to
        self,
        file: SpoolFile,
        spool: Spool | None,
        destination: Destination,
        heartbeats: Heartbeats,
        source: str,
        task_id: str,
    ) -> None:
        self.file = file
        self.keeps = spool is not None  # what is not sent
        self._spool = spool
        self._destination = destination
        self._source = source
        self._task_id = task_id
        self._delivery = Delivery(file, destination)
        self._heartbeats = heartbeats
        self.unkept: list[bytes] = []

    def attempt(self) -> None:
        """Sends a heartbeat and what is there, if it is time to, and then what others left."""
        self._heartbeats.attempt()
        if time.monotonic() < self._delivery.retry_at:
            return
        if self._delivery.attempt() and self._spool is not None:
            send_abandoned(self._spool, self._destination)
            self._spool = None

    def wait(self) -> float:
        """Seconds until there is something to do."""
        return min(self._delivery.wait(), self._heartbeats.wait())

    def last(self, seconds: float) -> str | None:
        """Tries for so long to send the rest. Returns why that failed."""
        if self._delivery.insist(time.monotonic() + seconds):
            try:
                self._destination.send(self.unkept)
            except UndeliveredError as error:
                return str(error)  # the lease ends the task
            self.unkept = []
            self.file.remove()
        return self._delivery.reason

    def orphaned(self) -> None:
        """Ends the task in the place of a `curfewd exec` that was killed."""
        with suppress(Exception):  # the lease ends it else
            line = ended(
                self._source, time.time_ns(), self._task_id, "failed", detail="curfewd exec was killed"
            )
            self.file.append(line)
        self.last(_ORPHAN_SECONDS)


def _live(sending: Sending, hears: int, reports: int) -> NoReturn:
    """The life of the process. The signals that `curfewd exec` passes on are blocked here."""
    try:
        os.setsid()  # what a terminal sends is for the command
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        seconds, command = _until_the_end(sending, hears)
        if seconds is not None:
            reason = sending.last(seconds * _SHARE)
            os.write(reports, json.dumps({"reason": reason}).encode())
        else:
            _wait_for(command, sending)
            sending.orphaned()
    finally:
        os._exit(0)


def _until_the_end(sending: Sending, hears: int) -> tuple[float | None, int]:
    """Sends until the task ended: then it returns how long to try the last events.

    When `curfewd exec` died it returns None, and the command's process (0: none).
    """
    command, heard = 0, b""
    while True:
        sending.attempt()
        sending.file.touch()
        ready, _, _ = select.select([hears], [], [], sending.wait())
        if not ready:
            continue
        data = os.read(hears, 4096)
        heard += data
        for word in heard.split(b"\n")[:-1]:
            if word.startswith(_ENDED):
                return float(word[1:]), command
            if word.startswith(_STARTED):
                command = int(word[1:])
            elif word.startswith(_UNKEPT):
                sending.unkept.append(word[1:])
        heard = heard.rpartition(b"\n")[2]
        if not data:
            return None, command


def _wait_for(command: int, sending: Sending) -> None:
    """Waits until the command ended, and renews the lease."""
    if not command:
        return
    try:
        handle = os.pidfd_open(command)
    except OSError:
        return  # it ended, or this kernel has no such call
    while not select.select([handle], [], [], sending.wait())[0]:
        sending.file.touch()
        sending.attempt()
