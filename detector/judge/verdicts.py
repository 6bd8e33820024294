"""What an aggregate's ledger says at a watermark: findings, commands, and when to judge again."""

from collections.abc import Iterable, Iterator

import msgspec

from detector.judge.acceptance import accepted_reason, subject_of
from detector.judge.accounts import Account, Task
from detector.judge.conclude import (
    credential_facts,
    end_moments,
    lone_secret_finding,
    resolutions,
    resolved,
    task_facts_of,
)
from detector.judge.joins import JoinCounts
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.routing import TASK, SentCommand, issue_key
from detector.judge.rules.apply import judge_commands
from detector.judge.task_credentials import Conclusion, TaskCredentials
from detector.judge.terms import NEVER, KindPolicy, expiry_at
from detector.judge.totals import NO_EXPOSURE, Exposure
from detector.values.events import CredentialIssued, Leak
from detector.values.findings import (
    LEAKED_SECRET,
    REVOCATION_UNCONFIRMED,
    SCAN_LIMITED,
    Command,
    Evidence,
    Finding,
    Severity,
)


class Verdicts(msgspec.Struct, gc=False):
    """What holds at a watermark: all findings, by uid, and the commands that were not sent before.

    `timer` is the event time at which time alone may change this, None if never. The aggregate's state may be dropped
    once the watermark is at `disposable_at`, None if it must be kept for now. `exposure` is that of the credentials
    for which a command was sent, or is sent now, `joins` counts its credentials by what is known of their task.
    `deleted` are the uids of the findings whose record is to be deleted.
    """

    findings: dict[str, Finding] = {}
    commands: list[Command] = []
    timer: int | None = None
    disposable_at: int | None = None
    exposure: Exposure = NO_EXPOSURE
    joins: JoinCounts = JoinCounts()
    deleted: tuple[str, ...] = ()

    @property
    def standing(self) -> tuple[int | None, Exposure, JoinCounts]:
        """What is stored with the aggregate's key."""
        return self.timer, self.exposure, self.joins


class CommandDelay:
    """Holds back commands until the `command_delay` of their rule is over. `next` is when the next one may go out."""

    def __init__(self, watermark: int) -> None:
        self.next = NEVER
        self._watermark = watermark

    def __call__(self, policy: KindPolicy, rule: str, time: int) -> bool:
        """Whether evidence of this time may send a command by now."""
        delay = policy.rules[rule].command_delay
        if not delay or time + delay <= self._watermark:
            return True
        self.next = min(self.next, time + delay)
        return False


def own_accounts(ledger: Ledger, key: str) -> list[Account]:
    """The credentials that the aggregate `key` judges.

    Its ledger may also know some that turned out to be another's.
    """
    if key.startswith(TASK):  # as `issue_key`, and faster: a task may have very many
        task_id = key.removeprefix(TASK)
        return [account for account in ledger.accounts() if account.issue.task_id == task_id]
    return [account for account in ledger.accounts() if issue_key(account.issue) == key]


def judge_task(
    credentials: TaskCredentials, watermark: int, sent: list[SentCommand], *, subscribed: int
) -> Verdicts:
    """Judges what an aggregate has: a task and its credentials, or one credential that has only candidates.

    The leases that have lapsed at the watermark must be known to the ledger.

    `subscribed` is the latest time of an event that caused a subscription.
    """
    ledger, key = credentials.ledger, credentials.key
    for account in credentials.changed(watermark, sent):
        credentials.conclude(account, _concluded(ledger, account, credentials.sent_of(account), watermark))
    joins = credentials.joins(watermark)
    verdicts = Verdicts(
        dict(credentials.findings),
        credentials.commands,
        exposure=credentials.exposure,
        joins=JoinCounts.of(joins),
    )
    timers = [credentials.timer, *(join.changes_at for _, join in joins)]
    task = ledger.task(key.removeprefix(TASK)) if key.startswith(TASK) else None
    if task is not None:
        overdue = ledger.overdue(task, watermark)
        if overdue is not None:
            verdicts.findings[overdue.uid] = overdue
        timers += [ledger.overdue_at(task), NEVER if task.heartbeat is None else task.heartbeat.lapse]
    finished = _finished_at(credentials, task, subscribed)
    retention = ledger.policy.retention
    verdicts.disposable_at = None if finished == NEVER else finished + retention
    timers.append(finished + retention)
    verdicts.timer = _next(timers, watermark)
    return verdicts


def _concluded(ledger: Ledger, account: Account, sent: list[SentCommand], watermark: int) -> Conclusion:
    """What holds of one credential at a watermark, given the commands that were sent before to revoke it."""
    moments = end_moments(account, watermark)
    found = list(ledger.findings_about(account, moments))
    done = {each.escalated for each in sent}
    delay = CommandDelay(watermark)
    facts = found[0].credential if found else None
    commands = [
        each for each in ledger.commands_for(account, moments, delay, facts) if each.escalated not in done
    ]
    timers = [_confirmable_until(account, each, ledger.policy) for each in sent]
    if account.task.ending is not None:
        timers.append(max(account.task.ended, account.issue.time) + account.policy.grace_period)
    unconfirmed = unconfirmed_finding(account, sent, ledger.policy, watermark) if sent else None
    if unconfirmed is not None:
        found.append(unconfirmed)
        if not ({True} & (done | {each.escalated for each in commands})):
            commands += _escalation(account, unconfirmed, delay)
    timers += [
        _confirmable_until(account, SentCommand.of(each, watermark), ledger.policy) for each in commands
    ]
    exposure = NO_EXPOSURE
    if sent or commands:
        dead_at = _dead_at(account, watermark)
        if watermark < dead_at:
            exposure = Exposure.of([_revoking_rules(account, found)])
        timers += [dead_at, _renewed_after(account, watermark)]
    until = _next([*timers, delay.next], watermark)
    return Conclusion(tuple(found), tuple(commands), exposure, NEVER if until is None else until)


def judge_secret(ledger: Ledger, watermark: int) -> Verdicts:
    """Judges a leaked secret: it has one finding, as long as no credential claims it."""
    found = [each for each in ledger.findings(watermark) if each.rule == LEAKED_SECRET]
    disposable_at = (watermark if ledger.latest is None else ledger.latest) + ledger.policy.retention
    timer = _next([disposable_at], watermark)
    return Verdicts({each.uid: each for each in found}, [], timer, disposable_at)


def judge_lone_secret(policy: Policy, leak: Leak, watermark: int) -> Verdicts:
    """Judges a leaked secret that nobody registered, of which one leak is known and nothing else: as `judge_secret`."""
    found = lone_secret_finding(leak, policy)
    disposable_at = leak.known_since + policy.retention
    timer = _next([disposable_at], watermark)
    return Verdicts({} if found is None else {found.uid: found}, [], timer, disposable_at)


def judge_limited_stream(ledger: Ledger, watermark: int) -> Verdicts:
    """Judges a stream with records that could not be examined whole."""
    found = [each for each in ledger.findings(watermark) if each.rule == SCAN_LIMITED]
    disposable_at = (watermark if ledger.latest is None else ledger.latest) + ledger.policy.retention
    return Verdicts({each.uid: each for each in found}, [], _next([disposable_at], watermark), disposable_at)


def unconfirmed_finding(
    account: Account, sent: Iterable[SentCommand], policy: Policy, watermark: int
) -> Finding | None:
    """The finding about a plain command that no revocation or expiry has confirmed within `confirm_timeout`.

    As for every rule that is judged later, the time of the evidence is that later time. It counts from the command's
    time, but is judged only once as much time has passed since it was sent.
    """
    due = sorted(
        _confirm_by(account, each, policy)
        for each in sent
        if not each.escalated and _confirmable_until(account, each, policy) <= watermark
    )
    times = judge_commands(account.outline(), due)
    if not times:
        return None
    severity = account.policy.rules[REVOCATION_UNCONFIRMED].severity or Severity.CRITICAL
    subject = subject_of(REVOCATION_UNCONFIRMED, account)
    detail = "still live when the time to confirm the command was over"
    finding = Finding(
        rule=REVOCATION_UNCONFIRMED,
        key=account.credential_id,
        count=len(times),
        first_seen=times[0],
        last_seen=times[-1],
        severity=severity,
        evidences=tuple(Evidence(time, account.issue, severity, detail) for time in times),
        task=task_facts_of(account),
        credential=credential_facts(account),
        accepted=accepted_reason(policy, subject, times[-1], severity),
    )
    return resolved(finding, resolutions(account, policy, ()))


def _confirm_by(account: Account, command: SentCommand, policy: Policy) -> int:
    """When the credential must be dead: a time after its issue, whatever time the log record of a leak states."""
    return max(command.time, account.issue.time) + policy.confirm_timeout


def _confirmable_until(account: Account, command: SentCommand, policy: Policy) -> int:
    """How long it may be confirmed: late evidence sends a command whose time is long past."""
    return max(_confirm_by(account, command, policy), command.sent_at + policy.confirm_timeout)


def _escalation(account: Account, finding: Finding, delay: CommandDelay) -> Iterator[Command]:
    rule = account.policy.rules[REVOCATION_UNCONFIRMED]
    if not rule.revoke or finding.accepted is not None:
        return
    if delay(account.policy, REVOCATION_UNCONFIRMED, finding.first_seen):
        yield Command(
            credential=credential_facts(account),
            time=finding.first_seen,
            reasons=(REVOCATION_UNCONFIRMED,),
            severity=finding.severity,
            escalated=True,
            owner=account.task.owner,
        )


def _dead_at(account: Account, watermark: int) -> int:
    """When a credential stops working, as known at a watermark. A known revocation counts at once."""
    if account.revoked != NEVER:
        return watermark
    return expiry_at(account.outline(), max(watermark, account.issue.time)) + 1


def _renewed_after(account: Account, watermark: int) -> int:
    """When the next issue or renewal of a credential counts, NEVER if none is known."""
    after = None if account.expiries is None else account.expiries.after(max(watermark, account.issue.time))
    return NEVER if after is None else int(after[0])


def _revoking_rules(account: Account, findings: Iterable[Finding]) -> list[str]:
    """The rules of those findings that request a revocation."""
    rules = account.policy.rules
    return [finding.rule for finding in findings if finding.accepted is None and rules[finding.rule].revoke]


def _finished_at(credentials: TaskCredentials, task: Task | None, subscribed: int) -> int:
    """When the task had ended and all its credentials were revoked or expired; NEVER while one of them may go on.

    If nobody reports the start of a task, nobody reports its end either: then only its credentials count. So it is with
    a credential that has only candidates: one whose end gets lost would keep all credentials of its group for ever.
    """
    latest = credentials.ledger.latest
    latest = subscribed if latest is None else max(latest, subscribed)
    seen = task is not None and any((task.start, task.end, task.heartbeat))
    if not seen and not credentials:
        return latest
    ended = task.ended if task is not None and seen else latest
    if ended == NEVER:
        return NEVER
    return max(latest, ended, credentials.lifetime_end if credentials else ended)


def _next(timers: Iterable[int], watermark: int) -> int | None:
    later = [timer for timer in timers if watermark < timer < NEVER]
    return min(later) if later else None


def own_issues(ledger: Ledger, key: str) -> list[CredentialIssued]:
    """All issues for the aggregate `key`, including those of credentials that an earlier issue gave to another task."""
    return [issue for account in ledger.accounts() for issue in account.issues() if issue_key(issue) == key]
