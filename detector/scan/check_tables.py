"""The tables in which compiled loops look for registered lengths and checks."""

from collections.abc import Callable, Iterator
from itertools import chain
from types import ModuleType
from typing import Any, Final, NamedTuple

import numpy as np

from detector.scan import kernels, unbroken_kernel
from detector.scan.pages import slices, zeros
from detector.values.secrets import DeploymentKey

_LONG: Final = 1024
SPANS: Final = 1 << 13  # sub-tokens looked at together


class Tables(NamedTuple):
    """What the loops get: see `kernels.checked`."""

    lengths: Any  # ascending
    weights: Any
    powers: Any
    sieve: Any
    slots: Any
    mixed: bool  # whether all secrets are mixed
    room: int  # how many keys the slots and the sieve are made for


class CheckTables:
    """The lengths and checks of some identifiers under one key, and the tables of the kernel that looks for them.

    `mixed` says whether the secrets of all of them are mixed.
    """

    def __init__(
        self, key: DeploymentKey, kernel: ModuleType, *, mixed: bool = False, in_files: bool = False
    ) -> None:
        self._key = key
        self._in_files = in_files
        self._kernel = kernel
        self._mixed = mixed
        self._count = 0
        self._tables: Tables | None = None
        # The same for the lengths that are looked for together: long ones have sums too large for the caches.
        self._parts: list[Tables] = []

    def add(self, keys: Any) -> None:
        """Adds `keys` (length << 32 | check)."""
        if not keys.size:
            return
        tables = self._tables
        lengths = _lengths(keys)
        if tables is None or self._count + keys.size > tables.room or lengths[-1] > tables.lengths[-1]:
            tables = self._build(keys)
        else:
            kernels.fill(tables.sieve, keys)
            self._count += kernels.put(tables.slots, keys)
            tables = tables._replace(lengths=np.union1d(tables.lengths, lengths))
        split = int(tables.lengths.searchsorted(_LONG, "right"))
        parts = [tables._replace(lengths=some) for some in np.split(tables.lengths, [split]) if some.size]
        self._tables, self._parts = tables, parts

    def _build(self, keys: Any) -> Tables:
        """Tables of what there was and of more `keys`, with room for some more."""
        lengths = _lengths(keys)
        if self._tables is not None:
            lengths = np.union1d(self._tables.lengths, lengths)
        weights, powers = self._kernel.factors(self._key.multiplier, self._key.base, int(lengths[-1]))
        most = self._count + keys.size
        room = max(1024, most + (most >> 1))
        bits = min(1 << (32 * max(most, 1024)).bit_length(), 1 << 29)  # 21 and more for each key
        sieve = zeros(bits >> 6, np.uint64, in_file=self._in_files)
        slots = zeros(room + (room >> 2), np.uint64, in_file=self._in_files)
        count = 0
        for some in chain(self._held(), (keys,)):
            kernels.fill(sieve, some)
            count += kernels.put(slots, some)
        self._count = count
        return Tables(lengths, weights, powers, sieve, slots, self._mixed, room)

    def _held(self) -> Iterator[Any]:
        """The keys that are in the tables."""
        slots = np.empty(0, np.uint64) if self._tables is None else self._tables.slots
        for some in slices(slots.size):
            held = slots[some]
            yield held[held != 0]

    @property
    def tables(self) -> Tables | None:
        """None while nothing is registered."""
        return self._tables

    def spans(self, view: Any, runs: Any) -> Iterator[Any]:
        """Rows (start, end) of the spans of `view` that have a registered length and check, some at a time.

        `runs` are those of the text, of `unbroken_kernel.runs_of`.
        """
        if self._kernel is unbroken_kernel and not len(runs):
            return
        for part in self._parts:
            yield from batches(self._step(view, runs, part), view.size, SPANS)

    def _step(self, view: Any, runs: Any, tables: Tables) -> Callable[[int, Any], tuple[int, int]]:
        if self._kernel is not unbroken_kernel:
            return lambda done, out: self._kernel.checked(view, done, *tables[:5], out)
        at = np.zeros(2, np.int64)

        def step(_: int, out: Any) -> tuple[int, int]:
            count = unbroken_kernel.checked(view, runs, at, *tables[:6], out)
            return count, view.size if at[0] == len(runs) else 0

        return step


def _lengths(keys: Any) -> Any:
    """The lengths in some keys (length << 32 | check), ascending."""
    return np.flatnonzero(np.bincount((keys >> np.uint64(32)).astype(np.int64)))


def batches(step: Callable[[int, Any], tuple[int, int]], size: int, room: int) -> Iterator[Any]:
    """Yields what `step` finds, at most `room` spans at a time."""
    out = np.empty((room, 2), np.int64)
    done = 0
    while done < size:
        count, done = step(done, out)
        if count < 0:
            out = np.empty((2 * out.shape[0], 2), np.int64)
        elif count:
            yield out[:count]
