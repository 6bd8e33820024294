"""Each rule alone, at the nanosecond where it begins to hold."""

from typing import Any

import pytest

from detector.judge.accounts import Account, Name, Task
from detector.judge.evidence import RevocationRequest
from detector.judge.policy import Policy, RuleOverride, Tuning, default_rules
from detector.judge.rules.apply import (
    Verdict,
    judge_deadline,
    judge_end,
    judge_leak,
    judge_lifetime,
    judge_secret,
    judge_use,
)
from detector.judge.rules.catalog import RULES
from detector.judge.rules.lifetimes import deadline_of
from detector.judge.terms import NEVER, RulePolicy, Terms, expiry_at, live_at
from detector.values.events import Approval, Binding, CredentialUsed, Grant
from detector.values.findings import Severity
from detector.values.times import MINUTE, SECOND
from tests.scan.cases import at, end, issue, leak, renew, start, use

C, H, M, L = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW
SKEW = 5


def terms(
    *, ended: float | None = None, revoked: float | None = None, policy: Policy | None = None, **issued: Any
) -> Terms:
    """What is known of a credential issued at 0 that expires at 3600."""
    task = Task("t")
    if ended is not None:
        task.end = end(ended)
    account = Account(issue(**issued), task, (policy or Policy()).of(None, None), Name(None, "c"))
    account.revoked = NEVER if revoked is None else at(revoked)
    return account.standing()


def told(
    found: Terms, seconds: float, *, late: int = 0, foreign: bool = False, **fields: Any
) -> list[tuple[str, Severity, RevocationRequest]]:
    """The verdicts on a use at so many seconds and nanoseconds."""
    used = use(seconds, **fields)
    moved = CredentialUsed(
        **{**{f: getattr(used, f) for f in used.__struct_fields__}, "time": used.time + late}
    )
    return [tuple(verdict) for verdict in judge_use(found, moved, foreign=foreign)]  # type: ignore[misc] # a verdict is such a tuple


def test_a_use_within_its_bounds_is_nothing() -> None:
    assert told(terms(ended=100, revoked=110), 50) == []


@pytest.mark.parametrize(
    ("known", "last", "rule", "severity", "denied"),
    [
        ({"ended": 100}, 105, "use-after-termination", C, M),
        ({"revoked": 100}, 105, "use-after-revocation", C, L),
        ({"expires": 100}, 105, "use-outside-window", H, L),
        ({"approval": Approval(None, at(100))}, 105, "use-outside-window", H, L),
    ],
)
def test_too_late_is_later_than_the_skew(
    known: dict[str, Any], last: float, rule: str, severity: Severity, denied: Severity
) -> None:
    found = terms(**known)
    assert told(found, last) == []
    assert [verdict[:2] for verdict in told(found, last, late=1)] == [(rule, severity)]
    assert [verdict[:2] for verdict in told(found, last, late=1, outcome="denied")] == [(rule, denied)]


@pytest.mark.parametrize(
    "known", [{}, {"not_before": 0}, {"seconds": -50, "approval": Approval(at(0), None)}]
)
def test_too_early_is_earlier_than_the_skew(known: dict[str, Any]) -> None:
    found = terms(**known)
    assert told(found, -SKEW) == []
    assert told(found, -SKEW, late=-1) == [("use-outside-window", H, RevocationRequest.PLAIN)]


def test_an_issue_ahead_of_its_start_is_judged_by_the_start() -> None:
    assert told(terms(not_before=-60), -50) == []
    assert told(terms(not_before=60), 50)[0][0] == "use-outside-window"


def test_of_termination_revocation_and_window_only_the_first_counts() -> None:
    every = terms(ended=100, revoked=200, expires=300)
    assert [rule for rule, *_ in told(every, 400)] == ["use-after-termination"]
    assert [rule for rule, *_ in told(terms(revoked=200, expires=100), 400)] == ["use-after-revocation"]


def test_a_disabled_rule_hands_its_evidence_to_no_other() -> None:
    policy = Policy(rules={**default_rules(), "use-after-termination": RulePolicy(enabled=False, severity=C)})
    assert told(terms(ended=100, revoked=100, policy=policy), 400) == []


def test_a_use_that_no_grant_covers() -> None:
    found = terms(grants=(Grant(("read",), ("a/*",)), Grant(("write",), ("b",))))
    assert told(found, 1, action="read", resource="a/1") == []
    assert told(found, 1, action="write") == []
    assert told(found, 1) == []
    assert told(found, 1, action="write", resource="a/1") == [
        ("use-outside-scope", H, RevocationRequest.NOTHING)
    ]
    assert told(found, 1, action="write", resource="a/1", outcome="denied") == [
        ("use-outside-scope", M, RevocationRequest.NOTHING)
    ]
    assert told(terms(grants=()), 1) == [("use-outside-scope", H, RevocationRequest.NOTHING)]
    assert told(terms(grants=None), 1, action="anything") == []


def test_a_use_by_another() -> None:
    found = terms(bound_to=Binding(("runner-*",), ("10.0.0.0/8",)))
    assert told(found, 1, workload="runner-1", source_ip="10.0.0.1") == []
    assert told(found, 1, source_ip="service.internal") == []
    other = [("use-by-other-workload", C, RevocationRequest.PLAIN)]
    assert told(found, 1, workload="laptop") == other
    assert told(found, 1, source_ip="192.0.2.1") == other
    assert told(found, 1, foreign=True) == other
    assert told(found, 1, foreign=True, outcome="denied") == [
        ("use-by-other-workload", M, RevocationRequest.PLAIN)
    ]


def test_rules_that_are_independent_hold_together() -> None:
    found = terms(ended=10, grants=(), bound_to=Binding(("runner",), None))
    assert [rule for rule, *_ in told(found, 100, workload="laptop")] == [
        "use-after-termination",
        "use-outside-scope",
        "use-by-other-workload",
    ]


def test_what_a_use_asks_for() -> None:
    """Plain until the revocation; expired and denied asks nothing; after the revocation only success escalates."""

    def asks(found: Terms, seconds: float, **fields: Any) -> RevocationRequest:
        return told(found, seconds, foreign=True, **fields)[-1][2]

    found = terms(expires=100, revoked=200)
    assert asks(found, 100, outcome="denied") == RevocationRequest.PLAIN
    assert asks(found, 101, outcome="denied") == RevocationRequest.NOTHING
    assert asks(found, 199) == RevocationRequest.PLAIN
    assert asks(found, 200) == RevocationRequest.NOTHING
    assert asks(found, 205) == RevocationRequest.NOTHING
    assert asks(found, 206) == RevocationRequest.ESCALATED
    assert asks(found, 206, outcome="denied") == RevocationRequest.NOTHING


def test_outside_the_window_a_denied_use_asks_for_nothing() -> None:
    found = terms(approval=Approval(None, at(10)))
    assert told(found, 20) == [("use-outside-window", H, RevocationRequest.PLAIN)]
    assert told(found, 20, outcome="denied") == [("use-outside-window", L, RevocationRequest.NOTHING)]


def test_a_leak_weighs_by_whether_the_credential_was_live() -> None:
    found = terms(expires=100, revoked=200)
    live = (Verdict("leaked-credential", C, RevocationRequest.PLAIN),)
    dead = (Verdict("leaked-credential", L, RevocationRequest.NOTHING),)
    assert judge_leak(found, leak(0)) == live
    assert judge_leak(found, leak(100)) == live
    assert judge_leak(found, leak(101)) == dead
    assert live_at(terms(revoked=50), at(49))
    assert not live_at(terms(revoked=50), at(50))


def test_a_leak_dated_before_the_issue_is_judged_as_at_the_issue() -> None:
    live = (Verdict("leaked-credential", C, RevocationRequest.PLAIN),)
    dead = (Verdict("leaked-credential", L, RevocationRequest.NOTHING),)
    for early in (-SKEW, -SKEW - 1, -800_000_000):  # the last is in 2001
        assert judge_leak(terms(expires=100), leak(early)) == live
        assert judge_leak(terms(revoked=1), leak(early)) == live
        assert judge_leak(terms(revoked=0), leak(early)) == dead
        assert judge_leak(terms(expires=-1), leak(early)) == dead


def test_a_secret_nobody_registered_weighs_as_its_pattern_says() -> None:
    assert [verdict.severity for verdict in judge_secret(Policy(), leak(0))] == [H]
    assert judge_secret(Policy(), leak(0, pattern=None, severity=None)) == ()
    policy = Policy(rules={**default_rules(), "leaked-secret": RulePolicy(severity=L)})
    assert [verdict.severity for verdict in judge_secret(policy, leak(0))] == [L]


def test_expiry_is_by_the_last_issue_or_renewal_and_of_several_the_latest() -> None:
    account = Account(issue(0, expires=100), Task("t"), Policy().of(None, None), Name(None, "c"))
    for event in (renew(50, 60), renew(50, 200), renew(70, 80)):
        account.timeline().put((event.time, event.expires_at, event.source, event.id, event))
    found = account.standing()
    assert [expiry_at(found, at(seconds)) for seconds in (-1, 0, 49, 50, 69, 70, 999)] == [
        NEVER,
        at(100),
        at(100),
        at(200),
        at(200),
        at(80),
        at(80),
    ]


def test_a_lifetime_is_too_long_beyond_the_deadline_and_five_minutes() -> None:
    found, deadline = terms(), at(1000)
    assert not judge_lifetime(found, issue(expires=1300), deadline)
    assert judge_lifetime(found, issue(expires=1300.000000001), deadline)
    assert judge_lifetime(found, renew(5, 1301), deadline) == (
        Verdict("overlong-credential", M, RevocationRequest.NOTHING),
    )
    assert judge_lifetime(found, issue(expires=None), NEVER)
    assert not judge_lifetime(found, renew(5, 10**9), NEVER)


def test_a_deadline_is_stated_or_follows_from_the_configuration() -> None:
    aged = Policy(max_task_age=10 * SECOND).resolve(None, None)
    assert deadline_of(None, aged) == NEVER
    assert deadline_of(start(5), aged) == at(15)
    assert deadline_of(start(5, deadline=99), aged) == at(99)
    assert deadline_of(start(5), Policy().resolve(None, None)) == NEVER


def test_at_e_a_credential_that_lives_on_and_grants_that_nobody_needed() -> None:
    found = terms(ended=100, grants=(Grant(("a",)), Grant(("b",)), Grant(("c",))))
    covered = [at(105), at(105) + 1, NEVER]
    assert judge_end(found, covered, at(160) - 1) == []
    outlives, unused = judge_end(found, covered, at(160))
    assert outlives == (Verdict("outlives-task", H, RevocationRequest.PLAIN), at(160), (0,))
    assert unused == (Verdict("unused-grant", L, RevocationRequest.NOTHING), at(160), (1, 2))


@pytest.mark.parametrize(
    ("known", "lives"),
    [
        ({"revoked": 160}, False),
        ({"revoked": 161}, True),
        ({"expires": 159}, False),
        ({"expires": 160}, True),
    ],
)
def test_at_e_means_at_that_very_time(known: dict[str, Any], lives: bool) -> None:  # noqa: FBT001 - a parameter of the case
    assert bool(judge_end(terms(ended=100, **known), [], NEVER)) == lives


def test_a_credential_issued_after_the_end_is_judged_from_its_issue() -> None:
    assert [moment.time for moment in judge_end(terms(ended=-500, seconds=0), [], NEVER)] == [at(60)]
    assert judge_end(terms(), [NEVER], NEVER - 1) == []


def test_a_task_is_overdue_without_an_end_by_its_deadline_and_the_grace_period() -> None:
    policy = Policy().resolve(None, None)
    begun = start(0, deadline=100)
    assert judge_deadline(begun, at(160), policy, NEVER) is None
    assert judge_deadline(begun, at(160) + 1, policy, NEVER) == (
        Verdict("overdue-task", M, RevocationRequest.NOTHING),
        at(160),
        (0,),
    )
    assert judge_deadline(begun, NEVER, policy, at(160) - 1) is None
    assert judge_deadline(None, NEVER, policy, NEVER - 1) is None


def test_severity_revocation_and_durations_are_the_configurations_by_kind() -> None:
    rules = {"use-after-termination": RuleOverride(severity=M, revoke=False)}
    policy = Policy(kinds={"cloud": Tuning(skew=MINUTE, rules=rules)})
    task = Task("t")
    task.end = end(100)
    account = Account(issue(kind="cloud"), task, policy.of("cloud", None), Name(None, "c"))
    assert told(account.standing(), 160) == []
    assert told(account.standing(), 161) == [("use-after-termination", M, RevocationRequest.NOTHING)]


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.startswith("use-")])
def test_a_disabled_rule_says_nothing(rule: str) -> None:
    policy = Policy(rules={**default_rules(), rule: RulePolicy(enabled=False, severity=C)})
    found = terms(ended=10, grants=(), policy=policy)
    assert rule not in {verdict[0] for verdict in told(found, 100, foreign=True)}
    assert told(found, 100, foreign=True)
