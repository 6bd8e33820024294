"""Compiled loops that look for registered secrets in another form: reversed, rot13, other case, a character short.

Only texts of exactly a registered length are tried: from one boundary to another, in a stretch without white space,
quotes and commas, and with the turns between digits and letters that tokens have. So few are left that each form of
each can be tested by its rolling check.
"""
# ruff: noqa: C901, PLR0912, PLR0913, PLR0917, PLR2004 - a compiled loop takes its arrays apart, and bytes are written as codes

from typing import Any, Final

import numpy as np

from detector.byte_masks import WORD, mask_of
from detector.jit import bare, compiled, place
from detector.scan.kernels import ALNUM, CLASSES, count_bits, listed, sieve_shift

REVERSED, ROT13, SWAPPED, NO_LAST, NO_FIRST = range(5)
FULL, SHORT, FOLDED = 1, 2, 4  # of a length: what a text of it may be
FULL_MIXED, SHORT_MIXED = 8, 16  # the same, if it has letters of both cases
TURNS: Final = 3  # of a token: fewer have words, paths, numbers and times
FOREIGN: Final = 3  # letters beyond f of what lost its case: times, and digests behind a name, have fewer
_BLOCK: Final = 1 << 13
_DENSE, _NEAR = 32, 256  # so many boundaries in so many bytes: lines of signs, where each two may hold a text
_PARTS: Final = np.array([byte <= 32 or byte in b"\"',=:&/" for byte in range(256)], np.bool_)
_SIGNS: Final = 4  # and one in four bytes: what has more is no token, and too dear to complete
LAST: Final = np.frombuffer(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.~", np.uint8
)
"""The characters that may be the missing one."""


DIGIT: Final = mask_of((48, 10, 0))
SMALL: Final = mask_of((97, 26, 0))
CAPITAL: Final = mask_of((65, 26, 0))
_JOINT: Final = mask_of((95, 1, 0), (45, 1, 0), (43, 1, 0))  # _ - +
_POINT: Final = mask_of((46, 1, 0))
_MIXING: Final = np.uint64(0x9E3779B97F4A7C15)
_BEYOND: Final = mask_of((0x47, 20, 0x20))
_SIGN: Final = mask_of((0x21, 6, 0), (0x2A, 1, 0), (0x3F, 2, 0), (0x5E, 1, 0), (0x7E, 1, 0))  # !#$%&*?@^~
_SIGNS_BEFORE: Final = np.array([byte in b'!"#$%&*?@^~' for byte in range(256)], np.uint8)


@bare
def _classes(text: Any, before: Any, joined: int, words: int, cuts: Any, turns: Any) -> None:
    """Marks each byte of `text` by a bit: does a boundary, or a turn, stand before it.

    `before` is the byte that precedes `text`, and `joined` says whether it joins; the last 64 bytes are only looked
    at. Letters, digits, `-_+` and a point before a letter or digit join. A boundary is beside a byte that does not. A
    turn is between a digit and a letter, a small letter and a capital, or one of some signs and a letter or digit.
    """
    one, top = np.uint64(1), np.uint64(63)
    digit_before = np.uint64(48 <= before <= 57)
    small_before = np.uint64(97 <= before <= 122)
    capital_before = np.uint64(65 <= before <= 90)
    joins_before, sign_before = np.uint64(joined), np.uint64(_SIGNS_BEFORE[before])
    digits, smalls, capitals = DIGIT(text, 0), SMALL(text, 0), CAPITAL(text, 0)
    for word in range(words):
        at = WORD * word
        next_digits, next_smalls, next_capitals = (
            DIGIT(text, at + WORD),
            SMALL(text, at + WORD),
            CAPITAL(text, at + WORD),
        )
        alnum, beyond = digits | smalls | capitals, next_digits | next_smalls | next_capitals
        joins = alnum | _JOINT(text, at) | (_POINT(text, at) & (alnum >> one | beyond << top))
        cuts[word] = ~(joins & (joins << one | joins_before))
        after_digit, after_small = digits << one | digit_before, smalls << one | small_before
        after_letter = after_small | capitals << one | capital_before
        signs = _SIGN(text, at)
        turns[word] = (digits & after_letter) | ((smalls | capitals) & after_digit) | (capitals & after_small)
        turns[word] |= alnum & (signs << one | sign_before)
        sign_before = signs >> top
        digit_before, small_before, capital_before = digits >> top, smalls >> top, capitals >> top
        joins_before = joins >> top
        digits, smalls, capitals = next_digits, next_smalls, next_capitals


@compiled
def _joins(data: Any, at: int) -> int:
    """Whether the byte at `at` joins, as in `_classes`."""
    byte = data[at]
    if CLASSES[byte] == ALNUM or byte in (95, 45, 43):
        return 1
    return int(byte == 46 and at + 1 < data.size and CLASSES[data[at + 1]] == ALNUM)


@bare
def _cut(cuts: Any, start: int, end: int) -> int:
    """How many of the bits are set from `start` on and before `end`."""
    first, last = start >> 6, end >> 6
    one = np.uint64(1)
    high = cuts[first] >> np.uint64(start & 63)
    if first == last:
        return int(count_bits(high & ((one << np.uint64(end - start)) - one)))
    count = count_bits(high)
    for word in range(first + 1, last):
        count += count_bits(cuts[word])
    return int(count + count_bits(cuts[last] & ((one << np.uint64(end & 63)) - one)))


@bare
def _boundaries(cuts: Any, turns: Any, start: int, end: int, places: Any, ranks: Any) -> int:
    """Writes the boundaries from `start` to `end`, and how many turns stand before each; returns how many they are."""
    count = rank = 0
    one = np.uint64(1)
    for word in range(start >> 6, (end >> 6) + 1):
        bits, turned = cuts[word], turns[word]
        if word == start >> 6:
            bits &= ~((one << np.uint64(start & 63)) - one)
        while bits != np.uint64(0):
            at = 64 * word + np.int64(place(bits))
            if at > end:
                return count
            places[count] = at
            ranks[count] = rank + count_bits(turned & ((bits & (~bits + one)) - one))
            bits &= bits - one
            count += 1
        rank += count_bits(turned)
    return count


@bare
def _pairs(
    data: Any,
    places: Any,
    ranks: Any,
    many: int,
    block: int,
    done: int,
    lengths: Any,
    wanted: Any,
    cuts: Any,
    out: Any,
    found: int,
) -> int:
    """Adds the pairs of boundaries in one stretch that a secret may stand between; -1 if `out` is full.

    `ranks` says how many turns stand before each of the `many` boundaries. Where very many are near, a text has to
    begin behind what parts words or one of `=:&/`, and to end before one.
    """
    shortest, longest = lengths[0], lengths[-1]
    end, all_turns = places[many - 1], ranks[many - 1]
    near = 1
    for number in range(many):
        start, least = places[number], ranks[number] + TURNS
        if start >= block or end - start < shortest or all_turns < least:
            break
        dense = number + _DENSE < many and places[number + _DENSE] - start <= _NEAR
        if dense and done + start > 0 and not _PARTS[data[done + start - 1]]:
            continue
        while places[near] - start < shortest or ranks[near] < least:
            near += 1
        last = min(many - 1, number + 3 + (longest >> 1))
        if last - near > 2 * lengths.size and places[last] - start <= longest:
            # Lines of signs: there are fewer lengths than boundaries.
            other = near
            for length in lengths:
                at = start + length
                if at > places[last]:
                    break
                if at < places[near] or not (cuts[at >> 6] >> np.uint64(at & 63)) & np.uint64(1):
                    continue
                if dense and done + at < data.size and not _PARTS[data[done + at]]:
                    continue
                other += _cut(cuts, places[other], at)
                if other - number > 3 + (length >> 1):
                    continue
                if found == out.shape[0]:
                    return -1
                out[found, 0] = done + start
                out[found, 1] = done + at
                found += 1
            continue
        for other in range(near, last + 1):
            length = places[other] - start
            if length > longest:
                break
            if wanted[length] and other - number <= 3 + (length >> 1):
                at = done + start + length
                if dense and at < data.size and not _PARTS[data[at]]:
                    continue
                if found == out.shape[0]:
                    return -1
                out[found, 0] = done + start
                out[found, 1] = done + start + length
                found += 1
    return found


@compiled
def candidates(data: Any, runs: Any, at: Any, lengths: Any, wanted: Any, out: Any) -> int:
    """Lists texts of the lengths between two boundaries, in runs of `unbroken_kernel.runs_of`: how many are in `out`.

    `at` says where to begin: the number of the run and a place in the data. It is moved to where the rest starts.
    Call it again until the number is that of all runs. A count of -1 means that `out` is too small for what begins in
    one block.

    `wanted` says of each length, up to the last of `lengths`, whether it is one. Those with more than two boundaries
    inside and one for each two bytes are no token, and those with less than three turns are words or numbers. Where
    boundaries are dense, few of them are tried (`_pairs`). The cost goes by the boundaries in long runs with turns,
    which are few, and hardly by the lengths.
    """
    able = lengths.size
    while able > 0 and lengths[able - 1] > data.size:
        able -= 1
    if able == 0:
        at[0] = runs.shape[0]
        return 0
    lengths = lengths[:able]
    shortest, longest = lengths[0], lengths[able - 1]
    block = min(_BLOCK, (data.size + 63) // 64 * 64)
    words = ((block + longest) >> 6) + 2
    edge = np.zeros(WORD * (words + 1), np.uint8)
    cuts, turns = np.zeros((2, words), np.uint64)
    places, ranks = np.empty((2, 64 * words), np.int32)  # small: what malloc maps again costs more
    count = 0
    resumed = at[1]
    for number in range(at[0], runs.shape[0]):
        first, end = runs[number, 0], runs[number, 1]
        begin = max(first, resumed)
        while end - begin >= shortest:
            size = min(end - begin, block + longest)
            some = (size >> 6) + 1
            text = edge
            if data.size - begin >= WORD * (some + 1):
                text = data[begin : begin + WORD * (some + 1)]
            else:
                edge[: data.size - begin] = data[begin:]
                edge[data.size - begin :] = 0
            before = data[begin - 1] if begin else np.uint8(0)
            _classes(text, before, _joins(data, begin - 1) if begin > first else 0, some, cuts, turns)
            if _cut(turns, 0, size) >= TURNS:
                many = _boundaries(cuts, turns, 0, size, places, ranks)
                found = _pairs(data, places, ranks, many, block, begin, lengths, wanted, cuts, out, count)
                if found < 0:
                    at[0], at[1] = number, begin
                    return count or -1
                count = found
            begin += block
    at[0] = runs.shape[0]
    return count


@bare
def _known(check: Any, length: int, sieve: Any, shift: Any, slots: Any) -> bool:
    if not (sieve[check >> shift] >> np.uint64(check & np.uint32(63))) & np.uint64(1):
        return False
    return bool(listed(slots, (np.uint64(length) << np.uint64(32)) | np.uint64(check)))


@bare
def _plain_sum(text: Any, powers: Any) -> Any:
    """The sum of B to the powers, for each byte that plus 1; from the last byte on they ascend."""
    last = np.uint64(text.size - 1)
    total = np.uint64(0)
    for step in range(text.size):
        at = np.uint64(step)  # unsigned places need no test for Python's negative ones
        total += (np.uint64(text[at]) + np.uint64(1)) * powers[last - at]
    return total


@bare
def _sums(text: Any, powers: Any) -> Any:
    """As `_plain_sum`, of what the text says if it is reversed, in rot13, in swapped case.

    Letters are changed by arithmetic: without tables the compiler handles eight at a time.
    """
    last = np.uint64(text.size - 1)
    turned, rotated, swapped = np.uint64(0), np.uint64(0), np.uint64(0)
    for step in range(text.size):
        at = np.uint64(step)
        byte, power = text[at], powers[last - at]
        number = np.uint8((byte | np.uint8(32)) - np.uint8(97))  # of a letter, from 0 on
        letter, early = np.uint8(number < np.uint8(26)), np.uint8(number < np.uint8(13))
        other = np.uint8(byte + np.uint8(26) * early - np.uint8(13) * letter)
        turned += (np.uint64(byte) + np.uint64(1)) * powers[at]
        rotated += (np.uint64(other) + np.uint64(1)) * power
        swapped += (np.uint64(np.uint8(byte ^ (letter << np.uint8(5)))) + np.uint64(1)) * power
    return turned, rotated, swapped


@bare
def letters(data: Any, at: int, end: int) -> tuple[bool, bool]:
    """Whether there are capitals, and whether there are small letters, from `at` on and before `end`."""
    capitals, smalls = np.uint64(0), np.uint64(0)
    while at < end and at + WORD <= data.size:
        within = ~np.uint64(0) >> np.uint64(max(0, at + WORD - end))
        capitals |= CAPITAL(data, at) & within
        smalls |= SMALL(data, at) & within
        at += WORD
    for byte in data[at:end]:
        capitals |= np.uint64(np.uint8(byte - np.uint8(65)) < np.uint8(26))
        smalls |= np.uint64(np.uint8(byte - np.uint8(97)) < np.uint8(26))
    return bool(capitals), bool(smalls)


@bare
def _completing(plain: Any, factor: Any, terms: Any, first: int, sieve: Any, shift: Any) -> Any:
    """Which of 64 characters of `LAST` complete a secret by the sieve, as bits: the sum is `plain` and factor·term."""
    bits = np.uint64(0)
    for number in range(min(64, LAST.size - first)):
        check = np.uint32((plain + terms[LAST[np.uint64(first + number)]] * factor) >> np.uint64(32))
        passed = (sieve[check >> shift] >> np.uint64(check & np.uint32(63))) & np.uint64(1)
        bits |= passed << np.uint64(number)
    return bits


@bare
def matching(
    data: Any, rows: Any, first: int, kinds: Any, terms: Any, powers: Any, sieve: Any, slots: Any, out: Any
) -> tuple[int, int]:
    """Tests rows from the `first` on: (how many rows of (number, form, missing character) are in `out`, the next row).

    `kinds` says of each length what a text of it may be, `FULL_MIXED` and `SHORT_MIXED` if it has letters of both
    cases. `terms` are M·(b + 1), `powers` those of B.
    """
    shift = sieve_shift(sieve)
    one, high, unit = np.uint64(1), np.uint64(32), terms[0]
    count = 0
    room = 3 + 2 * LAST.size
    for number in range(first, rows.shape[0]):
        if out.shape[0] - count < room:
            return count, number
        text = data[rows[number, 0] : rows[number, 1]]
        length = text.size
        kind: Any = np.int64(kinds[length])
        if kind & (FULL_MIXED | SHORT_MIXED):
            capitals, smalls = letters(data, rows[number, 0], rows[number, 1])
            kind |= kind >> 3 if capitals and smalls else 0  # so they count as `FULL` and `SHORT`
        if kind & FULL:
            turned, rotated, swapped = _sums(text, powers)
            for form in range(3):
                total = turned if form == REVERSED else rotated if form == ROT13 else swapped
                if _known(np.uint32((total * unit) >> high), length, sieve, shift, slots):
                    out[count, 0], out[count, 1], out[count, 2] = number, form, 0
                    count += 1
        if kind & SHORT:
            signs = 0
            for byte in text:
                signs += CLASSES[byte] != ALNUM
            if signs > _SIGNS + (length >> 2):
                continue
            total = _plain_sum(text, powers) * unit
            for form in (NO_LAST, NO_FIRST):
                plain = total * powers[1] if form == NO_LAST else total
                factor = one if form == NO_LAST else powers[length]
                for begin in range(0, LAST.size, 64):
                    bits = _completing(plain, factor, terms, begin, sieve, shift)
                    while bits != np.uint64(0):
                        byte = LAST[np.uint64(begin) + np.uint64(place(bits))]
                        bits &= bits - one
                        check = np.uint32((plain + terms[byte] * factor) >> high)
                        if listed(slots, (np.uint64(length + 1) << high) | np.uint64(check)):
                            out[count, 0], out[count, 1], out[count, 2] = number, form, byte
                            count += 1
    return count, rows.shape[0]


@bare
def _within(data: Any, at: int, end: int) -> Any:
    """Bits of the first of 64 bytes that stand before `end`; 0 if there are no 64 bytes."""
    return np.uint64(0) if at + WORD > data.size else ~np.uint64(0) >> np.uint64(max(0, at + WORD - end))


@bare
def _foreign(data: Any, start: int, end: int) -> int:
    """How many letters beyond f are in data[start:end]."""
    count = 0
    for at in range(start, end, WORD):
        within = _within(data, at, end)
        if within != np.uint64(0):
            count += count_bits(_BEYOND(data, at) & within)
        else:
            for byte in data[at : min(end, at + WORD)]:
                count += int(103 <= byte | 32 <= 122)
    return int(count)


@bare
def _remembered(text: Any, seen: Any) -> int:
    """Where in `seen` the number of such a text may stand: by some of its bytes."""
    sample = np.uint64(text.size)
    for at in range(0, text.size, 4):
        sample = (sample ^ np.uint64(text[at])) * _MIXING
    return int(sample >> np.uint64(33) & np.uint64(seen.size - 1))


@bare
def _same(one: Any, other: Any) -> bool:
    if one.size != other.size:
        return False
    for at in range(one.size):  # noqa: SIM110 - what numba compiles
        if one[at] != other[at]:
            return False
    return True


@bare
def foldable(
    data: Any, rows: Any, kinds: Any, seen: Any, chosen: Any, alike: Any, spans: Any, out: Any
) -> tuple[int, int]:
    """Writes the numbers of rows that may be a secret of both cases in one case, and their bytes in lower case, on end.

    Returns how many rows, and how many texts: of rows near each other that say the same it is one. `alike` has the
    number of the text of each row, `spans` where in `out` each text is. A row with hardly a letter beyond f may be a
    number, a digest or a time, and is none. `seen` has room to remember texts: as many as a power of two.
    """
    count = texts = to = 0
    seen[:] = 0
    for number in range(rows.shape[0]):
        start, end = rows[number, 0], rows[number, 1]
        if not kinds[end - start] & FOLDED or _foreign(data, start, end) < FOREIGN:
            continue
        capitals, smalls = letters(data, start, end)
        if capitals == smalls:
            continue
        text, lower = data[start:end], out[to : to + end - start]
        for at in range(text.size):
            byte = text[at]
            lower[at] = byte | np.uint8(np.uint8(byte - np.uint8(65)) < np.uint8(26)) << np.uint8(5)
        where = _remembered(lower, seen)
        same = seen[where] - 1
        if same < 0 or not _same(lower, out[spans[same, 0] : spans[same, 1]]):
            same = texts
            spans[texts, 0], spans[texts, 1] = to, to + text.size
            to += text.size
            texts += 1
            seen[where] = texts
        chosen[count], alike[count] = number, same
        count += 1
    return count, texts
