"""Searches a text for a few literals in one pass: one search for each would take as long as the scan for patterns."""

import threading
from collections.abc import Sequence
from functools import cached_property

import hyperscan
import numpy as np

from detector.records.timestamps import Ints


class LiteralSearch:
    """The literals that are looked for."""

    def __init__(self, literals: Sequence[bytes]) -> None:
        self._literals = literals
        self._threads = threading.local()

    @cached_property
    def _database(self) -> "hyperscan.Database":
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(
            expressions=[b"".join(b"\\x%02x" % byte for byte in literal) for literal in self._literals],
            ids=list(range(len(self._literals))),
            elements=len(self._literals),
            flags=[hyperscan.HS_FLAG_SINGLEMATCH] * len(self._literals),
        )
        return database

    def any_in(self, data: bytes) -> bool:
        """Whether `data` holds one of them."""
        try:
            scratch = self._threads.scratch
        except AttributeError:
            scratch = self._threads.scratch = hyperscan.Scratch(self._database)
        told: list[int] = []
        self._database.scan(data, match_event_handler=lambda number, *_: told.append(number), scratch=scratch)
        return bool(told)


def lines_with(literal: bytes, data: bytes, starts: Ints) -> Ints:
    """The lines in which a literal stands, by number.

    `starts` are where they begin, and may end with where one more would.
    """
    view = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(view[: max(0, len(view) - len(literal) + 1)] == literal[0])
    for at, byte in enumerate(literal[1:], 1):
        places = places[view[places + at] == byte]
    return np.unique(starts.searchsorted(places, side="right") - 1)
