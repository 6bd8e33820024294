"""Targets of what a user writes: the configuration, and files of patterns."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from detector.configuration.reference_page import EXAMPLE
from detector.configuration.settings import Settings, problems
from detector.patterns.pattern import load_file
from detector.values.errors import ConfigError

_PATTERNS = Path(__file__).parents[2] / "patterns"
_ENVIRON = {"CURFEWD_KEY": "00" * 16}
_GITLEAKS = """[[rules]]
id = "made-up"
description = "made up"
regex = '''(?i)made[_-]?up.{0,20}([a-z0-9]{20})'''
secretGroup = 1
entropy = 3.1
keywords = ["made"]
[[rules.allowlists]]
regexTarget = "line"
regexes = ["test"]
stopwords = ["example"]
"""


def configuration_seeds() -> Iterator[bytes]:
    """The example of the documents, whole and by its tables."""
    yield EXAMPLE.encode()
    for table in EXAMPLE.split("\n\n"):
        yield table.encode()


def pattern_seeds() -> Iterator[bytes]:
    """The smaller of our own files, and one in gitleaks' way."""
    for path in sorted(_PATTERNS.glob("*.toml")):
        if path.stat().st_size < 2048:
            yield path.read_bytes()
    yield _GITLEAKS.encode()


def configuration(data: bytes) -> None:
    """It is read, or every problem told with its place; the first problem is what loading stops at."""
    path = _written(data)
    told = problems(path, _ENVIRON)
    stopped = None
    try:
        Settings.load(path, _ENVIRON)
    except ConfigError as error:
        stopped = error
    assert [str(one) for one in told[:1]] == ([str(stopped)] if stopped else [])
    assert all(one.path for one in told)


def pattern_file(data: bytes) -> None:
    """Its patterns are usable, or it is told why not and where."""
    warnings: list[ConfigError] = []
    with suppress(ConfigError):
        for pattern in load_file(_written(data), warnings.append):
            assert pattern.id
            for check in pattern.checks:
                check.build()


@cache
def _file() -> str:
    handle, path = tempfile.mkstemp(suffix=".toml", prefix=f"curfewd-fuzz-{os.getpid()}-")
    os.close(handle)
    return path


def _written(data: bytes) -> str:
    Path(_file()).write_bytes(data)
    return _file()
