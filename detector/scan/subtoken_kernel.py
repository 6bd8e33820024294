"""Compiled loops that list the sub-tokens to hash, for credentials that are registered without a check."""

# ruff: noqa: FBT001, PLR0913, PLR0917 - a compiled loop takes its bounds apart

from typing import Any

import numpy as np

from detector.jit import compiled, place
from detector.scan.kernels import ALNUM, CLASSES, CONTROL, SPACE, pack, stretch


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
    """Lists sub-tokens that start at `done` or later, of one of the lengths: (how many in `out`, start of the rest)."""
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
def _in_token(byte: Any) -> Any:
    """1 for the characters that tokens have, else 0, without a table: many bytes are looked at together."""
    return (
        np.uint8(np.uint8(np.uint8(byte | np.uint8(32)) - np.uint8(97)) < np.uint8(26))
        | np.uint8(np.uint8(byte - np.uint8(45)) < np.uint8(14))  # - . / digits :
        | np.uint8(byte == np.uint8(37))  # %
        | np.uint8(byte == np.uint8(43))  # +
        | np.uint8(byte == np.uint8(61))  # =
        | np.uint8(byte == np.uint8(95))  # _
        | np.uint8(byte == np.uint8(124))  # |
        | np.uint8(byte == np.uint8(126))  # ~
    )


@compiled
def token_runs(data: Any, shortest: int) -> Any:
    """The runs of the characters that tokens have, of at least `shortest` bytes: (start, end) of each."""
    words = (data.size + 63) >> 6
    flags = np.zeros(64 * words, np.uint8)
    for at in range(data.size):
        flags[at] = _in_token(data[at])
    bits = np.zeros(words + (shortest >> 6) + 2, np.uint64)
    pack(flags, bits, words)
    if words == 0 or stretch(bits, words, 1, shortest) < shortest:
        return np.empty((0, 2), np.int64)
    count = 0
    carried = np.uint64(0)
    for word in range(words):  # how many stretches begin
        begins = bits[word] & ~((bits[word] << np.uint64(1)) | carried)
        carried = bits[word] >> np.uint64(63)
        while begins != np.uint64(0):
            begins &= begins - np.uint64(1)
            count += 1
    runs = np.empty((count, 2), np.int64)
    count = 0
    carried = np.uint64(0)
    for word in range(words):
        before = (bits[word] << np.uint64(1)) | carried
        carried = bits[word] >> np.uint64(63)
        edges = bits[word] ^ before
        while edges != np.uint64(0):
            bit: Any = np.int64(place(edges))
            if (bits[word] >> np.uint64(bit)) & np.uint64(1):
                runs[count, 0] = 64 * word + bit
            else:
                runs[count, 1] = 64 * word + bit + shortest - 1
                count += 1
            edges &= edges - np.uint64(1)
    if count < runs.shape[0]:
        runs[count, 1] = data.size
    return runs


@compiled
def windows(data: Any, runs: Any, at: Any, length: int, blocks: int, glued: bool, out: Any) -> int:
    """Lists where windows of `length` bytes start in `runs`, from `at` on: (run, place, how many of the run so far).

    Hashing one takes `blocks` steps. If it takes no more than one step a byte, these are all windows of a run; else
    those that start or end at a boundary of a sub-token, the first of them for which there are as many steps. Unless
    `glued`, it is those that start and end at a boundary. Returns how many are in `out`; `at` is then where the rest
    starts.
    """
    count = 0
    number, begin, taken = at[0], at[1], at[2]
    while number < runs.shape[0]:
        start, end = runs[number, 0], runs[number, 1]
        most = (end - start) // blocks
        every = glued and end - start - length < most
        begin = max(start, begin)
        while begin <= end - length and taken < most:
            if count == out.size:
                at[0], at[1], at[2] = number, begin, taken
                return count
            wanted = every
            if not every:
                starts, ends = _may_start(data, begin), _may_end(data, begin + length)
                wanted = (starts or ends) if glued else (starts and ends)
            if wanted:
                out[count] = begin
                count += 1
                taken += 1
            begin += 1
        number += 1
        begin = taken = 0
    at[0] = number
    return count


@compiled
def subtokens(data: Any, done: int, shortest: int, longest: int, most: int, out: Any) -> tuple[int, int]:
    """Lists sub-tokens of `shortest` to `longest` bytes that start at or after `done`: (how many, start of the rest).

    Only the `most` shortest of each start, so that a run of delimiters takes linear time.
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
