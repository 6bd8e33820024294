"""JSON bytes, and files that appear whole or not at all."""

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

import orjson

from detector.ingest.remote import RemoteFolder
from detector.terminal.output import printable, shown, write_out
from detector.values.errors import UsageError

_IN_MEMORY: Final = 16 << 20  # bytes for standard output; more wait in a temporary file
_CHUNK: Final = 1 << 20


def line(record: Mapping[str, Any]) -> bytes:
    """One record as one line of JSON, its newline included."""
    return dumps(record, orjson.OPT_APPEND_NEWLINE)


def dumps(record: Mapping[str, Any], option: int = 0) -> bytes:
    """JSON bytes. Half a surrogate pair, which JSON text can contain and UTF-8 cannot, becomes `?`."""
    try:
        return orjson.dumps(record, option=option)
    except orjson.JSONEncodeError:
        return orjson.dumps(_utf8(record), option=option)


def _utf8(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_utf8(key): _utf8(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_utf8(item) for item in value]
    return value


class _Draft(ABC):
    """A file that takes the place of another once it is complete, and vanishes if it never is.

    `name` is shown of it.
    """

    def __init__(self, name: str) -> None:
        self._name_shown = name
        self._file: IO[bytes] | None = None

    def open(self) -> None:
        """Makes the draft.

        Raises:
            UsageError: it cannot be written.
        """
        with self._explained():
            self._file = self._made()

    def write(self, data: bytes) -> None:
        """Adds bytes.

        Raises:
            UsageError: they cannot be written.
            RuntimeError: the draft is not open.
        """
        if self._file is None:
            raise RuntimeError("the draft is not open")
        with self._explained():
            self._file.write(data)

    def close(self) -> None:
        """Puts the file in its place.

        Raises:
            UsageError: it cannot be written.
        """
        if self._file is None:
            return
        with self._explained():
            self._file.flush()
            self._put(self._file)
        self._file = None

    def discard(self) -> None:
        """Removes the draft, unless it has taken its place."""
        if self._file is None:
            return
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._remove()
        self._file = None

    @abstractmethod
    def _made(self) -> IO[bytes]:
        """The file to write."""

    @abstractmethod
    def _put(self, file: IO[bytes]) -> None:
        """Puts it in its place, complete and flushed, and closes it."""

    @abstractmethod
    def _remove(self) -> None:
        """Removes it; it is closed."""

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(f"cannot write {self._name_shown}: {error.strerror}") from error


class Draft(_Draft):
    """A file that takes the place of `path` once it is complete and on disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(shown(path))
        self.path = path
        self._draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")

    def _made(self) -> IO[bytes]:
        return self._draft.open("wb")

    def _put(self, file: IO[bytes]) -> None:
        os.fsync(file.fileno())
        file.close()
        self._draft.replace(self.path)

    def _remove(self) -> None:
        self._draft.unlink(missing_ok=True)


class StandardOutput:
    """Takes the place of a `Draft` where standard output is meant.

    What is written waits for `close`: if its reader has gone, the files beside it are complete.
    """

    def __init__(self) -> None:
        self._waiting = tempfile.SpooledTemporaryFile[bytes](_IN_MEMORY)

    def open(self) -> None:
        """Does nothing."""

    def write(self, data: bytes) -> None:
        """Adds bytes."""
        self._waiting.write(data)

    def close(self) -> None:
        """Writes what waits.

        Raises:
            OSError: it cannot be written.
        """
        self._waiting.seek(0)
        while chunk := self._waiting.read(_CHUNK):
            write_out(chunk)
        write_out(b"", last=True)
        self._waiting.close()

    def discard(self) -> None:
        """Forgets what was written."""
        self._waiting.close()


class RemoteDraft(_Draft):
    """A file that takes the place of a URL once it is complete. Until then it is on this machine."""

    def __init__(self, url: str) -> None:
        super().__init__(printable(url))
        folder, _, self._name = url.rpartition("/")
        self._folder = RemoteFolder(folder)

    def check(self) -> None:
        """Says now whether a file can be written beside it, and not once it is complete.

        Raises:
            UsageError: it cannot.
        """
        name = f".curfewd-{os.getpid()}"
        with self._explained():
            self._folder.write(name, b"")
            with suppress(OSError):
                self._folder.remove(name)

    def _made(self) -> IO[bytes]:
        return tempfile.NamedTemporaryFile("wb")

    def _put(self, file: IO[bytes]) -> None:
        self._folder.upload(self._name, file.name)
        file.close()

    def _remove(self) -> None:
        """It went when it was closed."""


Target = Path | StandardOutput | RemoteDraft
"""Where an output goes."""


def write_file(path: Target, data: bytes) -> None:
    """Writes a whole file.

    Raises:
        UsageError: it cannot be written; what was there before is left as it was.
    """
    draft = Draft(path) if isinstance(path, Path) else path
    try:
        draft.open()
        draft.write(data)
        draft.close()
    finally:
        draft.discard()
