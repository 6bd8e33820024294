"""Printing to whoever may stop reading: a closed pipe ends the printing, not the command."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def printing() -> Iterator[None]:
    """What the block prints is flushed at its end; if nobody reads it any more, the rest of the block is left out."""
    try:
        yield
        sys.stdout.flush()
    except (
        BrokenPipeError,
        SystemExit,
    ):  # rich makes SystemExit of the one, after it was told that nobody reads
        # Nothing may be flushed into the closed pipe at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
