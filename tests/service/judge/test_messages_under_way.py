"""What one aggregate tells another arrives before either is judged, however far behind some partitions are.

After a standstill the facts of minutes come at once, and the watermark goes on by a leap. A revocation that names a
credential by its identifier, or a task that starts in a group, reaches the credential by a detour through other
partitions of work.
"""

import random
from collections.abc import Iterator
from typing import Any, TypeVar

import pytest

from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialRevoked,
    Identifier,
    TaskEnded,
    TaskStarted,
)
from detector.values.times import HOUR, MINUTE, SECOND, parse_rfc3339
from tests.service.judge.judge_without_kafka import World, feed, run

T0 = 1_793_491_200 * SECOND
POLICY = Policy(grace_period=20 * SECOND)
INPUT = "events-0"
_Event = TypeVar("_Event", TaskStarted, TaskEnded, CredentialIssued, CredentialRevoked)


class Life:
    """The events of a task and its credential, which begin at some time (ns)."""

    def __init__(self, number: int, begin: int) -> None:
        self.task, self.credential = f"t{number}", f"c{number}"
        self.identifiers = (Identifier("jwt-id", f"a-token-with-id-{number}"),)
        self.events: list[AnyEvent] = []
        self._number, self._begin = number, begin

    def tell(self, kind: type[_Event], seconds: float, **data: Any) -> None:
        name = f"{self._number}-{len(self.events)}"
        self.events.append(kind(time=self._begin + round(seconds * SECOND), source="ci", id=name, **data))

    def issue(self, seconds: float, **data: Any) -> None:
        expires = self._begin + HOUR
        self.tell(
            CredentialIssued,
            seconds,
            credential_id=self.credential,
            identifiers=self.identifiers,
            expires_at=expires,
            **{"task_id": None, **data},
        )


def histories(rng: random.Random) -> Iterator[Life]:
    """All but every fourth credential are revoked in the grace period."""
    for number in range(8):
        life = Life(number, T0 + rng.randrange(30) * SECOND)
        end = rng.uniform(6, 12)
        if number % 4 == 0:
            group, longer = f"g{number}", f"{life.task}-longer"
            life.tell(TaskStarted, 0, task_id=life.task, group=group)
            life.tell(TaskStarted, 1, task_id=longer, group=group)
            life.issue(4, task_group=group)
            life.tell(TaskEnded, end, task_id=life.task)
            end += rng.uniform(21, 28)
            life.tell(TaskEnded, end, task_id=longer)
        else:
            life.tell(TaskStarted, 0, task_id=life.task)
            life.issue(1, task_id=life.task)
            life.tell(TaskEnded, end, task_id=life.task)
        if number % 4 != 1:
            by_id = {"credential_id": life.credential}
            named = by_id if number % 4 == 3 else {"identifier": life.identifiers[0]}
            life.tell(CredentialRevoked, end + rng.uniform(3, 18), **named)
        yield life


async def caught_up(world: World, rng: random.Random) -> None:
    """Polls and ticks in an order of chance, some partitions far more often than others, until nothing waits."""
    numbers = range(len(world.work))
    while any(world.waits(number) for number in numbers):
        weights = [rng.choice((1, 10, 100)) for _ in numbers]
        for number in rng.choices(numbers, weights, k=30):
            if world.waits(number):
                await world.poll(number, rng.choice((1, 2, 50)))
            if rng.random() < 0.5:
                await world.tick_one(number)


async def commands_of(seed: int) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """The commands after a standstill, and those of a replay: credential and time."""
    rng, until = random.Random(seed), T0 + 10 * MINUTE
    told = [event for life in histories(rng) for event in life.events]
    told.sort(key=lambda event: event.time + rng.randrange(3) * SECOND)
    known = rng.randrange(len(told))
    world = World(POLICY, T0, partitions=rng.choice((2, 3, 4)))
    try:
        await world.open()
        feed(world, told[:known], rng)
        world.report(INPUT, T0 - HOUR)
        await world.drain()
        world.clock = until + POLICY.watermark_delay
        feed(world, told[known:], rng)
        world.report(INPUT, until)
        await caught_up(world, rng)
        await world.drain()
        await world.close()
    finally:
        world.remove()
    ledger = Ledger(POLICY)
    for event in told:
        ledger.apply(event)
    return (
        {(each["subject"], parse_rfc3339(each["time"])) for each in world.commands},
        {(each.credential.credential_id, each.time) for each in ledger.commands(until)},
    )


@pytest.mark.parametrize("seed", range(20))
def test_after_a_standstill_commands_are_those_of_a_replay(seed: int) -> None:
    live, replayed = run(commands_of(seed))
    assert {name for name, _ in replayed} == {"c1", "c5"}
    assert live == replayed
