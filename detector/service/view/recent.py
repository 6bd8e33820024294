"""The latest findings and commands that this process committed: as many as fit, for any number of readers.

A reader only has a position, so a slow one costs nothing: it misses what was dropped before it read it, and is told so.
Of each finding only the last record is kept, as in its topic.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, Literal

import msgspec

Kind = Literal["finding", "command"]
ViewOf = Callable[[Any], Any]

MOST: Final = 500
MOST_BYTES: Final = 16 << 20


class RecentEntry:
    """One record, and its size when encoded. `json` is what a page gets, made when the first page asks."""

    __slots__ = ("json", "kind", "number", "record", "size")

    def __init__(self, number: int, kind: Kind, record: Any, size: int) -> None:
        self.number = number
        self.kind = kind
        self.record = record
        self.size = size
        self.json: bytes | None = None


class Recent:
    """Entries are numbered from 1. `views` make, by kind, the JSON object that a page gets of a record."""

    def __init__(
        self, views: Mapping[Kind, ViewOf], *, most: int = MOST, most_bytes: int = MOST_BYTES
    ) -> None:
        self._views = views
        self.most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: dict[Hashable, RecentEntry] = {}  # in the order of their numbers
        self.last = 0
        self._dropped = 0  # the latest number that was dropped

    def add(self, kind: Kind, name: Hashable, record: Any, size: int) -> None:
        """Adds a committed record; an older one of the same kind and name goes."""
        before = self._entries.pop((kind, name), None)
        if before is not None:
            self._bytes -= before.size
        self.last += 1
        self._entries[kind, name] = RecentEntry(self.last, kind, record, size)
        self._bytes += size
        while len(self._entries) > self.most or self._bytes > self._most_bytes:
            oldest = self._entries.pop(next(iter(self._entries)))
            self._bytes -= oldest.size
            self._dropped = oldest.number

    def after(self, number: int, most: int) -> tuple[list[RecentEntry], bool]:
        """The latest entries after a number, oldest first, and whether some were dropped or are more than `most`."""
        found: list[RecentEntry] = []
        for entry in reversed(self._entries.values()):
            if entry.number <= number:
                break
            if len(found) == most:
                return found[::-1], True
            found.append(entry)
        return found[::-1], number < self._dropped

    def json(self, entry: RecentEntry) -> bytes:
        """What a page gets of an entry."""
        if entry.json is None:
            entry.json = msgspec.json.encode(self._views[entry.kind](entry.record))
        return entry.json
