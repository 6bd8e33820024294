"""The compiled loops that say what runs of base64 and hex digits say, over many lines too.

Without numba the same functions run as plain Python over the runs concerned.
"""
# ruff: noqa: C901, PLR2004, PLR0912, PLR0913, PLR0915, PLR0917 - bytes are written as their codes; a compiled loop is one function

from typing import Any, Final

from detector.jit import bare
from detector.scan.digits import BASE64, NONE, PRINTABLE

_LEAST_WRAPPED, _MOST_WRAPPED = 40, 160  # digits of a line that may go on in the next
_INDENT: Final = 16  # bytes of white space before its digits, or of what
_LEAST_REST: Final = 4  # bytes of text at the start of a shorter line that is not all text
_LEAST_HEAD, _LONGEST_HEAD = 7, 160  # a log puts before each line: a time, a level


@bare
def _number_end(data: Any, at: int) -> int:
    while at < data.size and 0x30 <= data[at] < 0x3A:
        at += 1
    return at


@bare
def head_like(data: Any, head: int, end: int, at: int) -> int:
    """The end of what a log puts before each line, if it stands at `at` as it does at `head`; else `at`.

    That is all words before `end` that both have, but for their numbers; a blank is behind the last.
    """
    after = place = at
    while head < end and place < data.size and place - at < _LONGEST_HEAD:
        if 0x30 <= data[head] < 0x3A and 0x30 <= data[place] < 0x3A:
            head, place = _number_end(data, head), _number_end(data, place)
            continue
        if data[head] != data[place] or data[head] == 0x0A:
            break
        head += 1
        place += 1
        if data[place - 1] == 0x20 or data[place - 1] == 0x09:
            after = place
    return after if after - at >= _LEAST_HEAD else at


@bare
def _digits_end(data: Any, at: int, most: int) -> int:
    """The end of digits at `at`, of which one more than `most` is too many."""
    end = at
    while end < data.size and end - at <= most and BASE64[data[end]] != NONE:
        end += 1
    return end


@bare
def _ends_line(data: Any, at: int) -> bool:
    end = after_padding(data, at)
    return bool(end >= data.size or data[end] == 0x0A or data[end] == 0x0D)


@bare
def below(data: Any, stop: int, width: int, head: int) -> tuple[int, int]:
    """The digits of the next line that go on with `width` digits that end at `stop`: from, to; 0, 0 if none do.

    `head` is the place of what the log put before the first of these lines, or that of its digits.
    """
    if width < _LEAST_WRAPPED or width > _MOST_WRAPPED:
        return 0, 0
    at = stop
    if at < data.size and data[at] == 0x0D:
        at += 1
    if at >= data.size or data[at] != 0x0A:
        return 0, 0
    at += 1
    first = head_like(data, head, stop, at)
    last = _digits_end(data, first, width)
    if first in (at, last) or not _ends_line(data, last):
        first = at
        while first < data.size and first - at < _INDENT and (data[first] == 0x20 or data[first] == 0x09):
            first += 1
        last = _digits_end(data, first, width)
    size = last - first
    if size == 0 or size > width or size % 4 == 1:
        return 0, 0
    return first, last


@bare
def line_start(data: Any, at: int) -> int:
    """The start of the line that holds `at`, or so far back as what stands before a line may reach."""
    low = at
    while low > 0 and at - low < _LONGEST_HEAD and data[low - 1] != 0x0A:
        low -= 1
    return low


@bare
def after_padding(data: Any, stop: int) -> int:
    """The end of the `=` behind digits."""
    end = stop
    while end < data.size and end < stop + 2 and data[end] == 0x3D:
        end += 1
    return end


@bare
def undo(data: Any, first: int, last: int, held: int, bits: int, out: Any, to: int) -> tuple[int, int, int]:
    """Decode digits behind `bits` bits (`held`) of others: what is held then, its bits, the place in `out` after it."""
    for at in range(first, last):
        held = (held << 6 | int(BASE64[data[at]])) & 0xFFF
        bits += 6
        if bits >= 8:
            bits -= 8
            out[to] = held >> bits & 255
            to += 1
    return held, bits, to


@bare
def _text_until(out: Any, at: int, end: int) -> int:
    """The place of the first byte that is not text, or `end`."""
    while at < end and PRINTABLE[out[at]]:
        at += 1
    return at


@bare
def _write_twice(
    out: Any, begin: int, to: int, rest: int, segments: Any, digits: Any, segment: int, count: int
) -> None:
    """Write a text and its segments once more, two newlines behind the first, with the `rest` that stands behind it."""
    move = to + 2 - begin
    for at in range(rest - 1, -1, -1):
        out[to + move + at] = out[to + at]
    for at in range(begin, to):
        out[at + move] = out[at]
    out[to] = out[to + 1] = 0x0A
    for row in range(segment, count):
        copy = row + count - segment
        segments[copy, 0] = segments[row, 0] + move
        segments[copy, 1], segments[copy, 2], segments[copy, 3] = (
            segments[row, 1],
            segments[row, 2],
            segments[row, 3],
        )
        digits[copy, 0], digits[copy, 1] = digits[row, 0], digits[row, 1]


@bare
def unbase64(
    data: Any, rows: Any, done: Any, out: Any, segments: Any, digits: Any, starts: Any, kinds: Any
) -> tuple[int, int, int]:
    """Write the texts of `digits.base64_stretches` to `out`, two newlines after each: bytes, segments, texts.

    Where the printable groups reach to the end of a line, those below that go on with them are decoded too. If the
    last of these lines is text at its start only, the text is written twice, without this rest and with it. `starts`
    gets the place of each text, `kinds` 1 where it is of the URL alphabet, `digits` is as `decoder.Part` has it.
    `done`, zeros, is as long as the data. It stops at the text that has no room.
    """
    to = count = texts = 0
    for row in range(rows.shape[0]):
        start, end, run, stop = rows[row, 0], rows[row, 1], rows[row, 2], rows[row, 3]
        if done[run] >> ((start - run) & 3) & 1:
            continue
        # The groups around the printable ones may hold the text's first and last bytes.
        low = start - 4 if start - 4 >= run else start
        wraps = end + 4 > stop
        high = stop if wraps else end + 4
        if to + (high - low) + 1 > out.size or count == segments.shape[0]:
            break
        begin, segment, rest = to, count, 0
        held, bits, reached = undo(data, low, high, 0, 0, out, to)
        front = begin
        for at in range(begin, begin + (start - low) // 4 * 3):
            if not PRINTABLE[out[at]]:
                front = at + 1
        good = _text_until(out, begin + (end - low) // 4 * 3, reached)
        size = good - front
        for at in range(size if front > begin else 0):
            out[begin + at] = out[front + at]
        to = begin + size
        kinds[texts] = 0
        for at in range(start, end):
            if data[at] == 0x2D or data[at] == 0x5F:
                kinds[texts] = 1
        segments[count, 0], segments[count, 1], segments[count, 3] = begin, run, 0
        segments[count, 2] = after_padding(data, stop)
        digits[count, 0], digits[count, 1] = 3 * low + 4 * (front - begin), 4
        count += 1
        width, read, pieces, last = stop - run, stop - low, 1, stop
        head = line_start(data, run) if wraps else run
        while wraps and good == reached and count < segments.shape[0]:
            first, last = below(data, last, width, head)
            if last == 0 or to + last - first + 1 > out.size:
                break
            begun = 3 * first - bits // 2  # where the byte begins whose first bits the line above has
            held, bits, reached = undo(data, first, last, held, bits, out, to)
            good = _text_until(out, to, reached)
            if good < reached:  # not all of it is text: it is another's line, or binary data goes on
                if good - to >= (1 if last - first == width else _LEAST_REST):
                    rest = good - to
                break
            segments[count, 0], segments[count, 1], segments[count, 3] = to, first, 0
            segments[count, 2] = after_padding(data, last)
            digits[count, 0], digits[count, 1] = begun, 4
            count += 1
            to = reached
            done[first] |= 1 << (-read & 3)
            read += last - first
            pieces += 1
            wraps = last - first == width or pieces == 2
            width = last - first
            reached = good = to
        starts[texts] = begin
        texts += 1
        if rest and 2 * to - begin + rest + 4 <= out.size and 2 * count - segment < segments.shape[0]:
            move = to + 2 - begin
            _write_twice(out, begin, to, rest, segments, digits, segment, count)
            count += count - segment
            segments[count, 0], segments[count, 1], segments[count, 3] = to + move, first, 0
            segments[count, 2] = after_padding(data, last)
            digits[count, 0], digits[count, 1] = begun, 4
            count += 1
            starts[texts], kinds[texts] = begin + move, kinds[texts - 1]
            texts += 1
            to += move + rest
        out[to] = out[to + 1] = 0x0A
        to += 2
    return to, count, texts
