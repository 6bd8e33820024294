"""Which partitions of inputs the brokers list, on a real broker, one of them with an authorizer."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path

import pytest
from aiokafka.admin import NewTopic

from detector.configuration.kafka_settings import KafkaSettings
from detector.configuration.settings import Settings
from detector.judge.watermark import Inputs
from detector.kafka.acls import Right
from detector.service.judge.event_inputs import EventInputs
from detector.service.rights import rights
from detector.service.stage_settings import connection_of
from detector.values.times import MINUTE
from tests.broker import Cluster
from tests.broker.guarded import PASSWORD, GuardedBroker
from tests.ingest.streams import Streams, admin, grown, until
from tests.service.test_rights import Guarded
from tests.service.whole.deployment import Deployment

JUDGE = "judge"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedBroker]:
    with GuardedBroker(tmp_path_factory.mktemp("guarded"), [JUDGE]) as broker:
        yield broker


def with_globs(deployment: Deployment) -> str:
    """The beginning of all names. Topics that a prefix matches carry events, and those that another glob does."""
    name = deployment.name
    text = deployment.config.read_text()
    named = f'event_topics = ["{deployment.inputs[1]}"]'
    assert named in text
    deployment.config.write_text(
        text.replace(named, f'event_topics = ["{deployment.inputs[1]}", "{name}.p.*", "{name}*-audit"]')
    )
    return name


@contextlib.asynccontextmanager
async def listing(
    live: KafkaSettings,
    kept: Iterable[str] = (),
    id_of: Callable[[str], str] = str,
    clock: Callable[[], int] = time.time_ns,
) -> AsyncIterator[EventInputs]:
    inputs = EventInputs(live, lambda: kept, id_of, clock)
    task = asyncio.create_task(inputs.run(connection_of(live)))
    try:
        yield inputs
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


def lists(inputs: EventInputs, **counts: int) -> Callable[[], Awaitable[bool]]:
    """Asks whether these topics are listed with so many partitions, and no other."""

    async def listed() -> bool:
        names = {f"{topic}-{number}" for topic, count in counts.items() for number in range(count)}
        return inputs.problem is None and inputs.listed is not None and inputs.listed.names == names

    return listed


async def test_partitions_and_topics_come_and_go(broker: Cluster, tmp_path: Path) -> None:
    deployment = Deployment(broker.bootstrap, tmp_path)
    name = with_globs(deployment)
    await deployment.create()
    live = Settings.load(str(deployment.config)).live()
    events = deployment.inputs[1]
    async with listing(live) as inputs, admin(broker.bootstrap) as client:
        assert inputs.listed is None
        assert inputs.problem is not None
        await until(lists(inputs, **{events: 4}), "the input without a record")
        await client.create_topics([NewTopic(f"{name}.p.a", 2, 1), NewTopic(f"{name}.b-audit", 1, 1)])
        await until(
            lists(inputs, **{events: 4, f"{name}.p.a": 2, f"{name}.b-audit": 1}), "topics that are made later"
        )
        await grown(Streams(broker.bootstrap, name), events, 6)
        await until(
            lists(inputs, **{events: 6, f"{name}.p.a": 2, f"{name}.b-audit": 1}), "partitions that are added"
        )
        await client.delete_topics([f"{name}.p.a"])
        await until(lists(inputs, **{events: 6, f"{name}.b-audit": 1}), "the end of a topic")


async def test_names_are_masked_as_the_scan_stage_does(broker: Cluster, tmp_path: Path) -> None:
    deployment = Deployment(broker.bootstrap, tmp_path)
    await deployment.create()
    live = Settings.load(str(deployment.config)).live()
    async with listing(live, id_of=lambda _: "masked") as inputs:
        await until(lists(inputs, masked=4), "the input")


def test_what_the_brokers_do_not_say_for_long_is_a_problem(tmp_path: Path) -> None:
    now = 0
    config = tmp_path / "curfewd.toml"
    config.write_text('[kafka]\nbootstrap = "127.0.0.1:1"\nevent_topics = ["audit"]\nlog_topics = ["logs"]\n')
    inputs = EventInputs(Settings.load(str(config)).live(), tuple, str, lambda: now)
    assert inputs.problem is not None
    inputs.take({"audit": 1, "logs": 2}, now)
    assert inputs.listed == Inputs(0, frozenset({"audit-0"}))
    assert inputs.problem is None
    now = MINUTE
    assert inputs.problem is not None


async def test_an_input_that_may_not_be_described_is_named_and_not_taken_for_gone(
    guarded: GuardedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The brokers leave it out as if it were not there. A prefix and a scattered glob name it, and no right does."""
    monkeypatch.setenv("CURFEWD_KAFKA_PASSWORD", PASSWORD)
    deployment = Guarded(guarded, tmp_path)
    name = with_globs(deployment)
    deployment.open_config = deployment.config.read_text()
    await deployment.create()
    async with admin(guarded.open) as client:
        await client.create_topics([NewTopic(f"{name}.p.a", 1, 1), NewTopic(f"{name}.b-audit", 1, 1)])
    live = deployment.live(JUDGE)
    scattered = Right("topic", f"{name}.b-audit", "Describe")
    await guarded.allow((JUDGE, right) for right in rights(live, "judge"))
    events, ahead = deployment.inputs[1], 0
    async with listing(live, (scattered.name,), clock=lambda: time.time_ns() + ahead) as inputs:

        async def missed(right: Right) -> bool:
            return str(right) in (inputs.problem or "")

        await until(lambda: missed(scattered), "the right that is missing")
        assert inputs.listed is None
        await guarded.allow([(JUDGE, scattered)])
        await until(lists(inputs, **{events: 4, f"{name}.p.a": 1, scattered.name: 1}), "all inputs")
        listed = inputs.listed
        prefixed = Right("topic", f"{name}.p.a", "Describe")
        await guarded.deny([(JUDGE, prefixed)])
        ahead = MINUTE  # it is told once nothing was listed for a while
        await until(lambda: missed(prefixed), "the right that is taken away")
        assert listed is not None
        assert inputs.listed is not None
        assert inputs.listed.names == listed.names
