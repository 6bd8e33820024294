"""Standard output whose reader may close the pipe, and paths as text."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def shown(path: str | Path) -> str:
    """A path as text. Bytes that are not UTF-8 are replaced."""
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
        # Python flushes again at exit, which must not go into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
