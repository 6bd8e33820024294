"""`curfewd exec` and the library write to a topic of a real Kafka."""

import json
from pathlib import Path

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.broker import Cluster
from tests.exec.running import TOKEN, run, spooled


async def test_a_job_is_told_in_a_topic(broker: Cluster, tmp_path: Path) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic("exec-tasks", 3, 1)])
    finally:
        await admin.close()
    to = f"kafka://{broker.bootstrap}/exec-tasks"
    done = run(
        tmp_path, "--wait", "30s", "--secret-env", "DEPLOY_TOKEN", "--to", to, "--", "sh", "-c", "exit 4"
    )
    assert (done.returncode, done.stderr) == (4, b"")
    assert spooled(tmp_path) == []
    consumer = AIOKafkaConsumer(
        "exec-tasks", bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        records = [await consumer.getone() for _ in range(3)]
    finally:
        await consumer.stop()
    assert [json.loads(record.value)["type"] for record in records] == [
        "task.started",
        "credential.issued",
        "task.ended",
    ]
    assert {record.key for record in records} == {b"deploy/1"}
    assert {record.partition for record in records} == {records[0].partition}
    assert not any(TOKEN.encode() in record.value for record in records)
