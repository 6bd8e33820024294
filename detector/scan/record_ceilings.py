"""What the lines of one record may decode to together.

Each line has a share of its own, and a share has a least size, so that a record of very many short lines would have
hundreds of times its own size. Behind the line with which a record asks for more than its ceiling, its lines have a
`shares.NARROW` share, and what asks for more is reported as not examined. Where that is depends on the record alone.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from detector.scan.decode import DecodedPiece
from detector.scan.shares import Limits, Share

Records = Callable[[], tuple[Any, Any]]
"""Where the records of a text begin and end, in order."""


class RecordCeilings:
    """The ceilings of the records of one text, whose pieces are charged in order, each as often as it is looked at."""

    def __init__(self, share: Share, records: Records) -> None:
        self._share = share
        self._records = records
        self._spent: dict[int, Any] = {}  # by the start of a piece, what its lines asked for
        self._over: dict[int, tuple[int, int]] = {}  # by record, the lines that have a narrow share

    @cached_property
    def _bounds(self) -> tuple[Any, Any]:
        return self._records()

    def limits(self, limits: Limits | None) -> Limits | None:
        """The limits of streams, and those of records that asked for too much."""
        if not self._over:
            return limits
        return msgspec.structs.replace(
            limits or Limits(), over=np.array(sorted(self._over.values()), np.int64)
        )

    def charge(self, piece: DecodedPiece) -> bool:
        """Charges the records with what a piece asked for.

        Whether lines in it may ask for less now: then it is to be examined again.
        """
        self._spent[piece.start] = piece.spent
        rows = np.concatenate([*self._spent.values()])
        if rows[:, 1].sum() <= self._share.ceiling(0):
            return False
        starts, ends = self._bounds
        owners = starts.searchsorted(rows[:, 0], "right") - 1
        before = np.cumsum(rows[:, 1]) - rows[:, 1]
        within = before + rows[:, 1] - before[owners.searchsorted(owners)]
        (over,) = np.nonzero(within > self._share.ceiling(ends[owners] - starts[owners]))
        records, firsts = np.unique(owners[over], return_index=True)
        fresh = False
        for record, place in zip(records.tolist(), rows[over[firsts], 0].tolist(), strict=True):
            if record not in self._over:
                self._over[record] = place + 1, int(ends[record])
                fresh = True
        # Of the records so far only the last may stand in pieces to come.
        going_on = starts[starts.searchsorted(piece.end - 1, "right") - 1]
        self._spent = {start: each[each[:, 0] >= going_on] for start, each in self._spent.items()}
        return fresh
