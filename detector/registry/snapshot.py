"""A registry as a file, so that a restart need not read the whole registry topic.

| place | what |
| --- | --- |
| 0 | `MAGIC`; then where the header begins, its size and its CRC-32, 8 bytes each |
| from `PAGE` on | the arrays of the registry, each from the beginning of a page on |
| behind them | the header, a `Header` as JSON |

A process maps the file copy-on-write. So what nobody changes is in memory once for all processes of a machine. The file
is replaced by another, and never changed: whoever has mapped it keeps what it has. It has all of its room on the
disk: a process that touches a page for which the disk has none is killed.

It holds what the registry topic holds, and is readable for its owner only.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from detector.values.secrets import DeploymentKey, KeyedHash
from detector.values.times import HOUR

# A broker drops tombstones after a day (`delete.retention.ms`). An older snapshot may have issues that are gone.
OLDEST: Final = 12 * HOUR
VERSION: Final = 4
PAGE: Final = mmap.ALLOCATIONGRANULARITY
MAGIC: Final = b"curfewd registry"
_PREFIX: Final = struct.Struct("<16sQQQ")
_TYPES: Final = ("|u1", "<i8", "<i8", "<i8")  # of the arrays of a registry
_OURS: Final = 0o600
_LONGEST_HEADER: Final = 16 << 20
_CHUNK: Final = 16 << 20


class SnapshotError(Exception):
    """A snapshot cannot be used; says why."""


class Origin(msgspec.Struct, frozen=True):
    """What a snapshot is of: a topic, its id, and the deployment keys, which `keys_id` tells apart."""

    topic: str
    topic_id: str
    keys: str


class Section(msgspec.Struct, frozen=True):
    """An array: its type, where its bytes stand, how many have been used, and how many there is room for."""

    type: str
    begin: int
    used: int
    room: int
    crc: int


class Header(msgspec.Struct, frozen=True):
    """`offsets` are those before which the registry has all of each partition; `saved` is the wall clock, in ns.

    `topics` are what else the topic keeps, as JSON.
    """

    version: int
    origin: Origin
    saved: int
    offsets: dict[int, int]
    hash_keys: tuple[int, int]
    schemes: tuple[str, ...]
    key_ids: tuple[str, ...]
    sections: tuple[Section, ...]
    topics: msgspec.Raw = msgspec.Raw(b"{}")


class Image(msgspec.Struct, frozen=True):
    """A registry: the keys of its hashes, the names that have numbers, its arrays, and how much of each is used.

    The arrays may be shared with other processes, and may be changed: then this process has a copy of the page.
    """

    hash_keys: tuple[int, int]
    schemes: tuple[str, ...]
    key_ids: tuple[str, ...]
    arrays: tuple[Any, ...]
    used: tuple[int, ...]


def keys_id(keys: tuple[DeploymentKey, ...]) -> str:
    """Tells whether deployment keys are those of a snapshot, and nothing else about them."""
    return ",".join(KeyedHash(key).digest(b"curfewd/registry-snapshot/v1").hex()[:32] for key in keys)


class Writing:
    """A snapshot that is being written beside the one at `path`. `write` and then `finish` it, or give it up.

    Raises:
        OSError: the disk cannot take it. Somebody else who writes one at the same time is a BlockingIOError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = path.with_name(f"{path.name}.new")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _OURS)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._check_place()
            os.fchmod(self._file, _OURS)
            os.ftruncate(self._file, 0)
        except BaseException:
            os.close(self._file)
            raise
        self._sections: list[Section] = []

    def write(self, image: Image) -> None:
        """Writes the arrays as they are now, into the system's memory at first. Nobody changes them meanwhile."""
        at = PAGE
        for array, used in zip(image.arrays, image.used, strict=True):
            view = memoryview(array).cast("B")[:used]
            for begin in range(0, used, _CHUNK):
                _write_all(self._file, view[begin : begin + _CHUNK], at + begin)
            self._sections.append(Section(array.dtype.str, at, used, array.nbytes, 0))
            at = _aligned(at + array.nbytes)
        os.posix_fallocate(self._file, 0, at)

    def finish(
        self, origin: Origin, image: Image, offsets: Mapping[int, int], now: int, topics: bytes = b"{}"
    ) -> int:
        """Adds what says whether it is whole, waits for the disk, and puts it in place. How many bytes it has."""
        sections = tuple(
            msgspec.structs.replace(each, crc=self._crc(each.begin, each.used)) for each in self._sections
        )
        header = Header(
            VERSION,
            origin,
            now,
            dict(offsets),
            image.hash_keys,
            image.schemes,
            image.key_ids,
            sections,
            msgspec.Raw(topics),
        )
        data = msgspec.json.encode(header)
        begin = os.fstat(self._file).st_size
        _write_all(self._file, memoryview(data), begin)
        _write_all(self._file, memoryview(_PREFIX.pack(MAGIC, begin, len(data), zlib.crc32(data))), 0)
        os.fsync(self._file)
        self._beside.rename(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return begin + len(data)

    def _crc(self, begin: int, used: int) -> int:
        crc = 0
        for at in range(begin, begin + used, _CHUNK):
            crc = zlib.crc32(os.pread(self._file, min(_CHUNK, begin + used - at), at), crc)
        return crc

    def _check_place(self) -> None:
        """Raises BlockingIOError if the file has become the snapshot, or was removed."""
        if not os.path.samestat(os.fstat(self._file), self._beside.stat()):
            raise BlockingIOError

    def close(self) -> None:
        """Removes what was not finished."""
        with contextlib.suppress(OSError):
            self._check_place()
            self._beside.unlink()
        os.close(self._file)


def opened(
    path: Path, origin: Origin, now: int, spans: Mapping[int, tuple[int, int]]
) -> tuple[Image, Header]:
    """Maps the snapshot of an origin. `spans` are the first and the last offset of each partition that there is.

    Raises:
        SnapshotError: there is none that can be used.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise SnapshotError("there is none") from None
    except OSError as error:
        raise SnapshotError(f"it cannot be opened: {error.strerror}") from None
    try:
        header = _header(file)
        _check_origin(header, origin, now, spans)
        # A copy of a file, or one of before, may have less.
        os.posix_fallocate(file, 0, os.fstat(file).st_size)
        mapped = mmap.mmap(file, 0, access=mmap.ACCESS_COPY)
        if tuple(each.type for each in header.sections) != _TYPES:
            raise SnapshotError("it is damaged")
        arrays = tuple(_array(mapped, each) for each in header.sections)
    except (OSError, ValueError, OverflowError) as error:  # ValueError: a file that ends too early
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SnapshotError("its disk is full, and it needs more room") from None
        raise SnapshotError(f"it cannot be read: {type(error).__name__}") from None
    finally:
        os.close(file)
    used = tuple(each.used for each in header.sections)
    return Image(header.hash_keys, header.schemes, header.key_ids, arrays, used), header


def _header(file: int) -> Header:
    prefix = os.pread(file, _PREFIX.size, 0)
    if len(prefix) < _PREFIX.size or not prefix.startswith(MAGIC):
        raise SnapshotError("it is not whole")
    _, begin, size, crc = _PREFIX.unpack(prefix)
    if size > _LONGEST_HEADER:
        raise SnapshotError("it is damaged")
    data = os.pread(file, size, begin)
    if len(data) != size or zlib.crc32(data) != crc:
        raise SnapshotError("it is damaged")
    try:
        version = msgspec.json.decode(data)["version"]
        if version != VERSION:
            raise SnapshotError(f"it was written by another version of curfewd: in format {version}")
        return msgspec.json.decode(data, type=Header)
    except (msgspec.MsgspecError, KeyError, TypeError):
        raise SnapshotError("it is damaged") from None


def _check_origin(header: Header, origin: Origin, now: int, spans: Mapping[int, tuple[int, int]]) -> None:
    found = header.origin
    if (found.topic, found.topic_id) != (origin.topic, origin.topic_id):
        raise SnapshotError("it belongs to another topic")
    if found.keys != origin.keys:
        raise SnapshotError("it was made under other deployment keys")
    if not 0 <= now - header.saved <= OLDEST:
        raise SnapshotError("it is too old")
    for partition, offset in header.offsets.items():
        first, end = spans.get(partition, (0, -1))
        if not first <= offset <= end:
            raise SnapshotError("the topic does not have its offsets")


def _array(mapped: mmap.mmap, section: Section) -> Any:
    """Maps one array and checks all of it."""
    begin, used, room = section.begin, section.used, section.room
    if begin % PAGE or not 0 < used <= room or begin + room > len(mapped):
        raise SnapshotError("it is damaged")
    view = memoryview(mapped)[begin : begin + used]
    crc = 0
    for at in range(0, used, _CHUNK):
        crc = zlib.crc32(view[at : at + _CHUNK], crc)
    if crc != section.crc:
        raise SnapshotError("it is damaged")
    dtype = np.dtype(section.type)
    return np.frombuffer(mapped, dtype, room // dtype.itemsize, begin)


def _write_all(file: int, data: memoryview, at: int) -> None:
    while data:
        written = os.pwrite(file, data, at)
        data, at = data[written:], at + written


def _aligned(size: int) -> int:
    return -(-size // PAGE) * PAGE
