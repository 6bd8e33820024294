"""What groups of tasks cost the ledger: credentials issued to one group, beside the same issued each to its own task.

Each row runs in a process of its own. Every task starts, gets a credential, uses it, and ends an hour later; tasks
start so many seconds apart, which says how many overlap. Events come shuffled, as nothing promises an order. CPU
time, one core.
"""

import gc
import multiprocessing
import random
import time
from typing import Final

import msgspec

from benchmarks import compare, ledger_curve, tables
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.values.events import AnyEvent, CredentialIssued, TaskStarted
from detector.values.times import HOUR, SECOND

_SIZES: Final = (1_000, 10_000, 100_000)
_APART: Final = {"an hour": HOUR, "10 seconds": 10 * SECOND, "nothing": 0}


class Point(msgspec.Struct, frozen=True):
    """One measurement. `micros` of CPU an event, `settle` and `conclude` in seconds."""

    owner: str
    apart: str
    size: int
    candidates: float
    micros: float
    settle: float
    again: float
    conclude: float


def _event(event: AnyEvent, *, grouped: bool, at: int) -> AnyEvent:
    if grouped and isinstance(event, TaskStarted):
        return msgspec.structs.replace(event, time=event.time + at, group="repository")
    if grouped and isinstance(event, CredentialIssued):
        return msgspec.structs.replace(event, time=event.time + at, task_id=None, task_group="repository")
    return msgspec.structs.replace(event, time=event.time + at)


def measure(owner: str, apart: str, size: int) -> Point:
    """Runs one row in this process."""
    step, grouped = _APART[apart], owner == "a group"
    events = [
        _event(event, grouped=grouped, at=number * (step - SECOND))
        for number in range(size)
        for event in ledger_curve.whole_task(number)
    ]
    random.Random(7).shuffle(events)
    ledger = Ledger(Policy())
    gc.collect()
    started = time.process_time()
    for event in events:
        ledger.apply(event)
    applied = time.process_time()
    accounts = ledger.accounts()
    settled = time.process_time()
    counts = [1 if each.issue.task_id else getattr(each.task, "count", 0) for each in accounts]
    late = TaskStarted(time=events[0].time, source="ci", id="late", task_id="late", group="repository")
    ledger.apply(late)
    applied_late = time.process_time()
    ledger.accounts()
    again = time.process_time() - applied_late
    concluding = time.process_time()
    ledger.findings(ledger.latest or 0)
    conclude = time.process_time() - concluding
    micros = (applied - started) / len(events) * 1e6
    return Point(owner, apart, size, sum(counts) / len(counts), micros, settled - applied, again, conclude)


def report(points: list[Point], machine: compare.Machine) -> str:
    """The Markdown of it."""
    body = [
        [
            point.owner,
            point.apart,
            f"{point.size:,}",
            f"{point.candidates:,.0f}",
            f"{point.micros:.2f}",
            f"{point.settle:.2f}",
            f"{point.again:.2f}",
            f"{point.conclude:.2f}",
        ]
        for point in points
    ]
    head = [
        "issued to",
        "tasks apart",
        "tasks, credentials",
        "candidates each",
        "µs per event",
        "first sweep, s",
        "sweep after a late start, s",
        "findings, s",
    ]
    title = "# Credentials issued to a group of tasks\n"
    return "\n".join([title, tables.about(machine), "", tables.table(head, body), ""])


def main() -> None:
    """Measures all rows, prints the table and keeps it."""
    context = multiprocessing.get_context("spawn")
    points = []
    for apart in _APART:
        for owner in ("its task", "a group"):
            for size in _SIZES:
                with context.Pool(1) as pool:
                    points.append(pool.apply(measure, (owner, apart, size)))
                print(points[-1], flush=True)
    text = report(points, compare.machine())
    print(text)
    tables.save(compare.RESULTS, "candidates", text, points)


if __name__ == "__main__":
    main()
