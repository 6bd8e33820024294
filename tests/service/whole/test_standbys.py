"""Standby copies of judge partitions, on a real broker: whoever takes over reads only the rest."""

import asyncio
import random
import re
import shutil
import signal
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from detector.judge.stage import META
from detector.service.judge.store import AGGREGATE, KIND_PLACE, TIME_BYTES, Store
from tests.broker import Cluster
from tests.chaos import MANY
from tests.ingest.streams import Streams, ends, until
from tests.service.whole.deployment import Deployment, ask
from tests.service.whole.instances import Instance, agreed, check_once, close, dealt, drained, produced

HARMS = ("none", "halved", "damaged", "lost", "older", "left")
NODES = 3
SHORT = ("--session", "1.5")
POSITION_SECONDS = 8  # a holder notes every five how far its store is, with what it writes next
FETCHED_SECONDS = 5  # copies are some seconds behind, and do not know it


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path / "nodes", NODES) as cluster:
        yield cluster


def with_standbys(deployment: Deployment, count: int = 1) -> None:
    deployment.config.write_text(deployment.config.read_text() + f"standbys = {count}\n")


def standbys(instance: Instance, state: str) -> Callable[[], int]:
    """How many copies it keeps, by its metrics; `lag` is what they lack together."""

    def asked() -> int:
        page = ask(instance.log, "listen", "/metrics")[1]
        series = "curfewd_standby_lag_records" if state == "lag" else f'curfewd_standbys{{state="{state}"}}'
        return round(sum(float(value) for value in re.findall(rf"^{series} (.*)$", page, re.MULTILINE)))

    return asked


def ready(instance: Instance, count: int) -> Callable[[], Awaitable[bool]]:
    """Asks whether it keeps so many copies, and these lack nothing."""

    async def asked() -> bool:
        held, done, lag = [
            await asyncio.to_thread(standbys(instance, each)) for each in ("held", "ready", "lag")
        ]
        return (held, done, lag) == (count, count, 0)

    return asked


async def state_records(deployment: Deployment) -> int:
    """Offsets of the `state` topic."""
    return sum(
        (await ends(Streams(deployment.bootstrap, deployment.name), f"{deployment.name}.state")).values()
    )


async def test_when_the_holder_is_killed_the_standby_reads_only_the_rest(
    broker: Cluster, tmp_path: Path
) -> None:
    with produced(broker.bootstrap, tmp_path, 5) as (deployment, production):
        with_standbys(deployment)
        await deployment.create()
        slices = dealt(production.slices, seed=6)
        first, second = Instance(deployment, "first"), Instance(deployment, "second")
        await deployment.put(next(slices))
        first.start(*SHORT)
        await until(first.telling("partition taken", 3, stage="judge"), "all partitions for the first")
        second.start(*SHORT)
        await until(second.telling("partition taken", stage="judge"), "partitions for the second")
        for _ in range(3):
            await deployment.put(next(slices))
            await until(lambda: drained(deployment), "all so far")
        await asyncio.sleep(FETCHED_SECONDS)
        taken = len(second.said("partition taken", stage="judge"))
        await until(ready(second, 3 - taken), "copies of what the first has")
        await until(ready(first, taken), "copies of what the second has")
        assert "standby copies are ready, at most 0 records behind" in ask(second.log, "probes", "/readyz")[1]
        whole = await state_records(deployment)

        await first.kill()
        caught_up = len(second.said("state caught up with its changelog"))
        built = len(second.said("state built from its changelog"))
        await deployment.put(next(slices))
        await until(second.telling("partition taken", 3, stage="judge"), "what the first had")
        restores = second.said("state caught up with its changelog")[caught_up:]
        assert len(restores) == 3 - taken
        assert sum(each["records"] for each in restores) < whole / 10
        assert len(second.said("state built from its changelog")) == built

        first.start(*SHORT)
        await until(first.telling("partition taken", stage="judge"), "partitions for the first again")
        assert all(each["records"] < whole for each in first.said("state caught up with its changelog"))
        await close(deployment)
        await agreed(deployment, production.expected)
        await check_once(deployment, production)


async def test_one_that_joins_copies_first_and_goes_on_from_its_copies(
    broker: Cluster, tmp_path: Path
) -> None:
    with produced(broker.bootstrap, tmp_path, 3) as (deployment, production):
        await deployment.create()
        slices = dealt(production.slices, seed=8)
        first, second = Instance(deployment, "first"), Instance(deployment, "second")
        await deployment.put(next(slices))
        first.start(*SHORT, "--near", "20")
        await until(first.telling("partition taken", 3, stage="judge"), "all partitions for the first")
        await until(lambda: drained(deployment), "all so far")
        await asyncio.sleep(POSITION_SECONDS)
        await deployment.put(next(slices))
        await until(lambda: drained(deployment), "all so far")
        second.start(*SHORT, "--near", "20")
        await until(second.telling("partition taken", stage="judge"), "partitions for the second")
        lines = [(each["event"], each.get("records")) for each in second.said_by("judge")]
        events = [event for event, _ in lines]
        assert events.index("standby copy is ready") < events.index("partition taken")
        assert events[: events.index("partition taken")].count("rebalanced") == 2
        assert "state built from its changelog" not in events
        assert dict(lines)["state caught up with its changelog"] <= 20
        for records in slices:
            await deployment.put(records)
        await close(deployment)
        await agreed(deployment, production.expected)
        await check_once(deployment, production)


@pytest.mark.chaos
async def test_holders_and_keepers_of_copies_are_killed_and_nothing_is_lost_or_told_twice(
    broker: Cluster, tmp_path: Path
) -> None:
    """Copies are damaged, lost, put back as they once were, and left without some of their files."""
    await harmed(broker.bootstrap, tmp_path, HARMS * MANY)


@pytest.mark.chaos
async def test_half_the_files_of_stores_are_lost_on_three_brokers_and_none_is_believed(
    three: Cluster, tmp_path: Path
) -> None:
    """Holders and keepers of copies are killed in turn, and come back with what is left."""
    await harmed(three.bootstrap, tmp_path, ("halved",) * 3 * MANY)


async def harmed(bootstrap: str, folder: Path, harms: tuple[str, ...]) -> None:
    """Three instances are killed in turn, and start again after a harm to their stores: all is as replay says."""
    rng = random.Random(9)
    with produced(bootstrap, folder, 1 + len(harms)) as (deployment, production):
        with_standbys(deployment)
        await deployment.create()
        slices = dealt(production.slices, seed=7)
        instances = [Instance(deployment, name) for name in ("first", "second", "third")]
        for instance in instances:
            instance.start(*SHORT)
            await until(instance.telling("partition taken"), "partitions for one more")
        older = folder / "older"
        for number, harm in enumerate(harms):
            instance = instances[number % 3]
            producing = asyncio.create_task(deployment.trickle(next(slices), seconds=3))
            await asyncio.sleep(1)
            if harm == "left":
                instance.signal(signal.SIGTERM)
                await until(instance.ended, "its end")
            else:
                await instance.kill()
            do_harm(harm, instance.state / "judge", older, rng)
            await producing
            instance.start(*SHORT)
            await until(instance.telling("partition taken"), "partitions for it again")
        await deployment.put(next(slices))
        await close(deployment)
        await agreed(deployment, production.expected)
        await check_once(deployment, production)
        assert any(instance.said("standby copy is ready") for instance in instances)
        for instance in instances:
            await instance.kill()
        checked = [await as_its_changelog_says(deployment, store) for store in folder.glob("state-*/judge/*")]
        assert any(checked), "no store had anything of an aggregate"


def do_harm(harm: str, stores: Path, older: Path, rng: random.Random) -> None:
    """Does it to the stores of an instance that has ended; `older` is a copy of some."""
    if harm == "none" and not older.exists():
        shutil.copytree(stores, older)
    elif harm == "damaged":
        for manifest in stores.glob("*/MANIFEST*"):
            manifest.write_bytes(b"torn")
    elif harm == "halved":
        for store in stores.iterdir():
            some = sorted(store.iterdir())
            for file in rng.sample(some, len(some) // 2):
                file.unlink()
    elif harm in {"lost", "older"}:
        shutil.rmtree(stores)
        if harm == "older":
            shutil.copytree(older, stores)


async def as_its_changelog_says(deployment: Deployment, path: Path) -> int:
    """Checks a store that a process left: with what its changelog has from its position on, it has all. Counts that.

    One that is not opened is not believed.
    """
    try:
        store = Store(path)
    except Exception:  # noqa: BLE001 - RocksDB's errors have no class: nobody had taken it up again
        return 0
    try:
        position = store.position()
        if position is None:
            return 0
        told: dict[bytes, dict[bytes, bytes | None]] = defaultdict(dict)
        after: dict[bytes, dict[bytes, bytes | None]] = defaultdict(dict)
        for record in await deployment.topic("state"):
            key, name, value = record.key[:KIND_PLACE], record.key[KIND_PLACE:], record.value
            if f"{record.partition}" != path.name.rpartition("-")[2] or not key.startswith(AGGREGATE):
                continue
            if name == META and value is not None:
                value = value[TIME_BYTES:]
            for changes in (told, after) if record.offset >= position.offset else (told,):
                changes[key[1:]][name] = value
        for digest, entries in told.items():
            held = {**dict.fromkeys(entries), **dict(store.entries(digest)), **after[digest]}
            assert held == entries, (path, digest)
        return len(told)
    finally:
        store.close()
