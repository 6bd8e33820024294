"""Join coverage in the service: as a replay of the same events has it, whatever moves, crashes or comes late."""

import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.judge.join_coverage import join_coverage
from detector.judge.joins import LONG, JoinCounts
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.stage import META, AggregateState, Meta
from detector.judge.watermark import BEGINNING
from detector.service.judge.reports import JudgedTransaction
from detector.values.events import TaskStarted
from detector.values.times import DAY, HOUR, MINUTE
from tests.histories import History, arrivals, histories
from tests.service.judge.judge_without_kafka import World, feed, longer, run, through_crashes
from tests.service.judge.test_judge_handler import thorough
from tests.service.judge.test_judge_over_time import POLICY, T0, Story, end, issue, run_story, start
from tests.service.judge.test_totals import reported_totals


def by_join(world: World) -> Counter[str]:
    found: Counter[str] = Counter()
    for totals in reported_totals(world).values():
        for joins in totals.joins.by_source.values():
            found.update(joins)
    return found


def in_a_replay(history: History, until: int, policy: Policy) -> Counter[str]:
    ledger = Ledger(policy)
    for event in history.events:
        ledger.apply(event)
    found = join_coverage(ledger.accounts(), until).by_join
    found["running"] = found.get("running", 0) + found.pop("never-ends", 0)  # which compares all tasks
    return +Counter(found)


def judged_up_to(world: World) -> int:
    """The watermark of all partitions."""
    reported = {fact.partition: fact.watermark for fact in world.facts if isinstance(fact, JudgedTransaction)}
    (watermark,) = set(reported.values())
    assert watermark is not None
    return watermark


async def lived(policy: Policy, world: World, history: History, data: st.DataObject, seed: int) -> None:
    rng = random.Random(seed)
    await world.open()
    events = data.draw(arrivals(history.events))
    half = len(events) // 2
    feed(world, events[:half], rng)
    await through_crashes(world, rng, crashes=0.1)
    await world.restart(store=rng.choice(("kept", "lost", "torn")))
    feed(world, events[half:], rng)
    await through_crashes(world, rng, crashes=0.1)
    await world.settle(history.until + HOUR, policy)
    await world.tick()
    assert by_join(world) == in_a_replay(history, judged_up_to(world), policy)
    await world.close()


@pytest.mark.slow
@thorough
@given(histories(), st.data(), st.integers(0, 10**6))
def test_the_service_counts_what_a_replay_counts(history: History, data: st.DataObject, seed: int) -> None:
    policy = longer(history.policy, command_delay=HOUR)
    world = World(policy, history.until, partitions=1 + seed % 3, cache_size=(0, 20, 1000)[seed % 3])
    try:
        run(lived(policy, world, history, data, seed))
    finally:
        world.remove()


def test_a_credential_moves_from_join_to_join_and_goes_with_its_state() -> None:
    async def story(one: Story) -> None:
        await one.apply(issue(expires=T0 + HOUR))
        assert by_join(one.world) == {"unreported": 1}
        await one.apply(start())
        assert by_join(one.world) == {"running": 1}
        await one.world.restart(store="lost")
        await one.world.tick()
        assert by_join(one.world) == {"running": 1}
        await one.apply(end())
        assert by_join(one.world) == {"ended": 1}
        await one.until(T0 + 3 * DAY)
        assert by_join(one.world) == {}

    run_story(story)


def test_time_alone_makes_a_task_overdue_and_a_late_end_undoes_it() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(deadline=T0 + HOUR), issue(expires=T0 + DAY))
        await one.until(T0 + HOUR + POLICY.grace_period - 1)
        assert by_join(one.world) == {"running": 1}
        await one.until(T0 + HOUR + POLICY.grace_period)
        assert by_join(one.world) == {"overdue": 1}
        await one.world.restart(store="kept")
        await one.apply(end(at=T0 + HOUR + 2 * MINUTE))
        assert by_join(one.world) == {"ended": 1}

    run_story(story)


def test_an_earlier_issue_moves_the_credential_to_its_task() -> None:
    async def story(one: Story) -> None:
        await one.apply(start(), start("t2"), end("t2"), issue(at=T0 + MINUTE))
        assert by_join(one.world) == {"running": 1}
        await one.apply(issue(task="t2", at=T0))
        assert by_join(one.world) == {"ended": 1}

    run_story(story)


def test_a_credential_of_a_group_waits_for_the_last_of_its_candidates() -> None:
    def one_of(task: str) -> TaskStarted:
        return msgspec.structs.replace(start(task), group="repo")

    async def story(one: Story) -> None:
        grouped = msgspec.structs.replace(issue(expires=T0 + HOUR), task_id=None, task_group="repo")
        await one.apply(grouped)
        assert by_join(one.world) == {"no-candidate": 1}
        await one.apply(one_of("t1"), one_of("t2"))
        assert by_join(one.world) == {"candidates-running": 1}
        await one.apply(end("t1"))
        assert by_join(one.world) == {"candidates-running": 1}
        await one.until(T0 + LONG + POLICY.grace_period)
        assert by_join(one.world) == {"candidates-overdue": 1}
        await one.world.restart(store="lost")
        await one.world.tick()
        await one.apply(end("t2"))
        assert by_join(one.world) == {"candidates-ended": 1}

    run_story(story)


def test_state_of_an_earlier_version_counts_once_it_is_judged_again() -> None:
    state = AggregateState("t:t1", POLICY)
    state.load([(META, msgspec.json.encode(["t:t1", None, None]))])
    assert state.counted.joins == JoinCounts()
    assert msgspec.json.decode(b'["t:t1",5,null]', type=Meta).joins is None
    for fact in (start(), issue()):
        state.take(fact, msgspec.json.encode(fact), BEGINNING)
    state.judge(T0)
    assert state.totals.joins == JoinCounts({"vault": {"running": 1}})
