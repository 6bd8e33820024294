"""What `detector.scan.kernels` and `subtokens` do, in numpy alone: for machines without numba, and to hold them against."""
# ruff: noqa: PLR0913, PLR0917 - the kernels' signatures

from typing import Any, Final

import numpy as np

from detector.scan.kernels import ALNUM, CLASSES, CONTROL, SPACE

BLOCK: Final = 1 << 16
_MASK64: Final = (1 << 64) - 1


def table(keys: Any, room: int = 0) -> Any:
    """The keys (length << 32 | check) as `checked` wants them: sorted. `room` is for the kernels' sake."""
    del room
    return np.unique(keys)


def insert(slots: Any, keys: Any) -> Any:
    """The table with `keys` added."""
    return np.union1d(slots, keys)


def fill(sieve: Any, keys: Any) -> None:
    """Numpy looks keys up in the table at once; the sieve stays empty."""


def boundaries(data: Any) -> tuple[Any, Any, Any]:
    """Where a sub-token may start, where it may end (the place after it), and how many spaces come before."""
    kinds = CLASSES[data]
    letters = np.zeros(data.size + 2, np.bool_)
    letters[1:-1] = kinds == ALNUM
    inside = letters[1:] & letters[:-1]  # between byte k-1 and byte k
    plain = kinds < CONTROL
    starts = plain & ~inside[:-1]
    ends = np.zeros(data.size + 1, np.bool_)
    ends[1:] = plain & ~inside[1:]
    spaces = np.zeros(data.size + 1, np.int64)
    np.cumsum(kinds == SPACE, out=spaces[1:])
    return starts, ends, spaces


def _around(data: Any, done: int, size: int) -> tuple[Any, Any, Any]:
    """Boundaries of `size` bytes from `done`, with the bytes on both sides taken into account."""
    low, high = max(done - 1, 0), min(done + size + 1, data.size)
    starts, ends, spaces = boundaries(data[low:high])
    skip = done - low
    return starts[skip : skip + size], ends[skip : skip + size + 1], spaces[skip : skip + size + 1]


def factors(multiplier: int, base: int, longest: int) -> tuple[Any, Any]:
    """What `checked` multiplies with: of each place k in a block M·B⁻ᵏ and Bᵏ, so that the sums are one `cumsum`."""
    weights, powers = [multiplier], [1]
    inverse = pow(base, -1, 1 << 64)
    for _ in range(max(BLOCK, 1 << int(4 * longest).bit_length()) - 1):
        weights.append(weights[-1] * inverse & _MASK64)
        powers.append(powers[-1] * base & _MASK64)
    return np.array(weights, np.uint64), np.array(powers, np.uint64)


def checked(
    data: Any, done: int, lengths: Any, weights: Any, powers: Any, sieve: Any, slots: Any, out: Any
) -> tuple[int, int]:
    """See `detector.scan.kernels.checked`; the check of bytes i to j-1 is the top of (sum[j] - sum[i])·B^(j-1)."""
    del sieve
    count = 0
    margin = int(lengths[-1])
    while done < data.size:
        size = min(weights.size, data.size - done)
        whole = done + size == data.size
        usable = size if whole else size - margin
        starts, ends, spaces = _around(data, done, size)
        prefix = np.zeros(size + 1, np.uint64)
        np.cumsum(
            (data[done : done + size].astype(np.uint64) + np.uint64(1)) * weights[:size], out=prefix[1:]
        )
        found = count
        for length in lengths.tolist():
            if length > size:
                break
            last = min(usable, size - length + 1)
            begins = np.flatnonzero(
                starts[:last]
                & ends[length : last + length]
                & (spaces[length : last + length] == spaces[:last])
            )
            values = (prefix[begins + length] - prefix[begins]) * powers[begins + (length - 1)]
            keys = np.uint64(length << 32) | (values >> np.uint64(32))
            at = np.minimum(np.searchsorted(slots, keys), slots.size - 1)
            hits = begins[slots[at] == keys]
            if found + hits.size > out.shape[0]:
                return (count or -1), done
            out[found : found + hits.size, 0] = done + hits
            out[found : found + hits.size, 1] = done + hits + length
            found += hits.size
        count = found
        done += usable
    return count, data.size


def sized(data: Any, done: int, lengths: Any, out: Any) -> tuple[int, int]:
    """See `detector.scan.subtoken_kernel.sized`."""
    room = max(out.shape[0] // lengths.size, 1)
    size = min(room + int(lengths[-1]), data.size - done)
    usable = min(room, size)
    starts, ends, spaces = _around(data, done, size)
    pairs = [np.empty((0, 2), np.int64)]
    for length in lengths.tolist():
        last = min(usable, size - length + 1)
        if last <= 0:
            break
        begins = np.flatnonzero(
            starts[:last] & ends[length : last + length] & (spaces[length : last + length] == spaces[:last])
        )
        pairs.append(np.column_stack([begins, begins + length]) + done)
    return _ordered(pairs, out), done + usable


def subtokens(data: Any, done: int, shortest: int, longest: int, most: int, out: Any) -> tuple[int, int]:
    """See `detector.scan.subtoken_kernel.subtokens`."""
    room = max(out.shape[0] // most, 1)
    size = min(room + longest, data.size - done)
    usable = min(room, size)
    starts, ends, spaces = _around(data, done, size)
    begins = np.flatnonzero(starts[:usable])
    stops = np.flatnonzero(ends)
    first = np.searchsorted(stops, begins + shortest)
    pairs = [np.empty((0, 2), np.int64)]
    for step in range(most):
        open_ = first + step < stops.size
        begins, first = begins[open_], first[open_]
        reach = stops[first + step]
        fits = (reach - begins <= longest) & (spaces[reach] == spaces[begins])
        begins, first, reach = begins[fits], first[fits], reach[fits]
        if not begins.size:
            break
        pairs.append(np.column_stack([begins, reach]) + done)
    return _ordered(pairs, out), done + usable


def _ordered(pairs: list[Any], out: Any) -> int:
    every = np.concatenate(pairs)
    every = every[np.lexsort((every[:, 1], every[:, 0]))]
    out[: len(every)] = every
    return len(every)
