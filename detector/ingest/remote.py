"""Files by URL, such as `s3://bucket/logs/`: listed, read in ranges and written through fsspec, which is an extra."""

import datetime as dt
import re  # over the first characters of a path
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
_PAGE: Final = 1000  # keys that S3 lists at once
_TIMES: Final = ("LastModified", "mtime", "last_modified", "updated")


class RemoteFile(msgspec.Struct, frozen=True):
    """One file: its URL, its size in bytes, and when it was written (ns, 0 if the store does not say)."""

    url: str
    size: int
    modified: int


def is_url(path: str) -> bool:
    """Whether a path names a file of another machine."""
    return _URL.match(path) is not None


def remote_file(url: str) -> RemoteFile | None:
    """The file that a URL names; None if it is a folder, or there are files below it too.

    Raises:
        InputError: there is none, it cannot be reached, or fsspec is missing.
    """
    with _reached(url):
        system, path = _system(url)
        if url.endswith("/"):
            return None
        info = system.info(path)
        if info["type"] == "directory" or (_in_pages(system) and any(_keys_below(system, path, 1))):
            return None
        return _file(url, info)
    return None


def files_below(url: str) -> Iterator[RemoteFile]:
    """All files below a URL, as the store lists them: of S3 a page at a time, of other stores a folder at a time.

    Raises:
        InputError: there is none, it cannot be reached, or fsspec is missing.
    """
    found = False
    with _reached(url):
        system, path = _system(url)
        scheme = url.partition("://")[0]
        for info in _keys_below(system, path) if _in_pages(system) else _walked(system, path):
            if info.get("size") or not info["name"].endswith("/"):
                found = True
                yield _file(f"{scheme}://{info['name'].lstrip('/')}", info)
    if not found:
        raise InputError(f"{printable(url)}: no such file, and none below it")


@contextmanager
def _reached(url: str) -> Iterator[None]:
    try:
        yield
    except (InputError, GeneratorExit):
        raise
    except Exception as error:  # noqa: BLE001 - of fsspec, and of whatever library reaches the store
        raise InputError(f"{printable(url)}: {_why(error)}") from None


def _in_pages(system: Any) -> bool:
    """Whether a store has no folders, and lists its keys in pages: s3fs has no public call for one page of many."""
    return hasattr(system, "_iterdir")


def _keys_below(system: Any, path: str, most: int | None = None) -> Iterator[Any]:
    """What S3 says of each object below a path, in the order of their keys, at most so many."""
    from fsspec.asyn import sync  # noqa: PLC0415 - an extra

    bucket, key, _ = system.split_path(path)
    prefix = f"{key.rstrip('/')}/" if key else ""
    listed = system._iterdir(bucket, max_items=most, delimiter="", prefix=prefix)  # noqa: SLF001 - as above

    async def some() -> list[Any]:
        found: list[Any] = []
        async for info in listed:
            found.append(info)
            if len(found) == _PAGE:
                break
        return found

    while page := sync(system.loop, some):
        yield from page
        if len(page) < _PAGE:
            break


def _walked(system: Any, path: str) -> Iterator[Any]:
    """What a store says of each file below a path.

    It says more of each than is kept, so only a folder's is there at once.
    """
    for _, _, files in system.walk(path, detail=True, on_error="raise"):
        yield from files.values()


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


class RemoteFolder:
    """Files below a URL, each of which appears whole."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def read(self, name: str) -> bytes | None:
        """The content of a file, None if there is none.

        Raises:
            OSError: it cannot be read.
        """
        with self._explained(), suppress(FileNotFoundError):
            system, path = _system(self.url)
            found: bytes = system.cat_file(f"{path}/{name}")
            return found
        return None

    def write(self, name: str, data: bytes, *, new: bool = False) -> None:
        """Writes a file; `new`: there must be none.

        Raises:
            FileExistsError: there is one.
            OSError: it cannot be written.
        """
        with self._explained():
            system, path = _system(self.url)
            _make_folder(system, f"{path}/{name}".rpartition("/")[0])
            system.pipe_file(f"{path}/{name}", data, mode="create" if new else "overwrite")

    def upload(self, name: str, file: str) -> None:
        """Writes a file of this machine.

        Raises:
            OSError: it cannot be written.
        """
        with self._explained():
            system, path = _system(self.url)
            _make_folder(system, path)
            system.put_file(file, f"{path}/{name}")

    def remove(self, name: str) -> None:
        """Removes a file.

        Raises:
            OSError: it cannot be removed.
        """
        with self._explained():
            system, path = _system(self.url)
            system.rm_file(f"{path}/{name}")

    def names(self, below: str = "") -> set[str]:
        """The names of all files, or of those below a folder.

        Raises:
            OSError: they cannot be listed.
        """
        with self._explained():
            system, path = _system(self.url)
            try:
                found = system.find(f"{path}/{below}".rstrip("/"))
            except FileNotFoundError:
                return set()
            return {name.removeprefix(path.rstrip("/")).lstrip("/") for name in found}
        return set()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except FileExistsError:
            raise
        except InputError as error:
            raise OSError(0, str(error)) from None
        except Exception as error:  # noqa: BLE001 - of fsspec, and of whatever library reaches the store
            if _is_there(error):
                raise FileExistsError from None
            raise OSError(0, _why(error)) from None


def _make_folder(system: Any, path: str) -> None:
    """Makes a folder where there are some. A store of objects has none, and would make a bucket."""
    if system.root_marker:
        system.makedirs(path, exist_ok=True)


def _check_same(file: RemoteFile, info: Any) -> None:
    found = _file(file.url, info)
    if found.size != file.size or not _same_time(found.modified, file.modified):
        raise bad(UNREADABLE, detail=_REPLACED)


def _same_time(one: int, other: int) -> bool:
    """Whether two times may be one object's: a store may list fractions of a second, and leave them out elsewhere."""
    return one == other or (one // SECOND == other // SECOND and 0 in {one % SECOND, other % SECOND})


def _system(url: str) -> tuple[Any, str]:
    """What reaches the store, and the path there. A forked process makes its own."""
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
    "files by URL need fsspec and the library of their store: pip install '.[remote]' in the checkout of curfewd for "
    "s3://, and beside it gcsfs for gs://, adlfs for abfs://"
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


def _is_there(error: Exception) -> bool:
    """Whether a store of S3 refused to write a file as new. Of MinIO's answer s3fs makes no `FileExistsError`."""
    response = getattr(error.__cause__, "response", None) or {}
    return bool(response.get("Error", {}).get("Code") == "PreconditionFailed")


def _why(error: Exception) -> str:
    """What went wrong, by the class of the error: its text may hold what was signed."""
    named = {"FileNotFoundError": "no such file", "PermissionError": "access is denied"}
    return named.get(type(error).__name__, f"it cannot be reached ({type(error).__name__})")
