"""Approvers with tokens in files, outcomes as the revoker writes them, and approval pages on both, with no broker."""

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detector.configuration.revoke_settings import Approver, SecretFile
from detector.service.approvals.given_approvals import GivenApprovals
from detector.service.approvals.held_commands import HeldCommands
from detector.service.approvals.pages import ApprovalPages
from detector.values.approvals import Approval, approval_record
from detector.values.secrets import Secret
from detector.values.times import DAY

TOPIC = "curfewd.revocation-approvals"
TOKENS = {"alice": "a1" * 16, "bob": "b2" * 16}
HOSTILE = "<img src=x onerror=window.hit=1>\"'`\u202e\x1b[31m"


def command_id(number: int) -> str:
    return str(uuid.UUID(int=number + 1))


def approvers_in(folder: Path) -> tuple[Approver, ...]:
    """Alice and Bob, each with a token in a file."""
    for name, token in TOKENS.items():
        (folder / f"{name}.token").write_text(f"{token}\n")
        (folder / f"{name}.token").chmod(0o600)
    return tuple(Approver(name, SecretFile(str(folder / f"{name}.token"), name)) for name in TOKENS)


def outcome(number: int, verdict: str = "held", count: int = 1, **data: Any) -> bytes:
    """An outcome event of a command."""
    made = {
        "credential_id": f"cred-{number}",
        "command_id": command_id(number),
        "outcome": verdict,
        "proof": "",
        "target": "vault",
        "finished_at": "2026-11-03T12:00:00Z",
        "detail": "needs 2 approvals: revoke.approval asks for it",
        **data,
    }
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{command_id(number)}/{count}",
        "source": "curfewd/revoke",
    }
    event |= {"type": "credential.revocation.outcome", "time": made["finished_at"], "data": made}
    return json.dumps(event).encode()


class Pages:
    """The pages, with what was written to the topic taken at once, as the follower would."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.approvers = approvers_in(folder)
        self.held = HeldCommands()
        self.refused: list[str] = []
        self.given = GivenApprovals(
            TOPIC, self.approvers, lambda: time.time_ns() - DAY, refused=self.refused.append
        )
        self.written: list[Approval] = []
        self.failure: Exception | None = None
        self.pages = ApprovalPages(
            self.approvers,
            self.held,
            self.given,
            self.write,
            local=True,
            clean=lambda: lambda text: text,
            clock=clock,
        )

    async def write(self, approval: Approval, token: Secret) -> None:
        if self.failure is not None:
            raise self.failure
        self.written.append(approval)
        self.given.take(approval_record(approval, token, TOPIC))
