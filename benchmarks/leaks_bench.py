"""What a leak costs the live service, stage by stage and without Kafka, by the share of records that leak.

Scanning, routing and judging are called as the service's handlers call them, with records as columns. What aggregates
send each other comes back with the next poll. CPU time, the least of some rounds.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from benchmarks import compare, tables
from benchmarks.live_load import LEAKING, SPAN, Load, Pair, Texts, key_of, known, records
from detector.configuration.settings import Settings
from detector.judge.policy import Policy
from detector.kafka.handlers import Output, Partition, singly
from detector.outputs.output import Run
from detector.records.made_columns import columns_of
from detector.records.record_columns import RecordColumns
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.replay.replay_command import seldom_collected
from detector.scan.scanner import PatternScanner
from detector.scan.scanner_loader import load_scanner
from detector.service.judge.handler import JudgeHandler, JudgeSettings, Topics
from detector.service.scan.work_records import WorkRecords
from detector.stages.scan import PartitionScanner
from detector.values.events import AnyEvent
from detector.values.times import MILLISECOND, MINUTE, SECOND
from tests.fake_records import FakeRecord
from tests.service.judge.judge_without_kafka import Logs

NOW: Final = 1_800_000_000 * SECOND
SHARES: Final = (0.0, 0.001, 0.01, 0.1)
STEPS: Final = ("scan", "route", "judge")
_POLL: Final = 4000
_SEED: Final = 7
_WORK: Final = Partition(Topics().work, 0)


class Cost(msgspec.Struct, frozen=True):
    """Records of which a `share` leaks, `leaks` of them, and the seconds of CPU that each step takes for all."""

    share: float
    records: int
    leaks: int
    seconds: dict[str, float]

    @property
    def each(self) -> float:
        """Microseconds for a record, all in."""
        return sum(self.seconds.values()) / self.records * 1e6


class _Service:
    """The stages of one partition of the logs and one of work."""

    def __init__(self, patterns: PatternScanner, folder: Path) -> None:
        self.seconds = dict.fromkeys(STEPS, 0.0)
        self._finders = Finders(patterns, (key_of(_SEED),))
        self.registered = RegisteredCredentials(self._finders)
        keys = tuple(key.material for key in self._finders.keys)
        self._records = WorkRecords(_WORK.topic, self.registered, keys)
        self._scanner = PartitionScanner("logs", 0)
        run = Run({pattern.id: pattern for pattern in patterns.patterns}, self._finders.clean)
        self.judge = JudgeHandler(JudgeSettings(Policy(), folder, Topics()), run, Logs(1), lambda: NOW)
        self._work: list[Output] = []
        self._offset = 0

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        begun = time.process_time()
        yield
        self.seconds[step] += time.process_time() - begun

    async def poll(self, columns: RecordColumns) -> int:
        """Takes one poll through all stages. Returns the number of leaks."""
        with self._timed("scan"):
            facts = self._scanner.scan(columns, self._finders.finder, NOW)
        found: list[AnyEvent] = [*(event for _, event in facts.events), *facts.leaks]
        with self._timed("route"):
            self._work += [output for event in found for output in self._records.of(event, 0, 1)]
        some: list[Any] = [
            FakeRecord(each.value, at, topic=_WORK.topic, key=each.key, timestamp=1)
            for at, each in enumerate(self._work, self._offset)
        ]
        if some:
            self._offset += len(some)
            columns = columns_of(_WORK.topic, 0, some)
            with self._timed("judge"):
                outputs = await self.judge.process(_WORK, columns)
                await self.judge.committed(_WORK, self._offset)
            self._work = [each for each in singly(outputs) if each.topic == _WORK.topic]
        return len(facts.leaks)


def _polls(load: Load) -> list[RecordColumns]:
    """The records as columns. The first poll has the issues of the credentials that leak."""
    pairs = list(records(load, Texts(load.seed), 0, 1))
    starts = [0, *range(LEAKING, len(pairs), _POLL)]
    return [
        _columns(pairs[first:last], first)
        for first, last in zip(starts, [*starts[1:], len(pairs)], strict=True)
    ]


def _columns(pairs: Sequence[Pair], offset: int) -> RecordColumns:
    data = bytearray()
    rows = []
    for number, (key, value) in enumerate(pairs, offset):
        start = len(data)
        data += key + value + bytes(3)
        rows.append((number, NOW // MILLISECOND, start, len(key), start + len(key), len(value), 0, 0))
    return RecordColumns("logs", 0, bytes(data), np.array(rows, np.int64))


async def _run(polls: Sequence[RecordColumns], share: float, patterns: PatternScanner) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        service = _Service(patterns, Path(folder) / "stores")
        await service.registered.register([*known(LEAKING, _SEED, NOW - SPAN - MINUTE)])
        await service.judge.assigned(_WORK)
        await service.poll(polls[0])
        service.seconds = dict.fromkeys(STEPS, 0.0)
        leaks = sum([await service.poll(poll) for poll in polls[1:]])
        await service.judge.revoked(_WORK)
    return Cost(share, sum(map(len, polls[1:])), leaks, service.seconds)


def measure(count: int, rounds: int, shares: Sequence[float] = SHARES) -> list[Cost]:
    """All shares in turn, and again; the least of each."""
    patterns, _ = load_scanner(Settings().patterns)
    polls = {share: _polls(Load(count + LEAKING, NOW, leaks=share, seed=_SEED)) for share in shares}
    least: dict[float, Cost] = {}
    with seldom_collected():  # as in the service
        for number in range(rounds + 1):  # the first compiles
            for share, some in polls.items():
                cost = asyncio.run(_run(some, share, patterns))
                if number and (share not in least or cost.each < least[share].each):
                    least[share] = cost
    return list(least.values())


def report(costs: Sequence[Cost], machine: compare.Machine, rounds: int) -> str:
    """The table: what a record costs, and what a leak costs more than a record without one."""
    head = ["records that leak", "leaks", "records per CPU-s", *(f"{step}, µs a record" for step in STEPS)]
    head += [f"{step}, µs a leak" for step in (*STEPS, "all")]
    clean = next(cost for cost in costs if not cost.leaks)
    body = []
    for cost in costs:
        each = [cost.seconds[step] / cost.records * 1e6 for step in STEPS]
        more = [
            (cost.seconds[step] / cost.records - clean.seconds[step] / clean.records)
            * cost.records
            / cost.leaks
            * 1e6
            for step in STEPS
            if cost.leaks
        ]
        told = [f"{one:.0f}" for one in (*more, sum(more))] if more else [""] * (len(STEPS) + 1)
        body.append(
            [
                f"{cost.share:.1%}",
                f"{cost.leaks:,}",
                f"{1e6 / cost.each:,.0f}",
                *(f"{one:.2f}" for one in each),
                *told,
            ]
        )
    about = f"\n300-byte JSON records, polls of {_POLL}, one partition. Half of the leaks are of {LEAKING:,} registered "
    about += f"credentials, half are new GitHub tokens. The least of {rounds} rounds.\n"
    return "\n".join(["# What a leak costs\n", tables.about(machine), about, tables.table(head, body), ""])


def main(count: int = 40_000, rounds: int = 3) -> None:
    """Measures, prints and keeps the table."""
    costs, machine = measure(count, rounds), compare.machine()
    text = report(costs, machine, rounds)
    print(text)
    tables.save(compare.RESULTS, "leaks", text, {"machine": machine, "costs": costs})
