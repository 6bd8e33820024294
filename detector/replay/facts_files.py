"""The files of a folder of facts, here or by URL: each appears whole or not at all."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

from detector.ingest.remote import RemoteFolder

LOCK: Final = "lock"


class FactsFiles(Protocol):
    """Files by their names in a folder. All of it raises `OSError`."""

    def read(self, name: str) -> bytes | None:
        """The content of a file, None if there is none."""

    def write(self, name: str, data: bytes, *, new: bool = False) -> None:
        """Writes a file. With `new` there must be none, else it raises `FileExistsError`."""

    def names(self, below: str = "") -> set[str]:
        """The names of all files, or of those below a folder in it."""

    def locked(self) -> AbstractContextManager[None]:
        """Keeps other processes out; raises `BlockingIOError` if one is in."""


class NearFiles:
    """A folder of this machine. Its owner alone may read it. Implements `FactsFiles`."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def read(self, name: str) -> bytes | None:
        """See `FactsFiles`."""
        with contextlib.suppress(FileNotFoundError):
            return (self._path / name).read_bytes()
        return None

    def write(self, name: str, data: bytes, *, new: bool = False) -> None:
        """See `FactsFiles`. The lock keeps others out."""
        target = self._path / name
        if new and target.exists():
            raise FileExistsError
        for folder in reversed(target.relative_to(self._path).parents):
            (self._path / folder).mkdir(mode=0o700, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        file = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(file, "wb") as out:
            out.write(data)
        part.replace(target)

    def names(self, below: str = "") -> set[str]:
        """See `FactsFiles`."""
        return {
            str(path.relative_to(self._path)) for path in (self._path / below).rglob("*") if path.is_file()
        }

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """See `FactsFiles`."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self._path / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(file)


class FarFiles(RemoteFolder):
    """A folder by URL. Implements `FactsFiles`.

    Nothing keeps another process out: of two that begin at once one is refused, and two that go on write the same.
    """

    def locked(self) -> AbstractContextManager[None]:
        """See `FactsFiles`."""
        return contextlib.nullcontext()
