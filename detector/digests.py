"""A set of SHA-256 digests that a million credentials fit into: 32 bytes each, no Python object per digest."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

DIGEST: Final = 32
_WORD: Final = np.dtype(">u8")
_LATE: Final = 1 << 16  # so many late digests wait in a plain set before the arrays are made anew


class DigestSet:
    """Digests in two sorted arrays (first 8 bytes, the other 24), late ones in a set beside them.

    Safe to read in one thread while another adds: what a reader took keeps standing.
    """

    def __init__(self, digests: bytes = b"") -> None:
        self._late: set[bytes] = set()
        self._late_heads: set[int] = set()
        self._sorted = _sort(np.frombuffer(digests, _WORD).reshape(-1, 4).astype(np.uint64))

    def __len__(self) -> int:
        """At least as many as there are different ones: one that was added twice may count twice."""
        return len(self._late) + int(self._sorted[0].size)

    def __contains__(self, digest: bytes) -> bool:
        if digest in self._late:
            return True
        heads = self._sorted[0]
        if not heads.size:
            return False
        head = int.from_bytes(digest[:8], "big")
        at = int(heads.searchsorted(np.uint64(head)))
        # Nearly always not: asked for one digest, `_within` is ten times as slow.
        return at < heads.size and int(heads[at]) == head and bool(self._within(digest)[0])

    def add(self, digests: Iterable[bytes]) -> None:
        """Add digests of 32 bytes each; cheap for a few, and at most one sort for many."""
        late = {digest for digest in digests if len(digest) == DIGEST}
        self._late |= late
        self._late_heads |= {int.from_bytes(digest[:8], "big") for digest in late}
        if len(self._late) > max(_LATE, self._sorted[0].size >> 2):
            rows = np.frombuffer(b"".join(self._late), _WORD).reshape(-1, 4).astype(np.uint64)
            heads, tails = self._sorted
            both = np.concatenate([np.column_stack([heads, tails]), rows])
            self._sorted = _sort(both)
            self._late, self._late_heads = set(), set()

    def like(self, heads: Any) -> list[int]:
        """Which of these first 8 bytes (numbers, big-endian) a digest in the set begins with, by number."""
        known = self._sorted[0]
        late = self._late_heads
        at = np.minimum(np.searchsorted(known, heads), known.size - 1)
        found = set(np.flatnonzero(known[at] == heads).tolist()) if known.size else set()
        if late:
            found |= {number for number, head in enumerate(heads.tolist()) if head in late}
        return sorted(found)

    def which(self, digests: bytes) -> list[int]:
        """Which of the digests, written one after the other, are in the set, by number."""
        found = set(np.flatnonzero(self._within(digests)).tolist()) if digests else set()
        if self._late:
            found |= {
                at // DIGEST
                for at in range(0, len(digests), DIGEST)
                if digests[at : at + DIGEST] in self._late
            }
        return sorted(found)

    def _within(self, digests: bytes) -> Any:
        heads, tails = self._sorted
        rows = np.frombuffer(digests, _WORD).reshape(-1, 4).astype(np.uint64)
        found = np.zeros(len(rows), np.bool_)
        if not heads.size:
            return found
        at = np.searchsorted(heads, rows[:, 0])
        open_ = np.flatnonzero(at < heads.size)
        while open_.size:  # once, but for digests that share their first 8 bytes
            open_ = open_[heads[at[open_]] == rows[open_, 0]]
            found[open_] |= (tails[at[open_]] == rows[open_, 1:]).all(axis=1)
            at[open_] += 1
            open_ = open_[(at[open_] < heads.size) & ~found[open_]]
        return found


def _sort(rows: Any) -> tuple[Any, Any]:
    order = np.argsort(rows[:, 0], kind="stable")
    return np.ascontiguousarray(rows[order, 0]), np.ascontiguousarray(rows[order, 1:])
