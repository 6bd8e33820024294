"""Several processes of one deployment, and a history that is produced to it while they work."""

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from detector.kafka.handlers import Partition
from detector.values.times import parse_rfc3339
from tests.ingest.streams import Streams, committed_offsets, ends, until
from tests.service.whole.deployment import ROOT, Deployment, Expected, replayed, summary
from tests.small_history import KEY_TEXT, at, event, events, jsonl, logs

TASKS = 60
LINES = 15
DELAY = 3000  # s: far more than what is open at any time, so that nothing is late
END = TASKS * 100 + 5 * 86400.0  # s after the start, when the last records are
INPUT_PARTITIONS = 4
POLICY = f"""key_file = "deployment.key"
watermark_delay = "{DELAY}s"
lateness = "3000d"
retention = "3000d"
[rules.revocation-unconfirmed]
enabled = false
"""
Undealt = list[tuple[int, bytes]]  # the number of the input, the value
Slice = list[tuple[int, int, bytes]]  # the number of the input, the partition, the value


class Instance:
    """One process, with a folder of state and a log of its own that outlive it. `command` is what it runs,
    else `tests.service.whole.faulty_worker`.
    """

    def __init__(self, deployment: Deployment, name: str, *command: str) -> None:
        self._command = command or ("tests.service.whole.faulty_worker",)
        self.state = deployment.folder / f"state-{name}"
        self.log = deployment.folder / f"{name}.log"
        self._deployment = deployment
        self._config = deployment.folder / f"live-{name}.toml"
        self._config.write_text(
            deployment.config.read_text().replace('state = "state"', f'state = "{self.state.name}"')
        )
        self.process: subprocess.Popen[bytes]

    def start(self, *options: str) -> None:
        """Starts it, again too; `options` are those of its command."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self._command, "--config", self._config, *options],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._deployment.processes.append(self.process)

    def said(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """The lines of its log with that event and those fields."""
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [each for each in lines if each["event"] == event and fields.items() <= each.items()]

    def said_by(self, stage: str) -> list[dict[str, Any]]:
        """The lines of its log about a stage."""
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [each for each in lines if each.get("stage") == stage]

    def telling(self, event: str, times: int = 1, **fields: Any) -> Callable[[], Awaitable[bool]]:
        """Asks whether it said so, so many times."""

        async def told() -> bool:
            return len(self.said(event, **fields)) >= times

        return told

    async def ended(self) -> bool:
        return self.process.poll() is not None

    async def stopped(self) -> bool:
        """Whether it is stalled."""
        return self._state() == "T"

    def _state(self) -> str:
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        return stat.rsplit(")", 1)[1].split()[0]

    def signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, number)

    async def kill(self) -> None:
        """As the system does when memory runs out."""
        self.signal(signal.SIGKILL)
        await until(self.ended, "its end", every=0.005)


class Production(msgspec.Struct):
    """A history in slices of its time, what replay finds in it, and how many of its records cannot be read."""

    slices: list[Undealt]
    expected: Expected
    poison: int


@contextlib.contextmanager
def produced(bootstrap: str, folder: Path, count: int) -> Iterator[tuple[Deployment, Production]]:
    """A deployment, its topics yet to be made, and a history in `count` slices, each with one record of poison.

    Each slice comes in random order, the slices in theirs: what is judged at a watermark is judged with all before it.
    The last one takes the watermark of every partition far beyond all that happened.
    """
    (folder / "deployment.key").write_text(KEY_TEXT)
    deployment = Deployment(bootstrap, folder, POLICY)
    told, shown = events(TASKS), logs(LINES, TASKS)
    paths = [folder / "events.jsonl", folder / "logs.jsonl"]
    for path, records in zip(paths, (told, shown), strict=True):
        path.write_bytes(jsonl(records))
    timed = [(parse_rfc3339(each["time"]), 1, each) for each in told]
    timed += [(parse_rfc3339(each["time"]), 0, each) for each in shown]
    timed.sort(key=lambda each: each[0])
    slices: list[Undealt] = []
    for number in range(count):
        some = timed[number * len(timed) // count : (number + 1) * len(timed) // count]
        poison = event(100_000 + number, "task.ended", 0)
        slices.append(
            [(which, json.dumps(each).encode()) for _, which, each in some]
            + [(1, json.dumps(poison).encode())]
        )
    try:
        yield (
            deployment,
            Production(slices, replayed(folder, deployment.config, paths, at(END - DELAY)), count),
        )
    finally:
        deployment.end()


async def close(deployment: Deployment, partitions: int = INPUT_PARTITIONS) -> None:
    """The last event of each partition of the events, once those before are judged."""
    await until(lambda: drained(deployment), "all before the last")
    which = deployment.inputs.index(f"{deployment.name}.events")
    lasts = [
        event(200_000 + number, "task.started", END, task_id=f"last-{number}") for number in range(partitions)
    ]
    await deployment.put((which, number, json.dumps(last).encode()) for number, last in enumerate(lasts))


async def drained(deployment: Deployment, *stages: str) -> bool:
    """Whether all records of the inputs and of work are read by these stages, by default scanned and judged."""
    for stage in stages or ("scan", "judge"):
        topics = (f"{deployment.name}.work",) if stage == "judge" else deployment.inputs
        group = Streams(deployment.bootstrap, f"{deployment.name}-{stage}")
        # Before the offsets: reports of progress are written to `work` all the time.
        there = {topic: await ends(group, topic) for topic in topics}
        done = await committed_offsets(group)
        for topic, some in there.items():
            if any(done.get(Partition(topic, number), 0) < end for number, end in some.items()):
                return False
    return True


def check_told_once(records: list[Any]) -> None:
    """A finding is created once, then updated, perhaps closed or deleted; after that it may be created again."""
    standing: set[bytes] = set()
    for record in records:
        if record.value is None:
            standing.discard(record.key)
            continue
        activity = json.loads(record.value)["activity_id"]
        assert (activity == 1) == (record.key not in standing), (
            f"activity {activity} of {record.key.decode()}"
        )
        if activity == 3:
            standing.remove(record.key)
        else:
            standing.add(record.key)


def ids(commands: list[dict[str, Any]]) -> list[str]:
    return sorted(f"{each['subject']} {each['id']}" for each in commands)


async def agreed(deployment: Deployment, expected: Expected) -> None:
    """Until live says what replay says. A command tells of what was known first: only which there are is certain."""
    wanted = {*summary(expected.findings), *ids(expected.commands)}
    found: set[Any] = set()

    async def same() -> bool:
        found.clear()
        found.update(summary(await deployment.findings()), ids(await deployment.commands()))
        return found == wanted

    with contextlib.suppress(AssertionError):
        await until(same, "what replay says", every=0.5)
    assert not found ^ wanted, f"only live: {found - wanted}\nonly replay: {wanted - found}"


async def check_once(deployment: Deployment, production: Production) -> None:
    """Every finding, command and dead letter is written once."""
    check_told_once(await deployment.topic("findings"))
    assert set(Counter(ids(await deployment.commands())).values()) == {1}
    letters = [json.loads(record.value) for record in await deployment.topic("dead-letters")]
    places = Counter((each["source"], each["partition"], each["offset"]) for each in letters)
    assert set(places.values()) == {1}
    assert len(places) == production.poison


def dealt(slices: list[Undealt], seed: int, partitions: tuple[int, ...] = ()) -> Iterator[Slice]:
    """The slices in random order inside, over random partitions, each of so many."""
    rng = random.Random(seed)
    for some, count in zip(slices, partitions or itertools.repeat(INPUT_PARTITIONS), strict=False):
        rng.shuffle(some)
        yield [(which, rng.randrange(count), value) for which, value in some]
