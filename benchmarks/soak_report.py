"""The table and the curve of a soak, made of its samples."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Final

import msgspec

from benchmarks import compare, tables
from benchmarks.corpus import MB
from benchmarks.curves import Panel, drawn

_MINUTE: Final = 60
_EVERY: Final = 10  # minutes between two lines of the table
_SPAN: Final = 10  # minutes that are compared: these at the end with these before
_HEAD: Final = (
    "minute",
    "resident MB",
    "store: buffers MB",
    "store: blocks MB",
    "glibc MB",
    "mapped MB",
    "files MB",
    "aggregates",
    "credentials",
    "open files",
    "`state` MB",
    "`work` MB",
    "CPU, % of a core",
)


_PARTS: Final = (
    "\n`glibc` is its heap and arenas, with most of the stores' part; `mapped` is other memory without a file, most of it "
    "Python's objects; `files` is code and data of libraries.\n"
)


class Sample(msgspec.Struct, frozen=True):
    """A worker at one time.

    Seconds since the start of the load, CPU seconds, the rest in bytes or numbers; `parts` is its resident memory by
    what it is for, `counted` sums of its metrics, `state` its folder, `topics` their files.
    """

    seconds: float
    resident: int
    parts: dict[str, int]
    counted: dict[str, float]
    threads: int
    open_files: int
    cpu: float
    state: int
    topics: dict[str, int]


class Soak(msgspec.Struct, frozen=True):
    """What was asked for, and where it ran."""

    machine: compare.Machine
    kafka: str
    minutes: float
    quiet: float
    rate: float
    logs: int
    service: str


def read(path: Path) -> tuple[Soak, list[Sample]]:
    """What a soak wrote."""
    first, *lines = path.read_bytes().splitlines()
    return msgspec.json.decode(first, type=Soak), [msgspec.json.decode(line, type=Sample) for line in lines]


def slopes(samples: Sequence[Sample], quiet: float) -> list[tuple[int, int, float]]:
    """MB a minute between the means of one stretch of `_SPAN` minutes under load and the next: (from, to, slope)."""
    stretches: dict[int, list[int]] = {}
    for each in samples:
        minute = each.seconds / _MINUTE
        if minute % 60 < 60 - quiet:
            stretches.setdefault(int(minute // _SPAN), []).append(each.resident)
    return [
        (_SPAN * one, _SPAN * (other + 1), (mean(after) - mean(before)) / MB / (_SPAN * (other - one)))
        for (one, before), (other, after) in pairwise(stretches.items())
    ]


def _cells(each: Sample, before: Sample | None) -> list[str]:
    counted, parts = each.counted, each.parts
    share = 0.0 if before is None else (each.cpu - before.cpu) / (each.seconds - before.seconds)
    return [
        f"{each.seconds / _MINUTE:.0f}",
        f"{each.resident / MB:.0f}",
        f"{counted.get('store write buffers', 0) / MB:.0f}",
        f"{counted.get('store blocks', 0) / MB:.0f}",
        f"{(parts['heap'] + parts['arenas']) / MB:.0f}",
        f"{parts['mapped'] / MB:.0f}",
        f"{parts['files'] / MB:.0f}",
        f"{counted['aggregates']:,.0f}",
        f"{counted['registered']:,.0f}",
        str(each.open_files),
        f"{each.topics['state'] / MB:.0f}",
        f"{each.topics['work'] / MB:.0f}",
        "–" if before is None else f"{100 * share:.0f}",
    ]


def report(soak: Soak, samples: Sequence[Sample]) -> str:
    """The Markdown of it."""
    rows, before = [], None
    for each in samples:
        if before is None or each.seconds - before.seconds >= _MINUTE * _EVERY - 1 or each is samples[-1]:
            rows.append(_cells(each, before))
            before = each
    about = (
        f"\nApache Kafka {soak.kafka} on the same cores. One worker with 16 partitions of `work`, `lateness` 1 min, `retention` 2 min, "
        f"`finding_retention` 5 min. {soak.rate:g} tasks a second live for 30 s; each has a credential, six uses and {soak.logs} log records "
        f"of 300 bytes; 2 % leak, 2 % are used after the end. In the last {soak.quiet:g} minutes of each hour no task starts. "
        f"{samples[-1].seconds / _MINUTE:.0f} minutes.\n"
    )
    trend = [[f"{one} to {other}", f"{slope:+.2f}"] for one, other, slope in slopes(samples, soak.quiet)]
    return "\n".join(
        [
            "# A worker over hours\n",
            tables.about(soak.machine),
            about,
            tables.table(list(_HEAD), rows),
            _PARTS,
            "## Growth\n",
            f"Between the means of {_SPAN} minutes under load and of those that follow.\n",
            tables.table(["minutes", "MB a minute"], trend),
            "",
        ]
    )


def picture(samples: Sequence[Sample]) -> str:
    """The curves of it."""
    minutes = [each.seconds / _MINUTE for each in samples]
    memory = {
        "resident": [each.resident / MB for each in samples],
        "stores": [
            sum(size for name, size in each.counted.items() if name.startswith("store ")) / MB
            for each in samples
        ],
    }
    state = {"aggregates": [each.counted["aggregates"] for each in samples]}
    topics = {name: [each.topics[name] / MB for each in samples] for name in ("work", "state")}
    return drawn(
        [
            Panel("MB of memory", "minutes", minutes, memory, even=True),
            Panel("aggregates that are known", "minutes", minutes, state, even=True),
            Panel("MB of a topic", "minutes", minutes, topics, even=True),
        ]
    )


def main(path: Path) -> None:
    """Makes them of the samples in a file, whose name they get."""
    soak, samples = read(path)
    text = report(soak, samples)
    print(text)
    tables.save(compare.RESULTS, path.stem, text, {"soak": soak, "samples": samples})
    (compare.RESULTS / f"{path.stem}.svg").write_text(picture(samples), encoding="utf-8")
