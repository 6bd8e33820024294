"""Rails in the real revoker on real Kafka: two people approve, one denies, a forger does not, and a reload lets go."""

import asyncio
import signal
import time
from pathlib import Path

from aiokafka import AIOKafkaProducer

from detector.cli import main
from detector.values.approvals import Approval, approval_record
from detector.values.secrets import Secret
from tests.broker import Cluster
from tests.ingest.streams import until
from tests.revoke.deployment import RevokerDeployment, command_event
from tests.revoke.faulty_provider import FaultyProvider
from tests.revoke.test_notices import Receiver, receiving
from tests.service.approvals.people import TOKENS, approvers_in
from tests.service.whole.deployment import ended, terminate

NAMES = ("two-people", "denied", "forged", "never")


def nothing_tells_a_token(deployment: RevokerDeployment, folder: Path, receiver: Receiver) -> None:
    written = deployment.audit.read_bytes() + b"".join(path.read_bytes() for path in folder.glob("*.log"))
    written += b"".join(body for _, body in receiver.got)
    assert not any(token.encode() in written for token in TOKENS.values())
    assert b"alice, bob" in deployment.audit.read_bytes()


async def test_people_decide_over_what_the_revoker_holds(broker: Cluster, tmp_path: Path) -> None:
    approvers_in(tmp_path)
    people = "".join(
        f'[[revoke.approver]]\nname = "{name}"\ntoken_file = "{name}.token"\n' for name in TOKENS
    )
    async with FaultyProvider(faults=0) as provider, receiving() as receiver:
        rest = (
            f'never = ["never"]\n{people}[[revoke.approval]]\napprovals = 2\nirreversible = true\n'
            f'[[revoke.notice]]\nname = "n"\ntype = "slack"\nurl = "{receiver.url}"\n'
        )
        deployment = RevokerDeployment(broker.bootstrap, tmp_path, provider.port, rest)
        acting = deployment.config.read_text()
        deployment.config.write_text(acting.replace('mode = "act"', 'mode = "plan"'))
        await deployment.create()
        provider.live |= {name: f"task-of-{name}" for name in NAMES}
        commands = {name: command_event(name, time.time_ns()) for name in NAMES}
        ids = {name: event["id"] for name, event in commands.items()}

        async def last(name: str, verdict: str, words: str) -> bool:
            found = (await deployment.outcomes())[ids[name]]
            data = found[-1]["data"] if found else {"outcome": "", "detail": ""}
            return data["outcome"] == verdict and words in data["detail"]

        async def decides(verdict: str, name: str, person: str) -> None:
            words = ["revoke", verdict, ids[name], "--as", person, "--config", str(deployment.config)]
            assert await asyncio.to_thread(main, words) == 0

        process = deployment.start()
        try:
            await deployment.ask(commands.values())
            await until(lambda: last("two-people", "held", "plan"), "a plan")
            await until(lambda: last("never", "refused", "revoke.never"), "a refusal")
            assert not provider.requests
            deployment.config.write_text(acting)
            process.send_signal(signal.SIGHUP)
            for name in ("two-people", "denied", "forged"):
                await until(lambda name=name: last(name, "held", "needs 2 approvals"), "a hold")  # type: ignore[misc]
            topic = f"{deployment.name}.revocation-approvals"
            forged = [
                approval_record(
                    Approval(ids["forged"], person, "approve", time.time_ns()), Secret(b"f" * 32), topic
                )
                for person in TOKENS
            ]
            async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
                for value in (*forged, b"garbage"):
                    await producer.send_and_wait(topic, value, key=ids["forged"].encode())
            await decides("approve", "two-people", "alice")
            await decides("approve", "two-people", "alice")
            await until(lambda: last("two-people", "held", "1 so far (alice)"), "the first of two")
            assert provider.requests["revoke"] == 0
            await decides("approve", "two-people", "bob")
            await decides("deny", "denied", "bob")
            await until(lambda: last("two-people", "confirmed", "alice, bob"), "a revocation")
            await until(lambda: last("denied", "refused", "denied by bob"), "a denial")
            assert await last("forged", "held", "needs 2 approvals")
            assert sorted(provider.live) == ["denied", "forged", "never"]
            said = [line for line in deployment.said() if line["event"] == "an approval does not count"]
            assert "wrong signature" in said[0]["why"]
            await until(
                lambda: asyncio.sleep(0, any(b"*confirmed*" in body for _, body in receiver.got)), "a notice"
            )
            terminate(process)
            assert await ended(process) == 0
        finally:
            deployment.end()
        nothing_tells_a_token(deployment, tmp_path, receiver)
