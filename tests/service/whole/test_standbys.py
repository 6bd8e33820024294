"""Standby copies of judge partitions, on a real broker: whoever takes over reads only the rest."""

import asyncio
import re
import shutil
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.broker import Cluster
from tests.chaos import MANY
from tests.ingest.streams import Streams, ends, until
from tests.service.whole.deployment import Deployment, ask
from tests.service.whole.instances import Instance, agreed, check_once, close, dealt, drained, produced

HARMS = ("none", "damaged", "lost", "older", "left") * MANY if MANY > 1 else ("none", "older", "left")
SHORT = ("--session", "1.5")
POSITION_SECONDS = 8  # a holder notes every five how far its store is, with what it writes next
FETCHED_SECONDS = 5  # copies are some seconds behind, and do not know it


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
    """Copies are damaged, lost and put back as they once were."""
    with produced(broker.bootstrap, tmp_path, 1 + len(HARMS)) as (deployment, production):
        with_standbys(deployment)
        await deployment.create()
        slices = dealt(production.slices, seed=7)
        instances = [Instance(deployment, name) for name in ("first", "second", "third")]
        for instance in instances:
            instance.start(*SHORT)
            await until(instance.telling("partition taken"), "partitions for one more")
        older = tmp_path / "older"
        for number, harm in enumerate(HARMS):
            instance = instances[number % 3]
            producing = asyncio.create_task(deployment.trickle(next(slices), seconds=3))
            await asyncio.sleep(1)
            if harm == "left":
                instance.signal(signal.SIGTERM)
                await until(instance.ended, "its end")
            else:
                await instance.kill()
            stores = instance.state / "judge"
            if harm == "none":
                if not older.exists():
                    shutil.copytree(stores, older)
            elif harm == "damaged":
                for manifest in stores.glob("*/MANIFEST*"):
                    manifest.write_bytes(b"torn")
            else:
                shutil.rmtree(stores, ignore_errors=True)
                if harm == "older":
                    shutil.copytree(older, stores)
            await producing
            instance.start(*SHORT)
            await until(instance.telling("partition taken"), "partitions for it again")
        await deployment.put(next(slices))
        await close(deployment)
        await agreed(deployment, production.expected)
        await check_once(deployment, production)
        assert any(instance.said("standby copy is ready") for instance in instances)
