"""Standard output that somebody may stop reading, and paths as text."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def shown(path: str | Path) -> str:
    """A path as text; bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


@contextmanager
def printing() -> Iterator[None]:
    """Flushes what the block prints. A closed pipe ends the block, not the command."""
    try:
        yield
        sys.stdout.flush()
    except (
        BrokenPipeError,
        SystemExit,
    ):  # rich raises SystemExit on a closed pipe
        # At exit Python flushes again: into the closed pipe it must not.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
