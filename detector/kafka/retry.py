"""Calls that are tried again while the brokers are away.

stamina makes the pauses: they double, with jitter, so that many instances do not come back at the same instant.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import stamina
from stamina.instrumentation import set_on_retry_hooks

from detector.values.errors import RetryError

FIRST_PAUSE_SECONDS: Final = 0.5
JITTER_SECONDS: Final = 0.5

_T = TypeVar("_T")

# stamina would log and count each retry itself, with the arguments of the call. Our callers report failures in their
# own words.
set_on_retry_hooks(())


async def until_it_succeeds(
    attempt: Callable[[], Awaitable[_T]], observe: Callable[[RetryError], None], *, longest_pause: float
) -> _T:
    """What `attempt` returns. While it raises `RetryError`, `observe` gets the error and it is tried again."""

    def again(error: Exception) -> bool:
        if not isinstance(error, RetryError):
            return False
        observe(error)
        return True

    forever = stamina.AsyncRetryingCaller(
        attempts=None,
        timeout=None,
        wait_initial=FIRST_PAUSE_SECONDS,
        wait_max=longest_pause,
        wait_jitter=JITTER_SECONDS,
    )
    return await forever(again, attempt)
