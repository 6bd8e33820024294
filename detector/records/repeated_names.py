"""Finds JSON objects that have a name twice. Parsers differ in which of the two counts, and so do readers.

Whoever writes a record with a name twice can show one value to us and another to somebody else. So such a record is
never an event, and as a log record it is scanned as it stands too.

The compiled loop looks at quotes and backslashes, and at what stands between strings; it passes over all else eight
bytes at a time. That costs a few percent of decoding the same JSON.
"""

# ruff: noqa: C901, PLR0912, PLR0913, PLR0917, PLR2004 - a compiled loop is one function; bytes are written as their codes

import json
import threading
from typing import Any, Final

import numpy as np

from detector.jit import bare, place
from detector.records.timestamps import Ints

_OPEN_NAMES: Final = 512  # of all objects that are open
_NAMES: Final = 64  # of one object: more are counted in Python
_DEPTH: Final = 128  # objects in objects
_CLEAN, _TWICE, _DOUBTFUL = 0, 1, 2
_WORD: Final = 8
_SHORT: Final = 1 << 14  # bytes of data for which scratch is kept
_NOTHING: Final = np.uint64(0)
_ONE: Final = np.uint64(1)


@bare
def _mark(data: Any, flags: Any) -> None:
    """Marks quotes and backslashes, and the place behind the data. Without branches: many bytes at a time."""
    for at in range(data.size):
        flags[at] = np.uint8(data[at] == np.uint8(34)) | np.uint8(data[at] == np.uint8(92))
    for at in range(data.size, (data.size // 8 + 1) * 8):
        flags[at] = np.uint8(1)


@bare
def _next_mark(words: Any, at: int) -> int:
    """The first marked byte from `at` on, by the flags as words of eight. There is one."""
    word = at >> 3
    bits = words[word] >> np.uint64((at & 7) << 3)
    if bits != _NOTHING:
        return at + int(place(bits) >> 3)
    word += 1
    while words[word] == _NOTHING:
        word += 1
    return (word << 3) + int(place(words[word]) >> 3)


@bare
def _names(
    data: Any, words: Any, start: int, end: int, deepest: int, begins: Any, ends: Any, firsts: Any
) -> int:
    """Whether the JSON in data[start:end] has a name twice in one object, down to objects `deepest` in objects.

    It is doubtful where a name has an escape, and where there are more names or objects than there is room for.
    `begins` and `ends` hold the places of the names of all open objects, `firsts` where those of each object begin.
    """
    depth = top = 0
    firsts[0] = 0
    at = start
    while at < end:
        byte = data[at]
        at += 1
        if byte == 123:  # {
            depth += 1
            if depth == _DEPTH:
                return _DOUBTFUL
            firsts[depth] = top
        elif byte == 125:  # }
            top = firsts[depth]
            depth = max(depth - 1, 0)
        elif byte == 34:  # a string
            begin, escaped = at, False
            at = _next_mark(words, at)
            while at < end and data[at] == 92:  # a backslash
                escaped = True
                at = _next_mark(words, at + 2) if at + 2 < end else end
            stop = at
            at += 1
            while at < end and (data[at] == 32 or 9 <= data[at] <= 13):
                at += 1
            if at >= end or data[at] != 58 or not 0 < depth <= deepest:  # no colon: it is a value
                continue
            first = firsts[depth]
            if escaped or top == _OPEN_NAMES or top - first == _NAMES:
                return _DOUBTFUL
            size = stop - begin
            for name in range(first, top):
                if ends[name] - begins[name] == size:
                    same = 0
                    while same < size and data[begin + same] == data[begins[name] + same]:
                        same += 1
                    if same == size:
                        return _TWICE
            begins[top], ends[top] = begin, stop
            top += 1
    return _CLEAN


@bare
def _lines(data: Any, starts: Any, deepest: int, flags: Any, words: Any, places: Any, found: Any) -> int:
    """Writes into `found` which lines have a name twice or are doubtful, each with which; how many those are."""
    _mark(data, flags)
    count = 0
    for line in range(starts.size):
        end = starts[line + 1] if line + 1 < starts.size else data.size
        told = _names(data, words, starts[line], end, deepest, places[0], places[1], places[2])
        if told != _CLEAN:
            found[count, 0], found[count, 1] = line, told
            count += 1
    return count


@bare
def _mark_names(third: Any, second: Any, last: Any, here: Any, flags: Any) -> None:
    """Marks every colon behind a name, and a few others: what a text shows that looks like one.

    The arrays are the data, each one byte further on: only so many bytes are compared at a time.
    """
    for at in range(here.size):
        quoted = np.uint8(last[at] == np.uint8(34))
        plain = np.uint8(second[at] != np.uint8(92)) | np.uint8(third[at] == np.uint8(92))
        apart = np.uint8(last[at] <= np.uint8(32))
        flags[at] = np.uint8(here[at] == np.uint8(58)) & (apart | (quoted & plain))


class _Scratch(threading.local):
    """What the loop writes to, one for each thread: a single line is searched in little more time than to call it."""

    def __init__(self) -> None:
        self.places = np.empty((3, _OPEN_NAMES), np.int64)
        self.found = np.empty((1, 2), np.int64)
        self.flags, self.words = _flags(_SHORT)


def _flags(size: int) -> tuple[Any, Any]:
    flags = np.empty((size // _WORD + 1) * _WORD, np.uint8)
    return flags, flags.view(np.uint64)


_scratch = _Scratch()
_FROM_THE_START: Final = np.zeros(1, np.int64)


def repeating_lines(data: bytes, starts: Ints, deepest: int = _DEPTH) -> list[int]:
    """Which of the lines that begin at `starts` are JSON in which an object has a name twice.

    Names are the same that are read alike, whatever escapes they are written with. With a `deepest` of 1 only the
    outermost object is looked at.
    """
    held = _scratch
    flags, words = (held.flags, held.words) if len(data) <= _SHORT else _flags(len(data))
    found = held.found if len(starts) == 1 else np.empty((len(starts), 2), np.int64)
    count = _lines(np.frombuffer(data, np.uint8), starts, deepest, flags, words, held.places, found)
    if not count:
        return []
    edges = [*starts.tolist(), len(data)]
    return [
        line
        for line, told in found[:count].tolist()
        if told == _TWICE or _by_python(data[edges[line] : edges[line + 1]])
    ]


def has_repeated_name(data: bytes, deepest: int = _DEPTH) -> bool:
    """Whether `data` is JSON, one value or several, in which an object has a name twice; `deepest` as above."""
    return bool(repeating_lines(data, _FROM_THE_START, deepest))


def most_names(data: bytes) -> int:
    """How many names stand in JSON, at most: more than there are only where a text shows what looks like one.

    It costs a sixth of `repeating_lines`. JSON of as many different names as this has none twice.
    """
    view = np.frombuffer(data, np.uint8)
    flags = np.empty(max(len(data) - 3, 0), np.bool_)
    if len(flags):
        _mark_names(view[:-3], view[1:-2], view[2:-1], view[3:], flags.view(np.uint8))
    return int(np.count_nonzero(flags))


class _RepeatedNameError(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _RepeatedNameError


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_once, parse_int=str, parse_float=str, strict=False)


def _by_python(data: bytes) -> bool:
    """The same for one line, slowly, with names decoded. What is nested too deep to be read counts as repeated."""
    text = data.decode("utf-8", "replace")
    at = _spaced(text, 0)
    try:
        while at < len(text):
            _, at = _DECODER.raw_decode(text, at)
            at = _spaced(text, at)
    except (_RepeatedNameError, RecursionError):
        return True
    except ValueError:  # it is no JSON
        return False
    return False


def _spaced(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at
