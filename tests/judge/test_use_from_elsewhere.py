"""Uses from another network than the one that a credential was issued to or first used from."""

from collections.abc import Iterable
from random import Random
from typing import Any

import msgspec
import pytest

from detector.judge.incremental_evaluator import IncrementalEvaluator
from detector.judge.ledger import Ledger
from detector.judge.origins import NetworkPolicy
from detector.judge.policy import Policy, RuleOverride, Tuning
from detector.judge.routing import task_key
from detector.judge.stage import FACT, applied, judge
from detector.stages.first_uses import FirstUses
from detector.values.events import (
    DENIED,
    AnyEvent,
    Binding,
    CredentialIssued,
    CredentialUsed,
    Identifier,
    IssuedTo,
    TaskStarted,
)
from detector.values.findings import Finding, Severity
from detector.values.networks import NetworkSet
from detector.values.times import HOUR, MINUTE, SECOND

START = 1_793_491_200 * SECOND
HOME, NEIGHBOUR, AWAY, FAR = "198.51.100.7", "198.51.100.99", "203.0.113.9", "192.0.2.1"
HOME_6, NEIGHBOUR_6, AWAY_6 = "2001:db8:1:2::7", "2001:db8:1:ffff::1", "2001:db8:2::9"
ISSUE = CredentialIssued(
    time=START, source="sts", id="i", credential_id="c", task_id="t", identifiers=(), kind="token"
)


def issued(**fields: Any) -> CredentialIssued:
    return msgspec.structs.replace(ISSUE, **fields)


def used(minute: float, address: str | None, number: int = 0, **fields: Any) -> CredentialUsed:
    use = CredentialUsed(
        time=START + round(minute * MINUTE),
        source="audit",
        id=f"u{minute}/{number}",
        credential_id="c",
        source_ip=address,
    )
    return msgspec.structs.replace(use, **fields)


def found(events: Iterable[AnyEvent], policy: Policy | None = None) -> Finding | None:
    """The finding, by a ledger that learns of the events in this order, in another, and by one that forgets uses."""
    policy, told = policy or Policy(), list(events)
    results = []
    for order in (told, told[::-1], Random(7).sample(told, len(told))):
        ledger = Ledger(policy)
        for event in order:
            ledger.apply(event)
        results.append(ledger.findings(START + HOUR))
    ledger, first = Ledger(policy), FirstUses()
    uses = [event for event in told if isinstance(event, CredentialUsed)]
    for event in told:
        if not isinstance(event, CredentialUsed):
            ledger.apply(event)
    for use in uses:
        first.add(use)
    ledger.seal_lifecycle(first.uses())
    for use in reversed(uses):
        ledger.apply(use)
    results.append(ledger.findings(START + HOUR))
    assert all(result == results[0] for result in results)
    return next((finding for finding in results[0] if finding.rule == "use-from-elsewhere"), None)


def places(finding: Finding | None) -> list[tuple[int, str | None]]:
    """The minute and address of each piece of evidence."""
    return [
        ((piece.time - START) // MINUTE, piece.event.source_ip)
        for piece in (finding.evidences if finding is not None else ())
        if isinstance(piece.event, CredentialUsed)
    ]


def test_a_port_does_not_switch_the_rule_off() -> None:
    uses = [used(1, f"{HOME}:5555"), used(2, f"{NEIGHBOUR}:443"), used(3, f"{AWAY}:5555")]
    assert places(found([issued(), *uses])) == [(3, f"{AWAY}:5555")]
    uses = [used(1, f"[{HOME_6}]:443"), used(2, NEIGHBOUR_6), used(3, f"[{AWAY_6}]:1")]
    assert places(found([issued(), *uses])) == [(3, f"[{AWAY_6}]:1")]


def test_the_address_of_the_first_use_is_the_origin_and_its_neighbours_are_at_home() -> None:
    finding = found([ISSUE, used(1, HOME), used(2, NEIGHBOUR), used(3, AWAY), used(4, HOME), used(5, FAR)])
    assert places(finding) == [(3, AWAY), (5, FAR)]
    assert finding is not None
    assert (finding.severity, finding.count) == (Severity.HIGH, 2)


def test_the_address_that_it_was_issued_to_comes_before_any_use() -> None:
    events: list[AnyEvent] = [
        issued(issued_to=IssuedTo(HOME)),
        used(-1, AWAY),
        used(1, AWAY),
        used(2, NEIGHBOUR),
    ]
    assert places(found(events)) == [(-1, AWAY), (1, AWAY)]


def test_each_address_family_has_its_own_origin() -> None:
    events: list[AnyEvent] = [
        issued(issued_to=IssuedTo(HOME)),
        used(1, HOME_6),
        used(2, NEIGHBOUR_6),
        used(3, AWAY_6),
        used(4, f"::ffff:{NEIGHBOUR}"),
        used(5, f"::ffff:{AWAY}"),
    ]
    assert places(found(events)) == [(3, AWAY_6), (5, f"::ffff:{AWAY}")]


def test_the_first_use_counts_whatever_its_outcome_and_time() -> None:
    events: list[AnyEvent] = [
        issued(not_before=START + 3 * MINUTE),
        used(-9, AWAY, outcome=DENIED),
        used(5, HOME),
    ]
    assert places(found(events)) == [(5, HOME)]


def test_of_several_first_uses_at_one_time_the_first_by_source_and_id_counts() -> None:
    events: list[AnyEvent] = [ISSUE, used(1, HOME, 2), used(1, AWAY, 1), used(1, FAR, 0, source="b-audit")]
    assert sorted(places(found(events))) == [(1, FAR), (1, HOME)]


@pytest.mark.parametrize(
    "address", [None, "", "s3.amazonaws.com", "vpce-0a1b/10.0.1.5", "AWS Internal", "9" * 500]
)
def test_what_is_no_address_is_neither_origin_nor_from_elsewhere(address: str | None) -> None:
    assert places(found([ISSUE, used(1, address), used(2, HOME), used(3, address)])) == []
    events: list[AnyEvent] = [issued(issued_to=IssuedTo(address)), used(1, HOME), used(2, AWAY)]
    assert places(found(events)) == [(2, AWAY)]


def test_a_credential_that_is_bound_to_addresses_is_judged_by_its_binding_alone() -> None:
    bound = issued(bound_to=Binding(None, ("0.0.0.0/0",)), issued_to=IssuedTo(HOME))
    assert found([bound, used(1, HOME), used(2, AWAY)]) is None
    workloads = issued(bound_to=Binding(("runner-*",), None))
    assert places(found([workloads, used(1, HOME), used(2, AWAY)])) == [(2, AWAY)]


def test_a_denied_use_weighs_less() -> None:
    finding = found([ISSUE, used(1, HOME), used(2, AWAY, outcome=DENIED)])
    assert finding is not None
    assert finding.severity == Severity.MEDIUM


def test_networks_are_as_wide_as_configured_and_some_are_expected() -> None:
    events: list[AnyEvent] = [ISSUE, used(1, HOME), used(2, NEIGHBOUR), used(3, AWAY), used(4, FAR)]
    wide = Policy(networks=NetworkPolicy(ipv4_prefix=0))
    narrow = Policy(networks=NetworkPolicy(ipv4_prefix=32))
    expected = Policy(networks=NetworkPolicy(expected=NetworkSet(["203.0.113.0/28", "2001:db8::/32"])))
    assert found(events, wide) is None
    assert places(found(events, narrow)) == [(2, NEIGHBOUR), (3, AWAY), (4, FAR)]
    assert places(found(events, expected)) == [(4, FAR)]


def test_a_first_use_from_an_expected_network_is_the_origin_all_the_same() -> None:
    policy = Policy(networks=NetworkPolicy(expected=NetworkSet(["203.0.113.0/24"])))
    assert places(found([ISSUE, used(1, AWAY), used(2, HOME)], policy)) == [(2, HOME)]


def test_a_kind_has_its_own_networks_and_a_late_start_that_says_the_kind_judges_again() -> None:
    policy = Policy(
        kinds={
            "ci": Tuning(ipv4_prefix=0),
            "cloud": Tuning(rules={"use-from-elsewhere": RuleOverride(enabled=False)}),
        }
    )
    events: list[AnyEvent] = [ISSUE, used(1, HOME), used(2, AWAY)]
    assert found(events, policy) is not None
    assert (
        found([*events, TaskStarted(time=START, source="ci", id="s", task_id="t", kind="ci")], policy) is None
    )
    assert found([issued(kind="cloud"), *events[1:]], policy) is None


def test_it_asks_for_a_revocation_only_if_told_to() -> None:
    events: list[AnyEvent] = [ISSUE, used(1, HOME), used(2, AWAY)]
    loud = {
        **Policy().rules,
        "use-from-elsewhere": msgspec.structs.replace(Policy().rules["use-from-elsewhere"], revoke=True),
    }
    for policy, reasons in ((Policy(), []), (Policy(rules=loud), [("use-from-elsewhere",)])):
        ledger = Ledger(policy)
        for event in events:
            ledger.apply(event)
        assert [command.reasons for command in ledger.commands(START + HOUR)] == reasons


def test_it_says_both_addresses_and_networks_and_what_is_known_of_each() -> None:
    first = used(1, HOME, workload="runner-1", user_agent="aws-cli/2")
    finding = found([ISSUE, first, used(31, AWAY)])
    assert finding is not None
    assert finding.evidences[0].detail == (
        "203.0.113.0/24; first used from 198.51.100.7 in 198.51.100.0/24 as workload runner-1 with aws-cli/2, "
        "30 min before"
    )
    told = found([issued(issued_to=IssuedTo(HOME, "runner-1")), used(31, AWAY)])
    assert told is not None
    assert told.evidences[0].detail == (
        "203.0.113.0/24; issued to 198.51.100.7 in 198.51.100.0/24 as workload runner-1"
    )
    long = found([issued(issued_to=IssuedTo(HOME, "w" * 5000)), used(31, AWAY)])
    assert long is not None
    assert len(long.evidences[0].detail) < 200


def test_a_name_that_another_credential_wins_takes_its_uses_and_its_origin_along() -> None:
    shared = Identifier("jwt-id", "j")
    mine = issued(identifiers=(shared,), time=START + MINUTE)
    older = issued(identifiers=(shared,), credential_id="older", id="o", task_id="t2")
    by_name: dict[str, Any] = {"credential_id": None, "identifier": shared}
    events: list[AnyEvent] = [mine, used(2, HOME, **by_name), used(3, AWAY), used(4, AWAY)]
    assert places(found(events)) == [(3, AWAY), (4, AWAY)]
    assert found([*events, older]) is None  # the use from HOME was the older one's


def judged(
    state: dict[bytes, bytes], events: list[AnyEvent], minute: int
) -> tuple[dict[bytes, bytes], list[int]]:
    judgement = judge(task_key("t"), state, events, START + minute * MINUTE, Policy(), compact_every=8)
    counts = [
        change.finding.count for change in judgement.findings if change.finding.rule == "use-from-elsewhere"
    ]
    return applied(state, judgement), counts


def test_an_origin_outlives_the_compaction_of_all_uses_around_it() -> None:
    lasting = issued(expires_at=START + 9 * HOUR)
    state, _ = judged({}, [lasting, used(1, HOME), used(1.5, HOME_6)], 2)
    for minute in range(2, 300, 3):
        state, counts = judged(state, [used(minute + step / 10, NEIGHBOUR) for step in range(10)], minute + 1)
        assert counts == []
    assert sum(key.startswith(FACT) for key in state) < 100  # of a thousand
    state, counts = judged(state, [used(301, AWAY), used(302, AWAY_6), used(303, NEIGHBOUR_6)], 304)
    assert counts == [2]


def test_uses_that_come_in_reverse_from_two_networks_are_not_judged_again_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    judge_again = IncrementalEvaluator._judge_use_again

    def counted(self: IncrementalEvaluator, *rest: Any) -> None:
        asked.append(rest)
        judge_again(self, *rest)

    monkeypatch.setattr(IncrementalEvaluator, "_judge_use_again", counted)
    ledger = Ledger(Policy())
    ledger.apply(ISSUE)
    for number in range(2000, 0, -1):
        ledger.apply(used(number / 60, HOME if number % 2 else AWAY))
    (finding,) = (each for each in ledger.findings(START + HOUR) if each.rule == "use-from-elsewhere")
    assert finding.count == 1000
    assert len(asked) == 2000
