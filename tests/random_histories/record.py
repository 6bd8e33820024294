"""Keeps what was compared, and tells all of it as a table: `python -m tests.random_histories.record FILE`.

Each comparison is a line of `compared.jsonl`: `make chaos` has several processes.
"""

import re
import sys
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import compare, tables

FOLDER: Final = Path(__file__).parents[2] / "build" / "random-histories"
KEPT: Final = FOLDER / "compared.jsonl"
_POM: Final = Path(__file__).parents[1] / "broker" / "pom.xml"
_HEAD: Final = (
    "how",
    "runs",
    "seeds",
    "events",
    "lines",
    "tasks",
    "credentials",
    "findings",
    "commands",
    "kills",
)
_ABOUT: Final = """\
Random histories are judged by the product and by an independent judge (`tests/judge/brute_force.py`), which knows what
was drawn: findings with their counts, times, severities and status, commands with their times and reasons. `first
seed` and the number of seeds draw the same histories again (`python -m tests.random_histories.replayed FIRST COUNT`).
"""


class Compared(msgspec.Struct):
    """What one run compared: what was drawn, what was expected, how often a process was killed, and what differs."""

    how: str
    first_seed: int
    seeds: int
    events: int
    lines: int
    tasks: int
    credentials: int
    findings: int
    commands: int
    kills: int
    differences: int

    def keep(self) -> "Compared":
        """Adds it to the file, in one write."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        with KEPT.open("ab") as file:
            file.write(msgspec.json.encode(self) + b"\n")
        return self


def table(compared: list[Compared]) -> str:
    """The sums of each way to judge, in Markdown."""
    ways: dict[str, list[Compared]] = defaultdict(list)
    for each in compared:
        ways[each.how].append(each)
    head = [*_HEAD, "first seed", "differences"]
    rows = [
        [
            how,
            f"{len(runs):,}",
            *(f"{sum(getattr(run, name) for run in runs):,}" for name in _HEAD[2:]),
            str(min(run.first_seed for run in runs)),
            f"{sum(run.differences for run in runs):,}",
        ]
        for how, runs in sorted(ways.items())
    ]
    return tables.table(head, rows)


def report(compared: list[Compared]) -> str:
    """The table, with what it was measured on."""
    machine = msgspec.structs.replace(compare.machine(), command="make chaos")
    versions = ", ".join(f"{name} {version(name)}" for name in ("curfewd", "aiokafka"))
    versions += f", Apache Kafka {re.findall('<kafka.version>(.*)</', _POM.read_text())[0]}"
    return "\n".join(
        ("# Random histories\n", tables.about(machine), f"{versions}.\n", _ABOUT, table(compared), "")
    )


def kept() -> list[Compared]:
    """All that was compared since the file was made."""
    lines = KEPT.read_bytes().splitlines() if KEPT.exists() else []
    return [msgspec.json.decode(line, type=Compared) for line in lines]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(report(kept()))
