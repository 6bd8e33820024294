"""What is sent to a program or a webhook of one's own that revokes, and what it may answer.

    {"type": "credential.revocation.requested" | "credential.revocation.probe",
     "timestamp": "2026-05-01T08:00:00Z",
     "data": {"command_id": …, "credential_id": …, "task_ids": […], "kind": …, "owner": …, "issued_at": …,
              "identifiers": [{"scheme": …, "value": …}], "revocation": {…}, "reasons": […], "severity": …,
              "escalated": …}}

An answer is optional. All of its fields are, too: `state` (live, dead, absent or unknown), `how` and `control` as an
`Observation` has them, and `refused`, a reason. A message may come twice with the same `command_id`: act once.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import (
    GoneError,
    Observation,
    Plan,
    RefusedError,
    State,
    Step,
    UnavailableError,
)
from detector.terminal.output import printable
from detector.values.times import format_rfc3339

REVOKE: Final = "credential.revocation.requested"
PROBE: Final = "credential.revocation.probe"
_SHOWN: Final = 200
_HIDDEN: Final = "‹secret›"
_MOST: Final = 10_000
_WITHIN: Final = 30.0

_Text = Annotated[str, msgspec.Meta(max_length=10_000)]


class Statement(msgspec.Struct, frozen=True):
    """What a program or a webhook answered. Other fields are ignored."""

    state: State | None = None
    how: _Text = ""
    control: bool | None = None
    refused: _Text | None = None
    found: dict[_Text, _Text] = {}

    def observation(self, who: str) -> Observation:
        """What it says of the state."""
        how = f"{who} says so" + (f": {_shown(self.how)}" if self.how else "")
        return Observation(self.state or "unknown", how, self.control, self.found)


class Delegated(ABC):
    """A target that asks something of one's own, `who`, to revoke.

    It takes every command: a `match` says which are meant. `asks` and `done` say in words what is asked, and that it
    was. `probes`: whether it can be asked for the state, too; else what it answered to the revocations of the last
    10,000 commands is all that is known.
    """

    def __init__(self, who: str, asks: str, done: str, *, probes: bool) -> None:
        self._who = who
        self._asks = asks
        self._done = done
        self._probes = probes
        self._said: dict[str, Statement] = {}

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Every command."""
        del command
        return True

    def plan(self, command: RevocationCommand) -> Plan:
        """One step: to ask."""
        again = "; it is asked again" if self._probes else ""
        return Plan(
            steps=(Step(f"{self._asks} {command.credential_id}"),),
            proof=f"only what {self._who} answers as `state`{again}",
            within=_WITHIN if self._probes else 0.0,
            unproved="" if self._probes else "everything, unless there is a `state` in its answer",
            forgets=self._probes,
        )

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Asks.

        Raises:
            RefusedError, GoneError, UnavailableError: it says so, or failed, or was not reached.
        """
        del step
        statement = self._said[command.id] = await self._ask(command, REVOKE)
        if len(self._said) > _MOST:
            del self._said[next(iter(self._said))]
        says = f", and says that the credential is {statement.state}" if statement.state else ""
        return f"{self._done}{says}"

    async def probe(self, command: RevocationCommand) -> Observation:
        """What it says now, if it can tell the state; else what it answered to the revocation.

        Raises:
            RefusedError, UnavailableError: it says so, or failed, or was not reached.
        """
        if self._probes:
            try:
                return (await self._ask(command, PROBE)).observation(self._who)
            except GoneError as error:
                return Observation("dead" if error.known else "absent", str(error))
        said = self._said.get(command.id)
        if said is None or said.state is None:
            return Observation("unknown", f"{self._who} says nothing of the state")
        return said.observation(self._who)

    @abstractmethod
    async def _ask(self, command: RevocationCommand, kind: str) -> Statement:
        """What it answers to a message of type `REVOKE` or `PROBE`."""


def message_of(command: RevocationCommand, kind: str) -> bytes:
    """The message about a command, of type `REVOKE` or `PROBE`."""
    issued = None if command.issued_at is None else format_rfc3339(command.issued_at)
    data = {
        "command_id": command.id,
        "credential_id": command.credential_id,
        "task_ids": command.task_ids,
        "kind": command.kind,
        "owner": command.owner,
        "issued_at": issued,
        "identifiers": [{"scheme": each.scheme, "value": each.value} for each in command.identifiers],
        "revocation": command.revocation,
        "reasons": command.reasons,
        "severity": command.severity.label,
        "escalated": command.escalated,
    }
    return msgspec.json.encode({"type": kind, "timestamp": format_rfc3339(time.time_ns()), "data": data})


def statement_of(body: bytes, who: str, secrets: Iterable[str] = ()) -> Statement:
    """What was answered; a statement of nothing if the answer is empty. Its words are told without the `secrets`.

    Raises:
        RefusedError: it says that it refuses.
        UnavailableError: it is neither empty nor such an answer.
    """
    if not body.strip():
        return Statement()
    try:
        found = msgspec.json.decode(body, type=Statement)
    except (ValueError, RecursionError):
        raise UnavailableError(
            f"{who} answers with something that docs/revoke.md does not describe"
        ) from None
    for secret in secrets:  # an answer may quote what it was asked with
        refused = None if found.refused is None else found.refused.replace(secret, _HIDDEN)
        names = {name: value.replace(secret, _HIDDEN) for name, value in found.found.items()}
        how = found.how.replace(secret, _HIDDEN)
        found = msgspec.structs.replace(found, how=how, refused=refused, found=names)
    if found.refused is not None:
        raise RefusedError(f"{who} refuses: {_shown(found.refused)}")
    return found


def _shown(text: str) -> str:
    return printable(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")
