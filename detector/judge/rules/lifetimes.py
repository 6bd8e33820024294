"""The rules about how long credentials and tasks live, and what was granted for nothing."""

from collections.abc import Sequence
from typing import Final

from detector.judge.rules import classification as filed
from detector.judge.rules.classification import Classification
from detector.judge.rules.rule import Phrase, Rule
from detector.judge.rules.titles import Words
from detector.judge.terms import NEVER, KindPolicy, Terms, expiry_at
from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialRenewed,
    TaskEnding,
    TaskHeartbeat,
    TaskStarted,
)
from detector.values.findings import (
    OUTLIVES_TASK,
    OVERDUE_TASK,
    OVERLONG_CREDENTIAL,
    REVOCATION_UNCONFIRMED,
    UNUSED_GRANT,
    Evidence,
    Finding,
    Severity,
)
from detector.values.times import MINUTE
from detector.values.wording import counted, moment, span

OVERLONG_GRACE: Final = 5 * MINUTE


# outlives-task


def _outlives(terms: Terms, _covered: Sequence[int], time: int) -> tuple[int, ...]:
    return (0,) if time < terms.revoked and time <= expiry_at(terms, time) else ()


def _outlives_evidence(_issue: CredentialIssued, end: TaskEnding, _part: int) -> tuple[AnyEvent, str]:
    ended = "the lapse of the task's lease" if isinstance(end, TaskHeartbeat) else "the task's end"
    return end, f"still live when the grace period after {ended} was over"


def _outlives_title(finding: Finding, piece: Evidence, words: Words) -> str:
    ended, end = finding.task_ended, words.end(finding)
    when = f" {span(piece.time - ended)} after {end}" if ended is not None else " after its task ended"
    return f"{words.who(finding)} still worked{when}"


OUTLIVES: Final = Rule(
    id=OUTLIVES_TASK,
    severity=Severity.HIGH,
    revoke=True,
    end=_outlives,
    end_evidence=_outlives_evidence,
    summary="A credential outlives its task",
    description=(
        "After the end of its task and the grace period, a credential is neither revoked nor expired."
    ),
    title=_outlives_title,
    phrase=Phrase("outlived its task", "outlived their tasks"),
    advice=(
        "Revoke it, and add a last step to the task that revokes its credential whatever the outcome; or issue it "
        "for no longer than the task runs."
    ),
    classification=Classification(
        attack=(filed.KEPT,),
        atlas=(filed.AI_KEPT,),
        nhi=("NHI1:2025", "NHI7:2025"),
        agentic=("ASI03",),
        maestro="L4",
        rmf="MANAGE 2.4",
    ),
    weaknesses=(filed.UNENDED,),
)


# unused-grant


def _unused(terms: Terms, covered: Sequence[int], _time: int) -> tuple[int, ...]:
    return tuple(i for i, first in enumerate(covered) if first > terms.end + terms.policy.skew)


def _unused_evidence(issue: CredentialIssued, _end: TaskEnding, part: int) -> tuple[AnyEvent, str]:
    return issue, f"grant {part + 1} of {len(issue.grants or ())} never used"


def _unused_title(finding: Finding, _piece: Evidence, words: Words) -> str:
    unused = counted(finding.count, "grant")
    return f"{words.who(finding)} was granted more than it used: {unused} never used"


UNUSED: Final = Rule(
    id=UNUSED_GRANT,
    severity=Severity.LOW,
    end=_unused,
    end_evidence=_unused_evidence,
    summary="A grant was never used",
    description="A grant was not used once by the time its task ended.",
    title=_unused_title,
    phrase=Phrase("had grants it never used", "had grants they never used"),
    counted=("grant", "grants"),
    advice="Remove the grants that were never used from what this kind of task requests.",
    classification=Classification(
        attack=(filed.RAISED,),
        atlas=(filed.AI_RAISED,),
        nhi=("NHI5:2025",),
        agentic=("ASI03",),
        maestro="L6",
        rmf="MANAGE 2.4",
    ),
    weaknesses=(filed.TOO_MUCH,),
)


# overlong-credential


def _overlong(event: CredentialIssued | CredentialRenewed, deadline: int) -> bool:
    """Whether it lets a credential live for ever, or well beyond its task's deadline."""
    return event.expires_at is None or event.expires_at > deadline + OVERLONG_GRACE


def _overlong_title(finding: Finding, piece: Evidence, words: Words) -> str:
    who, event = words.who(finding), piece.event
    deadline = finding.task_deadline
    several = finding.candidates is not None and finding.candidates.count > 1
    whose = "the latest of their deadlines" if several else "the task's deadline"
    if isinstance(event, CredentialIssued) and event.expires_at is None:
        return f"{who} never expires"
    if isinstance(event, CredentialIssued | CredentialRenewed) and event.expires_at and deadline is not None:
        made = "was issued" if isinstance(event, CredentialIssued) else "was renewed"
        return f"{who} {made} for {span(event.expires_at - deadline)} longer than {whose}"
    return f"{who} lives longer than its task may"


OVERLONG: Final = Rule(
    id=OVERLONG_CREDENTIAL,
    severity=Severity.MEDIUM,
    lifetime=_overlong,
    summary="A credential lives too long",
    description="A credential has no expiry, or one well after the deadline of its task.",
    title=_overlong_title,
    phrase=Phrase("was issued for too long", "were issued for too long"),
    counted=("expiry", "expiries"),
    advice="Issue it with an expiry at the task's deadline or before, and renew it while the task runs if it must.",
    classification=Classification(
        attack=(filed.KEPT,),
        atlas=(filed.AI_KEPT,),
        nhi=("NHI7:2025",),
        agentic=("ASI03",),
        maestro="L4",
        rmf="MANAGE 2.4",
    ),
    weaknesses=(filed.UNENDED,),
)


# overdue-task


def deadline_of(start: TaskStarted | None, policy: KindPolicy) -> int:
    """When a task should have ended: as it states, else by the configuration's `max_task_age`, else NEVER."""
    if start is None:
        return NEVER
    if start.deadline is not None:
        return start.deadline
    return NEVER if policy.max_task_age is None else start.time + policy.max_task_age


def _overdue(start: TaskStarted | None, end: int, policy: KindPolicy) -> int | None:
    time = deadline_of(start, policy) + policy.grace_period
    return None if time >= NEVER or end <= time else time


def _overdue_title(finding: Finding, _piece: Evidence, words: Words) -> str:
    task, say = finding.task, words.say
    owner = f" (owner {say(task.owner)})" if task and task.owner else ""
    deadline = f", {moment(task.deadline)}" if task and task.deadline is not None else ""
    if task and task.ended is not None and task.deadline is not None and task.ended > task.deadline:
        late = f"ended {span(task.ended - task.deadline)} after its deadline"
        return f"Task {say(finding.key)}{owner} {late}{deadline}"
    return f"Task {say(finding.key)}{owner} had not ended by its deadline{deadline}"


OVERDUE: Final = Rule(
    id=OVERDUE_TASK,
    severity=Severity.MEDIUM,
    deadline=_overdue,
    summary="A task is overdue",
    description="A task did not end by its deadline.",
    title=_overdue_title,
    phrase=Phrase("did not end by its deadline", "did not end by their deadlines", "task", "tasks"),
    advice=(
        "Check whether the task hangs: cancel it, which ends its credentials, or move its deadline. If it has ended, "
        "have whatever runs it report that."
    ),
    classification=Classification(
        attack=(filed.KEPT,),
        atlas=(filed.AI_KEPT,),
        nhi=("NHI1:2025",),
        agentic=("ASI10",),
        maestro="L5",
        rmf="MANAGE 2.4",
    ),
)


# revocation-unconfirmed: judged only where commands were really sent, so by a running service


def _unconfirmed(terms: Terms, times: Sequence[int]) -> list[int]:
    return [time for time in times if time < terms.revoked and time <= expiry_at(terms, time)]


def _unconfirmed_title(finding: Finding, _piece: Evidence, words: Words) -> str:
    return f"{words.who(finding)} should have been revoked, but nothing confirms that it was"


UNCONFIRMED: Final = Rule(
    id=REVOCATION_UNCONFIRMED,
    severity=Severity.CRITICAL,
    revoke=True,
    unconfirmed=_unconfirmed,
    summary="A revocation is not confirmed",
    description="Some time after a command for it, a credential is neither revoked nor expired.",
    title=_unconfirmed_title,
    phrase=Phrase("was not confirmed revoked", "were not confirmed revoked"),
    advice=(
        "Revoke it by hand now, see why what executes the commands did not (is it running, may it, was the handle "
        "right?), and have it report the revocation."
    ),
    classification=Classification(
        attack=(filed.KEPT,),
        atlas=(filed.AI_KEPT,),
        nhi=("NHI1:2025",),
        agentic=("ASI03",),
        maestro="L6",
        rmf="MANAGE 2.4",
    ),
    weaknesses=(filed.UNENDED,),
)
