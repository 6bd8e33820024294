"""Compiled loops that test windows for registered secrets whose shape is known, by length and rolling check.

Such a secret has no white space, control character, quote or comma in it (`detector.values.registrable.UNBROKEN`), so only
runs without these are looked at, and of them only those as long as a registered secret. Most text is passed over, 64 bytes
at a time. For mixed secrets, runs without letters of both cases are passed over too.
"""
# ruff: noqa: PLR0913, PLR0917 - a compiled loop takes its arrays apart: numba cannot see into a struct

from typing import Any

import numpy as np

from detector.jit import bare, compiled
from detector.scan.byte_masks import WORD
from detector.scan.form_kernel import CAPITAL, PARTING, SMALL, long_stretches, next_bit
from detector.scan.kernels import in_taken_slots, sieve_shift
from detector.scan.window_kernel import block_size, factors, passing_sieve, registered, summed

__all__ = ["checked", "factors"]


@bare
def _is_mixed(text: Any, at: int, end: int) -> bool:
    """Whether text[at:end] has letters of both cases. There are 64 bytes behind it."""
    none = np.uint64(0)
    capitals, smalls = none, none
    while at < end:
        within = ~none >> np.uint64(max(0, at + WORD - end))
        capitals |= CAPITAL(text, at) & within
        smalls |= SMALL(text, at) & within
        at += WORD
    return bool((capitals != none) & (smalls != none))


@bare
def _checks(sums: Any, length: int, power: Any, checks: Any) -> None:
    """Computes the checks of the windows that begin at the first bytes, as many as there is room for."""
    count = checks.size
    begins, ends = sums[:count], sums[length : length + count]
    for at in range(count):
        checks[at] = np.uint32((ends[at] - begins[at] * power) >> np.uint64(32))


@bare
def _tested(
    run: Any,
    starts: int,
    lengths: Any,
    units: Any,
    powers: Any,
    sieve: Any,
    slots: Any,
    sums: Any,
    scratch: Any,
    place: int,
    out: Any,
    found: int,
) -> int:
    """Adds the registered windows that begin in the first `starts` bytes of a run. Returns the new count, -1 if `out` is full.

    `place` is that of the run in the text.
    """
    shift = sieve_shift(sieve)
    checks, begins, kept = scratch[0], scratch[1], scratch[2]
    summed(run, units, powers, sums)
    for number in range(lengths.size):
        length = lengths[number]
        if length > run.size or found < 0:
            break
        count = min(run.size - length + 1, starts)
        _checks(sums, length, powers[length], checks[:count])
        waiting = passing_sieve(checks, count, sieve, shift, begins, kept)
        waiting = in_taken_slots(begins, kept, waiting, length, slots)
        found = registered(begins, kept, waiting, length, slots, place, out, found)
    return found


@compiled
def checked(
    data: Any,
    done: int,
    lengths: Any,
    units: Any,
    powers: Any,
    sieve: Any,
    slots: Any,
    mixed: bool,  # noqa: FBT001 - a compiled loop takes no keywords
    out: Any,
) -> tuple[int, int]:
    """Finds the windows whose length and check are registered: (how many are in `out`, where the rest starts).

    It is called as `kernels.checked`. `units` and `powers` come from `factors`; `mixed` says whether all secrets are mixed.
    """
    able = lengths.size
    while able > 0 and lengths[able - 1] > data.size - done:
        able -= 1
    if able == 0:
        return 0, data.size
    lengths = lengths[:able]
    shortest, longest = lengths[0], lengths[able - 1]
    block = min(block_size(longest), (data.size - done + 63) // 64 * 64)
    words = ((block + longest) >> 6) + 2
    edge = np.zeros(WORD * (words + 1), np.uint8)
    inside = np.empty(words, np.uint64)
    frees = np.zeros((2, words + (shortest >> 6) + 2), np.uint64)
    sums = np.empty(block + longest + 1, np.uint64)
    scratch = np.empty((3, block + 64), np.uint32)
    ones = ~np.uint64(0)
    count = 0
    while done < data.size:
        text = edge
        if data.size - done >= edge.size:
            text = data[done : done + edge.size]
        else:
            edge[: data.size - done] = data[done:]
            edge[data.size - done :] = 0
        for word in range(words):
            inside[word] = ~PARTING(text, WORD * word)
        free = frees[long_stretches(inside, frees, words, shortest)]
        found = count
        at = next_bit(free, 0, block, np.uint64(0))
        while at < block:
            end = next_bit(inside, at, block + longest, ones)
            if not mixed or _is_mixed(text, at, end):
                found = _tested(
                    text[at:end], block - at, lengths, units, powers, sieve, slots, sums, scratch, done + at, out, found
                )  # fmt: skip
                if found < 0:
                    return (count or -1), done
            at = next_bit(free, end, block, np.uint64(0))
        count = found
        done += block
    return count, data.size
