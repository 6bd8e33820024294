"""One task as the judge stage knows it, for the live view: only what is committed.

It is built from a copy of the stored state, so it touches nothing that the stage works with. Task, credentials and
events go through the same records as findings, so a page shows nothing that an output may not.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from detector.judge.accounts import Account, Task
from detector.judge.aggregates import TaskAggregate
from detector.judge.conclude import credential_facts, task_facts, task_facts_of
from detector.judge.policy import Policy
from detector.judge.routing import task_key
from detector.judge.rules.titles import Patterns
from detector.judge.stage import AggregateState
from detector.judge.verdicts import own_accounts
from detector.judge.watermark import BEGINNING
from detector.outputs.commands import command_record
from detector.outputs.ocsf import change_record, finding_record
from detector.outputs.page_records import page_command, page_finding
from detector.values.events import DENIED, AnyEvent, RevocationOutcome
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
UNPROVED: Final = "done-unproved"
MOST_EVENTS: Final = 400  # of one credential, the latest: what a timeline can still show


class ViewContext(msgspec.Struct, frozen=True):
    """What the judge stage judges and writes with: `compact_every` of `JudgeSettings`, the rest as in `finding_record`.

    `id_of` gives the id under which a task is kept whose own id shows a secret.
    """

    policy: Policy
    patterns: Patterns
    clean: Clean
    compact_every: int = 256
    id_of: Callable[[str], str] = str

    def shown(self, fact: FindingChange | Command) -> dict[str, Any]:
        """What a page gets of a finding or command."""
        if isinstance(fact, Command):
            return page_command(command_record(fact, self.clean))
        return page_finding(change_record(fact, self.patterns, self.clean))


def bounded(rows: Iterable[tuple[bytes, bytes]]) -> Rows | None:
    """The entries of one aggregate's state, None if there are too many to show while others wait."""
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

    `rows` is the state of the task's aggregate, `watermark` (ns) the one that was committed with it. Returns None if
    the state says nothing of the task.
    """
    state = AggregateState(task_key(task_id), context.policy, context.compact_every)
    state.load(rows)
    assert isinstance(state.aggregate, TaskAggregate)  # noqa: S101 - by its key
    ledger = state.aggregate.ledger
    at = BEGINNING if watermark is None else watermark
    verdicts = state.aggregate.judge(at, list(state.sent))
    own = own_accounts(ledger, task_key(task_id))
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
            if uid in state.reported
        ],
        "commands": [
            {
                "credential": shown[each.credential_id][1]["id"],
                "escalated": each.escalated,
                "time": to_millis(each.time),
            }
            for each in state.sent
            if each.credential_id in shown
        ],
        "compacted": state.compacted,
    }


def _task(task: Task, context: ViewContext) -> dict[str, Any] | None:
    """The task, None if only its credentials are known."""
    events = [event for event in (task.start, task.end, task.heartbeat) if event is not None]
    if not events:
        return None
    pieces = [Evidence(event.time, event, Severity.LOW) for event in events]
    found: dict[str, Any] = _page_of(task_facts(task), None, pieces, context)["task"]
    return found


def _credential(account: Account, context: ViewContext) -> tuple[dict[str, Any], dict[str, Any]]:
    """The task of a credential, and the credential with what happened to it."""
    happened = sorted(_happened(account), key=lambda piece: piece.time)
    page = _page_of(task_facts_of(account), credential_facts(account), happened[-MOST_EVENTS:], context)
    earlier = max(0, len(happened) - MOST_EVENTS)
    unproved = [{"time": to_millis(time), "text": context.clean(text)} for time, text in _unproved(account)]
    shown = {"happened": page["evidence"], "earlier": earlier, "unproved": unproved}
    return page["task"], {**page["credential"], **shown}


def _unproved(account: Account) -> Iterator[tuple[int, str]]:
    """Of a revocation that was done and not proved: when it was done, and what the first use after it shows.

    Times in ns. No finding rests on that. A person sees whether the provider refuses the credential.
    """
    outcomes: list[RevocationOutcome] = [item[3] for item in account.names[0].outcomes or ()]
    if any(outcome.dead_at is not None for outcome in outcomes):
        return
    done = max((_finished(one) for one in outcomes if one.outcome == UNPROVED), default=None)
    if done is None:
        return
    yield done, "Revoked, but not proved dead: the provider cannot be asked"
    known = account.uses.order if account.uses is not None else ()
    for use in (item[3] for item in known if item[3].time > done):
        if use.outcome == DENIED:
            yield use.time, f"Refused: the next use was denied, by {use.source}"
        else:
            yield use.time, f"Used after it was revoked, by {use.source}: it still works. Revoke it by hand"
        return


def _finished(outcome: RevocationOutcome) -> int:
    return outcome.time if outcome.finished_at is None else outcome.finished_at


def _happened(account: Account) -> Iterator[Evidence]:
    """All that happened to a credential: issues, renewals, uses and leaks."""
    events: list[AnyEvent] = [*account.issues()]
    events += [item[3] for item in account.uses.order] if account.uses is not None else []
    events += [item[4] for item in account.leaks or ()]
    events += [item[3] for name in account.owned() for item in name.renewals or ()]
    return (Evidence(event.time, event, Severity.LOW) for event in events)


def _page_of(
    task: TaskFacts | None,
    credential: CredentialFacts | None,
    pieces: Iterable[Evidence],
    context: ViewContext,
) -> dict[str, Any]:
    """What a page would get of a finding with this task, credential and evidence."""
    finding = Finding(
        rule=OUTLIVES_TASK,
        key=credential.credential_id if credential is not None else task.task_id if task is not None else "",
        count=0,
        first_seen=0,
        last_seen=0,
        severity=Severity.LOW,
        evidences=tuple(pieces),
        task=task,
        credential=credential,
    )
    return page_finding(finding_record(finding, context.patterns, context.clean))
