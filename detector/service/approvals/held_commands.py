"""The commands that wait: a reader of the topic `revocation-outcomes`, in which the last outcome of a command stands."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from detector.values.approvals import Approval
from detector.values.times import parse_rfc3339

OUTCOME_TYPE: Final = "credential.revocation.outcome"
HELD: Final = "held"
FAILED: Final = "failed"
MOST: Final = 10_000
"""So many are kept in full. Of more than that the id alone is kept, so that each can be approved or denied all the same."""
MOST_IDS: Final = 1_000_000
MOST_FAILED: Final = 10_000
NOT_KEPT: Final = f"not shown: more than {MOST:,} commands wait"
_ID: Final = 36  # characters of a UUID
_LONGEST: Final = 1024  # characters of a field


class HeldCommand(msgspec.Struct, frozen=True):
    """A command that waits, why, and since when (ns)."""

    command_id: str
    credential_id: str
    target: str
    why: str
    since: int


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
    """Applies records of the topic of outcomes. `version` changes with every change of what is held.

    `complete` is set once everything is known that was there at the start.
    """

    def __init__(self) -> None:
        self.complete = asyncio.Event()
        self.version = 0
        self._held: dict[str, HeldCommand] = {}
        self._failed: dict[str, None] = {}

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
        before = self._held.get(command_id)
        self._failed.pop(command_id, None)
        if data.outcome == FAILED:
            self._failed[command_id] = None
            if len(self._failed) > MOST_FAILED:
                del self._failed[next(iter(self._failed))]
        if data.outcome != HELD:
            self._held.pop(command_id, None)
        elif before is not None or len(self._held) < MOST:
            self._held[command_id] = HeldCommand(
                command_id,
                data.credential_id[:_LONGEST],
                data.target[:_LONGEST],
                data.detail[:_LONGEST],
                since if before is None else before.since,
            )
        elif len(self._held) < MOST_IDS:
            self._held[command_id] = HeldCommand(command_id, "", "", NOT_KEPT, since)
        self.version += self._held.get(command_id) != before

    def get(self, command_id: str) -> HeldCommand | None:
        """One that waits, None if it does not."""
        return self._held.get(command_id)

    def has_failed(self, command_id: str) -> bool:
        """Whether the last outcome of a command was that it failed."""
        return command_id in self._failed

    def all(self) -> list[HeldCommand]:
        """All that wait, those first that have waited longest."""
        return sorted(self._held.values(), key=lambda held: (held.since, held.command_id))


def standing(command_id: str, approvals: Iterable[Approval]) -> dict[str, str]:
    """What each person last said about a command: `approve` or `deny`."""
    return {
        approval.approver: approval.verdict
        for approval in sorted(approvals, key=lambda one: one.time)
        if approval.command_id == command_id
    }
