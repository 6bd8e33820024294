"""The issues that are known, found by credential id and by identifier: some 240 bytes each, no Python object for any."""

import secrets
import struct
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from detector.judge.routing import candidates_key, task_key
from detector.registry import claim_kernel as kernel
from detector.registry import packed_names
from detector.registry.issue_batch import (
    IssueBatch,
    NamedNumbers,
    batch_of,
    encoded,
    identifier_of,
)
from detector.values.events import CredentialEvent, CredentialIssued, CredentialRevoked, Identifier

_ARENA: Final = 1 << 16
_SLOTS: Final = 1 << 10
_DETAIL: Final = struct.Struct(
    "<HIHBI"
)  # of a claim: length, check, key, flags, size of what is kept beside them


class _Arrays(NamedTuple):
    """What the loops work on; see `claim_kernel`."""

    arena: Any
    names: Any
    events: Any
    state: Any


class CredentialRegistry:
    """Known issues. If several credentials claim an identifier, the one issued first owns it.

    Of an issue it keeps what routing and the scanner ask for. The hashes of its tables are under keys that are drawn
    here.

    One thread may read while another prepares a batch or compacts: arrays are replaced then, never changed. `take` and
    `remove` change them.
    """

    def __init__(self) -> None:
        self._keys = np.array([secrets.randbits(64), secrets.randbits(64)], np.uint64)
        self._numbers = NamedNumbers()
        self._arrays = _empty(_ARENA, _SLOTS, _SLOTS)

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
        return sum(each.nbytes for each in self._arrays)

    def prepared(self, issues: Sequence[CredentialIssued]) -> IssueBatch:
        """A batch of issues for `take`, for which there is room then."""
        batch = batch_of(issues, self._numbers)
        arrays = self._arrays
        state = arrays.state
        arena, names, events = arrays[:3]
        if state[kernel.USED] + batch.room > arena.size:
            arena = _longer(arena, int(state[kernel.USED]), batch.room)
        if _full(names, state[kernel.NAMES] + batch.names):
            names = self._wider(arrays, names, batch.names)
        if _full(events, state[kernel.EVENTS] + len(issues)):
            events = self._wider(arrays, events, len(issues))
        if arena is not arrays.arena or names is not arrays.names or events is not arrays.events:
            state = state.copy()
            state[kernel.NAMES], state[kernel.EVENTS] = map(np.count_nonzero, (names, events))
            self._arrays = _Arrays(arena, names, events, state)
        return batch

    def unclaimed(self, batch: IssueBatch) -> tuple[Identifier, ...]:
        """The identifiers in a batch that no known credential has, each once."""
        claimed = np.empty(len(batch.identifiers), np.bool_)
        arrays = self._arrays
        kernel.claimed(
            arrays.arena, arrays.names, self._keys, batch.text, batch.issues, batch.identifiers, claimed
        )
        identifiers = (each for issue in batch.of_issues for each in issue.identifiers)
        return tuple(
            dict.fromkeys(one for one, known in zip(identifiers, claimed.tolist(), strict=True) if not known)
        )

    def take(self, batch: IssueBatch) -> None:
        """Adds a batch that was prepared last. Adding an issue again changes nothing."""
        kernel.add(*self._arrays, self._keys, batch.text, batch.issues, batch.identifiers)

    def add(self, *issues: CredentialIssued) -> None:
        """Adds issues."""
        self.take(self.prepared(issues))

    def remove(self, credential_id: str, source: str, event_id: str) -> None:
        """Removes one issue, and with its last issue the credential."""
        texts = [encoded(each) for each in (credential_id, source, event_id)]
        sizes = np.array([*map(len, texts)], np.int64)
        kernel.remove(*self._arrays, self._keys, np.frombuffer(b"".join(texts), np.uint8), sizes)

    def compact(self) -> None:
        """Gives back what removed issues took."""
        old = self._arrays
        issues = self._places(old)
        used = int(old.state[kernel.USED] - old.state[kernel.DEAD])
        new = _empty(
            used + (used >> 3) + _ARENA,
            _room(int(np.count_nonzero(old.names > packed_names.DELETED))),
            _room(len(issues)),
        )
        kernel.add_again(*new, self._keys, old.arena, issues)
        self._arrays = new

    def identifiers(self) -> Iterator[Identifier]:
        """All identifiers of all issues."""
        arrays = self._arrays
        arena = memoryview(arrays.arena)
        for issue in self._places(arrays).tolist():
            claim = issue + kernel.ISSUE_HEAD + kernel.DETAIL
            for _ in range(1, _number(arena, issue + kernel.CLAIMS, 3)):
                *detail, size = _DETAIL.unpack_from(arena, claim + kernel.DETAIL)
                after = claim + kernel.CLAIM + size
                name = _name(arena, _number(arena, claim + kernel.NAME, kernel.POINTER))
                yield identifier_of(self._numbers, *name, detail, bytes(arena[claim + kernel.CLAIM : after]))
                claim = after

    def known(self, credential_id: str) -> str | None:
        """The key of the aggregate that judges a credential, by its earliest issue."""
        return self._aggregate(credential_id, kernel.CREDENTIAL_ID)

    def by_identifier(self, identifier: Identifier) -> str | None:
        """The key of the aggregate that judges the credential that owns an identifier."""
        scheme, value = self._numbers.name_of(identifier)
        return self._aggregate(value, scheme)

    def owner(self, event: CredentialEvent) -> str | None:
        """The same for the credential that an event names: by its id if it has one, else by its identifier."""
        if event.credential_id is not None:
            return self.known(event.credential_id)
        return self.by_identifier(event.identifier) if event.identifier is not None else None

    def _aggregate(self, value: str, scheme: int) -> str | None:
        bytes_, names, *_ = self._arrays
        issue = kernel.owner(bytes_, names, self._keys, np.frombuffer(encoded(value), np.uint8), scheme)
        if issue == 0:
            return None
        arena = memoryview(bytes_)
        size = _number(arena, issue + kernel.TASK_SIZE, 3)
        if size == kernel.NO_TASK:
            credential = _number(arena, issue + kernel.ISSUE_HEAD + kernel.NAME, kernel.POINTER)
            return candidates_key(_name(arena, credential)[1])
        task = kernel.task_of(bytes_, issue)
        return task_key(_unpacked(bytes(arena[task : task + size]))[1])

    @staticmethod
    def _places(arrays: _Arrays) -> Any:
        """Where the issues stand, in the order in which they came."""
        slots = arrays.events[arrays.events > packed_names.DELETED]
        return np.sort(slots & (packed_names.POINTER_MASK))

    def _wider(self, arrays: _Arrays, table: Any, more: int) -> Any:
        wider = np.zeros(_room(int(np.count_nonzero(table > packed_names.DELETED)) + more), np.int64)
        kernel.rehash(arrays.arena, table, wider, self._keys, table is arrays.names)
        return wider


@cache
def compile_registry() -> None:
    """Does once what a registry does, so that no record waits for a compiler."""
    registry, digest = CredentialRegistry(), Identifier("sha256", "0" * 64)
    issue = CredentialIssued(time=0, source="", id="", credential_id="c", task_id=None, identifiers=(digest,))
    registry.add(*(msgspec.structs.replace(issue, credential_id=f"c{number}") for number in range(_SLOTS)))
    registry.unclaimed(registry.prepared([issue]))
    registry.owner(CredentialRevoked(time=0, source="", id="", identifier=digest))
    registry.remove("c1", "", "")
    registry.compact()


def _empty(arena: int, names: int, events: int) -> _Arrays:
    state = np.zeros(kernel.STATE, np.int64)
    state[kernel.USED] = kernel.FIRST
    return _Arrays(np.empty(arena, np.uint8), np.zeros(names, np.int64), np.zeros(events, np.int64), state)


def _longer(arena: Any, used: int, room: int) -> Any:
    longer = np.empty(used + room + (used >> 3) + _ARENA, np.uint8)
    longer[:used] = arena[:used]
    return longer


def _room(slots: int) -> int:
    """The size of a table that is half full with so many slots."""
    return max(2 * slots, _SLOTS)


def _full(table: Any, slots: int) -> bool:
    """Whether so many used slots make a table slow."""
    return 5 * int(slots) > 4 * len(table)


def _number(arena: memoryview, at: int, size: int) -> int:
    return int.from_bytes(arena[at : at + size], "little")


def _name(arena: memoryview, at: int) -> tuple[int, str]:
    """The scheme and text of the name whose record stands there."""
    begin = at + kernel.NAME_HEAD
    return _unpacked(bytes(arena[begin : begin + _number(arena, at + kernel.SIZE, 3)]))


def _unpacked(packed: bytes) -> tuple[int, str]:
    head, text = int.from_bytes(packed[:2], "little"), packed[2:]
    if head & 3 == packed_names.TEXT:
        return head >> 2, text.decode("utf-8", "surrogatepass")
    digits = text.hex()
    if head & 3 == packed_names.UUID:
        digits = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return head >> 2, digits
