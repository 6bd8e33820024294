"""Tries a scan out in a process of its own, which may die of it or take too long, and this one does not.

It is a fork: it knows what this process knows, and what it finds is thrown away. Its limits are processor time, so a
busy machine condemns no record, and memory beside what this process has. Where the machine has less to give, memory
that runs out says nothing of the records. The kernel ends the trial first then.
"""

import asyncio
import contextlib
import mmap
import os
import resource
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.kafka.handlers import Partition, TrialError
from detector.service.worker_link import end_with
from detector.values.errors import StopError
from detector.values.shortage import MEMORY, THREADS, check_room, lacking, shortage

CPU_SECONDS: Final = 10
MEMORY_BYTES: Final = 3 << 30  # of address space: a record of 60 MB that decodes to much took 2.4 GB
_HUNG_SECONDS: Final = 120.0  # by the clock: then nothing is known
_POLL_SECONDS: Final = 0.02
_WORST: Final = b"1000"  # of `oom_score_adj`
_RAN_OUT: Final = 3  # the exit code of a trial that could not have memory


class Death(msgspec.Struct, frozen=True):
    """Why a trial did not come to its end. `lacking` if the machine lacked memory: then no record is to blame."""

    why: str
    lacking: bool = False

    def error(self, partition: Partition, records: Sequence[Any]) -> TrialError | StopError:
        """What to raise for the records. Of several, fewer may do with the memory that there is."""
        if not self.lacking or len(records) > 1:
            return TrialError(self.why)
        where = f"topic {partition.topic}, partition {partition.number}, offset {records[0].offset}"
        return StopError(f"{MEMORY} ({where}: {self.why})")


async def why_it_dies(
    scan: Callable[[], Any], cpu_seconds: int = CPU_SECONDS, memory: int = MEMORY_BYTES
) -> Death | None:
    """Why a process that runs `scan` does not come to its end; None if it does, or if nobody can say.

    What else `scan` raises is for whoever runs it in earnest. It may take so many bytes of `memory`.

    Raises:
        StopError: no process can be started.
    """
    enough, parent = _can_have(memory), os.getpid()
    try:
        child = os.fork()
    except OSError as error:
        raise shortage(error) or StopError(THREADS) from error
    if not child:
        _run(scan, cpu_seconds, memory, parent)
    try:
        end = time.monotonic() + _HUNG_SECONDS
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)  # noqa: ASYNC222 - it does not wait
            if done:
                child = 0
                return _why(os.waitstatus_to_exitcode(status), cpu_seconds, memory if enough else None)
            await asyncio.sleep(_POLL_SECONDS)
        return None
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)  # noqa: ASYNC222 - it has been killed


def _can_have(memory: int) -> bool:
    """Whether this process may have so many more bytes."""
    try:
        check_room(memory)
    except OSError:
        return False
    return True


def _why(code: int, cpu_seconds: int, memory: int | None) -> Death | None:
    """What an exit code says. `memory` is what the trial could have, None if there was less to give."""
    if code == _RAN_OUT:
        if memory is None:
            return Death("memory ran out", lacking=True)
        return Death(f"scanning it takes more than {memory >> 20} MiB of memory")
    if code >= 0:
        return None
    if -code == signal.SIGXCPU:
        return Death(f"scanning it takes more than {cpu_seconds} s of CPU time")
    name = signal.Signals(-code).name
    # Nobody else kills a trial. Libraries that cannot have memory abort.
    lacking = -code == signal.SIGKILL or (-code == signal.SIGABRT and memory is None)
    return Death(f"scanning it crashed the process: {name}", lacking)


def _run(scan: Callable[[], Any], cpu_seconds: int, memory: int, parent: int) -> None:
    """The child, to its end. It has none of the files and sockets of the parent, and ends with it."""
    code = 0
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        end_with(parent)
        os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as file:  # noqa: PTH123 - one write
            file.write(_WORST)
        _bound_memory(memory)
        scan()
    except BaseException as error:  # noqa: BLE001 - what it is, is for whoever scans in earnest
        code = _RAN_OUT if lacking(error) == MEMORY else 0
    finally:
        os._exit(code)


def _bound_memory(memory: int) -> None:
    """This process may have so many bytes more than it has, unless it may have less already."""
    pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * mmap.PAGESIZE + memory
    resource.setrlimit(
        resource.RLIMIT_AS, (most if soft == resource.RLIM_INFINITY else min(most, soft), hard)
    )
