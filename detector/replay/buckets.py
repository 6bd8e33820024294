"""Cuts a history into buckets that can be judged apart from each other.

Two events belong together if a verdict on one may depend on the other: they share a credential, an identifier, a task,
a parent of tasks, a group whose credentials may be any of its tasks', or one that was revoked as a whole. What belongs
together is in one bucket. It may hold more than that.

The names are kept in files without a name, as 64-bit hashes under a random key: of any number of credentials little is
in memory. If two names have one hash, more is taken to belong together than does, which changes no verdict.
"""

import hashlib
import os
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.judge.incremental_evaluator import DEEPEST
from detector.replay.components import Ints, among, connected, distinct, places, repeated
from detector.replay.row_spool import packed_rows
from detector.scan.pages import Rows, slices, zeros
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
_HASH: Final = 8
_TASK, _CREDENTIAL, _IDENTIFIER, _CANDIDATES, _GROUP = "tciag"
_Numbers = NDArray[np.int16]


class Links:
    """Takes lifecycle events, and says how to cut the history. All names wait in files."""

    def __init__(self) -> None:
        self._hash = _Hash(os.urandom(_KEY))
        self._keys = Rows()  # a name of each event, in their order
        self._claimed = Rows()  # the names of credentials that were issued
        self._pairs = Rows()  # of names that belong together
        self._parents = Rows()  # pairs too
        self._members = Rows()  # of groups, as pairs: it may matter to nobody that they are in one
        self._wanted = Rows()  # groups of which it matters
        self._candidates = Rows()
        self.count = 0  # of the events

    def take(self, event: Lifecycle) -> None:
        """Takes the next event, masked."""
        if isinstance(event, TaskStarted | TaskEnded | TaskHeartbeat):
            key = self._hash(_TASK, event.task_id)
            if isinstance(event, TaskStarted):
                if event.parent_task_id is not None:
                    self._parents.add(key + self._hash(_TASK, event.parent_task_id))
                if event.group is not None:
                    self._members.add(key + self._hash(_CANDIDATES, event.group))
        elif isinstance(event, CredentialIssued):
            key = self._issued(event)
        elif isinstance(event, CredentialRevoked) and event.group is not None:
            key = self._hash(_GROUP, event.group)
            self._wanted.add(key)
        else:
            names = self._hash.names(event.credential_id, event.identifier) or [bytes(_HASH)]
            key = names[0]
            for other in names[1:]:
                self._pairs.add(key + other)
        self._keys.add(key)
        self.count += 1

    def _issued(self, event: CredentialIssued) -> bytes:
        key = self._hash(_CREDENTIAL, event.credential_id)
        self._claimed.add(key)
        if event.task_id is not None or event.task_group is None:
            self._pairs.add(key + self._hash(_TASK, event.task_id or ""))
        else:
            group = self._hash(_CANDIDATES, event.task_group)
            self._pairs.add(key + group)
            self._wanted.add(group)
            self._candidates.add(group)
        for identifier in event.identifiers:
            other = self._hash.identifier(identifier)
            self._claimed.add(other)
            self._pairs.add(key + other)
        for name in event.groups:
            self._members.add(key + self._hash(_GROUP, name))
        return key

    def buckets(self, most: int) -> "Buckets":
        """At most so many buckets. Nothing more is taken then.

        Raises:
            OSError: the disk is full.
        """
        parents, members = (each.array(np.int64).reshape(-1, 2) for each in (self._parents, self._members))
        wanted = distinct(self._wanted.array(np.int64))
        for some in slices(len(members)):
            self._pairs.add(members[some][among(members[some, 1], wanted)].tobytes())
        for some in slices(len(parents)):
            self._pairs.add(parents[some].tobytes())
        keys, ends = self._keys.array(np.int64), self._pairs.array(np.int64)
        names = distinct(keys, ends)
        nodes = places(ends, names)
        labels = connected(len(names), nodes[0::2], nodes[1::2])
        first = self._in_first(names, labels, parents[:, 0])
        buckets = zeros(len(names), np.int16, in_file=True)
        for some in slices(len(names)):
            buckets[some] = np.where(among(labels[some], first), 0, labels[some] % most)
        return Buckets(self._hash.key, keys, names, buckets, distinct(self._claimed.array(np.int64)))

    def _in_first(self, names: Ints, labels: Ints, children: Ints) -> Ints:
        """The labels of what has to be in the first bucket.

        A use may name any task. Whether that descends from a candidate is not asked of more than so many ancestors.
        """
        deep = repeated(_at(labels, names, children), DEEPEST - 1)
        return distinct(deep, _at(labels, names, self._candidates.array(np.int64))) if len(deep) else deep


def _at(values: Any, names: Ints, asked: Ints) -> Any:
    """The values of some names, all of which are known."""
    found = zeros(len(asked), values.dtype, in_file=True)
    for some in slices(len(asked)):
        found[some] = values[np.searchsorted(names, asked[some])]
    return found


class Buckets:
    """Says in which bucket events and tasks are.

    `names` are hashes under `key` in order, `keys` the name of each event, `claimed` those of credentials, in order.
    """

    def __init__(self, key: bytes, keys: Ints, names: Ints, buckets: _Numbers, claimed: Ints) -> None:
        self._hash = _Hash(key)
        self._keys = keys
        self._names = names
        self._buckets = buckets
        self.credentials = CredentialBuckets(key, claimed, _at(buckets, names, claimed))
        """What other processes need to know."""

    def of_events(self) -> Iterator[int]:
        """The bucket of each event that `Links` took."""
        for some in slices(len(self._keys)):
            yield from self._buckets[np.searchsorted(self._names, self._keys[some])].tolist()

    def of_task(self, task_id: str) -> int:
        """The bucket of a task, `NOWHERE` if nothing is known of it."""
        return int(_found(self._names, self._buckets, [self._hash(_TASK, task_id)])[0])


class BucketNames(msgspec.Struct, frozen=True):
    """Some of the `CredentialBuckets`, for other machines."""

    key: bytes
    names: bytes
    buckets: bytes


class CredentialBuckets:
    """The buckets of credentials, by the hashes of their names under `key`, in order."""

    def __init__(self, key: bytes, names: Ints, buckets: _Numbers) -> None:
        self._hash = _Hash(key)
        self._names = names
        self._buckets = buckets

    def parts(self) -> Iterator[BucketNames]:
        """All of it, a part at a time."""
        for some in slices(len(self._names)):
            yield BucketNames(self._hash.key, self._names[some].tobytes(), self._buckets[some].tobytes())

    @classmethod
    def of_parts(cls, parts: Iterable[BucketNames]) -> Self:
        """What was cut into parts.

        Raises:
            OSError: the disk is full.
        """
        key, names, buckets = b"", Rows(), Rows()
        for part in parts:
            key = part.key
            names.add(part.names)
            buckets.add(part.buckets)
        return cls(key, names.array(np.int64), buckets.array(np.int16))

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
        hashed = self._hash
        asked = [
            hashed.identifier(name) if isinstance(name, Identifier) else hashed(_CREDENTIAL, name or "")
            for name in names
        ]
        return dict(zip(names, _found(self._names, self._buckets, asked).tolist(), strict=True))


def _found(names: Ints, buckets: _Numbers, asked: list[bytes]) -> _Numbers:
    wanted = np.frombuffer(b"".join(asked), np.int64)
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
    """Hashes names under a key, to the bytes of a number of 64 bits."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    def __call__(self, kind: str, name: str) -> bytes:
        text = f"{kind}{name}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=_HASH, key=self.key).digest()

    def identifier(self, identifier: Identifier) -> bytes:
        """The hash of an identifier. Only its scheme and value count."""
        return self(_IDENTIFIER, f"{len(identifier.scheme)} {identifier.scheme}{identifier.value}")

    def names(self, credential_id: str | None, identifier: Identifier | None) -> list[bytes]:
        """The hashes of the names in an event."""
        names = [] if credential_id is None else [self(_CREDENTIAL, credential_id)]
        return names if identifier is None else [*names, self.identifier(identifier)]
