"""What one aggregate's ledger says at a watermark: findings, commands, and when to ask again. Nothing but values."""

from collections.abc import Iterable, Iterator

import msgspec

from detector.judge.acceptance import covering, reason_for
from detector.judge.accounts import Account, Task
from detector.judge.conclude import credential_facts, task_facts
from detector.judge.final_evaluator import subject_of
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.routing import SentCommand
from detector.judge.rules.apply import judge_commands
from detector.judge.terms import NEVER, KindPolicy, expiry_at
from detector.judge.totals import Exposure
from detector.values.events import CredentialIssued
from detector.values.findings import (
    LEAKED_SECRET,
    REVOCATION_UNCONFIRMED,
    Command,
    Evidence,
    Finding,
    Severity,
)


class Verdicts(msgspec.Struct):
    """`findings` by uid; `commands` not sent before; `due` is when time alone may change this, None if never.

    `exposure` is of credentials for which a command was sent, or is now.
    """

    findings: dict[str, Finding] = {}
    commands: list[Command] = []
    due: int | None = None
    over: int | None = None
    exposure: Exposure = Exposure()


class CommandDelay:
    """Lets through evidence whose rule does not wait, or has waited; remembers when the next will have."""

    def __init__(self, watermark: int) -> None:
        self.next = NEVER
        self._watermark = watermark

    def __call__(self, policy: KindPolicy, rule: str, time: int) -> bool:
        """Whether evidence of this time may ask."""
        delay = policy.rules[rule].command_delay
        if not delay or time + delay <= self._watermark:
            return True
        self.next = min(self.next, time + delay)
        return False


def own_accounts(ledger: Ledger, task_id: str) -> list[Account]:
    """The credentials that are a task's as far as the ledger knows; others it only knows of."""
    return [account for account in ledger.accounts() if account.task.task_id == task_id]


def judge_task(
    ledger: Ledger, task_id: str, watermark: int, sent: Iterable[SentCommand], *, asked: int
) -> Verdicts:
    """All about a task and its credentials; `asked` is the latest time of an event that asked others about it."""
    verdicts = Verdicts({}, [], None, None)
    holds = CommandDelay(watermark)
    dues = [NEVER]
    by_credential: dict[str, list[SentCommand]] = {}
    for each in sent:
        by_credential.setdefault(each.credential_id, []).append(each)
    own = own_accounts(ledger, task_id)
    exposed: list[list[str]] = []
    for account in own:
        found = list(ledger.about(account, watermark))
        verdicts.findings.update((finding.uid, finding) for finding in found)
        before = by_credential.get(account.credential_id, [])
        done = {each.escalated for each in before}
        commands = [each for each in ledger.asked(account, watermark, holds) if each.escalated not in done]
        if account.task.end is not None:
            dues.append(max(account.task.ended, account.issue.time) + account.policy.grace_period)
        if before:
            dues += [each.time + ledger.policy.confirm_timeout for each in before]
            unconfirmed = unconfirmed_finding(account, before, ledger.policy, watermark)
            if unconfirmed is not None:
                found.append(unconfirmed)
                verdicts.findings[unconfirmed.uid] = unconfirmed
                if not ({True} & (done | {each.escalated for each in commands})):
                    commands += _escalation(account, unconfirmed, holds)
        verdicts.commands += commands
        dues += [each.time + ledger.policy.confirm_timeout for each in commands]
        dead = _dies(account, watermark)
        if (before or commands) and watermark < dead:
            exposed.append(_asking(account, found))
            dues.append(dead)
    verdicts.exposure = Exposure.of(exposed)
    task = ledger.task(task_id)
    if task is not None:
        overdue = ledger.overdue(task, watermark)
        if overdue is not None:
            verdicts.findings[overdue.uid] = overdue
        dues.append(ledger.overdue_at(task))
    over = _over(ledger, task, own, asked)
    retention = ledger.policy.retention
    verdicts.over = None if over == NEVER else over + retention
    dues.append(over + retention)
    verdicts.due = _next([*dues, holds.next], watermark)
    return verdicts


def judge_secret(ledger: Ledger, watermark: int) -> Verdicts:
    """What is said of a leaked secret: one finding, as long as no credential claims it."""
    found = [each for each in ledger.findings(watermark) if each.rule == LEAKED_SECRET]
    over = (watermark if ledger.latest is None else ledger.latest) + ledger.policy.retention
    return Verdicts({each.uid: each for each in found}, [], _next([over], watermark), over)


def unconfirmed_finding(
    account: Account, sent: Iterable[SentCommand], policy: Policy, watermark: int
) -> Finding | None:
    """Commands of which, `confirm_timeout` later, nothing was seen: neither a revocation nor the expiry.

    As with all that is judged later, that later time is the evidence's.
    """
    due = sorted(at for each in sent if (at := each.time + policy.confirm_timeout) <= watermark)
    times = judge_commands(account.outline(), due)
    if not times:
        return None
    severity = account.policy.rules[REVOCATION_UNCONFIRMED].severity or Severity.CRITICAL
    covers = covering(policy.accepts, subject_of(REVOCATION_UNCONFIRMED, account)) if policy.accepts else ()
    detail = "still live when the time to confirm the command was over"
    return Finding(
        rule=REVOCATION_UNCONFIRMED,
        key=account.credential_id,
        count=len(times),
        first_seen=times[0],
        last_seen=times[-1],
        severity=severity,
        evidences=tuple(Evidence(time, account.issue, severity, detail) for time in times),
        task=task_facts(account.task),
        credential=credential_facts(account),
        accepted=reason_for(covers, times[-1]),
    )


def _escalation(account: Account, finding: Finding, holds: CommandDelay) -> Iterator[Command]:
    rule = account.policy.rules[REVOCATION_UNCONFIRMED]
    if not rule.revoke or finding.accepted is not None:
        return
    if holds(account.policy, REVOCATION_UNCONFIRMED, finding.first_seen):
        yield Command(
            credential=credential_facts(account),
            time=finding.first_seen,
            reasons=(REVOCATION_UNCONFIRMED,),
            severity=finding.severity,
            escalated=True,
        )


def _dies(account: Account, watermark: int) -> int:
    """When it is over with a credential by what is known at a watermark; a known revocation counts at once."""
    if account.revoked != NEVER:
        return watermark
    return expiry_at(account.outline(), max(watermark, account.issue.time)) + 1


def _asking(account: Account, findings: Iterable[Finding]) -> list[str]:
    """The rules of those findings that ask for a revocation."""
    rules = account.policy.rules
    return [finding.rule for finding in findings if finding.accepted is None and rules[finding.rule].revoke]


def _over(ledger: Ledger, task: Task | None, own: list[Account], asked: int) -> int:
    """When the last of it was over: T ended and each C revoked or expired; NEVER while one may go on.

    A task that nobody tells the start of, nobody tells the end of either: its credentials are all there is to it.
    """
    latest = asked if ledger.latest is None else max(ledger.latest, asked)
    seen = task is not None and (task.start is not None or task.end is not None)
    if not seen and not own:
        return latest
    ended = task.ended if task is not None and seen else latest
    return max([latest, ended, *(_dead(account) for account in own)])


def _dead(account: Account) -> int:
    expiries = [NEVER if account.issue.expires_at is None else account.issue.expires_at]
    if account.expiries is not None:
        expiries = [item[1] for item in account.expiries]
    return min(account.revoked, max(expiries))


def _next(dues: Iterable[int], watermark: int) -> int | None:
    later = [due for due in dues if watermark < due < NEVER]
    return min(later) if later else None


def own_issues(ledger: Ledger, task_id: str) -> list[CredentialIssued]:
    """The issues to a task, those of credentials that an earlier issue gave to another task too."""
    return [issue for account in ledger.accounts() for issue in account.issues() if issue.task_id == task_id]
