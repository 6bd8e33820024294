"""Candidates live: a roster for each group of tasks, and an aggregate for each credential that was issued to one."""

from typing import Any

from detector.judge.accounts import Candidates
from detector.judge.aggregates import TaskAggregate
from detector.judge.policy import Policy
from detector.judge.rosters import LONGEST, PART_BYTES
from detector.judge.routing import (
    CandidateStatuses,
    CandidateStatusesPart,
    CandidateSubscription,
    Fact,
    TaskStatus,
    TaskSubscription,
    encode,
    issue_key,
    roster_key,
    route,
    task_key,
)
from detector.judge.stage import AggregateState, Judgement, judge
from detector.registry.credential_registry import CredentialRegistry
from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    Leak,
    TaskEnded,
    TaskStarted,
)
from detector.values.findings import finding_uid
from detector.values.times import DAY, HOUR, MINUTE, SECOND
from tests.judge.test_stage import World, kept_in_memory, through_bytes

START = 1_800_000_000 * SECOND
SECRET = Identifier("hmac-sha256", "ab" * 32)
POLICY = Policy()


def started(task_id: str, time: int, group: str | None = "repo", **fields: Any) -> TaskStarted:
    name = f"s-{task_id}-{time}"
    return TaskStarted(time=time, source="ci", id=name, task_id=task_id, group=group, **fields)


def ended(task_id: str, time: int) -> TaskEnded:
    return TaskEnded(time=time, source="ci", id=f"e-{task_id}-{time}", task_id=task_id)


def issued(
    time: int = START, credential: str = "c", task_id: str | None = None, **fields: Any
) -> CredentialIssued:
    known: dict[str, Any] = {
        "task_group": "repo",
        "identifiers": (SECRET,),
        "expires_at": time + HOUR,
    } | fields
    name = f"i-{credential}-{time}"
    return CredentialIssued(
        time=time, source="sts", id=name, credential_id=credential, task_id=task_id, **known
    )


def used(time: int, credential: str = "c", task_id: str | None = None) -> CredentialUsed:
    name = f"u-{credential}-{time}"
    return CredentialUsed(time=time, source="trail", id=name, credential_id=credential, task_id=task_id)


def world(*events: AnyEvent, policy: Policy = POLICY) -> World:
    made = World(through_bytes(policy, 256))
    made.tell(events, START - DAY)
    return made


def rules(made: World) -> list[str]:
    return sorted(rule for rule, _ in made.standing.values())


def left(made: World) -> set[str]:
    """The keys of the aggregates that have some state."""
    latest = dict(made.notes)
    return {key for key, judgement in latest.items() if judgement.timer is not None}


def sent(judgement: Judgement, kind: type[Fact]) -> list[tuple[str, Any]]:
    return [(key, fact) for key, fact in judgement.sends if isinstance(fact, kind)]


def test_a_start_with_a_group_goes_to_its_task_and_to_the_roster() -> None:
    registry = CredentialRegistry()
    assert [key for key, _ in route(started("a", START), registry)] == ["t:a", "r:repo"]
    assert [key for key, _ in route(started("a", START, None), registry)] == ["t:a"]
    assert [key for key, _ in route(ended("a", START), registry)] == ["t:a"]
    issue = issued()
    assert [key for key, _ in route(issue, registry)][:2] == ["k:c", "c:c"]
    registry.add(issue)
    assert [key for key, _ in route(used(START), registry)] == ["k:c"]


def test_a_use_after_the_last_candidate_ended_is_found_and_undone_by_a_late_one() -> None:
    made = world(
        started("a", START - MINUTE), issued(), ended("a", START + MINUTE), used(START + 10 * MINUTE)
    )
    made.settle(START + 11 * MINUTE)
    assert rules(made) == ["outlives-task", "use-after-termination"]
    made.tell([started("b", START)], START)
    assert rules(made) == []
    made.tell([ended("b", START + 2 * MINUTE)], START)
    made.settle(START + 11 * MINUTE)
    assert rules(made) == ["outlives-task", "use-after-termination"]


def test_candidates_that_ended_before_the_news_of_the_issue_are_told_at_once() -> None:
    made = world(
        *(started(f"t{each}", START - each) for each in range(5)),
        *(ended(f"t{each}", START + MINUTE) for each in range(5)),
    )
    made.tell([used(START + 10 * MINUTE), issued()], START - DAY)
    made.settle(START + 11 * MINUTE)
    assert rules(made) == ["outlives-task", "use-after-termination"]
    told = [fact for _, judgement in made.notes for _, fact in sent(judgement, CandidateStatuses)]
    assert [len(fact.statuses) for fact in told] == [5]


def test_a_task_that_cannot_be_a_candidate_costs_no_message() -> None:
    made = world(
        issued(), started("a", START + MINUTE), started("b", START - HOUR), ended("b", START - MINUTE)
    )
    made.tell([issued(START, "d", identifiers=(Identifier("jwt-id", "d"),))], START - DAY)
    told = [(key, fact) for _, judgement in made.notes for key, fact in sent(judgement, CandidateStatuses)]
    # When b started it may have been one of c; nobody tells d of it.
    assert [(key, [(each.task_id, each.end is None) for each in fact.statuses]) for key, fact in told] == [
        ("k:c", [("b", True)]),
        ("k:c", [("b", False)]),
    ]


def test_a_leak_and_revocations_by_name_and_group_find_the_credential() -> None:
    leak = Leak(
        time=START + MINUTE,
        source="log",
        id="l",
        identifiers=(SECRET,),
        fingerprint=SECRET.value,
        pattern=None,
        severity=None,
        excerpt="",
    )
    early = world(leak, CredentialRevoked(time=START + 2 * MINUTE, source="sts", id="r", group="role"))
    early.tell([issued(groups=("role",)), started("a", START), used(START + 5 * MINUTE)], START - DAY)
    early.settle(START + 6 * MINUTE)
    assert rules(early) == ["leaked-credential", "use-after-revocation"]
    assert len(early.commands) == 2


def test_an_earlier_issue_that_names_a_task_takes_the_credential_over() -> None:
    made = world(
        started("a", START - MINUTE), ended("a", START + MINUTE), issued(), used(START + 10 * MINUTE)
    )
    made.settle(START + 11 * MINUTE)
    assert rules(made) == ["outlives-task", "use-after-termination"]
    assert len(made.commands) == 1
    made.tell([issued(START - SECOND, task_id="b"), started("b", START - MINUTE)], START)
    assert rules(made) == []
    made.tell([ended("b", START + MINUTE)], START)
    made.settle(START + 11 * MINUTE)
    assert rules(made) == ["outlives-task", "use-after-termination"]
    assert len(made.commands) == 1


def test_an_earlier_issue_to_a_group_takes_the_credential_from_its_task() -> None:
    made = world(
        started("b", START - MINUTE),
        ended("b", START + MINUTE),
        issued(task_id="b"),
        used(START + 10 * MINUTE),
    )
    made.settle(START + 11 * MINUTE)
    assert rules(made) == ["outlives-task", "use-after-termination"]
    made.tell([issued(START - SECOND), started("a", START - MINUTE)], START)
    assert rules(made) == []
    assert len(made.commands) == 1


def test_a_credential_is_forgotten_once_dead_though_a_candidate_never_ends() -> None:
    made = world(started("a", START - MINUTE), issued(), used(START + MINUTE))
    made.settle(START + HOUR + POLICY.retention - SECOND)
    assert left(made) >= {"k:c", "r:repo"}
    made.settle(START + HOUR + POLICY.retention)
    assert "k:c" not in left(made)
    forgotten = [issue for _, judgement in made.notes for issue in judgement.forgotten]
    assert [issue.credential_id for issue in forgotten] == ["c"]
    made.settle(START + LONGEST)
    assert "r:repo" not in left(made)


def test_nothing_is_left_of_a_group_whose_tasks_ended_and_whose_credentials_died() -> None:
    made = world(*(started(f"t{each}", START) for each in range(3)), issued(), used(START + MINUTE))
    made.tell([ended(f"t{each}", START + 2 * MINUTE) for each in range(3)], START)
    made.settle(START + HOUR + 2 * POLICY.retention + 2 * POLICY.finding_retention)
    assert left(made) == set()


def test_an_expiry_that_is_put_off_keeps_the_subscription() -> None:
    renewed = CredentialRenewed(
        time=START + MINUTE, source="sts", id="n", credential_id="c", expires_at=START + 4 * DAY
    )
    made = world(started("a", START), issued(), renewed)
    made.settle(START + 3 * DAY)
    made.tell([ended("a", START + 3 * DAY), used(START + 3 * DAY + HOUR)], START + 3 * DAY)
    made.settle(START + 3 * DAY + 2 * HOUR)
    assert {"outlives-task", "use-after-termination"} <= set(rules(made))


def test_the_end_of_a_task_that_a_use_names_does_not_count_before_the_roster_has_spoken() -> None:
    start, end, other = started("a", START), ended("a", START + MINUTE), started("b", START)
    one = AggregateState("k:c", POLICY)

    def rules_after(*facts: Fact) -> set[str]:
        for fact in facts:
            one.take(fact, encode(fact), START)
        one.judge(START + HOUR)
        return {
            rule
            for rule in ("outlives-task", "use-after-termination")
            if finding_uid(rule, "c") in one.reported
        }

    late = used(START + 10 * MINUTE, task_id="a")
    assert rules_after(issued(), late, TaskStatus("a", start, end)) == set()
    assert rules_after(CandidateStatuses((TaskStatus("a", start, end), TaskStatus("b", other)))) == set()
    ended_too = TaskStatus("b", other, ended("b", START + 2 * MINUTE))
    assert rules_after(CandidateStatuses((ended_too,))) == {"outlives-task", "use-after-termination"}


def test_a_task_that_a_use_names_and_that_ended_before_the_issue_is_no_candidate() -> None:
    gone = (started("a", START - HOUR), ended("a", START - MINUTE))
    made = world(
        *gone,
        issued(),
        started("b", START),
        used(START + MINUTE, task_id="a"),
        ended("b", START + 2 * MINUTE),
    )
    made.settle(START + 4 * MINUTE)
    assert rules(made) == ["outlives-task", "use-by-other-workload"]


def test_a_roster_keeps_one_fact_of_a_task_and_none_that_says_nothing_new() -> None:
    roster = AggregateState(roster_key("repo"), POLICY)
    start, end = started("a", START), ended("a", START + MINUTE)
    earlier = started("a", START - MINUTE)
    entries: dict[bytes, bytes] = {}
    for fact in (
        start,
        TaskStatus("a", start),
        earlier,
        TaskStatus("a", earlier),
        TaskStatus("a", earlier, end),
        start,
    ):
        roster.take(fact, encode(fact), START)
        for name, value in roster.judge(START).changes:
            entries.pop(name, None) if value is None else entries.update({name: value})
    kept = [value for name, value in entries.items() if name.startswith(b"e")]
    assert kept == [encode(TaskStatus("a", earlier, end))]


def test_a_roster_tells_nothing_of_a_task_that_had_ended_before_the_issue() -> None:
    key = roster_key("repo")
    subscription = CandidateSubscription("k:c", START - SECOND, START + SECOND, START + HOUR)
    early, late = (
        TaskStatus("a", started("a", START - HOUR), ended("a", START - MINUTE)),
        started("b", START + MINUTE),
    )
    orders: list[list[Fact]] = [[subscription, early, late], [early, late, subscription]]
    for facts in orders:
        judgement = judge(key, {}, facts, START, POLICY)
        assert sent(judgement, CandidateStatuses) == []


def test_a_roster_asks_each_task_once_and_answers_by_the_state_alone() -> None:
    start = started("a", START)
    key, issue = roster_key("repo"), issued()
    subscription = CandidateSubscription(issue_key(issue), START - SECOND, START + SECOND, START + HOUR)
    first = judge(key, {}, [start, started("a", START - 1)], START, POLICY)
    assert first.sends == [(task_key("a"), TaskSubscription(key, START))]
    state = {name: value for name, value in first.changes if value is not None}
    second = judge(key, state, [subscription, subscription], START, POLICY)
    assert second.sends == [("k:c", CandidateStatuses((TaskStatus("a", started("a", START - 1)),)))]


def test_a_long_answer_comes_in_parts_that_count_once_all_are_there() -> None:
    key, issue = roster_key("repo"), issued()
    starts: list[Fact] = [
        started(f"a-task-{number:04}", START - HOUR, kind="k" * 80) for number in range(300)
    ]
    roster = AggregateState(key, POLICY)
    for start in starts:
        roster.take(start, encode(start), START)
    roster.judge(START)
    subscription = CandidateSubscription(issue_key(issue), START - SECOND, START + SECOND, START + HOUR)
    roster.take(subscription, encode(subscription), START)
    parts = [fact for _, fact in sent(roster.judge(START), CandidateStatusesPart)]
    assert len(parts) > 3
    assert all(len(encode(part)) < PART_BYTES + 1000 for part in parts)
    assert sum(len(part.statuses) for part in parts) == len(starts)

    use = used(START + MINUTE, task_id="a-task-0299")
    credential = AggregateState(issue_key(issue), POLICY)
    entries: dict[bytes, bytes] = {}
    for fact in (issue, use, TaskStatus("a-task-0299", started("a-task-0299", START - HOUR)), *parts[::-1]):
        credential.take(fact, encode(fact), START)
        judgement = credential.judge(START + MINUTE)
        assert not judgement.commands
        for name, value in judgement.changes:
            entries.pop(name, None) if value is None else entries.update({name: value})
        credential = AggregateState(issue_key(issue), POLICY)  # from its state, whose entries have no order
        credential.load(sorted(entries.items(), reverse=fact is use))
    assert credential.totals.joins.by_source == {"sts": {"candidates-running": 1}}
    assert isinstance(credential.aggregate, TaskAggregate)
    (account,) = credential.aggregate.ledger.accounts()
    assert isinstance(account.task, Candidates)
    assert account.task.count == len(starts)


def test_the_answer_about_thousands_of_tasks_reaches_the_credential() -> None:
    made = World(kept_in_memory(POLICY, 256))
    made.tell([*(started(f"t{number}", START - HOUR) for number in range(1000)), issued()], START - DAY)
    made.tell([*(ended(f"t{number}", START + number * SECOND) for number in range(1000))], START)
    made.tell([used(START + 990 * SECOND), used(START + 2000 * SECOND)], START)
    made.settle(START + 2000 * SECOND)
    assert rules(made) == ["outlives-task", "use-after-termination"]
    assert [(rule, count) for rule, count in made.standing.values() if rule == "use-after-termination"] == [
        ("use-after-termination", 1)
    ]
