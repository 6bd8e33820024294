"""What an event joins: its credential, that credential's task, and why there is none."""

from typing import Final

import msgspec

from detector.explain.explained import BY_CANDIDATES, BY_GROUP, BY_ID, ExplainedEvent
from detector.judge.accounts import Account, Candidates
from detector.judge.joins import JOINS, JUDGED, NO_CANDIDATE, OTHER_GROUP, UNREPORTED, join_of
from detector.judge.ledger import Ledger
from detector.outputs.public_identifiers import FINGERPRINTS
from detector.values.events import (
    TYPE_NAMES,
    CanonicalEvent,
    CredentialEvent,
    CredentialIssued,
    CredentialRevoked,
    Identifier,
    TaskEnded,
    TaskHeartbeat,
    TaskStarted,
)
from detector.values.wording import one_of

UNKNOWN_CREDENTIAL: Final = "unknown-credential"
NO_NAME: Final = "no-name"
NO_START: Final = "no-start"
_TASKLESS: Final = frozenset({UNREPORTED, OTHER_GROUP, NO_CANDIDATE})  # joins without a task


def explained(event: CanonicalEvent, ledger: Ledger, until: int) -> ExplainedEvent:
    """What an event joined in a ledger that has all of the lifecycle, as known at a time (ns)."""
    if isinstance(event, TaskStarted):
        return ExplainedEvent(TYPE_NAMES[TaskStarted], event.task_id, by=BY_ID)
    if isinstance(event, TaskEnded | TaskHeartbeat):
        return _of_task(event, ledger)
    kind = TYPE_NAMES[type(event)]
    if isinstance(event, CredentialRevoked) and event.group is not None:
        return ExplainedEvent(kind, credential=f"all of group {event.group}")
    account = (
        ledger.credential(event.credential_id) if isinstance(event, CredentialIssued) else ledger.owner(event)
    )
    if account is None:
        name = _name(event)
        if not name:
            return ExplainedEvent(kind, reason=NO_NAME, why="the record names no credential")
        why = "no event registers this credential"
        return ExplainedEvent(kind, credential=name, reason=UNKNOWN_CREDENTIAL, why=why)
    return _of_account(kind, account, until)


def _of_task(event: TaskEnded | TaskHeartbeat, ledger: Ledger) -> ExplainedEvent:
    task = ledger.task(event.task_id)
    found = ExplainedEvent(TYPE_NAMES[type(event)], event.task_id, by=BY_ID)
    if task is not None and task.start is not None:
        return found
    return msgspec.structs.replace(found, reason=NO_START, why="nothing reported its start")


def _of_account(kind: str, account: Account, until: int) -> ExplainedEvent:
    task, issue, join = account.task, account.issue, join_of(account, until).name
    if isinstance(task, Candidates):
        named, by = f"group {issue.task_group}", BY_CANDIDATES if task.count > 1 else BY_GROUP
        only = task.first[0].task_id if task.count == 1 else None
        who = one_of(task.count, task.kind, only).removeprefix("task ").removesuffix(", the only candidate")
    else:
        named, by, who = f"task {task.task_id}", BY_ID, task.task_id
    found = ExplainedEvent(kind, who, account.credential_id, by)
    if join in JUDGED:
        return found
    if join in _TASKLESS:
        found = msgspec.structs.replace(found, task=None, by=None)
    return msgspec.structs.replace(found, reason=join, why=issue.unjoined or JOINS[join], tried=named)


def _name(event: CredentialEvent | CredentialIssued) -> str:
    """The name that an event gives its credential: of a fingerprint only its scheme."""
    names = [] if event.credential_id is None else [event.credential_id]
    identifier = getattr(event, "identifier", None)
    if isinstance(identifier, Identifier):
        shown = "" if identifier.scheme in FINGERPRINTS else f" {identifier.value}"
        names.append(f"{identifier.scheme}{shown}")
    return " or ".join(names)
