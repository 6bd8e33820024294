"""The live service against the size of records, the shares of events and leaks, partitions and codecs, and against cores.

`python -m benchmarks live-curves` fills a topic for each point. The service and a bare aiokafka, which reads and throws
away, read each in turn. `live-workers` reads one topic with one worker and with more. See `live_bench` for what is
measured.
"""

import functools
import os
import statistics
from typing import Final

from benchmarks.live_bench import FilledTopics, Input, Options, Subject, alternating, row
from benchmarks.live_peers import Peer
from benchmarks.live_rows import Row

BARE: Final = Peer("bare aiokafka", "live_peer_bare", "aiokafka", False, "–", ours=True)
POINTS: Final = {
    "300 bytes, 4 partitions, 0.1 % leaks": Input(),
    "120 bytes": Input(size=120),
    "1,000 bytes": Input(size=1000, part=0.3),
    "10,000 bytes": Input(size=10_000, part=0.04),
    "100,000 bytes": Input(size=100_000, part=0.007),
    "1 partition": Input(partitions=1),
    "16 partitions": Input(partitions=16),
    "256 partitions": Input(partitions=256),
    "no leak": Input(leaks=0.0),
    "1 % leaks": Input(leaks=0.01, part=0.3),
    "10 % leaks": Input(leaks=0.1, part=0.08),
    "1 % audit events": Input(events=0.01, part=0.4),
    "10 % audit events": Input(events=0.1, part=0.15),
    "all audit events": Input(events=0.999, part=0.04),
    "gzip": Input(codec="gzip"),
    "snappy": Input(codec="snappy"),
    "lz4": Input(codec="lz4"),
    "zstd": Input(codec="zstd"),
}
_PART: Final = 3.0  # times the records: several workers take some seconds until each has its partitions
_SINCE: Final = 0.4  # of them are read by then


async def curves(bench: FilledTopics, options: Options) -> list[Row]:
    """Two rows a point."""
    rows: list[Row] = []
    for number, (name, each) in enumerate(POINTS.items()):
        topic = f"point-{number}"
        await bench.prepare({topic: each}, registry=not number)
        subjects = [
            Subject(f"{name}: {BARE.name}", "–", topic, functools.partial(bench.theirs, BARE, topic)),
            Subject(f"{name}: curfewd", "exactly once", topic, functools.partial(bench.ours, topic)),
        ]
        for subject, made in await alternating(subjects, options.runs):
            rows.append(row(subject, bench.size(topic), made))
            if len(rows) % 2 == 0 and rows[-1].runs and rows[-2].runs:
                rows[-1] = beside(rows[-1], rows[-2])
    return rows


async def workers(bench: FilledTopics, options: Options) -> list[Row]:
    """A row for each number of workers, up to that of the cores."""
    most = len(os.sched_getaffinity(0))
    await bench.prepare({"logs": Input(part=_PART, partitions=4 * most)})
    subjects = [
        Subject(
            f"{count} workers" if count > 1 else "1 process",
            "exactly once",
            "logs",
            functools.partial(bench.ours, "logs", workers=count, since=_SINCE),
        )
        for count in range(1, most + 1)
    ]
    rows = [row(each, bench.size("logs"), made) for each, made in await alternating(subjects, options.runs)]
    return [rows[0], *(faster(each, rows[0]) for each in rows[1:])]


def faster(many: Row, one: Row) -> Row:
    """The row of many workers with its records a second beside those of one."""
    rates = [statistics.median(run.records / run.wall for run in each.runs) for each in (many, one)]
    return Row(
        many.name, many.guarantee, many.size, many.runs, f"{rates[0] / rates[1]:.2f} times one, a second"
    )


def beside(ours: Row, bare: Row) -> Row:
    """Our row with its rate beside that of the bare consumer."""
    rates = [max(run.records / run.cpu for run in each.runs) for each in (ours, bare)]
    return Row(ours.name, ours.guarantee, ours.size, ours.runs, f"{rates[0] / rates[1]:.2f} of bare aiokafka")
