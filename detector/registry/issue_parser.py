"""Compiled: records of the registry topic to rows for `claim_kernel.add`, without an object for any.

It reads what `routing.encode` writes of an issue, in its usual form: no escape and nothing but ASCII in its texts,
names of schemes and deployment keys that are known, no terms. Whatever else a record is, it says that it did not read
it.
"""
# ruff: noqa: PLR0911, PLR0913, PLR0917, PLR2004 - numba takes arrays, not objects; a parser ends where it fails

from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.registry.issue_records import (
    HAS_CHECK,
    HAS_FOLDED,
    HAS_LENGTH,
    HMAC_NAME,
    MIXED_FLAG,
    UNBROKEN_FLAG,
)
from detector.registry.issue_rows import (
    BESIDE,
    CHECK,
    COUNT,
    CREDENTIAL,
    EVENT_ID,
    FIRST_ONE,
    FLAGS,
    ISSUED,
    KEY,
    LENGTH,
    NEW,
    ORIGIN,
    SCHEME,
    TASK,
    VALUE,
)
from detector.registry.packed_names import DIGITS
from detector.values.registrable import LONGEST_FORM, MAX_LENGTH, SHORTEST_FORM

QUOTE, COMMA, OPEN, CLOSE, BACKSLASH = 0x22, 0x2C, 0x5B, 0x5D, 0x5C


def _bytes(text: bytes) -> Any:
    array = np.frombuffer(text, np.uint8).copy()
    array.flags.writeable = False
    return array


def _plain() -> Any:
    table = np.zeros(256, np.bool_)
    table[0x20:0x7F] = True
    table[[QUOTE, BACKSLASH]] = False
    table.flags.writeable = False
    return table


_PLAIN: Final = _plain()
_LENGTH_FIELD, _CHECK_FIELD, _KEY_FIELD, _FOLDED_FIELD, _SHAPE_FIELD = range(
    5
)  # of an identifier, behind its value
_KEY_HEAD: Final = _bytes(b'["cred",')
_HEAD: Final = _bytes(b'["credential.issued",')
_NULL: Final = _bytes(b"null")
_NO_TERMS: Final = _bytes(b",null,null,null,null,[")
_UNBROKEN: Final = _bytes(b"unbroken")
_MIXED: Final = _bytes(b"mixed")


@bare
def _after(text: Any, at: int, end: int, what: Any) -> Any:
    """Where `what` ends that stands there, -1 if it does not."""
    if at < 0 or at + what.size > end:
        return -1
    for place in range(what.size):
        if text[at + place] != what[place]:
            return -1
    return at + what.size


@bare
def _after_byte(text: Any, at: int, end: int, byte: int) -> Any:
    return at + 1 if 0 <= at < end and text[at] == byte else -1


@bare
def _string(text: Any, at: int, end: int) -> Any:
    """Where a string ends, behind its quote; -1 if it is not plain ASCII. The text ends with a quote."""
    if at < 0 or at >= end or text[at] != QUOTE:
        return -1
    place = np.uint64(at + 1)
    while _PLAIN[text[place]]:
        place += np.uint64(1)
    after = np.int64(place) + 1
    return after if text[place] == QUOTE and after <= end else -1


@bare
def _text_or_null(text: Any, at: int, end: int) -> Any:
    after = _after(text, at, end, _NULL)
    return _string(text, at, end) if after < 0 else after


@bare
def _number(text: Any, at: int, end: int) -> Any:
    """A number and where it ends; -1 if there is no number of at most 18 digits, or of 19 that begin below 9."""
    value: Any = np.int64(0)
    if at < 0:
        return value, -1
    negative = at < end and text[at] == 0x2D
    at += negative
    first = at
    while at < end and 48 <= text[at] <= 57:
        if at - first >= 19:
            return value, -1
        value = 10 * value + (np.int64(text[at]) - 48)
        at += 1
    size = at - first
    if size == 0 or (text[first] == 48 and (size > 1 or negative)) or (size == 19 and text[first] == 57):
        return value, -1
    return (-value if negative else value), at


@bare
def _number_or_null(text: Any, at: int, end: int) -> Any:
    after = _after(text, at, end, _NULL)
    return _number(text, at, end)[1] if after < 0 else after


@bare
def _index_of(text: Any, begin: int, end: int, names: Any, ends: Any) -> Any:
    """Which of some names stands there, -1 if none does."""
    first = 0
    for index in range(ends.size):
        if ends[index] - first == end - begin:
            same = True
            for place in range(end - begin):
                if names[first + place] != text[begin + place]:
                    same = False
                    break
            if same:
                return index
        first = ends[index]
    return -1


@bare
def _is_hex(text: Any, begin: int, end: int) -> Any:
    place = np.uint64(begin)
    while place < np.uint64(end) and DIGITS[text[place]] >= 0:
        place += np.uint64(1)
    return place == np.uint64(end)


@bare
def _text_field(text: Any, at: int, end: int, field: int, keys: Any, key_ends: Any, row: Any) -> Any:
    """Reads a text of an identifier into its row: its check, key, digest without case or shape.

    Where it ends, or -1.
    """
    begin = at + 1
    at = _string(text, at, end)
    size = at - 1 - begin
    if at < 0:
        return -1
    if field == _CHECK_FIELD and size == 8 and _is_hex(text, begin, at - 1):
        for place in range(begin, at - 1):
            row[CHECK] = row[CHECK] << 4 | np.int64(DIGITS[text[place]])
        row[FLAGS] |= HAS_CHECK
        return at
    if field == _KEY_FIELD:
        row[KEY] = 1 + _index_of(text, begin, at - 1, keys, key_ends)
        return at if row[KEY] > 0 else -1
    if field == _FOLDED_FIELD and size == 64 and _is_hex(text, begin, at - 1):
        row[BESIDE] = begin
        row[BESIDE + 1] = at - 1
        row[FLAGS] |= HAS_FOLDED
        return at
    if field == _SHAPE_FIELD and size == _UNBROKEN.size and _after(text, begin, end, _UNBROKEN) > 0:
        row[FLAGS] |= UNBROKEN_FLAG
        return at
    if field == _SHAPE_FIELD and size == _MIXED.size and _after(text, begin, end, _MIXED) > 0:
        row[FLAGS] |= MIXED_FLAG
        return at
    return -1


@bare
def _is_usual(text: Any, row: Any) -> Any:
    """Whether half of the digest without case is all that is needed, if there is one."""
    if not row[FLAGS] & HAS_FOLDED:
        return True
    if (
        row[SCHEME] != HMAC_NAME
        or not row[FLAGS] & HAS_CHECK
        or not SHORTEST_FORM <= row[LENGTH] <= LONGEST_FORM
    ):
        return False
    return row[VALUE + 1] - row[VALUE] == 64 and _is_hex(text, row[VALUE], row[VALUE + 1])


@bare
def _identifier(
    text: Any, at: int, end: int, schemes: Any, scheme_ends: Any, keys: Any, key_ends: Any, row: Any
) -> Any:
    """Reads an identifier into a row. Gives where it ends, -1 if it is an unusual one."""
    begin = _after_byte(text, at, end, OPEN)
    at = _string(text, begin, end)
    if at < 0:
        return -1
    row[SCHEME] = _index_of(text, begin + 1, at - 1, schemes, scheme_ends)
    begin = _after_byte(text, at, end, COMMA)
    at = _string(text, begin, end)
    row[VALUE] = begin + 1
    row[VALUE + 1] = at - 1
    row[LENGTH:] = 0
    if at < 0 or row[SCHEME] < HMAC_NAME:
        return -1
    for field in range(5):
        if _after_byte(text, at, end, CLOSE) > 0:
            break
        at = _after_byte(text, at, end, COMMA)
        after = _after(text, at, end, _NULL)
        if after > 0:
            at = after
        elif field == _LENGTH_FIELD:
            row[LENGTH], at = _number(text, at, end)
            row[FLAGS] |= HAS_LENGTH
            if at < 0 or row[LENGTH] < 0 or row[LENGTH] > MAX_LENGTH:
                return -1
        else:
            at = _text_field(text, at, end, field, keys, key_ends, row)
            if at < 0:
                return -1
    return _after_byte(text, at, end, CLOSE) if _is_usual(text, row) else -1


@bare
def _rest(text: Any, at: int, end: int) -> Any:
    """Where an issue ends behind its identifiers, -1 if there is more in it than usual."""
    at = _text_or_null(text, _after_byte(text, at, end, COMMA), end)
    at = _number_or_null(text, _after_byte(text, at, end, COMMA), end)
    at = _number_or_null(text, _after_byte(text, at, end, COMMA), end)
    at = _after(text, at, end, _NO_TERMS)
    if at < 0:
        return -1
    if text[at] != CLOSE:
        at = _string(text, at, end)
        while at > 0 and text[at] == COMMA:
            at = _string(text, at + 1, end)
    at = _after_byte(text, at, end, CLOSE)
    at = _after_byte(text, _text_or_null(text, _after_byte(text, at, end, COMMA), end), end, COMMA)
    after = _after(text, at, end, _NULL)
    if after < 0:
        after = _text_or_null(text, _after_byte(text, at, end, OPEN), end)
        after = _text_or_null(text, _after_byte(text, after, end, COMMA), end)
        after = _after_byte(text, after, end, CLOSE)
    at = _text_or_null(text, _after_byte(text, after, end, COMMA), end)
    return _after_byte(text, at, end, CLOSE)


@bare
def _issue(
    text: Any,
    at: int,
    end: int,
    schemes: Any,
    scheme_ends: Any,
    keys: Any,
    key_ends: Any,
    row: Any,
    identifiers: Any,
    first: int,
) -> Any:
    """Reads an issue into a row, and its identifiers into those from `first` on. Gives how many those are, or -1."""
    row[ISSUED], at = _number(text, _after(text, at, end, _HEAD), end)
    for column in (ORIGIN, EVENT_ID, CREDENTIAL, TASK):
        begin = _after_byte(text, at, end, COMMA)
        at = _after(text, begin, end, _NULL) if column == TASK else -1
        if at > 0:
            row[column] = -1
            continue
        at = _string(text, begin, end)
        if at < 0:
            return -1
        row[column] = begin + 1
        row[column + 1] = at - 1
    at = _after_byte(text, _after_byte(text, at, end, COMMA), end, OPEN)
    count = 0
    while at > 0 and text[at] != CLOSE:
        if count > 0:
            at = _after_byte(text, at, end, COMMA)
        if at < 0 or first + count == len(identifiers):
            return -1
        row_of = identifiers[first + count]
        at = _identifier(text, at, end, schemes, scheme_ends, keys, key_ends, row_of)
        row_of[NEW] = 0
        count += 1
    if _rest(text, _after_byte(text, at, end, CLOSE), end) != end:
        return -1
    row[FIRST_ONE] = first
    row[COUNT] = count
    return count


@bare
def parse(
    text: Any,
    places: Any,
    schemes: Any,
    scheme_ends: Any,
    keys: Any,
    key_ends: Any,
    issues: Any,
    identifiers: Any,
) -> Any:
    """Reads records of a `text` that ends with a quote. How many identifiers they have.

    A row of `places` has where a record's key begins, its size, and the same of its value. A row of `issues` has -1 for
    the credential if its record was not read.
    """
    first = 0
    for number in range(len(issues)):
        row = issues[number]
        begin, end = places[number, 0], places[number, 0] + places[number, 1]
        at = _string(text, _after(text, begin, end, _KEY_HEAD), end)
        at = _string(text, _after_byte(text, at, end, COMMA), end)
        at = _string(text, _after_byte(text, at, end, COMMA), end)
        count = -1
        if _after_byte(text, at, end, CLOSE) == end:
            begin, end = places[number, 2], places[number, 2] + places[number, 3]
            count = _issue(text, begin, end, schemes, scheme_ends, keys, key_ends, row, identifiers, first)
        if count < 0:
            row[CREDENTIAL] = -1
        else:
            first += count
    return first
