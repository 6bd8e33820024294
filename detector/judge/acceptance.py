"""Which `[[accept]]` entries cover a finding, and until when."""

from collections.abc import Sequence

import msgspec

from detector.judge.accounts import Account, Task
from detector.judge.policy import Accept
from detector.judge.terms import NEVER
from detector.values.globs import compile_glob


class Subject(msgspec.Struct, frozen=True):
    """The values of a finding that the globs of an entry must match; None where the finding has no such value."""

    rule: str
    credential: str | None = None
    task: str | None = None
    workload: str | None = None
    fingerprint: str | None = None


def subject_of(rule: str, account: Account) -> Subject:
    """The subject of a finding about a credential."""
    return Subject(
        rule,
        credential=account.credential_id,
        task=account.task.task_id,
        workload=workload_of(account.task),
    )


def workload_of(task: Task) -> str | None:
    """The workload of a task, None if unknown."""
    return task.start.workload if task.start is not None else None


def covering(accepts: Sequence[Accept], subject: Subject) -> list[Accept]:
    """The entries that match, in the order of the configuration. A glob only matches if there is a value."""
    return [
        accept
        for accept in accepts
        if all(
            glob is None or (value is not None and compile_glob(glob)(value))
            for glob, value in (
                (accept.rule, subject.rule),
                (accept.credential, subject.credential),
                (accept.task, subject.task),
                (accept.workload, subject.workload),
                (accept.fingerprint, subject.fingerprint),
            )
        )
    ]


def accepted_until(accepts: Sequence[Accept]) -> int:
    """The last time of evidence that these entries cover; before any time if there are none."""
    return max((accept.expiry for accept in accepts), default=-NEVER)


def reason_for(accepts: Sequence[Accept], last_seen: int) -> str | None:
    """The reason of the first entry that covers all evidence up to `last_seen`, None if none does."""
    return next((accept.reason for accept in accepts if last_seen <= accept.expiry), None)
