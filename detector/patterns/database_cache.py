"""Compiled Hyperscan databases, kept in the user's cache folder: compiling three hundred patterns takes two seconds.

A file is used only if it is the user's own, says what was compiled to make it and holds the bytes that were written;
whatever else stands there is ignored and written anew. Without a folder, or with a disk that is full or read-only,
nothing is kept and nothing fails.
"""

import contextlib
import hashlib
import os
import platform
import stat
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import hyperscan

Compiled = tuple[bytes, int]  # an expression and its flags
_MAGIC: Final = b"curfewd hyperscan 1\n"
_LARGEST: Final = 64 << 20  # bytes of a file that is believed to be a database
_KEPT: Final = 8  # databases; the oldest go
_PROCESSOR: Final = 8 << 10  # bytes of /proc/cpuinfo: the first processor


def cache_folder(environ: Mapping[str, str]) -> Path | None:
    """`$XDG_CACHE_HOME/curfewd`, else `~/.cache/curfewd`; None with `CURFEWD_NO_CACHE`, or where there is no home."""
    if environ.get("CURFEWD_NO_CACHE", "0") not in {"", "0"}:
        return None
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # the XDG specification: a relative one is not valid
        base = Path(environ.get("HOME", ""), ".cache")
    return base / "curfewd" if base.is_absolute() else None


class DatabaseCache:
    """The databases kept in one folder; with None none are."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def load(self, sources: Sequence[Compiled]) -> "hyperscan.Database | None":
        """The database made of these, if it is there and whole."""
        if self._folder is None:
            return None
        try:
            raw = _read(self._folder / _name(sources))
        except OSError:
            return None
        head = len(_MAGIC) + hashlib.sha256().digest_size
        if raw[:head] != _MAGIC + hashlib.sha256(raw[head:]).digest():
            return None
        try:
            return hyperscan.loadb(raw[head:], hyperscan.HS_MODE_BLOCK)
        except hyperscan.error:  # of another machine or version
            return None

    def keep(self, sources: Sequence[Compiled], database: "hyperscan.Database") -> None:
        """Write it, or not: a cache that cannot be written is none."""
        if self._folder is None:
            return
        body = hyperscan.dumpb(database)
        with contextlib.suppress(OSError):
            _own(self._folder)
            _write(self._folder / _name(sources), _MAGIC + hashlib.sha256(body).digest() + body)
            _prune(self._folder)


def _name(sources: Sequence[Compiled]) -> str:
    """A name for what goes in, and for what else the result depends on: library, machine, processor."""
    digest = hashlib.sha256()
    version = str(hyperscan.__dict__["__version__"])  # the library's stub does not tell of it
    for part in (version.encode(), platform.machine().encode(), _processor()):
        digest.update(b"%d:%b" % (len(part), part))
    for expression, flags in sources:
        digest.update(b"%d:%d:%b" % (flags, len(expression), expression))
    return f"{digest.hexdigest()}.hs"


def _processor() -> bytes:
    """What the first processor can do, as Linux says it."""
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            told = file.read(_PROCESSOR)
    except OSError:
        return b""
    return b"\n".join(line for line in told.split(b"\n") if line.startswith((b"flags", b"Features")))


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
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".hs")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)  # noqa: PTH105 - mkstemp gives text
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - as above
        raise


def _prune(folder: Path) -> None:
    kept = sorted(folder.glob("*.hs"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in kept[_KEPT:]:
        path.unlink(missing_ok=True)
