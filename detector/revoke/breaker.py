"""A circuit breaker: a target that fails again and again is left alone for a while, then tried with one command.

pybreaker wraps calls, and its asynchronous form needs Tornado; purgatory keeps time itself. Here the dispatcher asks
before it hands out work, so that commands wait without a call, and time is an argument.
"""

from typing import Final, Literal

State = Literal["closed", "half-open", "open"]
STATES: Final[tuple[State, ...]] = ("closed", "half-open", "open")
_MOST_DOUBLINGS: Final = 5


class Breaker:
    """Of one target.

    `failures` in a row open it for `pause` ns; after each failed trial for twice as long, at most 32 times. Any
    answer of the provider counts as a success, also a refusal.
    """

    def __init__(self, failures: int, pause: int) -> None:
        self._limit = failures
        self._pause = pause
        self._failures = 0
        self._opened = 0  # times in a row
        self._until = 0
        self._trial = False

    def state(self, now: int) -> State:
        """How it is at `now` (ns)."""
        if self._failures < self._limit:
            return "closed"
        return "open" if now < self._until else "half-open"

    def wait_until(self, now: int) -> int | None:
        """None if a command may go, else when to ask again. Half-open, it lets one go: that one has to report."""
        state = self.state(now)
        if state == "closed":
            return None
        if state == "open":
            return self._until
        if self._trial:
            return now + self._pause
        self._trial = True
        return None

    def succeeded(self) -> None:
        """The provider answered."""
        self._failures = self._opened = 0
        self._trial = False

    def failed(self, now: int) -> None:
        """It did not, or with garbage."""
        was = self.state(now)
        self._failures += 1
        if self._failures < self._limit or was == "open":
            return
        self._until = now + self._pause * 2 ** min(self._opened, _MOST_DOUBLINGS)
        self._opened += 1
        self._trial = False

    def gave_up(self) -> None:
        """The trial ended without an answer: the work was cancelled."""
        self._trial = False
