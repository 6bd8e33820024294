"""Processes of the whole service are killed and stalled, on a real broker: nothing is lost or written twice."""

import asyncio
import random
import shutil
import signal
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from detector.service.judge.store import Store
from tests.broker import Cluster
from tests.chaos import MANY
from tests.ingest.streams import Streams, grown, until
from tests.service.whole.deployment import Deployment
from tests.service.whole.instances import Instance, Slice, agreed, check_once, close, dealt, drained, produced

SHORT = ("--session", "1.5")
STEPS = ("begun", "written", "offsets")
KILLS = (
    {"step": 4 * MANY, "restore": 3 * MANY, "moment": 8 * MANY}
    if MANY > 1
    else {"step": 3, "restore": 3, "moment": 4}
)


async def die_at_a_step(service: Instance, rng: random.Random) -> bool:
    """With a transaction open: begun, its records written, its offsets sent."""
    stage, step, number = rng.choice(("scan", "judge")), rng.choice(STEPS), rng.randrange(1, 6)
    service.start(*SHORT, "--kill-at", f"{stage}:{step}:{number}")
    await until(service.ended, "its own kill")
    return len(service.said("doomed")) == 1


async def die_in_a_restore(service: Instance, rng: random.Random) -> bool:
    """With the store being rebuilt from the changelog; whether the kill came before it was complete."""
    stores = service.state / "judge"
    shutil.rmtree(stores, ignore_errors=True)
    service.start(*SHORT)

    async def begun() -> bool:
        return stores.exists() and any(stores.iterdir())

    await until(begun, "a store", every=0.002)
    await asyncio.sleep(rng.random() * 0.05)
    await service.kill()
    return any(incomplete(path) for path in stores.iterdir())


def incomplete(path: Path) -> bool:
    try:
        store = Store(path)
    except Exception:  # noqa: BLE001 - RocksDB's errors have no class: it was killed while it made its first files
        return True
    try:
        return store.position() is None
    finally:
        store.close()


async def die_at_a_moment(service: Instance, rng: random.Random) -> bool:
    """Some time after it took its first partition; every second time with stores as they were some deaths ago.

    Whether a store had to catch up with what it lacked.
    """
    stores, older = service.state / "judge", service.state / "older"
    behind = older.exists()
    if behind:
        shutil.rmtree(stores, ignore_errors=True)
        older.rename(stores)
    elif stores.exists():
        shutil.copytree(stores, older)
    service.start(*SHORT)
    stage = "judge" if behind else rng.choice(("scan", "judge"))
    await until(service.telling("partition taken", stage=stage), "a partition", every=0.02)
    await asyncio.sleep(rng.random() * 1.5)
    await service.kill()
    return any(each["records"] for each in service.said("state caught up with its changelog"))


DEATHS = {"step": die_at_a_step, "restore": die_in_a_restore, "moment": die_at_a_moment}


async def test_killed_while_records_are_produced(broker: Cluster, tmp_path: Path) -> None:
    rng = random.Random(20260801)
    aims = list(Counter(KILLS).elements())
    rng.shuffle(aims)
    hit: Counter[str] = Counter()
    with produced(broker.bootstrap, tmp_path, len(aims)) as (deployment, production):
        await deployment.create()
        service = Instance(deployment, "one")
        for aim, records in zip(aims, dealt(production.slices, seed=1), strict=True):
            producing = asyncio.create_task(deployment.trickle(records, seconds=2))
            hit[aim] += await DEATHS[aim](service, rng)
            await producing
        before = len(await deployment.commands()), len(await deployment.findings())
        service.start()
        await close(deployment)
        await agreed(deployment, production.expected)
        await check_once(deployment, production)
    assert hit["step"] == KILLS["step"]
    assert hit["restore"] >= MANY
    assert hit["moment"] > 0
    assert min(before) > 0  # there was something to tell twice


@pytest.mark.parametrize("step", ["scan:offsets:4", "judge:written:3", "judge:committed:1"])
async def test_a_zombie_that_wakes_up_does_no_harm_and_works_on(
    broker: Cluster, tmp_path: Path, step: str
) -> None:
    with produced(broker.bootstrap, tmp_path, 2) as (deployment, production):
        await deployment.create()
        first, second = dealt(production.slices, seed=2)
        zombie, other = Instance(deployment, "zombie"), Instance(deployment, "other")
        await deployment.put(first)
        zombie.start(*SHORT, "--stall-at", step)
        await until(zombie.stopped, "a process that stands still")
        other.start(*SHORT)
        await until(lambda: drained(deployment), "the other to do all the work")
        assert await deployment.findings()
        rebalances = len(zombie.said("rebalanced"))
        zombie.signal(signal.SIGCONT)
        await until(zombie.telling("rebalanced", rebalances + 2), "the zombie to be a member again")
        await other.kill()
        await deployment.put(second)
        await close(deployment)
        await agreed(deployment, production.expected)
        await check_once(deployment, production)
        assert zombie.process.poll() is None


async def meanwhile(deployment: Deployment, records: Slice, step: Awaitable[Any], seconds: float = 2) -> None:
    """A step while records are produced."""
    await asyncio.gather(deployment.trickle(records, seconds), step)


async def join(instance: Instance, *options: str) -> None:
    instance.start(*SHORT, *options)
    await until(instance.telling("partition taken"), "partitions for one more")


async def leave(instance: Instance) -> None:
    instance.signal(signal.SIGTERM)
    await until(instance.ended, "a drained end")


async def test_instances_join_and_leave(broker: Cluster, tmp_path: Path) -> None:
    with produced(broker.bootstrap, tmp_path, 6) as (deployment, production):
        await deployment.create()
        slices = dealt(production.slices, seed=3)
        first, second, third = (Instance(deployment, name) for name in ("first", "second", "third"))
        for joining in (first, second, third):
            await meanwhile(deployment, next(slices), join(joining))
        await meanwhile(deployment, next(slices), leave(first))
        await meanwhile(deployment, next(slices), second.kill())
        await meanwhile(deployment, next(slices), join(first))
        await close(deployment)
        await agreed(deployment, production.expected)
        await check_once(deployment, production)
        await leave(first)
        await leave(third)
        assert (first.process.returncode, third.process.returncode) == (0, 0)


async def test_stages_in_processes_of_their_own(broker: Cluster, tmp_path: Path) -> None:
    with produced(broker.bootstrap, tmp_path, 4) as (deployment, production):
        await deployment.create()
        slices = dealt(production.slices, seed=4)
        scanning = [Instance(deployment, f"scan-{number}") for number in range(2)]
        judging = [Instance(deployment, f"judge-{number}") for number in range(2)]
        for scan, judge in zip(scanning, judging, strict=True):
            both = asyncio.gather(join(scan, "--stage", "scan"), join(judge, "--stage", "judge"))
            await meanwhile(deployment, next(slices), both)
        await meanwhile(deployment, next(slices), scanning[0].kill())
        await meanwhile(deployment, next(slices), judging[1].kill())
        await close(deployment)
        await agreed(deployment, production.expected)
        await check_once(deployment, production)
        assert not scanning[1].said("partition taken", stage="judge")
        assert not judging[0].said("partition taken", stage="scan")


async def test_partitions_are_added(broker: Cluster, tmp_path: Path) -> None:
    with produced(broker.bootstrap, tmp_path, 2) as (deployment, production):
        await deployment.create()
        few, more = dealt(production.slices, seed=5, partitions=(4, 6))
        service = Instance(deployment, "one")
        await meanwhile(deployment, few, join(service))
        await until(lambda: drained(deployment), "all before")
        topics = Streams(deployment.bootstrap, deployment.name)
        for name in deployment.inputs:
            await grown(topics, name, 6)
        taken = until(service.telling("partition taken", 12, stage="scan"), "the new partitions")
        await meanwhile(deployment, more, taken)  # the watermark waits for those that nobody has found yet
        await close(deployment, 6)
        await agreed(deployment, production.expected)
        await check_once(deployment, production)

        # Of work they may not be added: a task would be judged in two places.
        work = f"{deployment.name}.work"
        await grown(topics, work, 4)
        await until(service.ended, "its end")
        assert service.process.returncode == 2
        (said,) = service.said("cannot go on")
        assert said["why"].startswith(f"{work} has 4 partitions now and 3 are configured")
