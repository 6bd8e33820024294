"""One task as the judge stage knows it, for the live view: what is committed, and nothing else.

It is put together anew from what the store keeps, so it touches nothing that the stage works with. Task, credentials and
events go through the same records as findings do: nothing is shown here that an output may not.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from detector.judge.accounts import Account, Task
from detector.judge.aggregates import TaskAggregate
from detector.judge.conclude import credential_facts, task_facts
from detector.judge.policy import Policy
from detector.judge.routing import task_key
from detector.judge.rules.titles import Patterns
from detector.judge.stage import AggregateState
from detector.judge.verdicts import own_accounts
from detector.judge.watermark import BEGINNING
from detector.outputs.commands import command_record
from detector.outputs.ocsf import change_record, finding_record
from detector.outputs.page_records import page_command, page_finding
from detector.values.events import AnyEvent
from detector.values.findings import (
    OUTLIVES_TASK,
    Command,
    CredentialFacts,
    Evidence,
    Finding,
    FindingChange,
    Severity,
    TaskFacts,
)
from detector.values.times import to_millis
from detector.values.wording import Clean

Rows = list[tuple[bytes, bytes]]

MOST_ROWS: Final = 4000
MOST_BYTES: Final = 8 << 20
MOST_EVENTS: Final = 400  # of one credential, the latest: what a timeline can still show


class ViewContext(msgspec.Struct, frozen=True):
    """What the judge stage judges and writes with: `many` as in `JudgeSettings`, the rest as in `finding_record`."""

    policy: Policy
    patterns: Patterns
    clean: Clean
    many: int = 256

    def shown(self, fact: FindingChange | Command) -> dict[str, Any]:
        """What a page gets of a finding or command."""
        if isinstance(fact, Command):
            return page_command(command_record(fact, self.clean))
        return page_finding(change_record(fact, self.patterns, self.clean))


def bounded(rows: Iterable[tuple[bytes, bytes]]) -> Rows | None:
    """What a store keeps of one aggregate, None if that is too much to be shown while others wait."""
    found: Rows = []
    size = 0
    for row in rows:
        size += len(row[1])
        if len(found) == MOST_ROWS or size > MOST_BYTES:
            return None
        found.append(row)
    return found


def task_view(task_id: str, rows: Rows, watermark: int | None, context: ViewContext) -> dict[str, Any] | None:
    """The task with its credentials, what happened to each, and the findings and commands that were written.

    `watermark` (ns) is the one that was committed with the rows. None if they know nothing of it.
    """
    holding = AggregateState(task_key(task_id), context.policy, context.many)
    holding.load(rows)
    assert isinstance(holding.aggregate, TaskAggregate)  # noqa: S101 - by its key
    ledger = holding.aggregate.ledger
    at = BEGINNING if watermark is None else watermark
    verdicts = holding.aggregate.judge(at, list(holding.sent))
    own = own_accounts(ledger, task_id)
    tasks = [_task(task, context) for task in (ledger.task(task_id),) if task is not None]
    shown = {account.credential_id: _credential(account, context) for account in own}
    known = [*filter(None, tasks), *(task for task, _ in shown.values())]
    if not known:
        return None
    return {
        "task": known[0],
        "credentials": [credential for _, credential in shown.values()],
        "findings": [
            page_finding(finding_record(finding, context.patterns, context.clean))
            for uid, finding in verdicts.findings.items()
            if uid in holding.reported
        ],
        "commands": [
            {
                "credential": shown[each.credential_id][1]["id"],
                "escalated": each.escalated,
                "time": to_millis(each.time),
            }
            for each in holding.sent
            if each.credential_id in shown
        ],
        "folded": holding.compacted,
    }


def _task(task: Task, context: ViewContext) -> dict[str, Any] | None:
    """None of a task that is known by its credentials alone."""
    events = [event for event in (task.start, task.end) if event is not None]
    if not events:
        return None
    pieces = [Evidence(event.time, event, Severity.LOW) for event in events]
    found: dict[str, Any] = _as_told(task_facts(task), None, pieces, context)["task"]
    return found


def _credential(account: Account, context: ViewContext) -> tuple[dict[str, Any], dict[str, Any]]:
    """Its task, and the credential with what happened to it."""
    happened = sorted(_happened(account), key=lambda piece: piece.time)
    told = _as_told(task_facts(account.task), credential_facts(account), happened[-MOST_EVENTS:], context)
    earlier = max(0, len(happened) - MOST_EVENTS)
    return told["task"], {**told["credential"], "happened": told["evidence"], "earlier": earlier}


def _happened(account: Account) -> Iterator[Evidence]:
    """Its issues, of which there is at least one; renewals, uses, leaks."""
    events: list[AnyEvent] = [*account.issues()]
    events += [item[3] for item in account.uses.order] if account.uses is not None else []
    events += [item[4] for item in account.leaks or ()]
    events += [item[3] for name in account.owned() for item in name.renewals or ()]
    return (Evidence(event.time, event, Severity.LOW) for event in events)


def _as_told(
    task: TaskFacts, credential: CredentialFacts | None, pieces: Iterable[Evidence], context: ViewContext
) -> dict[str, Any]:
    """As a finding would tell it."""
    told = Finding(
        rule=OUTLIVES_TASK,
        key=task.task_id if credential is None else credential.credential_id,
        count=0,
        first_seen=0,
        last_seen=0,
        severity=Severity.LOW,
        evidences=tuple(pieces),
        task=task,
        credential=credential,
    )
    return page_finding(finding_record(told, context.patterns, context.clean))
