"""Compiled loops over JSON, beginning with its strings: as strict as a parser, and a nanosecond for ten bytes.

What a loop takes is read as `msgspec` reads it. What it refuses (-1) may be JSON all the same. The data goes on for
`PAD` newlines behind what is read, so that no loop asks for the end.
"""

# ruff: noqa: PLR2004 - a compiled loop is one function; bytes are written as their codes

from typing import Any, Final

import numpy as np

from detector.byte_masks import WORD, mask_of
from detector.jit import bare, place

PAD: Final = 64
_NOTHING: Final = np.uint64(0)
_stops = mask_of((34, 1, 0), (92, 1, 0), (128, 160, 0))  # after 255 comes 0


@bare
def stretch(data: Any, at: int) -> int:
    """The first byte from `at` on that is a quote, a backslash, a control character, or beyond ASCII. There is one."""
    bits = _stops(data, at)
    while bits == _NOTHING:
        at += WORD
        bits = _stops(data, at)
    return at + int(place(bits))


@bare
def copy(data: Any, at: int, end: int, into: Any, to: int) -> None:
    """Copies bytes. Only with unsigned indices it is done many at a time."""
    first, target = np.uint64(at), np.uint64(to)
    for index in range(np.uint64(end - at)):
        into[target + index] = data[first + index]


@bare
def sequence(data: Any, at: int) -> int:
    """How long the sequence of UTF-8 is that begins at `at`, 0 if it is none."""
    first, second = data[at], data[at + 1]
    if first < 0xC2 or first > 0xF4 or second & 0xC0 != 0x80:
        return 0
    if first < 0xE0:
        return 2
    if data[at + 2] & 0xC0 != 0x80:
        return 0
    if first < 0xF0:
        return 0 if (first == 0xE0 and second < 0xA0) or (first == 0xED and second > 0x9F) else 3
    if data[at + 3] & 0xC0 != 0x80:
        return 0
    return 0 if (first == 0xF0 and second < 0x90) or (first == 0xF4 and second > 0x8F) else 4


@bare
def _code(data: Any, at: int) -> int:
    """What the four hexadecimal digits of an escape say, -1 if that is a half of a pair or might be of a key's mark."""
    value = 0
    for index in range(at, at + 4):
        byte = int(data[index])
        if 48 <= byte <= 57:
            value = value * 16 + byte - 48
        elif 97 <= byte <= 102 or 65 <= byte <= 70:
            value = value * 16 + (byte & 0x1F) + 9
        else:
            return -1
    if 0xD800 <= value <= 0xDFFF or value in (32, 45) or 48 <= value <= 57:
        return -1
    return -1 if 65 <= value & 0xFFFFDF <= 90 else value


@bare
def _encoded(code: int, into: Any, to: int) -> int:
    """Writes a character below 0x10000; what is behind it."""
    if code < 0x80:
        into[to] = code
        return to + 1
    if code < 0x800:
        into[to] = 0xC0 | (code >> 6)
        into[to + 1] = 0x80 | (code & 63)
        return to + 2
    into[to] = 0xE0 | (code >> 12)
    into[to + 1] = 0x80 | ((code >> 6) & 63)
    into[to + 2] = 0x80 | (code & 63)
    return to + 3


@bare
def _unescaped(byte: int) -> int:
    """What the byte behind a backslash stands for, -1 if it is for nothing."""
    if byte in (34, 92, 47):
        return byte
    if byte == 110:  # n
        return 10
    if byte == 116:  # t
        return 9
    if byte == 114:  # r
        return 13
    if byte == 98:  # b
        return 8
    return 12 if byte == 102 else -1  # f


@bare
def written(data: Any, at: int, into: Any, to: int) -> tuple[int, int]:
    """Writes what the string from `at` on says; gives what is behind it, -1 if refused, and behind what it wrote.

    Refused are also escapes of half a pair, and of letters, digits, hyphens and spaces, which nobody has to escape:
    what is looked for in the data as it stands could hide in them.
    """
    while True:
        stop = stretch(data, at)
        copy(data, at, stop, into, to)
        to += stop - at
        byte = int(data[stop])
        at = stop + 1
        if byte == 34:
            return at, to
        if byte < 32:
            return -1, to
        if byte > 127:
            size = sequence(data, stop)
            if size == 0:
                return -1, to
            copy(data, stop, stop + size, into, to)
            to += size
            at = stop + size
        elif data[at] == 117:  # u
            code = _code(data, at + 1)
            if code < 0:
                return -1, to
            to = _encoded(code, into, to)
            at += 5
        else:
            byte = _unescaped(int(data[at]))
            if byte < 0:
                return -1, to
            into[to] = byte
            to += 1
            at += 1


@bare
def behind(data: Any, at: int) -> int:
    """What is behind a string whose first byte is at `at`, -1 if it is refused: one with an escape is."""
    while True:
        stop = stretch(data, at)
        byte = data[stop]
        if byte == 34:
            return stop + 1
        size = sequence(data, stop) if byte > 127 else 0
        if size == 0:
            return -1
        at = stop + size


@bare
def spaced(data: Any, at: int) -> int:
    """The first byte from `at` on that is no space."""
    while data[at] == 32:
        at += 1
    return at


@bare
def stands(data: Any, at: int, text: Any) -> bool:
    """Whether a text stands at `at`."""
    for index in range(text.size):  # noqa: SIM110 - numba compiles no generators
        if data[at + index] != text[index]:
            return False
    return True
