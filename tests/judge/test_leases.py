"""A task that beats and does not end, ends when its lease lapses: at the right time, each time, at little cost."""

import os

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.judge.compaction import MOST_RETRACTABLE
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.routing import Fact, TaskStatus, TaskSubscription, encode, task_key
from detector.judge.stage import FACT, Judgement, State, applied, judge, judge_history
from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialUsed,
    TaskEnded,
    TaskHeartbeat,
    TaskStarted,
)
from detector.values.findings import Finding
from detector.values.times import DAY, HOUR, MINUTE, SECOND
from tests.histories import History, arrivals, histories
from tests.judge.test_stage import START, World, kept_in_memory, patient, through_bytes

EXAMPLES = os.environ.get("CURFEWD_EXAMPLES")
KEY, POLICY = task_key("t"), Policy()
LEASE = 90 * SECOND
STARTED = TaskStarted(time=START, source="ci", id="s", task_id="t", deadline=START + 10 * MINUTE)
ISSUED = CredentialIssued(
    time=START,
    source="vault",
    id="i",
    credential_id="c",
    task_id="t",
    identifiers=(),
    expires_at=START + 15 * MINUTE,
)


def beat(at: int, lease: int = LEASE) -> TaskHeartbeat:
    return TaskHeartbeat(time=START + at, source="exec", id=f"b{at}", task_id="t", lease=lease)


def use(at: int) -> CredentialUsed:
    return CredentialUsed(time=START + at, source="audit", id=f"u{at}", credential_id="c")


def end(at: int) -> TaskEnded:
    return TaskEnded(time=START + at, source="ci", id="e", task_id="t", outcome="failed")


def found(until: int, *events: AnyEvent) -> dict[str, Finding]:
    """The findings about the task `t` and its credential, by rule."""
    ledger = Ledger(POLICY)
    for event in (STARTED, ISSUED, *events):
        ledger.apply(event)
    findings, _ = judge_history(ledger, START + until)
    return {finding.rule: finding for finding in findings}


def told(judgement: Judgement) -> list[tuple[str, str]]:
    return [(change.activity, change.finding.rule) for change in judgement.findings]


def facts_in(state: State) -> int:
    return sum(key.startswith(FACT) for key in state)


def test_a_task_ends_when_its_last_lease_has_lapsed() -> None:
    assert not found(LEASE - 1, beat(0), use(2 * MINUTE))
    assert found(LEASE, beat(0), use(2 * MINUTE)).keys() == {"use-after-termination"}
    assert not found(LEASE + MINUTE - 1, beat(0))
    assert found(LEASE + MINUTE, beat(0)).keys() == {"outlives-task"}
    assert not found(2 * MINUTE, beat(0), beat(MINUTE), use(2 * MINUTE))
    assert not found(HOUR, beat(0, 10 * MINUTE), beat(MINUTE), use(2 * MINUTE)).keys() & {
        "use-after-termination"
    }


def test_an_end_counts_and_not_the_lease_whatever_came_first() -> None:
    orders: list[list[AnyEvent]] = [[beat(0), end(5 * MINUTE)], [end(5 * MINUTE), beat(0), beat(9 * MINUTE)]]
    for events in orders:
        findings = found(HOUR, *events, use(4 * MINUTE), use(6 * MINUTE))
        assert findings["use-after-termination"].count == 1
        task = findings["use-after-termination"].task
        assert task is not None
        assert (task.ended, task.outcome, task.lapsed) == (START + 5 * MINUTE, "failed", False)


def test_a_task_whose_lease_lapsed_before_its_deadline_is_not_overdue() -> None:
    assert "overdue-task" not in found(HOUR, beat(0))
    assert "overdue-task" in found(HOUR, beat(10 * MINUTE))  # its lease lapses half a minute too late


def test_a_finding_says_that_a_lease_lapsed() -> None:
    findings = found(HOUR, beat(0), use(2 * MINUTE))
    after, outlives = findings["use-after-termination"], findings["outlives-task"]
    assert after.task is not None
    assert (after.task.ended, after.task.outcome, after.task.lapsed) == (START + LEASE, None, True)
    assert after.evidences[0].detail == "30 s after the lease of the task lapsed"
    assert outlives.evidences[0].event == beat(0)
    assert "the lapse of the task's lease" in outlives.evidences[0].detail


def test_live_a_lapse_is_found_by_a_timer_and_undone_by_a_later_heartbeat() -> None:
    state = applied({}, first := judge(KEY, {}, [STARTED, ISSUED, beat(0), use(2 * MINUTE)], START, POLICY))
    assert (first.findings, first.timer) == ([], START + LEASE)
    state = applied(state, lapsed := judge(KEY, state, [], START + LEASE, POLICY))
    assert told(lapsed) == [("created", "use-after-termination")]
    assert [command.reasons for command in lapsed.commands] == [("use-after-termination",)]
    state = applied(state, back := judge(KEY, state, [beat(2 * MINUTE)], START + LEASE, POLICY))
    assert told(back) == [("closed", "use-after-termination")]
    assert back.timer == START + 2 * MINUTE + LEASE
    ended = judge(KEY, state, [end(MINUTE)], START + 2 * MINUTE, POLICY)  # it comes late, and counts
    assert ("created", "use-after-termination") in told(ended)


def through_a_restart(
    *told: tuple[AnyEvent, int],
) -> tuple[dict[str, tuple[str, int]], dict[str, tuple[str, int]]]:
    """What stands after events, each told at a watermark: kept in memory, and with a restart after each event."""
    standing = []
    for make in (kept_in_memory, through_bytes):
        world = World(make(POLICY, 256))
        for event, watermark in told:
            world.tell([event], START + watermark)
            world.settle(START + watermark)
        world.settle(START + HOUR)
        standing.append(world.standing)
    return standing[0], standing[1]


def test_the_end_of_a_candidate_whose_lease_had_lapsed_outlives_a_restart() -> None:
    issue = msgspec.structs.replace(ISSUED, task_id=None, task_group="g")
    started = msgspec.structs.replace(STARTED, group="g")
    lapsed: list[tuple[AnyEvent, int]] = [(issue, 0), (started, 0), (beat(0), LEASE + 1)]
    later = (use(5 * MINUTE), 6 * MINUTE)
    in_memory, restarted = through_a_restart(*lapsed, (end(9 * MINUTE), 6 * MINUTE), later)
    assert restarted == in_memory
    assert "use-after-termination" not in {rule for rule, _ in restarted.values()}


def test_the_parent_of_a_task_whose_lease_had_lapsed_outlives_a_restart() -> None:
    child = TaskStarted(time=START, source="ci", id="s2", task_id="child", parent_task_id="t")
    beats = msgspec.structs.replace(beat(0), task_id="child")
    by_child = [msgspec.structs.replace(use(at), id=f"u{at}", task_id="child") for at in (MINUTE, 2 * MINUTE)]
    in_memory, restarted = through_a_restart(
        (STARTED, 0),
        (ISSUED, 0),
        (beats, LEASE + 1),
        (by_child[0], LEASE + 1),
        (child, LEASE + 1),
        (by_child[1], 2 * MINUTE),
    )
    assert restarted == in_memory
    assert "use-by-other-workload" not in {rule for rule, _ in restarted.values()}


def test_a_command_for_a_lapse_waits_as_any_other() -> None:
    rule = msgspec.structs.replace(POLICY.rules["use-after-termination"], command_delay=HOUR)
    policy = msgspec.structs.replace(POLICY, rules={**POLICY.rules, "use-after-termination": rule})
    lapsed = judge(KEY, {}, [STARTED, ISSUED, beat(0), use(2 * MINUTE)], START + 2 * MINUTE, policy)
    assert (told(lapsed), lapsed.commands) == ([("created", "use-after-termination")], [])


def test_hours_of_heartbeats_leave_one() -> None:
    state = applied({}, judge(KEY, {}, [STARTED, ISSUED], START, POLICY))
    entries, size = len(state), sum(map(len, state.values()))
    for at in range(0, DAY // 8, 30 * SECOND):
        judgement = judge(KEY, state, [beat(at), beat(max(0, at - MINUTE))], START + at - 10 * SECOND, POLICY)
        assert not any(isinstance(fact, TaskStatus) for _, fact in judgement.sends)
        state = applied(state, judgement)
    assert len(state) <= entries + 3  # the heartbeat; the findings that its deadline and expiry give
    assert facts_in(state) == 3
    assert sum(map(len, state.values())) < size + 4096


def test_of_many_starts_and_ends_those_that_count_and_the_latest_are_left() -> None:
    start, end = STARTED.time, STARTED.time + DAY
    state = applied({}, judge(KEY, {}, [ISSUED], start, POLICY))
    for number in range(50, -1, -1):
        starts = [
            msgspec.structs.replace(STARTED, time=start + at, id=f"s{at}") for at in (number, 100 - number)
        ]
        ends = [
            TaskEnded(time=end + at, source="ci", id=f"e{at}", task_id="t", outcome="failed")
            for at in (number, 100 - number)
        ]
        state = applied(state, judge(KEY, state, [*starts, *ends], start, POLICY))
    assert facts_in(state) == 4
    late = msgspec.structs.replace(use(0), time=end + HOUR)
    found = judge(KEY, state, [late], end + HOUR, POLICY)
    (finding,) = (each for each in found.findings if each.finding.rule == "use-after-termination")
    task = finding.finding.task
    assert task is not None
    assert (task.started, task.ended) == (start, end)


def test_who_asked_is_told_of_lapses_and_returns_only() -> None:
    follow = TaskSubscription("k:c2", START)
    state = applied({}, judge(KEY, {}, [STARTED, beat(0), follow], START, POLICY))
    sends = []
    for at in (MINUTE, 2 * MINUTE, 10 * MINUTE, 11 * MINUTE):
        for facts in ([], [beat(at)]):
            judgement = judge(KEY, state, facts, START + at, POLICY)
            sends += [sent for sent in judgement.sends if isinstance(sent[1], TaskStatus)]
            state = applied(state, judgement)
    lapsed = TaskStatus("t", STARTED, None, beat(2 * MINUTE), lapsed=True)
    back = TaskStatus("t", STARTED, None, beat(10 * MINUTE), lapsed=False)
    assert sends == [("k:c2", lapsed), ("k:c2", back)]
    assert back.supersedes(lapsed)
    assert not lapsed.supersedes(back)


def test_a_heartbeat_clears_what_was_used_long_ago() -> None:
    facts: list[Fact] = [STARTED, msgspec.structs.replace(ISSUED, expires_at=None), beat(0)]
    uses = [use(5 * MINUTE + n * SECOND) for n in range(300)]
    state = applied({}, judge(KEY, {}, [*facts, *uses], START + DAY, POLICY, compact_every=10))
    assert facts_in(state) == len(facts) + len(uses)
    cleared = judge(KEY, state, [beat(DAY)], START + DAY, POLICY)
    assert ("closed", "use-after-termination") in told(cleared)


def test_of_uses_after_a_lapse_no_more_are_kept_than_the_limit() -> None:
    facts: list[Fact] = [STARTED, msgspec.structs.replace(ISSUED, expires_at=None), beat(0)]
    uses = [use(5 * MINUTE + n * MINUTE) for n in range(MOST_RETRACTABLE + 500)]
    judgement = judge(
        KEY, {}, [*facts, *uses], START + 9 * DAY, msgspec.structs.replace(POLICY, retention=9 * DAY)
    )
    state = applied({}, judgement)
    assert facts_in(state) == len(facts) + MOST_RETRACTABLE + 20  # those that the finding shows
    (finding,) = (each.finding for each in judgement.findings if each.finding.rule == "use-after-termination")
    assert finding.count == len(uses)


def test_a_status_of_an_earlier_version_is_read_and_stored_anew() -> None:
    status = TaskStatus("x", STARTED)
    state = applied({}, judge(KEY, {}, [STARTED, status], START, POLICY))
    (stored,) = (name for name, value in state.items() if value == encode(status))
    earlier = {name: value for name, value in state.items() if name != stored} | {
        FACT + b"x" * 12: encode(status).removesuffix(b",null,false]") + b"]"
    }
    judgement = judge(KEY, earlier, [status], START, POLICY)
    assert applied(earlier, judgement) == state


@settings(
    max_examples=int(EXAMPLES or 40),
    derandomize=EXAMPLES is None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(histories(), st.data())
def test_what_lapses_and_comes_back_is_judged_as_the_whole_history_is(
    history: History, data: st.DataObject
) -> None:
    """The second half comes once time has passed all leases of the first: the aggregates have told one another."""
    policy = msgspec.structs.replace(patient(history.policy), lateness=10**6 * SECOND)
    until = max([history.until, *(event.time for event in history.events)])
    events = data.draw(arrivals(history.events))
    world, half = World(through_bytes(policy, 256)), len(events) // 2
    world.tell(events[:half], min((event.time for event in events), default=0) - DAY)
    world.settle(until)
    world.tell(events[half:], until)
    world.settle(until)
    ledger = Ledger(policy)
    for event in history.events:
        ledger.apply(event)
    findings, _ = judge_history(ledger, until)
    assert world.standing == {each.uid: (each.rule, each.count) for each in findings}
