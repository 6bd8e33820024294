"""How much decoding a line of text may ask for, and what is said of a line that asks for more.

A line's share depends on the line alone. So no line takes anything from another, and the same line is cut short
whatever stands beside it; but for the lines of a stream that went on asking for too much (`decoding_shares`).
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import msgspec
import numpy as np

from detector.scan.ranks import ranks
from detector.values.forms import ALL

DECODING: Final = "decoding"
_LINEAR: Final = 4
MUCH: Final = 8
"""Bytes decoded for each byte of a line, beyond which a line asks for much: text is seldom packed so well."""
_CUT: Final = 4  # times that much counts of a line which has more still: such a line is reported anyway


class Share(msgspec.Struct, frozen=True):
    """How many bytes a line may decode to: `growth` for each of its own, at least `least` and at most `most`.

    A line that is so long that it would have less than four for each byte has four. `forms` are the groups of
    `detector.values.forms` that are decoded at all.
    """

    least: int
    growth: int
    most: int
    forms: frozenset[str] = ALL

    def of(self, sizes: Any) -> Any:
        """The shares of lines of these sizes."""
        most = np.maximum(self.most, _LINEAR * sizes)
        return np.maximum(self.least, np.minimum(self.growth * sizes, most))

    def ceiling(self, sizes: Any) -> Any:
        """How many bytes all lines of records of these sizes may decode to together."""
        return self.growth * sizes + 2 * self.most


FIRST_LOOK: Final = Share(8 << 10, 16, 16 << 20)
"""Of the scan stage, which every record passes."""
SECOND_LOOK: Final = Share(64 << 10, 64, 32 << 20)
"""Of the look-back, which is in no hurry, of a replay and of a filter. What asks for more than this is reported."""
NARROW: Final = Share(256, 4, 1 << 20)
"""Of the lines of a stream that asked for too much: see `decoding_shares`."""


class LimitedText(msgspec.Struct, frozen=True, gc=False):
    """The lines in data[start:end] were not examined whole. `reason` is `DECODING`: they decode to too much.

    `alone` says that the lines alone are the cause: whoever has other text beside them, or before, cuts them short too.
    """

    start: int
    end: int
    reason: str
    alone: bool = True


class Limits(msgspec.Struct, frozen=True):
    """What some streams may no longer ask for.

    `narrow` are rows (start, end, shut), in order, whose lines have a `NARROW` share. Of those that are `shut`
    nothing is decoded that may grow. Of rare forms, by their numbers, `barred` has the rows (start, end) that are not
    examined for it. Rows (start, end) of `over` have a `NARROW` share too, for what their own record asked for.
    """

    narrow: Any = None
    barred: Mapping[int, Any] = {}
    over: Any = None

    def behind(self, start: int) -> "Limits":
        """The same for the text from there on."""
        return Limits(
            None if self.narrow is None else self.narrow - [start, start, 0],
            {form: rows - start for form, rows in self.barred.items()},
            None if self.over is None else self.over - start,
        )


class Spending:
    """What the lines of a text have asked for so far, and which of them asked for more than their share.

    With `limits`, which are those of streams, what the lines have in rare forms is counted.
    """

    def __init__(self, data: bytes, share: Share, limits: Limits | None = None) -> None:
        self._data = data
        self.share = share
        self.counts_rare = limits is not None  # whether what is decoded in rare forms is counted
        self._limits = Limits() if limits is None else limits
        self._narrow = self._limits.narrow
        self._rare: dict[int, Any] = {}  # by form and line, bytes
        self._barred: dict[int, Any] = {}  # by form and line
        self._for_others: set[int] = set()  # lines that were cut short for what others asked for
        self.asked = False  # whether any line has asked for anything that counts

    @cached_property
    def _ends(self) -> Any:
        return np.append(np.flatnonzero(np.frombuffer(self._data, np.uint8) == ord("\n")), len(self._data))

    @cached_property
    def _sizes(self) -> Any:
        return np.diff(self._ends, prepend=-1) - 1

    @cached_property
    def _spans(self) -> Any:
        """By line, the row of `narrow` that holds it; -1 if none does."""
        if self._narrow is None:
            return np.full(len(self._ends), -1, np.int64)
        return self._rows_of(self._narrow)

    def _rows_of(self, rows: Any) -> Any:
        """By line, the one of the rows (start, end, …) that holds it; -1 if none does."""
        begin = self._ends - self._sizes
        span = rows[:, 0].searchsorted(begin, "right") - 1
        return np.where(begin < rows[span, 1], span, -1)

    @cached_property
    def _narrowed(self) -> Any:
        narrowed = self._spans >= 0
        return narrowed if self._limits.over is None else narrowed | (self._rows_of(self._limits.over) >= 0)

    @cached_property
    def _shut(self) -> Any:
        if self._narrow is None:
            return np.zeros(len(self._ends), np.bool_)
        return (self._spans >= 0) & (self._narrow[self._spans, 2] > 0)

    def _share_of(self, sizes: Any, lines: Any = slice(None)) -> Any:
        """The shares of texts of these sizes, which begin in these lines."""
        shares = self.share.of(sizes)
        if self._narrow is None and self._limits.over is None:
            return shares
        return np.where(self._narrowed[lines], np.minimum(shares, NARROW.of(sizes)), shares)

    @cached_property
    def _shares(self) -> Any:
        return self._share_of(self._sizes)

    @cached_property
    def _spent(self) -> Any:
        self.asked = True
        return np.zeros(len(self._ends), np.int64)

    @cached_property
    def _cut_short(self) -> Any:
        return np.zeros(len(self._ends), np.bool_)

    def lines(self, places: Any) -> Any:
        """The numbers of the lines that hold these places of the text."""
        return ranks(self._ends, places)

    def widen(self, starts: Any, ends: Any) -> None:
        """What is encoded over several lines has the share of all of them, as it is the first line's."""
        lines = self.lines(starts)
        over = ends > self._ends[lines]
        if over.any():
            starts, ends, lines = starts[over], ends[over], lines[over]
            np.maximum.at(self._shares, lines, self._share_of(ends - starts, lines))

    def left(self, line: int) -> int:
        """How much a line may still ask for."""
        if self._narrow is not None and self._shut[line]:
            return 0
        return max(0, int(self._shares[line] - self._spent[line]))

    def spend(self, lines: Any, sizes: Any) -> None:
        """Some lines decoded to so many bytes."""
        np.add.at(self._spent, lines, sizes)

    def spend_one(self, line: int, size: int) -> None:
        """One line decoded to so many bytes: much faster than `spend` for one."""
        self._spent[line] += size

    def open(self, lines: Any) -> Any:
        """By line, whether it may still ask for anything."""
        left = self._spent[lines] < self._shares[lines]
        return left if self._narrow is None else left & ~self._shut[lines]

    def may_be_barred(self, form: int) -> bool:
        """Whether some stream is no longer examined for a rare form."""
        return form in self._limits.barred

    def examined(self, form: int, lines: Any) -> Any:
        """By line, whether its stream is still examined for a rare form. The others are cut short."""
        if form not in self._barred:
            self._barred[form] = self._rows_of(self._limits.barred[form]) >= 0
        there = self._barred[form][lines]
        if there.any():
            self.cut_short(lines[there], for_others=True)
        return ~there

    def had(self, form: int, lines: Any, sizes: Any) -> None:
        """Some lines decoded to so many bytes in a rare form."""
        if form not in self._rare:
            self._rare[form] = np.zeros(len(self._ends), np.int64)
        np.add.at(self._rare[form], lines, sizes)

    def cut_short(self, lines: Any, *, for_others: bool = False) -> None:
        """A line, or some, asked for more than was left, or are cut short for what others asked for."""
        self.asked = True
        self._cut_short[lines] = True
        if for_others:
            self._for_others.update(np.atleast_1d(lines).tolist())

    def over(self) -> Any:
        """By line, whether it has spent more than its share; None if none has."""
        if not self.asked:
            return None
        over = self._spent > self._shares
        self._cut_short[over] = True
        return over if over.any() else None

    @property
    def counts(self) -> bool:
        """Whether any line may have asked for much, or had text in rare forms."""
        return self.asked or bool(self._rare)

    @property
    def total(self) -> int:
        """How many bytes all lines have decoded to."""
        return int(self._spent.sum()) if self.asked else 0

    def spent(self) -> Any:
        """Rows (start, bytes) of the lines that asked for anything; in order."""
        (found,) = np.nonzero(self._spent) if self.asked else (np.empty(0, np.int64),)
        return np.column_stack([(self._ends - self._sizes)[found], self._spent[found]])

    def much(self) -> Any:
        """Rows (start, bytes) of the lines that asked for more than `MUCH`, and by how much; in order.

        A line with a narrow share that is cut short counts with all that it was given. What is cut short for its own
        sake counts `_CUT` times.
        """
        if not self.asked:
            return np.empty((0, 2), np.int64)
        self.over()
        narrow = self._narrowed & self._cut_short
        beyond = np.where(narrow, self._spent, self._spent - MUCH * self._sizes)
        (found,) = np.nonzero(beyond > 0)
        times = np.where(self._cut_short[found] & self._alone(found), _CUT, 1)
        return np.column_stack([(self._ends - self._sizes)[found], beyond[found] * times])

    def rare(self) -> Any:
        """Rows (start, form, bytes) of the lines that had text in rare forms."""
        found = [np.empty((0, 3), np.int64)]
        for form, sizes in self._rare.items():
            (lines,) = np.nonzero(sizes)
            starts = (self._ends - self._sizes)[lines]
            found.append(np.column_stack([starts, np.full(len(lines), form), sizes[lines]]))
        return np.concatenate(found)

    def limited(self, base: int) -> list[LimitedText]:
        """The lines that were not examined whole, in order, in a text in which this one begins at `base`."""
        if not self.asked:
            return []
        found = np.flatnonzero(self._cut_short)
        alone = self._alone(found)
        if self._narrow is not None:
            alone &= self._spans[found] < 0
        ends = base + self._ends[found]
        rows = zip((ends - self._sizes[found]).tolist(), ends.tolist(), alone.tolist(), strict=True)
        return [LimitedText(start, end, DECODING, alone) for start, end, alone in rows]

    def _alone(self, lines: Any) -> Any:
        """By line, whether it was cut short for what it asked for itself."""
        if not self._for_others:
            return np.ones(len(lines), np.bool_)
        return ~np.isin(lines, list(self._for_others))
