"""The rails: what they let through, hold and refuse; no order of commands gets past a limit or a denial."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.configuration.revoke_settings import (
    ApprovalRule,
    Approver,
    Limits,
    QuietHours,
    RevokeSettings,
    Scope,
    SecretFile,
)
from detector.revoke.rails import Act, Go, Held, History, Proposal, Refused, decide, urgency
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import Plan, Step
from detector.values.approvals import Approval
from detector.values.events import Identifier
from detector.values.findings import Severity
from detector.values.secrets import DeploymentKey
from detector.values.times import DAY, HOUR, MINUTE, SECOND, parse_rfc3339

NOW = parse_rfc3339("2026-11-03T12:00:00Z")
REVERSIBLE = Plan((Step("disable it", reversible=True),), "", 1.0)
PLAN = Plan((Step("disable it", reversible=True), Step("delete it", delay=60.0)), "", 1.0)
PEOPLE = ("alice", "bob", "carol")
ACTING = RevokeSettings(
    given=True,
    mode="act",
    approvers=tuple(Approver(name, SecretFile(name, "")) for name in PEOPLE),
)


def acting(**changes: Any) -> RevokeSettings:
    return msgspec.structs.replace(ACTING, **changes)


def command(number: int = 0, **fields: Any) -> RevocationCommand:
    made = {"credential_id": f"c-{number}", "task_ids": (f"t-{number}",), "time": NOW, **fields}
    return RevocationCommand(id=f"command-{number}", **made)


def proposal(target: str = "vault", plan: Plan = PLAN, **fields: Any) -> Proposal:
    return Proposal(command(**fields), target, plan)


def said(name: str, verdict: Any = "approve", *, number: int = 0, ago: int = 0) -> Approval:
    return Approval(f"command-{number}", name, verdict, NOW - ago)


def test_without_a_table_nothing_goes() -> None:
    held = decide(proposal(), History(), RevokeSettings(), NOW)
    assert isinstance(held, Held)
    assert (held.rail, held.until) == ("plan", None)


def test_what_no_rail_concerns_goes() -> None:
    assert decide(proposal(), History(), ACTING, NOW) == Go()


SCOPES = st.sampled_from(
    [None, (), ("*",), ("vault",), ("db",), ("t-0",), ("ann",), ("nothing",), ("v*", "d*"), ("",)]
)
SCOPE = st.builds(Scope, targets=SCOPES, kinds=SCOPES, tasks=SCOPES, owners=SCOPES)
PROPOSALS = st.builds(
    proposal,
    target=st.sampled_from(["vault", "db"]),
    kind=st.sampled_from(["", "db", "vault"]),
    task_ids=st.sampled_from([(), ("t-0",), ("t-0", "vault")]),
    owner=st.sampled_from(["", "ann", "db"]),
    severity=st.sampled_from(Severity),
    time=st.integers(NOW - 3 * DAY, NOW),
)
APPROVALS = st.lists(
    st.builds(
        said,
        st.sampled_from([*PEOPLE, "mallory"]),
        st.sampled_from(["approve", "deny"]),
        ago=st.integers(-DAY, 2 * DAY),
    ),
    max_size=5,
)


@given(PROPOSALS, SCOPE, SCOPE, APPROVALS, st.sampled_from(["plan", "act"]))
def test_what_is_denied_never_goes_whatever_is_allowed_and_approved(
    made: Proposal, allow: Scope, deny: Scope, approvals: list[Approval], mode: Any
) -> None:
    settings = acting(allow=allow, deny=deny, mode=mode)
    lists = (deny.targets, deny.kinds, deny.tasks, deny.owners)
    values = ((made.target,), (made.command.kind,), made.command.task_ids, (made.command.owner,))
    literal = {"vault", "db", "t-0", "ann", "nothing", ""}
    hit = any(
        globs is not None
        and any(
            "*" in globs or value in (set(globs) & literal) or ("v*" in globs and value[:1] in {"v", "d"})
            for value in has
        )
        for globs, has in zip(lists, values, strict=True)
    )
    decision = decide(made, History(), settings, NOW, approvals)
    if hit:
        assert isinstance(decision, Refused)
        assert decision.rail == "deny"
    elif isinstance(decision, Refused):
        assert decision.rail in {"allow", "denied"}


@given(PROPOSALS, SCOPE, SCOPE, APPROVALS)
def test_plan_never_acts(made: Proposal, allow: Scope, deny: Scope, approvals: list[Approval]) -> None:
    settings = acting(mode="plan", allow=allow, deny=deny)
    assert not isinstance(decide(made, History(), settings, NOW, approvals), Go)


@pytest.mark.parametrize(
    ("allow", "fields", "goes"),
    [
        (Scope(kinds=("db-*",)), {"kind": "db-login"}, True),
        (Scope(kinds=("db-*",)), {"kind": "cloud"}, False),
        (Scope(kinds=("db-*",)), {}, False),  # a kind that is not known is not allowed
        (Scope(kinds=("db-*",), owners=("ann",)), {"kind": "db-login", "owner": "bob"}, False),
        (Scope(tasks=("t-*",)), {"task_ids": ("t-1", "t-2")}, True),
        (Scope(tasks=("t-*",)), {"task_ids": ("t-1", "x")}, False),  # it may be the other one's
        (Scope(tasks=("*",)), {"task_ids": ()}, False),
        (Scope(targets=()), {}, False),
        (Scope(targets=("vault",)), {}, True),
    ],
)
def test_what_is_allowed(allow: Scope, fields: dict[str, Any], goes: bool) -> None:  # noqa: FBT001 - a parameter of the test
    decision = decide(proposal(**fields), History(), acting(allow=allow), NOW)
    assert isinstance(decision, Go if goes else Refused)


@pytest.mark.parametrize(
    "fields",
    [
        {"credential_id": "root"},
        {"credential_id": "ROOT"},  # ids of Entra ID mean the same in either case
        {"identifiers": (Identifier("aws-access-key-id", "root"),)},
        {"revocation": {"provider": "aws", "user": "root"}},
        {"revocation": {"provider": "aws", "more": [{"deep": ["x", "root"]}]}},
        {"revocation": {"provider": "aws", "account": 4711}},
        {"revocation": {"n": [str(n) for n in range(2000)]}},  # whoever wants to hide a name behind others
        {"revocation": {"n": [*map(str, range(2000)), "root"]}},
    ],
)
def test_what_is_never_revoked(fields: dict[str, Any]) -> None:
    approvals = [said(name) for name in PEOPLE]
    decision = decide(proposal(**fields), History(), acting(never=("root", "47*")), NOW, approvals)
    assert isinstance(decision, Refused)
    assert decision.rail == "never"
    assert "root" not in decision.reason


def test_to_ask_for_another_try_is_neither_an_approval_nor_a_denial() -> None:
    rules = (ApprovalRule(1, Scope(kinds=("db",))),)
    asked = [said("alice", "retry")]
    assert isinstance(decide(proposal(kind="db"), History(), acting(approvals=rules), NOW, asked), Held)
    assert decide(proposal(), History(), ACTING, NOW, asked) == Go()
    held = decide(proposal(), History(), acting(mode="plan"), NOW, asked)
    assert isinstance(held, Held)
    assert held.approved_by == ()


TWO = ApprovalRule(2, Scope(kinds=("db",)))


@pytest.mark.parametrize(
    ("approvals", "by"),
    [
        ([], None),
        ([said("alice")], None),
        ([said("alice"), said("alice")], None),  # the same person twice is one
        ([said("alice"), said("mallory")], None),  # nobody of the configuration
        ([said("alice"), said("bob", number=1)], None),  # of another command
        ([said("alice"), said("bob", ago=DAY + SECOND)], None),  # too old
        ([said("alice"), said("bob")], ("alice", "bob")),
        ([said("bob", ago=DAY), said("alice"), said("alice")], ("alice", "bob")),
        ([said("carol"), said("bob"), said("alice")], ("alice", "bob", "carol")),
    ],
)
def test_two_people_have_to_approve(approvals: list[Approval], by: tuple[str, ...] | None) -> None:
    decision = decide(proposal(kind="db"), History(), acting(approvals=(TWO,)), NOW, approvals)
    if by is not None:
        assert decision == Go(by)
    else:
        assert isinstance(decision, Held)
        assert (decision.rail, decision.needed, decision.until) == ("approval", 2, None)
        assert decision.approved_by == (("alice",) if approvals else ())


def test_one_denial_is_enough_and_names_who_denied() -> None:
    approvals = [said("alice"), said("bob"), said("carol", "deny")]
    decision = decide(proposal(kind="db"), History(), acting(approvals=(TWO,)), NOW, approvals)
    assert decision == Refused("denied", "denied by carol")
    assert isinstance(decide(proposal(), History(), ACTING, NOW, [said("mallory", "deny")]), Go)


def test_the_highest_number_of_approvals_counts_and_only_what_cannot_be_undone_asks_for_it() -> None:
    rules = (ApprovalRule(1), ApprovalRule(3, irreversible=True))
    last = decide(proposal(), History(), acting(approvals=rules), NOW)
    undone = decide(proposal(plan=REVERSIBLE), History(), acting(approvals=rules), NOW)
    assert isinstance(last, Held)
    assert isinstance(undone, Held)
    assert (last.needed, undone.needed) == (3, 1)


@pytest.mark.parametrize("ago", [-HOUR, 0, 30 * DAY], ids=["clock-ahead", "now", "long-ago"])
def test_a_denial_counts_whatever_the_clock_of_who_denies(ago: int) -> None:
    approvals = [said("alice"), said("bob"), said("carol", "deny", ago=ago)]
    decision = decide(proposal(kind="db"), History(), acting(approvals=(TWO,)), NOW, approvals)
    assert decision == Refused("denied", "denied by carol")


def test_an_approval_of_the_future_says_so_and_counts_later() -> None:
    approvals, settings = [said("alice"), said("bob", ago=-HOUR)], acting(approvals=(TWO,))
    held = decide(proposal(kind="db"), History(), settings, NOW, approvals)
    assert isinstance(held, Held)
    assert "1 so far (alice)" in held.reason
    assert "bob said is of the future" in held.reason
    assert held.until is not None
    assert decide(proposal(kind="db"), History(), settings, held.until, approvals) == Go(("alice", "bob"))


def test_an_old_command_waits_for_a_person() -> None:
    old = proposal(time=NOW - DAY - SECOND)
    held = decide(old, History(), ACTING, NOW)
    assert isinstance(held, Held)
    assert (held.rail, held.needed) == ("age", 1)
    assert decide(old, History(), ACTING, NOW, [said("bob")]) == Go(("bob",))
    assert decide(proposal(time=NOW - DAY), History(), ACTING, NOW) == Go()


@pytest.mark.parametrize("name", ["web", "Web", " web ", "WEB\t", "\u00a0web"])
def test_a_blank_or_a_capital_makes_nobody_else_of_a_name(name: str) -> None:
    """It is the same owner, kind, task and target for denials, for what is allowed, for approvals and for limits."""
    for field, of in (("owner", "owners"), ("kind", "kinds"), ("task_ids", "tasks"), ("target", "targets")):
        fields: dict[str, Any] = {field: (name,) if field == "task_ids" else name}
        made = proposal(**fields)
        for written in ("web", "WEB", "w?b", "Web "):
            scope = Scope(**{of: (written,)})
            refused = decide(made, History(), acting(deny=scope), NOW)
            assert isinstance(refused, Refused), (field, written)
            assert decide(made, History(), acting(allow=scope), NOW) == Go()
            held = decide(made, History(), acting(approvals=(ApprovalRule(1, scope),)), NOW)
            assert isinstance(held, Held), (field, written)
    never = decide(proposal(revocation={"role": name}), History(), acting(never=("Web",)), NOW)
    assert isinstance(never, Refused)
    for limits, act in (
        (Limits(per_owner=1), Act(NOW - SECOND, "vault", name)),
        (Limits(per_target=1), Act(NOW - SECOND, name, "ann")),
    ):
        history = History([act])
        same = proposal("wEb" if limits.per_target == 1 else "db", owner="wEb")
        assert isinstance(decide(same, history, acting(limits=limits), NOW), Held)
        history.take_back(Act(act.time, act.target.upper(), f"{act.owner} "))
        assert decide(same, history, acting(limits=limits), NOW) == Go()


KEYED = acting(command_keys=(DeploymentKey.of(bytes(16)).for_commands(),))


def test_what_was_taken_without_a_signature_waits_for_a_person() -> None:
    """Such as before an upgrade. What is unsigned and comes later is not taken at all."""
    held = decide(proposal(), History(), KEYED, NOW)
    assert isinstance(held, Held)
    assert (held.rail, held.needed, held.until) == ("signature", 1, None)
    assert decide(proposal(), History(), KEYED, NOW, [said("bob")]) == Go(("bob",))
    assert decide(proposal(signed=True), History(), KEYED, NOW) == Go()
    allowing = msgspec.structs.replace(KEYED, allow_unsigned=True)
    assert decide(proposal(), History(), allowing, NOW) == Go()
    rule = msgspec.structs.replace(KEYED, approvals=(ApprovalRule(2),))
    two = decide(proposal(), History(), rule, NOW)
    assert isinstance(two, Held)
    assert (two.rail, two.needed) == ("approval", 2)


NIGHT = (QuietHours(11 * 60, 13 * 60, "UTC"),)


def test_quiet_hours_hold_all_but_what_is_critical_or_approved() -> None:
    settings = acting(quiet_hours=NIGHT)
    held = decide(proposal(severity=Severity.HIGH), History(), settings, NOW)
    assert isinstance(held, Held)
    assert (held.rail, held.until, held.pages) == ("quiet-hours", NOW + HOUR, False)
    assert decide(proposal(severity=Severity.CRITICAL), History(), settings, NOW) == Go()
    assert isinstance(decide(proposal(severity=Severity.LOW), History(), settings, NOW, [said("bob")]), Go)
    assert isinstance(decide(proposal(severity=Severity.LOW), History(), settings, NOW + HOUR), Go)


def test_what_is_more_than_a_limit_waits_until_there_is_room_and_pages() -> None:
    settings = acting(limits=Limits(per_minute=2, per_hour=0, per_owner=0, per_target=0))
    history = History([Act(NOW - 59 * SECOND, "vault", ""), Act(NOW - SECOND, "vault", "")])
    held = decide(proposal(), history, settings, NOW, [said(name) for name in PEOPLE])
    assert isinstance(held, Held)
    assert (held.rail, held.pages, held.until) == ("limit", True, NOW + SECOND)
    assert isinstance(decide(proposal(), history, settings, NOW + SECOND - 1), Held)
    assert isinstance(decide(proposal(), history, settings, NOW + SECOND), Go)


LIMITS = st.builds(
    Limits,
    per_minute=st.integers(1, 3),
    per_hour=st.integers(1, 6),
    per_owner=st.integers(1, 4),
    per_target=st.integers(1, 4),
)
# Seconds, clocks that go back among them.
ASKED = st.lists(
    st.tuples(
        st.integers(0, 3 * 3600),
        st.sampled_from(["v", "a"]),
        st.sampled_from(["", "ann", "bob"]),
        st.sampled_from(Severity),
    ),
    max_size=60,
)


@given(ASKED, LIMITS, st.booleans())
def test_no_order_gets_more_than_a_limit_through_within_any_minute_or_hour(
    asked: list[tuple[int, str, str, Severity]],
    limits: Limits,
    ordered: bool,  # noqa: FBT001 - as above
) -> None:
    settings, history, went = acting(limits=limits), History(), list[Act]()
    for second, target, owner, severity in sorted(asked) if ordered else asked:
        now = NOW + second * SECOND
        made = proposal(target, owner=owner, severity=severity, time=now)
        if isinstance(decide(made, history, settings, now), Go):
            went.append(Act(now, target, owner))
            history.add(went[-1])
    for first in went:
        hour = [act for act in went if first.time <= act.time < first.time + HOUR]
        assert len(hour) <= limits.per_hour
        assert sum(act.time < first.time + MINUTE for act in hour) <= limits.per_minute
        assert sum(act.owner == first.owner for act in hour) <= limits.per_owner
        assert sum(act.target == first.target for act in hour) <= limits.per_target


@given(ASKED, LIMITS)
def test_what_a_limit_holds_goes_at_the_time_that_it_names(
    asked: list[tuple[int, str, str, Severity]], limits: Limits
) -> None:
    settings = acting(limits=limits)
    history = History(Act(NOW + second * SECOND, target, owner) for second, target, owner, _ in asked)
    now = NOW + 2 * HOUR
    decision: Any = decide(proposal(owner="ann"), history, settings, now)
    for _ in range(10):
        if isinstance(decision, Go):
            break
        assert decision.until > now
        assert isinstance(decide(proposal(owner="ann"), history, settings, decision.until - 1), Held)
        now = decision.until
        decision = decide(proposal(owner="ann"), history, settings, now)
    assert isinstance(decision, Go)


def test_a_history_forgets_what_no_limit_counts() -> None:
    history = History(Act(NOW + number * SECOND, f"v{number}", "ann") for number in range(20_000))
    assert len(history.since(NOW + 19_999 * SECOND - DAY)) == 20_000
    for number in range(40_000):
        history.add(Act(NOW + 3 * DAY + number, f"v{number}", "bob"))
    assert len(history.since(0)) == 40_000
    assert history.since(0, ("owner", "ann")) == []


def test_a_history_of_many_owners_is_looked_through_a_few_times_only() -> None:
    class Counting(History):
        looked = 0

        def _forget(self, before: int) -> None:
            self.looked += 1
            super()._forget(before)

    history = Counting(Act(NOW + each * SECOND, "v", f"owner-{each}") for each in range(40_000))
    assert 0 < history.looked < 20


def test_the_most_severe_are_decided_first_then_the_escalated_then_the_oldest() -> None:
    commands = [
        command(1, severity=Severity.HIGH, time=NOW - HOUR),
        command(2, severity=Severity.CRITICAL),
        command(3, severity=Severity.CRITICAL, escalated=True),
        command(4, severity=Severity.CRITICAL, time=NOW - SECOND),
        command(5, severity=Severity.HIGH, time=NOW - HOUR),
    ]
    assert [each.id[-1] for each in sorted(commands, key=urgency)] == ["3", "4", "2", "1", "5"]


def test_what_was_found_is_a_name_as_those_of_the_handle() -> None:
    one = msgspec.structs.replace(proposal(), found={"role": "Break_Glass"})
    assert isinstance(decide(one, History(), acting(never=("break_*",)), NOW), Refused)
    assert decide(one, History(), acting(never=("etl_*",)), NOW) == Go()


def test_what_was_said_of_another_plan_approves_nothing() -> None:
    """Not by a clock that was ahead either; a denial stands."""
    rules = acting(approvals=(ApprovalRule(1),))
    one = msgspec.structs.replace(proposal(), since=NOW - SECOND, early=(("bob", NOW + SECOND),))
    before = [said("alice", ago=SECOND), said("bob", ago=-SECOND)]
    held = decide(one, History(), rules, NOW, before)
    assert isinstance(held, Held)
    assert "what alice, bob approved before was about something else" in held.reason
    assert decide(one, History(), rules, NOW, [*before, said("carol")]) == Go(("carol",))
    assert decide(one, History(), rules, NOW, [*before, said("bob", ago=-2 * SECOND)]) == Go(("bob",))
    denied = decide(one, History(), rules, NOW, [said("carol"), said("alice", "deny", ago=MINUTE)])
    assert isinstance(denied, Refused)
