"""Compiled Hyperscan databases, built with the program or kept: compiling five hundred patterns takes two seconds."""

import contextlib
import hashlib
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import hyperscan

from detector.patterns.file_cache import FileCache

Compiled = tuple[bytes, int]  # an expression and its flags
_KEPT: Final = 8  # databases


class DatabaseCache:
    """The databases kept in one folder; with None none are."""

    def __init__(self, folder: Path | None = None) -> None:
        self._files = FileCache(folder, ".hs", _KEPT)

    def load(self, sources: Sequence[Compiled]) -> "hyperscan.Database | None":
        """The database made of these, if one is there, whole and for this processor."""
        name = _name(sources)
        for found in (self._files.built, self._files.load):
            kept = found(name)
            if kept is not None:
                with contextlib.suppress(hyperscan.error):
                    return hyperscan.loadb(kept, hyperscan.HS_MODE_BLOCK)
        return None

    def keep(self, sources: Sequence[Compiled], database: "hyperscan.Database") -> None:
        """Write it, or not: a cache that cannot be written is none."""
        self._files.keep(_name(sources), hyperscan.dumpb(database))


def _name(sources: Sequence[Compiled]) -> str:
    """A name for what goes in, the library and the machine. Each database says itself for which processors it is."""
    digest = hashlib.sha256()
    version = str(hyperscan.__dict__["__version__"])  # the library's stub does not tell of it
    for part in (version.encode(), platform.machine().encode()):
        digest.update(b"%d:%b" % (len(part), part))
    for expression, flags in sources:
        digest.update(b"%d:%d:%b" % (flags, len(expression), expression))
    return digest.hexdigest()
