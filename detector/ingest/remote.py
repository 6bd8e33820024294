"""Files by URL, such as `s3://bucket/logs/`: listed and read in ranges through fsspec, which is an extra."""

import datetime as dt
import re  # over the first characters of a path
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from detector.records.dead_letters import UNREADABLE, bad
from detector.terminal.output import printable
from detector.values.errors import BadRecordError, InputError
from detector.values.times import SECOND

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]{1,20}://")
_PIECES: Final = (1 << 16, 1 << 20, 1 << 23)  # bytes asked for at once: first, then, and from then on
_MICROSECOND: Final = SECOND // 1_000_000
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_REPLACED: Final = "another object took its place while it was read: read it again"
_TIMES: Final = ("LastModified", "mtime", "last_modified", "updated")


class RemoteFile(msgspec.Struct, frozen=True):
    """One file: its URL, its size in bytes, and when it was written (ns, 0 if the store does not say)."""

    url: str
    size: int
    modified: int


def is_url(path: str) -> bool:
    """Whether a path names a file of another machine."""
    return _URL.match(path) is not None


def remote_files(url: str) -> list[RemoteFile]:
    """The file that a URL names, or all files below it, in the order of their names.

    Raises:
        InputError: there is none, it cannot be reached, or fsspec is missing.
    """
    try:
        system, path = _system(url)
        scheme = url.partition("://")[0]
        found = system.find(path, detail=True)
        files = [_file(f"{scheme}://{name.lstrip('/')}", info) for name, info in sorted(found.items())]
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - of fsspec, and of whatever library reaches the store
        raise InputError(f"{printable(url)}: {_why(error)}") from None
    files = [file for file in files if file.size or not file.url.endswith("/")]
    if not files:
        raise InputError(f"{printable(url)}: no such file, and none below it")
    return files


def remote_bytes(file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
    """The bytes from `start` to `end`.

    Raises:
        BadRecordError: another file took its place, or it cannot be read.
    """
    try:
        system, path = _system(file.url)
        _check_same(file, system.info(path))
        end = min(end, file.size)
        pieces = iter(_PIECES)
        size = next(pieces)
        while start < end:
            data = system.cat_file(path, start=start, end=min(end, start + size))
            if not data:
                break
            start += len(data)
            size = next(pieces, _PIECES[-1])
            yield data
    except BadRecordError:
        raise
    except Exception:  # noqa: BLE001 - of fsspec, and of whatever library reaches the store
        raise bad(UNREADABLE) from None


def _check_same(file: RemoteFile, info: Any) -> None:
    if _file(file.url, info) != file:
        raise bad(UNREADABLE, detail=_REPLACED)


def _system(url: str) -> tuple[Any, str]:
    """What reaches the store, and the path there. It is made anew in a process that was forked."""
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra
    except ImportError:
        raise InputError(f"{printable(url)}: {_INSTALL}") from None
    try:
        system, path = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise InputError(f"{printable(url)}: {_INSTALL} ({_why(error)})") from None
    return system, str(path)


_INSTALL: Final = (
    "files by URL need fsspec and the library of their store: pip install 'curfewd[remote]' for s3://, gcsfs for gs://, "
    "adlfs for abfs://"
)


def _file(url: str, info: Any) -> RemoteFile:
    modified = 0
    for name in _TIMES:
        value = info.get(name)
        if isinstance(value, dt.datetime):
            modified = (value - _EPOCH) // dt.timedelta(microseconds=1) * _MICROSECOND
            break
        if isinstance(value, int | float):
            modified = round(value * SECOND)
            break
    return RemoteFile(url, int(info.get("size") or 0), modified)


def _why(error: Exception) -> str:
    """What went wrong, by the class of the error: its text may hold what was signed."""
    named = {"FileNotFoundError": "no such file", "PermissionError": "it may not be read"}
    return named.get(type(error).__name__, f"it cannot be reached ({type(error).__name__})")
