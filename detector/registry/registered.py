"""The registered credentials, by name and by fingerprint, from the registry topic or any other source.

A registry that is behind costs a detour and no mistake: a use or leak that arrives before its credential waits in the
judge stage, at the names that it speaks of.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import chain
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from detector.records.made_columns import columns_of
from detector.records.record_columns import KafkaRecord, RecordColumns, with_unknown_headers
from detector.records.record_fields import KEY, VALUE_SIZE
from detector.registry.credential_registry import Claims, CredentialRegistry
from detector.registry.finders import Finders
from detector.registry.issue_batch import IssueBatch
from detector.registry.snapshot import Image
from detector.scan.known_credentials import KnownIndex
from detector.values.events import CredentialIssued
from detector.values.secrets import DeploymentKey, decode_key
from detector.values.stored_format import FORMAT_BYTES, check_headers

_T = TypeVar("_T")

ID_KEY: Final = "id-key"
TOPIC: Final = "topic"
ID_KEY_PARTITION: Final = 0
_ISSUE: Final = b'["cred",'
_KEPT_HEADERS: Final = 64
_COMPACTING_SECONDS: Final = 0.2  # after each poll
_FEW: Final = 256  # issues, some microseconds each

_KEY: Final = msgspec.json.Decoder(tuple[str, str, str, str])


class KeptTopic(msgspec.Struct, frozen=True):
    """A topic as the registry topic has it: its id, and the offsets before which a partition's records are void."""

    id: str
    floors: dict[int, int] = {}


def topic_key(name: str) -> bytes:
    """The key of the record that keeps a topic."""
    return msgspec.json.encode((TOPIC, name, "", ""))


class RegisteredCredentials:
    """`registry` knows whose a name is, `finders` find the secrets.

    `complete` is to be set once everything is known that was registered before the start. `unreadable` counts records
    that were skipped. `id_key` is the offset and the first of the keys that instances without a deployment key
    offered each other to name ids that hold a secret; None if there is none. `topics` are those that were kept.
    """

    def __init__(self, finders: Finders) -> None:
        self.registry = CredentialRegistry()
        self.finders = finders
        self.complete = asyncio.Event()
        self.unreadable = 0
        self.id_key: tuple[int, DeploymentKey] | None = None
        self.topics: dict[str, KeptTopic] = {}
        self.finders.use_registered(self.registry)
        self._headers: set[Any] = set()  # that were checked
        self._renewing: KnownIndex | None = None  # what finds the credentials in a copy of the registry
        self._changing = asyncio.Lock()

    async def register(self, issues: Sequence[CredentialIssued]) -> None:
        """Makes issues known at once. Their records may still come; they change nothing then."""
        async with self._changing:
            batch = await _done(len(issues), self.registry.prepared, issues)
            await self._take(batch, len(issues))

    @contextlib.asynccontextmanager
    async def standing_still(self) -> AsyncIterator[CredentialRegistry]:
        """The registry, which nobody changes meanwhile."""
        async with self._changing:
            yield self.registry

    async def resume(self, image: Image) -> None:
        """Knows what `image` was taken of, and nothing else."""
        async with self._changing:
            await asyncio.to_thread(self._use, image)

    def _use(self, image: Image) -> None:
        self._renewing = None
        self.registry.use_image(image)
        known = self.finders.unfilled()
        claims = list(self.registry.claims())
        known.add_checked(chain.from_iterable(some.checked for some in claims))
        known.add(chain.from_iterable(some.others for some in claims))
        self.finders.use(known)

    async def apply(self, records: Sequence[Any]) -> None:
        """Applies records of a registry topic's partition, in order: `RecordColumns`, or aiokafka's ConsumerRecord.

        Raises:
            StopError: a later version wrote them.
        """
        async with self._changing:
            self._check_all(records)
            columns = columns_of("", records[0].partition if len(records) else 0, records)
            issues = columns.begin_with(KEY, _ISSUE) & (columns.column(VALUE_SIZE) >= 0)
            begin = 0
            for number in np.flatnonzero(~issues).tolist():
                await self._add(columns[begin:number])
                self._apply_other(columns[number])
                begin = number + 1
            await self._add(columns[begin:])
        await self._compact()

    def _check_all(self, records: Sequence[Any]) -> None:
        """Raises StopError unless this version can read all of these records."""
        for number in with_unknown_headers(records, FORMAT_BYTES):
            self._check(records[number].headers, records[number].topic)

    def _check(self, headers: Any, topic: str) -> None:
        """Raises StopError unless this version can read a record with these headers."""
        if headers not in self._headers:
            check_headers(headers, f"topic {topic}")
            if len(self._headers) < _KEPT_HEADERS:
                self._headers.add(headers)

    def _apply_other(self, record: KafkaRecord) -> None:
        """Applies a record that is no issue."""
        try:
            kind, credential_id, source, event_id = _KEY.decode(record.key or b"")
            if kind == ID_KEY:
                self._take_id_key(record)
            elif kind == TOPIC:
                self.topics[credential_id] = msgspec.json.decode(record.value or b"", type=KeptTopic)
            elif kind == "cred" and record.value is None:
                self.registry.remove(credential_id, source, event_id)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self.unreadable += 1

    async def _compact(self) -> None:
        """Gives back what removed issues took, for a while at a time. Others may change the registry meanwhile."""
        end = time.monotonic() + _COMPACTING_SECONDS
        while self._renewing is not None or self.registry.wasteful:
            async with self._changing:
                await asyncio.to_thread(self._compact_some)
            if time.monotonic() > end:
                break

    def _compact_some(self) -> None:
        if self._renewing is None:
            self._renewing = self.finders.unfilled()
            self.registry.begin_compaction()
        done = self.registry.compact_some()
        for claims in self.registry.copied():
            self._renewing.add_checked(claims.checked)
            self._renewing.add(claims.others)
        if done:
            self.registry.use_copy()
            self.finders.use(self._renewing)
            self._renewing = None

    def _take_id_key(self, record: Any) -> None:
        """Takes a key that an instance offered. The first in the partition for them counts, for all instances alike.

        Raises:
            ValueError: it is no key.
        """
        if record.partition != ID_KEY_PARTITION or record.value is None:
            return
        key = DeploymentKey.of(decode_key(record.value.decode()))
        if self.id_key is None or record.offset < self.id_key[0]:
            self.id_key = record.offset, key
            self.finders.use_id_key(key)

    async def _add(self, issues: RecordColumns) -> None:
        if len(issues):
            batch, unreadable = await _done(len(issues), self.registry.read, issues)
            self.unreadable += unreadable
            await self._take(batch, len(issues))

    async def _take(self, batch: IssueBatch, count: int) -> None:
        self.registry.take(batch)
        await _done(count, self._look_for, self.registry.taken(batch))

    def _look_for(self, claims: Claims) -> None:
        known = self.finders.known
        known.add_checked(claims.checked)
        if claims.others:
            known.add(claims.others)


async def _done(count: int, do: Callable[..., _T], *args: Any) -> _T:
    """What `do` gives: for many issues in a thread, which has to wait for the interpreter while the loop works."""
    return do(*args) if count <= _FEW else await asyncio.to_thread(do, *args)
