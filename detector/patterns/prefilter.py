"""The first pass: one Hyperscan database finds the lines that may match, at hundreds of MB/s.

A hit is only a candidate: the caller confirms it with the regex. Block mode, no start of match (a quarter of the
speed, and a fifth of our regexes is refused), no UTF-8 mode (undefined on bad UTF-8). Measured with PyPI `hyperscan`
0.9.1: batches of 16 to 256 KB are fastest.

Hyperscan tells of each hit by a call to Python, which costs more than to scan a hundred bytes. So where there are very
many, other databases tell for each few KB of lines only which expressions hit there at all (SINGLEMATCH).
"""

import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final

import hyperscan
import msgspec
import numpy as np

from detector.patterns.database_cache import Compiled, DatabaseCache
from detector.patterns.regexes import MAX_MATCH, WINDOW

CELL: Final = 4 << 10  # in a long line, hits of one expression closer than this are one
FLOOD: Final = 256  # bytes for each hit: where hits are denser, it is cheaper to search more text
LONG_LINE: Final = 32 << 10  # a longer line is hit by cells, a shorter one as a whole
_BLOCK: Final = 4 << 10  # bytes of lines of which one hit of an expression is told, where there are very many
_LEAST_BLOCK: Final = 512  # bytes
_SOME: Final = 64  # hits that are enough if they are very dense
_VERY_DENSE: Final = 64  # bytes for each of them
_FEW: Final = 16  # expressions that may hit in a block before it is looked at in parts
_MANY: Final = 256  # hits, from which on numpy is faster, and which are never too many
_BITS: Final = 40  # of the offset of a hit
_OFFSET: Final = (1 << _BITS) - 1
_FAR: Final = 1 << 62
_NEWLINE: Final = 0x0A
_EXACT: Final = hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_ALLOWEMPTY


class Expression(msgspec.Struct, frozen=True):
    """What Hyperscan looks for on behalf of one pattern: a regex, or literals if Hyperscan refuses the regex.

    `literals` match in any case. Without a regex and literals, every line is a hit. `loose` is a cheap regex that hits
    wherever the other does: it is looked for where hits are very many.
    """

    regex: bytes | None
    literals: tuple[bytes, ...] = ()
    loose: bytes | None = None


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


def _blocks(data: bytes, start: int, end: int) -> Iterator[Place]:
    """Whole lines of data[start:end], about `_BLOCK` bytes; a long line in cells that overlap by more than a match."""
    while start < end:
        cut = data.rfind(b"\n", start, min(end, start + _BLOCK)) + 1
        if cut <= start:
            cut = data.find(b"\n", start + _BLOCK, end) + 1 or end
        if cut - start > LONG_LINE:
            overlap = 2 * MAX_MATCH
            for low in range(start, cut - overlap, WINDOW - overlap):
                yield low, min(cut, low + WINDOW), True
        else:
            yield start, cut, False
        start = cut


class _Database:
    """A database, with the room that each thread needs to scan with it."""

    def __init__(self, compiled: "hyperscan.Database") -> None:
        self._compiled = compiled
        self._threads = threading.local()

    def hits(self, data: bytes, start: int, end: int, *, every: bool = True) -> list[int] | None:
        """The hits in data[start:end], each an expression and behind it the offset from `start`.

        Unless `every` one is wanted, None if they are too many or the first are very dense. Releases the GIL meanwhile.
        """
        most = _FAR if every else max(_MANY, (end - start) // FLOOD)
        some = 0 if every else _SOME
        hits: list[int] = []
        flooded = False

        def hit(expression: int, _start: int, at: int, _flags: int, _context: object) -> bool:
            """Hyperscan's callback; a true answer ends the scan. It is called for each match, so it only notes it."""
            nonlocal flooded
            hits.append(expression << _BITS | at)
            count = len(hits)
            flooded = count > most or (count == some and at < some * _VERY_DENSE)
            return flooded

        try:
            scratch = self._threads.scratch
        except AttributeError:
            scratch = self._threads.scratch = hyperscan.Scratch(self._compiled)
        view: Any = memoryview(data)[start:end]  # the library's stub knows only bytes and str
        try:  # noqa: SIM105 - `suppress` takes as long as a small text
            self._compiled.scan(view, match_event_handler=hit, scratch=scratch)
        except hyperscan.ScanTerminated:  # the callback asked for it
            pass
        return None if flooded else hits


class Prefilter:
    """Compiled Hyperscan databases over expressions; safe to share between threads and to fork with."""

    def __init__(self, expressions: Sequence[Expression], cache: DatabaseCache) -> None:
        self._expressions = expressions
        self._cache = cache
        self._every = _Database(_compile_all(expressions, cache, 0)) if expressions else None
        self._making = threading.Lock()

    @cached_property
    def _first(self) -> list[tuple[_Database, list[int]]]:
        """Tell one hit of each of some expressions, whose numbers stand beside.

        Made when hits are very many for the first time. Those with a loose form are apart: with the others, Hyperscan
        takes three times as long for both.
        """
        parts: tuple[list[int], list[int]] = [], []
        for number, one in enumerate(self._expressions):
            parts[one.loose is not None].append(number)
        with self._making:
            return [
                (self._first_of([self._expressions[number] for number in numbers]), numbers)
                for numbers in parts
                if numbers
            ]

    def _first_of(self, expressions: Sequence[Expression]) -> _Database:
        loose = [msgspec.structs.replace(one, regex=one.loose or one.regex) for one in expressions]
        return _Database(_compile_all(loose, self._cache, hyperscan.HS_FLAG_SINGLEMATCH))

    def scan(self, data: bytes, start: int, end: int) -> dict[int, Any]:
        """The places of each expression that hits in data[start:end]: a list of a few, the rows of an array of many.

        There is at most one for each line, for each `CELL` of a long line or, if there are many hits, for some KB of
        lines.
        """
        if self._every is None or start >= end:
            return {}
        hits = self._every.hits(data, start, end, every=False)
        if hits is None:
            return self._dense_places(data, start, end)
        return _places(data, start, hits) if len(hits) < _MANY else _many_places(data, start, end, hits)

    def _dense_places(self, data: bytes, start: int, end: int) -> dict[int, list[Place]]:
        found: dict[int, list[Place]] = {}
        blocks = list(_blocks(data, start, end))[::-1]
        while blocks:
            low, high, cell = blocks.pop()
            hits = [
                numbers[hit >> _BITS]
                for database, numbers in self._first
                for hit in database.hits(data, low, high) or ()
            ]
            if len(hits) > _FEW and not cell and high - low > _LEAST_BLOCK:
                middle = data.find(b"\n", (low + high) // 2, high) + 1
                if low < middle < high:
                    blocks += [(middle, high, False), (low, middle, False)]
                    continue
            line_feed = not cell and data[high - 1] == _NEWLINE
            for number in hits:
                found.setdefault(number, []).append((low, high - line_feed, cell))
        return found


def _compile_all(expressions: Sequence[Expression], cache: DatabaseCache, flags: int) -> "hyperscan.Database":
    """All expressions in one database, each as exact as Hyperscan takes it."""
    wanted = [_with(_exact(expression), flags) for expression in expressions]
    # What stands in for a refused regex depends on the literals, too.
    name = [*wanted, *(_literals(expression) for expression in expressions)]
    database = cache.load(name)
    if database is None:
        try:
            database = _compile(wanted)
        except hyperscan.error:
            database = _compile([_with(_accepted(expression), flags) for expression in expressions])
        cache.keep(name, database)
    return database


def _with(source: Compiled, flags: int) -> Compiled:
    return source[0], source[1] | flags


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
