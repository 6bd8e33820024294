"""A small history through a service whose brokers, disk or network fail, and what it must have found at the end."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError

from detector.judge.policy import default_rules
from detector.values.findings import REVOCATION_UNCONFIRMED
from tests.command_line import curfewd
from tests.ingest.streams import admin, until
from tests.service.whole.deployment import ROOT, Deployment, Expected, replayed, settled
from tests.service.whole.instances import check_told_once
from tests.small_history import KEY_TEXT, write

INPUT_PARTITIONS = 4
UNTIL = "2026-10-01T00:00:00Z"  # long after the history
# The history comes in random order: nothing is late, and commands wait until all of it is there.
POLICY = (
    'key_file = "deployment.key"\nlateness = "3000d"\nretention = "3000d"\n'
    + "".join(
        f'[rules.{rule}]\ncommand_delay = "10d"\n'
        for rule, each in default_rules().items()
        if each.revoke and rule != REVOCATION_UNCONFIRMED
    )
    + f"[rules.{REVOCATION_UNCONFIRMED}]\nenabled = false\n"
)
Records = list[tuple[int, bytes]]


def history(folder: Path) -> tuple[Records, Expected]:
    """The records of the small history (number of the input, value), and what replay says of them.

    Credentials are registered first, as the look-back is far shorter than what happens here; all else is in random
    order.
    """
    (folder / "deployment.key").write_text(KEY_TEXT)
    config = folder / "replay.toml"
    config.write_text(POLICY)
    paths = write(folder / "history")
    records = [
        (1 - number, line) for number, path in enumerate(paths) for line in path.read_bytes().splitlines()
    ]
    random.Random(1).shuffle(records)
    records.sort(key=lambda record: b"credential.issued" not in record[1])
    return records, replayed(folder, config, paths, UNTIL)


def parts(records: Records, count: int) -> Iterator[Records]:
    """The records in so many parts of the same size."""
    for number in range(count):
        yield records[number * len(records) // count : (number + 1) * len(records) // count]


class Disturbed(Deployment):
    """A deployment for brokers of any number. Its processes run under the command `inside`, if there is one.

    `module` is what they run, with its arguments.
    `bootstrap` is what the tests connect to; `changed` replaces text of the configuration.
    """

    def __init__(
        self, bootstrap: str, folder: Path, *, copies: int = 1, changed: Sequence[tuple[str, str]] = ()
    ) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "deployment.key").write_text(KEY_TEXT)
        super().__init__(bootstrap, folder, POLICY)
        self.copies = copies
        self.inside: list[str] = []
        self.module: tuple[str, ...] = ("detector.cli", "run")
        text = self.config.read_text()
        wanted = f"replication = {copies}\nmin_insync = {max(1, copies - 1)}\n"
        for old, new in (("replication = 1\nmin_insync = 1\n", wanted), *changed):
            assert old in text
            text = text.replace(old, new)
        self.config.write_text(text)

    async def create(self) -> None:
        async with admin(self.bootstrap) as client:
            await client.create_topics(
                [NewTopic(name, INPUT_PARTITIONS, self.copies) for name in self.inputs]
            )
        made = await asyncio.to_thread(curfewd, "topics", "create", "--config", self.config)
        assert made.code == 0, made.err

    def start(self, *options: str) -> "subprocess.Popen[bytes]":
        self.runs += 1
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [*self.inside, sys.executable, "-m", *self.module, "--config", str(self.config), *options],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    async def produce(self, records: Records, seed: int = 1) -> None:
        """Produces records, in this order, to random partitions, and waits until all copies have them."""
        rng = random.Random(seed)
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, enable_idempotence=True) as producer:
            sent = [
                await producer.send(self.inputs[number], value, partition=rng.randrange(INPUT_PARTITIONS))
                for number, value in records
            ]
            await asyncio.gather(*sent)

    def told(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log about that."""
        return [line for line in self.said() if line["event"] == event]

    async def quiet(self) -> bool:
        """Whether all that was produced went through both stages and the look-back."""
        work = f"{self.name}.work"
        try:
            return (
                await self._read("scan", self.inputs)
                and await self._read("lookback", self.inputs)
                and await self._read("judge", (work,))
            )
        except KafkaError:  # the brokers are not back yet
            return False

    async def _read(self, stage: str, topics: Sequence[str]) -> bool:
        async with admin(self.bootstrap) as client:
            told = await client.describe_topics(list(topics))
        sources = [
            TopicPartition(topic["topic"], each["partition"])
            for topic in told
            for each in topic["partitions"]
        ]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, isolation_level="read_committed", request_timeout_ms=5000
        )
        async with consumer:
            consumer.assign(sources)
            ends = await consumer.end_offsets(sources)
        async with admin(self.bootstrap) as client:  # behind the ends: progress is reported all the time
            group = f"{self.name}-{stage}"
            read = {
                source: meta.offset
                for source, meta in (await client.list_consumer_group_offsets(group)).items()
            }
        return bool(sources) and all(read.get(source, 0) >= end for source, end in ends.items())

    async def agrees(self, expected: Expected) -> None:
        """Once all is read: the end of time comes, and then findings and commands are those of replay, each once."""
        await until(self.quiet, "the end of the topics", every=0.5)
        # An event, as text moves no watermark: without one it would wait for half a minute in which nothing comes.
        event = {"specversion": "1.0", "type": "task.started", "source": "tick", "id": "end", "time": UNTIL}
        values = ({"time": UNTIL, "message": "the end"}, {**event, "data": {"task_id": "tick"}})
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, enable_idempotence=True) as producer:
            for topic, value in zip(self.inputs, values, strict=True):
                for number in range(INPUT_PARTITIONS):
                    await producer.send_and_wait(topic, json.dumps(value).encode(), partition=number)
        await settled(self, expected)
        await self.told_once()

    async def told_once(self) -> None:
        """Every finding is created once and then updated, every command is sent once."""
        check_told_once(await self.topic("findings"))
        ids = [each["id"] for each in await self.commands()]
        assert len(set(ids)) == len(ids)

    def kill(self) -> None:
        """As the system does when memory runs out."""
        os.kill(self.processes[-1].pid, signal.SIGKILL)
        self.processes[-1].wait()


@contextlib.contextmanager
def deployed(deployment: Disturbed) -> Iterator[Disturbed]:
    """Ends its processes."""
    try:
        yield deployment
    finally:
        deployment.end()
