"""Compiled loops that test every window of a text for registered secrets, by length and rolling check.

A window is any stretch of bytes that is as long as a registered secret. What stands around it does not matter: one
letter glued to a secret does not hide it. A window with a line break in it counts only between separators, so that
texts of short lines cost little where registered secrets are long.
"""
# ruff: noqa: PLR0913, PLR0917 - a compiled loop takes its arrays apart: numba cannot see into a struct

from typing import Any, Final

import numpy as np

from detector.jit import bare, compiled, place
from detector.scan.kernels import BLOCK, in_taken_slots, listed, pack, sieve_shift, stretch

_MASK64: Final = (1 << 64) - 1
_NEWLINE: Final = 10


@compiled
def block_size(longest: int) -> int:
    """How many windows begin in one block, where the longest has `longest` bytes."""
    return max(BLOCK, (2 * longest + 63) // 64 * 64)


def factors(multiplier: int, base: int, longest: int) -> tuple[Any, Any]:
    """Factors for `checked`: M·B to the powers -1, -2, … and B to the powers 0, 1, …, for windows up to `longest`."""
    size = block_size(longest) + longest + 1
    powers = np.full(size, base, np.uint64)
    powers[0] = 1
    units = np.full(size, pow(base, -1, 1 << 64), np.uint64)
    units[0] = multiplier * int(units[0]) & _MASK64
    return np.multiply.accumulate(units), np.multiply.accumulate(powers)


@bare
def summed(text: Any, units: Any, powers: Any, sums: Any) -> None:
    """Computes Horner's sums: sums[k] is that of the first k bytes.

    As sums of (b + 1)·M·B^-(k+1), and then times B^k: nothing but one addition waits for the byte before.
    """
    size = text.size
    for at in range(size):
        sums[at + 1] = (np.uint64(text[at]) + np.uint64(1)) * units[at]
    total = np.uint64(0)
    sums[0] = total
    for at in range(1, size + 1):
        total += sums[at]
        sums[at] = total
    for at in range(size + 1):
        sums[at] *= powers[at]


@bare
def _checks(sums: Any, size: int, length: int, power: Any, lines: Any, many: int, checks: Any) -> int:
    """Computes the checks of the windows that begin within `size` bytes and hold no line break. Returns how many.

    Those of a line stand in a row, from its third number on.
    """
    count = 0
    for line in range(many):
        start, end = lines[line, 0], lines[line, 1]
        lines[line, 2] = count
        here = min(size, end - length + 1) - start
        if here > 0:
            into = checks[count : count + here]
            begins, ends = sums[start : start + here], sums[start + length : start + length + here]
            for at in range(here):
                into[at] = np.uint32((ends[at] - begins[at] * power) >> np.uint64(32))
            count += here
    lines[many, 2] = count
    return count


@bare
def passing_sieve(checks: Any, count: int, sieve: Any, shift: Any, begins: Any, kept: Any) -> int:
    """Writes the numbers and the checks of those that pass the sieve. Returns how many."""
    waiting = 0
    for number in range(count):
        check = checks[number]
        if (sieve[check >> shift] >> np.uint64(check & np.uint32(63))) & np.uint64(1):
            begins[waiting] = number
            kept[waiting] = check
            waiting += 1
    return waiting


@bare
def _placed(begins: Any, waiting: int, lines: Any) -> None:
    """Makes of the numbers of windows, which ascend, the places where they begin."""
    line = 0
    for index in range(waiting):
        number = np.int64(begins[index])
        while lines[line + 1, 2] <= number:
            line += 1
        begins[index] = lines[line, 0] + number - lines[line, 2]


@bare
def _lines(breaks: Any, size: int, text_size: int, lines: Any) -> tuple[int, int]:
    """Writes the start and end of each line that begins within `size` bytes: (how many, bytes of the longest).

    `breaks` are the bits of line breaks.
    """
    count, most, start = 0, 0, np.int64(0)
    for word in range((text_size + 63) >> 6):
        bits = breaks[word]
        while bits != np.uint64(0):
            at: Any = 64 * word + np.int64(place(bits))
            bits &= bits - np.uint64(1)
            if at > start:
                lines[count, 0], lines[count, 1] = start, at
                most = max(most, int(at - start))
                count += 1
            start = at + 1
            if start >= size:
                return count, most
    if start < text_size:
        lines[count, 0], lines[count, 1] = start, text_size
        most = max(most, int(text_size - start))
        count += 1
    return count, most


@bare
def _breaks(text: Any, flags: Any) -> None:
    for at in range(text.size):
        flags[at] = text[at] == np.uint8(_NEWLINE)


@compiled
def _separates(byte: Any) -> Any:
    r"""1 for white space, control characters, quotes, brackets, `=:,;|\` and bytes that are not ASCII, else 0."""
    return (
        np.uint8(byte <= np.uint8(32))
        | np.uint8(byte >= np.uint8(123)) & np.uint8(byte != np.uint8(126))  # { | } and beyond
        | np.uint8(byte == np.uint8(34))  # "
        | np.uint8(np.uint8(byte - np.uint8(39)) < np.uint8(3))  # ' ( )
        | np.uint8(byte == np.uint8(44))  # ,
        | np.uint8(np.uint8(byte - np.uint8(58)) < np.uint8(5))  # : ; < = >
        | np.uint8(np.uint8(byte - np.uint8(91)) < np.uint8(3))  # [ \ ]
        | np.uint8(byte == np.uint8(96))  # `
    )


@bare
def _separators(text: Any, before: int, behind: int, apart: Any, starts: Any, ends: Any) -> None:
    """Marks each byte with 0 or 1: whether a separator stands before it and behind it.

    `before` and `behind` say whether one stands at the text's ends.
    """
    size = text.size
    apart[0] = before
    for at in range(size):
        apart[at + 1] = _separates(text[at])
    apart[size + 1] = behind
    for at in range(size):
        starts[at] = apart[at]
        ends[at] = apart[at + 2]


@bare
def _broken(
    starts: Any,
    ends: Any,
    free: Any,
    words: int,
    length: int,
    sums: Any,
    power: Any,
    sieve: Any,
    shift: Any,
    begins: Any,
    kept: Any,
    count: int,
) -> int:
    """Adds the windows with a line break between two separators whose check passes the sieve. Returns the new count."""
    one = np.uint64(1)
    skip, turn = (length - 1) >> 6, np.uint64((length - 1) & 63)
    back = np.uint64(63) - turn
    for word in range(words):
        bits = (
            starts[word]
            & ~free[word]
            & ((ends[word + skip] >> turn) | ((ends[word + skip + 1] << back) << one))
        )
        while bits != np.uint64(0):
            at = 64 * word + np.int64(place(bits))
            bits &= bits - one
            check = np.uint32((sums[at + length] - sums[at] * power) >> np.uint64(32))
            begins[count] = at
            kept[count] = check
            count += int((sieve[check >> shift] >> np.uint64(check & np.uint32(63))) & one)
    return count


@compiled
def _marked(data: Any, done: int, text: Any, apart: Any, flags: Any, starts: Any, ends: Any) -> None:
    """Makes the bits of `starts` and `ends`: whether a separator stands before and behind each byte of `text`."""
    after = done + text.size
    before = 1 if done == 0 else _separates(data[done - 1])
    behind = 1 if after == data.size else _separates(data[after])
    _separators(text, before, behind, apart, flags[0], flags[1])
    pack(flags[0], starts, starts.size)
    pack(flags[1], ends, ends.size)


@bare
def registered(
    begins: Any, kept: Any, waiting: int, length: int, slots: Any, done: int, out: Any, found: int
) -> int:
    """Adds the registered windows to `out`. Returns the new count, or -1 if `out` is full."""
    for index in range(waiting):
        if listed(slots, (np.uint64(length) << np.uint64(32)) | np.uint64(kept[index])):
            if found == out.shape[0]:
                return -1
            out[found, 0] = done + begins[index]
            out[found, 1] = out[found, 0] + length
            found += 1
    return found


@compiled
def checked(
    data: Any, done: int, lengths: Any, units: Any, powers: Any, sieve: Any, slots: Any, out: Any
) -> tuple[int, int]:
    """Finds the windows whose length and check are registered: (how many are in `out`, where the rest starts).

    It is called as `kernels.checked`. `units` and `powers` come from `factors`.
    """
    able = lengths.size
    while able > 0 and lengths[able - 1] > data.size - done:
        able -= 1
    if able == 0:
        return 0, data.size
    longest = lengths[able - 1]
    block = min(block_size(longest), (data.size - done + 63) // 64 * 64)
    shift = sieve_shift(sieve)
    words = ((block + longest) >> 6) + 2
    sums = np.empty(block + longest + 1, np.uint64)
    checks, begins, kept = np.empty((3, block + 64), np.uint32)
    lines = np.empty((block + 2, 3), np.int32)
    flags = np.zeros((3, 64 * words), np.uint8)
    apart = np.empty(64 * words + 2, np.uint8)
    starts, ends, breaks = np.zeros((3, words), np.uint64)
    free = np.zeros(words + (longest >> 6) + 2, np.uint64)
    count = 0
    while done < data.size:
        size = min(block, data.size - done)
        text = data[done : min(done + block + longest, data.size)]
        summed(text, units, powers, sums)
        flags[:, text.size :] = 0
        _breaks(text, flags[2])
        pack(flags[2], breaks, words)
        many, most = _lines(breaks, size, text.size, lines)
        broken = many == 0 or lines[0, 0] > 0 or lines[0, 1] < text.size
        if broken:
            _marked(data, done, text, apart, flags, starts, ends)
            free[:words] = ~breaks
        now = 1
        found = count
        for length in lengths[:able]:
            if length > text.size or found < 0:
                break
            waiting = 0
            if length <= most:
                tested = _checks(sums, size, length, powers[length], lines, many, checks)
                waiting = passing_sieve(checks, tested, sieve, shift, begins, kept)
                _placed(begins, waiting, lines)
            if broken:
                now = stretch(free, words, now, length)
                waiting = _broken(
                    starts, ends, free, (size + 63) >> 6, length, sums, powers[length], sieve, shift, begins, kept, waiting
                )  # fmt: skip
            waiting = in_taken_slots(begins, kept, waiting, length, slots)
            found = registered(begins, kept, waiting, length, slots, done, out, found)
        if found < 0:
            return (count or -1), done
        count = found
        done += block
    return count, data.size
