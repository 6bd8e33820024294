"""Has the C library keep little memory that nobody uses.

glibc gives each thread an arena of its own, up to eight a core, and keeps what was freed among what is still used.
RocksDB and Kafka's client free much: without this a process stays as large as it once was.
"""

import asyncio
import ctypes
import os
from typing import Final

_ARENAS: Final = 2
_M_ARENA_MAX: Final = -8  # malloc.h
EVERY_SECONDS: Final = 60.0


def bound_arenas() -> None:
    """Bounds the arenas of this process, unless its environment says how many. Other C libraries have none."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, _ARENAS)


async def give_back() -> None:
    """Gives memory that was freed back to the system, now and then, for ever."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while trim is not None:
        await asyncio.sleep(EVERY_SECONDS)
        await asyncio.to_thread(trim, 0)
