"""The spool: what was told and is not sent yet, in files that outlive the process and the machine's crash.

Each task has one file, in a folder of its destination. Whoever runs the task holds a lock on the file and touches it
while it lives: that is the task's *lease*. A file that nobody holds is of a task whose process died. The next one on
this machine that writes to the same destination ends that task and sends its file.

Events hold fingerprints and no secret. Folders have mode 0700, files 0600. The name of a folder is a hash of the
destination, because an address may hold a token.
"""

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from detector.terminal.output import why
from detector.values.errors import CurfewdError

FOLDER_VARIABLE: Final = "CURFEWD_SPOOL"
MOST_BYTES: Final = 8 << 20  # of one task that wait
MOST_FILES: Final = 1000  # of one destination that wait
_COMPACTED: Final = 1 << 20  # bytes of a file that are sent before they are cut off
_SUFFIX: Final = ".jsonl"


class SpoolFullError(CurfewdError):
    """More waits to be sent than the spool holds: what was told last is lost."""


def spool_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where events wait: `CURFEWD_SPOOL`, else in this user's state (XDG), else in the folder for temporary files."""
    named = environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    state, home = environ.get("XDG_STATE_HOME"), environ.get("HOME")
    if state or home:
        return Path(state or f"{home}/.local/state") / "curfewd" / "spool"
    shared = environ.get("TMPDIR") or "/tmp"  # noqa: S108 - `create` refuses a folder that is somebody else's
    return Path(shared) / f"curfewd-spool-{os.getuid()}"


class SpoolFile:
    """The events of one task, each in a line, in the order they were told."""

    def __init__(self, handle: int, path: Path | None) -> None:
        self.handle = handle
        self.path = path

    def append(self, line: bytes) -> None:
        """Adds a line.

        Raises:
            SpoolFullError: too much waits already.
            OSError: the disk is full or fails.
        """
        if self.size() + len(line) >= MOST_BYTES:
            raise SpoolFullError(f"more than {MOST_BYTES >> 20} MiB of events of one task wait to be sent")
        left = memoryview(line + b"\n")
        while left:
            left = left[os.write(self.handle, left) :]

    def size(self) -> int:
        """In bytes."""
        return os.fstat(self.handle).st_size

    def lines(self, start: int = 0) -> list[bytes]:
        """The whole lines from an offset on."""
        data = b""
        while piece := os.pread(self.handle, MOST_BYTES, start + len(data)):
            data += piece
        return data[: data.rfind(b"\n") + 1].splitlines()

    def touch(self) -> None:
        """Renews the lease."""
        with suppress(OSError):
            os.utime(self.handle)

    def touched(self) -> int:
        """When the lease was last renewed, or something told, in ns."""
        return os.fstat(self.handle).st_mtime_ns

    def compact(self, sent: int) -> int:
        """Cuts off what is sent, but for the first line, which tells the start. Nobody may append meanwhile.

        Returns:
            How much of the file is sent then.
        """
        if sent < _COMPACTED or sent != self.size():
            return sent
        first = os.pread(self.handle, _COMPACTED, 0).find(b"\n") + 1
        os.ftruncate(self.handle, first)
        return first

    def remove(self) -> None:
        """Removes the file: all of it is sent."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Gives the lease up."""
        os.close(self.handle)


class Spool:
    """The files that wait for one destination."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder / hashlib.sha256(address.encode()).hexdigest()[:16]

    def create(self) -> SpoolFile:
        """A file for a new task. This process and those that it forks hold its lease.

        Raises:
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.folder, self.folder.parent):
            _refuse_shared(folder)
        name = f"{time.time_ns()}-{os.getpid()}-{os.urandom(4).hex()}"
        new = self.folder / f".{name}"
        handle = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)  # before it has the name by which others find it
        path = self.folder / f"{name}{_SUFFIX}"
        new.rename(path)
        return SpoolFile(handle, path)

    def abandoned(self) -> Iterator[SpoolFile]:
        """The files that no process holds, oldest first. The caller holds each until it closes it."""
        for path in self._paths():
            try:
                handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError:
                continue  # somebody else has sent it
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = os.fstat(handle).st_nlink > 0
            except OSError:
                mine = False
            if mine:
                yield SpoolFile(handle, path)
            else:
                os.close(handle)

    def shed(self) -> int:
        """Removes the oldest of too many abandoned files, and counts them."""
        too_many = len(self._paths()) - MOST_FILES
        removed = 0
        for file in self.abandoned() if too_many > 0 else ():
            if removed < too_many:
                file.remove()
                removed += 1
            file.close()
        return removed

    def _paths(self) -> list[Path]:
        with suppress(OSError):
            return sorted(self.folder.glob(f"*{_SUFFIX}"))
        return []


def _refuse_shared(folder: Path) -> None:
    """Raises an error if somebody else may change what is in a folder.

    Raises:
        OSError: they may.
    """
    info = folder.stat()
    if info.st_uid not in (os.getuid(), 0) or info.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "others can write into the folder of the spool")


def spooled(
    spool: Spool, lines: Sequence[bytes], say: Callable[[str], None]
) -> tuple[SpoolFile, Spool | None]:
    """A file of the spool with these lines; where that cannot be written, one in memory. `say` gets a warning."""
    file = None
    try:
        shed = spool.shed()
        file = spool.create()
        for line in lines:
            file.append(line)
    except OSError as error:
        say(f"the spool cannot be written, so what cannot be sent is lost: {why(error)}")
        if file is not None:
            file.remove()
            file.close()
        file = unkept()
        for line in lines:
            file.append(line)
        return file, None
    if shed:
        say(f"the spool is full: {shed} tasks in it were never sent, and are removed")
    return file, spool


def unkept() -> SpoolFile:
    """A file in memory, for where no folder can be written. What it holds is lost with the process."""
    handle = os.memfd_create("curfewd-spool", os.MFD_CLOEXEC)
    fcntl.fcntl(handle, fcntl.F_SETFL, os.O_APPEND)  # also after `compact`
    return SpoolFile(handle, None)
