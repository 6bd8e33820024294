"""The records of a `CredentialRegistry`: issues in one array of bytes, and compiled loops that read them.

A pointer is a place in the array, 5 bytes; 0 is none. All numbers are little-endian; a varint has 7 bits a byte.

| record | fields, and their bytes |
| --- | --- |
| source | `KIND` 1; then as a claim without a next one and without an issue |
| issue | `KIND` 1; `TIME` 8 (ns); `SOURCE` 5; `CHILD` 5; varints: how many claims, size of the task + 1 (0: none), |
| | of the id; the claims; the task; the event's id |
| claim | `NEXT` 5: the next claim of that name; varints: how far its issue stands before it, twice the name's size |
| | + 1 if several credentials claim it (told in the first claim of a name only); the name; |
| | of an identifier also: `FLAGS` 1; `LENGTH` 2; `CHECK` 4; `KEY` 2: its number. If kept whole, behind the flags |
| | only: how many bytes (4), and these |

The first claim of an issue is that of its credential's id, the others those of its identifiers; behind that of an
identifier with a digest of its secret without case stands one of that digest, by its first 16 bytes.

The claims of a credential's id are a heap, for which there is `CHILD` (`issue_heap`).
"""
# ruff: noqa: PLR2004 - numba takes arrays, not objects; bytes are written as their codes

from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.registry.packed_names import (
    HEX,
    TEXT,
    UUID,
    number,
    same,
    varint,
)
from detector.values.registrable import MAX_LENGTH

POINTER: Final = 5
KIND, TIME, SOURCE, CHILD, ISSUE_HEAD = 0, 1, 9, 14, 19
SOURCE_RECORD, ISSUE_RECORD, REMOVED_RECORD = 0, 1, 2
DETAIL: Final = 9  # flags, length, check, key
HALF_DIGEST: Final = 16
CREDENTIAL_ID, SOURCE_NAME, FOLDED_NAME, HMAC_NAME = 0, 1, 2, 3  # schemes with a number of their own
HAS_LENGTH, HAS_CHECK, HAS_FOLDED, WHOLE, UNBROKEN_FLAG, MIXED_FLAG = 1, 2, 4, 8, 16, 32
FIRST: Final = 8  # the place of the first record


@bare
def name_of(arena: Any, claim: int) -> Any:
    """Where the name of a claim begins and ends."""
    at = varint(arena, claim + POINTER)[1]
    size, at = varint(arena, at)
    return at, at + (size >> 1)


@bare
def is_contested(arena: Any, claim: int) -> Any:
    """Whether several credentials claim a name, by its first claim: 1 or 0."""
    return arena[varint(arena, claim + POINTER)[1]] & 1


@bare
def mark_contested(arena: Any, claim: int, contested: int) -> None:
    """Says so in a claim."""
    at = varint(arena, claim + POINTER)[1]
    arena[at] = np.uint8((arena[at] & 0xFE) | contested)


@bare
def issue_of(arena: Any, claim: int) -> Any:
    """The issue that makes a claim."""
    return claim - varint(arena, claim + POINTER)[0]


@bare
def is_removed(arena: Any, claim: int) -> Any:
    """Whether a claim is of an issue that was removed."""
    return arena[issue_of(arena, claim)] == REMOVED_RECORD


@bare
def parts_of(arena: Any, issue: int) -> Any:
    """How many claims an issue has, the sizes of its task (-1: none) and of its event's id, and its first claim."""
    count, at = varint(arena, issue + ISSUE_HEAD)
    task, at = varint(arena, at)
    size, at = varint(arena, at)
    return count, task - 1, size, at


@bare
def scheme_of(arena: Any, name: int) -> Any:
    """The scheme of a packed name."""
    return number(arena, name, 2) >> 2


@bare
def claim_after(arena: Any, claim: int) -> Any:
    """Where a claim ends."""
    begin, end = name_of(arena, claim)
    scheme = scheme_of(arena, begin)
    if scheme in (CREDENTIAL_ID, FOLDED_NAME):
        return end
    if arena[end] & WHOLE:
        return end + 5 + number(arena, end + 1, 4)
    return end + DETAIL


@bare
def is_checked(arena: Any, claim: int) -> Any:
    """Whether a claim is of an HMAC whose secret is found by its length and check."""
    begin, end = name_of(arena, claim)
    if number(arena, begin, 2) != 4 * HMAC_NAME + HEX:
        return False
    if arena[end] & (HAS_LENGTH | HAS_CHECK | WHOLE) != (HAS_LENGTH | HAS_CHECK):
        return False
    return 0 < number(arena, end + 1, 2) <= MAX_LENGTH


@bare
def task_of(arena: Any, issue: int) -> Any:
    """Where the task of an issue stands: from and to. The event's id follows."""
    count, task, _, claim = parts_of(arena, issue)
    for _ in range(count):
        claim = claim_after(arena, claim)
    return claim, claim + max(task, 0)


@bare
def id_of(arena: Any, issue: int) -> Any:
    """Where the id of an issue's event stands: from and to."""
    begin = task_of(arena, issue)[1]
    return begin, begin + parts_of(arena, issue)[2]


@bare
def _letter(arena: Any, begin: int, size: int, place: int) -> Any:
    """A byte of the text of a packed name, -1 behind its end."""
    kind = arena[begin] & 3
    begin, size = begin + 2, size - 2
    if kind == TEXT:
        return int(arena[begin + place]) if place < size else -1
    if kind == UUID:
        if place in (8, 13, 18, 23):
            return 45
        place -= (place > 8) + (place > 13) + (place > 18) + (place > 23)
    if place >= 2 * size:
        return -1
    digit = (int(arena[begin + (place >> 1)]) >> (0 if place & 1 else 4)) & 15
    return 48 + digit if digit < 10 else 87 + digit


@bare
def order_of(arena: Any, one: Any, other: Any) -> Any:
    """Below 0 if the first of two packed names comes first, above 0 if the other does."""
    place = 0
    while True:
        first = _letter(arena, one[0], one[1] - one[0], place)
        second = _letter(arena, other[0], other[1] - other[0], place)
        if first != second or first < 0:
            return first - second
        place += 1


@bare
def credential_of(arena: Any, issue: int) -> Any:
    """Where the name of an issue's credential begins and ends."""
    return name_of(arena, parts_of(arena, issue)[3])


@bare
def of_one_credential(arena: Any, issue: int, other: int) -> Any:
    """Whether two issues are of the same credential."""
    if issue == other:
        return True
    one, two = credential_of(arena, issue), credential_of(arena, other)
    return one[1] - one[0] == two[1] - two[0] and same(arena, one[0], arena, two[0], two[1])


@bare
def claim_before(arena: Any, claim: int) -> Any:
    """The claim of the same issue before this one."""
    before = parts_of(arena, issue_of(arena, claim))[3]
    while claim_after(arena, before) != claim:
        before = claim_after(arena, before)
    return before


@bare
def record_end(arena: Any, record: int) -> Any:
    """Where a record ends."""
    if arena[record] == SOURCE_RECORD:
        return name_of(arena, record + 1)[1]
    return id_of(arena, record)[1]


@bare
def list_claims(arena: Any, begin: int, end: int, checked: Any, others: Any) -> Any:
    """Lists the claims of identifiers from `begin` on: those of HMACs with length and check, and the others.

    Of the first it writes length << 32 | check, the number of the key, and the flags. It stops when a list may be full,
    and gives where, and how many are in each.
    """
    listed = rest = 0
    while begin < end:
        if arena[begin] == ISSUE_RECORD:
            count, _, _, claim = parts_of(arena, begin)
            if listed + count > len(checked) or rest + count > len(others):
                break
            for _ in range(count):
                first, last = name_of(arena, claim)
                if is_checked(arena, claim):
                    checked[listed, 0] = number(arena, last + 1, 2) << 32 | number(arena, last + 3, 4)
                    checked[listed, 1] = number(arena, last + 7, 2)
                    checked[listed, 2] = arena[last]
                    listed += 1
                elif scheme_of(arena, first) > FOLDED_NAME:
                    others[rest] = claim
                    rest += 1
                claim = claim_after(arena, claim)
        begin = record_end(arena, begin)
    return begin, listed, rest
