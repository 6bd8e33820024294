"""The rules, as plain functions: what is known of a credential and one event in, verdicts out.

`revocation-unconfirmed` is not here: it is judged against the commands that were really sent, so only a
running service can.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from detector.judge.evidence import RevocationRequest
from detector.judge.policy import KindPolicy, Policy, RulePolicy
from detector.judge.time_order import TimeOrder
from detector.values.events import (
    DENIED,
    CredentialIssued,
    CredentialRenewed,
    CredentialUsed,
    Leak,
    TaskStarted,
)
from detector.values.findings import (
    LEAKED_CREDENTIAL,
    LEAKED_SECRET,
    OUTLIVES_TASK,
    OVERDUE_TASK,
    OVERLONG_CREDENTIAL,
    UNUSED_GRANT,
    USE_AFTER_REVOCATION,
    USE_AFTER_TERMINATION,
    USE_BY_OTHER_WORKLOAD,
    USE_OUTSIDE_SCOPE,
    USE_OUTSIDE_WINDOW,
    Severity,
)
from detector.values.globs import Bounds, Scope, covering, outside
from detector.values.times import MINUTE

NEVER: Final = 1 << 120  # later than any time that can be written; -NEVER is earlier
OVERLONG_GRACE: Final = 5 * MINUTE
USE_RULES: Final = (
    USE_AFTER_TERMINATION,
    USE_AFTER_REVOCATION,
    USE_OUTSIDE_WINDOW,
    USE_OUTSIDE_SCOPE,
    USE_BY_OTHER_WORKLOAD,
)


class Terms(msgspec.Struct, frozen=True):
    """What decides a use or leak of one credential. Times in nanoseconds, NEVER (or -NEVER) where there is none.

    `expires` is what the one issue says; with more issues or renewals, `expiries` holds (time, expires, …) of
    each in order. `opens` and `closes` are the times within which no rule about time but expiry can hold.
    """

    task_id: str
    issued: int
    starts: int
    end: int
    revoked: int
    approved_from: int
    approved_to: int
    expires: int
    expiries: TimeOrder | None
    scope: Scope | None
    bounds: Bounds | None
    policy: KindPolicy
    opens: int
    closes: int


class Verdict(NamedTuple):
    """A rule that holds, how severe that is, and what it asks for."""

    rule: str
    severity: Severity
    ask: RevocationRequest


class Moment(NamedTuple):
    """A rule judged at a later time that holds. `parts` are the grants it is about, each a piece of evidence."""

    verdict: Verdict
    time: int
    parts: tuple[int, ...] = (0,)


def expiry_at(terms: Terms, time: int) -> int:
    """When the credential expires by the last issue or renewal at or before `time`; of several the latest."""
    if terms.expiries is None:
        return terms.expires if time >= terms.issued else NEVER
    item = terms.expiries.at_most(time)
    return NEVER if item is None else int(item[1])


def live_at(terms: Terms, time: int) -> bool:
    """Whether it was issued by then (give or take the skew), not revoked and not expired."""
    return terms.issued - terms.policy.skew <= time < terms.revoked and time <= expiry_at(terms, time)


def ask_at(terms: Terms, time: int, *, used: bool) -> RevocationRequest:
    """What evidence that asks, asks for; `used` says that it is a successful use."""
    if time < terms.revoked:
        return (
            RevocationRequest.PLAIN if used or time <= expiry_at(terms, time) else RevocationRequest.NOTHING
        )
    return (
        RevocationRequest.ESCALATED
        if used and time > terms.revoked + terms.policy.skew
        else RevocationRequest.NOTHING
    )


def judge_use(terms: Terms, use: CredentialUsed, *, foreign: bool) -> Sequence[Verdict]:
    """The verdicts on one use. `foreign` says that it names a task that is not T nor descends from it.

    The first of termination, revocation and window that holds is taken, and if that rule is disabled none is:
    switching a rule off does not turn its evidence into another's.
    """
    time = use.time
    rule = None
    if not terms.opens <= time <= terms.closes or time > expiry_at(terms, time) + terms.policy.skew:
        rule = _misplaced(terms, time)
    beyond = terms.scope is not None and not covering(terms.scope, use.action, use.resource)
    elsewhere = foreign or (terms.bounds is not None and outside(terms.bounds, use.workload, use.source_ip))
    if rule is None and not beyond and not elsewhere:
        return ()
    denied = use.outcome == DENIED
    ask = ask_at(terms, time, used=not denied)
    held = (rule, USE_OUTSIDE_SCOPE if beyond else None, USE_BY_OTHER_WORKLOAD if elsewhere else None)
    verdicts = []
    for name in held:
        if name is not None and (policy := terms.policy.rules[name]).enabled:
            asks = policy.revoke and not (denied and name == USE_OUTSIDE_WINDOW)
            verdicts.append(
                Verdict(name, weigh(policy, lighter=denied), ask if asks else RevocationRequest.NOTHING)
            )
    return verdicts


def _misplaced(terms: Terms, time: int) -> str:
    skew = terms.policy.skew
    if time > terms.end + skew:
        return USE_AFTER_TERMINATION
    if time > terms.revoked + skew:
        return USE_AFTER_REVOCATION
    return USE_OUTSIDE_WINDOW


def weigh(policy: RulePolicy, *, lighter: bool) -> Severity:
    """The severity of a rule's evidence; `lighter` of a denied use, or a leak of what was no longer live."""
    if lighter and policy.denied is not None:
        return policy.denied
    return policy.severity if policy.severity is not None else Severity.MEDIUM


def judge_leak(terms: Terms, leak: Leak) -> Sequence[Verdict]:
    """The verdict on a leak of a secret that is this credential's."""
    policy = terms.policy.rules[LEAKED_CREDENTIAL]
    if not policy.enabled:
        return ()
    live = live_at(terms, leak.time)
    ask = RevocationRequest.PLAIN if live and policy.revoke else RevocationRequest.NOTHING
    return (Verdict(LEAKED_CREDENTIAL, weigh(policy, lighter=not live), ask),)


def judge_secret(policy: Policy, leak: Leak) -> Sequence[Verdict]:
    """The verdict on a leak of a secret that is no registered credential's."""
    rule = policy.rules[LEAKED_SECRET]
    if not rule.enabled or leak.pattern is None or leak.allowed:
        return ()
    own = Severity.MEDIUM if leak.severity is None else Severity(leak.severity)
    return (
        Verdict(LEAKED_SECRET, own if rule.severity is None else rule.severity, RevocationRequest.NOTHING),
    )


def deadline_of(start: TaskStarted | None, policy: KindPolicy) -> int:
    """When a task should have ended: as it states, else by the configuration's `max_task_age`, else NEVER."""
    if start is None:
        return NEVER
    if start.deadline is not None:
        return start.deadline
    return NEVER if policy.max_task_age is None else start.time + policy.max_task_age


def overlong(event: CredentialIssued | CredentialRenewed, deadline: int) -> bool:
    """Whether an issue or renewal lets a credential live for ever, or well beyond its task's deadline."""
    return event.expires_at is None or event.expires_at > deadline + OVERLONG_GRACE


def judge_lifetime(
    terms: Terms, event: CredentialIssued | CredentialRenewed, deadline: int
) -> Sequence[Verdict]:
    """The verdict on how long an issue or renewal lets the credential live."""
    policy = terms.policy.rules[OVERLONG_CREDENTIAL]
    if not policy.enabled or not overlong(event, deadline):
        return ()
    ask = ask_at(terms, event.time, used=False) if policy.revoke else RevocationRequest.NOTHING
    return (Verdict(OVERLONG_CREDENTIAL, weigh(policy, lighter=False), ask),)


def judge_end(terms: Terms, covered: Sequence[int], until: int) -> list[Moment]:
    """What holds at e, if that is at or before `until`.

    `covered` has for each grant the time of the earliest successful use that it covered, NEVER if none.
    """
    if terms.end == NEVER:
        return []
    time = max(terms.end, terms.issued) + terms.policy.grace_period
    if time > until:
        return []
    moments = []
    rule = terms.policy.rules[OUTLIVES_TASK]
    if rule.enabled and time < terms.revoked and time <= expiry_at(terms, time):
        ask = RevocationRequest.PLAIN if rule.revoke else RevocationRequest.NOTHING
        moments.append(Moment(Verdict(OUTLIVES_TASK, weigh(rule, lighter=False), ask), time))
    rule = terms.policy.rules[UNUSED_GRANT]
    unused = tuple(i for i, first in enumerate(covered) if first > terms.end + terms.policy.skew)
    if rule.enabled and unused:
        ask = ask_at(terms, time, used=False) if rule.revoke else RevocationRequest.NOTHING
        moments.append(Moment(Verdict(UNUSED_GRANT, weigh(rule, lighter=False), ask), time, unused))
    return moments


def judge_deadline(start: TaskStarted | None, end: int, policy: KindPolicy, until: int) -> Moment | None:
    """Whether a task had no end at its deadline and the grace period, if that is at or before `until`."""
    rule = policy.rules[OVERDUE_TASK]
    time = deadline_of(start, policy) + policy.grace_period
    if not rule.enabled or time > until or end <= time:
        return None
    return Moment(Verdict(OVERDUE_TASK, weigh(rule, lighter=False), RevocationRequest.NOTHING), time)
