"""An instance beside others of a version that it cannot work with: it waits and says for whom, and nothing is lost."""

import contextlib

import pytest
from aiokafka.errors import InconsistentGroupProtocolError

from tests.ingest.streams import Streams, committed_offsets, until
from tests.kafka.earlier_members import FirstAssignor, foreign_member
from tests.service.whole.deployment import Deployment, Expected, ended, settled, terminate
from tests.service.whole.test_replay_parity import small
from tests.service.whole.test_workers import of_two_workers

__all__ = ("small",)


async def told(deployment: Deployment, what: str) -> None:
    async def waits() -> bool:
        return what in deployment.get("/readyz")[1]

    await until(waits, f"that it waits: {what}")


async def nothing_done(deployment: Deployment) -> None:
    for stage in ("scan", "judge", "lookback"):
        assert not await committed_offsets(Streams(deployment.bootstrap, f"{deployment.name}-{stage}"))
    for topic in ("work", "state", "registry", "findings", "dead-letters"):
        assert await deployment.topic(topic) == []


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.chaos)])
async def test_it_waits_for_an_earlier_version_and_then_goes_on(
    small: tuple[Deployment, Expected], workers: int
) -> None:
    deployment, expected = small
    if workers > 1:
        of_two_workers(deployment)
    work = [f"{deployment.name}.work"]
    waits = "waiting for an earlier version of curfewd to leave the group"
    async with contextlib.AsyncExitStack() as judge, contextlib.AsyncExitStack() as scan:
        await judge.enter_async_context(
            foreign_member(deployment.bootstrap, f"{deployment.name}-judge", work, FirstAssignor())
        )
        await scan.enter_async_context(
            foreign_member(
                deployment.bootstrap, f"{deployment.name}-scan", deployment.inputs, FirstAssignor()
            )
        )
        process = deployment.start()
        await told(
            deployment, f"{waits} {deployment.name}-scan: it has 1 member, at 127.0.0.1; stop that version"
        )
        await nothing_done(deployment)
        await scan.aclose()
        # A new scan stage would write what the judge stage of the old version misreads.
        await told(deployment, f"{waits} {deployment.name}-judge: it has 1 member")
        await nothing_done(deployment)
        assert process.poll() is None
    await until(deployment.ready, "readiness")
    await settled(deployment, expected)
    assert await deployment.topic("dead-letters") == []
    lines = [line for line in deployment.said() if line["event"] == "cannot begin yet, trying again"]
    assert {line["level"] for line in lines} == {"warning"}
    assert any(line["why"].startswith(waits) for line in lines)

    # One that comes back is refused by the brokers.
    for stage, topics in (("scan", deployment.inputs), ("judge", work), ("lookback", deployment.inputs)):
        assigned = None if stage == "lookback" else FirstAssignor()
        with pytest.raises(InconsistentGroupProtocolError):
            async with foreign_member(deployment.bootstrap, f"{deployment.name}-{stage}", topics, assigned):
                pass
    await until(deployment.ready, "that it is still ready")
    terminate(process)
    assert await ended(process) == 0


async def test_a_signal_ends_one_that_waits(small: tuple[Deployment, Expected]) -> None:
    deployment, _ = small
    work = [f"{deployment.name}.work"]
    async with foreign_member(deployment.bootstrap, f"{deployment.name}-judge", work, FirstAssignor()):
        process = deployment.start("--stage", "scan")
        await told(deployment, f"to leave the group {deployment.name}-judge")
        terminate(process)
        assert await ended(process) == 0
