"""Of tasks that are forgotten nothing stays in memory, without waiting for a collection of cycles."""

import asyncio
import gc

from detector.judge.accounts import Account, Name, Task
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.routing import route
from detector.registry.credential_registry import CredentialRegistry
from detector.values.events import (
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    TaskEnded,
    TaskStarted,
)
from detector.values.times import DAY, MINUTE, SECOND
from tests.service.judge.judge_without_kafka import World

_START = 1_793_491_200 * SECOND
_TASKS = 50
_JUDGED = (Account, Name, Task, Ledger)


def _events(number: int) -> list[CanonicalEvent]:
    task, credential = f"build-{number}", f"c-{number}"
    name = Identifier("vault-accessor", f"hmac-{number}")
    return [
        TaskStarted(time=_START, source="ci", id=f"s{number}", task_id=task, kind="ci"),
        CredentialIssued(time=_START, source="vault", id=f"i{number}", credential_id=credential, task_id=task, identifiers=(name,)),
        CredentialUsed(time=_START + MINUTE, source="audit", id=f"u{number}", identifier=name, action="read", resource="kv/a", task_id=task),
        TaskEnded(time=_START + 2 * MINUTE, source="ci", id=f"e{number}", task_id=task, outcome="succeeded"),
        CredentialRevoked(time=_START + 2 * MINUTE, source="vault", id=f"r{number}", credential_id=credential),
    ]  # fmt: skip


def _in_memory() -> int:
    return sum(isinstance(one, _JUDGED) for one in gc.get_objects())


def test_nothing_stays_of_tasks_that_are_forgotten() -> None:
    async def run() -> tuple[int, int, int]:
        world, registry = World(Policy(), _START, partitions=1), CredentialRegistry()
        try:
            await world.open()
            before = _in_memory()
            for number in range(_TASKS):
                for event in _events(number):
                    for key, fact in route(event, registry):
                        world.send(key, fact)
                    if isinstance(event, CredentialIssued):
                        registry.add(event)
            await world.drain()
            known = _in_memory() - before
            await world.settle(_START + 3 * DAY, Policy())
            left = _in_memory() - before
            await world.close()
            return known, left, len(world.forgotten)
        finally:
            world.remove()

    gc.collect()
    gc.disable()
    try:
        known, left, forgotten = asyncio.run(run())
    finally:
        gc.enable()
    assert known >= 4 * _TASKS
    assert forgotten == _TASKS
    assert left == 0
