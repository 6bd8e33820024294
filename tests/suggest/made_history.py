"""Histories in memory: tasks, their credentials and uses, judged by a real ledger."""

from collections.abc import Iterable, Sequence
from typing import Any

from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.suggest.history import History, Window
from detector.suggest.suggestion import Suggestion, suggestions
from detector.values.events import (
    CredentialIssued,
    CredentialUsed,
    Grant,
    Identifier,
    Lifecycle,
    TaskEnded,
    TaskStarted,
)
from detector.values.times import HOUR, MINUTE, parse_rfc3339

START = parse_rfc3339("2026-05-04T01:00:00Z")


def task(name: str, *, kind: str | None = "build", length: int = HOUR, **fields: Any) -> list[Lifecycle]:
    """The start and end of a task."""
    return [
        TaskStarted(time=START, source="ci", id=f"{name}/start", task_id=name, kind=kind, **fields),
        TaskEnded(time=START + length, source="ci", id=f"{name}/end", task_id=name),
    ]


def issued(
    name: str, task_id: str | None, *, grants: tuple[Grant, ...] | None = None, **fields: Any
) -> CredentialIssued:
    """A credential of a task, which lives two hours unless the fields say otherwise."""
    given = {"kind": "token", "expires_at": START + 2 * HOUR, **fields}
    return CredentialIssued(
        time=START,
        source="ci",
        id=f"{name}/issued",
        credential_id=name,
        task_id=task_id,
        identifiers=(Identifier("token-id", name),),
        grants=grants,
        **given,
    )


def use(
    credential: str, number: int | str, action: str | None, resource: str | None, **fields: Any
) -> CredentialUsed:
    """A use by a credential, ten minutes after the start unless the fields say otherwise."""
    given = {"time": START + 10 * MINUTE, "source": "audit", **fields}
    return CredentialUsed(
        id=str(number),
        identifier=Identifier("token-id", credential),
        action=action,
        resource=resource,
        **given,
    )


def jobs(count: int, **fields: Any) -> list[Lifecycle]:
    """As many tasks, `job-0`, `job-1`, …, each with a credential `c0`, `c1`, …"""
    made: list[Lifecycle] = []
    for number in range(count):
        made += [*task(f"job-{number}"), issued(f"c{number}", f"job-{number}", **fields)]
    return made


def history(
    lifecycle: Iterable[Lifecycle], batches: Iterable[Sequence[CredentialUsed]], window: Window | None = None
) -> History:
    """The history that a ledger knows."""
    ledger = Ledger(Policy())
    for event in lifecycle:
        ledger.apply(event)
    divided = [list(batch) for batch in batches]
    ledger.seal_lifecycle(use for batch in divided for use in batch)
    made = History(ledger, window or Window(0))
    for batch in divided:
        made.add(batch)
    return made


def suggested(
    lifecycle: Iterable[Lifecycle],
    uses: Sequence[CredentialUsed],
    tasks: int = 3,
    window: Window | None = None,
) -> list[Suggestion]:
    """What is suggested."""
    return suggestions(history(lifecycle, [uses], window), tasks)
