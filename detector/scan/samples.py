"""Where bytes may be printed one by one, text be in groups, characters stand without a width, and words are long.

One pass tells which bytes are of which class, as bits, 64 bytes at a time; the rest is arithmetic on these, without
branches where text is ordinary. What it says of all but characters is *maybe*; the decoders look closer.
"""
# ruff: noqa: C901, PLR0911, PLR0913, PLR0917, PLR2004 - bytes are written as their codes; a compiled loop is one function

from typing import Any, Final, NamedTuple

import numpy as np

from detector.jit import bare, compiled, place
from detector.scan.base85 import FIRST85, TELLING85, add_groups, keep_telling, mark_groups
from detector.scan.byte_masks import WORD, mask_of
from detector.scan.cuts import add_cuts, add_last, scratch
from detector.scan.digits import HEX, NONE, PRINTABLE
from detector.scan.grids import PERIODS, extent
from detector.scan.line_wraps import lines_scratch
from detector.scan.long_words import ASCII85, BASE85, add_words
from detector.scan.normalised import read

_EIGHT: Final = 8
_WORDS: Final = 64  # looked at together: the scratch stays in the first-level cache
_BLOCK: Final = WORD * _WORDS  # bytes of these, which have one place of a kind each at most
_SIGN, _BLANK, _DIGIT = 1, 2, 3
# The rows of masks, a bit for each byte, and of what is made of them.
(
    _LISTED_ROW,
    _BETWEEN_ROW,
    _BIT_ROW,
    _BLANK_ROW,
    _SIGN_ROW,
    _LEAD_ROW,
    _LETTER_ROW,
    _HEX_ROW,
    _HIGH_ROW,
    _BASE85_ROW,
    _ASCII85_ROW,
    _TELLING_ROW,
    _SAMPLE_ROW,
    _ROW_ROW,
    _PERIOD_ROW,
    _GROUPS_ROW,
    _WORD_ROW,
    _IN_BASE85_ROW,
    _IN_ASCII85_ROW,
    _ROWS,
) = range(20)
_LISTED: Final = np.zeros(256, np.uint8)  # what a list of bytes consists of
_LISTED[list(b",:;-")] = _SIGN
_LISTED[list(b" \t\r\n")] = _BLANK
_LISTED[list(b"0123456789abcdefABCDEFx")] = _DIGIT
_IN_BASE85, _IN_ASCII85 = FIRST85
# Below what the first of so many decimal or octal digits is.
_BELOW: Final = np.array([0, 0, 0, 0x32, 0, 0x34, 0x31], np.uint8)


_IN_LIST: Final = mask_of((0, 0x22, 0), (0x2C, 2, 0), (0x30, 12, 0), (0x40, 8, 0x20), (0x58, 8, 0x20))
"""Hex digits, and what stands between them; and some more bytes, for fewer instructions."""
_BETWEEN: Final = mask_of((0, 0x30, 0), (0x3A, 6, 0))
_BIT: Final = mask_of((0x30, 1, 1))
_BLANK_BYTE: Final = mask_of((0x20, 1, 0))
_SIGN_BYTE: Final = mask_of((0x7B, 0x100 - 0x7B + 0x30, 0))  # below `0`, above `z`, or not ASCII
_LEAD: Final = mask_of((0xC2, 0x3E, 0))  # of a character beyond ASCII
_LETTER: Final = mask_of((0x30, 10, 0), (0x40, 0x40, 0))  # and digits, and a few signs
_HEX_BYTE: Final = mask_of((0x30, 10, 0), (0x40, 7, 0x20))  # and two signs
_HIGH: Final = mask_of((0x32, 6, 0))  # the higher half of hex digits that say ASCII


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
def _look(text: Any, words: int, masks: Any) -> None:
    """Of each 64 bytes what they are, in the rows of `masks`."""
    for word in range(words):
        at = WORD * word
        masks[_LISTED_ROW, word] = _IN_LIST(text, at)
        masks[_BETWEEN_ROW, word] = _BETWEEN(text, at)
        masks[_BIT_ROW, word] = _BIT(text, at)
        masks[_BLANK_ROW, word] = _BLANK_BYTE(text, at)
        masks[_SIGN_ROW, word] = _SIGN_BYTE(text, at)
        masks[_LEAD_ROW, word] = _LEAD(text, at)
        masks[_LETTER_ROW, word] = _LETTER(text, at)
        masks[_HEX_ROW, word] = _HEX_BYTE(text, at)
        masks[_HIGH_ROW, word] = _HIGH(text, at)
        masks[_BASE85_ROW, word] = _IN_BASE85(text, at)
        masks[_ASCII85_ROW, word] = _IN_ASCII85(text, at)
        masks[_TELLING_ROW, word] = TELLING85(text, at)


@bare
def _repeating(here: Any, after: Any, differ: Any) -> Any:
    """The samples of some signs and some others, with a period of 4 to 6, or where they do not `differ` by a shorter one."""
    second = here >> np.uint64(8) | after << np.uint64(56)
    differ &= _differ(here, after, second, np.uint64(4)) & _differ(here, after, second, np.uint64(5))
    third = here & np.uint64(0x0F0F0F0F0F0F0F0F)  # behind any other there is no third in sixteen bytes
    differ &= _differ(here, after, second, np.uint64(6)) | ~_any(third)
    return ~differ & _any(here) & _any(~here) & np.uint64(0x0101010101010101)


@bare
def _narrow(masks: Any, words: int, in_row: Any, in_period: Any, in_groups: Any, in_word: Any) -> None:
    """Says by bits of each eight bytes where three samples in a row are of a kind, and where signs may have a period.

    Of a sample of eight bytes bit 0 says: hex digits and what stands between them; bit 1: something between, or all 0
    and 1; bit 2: no two characters side by side; bit 3: letters and digits; bit 4: hex digits; bit 5: the same, and every
    second one 2 to 7; bit 6: every second one below 8, or none. `in_row` is for lists (bits 0 and 2), `in_word` for long
    words (bit 3) and hex digits that were reversed (bit 4) or say what was XORed (bit 5). The period is that of the next
    sixteen bytes; `in_groups` is the same for blanks alone, as signs may stand in what they set apart.
    """
    first, one = np.uint64(0x0101010101010101), np.uint64(1)
    within = np.uint64(0x7F7F7F7F7F7F7F7F)
    samples = masks[_SAMPLE_ROW]
    listed, between, bit = masks[_LISTED_ROW], masks[_BETWEEN_ROW], masks[_BIT_ROW]
    blank, sign = masks[_BLANK_ROW], masks[_SIGN_ROW]
    letter, hex_digit, high = masks[_LETTER_ROW], masks[_HEX_ROW], masks[_HIGH_ROW]
    even = np.uint64(0x5555555555555555)
    long, changed = first << np.uint64(3), first << np.uint64(5) | first << np.uint64(6)
    for word in range(words + 1):
        blanks = blank[word]
        pairs = ~(blanks | blanks >> one) & within
        no_hex = _any(~hex_digit[word])
        low = ~high[word]
        halves = no_hex | (_any(low & even) & _any(low & ~even))
        upper = low & ~bit[word]
        lower = ~upper
        tops = no_hex | (_any(upper & even) & _any(lower & even) & _any(upper & ~even) & _any(lower & ~even))
        samples[word] = (
            (~_any(~listed[word]) & first)
            | ((_any(between[word]) | ~_any(~bit[word])) & first) << one
            | (~_any(pairs) & _any(~blanks) & first) << np.uint64(2)
            | (~_any(~letter[word]) & first) << np.uint64(3)
            | (~no_hex & first) << np.uint64(4)
            | (~halves & first) << np.uint64(5)
            | (~tops & first) << np.uint64(6)
        )
    for word in range(words):
        here, after = samples[word], samples[word + 1]
        second = here >> np.uint64(8) | after << np.uint64(56)
        third = here >> np.uint64(16) | after << np.uint64(48)
        two = ((here & second) | (here & third) | (second & third)) >> one & first
        three = here & second & third
        in_row[word] = three & (two | first << np.uint64(2))
        in_word[word] = (three & long & ~(here >> one)) | (three & changed) >> one
        here, after = sign[word], sign[word + 1]
        second = here >> np.uint64(8) | after << np.uint64(56)
        differ = _differ(here, after, second, np.uint64(2)) & _differ(here, after, second, np.uint64(3))
        in_period[word] = _repeating(here, after, differ)
        blanks, behind = blank[word], blank[word + 1]
        others, behind = here ^ blanks, after ^ behind
        same = ~_any(others | others >> np.uint64(8) | behind << np.uint64(56))
        in_groups[word] = _repeating(blanks, blank[word + 1], ~np.uint64(0)) & ~(same & in_period[word])


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


@bare
def _listed(data: Any, at: int, bits: Any, out: Any, found: int) -> int:
    """Adds to `out` the places in 64 bytes, from `at` on, where three samples in a row are of a kind; how many there are then."""
    while bits != np.uint64(0):
        group = int(place(bits)) >> 3
        kind = bits >> np.uint64(8 * group) & np.uint64(255)
        bits &= ~(np.uint64(255) << np.uint64(8 * group))
        where = at + _EIGHT * group
        if where + 3 * _EIGHT > data.size:
            break
        if not kind & np.uint64(4):
            if not _is_listed(data, where + _EIGHT):
                continue
            # What stands before a list may be of its characters: a dump's offset.
            if not _is_listed(data, where):
                where += _EIGHT
        out[found] = where
        found += 1
    return found


@bare
def _periodic(
    data: Any, at: int, bits: Any, here: Any, after: Any, out: Any, found: int, done: int
) -> tuple[int, int]:
    """The same, where text is in groups behind `done`; and what is done then."""
    one = np.uint64(1)
    while bits != np.uint64(0):
        bit = int(place(bits))
        bits &= bits - one
        # Two shifts: one by 64 is none.
        signs = here >> np.uint64(bit) | (after << np.uint64(63 - bit)) << one
        if PERIODS[signs & np.uint64(0xFFFF)]:
            _, _, separator, _, done = extent(data, at + bit, done)
            if separator:
                out[found] = at + bit
                found += 1
    return found, done


@bare
def _beyond(data: Any, at: int, leads: Any, out: Any, found: int) -> int:
    """The same, where a character stands that has no width, or a full one."""
    while leads != np.uint64(0):
        where = at + int(place(leads))
        leads &= leads - np.uint64(1)
        if read(data, where, data.size):
            out[found] = where
            found += 1
    return found


@bare
def _block(
    data: Any,
    text: Any,
    done: int,
    masks: Any,
    listed: Any,
    grids: Any,
    beyond: Any,
    long_words: Any,
    counts: Any,
    cuts: Any,
    parts: Any,
    lines: Any,
) -> None:
    """Adds the places in the next `_WORDS` times 64 bytes, which `text` begins with."""
    in_row, in_word = masks[_ROW_ROW], masks[_WORD_ROW]
    in_period, in_groups = masks[_PERIOD_ROW], masks[_GROUPS_ROW]
    blanks = masks[_BLANK_ROW]
    signs, leads = masks[_SIGN_ROW], masks[_LEAD_ROW]
    base85, ascii85 = masks[_IN_BASE85_ROW], masks[_IN_ASCII85_ROW]
    _look(text, _WORDS + 1, masks)
    counts[8] = add_cuts(data, text, done, _WORDS, parts, lines, cuts, counts[8])
    _narrow(masks, _WORDS, in_row, in_period, in_groups, in_word)
    mark_groups(masks[_BASE85_ROW], _WORDS, base85)
    mark_groups(masks[_ASCII85_ROW], _WORDS, ascii85)
    keep_telling(masks[_TELLING_ROW], _WORDS, ascii85)
    for word in range(_WORDS):
        at = done + WORD * word
        if in_row[word] != np.uint64(0):
            counts[0] = _listed(data, at, in_row[word], listed, counts[0])
        if in_period[word] != np.uint64(0):
            counts[1], counts[4] = _periodic(
                data, at, in_period[word], signs[word], signs[word + 1], grids, counts[1], counts[4]
            )
        if in_groups[word] != np.uint64(0):
            counts[1], counts[4] = _periodic(
                data, at, in_groups[word], blanks[word], blanks[word + 1], grids, counts[1], counts[4]
            )
        if leads[word] != np.uint64(0):
            counts[2] = _beyond(data, at, leads[word], beyond, counts[2])
        if in_word[word] != np.uint64(0):
            counts[3], counts[5], counts[9] = add_words(
                data, at, in_word[word], long_words, counts[3], counts[5], counts[9]
            )
        if base85[word] != np.uint64(0):
            counts[3], counts[6] = add_groups(
                data, at, base85[word], 0, BASE85, long_words, counts[3], counts[6]
            )
        if ascii85[word] != np.uint64(0):
            counts[3], counts[7] = add_groups(
                data, at, ascii85[word], 1, ASCII85, long_words, counts[3], counts[7]
            )


@compiled
def _sampled(
    data: Any,
    listed: Any,
    grids: Any,
    beyond: Any,
    long_words: Any,
    counts: Any,
    cuts: Any,
    parts: Any,
    lines: Any,
) -> bool:
    """Fill the arrays and `counts`; False if there is no room."""
    masks = np.empty((_ROWS, _WORDS + 1), np.uint64)
    edge = np.empty(_BLOCK + WORD, np.uint8)
    room = min(listed.size, grids.size, beyond.size, long_words.shape[0], cuts.size) - _BLOCK
    for done in range(0, data.size, _BLOCK):
        if max(counts[0], counts[1], counts[2], counts[3], counts[8]) > room:
            return False
        text = data[done:]
        if text.size < edge.size:
            edge[:] = 0x6A  # `j`: what would be a long word of them ends behind the data, and is no place
            edge[: text.size] = text
            text = edge
        _block(data, text, done, masks, listed, grids, beyond, long_words, counts, cuts, parts, lines)
    if counts[8] > room:
        return False
    counts[8] = add_last(data, parts, lines, cuts, counts[8])
    return True


class Places(NamedTuple):
    """Where bytes may be printed one by one, where text is in groups, and characters without a width or a full one; in order.

    `cuts` are where a word may be cut in two. `long_words` are rows (kind, start, end) of the words that may be one of the kinds of that module.
    """

    listed: Any
    grids: Any
    beyond: Any
    long_words: Any
    cuts: Any


def sampled(data: bytes) -> Places:
    """Where such text may stand. No list of 31 bytes, no groups of 23 bytes and no word of 31 bytes are missed."""
    view = np.frombuffer(data, np.uint8)
    for room in (_BLOCK + len(data) // 256, _BLOCK + len(data)):  # what is seldom used up; one place a byte
        listed, grids, beyond, cuts = (np.empty(room, np.int64) for _ in range(4))
        rows = np.empty((room, 3), np.int64)
        # Of each; up to where groups, words and base85 are done; of cuts; up to where hex digits are done.
        counts = np.zeros(10, np.int64)
        if _sampled(view, listed, grids, beyond, rows, counts, cuts, scratch(), lines_scratch(_BLOCK)):
            break
    found = (listed, grids, beyond, rows, cuts)
    ends = (*counts[:4], counts[8])
    cuts[: counts[8]].sort()  # line feeds are seen when their lines end
    return Places(*(some[:count] for some, count in zip(found, ends, strict=True)))
