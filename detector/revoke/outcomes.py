"""What came of a command, as CloudEvents: `credential.revocation.outcome`, and `credential.revoked` if it is dead."""

from typing import Any, Final, Literal

import msgspec

from detector.outputs.commands import SOURCE
from detector.outputs.writers import dumps
from detector.revoke.revocation_command import RevocationCommand
from detector.values.times import format_rfc3339
from detector.values.wording import Clean, visible

TYPE: Final = "credential.revocation.outcome"
REVOKED_TYPE: Final = "credential.revoked"
REVOKED_KEY: Final = b"/revoked"

Verdict = Literal["confirmed", "done-unproved", "refused", "gone-already", "failed", "held"]
DEAD: Final[frozenset[str]] = frozenset({"confirmed", "gone-already"})


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """The `number`-th outcome of a command, from 1; the last one stands. Times are in ns.

    - `proof`: how it is known. `detail`: what was done, what was left, why, who approved it.
    - `target`: the table of the configuration that took it; empty if none did.
    - `started_at`: when acting began; None if it did not.
    - `revoked`: whether this is the first outcome that says that the credential is dead.
    """

    number: int
    verdict: Verdict
    target: str
    finished_at: int
    started_at: int | None = None
    proof: str = ""
    detail: str = ""
    revoked: bool = False


def outcome_key(command_id: str) -> bytes:
    """Its key in the topic of outcomes: the last outcome of a command stands."""
    return command_id.encode()


def revoked_key(command_id: str) -> bytes:
    """The key of `credential.revoked` beside it."""
    return command_id.encode() + REVOKED_KEY


def outcome_event(command: RevocationCommand, outcome: Outcome, clean: Clean, audit: str = "") -> bytes:
    """The CloudEvent of an outcome. `audit` is the place of the last line of the audit log, if there is one."""
    data: dict[str, Any] = {
        "credential_id": command.credential_id,
        "command_id": command.id,
        "outcome": outcome.verdict,
        "proof": visible(clean(outcome.proof)),
        "target": outcome.target,
        "finished_at": format_rfc3339(outcome.finished_at),
        "detail": visible(clean(outcome.detail)),
    }
    if outcome.started_at is not None:
        data["started_at"] = format_rfc3339(outcome.started_at)
    event = _event(command, f"{command.id}/{outcome.number}", TYPE, outcome.finished_at)
    return dumps(event | ({"curfewdaudit": audit} if audit else {}) | {"data": data})


def revoked_event(command: RevocationCommand, outcome: Outcome) -> bytes:
    """`credential.revoked`, as of the moment at which it was proved dead."""
    event = _event(command, f"{command.id}/revoked", REVOKED_TYPE, outcome.finished_at)
    return dumps(event | {"data": {"credential_id": command.credential_id}})


def _event(command: RevocationCommand, event_id: str, kind: str, time: int) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": f"{SOURCE}/revoke",
        "type": kind,
        "subject": command.credential_id,
        "time": format_rfc3339(time),
        "datacontenttype": "application/json",
    }
