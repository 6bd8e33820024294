"""Compiled loops that look for registered secrets in another form: reversed, in rot13, in other case, one character short.

Only texts of exactly a registered length are tried: from one boundary to another, in a stretch without white space, quotes
and brackets. So few are left that each form of each can be tested by its rolling check.
"""
# ruff: noqa: C901, PLR0913, PLR0917, PLR2004 - a compiled loop takes its arrays apart, and bytes are written as codes

from typing import Any, Final

import numpy as np

from detector.jit import bare, compiled, place
from detector.scan.kernels import ALNUM, CLASSES, count_bits, listed, pack, sieve_shift

REVERSED, ROT13, SWAPPED, NO_LAST, NO_FIRST = range(5)
FULL, SHORT, FOLDED = 1, 2, 4  # of a length: what a text of it may be
_BLOCK: Final = 1 << 13
_SIGNS: Final = 4  # and one in eight bytes: what has more is no token, and too dear to complete
_LOWER, _UPPER = range(97, 123), range(65, 91)


def _table(change: dict[int, int]) -> Any:
    table = np.arange(256, dtype=np.uint8)
    for byte, other in change.items():
        table[byte] = other
    table.flags.writeable = False
    return table


SWAP: Final = _table({byte: byte ^ 32 for byte in (*_LOWER, *_UPPER)})
ROT: Final = _table({first + (n + 13) % 26: first + n for first in (65, 97) for n in range(26)})
LAST: Final = np.frombuffer(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.~", np.uint8
)
"""The characters that may be the missing one."""


@bare
def _classes(text: Any, before: int, joined: Any, inside: Any, cuts: Any) -> None:
    """Marks each byte of `text` with 0 or 1: whether a candidate may have it, and whether a boundary stands before it.

    `before` says whether a character that joins precedes `text`; its last byte is only looked at. Letters, digits, `-_+` and
    a point before a letter or digit join. A boundary is beside a byte that does not. White space, control characters,
    quotes and commas are in no candidate.
    """
    size = text.size - 1
    for at in range(size + 1):
        byte = text[at]
        inside[at] = np.uint8(np.uint8((byte | np.uint8(32)) - np.uint8(97)) < np.uint8(26)) | np.uint8(
            np.uint8(byte - np.uint8(48)) < np.uint8(10)
        )
    joined[0] = before
    for at in range(size):
        byte = text[at]
        joined[at + 1] = (
            inside[at]
            | np.uint8(byte == np.uint8(95))  # _
            | np.uint8(byte == np.uint8(45))  # -
            | np.uint8(byte == np.uint8(43))  # +
            | np.uint8(byte == np.uint8(46)) & inside[at + 1]  # .
        )
    for at in range(size):
        byte = text[at]
        cuts[at] = (joined[at] & joined[at + 1]) ^ np.uint8(1)
        inside[at] = (
            np.uint8(byte > np.uint8(32))
            & np.uint8(byte != np.uint8(34))  # "
            & np.uint8(byte != np.uint8(39))  # '
            & np.uint8(byte != np.uint8(44))  # ,
        )


@compiled
def _joins(data: Any, at: int) -> int:
    """Whether the byte at `at` joins, as in `_classes`."""
    byte = data[at]
    if CLASSES[byte] == ALNUM or byte in (95, 45, 43):
        return 1
    return int(byte == 46 and at + 1 < data.size and CLASSES[data[at + 1]] == ALNUM)


@bare
def _narrowed(free: Any, into: Any, words: int, by: int) -> None:
    """Of the starts of stretches leaves those at which another one begins `by` bytes on."""
    one = np.uint64(1)
    skip, shift = by >> 6, np.uint64(by & 63)
    back = np.uint64(63) - shift
    near, far = free[skip : skip + words], free[skip + 1 : skip + 1 + words]
    for word in range(words):
        into[word] = free[word] & ((near[word] >> shift) | ((far[word] << back) << one))


@bare
def _cut(cuts: Any, start: Any, end: Any) -> int:
    """How many boundaries stand from `start` on and before `end`."""
    first, last = start >> 6, end >> 6
    high = cuts[first] >> np.uint64(start & 63)
    if first == last:
        return int(count_bits(high << np.uint64(64 - (end - start)))) if end > start else 0
    count = int(count_bits(high))
    for word in range(first + 1, last):
        count += int(count_bits(cuts[word]))
    left = end & 63
    return count + (int(count_bits(cuts[last] << np.uint64(64 - left))) if left else 0)


@compiled
def candidates(data: Any, done: int, lengths: Any, out: Any) -> tuple[int, int]:
    """Lists texts of the lengths between two boundaries: (how many are in `out`, where the rest starts).

    Those with more than two boundaries inside and one in four bytes are no token. It is called as `kernels.checked`.
    """
    able = lengths.size
    while able > 0 and lengths[able - 1] > data.size - done:
        able -= 1
    if able == 0:
        return 0, data.size
    one = np.uint64(1)
    longest = lengths[able - 1]
    block = min(_BLOCK, (data.size - done + 63) // 64 * 64)
    words = ((block + longest) >> 6) + 2
    edge = np.zeros(64 * words + 1, np.uint8)
    joined = np.empty(64 * words + 1, np.uint8)
    flags = np.empty((2, 64 * words + 64), np.uint8)
    cuts = np.empty(words, np.uint64)
    free, other = np.zeros((2, words + (longest >> 6) + 2), np.uint64)
    count = 0
    while done < data.size:
        text = edge
        if data.size - done >= edge.size:
            text = data[done : done + edge.size]
        else:
            edge[: data.size - done] = data[done:]
            edge[data.size - done :] = 0
        _classes(text, _joins(data, done - 1) if done else 0, joined, flags[0], flags[1])
        pack(flags[0], free, words)
        pack(flags[1], cuts, words)
        now = 1
        found = count
        for number in range(able):
            length = lengths[number]
            while now < length:
                by = min(now, length - now)
                _narrowed(free, other, words, by)
                free, other = other, free
                now += by
            skip, turn = length >> 6, np.uint64(length & 63)
            back = np.uint64(63) - turn
            for word in range(block >> 6):
                bits = (
                    free[word]
                    & cuts[word]
                    & ((cuts[word + skip] >> turn) | ((cuts[word + skip + 1] << back) << one))
                )
                while bits != np.uint64(0):
                    at = 64 * word + np.int64(place(bits))
                    bits &= bits - one
                    if _cut(cuts, at + 1, at + length) > 2 + (length >> 2):
                        continue
                    start = done + at
                    if found == out.shape[0]:
                        return (count or -1), done
                    out[found, 0] = start
                    out[found, 1] = start + length
                    found += 1
        count = found
        done += block
    return count, data.size


@bare
def _known(check: Any, length: int, sieve: Any, shift: Any, slots: Any) -> bool:
    if not (sieve[check >> shift] >> np.uint64(check & np.uint32(63))) & np.uint64(1):
        return False
    return bool(listed(slots, (np.uint64(length) << np.uint64(32)) | np.uint64(check)))


@bare
def matching(
    data: Any, rows: Any, first: int, kinds: Any, terms: Any, powers: Any, sieve: Any, slots: Any, out: Any
) -> tuple[int, int]:
    """Tests rows from the `first` on: (how many rows of (number, form, missing character) are in `out`, the next row).

    `kinds` says of each length what a text of it may be, `terms` are M·(b + 1), `powers` those of B.
    """
    shift = sieve_shift(sieve)
    high = np.uint64(32)
    count = 0
    room = 3 + 2 * LAST.size
    for number in range(first, rows.shape[0]):
        if out.shape[0] - count < room:
            return count, number
        start, end = rows[number, 0], rows[number, 1]
        length = end - start
        kind = kinds[length]
        if kind & FULL:
            turned, rotated, swapped = np.uint64(0), np.uint64(0), np.uint64(0)
            for at in range(length):
                byte = data[start + at]
                power = powers[length - 1 - at]
                turned += terms[byte] * powers[at]
                rotated += terms[ROT[byte]] * power
                swapped += terms[SWAP[byte]] * power
            for form in range(3):
                total = turned if form == REVERSED else rotated if form == ROT13 else swapped
                if _known(np.uint32(total >> high), length, sieve, shift, slots):
                    out[count, 0], out[count, 1], out[count, 2] = number, form, 0
                    count += 1
        if kind & SHORT:
            total = np.uint64(0)
            signs = 0
            for at in range(length):
                total += terms[data[start + at]] * powers[length - 1 - at]
                signs += CLASSES[data[start + at]] != ALNUM
            if signs > _SIGNS + (length >> 3):
                continue
            without_last, whole = total * powers[1], powers[length]
            for byte in LAST:
                term = terms[byte]
                if _known(np.uint32((without_last + term) >> high), length + 1, sieve, shift, slots):
                    out[count, 0], out[count, 1], out[count, 2] = number, NO_LAST, byte
                    count += 1
                if _known(np.uint32((total + term * whole) >> high), length + 1, sieve, shift, slots):
                    out[count, 0], out[count, 1], out[count, 2] = number, NO_FIRST, byte
                    count += 1
    return count, rows.shape[0]


@bare
def foldable(data: Any, rows: Any, kinds: Any, chosen: Any, out: Any) -> int:
    """Writes the numbers of rows that may be a secret of both cases in one case, and their bytes in lower case, on end.

    Returns how many. A text without letters beyond f may be a number or a digest, and is none.
    """
    count = to = 0
    for number in range(rows.shape[0]):
        start, end = rows[number, 0], rows[number, 1]
        if not kinds[end - start] & FOLDED:
            continue
        uppers = lowers = beyond = 0
        for at in range(start, end):
            byte = data[at]
            low = byte | np.uint8(32)
            letter = np.uint8(low - np.uint8(97)) < 26
            beyond |= int(letter and low > 102)
            uppers |= int(letter and byte < 97)
            lowers |= int(letter and byte >= 97)
        if beyond and uppers != lowers:
            for at in range(start, end):
                byte = data[at]
                out[to] = byte + np.uint8(32) if 65 <= byte <= 90 else byte
                to += 1
            chosen[count] = number
            count += 1
    return count
