"""Tries a scan out in a process of its own, which may die of it or take too long, and this one does not.

It is a fork: it knows what this process knows, and what it finds is thrown away. Its limit is processor time, so a busy
machine condemns no record. The kernel ends it first if memory runs out.
"""

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
import time
from collections.abc import Callable
from typing import Any, Final

CPU_SECONDS: Final = 10
_HUNG_SECONDS: Final = 120.0  # by the clock: then nothing is known
_POLL_SECONDS: Final = 0.02
_PR_SET_PDEATHSIG: Final = 1
_WORST: Final = b"1000"  # of `oom_score_adj`


async def why_it_dies(scan: Callable[[], Any], cpu_seconds: int = CPU_SECONDS) -> str | None:
    """Why a process that runs `scan` does not come to its end; None if it does, or if nobody can say.

    What `scan` raises is for whoever runs it in earnest.
    """
    child = os.fork()
    if not child:
        _run(scan, cpu_seconds)
    try:
        end = time.monotonic() + _HUNG_SECONDS
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)  # noqa: ASYNC222 - it does not wait
            if done:
                child = 0
                return _why(os.waitstatus_to_exitcode(status), cpu_seconds)
            await asyncio.sleep(_POLL_SECONDS)
        return None
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)  # noqa: ASYNC222 - it has been killed


def _why(code: int, cpu_seconds: int) -> str | None:
    if code >= 0:
        return None
    if -code == signal.SIGXCPU:
        return f"scanning it takes more than {cpu_seconds} s of a processor"
    name = signal.Signals(-code).name
    memory = ", perhaps as memory ran out" if -code == signal.SIGKILL else ""
    return f"scanning it crashed the process: {name}{memory}"


def _run(scan: Callable[[], Any], cpu_seconds: int) -> None:
    """The child, to its end. It has none of the files and sockets of the parent, and ends with it."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as file:  # noqa: PTH123 - one write
            file.write(_WORST)
        scan()
    finally:
        os._exit(0)
