"""The revoker on a real broker gets a secret in every field of its commands: none stands in what it writes or shows.

What is read: the segments of every topic but the commands', the pages for probes, notices, the audit log and the log.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer

from tests import planted
from tests.broker import Cluster
from tests.ingest.streams import until
from tests.revoke.deployment import RevokerDeployment
from tests.revoke.test_notices import receiving
from tests.service.approvals.people import approvers_in
from tests.service.whole.deployment import ended, terminate
from tests.test_no_secret_written import ECHO, commands

REVOKE: Final = """
deadline = "1s"
max_age = "365d"
never = ["nobody"]
[[revoke.approver]]
name = "alice"
token_file = "alice.token"
[[revoke.approval]]
approvals = 1
kinds = ["api-key"]
"""


def segments(broker: Cluster, deployment: RevokerDeployment) -> dict[str, bytes]:
    """Every byte of every topic of the deployment but its commands, as the broker keeps it."""
    found: dict[str, bytes] = {}
    for folder in (broker.nodes[0].folder / "data").glob(f"{deployment.name}.*-*"):
        if not folder.name.startswith(f"{deployment.name}.revocations-"):
            found |= {f"{folder.name}/{file.name}": file.read_bytes() for file in folder.glob("*.log")}
    return found


async def test_the_revoker_writes_and_shows_none_of_the_secrets_in_its_commands(
    broker: Cluster, tmp_path: Path
) -> None:
    lines = commands()
    approvers_in(tmp_path)
    (tmp_path / "echo.py").write_text(ECHO)
    program = json.dumps([sys.executable, str(tmp_path / "echo.py")])
    async with receiving() as receiver:
        notices = "".join(
            f'[[revoke.notice]]\nname = "{kind}"\ntype = "{kind}"\nurl = "{receiver.url}"\n'
            for kind in ("slack", "alertmanager")
        )
        deployment = RevokerDeployment(broker.bootstrap, tmp_path, 9, REVOKE + notices)
        text = deployment.config.read_text().replace('deadline = "20min"\n', "")
        target = f'[revoke.targets.echo]\ntype = "program"\ncommand = {program}\nprobes = true\n'
        deployment.config.write_text(f"{text}{target}")
        await deployment.create()
        process = deployment.start()
        try:
            await until(deployment.ready, "readiness")
            key = planted.text_at("record key").encode()
            headers = [("x-trace", planted.text_at("header").encode())]
            async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
                for line in (*lines.values(), b"garbage " + key):
                    await producer.send_and_wait(f"{deployment.name}.revocations", line, key, headers=headers)

            async def answered() -> bool:
                verdicts = [each[-1]["data"]["outcome"] for each in (await deployment.outcomes()).values()]
                return len(verdicts) >= 15 and {"held", "refused"} <= {*verdicts}

            await until(answered, "outcomes of all kinds")
            await until(lambda: asyncio.sleep(0, bool(receiver.got)), "a notice")

            async def counted() -> bool:
                _, page = await asyncio.to_thread(deployment.get, "/metrics")
                return "\ncurfewd_masked_revocations_total 0.0" not in page

            await until(counted, "the masked handles to be counted")
            pages = ("/metrics", "/healthz", "/readyz", "/nothing")
            written = {path: (await asyncio.to_thread(deployment.get, path))[1].encode() for path in pages}
            terminate(process)
            assert await ended(process) == 0
        finally:
            deployment.end()
        written["notices"] = b"\n".join(body for _, body in receiver.got)
    written |= {"log": deployment.log.read_bytes(), "audit": deployment.audit.read_bytes()}
    written |= segments(broker, deployment)
    assert "‹gitl".encode() in written["audit"]
    seen = planted.shown([*lines, "record key", "header"], written)
    assert [one for one in seen if ": token in" in one] == []  # what is registered a revoker does not know
