"""The line between `curfewd run` and one of its workers: a pair of sockets on which the worker answers questions.

However the process dies that a worker belongs to, the kernel kills the worker then, whatever that is doing.
"""

import contextlib
import ctypes
import os
import signal
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection
from threading import Lock, Thread
from typing import Final

import msgspec

from detector.service.observability.readiness import StandbyCopies

ANSWER_SECONDS: Final = 5.0
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_STATUS: Final = b"status"
_METRICS: Final = b"metrics"


class WorkerStatus(msgspec.Struct, frozen=True):
    """How a worker is: why it should be restarted and why it is not ready, if so; whether its stages have started.

    `standbys` are the copies that it keeps.
    """

    alive: str | None = None
    ready: str | None = "starting"
    working: bool = False
    standbys: StandbyCopies = StandbyCopies()


def end_with(parent: int) -> None:
    """Has the kernel kill this process, the child of that one, once the parent's main thread is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it had died before
        os.kill(os.getpid(), signal.SIGKILL)


class WorkerEnd:
    """The worker's end, with the file descriptor that it was given. A thread of its own answers however busy it is."""

    def __init__(self, descriptor: int) -> None:
        self._connection = Connection(descriptor)

    def answer(self, status: Callable[[], WorkerStatus], metrics: Callable[[], bytes]) -> None:
        """Answers from now on."""
        Thread(target=self._answer, args=(status, metrics), name="worker", daemon=True).start()

    def _answer(self, status: Callable[[], WorkerStatus], metrics: Callable[[], bytes]) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                number, _, asked = self._connection.recv_bytes().partition(b" ")
                answer = metrics() if asked == _METRICS else msgspec.json.encode(status())
                self._connection.send_bytes(number + b" " + answer)


class ParentEnd:
    """The parent's end: `descriptor` is for the worker, until `started`."""

    def __init__(self) -> None:
        mine, its = socket.socketpair()
        self._its = its
        self.descriptor = its.fileno()
        self._connection = Connection(mine.detach())
        self._lock = Lock()
        self._asked = 0

    def started(self) -> None:
        """The worker has its end: it is closed here, so that its death is seen."""
        self._its.close()

    def status(self) -> WorkerStatus | None:
        """How the worker is, None if it does not answer. It blocks a while."""
        answer = self._ask(_STATUS)
        return None if answer is None else msgspec.json.decode(answer, type=WorkerStatus)

    def metrics(self) -> bytes | None:
        """Its page of metrics, in OpenMetrics' format."""
        return self._ask(_METRICS)

    def _ask(self, question: bytes) -> bytes | None:
        with self._lock:
            self._asked += 1
            with contextlib.suppress(EOFError, OSError):
                self._connection.send_bytes(b"%d %s" % (self._asked, question))
                while self._connection.poll(ANSWER_SECONDS):
                    number, _, answer = self._connection.recv_bytes().partition(b" ")
                    if int(number) == self._asked:  # else it is late, and to an earlier question
                        return answer
            return None

    def close(self) -> None:
        """Nothing more is asked."""
        with self._lock:
            self._connection.close()
