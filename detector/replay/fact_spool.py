"""Facts that wait: in memory while they are few, else on disk, encrypted."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, Generic, TypeVar

import msgspec

from detector.replay.row_spool import RowSpool

T = TypeVar("T")

IN_MEMORY: Final = 200_000  # facts


class FactSpool(Generic[T]):
    """Takes facts, and gives them in that order. `kind` is their type."""

    def __init__(self, kind: Any, in_memory: int = IN_MEMORY) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)
        self._encoder = msgspec.json.Encoder()
        self._most = in_memory
        self._waiting: deque[T] = deque()
        self._rows = RowSpool()

    def extend(self, facts: Iterable[T]) -> None:
        """Takes some more.

        Raises:
            OSError: the disk is full.
        """
        self._waiting += facts
        if len(self._waiting) > self._most:
            while self._waiting:
                self._rows.put(0, self._encoder.encode(self._waiting.popleft()))

    def __iter__(self) -> Iterator[T]:
        yield from map(self._decoder.decode, self._rows.rows(0))
        yield from self._waiting

    def drained(self, size: int) -> Iterator[list[T]]:
        """All of them, so many at once. They are let go meanwhile."""
        rows = map(self._decoder.decode, self._rows.rows(0))
        while some := list(islice(rows, size)):
            yield some
        self._rows = RowSpool()
        while self._waiting:
            yield [self._waiting.popleft() for _ in range(min(size, len(self._waiting)))]
