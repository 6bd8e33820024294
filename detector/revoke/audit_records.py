"""What the audit log says of each act and outcome: in the words of the configuration, and without secrets."""

import time
from collections.abc import Iterable
from typing import Any

from detector.revoke.audit_log import AuditLog
from detector.revoke.case import cut
from detector.revoke.executor import Change
from detector.revoke.outcomes import Outcome
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.turn import Act
from detector.values.times import format_rfc3339
from detector.values.wording import Clean, visible


class Recorder:
    """Writes acts and outcomes into the audit log. `clean` masks secrets."""

    def __init__(self, log: AuditLog, clean: Clean) -> None:
        self.log = log
        self.clean = clean

    async def act(self, act: Act) -> None:
        """Adds a line for an act. One that is about to be done is on the disk when it returns.

        Raises:
            StopError: it cannot be written.
        """
        self.log.append(act_record(act, self.clean))
        if act.what == "acting":
            await self.log.sync()

    async def outcomes(self, changes: Iterable[Change]) -> None:
        """Adds a line for each outcome, and waits until they are on the disk.

        Raises:
            StopError: as for `act`.
        """
        lines = [
            outcome_record(change, outcome, self.clean) for change in changes for outcome in change.outcomes
        ]
        for line in lines:
            self.log.append(line)
        if lines:
            await self.log.sync()


def act_record(act: Act, clean: Clean) -> dict[str, Any]:
    """`acting`: a step is about to begin; `acted`: it was done; `failed`: what was asked of the target was not."""
    case = act.case
    return {
        **_about(act.what, case.command, case.target, clean),
        "step": case.step + 1,
        "words": visible(cut(clean(act.words))),
        **({"found": {key: visible(clean(each)) for key, each in case.found.items()}} if case.found else {}),
        **({"approved": visible(clean(case.approved))} if case.approved else {}),
    }


def outcome_record(change: Change, outcome: Outcome, clean: Clean) -> dict[str, Any]:
    """`outcome`: what is about to be told."""
    assert change.case is not None  # noqa: S101 - a case that is forgotten has no outcome
    return {
        **_about("outcome", change.case.command, outcome.target, clean),
        "outcome": outcome.verdict,
        "outcome_number": outcome.number,
        "proof": visible(clean(outcome.proof)),
        "detail": visible(clean(outcome.detail)),
    }


def _about(act: str, command: RevocationCommand, target: str, clean: Clean) -> dict[str, Any]:
    return {
        "time": format_rfc3339(time.time_ns()),
        "act": act,
        "command_id": command.id,
        "credential_id": visible(clean(command.credential_id)),
        "target": target,
    }
