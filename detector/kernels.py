"""Compiled loops over log bytes: what neither Hyperscan nor numpy does fast enough.

Each function here is plain Python that numba compiles; without numba (or with `CURFEWD_NO_NUMBA=1`) the callers
use `detector.vectors` instead, which answers alike. They release the GIL and keep no state.
"""
# ruff: noqa: PLR0913, PLR0917 - a compiled loop takes its arrays apart: numba cannot see into a struct

from typing import Any, Final

import numpy as np

from detector.jit import compiled, place

OTHER, ALNUM, CONTROL, SPACE = 0, 1, 2, 3
_AT_ONCE: Final = 6
BLOCK: Final = 1 << 12  # bytes looked at together: the scratch stays in the first-level caches


def _classes() -> np.ndarray[Any, np.dtype[np.uint8]]:
    table = np.zeros(256, np.uint8)
    table[:32] = CONTROL
    table[127] = CONTROL
    for byte in b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        table[byte] = ALNUM
    table[list(b" \t\n\v\f\r")] = SPACE
    table.flags.writeable = False
    return table


CLASSES: Final = _classes()  # of a byte: may a sub-token start or end beside it


@compiled
def _listed(slots: Any, key: Any) -> bool:
    """Whether `key` (length << 32 | check) is in the open-addressed table `slots` (0 is free)."""
    mask = np.uint64(slots.size - 1)
    at = ((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & mask
    while slots[at] != np.uint64(0):
        if slots[at] == key:
            return True
        at = (at + np.uint64(1)) & mask
    return False


@compiled
def _put(slots: Any, keys: Any) -> None:
    mask = np.uint64(slots.size - 1)
    for key in keys:
        at = ((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & mask
        while slots[at] != np.uint64(0) and slots[at] != key:
            at = (at + np.uint64(1)) & mask
        slots[at] = key


def table(keys: Any, room: int = 0) -> Any:
    """An open-addressed table of `keys` (length << 32 | check, never 0), at most half full with `room` more."""
    slots = np.zeros(1 << max(2 * (keys.size + room), 16).bit_length(), np.uint64)
    _put(slots, keys)
    return slots


def insert(slots: Any, keys: Any) -> Any:
    """The table with `keys` added, in place: the caller sees to it that it stays at most half full."""
    _put(slots, keys)
    return slots


@compiled
def _boundaries(text: Any, before: int, after: int, alnum: Any, starts: Any, ends: Any, spaces: Any) -> None:
    """Of each byte of `text`, 0 or 1: may a sub-token start with it, or end with it, is it white space.

    `before` and `after` are the classes of the bytes around `text`. Arithmetic on single bytes only, and no
    branches, so that the compiler takes 32 or 64 bytes at a time.
    """
    size = text.size
    alnum[0] = before == ALNUM
    for at in range(size):
        byte = text[at]
        alnum[at + 1] = (np.uint8(np.uint8(byte | np.uint8(32)) - np.uint8(97)) < np.uint8(26)) | (
            np.uint8(byte - np.uint8(48)) < np.uint8(10)
        )
    alnum[size + 1] = after == ALNUM
    for at in range(size):
        byte = text[at]
        plain = np.uint8(byte > np.uint8(32)) & np.uint8(byte != np.uint8(127))
        starts[at] = plain & ((alnum[at + 1] & alnum[at]) ^ np.uint8(1))
        ends[at] = plain & ((alnum[at + 1] & alnum[at + 2]) ^ np.uint8(1))
        spaces[at] = (byte == np.uint8(32)) | (np.uint8(byte - np.uint8(9)) < np.uint8(5))


@compiled
def pack(flags: Any, words: Any, count: int) -> None:
    """Bit k of word w is flags[64·w + k]; `flags` are bytes of 0 or 1."""
    eights = flags.view(np.uint64)
    for word in range(count):
        bits = np.uint64(0)
        for part in range(8):
            bits |= ((eights[8 * word + part] * np.uint64(0x0102040810204080)) >> np.uint64(56)) << np.uint64(
                8 * part
            )
        words[word] = bits


@compiled
def ahead(words: Any, out: Any, count: int, distance: int) -> None:
    """out[i] = the bit `distance` further on, for each bit i."""
    skip, shift = distance >> 6, np.uint64(distance & 63)
    back = np.uint64(63) - shift
    for word in range(count):
        out[word] = (words[word + skip] >> shift) | ((words[word + skip + 1] << back) << np.uint64(1))


@compiled
def fill(sieve: Any, keys: Any) -> None:
    """Set the bits of `keys` (the check is the lower half): two in one word, see `_sifted`."""
    mask = np.uint64(sieve.size - 1)
    for key in keys:
        word, bits = _sieve_place(key & np.uint64(0xFFFFFFFF), mask)
        sieve[word] |= bits


@compiled
def _sieve_place(check: Any, mask: Any) -> tuple[Any, Any]:
    bits = (np.uint64(1) << (check & np.uint64(63))) | (
        np.uint64(1) << ((check >> np.uint64(6)) & np.uint64(63))
    )
    return (check >> np.uint64(12) ^ check << np.uint64(8)) & mask, bits


@compiled
def _sifted(begins: Any, values: Any, waiting: int, length: int, prefix: Any, powers: Any, sieve: Any) -> Any:
    """Keep those of the waiting starts whose check passes the sieve; `values` becomes their checks.

    A loop of its own without branches: hundreds of loads are under way at once, and the sieve (a Bloom filter of
    two bits in one word) stays in the second-level cache up to a million identifiers.
    """
    mask = np.uint64(sieve.size - 1)
    kept = np.uint64(0)  # unsigned places need no test for Python's negative ones
    size = np.uint64(length)
    for index in range(waiting):
        begin = begins[index]
        end = begin + size
        value = (prefix[end] - prefix[begin]) * powers[end - np.uint64(1)]
        word, bits = _sieve_place(value >> np.uint64(32), mask)
        begins[kept] = begin
        values[kept] = value >> np.uint64(32)
        kept += np.uint64((sieve[word] & bits) == bits)
    return np.int64(kept)


@compiled
def _survivors(
    begins: Any, values: Any, waiting: int, length: int, done: int, slots: Any, out: Any, count: int
) -> int:
    """Put those of the waiting candidates that are registered into `out`; the new count, or -1 if it is full."""
    for index in range(waiting):
        if _listed(slots, (np.uint64(length) << np.uint64(32)) | values[index]):
            if count == out.shape[0]:
                return -1
            begin = done + np.int64(begins[index])
            out[count, 0] = begin
            out[count, 1] = begin + length
            count += 1
    return count


@compiled
def _count(word: Any) -> Any:
    """How many bits are set."""
    pairs = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + (
        (pairs >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    eights = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((eights * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled
def _places(starts: Any, ends: Any, free: Any, words: int, begins: Any) -> int:
    """The places of the bits set in all three, into `begins`; how many. Writes up to `_AT_ONCE` entries too many."""
    one = np.uint64(1)
    waiting = 0
    for word in range(words):
        bits = starts[word] & ends[word] & free[word]
        base = np.uint64(word) << np.uint64(6)
        count = _count(bits)
        # All at once whether they are there or not: a mispredicted branch costs more.
        for step in range(_AT_ONCE):
            begins[waiting + step] = base + np.uint64(place(bits))
            bits &= bits - one
        if count > _AT_ONCE:
            at = waiting + _AT_ONCE
            while bits != np.uint64(0):
                begins[at] = base + np.uint64(place(bits))
                bits &= bits - one
                at += 1
        waiting += count
    return waiting


@compiled
def _prefixes(text: Any, weights: Any, prefix: Any) -> None:
    rolling = np.uint64(0)
    prefix[0] = rolling
    for at in range(text.size):
        rolling += (np.uint64(text[at]) + np.uint64(1)) * weights[at]
        prefix[at + 1] = rolling


@compiled
def _stretch(free: Any, other: Any, words: int, now: int, length: int) -> int:
    """`free` marks where `now` bytes without white space start: make it `length`. Less: there are none."""
    while now < length:
        by = min(now, length - now)
        ahead(free, other, words, by)
        reach = np.uint64(0)
        for word in range(words):
            free[word] &= other[word]
            reach |= free[word]
        if reach == np.uint64(0):
            return now
        now += by
    return now


@compiled
def checked(
    data: Any, done: int, lengths: Any, weights: Any, powers: Any, sieve: Any, slots: Any, out: Any
) -> tuple[int, int]:
    """Sub-tokens whose length and rolling check are registered: (how many put into `out`, start of the rest).

    Sub-tokens that start before `done` are not looked at; call again with what was returned until it is
    `data.size`. A count of -1: `out` is too small for one block. With k the place in a block, `weights[k]` is
    M·B⁻ᵏ and `powers[k]` is Bᵏ, so that no prefix waits for the one before it: the check of bytes i to j-1
    is the top of (prefix[j] - prefix[i])·B^(j-1). Boundaries are bits: one `and` pairs 64 starts with the
    ends `length` further on.
    """
    block = weights.size
    total = block >> 6
    margin = ((lengths[-1] + 63) >> 6) + 1
    alnum = np.zeros(block + 2, np.uint8)
    flags = np.zeros((3, block), np.uint8)
    starts = np.zeros(total + margin + 1, np.uint64)
    ends = np.zeros(total + margin + 1, np.uint64)
    free = np.zeros(total + margin + 1, np.uint64)
    other = np.zeros(total + margin + 1, np.uint64)
    prefix = np.empty(block + 1, np.uint64)
    begins = np.empty(block + _AT_ONCE, np.uint64)
    values = np.empty(block + _AT_ONCE, np.uint64)
    count = 0
    while done < data.size:
        size = min(block, data.size - done)
        if size < block:
            flags[:] = 0
        text = data[done : done + size]
        before = CLASSES[data[done - 1]] if done > 0 else SPACE
        after = CLASSES[data[done + size]] if done + size < data.size else SPACE
        _boundaries(text, before, after, alnum, flags[0], flags[1], flags[2])
        pack(flags[0], starts, total)
        pack(flags[1], ends, total)
        pack(flags[2], free, total)
        for word in range(total):
            free[word] = ~free[word]
        _prefixes(text, weights, prefix)
        whole = done + size == data.size
        usable = (size + 63) >> 6 if whole else total - margin
        now = 1
        found = count
        for length in lengths:
            now = _stretch(free, other, total, now, length)
            if now < length:
                break
            ahead(ends, other, usable, length - 1)
            waiting = _places(starts, other, free, usable, begins)
            waiting = _sifted(begins, values, waiting, length, prefix, powers, sieve)
            found = _survivors(begins, values, waiting, length, done, slots, out, found)
            if found < 0:
                return (count or -1), done
        count = found
        done += size if whole else usable << 6
    return count, data.size


@compiled
def _may_end(data: Any, at: int) -> bool:
    """Whether a sub-token may end before `at`."""
    kind = CLASSES[data[at - 1]]
    if kind >= CONTROL:
        return False
    return bool(kind != ALNUM or at == data.size or CLASSES[data[at]] != ALNUM)


@compiled
def _may_start(data: Any, at: int) -> bool:
    kind = CLASSES[data[at]]
    if kind >= CONTROL:
        return False
    return bool(kind != ALNUM or at == 0 or CLASSES[data[at - 1]] != ALNUM)


@compiled
def sized(data: Any, done: int, lengths: Any, out: Any) -> tuple[int, int]:
    """Sub-tokens that start at or after `done` and have one of the lengths: (how many in `out`, start of the rest)."""
    count = 0
    stop = done  # no white space in [begin, stop)
    for begin in range(done, data.size):
        if out.shape[0] - count < lengths.size:
            return count, begin
        if not _may_start(data, begin):
            continue
        stop = max(stop, begin)
        while stop < data.size and stop - begin < lengths[-1] and CLASSES[data[stop]] != SPACE:
            stop += 1
        for length in lengths:
            if begin + length > stop:
                break
            if _may_end(data, begin + length):
                out[count, 0] = begin
                out[count, 1] = begin + length
                count += 1
    return count, data.size


@compiled
def subtokens(data: Any, done: int, shortest: int, longest: int, most: int, out: Any) -> tuple[int, int]:
    """Sub-tokens of `shortest` to `longest` bytes that start at or after `done`: (how many, start of the rest).

    Of each start only the `most` shortest, so that a run of delimiters stays linear.
    """
    count = 0
    for begin in range(done, data.size):
        if out.shape[0] - count < most:
            return count, begin
        if not _may_start(data, begin):
            continue
        given = 0
        end = begin + 1
        limit = min(data.size, begin + longest)
        while end <= limit and given < most and CLASSES[data[end - 1]] != SPACE:
            if end - begin >= shortest and _may_end(data, end):
                out[count, 0] = begin
                out[count, 1] = end
                count += 1
                given += 1
            end += 1
    return count, data.size
