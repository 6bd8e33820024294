"""Facts that wait: in memory while they are few, else on disk, encrypted. Those of a file may be dropped again."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final, Generic, TypeVar

import msgspec

from detector.replay.row_spool import RowSpool

T = TypeVar("T")

IN_MEMORY: Final = 50_000  # facts


class FactSpool(Generic[T]):
    """Takes facts, and gives them in that order. `kind` is their type."""

    def __init__(self, kind: Any, in_memory: int = IN_MEMORY) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)
        self._encoder = msgspec.json.Encoder()
        self._most = in_memory
        self._waiting: deque[T] = deque()
        self._rows = RowSpool()
        self._dropped: list[tuple[int, int]] = []  # by their numbers
        self._count = 0

    def __len__(self) -> int:
        """How many were taken, with those that were dropped."""
        return self._count

    def extend(self, facts: Iterable[T]) -> None:
        """Takes some more.

        Raises:
            OSError: the disk is full.
        """
        before = len(self._waiting)
        self._waiting += facts
        self._count += len(self._waiting) - before
        if len(self._waiting) > self._most:
            while self._waiting:
                self._rows.put(0, self._encoder.encode(self._waiting.popleft()))

    def drop(self, first: int) -> None:
        """Leaves out those that were taken from number `first` on."""
        if first < self._count:
            self._dropped.append((first, self._count))

    def __iter__(self) -> Iterator[T]:
        facts = chain(map(self._decoder.decode, self._rows.rows(0)), self._waiting)
        at = 0
        for first, end in self._dropped:
            yield from islice(facts, first - at)
            at = end
            deque(islice(facts, end - first), 0)
        yield from facts

    def drained(self, size: int) -> Iterator[list[T]]:
        """All of them, so many at once. They are let go meanwhile."""
        facts = iter(self)
        while some := list(islice(facts, size)):
            yield some
        self._rows, self._waiting, self._dropped = RowSpool(), deque(), []
