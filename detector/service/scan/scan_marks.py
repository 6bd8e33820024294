"""Which records are being scanned, on record for whoever comes after a process that died of them.

A process keeps a small file in the folder of the state: a slot for each partition and reader, written before a scan and
blanked behind it. Nothing is synced: what was written outlives the process, and only that. It holds a lock on its file,
so the others tell a file of the dead from one of the living. Records that were set aside are in a file that all share.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.kafka.handlers import Partition

_SLOT: Final = 512  # bytes: a topic has at most 249
_PREFIX: Final = "in-scan"
_ASIDE: Final = "set-aside"
_MOST: Final = 1 << 20  # bytes that are read of a file
_OURS: Final = 0o600


class _Range(msgspec.Struct, array_like=True):
    """Records of a partition, up to the offset `end`."""

    topic: str
    number: int
    end: int


_RANGES: Final = msgspec.json.Decoder(_Range)


class NoMarks:
    """Keeps nothing: where a scan that dies is not looked into."""

    @contextlib.contextmanager
    def scanning(self, reader: str, partition: Partition, end: int) -> Iterator[None]:  # noqa: ARG002 - as `ScanMarks`
        """Nothing is marked."""
        yield

    def left_open(self, partition: Partition) -> int:  # noqa: ARG002 - as above
        """Nothing is."""
        return 0

    def set_aside(self, partition: Partition, offset: int) -> None:
        """It is not remembered."""

    def aside(self, partition: Partition) -> frozenset[int]:  # noqa: ARG002 - as above
        """None."""
        return frozenset()


class ScanMarks(NoMarks):
    """The marks of a process in `folder`; of several that share it, each has a `number`.

    Where a mark cannot be written, as on a full disk, scanning goes on without it.
    """

    def __init__(self, folder: Path, number: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._path = folder / (_PREFIX if number is None else f"{_PREFIX}-{number}")
        self._slots: dict[tuple[str, Partition], int] = {}
        self._aside: dict[Partition, set[int]] = {}
        self._read_until = 0
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, _OURS)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._left = _ranges(os.pread(self._file, _MOST, 0))  # ours, of before
        os.ftruncate(self._file, 0)

    @contextlib.contextmanager
    def scanning(self, reader: str, partition: Partition, end: int) -> Iterator[None]:
        """While records of a partition are scanned, those before the offset `end`."""
        place = _SLOT * self._slots.setdefault((reader, partition), len(self._slots))
        text = msgspec.json.encode(_Range(partition.topic, partition.number, end))
        with contextlib.suppress(OSError):
            os.pwrite(self._file, text.ljust(_SLOT - 1) + b"\n", place)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.pwrite(self._file, b"\n".rjust(_SLOT), place)

    def left_open(self, partition: Partition) -> int:
        """The offset behind the records that a process was scanning when it died; 0 if none was."""
        ends = [self._left.get(partition, 0)]
        for path in self._folder.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError):
                if path != self._path:
                    ends.append(_left_by_the_dead(path).get(partition, 0))
        return max(ends)

    def set_aside(self, partition: Partition, offset: int) -> None:
        """Remembers a record that no scan outlives."""
        line = msgspec.json.encode(_Range(partition.topic, partition.number, offset)) + b"\n"
        self._aside.setdefault(partition, set()).add(offset)
        with contextlib.suppress(OSError), (self._folder / _ASIDE).open("ab") as file:
            file.write(line)

    def aside(self, partition: Partition) -> frozenset[int]:
        """The offsets of those records, whoever of this folder found them."""
        with contextlib.suppress(OSError):
            path = self._folder / _ASIDE
            if path.stat().st_size > self._read_until:
                data = path.read_bytes()[-_MOST:]
                self._read_until = path.stat().st_size
                for one in _read(data):
                    self._aside.setdefault(Partition(one.topic, one.number), set()).add(one.end)
        return frozenset(self._aside.get(partition, ()))

    def close(self) -> None:
        """Gives up the file."""
        os.close(self._file)


def _left_by_the_dead(path: Path) -> dict[Partition, int]:
    """What a process that is gone was scanning."""
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # BlockingIOError: it lives
        return _ranges(os.pread(file, _MOST, 0))
    finally:
        os.close(file)


def _read(data: bytes) -> Iterator[Any]:
    for line in data.split(b"\n"):
        if line.strip():
            with contextlib.suppress(msgspec.DecodeError):  # a slot that was being written
                yield _RANGES.decode(line)


def _ranges(data: bytes) -> dict[Partition, int]:
    found: dict[Partition, int] = {}
    for one in _read(data):
        partition = Partition(one.topic, one.number)
        found[partition] = max(one.end, found.get(partition, 0))
    return found
