"""The judge stage is pure: its results follow from a state and facts alone, and both survive being bytes in between."""

import heapq
import os
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.judge import aggregates, verdicts
from detector.judge.accounts import Account
from detector.judge.aggregates import TaskAggregate
from detector.judge.conclude import end_moments
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.routing import Claim, Fact, TaskStatus, decode, encode, route, task_key
from detector.judge.stage import AggregateState, Judgement, applied, judge, judge_history
from detector.judge.task_credentials import TaskCredentials
from detector.judge.verdicts import Verdicts, judge_task
from detector.registry.credential_registry import CredentialRegistry
from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    Leak,
    TaskEnded,
    TaskStarted,
)
from detector.values.findings import Severity
from detector.values.times import DAY, HOUR, MINUTE, SECOND
from tests.histories import History, arrivals, disputes, histories

EXAMPLES = os.environ.get("CURFEWD_EXAMPLES")
thorough = settings(
    max_examples=int(EXAMPLES or 60),
    derandomize=EXAMPLES is None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
START = 1_800_000_000 * SECOND
NAME = Identifier("vault-accessor", "a")
Judge = Callable[[str, list[Fact], int], Judgement]


def kept_in_memory(policy: Policy, compact_every: int, *, all_again: bool = False) -> Judge:
    """Judges as the service does: each aggregate stays in memory. With `all_again` no verdicts stand from before."""
    states: dict[str, AggregateState] = {}

    def judged(key: str, facts: list[Fact], watermark: int) -> Judgement:
        state = states.setdefault(key, AggregateState(key, policy, compact_every))
        for fact in facts:
            state.take(fact, encode(fact), watermark)
        if all_again and isinstance(state.aggregate, TaskAggregate):
            state.aggregate._quiet = None
            ledger, changes = state.aggregate.ledger, state.aggregate._changes
            changes.note(ledger.accounts())
            state.aggregate._credentials = TaskCredentials(ledger, key, changes)
        judgement = state.judge(watermark)
        if state.gone:
            del states[key]
        return judgement

    return judged


def through_bytes(policy: Policy, compact_every: int) -> Judge:
    """Judges as a job on a cluster might: nothing but bytes is left between two calls."""
    states: dict[str, bytes] = {}

    def judged(key: str, facts: list[Fact], watermark: int) -> Judgement:
        state = msgspec.msgpack.decode(states.get(key, b"\x80"), type=dict[bytes, bytes])
        copies = [decode(encode(fact)) for fact in facts]
        judgement = judge(key, state, copies, watermark, policy, compact_every=compact_every)
        copy = msgspec.json.decode(msgspec.json.encode(judgement), type=Judgement)
        states[key] = msgspec.msgpack.encode(applied(state, copy))
        return copy

    return judged


class World:
    """Delivers facts, messages and timers to aggregates in a fixed order, and notes what each judgement gives."""

    def __init__(self, judged: Judge) -> None:
        self._judge = judged
        self._registry = CredentialRegistry()
        self._timers: dict[str, int] = {}
        self.notes: list[tuple[str, Judgement]] = []
        self.standing: dict[str, tuple[str, int]] = {}
        self.commands: set[str] = set()

    def tell(self, events: Iterable[AnyEvent], watermark: int) -> None:
        for event in events:
            facts = route(event, self._registry)
            if isinstance(event, CredentialIssued):
                self._registry.add(event)
            self._deliver(facts, watermark)

    def settle(self, until: int) -> None:
        """Lets the watermark come to a time, from timer to timer."""
        while due := [(time, key) for key, time in self._timers.items() if time <= until]:
            time, key = heapq.heappop(due)
            self._deliver(self._judged(key, [], time), time)

    def _deliver(self, facts: list[tuple[str, Fact]], watermark: int) -> None:
        while facts:
            key, fact = facts.pop(0)
            facts += self._judged(key, [fact], watermark)

    def _judged(self, key: str, facts: list[Fact], watermark: int) -> list[tuple[str, Fact]]:
        judgement = self._judge(key, facts, watermark)
        self._timers.pop(key, None)
        if judgement.timer is not None:
            self._timers[key] = judgement.timer
        self.notes.append((key, judgement))
        for change in judgement.findings:
            if change.activity == "closed":
                del self.standing[change.finding.uid]
            else:
                self.standing[change.finding.uid] = (change.finding.rule, change.finding.count)
        self.commands.update(command.id for command in judgement.commands)
        return list(judgement.sends)


def patient(policy: Policy) -> Policy:
    """The policy, but no command is ever found unconfirmed and no state expires: as a replay sees it."""
    return msgspec.structs.replace(policy, confirm_timeout=10**6 * SECOND, retention=10**6 * SECOND)


@thorough
@given(histories(), st.data(), st.sampled_from((1, 3, 256)))
def test_state_and_facts_as_bytes_give_the_same_findings_commands_and_timers(
    history: History, data: st.DataObject, compact_every: int
) -> None:
    events = data.draw(arrivals(history.events))
    half = len(events) // 2
    watermark = min((event.time for event in events[half:]), default=START)  # so that none is late
    worlds = [World(make(history.policy, compact_every)) for make in (kept_in_memory, through_bytes)]
    for world in worlds:
        world.tell(events[:half], min((event.time for event in events), default=START))
        world.settle(watermark)
        world.tell(events[half:], watermark)
        world.settle(max([history.until, *(event.time for event in events)]) + DAY)
    first, second = worlds
    assert len(first.notes) == len(second.notes)
    for (key, one), (other_key, other) in zip(first.notes, second.notes, strict=True):
        assert key == other_key
        assert one.findings == other.findings
        assert one.commands == other.commands
        assert one.sends == other.sends
        assert one.timer == other.timer
        assert [issue.id for issue in one.forgotten] == [issue.id for issue in other.forgotten]


def told_as_time_goes_on(worlds: list[World], history: History, data: st.DataObject) -> None:
    """Tells each world the same events, while the watermark moves on between them, past timers and not."""
    events = data.draw(arrivals(history.events))
    rng = data.draw(st.randoms(use_true_random=False))
    watermark = min((event.time for event in events), default=START) - SECOND
    for event in events:
        for world in worlds:
            world.settle(watermark)
            world.tell([event], watermark)
        watermark += rng.choice((0, 0, 1, SECOND, 20 * SECOND, max(event.time - watermark, 0)))
    for world in worlds:
        world.settle(max([history.until, watermark, *(event.time for event in events)]) + DAY)


@thorough
@given(histories() | disputes(), st.data(), st.sampled_from((1, 3, 256)))
def test_a_restart_between_any_two_facts_changes_no_finding_and_no_command(
    history: History, data: st.DataObject, compact_every: int
) -> None:
    worlds = [World(make(history.policy, compact_every)) for make in (kept_in_memory, through_bytes)]
    told_as_time_goes_on(worlds, history, data)
    assert worlds[0].standing == worlds[1].standing
    assert worlds[0].commands == worlds[1].commands


@thorough
@given(histories() | disputes(), st.data(), st.sampled_from((3, 256)))
def test_verdicts_that_stand_are_those_that_judging_again_would_give(
    history: History, data: st.DataObject, compact_every: int
) -> None:
    worlds = [
        World(kept_in_memory(history.policy, compact_every, all_again=all_again))
        for all_again in (False, True)
    ]
    told_as_time_goes_on(worlds, history, data)
    assert worlds[0].notes == worlds[1].notes


@thorough
@given(histories() | disputes(), st.data())
def test_judging_aggregate_by_aggregate_gives_what_judging_the_whole_history_gives(
    history: History, data: st.DataObject
) -> None:
    policy = patient(history.policy)
    until = max([history.until, *(event.time for event in history.events)])
    world = World(through_bytes(policy, 256))
    world.tell(data.draw(arrivals(history.events)), min((e.time for e in history.events), default=0) - DAY)
    world.settle(until)
    ledger = Ledger(policy)
    for event in history.events:
        ledger.apply(event)
    findings, commands = judge_history(ledger, until)
    assert world.standing == {each.uid: (each.rule, each.count) for each in findings}
    assert {command.id for command in commands} <= world.commands


def test_a_use_that_is_evidence_of_nothing_has_nothing_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[int] = []

    def counted(credentials: TaskCredentials, watermark: int, *rest: Any, **more: Any) -> Verdicts:
        judged.append(watermark)
        return judge_task(credentials, watermark, *rest, **more)

    monkeypatch.setattr(aggregates, "judge_task", counted)
    state = AggregateState("t:t", Policy())

    def at(watermark: int, *facts: Fact) -> list[int]:
        for fact in facts:
            state.take(fact, encode(fact), watermark)
        state.judge(watermark)
        return judged

    def use(number: int, task: str | None = None) -> CredentialUsed:
        return CredentialUsed(
            time=START + number, source="s", id=f"u{number}", credential_id="c", task_id=task
        )

    issue = CredentialIssued(
        time=START,
        source="s",
        id="i",
        credential_id="c",
        task_id="t",
        identifiers=(NAME,),
        expires_at=START + HOUR,
    )
    assert at(START, TaskStarted(time=START, source="s", id="s", task_id="t"), issue) == [START]
    assert at(START + 1, use(1)) == [START]
    assert at(START + 2, use(2), use(3)) == [START]
    late = use(2 * HOUR)
    assert at(START + 3, late) == [START, START + 3]  # the credential had expired
    assert at(START + 4, use(4)) == [START, START + 3, START + 4]  # there is a finding


def test_only_credentials_that_something_has_changed_are_concluded_about_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    concluded: list[str] = []

    def noted(account: Account, until: int) -> Any:
        concluded.append(account.credential_id)
        return end_moments(account, until)

    monkeypatch.setattr(verdicts, "end_moments", noted)
    state = AggregateState("t:t", Policy())

    def at(watermark: int, *facts: Fact) -> list[str]:
        concluded.clear()
        for fact in facts:
            state.take(fact, encode(fact), watermark)
        state.judge(watermark)
        return sorted(concluded)

    def event(kind: type[Any], number: int, name: str | None = None, **more: Any) -> Fact:
        made: Fact = kind(
            time=START + number * SECOND, source="s", id=f"{number}", credential_id=name, **more
        )
        return made

    issues = [
        event(
            CredentialIssued,
            number,
            f"c{number}",
            task_id="t",
            identifiers=(Identifier("vault-accessor", f"a{number}"),),
            expires_at=START + (number + 1) * HOUR,
        )
        for number in range(4)
    ]
    started = TaskStarted(time=START, source="s", id="s", task_id="t")
    assert at(START, started, *issues) == []
    early = (event(CredentialUsed, -100, f"c{number}") for number in (1, 2))
    assert at(START + MINUTE, *early) == ["c1", "c2"]
    assert at(START + MINUTE + 1) == ["c1", "c2"]  # a command was sent for each
    assert at(START + MINUTE + 2, event(CredentialUsed, 9, "c1")) == ["c1"]
    assert at(START + MINUTE + 3, event(CredentialUsed, 9, "c3")) == []
    assert at(START + MINUTE + 4, event(CredentialRevoked, 60, "c2")) == ["c2"]
    assert at(START + 10 * MINUTE) == ["c1", "c2"]  # the time to confirm the commands was over
    ended = TaskEnded(time=START + 10 * MINUTE, source="s", id="e", task_id="t", outcome="succeeded")
    assert at(START + 10 * MINUTE + 1, ended) == ["c0", "c1", "c2", "c3"]
    assert at(START + 11 * MINUTE + SECOND) == ["c0", "c1", "c2", "c3"]


def test_a_state_holds_all_that_the_next_call_needs() -> None:
    key, policy = task_key("t"), Policy()
    issue = CredentialIssued(
        time=START,
        source="vault",
        id="1",
        credential_id="c",
        task_id="t",
        identifiers=(),
        expires_at=START + DAY,
    )
    end = TaskEnded(time=START + HOUR, source="ci", id="2", task_id="t")
    use = CredentialUsed(time=START + 2 * HOUR, source="audit", id="3", credential_id="c")
    first = judge(key, {}, [issue, end], START + HOUR, policy)
    assert first.timer is not None
    assert first.timer > START + HOUR
    state = applied({}, first)
    second = judge(key, state, [use], START + HOUR, policy)
    assert [(change.activity, change.finding.rule) for change in second.findings] == [
        ("created", "use-after-termination")
    ]
    again = judge(key, applied(state, second), [use], START + HOUR, policy)
    assert (again.findings, again.commands, again.changes) == ([], [], [])


def test_an_update_says_whether_it_raises_the_severity() -> None:
    """A denied use first, and a use that went through later: whoever was not told of the first hears of the second."""
    key, policy = task_key("t"), Policy()
    issue = CredentialIssued(
        time=START, source="vault", id="1", credential_id="c", task_id="t", identifiers=(), grants=()
    )

    def use(number: int, outcome: str) -> CredentialUsed:
        return CredentialUsed(
            time=START + number * SECOND,
            source="audit",
            id=f"u{number}",
            credential_id="c",
            action="read",
            outcome=outcome,
        )

    state: dict[bytes, bytes] = {}
    told = []
    for number, outcome in enumerate(("denied", "denied", "success", "success")):
        judgement = judge(key, state, [issue, use(number, outcome)], START + MINUTE, policy)
        state = applied(state, judgement)
        told += [
            (one.activity, one.finding.severity, one.raised)
            for one in judgement.findings
            if one.finding.rule == "use-outside-scope"
        ]
    assert told == [
        ("created", Severity.MEDIUM, False),
        ("updated", Severity.MEDIUM, False),
        ("updated", Severity.HIGH, True),
        ("updated", Severity.HIGH, False),
    ]


def test_sums_stand_for_facts_that_are_no_longer_in_the_state() -> None:
    key, policy = task_key("t"), Policy()
    issue = CredentialIssued(
        time=START, source="vault", id="1", credential_id="c", task_id="t", identifiers=(), grants=()
    )
    uses = [
        CredentialUsed(time=START + n * SECOND, source="audit", id=f"u{n}", credential_id="c", action="read")
        for n in range(60)
    ]
    state = applied({}, judge(key, {}, [issue, *uses[:50]], START + DAY, policy, compact_every=10))
    assert sum(entry.startswith(b"e") for entry in state) < 50
    judgement = judge(key, state, uses[50:], START + DAY, policy, compact_every=10)
    (change,) = (each for each in judgement.findings if each.finding.rule == "use-outside-scope")
    assert change.finding.count == 60


def test_leaks_that_claim_to_be_old_are_judged_again_by_what_happens_at_the_issue() -> None:
    """They are no older to the judge than the credential, so they are not added up before its time."""
    key, policy = task_key("t"), Policy()
    issue = CredentialIssued(
        time=START, source="vault", id="1", credential_id="c", task_id="t", identifiers=(NAME,)
    )
    leaks = [
        Leak(
            time=n * SECOND,  # 1970
            source="log",
            id=f"l{n}",
            identifiers=(NAME,),
            fingerprint="f",
            pattern=None,
            severity=None,
            excerpt="",
        )
        for n in range(60)
    ]
    state = applied({}, judge(key, {}, [issue, *leaks], START, policy, compact_every=10))
    revoked = CredentialRevoked(time=START, source="vault", id="2", credential_id="c")
    judgement = judge(key, state, [revoked], START, policy, compact_every=10)
    (change,) = (each for each in judgement.findings if each.finding.rule == "leaked-credential")
    assert (change.finding.count, change.finding.severity) == (60, Severity.LOW)


def test_a_leak_that_an_earlier_version_stored_is_stored_anew() -> None:
    key, policy = task_key("t"), Policy()
    leak = Leak(
        time=START,
        source="log",
        id="l",
        identifiers=(NAME,),
        fingerprint="f",
        pattern=None,
        severity=None,
        excerpt="",
    )
    issue = CredentialIssued(
        time=START, source="vault", id="1", credential_id="c", task_id="t", identifiers=(NAME,)
    )
    state = applied({}, judge(key, {}, [issue, leak], START, policy))
    (stored,) = (name for name, value in state.items() if value == encode(leak))
    earlier = {name: value for name, value in state.items() if name != stored} | {
        b"e" + b"x" * 12: encode(leak).removesuffix(b",null,null,[]]") + b"]"
    }
    judgement = judge(key, earlier, [leak], START, policy)
    assert (judgement.findings, judgement.commands) == ([], [])
    assert applied(earlier, judgement) == state


def test_events_that_an_earlier_version_stored_without_later_fields_are_stored_anew() -> None:
    key, policy = task_key("t"), Policy()
    issue = CredentialIssued(
        time=START, source="vault", id="1", credential_id="c", task_id="t", identifiers=(NAME,)
    )
    started = TaskStarted(time=START, source="ci", id="1", task_id="t")
    facts: list[Fact] = [issue, started, Claim(issue), TaskStatus("x", started)]
    state = applied({}, judge(key, {}, facts, START, policy))
    earlier = dict(state)
    for number, fact in enumerate(facts):
        (stored,) = (name for name, value in state.items() if value == encode(fact))
        later, sooner = (b",[],null,null,null]", b",[]]") if number in {0, 2} else (b",null]", b"]")
        head, _, tail = earlier.pop(stored).partition(later)  # a start has one field more, an issue three
        name = b"e" + bytes([number]) * 12
        earlier[name] = head + sooner + tail
        assert earlier[name] != encode(fact)
        assert decode(earlier[name]) == fact
    judgement = judge(key, earlier, facts, START, policy)
    assert (judgement.findings, judgement.commands) == ([], [])
    assert applied(earlier, judgement) == state


def test_a_command_dated_before_the_issue_is_to_be_confirmed_after_the_issue() -> None:
    key, policy = task_key("t"), Policy()
    issue = CredentialIssued(
        time=START, source="vault", id="1", credential_id="c", task_id="t", identifiers=(NAME,)
    )
    leak = Leak(
        time=0,
        source="log",
        id="l",
        identifiers=(NAME,),
        fingerprint="f",
        pattern=None,
        severity=None,
        excerpt="",
    )
    state = applied({}, first := judge(key, {}, [issue, leak], START, policy))
    assert [(command.time, command.escalated) for command in first.commands] == [(0, False)]
    due = START + policy.confirm_timeout
    assert first.timer == due
    assert judge(key, state, [], due - 1, policy).commands == []
    (command,) = judge(key, state, [], due, policy).commands
    assert (command.time, command.reasons) == (due, ("revocation-unconfirmed",))


def test_a_call_changes_none_of_its_arguments() -> None:
    key, policy = task_key("t"), Policy()
    start = TaskStarted(time=START, source="ci", id="1", task_id="t", deadline=START + HOUR)
    state = applied({}, judge(key, {}, [start], START, policy))
    before = dict(state)
    facts: list[Fact] = []
    found = [judge(key, state, facts, START + DAY, policy) for _ in range(2)]
    assert found[0] == found[1]
    assert [change.finding.rule for change in found[0].findings] == ["overdue-task"]
    assert (state, facts) == (before, [])


def test_a_key_of_no_aggregate_is_refused() -> None:
    with pytest.raises(ValueError, match="no aggregate"):
        judge("x:1", {}, [], START, Policy())
