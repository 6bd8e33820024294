"""Of tasks that are forgotten nothing stays in memory, and a process gives back what they took."""

import asyncio
import gc
import json
import subprocess
import sys

from detector.judge.accounts import Account, Name, Task
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.routing import route
from detector.registry.credential_registry import CredentialRegistry
from detector.values.events import CredentialIssued
from detector.values.times import DAY
from tests.service.judge.forgetting_process import START, events
from tests.service.judge.judge_without_kafka import World

_TASKS = 50
_JUDGED = (Account, Name, Task, Ledger)


def _in_memory() -> int:
    return sum(type(one) in _JUDGED for one in gc.get_objects())


def test_nothing_stays_of_tasks_that_are_forgotten() -> None:
    async def run() -> tuple[int, int, int]:
        world, registry = World(Policy(), START, partitions=1), CredentialRegistry()
        try:
            await world.open()
            before = _in_memory()
            for number in range(_TASKS):
                for event in events(number):
                    for key, fact in route(event, registry):
                        world.send(key, fact)
                    if isinstance(event, CredentialIssued):
                        registry.add(event)
            await world.drain()
            known = _in_memory() - before
            await world.settle(START + 3 * DAY, Policy())
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


def test_a_process_gives_back_most_of_what_forgotten_tasks_took() -> None:
    """Half is a wide margin: three quarters were measured, and a tenth without all that gives back."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.service.judge.forgetting_process", "5000"],
        capture_output=True,
        check=True,
        text=True,
    )
    steps = json.loads(done.stdout)
    took = steps["known"] - steps["start"]
    assert took > 50 * 1024
    assert steps["released"] - steps["start"] < took / 2, steps
