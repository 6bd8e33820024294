"""While processes die, commands are those of a replay: none is unwanted, none is missing, none has another time.

All is told of in time, by clocks that agree. So a command that replay does not give comes from judging before all was
read. It may have another time for one reason only: live, that of the evidence which was known first counts.
`tests.service.whole.lives` says what happens.
"""

import asyncio
import contextlib
import math
import random
import re
import signal
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from detector.judge.routing import decode
from detector.values.errors import RetryError
from detector.values.events import Event, TaskEnded
from detector.values.findings import OUTLIVES_TASK, USE_AFTER_TERMINATION, USE_OUTSIDE_WINDOW
from detector.values.times import SECOND, format_rfc3339, parse_rfc3339
from tests.broker import Cluster
from tests.broker.cluster import Node
from tests.chaos import MANY
from tests.ingest.streams import until
from tests.service.whole.deployment import Deployment, Expected, ask, replayed
from tests.service.whole.instances import Instance
from tests.service.whole.lives import EVENTS, GRACE, HELD, LOGS, POLICY, Life, Told, lives
from tests.small_history import KEY_TEXT

PARTITIONS: Final = 4
SECONDS: Final = 100.0  # of lives
EACH: Final = 0.7  # s between the beginnings of two
LONGEST: Final = 100.0  # s until the last command of a life is due
SEEDS: Final = range(MANY)
Facts = dict[str, list[tuple[type[Any], int, int]]]
LATE: Final = 7 * SECOND  # behind the two that a record is late anyway: the watermark's delay is 10 s


class Stages:
    """A scan instance and a judge, each a process, their broker, and another one of each that joins later."""

    def __init__(self, deployment: Deployment, node: Node) -> None:
        self.node = node
        self.scan, self.judge, self.other_scan, self.other_judge = (
            Instance(deployment, name, "detector.cli", "run", "--stage", name.removeprefix("other-"))
            for name in ("scan", "judge", "other-scan", "other-judge")
        )

    async def ready(self, instance: Instance) -> bool:
        return (await asyncio.to_thread(ask, instance.log, "probes", "/readyz"))[0] == 200


async def scan_dies(stages: Stages, rng: random.Random) -> None:
    """For longer than anybody took for idleness."""
    await stages.scan.kill()
    await asyncio.sleep(35 + 15 * rng.random())
    stages.scan.start()


async def judge_dies(stages: Stages, rng: random.Random) -> None:
    await stages.judge.kill()
    await asyncio.sleep(2 + 20 * rng.random())
    stages.judge.start()


async def all_die(stages: Stages, rng: random.Random) -> None:
    await stages.scan.kill()
    await stages.judge.kill()
    await asyncio.sleep(2 + 30 * rng.random())
    first, second = rng.sample((stages.scan, stages.judge), 2)
    first.start()
    await asyncio.sleep(20 * rng.random())
    second.start()


async def scan_is_a_zombie(stages: Stages, rng: random.Random) -> None:
    stages.scan.signal(signal.SIGSTOP)
    await asyncio.sleep(10 + 40 * rng.random())
    stages.scan.signal(signal.SIGCONT)


async def judge_is_a_zombie(stages: Stages, rng: random.Random) -> None:
    stages.judge.signal(signal.SIGSTOP)
    await asyncio.sleep(10 + 40 * rng.random())
    stages.judge.signal(signal.SIGCONT)


async def moves(one: Instance, other: Instance, rng: random.Random) -> None:
    """Another one joins, and takes half of the partitions; then the first one dies."""
    other.start()
    await asyncio.sleep(15 + 10 * rng.random())
    await one.kill()
    await asyncio.sleep(15 * rng.random())
    one.start()
    await asyncio.sleep(10)
    await other.kill()


async def scan_moves(stages: Stages, rng: random.Random) -> None:
    await moves(stages.scan, stages.other_scan, rng)


async def judge_moves(stages: Stages, rng: random.Random) -> None:
    await moves(stages.judge, stages.other_judge, rng)


async def broker_dies(stages: Stages, rng: random.Random) -> None:
    """What is told meanwhile may come too late."""
    await asyncio.to_thread(stages.node.kill)
    await asyncio.sleep(1 + 4 * rng.random())
    await asyncio.to_thread(stages.node.start)


Harm = Callable[[Stages, random.Random], Awaitable[None]]
HARMS: Final[tuple[Harm, ...]] = (
    scan_dies,
    judge_dies,
    all_die,
    scan_is_a_zombie,
    judge_is_a_zombie,
    scan_moves,
    judge_moves,
    broker_dies,
)


async def harmed(stages: Stages, rng: random.Random, first: Harm, end: float) -> list[str]:
    """One harm, then others, until `end` (of the monotonic clock). Returns when each was."""
    done = []
    await asyncio.sleep(10 + 20 * rng.random())
    harm = first
    while True:
        done.append(f"{format_rfc3339(time.time_ns())} {harm.__name__}")
        await harm(stages, rng)
        await asyncio.sleep(5 + 15 * rng.random())
        if time.monotonic() > end:
            return done
        harm = rng.choice(HARMS)


async def told(deployment: Deployment, some: Iterable[Told]) -> set[bytes]:
    """Writes each record at its time. Returns those that came too late to be in time."""
    late: set[bytes] = set()
    async with AIOKafkaProducer(bootstrap_servers=deployment.bootstrap, enable_idempotence=True) as producer:

        async def write(record: Told) -> None:
            await producer.send_and_wait(
                deployment.inputs[record.which], record.value, partition=record.partition
            )
            if time.time_ns() - record.at > LATE:
                late.add(record.value)

        async with asyncio.TaskGroup() as writing:
            for record in sorted(some):
                await asyncio.sleep(max(0.0, (record.at - time.time_ns()) / SECOND))
                writing.create_task(write(record))
    return late


class Difference(msgspec.Struct, frozen=True):
    """A command that is not as in a replay: its id, the times live and replayed (None: there is none), and why."""

    command: str
    live: str | None
    replayed: str | None
    why: str | None = None

    def __str__(self) -> str:
        return f"{self.command}: live {self.live}, replayed {self.replayed}: {self.why or 'not explained'}"


async def differences(deployment: Deployment, expected: Expected, late: set[str]) -> list[Difference]:
    """The commands that are not as in a replay; `late` are the credentials of which something came too late."""
    live = {each["id"]: each for each in await deployment.commands()}
    wanted = {each["id"]: each for each in expected.commands}
    order: Facts | None = None
    found = []
    for name in sorted(live.keys() | wanted.keys()):
        one, other = live.get(name), wanted.get(name)
        if (
            one is not None
            and other is not None
            and one["time"] == other["time"]
            and reasons(one) == reasons(other)
        ):
            continue
        command = one or other or {}
        why = "something came late" if command["subject"] in late else None
        if why is None and one is not None and other is not None and one["time"] > other["time"]:
            order = await facts(deployment) if order is None else order
            held = USE_OUTSIDE_WINDOW in reasons(one)  # it waits until earlier evidence is known too
            if not held and known(order, one) < known(order, other):
                why = "first known"
        found.append(Difference(f"{command['subject']} {name}", shown(one), shown(other), why))
    return found


def shown(command: dict[str, Any] | None) -> str | None:
    return None if command is None else f"{command['time']} {reasons(command)}"


def known(order: Facts, command: dict[str, Any]) -> float:
    """Where the judge stood when it knew of a command's evidence; of what only a time brings about, nowhere."""
    facts = order.get(f"t:{command['subject'].replace('of', 'task')}", [])
    named = [
        offset
        for kind, when, offset in facts
        if when == parse_rfc3339(command["time"])
        or (kind is TaskEnded and set(reasons(command)) & {USE_AFTER_TERMINATION, OUTLIVES_TASK})
    ]
    return max(named, default=-1) if OUTLIVES_TASK not in reasons(command) else math.inf


def reasons(command: dict[str, Any]) -> list[str]:
    return list(command["data"]["reasons"])


async def facts(deployment: Deployment) -> Facts:
    """What the judge learned of each task, in which order: the kind, the time and the offset of each event."""
    order: Facts = {}
    for record in await deployment.topic("work"):
        fact = decode(record.value)
        if isinstance(fact, Event):
            order.setdefault(record.key.decode(), []).append((type(fact), fact.time, record.offset))
    return order


@pytest.mark.chaos
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
async def test_what_dies_makes_no_command_unwanted_and_none_of_another_time(
    frail_broker: Cluster, tmp_path: Path, harm: Harm, seed: int
) -> None:
    rng = random.Random(f"{harm.__name__} {seed}")
    (tmp_path / "deployment.key").write_text(KEY_TEXT)
    deployment = Deployment(frail_broker.bootstrap, tmp_path, POLICY)
    await deployment.create()
    stages = Stages(deployment, frail_broker.nodes[0])
    try:
        for instance in (stages.judge, stages.scan):
            instance.start()
        await until(lambda: stages.ready(stages.scan), "the scan stage")
        await until(lambda: stages.ready(stages.judge), "the judge stage")
        some = list(lives(time.time_ns(), SECONDS, EACH, rng, PARTITIONS))
        records = [record for life in some for record in life.told]
        harming = asyncio.create_task(harmed(stages, rng, harm, time.monotonic() + SECONDS - 20))
        late = await told(deployment, records)
        await compared(deployment, some, late, await harming)
    finally:
        deployment.end()


async def compared(deployment: Deployment, some: list[Life], late: set[bytes], harms: list[str]) -> None:
    """Once all is judged: the commands are those of a replay."""
    folder, end = deployment.folder, max(record.at for life in some for record in life.told)
    paths = [folder / "events.jsonl", folder / "logs.jsonl"]
    for path, which in zip(paths, (EVENTS, LOGS), strict=True):
        path.write_bytes(
            b"".join(each.value + b"\n" for life in some for each in life.told if each.which == which)
        )
    last = end + round(LONGEST * SECOND)
    expected = replayed(folder, deployment.config, paths, format_rfc3339(last))
    assert expected.commands
    tardy = {life.credential for life in some if any(each.value in late for each in life.told)}
    assert len(tardy) < 3 * len(some) / 4

    async def judged() -> bool:
        page = (await asyncio.to_thread(ask, folder / "judge.log", "listen", "/metrics"))[1]
        mark = re.search(r"^curfewd_watermark_timestamp_seconds (\S+)", page, re.MULTILINE)
        return mark is not None and float(mark[1]) * SECOND > end + (GRACE + HELD) * SECOND

    await until(judged, "the watermark past all that happened", every=1.0)
    found: list[Difference] = []

    async def same() -> bool:
        with contextlib.suppress(KafkaError, RetryError):
            found[:] = await differences(deployment, expected, tardy)
            return not [each for each in found if each.replayed is not None and each.live is None]
        return False

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(until(same, "all commands", every=1.0), 60)
    counts = (
        f"lives {len(some)}, commands {len(await deployment.commands())}, replayed {len(expected.commands)}, "
        f"of late news {len(tardy)}, unwanted {sum(each.replayed is None for each in found)}, "
        f"missing {sum(each.live is None for each in found)}, "
        f"other time {sum(None not in (each.live, each.replayed) for each in found)}"
    )
    print(*harms, counts, *found, sep="\n")  # noqa: T201 - `pytest -s` shows the figures, and when each harm was
    assert not [str(each) for each in found if each.why is None]
