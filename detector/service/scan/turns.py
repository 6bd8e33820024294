"""Where scans run: on the event loop, one at a time, or in a thread if one is likely to take long.

In a thread a scan takes a fifth more CPU, and longer: it gives up the interpreter for each compiled loop and waits to
have it back. But one that takes long, by how long the last one of the same source took, would keep heartbeats
waiting, and other partitions.
"""

import asyncio
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from typing import Any, Final, TypeVar

_T = TypeVar("_T")

LONGEST: Final = 0.1  # seconds for which the event loop may stand still
_LITTLE: Final = 0.001  # seconds that a scan may take of however few bytes
_FEW: Final = 64 << 10  # bytes: how long fewer take says little of many


class ScanTurns:
    """Runs scans. It knows how many seconds of CPU each byte of a source took the last time."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._turn = asyncio.Lock()
        self._paces: dict[Hashable, float] = {}

    async def scanned(self, source: Hashable, size: int, scan: Callable[..., _T], *args: Any) -> _T:
        """What a scan of `size` bytes gives."""
        if self._paces.get(source, 0.0) * size > LONGEST:
            return await self.in_thread(self._timed, source, size, scan, *args)
        async with self._turn:
            await asyncio.sleep(0)  # whatever else is ready comes between two scans
            return self._timed(source, size, scan, *args)

    async def in_thread(self, do: Callable[..., _T], *args: Any) -> _T:
        """What it gives, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, do, *args)

    def forget(self, source: Hashable) -> None:
        """A source is forgotten."""
        self._paces.pop(source, None)

    def _timed(self, source: Hashable, size: int, scan: Callable[..., _T], *args: Any) -> _T:
        began = time.thread_time()
        found = scan(*args)
        self._paces[source] = max(time.thread_time() - began - _LITTLE, 0.0) / max(size, _FEW)
        return found
