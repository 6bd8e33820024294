"""Text whose characters stand apart by a fixed step: UTF-16, printed with blanks, one character a line."""

# ruff: noqa: C901, PLR0913, PLR0917 - a compiled loop is one function

from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.scan.digits import PRINTABLE
from detector.scan.kernels import ALNUM, CLASSES

_GRAPHIC: Final = np.array([32 < byte < 127 for byte in range(256)], np.bool_)  # noqa: PLR2004 - ASCII


@bare
def _parted(data: Any, at: int, parter: int, step: int) -> bool:
    """Whether what parts the characters stands at `at`: that byte, at three steps with a line feed."""
    if at < 0 or at + step - 1 > data.size or data[at] != parter:
        return False
    return bool(step == 2 or data[at + 1] == 0x0A)  # noqa: PLR2004 - a line feed, or nothing more


@bare
def closed_up(data: Any, places: Any, step: int, least: int, out: Any, segments: Any) -> tuple[int, int]:
    """Write such text around the places where a parter stands to `out`, two newlines after each: bytes, segments.

    A character at either end that others are glued to is one of theirs. UTF-16 may have colours in it. A segment is
    (place in `out`, start and end in `data`, `step`). It stops at the text that has no room.
    """
    to = count = 0
    done = 0
    for place in places:
        if place < done:
            continue
        parter = data[place]
        good = PRINTABLE if parter == 0 else _GRAPHIC
        low = place - 1
        if low < done or not good[data[low]]:
            low = place + step - 1
        while low - step >= done and _parted(data, low - step + 1, parter, step) and good[data[low - step]]:
            low -= step
        high = low
        while high < data.size and good[data[high]]:
            high += step
            if not _parted(data, high - step + 1, parter, step):
                break
        end = high - step + 1
        done = max(end, place + 1)
        if low > 0 and CLASSES[data[low]] == ALNUM and CLASSES[data[low - 1]] == ALNUM:
            low += step
        if end > low and end < data.size and CLASSES[data[end - 1]] == ALNUM and CLASSES[data[end]] == ALNUM:
            end -= step
        size = (end - low + step - 1) // step
        if size < least:
            continue
        if to + size + 2 > out.size:
            break
        segments[count, 0], segments[count, 1], segments[count, 2], segments[count, 3] = to, low, end, step
        for at in range(low, end, step):
            out[to] = data[at]
            to += 1
        out[to] = out[to + 1] = 0x0A
        to += 2
        count += 1
    return to, count
