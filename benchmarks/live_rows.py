"""One run over a filled topic, watched from outside: what was read, in what time, with what CPU."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import msgspec

from benchmarks.live_process import cpu_of, memory_of, processes_of

_EVERY = 0.2  # seconds between two looks
_PATIENCE = 300.0
_SINCE = 0.1  # of the records have been read when a run begins to count


class Run(msgspec.Struct, frozen=True):
    """What one run took after its first part. Seconds; `broker` is the broker's CPU, `memory` the peak in bytes."""

    records: int
    wall: float
    cpu: float
    broker: float
    memory: int = 0
    findings: int = 0


class Row(msgspec.Struct, frozen=True):
    """Runs of one subject; `size` is the mean of a record's bytes."""

    name: str
    guarantee: str
    size: float
    runs: tuple[Run, ...] = ()
    notes: str = ""

    def per_cpu_second(self) -> float:
        """The median of records per CPU-second."""
        return statistics.median(run.records / run.cpu for run in self.runs)

    def per_second(self) -> float:
        """The median of records a second."""
        return statistics.median(run.records / run.wall for run in self.runs)

    def cells(self) -> list[str]:
        """The medians, as a line of the table."""
        if not self.runs:
            return [self.name, self.guarantee, *["–"] * 7, self.notes]
        per_cpu, per_second = self.per_cpu_second(), self.per_second()
        broker = statistics.median(run.broker / run.records * 1e6 for run in self.runs)
        spread = [f"{run.records / run.cpu / 1000:,.0f}" for run in self.runs]
        return [
            self.name,
            self.guarantee,
            f"{per_cpu:,.0f}",
            f"{per_cpu * self.size / 1e6:,.1f}",
            f"{per_second:,.0f}",
            f"{per_second * self.size / 1e6:,.1f}",
            f"{broker:.1f}",
            f"{max(run.memory for run in self.runs) / 1e6:,.0f}",
            f"{statistics.median(run.findings for run in self.runs):,.0f}",
            f"{', '.join(spread)} k. {self.notes}".strip(),
        ]


HEAD = [
    "",
    "guarantee",
    "records per CPU-s",
    "MB per CPU-s",
    "records per s",
    "MB per s",
    "broker µs a record",
    "peak MB",
    "findings",
    "runs, records per CPU-s",
]


class Sample(msgspec.Struct, frozen=True):
    """A look at a process."""

    records: int
    wall: float
    cpu: float
    broker: float


async def watched(  # noqa: PLR0913 - what is watched, each by its name
    pid: int,
    broker: int,
    total: int,
    read: Callable[[], Awaitable[int]],
    through: Callable[[], Awaitable[bool]],
    *,
    since: float = _SINCE,
) -> Run:
    """Watches a process and its children until all is read and `through` says that nothing is left.

    It begins when the part `since` of all is read.

    Raises:
        TimeoutError: it does not get there.
    """
    first: Sample | None = None
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        done = await read()
        parts = processes_of(pid)
        now = Sample(done, time.perf_counter(), sum(map(cpu_of, parts)), cpu_of(broker))
        if first is None and done >= total * since:
            first = now
        if first is not None and done >= total and await through():
            return Run(
                now.records - first.records,
                now.wall - first.wall,
                now.cpu - first.cpu,
                now.broker - first.broker,
                sum(memory_of(part)[1] for part in parts),
            )
        await asyncio.sleep(_EVERY)
    raise TimeoutError(f"{await read()} of {total} records read in {_PATIENCE:.0f} s")
