"""Applies the rules: what is known of a credential and one event in, verdicts out."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from detector.judge.evidence import RevocationRequest
from detector.judge.policy import Policy
from detector.judge.rules.catalog import RULES
from detector.judge.rules.leaks import SECRET
from detector.judge.rules.lifetimes import OVERDUE, UNCONFIRMED
from detector.judge.rules.rule import Rule, UseTest
from detector.judge.rules.scans import LIMITED
from detector.judge.terms import NEVER, KindPolicy, Terms, expiry_at, live_at, request_at, shown_at
from detector.values.events import (
    DENIED,
    CredentialIssued,
    CredentialRenewed,
    CredentialUsed,
    Leak,
    LimitedRecord,
    TaskStarted,
)
from detector.values.findings import Severity


class Verdict(NamedTuple):
    """A rule that holds, the severity of this piece of evidence, and the revocation that it requests."""

    rule: str
    severity: Severity
    request: RevocationRequest


class Moment(NamedTuple):
    """A rule that holds at a later time. `parts` are the numbers of the grants concerned, each a piece of evidence."""

    verdict: Verdict
    time: int
    parts: tuple[int, ...] = (0,)


def judge_use(terms: Terms, use: CredentialUsed, *, foreign: bool) -> tuple[Verdict, ...]:
    """The verdicts on one use. `foreign`: it names a task that is neither the credential's nor a descendant of it.

    The first rule of `RULES.out_of_time` that holds takes the use. If that rule is disabled, no other takes it:
    switching a rule off must not turn its evidence into another rule's.
    """
    time = use.time
    in_time = terms.opens <= time <= terms.closes and terms.expiries is None and time <= terms.expires
    if in_time or not _out_of_time(terms, time):
        for holds in RULES.use_tests:  # most uses break no rule, so this must be quick
            if holds(terms, use, foreign):
                return _verdicts(terms, use, _held(terms, use, foreign, holds))
        return ()
    return _verdicts(terms, use, _misplaced(terms, use, foreign) + _held(terms, use, foreign, None))


def _misplaced(terms: Terms, use: CredentialUsed, foreign: bool) -> list[Rule]:
    """The first rule of `RULES.out_of_time` that holds."""
    for rule, holds in RULES.out_of_time:
        if holds(terms, use, foreign):
            return [rule]
    return []


def _held(terms: Terms, use: CredentialUsed, foreign: bool, known: UseTest | None) -> list[Rule]:
    """The rules of `RULES.uses` that hold.

    `known` is the first of their tests known to hold, None if none was asked.
    """
    held = []
    for rule, holds in RULES.uses:
        if holds is known:
            held.append(rule)
            known = None
        elif known is None and holds(terms, use, foreign):
            held.append(rule)
    return held


def _verdicts(terms: Terms, use: CredentialUsed, rules: Iterable[Rule]) -> tuple[Verdict, ...]:
    denied = use.outcome == DENIED
    request = request_at(terms, use.time, used=not denied)
    verdicts = []
    for rule in rules:
        policy = terms.policy.rules[rule.id]
        if policy.enabled:
            revokes = policy.revoke and (rule.revokes_denied or not denied)
            wanted = request if revokes else RevocationRequest.NOTHING
            verdicts.append(Verdict(rule.id, policy.weigh(lighter=denied), wanted))
    return tuple(verdicts)


def _out_of_time(terms: Terms, time: int) -> bool:
    if not terms.opens <= time <= terms.closes:
        return True
    return time > expiry_at(terms, time) + terms.policy.skew


def judge_leak(terms: Terms, leak: Leak) -> tuple[Verdict, ...]:
    """The verdicts on a leak of this credential's secret."""
    verdicts = []
    for rule, holds in RULES.leaks:
        policy = terms.policy.rules[rule.id]
        if policy.enabled and holds(terms, leak):
            live = live_at(terms, shown_at(terms, leak.time))
            request = RevocationRequest.PLAIN if live and policy.revoke else RevocationRequest.NOTHING
            verdicts.append(Verdict(rule.id, policy.weigh(lighter=not live), request))
    return tuple(verdicts)


def judge_secret(policy: Policy, leak: Leak) -> tuple[Verdict, ...]:
    """The verdict on a leak of a secret that nobody registered."""
    rule = policy.rules[SECRET.id]
    if not rule.enabled or SECRET.secret is None or not SECRET.secret(leak):
        return ()
    own = Severity.MEDIUM if leak.severity is None else Severity(leak.severity)
    return (Verdict(SECRET.id, own if rule.severity is None else rule.severity, RevocationRequest.NOTHING),)


def judge_limited(policy: Policy, record: LimitedRecord) -> tuple[Verdict, ...]:
    """The verdict on a log record that could not be examined whole."""
    rule = policy.rules[LIMITED.id]
    if not rule.enabled or LIMITED.limited is None or not LIMITED.limited(record):
        return ()
    return (Verdict(LIMITED.id, rule.weigh(lighter=False), RevocationRequest.NOTHING),)


def overlong(event: CredentialIssued | CredentialRenewed, deadline: int) -> bool:
    """Whether some rule has something to say about how long an issue or renewal lets the credential live."""
    for _, holds in RULES.lifetimes:  # noqa: SIM110 - twice as fast as `any`, and asked of every issue and renewal
        if holds(event, deadline):
            return True
    return False


def judge_lifetime(
    terms: Terms, event: CredentialIssued | CredentialRenewed, deadline: int
) -> tuple[Verdict, ...]:
    """The verdicts on how long an issue or renewal lets the credential live."""
    verdicts = []
    for rule, holds in RULES.lifetimes:
        policy = terms.policy.rules[rule.id]
        if policy.enabled and holds(event, deadline):
            request = (
                request_at(terms, event.time, used=False) if policy.revoke else RevocationRequest.NOTHING
            )
            verdicts.append(Verdict(rule.id, policy.weigh(lighter=False), request))
    return tuple(verdicts)


def judge_end(terms: Terms, covered: Sequence[int], until: int) -> list[Moment]:
    """What holds once the task has ended and the grace period is over, if that is at or before `until`.

    `covered` has for each grant the time of the earliest successful use that it covered, NEVER if none.
    """
    if terms.end == NEVER:
        return []
    time = max(terms.end, terms.issued) + terms.policy.grace_period
    if time > until:
        return []
    moments = []
    for rule, holds in RULES.ends:
        policy = terms.policy.rules[rule.id]
        parts = holds(terms, covered, time) if policy.enabled else ()
        if parts:
            request = request_at(terms, time, used=False) if policy.revoke else RevocationRequest.NOTHING
            moments.append(Moment(Verdict(rule.id, policy.weigh(lighter=False), request), time, parts))
    return moments


def judge_deadline(start: TaskStarted | None, end: int, policy: KindPolicy, until: int) -> Moment | None:
    """Whether a task had no end at its deadline and the grace period after it, if that is at or before `until`."""
    rule = policy.rules[OVERDUE.id]
    time = OVERDUE.deadline(start, end, policy) if OVERDUE.deadline is not None else None
    if not rule.enabled or time is None or time > until:
        return None
    return Moment(Verdict(OVERDUE.id, rule.weigh(lighter=False), RevocationRequest.NOTHING), time)


def judge_commands(terms: Terms, times: Sequence[int]) -> list[int]:
    """Of the times at which a revocation should have been seen, those at which the credential still worked."""
    if not terms.policy.rules[UNCONFIRMED.id].enabled or UNCONFIRMED.unconfirmed is None:
        return []
    return UNCONFIRMED.unconfirmed(terms, times)
