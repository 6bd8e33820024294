"""Compiled Hyperscan databases, kept in the user's cache folder: compiling three hundred patterns takes two seconds."""

import hashlib
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import hyperscan

from detector.patterns.file_cache import FileCache

Compiled = tuple[bytes, int]  # an expression and its flags
_KEPT: Final = 8  # databases
_PROCESSOR: Final = 8 << 10  # bytes of /proc/cpuinfo: the first processor


class DatabaseCache:
    """The databases kept in one folder; with None none are."""

    def __init__(self, folder: Path | None = None) -> None:
        self._files = FileCache(folder, ".hs", _KEPT)

    def load(self, sources: Sequence[Compiled]) -> "hyperscan.Database | None":
        """The database made of these, if it is there and whole."""
        kept = self._files.load(_name(sources))
        if kept is None:
            return None
        try:
            return hyperscan.loadb(kept, hyperscan.HS_MODE_BLOCK)
        except hyperscan.error:  # of another machine or version
            return None

    def keep(self, sources: Sequence[Compiled], database: "hyperscan.Database") -> None:
        """Write it, or not: a cache that cannot be written is none."""
        self._files.keep(_name(sources), hyperscan.dumpb(database))


def _name(sources: Sequence[Compiled]) -> str:
    """A name for what goes in, and for what else the result depends on: library, machine, processor."""
    digest = hashlib.sha256()
    version = str(hyperscan.__dict__["__version__"])  # the library's stub does not tell of it
    for part in (version.encode(), platform.machine().encode(), _processor()):
        digest.update(b"%d:%b" % (len(part), part))
    for expression, flags in sources:
        digest.update(b"%d:%d:%b" % (flags, len(expression), expression))
    return digest.hexdigest()


def _processor() -> bytes:
    """What the first processor can do, as Linux says it."""
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            told = file.read(_PROCESSOR)
    except OSError:
        return b""
    return b"\n".join(line for line in told.split(b"\n") if line.startswith((b"flags", b"Features")))
