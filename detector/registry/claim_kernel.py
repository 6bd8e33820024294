"""The compiled loops of a `CredentialRegistry`: its records (`issue_records`) are found by open addressing.

`names` has the first claim of each name. `events` has all issues but the earliest of each credential, which its id
finds.

A claim of an issue that was removed stays among those of its name until it would be the first: to find the one before
it would take as long as there are claims. So one source that claims the same name a hundred thousand times costs no
more.
"""
# ruff: noqa: PLR0913, PLR0917 - numba takes arrays, not objects; bytes are written as their codes

from typing import Any

import numpy as np

from detector.jit import bare, compiled
from detector.registry.issue_heap import melded, without_root
from detector.registry.issue_records import (
    CHILD,
    CREDENTIAL_ID,
    FOLDED_NAME,
    HAS_FOLDED,
    ISSUE_RECORD,
    POINTER,
    REMOVED_RECORD,
    SOURCE,
    SOURCE_NAME,
    SOURCE_RECORD,
    TIME,
    claim_after,
    credential_of,
    id_of,
    is_checked,
    is_contested,
    is_removed,
    issue_of,
    mark_contested,
    name_of,
    of_one_credential,
    order_of,
    parts_of,
    record_end,
    scheme_of,
    task_of,
)
from detector.registry.issue_rows import (
    COUNT,
    CREDENTIAL,
    FIRST_ONE,
    FLAGS,
    NEW,
    ORIGIN,
    put_issue,
)
from detector.registry.packed_names import (
    DELETED,
    HEX,
    POINTER_BITS,
    POINTER_MASK,
    copy,
    first_slot,
    hash_of,
    insert,
    number,
    pack,
    put,
    put_varint,
    same,
    tag_of,
    unfilled,
    upper_bits,
)

# What the loops keep up: the bytes used and those of what was removed, slots used ever since a table was made, and how
# many issues, credentials and contested names there are.
USED, DEAD, NAMES, EVENTS, ISSUES, CREDENTIALS, CONFLICTS, STATE = 0, 1, 2, 3, 4, 5, 6, 8

# Slots that are read one after another before any is used: the processor waits for their memory once, not for each.
TOGETHER = 64

# Claims of one credential that are looked through for one of another. A name with more counts as contested until some
# go.
_LOOKED_THROUGH = 64


@bare
def _find_name(arena: Any, names: Any, source: Any, begin: int, end: int, hashed: int) -> Any:
    """The slot of a name and its first claim; -1 and 0 if there is none.

    The slot is read once: another thread may change it.
    """
    at, tag = first_slot(hashed, names.size), tag_of(hashed)
    slot = names[at]
    while slot != 0:
        if slot > DELETED and slot >> POINTER_BITS == tag:
            claim = slot & POINTER_MASK
            first, last = name_of(arena, claim)
            if last - first == end - begin and same(arena, first, source, begin, end):
                return at, claim
        at = at + 1 if at + 1 < names.size else 0
        slot = names[at]
    return -1, 0


@bare
def _is_event(arena: Any, issue: int, named: int, source: Any, begin: int, end: int) -> Any:
    """Whether an issue has this source and id."""
    if number(arena, issue + SOURCE, POINTER) != named:
        return False
    first, last = id_of(arena, issue)
    return last - first == end - begin and same(arena, first, source, begin, end)


@bare
def _event_hash(origin: Any, of_origin: Any, source: Any, begin: int, end: int, keys: Any) -> Any:
    """The hash of an event: of its source, a name at `of_origin` in `origin`, and of its id."""
    one = hash_of(origin, of_origin[0], of_origin[1], keys)
    other = hash_of(source, begin, end, keys)
    turned = ((other << 7) & ((1 << 63) - 1)) | (other >> 56)  # of both: the first bits say the slot
    return one ^ turned


@bare
def _hash_of_issue(arena: Any, issue: int, keys: Any) -> Any:
    begin, end = id_of(arena, issue)
    origin = name_of(arena, number(arena, issue + SOURCE, POINTER))
    return _event_hash(arena, origin, arena, begin, end, keys)


@bare
def _find_event(
    arena: Any, events: Any, hashed: int, first: int, named: int, source: Any, begin: int, end: int
) -> Any:
    """The slot of an issue of the credential of `first` with this source and id; -1 if there is none."""
    at, tag = first_slot(hashed, events.size), tag_of(hashed)
    while events[at] != 0:
        slot = events[at]
        if slot > DELETED and slot >> POINTER_BITS == tag:
            issue = slot & POINTER_MASK
            if _is_event(arena, issue, named, source, begin, end) and of_one_credential(arena, issue, first):
                return at
        at = at + 1 if at + 1 < events.size else 0
    return -1


@bare
def _insert_event(arena: Any, events: Any, state: Any, keys: Any, issue: int) -> None:
    insert(events, _hash_of_issue(arena, issue, keys), issue)
    state[EVENTS] += 1


@bare
def _remove_event(arena: Any, events: Any, keys: Any, issue: int) -> None:
    hashed = _hash_of_issue(arena, issue, keys)
    at = first_slot(hashed, events.size)
    while events[at] <= DELETED or events[at] & POINTER_MASK != issue:
        at = at + 1 if at + 1 < events.size else 0
    events[at] = DELETED


@bare
def _source(arena: Any, names: Any, state: Any, keys: Any, source: Any, begin: int, end: int) -> Any:
    """The record of a source's name, which is made if there is none."""
    hashed = hash_of(source, begin, end, keys)
    claim = _find_name(arena, names, source, begin, end, hashed)[1]
    if claim != 0:
        return claim
    arena[state[USED]] = SOURCE_RECORD
    pointer = state[USED] + 1
    put(arena, pointer, 0, POINTER)
    at = put_varint(arena, put_varint(arena, pointer + POINTER, 0), 2 * (end - begin))
    state[USED] = copy(source, begin, end, arena, at)
    state[NAMES] += 1
    insert(names, hashed, pointer)
    return pointer


@bare
def _lead(names: Any, at: int, claim: int) -> None:
    """Makes a claim the first of the name in a slot."""
    names[at] = (names[at] & ~POINTER_MASK) | claim


@bare
def _following(arena: Any, claim: int) -> Any:
    """The next claim of a name, 0 if there is none. Those of removed issues before it are unlinked."""
    first = number(arena, claim, POINTER)
    following = first
    while following != 0 and is_removed(arena, following):
        following = number(arena, following, POINTER)
    if following != first:
        put(arena, claim, following, POINTER)
    return following


@bare
def _link(
    arena: Any, names: Any, events: Any, state: Any, keys: Any, claim: int, issue: int, hashed: int
) -> Any:
    """Adds a claim to those of its name, which has this hash; whether it is the only one.

    The earliest issue of a credential leads the claims of its id.
    """
    begin, end = name_of(arena, claim)
    scheme = scheme_of(arena, begin)
    at, head = _find_name(arena, names, arena, begin, end, hashed)
    if at < 0:
        state[CREDENTIALS] += scheme == CREDENTIAL_ID
        state[NAMES] += 1
        insert(names, hashed, claim)
        return True
    other = issue_of(arena, head)
    if scheme == CREDENTIAL_ID:
        root = melded(arena, head, claim)
        _lead(names, at, root)
        _insert_event(arena, events, state, keys, issue if root == head else other)
        return False
    put(arena, claim, number(arena, head, POINTER), POINTER)
    put(arena, head, claim, POINTER)
    if not is_contested(arena, head) and not of_one_credential(arena, issue, other):
        mark_contested(arena, head, 1)
        state[CONFLICTS] += scheme != FOLDED_NAME
    return False


@bare
def _known_event(
    arena: Any,
    names: Any,
    events: Any,
    keys: Any,
    packed: Any,
    credential: Any,
    hashed: int,
    event: Any,
    named: int,
) -> Any:
    """The issue of a credential with this event, 0 if there is none.

    `packed` has the credential's id, which has this hash, and the event's id.
    """
    claim = _find_name(arena, names, packed, credential[0], credential[1], hashed)[1]
    if claim == 0:
        return 0
    first = issue_of(arena, claim)
    if _is_event(arena, first, named, packed, event[0], event[1]):
        return first
    origin = name_of(arena, named)
    hashed = _event_hash(arena, origin, packed, event[0], event[1], keys)
    slot = _find_event(arena, events, hashed, first, named, packed, event[0], event[1])
    return 0 if slot < 0 else events[slot] & POINTER_MASK


@bare
def _add_record(
    arena: Any,
    names: Any,
    events: Any,
    state: Any,
    keys: Any,
    made: Any,
    begin: int,
    end: int,
    named: int,
    hashes: Any,
) -> Any:
    """Adds the record of an issue, unless its event is known. Gives where it stands, 0 if it was not added."""
    event = id_of(made, begin)
    credential = credential_of(made, begin)
    if _known_event(arena, names, events, keys, made, credential, hashes[0], event, named) != 0:
        return 0
    issue = state[USED]
    state[USED] = copy(made, begin, end, arena, issue)
    put(arena, issue + SOURCE, named, POINTER)
    state[ISSUES] += 1
    return issue


@bare
def _link_all(
    arena: Any,
    names: Any,
    events: Any,
    state: Any,
    keys: Any,
    issue: int,
    given: Any,
    identifiers: Any,
    hashes: Any,
) -> None:
    """Links the claims of an issue that was added. Sets `NEW` of its identifiers."""
    claim = parts_of(arena, issue)[3]
    _link(arena, names, events, state, keys, claim, issue, hashes[0])
    claim = claim_after(arena, claim)
    count = 1
    for index in range(given[FIRST_ONE], given[FIRST_ONE] + given[COUNT]):
        if _link(arena, names, events, state, keys, claim, issue, hashes[count]):
            identifiers[index, NEW] = 1 + is_checked(arena, claim)
        claim = claim_after(arena, claim)
        count += 1
        if identifiers[index, FLAGS] & HAS_FOLDED:
            _link(arena, names, events, state, keys, claim, issue, hashes[count])
            claim = claim_after(arena, claim)
            count += 1


@bare
def add(
    arena: Any,
    names: Any,
    events: Any,
    state: Any,
    keys: Any,
    text: Any,
    issues: Any,
    identifiers: Any,
    made: Any,
    ends: Any,
    hashes: Any,
) -> int:
    """Adds issues, unless they are known. There is room. What it gives has no meaning.

    `issues` and `identifiers` are rows of `issue_rows`, with places in `text`. A row without a credential is passed
    over. `NEW` is set to 1 if no other claim is of the identifier's name, and to 2 if that is also `is_checked`. The
    records are made in `made`, `TOGETHER` at a time, with their `ends` there and the `hashes` of their names.
    """
    read = named = first_of_source = end_of_source = 0
    for first in range(0, len(issues), TOGETHER):
        after = min(first + TOGETHER, len(issues))
        count = end = 0
        for row in range(first, after):
            if issues[row, CREDENTIAL] >= 0:
                end, more = put_issue(text, issues[row], identifiers, made, end, keys, hashes[count:])
                count += more
            ends[row - first, 0] = end
            ends[row - first, 1] = count
        for index in range(count):
            read += names[first_slot(hashes[index], names.size)]
        begin = 0
        count = 0
        for row in range(first, after):
            given = issues[row]
            if given[CREDENTIAL] < 0:
                continue
            if (
                named == 0
                or end_of_source - first_of_source != given[ORIGIN + 1] - given[ORIGIN]
                or not same(text, first_of_source, text, given[ORIGIN], given[ORIGIN + 1])
            ):
                first_of_source, end_of_source = given[ORIGIN], given[ORIGIN + 1]
                packed = pack(text, first_of_source, end_of_source, SOURCE_NAME, made, end)
                named = _source(arena, names, state, keys, made, end, packed)
            issue = _add_record(
                arena, names, events, state, keys, made, begin, ends[row - first, 0], named, hashes[count:]
            )
            if issue != 0:
                _link_all(arena, names, events, state, keys, issue, given, identifiers, hashes[count:])
            begin = ends[row - first, 0]
            count = ends[row - first, 1]
    return read


@bare
def _first_issue(arena: Any, names: Any, keys: Any, claim: int) -> Any:
    """The first issue of a claim's credential."""
    begin, end = credential_of(arena, issue_of(arena, claim))
    return issue_of(arena, _find_name(arena, names, arena, begin, end, hash_of(arena, begin, end, keys))[1])


@bare
def _issued_before(arena: Any, issue: int, other: int) -> Any:
    """By their times, then by their credentials' ids."""
    times = number(arena, issue + TIME, 8), number(arena, other + TIME, 8)
    if times[0] != times[1]:
        return times[0] < times[1]
    return order_of(arena, credential_of(arena, issue), credential_of(arena, other)) < 0


@compiled
def owner(arena: Any, names: Any, keys: Any, text: Any, begin: int, end: int, scheme: int) -> Any:
    """The first issue of the credential that owns a name, 0 if none does. Among several it is the one issued first."""
    packed = np.empty(end - begin + 2, np.uint8)
    size = pack(text, begin, end, scheme, packed, 0)
    claim = _find_name(arena, names, packed, 0, size, hash_of(packed, 0, size, keys))[1]
    if claim == 0:
        return 0
    best = _first_issue(arena, names, keys, claim)
    if not is_contested(arena, claim):
        return best
    while claim != 0:
        if not is_removed(arena, claim):
            other = _first_issue(arena, names, keys, claim)
            if other != best and _issued_before(arena, other, best):
                best = other
        claim = number(arena, claim, POINTER)
    return best


@compiled
def aggregate(arena: Any, names: Any, keys: Any, text: Any, scheme: int) -> Any:
    """Where the task of the credential that owns a name stands, or its id if it has none: whether it has, from and to.

    All is 0 if no credential owns the name.
    """
    issue = owner(arena, names, keys, text, 0, text.size, scheme)
    if issue == 0:
        return False, 0, 0
    if parts_of(arena, issue)[1] < 0:
        begin, end = credential_of(arena, issue)
        return False, begin, end
    begin, end = task_of(arena, issue)
    return True, begin, end


@compiled
def claims_of(arena: Any, names: Any, keys: Any, scheme: int, digests: Any, size: int, found: Any) -> None:
    """Writes the first claim of each of some `digests` of that size, which stand in a row; 0 if there is none."""
    packed = np.empty(2 + size, np.uint8)
    put(packed, 0, 4 * scheme + HEX, 2)
    for index in range(len(found)):
        copy(digests, size * index, size * (index + 1), packed, 2)
        hashed = hash_of(packed, 0, 2 + size, keys)
        found[index] = _find_name(arena, names, packed, 0, 2 + size, hashed)[1]


@bare
def _of_several(arena: Any, head: int) -> Any:
    """Whether the claims from `head` on are of several credentials, or may be: there are too many to look through."""
    first = issue_of(arena, head)
    claim = _following(arena, head)
    left = _LOOKED_THROUGH
    while claim != 0 and left > 0:
        if not of_one_credential(arena, first, issue_of(arena, claim)):
            return True
        claim = _following(arena, claim)
        left -= 1
    return claim != 0


@bare
def _unlink_id(arena: Any, names: Any, events: Any, state: Any, keys: Any, claim: int) -> None:
    """Takes the claim of a removed issue from those of its credential's id, and the id away with its last one."""
    begin, end = name_of(arena, claim)
    at, head = _find_name(arena, names, arena, begin, end, hash_of(arena, begin, end, keys))
    if head != claim:
        _remove_event(arena, events, keys, issue_of(arena, claim))
        return
    while head != 0 and is_removed(arena, head):
        head = without_root(arena, head)
    if head == 0:
        names[at] = DELETED
        state[CREDENTIALS] -= 1
    else:
        _lead(names, at, head)
        _remove_event(arena, events, keys, issue_of(arena, head))


@bare
def _unlink(arena: Any, names: Any, state: Any, keys: Any, claim: int) -> None:
    """Takes the claim of a removed issue from those of an identifier's name, and the name away with its last one."""
    begin, end = name_of(arena, claim)
    at, head = _find_name(arena, names, arena, begin, end, hash_of(arena, begin, end, keys))
    if at < 0:  # another claim of that issue was the last
        return
    contested = is_contested(arena, head)
    if is_removed(arena, head):
        head = _following(arena, head)
        if head == 0:
            names[at] = DELETED
        else:
            _lead(names, at, head)
            mark_contested(arena, head, contested)
    if contested and (head == 0 or not _of_several(arena, head)):
        if head != 0:
            mark_contested(arena, head, 0)
        state[CONFLICTS] -= scheme_of(arena, begin) != FOLDED_NAME


@compiled
def remove(arena: Any, names: Any, events: Any, state: Any, keys: Any, text: Any, sizes: Any) -> Any:
    """Removes an issue; `text` has its credential's id, its event's source and id, of these sizes."""
    packed = np.empty(text.size + 6, np.uint8)
    credential = pack(text, 0, sizes[0], CREDENTIAL_ID, packed, 0)
    origin = pack(text, sizes[0], sizes[0] + sizes[1], SOURCE_NAME, packed, credential)
    end = pack(text, sizes[0] + sizes[1], text.size, SOURCE_NAME, packed, origin)
    hashed = hash_of(packed, credential, origin, keys)
    source = _find_name(arena, names, packed, credential, origin, hashed)[1]
    if source == 0:
        return False
    hashed = hash_of(packed, 0, credential, keys)
    issue = _known_event(arena, names, events, keys, packed, (0, credential), hashed, (origin, end), source)
    if issue == 0:
        return False
    arena[issue] = REMOVED_RECORD
    count, _, _, claim = parts_of(arena, issue)
    _unlink_id(arena, names, events, state, keys, claim)
    for _ in range(1, count):
        claim = claim_after(arena, claim)
        _unlink(arena, names, state, keys, claim)
    state[ISSUES] -= 1
    state[DEAD] += id_of(arena, issue)[1] - issue
    return True


@bare
def rehash(arena: Any, old: Any, new: Any, keys: Any, of_names: bool) -> None:  # noqa: FBT001 - numba has no keywords
    """Puts what is in a table into an empty one."""
    size, begin = len(old), unfilled(old)
    first = begin + 1
    for at in range(begin + 1, begin + size):
        slot = old[at if at < size else at - size]
        if slot == 0:
            first = at + 1
        elif slot > DELETED:
            pointer, hashed = slot & POINTER_MASK, upper_bits(slot, first, at, size)
            if hashed < 0:
                hashed = _hash_again(arena, keys, pointer, of_names)
            insert(new, hashed, pointer)


@bare
def _hash_again(arena: Any, keys: Any, pointer: int, of_names: bool) -> Any:  # noqa: FBT001 - as above
    if not of_names:
        return _hash_of_issue(arena, pointer, keys)
    begin, end = name_of(arena, pointer)
    return hash_of(arena, begin, end, keys)


@bare
def add_again(
    arena: Any, names: Any, events: Any, state: Any, keys: Any, old: Any, begin: int, end: int, most: int
) -> Any:
    """Adds the issues that stand in an old array from `begin` on, `most` records at the most. Gives where it stopped.

    It stops before an issue for which there may be no room.
    """
    while begin < end and most > 0:
        after = record_end(old, begin)
        if old[begin] == ISSUE_RECORD:
            room = after - begin + record_end(old, number(old, begin + SOURCE, POINTER) - 1)
            room -= number(old, begin + SOURCE, POINTER) - 1
            slots = state[NAMES] + parts_of(old, begin)[0] + 1
            full = 5 * slots > 4 * names.size or 5 * (state[EVENTS] + 1) > 4 * events.size
            if full or state[USED] + room > arena.size:
                break
            first, last = name_of(old, number(old, begin + SOURCE, POINTER))
            named = _source(arena, names, state, keys, old, first, last)
            issue = state[USED]
            state[USED] = copy(old, begin, after, arena, issue)
            put(arena, issue + SOURCE, named, POINTER)
            state[ISSUES] += 1
            put(arena, issue + CHILD, 0, POINTER)
            count, _, _, claim = parts_of(arena, issue)
            for _ in range(count):
                put(arena, claim, 0, POINTER)
                mark_contested(arena, claim, 0)
                following = claim_after(arena, claim)
                begin_of_name, end_of_name = name_of(arena, claim)
                hashed = hash_of(arena, begin_of_name, end_of_name, keys)
                _link(arena, names, events, state, keys, claim, issue, hashed)
                claim = following
        begin = after
        most -= 1
    return begin
