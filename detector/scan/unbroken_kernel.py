"""Compiled loops that test windows for registered secrets whose shape is known, by length and rolling check.

Such a secret has no white space, control character, quote or comma in it (`detector.values.registrable.UNBROKEN`), so
only runs without these are looked at, and of them only those as long as a registered secret. `runs_of` finds them
once for all that is looked for, 64 bytes at a time. For mixed secrets, runs without letters of both cases are passed
over too.
"""
# ruff: noqa: PLR0913, PLR0917 - a compiled loop takes its arrays apart: numba cannot see into a struct

from typing import Any, Final

import numpy as np

from detector.byte_masks import WORD, mask_of
from detector.jit import bare, compiled, place, zeros_above
from detector.scan.form_kernel import letters
from detector.scan.kernels import in_taken_slots, sieve_shift
from detector.scan.window_kernel import block_size, factors, passing_sieve, registered, summed
from detector.values.registrable import BREAKS

__all__ = ["checked", "factors", "runs_of"]

_PARTING: Final = mask_of((0, 33, 0), (34, 1, 0), (39, 1, 0), (44, 1, 0))  # white space, controls, " ' ,
_PARTS: Final = np.array([byte in BREAKS for byte in range(256)], np.bool_)  # the same
_WORDS: Final = 64  # words of 64 bytes that are looked at together


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
def _long_stretches(inside: Any, free: Any, words: int, shortest: int) -> int:
    """Writes to a row of `free`, two rows of bits, where so many bytes or more are inside, and gives its number.

    Behind the words the rows are zeros.
    """
    for word in range(words):
        free[0, word] = inside[word]
    row, now = 0, 1
    while now < shortest:
        by = min(now, shortest - now)
        _narrowed(free[row], free[1 - row], words, by)
        row = 1 - row
        now += by
    return row


@bare
def _last_parting(inside: Any, words: int) -> int:
    """The last of the bytes that is in no run, -1 if there is none."""
    for word in range(words - 1, -1, -1):
        parting = ~inside[word]
        if parting != np.uint64(0):
            return int(WORD * word + 63 - np.int64(zeros_above(parting)))
    return -1


@bare
def _run_end(data: Any, at: int) -> int:
    """Where the run ends that goes on at `at`."""
    while at + WORD <= data.size and _PARTING(data, at) == np.uint64(0):
        at += WORD
    while at < data.size and not _PARTS[data[at]]:
        at += 1
    return at


@bare
def _add_runs(free: Any, words: int, place_of: int, shortest: int, out: Any, count: int) -> int:
    """Adds the runs of which the places are set at which so many bytes of them begin: how many there are then."""
    one, none, top = np.uint64(1), np.uint64(0), np.uint64(63)
    begun = ended = count
    before = none
    for word in range(words):
        bits = free[word]
        first = bits & ~(bits << one | before)
        last = bits & ~(bits >> one | free[word + 1] << top)
        before = bits >> top
        at = place_of + WORD * word
        # One is written without a branch, which nothing could foretell.
        out[begun, 0] = at + np.int64(place(first))
        begun += int(first != none)
        first &= first - one
        while first != none:
            out[begun, 0] = at + np.int64(place(first))
            begun += 1
            first &= first - one
        at += shortest
        out[ended, 1] = at + np.int64(place(last))
        ended += int(last != none)
        last &= last - one
        while last != none:
            out[ended, 1] = at + np.int64(place(last))
            ended += 1
            last &= last - one
    return begun


@compiled
def marked_runs(data: Any, shortest: int, out: Any) -> int:
    """Writes the start and end of each run of so many bytes or more: how many.

    `out` has room for one more than there can be. Text is looked at from one byte that parts runs to another, so none
    reaches over what is looked at together.
    """
    words = min(_WORDS, (data.size + WORD - 1) // WORD)
    edge = np.zeros(WORD * words, np.uint8)
    inside = np.empty(words, np.uint64)
    free = np.zeros((2, words + (shortest >> 6) + 2), np.uint64)
    count = done = 0
    while done < data.size:
        text = edge
        if data.size - done >= edge.size:
            text = data[done : done + edge.size]
        else:
            edge[: data.size - done] = data[done:]
            edge[data.size - done :] = 0
        for word in range(words):
            inside[word] = ~_PARTING(text, WORD * word)
        last = _last_parting(inside, words)
        if last < 0:
            end = _run_end(data, done + edge.size)
            if end - done >= shortest:
                out[count, 0], out[count, 1] = done, end
                count += 1
            done = end + 1
            continue
        inside[last >> 6] &= (np.uint64(1) << np.uint64(last & 63)) - np.uint64(1)
        inside[(last >> 6) + 1 :] = np.uint64(0)
        row = _long_stretches(inside, free, words, shortest)
        count = _add_runs(free[row], (last >> 6) + 1, done, shortest, out, count)
        done += last + 1
    return count


def runs_of(view: Any, shortest: int) -> Any:
    """Rows (start, end) of the runs of so many bytes or more."""
    rows = np.empty((view.size // (shortest + 1) + 2, 2), np.int64)
    return rows[: marked_runs(view, shortest, rows)]


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
    """Adds the registered windows that begin in the first `starts` bytes of a run.

    Returns the new count, -1 if `out` is full. `place` is that of the run in the text.
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
    runs: Any,
    at: Any,
    lengths: Any,
    units: Any,
    powers: Any,
    sieve: Any,
    slots: Any,
    mixed: bool,  # noqa: FBT001 - a compiled loop takes no keywords
    out: Any,
) -> int:
    """Finds the windows whose length and check are registered in runs of `runs_of`: how many are in `out`.

    `at` says where to begin: the number of the run and a place in the data. It is moved to where the rest starts.
    Call it again until the number is that of all runs. A count of -1 means that `out` is too small for one block.
    `units` and `powers` come from `factors`; `mixed` says whether all secrets are mixed.
    """
    able = lengths.size
    while able > 0 and lengths[able - 1] > data.size:
        able -= 1
    if able == 0:
        at[0] = runs.shape[0]
        return 0
    lengths = lengths[:able]
    shortest, longest = lengths[0], lengths[able - 1]
    block = min(block_size(longest), (data.size + 63) // 64 * 64)
    sums = np.empty(block + longest + 1, np.uint64)
    scratch = np.empty((3, block + 64), np.uint32)
    count = 0
    resumed = at[1]
    for number in range(at[0], runs.shape[0]):
        end = runs[number, 1]
        begin = max(runs[number, 0], resumed)
        if end - begin < shortest:
            continue
        if mixed:
            capitals, smalls = letters(data, begin, end)
            if not (capitals and smalls):
                continue
        while end - begin >= shortest:
            text = data[begin : min(end, begin + block + longest)]
            found = _tested(
                text, block, lengths, units, powers, sieve, slots, sums, scratch, begin, out, count
            )
            if found < 0:
                at[0], at[1] = number, begin
                return count or -1
            count = found
            begin += block
    at[0] = runs.shape[0]
    return count
