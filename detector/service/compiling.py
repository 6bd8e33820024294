"""Has loops compiled that were not built, and says so: in the log, and to the probes.

Processes of its own do it: a thread that compiles could not be ended, and would keep the event loop waiting. Until they
have, no line may be masked: the mask calls the loops.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from typing import Any

from detector.built_kernels import built_kernels
from detector.service.lifecycle import Lifecycle, end
from detector.service.observability.readiness import Readiness
from detector.values.wording import Fixed


async def compile_beside(lifecycle: Lifecycle, readiness: Readiness, log: Any) -> bool:
    """Compiles what was neither built nor kept from an earlier start. False: the end was asked for.

    Raises:
        OSError: there are no processes to be had.
    """
    if built_kernels():
        return True
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "detector.service.compiled_loops",
        "--tell",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    following = asyncio.create_task(_follow(process, readiness, log))
    stopping = asyncio.create_task(lifecycle.stopping.wait())
    waiting = readiness.waiting
    try:
        await asyncio.wait([following, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(following, stopping)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if not lifecycle.stopping.is_set():
            readiness.waiting = waiting
    return not lifecycle.stopping.is_set()


async def _follow(process: asyncio.subprocess.Process, readiness: Readiness, log: Any) -> None:
    """Until it has ended: whether it could compile, is seen where the loops are called."""
    began, loops, missing = time.monotonic(), 0, False
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    async for line in process.stdout:
        if line == b"there\n":
            loops += 1
        elif not missing:
            missing = True
            log.info(Fixed("compiling the loops of the scanner for this machine, once: this takes minutes"))
        if missing:
            readiness.waiting = Fixed(f"starting: compiling the loops of the scanner, {loops:,} are there")
    await process.wait()
    if missing:
        seconds = round(time.monotonic() - began, 1)
        log.info(Fixed("the loops of the scanner are compiled"), loops=loops, seconds=seconds)
