"""Judges many tasks, forgets them, and prints its resident KB at the start, with all known, and after each step."""

import asyncio
import gc
import json
import re
import sys
from pathlib import Path

from detector.judge.policy import Policy
from detector.judge.routing import route
from detector.registry.credential_registry import CredentialRegistry
from detector.service.allocator import bound_arenas, release
from detector.values.events import (
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    TaskEnded,
    TaskStarted,
)
from detector.values.times import DAY, HOUR, MINUTE, SECOND
from tests.service.judge.judge_without_kafka import World

START = 1_793_491_200 * SECOND
_AT_ONCE = 1000


def events(number: int) -> list[CanonicalEvent]:
    """A task without fault."""
    task, credential = f"build-{number}", f"c-{number}"
    name = Identifier("vault-accessor", f"hmac-{number}")
    return [
        TaskStarted(time=START, source="ci", id=f"s{number}", task_id=task, kind="ci"),
        CredentialIssued(time=START, source="vault", id=f"i{number}", credential_id=credential, task_id=task, identifiers=(name,), expires_at=START + HOUR),
        CredentialUsed(time=START + MINUTE, source="audit", id=f"u{number}", identifier=name, action="read", resource="kv/a", task_id=task),
        TaskEnded(time=START + 2 * MINUTE, source="ci", id=f"e{number}", task_id=task, outcome="succeeded"),
        CredentialRevoked(time=START + 2 * MINUTE, source="vault", id=f"r{number}", credential_id=credential),
    ]  # fmt: skip


def resident() -> int:
    """KB now."""
    [found] = re.findall(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found)


async def judged(tasks: int) -> dict[str, int]:
    """KB at each step."""
    world = World(Policy(), START, partitions=1, cache_size=100 * tasks)
    await world.open()
    registry = CredentialRegistry()
    steps = {"start": resident()}
    for first in range(0, tasks, _AT_ONCE):
        for event in (event for number in range(first, first + _AT_ONCE) for event in events(number)):
            for key, fact in route(event, registry):
                world.send(key, fact)
            if isinstance(event, CredentialIssued):
                registry.add(event)
        await world.drain()
    steps["known"] = resident()
    changes, before = world.logs.topics[0], 0
    while before != len(changes):  # a transaction has a thousand timers at the most
        before = len(changes)
        await world.settle(START + 3 * DAY, Policy())
    del registry
    for topic in (world.work[0], world.logs.topics[0], world.findings, world.forgotten, world.facts):
        topic.clear()  # what topics would hold
    steps["forgotten"] = resident()
    gc.collect()
    release()
    steps["released"] = resident()
    await world.close()
    world.remove()
    return steps


if __name__ == "__main__":
    bound_arenas()
    sys.stdout.write(json.dumps(asyncio.run(judged(int(sys.argv[1])))))
