"""Files that save a start some work: those that were made when the program was built, and the user's cache folder.

A file of that folder is used only if it is the user's own, in a folder of the user's alone, and holds the bytes that
were written; whatever else stands there is ignored and written again. Without a folder, or with a disk that is full or
read-only, nothing is kept and nothing fails.
"""

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from detector import built_kernels

_MAGIC: Final = b"curfewd cache 1\n"
_LARGEST: Final = 64 << 20  # bytes of a file that is believed to be one of ours

_T = TypeVar("_T")


def cache_folder(environ: Mapping[str, str]) -> Path | None:
    """`$XDG_CACHE_HOME/curfewd`, else `~/.cache/curfewd`; None with `CURFEWD_NO_CACHE`, or where there is no home."""
    if environ.get("CURFEWD_NO_CACHE", "0") not in {"", "0"}:
        return None
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # the XDG specification: a relative one is not valid
        base = Path(environ.get("HOME", ""), ".cache")
    return base / "curfewd" if base.is_absolute() else None


def name_of(contents: Mapping[str, bytes]) -> str:
    """A name for what is made of files: of their paths and all that they hold."""
    digest = hashlib.sha256()
    for path, content in contents.items():
        digest.update(b"%d:%b%d:" % (len(path), os.fsencode(path), len(content)))
        digest.update(content)
    return digest.hexdigest()


class FileCache:
    """Files of one suffix: some are built with the program, up to `kept` are in a folder.

    Without a folder none are kept.
    """

    def __init__(self, folder: Path | None, suffix: str, kept: int) -> None:
        self._folder = folder
        self._suffix = suffix
        self._kept = kept

    def load(self, name: str) -> bytes | None:
        """What was kept under that name, if it is there and whole."""
        if self._folder is None:
            return None
        try:
            return _whole(_read(self._folder / f"{name}{self._suffix}"))
        except OSError:
            return None

    def built(self, name: str) -> bytes | None:
        """What came with the program under that name, if it is there and whole."""
        try:
            return _whole((built_kernels.FOLDER / f"{name}{self._suffix}").read_bytes())
        except OSError:
            return None

    def keep(self, name: str, body: bytes) -> None:
        """Write it, or not: a cache that cannot be written is none."""
        if self._folder is None:
            return
        with contextlib.suppress(OSError):
            _own(self._folder)
            _write(self._folder / f"{name}{self._suffix}", _MAGIC + hashlib.sha256(body).digest() + body)
            self._prune(self._folder)

    def kept_or_made(self, name: str, kind: type[_T], make: Callable[[], _T]) -> _T:
        """What was kept under that name, of that type; else what `make` makes, which is kept."""
        with contextlib.suppress(msgspec.DecodeError):
            kept = self.load(name)
            if kept is not None:
                return msgspec.msgpack.decode(kept, type=kind)
        made = make()
        self.keep(name, msgspec.msgpack.encode(made))
        return made

    def _prune(self, folder: Path) -> None:
        files = sorted(
            folder.glob(f"*{self._suffix}"), key=lambda path: path.stat().st_mtime_ns, reverse=True
        )
        for path in files[self._kept :]:
            path.unlink(missing_ok=True)


def _whole(raw: bytes) -> bytes | None:
    head = len(_MAGIC) + hashlib.sha256().digest_size
    return raw[head:] if raw[:head] == _MAGIC + hashlib.sha256(raw[head:]).digest() else None


def _own(folder: Path) -> None:
    """Make the folder if need be, for the user alone.

    Raises:
        OSError: it cannot be made, or is another's.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    _demand(stat.S_ISDIR(folder.lstat().st_mode) and _is_private(folder.lstat()))


def _is_private(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _demand(held: bool) -> None:  # noqa: FBT001 - the only thing it takes
    if not held:
        raise PermissionError


def _read(path: Path) -> bytes:
    _demand(_is_private(path.parent.lstat()))
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        _demand(stat.S_ISREG(found.st_mode) and _is_private(found))
        return file.read(_LARGEST)


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing: other processes may read and write the same file at the same time."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=path.suffix)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)  # noqa: PTH105 - mkstemp gives text
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - as above
        raise
