"""Which `[[accept]]` entries cover a finding, and until when."""

from collections.abc import Sequence

import msgspec

from detector.judge.accounts import Account, Candidates, Task
from detector.judge.policy import Accept, Policy
from detector.judge.terms import NEVER
from detector.values.findings import Severity, finding_uid
from detector.values.globs import compile_glob


class Subject(msgspec.Struct, frozen=True):
    """The values of a finding that an entry must match; None where the finding has no such value.

    `rule` and `key` make its uid.     `task` and `workload` may be several: a glob must match each of them.
    """

    rule: str
    key: str
    credential: str | None = None
    task: str | tuple[str | None, ...] | None = None
    workload: str | tuple[str | None, ...] | None = None
    fingerprint: str | None = None


def subject_of(rule: str, account: Account) -> Subject:
    """The subject of a finding about a credential.

    Of candidates all tasks count, for nobody knows which it is. If there are more than findings name, or none, no glob
    can match their tasks.
    """
    task, key = account.task, account.credential_id
    if isinstance(task, Candidates):
        named = task.first if task.count == len(task.first) else ()
        ids, workloads = tuple(each.task_id for each in named), tuple(map(workload_of, named))
        return Subject(rule, key, credential=key, task=ids or None, workload=workloads or None)
    return Subject(rule, key, credential=key, task=task.task_id, workload=workload_of(task))


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


def accepted_reason(policy: Policy, subject: Subject, last_seen: int, severity: Severity) -> str | None:
    """Why a finding is accepted whose last evidence is of this time (ns); None if it is not."""
    whole = _whole(policy, subject.rule, subject.key, last_seen, severity)
    return (
        whole.reason
        if whole is not None
        else reason_for(covering(policy.accepting_globs, subject), last_seen)
    )


def accepted_whole(policy: Policy, rule: str, key: str, last_seen: int, severity: Severity) -> bool:
    """Whether an entry with the uid of a finding accepts it, so that none of its evidence asks for anything."""
    return _whole(policy, rule, key, last_seen, severity) is not None


def _whole(policy: Policy, rule: str, key: str, last_seen: int, severity: Severity) -> Accept | None:
    if not policy.accepting_uids:
        return None
    named = policy.accepting_uids.get(finding_uid(rule, key), ())
    return next((accept for accept in named if accept.covers_whole(last_seen, severity)), None)


def reason_for(accepts: Sequence[Accept], last_seen: int) -> str | None:
    """The reason of the first entry that covers all evidence up to `last_seen`, None if none does."""
    return next((accept.reason for accept in accepts if last_seen <= accept.expiry), None)
