"""The first pass: one Hyperscan database finds the lines that may match, at hundreds of MB/s.

A hit is only a candidate: the caller confirms it with the regex. Block mode, no start of match (a quarter of
the speed, and a fifth of our regexes is refused), no UTF-8 mode (undefined on bad UTF-8), no SINGLEMATCH (loses every match
but the first of a batch). Measured with PyPI `hyperscan` 0.9.1: batches of 16 to 256 KB are fastest.
"""

import contextlib
import threading
from collections.abc import Sequence
from typing import Any, Final

import hyperscan
import msgspec
import numpy as np

from detector.patterns.database_cache import Compiled, DatabaseCache

CELL: Final = 4 << 10  # in a long line, hits of one expression closer than this are one
FLOOD: Final = 1 << 16  # callbacks a batch, after which it is cheaper to search than to be told
LONG_LINE: Final = 32 << 10  # a longer line is hit by cells, a shorter one as a whole
_MANY: Final = 256  # hits, from which on numpy is faster
_BITS: Final = 40  # of the offset of a hit
_OFFSET: Final = (1 << _BITS) - 1
_FAR: Final = 1 << 62
_NEWLINE: Final = 0x0A
_EXACT: Final = hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_ALLOWEMPTY


class Expression(msgspec.Struct, frozen=True):
    """What Hyperscan looks for on behalf of one pattern: a regex, or literals if Hyperscan refuses the regex.

    `literals` match in any case. Without a regex and literals, every line is a hit.
    """

    regex: bytes | None
    literals: tuple[bytes, ...] = ()


Place = tuple[int, int, bool]
"""Where something may be: a line, from its start to its end, or (then True) a cell of a long line."""


def around(data: bytes, at: int) -> Place:
    """The line of `data` that holds offset `at`, without its line feed; of a long line the `CELL`, and then True."""
    low = data.rfind(b"\n", max(0, at - LONG_LINE), at) + 1
    high = data.find(b"\n", at, at + LONG_LINE)
    if high < 0 and len(data) - at <= LONG_LINE:
        high = len(data)
    if high < 0 or (low == 0 and at > LONG_LINE):
        low = at - at % CELL
        return low, low + CELL - 1, True
    return low, high, False


class Hits(msgspec.Struct, frozen=True):
    """The hits of one scan.

    `found` has the places of each expression, at most one for each line, or for each `CELL` of a long line: a list of
    a few, the rows of an array of many. `flooded` means that there were too many: any expression may match anywhere.
    """

    found: dict[int, Any] = {}
    flooded: bool = False


def _places(data: bytes, base: int, hits: Sequence[int]) -> dict[int, list[Place]]:
    """The places of hits: each is an expression, and behind it the offset from `base`."""
    found: dict[int, list[Place]] = {}
    for hit in hits:
        at, places = base + (hit & _OFFSET), found.setdefault(hit >> _BITS, [])
        if not places or not places[-1][0] <= at <= places[-1][1]:
            places.append(around(data, at))
    return found


def _many_places(data: bytes, base: int, end: int, hits: Sequence[int]) -> dict[int, Any]:
    """The same of many hits in data[base:end]: a tenth of the time for each."""
    told = np.unique(np.array(hits, np.int64))
    numbers, at = told >> _BITS, base + (told & _OFFSET)
    first = max(0, base - LONG_LINE)
    feeds = first + np.flatnonzero(np.frombuffer(data, np.uint8)[first : end + LONG_LINE] == _NEWLINE)
    feeds = np.concatenate([[-_FAR], feeds, [_FAR]])
    after = feeds.searchsorted(at)
    before, after = feeds[after - 1], feeds[after]
    low = np.where(before >= at - LONG_LINE, before + 1, 0)
    high = np.where(after < at + LONG_LINE, after, np.where(len(data) - at <= LONG_LINE, len(data), -1))
    cell = (high < 0) | ((low == 0) & (at > LONG_LINE))
    low = np.where(cell, at - at % CELL, low)
    high = np.where(cell, low + CELL - 1, high)
    fresh = np.ones(len(at), np.bool_)
    fresh[1:] = (np.diff(numbers) > 0) | (np.diff(low) != 0) | (np.diff(high) != 0)
    places = np.column_stack([low[fresh], high[fresh], cell[fresh]])
    expressions, starts = np.unique(numbers[fresh], return_index=True)
    return dict(zip(expressions.tolist(), np.split(places, starts[1:]), strict=True))


class Prefilter:
    """A compiled Hyperscan database over expressions; safe to share between threads and to fork with."""

    def __init__(self, expressions: Sequence[Expression], cache: DatabaseCache) -> None:
        self._database = _compile_all(expressions, cache) if expressions else None
        self._threads = threading.local()

    def scan(self, data: bytes, start: int, end: int) -> Hits:
        """The hits in data[start:end], as offsets in `data`. Releases the GIL meanwhile."""
        if self._database is None or start >= end:
            return Hits()
        hits: list[int] = []

        def hit(expression: int, _start: int, at: int, _flags: int, _context: object) -> bool:
            """Hyperscan's callback; a true answer ends the scan. It is called for each match, so it only notes it."""
            hits.append(expression << _BITS | at)
            return len(hits) > FLOOD

        try:
            scratch = self._threads.scratch
        except AttributeError:
            scratch = self._threads.scratch = hyperscan.Scratch(self._database)
        view: Any = memoryview(data)[start:end]  # the library's stub knows only bytes and str
        with contextlib.suppress(hyperscan.ScanTerminated):  # flooded: the callback asked for it
            self._database.scan(view, match_event_handler=hit, scratch=scratch)
        if len(hits) > FLOOD:
            return Hits(flooded=True)
        return Hits(_places(data, start, hits) if len(hits) < _MANY else _many_places(data, start, end, hits))


def _compile_all(expressions: Sequence[Expression], cache: DatabaseCache) -> "hyperscan.Database":
    """All expressions in one database, each as exact as Hyperscan takes it."""
    wanted = [_exact(expression) for expression in expressions]
    # What stands in for a refused regex depends on the literals, too.
    name = [*wanted, *(_literals(expression) for expression in expressions)]
    database = cache.load(name)
    if database is None:
        try:
            database = _compile(wanted)
        except hyperscan.error:
            database = _compile([_accepted(expression) for expression in expressions])
        cache.keep(name, database)
    return database


def _compile(sources: Sequence[Compiled]) -> "hyperscan.Database":
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[source for source, _ in sources],
        ids=list(range(len(sources))),
        elements=len(sources),
        flags=[flags for _, flags in sources],
    )
    return database


def _exact(expression: Expression) -> Compiled:
    if expression.regex is None:
        return _literals(expression)
    return expression.regex, _EXACT


def _accepted(expression: Expression) -> Compiled:
    """The first form that Hyperscan takes: the regex, a looser prefilter of it, or the literals."""
    exact, flags = _exact(expression)
    for source in ((exact, flags), (exact, flags | hyperscan.HS_FLAG_PREFILTER)):
        try:
            _compile([source])
        except hyperscan.error:
            continue
        return source
    return _literals(expression)


def _literals(expression: Expression) -> Compiled:
    if not expression.literals:
        return b"^[^\\n]", _EXACT
    escaped = (b"".join(b"\\x%02x" % byte for byte in literal) for literal in expression.literals)
    return b"|".join(escaped), _EXACT | hyperscan.HS_FLAG_CASELESS
