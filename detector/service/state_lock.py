"""The lock on the folder of state: a service works in it alone.

The process that the operator started holds it, and its workers hold it with it: they have the same open file. So it is
there for as long as one of them lives, and goes with the last, however they end.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.service.hopeless import unusable
from detector.terminal.output import printable, shown, why
from detector.values.errors import UsageError
from detector.values.times import format_rfc3339

LOCK: Final = "lock"
# Workers whose parent was killed end within two seconds.
PATIENCE_SECONDS: Final = 5.0
_AGAIN_SECONDS: Final = 0.1
_HELD: Final = (errno.EAGAIN, errno.EACCES)
_OURS: Final = 0o600
_MOST_BYTES: Final = 1 << 12


class _Holder(msgspec.Struct, frozen=True):
    """Who holds the lock, for whoever is refused. `since` is in ns since the epoch. `over` if it ended by itself."""

    pid: int
    host: str
    since: int
    client_id: str
    over: bool = False

    def __str__(self) -> str:
        text = f"(pid {self.pid} on host {self.host} since {format_rfc3339(self.since)}, client id {self.client_id})"
        return printable(text)

    @property
    def ended(self) -> bool:
        """Whether it is seen from here that the process is gone."""
        return self.host == socket.gethostname() and not Path(f"/proc/{self.pid}").exists()


@contextlib.asynccontextmanager
async def state_locked(
    folder: Path,
    client_id: str,
    warn: Callable[..., Any],
    *,
    patience: float = PATIENCE_SECONDS,
    flock: Callable[[int, int], Any] = fcntl.flock,
) -> AsyncIterator[int]:
    """Holds the folder, which is made; gives the descriptor of the lock, for workers to hold it too.

    A lock that others hold is waited for: for `patience` seconds. `warn` is told of a file system without locks, and
    of a run before that was killed.

    Raises:
        UsageError: somebody else works in the folder, or it cannot be written.
        StopError: the disk is full.
    """
    file = _opened(folder)
    try:
        try:
            await _lock(file, time.monotonic() + patience, flock)
        except OSError as error:
            if error.errno in _HELD:
                raise UsageError(_refusal(folder, _holder(file))) from None
            warn(
                "nothing keeps a second service out of service.state, as its file system has no locks: "
                "give each instance a folder of its own",
                why=why(error),
            )
        else:
            _warn_of_a_death(_holder(file), warn)
        holder = _Holder(os.getpid(), socket.gethostname(), time.time_ns(), client_id)
        try:
            _tell(file, holder)
        except OSError as error:
            raise unusable(folder, error) from None
        try:
            yield file
        finally:
            with contextlib.suppress(OSError):
                _tell(file, msgspec.structs.replace(holder, over=True))
    finally:
        os.close(file)


def _opened(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _OURS)
    except OSError as error:
        raise unusable(folder, error) from None


async def _lock(file: int, until: float, flock: Callable[[int, int], Any]) -> None:
    """Takes the lock; raises OSError if it is held until then, or cannot be taken."""
    while True:
        try:
            flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _HELD or time.monotonic() >= until:
                raise
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            return


def _warn_of_a_death(before: _Holder | None, warn: Callable[..., Any]) -> None:
    if before is not None and not before.over:
        warn(
            "the last run in this folder of state did not end by itself",
            why=f"curfewd run {before} crashed or was killed: unless you did it, most likely because memory ran out "
            "(docs/sizing.md#memory)",
        )


def _tell(file: int, holder: _Holder) -> None:
    data = msgspec.json.encode(holder)
    os.pwrite(file, data, 0)  # a full disk takes it if it took the one before
    os.ftruncate(file, len(data))


def _holder(file: int) -> _Holder | None:
    try:
        return msgspec.json.decode(os.pread(file, _MOST_BYTES, 0), type=_Holder)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _refusal(folder: Path, holder: _Holder | None) -> str:
    place = f"service.state: the folder {shown(folder)} is"
    advice = "give each instance a folder of its own"
    if holder is None:
        return f"{place} in use by another process: {advice}"
    if holder.ended:
        return f"{place} still in use by workers of curfewd run {holder}, which has ended: end them"
    return f"{place} in use by curfewd run {holder}: {advice}"
