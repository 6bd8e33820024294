"""Compiled loops that find registered credentials in log bytes by length and rolling check.

numba compiles these plain Python functions. They release the GIL and keep no state.
"""
# ruff: noqa: PLR0913, PLR0917 - a compiled loop takes its arrays apart: numba cannot see into a struct

from typing import Any, Final

import numpy as np

from detector.jit import compiled, place

OTHER, ALNUM, CONTROL, SPACE = 0, 1, 2, 3
_AT_ONCE: Final = 4
_CHAINS: Final = 4
_MASK64: Final = (1 << 64) - 1
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
def _slot(slots: Any, key: Any) -> Any:
    """Where a key is looked for first."""
    return (((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) * np.uint64(slots.size)) >> np.uint64(32)


@compiled
def listed(slots: Any, key: Any) -> bool:
    """Whether `key` (length << 32 | check) is in the open-addressed table `slots` (0 is free)."""
    size = np.uint64(slots.size)
    at = _slot(slots, key)
    while slots[at] != np.uint64(0):
        if slots[at] == key:
            return True
        at += np.uint64(1)
        if at == size:
            at = np.uint64(0)
    return False


@compiled
def put(slots: Any, keys: Any) -> int:
    """Adds `keys` (length << 32 | check, never 0) to a table that has room for them. How many were not in it."""
    size = np.uint64(slots.size)
    new = 0
    for key in keys:
        at = _slot(slots, key)
        while slots[at] != np.uint64(0) and slots[at] != key:
            at += np.uint64(1)
            if at == size:
                at = np.uint64(0)
        new += slots[at] == np.uint64(0)
        slots[at] = key
    return new


@compiled
def _boundaries(text: Any, before: int, alnum: Any, starts: Any, ends: Any, spaces: Any) -> None:
    """Marks each byte of `text` with 0 or 1: whether a sub-token may start or end there, and whether it is white space.

    `before` says whether a letter or digit precedes `text`. None follows it. There are no branches and only
    arithmetic on single bytes, so the compiler handles 32 or 64 bytes at a time.
    """
    size = text.size
    alnum[0] = before
    for at in range(size):
        byte = text[at]
        alnum[at + 1] = (np.uint8(np.uint8(byte | np.uint8(32)) - np.uint8(97)) < np.uint8(26)) | (
            np.uint8(byte - np.uint8(48)) < np.uint8(10)
        )
    alnum[size + 1] = 0
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
def fill(sieve: Any, keys: Any) -> None:
    """Sets a bit of the sieve for the check of each of `keys`, which is the lower half of a key.

    The sieve is a power of two of words: the first bits of a check choose the word and the last six the bit in it.
    """
    shift = sieve_shift(sieve)
    for key in keys:
        check = key & np.uint64(0xFFFFFFFF)
        sieve[check >> np.uint64(shift)] |= np.uint64(1) << (check & np.uint64(63))


@compiled
def sieve_shift(sieve: Any) -> Any:
    """By how many bits to shift a check for the number of its word."""
    return np.uint32(32 - np.int64(place(np.uint64(sieve.size))))


@compiled
def _checks(begins: Any, checks: Any, waiting: int, length: int, sums: Any, power: Any) -> None:
    """Computes the checks of the candidates. `power` is B to the `length`."""
    reach = np.uint64(_CHAINS * length)  # unsigned places need no test for Python's negative ones
    for index in range(waiting):
        begin = np.uint64(begins[index])
        checks[index] = (sums[begin + reach] - sums[begin] * power) >> np.uint64(32)


@compiled
def _passing_sieve(begins: Any, checks: Any, waiting: int, sieve: Any) -> Any:
    """Keeps the candidates whose check passes the sieve. Returns how many.

    The sieve fits into the second- or third-level cache up to a million identifiers. The loop has no branches, so
    tens of loads are under way at once.
    """
    shift = np.uint64(sieve_shift(sieve))
    kept = np.uint64(0)
    for index in range(waiting):
        check = np.uint64(checks[index])
        begins[kept] = begins[index]
        checks[kept] = check
        kept += (sieve[check >> shift] >> (check & np.uint64(63))) & np.uint64(1)
    return np.int64(kept)


@compiled
def in_taken_slots(begins: Any, checks: Any, waiting: int, length: int, slots: Any) -> Any:
    """Keeps the candidates whose first slot in the table is taken. Returns how many.

    Few remain for `listed`, which branches at each, and the slots that it reads are in the cache by then.
    """
    kept = np.uint64(0)
    high = np.uint64(length) << np.uint64(32)
    for index in range(waiting):
        check = np.uint64(checks[index])
        at = _slot(slots, high | check)
        begins[kept] = begins[index]
        checks[kept] = check
        kept += np.uint64(slots[at] != np.uint64(0))
    return np.int64(kept)


@compiled
def _registered(
    begins: Any,
    checks: Any,
    waiting: int,
    length: int,
    done: int,
    part: int,
    slots: Any,
    out: Any,
    count: int,
) -> int:
    """Adds the registered candidates to `out`. Returns the new count, or -1 if `out` is full."""
    for index in range(waiting):
        if listed(slots, (np.uint64(length) << np.uint64(32)) | np.uint64(checks[index])):
            if count == out.shape[0]:
                return -1
            place_of = np.int64(begins[index])
            begin = done + part * (place_of % _CHAINS) + place_of // _CHAINS
            out[count, 0] = begin
            out[count, 1] = begin + length
            count += 1
    return count


@compiled
def count_bits(word: Any) -> Any:
    """How many bits are set."""
    pairs = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + (
        (pairs >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    eights = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((eights * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled
def _places(starts: Any, ends: Any, free: Any, words: int, length: int, begins: Any) -> Any:
    """Writes to `begins` where sub-tokens of `length` bytes begin in the sums of `_summed`. Returns how many.

    `words` is the number of words of marks in a chain. It writes up to `_AT_ONCE` entries too many.
    """
    one = np.uint64(1)
    skip, shift = np.uint64((length - 1) >> 6), np.uint64((length - 1) & 63)
    back = np.uint64(63) - shift
    waiting = np.uint64(0)
    word = np.uint64(0)
    for chain in range(_CHAINS):
        base = np.uint64(chain)
        for _ in range(words):
            reached = (ends[word + skip] >> shift) | ((ends[word + skip + one] << back) << one)
            bits = starts[word] & free[word] & reached
            count = count_bits(bits)
            # All at once whether they are there or not: a mispredicted branch costs more.
            for step in range(_AT_ONCE):
                begins[waiting + np.uint64(step)] = base + np.uint64(_CHAINS) * np.uint64(place(bits))
                bits &= bits - one
            if count > _AT_ONCE:
                at = waiting + np.uint64(_AT_ONCE)
                while bits != np.uint64(0):
                    begins[at] = base + np.uint64(_CHAINS) * np.uint64(place(bits))
                    bits &= bits - one
                    at += one
            waiting += np.uint64(count)
            base += np.uint64(64 * _CHAINS)
            word += one
    return np.int64(waiting)


@compiled
def _summed(text: Any, part: int, steps: int, terms: Any, base: Any, sums: Any) -> None:
    """Computes Horner's sums of four parts of `text`, `part` bytes apart, over `steps` bytes each.

    Within a part each multiplication waits for the one before; four parts side by side keep the multiplier busy. The
    sum of the first k bytes of part c is at 4·k + c.
    """
    first, second, third, fourth = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
    one, two, three, by = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(part)
    sums[:_CHAINS] = np.uint64(0)
    to = np.uint64(_CHAINS)
    for step in range(steps):
        at = np.uint64(step)
        first = first * base + terms[text[at]]
        second = second * base + terms[text[at + by]]
        third = third * base + terms[text[at + by + by]]
        fourth = fourth * base + terms[text[at + by + by + by]]
        sums[to] = first
        sums[to + one] = second
        sums[to + two] = third
        sums[to + three] = fourth
        to += np.uint64(_CHAINS)


@compiled
def stretch(free: Any, words: int, now: int, length: int) -> int:
    """Extends `free` from the starts of `now` bytes without white space to those of `length`.

    Returns less if there are none.
    """
    one = np.uint64(1)
    while now < length:
        by = min(now, length - now)
        skip, shift = by >> 6, np.uint64(by & 63)
        back = np.uint64(63) - shift
        near, far = free[skip : skip + words], free[skip + 1 : skip + 1 + words]
        reach = np.uint64(0)
        for word in range(words):
            free[word] &= (near[word] >> shift) | ((far[word] << back) << one)
            reach |= free[word]
        if reach == np.uint64(0):
            return now
        now += by
    return now


def factors(multiplier: int, base: int, longest: int) -> tuple[Any, Any]:
    """The factors for `checked`: M·(b + 1) for each byte b, and B to the powers 0 to `longest`."""
    terms = [multiplier * (byte + 1) & _MASK64 for byte in range(256)]
    powers = [1]
    for _ in range(longest):
        powers.append(powers[-1] * base & _MASK64)
    return np.array(terms, np.uint64), np.array(powers, np.uint64)


@compiled
def checked(
    data: Any, done: int, lengths: Any, terms: Any, powers: Any, sieve: Any, slots: Any, out: Any
) -> tuple[int, int]:
    """Finds sub-tokens whose length and rolling check are registered: (how many are in `out`, where the rest starts).

    Begins at `done`. Call it again with the returned start until that is `data.size`. A count of -1 means that `out`
    is too small for one block. `terms` and `powers` come from `factors`. If H are the sums of `_summed`, the check of
    bytes i to j-1 is the upper half of H[j] - H[i]·B^(j-i). Boundaries are bits: one `and` pairs 64 starts with the
    ends `length` further on.
    """
    able = lengths.size
    while able > 0 and lengths[able - 1] > data.size - done:
        able -= 1
    if able == 0:
        return 0, data.size
    longest = lengths[able - 1]
    # A part is whole words of marks, and so long that what is summed twice, at its end, does not weigh.
    part = 64 * min((max(BLOCK // _CHAINS, 4 * longest) + 63) // 64, (data.size - done + 255) // 256)
    block = _CHAINS * part
    words = (block >> 6) + (longest >> 6) + 2
    text = np.empty(64 * words, np.uint8)
    flags = np.empty((3, 64 * words), np.uint8)
    alnum = np.empty(64 * words + 2, np.uint8)
    starts = np.empty(words, np.uint64)
    ends = np.zeros(words, np.uint64)
    free = np.zeros(words + (longest >> 6) + 2, np.uint64)
    sums = np.empty(_CHAINS * (part + longest), np.uint64)
    begins = np.empty(block + _AT_ONCE, np.uint32)
    checks = np.empty(block + _AT_ONCE, np.uint32)
    count = 0
    while done < data.size:
        size = min(64 * words, data.size - done)
        block_text = data[done : done + size]
        for at in range(size):  # an assignment of slices would copy twice
            text[at] = block_text[at]
        text[size:] = 0
        before = 1 if done > 0 and CLASSES[data[done - 1]] == ALNUM else 0
        _boundaries(text, before, alnum, flags[0], flags[1], flags[2])
        pack(flags[0], starts, words)
        pack(flags[1], ends, words)
        pack(flags[2], free, words)
        for word in range(words):
            free[word] = ~free[word]
        _summed(text, part, part + longest - 1, terms, powers[1], sums)
        now = 1
        found = count
        for number in range(able):
            length = lengths[number]
            now = stretch(free, words, now, length)
            if now < length:
                break
            waiting = _places(starts, ends, free, part >> 6, length, begins)
            _checks(begins, checks, waiting, length, sums, powers[length])
            waiting = _passing_sieve(begins, checks, waiting, sieve)
            waiting = in_taken_slots(begins, checks, waiting, length, slots)
            found = _registered(begins, checks, waiting, length, done, part, slots, out, found)
            if found < 0:
                return (count or -1), done
        count = found
        done += block
    return count, data.size
