"""Runs the programs of `detector.scan.regex_programs` over many regions, without a Python object for a match.

Backtracking can take exponential time, so it has a limit: if a program takes too many steps or has too many open
choices, it gives up, and the caller asks RE2.
"""
# ruff: noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - one loop, compiled: calls and objects are what it is without

from typing import Any, Final

import numpy as np

from detector.jit import compiled
from detector.scan.regex_programs import BEGIN, CLASS, END, GREEDY, JUMP, LAZY, NO_WORD, SAVE, SPLIT, WORD

_OPEN: Final = 2048  # choices
_STEPS: Final = 4  # a byte
_AT_LEAST: Final = 2000  # steps a region
_FAILED: Final = -1
_TOO_MANY: Final = -2
_FEED: Final = 10


def _word_bytes() -> Any:
    table = np.zeros(256, np.uint8)
    table[list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] = 1
    table.flags.writeable = False
    return table


_WORDS: Final = _word_bytes()


@compiled
def _attempt(
    data: Any, begin: int, high: int, code: Any, classes: Any, stack: Any, steps: int
) -> tuple[int, int, int, int]:
    """The match that begins at `begin`: (its end or an error, start and end of the secret, steps left)."""
    pc, at, start, stop, depth = 0, begin, -1, -1, 0
    while True:
        steps -= 1
        if steps < 0 or depth >= _OPEN - 1:
            return _TOO_MANY, start, stop, steps
        kind = code[pc, 0]
        passes = True
        if kind == CLASS:
            passes = at < high and classes[code[pc, 1], data[at]] != 0
            at += 1
            pc += 1
        elif kind == GREEDY:
            members = classes[code[pc, 1]]
            limit = min(high, at + code[pc, 3])
            end = at
            while end < limit and members[data[end]] != 0:
                end += 1
            steps -= (end - at) >> 2
            least = at + code[pc, 2]
            passes = end >= least
            pc += 1
            if passes and end > least:
                stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = (
                    pc,
                    end - 1,
                    least,
                    GREEDY,
                )
                stack[depth, 4], stack[depth, 5] = start, stop
                depth += 1
            at = end
        elif kind == LAZY:
            members = classes[code[pc, 1]]
            least = at + code[pc, 2]
            limit = at + code[pc, 3]
            while at < least and at < high and members[data[at]] != 0:
                at += 1
            passes = at >= least
            if passes:
                stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = pc, at, limit, LAZY
                stack[depth, 4], stack[depth, 5] = start, stop
                depth += 1
            pc += 1
        elif kind == SPLIT:
            stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = code[pc, 2], at, at, SPLIT
            stack[depth, 4], stack[depth, 5] = start, stop
            depth += 1
            pc = code[pc, 1]
        elif kind == JUMP:
            pc = code[pc, 1]
        elif kind == SAVE:
            if code[pc, 1] == 0:
                start = at
            else:
                stop = at
            pc += 1
        elif kind in (WORD, NO_WORD):
            before = at > 0 and _WORDS[data[at - 1]] != 0
            after = at < data.size and _WORDS[data[at]] != 0
            passes = (before != after) == (kind == WORD)
            pc += 1
        elif kind == BEGIN:
            passes = at == 0 or data[at - 1] == _FEED
            pc += 1
        elif kind == END:
            passes = at == data.size or data[at] == _FEED
            pc += 1
        else:
            return at, start, stop, steps
        while not passes:
            if depth == 0:
                return _FAILED, start, stop, steps
            top = depth - 1
            pc, at, limit, kind = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
            start, stop = stack[top, 4], stack[top, 5]
            steps -= 1
            passes = True
            if kind == SPLIT:
                depth = top
            elif kind == GREEDY:
                stack[top, 1] = at - 1
                if at - 1 < limit:
                    depth = top
            elif at < high and at < limit and classes[code[pc, 1], data[at]] != 0:
                at += 1
                stack[top, 1] = at
                pc += 1
            else:
                depth = top
                passes = False


@compiled
def search(
    data: Any, regions: Any, region: int, at: int, code: Any, classes: Any, leads: Any, out: Any
) -> tuple[int, int, int]:
    """Writes to `out` the matches of each region, none overlapping: start, end, start and end of the secret.

    Begins in `region` at `at`. Returns how many it wrote, and the region and place where it stopped: after the last
    region, where `out` was full, or where it gave up. In that case the region is -1 - its number.
    """
    stack = np.empty((_OPEN, 6), np.int64)
    count = 0
    while region < len(regions):
        low, high = regions[region, 0], regions[region, 1]
        at = max(at, low)
        steps = _AT_LEAST + _STEPS * (high - at)
        last = high - leads.shape[0]
        while at < high:
            if leads[0, data[at]] == 0:
                at += 1
                continue
            if at <= last:
                ahead = 1
                while ahead < leads.shape[0] and leads[ahead, data[at + ahead]] != 0:
                    ahead += 1
                if ahead < leads.shape[0]:
                    at += 1
                    continue
            if count == len(out):
                return count, region, at
            end, start, stop, steps = _attempt(data, at, high, code, classes, stack, steps)
            if end == _TOO_MANY:
                return count, -1 - region, at
            if end == _FAILED:
                at += 1
                continue
            out[count, 0], out[count, 1], out[count, 2], out[count, 3] = at, end, start, stop
            count += 1
            at = end
        region += 1
        at = 0
    return count, region, 0
