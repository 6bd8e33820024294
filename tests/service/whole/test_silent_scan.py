"""While nobody reads an input, a revocation may stand in it: nothing is revoked for the passing of time."""

import asyncio
import json
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

from detector.judge.watermark import IDLE
from detector.values.times import SECOND, format_rfc3339
from tests.broker import Cluster
from tests.ingest.streams import until
from tests.service.whole.deployment import Deployment, ask
from tests.service.whole.instances import Instance
from tests.small_history import KEY_TEXT, identifier_of

GRACE: Final = 25
TASKS: Final = 3
# Both without a report: half a minute was taken for idleness, and then the wall clock held.
SILENCE: Final = IDLE // SECOND + GRACE + 20


def told(kind: str, **data: Any) -> bytes:
    now = time.time_ns()
    name = f"{kind}-{next(iter(data.values()))}"
    event = {"specversion": "1.0", "id": name, "source": "ci", "type": kind, "time": format_rfc3339(now)}
    return json.dumps({**event, "data": data}).encode()


def life(number: int) -> list[bytes]:
    """A task that starts and ends now, and its credential."""
    return [
        told("task.started", task_id=f"task-{number}"),
        told(
            "credential.issued",
            credential_id=f"of-{number}",
            task_id=f"task-{number}",
            identifiers=[identifier_of(number)],
            expires_at=format_rfc3339(time.time_ns() + 3600 * SECOND),
        ),
        told("task.ended", task_id=f"task-{number}"),
    ]


async def test_nothing_is_revoked_while_no_scan_stage_reads(broker: Cluster, tmp_path: Path) -> None:
    (tmp_path / "deployment.key").write_text(KEY_TEXT)
    policy = f'key_file = "deployment.key"\ngrace_period = "{GRACE}s"\n'
    deployment = Deployment(broker.bootstrap, tmp_path, policy)
    await deployment.create()
    judge, scan = (
        Instance(deployment, name, "detector.cli", "run", "--stage", name) for name in ("judge", "scan")
    )

    async def works(instance: Instance) -> bool:
        return (await asyncio.to_thread(ask, instance.log, "probes", "/readyz"))[0] == 200

    async def scanned() -> bool:
        return len(await deployment.topic("registry")) >= TASKS + 1

    try:
        for instance in (judge, scan):
            instance.start()
            await until(partial(works, instance), "both stages")
        lives = [(1, number, line) for number in range(TASKS + 1) for line in life(number)]
        await deployment.put(lives)
        await until(scanned, "the scan")
        await scan.kill()
        await asyncio.sleep(15)
        revoked = [told("credential.revoked", credential_id=f"of-{number}") for number in range(TASKS)]
        await deployment.put((1, number, line) for number, line in enumerate(revoked))
        await asyncio.sleep(SILENCE)
        assert await deployment.commands() == []
        code, why = await asyncio.to_thread(ask, judge.log, "probes", "/readyz")
        assert code == 503
        assert "4 partitions hold the watermark" in why
        assert f"{deployment.inputs[1]}-0" in why
        _, page = await asyncio.to_thread(ask, judge.log, "listen", "/metrics")
        assert f'curfewd_unreported_partitions{{topic="{deployment.inputs[1]}"}} 4.0' in page

        scan.start()

        async def asked_for() -> bool:
            return bool(await deployment.commands())

        await until(asked_for, "the command for the credential that nobody revoked")
        await until(lambda: works(judge), "the judge stage")
        assert {command["subject"] for command in await deployment.commands()} == {f"of-{TASKS}"}
    finally:
        deployment.end()
