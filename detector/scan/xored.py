"""Text of which each byte was XORed with the same one, in hex or base64: where it may stand, and what it says.

Its bytes have the same top bit, which of a thousand digests not one has in sixteen bytes. So few words are looked at, and all
keys are tried that make printable text of the whole word. Of several those are the best that make most letters and digits.
Of a short word that no key makes letters and digits alone, such as a password with signs, all are taken: nothing tells them
apart, unless it is letters and digits but for one sign as it stands.
"""
# ruff: noqa: PLR0913, PLR0917, PLR1714, PLR2004 - a compiled loop takes its arrays apart

from typing import Any, Final

import numpy as np

from detector.jit import bare, compiled
from detector.scan.digits import PRINTABLE
from detector.scan.kernels import ALNUM, CLASSES

LEAST: Final = 16  # bytes
FEW: Final = 4  # keys of a word
MOST_SHORT: Final = 64  # bytes
_WORDS: Final = 16  # text as it stands has a blank for so many bytes
_ONE_SIGN: Final = 1  # such as the colon between a name and its password
_SELDOM: Final = 6  # bytes for each change between classes: random base32 has twice as many, names have less
_LEAST_DIFFERENT: Final = 8  # bytes: numbers and padding have fewer


def _keys_of_bytes() -> Any:
    """Of each byte the keys that make printable text of it, as 256 bits."""
    printable = PRINTABLE[np.arange(256)[:, None] ^ np.arange(256)]
    return np.packbits(printable, axis=1, bitorder="little").view(np.uint64)


_KEYS: Final = _keys_of_bytes()


@bare
def is_xored(data: Any, start: int, end: int, table: Any, size: int) -> bool:
    """Whether digits of `size` bits say bytes, no fewer than the least, that some key makes printable text of."""
    bits = size * (end - start)
    if bits < 8 * LEAST:
        return False
    first = table[data[start]] >> (size - 1) & 1
    for bit in range(8, bits - 7, 8):
        if table[data[start + bit // size]] >> (size - 1 - bit % size) & 1 != first:
            return False
    return not _repeats(data, start, end) and _has_key(data, start, end, table, size)


@bare
def _repeats(data: Any, start: int, end: int) -> bool:
    """Whether all digits are the same: zeros, or other bytes that say nothing."""
    for at in range(start + 1, end):  # noqa: SIM110 - what numba compiles
        if data[at] != data[start]:
            return False
    return True


@bare
def _has_key(data: Any, start: int, end: int, table: Any, size: int) -> bool:
    """Whether a key other than 0 makes printable text of what the digits say."""
    k0, k1, k2, k3 = ~np.uint64(1), ~np.uint64(0), ~np.uint64(0), ~np.uint64(0)
    held = bits = 0
    for at in range(start, end):
        held = (held << size | int(table[data[at]])) & 0xFFF
        bits += size
        if bits >= 8:
            bits -= 8
            byte = held >> bits & 255
            k0, k1, k2, k3 = (
                k0 & _KEYS[byte, 0],
                k1 & _KEYS[byte, 1],
                k2 & _KEYS[byte, 2],
                k3 & _KEYS[byte, 3],
            )
            if k0 | k1 | k2 | k3 == np.uint64(0):
                return False
    return True


@bare
def _bytes_of(data: Any, start: int, end: int, table: Any, size: int, out: Any) -> int:
    """Write what the digits say to `out`: how many bytes."""
    held = bits = to = 0
    for at in range(start, end):
        held = (held << size | int(table[data[at]])) & 0xFFF
        bits += size
        if bits >= 8:
            bits -= 8
            out[to] = held >> bits & 255
            to += 1
    return to


@bare
def _tally(said: Any, tally: Any) -> int:
    """Fill the rows of `tally`: different bytes in their order, and how often each byte stands there. How many differ.

    None if one of them is half of all: that is a table, or padding.
    """
    tally[1, :] = 0
    count = 0
    for byte in said:
        if tally[1, byte] == 0:
            tally[0, count] = byte
            count += 1
        tally[1, byte] += 1
        if 2 * tally[1, byte] > said.size:
            return 0
    return count


@bare
def _score(tally: Any, count: int, key: int) -> int:
    """How many letters, digits, blanks, `-` and `_` the bytes are with this key; -1 if they are not text."""
    score = 0
    for nth in range(count):
        byte = tally[0, nth]
        text = byte ^ key
        if not PRINTABLE[text]:
            return -1
        if CLASSES[text] == ALNUM or text == 0x20 or text == 0x2D or text == 0x5F:
            score += tally[1, byte]
    return score


@bare
def _printing(tally: Any, count: int, top: int) -> tuple[Any, Any]:
    """The keys with this top bit, as bits of two numbers, that make printable text of the bytes."""
    first, second, half = ~np.uint64(0), ~np.uint64(0), top >> 6
    for nth in range(count):
        first &= _KEYS[tally[0, nth], half]
        second &= _KEYS[tally[0, nth], half + 1]
    return first, second


@bare
def _varied(said: Any) -> bool:
    """Whether there are several different bytes, told by their lower six bits."""
    bits, count = np.uint64(0), 0
    for byte in said:
        bit = np.uint64(1) << np.uint64(byte & 63)
        count += bits & bit == np.uint64(0)
        bits |= bit
    return bool(count >= _LEAST_DIFFERENT)


@bare
def _are_words(said: Any) -> bool:
    """Whether it is text as it stands.

    It begins as JSON does and has a key, or has a blank behind each few bytes, or seldom changes between capitals, small
    letters, digits and signs. XOR with most keys that leave it text hardly changes how often a random token does.
    """
    blanks = changes = kind = 0
    before, named = np.uint8(0), False
    for byte in said:
        if not PRINTABLE[byte]:
            return False
        blanks += byte == 0x20
        named |= byte == 0x3A and before == 0x22
        after = 1 + (int(byte) >> 5) if CLASSES[byte] == ALNUM else 1
        changes += kind > 0 and after != kind
        before, kind = byte, after
    in_json = named and said[0] == 0x7B and said[1] == 0x22
    return bool(in_json or (blanks > 2 and _WORDS * blanks >= said.size) or _SELDOM * changes < said.size)


@bare
def _keys(said: Any, best: Any, tally: Any) -> int:
    """Fill the rows (score, key) of `best`, the best first; how many: none if it is text as it stands, as words are."""
    found = 0
    if not _varied(said) or _are_words(said):
        return 0
    top = said[0] & 128
    different = _tally(said, tally)
    if different == 0:
        return 0
    as_it_stands = _score(tally, different, 0) if top == 0 else -1
    first, second = _printing(tally, different, top)
    for low in range(128):
        some = first if low < 64 else second
        if low | top == 0 or not some >> np.uint64(low & 63) & np.uint64(1):
            continue
        score = _score(tally, different, low | top)
        if found == best.shape[0] and score <= best[found - 1, 0]:
            continue
        row = min(found, best.shape[0] - 1)
        while row > 0 and best[row - 1, 0] < score:
            best[row, 0], best[row, 1] = best[row - 1, 0], best[row - 1, 1]
            row -= 1
        best[row, 0], best[row, 1] = score, low | top
        found = min(found + 1, best.shape[0])
    if as_it_stands > (best[0, 0] if found else -1) and (
        said.size > MOST_SHORT or as_it_stands + _ONE_SIGN >= said.size
    ):
        return 0
    return min(found, FEW) if as_it_stands + _ONE_SIGN >= said.size else found


@compiled
def keys_of(data: Any, rows: Any, table: Any, size: int, scratch: Any, keys: Any, wanted: Any) -> None:
    """Fills the rows of `keys` with the best keys of each word (start, end), and `wanted` with how many are to be tried.

    At most `FEW`, or of some short words as many as a row has. `scratch` is for the bytes of one word.
    """
    best, tally = np.empty((keys.shape[1], 2), np.int64), np.empty((2, 256), np.int64)
    for row in range(rows.shape[0]):
        said = scratch[: _bytes_of(data, rows[row, 0], rows[row, 1], table, size, scratch)]
        many = _keys(said, best, tally)
        if many > FEW and (said.size > MOST_SHORT or best[0, 0] == said.size):
            many = FEW
        for nth in range(many):
            keys[row, nth] = best[nth, 1]
        wanted[row] = many


@bare
def unxored(
    data: Any, rows: Any, table: Any, size: int, keys: Any, wanted: Any, scratch: Any, out: Any, segments: Any
) -> tuple[int, int]:
    """Write what the words say with as many of their `keys` as are `wanted`, two line feeds after each: bytes, texts.

    `out` and `segments` have room for all.
    """
    to = count = 0
    for row in range(rows.shape[0]):
        start, end = rows[row, 0], rows[row, 1]
        said = scratch[: _bytes_of(data, start, end, table, size, scratch)]
        for key in keys[row, : wanted[row]]:
            segments[count, 0], segments[count, 1], segments[count, 2], segments[count, 3] = to, start, end, 0
            count += 1
            for byte in said:
                out[to] = byte ^ key
                to += 1
            out[to] = out[to + 1] = 0x0A
            to += 2
    return to, count
