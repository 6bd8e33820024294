"""From the tallies to findings and commands."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from detector.judge.acceptance import Subject, accepted_until, covering, reason_for
from detector.judge.accounts import Account, Policies, Task
from detector.judge.evidence import Entry, FinalTally, Request, RevocationRequest, Tally
from detector.judge.explain import explain
from detector.judge.final_evaluator import subject_of, workload_of
from detector.judge.lineage import Lineage
from detector.judge.policy import Accept
from detector.judge.rules.apply import Moment, judge_deadline, judge_end
from detector.judge.rules.catalog import RULES
from detector.judge.terms import NEVER, KindPolicy
from detector.values.events import Leak
from detector.values.findings import (
    LEAKED_SECRET,
    MAX_EVIDENCES,
    OVERDUE_TASK,
    Command,
    CredentialFacts,
    Evidence,
    Finding,
    TaskFacts,
)

Ready: TypeAlias = Callable[[KindPolicy, str, int], bool]

_ASKS: Final = (RevocationRequest.PLAIN, RevocationRequest.ESCALATED)


def task_facts(task: Task) -> TaskFacts:
    """A task as it stands."""
    start, end = task.start, task.end
    return TaskFacts(
        task_id=task.task_id,
        kind=start.kind if start is not None else None,
        owner=start.owner if start is not None else None,
        workload=workload_of(task),
        parent_task_id=start.parent_task_id if start is not None else None,
        started=start.time if start is not None else None,
        ended=end.time if end is not None else None,
        deadline=start.deadline if start is not None else None,
        outcome=end.outcome if end is not None else None,
    )


def credential_facts(account: Account) -> CredentialFacts:
    """A credential as it stands, with the identifiers that are its own and not an earlier credential's."""
    issue = account.issue
    own = {(name.scheme, name.value) for name in account.owned()}
    identifiers = dict.fromkeys(
        identifier
        for event in account.issues()
        for identifier in event.identifiers
        if (identifier.scheme, identifier.value) in own
    )
    expires = NEVER if issue.expires_at is None else issue.expires_at
    if account.expiries is not None:
        expires = account.expiries.last[1]
    return CredentialFacts(
        credential_id=issue.credential_id,
        task_id=issue.task_id,
        kind=issue.kind,
        identifiers=tuple(identifiers),
        issued=issue.time,
        not_before=issue.not_before,
        expires_at=None if expires == NEVER else expires,
        revoked=None if account.revoked == NEVER else account.revoked,
        revocation=issue.revocation,
    )


def credential_findings(
    account: Account, accepts: Sequence[Accept], lineage: Lineage, until: int
) -> Iterator[Finding]:
    """The findings about one credential."""
    moments = judge_end(account.outline(), account.covered(), until) if account.task.end is not None else []
    if not account.tallies and not moments:
        return
    task, credential = task_facts(account.task), credential_facts(account)
    for rule, tally in (account.tallies or {}).items():
        covers = covering(accepts, subject_of(rule, account)) if accepts else ()
        yield Finding(
            rule=rule,
            key=account.credential_id,
            count=tally.count,
            first_seen=tally.first,
            last_seen=tally.last,
            severity=tally.severity,
            evidences=_evidences(rule, tally.earliest(), account, lineage),
            task=task,
            credential=credential,
            patterns=tally.patterns,
            accepted=reason_for(covers, tally.last),
        )
    for moment in moments:
        rule = moment.verdict.rule
        covers = covering(accepts, subject_of(rule, account)) if accepts else ()
        yield Finding(
            rule=rule,
            key=account.credential_id,
            count=len(moment.parts),
            first_seen=moment.time,
            last_seen=moment.time,
            severity=moment.verdict.severity,
            evidences=_momentary(moment, account),
            task=task,
            credential=credential,
            accepted=reason_for(covers, moment.time),
        )


def _evidences(
    rule: str, entries: Iterable[Entry], account: Account | None, lineage: Lineage
) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(entry.time, entry.event, entry.severity, explain(rule, entry.event, account, lineage))
        for entry in entries
    )


def _momentary(moment: Moment, account: Account) -> tuple[Evidence, ...]:
    """The evidence of a rule judged once the task has ended."""
    end, evidence = account.task.end, RULES[moment.verdict.rule].end_evidence
    if end is None or evidence is None:
        return ()
    made = []
    for part in moment.parts[:MAX_EVIDENCES]:
        event, detail = evidence(account.issue, end, part)
        made.append(Evidence(moment.time, event, moment.verdict.severity, detail))
    return tuple(made)


def secret_finding(
    fingerprint: str,
    tally: Tally | FinalTally,
    accepts: Sequence[Accept],
    lineage: Lineage,
    tasks: Mapping[str, Task],
) -> Finding:
    """The finding about a leaked secret that nobody registered; its task is the one that showed it first."""
    shown = tally.earliest()
    where = shown[0].event.task_id if isinstance(shown[0].event, Leak) else None
    task = (tasks.get(where) or Task(where)) if where is not None else None  # logs may know of more tasks
    subject = Subject(
        LEAKED_SECRET,
        task=where,
        workload=workload_of(task) if task is not None else None,
        fingerprint=fingerprint,
    )
    covers = covering(accepts, subject)
    return Finding(
        rule=LEAKED_SECRET,
        key=fingerprint,
        count=tally.count,
        first_seen=tally.first,
        last_seen=tally.last,
        severity=tally.severity,
        evidences=_evidences(LEAKED_SECRET, shown, None, lineage),
        task=task_facts(task) if task is not None else None,
        fingerprint=fingerprint,
        patterns=tally.patterns,
        accepted=reason_for(covers, tally.last),
    )


def task_finding(task: Task, policies: Policies, accepts: Sequence[Accept], until: int) -> Finding | None:
    """The finding about a task itself, if there is one."""
    start = task.start
    if start is None:
        return None
    moment = judge_deadline(start, task.ended, policies.of(None, start.kind), until)
    if moment is None:
        return None
    severity = moment.verdict.severity
    covers = covering(accepts, Subject(OVERDUE_TASK, task=task.task_id, workload=start.workload))
    return Finding(
        rule=OVERDUE_TASK,
        key=task.task_id,
        count=1,
        first_seen=moment.time,
        last_seen=moment.time,
        severity=severity,
        evidences=(
            Evidence(moment.time, start, severity, "no end by its deadline and the grace period after it"),
        ),
        task=task_facts(task),
        accepted=reason_for(covers, moment.time),
    )


def credential_commands(
    account: Account, accepts: Sequence[Accept], until: int, ready: Ready | None = None
) -> Iterator[Command]:
    """The plain and the escalated command for one credential, as far as evidence asks for them.

    A command has the time of the earliest evidence that asks for it and is not accepted, and that is `ready`, where
    somebody asks: by policy, rule and time. One after
    `revocation-unconfirmed` is not among them: the service that sends commands knows which were confirmed.
    """
    moments = judge_end(account.outline(), account.covered(), until) if account.task.end is not None else []
    if not account.tallies and not moments:
        return
    for ask in _ASKS:
        requests: list[tuple[str, Request]] = []
        for rule, tally in (account.tallies or {}).items():
            request = tally.request(ask, _accepted_until(accepts, rule, account))
            if request is not None and (ready is None or ready(account.policy, rule, request[0])):
                requests.append((rule, request))
        for moment in moments:
            verdict = moment.verdict
            if verdict.ask != ask or moment.time <= _accepted_until(accepts, verdict.rule, account):
                continue
            if ready is None or ready(account.policy, verdict.rule, moment.time):
                requests.append((verdict.rule, (moment.time, verdict.severity)))
        if requests:
            time = min(time for _, (time, _) in requests)
            yield Command(
                credential=credential_facts(account),
                time=time,
                reasons=tuple(sorted(rule for rule, request in requests if request[0] == time)),
                severity=max(severity for _, (when, severity) in requests if when == time),
                escalated=ask == RevocationRequest.ESCALATED,
            )


def _accepted_until(accepts: Sequence[Accept], rule: str, account: Account) -> int:
    return accepted_until(covering(accepts, subject_of(rule, account))) if accepts else -NEVER
