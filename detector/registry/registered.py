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
from detector.values.events import CredentialIssued, Identifier
from detector.values.stored_format import check_headers

_REMOVED: Final = 1000  # removals after which, if they are a quarter of all, the index is built anew

_KEY: Final = msgspec.json.Decoder(tuple[str, str, str, str])


class RegisteredCredentials:
    """`registry` knows whose a name is, `finders` find the secrets.

    `complete` is to be set once everything is known that was registered before the start. `unreadable` counts records
    that were passed over.
    """

    def __init__(self, finders: Finders) -> None:
        self.registry = CredentialRegistry()
        self.finders = finders
        self.complete = asyncio.Event()
        self.unreadable = 0
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
                    payload = None if record.value is None else decode(record.value)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    self.unreadable += 1
                    continue
                if kind != "cred":
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
                identifiers = [each for issue in self.registry.issues() for each in issue.identifiers]
                await asyncio.to_thread(self.finders.renew, identifiers)

    async def _add(self, issues: Sequence[CredentialIssued]) -> None:
        registry = self.registry
        fresh: dict[Identifier, None] = {}
        for issue in issues:
            fresh.update((each, None) for each in issue.identifiers if not registry.claimed(each))
        if fresh:
            await asyncio.to_thread(self.finders.known.add, tuple(fresh))
        for issue in issues:  # last: the index has every credential that the registry has
            registry.add(issue)
