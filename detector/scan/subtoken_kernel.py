"""Compiled loops that list the sub-tokens to hash, for credentials that are registered without a check."""

# ruff: noqa: PLR0913, PLR0917 - a compiled loop takes its bounds apart

from typing import Any, Final

import numpy as np

from detector.jit import compiled
from detector.scan.kernels import ALNUM, CLASSES, CONTROL, SPACE


def _token() -> Any:
    table = np.zeros(256, np.bool_)
    table[list(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._~+/=:%|")] = True
    table.flags.writeable = False
    return table


TOKEN: Final = _token()  # of a byte: whether tokens have it


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
    """Lists sub-tokens that start at or after `done` and have one of the lengths: (how many in `out`, start of the rest)."""
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
def in_tokens(data: Any, done: int, lengths: Any, out: Any) -> tuple[int, int]:
    """As `sized`, but of runs of the characters that tokens have, `TOKEN`, and no more."""
    count = 0
    stop = done  # only such characters in [begin, stop)
    for begin in range(done, data.size):
        if out.shape[0] - count < lengths.size:
            return count, begin
        stop = max(stop, begin)
        while stop < data.size and stop - begin < lengths[-1] and TOKEN[data[stop]]:
            stop += 1
        if stop - begin < lengths[0] or not _may_start(data, begin):
            continue
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
