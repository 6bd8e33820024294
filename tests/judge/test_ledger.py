"""The ledger: late and repeated events, names that change hands, commands, acceptance, sealing."""

import itertools
import random

import msgspec
import pytest

from detector.judge.ledger import Ledger
from detector.judge.policy import Accept, Policy, Tuning, default_rules
from detector.judge.terms import RulePolicy
from detector.values.events import AnyEvent, Binding, CredentialEvent, CredentialUsed, Grant, Leak
from detector.values.findings import Severity, finding_uid
from detector.values.times import SECOND
from tests.scan.cases import (
    EVER,
    asked,
    at,
    end,
    found,
    issue,
    leak,
    ledger_of,
    name,
    renew,
    revoke,
    rules,
    start,
    use,
)

UAT, UAR, UOW = "use-after-termination", "use-after-revocation", "use-outside-window"


def test_nothing_gives_nothing() -> None:
    ledger = Ledger(Policy())
    assert ledger.latest is None
    assert ledger.findings(EVER) == []
    assert ledger.commands(EVER) == []
    assert not ledger.unresolved


def test_an_incident_told_in_order() -> None:
    """A job prints its token, ends, and the token is used two hours later from elsewhere."""
    bound = Binding(None, ("10.0.0.0/8",))
    ledger = ledger_of(
        start(0, owner="release", workload="signer"),
        issue(1, expires=10_000, bound_to=bound),
        leak(30, "c-accessor"),
        end(60),
        use(7200, source_ip="203.0.113.9", outcome="success"),
    )
    findings = found(ledger)
    assert {rule for rule, _ in findings} == {
        "leaked-credential",
        "outlives-task",
        UAT,
        "use-by-other-workload",
    }
    late = findings[UAT, "c"]
    assert (late.count, late.first_seen, late.last_seen, late.severity) == (
        1,
        at(7200),
        at(7200),
        Severity.CRITICAL,
    )
    assert late.evidences[0].detail == "1 h 59 min after the task ended"
    assert late.task is not None
    assert (late.task.owner, late.task.workload, late.task.ended) == ("release", "signer", at(60))
    assert asked(ledger) == [("c", False, 30, ("leaked-credential",))]


def test_every_order_of_an_incident_gives_the_same() -> None:
    events = (
        start(0),
        issue(0, expires=100),
        renew(90, 200),
        use(150),
        end(140),
        revoke(160),
        leak(155, "c-accessor"),
    )
    expected = ledger_of(*events)
    told = expected.findings(EVER), expected.commands(EVER)
    for order in itertools.permutations(events):
        ledger = ledger_of(*order, *random.Random(1).sample(order, 3))
        assert (ledger.findings(EVER), ledger.commands(EVER)) == told


def test_at_any_moment_it_is_the_findings_of_what_was_applied() -> None:
    ledger = ledger_of(issue(0), use(100))
    assert rules(ledger) == set()
    ledger.apply(end(50))
    assert rules(ledger) == {UAT, "outlives-task"}
    ledger.apply(end(20, outcome="failed"))
    assert found(ledger)[UAT, "c"].evidences[0].detail == "1 min 20 s after the task ended"
    task = found(ledger)[UAT, "c"].task
    assert task is not None
    assert task.outcome == "failed"


def test_a_late_renewal_undoes_what_it_explains() -> None:
    ledger = ledger_of(issue(0, expires=100), use(150))
    assert rules(ledger) == {UOW}
    ledger.apply(renew(90, 200))
    assert rules(ledger) == set()
    ledger.apply(renew(120, 130))
    assert rules(ledger) == {UOW}
    assert found(ledger)[UOW, "c"].evidences[0].detail == "20 s after it expired"


def test_an_earlier_issue_governs_all_but_the_expiry() -> None:
    ledger = ledger_of(issue(100, expires=5000, grants=()), use(50), use(110))
    assert found(ledger)["use-outside-scope", "c"].count == 2
    assert found(ledger)[UOW, "c"].count == 1
    ledger.apply(issue(10, expires=105, grants=None, task_id="other"))
    assert rules(ledger) == set()
    ledger.apply(end(60, "other"))
    facts = found(ledger)[UAT, "c"].credential
    assert facts is not None
    assert (facts.task_id, facts.issued, facts.expires_at) == ("other", at(10), at(5000))
    ledger.apply(end(20, "t"))
    assert found(ledger)[UAT, "c"].evidences[0].detail == "50 s after the task ended"


LONG_AGO = -800_000_000  # 2001


def test_a_leak_dated_long_ago_asks_for_the_revocation_with_the_time_that_was_read() -> None:
    ledger = ledger_of(start(0), issue(10), leak(LONG_AGO, "c-accessor"))
    finding = found(ledger)["leaked-credential", "c"]
    assert (finding.severity, finding.first_seen) == (Severity.CRITICAL, at(LONG_AGO))
    assert finding.evidences[0].time == at(LONG_AGO)
    assert finding.evidences[0].detail == "dated before it was issued, so judged as at its issue: live"
    assert asked(ledger) == [("c", False, LONG_AGO, ("leaked-credential",))]


def test_what_holds_at_the_issue_judges_an_earlier_leak_again() -> None:
    ledger = ledger_of(leak(LONG_AGO, "c-accessor"), issue(10))
    assert found(ledger)["leaked-credential", "c"].severity == Severity.CRITICAL
    ledger.apply(revoke(5))
    assert found(ledger)["leaked-credential", "c"].severity == Severity.LOW
    assert asked(ledger) == []
    ledger.apply(issue(4))  # an earlier issue governs: it was live then
    assert found(ledger)["leaked-credential", "c"].severity == Severity.CRITICAL


def test_a_record_that_is_read_again_with_another_time_is_one_leak_at_the_earlier() -> None:
    """A time that comes from the clock of the reader, because nothing else says it, is another one each time."""
    twice = [leak(seconds, "c-accessor", record="7") for seconds in (300, 20)]
    for events in itertools.permutations([issue(0), revoke(100), *twice]):
        ledger = ledger_of(*events)
        finding = found(ledger)["leaked-credential", "c"]
        assert (finding.count, finding.first_seen, finding.last_seen) == (1, at(20), at(20))
        assert finding.severity == Severity.CRITICAL
        assert asked(ledger) == [("c", False, 20, ("leaked-credential",))]
    for order in (twice, twice[::-1]):
        assert found(ledger_of(*order))["leaked-secret", "f"].count == 1


def test_a_second_copy_changes_nothing() -> None:
    events = (
        issue(0),
        issue(5, expires=None),
        use(-100),
        use(100),
        end(50),
        leak(1, "c-accessor"),
        renew(9, 99_999),
    )
    once, twice = ledger_of(*events), ledger_of(*events, *events)
    assert once.findings(EVER) == twice.findings(EVER)
    assert once.commands(EVER) == twice.commands(EVER)


def test_the_first_twenty_pieces_of_evidence_in_order_and_the_count_of_all() -> None:
    uses = [use(1000 - number) for number in range(50)]
    finding = found(ledger_of(issue(0), end(1), *uses))[UAT, "c"]
    assert finding.count == 50
    assert [evidence.time for evidence in finding.evidences] == [at(951 + number) for number in range(20)]


def test_a_credential_used_and_renewed_a_thousand_times_in_any_order() -> None:
    rng = random.Random(11)
    events: list[AnyEvent] = [issue(0, expires=10, grants=(Grant(("read",)),)), revoke(1900), end(1500)]
    events += [use(rng.randrange(2000), action=rng.choice(["read", "write"])) for _ in range(1000)]
    events += [renew(rng.randrange(2000), rng.randrange(2500)) for _ in range(600)]
    expected = ledger_of(*sorted(events, key=lambda event: event.time))
    for _ in range(3):
        rng.shuffle(events)
        ledger = ledger_of(*events)
        assert ledger.findings(EVER) == expected.findings(EVER)
        assert ledger.commands(EVER) == expected.commands(EVER)


# Names


def test_uses_by_an_identifier_wait_for_their_credential() -> None:
    ledger = ledger_of(use(100, by="acc"), use(100, "nobody"), revoke(20, by="acc"), renew(10, 5, by="acc"))
    assert ledger.unresolved == {"test": 4}
    assert rules(ledger) == set()
    ledger.apply(issue(0, "c", "acc"))
    assert rules(ledger) == {UAR}
    assert ledger.unresolved == {"test": 1}


def named_twice(event: CredentialEvent, credential_id: str, by: str) -> CredentialEvent:
    """The event, naming its credential by an id and by an identifier."""
    return msgspec.structs.replace(event, credential_id=credential_id, identifier=name(by))


def test_an_identifier_names_the_credential_where_the_id_is_not_known() -> None:
    first, late = (named_twice(use(seconds), "nobody", "c-accessor") for seconds in (5, 100))
    renewed = named_twice(renew(5, 10**6), "nobody", "c-accessor")
    revoked = named_twice(revoke(50), "nobody", "c-accessor")
    assert rules(ledger_of(issue(0, expires=200), end(20), first, late)) == {UAT, "outlives-task"}
    assert rules(ledger_of(issue(0, expires=50), first, late)) == {UOW}
    assert rules(ledger_of(issue(0, expires=50), first, late, renewed)) == set()
    assert rules(ledger_of(issue(0, expires=200), first, late, revoked)) == {UAR}
    neither = ledger_of(issue(0), named_twice(use(100), "nobody", "nothing"))
    assert neither.unresolved == {"test": 1}


def test_an_id_that_becomes_known_takes_its_events_from_the_owner_of_the_identifier() -> None:
    """Uses, renewals and revocations that name both; whoever owns the identifier is judged as if they had not come."""
    events = [
        issue(0, "c", "acc", expires=10),
        end(50),
        *(
            named_twice(event, "other", "acc")
            for event in (use(20), use(100), renew(5, 10**6), revoke(110), use(200))
        ),
    ]
    ledger = ledger_of(*events)
    assert {key for _, key in found(ledger)} == {"c"}
    ledger.apply(issue(1, "other", "its", task_id="o"))
    alone = ledger_of(*events[:2])
    other = ledger_of(issue(1, "other", "its", task_id="o"), *events[2:])
    assert found(ledger) == found(alone) | found(other)
    assert {key for _, key in found(other)} == {"other"}
    assert not ledger.unresolved


def test_an_identifier_on_two_credentials_is_the_earlier_ones() -> None:
    """What was said by it moves to a credential that turns out to be older: uses, leaks, renewals, revocations."""
    ledger = ledger_of(
        issue(10, "young", "acc", task_id="y"),
        end(20, "y"),
        use(100, by="acc"),
        leak(5, "acc"),
        renew(12, 10**6, by="acc"),
        revoke(90, by="acc"),
    )
    assert rules(ledger) >= {UAT, "leaked-credential"}
    assert not ledger.conflicts
    ledger.apply(issue(0, "old", "acc", task_id="o", expires=50))
    assert ledger.conflicts == {("vault-accessor", "acc")}
    told = found(ledger)
    assert (UAT, "young") not in told
    assert told["outlives-task", "young"].credential == ledger_young(ledger)
    assert told[UAR, "old"].count == 1
    assert told["leaked-credential", "old"].severity == Severity.CRITICAL
    facts = told[UAR, "old"].credential
    assert facts is not None
    assert (facts.expires_at, facts.revoked) == (at(10**6), at(90))


def ledger_young(ledger: Ledger) -> object:
    facts = found(ledger)["outlives-task", "young"].credential
    assert facts is not None
    assert (facts.expires_at, facts.revoked, facts.identifiers) == (at(3600), None, ())
    return facts


def test_of_two_issued_at_once_the_first_by_id_has_the_identifier() -> None:
    events = (
        issue(0, "b", "acc", task_id="tb"),
        issue(0, "a", "acc", task_id="ta"),
        end(1, "ta"),
        use(99, by="acc"),
    )
    for order in itertools.permutations(events):
        assert (UAT, "a") in found(ledger_of(*order))


# Leaks


def test_a_leak_is_a_secret_until_its_credential_is_known() -> None:
    ledger = ledger_of(leak(10, "acc"))
    finding = found(ledger)["leaked-secret", "f"]
    assert (finding.severity, finding.fingerprint, finding.patterns) == (Severity.HIGH, "f", ("some-token",))
    ledger.apply(issue(0, "c", "acc"))
    assert set(found(ledger)) == {("leaked-credential", "c")}
    assert asked(ledger) == [("c", False, 10, ("leaked-credential",))]


def test_a_fingerprint_that_no_pattern_knows_is_nothing_until_registered() -> None:
    ledger = ledger_of(leak(10, "acc", pattern=None, severity=None))
    assert rules(ledger) == set()
    ledger.apply(issue(0, "c", "acc"))
    assert rules(ledger) == {"leaked-credential"}


def test_one_secret_may_be_two_credentials() -> None:
    ledger = ledger_of(issue(0, "a", "x"), issue(0, "b", "y"), leak(10, "x", "y"))
    assert set(found(ledger)) == {("leaked-credential", "a"), ("leaked-credential", "b")}


@pytest.mark.parametrize("sealed", [False, True])
def test_a_record_that_shows_two_secrets_of_a_credential_counts_once(sealed: bool) -> None:  # noqa: FBT001 - a parameter of the case
    ledger = ledger_of(issue(0, "c", "x", "y"))
    if sealed:
        ledger.seal_lifecycle()
    shown = [leak(10, "y", record="7", fingerprint="g"), leak(10, "x", record="7"), leak(9, "x", record="6")]
    for event in shown:
        ledger.apply(event)
    finding = found(ledger)["leaked-credential", "c"]
    assert finding.count == 2
    assert [evidence.event for evidence in finding.evidences] == [shown[2], shown[1]]


# Tasks that name tasks


def test_a_descendant_may_use_what_its_ancestor_was_given() -> None:
    ledger = ledger_of(
        issue(0), use(10, task_id="grandchild"), use(11, task_id="t"), use(12, task_id="stranger")
    )
    assert found(ledger)["use-by-other-workload", "c"].count == 2
    ledger.apply(start(0, "grandchild", parent_task_id="child"))
    assert found(ledger)["use-by-other-workload", "c"].count == 2
    ledger.apply(start(1, "child", parent_task_id="t"))
    finding = found(ledger)["use-by-other-workload", "c"]
    assert finding.count == 1
    assert finding.evidences[0].detail == "task stranger is no descendant"
    ledger.apply(start(-1, "child", parent_task_id="elsewhere"))
    assert found(ledger)["use-by-other-workload", "c"].count == 2


def test_tasks_in_a_circle_descend_from_each_other() -> None:
    ledger = ledger_of(
        start(0, "t", parent_task_id="u"), start(0, "u", parent_task_id="t"), issue(0), use(10, task_id="u")
    )
    assert rules(ledger) == set()


# Rules judged at a later time


def test_what_is_judged_later_waits_until_then() -> None:
    ledger = ledger_of(
        start(0, deadline=30), issue(0, expires=300, grants=(Grant(("read",)), Grant(("write",)))), end(100)
    )
    ledger.apply(use(104, action="read"))
    assert rules(ledger, at(89)) == set()
    assert rules(ledger, at(90)) == {"overdue-task"}
    assert rules(ledger, at(159)) == {"overdue-task"}
    told = found(ledger, at(160))
    assert {rule for rule, _ in told} == {"overdue-task", "outlives-task", "unused-grant"}
    assert told["unused-grant", "c"].count == 1
    assert told["unused-grant", "c"].evidences[0].detail == "grant 2 of 2 never used"
    assert told["overdue-task", "t"].first_seen == at(90)
    assert asked(ledger, at(159)) == []
    assert asked(ledger, at(160)) == [("c", False, 160, ("outlives-task",))]


def test_an_overlong_issue_and_renewal_are_a_piece_each() -> None:
    ledger = ledger_of(issue(0, expires=None), renew(10, 10_000), renew(20, 400), start(0, deadline=100))
    assert found(ledger)["overlong-credential", "c"].count == 2
    ledger.apply(start(-1, deadline=20_000))
    finding = found(ledger)["overlong-credential", "c"]
    assert (finding.count, finding.evidences[0].detail) == (1, "never expires")


def test_the_kind_of_a_task_that_starts_late_changes_its_policy() -> None:
    policy = Policy(
        kinds={"batch": Tuning(grace_period=1000 * SECOND, skew=50 * SECOND, max_task_age=100 * SECOND)}
    )
    ledger = ledger_of(issue(0, expires=3600), end(100), use(130), policy=policy)
    assert rules(ledger, at(500)) == {UAT, "outlives-task"}
    ledger.apply(start(0, kind="batch"))
    assert rules(ledger, at(500)) == {"overlong-credential"}
    assert rules(ledger, at(1100)) == {"overlong-credential", "outlives-task"}


# Commands


def test_two_commands_at_most_with_all_reasons_of_the_earliest_time() -> None:
    bound = Binding(("runner",), None)
    ledger = ledger_of(
        issue(0, bound_to=bound),
        end(10),
        use(100, workload="laptop"),
        use(50, workload="laptop", outcome="denied"),
        use(300, workload="laptop"),
        revoke(200),
        use(250),
    )
    assert asked(ledger, at(60)) == [
        ("c", False, 50, (UAT, "use-by-other-workload")),
        ("c", True, 250, (UAT,)),
    ]
    plain, escalated = ledger.commands(at(60))
    assert (plain.severity, escalated.severity) == (Severity.MEDIUM, Severity.CRITICAL)


def test_an_escalated_command_needs_no_plain_one_before_it() -> None:
    assert asked(ledger_of(issue(0), revoke(10), use(100))) == [("c", True, 100, (UAR,))]


def test_a_rule_set_to_ask_asks_and_one_set_not_to_does_not() -> None:
    told = {
        "use-outside-scope": RulePolicy(severity=Severity.HIGH, revoke=True),
        UAT: RulePolicy(severity=Severity.HIGH),
    }
    policy = Policy(rules={**default_rules(), **told})
    ledger = ledger_of(issue(0, grants=()), use(5), end(50), use(100), policy=policy)
    assert asked(ledger, at(60)) == [("c", False, 5, ("use-outside-scope",))]


# Acceptance


def test_accepted_evidence_asks_for_nothing_and_later_evidence_undoes_the_acceptance() -> None:
    policy = Policy(accepts=(Accept("known batch", at(150), rule="use-*", task="t*", workload="batch-?"),))
    events: list[AnyEvent] = [start(0, workload="batch-1"), issue(0), end(10), use(100)]
    ledger = ledger_of(*events, policy=policy)
    assert found(ledger, at(60))[UAT, "c"].accepted == "known batch"
    assert asked(ledger, at(60)) == []
    ledger.apply(use(151))
    assert found(ledger, at(60))[UAT, "c"].accepted is None
    assert asked(ledger, at(60)) == [("c", False, 151, (UAT,))]
    ledger.apply(start(-1, workload="other"))
    assert asked(ledger, at(60)) == [("c", False, 100, (UAT,))]


@pytest.mark.parametrize("sealed", [False, True])
def test_a_finding_that_is_accepted_by_its_uid_is_accepted_as_a_whole_or_not_at_all(*, sealed: bool) -> None:
    accept = Accept("known", at(150), uid=finding_uid(UAT, "c"), severity=Severity.MEDIUM)
    history: list[AnyEvent] = [start(0), issue(0), end(10)]

    def ledger_with(*uses: AnyEvent) -> Ledger:
        ledger = ledger_of(*history, policy=Policy(accepts=(accept,)))
        if sealed:
            ledger.seal_lifecycle()
        for each in uses:
            ledger.apply(each)
        return ledger

    denied, later, worse = use(100, outcome="denied"), use(151, outcome="denied"), use(120)
    assert found(ledger_with(denied))[UAT, "c"].accepted == "known"
    assert asked(ledger_with(denied), at(60)) == []
    assert found(ledger_with(denied, later))[UAT, "c"].accepted is None
    assert asked(ledger_with(denied, later), at(60)) == [("c", False, 100, (UAT,))]
    assert found(ledger_with(worse, denied))[UAT, "c"].accepted is None
    assert asked(ledger_with(worse, denied), at(60)) == [("c", False, 100, (UAT,))]
    assert found(ledger_with(denied))["outlives-task", "c"].accepted is None


@pytest.mark.parametrize(("rule", "key"), [("leaked-secret", "f"), ("overdue-task", "t")])
def test_findings_without_a_credential_are_accepted_by_their_uid_too(rule: str, key: str) -> None:
    policy = Policy(accepts=(Accept("known", EVER, uid=finding_uid(rule, key)),))
    ledger = ledger_of(leak(1, "nobody"), start(0, deadline=1), policy=policy)
    accepted = {finding.rule: finding.accepted for finding in ledger.findings(EVER)}
    assert accepted == {"leaked-secret": None, "overdue-task": None, rule: "known"}


def test_a_glob_that_is_set_needs_a_value() -> None:
    accepts = (
        Accept("by credential", EVER, credential="*"),
        Accept("by fingerprint", EVER, fingerprint="f*"),
    )
    ledger = ledger_of(leak(1, "nobody"), start(0, deadline=1), policy=Policy(accepts=accepts))
    assert found(ledger)["leaked-secret", "f"].accepted == "by fingerprint"
    assert found(ledger)["overdue-task", "t"].accepted is None


# Sealing


def test_sealed_it_takes_uses_and_leaks_only() -> None:
    ledger = ledger_of(issue(0))
    ledger.seal_lifecycle()
    ledger.seal_lifecycle()
    for event in (start(0), end(1), issue(0), renew(0, 1), revoke(0)):
        with pytest.raises(ValueError, match="sealed"):
            ledger.apply(event)


def test_sealed_early_or_late_the_verdict_is_the_same() -> None:
    rng = random.Random(5)
    lifecycle: list[AnyEvent] = [
        start(0, deadline=100),
        issue(0, "c", "x", grants=(Grant(("read",)), Grant(("write",)))),
        issue(1, "d", "y", task_id="u"),
        renew(50, 120),
        end(90),
        revoke(140, by="y"),
    ]
    seen: list[CredentialUsed | Leak] = [
        use(rng.randrange(-20, 200), rng.choice(["c", "d", "e"]), action=rng.choice(["read", "other"]))
        for _ in range(60)
    ]
    seen += [
        leak(rng.randrange(-20, 200), rng.choice("xyz"), fingerprint=rng.choice("fg")) for _ in range(40)
    ]
    open_ledger = ledger_of(*seen, *lifecycle, *seen)
    for cut in (0, 10, 100):
        ledger = ledger_of(*lifecycle, *seen[:cut])
        ledger.seal_lifecycle()
        for event in [*seen[::-1], *seen]:
            ledger.apply(event)
        assert ledger.findings(EVER) == open_ledger.findings(EVER)
        assert ledger.commands(EVER) == open_ledger.commands(EVER)
        assert ledger.unresolved == open_ledger.unresolved


def test_all_identifiers_of_all_issues_are_told() -> None:
    ledger = ledger_of(issue(0, "c", "a"), issue(5, "c", "b"), issue(9, "d", "a"))
    assert sorted(identifier.value for identifier in ledger.identifiers()) == ["a", "a", "b"]
    assert ledger.latest == at(9)
