"""The live service by the size of records, the shares of events and leaks, partitions and codecs, and by cores.

`python -m benchmarks live-curves` fills a topic for each point. The service and a bare aiokafka, which reads and throws
away, read each in turn. `live-workers` reads one topic with one worker and with more. See `live_bench` for what is
measured. Each draws results/live-curves.svg anew, from what both have measured last.
"""

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import curves as drawing
from benchmarks.live_bench import FilledTopics, Input, Options, Subject, alternating, row
from benchmarks.live_peers import Peer
from benchmarks.live_rows import Row

BARE: Final = Peer("bare aiokafka", "live_peer_bare", "aiokafka", False, "–", ours=True)
_USUAL: Final = "300 bytes, 4 partitions, 0.1 % leaks"
POINTS: Final = {
    _USUAL: Input(),
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
# What the points go by in each panel of the picture.
_PANELS: Final[Mapping[str, Mapping[float, str]]] = {
    "bytes a record": {
        120: "120 bytes",
        300: _USUAL,
        1000: "1,000 bytes",
        10_000: "10,000 bytes",
        100_000: "100,000 bytes",
    },
    "partitions": {1: "1 partition", 4: _USUAL, 16: "16 partitions", 256: "256 partitions"},
    "% of records that leak": {0: "no leak", 0.1: _USUAL, 1: "1 % leaks", 10: "10 % leaks"},
    "% of records that are audit events": {
        0: _USUAL,
        1: "1 % audit events",
        10: "10 % audit events",
        100: "all audit events",
    },
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
    times = many.per_second() / one.per_second()
    return Row(many.name, many.guarantee, many.size, many.runs, f"{times:.2f} times one, a second")


def beside(ours: Row, bare: Row) -> Row:
    """Our row with its rate beside that of the bare consumer."""
    rates = [max(run.records / run.cpu for run in each.runs) for each in (ours, bare)]
    return Row(ours.name, ours.guarantee, ours.size, ours.runs, f"{rates[0] / rates[1]:.2f} of bare aiokafka")


class _Results(msgspec.Struct):
    rows: list[Row]


def draw(results: Path) -> None:
    """The picture of what `live-curves` and `live-workers` have kept there, as far as they have."""
    panels: list[drawing.Panel] = []
    if (kept := results / "live-curves.json").exists():
        rates = {row.name: row.per_cpu_second() / 1000 for row in _rows(kept)}
        panels += [
            drawing.Panel(
                "thousand records per CPU-second",
                axis,
                [*points],
                {
                    name: [rates[f"{point}: {name}"] for point in points.values()]
                    for name in ("curfewd", BARE.name)
                },
                decades=axis == "bytes a record",
            )
            for axis, points in _PANELS.items()
        ]
    if (kept := results / "live-workers.json").exists():
        by_workers = [row.per_second() / 1000 for row in _rows(kept)]
        panels.append(
            drawing.Panel(
                "thousand records per second",
                "workers, on as many cores",
                range(1, len(by_workers) + 1),
                {"curfewd": by_workers},
            )
        )
    (results / "live-curves.svg").write_text(drawing.drawn(panels))


def _rows(kept: Path) -> list[Row]:
    return msgspec.json.decode(kept.read_bytes(), type=_Results).rows
