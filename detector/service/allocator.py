"""Has the C library and Python keep little memory that nobody uses.

glibc gives each thread an arena of its own, up to eight a core, and keeps what was freed among what is still used.
Python gives back a megabyte of small objects once none in it is left. So a few thousand that its free lists and caches
keep, here and there one, hold all of it.
"""

import asyncio
import ctypes
import gc
import os
import sys
from typing import Final

from detector.values.findings import command_id, finding_uid

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
    most = 0
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        blocks = sys.getallocatedblocks()
        most = max(most, blocks)
        if blocks < most // 2:  # only then is it worth that all waits for a collection of the rest
            gc.collect()
            most = blocks
        await asyncio.to_thread(release)


def release() -> None:
    """Gives it back now, but for what Python's free lists hold, which a collection empties. Its caches fill again."""
    sys._clear_type_cache()  # noqa: SLF001 - documented, for just this
    finding_uid.cache_clear()
    command_id.cache_clear()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
