"""How many aggregates there are, how much is parked, what is joined: counted as it happens, right whatever happens."""

import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.judge.join_coverage import count_joins, join_coverage
from detector.judge.joins import JoinCounts
from detector.judge.ledger import Ledger
from detector.judge.name_aggregates import NameAggregate
from detector.judge.policy import Policy
from detector.judge.routing import CREDENTIAL, IDENTIFIER, decode
from detector.judge.stage import FACT, META, Meta
from detector.judge.totals import Exposure, Totals
from detector.judge.watermark import BEGINNING
from detector.service.judge.reports import JudgedTransaction
from detector.service.judge.store import digest_of
from detector.values.times import HOUR, SECOND
from tests.histories import History, arrivals, histories
from tests.service.judge.judge_without_kafka import World, feed, longer, run, through_crashes
from tests.service.judge.test_judge_handler import EXAMPLES, thorough
from tests.service.judge.test_judge_over_time import HMAC, POLICY, T0, Story, issue, leak, run_story, use


def walked(world: World, number: int) -> Totals:
    """The totals of a partition as its changelog has them, one thing after another."""
    last = {key: value for _, (key, value) in world.logs.topics[number]}
    state = {key: value for key, value in last.items() if value is not None}
    metas = [
        msgspec.json.decode(value[12:], type=Meta)
        for key, value in state.items()
        if key[17:18] == META and key[:1] == b"a"
    ]
    parked, exposure, joins = 0, Exposure(), JoinCounts()
    for meta in metas:
        exposure = exposure.moved(Exposure(), meta.exposure or Exposure())
        joins = joins.moved(JoinCounts(), meta.joins or JoinCounts())
    for name in (meta.key for meta in metas if meta.key.startswith((CREDENTIAL, IDENTIFIER))):
        aggregate, prefix = NameAggregate(name, POLICY), b"a" + digest_of(name) + FACT
        for key, value in state.items():
            if key.startswith(prefix):
                aggregate.take(decode(value), BEGINNING)
        parked += aggregate.parked
    return Totals(len(metas), parked, exposure, joins)


def reported_totals(world: World) -> dict[int, Totals]:
    """The totals of each partition as reported last, without the names of sources that have no credentials now."""
    return {
        fact.partition: msgspec.structs.replace(fact.totals, joins=now_known(fact.totals.joins))
        for fact in world.facts
        if isinstance(fact, JudgedTransaction)
    }


def now_known(joins: JoinCounts) -> JoinCounts:
    return JoinCounts({source: counts for source, counts in joins.by_source.items() if counts})


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
    ledger.lapse(until)
    found = join_coverage(count_joins(ledger.accounts(), until), until).by_join
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
    await world.drain()
    await world.tick()
    assert reported_totals(world) == {number: walked(world, number) for number in range(len(world.work))}
    await world.restart(store=rng.choice(("kept", "lost", "torn")))
    feed(world, events[half:], rng)
    await through_crashes(world, rng, crashes=0.1)
    await world.settle(history.until + 2 * HOUR, policy)
    await world.tick()
    assert reported_totals(world) == {number: walked(world, number) for number in range(len(world.work))}
    assert by_join(world) == in_a_replay(history, judged_up_to(world), policy)
    await world.close()


@pytest.mark.slow
@settings(thorough, max_examples=int(EXAMPLES or 30))  # each opens a dozen stores
@given(histories(), st.data(), st.integers(0, 10**6))
def test_totals_are_those_of_the_changelog_and_joins_those_of_a_replay(
    history: History, data: st.DataObject, seed: int
) -> None:
    policy = longer(history.policy, command_delay=HOUR)
    world = World(policy, history.until, partitions=1 + seed % 3, cache_size=(0, 20, 1000)[seed % 3])
    try:
        run(lived(policy, world, history, data, seed))
    finally:
        world.remove()


def test_what_waits_for_an_issue_is_parked_until_it_comes() -> None:
    async def story(one: Story) -> None:
        def parked() -> int:
            return sum(totals.parked for totals in reported_totals(one.world).values())

        await one.apply(use(T0), use(T0 + SECOND, number=1), leak(T0))
        assert parked() == 3  # the leak at the one name that its secret has besides the secret's own
        await one.world.restart(store="lost")
        await one.world.tick()
        assert parked() == 3
        await one.apply(issue())
        assert parked() == 0
        await one.apply(use(T0 + SECOND, credential="c9"))
        assert parked() == 1
        await one.until(T0 + 3 * POLICY.lateness)
        assert parked() == 0
        assert HMAC in issue().identifiers

    run_story(story)
