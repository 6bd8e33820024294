"""Whether a block of JSON can hold an event at all: one search for all marks, long before any parsing."""

from functools import cache
from typing import Any, Final

import hyperscan

# A record without any of these in its bytes is no event.
EVENT_MARKS: Final = (
    b'"specversion"',
    b'"eventSource"',
    b'"workflow_job"',
    b'"workflow_run"',
    b'"hashed_token"',
)
_SHORT: Final = 4096  # below it plain searches are faster


@cache
def _database() -> Any:
    database = hyperscan.Database()
    flags = [hyperscan.HS_FLAG_SINGLEMATCH] * len(EVENT_MARKS)
    database.compile(expressions=list(EVENT_MARKS), ids=list(range(len(EVENT_MARKS))), flags=flags)
    return database


def has_event_mark(data: bytes) -> bool:
    """Whether there may be an event in `data`."""
    if len(data) < _SHORT:
        return any(mark in data for mark in EVENT_MARKS)
    found: list[int] = []
    _database().scan(data, match_event_handler=lambda number, *_: found.append(number))
    return bool(found)
