"""Characters beyond ASCII that change how a text is read and not what it says, and how to write it without them.

Characters without a width (Unicode, section 23.2; U+200B to U+200F, U+2060 to U+2064, U+FEFF, U+00AD, U+180E, the
variation selectors U+FE00 to U+FE0F) are left out. Full-width forms (U+FF01 to U+FF5E) become ASCII.
"""
# ruff: noqa: PLR0911, PLR2004 - a compiled loop is one function; bytes are written as their codes

from typing import Any

from detector.jit import bare


@bare
def read(data: Any, at: int, end: int) -> int:
    """What stands at `at`: -1 a character without a width, the byte that a full-width form stands for, else 0."""
    lead = data[at]
    if lead == 0xC2 and at + 1 < end and data[at + 1] == 0xAD:
        return -1
    if lead < 0xE1 or at + 2 >= end:
        return 0
    second, third = data[at + 1], data[at + 2]
    if lead == 0xE2:
        hidden = (second == 0x80 and 0x8B <= third <= 0x8F) or (second == 0x81 and 0xA0 <= third <= 0xA4)
        return -1 if hidden else 0
    if lead == 0xEF:
        if second == 0xBC and 0x81 <= third <= 0xBF:
            return int(third) - 0x60
        if second == 0xBD and 0x80 <= third <= 0x9E:
            return int(third) - 0x20
        hidden = (second == 0xBB and third == 0xBF) or (second == 0xB8 and 0x80 <= third <= 0x8F)
        return -1 if hidden else 0
    return -1 if lead == 0xE1 and second == 0xA0 and third == 0x8E else 0


@bare
def rewrite(data: Any, spans: Any, out: Any, segments: Any) -> tuple[int, int]:
    """Write the spans to `out` without them, a newline after each: (bytes, segments), as `escapes.rewrite`."""
    to = count = below = 0
    for index in range(spans.shape[0]):
        at, end = spans[index, 0], spans[index, 1]
        if to and at != below:
            out[to] = 0x0A
            to += 1
        step, before = 0, to
        while at < end:
            said = read(data, at, end) if data[at] >= 0xC2 else 0
            if said < 0:
                at += 2 if data[at] == 0xC2 else 3
                step = 0
                continue
            here = -3 if said else 1
            size = 3 if said else 1
            if here != step:
                segments[count, 0], segments[count, 1], segments[count, 3] = to, at, here
                count += 1
                step = here
            out[to] = said or data[at]
            to += 1
            at += size
            segments[count - 1, 2] = at
        if to > before:
            out[to] = 0x0A
            to += 1
        below = end + 1
    return to, count
