"""People approve revocations on a real broker: over HTTP through the service, and with `curfewd revoke` itself."""

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from detector.cli import main
from detector.kafka.clients import read_to_end
from detector.kafka.connection import ConnectionSettings
from detector.kafka.handlers import Partition
from detector.values.approvals import read_approval
from detector.values.secrets import Secret
from tests.broker import Cluster
from tests.ingest.streams import until
from tests.service.approvals.people import TOKENS, approvers_in, command_id, outcome
from tests.service.whole.deployment import Deployment

REVOKE = "".join(f'[[revoke.approver]]\nname = "{name}"\ntoken_file = "{name}.token"\n' for name in TOKENS)


def asked(address: str, path: str, token: str, method: str = "POST") -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"http://{address}{path}", headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - as above
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def test_what_waits_is_approved_over_http_and_by_command(
    broker: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def said(*arguments: str) -> tuple[int, str, str]:
        """The command line: exit code, standard output, standard error."""
        words = ["revoke", *arguments, "--config", str(deployment.config)]
        code = await asyncio.to_thread(main, words)
        return code, *capsys.readouterr()

    deployment = Deployment(broker.bootstrap, tmp_path)
    approvers_in(tmp_path)
    deployment.config.write_text(deployment.config.read_text() + f'[revoke]\nmode = "plan"\n{REVOKE}')
    await deployment.create()
    code, out, err = await said("held")
    assert (code, out, err) == (0, "Nothing is held.\n", "")
    process = deployment.start()
    try:
        await until(deployment.ready, "readiness")
        listen = next(line["listen"] for line in deployment.said() if line["event"] == "started")
        async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
            for number in (1, 2):
                topic = f"{deployment.name}.revocation-outcomes"
                await producer.send_and_wait(topic, outcome(number), key=command_id(number).encode())

        async def listed() -> bool:
            _, body = await asyncio.to_thread(asked, listen, "/approvals", TOKENS["bob"], "GET")
            return len(json.loads(body)["held"]) == 2

        await until(listed, "what is held")
        path = f"/approvals/approve?id={command_id(1)}"
        assert await asyncio.to_thread(asked, listen, path, "f" * 32) == (
            401,
            "send your token: Authorization: Bearer …\n",
        )
        assert await asyncio.to_thread(asked, listen, path, TOKENS["alice"]) == (200, "approved by alice\n")
    finally:
        process.terminate()
        assert await asyncio.to_thread(process.wait, 60) == 0
    code, out, err = await said("approve", command_id(1))
    assert (code, out) == (2, "")
    assert err == "curfewd: say who you are with --as: alice, bob\n"
    code, out, err = await said("approve", command_id(3), "--as", "bob")
    assert (code, err) == (
        2,
        f"curfewd: no command {command_id(3)} waits: `curfewd revoke held` shows those that do\n",
    )
    code, out, err = await said("deny", command_id(1).upper(), "--as", "bob")
    assert (code, err) == (0, "")
    assert out.startswith(f"{command_id(1)}: denied by bob: cred-1, needs 2 approvals")
    code, out, err = await said("held", "--json")
    assert (code, err) == (0, "")
    found = {each["command_id"]: each["said"] for each in json.loads(out)["held"]}
    assert found == {command_id(1): {"alice": "approve", "bob": "deny"}, command_id(2): {}}
    topic = f"{deployment.name}.revocation-approvals"
    partition = Partition(topic, 0)
    records = [
        record
        async for batch in read_to_end(ConnectionSettings(broker.bootstrap), partition)
        for record in batch
    ]
    for record, name in zip(records, TOKENS, strict=True):
        signed = read_approval(record.value)
        assert record.key == command_id(1).encode() == signed.approval.command_id.encode()
        assert signed.signed_with(Secret(TOKENS[name].encode()), topic)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*.log"))
    assert not any(token.encode() in written for token in TOKENS.values())


async def test_what_has_failed_is_tried_again_by_command(
    broker: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def said(number: int) -> tuple[int, str, str]:
        words = ["revoke", "retry", command_id(number), "--as", "bob", "--config", str(deployment.config)]
        code = await asyncio.to_thread(main, words)
        return code, *capsys.readouterr()

    deployment = Deployment(broker.bootstrap, tmp_path)
    approvers_in(tmp_path)
    deployment.config.write_text(deployment.config.read_text() + f'[revoke]\nmode = "plan"\n{REVOKE}')
    await deployment.create()
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        for number, verdict in ((1, "held"), (4, "failed")):
            value, key = outcome(number, verdict), command_id(number).encode()
            await producer.send_and_wait(f"{deployment.name}.revocation-outcomes", value, key=key)
    code, out, err = await said(1)
    assert (code, out) == (2, "")
    assert err.startswith(f"curfewd: no command {command_id(1)} has failed")
    assert await said(4) == (0, f"{command_id(4)}: to be tried again, asked for by bob\n", "")
    partition = Partition(f"{deployment.name}.revocation-approvals", 0)
    connection = ConnectionSettings(broker.bootstrap)
    (record,) = [record async for batch in read_to_end(connection, partition) for record in batch]
    signed = read_approval(record.value)
    assert signed.approval.verdict == "retry"
    assert signed.signed_with(Secret(TOKENS["bob"].encode()), partition.topic)
