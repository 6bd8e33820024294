"""What the machine, or a limit of the process, lacks when an error says so: memory, threads, open files, disk space.

No record is to blame for such an error: with more, the same record can be read.
"""

import errno
import mmap
import os
import signal
from typing import Final

from detector.values.errors import StopError

MEMORY: Final = (
    "memory ran out: give the process more of it, or set fewer service.workers (docs/sizing.md#memory). What was being "
    "read is read again"
)
THREADS: Final = (
    "no thread could be started: give the process more memory (docs/sizing.md#memory), or raise the limit of its "
    "threads (pids.max of its cgroup, ulimit -u). What was being read is read again"
)
FILES: Final = (
    "too many files are open: raise the limit (ulimit -n, LimitNOFILE=). What was being read is read again"
)
DISK: Final = "a disk is full: make room, service.state and the temporary folder first. What was being read is read again"
# What a process most likely died of, by the signal.
DEATHS: Final[dict[int, str]] = {
    signal.SIGKILL: f"it was killed, most likely by the kernel: {MEMORY}",
    signal.SIGABRT: f"a library gave up, most likely because it could not get memory or a thread: {MEMORY}",
    signal.SIGBUS: "a file that it had mapped could not be read, or had no room: look at the disk of service.state",
    signal.SIGSEGV: "it crashed in compiled code: if that comes again, please report it",
}
_LACKING: Final = {
    errno.ENOMEM: MEMORY,
    errno.EMFILE: FILES,
    errno.ENFILE: FILES,
    errno.ENOSPC: DISK,
    errno.EDQUOT: DISK,
}
# Of libraries that have no class of Python's, or no class at all, for it.
_CLASSES: Final = {"hyperscan.NoMemoryError", "hyperscan.BadAllocationError"}
_TEXTS: Final = {"zlib.error": "Error -4 ", "zstandard.backend_c.ZstdError": "not enough memory"}
_ROCKSDB: Final = "IO error: "
# Not a full disk: what it left of a store cannot be used, and the stage says how much room there is.
_ROCKSDB_LACKS: Final = (errno.ENOMEM, errno.EMFILE, errno.ENFILE)
_DEEPEST: Final = 10  # errors behind each other, which may be a circle


def check_room(size: int) -> None:
    """Asks for so many bytes, and gives them back: libraries end the process that cannot have memory.

    Raises:
        OSError: this process cannot have them.
    """
    mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()


def shortage(error: BaseException) -> StopError | None:
    """Why the process has to end, if this error or one behind it says that something is lacking; None if none does."""
    text = lacking(error)
    return None if text is None else StopError(text)


def stop_if_lacking(error: BaseException) -> None:
    """Does nothing if nothing is lacking.

    Raises:
        StopError: something is.
    """
    if (stop := shortage(error)) is not None:
        raise stop from error


def lacking(error: BaseException | None) -> str | None:
    """What is lacking, in a sentence; None if nothing is."""
    for _ in range(_DEEPEST):
        if error is None:
            return None
        if (text := _lacking(error)) is not None:
            return text
        error = error.__cause__ or error.__context__
    return None


def _lacking(error: BaseException) -> str | None:
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(error, MemoryError) or name in _CLASSES:
        return MEMORY
    if isinstance(error, OSError):
        return _LACKING.get(error.errno or 0)
    text = str(error) if kind in (RuntimeError, Exception) or name in _TEXTS else ""
    if kind is RuntimeError and text == "can't start new thread":
        return THREADS
    if kind is Exception and text.startswith(_ROCKSDB):
        return next((_LACKING[number] for number in _ROCKSDB_LACKS if os.strerror(number) in text), None)
    return MEMORY if name in _TEXTS and _TEXTS[name] in text else None
