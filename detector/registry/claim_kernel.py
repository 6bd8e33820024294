"""The compiled loops of a `CredentialRegistry`: names and issues as records in one array of bytes, found by open addressing.

A pointer is the place of a record in the array, 5 bytes; 0 is none. All numbers are little-endian.

| record | fields, and their bytes |
| --- | --- |
| name | `HEAD` 5: the claim of the issue that owns the name; `CONTESTED` 1; `SIZE` 3; then the name |
| issue | `EVENT` 8: a hash of the event's source and id; `TIME` 8 (ns); `CLAIMS` 3: how many; `TASK_SIZE` 3; |
| | `SOURCE` 5: a name; `ID_SIZE` 3; the claims; the task; the event's id |
| claim | `NAME` 5; `NEXT` 5: the next claim of that name; `BACK` 3: how far its issue stands before it; but for the first: |
| | `LENGTH` 2; `CHECK` 4; `KEY` 2: its number; `FLAGS` 1; `EXTRA` 4: the size of what is kept beside them; then that |

The first claim of an issue is that of its credential's id, the others those of its identifiers.

The names have one table, the issues another.
"""
# ruff: noqa: PLR0913, PLR0917, PLR2004, SIM110 - numba takes arrays, not objects; bytes are written as their codes

from typing import Any, Final

import numpy as np

from detector.jit import compiled
from detector.registry.packed_names import (
    DELETED,
    POINTER_BITS,
    POINTER_MASK,
    TAG,
    TEXT,
    UUID,
    copy,
    first_slot,
    hash_of,
    insert,
    number,
    pack,
    put,
)

POINTER: Final = 5
HEAD, CONTESTED, SIZE, NAME_HEAD = 0, 5, 6, 9
EVENT, TIME, CLAIMS, TASK_SIZE, SOURCE, ID_SIZE, ISSUE_HEAD = 0, 8, 16, 19, 22, 27, 30
NAME, NEXT, BACK, DETAIL = 0, 5, 10, 13
LENGTH, CHECK, KEY, FLAGS, EXTRA, CLAIM = 13, 15, 19, 21, 22, 26
NO_TASK: Final = 0xFFFFFF
CREDENTIAL_ID, SOURCE_NAME = 0, 1  # the schemes of names that are no identifiers
ISSUE_ROW, IDENTIFIER_ROW = 6, 7  # columns of what `add` gets
FIRST: Final = 8  # the place of the first record
# What the loops keep up: the bytes used and those of what was removed, slots used ever since a table was made, and how
# many issues, credentials and contested names there are.
USED, DEAD, NAMES, EVENTS, ISSUES, CREDENTIALS, CONFLICTS, STATE = 0, 1, 2, 3, 4, 5, 6, 7


@compiled
def _same(arena: Any, first: int, source: Any, begin: int, end: int) -> Any:
    """Whether these bytes stand there."""
    for place in range(begin, end):
        if arena[first + place - begin] != source[place]:
            return False
    return True


@compiled
def _find_name(arena: Any, names: Any, source: Any, begin: int, end: int, hashed: int) -> Any:
    """The slot of a name, -1 if there is none."""
    at, tag = first_slot(hashed, names.size), hashed & TAG
    while names[at] != 0:
        slot = names[at]
        if slot > DELETED and slot >> POINTER_BITS == tag:
            pointer = slot & POINTER_MASK
            size = number(arena, pointer + SIZE, 3)
            if size == end - begin and _same(arena, pointer + NAME_HEAD, source, begin, end):
                return at
        at = at + 1 if at + 1 < names.size else 0
    return -1


@compiled
def _credential_of(arena: Any, issue: int) -> Any:
    """The name that is the id of an issue's credential."""
    return number(arena, issue + ISSUE_HEAD + NAME, POINTER)


@compiled
def _issue_of(arena: Any, claim: int) -> Any:
    return claim - number(arena, claim + BACK, 3)


@compiled
def _detail_size(data: Any, at: int) -> Any:
    return CLAIM - DETAIL + number(data, at + EXTRA - DETAIL, 4)


@compiled
def claim_after(arena: Any, claim: int, index: int) -> Any:
    """Where the claim of that index ends."""
    return claim + DETAIL + (0 if index == 0 else _detail_size(arena, claim + DETAIL))


@compiled
def task_of(arena: Any, issue: int) -> Any:
    """Where the task of an issue stands."""
    claim = issue + ISSUE_HEAD
    for index in range(number(arena, issue + CLAIMS, 3)):
        claim = claim_after(arena, claim, index)
    return claim


@compiled
def id_of(arena: Any, issue: int) -> Any:
    """Where the id of an issue's event stands."""
    size = number(arena, issue + TASK_SIZE, 3)
    return task_of(arena, issue) + (0 if size == NO_TASK else size)


@compiled
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


@compiled
def _order(arena: Any, one: int, size: int, other: int, other_size: int) -> Any:
    """Below 0 if the first of two packed names comes first, above 0 if the other does."""
    place = 0
    while True:
        letters = _letter(arena, one, size, place), _letter(arena, other, other_size, place)
        if letters[0] != letters[1] or letters[0] < 0:
            return letters[0] - letters[1]
        place += 1


@compiled
def _order_of_names(arena: Any, one: int, other: int) -> Any:
    sizes = number(arena, one + SIZE, 3), number(arena, other + SIZE, 3)
    return _order(arena, one + NAME_HEAD, sizes[0], other + NAME_HEAD, sizes[1])


@compiled
def _find_issue(
    arena: Any, events: Any, event: int, credential: int, named: int, source: Any, begin: int, end: int
) -> Any:
    """The slot of a credential's issue by its event's hash, the name of its source and its id; -1 if there is none."""
    at, tag = first_slot(event, events.size), event & TAG
    while events[at] != 0:
        slot = events[at]
        if slot > DELETED and slot >> POINTER_BITS == tag:
            issue = slot & POINTER_MASK
            if (
                _credential_of(arena, issue) == credential
                and number(arena, issue + SOURCE, POINTER) == named
                and number(arena, issue + ID_SIZE, 3) == end - begin
                and _same(arena, id_of(arena, issue), source, begin, end)
            ):
                return at
        at = at + 1 if at + 1 < events.size else 0
    return -1


@compiled
def _named(arena: Any, names: Any, state: Any, keys: Any, source: Any, begin: int, end: int) -> Any:
    """The record of a name, which is made if there is none."""
    hashed = hash_of(source, begin, end, keys)
    at = _find_name(arena, names, source, begin, end, hashed)
    if at >= 0:
        return names[at] & POINTER_MASK
    pointer = state[USED]
    put(arena, pointer, 0, CONTESTED + 1)
    put(arena, pointer + SIZE, end - begin, 3)
    state[USED] = copy(source, begin, end, arena, pointer + NAME_HEAD)
    state[NAMES] += 1
    insert(names, hashed, pointer)
    return pointer


@compiled
def _earlier(arena: Any, issue: int, other: int) -> Any:
    """Whether an issue of a credential comes before another of it: by time, then source, then id."""
    times = number(arena, issue + TIME, 8), number(arena, other + TIME, 8)
    if times[0] != times[1]:
        return times[0] < times[1]
    order = _order_of_names(
        arena, number(arena, issue + SOURCE, POINTER), number(arena, other + SOURCE, POINTER)
    )
    if order != 0:
        return order < 0
    sizes = number(arena, issue + ID_SIZE, 3), number(arena, other + ID_SIZE, 3)
    return _order(arena, id_of(arena, issue), sizes[0], id_of(arena, other), sizes[1]) < 0


@compiled
def _link(arena: Any, state: Any, name: int, claim: int, issue: int) -> None:
    """Adds a claim to those of a name. The earliest issue of a credential is the head of its id's claims."""
    head = number(arena, name + HEAD, POINTER)
    own = claim == issue + ISSUE_HEAD
    if head == 0:
        state[CREDENTIALS] += own
        put(arena, name + HEAD, claim, POINTER)
    elif own and _earlier(arena, _issue_of(arena, head), issue):
        put(arena, claim + NEXT, number(arena, head + NEXT, POINTER), POINTER)
        put(arena, head + NEXT, claim, POINTER)
    else:
        put(arena, claim + NEXT, head, POINTER)
        put(arena, name + HEAD, claim, POINTER)
    if head != 0 and arena[name + CONTESTED] == 0:
        other = _credential_of(arena, _issue_of(arena, head))
        if other != _credential_of(arena, issue):
            arena[name + CONTESTED] = 1
            state[CONFLICTS] += 1


@compiled
def add_issue(
    arena: Any,
    names: Any,
    events: Any,
    state: Any,
    keys: Any,
    source: Any,
    claims: Any,
    texts: Any,
    event: int,
    time: int,
) -> Any:
    """Adds an issue, unless it is known. There is room.

    A row of `claims` says where its name, packed, begins and ends in `source`, and where the detail does. The first is
    the credential's id. `texts` says where the task begins and ends, the event's source and its id, all packed. Without
    a task its row is -1.
    """
    credential = _named(arena, names, state, keys, source, claims[0, 0], claims[0, 1])
    named = _named(arena, names, state, keys, source, texts[1, 0], texts[1, 1])
    if _find_issue(arena, events, event, credential, named, source, texts[2, 0], texts[2, 1]) >= 0:
        return False
    pointers = np.empty(len(claims), np.int64)
    for index in range(len(claims)):
        pointers[index] = _named(arena, names, state, keys, source, claims[index, 0], claims[index, 1])
    issue = state[USED]
    put(arena, issue + EVENT, event, 8)
    put(arena, issue + TIME, time, 8)
    put(arena, issue + CLAIMS, len(claims), 3)
    put(arena, issue + TASK_SIZE, NO_TASK if texts[0, 0] < 0 else texts[0, 1] - texts[0, 0], 3)
    put(arena, issue + SOURCE, named, POINTER)
    put(arena, issue + ID_SIZE, texts[2, 1] - texts[2, 0], 3)
    at = issue + ISSUE_HEAD
    for index in range(len(claims)):
        put(arena, at + NAME, pointers[index], POINTER)
        put(arena, at + NEXT, 0, POINTER)
        put(arena, at + BACK, at - issue, 3)
        if index == 0:
            at += DETAIL
        else:
            detail = claims[index, 2]
            at = copy(source, detail, detail + _detail_size(source, detail), arena, at + DETAIL)
    at = copy(source, texts[0, 0], texts[0, 1], arena, at)
    state[USED] = copy(source, texts[2, 0], texts[2, 1], arena, at)
    state[EVENTS] += 1
    state[ISSUES] += 1
    insert(events, event, issue)
    at = issue + ISSUE_HEAD
    for index in range(len(claims)):
        _link(arena, state, pointers[index], at, issue)
        at = claim_after(arena, at, index)
    return True


@compiled
def add(
    arena: Any, names: Any, events: Any, state: Any, keys: Any, text: Any, issues: Any, identifiers: Any
) -> None:
    """Adds issues. There is room.

    A row of `issues` has the sizes of a credential's id, its task (-1: none), the event's source and id, the time, and
    how many rows of `identifiers` are its. Those have the scheme, the size of the value, then length, check, key,
    flags and the size of what is kept beside them. `text` has all of it in this order.
    """
    scratch = np.empty(0, np.uint8)
    at = first = 0
    for row in range(len(issues)):
        sizes = issues[row]
        count = sizes[5]
        size = sizes[0] + max(sizes[1], 0) + sizes[2] + sizes[3]
        for index in range(first, first + count):
            size += identifiers[index, 1] + identifiers[index, 6] + CLAIM
        if scratch.size < size + 64:
            scratch = np.empty(2 * size + 64, np.uint8)
        claims = np.empty((count + 1, 3), np.int64)
        texts = np.full((3, 2), -1, np.int64)
        end = pack(text, at, at + sizes[0], CREDENTIAL_ID, scratch, 0)
        claims[0] = 0, end, 0
        at += sizes[0]
        for part in range(3):
            if sizes[part + 1] >= 0:
                texts[part, 0] = end
                end = pack(text, at, at + sizes[part + 1], SOURCE_NAME, scratch, end)
                texts[part, 1] = end
                at += sizes[part + 1]
        event = hash_of(scratch, texts[1, 0], texts[2, 1], keys)
        for index in range(count):
            given = identifiers[first + index]
            begin = end
            end = pack(text, at, at + given[1], given[0], scratch, end)
            at += given[1]
            claims[index + 1] = begin, end, end
            put(scratch, end, given[2], 2)
            put(scratch, end + CHECK - DETAIL, given[3], 4)
            put(scratch, end + KEY - DETAIL, given[4], 2)
            scratch[end + FLAGS - DETAIL] = given[5]
            put(scratch, end + EXTRA - DETAIL, given[6], 4)
            end = copy(text, at, at + given[6], scratch, end + CLAIM - DETAIL)
            at += given[6]
        first += count
        add_issue(arena, names, events, state, keys, scratch, claims, texts, event, sizes[4])


@compiled
def _first_issue(arena: Any, claim: int) -> Any:
    """The first issue of a claim's credential."""
    credential = _credential_of(arena, _issue_of(arena, claim))
    return _issue_of(arena, number(arena, credential + HEAD, POINTER))


@compiled
def _issued_before(arena: Any, issue: int, other: int) -> Any:
    """By their times, then by their credentials' ids."""
    times = number(arena, issue + TIME, 8), number(arena, other + TIME, 8)
    if times[0] != times[1]:
        return times[0] < times[1]
    return _order_of_names(arena, _credential_of(arena, issue), _credential_of(arena, other)) < 0


@compiled
def owner(arena: Any, names: Any, keys: Any, text: Any, scheme: int) -> Any:
    """The first issue of the credential that owns a name, 0 if none does. Among several it is the one issued first."""
    packed = np.empty(text.size + 2, np.uint8)
    end = pack(text, 0, text.size, scheme, packed, 0)
    at = _find_name(arena, names, packed, 0, end, hash_of(packed, 0, end, keys))
    if at < 0:
        return 0
    name = names[at] & POINTER_MASK
    claim = number(arena, name + HEAD, POINTER)
    best = _first_issue(arena, claim)
    while arena[name + CONTESTED] and claim != 0:
        other = _first_issue(arena, claim)
        if other != best and _issued_before(arena, other, best):
            best = other
        claim = number(arena, claim + NEXT, POINTER)
    return best


@compiled
def claimed(arena: Any, names: Any, keys: Any, text: Any, issues: Any, identifiers: Any, found: Any) -> None:
    """Says of each row of `identifiers` whether a credential claims it. The rest is as `add` gets it."""
    at = first = 0
    for row in range(len(issues)):
        at += issues[row, 0] + max(issues[row, 1], 0) + issues[row, 2] + issues[row, 3]
        for index in range(first, first + issues[row, 5]):
            size = identifiers[index, 1]
            found[index] = owner(arena, names, keys, text[at : at + size], identifiers[index, 0]) != 0
            at += size + identifiers[index, 6]
        first += issues[row, 5]


@compiled
def _is_contested(arena: Any, head: int) -> Any:
    """Whether the claims from `head` on are of more than one credential."""
    first = _credential_of(arena, _issue_of(arena, head))
    claim = number(arena, head + NEXT, POINTER)
    while claim != 0:
        if _credential_of(arena, _issue_of(arena, claim)) != first:
            return True
        claim = number(arena, claim + NEXT, POINTER)
    return False


@compiled
def _first_to_head(arena: Any, name: int) -> None:
    """Makes the earliest issue of a credential the head of its id's claims."""
    head = number(arena, name + HEAD, POINTER)
    if head == 0:
        return
    before, best, best_before = head, head, 0
    claim = number(arena, head + NEXT, POINTER)
    while claim != 0:
        if _earlier(arena, _issue_of(arena, claim), _issue_of(arena, best)):
            best, best_before = claim, before
        before, claim = claim, number(arena, claim + NEXT, POINTER)
    if best != head:
        put(arena, best_before + NEXT, number(arena, best + NEXT, POINTER), POINTER)
        put(arena, best + NEXT, head, POINTER)
        put(arena, name + HEAD, best, POINTER)


@compiled
def _forget_name(arena: Any, names: Any, state: Any, keys: Any, name: int) -> None:
    begin = name + NAME_HEAD
    end = begin + number(arena, name + SIZE, 3)
    names[_find_name(arena, names, arena, begin, end, hash_of(arena, begin, end, keys))] = DELETED
    state[DEAD] += end - name


@compiled
def _unlink(arena: Any, names: Any, state: Any, keys: Any, claim: int) -> None:
    """Takes a claim from those of its name, and the name away with its last one."""
    name = number(arena, claim + NAME, POINTER)
    own = claim == _issue_of(arena, claim) + ISSUE_HEAD
    following = number(arena, claim + NEXT, POINTER)
    before = number(arena, name + HEAD, POINTER)
    if before == claim:
        put(arena, name + HEAD, following, POINTER)
        if own:
            _first_to_head(arena, name)
    else:
        while number(arena, before + NEXT, POINTER) != claim:
            before = number(arena, before + NEXT, POINTER)
        put(arena, before + NEXT, following, POINTER)
    head = number(arena, name + HEAD, POINTER)
    if head == 0:
        _forget_name(arena, names, state, keys, name)
        state[CREDENTIALS] -= own
    elif arena[name + CONTESTED] and not _is_contested(arena, head):
        arena[name + CONTESTED] = 0
        state[CONFLICTS] -= 1


@compiled
def remove(arena: Any, names: Any, events: Any, state: Any, keys: Any, text: Any, sizes: Any) -> Any:
    """Removes an issue; `text` has its credential's id, its event's source and id, of these sizes."""
    packed = np.empty(text.size + 6, np.uint8)
    source = pack(text, 0, sizes[0], CREDENTIAL_ID, packed, 0)
    begin = pack(text, sizes[0], sizes[0] + sizes[1], SOURCE_NAME, packed, source)
    end = pack(text, sizes[0] + sizes[1], text.size, SOURCE_NAME, packed, begin)
    at = _find_name(arena, names, packed, 0, source, hash_of(packed, 0, source, keys))
    named = _find_name(arena, names, packed, source, begin, hash_of(packed, source, begin, keys))
    if at < 0 or named < 0:
        return False
    pointers = names[at] & POINTER_MASK, names[named] & POINTER_MASK
    event = hash_of(packed, source, end, keys)
    found = _find_issue(arena, events, event, pointers[0], pointers[1], packed, begin, end)
    if found < 0:
        return False
    issue = events[found] & POINTER_MASK
    events[found] = DELETED
    state[ISSUES] -= 1
    claim = issue + ISSUE_HEAD
    count = number(arena, issue + CLAIMS, 3)
    # The credential's own name last: what is contested is told by it.
    for index in range(count):
        following = claim_after(arena, claim, index)
        if index > 0:
            _unlink(arena, names, state, keys, claim)
        claim = following
    state[DEAD] += id_of(arena, issue) + number(arena, issue + ID_SIZE, 3) - issue
    _unlink(arena, names, state, keys, issue + ISSUE_HEAD)
    return True


@compiled
def rehash(arena: Any, old: Any, new: Any, keys: Any, of_names: bool) -> None:  # noqa: FBT001 - numba has no keywords
    """Puts what is in a table into an empty one."""
    for slot in old:
        if slot > DELETED:
            pointer = slot & POINTER_MASK
            begin = pointer + NAME_HEAD
            if of_names:
                hashed = hash_of(arena, begin, begin + number(arena, pointer + SIZE, 3), keys)
            else:
                hashed = number(arena, pointer + EVENT, 8)
            insert(new, hashed, pointer)


@compiled
def add_again(arena: Any, names: Any, events: Any, state: Any, keys: Any, old: Any, issues: Any) -> None:
    """Adds the issues that stand at these places of an old array."""
    texts = np.empty((3, 2), np.int64)
    for issue in issues:
        count = number(old, issue + CLAIMS, 3)
        claims = np.empty((count, 3), np.int64)
        claim = issue + ISSUE_HEAD
        for index in range(count):
            begin = number(old, claim + NAME, POINTER) + NAME_HEAD
            claims[index] = begin, begin + number(old, begin - NAME_HEAD + SIZE, 3), claim + DETAIL
            claim = claim_after(old, claim, index)
        named = number(old, issue + SOURCE, POINTER) + NAME_HEAD
        event_id = id_of(old, issue)
        texts[0] = (-1, -1) if number(old, issue + TASK_SIZE, 3) == NO_TASK else (claim, event_id)
        texts[1] = named, named + number(old, named - NAME_HEAD + SIZE, 3)
        texts[2] = event_id, event_id + number(old, issue + ID_SIZE, 3)
        event, time = number(old, issue + EVENT, 8), number(old, issue + TIME, 8)
        add_issue(arena, names, events, state, keys, old, claims, texts, event, time)
