"""The bundled patterns and their scanner, made once in a process."""

import os
from collections.abc import Sequence
from functools import cache

from detector.patterns.database_cache import DatabaseCache
from detector.patterns.file_cache import cache_folder
from detector.patterns.pattern import Pattern, load_bundled
from detector.scan.scanner import PatternScanner
from detector.values.findings import Confidence


@cache
def bundled_patterns() -> tuple[Pattern, ...]:
    """As they stand in their files."""
    return load_bundled()


@cache
def with_regex() -> tuple[Pattern, ...]:
    """Those with a regex: what names give away has tests of its own."""
    return tuple(pattern for pattern in bundled_patterns() if pattern.named is None)


@cache
def named() -> tuple[Pattern, ...]:
    """The others: what only a name beside it gives away."""
    return tuple(pattern for pattern in bundled_patterns() if pattern.named is not None)


@cache
def bundled_scanner() -> PatternScanner:
    """Shared: it keeps nothing of what it scans."""
    return scanner_of(bundled_patterns())


@cache
def regex_scanner() -> PatternScanner:
    """Of the patterns with a regex."""
    return scanner_of(with_regex())


def scanner_of(patterns: Sequence[Pattern], confidence: Confidence = Confidence.MEDIUM) -> PatternScanner:
    """With a database that is kept: Hyperscan compiles all patterns for two seconds of CPU."""
    kept = DatabaseCache(cache_folder(os.environ))
    return PatternScanner(patterns, cache=kept, confidence=confidence)
