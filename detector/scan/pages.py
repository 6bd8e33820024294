"""Arrays in memory of their own, which the system has back at once when they are freed, or in a file without a name.

What the allocator of C gives up it may keep: in a process that grows its tables step by step, that is a quarter of
them. The file is of this process and those that it forks, and gone with them. When memory runs short, the system
writes parts of it to disk (`TMPDIR`), and reads them again.
"""

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

_SMALL: Final = 1 << 18
_WRITTEN: Final = 1 << 20  # bytes that are written together
_ROWS: Final = 1 << 17


def zeros(count: int, dtype: Any, *, in_file: bool = False) -> Any:
    """An array of zeros. What was never written takes no memory.

    Raises:
        OSError: the disk is full.
    """
    size = count * np.dtype(dtype).itemsize
    if size < _SMALL:
        return np.zeros(count, dtype)
    if not in_file:
        return np.frombuffer(mmap.mmap(-1, size), dtype, count)
    with tempfile.TemporaryFile() as file:
        os.posix_fallocate(file.fileno(), 0, size)  # who writes where the disk has no room is killed
        return np.frombuffer(mmap.mmap(file.fileno(), size), dtype, count)


def slices(count: int) -> Iterator[slice]:
    """The numbers below `count`, so many at once as take little memory."""
    return (slice(first, min(first + _ROWS, count)) for first in range(0, count, _ROWS))


class Rows:
    """Bytes that come one after another, any number, and are an array then: in a file, unless they are few."""

    def __init__(self, *, in_file: bool = True) -> None:
        self._most = _WRITTEN if in_file else None
        self._fresh = bytearray()
        self._file: Any = None

    def add(self, data: bytes) -> None:
        """Takes some more.

        Raises:
            OSError: the disk is full.
        """
        self._fresh += data
        if self._most is not None and len(self._fresh) >= self._most:
            self._write()

    def _write(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it lives as long as the rows
            weakref.finalize(self, self._file.close)
        written, view = 0, memoryview(self._fresh)
        while written < len(view):
            written += self._file.write(view[written:])
        view.release()
        self._fresh = bytearray()

    def array(self, dtype: Any) -> Any:
        """What came. It may be changed, and no more is to come.

        Raises:
            OSError: the disk is full.
        """
        if self._file is None:
            return np.frombuffer(self._fresh, dtype)
        self._write()
        size = os.fstat(self._file.fileno()).st_size
        return np.frombuffer(mmap.mmap(self._file.fileno(), size), dtype)
