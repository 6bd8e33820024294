"""Where an encoding may begin, by arithmetic on `byte_rows` alone: no place is missed, few are told in clean text.

Each function fills the rows of what it is named for. The loops are always as long, so that the compiler takes several
words of 64 bytes at a time; behind the text that is looked at they say nothing.
"""

from typing import Any

import numpy as np

from detector.jit import bare
from detector.scan.byte_rows import (
    AMPERSAND,
    AT_ANY,
    AT_ASCII85,
    AT_BASE64,
    AT_BASE85,
    AT_CUT,
    AT_GROUP,
    AT_HEX,
    AT_LIST,
    AT_OTHER,
    AT_PERIOD,
    AT_WORD,
    AT_XORED,
    BACKSLASH,
    BEFORE_CUT,
    BEHIND_E,
    BETWEEN,
    BIT,
    BLANK,
    CAPITAL_A,
    CAPITAL_H,
    COLON,
    CONTROL,
    DIGIT,
    EIGHT,
    ENTITY,
    EQUALS,
    ESCAPING,
    FEED,
    FIRST64,
    FIRST85,
    FIRST_ASCII85,
    GROUP64,
    HEX_DIGIT,
    HIGH,
    IN_ASCII85,
    IN_BASE64,
    IN_BASE85,
    LEAD,
    LETTER,
    LINE_END,
    LISTED,
    NONE64,
    NUMERIC,
    OCTAL,
    ONES64,
    OPENS,
    OPERATOR,
    PERCENT,
    QUOTE,
    SAMPLES,
    SAMPLES85,
    SECOND64,
    SEVEN,
    SIGN,
    SMALL_B,
    SMALL_E,
    SPACE,
    STRIDE,
    TELLING85,
    TOP1,
    TOP3,
    TOP5,
    WORDS,
    ZLIB3,
    ZLIB4,
    ahead,
)


@bare
def _mark_digits(rows: Any) -> None:
    """Digits of base64 and hex that make text: five groups in a row, and of sixteen pairs nine."""
    for word in range(STRIDE):
        rows[GROUP64 + word] = rows[FIRST64 + word] & ahead(rows, SECOND64 + word, 1)
    for word in range(WORDS):
        group = GROUP64 + word
        rows[AT_BASE64 + word] = (
            rows[group]
            & ahead(rows, group, 4)
            & ahead(rows, group, 8)
            & ahead(rows, group, 12)
            & ahead(rows, group, 16)
        )
    for word in range(WORDS):
        high = OCTAL + word
        rows[AT_HEX + word] = (
            rows[high]
            & ahead(rows, high, 2)
            & ahead(rows, high, 4)
            & ahead(rows, high, 6)
            & ahead(rows, high, 8)
            & ahead(rows, high, 10)
            & ahead(rows, high, 12)
            & ahead(rows, high, 14)
            & ahead(rows, high, 16)
        )


@bare
def _mark_others(rows: Any) -> None:
    """What `triggers` tells by its first bytes: nothing of `_FORMS` there is missed."""
    for word in range(WORDS):
        blank, end = BLANK + word, LINE_END + word
        rows[AT_OTHER + word] = (
            rows[CONTROL + word]
            | (rows[BACKSLASH + word] & ahead(rows, ESCAPING + word, 1))
            | (rows[AMPERSAND + word] & ahead(rows, ENTITY + word, 1))
            | (rows[PERCENT + word] & ahead(rows, HEX_DIGIT + word, 1))
            | (
                rows[EQUALS + word]
                & (
                    ahead(rows, end, 1)
                    | ahead(rows, EQUALS + word, 3)
                    | (ahead(rows, OCTAL + word, 1) & ahead(rows, FIRST64 + word, 2))
                )
            )
            | (
                rows[blank]
                & ahead(rows, blank, 2)
                & ahead(rows, blank, 4)
                & ahead(rows, blank, 6)
                & ~ahead(rows, blank, 1)
                & ~ahead(rows, blank, 3)
                & ~ahead(rows, blank, 5)
            )
            | (rows[end] & ahead(rows, FEED + word, 1) & ahead(rows, end, 3) & ahead(rows, FEED + word, 4))
        )
    for word in range(WORDS):
        capital_a, digit, eight = CAPITAL_A + word, DIGIT + word, EIGHT + word
        rows[AT_OTHER + word] |= (
            (rows[CAPITAL_H + word] & ahead(rows, digit, 1))
            | (rows[SMALL_E + word] & ahead(rows, BEHIND_E + word, 1))
            | (rows[capital_a] & ahead(rows, capital_a, 3) & ahead(rows, capital_a, 8))
            | (rows[SMALL_B + word] & ahead(rows, SMALL_E + word, 1) & ahead(rows, SPACE + word, 5))
            | (
                rows[LETTER + word]
                & ahead(rows, OPENS + word, 1)
                & ahead(rows, digit, 2)
                & ahead(rows, digit, 3)
            )
            | (
                rows[BIT + word]
                & ahead(rows, eight, 2)
                & ahead(rows, SMALL_B + word, 3)
                & ahead(rows, eight, 5)
            )
            | (
                rows[SEVEN + word]
                & ahead(rows, eight, 1)
                & ahead(rows, ZLIB3 + word, 2)
                & ahead(rows, ZLIB4 + word, 3)
            )
        )


@bare
def _mark_cuts(rows: Any) -> None:
    """Quotes where a word may be cut; and what stands before a backslash at a line's end, or ends a key with a digit.

    The value of such a key may be half of a word.
    """
    for word in range(WORDS):
        quote, operator = QUOTE + word, OPERATOR + word
        end = ahead(rows, LINE_END + word, 1)
        put = (
            rows[quote]
            & ~(rows[quote] << np.uint64(2))
            & (ahead(rows, operator, 1) | ahead(rows, BLANK + word, 1))
        )
        behind = (
            (ahead(rows, operator, 1) & ahead(rows, BLANK + word, 2))
            | ahead(rows, quote, 2)
            | ahead(rows, operator, 2)
        )
        rows[AT_CUT + word] = put & (behind | end)
        rows[BEFORE_CUT + word] = (
            rows[DIGIT + word] & ahead(rows, quote, 1) & ahead(rows, COLON + word, 2)
        ) | (~rows[BLANK + word] & ahead(rows, BACKSLASH + word, 1) & ahead(rows, LINE_END + word, 2))


@bare
def _any(bits: Any) -> Any:
    """Of each eight bits the first says whether any is set; the others mean nothing."""
    bits |= bits >> np.uint64(1)
    bits |= bits >> np.uint64(2)
    return bits | bits >> np.uint64(4)


@bare
def _differ(here: Any, after: Any, second: Any, period: Any) -> Any:
    """As `_any`: whether one of the first bytes of the next sixteen differs from what stands `period` later in them.

    `second` are the bits eight further on.
    """
    within = (np.uint64(0xFF) >> period) * np.uint64(0x0101010101010101)
    return _any(
        (here ^ (here >> period | after << (np.uint64(64) - period))) | ((second ^ second >> period) & within)
    )


@bare
def _repeating(here: Any, after: Any, differ: Any) -> Any:
    """Samples of some signs and some others with a period of 4 to 6, or a shorter one by which they do not `differ`."""
    second = here >> np.uint64(8) | after << np.uint64(56)
    differ &= _differ(here, after, second, np.uint64(4)) & _differ(here, after, second, np.uint64(5))
    third = here & np.uint64(0x0F0F0F0F0F0F0F0F)  # behind any other there is no third in sixteen bytes
    differ &= _differ(here, after, second, np.uint64(6)) | ~_any(third)
    return ~differ & _any(here) & _any(~here) & np.uint64(0x0101010101010101)


@bare
def _mark_samples(rows: Any) -> None:
    """Says by bits of each eight bytes, a sample, what they consist of.

    Bit 0 says: hex digits and what stands between them; bit 1: something between, or all 0 and 1; bit 2: no two
    characters side by side; bit 3: letters and digits; bit 4: hex digits; bit 5: the same, and every second one 2 to
    7; bit 6: every second one below 8, or none.
    """
    first, one = np.uint64(0x0101010101010101), np.uint64(1)
    within = np.uint64(0x7F7F7F7F7F7F7F7F)
    even = np.uint64(0x5555555555555555)
    for word in range(STRIDE):
        blanks, bit = rows[SPACE + word], rows[BIT + word]
        pairs = ~(blanks | blanks >> one) & within
        no_hex = _any(~rows[HEX_DIGIT + word])
        low = ~rows[HIGH + word]
        halves = no_hex | (_any(low & even) & _any(low & ~even))
        upper = low & ~bit
        lower = ~upper
        tops = no_hex | (_any(upper & even) & _any(lower & even) & _any(upper & ~even) & _any(lower & ~even))
        rows[SAMPLES + word] = (
            (~_any(~rows[LISTED + word]) & first)
            | ((_any(rows[BETWEEN + word]) | ~_any(~bit)) & first) << one
            | (~_any(pairs) & _any(~blanks) & first) << np.uint64(2)
            | (~_any(~rows[LETTER + word]) & first) << np.uint64(3)
            | (~no_hex & first) << np.uint64(4)
            | (~halves & first) << np.uint64(5)
            | (~tops & first) << np.uint64(6)
        )


@bare
def _mark_rows(rows: Any) -> None:
    """Three samples in a row of a kind: lists (bits 0 and 2), and long words.

    These are of letters and digits (bit 3), or of hex digits that were reversed (bit 4) or say what was XORed (bit 5).
    """
    first, one = np.uint64(0x0101010101010101), np.uint64(1)
    long, changed = first << np.uint64(3), first << np.uint64(5) | first << np.uint64(6)
    for word in range(WORDS):
        sample = SAMPLES + word
        here, second, third = rows[sample], ahead(rows, sample, 8), ahead(rows, sample, 16)
        two = ((here & second) | (here & third) | (second & third)) >> one & first
        three = here & second & third
        rows[AT_LIST + word] = three & (two | first << np.uint64(2))
        rows[AT_WORD + word] = (three & long & ~(here >> one)) | (three & changed) >> one


@bare
def _mark_periods(rows: Any) -> None:
    """Where the signs of the next sixteen bytes may have a period; and the same for blanks alone.

    Signs may stand in what blanks set apart.
    """
    one = np.uint64(1)
    for word in range(WORDS):
        here, after = rows[SIGN + word], rows[SIGN + word + 1]
        second = here >> np.uint64(8) | after << np.uint64(56)
        # One sign of three stands in dates and times.
        single = ~_any(here & (here >> one | after << np.uint64(63)))
        differ = _differ(here, after, second, np.uint64(2)) & (
            _differ(here, after, second, np.uint64(3)) | single
        )
        period = _repeating(here, after, differ)
        rows[AT_PERIOD + word] = period
        blanks, behind = rows[SPACE + word], rows[SPACE + word + 1]
        others, behind = here ^ blanks, after ^ behind
        same = ~_any(others | others >> np.uint64(8) | behind << np.uint64(56))
        rows[AT_GROUP + word] = _repeating(blanks, rows[SPACE + word + 1], ~np.uint64(0)) & ~(same & period)
    _mark_dense_periods(rows)


@bare
def _mark_dense_periods(rows: Any) -> None:
    """The same where what is set apart has signs in it: a sign at each place of a period, whatever the others have.

    Every second place of sixteen bytes, two places of three, or four places five bytes apart; these without blanks.
    """
    first = np.uint64(0x0101010101010101)
    even, odd = np.uint64(0x5555555555555555), np.uint64(0xAAAAAAAAAAAAAAAA)
    for word in range(WORDS):
        others, behind = ~rows[SIGN + word], ~rows[SIGN + word + 1]
        second = others >> np.uint64(8) | behind << np.uint64(56)
        two = ~(_any((others | second) & even) & _any((others | second) & odd))
        # Of the bits of a byte, and of the next, those that two of three places are.
        three = ~(
            _any(others & np.uint64(0xDBDBDBDBDBDBDBDB) | second & np.uint64(0xB6B6B6B6B6B6B6B6))
            & _any(others & np.uint64(0xB6B6B6B6B6B6B6B6) | second & np.uint64(0x6D6D6D6D6D6D6D6D))
            & _any(others & np.uint64(0x6D6D6D6D6D6D6D6D) | second & np.uint64(0xDBDBDBDBDBDBDBDB))
        )
        rows[AT_PERIOD + word] |= (two | three) & _any(others) & _any(second) & first
        signs, after = (
            rows[SIGN + word] & ~rows[SPACE + word],
            rows[SIGN + word + 1] & ~rows[SPACE + word + 1],
        )
        five = (
            signs
            & (signs >> np.uint64(5) | after << np.uint64(59))
            & (signs >> np.uint64(10) | after << np.uint64(54))
            & (signs >> np.uint64(15) | after << np.uint64(49))
        )
        within = (  # a line of signs has no others there
            (others >> np.uint64(1) | behind << np.uint64(63))
            | (others >> np.uint64(2) | behind << np.uint64(62))
            | (others >> np.uint64(3) | behind << np.uint64(61))
            | (others >> np.uint64(4) | behind << np.uint64(60))
        )
        rows[AT_PERIOD + word] |= five & within


@bare
def _mark_base85(rows: Any) -> None:
    """The first digits that begin five groups of base85 in a row.

    Of Ascii85 one of the first four has a telling digit, or the next two samples have more than numbers, times and
    digests. The next two samples are of digits alone, and not of hex digits alone: that would be no accident.
    """
    first = np.uint64(0x0101010101010101)
    for word in range(STRIDE):
        rows[SAMPLES85 + word] = (
            (~_any(~rows[IN_BASE85 + word]) & first)
            | (~_any(~rows[IN_ASCII85 + word]) & first) << np.uint64(1)
            | (rows[SAMPLES + word] >> np.uint64(2) & first << np.uint64(2))
            | (_any(~rows[NUMERIC + word]) & first) << np.uint64(3)
        )
    for word in range(WORDS):
        sample = SAMPLES85 + word
        one, other = ahead(rows, sample, 8), ahead(rows, sample, 16)
        two, telling = one & other, (one | other) >> np.uint64(3) & first
        no_hex = ~(two >> np.uint64(2)) & first
        one, other = two & no_hex, two >> np.uint64(1) & no_hex
        at = FIRST85 + word
        rows[AT_BASE85 + word] = (
            ((one << np.uint64(8)) - one)
            & rows[at]
            & ahead(rows, at, 5)
            & ahead(rows, at, 10)
            & ahead(rows, at, 15)
            & ahead(rows, at, 20)
        )
        at, first_four = FIRST_ASCII85 + word, TELLING85 + word
        rows[AT_ASCII85 + word] = (
            ((other << np.uint64(8)) - other)
            & rows[at]
            & ahead(rows, at, 5)
            & ahead(rows, at, 10)
            & ahead(rows, at, 15)
            & ahead(rows, at, 20)
            & (
                ((telling << np.uint64(8)) - telling)
                | rows[first_four]
                | ahead(rows, first_four, 5)
                | ahead(rows, first_four, 10)
                | ahead(rows, first_four, 15)
            )
        )


@bare
def _mark_xored(rows: Any) -> None:
    """Where five groups of base64 begin that say bytes with the same top bit, which is in three digits of a group."""
    for word in range(STRIDE):
        five, three, one, digit = TOP5 + word, TOP3 + word, TOP1 + word, IN_BASE64 + word
        second, third = ahead(rows, three, 1), ahead(rows, one, 2)
        rows[ONES64 + word] = rows[five] & second & third
        rows[NONE64 + word] = (
            rows[digit] & ahead(rows, digit, 1) & ahead(rows, digit, 2) & ~(rows[five] | second | third)
        )
    for word in range(WORDS):
        ones, none = ONES64 + word, NONE64 + word
        rows[AT_XORED + word] = (
            rows[ones]
            & ahead(rows, ones, 4)
            & ahead(rows, ones, 8)
            & ahead(rows, ones, 12)
            & ahead(rows, ones, 16)
        ) | (
            rows[none]
            & ahead(rows, none, 4)
            & ahead(rows, none, 8)
            & ahead(rows, none, 12)
            & ahead(rows, none, 16)
        )


@bare
def mark(rows: Any) -> None:
    """Fill the rows that say where something may be."""
    _mark_digits(rows)
    _mark_others(rows)
    _mark_cuts(rows)
    _mark_samples(rows)
    _mark_rows(rows)
    _mark_periods(rows)
    _mark_base85(rows)
    _mark_xored(rows)
    for word in range(WORDS):
        rows[AT_ANY + word] = (
            rows[AT_BASE64 + word]
            | rows[AT_HEX + word]
            | rows[AT_OTHER + word]
            | rows[AT_CUT + word]
            | rows[BEFORE_CUT + word]
            | rows[AT_LIST + word]
            | rows[AT_PERIOD + word]
            | rows[AT_GROUP + word]
            | rows[AT_WORD + word]
            | rows[AT_XORED + word]
            | rows[AT_BASE85 + word]
            | rows[AT_ASCII85 + word]
            | rows[LEAD + word]
        )
