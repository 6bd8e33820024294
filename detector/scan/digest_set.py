"""SHA-256 digests of millions of credentials: 32 bytes each, no Python object per digest."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from detector.scan.pages import Rows, slices, zeros

DIGEST: Final = 32
_WORD: Final = np.dtype(">u8")
_WORDS: Final = 4  # of a digest
_LATE: Final = 1 << 16  # so many late digests wait in a plain set before the arrays are rebuilt
_ROOM: Final = 16  # bits of the sieve for each digest, at the least


class _Digests:
    """Digests, perhaps with something beside them, in sorted rows of so many words. Those added later wait in a dict.

    With `in_file` the rows are in a file. One thread may read while another adds: arrays are replaced, never changed.
    """

    def __init__(self, words: int, *, in_file: bool) -> None:
        self._late: dict[bytes, bytes] = {}
        self._late_heads: set[int] = set()
        self._in_file = in_file
        self._first = Rows(in_file=in_file)
        self._rows = np.empty((0, words), np.uint64)
        self._sieve: Any = None

    def __len__(self) -> int:
        """An upper bound: a digest that was added twice may count twice."""
        return len(self._late) + len(self._rows)

    def fill(self, rows: Iterable[bytes]) -> None:
        """Takes rows, of which there may be millions. They are known from `settle` on."""
        self._first.add(b"".join(rows))

    def settle(self) -> None:
        """Sorts what was taken. It comes before all that is added."""
        self._rows = _sorted(self._first.array(np.uint64), self._rows.shape[1])
        self._first = Rows(in_file=self._in_file)
        if self._sieve is not None:
            self._sieve = self._made_sieve()

    def sift(self) -> None:
        """Builds the sieve with which `like` rejects nearly every digest that is not there, at one bit each."""
        if self._sieve is None:
            self._sieve = self._made_sieve()

    def like(self, heads: Any) -> list[int]:
        """The indexes of those `heads` (first 8 bytes, big-endian) with which a digest begins."""
        late, rows, sieve = self._late_heads, self._rows, self._sieve  # late ones first: they move
        return _like(heads, late, rows[:, 0], sieve)

    def _add(self, late: dict[bytes, bytes]) -> None:
        heads = set(map(_head, late))
        self._late |= late
        self._late_heads |= heads
        if self._sieve is not None and _ROOM * len(self) <= 64 * self._sieve.size:
            _mark(self._sieve, _array(heads))
        elif self._sieve is not None:
            self._sieve = self._made_sieve()
        if len(self._late) > max(_LATE, len(self._rows) >> 2):
            self._rows = self._merged()
            self._late, self._late_heads = {}, set()

    def _made_sieve(self) -> Any:
        """A sieve with a bit for the first bits of each digest, and room for as many to come."""
        count = max(len(self), 1 << 10)
        sieve = zeros((1 << (2 * _ROOM * count).bit_length()) >> 6, np.uint64, in_file=self._in_file)
        for some in slices(len(self._rows)):
            _mark(sieve, self._rows[some, 0])
        _mark(sieve, _array(self._late_heads))
        return sieve

    def _merged(self) -> Any:
        """The rows and the late ones."""
        old, words = self._rows, self._rows.shape[1]
        new = np.frombuffer(b"".join(map(bytes.__add__, self._late.keys(), self._late.values())), np.uint64)
        both = zeros(old.size + new.size, np.uint64, in_file=self._in_file)
        for some in slices(len(old)):
            both[some.start * words : some.stop * words] = old[some].byteswap().ravel()
        both[old.size :] = new
        return _sorted(both, words)

    def _row_of(self, digest: bytes) -> Any:
        """The row that begins with this digest."""
        rows = self._rows
        if not len(rows):  # as with a registry that has them all
            return None
        words = np.frombuffer(digest, _WORD).astype(np.uint64)
        at = int(rows[:, 0].searchsorted(words[0]))
        while at < len(rows) and rows[at, 0] == words[0]:  # nearly always never, nearly never twice
            if bool((rows[at, :_WORDS] == words).all()):
                return rows[at]
            at += 1
        return None


class DigestSet(_Digests):
    """Digests."""

    def __init__(self, digests: bytes = b"", *, in_file: bool = False) -> None:
        super().__init__(_WORDS, in_file=in_file)
        self.fill((digests,))
        self.settle()

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._late or self._row_of(digest) is not None

    def add(self, digests: Iterable[bytes]) -> None:
        """Adds digests of 32 bytes each. Cheap for a few; at most one sort for many."""
        self._add({digest: b"" for digest in digests if len(digest) == DIGEST})


class DigestMap(_Digests):
    """From digests to others, 64 bytes a pair: whose a digest is."""

    def __init__(self, *, in_file: bool = False) -> None:
        super().__init__(2 * _WORDS, in_file=in_file)
        self.sift()

    def add(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Adds pairs of digests of 32 bytes each."""
        self._add(dict(pairs))

    def get(self, digest: bytes) -> bytes | None:
        """Whose this digest is."""
        owner = self._late.get(digest)
        if owner is not None:
            return owner
        row = self._row_of(digest)
        return None if row is None else row[_WORDS:].astype(_WORD).tobytes()


def _like(heads: Any, late: set[int], known: Any, sieve: Any) -> list[int]:
    """The indexes of those `heads` in the set or the sorted array, all of which are in the sieve, if there is one."""
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


def _mark(sieve: Any, heads: Any) -> None:
    words, bits = _places(sieve, heads)
    np.bitwise_or.at(sieve, words, np.uint64(1) << bits)


def _sorted(words: Any, width: int) -> Any:
    """Rows of so many words, sorted where they stand by their bytes, then turned into numbers."""
    words.view(f"S{8 * width}").sort()
    rows = words.reshape(-1, width)
    for some in slices(len(rows)):
        rows[some].byteswap(inplace=True)
    return rows
