"""Counts the time since something was first seen, where a provider does not say since when it is so.

Some providers accept a credential for a while after they say that it is gone: it is dead only when that has passed.
"""

import time
from collections.abc import Callable, Hashable
from typing import Final

_MOST: Final = 10_000


class FirstSeen:
    """When each of the last 10,000 keys was first asked for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Hashable, float] = {}

    def seconds(self, key: Hashable) -> float:
        """Seconds since the first call for this key; 0 for that one."""
        now = self._clock()
        since = self._seen.setdefault(key, now)
        if len(self._seen) > _MOST:
            del self._seen[next(iter(self._seen))]
        return now - since

    def forget(self, key: Hashable) -> None:
        """Counts from the next call on."""
        self._seen.pop(key, None)
