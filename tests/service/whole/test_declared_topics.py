"""Inputs that globs name, through `curfewd run` on a real broker: what comes later is read as it was declared."""

import asyncio
import json
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from tests.broker import Cluster
from tests.ingest.streams import admin, until
from tests.service.whole.deployment import Deployment, ended
from tests.small_history import event

IDENTIFIERS = [{"scheme": "jwt-id", "value": "a-token"}]
LIFE = [
    event(1, "task.started", 0, task_id="t", kind="job"),
    event(2, "credential.issued", 1, task_id="t", credential_id="c", identifiers=IDENTIFIERS),
]
ENDED = event(3, "task.ended", 2, task_id="t")
USED = event(4, "credential.used", 3600, credential_id="c", action="sign")


async def put(bootstrap: str, topic: str, *records: dict[str, Any]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for record in records:
            await producer.send_and_wait(topic, json.dumps(record).encode(), partition=0)


async def test_a_new_topic_is_read_as_it_was_declared(broker: Cluster, tmp_path: Path) -> None:
    """One that matches both lists is text: whoever may make topics cannot make events of their records."""
    deployment = Deployment(broker.bootstrap, tmp_path, "watermark_delay = '0s'\n")
    name, bootstrap = deployment.name, broker.bootstrap
    text = deployment.config.read_text()
    lists = [f'log_topics = ["{name}.logs", "*.both"]', f'event_topics = ["{name}.events*"]']
    old = [line for line in text.splitlines() if line.startswith(("log_topics", "event_topics"))]
    for line, new in zip(old, lists, strict=True):
        text = text.replace(line, new)
    deployment.config.write_text(text)
    await deployment.create()
    await put(bootstrap, f"{name}.events", *LIFE)
    process = deployment.start()

    def said(what: str) -> list[dict[str, Any]]:
        return [line for line in deployment.said() if what in line["event"]]

    async def warned() -> bool:
        return bool(said("matches event_topics and log_topics")) and bool(said("they are not believed"))

    async def found() -> bool:
        return "use-after-termination" in {
            each["finding_info"]["analytic"]["uid"] for each in (await deployment.findings()).values()
        }

    try:
        await until(deployment.ready, "readiness")
        async with admin(bootstrap) as client:
            await client.create_topics([NewTopic(f"{name}.events.both", 1, 1)])
        await put(bootstrap, f"{name}.events.both", ENDED, USED)
        await until(warned, "warnings of the topic that is both")
        assert said("they are not believed")[0]["topic"] == f"{name}.events.both"
        await put(bootstrap, f"{name}.events", USED)
        await asyncio.sleep(3)
        assert not await found()
        async with admin(bootstrap) as client:
            await client.create_topics([NewTopic(f"{name}.events.more", 1, 1)])
        await put(bootstrap, f"{name}.events.more", ENDED)
        await until(found, "the use after the end that the new topic tells of")
        process.terminate()
        assert await ended(process) == 0
        deployment.start()  # again: the topic that is both is there now
        assert await ended(deployment.processes[-1]) == 2
        (why,) = (line["why"] for line in deployment.said() if line["level"] == "error")
        assert f"{name}.events.both: matches event_topics and log_topics" in why
    finally:
        deployment.end()
