"""Makes findings and commands of what the ledger knows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from detector.judge.acceptance import (
    Subject,
    accepted_reason,
    accepted_until,
    accepted_whole,
    covering,
    subject_of,
    workload_of,
)
from detector.judge.accounts import Account, Candidates, Task
from detector.judge.evidence import EarliestRequest, EvidenceEntry, FinalTally, RevocationRequest, Sums, Tally
from detector.judge.policy import Policy
from detector.judge.rules.apply import Moment, judge_deadline, judge_end, judge_secret
from detector.judge.rules.catalog import RULES
from detector.judge.terms import NEVER, KindPolicy, Terms, expiry_at, live_at, shown_at
from detector.records.log_times import ARCHIVE, EARLIER_RECORD, FILE, LATEST
from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialUsed,
    Leak,
    LimitedRecord,
    RevocationOutcome,
)
from detector.values.findings import (
    LEAKED_SECRET,
    MAX_EVIDENCES,
    OVERDUE_TASK,
    REVOCATION_UNCONFIRMED,
    SCAN_LIMITED,
    TOO_MANY_SECRETS,
    CandidateFacts,
    Command,
    CredentialFacts,
    Evidence,
    Finding,
    Resolution,
    Severity,
    TaskFacts,
    command_id,
)
from detector.values.wording import counted, span

Foreign: TypeAlias = Callable[[Account, str], bool]
"""(credential, task) -> whether the task is another, as `IncrementalEvaluator.foreign`."""
Ready: TypeAlias = Callable[[KindPolicy, str, int], bool]
"""(policy, rule, time of evidence) -> whether a command may go out."""

_WITNESSES: Final = {
    ARCHIVE: ", by the time of the archive member",
    EARLIER_RECORD: ", by the time of an earlier record",
    FILE: ", by the modification time of the file",
    LATEST: ", by the latest time read",
}
_REQUESTS: Final = (RevocationRequest.PLAIN, RevocationRequest.ESCALATED)


def task_facts(task: Task) -> TaskFacts:
    """A task as findings show it."""
    start, end, ended = task.start, task.end, task.ended
    return TaskFacts(
        task_id=task.task_id,
        kind=start.kind if start is not None else None,
        owner=start.owner if start is not None else None,
        workload=workload_of(task),
        parent_task_id=start.parent_task_id if start is not None else None,
        started=start.time if start is not None else None,
        ended=None if ended == NEVER else ended,
        deadline=start.deadline if start is not None else None,
        outcome=end.outcome if end is not None else None,
        lapsed=task.lapsed,
    )


def task_facts_of(account: Account) -> TaskFacts | None:
    """The task of a credential as findings show it, None if only candidates are known."""
    return task_facts(account.task) if isinstance(account.task, Task) else None


def candidate_facts(candidates: Candidates) -> CandidateFacts:
    """The candidates as findings show them."""
    return CandidateFacts(
        count=candidates.count,
        kind=candidates.kind,
        ended=None if candidates.ending is None else candidates.ended,
        deadline=candidates.due if candidates.due != NEVER else None,
        tasks=tuple(map(task_facts, candidates.first)),
        lapsed=candidates.lapsed,
    )


def credential_facts(account: Account) -> CredentialFacts:
    """A credential as findings show it, with the identifiers that it owns."""
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
        candidates=candidate_facts(account.task) if isinstance(account.task, Candidates) else None,
    )


def end_moments(account: Account, until: int) -> list[Moment]:
    """The rules about one credential that hold at the end of its task, if that is at or before `until`."""
    return [] if account.task.ending is None else judge_end(account.outline(), account.covered(), until)


def credential_findings(
    account: Account, policy: Policy, foreign: Foreign, moments: Sequence[Moment]
) -> Iterator[Finding]:
    """The findings about one credential, given its `end_moments`."""
    if not account.tallies and not moments:
        return
    found = resolutions(account, policy, moments) if account.names[0].outcomes is not None else {}
    for finding in _credential_findings(account, policy, foreign, moments):
        yield resolved(finding, found) if found else finding


def _credential_findings(
    account: Account, policy: Policy, foreign: Foreign, moments: Sequence[Moment]
) -> Iterator[Finding]:
    task, credential = task_facts_of(account), credential_facts(account)
    # Sorted, so that the order does not tell which evidence came first.
    for rule, tally in sorted((account.tallies or {}).items()):
        last, severity = tally.last, tally.severity
        yield Finding(
            rule=rule,
            key=account.credential_id,
            count=tally.count,
            first_seen=tally.first,
            last_seen=last,
            severity=severity,
            evidences=_evidences(rule, tally.earliest(), account, foreign),
            task=task,
            credential=credential,
            patterns=tally.patterns,
            accepted=_accepted(policy, rule, account, last, severity),
        )
    for moment in moments:
        rule = moment.verdict.rule
        yield Finding(
            rule=rule,
            key=account.credential_id,
            count=len(moment.parts),
            first_seen=moment.time,
            last_seen=moment.time,
            severity=moment.verdict.severity,
            evidences=_end_evidences(moment, account),
            task=task,
            credential=credential,
            accepted=_accepted(policy, rule, account, moment.time, moment.verdict.severity),
        )


def _accepted(policy: Policy, rule: str, account: Account, last: int, severity: Severity) -> str | None:
    """Why the finding about a credential is accepted, None if it is not."""
    return accepted_reason(policy, subject_of(rule, account), last, severity) if policy.accepts else None


def resolutions(account: Account, policy: Policy, moments: Sequence[Moment]) -> dict[str, Resolution]:
    """By rule, what resolves the credential's finding unless evidence came later: its command found or left it dead.

    A revocation that nobody confirmed in time is resolved by either command.
    """
    dead: dict[str, RevocationOutcome] = {}
    for item in account.names[0].outcomes or ():  # its id; outcomes name no other
        outcome: RevocationOutcome = item[3]
        known = dead.get(outcome.command_id)
        if outcome.dead_at is not None and (known is None or _later(outcome, known)):
            dead[outcome.command_id] = outcome
    if not dead:
        return {}
    found: dict[str, RevocationOutcome] = {}
    commands = {one.id: one.reasons for one in credential_commands(account, policy, moments)}
    for escalated in (False, True):
        command = command_id(account.credential_id, escalated=escalated)
        if command in dead:
            for rule in (*commands.get(command, ()), REVOCATION_UNCONFIRMED):
                if rule not in found or _later(dead[command], found[rule]):
                    found[rule] = dead[command]
    return {rule: _resolution(outcome) for rule, outcome in found.items()}


def _later(one: RevocationOutcome, other: RevocationOutcome) -> bool:
    return _dated(one) > _dated(other)


def _dated(outcome: RevocationOutcome) -> tuple[int, int, str, str]:
    dead_at = outcome.time if outcome.dead_at is None else outcome.dead_at
    return dead_at, outcome.time, outcome.source, outcome.id


def _resolution(outcome: RevocationOutcome) -> Resolution:
    return Resolution(
        command_id=outcome.command_id,
        outcome=outcome.outcome,
        time=_dated(outcome)[0],
        proof=outcome.proof,
        target=outcome.target,
        detail=outcome.detail,
    )


def resolved(finding: Finding, found: Mapping[str, Resolution]) -> Finding:
    """The finding with its resolution, if nothing happened since."""
    resolution = found.get(finding.rule)
    if resolution is None or resolution.time < finding.last_seen:
        return finding
    return msgspec.structs.replace(finding, resolution=resolution)


def _evidences(
    rule: str, entries: Iterable[EvidenceEntry], account: Account, foreign: Foreign
) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(entry.time, entry.event, entry.severity, _detail(rule, entry.event, account, foreign))
        for entry in entries
    )


def _end_evidences(moment: Moment, account: Account) -> tuple[Evidence, ...]:
    """The evidence of a rule that is judged once the task has ended."""
    ending, evidence = account.task.ending, RULES[moment.verdict.rule].end_evidence
    if ending is None or evidence is None:
        return ()
    made = []
    for part in moment.parts[:MAX_EVIDENCES]:
        event, detail = evidence(account.issue, ending, part)
        made.append(Evidence(moment.time, event, moment.verdict.severity, detail))
    return tuple(made)


def _detail(rule: str, event: AnyEvent, account: Account, foreign: Foreign) -> str:
    """What is wrong about one event, in a few words."""
    terms = account.standing()
    if account.task.lapsed:
        terms = msgspec.structs.replace(terms, lapsed=True)
    if type(event) is Leak:
        return _leak_detail(event, terms)
    if type(event) is CredentialUsed:
        detail = RULES[rule].detail
        claimed = event.task_id
        other = claimed is not None and claimed != terms.task_id and foreign(account, claimed)
        return detail(terms, event, other) if detail is not None else ""
    if type(event) is CredentialIssued or type(event) is CredentialRenewed:
        if event.expires_at is None:
            return "never expires"
        late = event.expires_at - account.task.deadline(account.policy)
        return f"expires {span(late)} after the task's deadline"
    return ""


def _leak_detail(leak: Leak, terms: Terms) -> str:
    """Whether the credential was live, and by whose time, if that is not the record's own or its carrier's."""
    written = leak.time
    time, witness = shown_at(terms, written), _WITNESSES.get(leak.time_origin or "", "")
    if live_at(terms, time):
        early = written < terms.issued - terms.policy.skew
        said = (
            "dated before it was issued, so judged as at its issue: live"
            if early
            else "live when it was shown"
        )
        return said + witness
    if time >= terms.revoked:
        return f"revoked {span(time - terms.revoked)} before it was shown{witness}"
    return f"expired {span(time - expiry_at(terms, time))} before it was shown{witness}"


def secret_finding(
    fingerprint: str, tally: Tally | FinalTally, policy: Policy, tasks: Mapping[str, Task]
) -> Finding:
    """The finding about a leaked secret that nobody registered. Its task is the one whose log shows it first."""
    evidences = tuple(Evidence(entry.time, entry.event, entry.severity) for entry in tally.earliest())
    return _log_finding((LEAKED_SECRET, fingerprint), evidences, tally, policy, tasks)


def lone_secret_finding(leak: Leak, policy: Policy) -> Finding | None:
    """The same of one leak, None if it is evidence of nothing. Nothing is known of its task."""
    for verdict in judge_secret(policy, leak):
        time, severity = leak.time, verdict.severity
        patterns = () if leak.pattern is None else (leak.pattern,)
        sums = Sums(1, time, time, severity, patterns)
        evidences = (Evidence(time, leak, severity),)
        return _log_finding((LEAKED_SECRET, leak.fingerprint), evidences, sums, policy, {})
    return None


def limited_finding(
    stream: str, tally: Tally | FinalTally, policy: Policy, tasks: Mapping[str, Task]
) -> Finding:
    """The finding about a stream with log records that could not be examined whole."""
    evidences = tuple(
        Evidence(entry.time, entry.event, entry.severity, _cut_short(entry.event))
        for entry in tally.earliest()
    )
    return _log_finding((SCAN_LIMITED, stream), evidences, tally, policy, tasks)


def _log_finding(
    about: tuple[str, str],
    evidences: tuple[Evidence, ...],
    tally: Tally | FinalTally | Sums,
    policy: Policy,
    tasks: Mapping[str, Task],
) -> Finding:
    """The finding about log records, `about` its rule and key. Its task is the one whose log shows it first."""
    rule, key = about
    fingerprint = key if rule == LEAKED_SECRET else None
    record = evidences[0].event
    where = record.task_id if type(record) is Leak or type(record) is LimitedRecord else None
    task = (tasks.get(where) or Task(where)) if where is not None else None  # a log may name an unknown task
    accepted = None
    if policy.accepts:
        workload = workload_of(task) if task is not None else None
        subject = Subject(rule, key, task=where, workload=workload, fingerprint=fingerprint)
        accepted = accepted_reason(policy, subject, tally.last, tally.severity)
    return Finding(
        rule=rule,
        key=key,
        count=tally.count,
        first_seen=tally.first,
        last_seen=tally.last,
        severity=tally.severity,
        evidences=evidences,
        task=task_facts(task) if task is not None else None,
        fingerprint=fingerprint,
        patterns=tally.patterns,
        accepted=accepted,
    )


def _cut_short(event: AnyEvent) -> str:
    """Why a record was not examined whole."""
    if not isinstance(event, LimitedRecord) or event.reason != TOO_MANY_SECRETS:
        return "needed more decoding than the limit"
    records = counted(event.records, "record")
    return (
        "its stream shows more unregistered secrets than the limit: it and the records after it were searched "
        f"only for registered credentials ({records}); scan.findings_per_stream = 0 reports all"
    )


def task_finding(task: Task, policy: Policy, until: int) -> Finding | None:
    """The finding about a task itself, None if there is none."""
    start = task.start
    if start is None:
        return None
    moment = judge_deadline(start, task.ended, policy.of(None, start.kind), until)
    if moment is None:
        return None
    severity = moment.verdict.severity
    subject = Subject(OVERDUE_TASK, task.task_id, task=task.task_id, workload=start.workload)
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
        accepted=accepted_reason(policy, subject, moment.time, severity),
    )


def credential_commands(
    account: Account,
    policy: Policy,
    moments: Sequence[Moment],
    ready: Ready | None = None,
    facts: CredentialFacts | None = None,
) -> Iterator[Command]:
    """The plain and the escalated command for one credential, given its `end_moments`, if evidence requests them.

    A command has the time of the earliest evidence that requests it, is not accepted, and is `ready`, if that is
    given. The escalation of a command that was not confirmed is not among these: only who sends commands knows.
    """
    if not account.tallies and not moments:
        return
    for request in _REQUESTS:
        found = [
            (rule, earliest)
            for rule, earliest in _requests(account, policy, moments, request)
            if ready is None or ready(account.policy, rule, earliest[0])
        ]
        if found:
            time = min(time for _, (time, _) in found)
            yield Command(
                credential=credential_facts(account) if facts is None else facts,
                time=time,
                reasons=tuple(sorted(rule for rule, earliest in found if earliest[0] == time)),
                severity=max(severity for _, (when, severity) in found if when == time),
                escalated=request == RevocationRequest.ESCALATED,
                owner=account.task.owner,
            )


def _requests(
    account: Account, policy: Policy, moments: Sequence[Moment], request: RevocationRequest
) -> Iterator[tuple[str, EarliestRequest]]:
    """By rule, the earliest evidence that requests this revocation and is not accepted."""
    key = account.credential_id
    for rule, tally in (account.tallies or {}).items():
        if accepted_whole(policy, rule, key, tally.last, tally.severity):
            continue
        earliest = tally.earliest_request(request, _accepted_until(policy, rule, account))
        if earliest is not None:
            yield rule, earliest
    for moment in moments:
        rule, severity = moment.verdict.rule, moment.verdict.severity
        if moment.verdict.request != request or accepted_whole(policy, rule, key, moment.time, severity):
            continue
        if moment.time > _accepted_until(policy, rule, account):
            yield rule, (moment.time, severity)


def _accepted_until(policy: Policy, rule: str, account: Account) -> int:
    globs = policy.accepting_globs
    return accepted_until(covering(globs, subject_of(rule, account))) if globs else -NEVER
