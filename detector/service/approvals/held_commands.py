"""The commands that wait for a person, or can be tried again.

They are read from the topic `revocation-outcomes`, in which the last outcome of a command stands.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from detector.values.approvals import RETRIABLE, Approval
from detector.values.times import parse_rfc3339

OUTCOME_TYPE: Final = "credential.revocation.outcome"
HELD: Final = "held"
MOST: Final = 10_000
"""So many are kept in full.

Of more than that the id alone is kept, so that each can be approved or denied all the same.
"""
MOST_IDS: Final = 1_000_000
MOST_RETRIABLE: Final = 10_000
"""The latest so many that can be tried again are known."""
NOT_KEPT: Final = f"not shown: more than {MOST:,} commands wait"
_ID: Final = 36  # characters of a UUID
_LONGEST: Final = 1024  # characters of a field


class HeldCommand(msgspec.Struct, frozen=True):
    """A command that waits, or can be tried again: its last outcome, why, and since when (ns)."""

    command_id: str
    credential_id: str
    target: str
    why: str
    since: int
    outcome: str = HELD


class _Data(msgspec.Struct):
    command_id: str
    credential_id: str
    outcome: str
    finished_at: str
    target: str = ""
    detail: str = ""


class _Event(msgspec.Struct):
    type: str
    data: _Data


_DECODER: Final = msgspec.json.Decoder(_Event)


class HeldCommands:
    """Applies records of the topic of outcomes. `version` changes with every change of what they give.

    `complete` is set once everything is known that was there at the start.
    """

    def __init__(self) -> None:
        self.complete = asyncio.Event()
        self.version = 0
        self._held: dict[str, HeldCommand] = {}
        self._retriable: dict[str, HeldCommand] = {}

    async def apply(self, records: Sequence[Any]) -> None:
        """Takes records in the order of each partition. They are aiokafka's ConsumerRecord."""
        for record in records:
            self.take(record.value)

    def take(self, value: bytes | None) -> None:
        """Takes the value of one record. What is no outcome changes nothing."""
        try:
            event = _DECODER.decode(value or b"")
            since = parse_rfc3339(event.data.finished_at)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return
        if event.type != OUTCOME_TYPE:
            return
        data = event.data
        command_id = data.command_id[: _ID + 1]
        before, ended = self._held.get(command_id), self._retriable.pop(command_id, None)
        made = HeldCommand(
            command_id,
            data.credential_id[:_LONGEST],
            data.target[:_LONGEST],
            data.detail[:_LONGEST],
            since if before is None or data.outcome != HELD else before.since,
            data.outcome[:_ID],
        )
        if data.outcome in RETRIABLE:
            self._retriable[command_id] = made
            if len(self._retriable) > MOST_RETRIABLE:
                del self._retriable[next(iter(self._retriable))]
        if data.outcome != HELD:
            self._held.pop(command_id, None)
        elif before is not None or len(self._held) < MOST:
            self._held[command_id] = made
        elif len(self._held) < MOST_IDS:
            self._held[command_id] = HeldCommand(command_id, "", "", NOT_KEPT, since)
        now = self._held.get(command_id), self._retriable.get(command_id)
        self.version += now != (before, ended)

    def get(self, command_id: str) -> HeldCommand | None:
        """One that waits, None if it does not."""
        return self._held.get(command_id)

    def retriable(self, command_id: str) -> bool:
        """Whether the last outcome of a command was that it failed, or is not proved."""
        return command_id in self._retriable

    def all_retriable(self) -> list[HeldCommand]:
        """All that can be tried again, the latest first."""
        return sorted(self._retriable.values(), key=lambda one: (-one.since, one.command_id))

    def all(self) -> list[HeldCommand]:
        """All that wait, those first that have waited longest."""
        return sorted(self._held.values(), key=lambda held: (held.since, held.command_id))


def standing(command_id: str, approvals: Iterable[Approval]) -> dict[str, str]:
    """What each person last said about a command: `approve`, `deny` or `retry`."""
    return {
        approval.approver: approval.verdict
        for approval in sorted(approvals, key=lambda one: one.time)
        if approval.command_id == command_id
    }
