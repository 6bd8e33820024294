"""The bundled patterns and their scanner, made once in a process."""

import os
from functools import cache

from detector.patterns.database_cache import DatabaseCache
from detector.patterns.file_cache import cache_folder
from detector.patterns.pattern import Pattern, load_bundled
from detector.scan.scanner import PatternScanner


@cache
def bundled_patterns() -> tuple[Pattern, ...]:
    """As they stand in their files."""
    return load_bundled()


@cache
def with_regex() -> tuple[Pattern, ...]:
    """Those with a regex: what names give away has tests of its own."""
    return tuple(pattern for pattern in bundled_patterns() if pattern.named is None)


@cache
def bundled_scanner() -> PatternScanner:
    """Shared: it keeps nothing of what it scans."""
    return _compiled(bundled_patterns())


@cache
def regex_scanner() -> PatternScanner:
    """Of the patterns with a regex."""
    return _compiled(with_regex())


def _compiled(patterns: tuple[Pattern, ...]) -> PatternScanner:
    kept = DatabaseCache(cache_folder(os.environ))  # Hyperscan compiles them for two seconds of CPU
    return PatternScanner(patterns, cache=kept)
