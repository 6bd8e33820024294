"""The registered credentials, by name and by fingerprint, from the registry topic or any other source.

A registry that is behind costs a detour and no mistake: a use or leak that arrives before its credential waits in the
judge stage, at the names that it speaks of.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from detector.judge.routing import decode
from detector.registry.credential_registry import CredentialRegistry
from detector.registry.finders import Finders
from detector.registry.issue_batch import IssueBatch
from detector.values.events import CredentialIssued
from detector.values.secrets import DeploymentKey, decode_key
from detector.values.stored_format import check_headers

ID_KEY: Final = "id-key"
ID_KEY_PARTITION: Final = 0
_REMOVED: Final = 1000  # removals after which, if they are a quarter of all, the index is built anew

_KEY: Final = msgspec.json.Decoder(tuple[str, str, str, str])


class RegisteredCredentials:
    """`registry` knows whose a name is, `finders` find the secrets.

    `complete` is to be set once everything is known that was registered before the start. `unreadable` counts records
    that were passed over. `id_key` is the offset and the first of the keys that instances without a deployment key
    offered each other to name ids that hold a secret; None if there is none.
    """

    def __init__(self, finders: Finders) -> None:
        self.registry = CredentialRegistry()
        self.finders = finders
        self.complete = asyncio.Event()
        self.unreadable = 0
        self.id_key: tuple[int, DeploymentKey] | None = None
        self._removed = 0
        self._changing = asyncio.Lock()

    async def register(self, issues: Sequence[CredentialIssued]) -> None:
        """Makes issues known at once. Their records may still come; they change nothing then."""
        async with self._changing:
            await self._add(issues)

    async def apply(self, records: Sequence[Any]) -> None:
        """Applies records of the registry topic, in the order of each partition. They are aiokafka's ConsumerRecord.

        Raises:
            StopError: a later version wrote them.
        """
        async with self._changing:
            issues: list[CredentialIssued] = []
            for record in records:
                if record.headers:
                    check_headers(record.headers, f"topic {record.topic}")
                try:
                    kind, credential_id, source, event_id = _KEY.decode(record.key or b"")
                    if kind == ID_KEY:
                        self._take_id_key(record)
                    if kind != "cred":
                        continue
                    payload = None if record.value is None else decode(record.value)
                except (msgspec.MsgspecError, ValueError, RecursionError):
                    self.unreadable += 1
                    continue
                if isinstance(payload, CredentialIssued):
                    issues.append(payload)
                elif payload is None:
                    await self._add(issues)
                    issues = []
                    self.registry.remove(credential_id, source, event_id)
                    self._removed += 1
            await self._add(issues)
            if self._removed > max(_REMOVED, len(self.registry) // 4):
                self._removed = 0
                await asyncio.to_thread(self._renew)

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

    async def _add(self, issues: Sequence[CredentialIssued]) -> None:
        if not issues:
            return
        batch = await asyncio.to_thread(self._index, issues)
        self.registry.take(batch)  # last: the index has every credential that the registry has

    def _index(self, issues: Sequence[CredentialIssued]) -> IssueBatch:
        batch = self.registry.prepared(issues)
        self.finders.known.add(self.registry.unclaimed(batch))
        return batch

    def _renew(self) -> None:
        self.registry.compact()
        self.finders.renew(self.registry.identifiers())
