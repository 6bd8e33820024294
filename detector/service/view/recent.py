"""The latest findings and commands that this process committed: as many as fit, for any number of readers.

A reader only has a position, so a slow one costs nothing: it misses what was dropped before it read it, and is told so.
Of each finding only the last change is kept, as in its topic.
"""

from collections.abc import Callable, Hashable
from typing import Any, Final, Literal

import msgspec

Kind = Literal["finding", "command"]
MOST: Final = 500
MOST_BYTES: Final = 16 << 20


class RecentEntry:
    """One finding or command, and the size of its record. `json` is what a page gets, made when the first page asks."""

    __slots__ = ("fact", "json", "kind", "number", "size")

    def __init__(self, number: int, kind: Kind, fact: Any, size: int) -> None:
        self.number = number
        self.kind = kind
        self.fact = fact
        self.size = size
        self.json: bytes | None = None


class Recent:
    """Entries are numbered from 1. `view_of` makes the JSON object that a page gets of a finding or command."""

    def __init__(
        self, view_of: Callable[[Any], Any], *, most: int = MOST, most_bytes: int = MOST_BYTES
    ) -> None:
        self._view_of = view_of
        self.most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: dict[Hashable, RecentEntry] = {}  # in the order of their numbers
        self.last = 0
        self._dropped = 0  # the latest number that was dropped

    def add(self, kind: Kind, name: Hashable, fact: Any, size: int) -> None:
        """Adds a committed finding or command; an older one of the same kind and name goes."""
        before = self._entries.pop((kind, name), None)
        if before is not None:
            self._bytes -= before.size
        self.last += 1
        self._entries[kind, name] = RecentEntry(self.last, kind, fact, size)
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
            entry.json = msgspec.json.encode(self._view_of(entry.fact))
        return entry.json
