"""The revoker's own audit log: what it was about to do, what it did, and what came of it, on this machine's disk.

One JSON object a line, only ever appended. Each line has its number and the SHA-256 of the line before it, so a line
that is changed, removed or put in shows. A cut at the end shows beside an outcome: `curfewdaudit` of its CloudEvent is
the number and hash of the last line at that time. A step is only begun once its line is on the disk.
"""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.outputs.writers import dumps
from detector.terminal.output import shown, why
from detector.values.errors import StopError, UsageError

FIRST: Final = "0" * 64
LONGEST_LINE: Final = 64 << 10
_OURS: Final = 0o600


class _Line(msgspec.Struct):
    number: int
    previous: str
    torn: bool = False
    continued: bool = False


_DECODER: Final = msgspec.json.Decoder(_Line)


class AuditLog:
    """Appends to the file at `path`, which only one process at a time may have.

    Raises:
        UsageError: it cannot be opened, another process has it, or its end cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number, self._previous = 0, FIRST
        self._marks: dict[str, bool] = {}
        self._written = self._synced = 0
        self._syncing = asyncio.Lock()
        self._file = self._open()

    @property
    def head(self) -> str:
        """The number and hash of the last line: who keeps it elsewhere can tell whether the file was cut."""
        return f"{self._number}:{self._previous}"

    def append(self, record: Mapping[str, Any]) -> None:
        """Adds a line. `sync` says when it is on the disk.

        Raises:
            StopError: it cannot be written, so nothing more may be done.
        """
        line = {"number": self._number + 1, **record, **self._marks, "previous": self._previous}
        data = dumps(line)
        try:
            written = os.write(self._file, data + b"\n")
        except OSError as error:
            raise self._failed(error) from None
        if written <= len(data):  # the disk is full: the line is torn
            raise StopError(f"the audit log {shown(self._path)} cannot be written: the disk is full")
        self._marks = {}
        self._number += 1
        self._previous = hashlib.sha256(data).hexdigest()
        self._written += 1

    async def sync(self) -> None:
        """Waits until all lines so far are on the disk. Who waits at the same time shares one write.

        Raises:
            StopError: as for `append`.
        """
        wanted = self._written
        while self._synced < wanted:
            async with self._syncing:
                if self._synced >= wanted:
                    return
                reached, file = self._written, self._file
                try:
                    await asyncio.to_thread(os.fsync, file)
                except OSError as error:
                    raise self._failed(error) from None
                self._synced = reached

    async def reopen(self) -> None:
        """Goes on in a new file if the old one was moved away. The chain goes on, too.

        Raises:
            UsageError: as for the constructor.
        """
        await self.sync()
        async with self._syncing:
            old, (number, previous) = self._file, (self._number, self._previous)
            if self._path.exists() and os.path.samestat(os.fstat(old), self._path.stat()):
                return
            self._file = self._open()
            if self._number == 0:
                self._number, self._previous = number, previous
                self._marks = {"continued": True}
            os.close(old)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def _open(self) -> int:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _OURS)
        except OSError as error:
            raise UsageError(f"revoke.audit_log: {shown(self._path)}: {why(error)}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._number, self._previous, torn = _end_of(file)
            self._marks = {"torn": True} if torn else {}
        except OSError:
            os.close(file)
            raise UsageError(f"revoke.audit_log: {shown(self._path)}: another process writes it") from None
        except ValueError as error:
            os.close(file)
            raise UsageError(f"revoke.audit_log: {shown(self._path)}: {error}; move it away") from None
        return file

    def _failed(self, error: OSError) -> StopError:
        return StopError(f"the audit log {shown(self._path)} cannot be written: {why(error)}")


def _end_of(file: int) -> tuple[int, str, bool]:
    """Number and hash of the last whole line, and whether what follows it is torn."""
    size = os.fstat(file).st_size
    if not size:
        return 0, FIRST, False
    tail = os.pread(file, 2 * LONGEST_LINE, max(size - 2 * LONGEST_LINE, 0))
    if not tail.endswith(b"\n"):
        os.write(file, b"\n")
        tail += b"\n"
    torn = False
    for line in reversed(tail.removesuffix(b"\n").split(b"\n")):
        try:
            found = _DECODER.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            torn = True
            continue
        return found.number, hashlib.sha256(line).hexdigest(), torn
    if size <= len(tail):
        return 0, FIRST, True
    raise ValueError("its end is not an audit log")


def verify_audit_log(path: Path, anchors: Mapping[int, str] | None = None) -> Iterator[str]:
    """What is wrong with an audit log, a line for each place. `anchors` are hashes of lines by their numbers.

    Raises:
        OSError: it cannot be read.
    """
    wanted = dict(anchors or {})
    number, previous, torn = 0, FIRST, False
    with path.open("rb") as file:
        for place, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
            text = line.removesuffix(b"\n")
            try:
                found = _DECODER.decode(text)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                if torn:
                    yield f"line {place}: not a line of an audit log"
                torn = True
                continue
            if torn and not found.torn:
                yield f"line {place - 1}: not a line of an audit log"
            torn = False
            if place == 1 and found.continued:  # it goes on from an earlier file
                number, previous = found.number - 1, found.previous
            if found.number != number + 1:
                yield f"line {place}: has number {found.number}, and {number + 1} is expected: lines were removed or added"
            elif found.previous != previous:
                yield f"line {place}: the line before it was changed"
            number, previous = found.number, hashlib.sha256(text).hexdigest()
            if wanted.pop(number, previous) != previous:
                yield f"line {place}: not the line that an outcome names"
    for missing in sorted(wanted):
        yield f"line number {missing}, which an outcome names, is not there"
