"""A set of SHA-256 digests for millions of credentials: 32 bytes each, no Python object per digest."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

DIGEST: Final = 32
_WORD: Final = np.dtype(">u8")
_LATE: Final = 1 << 16  # so many late digests wait in a plain set before the arrays are made anew
_ROOM: Final = 16  # bits of the sieve for each digest, at the least


class DigestSet:
    """Digests in two sorted arrays (first 8 bytes, the other 24). Those added later wait in a plain set.

    One thread may read while another adds: arrays are replaced, never changed.
    """

    def __init__(self, digests: bytes = b"") -> None:
        self._late: set[bytes] = set()
        self._late_heads: set[int] = set()
        self._sorted = _sort(np.frombuffer(digests, _WORD).reshape(-1, 4).astype(np.uint64))
        self._sieve: Any = None

    def __len__(self) -> int:
        """An upper bound: a digest that was added twice may count twice."""
        return len(self._late) + int(self._sorted[0].size)

    def __contains__(self, digest: bytes) -> bool:
        if digest in self._late:
            return True
        heads, tails = self._sorted
        if not heads.size:  # as with a registry that has them all
            return False
        head = _head(digest)
        at = int(heads.searchsorted(np.uint64(head)))
        while at < heads.size and int(heads[at]) == head:  # nearly always never, nearly never twice
            if bool((tails[at] == np.frombuffer(digest, _WORD)[1:]).all()):
                return True
            at += 1
        return False

    def add(self, digests: Iterable[bytes]) -> None:
        """Adds digests of 32 bytes each. Cheap for a few; at most one sort for many."""
        late = {digest for digest in digests if len(digest) == DIGEST}
        heads = set(map(_head, late))
        self._late |= late
        self._late_heads |= heads
        if self._sieve is not None and _ROOM * len(self) <= 64 * self._sieve.size:
            _mark(self._sieve, _array(heads))
        elif self._sieve is not None:
            self._sieve = _sieve_of(self._sorted[0], self._late_heads)
        if len(self._late) > max(_LATE, self._sorted[0].size >> 2):
            rows = np.frombuffer(b"".join(self._late), _WORD).reshape(-1, 4).astype(np.uint64)
            heads, tails = self._sorted
            both = np.concatenate([np.column_stack([heads, tails]), rows])
            self._sorted = _sort(both)
            self._late, self._late_heads = set(), set()

    def sift(self) -> None:
        """Builds the sieve with which `like` rejects nearly every digest that is not in the set, at one bit each."""
        if self._sieve is None:
            self._sieve = _sieve_of(self._sorted[0], self._late_heads)

    def like(self, heads: Any) -> list[int]:
        """The indexes of those `heads` (first 8 bytes, big-endian) with which a digest in the set begins."""
        late, (known, _), sieve = self._late_heads, self._sorted, self._sieve  # late ones first: they move
        return _like(heads, late, known, sieve)


def _like(heads: Any, late: set[int], known: Any, sieve: Any) -> list[int]:
    """The indexes of those `heads` that are in the set or in the sorted array, of which the sieve has all, if there is one."""
    if sieve is None:
        numbers = np.arange(heads.size)
    else:
        words, bits = _places(sieve, heads)
        numbers = np.flatnonzero((sieve[words] >> bits) & np.uint64(1))
    some = heads[numbers]
    at = np.searchsorted(known, some)
    there = at < known.size
    there[there] = known[at[there]] == some[there]
    for number in np.flatnonzero(~there).tolist() if late else ():
        there[number] = int(some[number]) in late
    listed: list[int] = numbers[there].tolist()
    return listed


def _head(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "big")


def _array(heads: set[int]) -> Any:
    return np.fromiter(heads, np.uint64, len(heads))


def _places(sieve: Any, heads: Any) -> tuple[Any, Any]:
    """For each head the word of the sieve and the bit in it, chosen by its first bits."""
    first = heads >> np.uint64(65 - (64 * sieve.size).bit_length())
    return first >> np.uint64(6), first & np.uint64(63)


def _sieve_of(heads: Any, late: set[int]) -> Any:
    """A sieve with a bit for the first bits of each digest, and room for as many to come."""
    count = max(heads.size + len(late), 1 << 10)
    sieve = np.zeros((1 << (2 * _ROOM * count).bit_length()) >> 6, np.uint64)
    _mark(sieve, heads)
    _mark(sieve, _array(late))
    return sieve


def _mark(sieve: Any, heads: Any) -> None:
    words, bits = _places(sieve, heads)
    np.bitwise_or.at(sieve, words, np.uint64(1) << bits)


def _sort(rows: Any) -> tuple[Any, Any]:
    order = np.argsort(rows[:, 0], kind="stable")
    return np.ascontiguousarray(rows[order, 0]), np.ascontiguousarray(rows[order, 1:])


class DigestMap:
    """From digests to others, 64 bytes a pair: whose a digest is. Threads as with a `DigestSet`."""

    def __init__(self) -> None:
        self._late: dict[bytes, bytes] = {}
        self._late_heads: set[int] = set()
        self._rows = np.empty((0, 8), np.uint64)
        self._sieve = _sieve_of(self._rows[:, 0], self._late_heads)

    def __len__(self) -> int:
        """An upper bound, as of a `DigestSet`."""
        return len(self._late) + len(self._rows)

    def add(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Adds pairs of digests of 32 bytes each."""
        late = dict(pairs)
        heads = set(map(_head, late))
        self._late |= late
        self._late_heads |= heads
        if _ROOM * len(self) <= 64 * self._sieve.size:
            _mark(self._sieve, _array(heads))
        else:
            self._sieve = _sieve_of(self._rows[:, 0], self._late_heads)
        if len(self._late) > max(_LATE, len(self._rows) >> 2):
            new = np.frombuffer(b"".join(digest + owner for digest, owner in self._late.items()), _WORD)
            both = np.concatenate([self._rows, new.reshape(-1, 8).astype(np.uint64)])
            self._rows = both[np.argsort(both[:, 0], kind="stable")]
            self._late, self._late_heads = {}, set()

    def like(self, heads: Any) -> list[int]:
        """As `DigestSet.like`."""
        late, rows, sieve = self._late_heads, self._rows, self._sieve
        return _like(heads, late, rows[:, 0], sieve)

    def get(self, digest: bytes) -> bytes | None:
        """Whose this digest is."""
        owner = self._late.get(digest)
        if owner is not None:
            return owner
        rows = self._rows
        words = np.frombuffer(digest, _WORD).astype(np.uint64)
        at = int(rows[:, 0].searchsorted(words[0]))
        while at < len(rows) and rows[at, 0] == words[0]:
            if bool((rows[at, :4] == words).all()):
                return bytes(rows[at, 4:].astype(_WORD).tobytes())
            at += 1
        return None
