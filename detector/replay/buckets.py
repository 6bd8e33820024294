"""Cuts a history into buckets that can be judged apart from each other.

Two events belong together if a verdict on one may depend on the other: they share a credential, an identifier, a task,
a parent of tasks, a group whose credentials may be any of its tasks', or one that was revoked as a whole. What belongs
together is in one bucket. It may hold more than that.

The names are kept as 64-bit hashes under a random key, 16 bytes for each two that belong together. If two names have
one hash, more is taken to belong together than does, which changes no verdict.
"""

import hashlib
import os
import zlib
from array import array
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.judge.incremental_evaluator import DEEPEST
from detector.replay.row_spool import packed_rows
from detector.values.events import (
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    Leak,
    Lifecycle,
    TaskEnded,
    TaskHeartbeat,
    TaskStarted,
)

NOWHERE: Final = -1  # the bucket of what names no known credential
SHARDS: Final = 64  # of a large bucket, at most
_ALONE: Final = 1024 * 1024  # bytes of rows of one bucket and unit, of which each shard gets its own
_FIRST_SHARD: Final = 48  # rows begin with their shard as a character: "0" and those behind it
_KEY: Final = 16  # bytes
_TASK, _CREDENTIAL, _IDENTIFIER, _CANDIDATES, _GROUP = "tciag"
_Ints = NDArray[np.int64]
_Numbers = NDArray[np.int16]


class _Pairs:
    """Pairs of hashes that belong together."""

    def __init__(self) -> None:
        self._one, self._other = array("q"), array("q")

    def add(self, one: int, other: int) -> None:
        self._one.append(one)
        self._other.append(other)

    def arrays(self) -> tuple[_Ints, _Ints]:
        return np.array(self._one, np.int64), np.array(self._other, np.int64)


class Links:
    """Takes lifecycle events, and says how to cut the history. `keys` has a name of each, in their order."""

    def __init__(self) -> None:
        self._hash = _Hash(os.urandom(_KEY))
        self.keys = array("q")
        self._claimed = array("q")  # the names of credentials that were issued
        self._pairs = _Pairs()
        self._parents = _Pairs()
        self._members = _Pairs()  # of groups: it may matter to nobody that they are in one
        self._wanted: set[int] = set()  # groups of which it matters
        self._candidates: set[int] = set()

    def take(self, event: Lifecycle) -> None:
        """Takes the next event, masked."""
        if isinstance(event, TaskStarted | TaskEnded | TaskHeartbeat):
            key = self._hash(_TASK, event.task_id)
            if isinstance(event, TaskStarted):
                if event.parent_task_id is not None:
                    self._parents.add(key, self._hash(_TASK, event.parent_task_id))
                if event.group is not None:
                    self._members.add(key, self._hash(_CANDIDATES, event.group))
        elif isinstance(event, CredentialIssued):
            key = self._issued(event)
        elif isinstance(event, CredentialRevoked) and event.group is not None:
            key = self._hash(_GROUP, event.group)
            self._wanted.add(key)
        else:
            names = self._hash.names(event.credential_id, event.identifier) or [0]
            key = names[0]
            for other in names[1:]:
                self._pairs.add(key, other)
        self.keys.append(key)

    def _issued(self, event: CredentialIssued) -> int:
        key = self._hash(_CREDENTIAL, event.credential_id)
        self._claimed.append(key)
        if event.task_id is not None or event.task_group is None:
            self._pairs.add(key, self._hash(_TASK, event.task_id or ""))
        else:
            group = self._hash(_CANDIDATES, event.task_group)
            self._pairs.add(key, group)
            self._wanted.add(group)
            self._candidates.add(group)
        for identifier in event.identifiers:
            other = self._hash.identifier(identifier)
            self._claimed.append(other)
            self._pairs.add(key, other)
        for name in event.groups:
            self._members.add(key, self._hash(_GROUP, name))
        return key

    def buckets(self, most: int) -> "Buckets":
        """At most so many buckets."""
        members, groups = self._members.arrays()
        wanted = np.isin(groups, np.fromiter(self._wanted, np.int64))
        parents = self._parents.arrays()
        pairs = self._pairs.arrays()
        one = np.concatenate((pairs[0], parents[0], members[wanted]))
        other = np.concatenate((pairs[1], parents[1], groups[wanted]))
        names = np.unique(np.concatenate((np.array(self.keys, np.int64), one, other)))
        labels = connected(len(names), np.searchsorted(names, one), np.searchsorted(names, other))
        buckets = labels % most
        # A use may name any task. Whether that descends from a candidate is not asked of more than so many ancestors.
        children = np.bincount(labels[np.searchsorted(names, parents[0])], minlength=len(names))
        deep = children[labels] >= DEEPEST - 1
        if deep.any():
            asking = labels[np.searchsorted(names, np.fromiter(self._candidates, np.int64))]
            buckets[deep | np.isin(labels, asking)] = 0
        claimed = np.zeros(len(names), bool)
        claimed[np.searchsorted(names, np.array(self._claimed, np.int64))] = True
        return Buckets(self._hash.key, names, buckets.astype(np.int16), claimed)


class Buckets:
    """Says in which bucket events and tasks are: `names` are hashes under `key` in order, `claimed` those of credentials."""

    def __init__(self, key: bytes, names: _Ints, buckets: _Numbers, claimed: NDArray[np.bool_]) -> None:
        self._hash = _Hash(key)
        self._names = names
        self._buckets = buckets
        self.credentials = CredentialBuckets(key, names[claimed].tobytes(), buckets[claimed].tobytes())
        """What other processes need to know."""

    def of_keys(self, keys: Any) -> list[int]:
        """The buckets of names that `Links` gave."""
        found: list[int] = self._buckets[np.searchsorted(self._names, np.array(keys, np.int64))].tolist()
        return found

    def of_task(self, task_id: str) -> int:
        """The bucket of a task, `NOWHERE` if nothing is known of it."""
        return int(_found(self._names, self._buckets, [self._hash(_TASK, task_id)])[0])


class CredentialBuckets(msgspec.Struct, frozen=True):
    """The buckets of credentials, by the hashes of their names under `key`, in order."""

    key: bytes
    names: bytes
    buckets: bytes

    def of(self, uses: Sequence[CredentialUsed]) -> list[int]:
        """The buckets of the credentials that uses name, `NOWHERE` where none is known."""
        by_name = self._by_name(
            {name for use in uses for name in (use.credential_id, use.identifier)} - {None}
        )
        return [
            by_name.get(use.credential_id, NOWHERE)
            if by_name.get(use.credential_id, NOWHERE) != NOWHERE
            else by_name.get(use.identifier, NOWHERE)
            for use in uses
        ]

    def of_leak(self, leak: Leak) -> set[int]:
        """The buckets of the credentials whose secret a leak shows."""
        return set(self._by_name(set(leak.identifiers)).values()) - {NOWHERE}

    def _by_name(self, names: Collection[str | Identifier | None]) -> dict[str | Identifier | None, int]:
        hashed = _Hash(self.key)
        asked = [
            hashed.identifier(name) if isinstance(name, Identifier) else hashed(_CREDENTIAL, name or "")
            for name in names
        ]
        known, buckets = np.frombuffer(self.names, np.int64), np.frombuffer(self.buckets, np.int16)
        return dict(zip(names, _found(known, buckets, asked).tolist(), strict=True))


def _found(names: _Ints, buckets: _Numbers, asked: list[int]) -> _Numbers:
    wanted = np.array(asked, np.int64)
    if not len(names):
        return np.full(len(wanted), NOWHERE, np.int16)
    at = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
    return np.where(names[at] == wanted, buckets[at], np.int16(NOWHERE))


def routed(
    uses: Sequence[CredentialUsed], buckets: CredentialBuckets
) -> tuple[dict[int, bytes], list[CredentialUsed]]:
    """The uses as packed rows by their place, and those that name no known credential."""
    rows: defaultdict[int, bytearray] = defaultdict(bytearray)
    rest: list[CredentialUsed] = []
    encoder = msgspec.json.Encoder()
    for bucket, use in zip(buckets.of(uses), uses, strict=True):
        if bucket == NOWHERE:
            rest.append(use)
        else:
            rows[place_of(bucket)] += row_of(use, encoder) + b"\n"
    for place in [place for place, some in rows.items() if len(some) > _ALONE]:
        for row in rows.pop(place).splitlines(keepends=True):
            rows[place + 1 + shard_of(row)] += row
    return dict(packed_rows(rows)), rest


def place_of(bucket: int, shard: int | None = None) -> int:
    """Where the rows of a bucket wait: those of one shard, or those of any."""
    return bucket * (SHARDS + 1) + (0 if shard is None else 1 + shard)


def shard_of(row: bytes | bytearray) -> int:
    """The shard of a row."""
    return row[0] - _FIRST_SHARD


def row_of(fact: CredentialUsed | Leak, encoder: msgspec.json.Encoder) -> bytes:
    """A fact as a row. It begins with the number of its shard: all copies of an event are in one."""
    shard = zlib.crc32(fact.id.encode("utf-8", "surrogatepass")) % SHARDS
    return b"%c%b" % (_FIRST_SHARD + shard, encoder.encode(fact))


class _Hash:
    """Hashes names under a key, to 64 bits."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    def __call__(self, kind: str, name: str) -> int:
        text = f"{kind}{name}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(text, digest_size=8, key=self.key).digest(), "big", signed=True)

    def identifier(self, identifier: Identifier) -> int:
        """The hash of an identifier. Only its scheme and value count."""
        return self(_IDENTIFIER, f"{len(identifier.scheme)} {identifier.scheme}{identifier.value}")

    def names(self, credential_id: str | None, identifier: Identifier | None) -> list[int]:
        """The hashes of the names in an event."""
        names = [] if credential_id is None else [self(_CREDENTIAL, credential_id)]
        return names if identifier is None else [*names, self.identifier(identifier)]


def connected(size: int, one: _Ints, other: _Ints) -> _Ints:
    """For each of `size` nodes the least one that it is connected with, given the two nodes of each edge.

    Each round hooks trees to lesser ones and halves their depth, so the rounds grow with the logarithm of the size.
    """
    number: type[Any] = np.int32 if size < 1 << 31 else np.int64  # half the memory
    labels: Any = np.arange(size, dtype=number)
    one, other = one.astype(number), other.astype(number)
    while True:
        before = labels.copy()
        low = np.minimum(labels[one], labels[other])
        for end in (one, other):
            np.minimum.at(labels, before[end], low)
            np.minimum.at(labels, end, low)
        labels = labels[labels]
        if np.array_equal(labels, before):
            found: _Ints = labels
            return found
