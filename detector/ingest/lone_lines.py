"""Lines that may go on, of streams of which nothing has come since: nothing is made of them until something does.

Nearly all lines that end like wrapped text end it. Where many streams are mixed, the next line of the same stream comes
late or never, so only the number of the stream is kept of such a line (`flat_records.stream_key`), and where it stands.
"""

from array import array
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Final, Generic, TypeVar

import msgspec
import numpy as np

from detector.records.timestamps import Ints

Item = TypeVar("Item")
Stream = tuple[str | None, str | None]
"""A task and one of its streams."""

_SLOT: Final = (1 << 13) - 1  # the bits of a number by which most streams are told apart


class LineBlock(msgspec.Struct, Generic[Item], frozen=True):
    """Records that are scanned where they stand, at `places`.

    `stream` and `text` give those of a record by its number; `item` makes the record of number, stream and text. `keys`
    are the numbers of their streams.
    """

    places: Sequence[int]
    stream: Callable[[int], Stream]
    text: Callable[[int], bytes]
    item: Callable[[int, Stream, bytes], Item]
    keys: Ints


class LoneLine(msgspec.Struct, Generic[Item], frozen=True):
    """One of these lines."""

    block: LineBlock[Item]
    number: int

    @property
    def place(self) -> int:
        """Where it stands."""
        return self.block.places[self.number]

    @property
    def key(self) -> int:
        """The number of its stream."""
        return int(self.block.keys[self.number])

    @property
    def stream(self) -> Stream:
        """Its stream."""
        return self.block.stream(self.number)

    @property
    def text(self) -> bytes:
        """What it says."""
        return self.block.text(self.number)

    @property
    def item(self) -> Item:
        """What is made of it."""
        return self.block.item(self.number, self.stream, self.text)


class LoneLines(Generic[Item]):
    """Such lines in the order of their places, at most one of each stream."""

    def __init__(self) -> None:
        self._lines: dict[int, tuple[LineBlock[Item], int]] = {}  # by the numbers of their streams
        self._counts = array("I", bytes(4 * (_SLOT + 1)))  # how many of them have a number with these bits
        self._slots = np.frombuffer(self._counts, np.uint32)

    def __bool__(self) -> bool:
        return bool(self._lines)

    @property
    def first(self) -> int | None:
        """The place of the first."""
        return next((block.places[number] for block, number in self._lines.values()), None)

    def waits(self, key: int, after: int) -> bool:
        """Whether a line is kept that stands behind a place, of a stream with this number."""
        found = self._lines.get(key)
        return found is not None and found[0].places[found[1]] > after

    def take(self, key: int, stream: Hashable) -> LoneLine[Item] | None:
        """The line of a stream, whose number is `key`. It is lone no longer."""
        found = self._lines.get(key)
        if found is None or found[0].stream(found[1]) != stream:  # another stream may have the same number
            return None
        self._drop(key)
        return LoneLine(*found)

    def drained(self) -> list[LoneLine[Item]]:
        """All of them, and none is left."""
        return [LoneLine(*self._drop(key)) for key in [*self._lines]]

    def forget(self, until: int) -> None:
        """Forgets those up to this place."""
        gone: list[int] = []
        for key, (block, number) in self._lines.items():
            if block.places[number] > until:
                break
            gone.append(key)
        for key in gone:
            self._drop(key)

    def _drop(self, key: int) -> tuple[LineBlock[Item], int]:
        self._counts[key & _SLOT] -= 1
        return self._lines.pop(key)

    def sort(
        self, block: LineBlock[Item], marked: Sequence[int], held: Collection[int], reach: int
    ) -> list[tuple[int, int]]:
        """Takes the `marked` lines of a block that are lone, and tells which of its records are to be looked at.

        Those are of a stream with one of the `held` numbers, or of which a record stands less than `reach` behind a
        marked or a lone line. Each comes with the number of its stream.
        """
        own: list[int] = block.keys[marked].tolist()
        others = [key & _SLOT for key in (*held, *own)]
        for slot in others:
            self._counts[slot] += 1
        (near,) = self._slots[block.keys & _SLOT].nonzero()
        for slot in others:
            self._counts[slot] -= 1
        records = list(zip(near.tolist(), block.keys[near].tolist(), strict=True))
        busy, wanted = set(held), set(marked)
        last: dict[int, tuple[LineBlock[Item], int]] = {}
        for number, key in records:
            before = last.get(key) or self._lines.get(key)
            if before is not None and block.places[number] - before[0].places[before[1]] < reach:
                busy.add(key)
            if number in wanted:
                last[key] = block, number
        for number, key in zip(marked, own, strict=True):
            if key not in busy:
                if key in self._lines:  # that one is too far away for whatever may follow
                    self._drop(key)
                self._lines[key] = block, number
                self._counts[key & _SLOT] += 1
        return [each for each in records if each[1] in busy]
