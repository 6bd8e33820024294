"""Credentials of which only a group of tasks is known: which tasks are candidates, and what that decides."""

import random
import time
from collections.abc import Iterable
from typing import Any

import pytest

from detector.judge.accounts import Account, Candidates
from detector.judge.ledger import Ledger
from detector.judge.policy import Accept, Policy, Tuning
from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialUsed,
    Grant,
    Identifier,
    TaskEnded,
    TaskStarted,
)
from detector.values.findings import CandidateFacts, Command, Finding
from detector.values.times import DAY, HOUR, MINUTE, SECOND

START = 1_800_000_000 * SECOND
SKEW = 5 * SECOND


def started(task_id: str, time: int, group: str | None = "repo", **fields: Any) -> TaskStarted:
    name = f"s-{task_id}-{time}"
    return TaskStarted(time=time, source="ci", id=name, task_id=task_id, group=group, **fields)


def ended(task_id: str, time: int) -> TaskEnded:
    return TaskEnded(time=time, source="ci", id=f"e-{task_id}-{time}", task_id=task_id)


def issued(
    time: int = START, group: str | None = "repo", task_id: str | None = None, **fields: Any
) -> CredentialIssued:
    known = {"expires_at": time + 12 * HOUR} | fields
    return CredentialIssued(
        time=time,
        source="sts",
        id=f"i-{time}-{task_id}-{group}",
        credential_id="c",
        task_id=task_id,
        task_group=group,
        identifiers=(Identifier("aws-access-key-id", "ASIA"),),
        **known,
    )


def used(time: int, task_id: str | None = None) -> CredentialUsed:
    return CredentialUsed(
        time=time, source="trail", id=f"u-{time}-{task_id}", credential_id="c", task_id=task_id, action="read"
    )


def fed(*events: AnyEvent, policy: Policy | None = None) -> Ledger:
    ledger = Ledger(policy or Policy())
    for event in events:
        ledger.apply(event)
    return ledger


def findings(*events: AnyEvent, policy: Policy | None = None, until: int = START + DAY) -> dict[str, Finding]:
    return {each.rule: each for each in fed(*events, policy=policy).findings(until)}


def rules(*events: AnyEvent, policy: Policy | None = None) -> set[str]:
    return set(findings(*events, policy=policy))


def commands(*events: AnyEvent) -> list[Command]:
    return fed(*events).commands(START + DAY)


def facts(*events: AnyEvent) -> CandidateFacts:
    (account,) = fed(*events).accounts()
    (command,) = commands(*events, used(START - HOUR))  # a use before the issue always asks
    assert account.issue.credential_id == command.credential.credential_id
    assert command.credential.candidates is not None
    return command.credential.candidates


@pytest.mark.parametrize(
    ("start", "end", "candidate"),
    [
        (-MINUTE, MINUTE, True),
        (-MINUTE, None, True),
        (SKEW, MINUTE, True),
        (SKEW + 1, MINUTE, False),
        (-MINUTE, -SKEW, True),
        (-MINUTE, -SKEW - 1, False),
    ],
    ids=[
        "ran",
        "still-runs",
        "starts-a-skew-later",
        "starts-too-late",
        "ended-a-skew-before",
        "ended-too-early",
    ],
)
def test_a_candidate_ran_at_the_issue_give_or_take_the_skew(
    start: int,
    end: int | None,
    candidate: bool,  # noqa: FBT001 - what the case expects
) -> None:
    events: list[AnyEvent] = [started("t", START + start), issued()]
    if end is not None:
        events.append(ended("t", START + end))
    assert facts(*events).task_ids == (("t",) if candidate else ())
    for others in (1, 25):
        more = [started(f"other-{number}", START) for number in range(others)]
        by_other = "use-by-other-workload" in rules(*events, *more, used(START, "t"))
        assert by_other is not candidate


def test_the_skew_is_that_of_the_kind_of_the_credential() -> None:
    policy = Policy(kinds={"session": Tuning(skew=MINUTE), "job": Tuning(skew=HOUR)})
    events = (
        started("t", START + 2 * MINUTE, kind="job"),
        started("u", START + 30 * SECOND),
        used(START - HOUR),
    )
    (command,) = fed(*events, issued(kind="session"), policy=policy).commands(START + DAY)
    assert command.credential.candidates is not None
    assert command.credential.candidates.task_ids == ("u",)


def test_a_use_after_the_last_of_them_ended_is_one_after_the_end() -> None:
    events = (started("a", START - MINUTE), started("b", START - HOUR), issued(), ended("a", START + MINUTE))
    assert rules(*events, used(START + 10 * MINUTE)) == set()
    last = ended("b", START + 9 * MINUTE)
    found = findings(*events, last, used(START + 9 * MINUTE + SKEW), used(START + 10 * MINUTE))
    assert set(found) == {"use-after-termination", "outlives-task"}
    assert found["use-after-termination"].count == 1
    assert found["use-after-termination"].task is None
    assert found["use-after-termination"].evidences[0].detail == "1 min after the last candidate ended"
    assert found["outlives-task"].first_seen == START + 10 * MINUTE


def test_a_late_start_and_a_late_end_judge_again() -> None:
    ledger = fed(
        started("a", START - MINUTE), issued(), ended("a", START + MINUTE), used(START + 10 * MINUTE)
    )
    assert [each.rule for each in ledger.findings(START + DAY)] == ["outlives-task", "use-after-termination"]
    ledger.apply(started("b", START))
    assert ledger.findings(START + DAY) == []
    ledger.apply(ended("b", START + 5 * MINUTE))
    assert [each.first_seen for each in ledger.findings(START + DAY)] == [
        START + 6 * MINUTE,
        START + 10 * MINUTE,
    ]
    ledger.apply(started("b", START - HOUR, group="other"))  # it was another group's all the time
    assert [each.first_seen for each in ledger.findings(START + DAY)] == [
        START + 2 * MINUTE,
        START + 10 * MINUTE,
    ]


def test_an_issue_that_names_a_task_counts_if_it_is_the_earliest() -> None:
    events = (
        started("a", START - MINUTE),
        ended("a", START + MINUTE),
        started("b", START - MINUTE),
        used(START + 10 * MINUTE),
    )
    by_group, by_task = issued(), issued(START - SECOND, task_id="a")
    assert rules(*events, by_group) == set()
    assert rules(*events, by_group, by_task) == {"use-after-termination", "outlives-task"}
    assert rules(*events, by_task, by_group) == {"use-after-termination", "outlives-task"}
    assert rules(*events, by_group, issued(START + SECOND, task_id="a")) == set()


def test_with_a_task_the_group_says_nothing() -> None:
    found = findings(
        started("a", START), started("b", START), issued(task_id="a"), ended("a", START + MINUTE)
    )
    assert found["outlives-task"].task is not None
    assert found["outlives-task"].candidates is None


def test_no_task_is_another_without_a_candidate() -> None:
    assert rules(issued(), used(START, "stranger")) == set()
    assert rules(issued(), started("a", START), used(START, "stranger")) == {"use-by-other-workload"}
    assert rules(issued(), started("a", START), used(START, "a")) == set()


@pytest.mark.parametrize("number", [2, 21, 200])
def test_a_descendant_of_any_candidate_may_use_the_credential(number: int) -> None:
    tasks = [started(f"t{each:03}", START - HOUR + each) for each in range(number)]
    last = tasks[-1].task_id
    chain = [
        started("child", START, group=None, parent_task_id=last),
        started("grandchild", START, group="other", parent_task_id="child"),
    ]
    uses = (used(START, last), used(START + 1, "child"), used(START + 2, "grandchild"))
    assert rules(issued(), *tasks, *chain, *uses) == set()
    assert rules(issued(), *uses, *chain, *tasks) == set()
    found = findings(issued(), *tasks, *chain, *uses, used(START + 3, "stranger"))
    (piece,) = found["use-by-other-workload"].evidences
    assert piece.detail == "task stranger is not a candidate and descends from none"


@pytest.mark.parametrize(("depth", "found"), [(998, True), (1_000, False), (50_000, False)])
def test_a_long_chain_of_parents_is_not_walked_for_each_use(depth: int, *, found: bool) -> None:
    tasks = [started(f"t{each:03}", START - HOUR + each) for each in range(21)]
    chain = [started(f"c{each}", START, group=None, parent_task_id=f"c{each + 1}") for each in range(depth)]
    ledger = fed(issued(), *tasks, *chain)
    ledger.seal_lifecycle()
    before = time.process_time()
    for each in range(2_000):
        ledger.apply(used(START + each, "c0"))
    assert time.process_time() - before < 10  # seconds; a walk to the end takes some 100 million steps
    assert ("use-by-other-workload" in {each.rule for each in ledger.findings(START)}) is found


def test_findings_name_the_first_twenty_and_say_how_many_there_are() -> None:
    tasks = [started(f"t{each:03}", START - each * SECOND, kind="job") for each in range(25)]
    random.Random(7).shuffle(tasks)
    found = facts(issued(), *tasks)
    assert found.count == 25
    assert found.kind == "job"
    assert found.task_ids == tuple(f"t{each:03}" for each in range(24, 4, -1))
    assert facts(issued(), *tasks, started("other", START, kind="build")).kind is None


def test_the_deadline_is_the_latest_and_none_while_one_has_none() -> None:
    long = issued(expires_at=START + 2 * HOUR)
    tasks = (started("a", START, deadline=START + HOUR), started("b", START, deadline=START + MINUTE))
    assert rules(long, *tasks) == {"overlong-credential", "overdue-task"}
    assert "overlong-credential" not in rules(long, *tasks, started("c", START))
    aged = Policy(max_task_age=10 * MINUTE)
    assert "overlong-credential" in rules(long, *tasks, started("c", START), policy=aged)
    ended_before = (
        started("x", START - HOUR),
        ended("x", START - MINUTE),
    )  # without a deadline, but no candidate
    assert "overlong-credential" in rules(long, *tasks, *ended_before)


def test_a_grant_is_unused_once_the_last_candidate_has_ended() -> None:
    events = (
        issued(grants=(Grant(("read",), None),)),
        started("a", START),
        started("b", START),
        ended("a", START + MINUTE),
    )
    assert "unused-grant" not in rules(*events)
    assert "unused-grant" in rules(*events, ended("b", START + HOUR))
    assert "unused-grant" not in rules(*events, ended("b", START + HOUR), used(START + HOUR))


@pytest.mark.parametrize(
    ("entry", "tasks", "accepted"),
    [
        ({"task": "t*"}, ("t1", "t2"), True),
        ({"task": "t1"}, ("t1", "t2"), False),
        ({"task": "*"}, (), False),
        ({"workload": "w"}, ("t1", "t2"), True),
        ({"credential": "c"}, (), True),
        ({"task": "t*"}, tuple(f"t{each}" for each in range(20)), True),
        ({"task": "t*"}, tuple(f"t{each}" for each in range(21)), False),
    ],
    ids=["all", "one-of-two", "none-there", "workload", "no-task-asked", "twenty", "more-than-are-named"],
)
def test_an_acceptance_by_task_must_match_every_candidate(
    entry: dict[str, Any],
    tasks: tuple[str, ...],
    accepted: bool,  # noqa: FBT001 - what the case expects
) -> None:
    policy = Policy(accepts=(Accept("known", START + DAY, rule="overlong-credential", **entry),))
    starts = [started(each, START, workload="w") for each in tasks]
    found = findings(issued(expires_at=None), *starts, policy=policy)
    assert (found["overlong-credential"].accepted == "known") is accepted


def brute(events: Iterable[AnyEvent], issue: CredentialIssued) -> tuple[list[str], int | None]:
    """The candidates of an issue by start, and the last of their ends."""
    starts = [each for each in events if isinstance(each, TaskStarted)]
    ends = {each.task_id: each.time for each in events if isinstance(each, TaskEnded)}
    found = [
        each
        for each in starts
        if each.time <= issue.time + SKEW and ends.get(each.task_id, START + DAY) >= issue.time - SKEW
    ]
    found.sort(key=lambda each: (each.time, each.id))
    known = [ends.get(each.task_id) for each in found]
    whole = [end for end in known if end is not None]
    return [each.task_id for each in found], max(whole) if whole and len(whole) == len(known) else None


def test_a_sweep_over_many_finds_what_a_search_for_each_finds() -> None:
    chance = random.Random(3)
    events: list[AnyEvent] = []
    for number in range(300):
        at = START + chance.randrange(3600) * SECOND
        due = at + chance.randrange(600) * SECOND if number % 40 else None
        events.append(started(f"t{number}", at, kind="job" if number % 30 else "build", deadline=due))
        if number % 50:
            events.append(ended(f"t{number}", at + chance.randrange(-30, 600) * SECOND))
    issues = [
        CredentialIssued(
            time=START + chance.randrange(-60, 3700) * SECOND,
            source="sts",
            id=f"i{number}",
            credential_id=f"c{number}",
            task_id=None,
            task_group="repo",
            identifiers=(Identifier("aws-access-key-id", f"ASIA{number}"),),
        )
        for number in range(200)
    ]
    order = [*events, *issues]
    chance.shuffle(order)
    for account in fed(*order).accounts():
        candidates = account.task
        assert isinstance(candidates, Candidates)
        ids, end = brute(events, account.issue)
        assert candidates.count == len(ids)
        assert [each.task_id for each in candidates.first] == ids[:20]
        assert candidates.ended == (1 << 120 if end is None else end)
        (alone,) = fed(
            *events, account.issue
        ).accounts()  # a credential alone in its group is settled without a sweep
        assert outline(alone) == outline(account)


def outline(account: Account) -> tuple[object, ...]:
    own = account.task
    assert isinstance(own, Candidates)
    oldest = own.oldest.task_id if own.oldest is not None else None
    return own.count, [each.task_id for each in own.first], own.kind, own.ending, own.due, oldest
