"""How a path is written out."""

import os
from pathlib import Path


def shown(path: str | Path) -> str:
    """A path as text: bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")
