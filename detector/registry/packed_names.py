"""Compiled: names packed into an array of bytes, and tables of where they stand.

A name is a scheme and a text. It is 2 bytes, four times the scheme and how the text is packed, and then the text: as it
is, a UUID as 16 bytes, 64 hexadecimal digits as 32.

A slot of a table has a place in 40 bits, and 23 bits of the hash. What stands in the first slot that is free from where
its hash belongs is in the order of the hashes, but for its neighbours. So the place of a slot tells the other bits, and
a table grows without a look at the names.
"""
# ruff: noqa: PLR0913, PLR0917, PLR2004 - numba takes arrays, not objects; bytes are written as their codes

from typing import Any, Final

import numpy as np

from detector.jit import bare

POINTER_BITS: Final = 40
POINTER_MASK: Final = (1 << POINTER_BITS) - 1
TAG: Final = (1 << 23) - 1
DELETED: Final = 1  # a slot of what was removed
TEXT, UUID, HEX = 0, 1, 2


@bare
def number(data: Any, at: int, size: int) -> Any:
    """The number in so many bytes."""
    value, first = np.int64(0), np.uint64(at)  # places without a sign need no test for Python's negative ones
    for place in range(size):
        value |= np.int64(data[first + np.uint64(place)]) << np.int64(8 * place)
    return value


@bare
def put(data: Any, at: int, value: int, size: int) -> None:
    """Writes a number in so many bytes, the lowest first."""
    first = np.uint64(at)
    for place in range(size):
        data[first + np.uint64(place)] = np.uint8((value >> (8 * place)) & 0xFF)


@bare
def varint(data: Any, at: int) -> Any:
    """The number that stands there in 7 bits a byte, the lowest first, and where it ends."""
    place = np.uint64(at)
    value: Any = np.int64(data[place])
    if value < 128:
        return value, np.int64(place) + 1
    value &= 127
    shift = 7
    while True:
        place += np.uint64(1)
        byte: Any = np.int64(data[place])
        value |= (byte & 127) << shift
        if byte < 128:
            return value, np.int64(place) + 1
        shift += 7


@bare
def put_varint(data: Any, at: int, value: int) -> int:
    """Writes a number like this. Gives where it ends."""
    while value >= 128:
        data[at] = np.uint8((value & 127) | 128)
        value >>= 7
        at += 1
    data[at] = np.uint8(value)
    return at + 1


@bare
def copy(source: Any, begin: int, end: int, target: Any, at: int) -> int:
    """Copies bytes. Gives where the copy ends."""
    first, to = np.uint64(begin), np.uint64(at)
    for place in range(end - begin):
        target[to + np.uint64(place)] = source[first + np.uint64(place)]
    return at + end - begin


@bare
def same(one: Any, first: int, other: Any, begin: int, end: int) -> Any:
    """Whether the bytes from `begin` to `end` stand at `first` too."""
    place, at, last = np.uint64(begin), np.uint64(first), np.uint64(end)
    while place < last and one[at] == other[place]:
        place += np.uint64(1)
        at += np.uint64(1)
    return place == last


def _digits() -> Any:
    table = np.full(256, -1, np.int8)
    for value, digit in enumerate(b"0123456789abcdef"):
        table[digit] = value
    table.flags.writeable = False
    return table


DIGITS: Final = _digits()  # of a byte: the value of a lower-case hexadecimal digit, -1 if it is none


@bare
def kind_of(text: Any, begin: int, end: int) -> int:
    """How a text can be packed."""
    size = end - begin
    if size not in (36, 64):
        return TEXT
    for place in range(size):
        byte = text[begin + place]
        if size == 36 and place in (8, 13, 18, 23):
            if byte != 45:
                return TEXT
        elif DIGITS[byte] < 0:
            return TEXT
    return UUID if size == 36 else HEX


@bare
def packed_size(kind: int, size: int) -> int:
    """The bytes of a name whose text has that size and is packed like this."""
    if kind == TEXT:
        return 2 + size
    return 18 if kind == UUID else 34


@bare
def pack(text: Any, begin: int, end: int, scheme: int, out: Any, at: int) -> int:
    """Writes a name: how it is packed and its scheme (2 bytes), then its text. Gives where it ends."""
    return pack_as(kind_of(text, begin, end), text, begin, end, scheme, out, at)


@bare
def pack_as(kind: int, text: Any, begin: int, end: int, scheme: int, out: Any, at: int) -> int:
    """Writes a name whose text can be packed like this."""
    put(out, at, 4 * scheme + kind, 2)
    at += 2
    if kind == TEXT:
        return copy(text, begin, end, out, at)
    return pack_digits(text, begin, end, out, at)


@bare
def pack_digits(text: Any, begin: int, end: int, out: Any, at: int) -> int:
    """Writes a byte for each two hexadecimal digits; what is no digit is skipped. Gives where it ends."""
    high: Any = np.int64(-1)
    for place in range(begin, end):
        digit = np.int64(DIGITS[text[place]])
        if digit < 0:
            continue
        if high < 0:
            high = digit
        else:
            out[at] = 16 * high + digit
            at += 1
            high = np.int64(-1)
    return at


@bare
def _turned(word: Any, bits: int) -> Any:
    return (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))


@bare
def _round(a: Any, b: Any, c: Any, d: Any) -> Any:
    a += b
    c += d
    b = _turned(b, 13) ^ a
    d = _turned(d, 16) ^ c
    a = _turned(a, 32)
    c += b
    a += d
    b = _turned(b, 17) ^ c
    d = _turned(d, 21) ^ a
    return a, b, _turned(c, 32), d


@bare
def _eight(data: Any, at: Any) -> Any:
    """The number in 8 bytes. `at` has no sign: that would cost a test for each byte."""
    word = np.uint64(data[at])
    for place in range(1, 8):
        word |= np.uint64(data[at + np.uint64(place)]) << np.uint64(8 * place)
    return word


@bare
def hash_of(data: Any, begin: int, end: int, keys: Any) -> Any:
    """SipHash-1-3 under the two words of `keys` (Aumasson and Bernstein, 2012), without its sign bit."""
    a = keys[0] ^ np.uint64(0x736F6D6570736575)
    b = keys[1] ^ np.uint64(0x646F72616E646F6D)
    c = keys[0] ^ np.uint64(0x6C7967656E657261)
    d = keys[1] ^ np.uint64(0x7465646279746573)
    at = begin
    while True:
        size = min(end - at, 8)
        if size == 8:
            word = _eight(data, np.uint64(at))
        else:
            word = np.uint64(0)
            for place in range(size):
                word |= np.uint64(data[at + place]) << np.uint64(8 * place)
        at += size
        if size < 8:
            word |= np.uint64((end - begin) & 0xFF) << np.uint64(56)
        d ^= word
        a, b, c, d = _round(a, b, c, d)
        a ^= word
        if size < 8:
            break
    c ^= np.uint64(0xFF)
    for _ in range(3):
        a, b, c, d = _round(a, b, c, d)
    return np.int64((a ^ b ^ c ^ d) >> np.uint64(1))


@bare
def first_slot(hashed: int, size: int) -> int:
    """Where a hash is looked for first in a table of that size: by its upper 31 bits."""
    return ((hashed >> 32) * size) >> 31


@bare
def tag_of(hashed: int) -> int:
    """What a slot has of a hash: the lower 23 of its upper 31 bits."""
    return (hashed >> 32) & TAG


@bare
def insert(table: Any, hashed: int, pointer: int) -> None:
    """Into the first slot that is free. There is one."""
    at = first_slot(hashed, table.size)
    while table[at] > DELETED:
        at = at + 1 if at + 1 < table.size else 0
    table[at] = (tag_of(hashed) << POINTER_BITS) | pointer


@bare
def unfilled(table: Any) -> int:
    """A slot that was never used. There is one."""
    at = 0
    while table[at] != 0:
        at += 1
    return at


@bare
def upper_bits(slot: int, first: int, at: int, size: int) -> int:
    """A hash as far as `first_slot` and `tag_of` need it, of the slot at `at` in a table of that size; -1 if not known.

    The hash belongs to a slot from `first` to `at`. Both are below twice the size: behind the end the table begins
    again.
    """
    belong = at + 1 - first
    if belong << 9 > size:  # they may have more hashes than a tag tells apart
        return -1
    last = (((at + 1) << 31) - 1) // size
    upper = last - ((last - (slot >> POINTER_BITS)) & TAG)
    return (upper & ((1 << 31) - 1)) << 32
