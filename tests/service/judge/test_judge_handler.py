import itertools
import json
import os
import random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.routing import route
from detector.registry.credential_registry import CredentialRegistry
from detector.service.judge.topic_output import OutputTopics, TopicOutput
from detector.values.events import AnyEvent, CredentialIssued, Leak, TaskStarted
from detector.values.findings import FindingChange
from detector.values.times import HOUR, SECOND
from tests.histories import START, History, arrivals, histories
from tests.service.judge.judge_without_kafka import (
    IDLE,
    RUN,
    World,
    feed,
    longer,
    run,
    through_crashes,
    without_activity,
)

EXAMPLES = os.environ.get("CURFEWD_EXAMPLES")
thorough = settings(
    max_examples=int(EXAMPLES or 60),
    derandomize=EXAMPLES is None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def replayed(history: History, policy: Policy, until: int) -> tuple[dict[str, Any], list[Any]]:
    ledger = Ledger(policy)
    for event in history.events:
        ledger.apply(event)
    findings, commands = (TopicOutput(OutputTopics(), RUN) for _ in range(2))
    for finding in ledger.findings(until):
        findings.finding(FindingChange("created", finding))
    for command in ledger.commands(until):
        commands.command(command)
    found = {
        (one.key or b"").decode(): without_activity(json.loads(one.value or b"")) for one in findings.records
    }
    return found, [json.loads(one.value or b"") for one in commands.records]


async def lived(policy: Policy, until: int, order: list[AnyEvent], seed: int, crashes: float) -> World:
    rng = random.Random(seed)
    world = World(
        policy,
        until + policy.watermark_delay - IDLE,
        partitions=rng.choice((1, 2, 3)),
        cache_size=rng.choice((0, 20, 1000)),
    )
    try:
        await world.open()
        feed(world, order, rng)
        await through_crashes(world, rng, crashes=crashes)
        await world.settle(until, policy)
        await world.close()
    finally:
        world.remove()
    return world


@pytest.mark.slow
@thorough
@given(histories(), st.data(), st.integers(0, 10**6), st.sampled_from((0.0, 0.1)))
def test_a_history_in_any_order_gives_what_replay_gives(
    history: History, data: st.DataObject, seed: int, crashes: float
) -> None:
    policy = longer(history.policy, command_delay=HOUR)
    latest = max((event.time for event in history.events), default=START)
    until = max(latest, history.until) + 2 * HOUR
    world = run(lived(policy, until, data.draw(arrivals(history.events)), seed, crashes))
    findings, commands = replayed(history, policy, until)
    assert world.letters == []
    standing = world.standing()
    assert {uid: (r["finding_info"]["analytic"]["uid"], r["count"]) for uid, r in standing.items()} == {
        uid: (r["finding_info"]["analytic"]["uid"], r["count"]) for uid, r in findings.items()
    }
    assert standing == findings
    assert sorted(world.commands, key=lambda c: c["id"]) == sorted(commands, key=lambda c: c["id"])
    if not moved(history):
        assert_reported_once(world)


@pytest.mark.slow
@thorough
@given(histories(), st.data(), st.integers(0, 10**6), st.sampled_from((0.0, 0.1)))
def test_without_a_delay_a_command_goes_out_at_once_and_once(
    history: History, data: st.DataObject, seed: int, crashes: float
) -> None:
    policy = longer(history.policy)
    until = max([history.until, *(event.time for event in history.events)])
    world = run(lived(policy, until, data.draw(arrivals(history.events)), seed, crashes))
    findings, commands = replayed(history, policy, until)
    assert world.standing() == findings
    if not moved(history):
        assert_reported_once(world)
    assert {command["id"] for command in commands} <= {command["id"] for command in world.commands}


def moved(history: History) -> bool:
    """Whether a credential was issued to two tasks: both may tell of it before they know of each other."""
    issues = [event for event in history.events if isinstance(event, CredentialIssued)]
    return len({(each.credential_id, each.task_id) for each in issues}) > len(
        {each.credential_id for each in issues}
    )


def assert_reported_once(world: World) -> None:
    for uid in dict(world.findings):
        records = [record for key, record in world.findings if key == uid]
        assert records[0]["activity_id"] == 1
        for before, after in itertools.pairwise(records):
            closed = after["activity_id"] == 3  # one that was resolved says nothing else then
            assert closed or without_activity(before) != without_activity(after)
            assert (after["activity_id"] == 1) == (before["activity_id"] == 3)
    assert len({command["id"] for command in world.commands}) == len(world.commands)


def foretold(history: History) -> list[AnyEvent]:
    """The events in order of time, all starts and issues moved before the rest: what is without_activity on time."""
    times = [came(event) for event in history.events]
    ahead = max(times, default=0) - min(times, default=0) + HOUR
    moved_ahead = [
        msgspec.structs.replace(event, time=event.time - ahead)
        if isinstance(event, TaskStarted | CredentialIssued)
        else event
        for event in history.events
    ]
    return sorted(moved_ahead, key=came)


def came(event: AnyEvent) -> int:
    """When it came: a log record may state a time that is long over."""
    return event.known_since if isinstance(event, Leak) else event.time


async def lived_on_time(
    policy: Policy, until: int, events: list[AnyEvent], seed: int, compact_every: int
) -> World:
    rng = random.Random(seed)
    world = World(
        policy,
        min(map(came, events), default=until) - HOUR,
        cache_size=rng.choice((0, 20, 1000)),
        compact_every=compact_every,
    )
    registry = CredentialRegistry()
    try:
        await world.open()
        for event in events:
            world.clock = max(
                world.clock, came(event)
            )  # no input reports, so the watermark follows the clock
            for key, payload in route(event, registry):
                world.send(key, payload)
            if isinstance(event, CredentialIssued):
                registry.add(event)
            await world.drain()
            if rng.random() < 0.05:
                await world.restart(store=rng.choice(("kept", "lost")))
        await world.settle(until, policy)
        await world.close()
    finally:
        world.remove()
    return world


@pytest.mark.slow
@thorough
@given(histories(), st.integers(0, 10**6), st.sampled_from((1, 2, 7)))
def test_what_is_added_up_is_judged_as_if_each_were_kept(
    history: History, seed: int, compact_every: int
) -> None:
    events = foretold(history)
    known = max([history.until, *(event.time for event in events)]) + HOUR
    # A leak may state an earlier time than all that was known before it: commands wait until everything is known.
    delay = known - min(map(came, events), default=known)
    policy, until = longer(history.policy, command_delay=delay), known + delay + HOUR
    brief = msgspec.structs.replace(policy, lateness=0, retention=10**6 * SECOND)
    world = run(lived_on_time(brief, until, events, seed, compact_every))
    findings, commands = replayed(History(brief, tuple(events), until), brief, until)
    assert world.standing() == findings
    assert sorted(world.commands, key=lambda c: c["id"]) == sorted(commands, key=lambda c: c["id"])
