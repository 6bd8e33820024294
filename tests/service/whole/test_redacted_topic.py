"""The redacted topic on a real broker has each record once and in order, though the service is killed repeatedly."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiokafka.admin import NewTopic

from tests.broker import Cluster
from tests.chaos import MANY
from tests.ingest.streams import admin, until
from tests.redact.test_record_redactor import cri
from tests.redact.test_stream_redactor import TOKEN
from tests.service.whole.deployment import ROOT, Deployment
from tests.service.whole.instances import Instance, drained

SHORT = ("--session", "1.5")
STEPS = ("begun", "written", "offsets", "committed")
KILLS = 3 * MANY
PARTITIONS = 4
MASK = "‹github-pat-classic:40›".encode()
REDACTED = '[kafka.redacted]\ntopics = ["*.logs"]\nretention = "3650d"\n[service]'


@pytest.fixture
def deployment(broker: Cluster, tmp_path: Path) -> Iterator[Deployment]:
    one = Deployment(broker.bootstrap, tmp_path)
    one.config.write_text(one.config.read_text().replace("[service]", REDACTED))
    yield one
    one.end()


def told(rng: random.Random, number: int) -> tuple[list[bytes], list[bytes]]:
    """Some records that follow each other, and what is to become of them."""
    name, place = b"%d " % number, rng.randrange(1, 40)
    match rng.randrange(3):
        case 0:
            return [name + b"clean"], [name + b"clean"]
        case 1:
            return [name + TOKEN + b" z"], [name + MASK + b" z"]
    before = [cri(name + TOKEN[:place], b"P"), cri(name, stream=b"stderr"), cri(TOKEN[place:] + b" z")]
    return before, [cri(name + MASK, b"P"), before[1], cri(MASK + b" z")]


async def passed_on(deployment: Deployment) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {number: [] for number in range(PARTITIONS)}
    for record in await deployment.topic("logs.redacted"):
        found[record.partition].append(record.value)
    return found


def same(deployment: Deployment, wanted: dict[int, list[bytes]]) -> Callable[[], Awaitable[bool]]:
    async def all_there() -> bool:
        found = await passed_on(deployment)
        return all(len(found[number]) >= len(values) for number, values in wanted.items())

    return all_there


async def test_killed_time_and_again_it_passes_each_record_on_once(deployment: Deployment) -> None:
    rng = random.Random(20261126)
    await deployment.create()
    service = Instance(deployment, "one")
    wanted: dict[int, list[bytes]] = {number: [] for number in range(PARTITIONS)}
    number = doomed = 0
    for _ in range(KILLS):
        some: list[tuple[int, int, bytes]] = []
        for _ in range(40):
            number, partition = number + 1, rng.randrange(PARTITIONS)
            before, after = told(rng, number)
            some += [(0, partition, value) for value in before]
            wanted[partition] += after
        producing = asyncio.create_task(deployment.trickle(some, seconds=2))
        service.start(*SHORT, "--kill-at", f"scan:{rng.choice(STEPS)}:{rng.randrange(1, 5)}")
        await until(service.ended, "its own kill")
        doomed += len(service.said("doomed"))
        await producing
    last = cri(b"the end of it never comes", b"P")
    await deployment.put([(0, 0, last)])
    wanted[0].append(cri("‹unexamined:unfinished:25›".encode(), b"P"))
    service.start(*SHORT)
    await until(lambda: drained(deployment), "all to be read")
    await service.kill()  # while the last one waits
    service.start(*SHORT)
    await until(same(deployment, wanted), "all to be passed on")
    await asyncio.sleep(1)
    assert await passed_on(deployment) == wanted
    assert doomed == KILLS


async def test_a_redacted_topic_has_as_many_partitions_as_its_input_which_has_to_be_there(
    deployment: Deployment,
) -> None:
    command = [sys.executable, "-m", "detector.cli", "topics", "create", "--config", str(deployment.config)]

    def create() -> tuple[int, str]:
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    code, said = await asyncio.to_thread(create)
    assert (code, deployment.inputs[0] in said) == (2, True)
    async with admin(deployment.bootstrap) as client:
        await client.create_topics([NewTopic(deployment.inputs[0], 7, 1)])
    code, said = await asyncio.to_thread(create)
    assert (code, f"{deployment.inputs[0]}.redacted: created" in said) == (0, True)
    async with admin(deployment.bootstrap) as client:
        (topic,) = await client.describe_topics([f"{deployment.inputs[0]}.redacted"])
    assert len(topic["partitions"]) == 7

    service = Instance(deployment, "one")
    service.start()  # without its second input
    missing = service.telling(
        "an input topic does not exist yet; it will be read once it does", topic=deployment.inputs[1]
    )
    await until(missing, "a line for what is missing")
