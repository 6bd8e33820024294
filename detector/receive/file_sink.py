"""`--out`: one file, or one for each topic in a folder; a record a line.

An answer waits until its bytes are on the disk. All that came meanwhile is written at once and then made durable by
one `fdatasync`. What was written in part, because the disk is full or the process was killed, was not acknowledged:
it is cut off, or ends as a line of its own.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from detector.receive.cloudevents import as_structured
from detector.receive.sinks import Written
from detector.terminal.output import shown, why
from detector.values.errors import RetryError, UsageError

_BREAKS: Final = bytes.maketrans(b"\r\n", b"  ")
_BINARY_MODE: Final = "ce_specversion"
_MOST_BYTES: Final = 64 << 20  # as much as a line may have for whoever reads it


class FileSink:
    """Appends to files. `topics` are those that there will be, for a folder.

    Raises:
        UsageError: a file cannot be written, or another process writes to it.
    """

    def __init__(self, out: Path, topics: Iterable[str]) -> None:
        self.record_bytes = _MOST_BYTES
        self.binary = False
        self.problem: str | None = None
        folder = out.is_dir()
        self._files = {topic: _open(out / f"{topic}.jsonl") for topic in set(topics)} if folder else {}
        self._file = None if folder else _open(out)
        self._waiting: list[tuple[int, bytes, asyncio.Future[None]]] = []
        self._arrived = asyncio.Event()

    async def run(self) -> None:
        """Writes what waits, again and again."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch, self._waiting = self._waiting, []
            self.problem = await asyncio.to_thread(_append, [(handle, line) for handle, line, _ in batch])
            for _, _, done in batch:
                if done.done():
                    continue
                if self.problem is None:
                    done.set_result(None)
                else:
                    done.set_exception(RetryError(self.problem))

    async def write(self, records: Sequence[Written]) -> None:
        """See `Sink`."""
        loop = asyncio.get_running_loop()
        done = [loop.create_future() for _ in records]
        for record, future in zip(records, done, strict=True):
            handle = self._file if self._file is not None else self._files[record.topic]
            self._waiting.append((handle, line_of(record), future))
        self._arrived.set()
        await (done[0] if len(done) == 1 else asyncio.gather(*done))

    async def close(self) -> None:
        """Closes the files."""
        for handle in (*self._files.values(), *(() if self._file is None else (self._file,))):
            os.close(handle)


def line_of(record: Written) -> bytes:
    """A record as one line. In JSON a line break is never part of a text, so another blank says the same."""
    value = record.value
    if any(name == _BINARY_MODE for name, _ in record.headers):
        value = as_structured(value, record.headers)
    return value.translate(_BREAKS) + b"\n"


def _open(path: Path) -> int:
    try:
        made = not path.exists()
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":  # cut off by a kill: no event, and its end
                os.write(handle, b"\n")
            if made:
                _sync_folder(path.parent)
        except OSError:
            os.close(handle)
            raise
    except OSError as error:
        reason = "another process writes to it" if error.errno == errno.EWOULDBLOCK else why(error)
        raise UsageError(f"--out: {shown(path)}: {reason}") from None
    return handle


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _append(lines: Sequence[tuple[int, bytes]]) -> str | None:
    """Appends the lines to their files, all durable or none; why not."""
    by_file: dict[int, list[bytes]] = {}
    for handle, line in lines:
        by_file.setdefault(handle, []).append(line)
    sizes: dict[int, int] = {}
    try:
        for handle, parts in by_file.items():
            sizes[handle] = os.fstat(handle).st_size
            left = memoryview(b"".join(parts))
            while left:
                left = left[os.write(handle, left) :]
        for handle in by_file:
            os.fdatasync(handle)
    except OSError as error:
        for handle, size in sizes.items():
            _cut(handle, size)
        return f"the file cannot be written: {why(error)}"
    return None


def _cut(handle: int, size: int) -> None:
    try:
        os.ftruncate(handle, size)
    except OSError:  # then the rest of a line that nobody was promised ends by itself
        with contextlib.suppress(OSError):
            os.write(handle, b"\n")
