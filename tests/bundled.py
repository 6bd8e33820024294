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
def bundled_scanner() -> PatternScanner:
    """Shared: it keeps nothing of what it scans."""
    kept = DatabaseCache(cache_folder(os.environ))  # Hyperscan compiles them for two seconds of CPU
    return PatternScanner(bundled_patterns(), cache=kept)
