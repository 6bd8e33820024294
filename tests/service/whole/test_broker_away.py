"""Two minutes without a broker: the service stays up, says why it is not ready, and then goes on."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from tests.broker import Cluster
from tests.broker.cluster import Node
from tests.ingest.streams import until
from tests.service.whole.deployment import Expected, ended, terminate
from tests.service.whole.disturbed import Disturbed, Records, deployed, history, parts

AWAY_SECONDS = 120


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Records, Expected]:
    return history(tmp_path_factory.mktemp("history"))


async def away(node: Node, deployment: Disturbed, told: tuple[Records, Expected], *, paused: bool) -> None:
    """A broker of its own is killed or paused under the service, for two minutes, and comes back."""
    records, expected = told
    with deployed(deployment):
        await deployment.create()
        process = deployment.start()
        before, between, after = parts(records, 3)
        await deployment.produce(before)
        await until(deployment.ready, "readiness")
        await deployment.produce(between)
        await asyncio.to_thread(lambda: node.signal(signal.SIGSTOP) if paused else node.kill())
        gone = time.monotonic()
        await until(lambda: unready(deployment), "unreadiness")
        while time.monotonic() - gone < AWAY_SECONDS:
            assert process.poll() is None, deployment.log.read_text()
            assert (await asyncio.to_thread(deployment.get, "/healthz"))[0] == 200
            await asyncio.sleep(5)
        status, why = await asyncio.to_thread(deployment.get, "/readyz")
        assert status == 503
        assert why
        await asyncio.to_thread(lambda: node.signal(signal.SIGCONT) if paused else node.start())
        await deployment.produce(after)
        await deployment.agrees(expected)
        await until(deployment.ready, "readiness")
        terminate(process)
        assert await ended(process) == 0


async def unready(deployment: Disturbed) -> bool:
    return (await asyncio.to_thread(deployment.get, "/readyz"))[0] == 503


@pytest.mark.chaos
async def test_a_broker_is_away_for_two_minutes(
    frail_broker: Cluster, told: tuple[Records, Expected], tmp_path: Path
) -> None:
    """One is killed and one paused, side by side."""
    with Cluster(tmp_path / "other") as other:
        async with asyncio.TaskGroup() as both:
            both.create_task(
                away(
                    frail_broker.nodes[0],
                    Disturbed(frail_broker.bootstrap, tmp_path / "a"),
                    told,
                    paused=True,
                )
            )
            both.create_task(
                away(other.nodes[0], Disturbed(other.bootstrap, tmp_path / "b"), told, paused=False)
            )
