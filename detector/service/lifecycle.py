"""One process of the service, from a signal to its end: tasks that must not end by themselves, and why it ended."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from detector.kafka.retry import until_it_succeeds
from detector.service.observability.readiness import Readiness
from detector.values.errors import CurfewdError, RetryError, StopError
from detector.values.shortage import shortage
from detector.values.wording import Fixed

_T = TypeVar("_T")
LONGEST_PAUSE_SECONDS: Final = 30.0
TURN_SECONDS: Final = 1.0


class Lifecycle:
    """`stopping` is set once the end is asked for; `failure` is why, if it was no signal. `log` is structlog's.

    `ending` says what the end does first, for the log.
    """

    def __init__(
        self, readiness: Readiness, log: Any, ending: str = "open transactions commit, then the group is left"
    ) -> None:
        self.stopping = asyncio.Event()
        self.failure: CurfewdError | None = None
        self._readiness = readiness
        self._log = log
        self._ending = ending

    def listen(self, on_reload: Callable[[], None]) -> None:
        """SIGTERM and SIGINT ask for the end, SIGHUP calls `on_reload`."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_on_signal, number.name)
        loop.add_signal_handler(signal.SIGHUP, on_reload)

    def _stop_on_signal(self, name: str) -> None:
        if not self.stopping.is_set():
            self._log.info(Fixed(f"stopping: {self._ending}"), why=Fixed(name))
        self.stop()

    def stop(self) -> None:
        """Asks for the end."""
        self._readiness.waiting = Fixed("stopping")
        self.stopping.set()

    async def until_stopped(self, work: Any, drains: Callable[[], bool]) -> None:
        """Runs the work. A stop cancels it unless it `drains`: then it ends by itself."""
        task = asyncio.create_task(work)
        stopping = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                _, late = await asyncio.wait([task], timeout=None if drains() else 0)
                if late:
                    task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        finally:
            stopping.cancel()

    def watched(self, work: Any) -> "asyncio.Task[None]":
        """A task that must not end by itself: if it fails or is cancelled, the service ends."""

        def ended(task: "asyncio.Task[None]") -> None:
            if task.cancelled():
                # If we did not cancel it, a library did, and its work would silently be done no more.
                if not self.stopping.is_set():
                    self.fail(asyncio.CancelledError())
            elif (error := task.exception()) is not None:
                self.fail(error)

        task = asyncio.create_task(work)
        task.add_done_callback(ended)
        return task

    def fail(self, error: BaseException) -> None:
        """Ends the service for this reason."""
        if self.failure is None:
            if isinstance(error, CurfewdError):
                self.failure = error
            elif (lacking := shortage(error)) is not None:
                self.failure = lacking
            else:  # its text may quote a record
                self._log.error("internal error", error=error)
                self.failure = StopError(f"internal error: {type(error).__name__}; please report it")
            self._readiness.dead = str(self.failure)
        self.stop()

    async def retry(
        self, attempt: Callable[[], Awaitable[_T]], what: str, longest_pause: float = LONGEST_PAUSE_SECONDS
    ) -> _T:
        """Tries until it succeeds, and says why it waits."""

        def waits(error: RetryError) -> None:
            self._readiness.waiting = str(error)
            self._log.warning(f"{what}, trying again", why=str(error))

        return await until_it_succeeds(attempt, waits, longest_pause=longest_pause)

    @contextlib.asynccontextmanager
    async def turning(self) -> Any:
        """While it is open, the probes are told that the event loop runs."""

        async def turn() -> None:
            while True:
                self._readiness.loop_turned()
                await asyncio.sleep(TURN_SECONDS)

        task = asyncio.create_task(turn())
        try:
            yield
        finally:
            await end(task)


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancels tasks and waits for them. Whoever watches them has their errors."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
