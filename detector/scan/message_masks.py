"""Masks secrets in messages for a person before, or without, the scanner of the settings: errors, warnings, log lines.

A message may name a path, a topic or a value of the configuration, and each may be a token. The bundled patterns look
for secrets as they stand. What is encoded, registered or found by a user's own patterns is not seen here.
"""

import os
from functools import cache

from detector.patterns.database_cache import DatabaseCache
from detector.patterns.file_cache import cache_folder
from detector.patterns.pattern import load_bundled
from detector.scan.scanner import PatternScanner
from detector.values.secrets import mask


@cache
def _scanner() -> PatternScanner:
    return PatternScanner(load_bundled(), cache=DatabaseCache(cache_folder(os.environ)))


def masked_message(text: str) -> str:
    """The message without the secrets of known patterns."""
    data = text.encode("utf-8", "replace")
    pieces: list[bytes] = []
    at = 0
    for match in _scanner().scan(data):
        pieces += (data[at : match.start], mask(match.pattern.id, len(match.secret)).encode())
        at = match.end
    return text if not pieces else b"".join((*pieces, data[at:])).decode("utf-8", "replace")
