"""`[[trust]]` through `curfewd run` on a real broker: forged events change nothing, whatever happens to the process."""

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from tests.broker import Cluster
from tests.ingest.signing import (
    HEADER,
    SECRET,
    Headers,
    binary_content,
    jws,
    private_key,
    public_pem,
    webhook_headers,
)
from tests.ingest.streams import until
from tests.service.whole.deployment import Deployment, ended, replayed, settled
from tests.service.whole.test_replay_parity import HELD, PATIENT, UNTIL
from tests.small_history import KEY_TEXT, event, events, write

KEY: Final = private_key("ES256")
TRUST: Final = """
[[trust]]
topics = ["*.events"]
sources = ["ci"]
signature = "jws"
[[trust.keys]]
id = "k1"
algorithm = "ES256"
file = "issuer.pem"

[[trust]]
topics = ["*.events"]
sources = ["ci"]
signature = "standard-webhooks"
[[trust.keys]]
id = "w1"
file = "webhook.secret"

[[trust]]
paths = ["*/history/*"]
sources = ["ci"]
"""
Record = tuple[bytes, Headers]


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


def binary(told: dict[str, Any]) -> Record:
    """An event in binary mode, signed."""
    headers: Headers = [(f"ce_{name}", str(held).encode()) for name, held in told.items() if name != "data"]
    value = dumps(told["data"])
    return value, [*headers, (HEADER, jws(KEY, "ES256", binary_content(headers, value)))]


def signed(told: dict[str, Any], number: int) -> Record:
    """An event, signed in one of four ways."""
    value = dumps(told)
    if number % 4 == 0:
        return binary(told)
    if number % 4 == 1:
        return value, [(HEADER, jws(KEY, "ES256", value))]
    if number % 4 == 2:
        return value, [(HEADER, jws(KEY, "ES256", value, b64=False, crit=["b64"]))]
    return value, webhook_headers(value)


def forged() -> list[tuple[Record, str]]:
    """Ends and revocations that would change the findings, and why each is not believed."""
    made: list[tuple[Record, str]] = []
    for task in range(12):
        told = event(900 + task, "task.ended", 5, task_id=f"task-{task}")
        revoked = event(950 + task, "credential.revoked", 5, credential_id=f"cred-{task}")
        value, changed = dumps(told), dumps(revoked)
        right, attributes = jws(KEY, "ES256", value), binary(told)[1]
        old = dumps({**revoked, "time": "2010-01-01T00:00:00Z"})
        stranger = dumps({**told, "source": "stranger"})
        made += [
            ((value, []), "unsigned"),
            ((changed, [(HEADER, right)]), "bad-signature"),
            ((value, [(HEADER, jws(private_key("ES256"), "ES256", value))]), "bad-signature"),
            ((dumps({"task_id": f"task-{(task + 1) % 12}"}), attributes), "bad-signature"),
            ((changed, webhook_headers(changed, secret=SECRET[:-1])), "unsigned"),
            ((old, [(HEADER, jws(KEY, "ES256", old))]), "stale-signature"),
            ((stranger, [(HEADER, jws(KEY, "ES256", stranger))]), "untrusted-source"),
        ]
    return made


async def put(deployment: Deployment, records: list[Record], rng: random.Random) -> None:
    async with AIOKafkaProducer(bootstrap_servers=deployment.bootstrap, linger_ms=5) as producer:
        sent = [
            await producer.send(deployment.inputs[1], value, partition=rng.randrange(4), headers=headers)
            for value, headers in records
        ]
        await asyncio.gather(*sent)


async def test_forged_events_are_dead_letters_and_change_nothing(broker: Cluster, tmp_path: Path) -> None:
    (tmp_path / "deployment.key").write_text(KEY_TEXT)
    (tmp_path / "issuer.pem").write_bytes(public_pem(KEY))
    (tmp_path / "webhook.secret").write_text(SECRET.hex())
    deployment = Deployment(
        broker.bootstrap, tmp_path, f'key_file = "deployment.key"\n{PATIENT}{HELD}{TRUST}'
    )
    paths = write(tmp_path / "history")
    expected = replayed(tmp_path, deployment.config, paths, UNTIL)
    assert len(expected.findings) > 10
    forgeries = forged()
    rng = random.Random(20261127)
    records = [signed(told, number) for number, told in enumerate(events())]
    records += [record for record, _ in forgeries]
    rng.shuffle(records)
    await deployment.create()
    await put(deployment, records, rng)
    await deployment.fill([(0, line) for line in paths[1].read_bytes().splitlines()], seed=5)
    reasons = Counter(reason for _, reason in forgeries)
    try:
        process = deployment.start()
        await asyncio.sleep(4)
        process.kill()  # in the middle: what was read is read again
        await ended(process)
        deployment.start()
        await settled(deployment, expected)
        letters = [json.loads(record.value) for record in await deployment.topic("dead-letters")]
        assert Counter(letter["reason"] for letter in letters) == reasons
        assert len({(letter["partition"], letter["offset"]) for letter in letters}) == len(forgeries)
        assert SECRET.hex() not in json.dumps(letters)
        await put(deployment, [forgeries[0][0]], rng)
        series = f'curfewd_untrusted_records_total{{reason="unsigned",topic="{deployment.inputs[1]}"}}'

        async def counted() -> bool:
            return series in (await asyncio.to_thread(deployment.get, "/metrics"))[1]

        await until(counted, "the counter")
    finally:
        deployment.end()
