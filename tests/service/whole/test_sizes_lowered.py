"""A topic takes smaller records than before: the service ends with its name, and goes on when it takes them again."""

from pathlib import Path

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.broker import Cluster
from tests.ingest.streams import admin, until
from tests.service.whole.deployment import ended
from tests.service.whole.disturbed import Disturbed, deployed, history, parts

LITTLE = 100  # bytes: room for the marker that ends a transaction, for no record of ours


async def takes(deployment: Disturbed, topic: str, size: int) -> None:
    """Sets the size of a topic's batches."""
    resource = ConfigResource(
        ConfigResourceType.TOPIC, f"{deployment.name}.{topic}", {"max.message.bytes": str(size)}
    )
    async with admin(deployment.bootstrap) as client:
        await client.alter_configs([resource])


@pytest.mark.parametrize(
    "topic",
    ["state", "work", *(pytest.param(each, marks=pytest.mark.chaos) for each in ("findings", "revocations"))],
)
async def test_a_topic_that_takes_too_little_is_named_and_nothing_is_lost(
    broker: Cluster, tmp_path: Path, topic: str
) -> None:
    records, expected = history(tmp_path)
    with deployed(Disturbed(broker.bootstrap, tmp_path)) as deployment:
        await deployment.create()
        first, second = parts(records, 2)
        process = deployment.start()
        await deployment.produce(first)
        await until(deployment.quiet, "the first half")
        await takes(deployment, topic, LITTLE)
        await deployment.produce(second)
        assert await ended(process) == 2, deployment.log.read_text()[-3000:]
        (why,) = (line["why"] for line in deployment.told("cannot go on"))
        assert f"{deployment.name}.{topic}" in why
        assert "max.message.bytes" in why
        await takes(deployment, topic, 2_000_000)
        deployment.start()
        await until(deployment.quiet, "all of it")
        await deployment.agrees(expected)
        await deployment.told_once()
