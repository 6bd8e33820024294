"""The issues that are known, by credential id and by identifier: some 170 bytes each, no Python object for any."""

import secrets
import struct
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from detector.judge.routing import candidates_key, encode, registry_key, task_key
from detector.records.record_columns import RecordColumns
from detector.registry import claim_kernel as kernel
from detector.registry import issue_records as records
from detector.registry import issue_rows, packed_names
from detector.registry.issue_batch import (
    IssueBatch,
    NamedNumbers,
    batch_of,
    encoded,
    identifier_of,
    parsed,
    whole_identifier,
)
from detector.registry.snapshot import Image
from detector.scan.known_credentials import Checked
from detector.scan.pages import zeros
from detector.values.events import CredentialEvent, CredentialIssued, CredentialRevoked, Identifier

_ARENA: Final = 1 << 16
_SLOTS: Final = 1 << 10
_WASTE: Final = 1 << 18  # bytes of removed issues that are never worth a compaction
_STEP: Final = 1 << 11  # records that are copied together, in some ms
_LISTED: Final = 1 << 16  # claims that are listed together
_REMEMBERED: Final = 1 << 20  # characters of names whose owners are remembered
_ENTRY: Final = 128  # as many as one of them takes beside its own
_DETAIL: Final = struct.Struct("<BHIH")  # of an identifier: flags, length, check, key
_SHAPES: Final = {records.UNBROKEN_FLAG: "unbroken", records.MIXED_FLAG: "mixed"}


class Arrays(NamedTuple):
    """What the loops work on; see `claim_kernel`."""

    arena: Any
    names: Any
    events: Any
    state: Any


class Claims(NamedTuple):
    """What is to be looked for: identifiers of HMACs with length and check, by key and shape, and the others."""

    checked: tuple[Checked, ...]
    others: tuple[Identifier, ...]


class CredentialRegistry:
    """Known issues. If several credentials claim an identifier, the one issued first owns it.

    Of an issue it keeps what routing and the scanner ask for. The hashes of its tables are under keys that are drawn
    here.

    While one thread changes it, others may ask which digests are registered, as the scanner does: a new name is in a
    table once all of its record is written, and arrays that are outgrown are replaced. Who owns a name only that thread
    may ask: the claims of a name are linked while it is changed.
    """

    def __init__(self) -> None:
        self._keys = np.array([secrets.randbits(64), secrets.randbits(64)], np.uint64)
        self._numbers = NamedNumbers()
        self._arrays = _empty(_ARENA, _SLOTS, _SLOTS)
        self._copy: Arrays | None = None  # what a compaction has copied so far
        self._copied = self._told = 0
        self._owners: dict[tuple[int, str], str | None] = {}  # that were asked for since the last change
        self._remembered = 0

    def __len__(self) -> int:
        """How many credentials are known."""
        return int(self._arrays.state[kernel.CREDENTIALS])

    @property
    def conflicts(self) -> int:
        """How many identifiers more than one credential claims."""
        return int(self._arrays.state[kernel.CONFLICTS])

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return int(self._arrays.state[kernel.USED] + sum(each.nbytes for each in self._arrays[1:]))

    @property
    def wasteful(self) -> bool:
        """Whether a quarter of its records are of removed issues, and more than a few are."""
        state = self._arrays.state
        return bool(state[kernel.DEAD] > max(_WASTE, state[kernel.USED] >> 2))

    def prepared(self, issues: Sequence[CredentialIssued]) -> IssueBatch:
        """A batch of issues for `take`, for which there is room then."""
        batch = batch_of(issues, self._numbers)
        self._make_room(batch)
        return batch

    def read(self, issues: RecordColumns) -> tuple[IssueBatch, int]:
        """The same of records of the registry topic, and how many of them are unreadable."""
        batch, unreadable = parsed(issues, self._numbers)
        self._make_room(batch)
        return batch, unreadable

    def _make_room(self, batch: IssueBatch) -> None:
        arrays = self._arrays
        state = arrays.state
        arena, names, events = arrays[:3]
        if state[kernel.USED] + batch.room > arena.size:
            arena = _longer(arena, int(state[kernel.USED]), batch.room)
        if _full(names, state[kernel.NAMES] + batch.names):
            names = self._wider(arrays, names, batch.names)
        if _full(events, state[kernel.EVENTS] + len(batch.issues)):
            events = self._wider(arrays, events, len(batch.issues))
        if arena is not arrays.arena or names is not arrays.names or events is not arrays.events:
            state = state.copy()
            if names is not arrays.names:
                state[kernel.NAMES] = np.count_nonzero(names)
            if events is not arrays.events:
                state[kernel.EVENTS] = np.count_nonzero(events)
            self._arrays = Arrays(arena, names, events, state)

    def take(self, batch: IssueBatch) -> None:
        """Adds a batch that was prepared last. Adding an issue again changes nothing."""
        self._owners.clear()
        made = np.empty(batch.room, np.uint8)
        ends, hashes = np.empty((kernel.TOGETHER, 2), np.int64), np.empty(batch.names, np.int64)
        kernel.add(*self._arrays, self._keys, batch.text, batch.issues, batch.identifiers, made, ends, hashes)

    def taken(self, batch: IssueBatch) -> Claims:
        """What is to be looked for since a batch was taken, and was not before."""
        new = batch.identifiers[:, issue_rows.NEW]
        checked = batch.identifiers[new > 1]
        columns = np.column_stack(
            [
                checked[:, issue_rows.LENGTH] << 32 | checked[:, issue_rows.CHECK],
                checked[:, issue_rows.KEY],
                checked[:, issue_rows.FLAGS],
            ]
        )
        return Claims(self._checked(columns), tuple(self._identifiers_in(batch, np.flatnonzero(new == 1))))

    def add(self, *issues: CredentialIssued) -> None:
        """Adds issues."""
        self.take(self.prepared(issues))

    def remove(self, credential_id: str, source: str, event_id: str) -> None:
        """Removes one issue, and with its last issue the credential."""
        self._owners.clear()
        texts = [encoded(each) for each in (credential_id, source, event_id)]
        sizes = np.array([*map(len, texts)], np.int64)
        data = np.frombuffer(b"".join(texts), np.uint8)
        kernel.remove(*self._arrays, self._keys, data, sizes)
        if self._copy is not None:
            kernel.remove(*self._copy, self._keys, data, sizes)

    def claims(self) -> Iterator[Claims]:
        """What is to be looked for: of all issues, a part at a time."""
        return self._claims(self._arrays, records.FIRST)

    def _claims(self, arrays: Arrays, begin: int) -> Iterator[Claims]:
        end = int(arrays.state[kernel.USED])
        most = _LISTED
        while begin < end:
            checked, others = np.empty((most, 3), np.int64), np.empty(most, np.int64)
            after, count, rest = records.list_claims(arrays.arena, begin, end, checked, others)
            if after == begin:
                most *= 2
                continue
            begin = after
            identifiers = (self._identifier(arrays, claim) for claim in others[:rest].tolist())
            yield Claims(self._checked(checked[:count]), tuple(identifiers))

    def compact(self) -> None:
        """Gives back what removed issues took."""
        self.begin_compaction()
        while not self.compact_some():
            pass
        self.use_copy()

    def begin_compaction(self) -> None:
        """Begins a copy without the removed issues. Changes may come between its steps, not beside one."""
        old = self._arrays
        used = int(old.state[kernel.USED] - old.state[kernel.DEAD])
        # About so many: to count them takes longer than a step may. If it is too few, a step makes room.
        names, events = (
            int(old.state[each]) * used // int(old.state[kernel.USED])
            for each in (kernel.NAMES, kernel.EVENTS)
        )
        self._copy = _empty(_spacious(used), _room(names), _room(events))
        self._copied = self._told = records.FIRST

    def compact_some(self, most: int = _STEP) -> bool:
        """Copies so many records at the most. Whether all are copied; then `use_copy` is to follow at once."""
        old, new = self._arrays, self._copy
        if new is None:
            return True
        end = int(old.state[kernel.USED])
        before = self._copied
        self._copied = kernel.add_again(*new, self._keys, old.arena, before, end, most)
        if self._copied < end:
            if self._copied == before:
                self._copy = self._roomier(new)
            return False
        return True

    def copied(self) -> Iterator[Claims]:
        """What is to be looked for of what was copied since it was asked for last."""
        if self._copy is not None:
            begin, self._told = self._told, int(self._copy.state[kernel.USED])
            yield from self._claims(self._copy, begin)

    def use_copy(self) -> None:
        """Uses the copy from now on."""
        if self._copy is not None:
            self._arrays, self._copy = self._copy, None

    def _roomier(self, arrays: Arrays) -> Arrays:
        """The same with at least an eighth more room."""
        names, events = (self._wider(arrays, each, each.size >> 3) for each in (arrays.names, arrays.events))
        used = int(arrays.state[kernel.USED])
        return Arrays(_longer(arrays.arena, used, (used >> 2) + _ARENA), names, events, arrays.state)

    def image(self) -> Image:
        """All of it, as it is until it is changed."""
        arrays, numbers = self._arrays, self._numbers
        used = (int(arrays.state[kernel.USED]), *(each.nbytes for each in arrays[1:]))
        first, second = (int(key) for key in self._keys)
        names = tuple(name or "" for name in numbers.keys[1:])
        return Image((first, second), tuple(numbers.schemes[records.HMAC_NAME + 1 :]), names, arrays, used)

    def use_image(self, image: Image) -> None:
        """Becomes what `image` was taken of."""
        self._keys = np.array(image.hash_keys, np.uint64)
        self._numbers = NamedNumbers(image.schemes, image.key_ids)
        self._arrays, self._copy = Arrays(*image.arrays), None
        self._owners = {}

    def identifiers(self) -> Iterator[Identifier]:
        """All identifiers of all issues. Of `folded` only the first half is known of those with length and check."""
        arrays = self._arrays
        at, end = records.FIRST, int(arrays.state[kernel.USED])
        while at < end:
            if arrays.arena[at] == records.ISSUE_RECORD:
                count, _, _, claim = records.parts_of(arrays.arena, at)
                for index in range(count):
                    scheme = _name(arrays.arena, claim)[0]
                    if index and scheme != records.FOLDED_NAME:
                        yield self._identifier(arrays, claim)
                    claim = records.claim_after(arrays.arena, claim)
            at = records.record_end(arrays.arena, at)

    def known(self, credential_id: str) -> str | None:
        """The key of the aggregate that judges a credential, by its earliest issue."""
        return self._aggregate(credential_id, records.CREDENTIAL_ID)

    def by_identifier(self, identifier: Identifier) -> str | None:
        """The key of the aggregate that judges the credential that owns an identifier."""
        scheme, value = self._numbers.name_of(identifier)
        return self._aggregate(value, scheme)

    def owner(self, event: CredentialEvent) -> str | None:
        """The same for the credential that an event names: by its id if it has one, else by its identifier."""
        if event.credential_id is not None:
            return self.known(event.credential_id)
        return self.by_identifier(event.identifier) if event.identifier is not None else None

    def has_hmac(self, digest: bytes) -> bool:
        """Whether a credential has the `hmac-sha256` identifier of these 32 bytes."""
        return bool(self._claims_of(records.HMAC_NAME, np.frombuffer(digest, np.uint8))[0])

    def like_folded(self, digests: bytes) -> list[int]:
        """The indexes of those `digests` without case, 32 bytes each, whose first halves credentials have."""
        rows = np.frombuffer(digests, np.uint8).reshape(-1, 2 * records.HALF_DIGEST)
        halves = rows[:, : records.HALF_DIGEST].ravel()
        found: list[int] = np.flatnonzero(self._claims_of(records.FOLDED_NAME, halves)).tolist()
        return found

    def owner_of_folded(self, digest: bytes) -> bytes | None:
        """The digest of the HMAC that was registered with this digest without case."""
        arrays = self._arrays
        half = np.frombuffer(digest[: records.HALF_DIGEST], np.uint8)
        claim = self._claims_of(records.FOLDED_NAME, half, arrays)[0]
        if not claim:
            return None
        begin, end = records.name_of(arrays.arena, records.claim_before(arrays.arena, claim))
        return bytes(arrays.arena[begin + 2 : end])

    def _claims_of(self, scheme: int, digests: Any, arrays: Arrays | None = None) -> Any:
        arena, names, *_ = self._arrays if arrays is None else arrays
        size = 2 * records.HALF_DIGEST if scheme == records.HMAC_NAME else records.HALF_DIGEST
        found = np.empty(digests.size // size, np.int64)
        kernel.claims_of(arena, names, self._keys, scheme, digests, size, found)
        return found

    def _aggregate(self, value: str, scheme: int) -> str | None:
        """The key of the aggregate of whoever owns a name. If many claim it, that takes as long as there are claims."""
        owners, name = self._owners, (scheme, value)
        found = owners.get(name)
        if found is None and name not in owners:
            found = self._looked_up(value, scheme)
            if not owners or self._remembered > _REMEMBERED:
                owners.clear()
                self._remembered = 0
            self._remembered += _ENTRY + len(value) + len(found or "")
            owners[name] = found
        return found

    def _looked_up(self, value: str, scheme: int) -> str | None:
        arena, names, *_ = self._arrays
        text = np.frombuffer(encoded(value), np.uint8)
        has_task, begin, end = kernel.aggregate(arena, names, self._keys, text, scheme)
        if begin == 0:
            return None
        name = _unpacked(arena[begin:end].tobytes())[1]
        return task_key(name) if has_task else candidates_key(name)

    def _identifier(self, arrays: Arrays, claim: int) -> Identifier:
        arena = memoryview(arrays.arena)
        _, end = records.name_of(arrays.arena, claim)
        if arena[end] & records.WHOLE:
            size = int.from_bytes(arena[end + 1 : end + 5], "little")
            return whole_identifier(bytes(arena[end + 5 : end + 5 + size]))
        detail = _DETAIL.unpack_from(arena, end)
        folded = None
        if detail[0] & records.HAS_FOLDED:
            begin, end = records.name_of(arrays.arena, end + records.DETAIL)
            folded = bytes(arena[begin + 2 : end]).hex()
        return identifier_of(self._numbers, *_name(arrays.arena, claim), detail, folded)

    def _identifiers_in(self, batch: IssueBatch, rows: Any) -> Iterator[Identifier]:
        text = memoryview(batch.text)
        for scheme, begin, end, length, check, key, flags, first, last, _ in batch.identifiers[rows].tolist():
            beside = bytes(text[first:last])
            if flags & records.WHOLE:
                yield whole_identifier(beside)
                continue
            value = bytes(text[begin:end]).decode("utf-8", "surrogatepass")
            folded = beside.decode() if flags & records.HAS_FOLDED else None
            yield identifier_of(self._numbers, scheme, value, (flags, length, check, key), folded)

    def _checked(self, columns: Any) -> tuple[Checked, ...]:
        """What is found by length and check, by key and shape. `columns` are those of `records.list_claims`."""
        shapes = columns[:, 2] & (records.UNBROKEN_FLAG | records.MIXED_FLAG)
        kinds = columns[:, 1] << 8 | shapes
        parts = []
        for kind in np.unique(kinds).tolist():
            some = columns[kinds == kind]
            checks = some[:, 0].astype(np.uint64)
            folded = np.unique(some[some[:, 2] & records.HAS_FOLDED != 0, 0] >> 32)
            parts.append(Checked(self._numbers.keys[kind >> 8], _SHAPES.get(kind & 0xFF), checks, folded))
        return tuple(parts)

    def _wider(self, arrays: Arrays, table: Any, more: int) -> Any:
        slots = int(np.count_nonzero(table > packed_names.DELETED)) + more
        wider = zeros(max(2 * slots, _SLOTS), np.int64)  # half as many more until it is full again
        kernel.rehash(arrays.arena, table, wider, self._keys, table is arrays.names)
        return wider


@cache
def compile_registry() -> None:
    """Does once what a registry does, so that no record waits for a compiler."""
    registry, digest = CredentialRegistry(), Identifier("sha256", "0" * 64)
    folded = Identifier("hmac-sha256", "0" * 64, 24, "0" * 8, "key", "0" * 64)
    identifiers = (digest, folded)
    issue = CredentialIssued(
        time=0, source="", id="", credential_id="c", task_id=None, identifiers=identifiers
    )
    registry.add(*(msgspec.structs.replace(issue, credential_id=f"c{number}") for number in range(_SLOTS)))
    key, value = registry_key(issue), encode(issue)
    row = np.array([[0, 0, 0, len(key), len(key), len(value), 0, 0]], np.int64)
    batch, _ = registry.read(RecordColumns("", 0, key + value, row))
    registry.take(batch)
    registry.taken(batch)
    registry.owner(CredentialRevoked(time=0, source="", id="", identifier=digest))
    registry.owner_of_folded(bytes(32))
    registry.remove("c1", "", "")
    registry.compact()
    for _ in registry.claims():
        pass


def _empty(arena: int, names: int, events: int) -> Arrays:
    state = np.zeros(kernel.STATE, np.int64)
    state[kernel.USED] = records.FIRST
    return Arrays(zeros(arena, np.uint8), zeros(names, np.int64), zeros(events, np.int64), state)


def _spacious(used: int) -> int:
    """The size of an array of records for so many bytes and as many more. What is not used takes no memory."""
    return 2 * used + _ARENA


def _longer(arena: Any, used: int, room: int) -> Any:
    longer = zeros(_spacious(used + room), np.uint8)
    longer[:used] = arena[:used]
    return longer


def _room(slots: int) -> int:
    """The size of a table that has so many slots and room for some more."""
    return max(slots + (slots >> 1), _SLOTS)


def _full(table: Any, slots: int) -> bool:
    """Whether so many used slots make a table slow."""
    return 5 * int(slots) > 4 * len(table)


def _name(arena: Any, claim: int) -> tuple[int, str]:
    """The scheme and text of the name of a claim."""
    begin, end = records.name_of(arena, claim)
    return _unpacked(bytes(arena[begin:end]))


def _unpacked(packed: bytes) -> tuple[int, str]:
    head, text = int.from_bytes(packed[:2], "little"), packed[2:]
    if head & 3 == packed_names.TEXT:
        return head >> 2, text.decode("utf-8", "surrogatepass")
    digits = text.hex()
    if head & 3 == packed_names.UUID:
        digits = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return head >> 2, digits
