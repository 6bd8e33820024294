"""Words that are cut in two by the end of a line and nothing else, and where they go on in the next.

| the line | goes on |
| --- | --- |
| is as wide as a terminal, perhaps behind its first word | with the first word of the next, while lines are as wide |
| has the same before its last word as the next line | with the next last word: `A=first`, `B=second`; a folded scalar |

What a log puts before each line is left out. Two words may never have belonged together, so only what nothing else
looks like is believed in what comes of it (`sightings`). Each line feed is looked at, with a few bytes before it.
"""
# ruff: noqa: PLR0913, PLR0917, PLR2004 - a compiled loop takes its arrays apart; bytes are written as their codes

from typing import Any, Final

import numpy as np

from detector.byte_masks import WORD, mask_of
from detector.jit import bare, place, zeros_above
from detector.scan.digits import BASE64, HEX, NONE
from detector.scan.joins import (
    DOT,
    LONGEST,
    NEWLINE,
    RETURN,
    is_word,
    line_below,
    line_start,
    may_be_one,
    turns_near,
    word_end,
    word_start,
)
from detector.scan.runs import head_like

_FEEDS: Final = 5  # where they begin in `lines`, behind what is known of the lines before: zeros at first
BESIDE: Final = _FEEDS + 2  # room in `lines` beside them
_LEAST_BODY: Final = 40  # digits of a line of many, which have decoders of their own
_LEAST_PART: Final = 8  # bytes of a word of two lines alike
_LONGEST_BEFORE, _LONGEST_NAME = 160, 64
_EQUALS: Final = 0x3D
_BLANK: Final = mask_of((0, 0x21, 0))
_FEED: Final = mask_of((NEWLINE, 1, 0))
_ASSIGNS: Final = mask_of((_EQUALS, 1, 0))
_IN_BASE64: Final = mask_of(
    (0x30, 10, 0), (0x41, 26, 0x20), (0x2B, 1, 0), (0x2D, 1, 0), (0x2F, 1, 0), (0x5F, 1, 0)
)
_TOO_WIDE: Final = 255
_WIDTHS: Final = np.zeros(_TOO_WIDE + 1, np.bool_)
_WIDTHS[[20, 40, 80, 100, 120, 132]] = True
"""Of terminals, and of what tools make of lines."""
_CLOSES: Final = np.array([byte in b"\"',;" for byte in range(256)], np.bool_)


@bare
def _last_word(data: Any, line: int, end: int) -> int:
    """The start of the last word of a line that ends at `end`; `end` if it is too long or there is none."""
    at = end
    while at >= WORD and end - at < LONGEST:
        bits = _BLANK(data, at - WORD)
        if bits != np.uint64(0):
            return max(line, at - int(zeros_above(bits)))
        at -= WORD
        if at <= line:
            return line
    while at > line and end - at < LONGEST and data[at - 1] > 0x20:
        at -= 1
    return end if end - at >= LONGEST else at


@bare
def _line_end(data: Any, at: int) -> int:
    """The end of the line that begins at `at`, its line feed behind it; at most as many bytes on as are looked at."""
    end = at
    while end + WORD <= data.size and end - at < LONGEST:
        bits = _FEED(data, end)
        if bits != np.uint64(0):
            return end + int(place(bits))
        end += WORD
    while end < data.size and end - at < LONGEST and data[end] != NEWLINE:
        end += 1
    return end


@bare
def _without_return(data: Any, line: int, end: int) -> int:
    return end - (end > line and data[end - 1] == RETURN)


@bare
def _first_blank(data: Any, line: int) -> Any:
    """How many of the 64 bytes from `line` on stand before the first blank."""
    if line + WORD <= data.size:
        return np.int64(place(_BLANK(data, line)))
    at = line
    while at < data.size and data[at] > 0x20:
        at += 1
    return at - line if at < data.size else WORD


@bare
def _may_be_wide(data: Any, line: int, end: int, below: int) -> bool:
    """Whether a line is as wide as a terminal, by itself or behind its first word. The next begins at `below`."""
    width = end - line
    if _WIDTHS[min(width, _TOO_WIDE)]:
        return bool(below < data.size)
    if width >= _TOO_WIDE:
        return False
    head = _first_blank(data, line) + 1
    return bool(
        head < width and _WIDTHS[width - head] and below + head < data.size and is_word(data[below + head])
    )


@bare
def _others(data: Any, start: int, end: int) -> int:
    """The first of data[start:end] that is no digit of base64; `end` if all are."""
    at = start
    while at < end and at + WORD <= data.size:
        others = ~_IN_BASE64(data, at)
        if others != np.uint64(0):
            return min(end, at + int(place(others)))
        at += WORD
    while at < end and BASE64[data[at]] != NONE:
        at += 1
    return min(end, at)


@bare
def _are_base64(data: Any, start: int, end: int, below: int, stop: int) -> bool:
    """Whether two parts are nothing but digits of base64, and one is as long as a line of them."""
    if max(end - start, stop - below) < _LEAST_BODY:
        return False
    if _others(data, start, end) < end:
        return False
    for at in range(_others(data, below, stop), stop):
        if BASE64[data[at]] == NONE and data[at] != _EQUALS:
            return False
    return True


@bare
def _are_digests(data: Any, start: int, end: int, below: int, stop: int) -> bool:
    """Whether two parts are digests of the same length."""
    if end - start != stop - below or end - start < _LEAST_BODY:
        return False
    for at in range(end - start):
        if HEX[data[start + at]] == NONE or HEX[data[below + at]] == NONE:
            return False
    return True


@bare
def _wide_parts(data: Any, line: int, end: int, parts: Any) -> int:
    """Fill `parts` with those (start, end) of a word that a terminal's width cuts at the line feed `end`: how many."""
    last = _without_return(data, line, end)
    start = word_start(data, last, line)
    if _is_whole(data, start, last):
        return 0
    parts[0, 0], parts[0, 1] = start, last
    count, width, size, below = 1, last - line, last - start, end + 1
    while 0 < size < LONGEST and count < parts.shape[0] and below < data.size:
        first = head_like(data, line, last, below)
        if not (_WIDTHS[width] or _WIDTHS[max(0, width - (first - below))]):
            break
        stop = word_end(data, first)
        if stop == first or stop - below > width:
            break
        if count == 1 and _are_digests(data, start, last, first, stop):
            break
        parts[count, 0], parts[count, 1] = first, stop
        size += stop - first
        count += 1
        after = line_below(data, stop)
        if stop - below != width or not after:
            break
        below = after
    return count if count > 1 else 0


@bare
def _alike(data: Any, line: int, below: int, size: int) -> bool:
    """Whether two lines begin alike, but for digits and one more character: `part 1: `, `TOKEN_A: `."""
    if size > _LONGEST_BEFORE:
        return False
    others = 0
    for at in range(size - 1, -1, -1):  # lines that are not alike differ in their last words
        one, other = data[line + at], data[below + at]
        if one != other and not (0x30 <= one < 0x3A and 0x30 <= other < 0x3A):
            others += 1
            if others > 1:
                return False
    return True


@bare
def _named(data: Any, start: int, end: int) -> int:
    """How long the name before a value is, with its `=` and a quote; 0 if there is none."""
    if start + WORD <= data.size and _ASSIGNS(data, start) == np.uint64(0):
        return 0
    for at in range(start + 1, min(end - 1, start + _LONGEST_NAME)):
        if data[at] == _EQUALS:
            return int(at + 1 - start + (data[at + 1] == 0x22 or data[at + 1] == 0x27))
        if not (0x30 <= data[at] < 0x3A or 0x41 <= data[at] & 0xDF < 0x5B or data[at] in (0x5F, 0x2D, 0x2E)):
            break
    return 0


@bare
def _closed(data: Any, start: int, end: int) -> int:
    """The end of a word without what closes it."""
    while end > start and _CLOSES[data[end - 1]]:
        end -= 1
    return end


@bare
def _is_whole(data: Any, start: int, end: int) -> bool:
    """Whether a word ends with the padding of base64 or with dots: nothing goes on behind it."""
    if end - start < 2 or data[end - 1] == _EQUALS:
        return True
    return bool(data[end - 1] == DOT and data[end - 2] == DOT)


@bare
def _column_parts(data: Any, line: int, start: int, end: int, parts: Any) -> int:
    """The same of a word that begins at `start` and goes on in the lines below, with only the same before it."""
    last = _without_return(data, line, end)
    column, size, below, count = start - line, last - start, end + 1, 1
    name = _named(data, start, last)
    parts[0, 0], parts[0, 1] = start, _closed(data, start, last)
    while count < parts.shape[0] and count * size < LONGEST and below + column < data.size:
        after = _line_end(data, below)
        stop = _without_return(data, below, after)
        first = below + column
        here = stop - first
        if here <= 0 or data[first] <= 0x20 or _last_word(data, below, stop) != first:
            break
        if not _alike(data, line, below, column):
            break
        if here > size if count > 1 else here < _LEAST_PART:
            break
        named = _named(data, first, stop) if name else 0
        name = name if named else 0  # of two words one of which only looks like an assignment neither is
        parts[count, 0], parts[count, 1] = first + named, _closed(data, first, stop)
        if count == 1 and _are_base64(data, start + name, parts[0, 1], parts[1, 0], parts[1, 1]):
            break
        count += 1
        if here != size:
            break
        below = after + 1
    return count if count > 1 else 0


@bare
def wrapped_parts(data: Any, at: int, parts: Any) -> int:
    """Fill `parts` with those (start, end) of the word that is cut at the line feed at `at`: how many; 0 if none is."""
    line = line_start(data, at)
    if line < 0:
        return 0
    last = _without_return(data, line, at)
    if _may_be_wide(data, line, last, at + 1):
        count = _wide_parts(data, line, at, parts)
        if may_be_one(data, parts, count):
            return int(count)
    start = _last_word(data, line, last)
    return int(_column_parts(data, line, start, at, parts))


@bare
def _may_go_on(data: Any, line: int, word: int, end: int, below: int, other: int, stop: int) -> bool:
    """Whether the last words of two lines, at the same column, may be one: quickly, and more often than they are."""
    if not _alike(data, line, below, word - line):
        return False
    size, more = end - word, stop - other
    turns, others = turns_near(data, word, end), turns_near(data, other, stop)
    if turns == 0 or others == 0 or turns + others < 3 or 8 * (turns + others) < min(size + more, WORD):
        return False
    closed = _closed(data, word, end)
    # In JSON without blanks a line is one word.
    return bool(is_word(data[closed - 1]) and not _is_whole(data, word, closed))


@bare
def add_line_feeds(bits: Any, at: int, lines: Any, count: int) -> int:
    """Adds the line feeds of 64 bytes, as bits, to those of `lines` that wait for `add_wraps`: how many there are then.

    Two are written without a branch, which nothing could foretell.
    """
    one, none = np.uint64(1), np.uint64(0)
    more = bits & bits - one
    rest = more & more - one
    here = _FEEDS + count
    lines[here], lines[here + 1] = at + int(place(bits)), at + int(place(more))
    count += int(bits != none) + int(more != none)
    while rest != none:
        lines[_FEEDS + count] = at + int(place(rest))
        rest &= rest - one
        count += 1
    return count


@bare
def _added(data: Any, at: int, parts: Any, count: int, out: Any, found: int, done: int) -> tuple[int, int]:
    """Adds the line feed at `at` if so many parts may be one word: how many there are in `out`, and what is done then.

    Of several that are none the last is looked at again, not each: lines of equal words would cost too much.
    """
    if found < out.size and may_be_one(data, parts, count):
        out[found] = at
        return found + 1, parts[count - 1, 1]
    return found, parts[count - 1, 0] if count > 2 else done


@bare
def add_wraps(data: Any, lines: Any, count: int, parts: Any, out: Any, found: int) -> int:
    """Adds to `out` the line feeds at which a word may be cut, of `count` that wait; how many there are then.

    `parts` is scratch for a few.
    """
    # Where this line begins; the line above, its last word and end; and up to where all is looked at.
    line, above, above_word, above_end, done = lines[0], lines[1], lines[2], lines[3], lines[4]
    for end in lines[_FEEDS : _FEEDS + count]:
        if end - line < _LEAST_PART:  # neither of both
            above, above_word, above_end, line = line, end, end, end + 1
            continue
        last = _without_return(data, line, end)
        word = _last_word(data, line, last)
        if (
            (word - line == above_word - above)
            & (min(last - word, above_end - above_word) >= _LEAST_PART)
            & (above_end >= done)
        ) and _may_go_on(data, above, above_word, above_end, line, word, last):
            several = _column_parts(data, above, above_word, line - 1, parts)
            found, done = _added(data, line - 1, parts, several, out, found, done)
        if end >= done and _may_be_wide(data, line, last, end + 1) and is_word(data[last - 1]):
            several = _wide_parts(data, line, end, parts)
            found, done = _added(data, end, parts, several, out, found, done)
        above, above_word, above_end, line = line, word, last, end + 1
    lines[0], lines[1], lines[2], lines[3], lines[4] = line, above, above_word, above_end, done
    return found
