"""Jobs for a demonstration, which get a token, log a little and end; of five, one prints it and one uses it too late.

It also does what is asked for on the revocations topic, some time later, so that what was exposed comes to an end.
The tokens open nothing: they are made up on the spot.
"""

import argparse
import asyncio
import base64
import itertools
import json
import os
import secrets
import time
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from detector.values.secrets import DeploymentKey, Secret, decode_key
from detector.values.times import SECOND, format_rfc3339

EVENTS: Final = "audit-events"
LOGS: Final = "ci-logs"
REVOCATIONS: Final = "curfewd.revocations"
WORK_SECONDS: Final = 5
TOO_LATE_SECONDS: Final = 10
LIFE_SECONDS: Final = 3600


class Jobs:
    """Runs them, one beside the other. `key` makes the identifiers by which their tokens are known."""

    def __init__(self, producer: AIOKafkaProducer, key: DeploymentKey) -> None:
        self._producer = producer
        self._key = key

    async def event(self, kind: str, /, **data: Any) -> None:
        """Tells of something that happens now."""
        envelope = {"specversion": "1.0", "id": secrets.token_hex(8), "source": "/jobs", "type": kind}
        event = {**envelope, "time": format_rfc3339(time.time_ns()), "data": data}
        await self._producer.send_and_wait(EVENTS, json.dumps(event).encode())

    async def log(self, task: str, message: str) -> None:
        """Writes a line of a job's log."""
        record = {"time": format_rfc3339(time.time_ns()), "task_id": task, "message": message}
        await self._producer.send_and_wait(LOGS, json.dumps(record).encode())

    async def job(self, number: int) -> None:
        """One from start to end; its number says what goes wrong with it."""
        task, credential = f"deploy-{number}", f"deploy-token-{number}"
        token = Secret(secrets.token_urlsafe(32).encode())
        identifier = {
            "scheme": "hmac-sha256",
            "value": self._key.fingerprint(token),
            "length": len(token),
            "check": self._key.check(token),
        }
        await self.event("task.started", task_id=task, kind="deploy", owner="web", workload="runner-1")
        await self.event(
            "credential.issued",
            credential_id=credential,
            task_id=task,
            kind="deploy-token",
            identifiers=[identifier],
            expires_at=format_rfc3339(time.time_ns() + LIFE_SECONDS * SECOND),
        )
        use = {
            "credential_id": credential,
            "action": "deploy:Push",
            "resource": "web",
            "workload": "runner-1",
        }
        await self.log(task, "pushing to production")
        await self.event("credential.used", **use)
        await asyncio.sleep(WORK_SECONDS)
        if number % 5 == 1:
            shown = base64.b64encode(b"deploy:" + token.reveal()).decode()
            await self.log(task, f"> Authorization: Basic {shown}")
        await self.log(task, "done")
        await self.event("task.ended", task_id=task, outcome="succeeded")
        if number % 5 == 2:  # noqa: PLR2004 - which one it is says nothing
            await asyncio.sleep(TOO_LATE_SECONDS)
            await self.event("credential.used", **use)
        elif number % 5 != 1:
            await self.event("credential.revoked", credential_id=credential)

    async def revoke(self, command: dict[str, Any], seconds: float) -> None:
        """Does what a command asks for, after a while. Twice the same does no harm: revoked is revoked."""
        await asyncio.sleep(seconds)
        await self.event("credential.revoked", credential_id=command["subject"])


async def run(bootstrap: str, every: float, count: int | None, revoke_after: float) -> None:
    """Starts a job every few seconds, for ever or `count` of them, and revokes until it is stopped."""
    key = DeploymentKey.of(decode_key(os.environ["CURFEWD_KEY"]))
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    commands = AIOKafkaConsumer(REVOCATIONS, bootstrap_servers=bootstrap, isolation_level="read_committed")
    async with producer, commands:
        jobs = Jobs(producer, key)

        async def listen(group: asyncio.TaskGroup) -> None:
            async for record in commands:
                group.create_task(jobs.revoke(json.loads(record.value), revoke_after))

        async with asyncio.TaskGroup() as group:
            group.create_task(listen(group))
            for number in itertools.count(1) if count is None else range(1, count + 1):
                group.create_task(jobs.job(number))
                await asyncio.sleep(every)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bootstrap", metavar="HOST:PORT", required=True)
    parser.add_argument("--every", metavar="SECONDS", type=float, default=10, help="between two starts")
    parser.add_argument("--count", metavar="N", type=int, help="starts no more than so many jobs")
    parser.add_argument(
        "--revoke-after", metavar="SECONDS", type=float, default=120, help="how long a revocation takes"
    )
    options = parser.parse_args(arguments)
    asyncio.run(run(options.bootstrap, options.every, options.count, options.revoke_after))


if __name__ == "__main__":
    main()
