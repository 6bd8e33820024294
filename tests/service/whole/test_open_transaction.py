"""An open transaction hides what is written behind it. The watermark waits, so no credential is revoked for that."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from detector.judge.watermark import AGAIN, IDLE
from detector.values.times import SECOND, format_rfc3339
from tests.broker import Cluster
from tests.ingest.streams import until
from tests.service.whole.deployment import Deployment
from tests.small_history import KEY_TEXT, identifier_of

PAUSE: Final = (IDLE + AGAIN) // SECOND + 10  # more than until the watermark goes on without idle partitions


def told(kind: str, seconds: int, /, **data: Any) -> bytes:
    """An event some seconds from now."""
    at = format_rfc3339(time.time_ns() + seconds * SECOND)
    name = f"{kind}-{next(iter(data.values()))}"
    return json.dumps(
        {"specversion": "1.0", "id": name, "source": "ci", "type": kind, "time": at, "data": data}
    ).encode()


def history(name: str, number: int) -> list[bytes]:
    """A task that ended some minutes ago, and its credential."""
    return [
        told("task.started", -300, task_id=name),
        told(
            "credential.issued",
            -299,
            credential_id=f"of-{name}",
            task_id=name,
            identifiers=[identifier_of(number)],
            expires_at=format_rfc3339(time.time_ns() + 3600 * SECOND),
        ),
        told("task.ended", -120, task_id=name),
    ]


async def test_a_revocation_behind_an_open_transaction_is_waited_for(broker: Cluster, tmp_path: Path) -> None:
    (tmp_path / "deployment.key").write_text(KEY_TEXT)
    deployment = Deployment(broker.bootstrap, tmp_path, 'key_file = "deployment.key"\n')
    await deployment.create()
    events = deployment.inputs[1]
    try:
        deployment.start()
        await until(deployment.ready, "the service")
        async with AIOKafkaProducer(
            bootstrap_servers=broker.bootstrap, transactional_id=deployment.name
        ) as open_one:
            await open_one.begin_transaction()
            await open_one.send_and_wait(events, b"{}", partition=0)
            revoked = told("credential.revoked", -119, credential_id="of-innocent")
            await deployment.put([(1, 0, revoked)])
            await deployment.put([(1, 1, line) for line in (*history("innocent", 0), *history("guilty", 1))])
            await asyncio.sleep(PAUSE)
            assert await deployment.commands() == []
            await open_one.commit_transaction()

        async def revoked_too_late() -> bool:
            return bool(await deployment.commands())

        await until(revoked_too_late, "the command for the credential that nobody revoked")
        assert {command["subject"] for command in await deployment.commands()} == {"of-guilty"}
    finally:
        deployment.end()
