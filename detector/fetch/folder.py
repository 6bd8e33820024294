"""The folder that is fetched into. A file is there whole or not at all, whenever the process is killed.

What is being written has no name yet (`O_TMPFILE`, open(2)), so a kill leaves nothing behind. Where the file system
cannot do that, it has a name that ends in `.part`; the next start removes it. Logs hold secrets: folders are made for
their owner alone (0700), and so are files (0600).
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from detector.terminal.output import shown, why
from detector.values.errors import InputError

_DESCRIPTORS: Final = Path("/proc/self/fd")
_PART: Final = ".part"
_OWNER: Final = 0o600
_OWNERS_FOLDER: Final = 0o700
_OTHERS: Final = 0o077
_UNSUPPORTED: Final = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL})


class Folder:
    """The folder of one command, and the folders below it."""

    def __init__(self, top: Path) -> None:
        self.top = top

    @property
    def open_to_others(self) -> bool:
        """Whether others than its owner may enter it: it was there before."""
        return bool(self.top.stat().st_mode & _OTHERS)

    def below(self, *names: str) -> Path:
        """A folder below it, made for its owner alone where it is not there yet."""
        path = self.top
        for name in names:
            path /= name
            with suppress(FileExistsError):
                path.mkdir(_OWNERS_FOLDER)
        return path


@contextmanager
def opened(path: str) -> Iterator[Folder]:
    """The folder at `path`, for this process alone.

    Raises:
        InputError: it cannot be made or written, or another process fetches into it.
    """
    top = Path(path)
    try:
        top.mkdir(_OWNERS_FOLDER, parents=True, exist_ok=True)
        handle = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(f"{shown(path)}: {why(error)}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"{shown(path)}: another fetch writes into this folder") from None
        for rest in top.rglob(f".*{_PART}"):
            rest.unlink()
        yield Folder(top)
    finally:
        os.close(handle)


class NewFile:
    """A file that is not there before `keep`. `unnamed` is false to do without `O_TMPFILE`."""

    def __init__(self, path: Path, *, unnamed: bool = True) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}{_PART}")
        handle = _unnamed(path.parent) if unnamed else None
        self._named = handle is None
        if handle is None:
            flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
            handle = os.open(self._part, flags, _OWNER)
        self._handle = handle

    def write(self, data: bytes) -> None:
        """Adds data."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._handle, view) :]

    def empty(self) -> None:
        """Forgets what was written."""
        os.ftruncate(self._handle, 0)
        os.lseek(self._handle, 0, os.SEEK_SET)

    def keep(self) -> None:
        """Makes it the file at its path, in place of what was there."""
        os.fsync(self._handle)
        if not self._named:
            try:
                self._link(self._path)
            except FileExistsError:
                with suppress(FileNotFoundError):
                    self._part.unlink()
                self._link(self._part)
                self._named = True
        if self._named:
            self._part.replace(self._path)
            self._named = False

    def _link(self, path: Path) -> None:
        # With a folder to start from, Python calls linkat(2), which can follow the descriptor's link; link(2) cannot.
        source = _DESCRIPTORS / str(self._handle)
        os.link(source, path, src_dir_fd=self._handle, follow_symlinks=True)

    def close(self) -> None:
        """Forgets it unless it was kept."""
        os.close(self._handle)
        if self._named:
            with suppress(FileNotFoundError):
                self._part.unlink()


def _unnamed(folder: Path) -> int | None:
    """A file without a name, None where the file system has none, or no name could be given to it later."""
    if not _DESCRIPTORS.exists():
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, _OWNER)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise


@contextmanager
def new_file(path: Path, *, unnamed: bool = True) -> Iterator[NewFile]:
    """A file to write, which is there once `keep` was called."""
    file = NewFile(path, unnamed=unnamed)
    try:
        yield file
    finally:
        file.close()
