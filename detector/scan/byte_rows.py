"""Tells the classes of bytes as rows of bits: a row for each class, a bit for each byte.

Each byte is looked at once. The eight bits of 64 bytes become eight numbers of 64 bits, their bit planes. Classes are
arithmetic on planes, and the places where an encoding may begin are arithmetic on classes (`sieves`). The compiler
does both for several words of 64 bytes together. A row is a stretch of one array, so that it knows them apart.
"""

from typing import Any, Final

import numpy as np

from detector.byte_masks import WORD, class_of, plane
from detector.jit import bare

WORDS: Final = 48  # looked at together: the rows stay in the first-level cache
BLOCK: Final = WORD * WORDS
STRIDE: Final = WORDS + 8  # words of a row: one more than is looked at is needed, for what goes on behind
(
    _PLANE0,
    _PLANE1,
    _PLANE2,
    _PLANE3,
    _PLANE4,
    _PLANE5,
    _PLANE6,
    _PLANE7,
    FIRST64,
    SECOND64,
    OCTAL,
    DIGIT,
    HEX_DIGIT,
    LETTER,
    CONTROL,
    PERCENT,
    EQUALS,
    BLANK,
    SPACE,
    FEED,
    LINE_END,
    QUOTE,
    BACKSLASH,
    COLON,
    OPERATOR,
    LISTED,
    BIT,
    BETWEEN,
    SIGN,
    LEAD,
    HIGH,
    IN_BASE85,
    IN_ASCII85,
    FIRST85,
    FIRST_ASCII85,
    TELLING85,
    CAPITAL_A,
    CAPITAL_H,
    SMALL_E,
    BEHIND_E,
    SMALL_B,
    SEVEN,
    EIGHT,
    OPENS,
    ESCAPING,
    AMPERSAND,
    ENTITY,
    ZLIB3,
    ZLIB4,
    GROUP64,
    SAMPLES,
    SAMPLES85,
    AT_BASE64,
    AT_HEX,
    AT_OTHER,
    AT_CUT,
    BEFORE_CUT,
    AT_LIST,
    AT_PERIOD,
    AT_GROUP,
    AT_WORD,
    AT_BASE85,
    AT_ASCII85,
    AT_ANY,
    ROOM,
) = range(0, 65 * STRIDE, STRIDE)
"""Where each row begins: planes, classes, and, of 64 bytes each, where something may be; and how long all rows are."""
NUMERIC, IN_BASE64, TOP5, TOP3, TOP1, AT_XORED, ONES64, NONE64 = (
    _PLANE0,
    _PLANE1,
    _PLANE2,
    _PLANE3,
    _PLANE4,
    _PLANE5,
    _PLANE6,
    _PLANE7,
)
"""Rows in the place of the planes, once all classes are told: so there is room for the others in the cache.

A loop must not write the row right behind one that it reads ahead: the compiler would not make vectors of it.
"""

_UPPER: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS: Final = b"0123456789"
_plane0, _plane1, _plane2, _plane3 = (plane(1 << bit) for bit in range(4))
_plane4, _plane5, _plane6, _plane7 = (plane(1 << bit) for bit in range(4, 8))
# What the first two of four digits are that say bytes below 128.
_first64 = class_of(_UPPER[2:] + b"abcdef")
_second64 = class_of(b"ABCDEFGHQRSTUVWXghijklmnwxyz0123")
_octal = class_of(b"01234567")
_digit = class_of(_DIGITS)
_hex_digit = class_of(_DIGITS + b"ABCDEFabcdef@`")  # and two signs, for fewer instructions
_letter = class_of(_DIGITS + bytes(range(0x40, 0x80)))  # and digits, and a few signs
_control = class_of(b"\b\x1b")  # what a terminal does and does not show
_escaping = class_of(b"nrtux/\"'\\01")  # what may stand behind a backslash
_ampersand = class_of(b"&")
_entity = class_of(_DIGITS + b"#" + bytes(range(0x40, 0x80)))  # what may stand behind it
_percent = class_of(b"%")
_equals = class_of(b"=")
_blank = class_of(range(0x21))
_space = class_of(b" ")
_feed = class_of(b"\n")
_line_end = class_of(b"\r\n")
_quote = class_of(b"\"'")
_backslash = class_of(b"\\")
_colon = class_of(b":")
_operator = class_of(b"&+.\\]|")  # what may stand between two strings that are put together
_listed = class_of(_DIGITS + b":;,-" + bytes(range(0x22)) + b"@ABCDEFG`abcdefgXYZ[\\]^_xyz{|}~\x7f")
_bit = class_of(b"01")
_between = class_of((*range(0x30), *range(0x3A, 0x40)))
_sign = class_of({*range(0x100)} - {*_UPPER, *_UPPER.lower(), *_DIGITS})
_lead = class_of(range(0xC2, 0x100))  # of a character beyond ASCII
_high = class_of(b"234567")  # the higher half of hex digits that say ASCII
_in_base85 = class_of(_UPPER + _UPPER.lower() + _DIGITS + b"!#$%&()*+-;<=>?@^_`{|}~")
_in_ascii85 = class_of(range(0x21, 0x76))
_first85 = class_of(_UPPER + b"abcde")  # digits 10 to 40: with any other a group says no four characters
_first_ascii85 = class_of(range(0x2B, 0x4A))
_telling85 = class_of(range(0x3B, 0x4A))  # those of them that stand in no time, number and address
_numeric = class_of(b"+,-./:TZ" + _DIGITS + b"ABCDEFabcdef")  # of numbers, times, addresses and digests
_alphabet64 = _UPPER + _UPPER.lower() + _DIGITS + b"+/"
_in_base64 = class_of(_alphabet64 + b"-_")
_top5, _top3, _top1 = (  # of a digit of base64: the first bits of three bytes are in three digits
    class_of([*(byte for value, byte in enumerate(_alphabet64) if value >> bit & 1), 0x2D, 0x5F])
    for bit in (5, 3, 1)
)
_capital_a, _capital_h = class_of(b"A"), class_of(b"H")
_small_e, _behind_e = class_of(b"e"), class_of(b"AFJN")  # zlib in base64
_small_b, _seven, _eight = class_of(b"b"), class_of(b"7"), class_of(b"8")
_opens = class_of(b"(")
_zlib3, _zlib4 = class_of(b"905d"), class_of(b"c1ea")  # of `789c`, `7801`, `785e` and `78da`


@bare
def ahead(rows: Any, at: int, count: int) -> Any:
    """The bits of a row so many bytes further on, below 64."""
    return rows[at] >> np.uint64(count) | rows[at + 1] << np.uint64(WORD - count)


@bare
def look(text: Any, words: int, rows: Any) -> None:  # noqa: PLR0915 - a statement for each class
    """Fill the rows of all classes for so many words of 64 bytes. The rest of a row means nothing."""
    for word in range(words):
        at = WORD * word
        rows[_PLANE0 + word] = _plane0(text, at)
        rows[_PLANE1 + word] = _plane1(text, at)
        rows[_PLANE2 + word] = _plane2(text, at)
        rows[_PLANE3 + word] = _plane3(text, at)
        rows[_PLANE4 + word] = _plane4(text, at)
        rows[_PLANE5 + word] = _plane5(text, at)
        rows[_PLANE6 + word] = _plane6(text, at)
        rows[_PLANE7 + word] = _plane7(text, at)
    for word in range(STRIDE):  # always as many: the compiler takes eight at a time
        b0, b1, b2, b3 = (
            rows[_PLANE0 + word],
            rows[_PLANE1 + word],
            rows[_PLANE2 + word],
            rows[_PLANE3 + word],
        )
        b4, b5, b6, b7 = (
            rows[_PLANE4 + word],
            rows[_PLANE5 + word],
            rows[_PLANE6 + word],
            rows[_PLANE7 + word],
        )
        rows[FIRST64 + word] = _first64(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[SECOND64 + word] = _second64(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[OCTAL + word] = _octal(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[DIGIT + word] = _digit(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[HEX_DIGIT + word] = _hex_digit(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[LETTER + word] = _letter(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[CONTROL + word] = _control(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[PERCENT + word] = _percent(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[EQUALS + word] = _equals(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[BLANK + word] = _blank(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[SPACE + word] = _space(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[FEED + word] = _feed(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[LINE_END + word] = _line_end(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[QUOTE + word] = _quote(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[BACKSLASH + word] = _backslash(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[COLON + word] = _colon(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[OPERATOR + word] = _operator(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[LISTED + word] = _listed(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[BIT + word] = _bit(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[BETWEEN + word] = _between(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[SIGN + word] = _sign(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[LEAD + word] = _lead(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[HIGH + word] = _high(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[IN_BASE85 + word] = _in_base85(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[IN_ASCII85 + word] = _in_ascii85(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[FIRST85 + word] = _first85(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[FIRST_ASCII85 + word] = _first_ascii85(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[TELLING85 + word] = _telling85(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[CAPITAL_A + word] = _capital_a(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[CAPITAL_H + word] = _capital_h(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[SMALL_E + word] = _small_e(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[BEHIND_E + word] = _behind_e(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[SMALL_B + word] = _small_b(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[OPENS + word] = _opens(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[ESCAPING + word] = _escaping(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[AMPERSAND + word] = _ampersand(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[ENTITY + word] = _entity(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[ZLIB3 + word] = _zlib3(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[ZLIB4 + word] = _zlib4(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[SEVEN + word] = _seven(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[EIGHT + word] = _eight(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[NUMERIC + word] = _numeric(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[IN_BASE64 + word] = _in_base64(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[TOP5 + word] = _top5(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[TOP3 + word] = _top3(b0, b1, b2, b3, b4, b5, b6, b7)
        rows[TOP1 + word] = _top1(b0, b1, b2, b3, b4, b5, b6, b7)
