"""The scanner of all bundled patterns, made once in a process: Hyperscan compiles them for two seconds of CPU."""

from functools import cache

from detector.patterns.pattern import load_bundled
from detector.scan.scanner import PatternScanner


@cache
def bundled_scanner() -> PatternScanner:
    """Shared: it keeps nothing of what it scans."""
    return PatternScanner(load_bundled())
