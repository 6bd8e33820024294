"""`curfewd revoke` in a process of its own over topics of its own, and what came of its commands."""

import json
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from detector.values.findings import command_id
from detector.values.times import format_rfc3339
from tests.service.whole.deployment import Deployment, ask


def command_event(credential: str, time: int, **data: Any) -> dict[str, Any]:
    """A command as the judge writes it."""
    escalated = data.get("escalated", False)
    return {
        "specversion": "1.0",
        "id": command_id(credential, escalated=escalated),
        "source": "curfewd",
        "type": "credential.revocation.requested",
        "subject": credential,
        "time": format_rfc3339(time),
        "datacontenttype": "application/json",
        "data": {
            "credential_id": credential,
            "task_id": f"task-of-{credential}",
            "identifiers": [],
            "reasons": ["leaked-credential"],
            "finding_uids": [command_id(credential, escalated=True)],
            "escalated": escalated,
            "severity": "critical",
            "revocation": {"provider": "faulty", "name": credential},
            **data,
        },
    }


class RevokerDeployment(Deployment):
    """As `Deployment`, with a `[revoke]` table. `revoke` is more of it."""

    def __init__(self, bootstrap: str, folder: Path, port: int, revoke: str = "") -> None:
        super().__init__(bootstrap, folder, partitions=1)
        self.audit = folder / "audit.jsonl"
        with self.config.open("a") as config:
            config.write(
                '[revoke]\nmode = "act"\nprobes = "127.0.0.1:0"\ndeadline = "20min"\ncall_timeout = "1s"\n'
                f'breaker_failures = 10\nbreaker_pause = "1s"\naudit_log = "{self.audit}"\n{revoke}'
                "[revoke.limits]\nper_minute = 0\nper_hour = 0\nper_owner = 0\nper_target = 0\n"
                f'[revoke.targets.lab]\ntype = "tests.revoke.faulty_provider:FaultyTarget"\nurl = "http://127.0.0.1:{port}"\n'
            )

    def start(self, *options: str) -> "subprocess.Popen[bytes]":
        self.runs += 1
        return self.launch("revoke", self.log, *options)

    def get(self, path: str) -> tuple[int, str]:
        return ask(self.log, "probes", path)

    async def ask(self, commands: Iterable[dict[str, Any] | bytes]) -> None:
        """Writes commands to the topic, with their credential as key."""
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap) as producer:
            for one in commands:
                value = one if isinstance(one, bytes) else json.dumps(one).encode()
                key = b"" if isinstance(one, bytes) else one["subject"].encode()
                await producer.send_and_wait(f"{self.name}.revocations", value, key=key)

    async def outcomes(self) -> dict[str, list[dict[str, Any]]]:
        """All outcomes of each command, in order; `credential.revoked` among them."""
        found = defaultdict(list)
        for record in await self.topic("revocation-outcomes"):
            found[record.key.decode()].append(json.loads(record.value))
        return found
