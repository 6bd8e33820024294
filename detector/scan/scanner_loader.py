"""Loads the scanner that the settings describe: bundled and own patterns, detect-secrets' plugins and baseline."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from detector.configuration.settings import PatternSettings
from detector.patterns.database_cache import DatabaseCache
from detector.patterns.deferred_plugins import Plugin, load_plugins
from detector.patterns.file_cache import cache_folder
from detector.patterns.pattern import Pattern, distinct, load_bundled, load_file
from detector.scan.pattern_examples import refuse_unseen
from detector.scan.scanner import PatternScanner
from detector.values.errors import ConfigError
from detector.values.globs import GlobSet

_T = TypeVar("_T", Pattern, Plugin)


def load_patterns(settings: PatternSettings) -> tuple[tuple[Pattern, ...], tuple[str, ...]]:
    """The patterns in force, without detect-secrets' plugins, and warnings about ignored parts of a user's own files.

    Raises:
        ConfigError: a pattern is wrong, with its file and line.
    """
    own, warnings = _load_own(settings)
    return _without(settings.disable, distinct([*load_bundled(), *own])), warnings


def load_scanner(settings: PatternSettings) -> tuple[PatternScanner, tuple[str, ...]]:
    """The scanner, and warnings about parts of a user's own files that are ignored.

    Raises:
        ConfigError: a pattern, plugin or baseline is wrong, or a user's own pattern does not find its examples.
    """
    own, warnings = _load_own(settings)
    patterns = _without(settings.disable, distinct([*load_bundled(), *own]))
    plugins = load_plugins(settings.plugins) if settings.detect_secrets else ()
    silenced = frozenset[str]() if settings.baseline is None else _silenced(settings.baseline)
    cache = DatabaseCache(cache_folder(os.environ))
    scanner = PatternScanner(
        patterns, _without(settings.disable, plugins), silenced, cache, settings.confidence
    )
    # Bundled patterns are tested with the program, a user's own only here. `patterns test` says more.
    refuse_unseen(_without(settings.disable, own), scanner)
    return scanner, warnings


def _silenced(baseline: str) -> frozenset[str]:
    from detector.patterns.detect_secrets_plugins import read_baseline  # noqa: PLC0415 - imports detect-secrets

    return read_baseline(baseline)


def _load_own(settings: PatternSettings) -> tuple[tuple[Pattern, ...], tuple[str, ...]]:
    """A user's own patterns, and warnings about parts of their files that are ignored."""
    warnings: list[ConfigError] = []
    own = [
        pattern
        for path in settings.paths
        for file in _files(Path(path))
        for pattern in load_file(str(file), warnings.append)
    ]
    return tuple(own), tuple(str(warning) for warning in warnings)


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.toml")) if path.is_dir() else [path]


def _without(globs: tuple[str, ...], things: Iterable[_T]) -> tuple[_T, ...]:
    disabled = GlobSet(globs)
    return tuple(thing for thing in things if not disabled.matches(_id(thing)))


def _id(thing: Pattern | Plugin) -> str:
    return thing.id if isinstance(thing, Pattern) else thing.pattern.id
