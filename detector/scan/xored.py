"""Text of which each byte was XORed with the same one, in hex or base64: where it may stand, and what it says.

Its bytes have the same top bit, which of a thousand digests not one has in sixteen bytes. So few words are looked at,
and all keys are tried that make printable text of the whole word. Of several those are the best that make most
letters and digits. Of a short word that no key makes letters and digits alone, such as a password with signs, all are
taken: nothing tells them apart, unless it is letters and digits but for one sign as it stands.
"""
# ruff: noqa: PLR0913, PLR0917, PLR2004 - a compiled loop takes its arrays apart

from typing import Any, Final

import numpy as np

from detector.jit import bare, compiled, place
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


def _worths() -> Any:
    """Of each byte, without its top bit, and each key: whether that makes a letter, digit, blank, `-` or `_` of it."""
    worth = CLASSES[:128] == ALNUM
    worth[[0x20, 0x2D, 0x5F]] = True
    return worth[np.arange(128)[:, None] ^ np.arange(128)].astype(np.uint8)


_WORTH: Final = _worths()
# Of each byte: 0 if it is not printable, 1 of signs, and other numbers of digits, capitals and small letters.
_KINDS: Final = (PRINTABLE * np.where(CLASSES == ALNUM, 1 + np.arange(256) // 32, 1)).astype(np.uint8)


@bare
def is_xored(data: Any, start: int, end: int, table: Any, size: int) -> bool:
    """Whether digits of `size` bits say bytes, no fewer than the least, that some key makes printable text of."""
    if size * (end - start) < 8 * LEAST or _repeats(data, start, end):
        return False
    return _has_key(data[start:end], table, size)


@bare
def _repeats(data: Any, start: int, end: int) -> bool:
    """Whether all digits are the same: zeros, or other bytes that say nothing."""
    for at in range(start + 1, end):  # noqa: SIM110 - what numba compiles
        if data[at] != data[start]:
            return False
    return True


@bare
def _three(digits: Any, at: int, table: Any) -> tuple[Any, Any, Any]:
    """The bytes that four digits of base64 say."""
    place = np.uint64(at)  # unsigned places need no test for Python's negative ones
    first, second = table[digits[place]], table[digits[place + np.uint64(1)]]
    third, fourth = table[digits[place + np.uint64(2)]], table[digits[place + np.uint64(3)]]
    return (
        np.uint8(first << np.uint8(2) | second >> np.uint8(4)),
        np.uint8(second << np.uint8(4) | third >> np.uint8(2)),
        np.uint8(third << np.uint8(6) | fourth),
    )


@bare
def _has_key(digits: Any, table: Any, size: int) -> bool:
    """Whether a key other than 0 makes printable text of what the digits say.

    It has the top bit that all bytes have.
    """
    high = table[digits[0]] >> (size - 1) & 1
    half = 2 * high
    first, second = ~np.uint64(1 - high), ~np.uint64(0)
    groups = digits.size // 4 if size == 6 else 0
    for at in range(0, 4 * groups, 4):
        one, two, three = _three(digits, at, table)
        first &= _KEYS[one, half] & _KEYS[two, half] & _KEYS[three, half]
        second &= _KEYS[one, half + 1] & _KEYS[two, half + 1] & _KEYS[three, half + 1]
        if first | second == np.uint64(0):
            return False
    held = bits = 0
    for at in range(4 * groups, digits.size):
        held = (held << size | int(table[digits[at]])) & 0xFFF
        bits += size
        if bits >= 8:
            bits -= 8
            byte = held >> bits & 255
            first &= _KEYS[byte, half]
            second &= _KEYS[byte, half + 1]
            if first | second == np.uint64(0):
                return False
    return True


@bare
def _fill_bytes(digits: Any, table: Any, size: int, out: Any) -> None:
    """Write what the digits say to `out`."""
    groups = digits.size // 4 if size == 6 else 0
    for group in range(groups):
        to = np.uint64(3 * group)
        out[to], out[to + np.uint64(1)], out[to + np.uint64(2)] = _three(digits, 4 * group, table)
    held = bits = 0
    to = np.uint64(3 * groups)
    for at in range(4 * groups, digits.size):
        held = (held << size | int(table[digits[at]])) & 0xFFF
        bits += size
        if bits >= 8:
            bits -= 8
            out[to] = held >> bits & 255
            to += np.uint64(1)


@bare
def _tally(said: Any, tally: Any) -> int:
    """Fill the rows of `tally`: different bytes in their order, and how often each byte stands there.

    How many differ.
    """
    tally[1, :] = 0
    count = 0
    for byte in said:
        if tally[1, byte] == 0:
            tally[0, count] = byte
            count += 1
        tally[1, byte] += 1
    return count


@bare
def _varied(tally: Any, count: int, size: int) -> bool:
    """Whether there are several different bytes, told by their lower six bits, and none is half of all.

    Such is a table, or padding.
    """
    bits, several = np.uint64(0), 0
    for nth in range(count):
        byte = tally[0, nth]
        if 2 * tally[1, byte] > size:
            return False
        bit = np.uint64(1) << np.uint64(byte & 63)
        several += bits & bit == np.uint64(0)
        bits |= bit
    return bool(several >= _LEAST_DIFFERENT)


@bare
def _printing(tally: Any, count: int, top: int) -> tuple[Any, Any]:
    """The keys with this top bit, as bits of two numbers, that make printable text of the bytes."""
    first, second, half = ~np.uint64(0), ~np.uint64(0), top >> 6
    for nth in range(count):
        first &= _KEYS[tally[0, nth], half]
        second &= _KEYS[tally[0, nth], half + 1]
    return first, second


@bare
def _fill_scores(tally: Any, count: int, scores: Any) -> None:
    """Of each key, by its lower bits, how many letters, digits, blanks, `-` and `_` the bytes are, if they are text."""
    scores[:] = 0
    for nth in range(count):
        byte = tally[0, nth]
        times, worth = np.int32(tally[1, byte]), _WORTH[byte & 127]
        for low in range(128):
            scores[low] += times * np.int32(worth[low])


@bare
def _are_words(said: Any) -> bool:
    """Whether it is text as it stands.

    It begins as JSON does and has a key, or has a blank behind each few bytes, or seldom changes between capitals,
    small letters, digits and signs. XOR with most keys that leave it text hardly changes how often a random token
    does.
    """
    blanks, changes, kind = 0, 0, _KINDS[said[0]]
    for byte in said:
        after = _KINDS[byte]
        if after == 0:
            return False
        blanks += byte == 0x20
        changes += after != kind
        kind = after
    if (blanks > 2 and _WORDS * blanks >= said.size) or _SELDOM * changes < said.size:
        return True
    if said[0] != 0x7B or said[1] != 0x22:
        return False
    before = np.uint8(0)
    for byte in said:
        if byte == 0x3A and before == 0x22:
            return True
        before = byte
    return False


@bare
def _greatest(scores: Any, first: Any, second: Any) -> int:
    """The greatest score of some keys, as `_printing` has them; -1 if there are none."""
    greatest = -1
    for half in range(2):
        some = second if half else first
        while some != np.uint64(0):
            greatest = max(greatest, scores[64 * half + int(place(some))])
            some &= some - np.uint64(1)
    return greatest


@bare
def _fill_best(scores: Any, first: Any, second: Any, top: int, best: Any) -> int:
    """Fill the rows (score, key) of `best` with some of these keys, the best first; how many."""
    found, most = 0, best.shape[0]
    for half in range(2):
        some = second if half else first
        while some != np.uint64(0):
            low = 64 * half + int(place(some))
            some &= some - np.uint64(1)
            score = scores[low]
            if found == most and score <= best[found - 1, 0]:
                continue
            row = min(found, most - 1)
            while row > 0 and best[row - 1, 0] < score:
                best[row, 0], best[row, 1] = best[row - 1, 0], best[row - 1, 1]
                row -= 1
            best[row, 0], best[row, 1] = score, low | top
            found = min(found + 1, most)
    return found


@bare
def _keys(said: Any, best: Any, tally: Any, scores: Any) -> int:
    """Fill the rows (score, key) of `best`, the best first; how many: none if it is text as it stands, as words are.

    At most `FEW`, unless it is short and no key makes letters and digits alone.
    """
    top, size = said[0] & 128, said.size
    if _are_words(said):
        return 0
    different = _tally(said, tally)
    if not _varied(tally, different, size):
        return 0
    first, second = _printing(tally, different, top)
    _fill_scores(tally, different, scores)
    as_it_stands = -1
    if top == 0 and first & np.uint64(1) != np.uint64(0):
        as_it_stands = scores[0]
        first &= ~np.uint64(1)
    greatest = _greatest(scores, first, second)
    one_sign = as_it_stands + _ONE_SIGN >= size
    if as_it_stands > greatest and (size > MOST_SHORT or one_sign):
        return 0
    few = size > MOST_SHORT or greatest == size or one_sign
    return _fill_best(scores, first, second, top, best[:FEW] if few else best)


@compiled
def keys_of(
    data: Any, rows: Any, table: Any, size: int, spans: Any, said: Any, keys: Any, wanted: Any
) -> None:
    """Fills the rows of `keys` with the best keys of each word (start, end), and `wanted` with how many to try.

    At most `FEW`, or of some short words as many as a row has. What each word says is written to its span of `said`.
    """
    best, tally = np.empty((keys.shape[1], 2), np.int64), np.empty((2, 256), np.int64)
    scores = np.empty(128, np.int32)
    for row in range(rows.shape[0]):
        text = said[spans[row, 0] : spans[row, 1]]
        _fill_bytes(data[rows[row, 0] : rows[row, 1]], table, size, text)
        many = _keys(text, best, tally, scores)
        for nth in range(many):
            keys[row, nth] = best[nth, 1]
        wanted[row] = many


@bare
def unxored(said: Any, spans: Any, rows: Any, keys: Any, wanted: Any, out: Any, segments: Any) -> None:
    """Write what the words say with as many of their `keys` as are `wanted`, two line feeds after each.

    `spans` are where in `said` what each of the `rows` (start, end) says is. `out` and `segments` have room for all.
    """
    to = count = 0
    for row in range(rows.shape[0]):
        text = said[spans[row, 0] : spans[row, 1]]
        for key in keys[row, : wanted[row]]:
            segment = segments[count]
            segment[0], segment[1], segment[2], segment[3] = to, rows[row, 0], rows[row, 1], 0
            count += 1
            end = to + text.size
            other = out[to:end]
            for at in range(text.size):
                other[at] = text[at] ^ key
            out[end] = out[end + 1] = 0x0A
            to = end + 2
