"""The ledger against the brute-force judge: same findings and commands, whatever the order of arrival.

`CURFEWD_EXAMPLES` sets how many random histories each property sees; without it a few hundred, always the same.
"""

import os
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.stages.first_uses import FirstUses
from detector.values.events import AnyEvent, CredentialUsed, Leak, TaskHeartbeat
from detector.values.times import to_millis
from tests.histories import History, arrivals, disputes, histories
from tests.judge.brute_force import NAMED_EVIDENCE, Request, Verdict, judge

EXAMPLES = os.environ.get("CURFEWD_EXAMPLES")
thorough = settings(
    max_examples=int(EXAMPLES or 120),
    derandomize=EXAMPLES is None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
ReportedFinding = tuple[dict[tuple[str, str], Verdict], dict[tuple[str, bool], Request]]


def told_by_ledger(ledger: Ledger, until: int) -> ReportedFinding:
    findings = {}
    for finding in ledger.findings(until):
        shown = tuple((piece.time, piece.event.source, piece.event.id) for piece in finding.evidences)
        assert len(shown) <= 20
        assert [piece[0] for piece in shown] == sorted(piece[0] for piece in shown)
        findings[finding.rule, finding.key] = Verdict(
            finding.count,
            finding.first_seen,
            finding.last_seen,
            finding.severity,
            finding.accepted is not None,
            shown if finding.rule in NAMED_EVIDENCE else (),
            finding.patterns,
            finding.resolution is not None,
        )
    commands = {
        (command.credential.credential_id, command.escalated): Request(
            command.time, command.reasons, command.severity
        )
        for command in ledger.commands(until)
    }
    return findings, commands


def told_by_brute_force(events: Iterable[AnyEvent], policy: Policy, until: int) -> ReportedFinding:
    judgement = judge(events, policy, until)
    return judgement.findings, judgement.commands


def fed(policy: Policy, events: Iterable[AnyEvent]) -> Ledger:
    ledger = Ledger(policy)
    for event in events:
        ledger.apply(event)
    return ledger


@thorough
@given(histories() | disputes(), st.data())
def test_in_any_order_with_duplicates(history: History, data: st.DataObject) -> None:
    ledger = fed(history.policy, data.draw(arrivals(history.events)))
    expected = judge(history.events, history.policy, history.until)
    assert told_by_ledger(ledger, history.until) == (expected.findings, expected.commands)
    assert ledger.unresolved == expected.unresolved
    assert ledger.conflicts == expected.conflicts
    events = [each for each in history.events if not isinstance(each, TaskHeartbeat)]
    times = [each.known_since if isinstance(each, Leak) else each.time for each in events]
    assert ledger.latest == max(times, default=None)


@pytest.mark.slow
@thorough
@given(histories(), st.data())
def test_after_every_event(history: History, data: st.DataObject) -> None:
    ledger, so_far = Ledger(history.policy), []
    for event in data.draw(arrivals(history.events)):
        ledger.apply(event)
        so_far.append(event)
        expected = told_by_brute_force(so_far, history.policy, history.until)
        assert told_by_ledger(ledger, history.until) == expected


@pytest.mark.slow
@thorough
@given(histories(), st.data())
def test_asking_changes_nothing(history: History, data: st.DataObject) -> None:
    asked, order = Ledger(history.policy), data.draw(arrivals(history.events))
    for event in order:
        asked.apply(event)
        asked.findings(event.time)
        asked.commands(event.time)
    times = data.draw(st.lists(st.sampled_from([event.time for event in order]), max_size=6)) if order else []
    for until in (history.until, *times):
        expected = told_by_brute_force(order, history.policy, until)
        assert told_by_ledger(asked, until) == expected


@pytest.mark.slow
@thorough
@given(histories(), st.data())
def test_sealed_after_the_lifecycle(history: History, data: st.DataObject) -> None:
    lifecycle = [event for event in history.events if not isinstance(event, CredentialUsed | Leak)]
    evidence = [event for event in history.events if isinstance(event, CredentialUsed | Leak)]
    early = data.draw(st.lists(st.sampled_from(evidence), max_size=3)) if evidence else []
    ledger = fed(history.policy, data.draw(arrivals((*lifecycle, *early))))
    first = FirstUses()
    for use in evidence:
        if isinstance(use, CredentialUsed):
            first.add(use)
    ledger.seal_lifecycle(first.uses(), history.until)
    for event in data.draw(arrivals(tuple(evidence))):
        ledger.apply(event)
    expected = judge(history.events, history.policy, history.until)
    assert told_by_ledger(ledger, history.until) == (expected.findings, expected.commands)
    assert ledger.unresolved == expected.unresolved
    open_ledger = fed(history.policy, history.events)
    assert ledger.findings(history.until) == open_ledger.findings(history.until)
    assert ledger.commands(history.until) == open_ledger.commands(history.until)


@pytest.mark.slow
@thorough
@given(histories(), st.data())
def test_either_part_first(history: History, data: st.DataObject) -> None:
    order = data.draw(arrivals(history.events))
    cut = data.draw(st.integers(0, len(order)))
    one, other = fed(history.policy, order), fed(history.policy, order[cut:] + order[:cut])
    assert one.findings(history.until) == other.findings(history.until)
    assert one.commands(history.until) == other.commands(history.until)
    assert one.unresolved == other.unresolved


@pytest.mark.slow
@thorough
@given(histories())
def test_what_is_told_is_in_order(history: History) -> None:
    ledger = fed(history.policy, history.events)
    findings = [(to_millis(f.first_seen), f.uid) for f in ledger.findings(history.until)]
    commands = [(c.time, c.credential.credential_id, c.escalated) for c in ledger.commands(history.until)]
    assert findings == sorted(findings)
    assert commands == sorted(commands)
