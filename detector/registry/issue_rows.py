"""Issues as rows of numbers and of places in a text; compiled: the records of a `CredentialRegistry` made of them.

A row has where each text begins and ends, -1 for none. An issue has `COUNT` identifiers from the row `FIRST_ONE` on.
`BESIDE` is the digits of an identifier's digest without case, or of what is kept whole all of it.
"""
# ruff: noqa: PLR0913, PLR0917 - numba takes arrays, not objects

from typing import Any

from detector.jit import bare
from detector.registry.issue_records import (
    CHILD,
    CREDENTIAL_ID,
    DETAIL,
    FOLDED_NAME,
    HALF_DIGEST,
    HAS_FOLDED,
    ISSUE_HEAD,
    ISSUE_RECORD,
    POINTER,
    SOURCE,
    SOURCE_NAME,
    TIME,
    WHOLE,
)
from detector.registry.packed_names import (
    HEX,
    copy,
    hash_of,
    kind_of,
    pack_as,
    pack_digits,
    packed_size,
    put,
    put_varint,
)

CREDENTIAL, TASK, ORIGIN, EVENT_ID, ISSUED, FIRST_ONE, COUNT, ISSUE_ROW = 0, 2, 4, 6, 8, 9, 10, 11
SCHEME, VALUE, LENGTH, CHECK, KEY, FLAGS, BESIDE, NEW, IDENTIFIER_ROW = 0, 1, 3, 4, 5, 6, 7, 9, 10


@bare
def _put_name(text: Any, begin: int, end: int, scheme: int, issue: int, out: Any, at: int, keys: Any) -> Any:
    """Writes a claim up to the end of its name. Gives where that is, and the hash of the name."""
    kind = kind_of(text, begin, end)
    put(out, at, 0, POINTER)
    first = put_varint(out, at + POINTER, at - issue)
    first = put_varint(out, first, 2 * packed_size(kind, end - begin))
    after = pack_as(kind, text, begin, end, scheme, out, first)
    return after, hash_of(out, first, after, keys)


@bare
def _put_half(text: Any, begin: int, issue: int, out: Any, at: int, keys: Any) -> Any:
    """Writes the claim of a digest without case. Gives where it ends, and the hash of its name."""
    put(out, at, 0, POINTER)
    first = put_varint(out, at + POINTER, at - issue)
    first = put_varint(out, first, 2 * (2 + HALF_DIGEST))
    put(out, first, 4 * FOLDED_NAME + HEX, 2)
    after = pack_digits(text, begin, begin + 2 * HALF_DIGEST, out, first + 2)
    return after, hash_of(out, first, after, keys)


@bare
def _put_detail(text: Any, given: Any, out: Any, at: int) -> Any:
    """Writes what an identifier has beside its name. Gives where it ends."""
    out[at] = given[FLAGS]
    if given[FLAGS] & WHOLE:
        put(out, at + 1, given[BESIDE + 1] - given[BESIDE], 4)
        return copy(text, given[BESIDE], given[BESIDE + 1], out, at + 5)
    put(out, at + 1, given[LENGTH], 2)
    put(out, at + 3, given[CHECK], 4)
    put(out, at + 7, given[KEY], 2)
    return at + DETAIL


@bare
def put_issue(text: Any, given: Any, identifiers: Any, out: Any, issue: int, keys: Any, hashes: Any) -> Any:
    """Writes the record of an issue, without its source.

    Gives where it ends, and how many `hashes` of names it wrote.
    """
    last = given[FIRST_ONE] + given[COUNT]
    count: Any = 1 + given[COUNT]
    for index in range(given[FIRST_ONE], last):
        count += (identifiers[index, FLAGS] & HAS_FOLDED) != 0
    of_id = kind_of(text, given[EVENT_ID], given[EVENT_ID + 1])
    of_task = kind_of(text, given[TASK], given[TASK + 1]) if given[TASK] >= 0 else -1
    out[issue] = ISSUE_RECORD
    put(out, issue + TIME, given[ISSUED], 8)
    put(out, issue + SOURCE, 0, POINTER)
    put(out, issue + CHILD, 0, POINTER)
    at = put_varint(out, issue + ISSUE_HEAD, count)
    at = put_varint(out, at, 1 + packed_size(of_task, given[TASK + 1] - given[TASK]) if of_task >= 0 else 0)
    at = put_varint(out, at, packed_size(of_id, given[EVENT_ID + 1] - given[EVENT_ID]))
    at, hashes[0] = _put_name(
        text, given[CREDENTIAL], given[CREDENTIAL + 1], CREDENTIAL_ID, issue, out, at, keys
    )
    count = 1
    for index in range(given[FIRST_ONE], last):
        one = identifiers[index]
        at, hashes[count] = _put_name(text, one[VALUE], one[VALUE + 1], one[SCHEME], issue, out, at, keys)
        at = _put_detail(text, one, out, at)
        count += 1
        if one[FLAGS] & HAS_FOLDED:
            at, hashes[count] = _put_half(text, one[BESIDE], issue, out, at, keys)
            count += 1
    if of_task >= 0:
        at = pack_as(of_task, text, given[TASK], given[TASK + 1], SOURCE_NAME, out, at)
    return pack_as(of_id, text, given[EVENT_ID], given[EVENT_ID + 1], SOURCE_NAME, out, at), count
