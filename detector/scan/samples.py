"""Where bytes may be printed one by one: eight bytes at a time, without branches.

What it says is *maybe*; the decoders look closer. Nothing is missed that has 31 bytes in a row of the kind.
"""
# ruff: noqa: C901, PLR0911, PLR2004 - bytes are written as their codes; a compiled loop is one function

from typing import Any, Final

import numpy as np

from detector.jit import bare, compiled, place
from detector.scan.digits import HEX, NONE, PRINTABLE
from detector.scan.long_words import long_words

_EIGHT: Final = 8
_SIGN, _BLANK, _DIGIT = 1, 2, 3
_LISTED: Final = np.zeros(256, np.uint8)  # what a list of bytes consists of
_LISTED[list(b",:;-")] = _SIGN
_LISTED[list(b" \t\r\n")] = _BLANK
_LISTED[list(b"0123456789abcdefABCDEFx")] = _DIGIT
# Below what the first of so many decimal or octal digits is.
_BELOW: Final = np.array([0, 0, 0, 0x32, 0, 0x34, 0x31], np.uint8)


@compiled
def _samples(eights: Any, out: Any) -> None:
    """Into `out` what each eight bytes may be of, a bit each.

    1: digits of hex and what stands between them. 2: the same, with something between or all 0 and 1. 4: no two
    characters side by side. 8: letters, digits and a few signs, none of them blank. 16: the same, of hex
    digits. 32: the same, and every second one is 2 to 7.
    """
    high, low = np.uint64(0x8080808080808080), np.uint64(0x3030303030303030)
    seven, blanks = np.uint64(0x7F7F7F7F7F7F7F7F), np.uint64(0x2020202020202020)
    above, bits = np.uint64(0x0606060606060606), np.uint64(0xFEFEFEFEFEFEFEFE)
    one, two, three, four = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    five_bits, above_f = np.uint64(0x1F1F1F1F1F1F1F1F), np.uint64(0x7979797979797979)
    even, odd = np.uint64(0x0080008000800080), np.uint64(0x8000800080008000)
    five, six, byte, none = np.uint64(5), np.uint64(6), np.uint64(8), np.uint64(0)
    for index in range(out.size):
        eight = eights[index]
        bit6, bit5, bit4, bit3, bit2 = (
            eight << one,
            eight << two,
            eight << three,
            eight << four,
            eight << five,
        )
        # Letters but a to g and x to z; signs but blank, comma and dash; signs after digits but colon and semicolon.
        other = bit6 & (bit4 ^ bit3)
        other |= ~bit6 & bit5 & ((~bit4 & ((bit3 ^ bit2) | eight << six)) | (bit4 & bit3 & bit2))
        listed = (other & high) == none
        # Of the rest what is below 0x30 or a colon.
        beyond = ((eight & ~low & seven) + above) << three
        between = ~bit6 & (~(bit5 & bit4) | beyond) & high
        letters = (bit6 | (bit5 & bit4 & ~beyond)) & high
        shown = (((eight ^ blanks) & seven) + seven | eight) & high  # a bit for each byte that is no blank
        turned = bit6 | bit3 | ~(bit2 | eight << six)  # digits but 2 to 7
        # Of letters those beyond f: of five bits 7 and more.
        not_hex = bit6 & ((eight & five_bits) + above_f)
        apart = (shown & (shown >> byte)) == none
        out[index] = (
            np.uint8(listed)
            | np.uint8(listed & ((between != none) | ((eight & bits) == low))) << np.uint8(1)
            | np.uint8(apart & (shown != none)) << np.uint8(2)
            | np.uint8(letters == high) << np.uint8(3)
            | np.uint8(
                (((letters ^ high) | (not_hex & high)) == none)
                & (((turned & even) == none) | ((turned & odd) == none))
            )
            << np.uint8(5)
            | np.uint8(((letters ^ high) | (not_hex & high)) == none) << np.uint8(4)
        )


@bare
def _says_text(data: Any, at: int, width: int) -> bool:
    """Whether so many digits may be printable bytes: `74`, `0x74`, `116`, `164`, `746f`, `067564`, bits and the like."""
    if width == 1:
        return bool(data[at] == 0x39)  # a tab
    if width == 4 and data[at + 1] == 0x78:
        return bool(data[at] == 0x30)
    if width in (3, 5, 6):
        for digit in range(at + 1, at + width):
            if data[digit] > 0x39 and (digit > at + 1 or data[digit] != 0x78):
                return False
        return bool(data[at] < _BELOW[width])
    if width == 7 or width > _EIGHT:
        return False
    in_bits = width == _EIGHT
    text = True
    for pair in range(at, at + width, 2):
        first, second = HEX[data[pair]], HEX[data[pair + 1]]
        text &= (first | second) != NONE and bool(PRINTABLE[(first << 4 | second) & 255])
        in_bits &= (first | second) < 2
    if width == 2 and not text:
        return bool(data[at] < 0x3A and data[at + 1] < 0x3A and (data[at] > 0x32 or data[at] == 0x31))
    return text or in_bits


@bare
def _is_listed(data: Any, at: int) -> bool:
    """Whether the sixteen bytes at `at` may be of a list that says text. Digests, addresses and times are not.

    The same sign stands between all numbers, and those that stand there whole may be text, of as many digits each.
    """
    sign = -1
    gap = width = first = widest = seen = 0
    whole, in_bits = False, True
    for near in range(at, at + 2 * _EIGHT):
        kind = _LISTED[data[near]]
        if kind == _DIGIT:
            if width == 0 and seen:
                if sign >= 0 and sign != gap:
                    return False
                sign = gap
            width += 1
            in_bits &= data[near] < 0x32
            if width > _EIGHT and not in_bits:
                return False
            continue
        if kind == 0:
            return False
        if width:
            if whole:
                if not _says_text(data, near - width, width) or (
                    first and first != width and first + width > 7
                ):
                    return False
                first = width
            widest = max(widest, width)
            seen = 1
            gap = width = 0
            in_bits = True
        whole = True
        if kind == _SIGN:
            if gap:
                return False
            gap = int(data[near])
    return first > 0 or max(widest, width) > 5


@compiled
def _pairs(data: Any, flags: Any, count: int, out: Any) -> int:
    """Fill `out` with the places where three samples in a row are of a kind; how many."""
    found = 0
    byte, two = np.uint64(8), np.uint64(16)
    listed, apart = np.uint64(0x0101010101010101), np.uint64(0x0404040404040404)
    eights = flags.view(np.uint64)
    for word in range((count + 7) >> 3):
        bits = eights[word]
        if bits == np.uint64(0):
            continue
        beyond = eights[word + 1]
        second = bits >> byte | beyond << np.uint64(56)
        third = bits >> two | beyond << np.uint64(48)
        all_of = bits & second & third
        bits = (all_of & apart) | (all_of & ((bits | second | third) >> np.uint64(1)) & listed)
        while bits != np.uint64(0):
            at = int(place(bits)) >> 3
            kind = bits >> np.uint64(8 * at) & np.uint64(255)
            bits &= ~(np.uint64(255) << np.uint64(8 * at))
            at = 8 * (8 * word + at)
            if not kind & np.uint64(4) and not _is_listed(data, at):
                at += _EIGHT  # what stands before a list may be of its characters: a dump's offset
                if not _is_listed(data, at):
                    continue
            out[found] = at
            found += 1
    return found


def sampled(data: bytes) -> tuple[Any, Any]:
    """The places in order around which bytes may be printed one by one, and the rows of `long_words`."""
    count = len(data) // _EIGHT
    flags = np.zeros((count // _EIGHT + 2) * _EIGHT, np.uint8)
    _samples(np.frombuffer(data, np.uint64, count), flags[:count])
    out = np.empty(count, np.int64)
    places = out[: _pairs(np.frombuffer(data, np.uint8), flags, count, out)]
    return places, long_words(data, flags, count)
