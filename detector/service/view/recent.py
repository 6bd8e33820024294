"""The latest findings and commands that this process committed: as many as fit, whoever reads them and however slowly.

Readers have a place in it and nothing else, so a slow one costs nothing: what it did not read in time is gone, and it is
told so. Of a finding the last record stands, as in its topic.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, Literal

import msgspec

Kind = Literal["finding", "command"]
Shown = Callable[[Any], Any]

MOST: Final = 500
MOST_BYTES: Final = 16 << 20


class Entry:
    """One record; `shown` is what a page gets of it, made when the first one asks."""

    __slots__ = ("kind", "number", "record", "shown")

    def __init__(self, number: int, kind: Kind, record: bytes) -> None:
        self.number = number
        self.kind = kind
        self.record = record
        self.shown: bytes | None = None


class Recent:
    """Entries are numbered from 1; `shown` makes of a record, by kind, the JSON object that a page gets."""

    def __init__(
        self, shown: Mapping[Kind, Shown], *, most: int = MOST, most_bytes: int = MOST_BYTES
    ) -> None:
        self._shown = shown
        self.most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: dict[Hashable, Entry] = {}  # in the order of their numbers
        self.last = 0
        self._lost = 0  # the latest number that was pushed out

    def add(self, kind: Kind, name: Hashable, record: bytes) -> None:
        """A record that is committed; an older one of that kind and name is gone."""
        before = self._entries.pop((kind, name), None)
        if before is not None:
            self._bytes -= len(before.record)
        self.last += 1
        self._entries[kind, name] = Entry(self.last, kind, record)
        self._bytes += len(record)
        while len(self._entries) > self.most or self._bytes > self._most_bytes:
            oldest = self._entries.pop(next(iter(self._entries)))
            self._bytes -= len(oldest.record)
            self._lost = oldest.number

    def after(self, number: int, most: int) -> tuple[list[Entry], bool]:
        """The latest entries after a number, oldest first, and whether some between were lost or are too many."""
        found: list[Entry] = []
        for entry in reversed(self._entries.values()):
            if entry.number <= number:
                break
            if len(found) == most:
                return found[::-1], True
            found.append(entry)
        return found[::-1], number < self._lost

    def json(self, entry: Entry) -> bytes:
        """What a page gets of an entry."""
        if entry.shown is None:
            entry.shown = msgspec.json.encode(self._shown[entry.kind](msgspec.json.decode(entry.record)))
        return entry.shown
