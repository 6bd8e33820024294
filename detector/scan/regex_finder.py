"""Searches many regions for one regex, without a Python object for each match.

Matches are those of `patterns.regexes`.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
import numpy as np

from detector.patterns.checks import Check
from detector.patterns.regexes import MAX_MATCH, WINDOW, Regex
from detector.scan import check_prefilter as refusals
from detector.scan import regex_backtracker as backtrack
from detector.scan.regex_programs import Program, program_of
from detector.scan.required_literals import has_all, has_run, required_literals, required_run

_ROWS: Final = 1024  # matches at a time
_FEW: Final = 4  # matches: for fewer, the check prefilter does not pay

Searched = dict[tuple[str, bool], tuple[Any, Any]]
"""Of one text, by regex and whether it is multiline: the regions and what is in them."""


class Finder:
    """Finds all matches of one regex in many regions of a text.

    The matches are those of `Regex`. A compiled program finds them; RE2 runs only where the program gives up, and is
    compiled only then. Most matches that `checks` would refuse are left out.
    """

    __slots__ = ("_limits", "_literals", "_multiline", "_program", "_regex", "_run", "_text")

    def __init__(self, regex: str, checks: Iterable[Check] = (), *, multiline: bool = False) -> None:
        self._text = regex
        self._multiline = multiline
        self._program: Program | None = program_of(regex, multiline=multiline)
        # Lines are short: there, to look for literals costs more than to run the program.
        self._literals = required_literals(regex) if multiline else ()
        self._run = None if self._program is None or not multiline else required_run(self._program)
        self._regex: Regex | None = None
        limits = refusals.limits_of(checks)
        self._limits: tuple[Any, ...] | None = (
            None if limits == refusals.Limits() else msgspec.structs.astuple(limits)
        )

    def rows(self, data: bytes, view: Any, regions: Any, searched: Searched | None = None) -> list[list[int]]:
        """[start, end, start and end of the secret] of each match in the regions: rows (start, end) without overlap.

        `view` is `data` as an array. The regions are as for `Regex.matches`. `searched` is what other patterns with the
        same regex found in this text.
        """
        name = self._text, self._multiline
        before = None if searched is None else searched.get(name)
        known = before is not None and (before[0] is regions or np.array_equal(before[0], regions))
        rows = before[1] if before is not None and known else self._all(data, view, regions)
        if searched is not None:
            searched[name] = regions, rows
        if self._limits is not None and len(rows) > _FEW:
            keep = np.empty(len(rows), np.bool_)
            refusals.kept(view, rows, keep, *self._limits)
            rows = rows[keep]
        told: list[list[int]] = rows.tolist()
        return told

    def _all(self, data: bytes, view: Any, regions: Any) -> Any:
        long = regions[:, 1] - regions[:, 0] > WINDOW
        short = regions[~long] if long.any() else regions
        found = [self._searched(data, view, short)] if len(short) else []
        for start, end in regions[long].tolist():
            found += self._windows(data, view, start, end)
        rows = found[0] if len(found) == 1 else np.concatenate(found)
        return rows[(rows[:, 3] > rows[:, 2]) & (rows[:, 1] - rows[:, 0] <= MAX_MATCH)]

    def _windows(self, data: bytes, view: Any, start: int, end: int) -> Iterator[Any]:
        at = start
        while at < end:
            last = end - at <= WINDOW
            stop = end if last else at + WINDOW
            frontier = end if last else stop - MAX_MATCH
            rows = self._searched(data, view, np.array([[at, stop]], np.int64))
            if not last:
                rows = rows[rows[:, 0] < frontier]
            yield rows
            at = max(frontier, at + 1, int(rows[-1, 1]) if len(rows) else 0)

    def _searched(self, data: bytes, view: Any, regions: Any) -> Any:
        """The matches in regions of at most `WINDOW` bytes."""
        program, found = self._program, []
        if self._literals:
            regions = regions[[has_all(data, low, high, self._literals) for low, high in regions.tolist()]]
        if self._run is not None and len(regions):
            regions = regions[[has_run(data, low, high, self._run) for low, high in regions.tolist()]]
        if not len(regions):
            return np.empty((0, 4), np.int64)
        region, at = 0, 0
        while region < len(regions):
            if program is not None:
                out = np.empty((_ROWS, 4), np.int64)
                count, region, at = backtrack.search(
                    view, regions, region, at, program.code, program.classes, program.leads, out
                )
                found.append(out[:count])
                if region >= 0:
                    continue
                region = -1 - region
            low, high = regions[region].tolist()
            found.append(self._asked(data, max(low, at), high))
            region, at = region + 1, 0
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _asked(self, data: bytes, low: int, high: int) -> Any:
        """The matches that RE2 finds in one region."""
        if self._regex is None:
            self._regex = Regex(self._text, multiline=self._multiline)
        rows = [(*match, *secret) for match, secret in self._regex.found(data, low, high)]
        return np.array(rows, np.int64).reshape(-1, 4)
