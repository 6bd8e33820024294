"""Findings that are over are deleted from their topic, on a real broker, also if the service is killed meanwhile."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path

from detector.judge.routing import FindingOver, decode, task_key
from tests.broker import Cluster
from tests.ingest.streams import until
from tests.service.whole.deployment import Deployment, ended
from tests.small_history import KEY_TEXT, event

HOUR, DAY = 3600.0, 86400.0
POLICY = """key_file = "deployment.key"
retention = "10min"
finding_retention = "1d"
"""


def history(task: str, begin: float, number: int) -> list[bytes]:
    """A task whose credential is used after its end."""
    told = [
        event(number, "task.started", begin, task_id=task, kind="ci"),
        event(
            number + 1,
            "credential.issued",
            begin + 1,
            credential_id=f"cred-{task}",
            task_id=task,
            identifiers=[{"scheme": "jwt-id", "value": f"jti-{task}"}],
            expires_at="2027-01-01T00:00:00Z",
        ),
        event(number + 2, "task.ended", begin + 60, task_id=task, outcome="succeeded"),
        event(number + 3, "credential.used", begin + 90, credential_id=f"cred-{task}", action="read"),
        event(number + 4, "credential.revoked", begin + 100, credential_id=f"cred-{task}"),
    ]
    return [json.dumps(each).encode() for each in told]


class Clock:
    """Events that keep the watermark at the time of the last history: an idle input has the time of the wall."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._at = 0.0

    async def told(self, begin: float, *records: bytes) -> None:
        """Tells a history that begins then."""
        self._at = begin + 100
        await self._deployment.put((1, 0, record) for record in records)

    async def _run(self) -> None:
        for number in itertools.count():
            beat = event(1000 + number, "task.started", self._at + number / 1000, task_id="clock")
            await self._deployment.put([(1, 0, json.dumps(beat).encode())])
            await asyncio.sleep(2)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()


async def test_a_finding_is_deleted_once_and_comes_not_back_though_the_service_is_killed_and_reads_again(
    broker: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "deployment.key").write_text(KEY_TEXT)
    deployment = Deployment(broker.bootstrap, tmp_path, POLICY)
    await deployment.create()

    clock = Clock(deployment)

    async def tasks() -> set[str]:
        return {each["unmapped"]["task_id"] for each in (await deployment.findings()).values()}

    async def tombstones() -> list[bytes]:
        return [record.key for record in await deployment.topic("findings") if record.value is None]

    async def shows(*names: str) -> None:
        async def does() -> bool:
            return await tasks() == set(names)

        await until(does, f"the findings of {names}")

    async def forgets(*names: str) -> None:
        """The time of a finding begins when the state of its task is forgotten.

        An idle input holds that up for half a minute.
        """

        async def does() -> bool:
            facts = [record.value for record in await deployment.topic("work")]
            over = [fact for fact in map(decode, facts) if isinstance(fact, FindingOver)]
            return {fact.key for fact in over} >= set(map(task_key, names))

        await until(does, f"the end of the state of {names}", every=1)

    first = history("t1", 0, 0)
    try:
        process = deployment.start()
        await clock.told(0, *first)
        async with clock.running():
            await shows("t1")
            await clock.told(12 * HOUR, *history("t2", 12 * HOUR, 10))
            await shows("t1", "t2")
            await forgets("t1")
            process.kill()
            await ended(process)
            deployment.start()
            await clock.told(2 * DAY, *history("t3", 2 * DAY, 20))
            await shows("t2", "t3")
            deleted = await tombstones()
            assert len(deleted) == len(set(deleted)) > 0
            again = history("t4", 2 * DAY + HOUR, 30)
            await clock.told(2 * DAY + HOUR, *first, *again)  # the first are read again
            await shows("t2", "t3", "t4")
            await forgets("t2", "t3")
            await clock.told(5 * DAY, *history("t5", 5 * DAY, 40))
            await shows("t4", "t5")  # that of the fourth was forgotten just now
    finally:
        deployment.end()
