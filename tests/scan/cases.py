"""Short ways to write events in tests: times in seconds after a fixed morning, one credential `c` of one task `t`."""

from itertools import count
from typing import Any

from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.values.events import (
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    Leak,
    TaskEnded,
    TaskStarted,
)
from detector.values.findings import Finding, Severity
from detector.values.times import SECOND

MORNING = 1_793_491_200 * SECOND
EVER = MORNING + 10**9 * SECOND
_ids = count()


def at(seconds: float) -> int:
    return MORNING + round(seconds * SECOND)


def _event(seconds: float) -> dict[str, Any]:
    return {"time": at(seconds), "source": "test", "id": f"e{next(_ids)}"}


def name(value: str) -> Identifier:
    return Identifier("vault-accessor", value)


def start(seconds: float = 0, task: str = "t", **fields: Any) -> TaskStarted:
    if "deadline" in fields:
        fields["deadline"] = at(fields["deadline"])
    return TaskStarted(task_id=task, **fields, **_event(seconds))


def end(seconds: float, task: str = "t", outcome: str | None = "succeeded") -> TaskEnded:
    return TaskEnded(task_id=task, outcome=outcome, **_event(seconds))


def issue(
    seconds: float = 0, credential: str = "c", *names: str, expires: float | None = 3600, **fields: Any
) -> CredentialIssued:
    fields.setdefault("task_id", "t")
    if "not_before" in fields:
        fields["not_before"] = at(fields["not_before"])
    return CredentialIssued(
        credential_id=credential,
        identifiers=tuple(name(value) for value in names or (f"{credential}-accessor",)),
        expires_at=None if expires is None else at(expires),
        **fields,
        **_event(seconds),
    )


def renew(
    seconds: float, expires: float, credential: str | None = "c", by: str | None = None
) -> CredentialRenewed:
    return CredentialRenewed(expires_at=at(expires), **_named(credential, by), **_event(seconds))


def use(seconds: float, credential: str | None = "c", by: str | None = None, **fields: Any) -> CredentialUsed:
    return CredentialUsed(**_named(credential, by), **fields, **_event(seconds))


def revoke(seconds: float, credential: str | None = "c", by: str | None = None) -> CredentialRevoked:
    return CredentialRevoked(**_named(credential, by), **_event(seconds))


def leak(seconds: float, *names: str, record: str | None = None, **fields: Any) -> Leak:
    told = {"fingerprint": "f", "pattern": "some-token", "severity": Severity.HIGH, **fields}
    event = {**_event(seconds), "source": "job.log"}
    if record is not None:
        event["id"] = record
    return Leak(
        identifiers=tuple(name(value) for value in names), excerpt="token=‹some-token:40›", **told, **event
    )


def _named(credential: str | None, by: str | None) -> dict[str, Any]:
    return {"identifier": name(by)} if by is not None else {"credential_id": credential}


def ledger_of(*events: Any, policy: Policy | None = None) -> Ledger:
    ledger = Ledger(policy or Policy())
    for event in events:
        ledger.apply(event)
    return ledger


def found(ledger: Ledger, until: int = EVER) -> dict[tuple[str, str], Finding]:
    return {(finding.rule, finding.key): finding for finding in ledger.findings(until)}


def rules(ledger: Ledger, until: int = EVER) -> set[str]:
    return {rule for rule, _ in found(ledger, until)}


def asked(ledger: Ledger, until: int = EVER) -> list[tuple[str, bool, float, tuple[str, ...]]]:
    """Of each command: credential, escalated, seconds after the morning, reasons."""
    return [
        (
            command.credential.credential_id,
            command.escalated,
            (command.time - MORNING) / SECOND,
            command.reasons,
        )
        for command in ledger.commands(until)
    ]
