"""The live service against the size of records, the shares of events and leaks, partitions and codecs.

`python -m benchmarks live-curves` fills a topic for each point. The service and a bare aiokafka, which reads and throws
away, read each in turn. See `live_bench` for what is measured.
"""

import functools
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


def beside(ours: Row, bare: Row) -> Row:
    """Our row with its rate beside that of the bare consumer."""
    rates = [max(run.records / run.cpu for run in each.runs) for each in (ours, bare)]
    return Row(ours.name, ours.guarantee, ours.size, ours.runs, f"{rates[0] / rates[1]:.2f} of bare aiokafka")
