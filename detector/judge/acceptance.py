"""Which `[[accept]]` entries cover a finding, and until when."""

from collections.abc import Sequence

import msgspec

from detector.judge.accounts import Account, Candidates, Task
from detector.judge.policy import Accept
from detector.judge.terms import NEVER
from detector.values.globs import compile_glob


class Subject(msgspec.Struct, frozen=True):
    """The values of a finding that the globs of an entry must match; None where the finding has no such value.

    `task` and `workload` may be several: a glob must match each of them.
    """

    rule: str
    credential: str | None = None
    task: str | tuple[str | None, ...] | None = None
    workload: str | tuple[str | None, ...] | None = None
    fingerprint: str | None = None


def subject_of(rule: str, account: Account) -> Subject:
    """The subject of a finding about a credential.

    Of candidates all tasks count, for nobody knows which it is. If there are more than findings name, or none, no glob
    can match their tasks.
    """
    task = account.task
    if isinstance(task, Candidates):
        named = task.first if task.count == len(task.first) else ()
        ids, workloads = tuple(each.task_id for each in named), tuple(map(workload_of, named))
        return Subject(rule, credential=account.credential_id, task=ids or None, workload=workloads or None)
    return Subject(rule, credential=account.credential_id, task=task.task_id, workload=workload_of(task))


def workload_of(task: Task) -> str | None:
    """The workload of a task, None if unknown."""
    return task.start.workload if task.start is not None else None


def covering(accepts: Sequence[Accept], subject: Subject) -> list[Accept]:
    """The entries that match, in the order of the configuration. A glob only matches if there is a value."""
    return [
        accept
        for accept in accepts
        if all(
            glob is None or _matches(glob, value)
            for glob, value in (
                (accept.rule, subject.rule),
                (accept.credential, subject.credential),
                (accept.task, subject.task),
                (accept.workload, subject.workload),
                (accept.fingerprint, subject.fingerprint),
            )
        )
    ]


def _matches(glob: str, value: str | tuple[str | None, ...] | None) -> bool:
    if isinstance(value, tuple):
        return all(_matches(glob, each) for each in value)
    return value is not None and compile_glob(glob)(value)


def accepted_until(accepts: Sequence[Accept]) -> int:
    """The last time of evidence that these entries cover; before any time if there are none."""
    return max((accept.expiry for accept in accepts), default=-NEVER)


def reason_for(accepts: Sequence[Accept], last_seen: int) -> str | None:
    """The reason of the first entry that covers all evidence up to `last_seen`, None if none does."""
    return next((accept.reason for accept in accepts if last_seen <= accept.expiry), None)
