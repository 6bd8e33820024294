"""What an event costs the ledger, by how many there were before: uses of one credential, renewals of one, tasks.

Each row runs in a process of its own. Events are made in portions outside the clock; memory is what the process
grew by over the run, divided by the uses, renewals or tasks. CPU time, one core.
"""

import gc
import multiprocessing
import random
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import compare, tables
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.values.events import (
    AnyEvent,
    Binding,
    CredentialIssued,
    CredentialRenewed,
    CredentialUsed,
    Grant,
    Identifier,
    TaskEnded,
    TaskStarted,
)
from detector.values.times import DAY, HOUR, SECOND

_SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
_PORTION: Final = 20_000
_START: Final = 1_800_000_000 * SECOND
_BIND: Final = Binding(("runner-*",), ("10.0.0.0/8",))
_GRANTS: Final = (Grant(("s3:Get*", "s3:Put*"), ("bucket/*",)), Grant(("queue:read",), None))


class Point(msgspec.Struct, frozen=True):
    """One measurement: microseconds of CPU per event, events per second, bytes per use, renewal or task."""

    what: str
    order: str
    size: int
    micros: float
    rate: float
    memory: float
    conclude: float


def _issue(number: int, at: int) -> CredentialIssued:
    return CredentialIssued(
        time=at,
        source="vault/audit",
        id=f"issue-{number}",
        credential_id=f"credential-{number}",
        task_id=f"task-{number}",
        identifiers=(Identifier("hmac-sha256", f"{number:064x}", 40, f"{number:08x}"),),
        kind="token",
        expires_at=at + 1000 * DAY,
        grants=_GRANTS,
        bound_to=_BIND,
        revocation={"method": "http", "handle": f"handle-{number}"},
    )


def _task(number: int, at: int) -> TaskStarted:
    return TaskStarted(
        time=at, source="ci", id=f"start-{number}", task_id=f"task-{number}", kind="ci", workload="runner-1"
    )


def _use(number: int, of: int, at: int, *, bad: bool = False) -> CredentialUsed:
    return CredentialUsed(
        time=at,
        source="aws/trail",
        id=f"use-{number}",
        identifier=Identifier("hmac-sha256", f"{of:064x}"),
        action="s3:GetObject",
        resource="elsewhere/x" if bad else f"bucket/{number % 100}",
        task_id=f"task-{of}",
        workload="runner-1",
        source_ip="10.1.2.3",
    )


def _end(number: int, at: int) -> TaskEnded:
    return TaskEnded(time=at, source="ci", id=f"end-{number}", task_id=f"task-{number}", outcome="succeeded")


def _renewal(number: int) -> CredentialRenewed:
    at = _START + number * SECOND
    return CredentialRenewed(
        time=at,
        source="vault/audit",
        id=f"renewal-{number}",
        credential_id="credential-0",
        expires_at=at + HOUR,
    )


Make = Callable[[int], tuple[AnyEvent, ...]]


def _clean(number: int) -> tuple[AnyEvent, ...]:
    return (_use(number, 0, _START + number * SECOND),)


def _bad(number: int) -> tuple[AnyEvent, ...]:
    return (_use(number, 0, _START + number * SECOND, bad=True),)


def _used_and_renewed(number: int) -> tuple[AnyEvent, ...]:
    """Each renewal comes after a later use: it judges that one anew."""
    return (*_clean(number), _renewal(number - 1))


def whole_task(number: int) -> tuple[AnyEvent, ...]:
    """A task that starts, gets a credential, uses it, and ends an hour later; a second after the one before it."""
    at = _START + number * SECOND
    return (
        _task(number, at),
        _issue(number, at + SECOND),
        _use(number, number, at + 2 * SECOND),
        _end(number, at + HOUR),
    )


def _idle(number: int) -> tuple[AnyEvent, ...]:
    at = _START + number * SECOND
    return (_issue(number, at),)


def _bare_task(number: int) -> tuple[AnyEvent, ...]:
    at = _START + number * SECOND
    return (_task(number, at), _end(number, at + HOUR))


_OPENING: Final[tuple[AnyEvent, ...]] = (_task(0, _START - HOUR), _issue(0, _START - HOUR))
_RUNS: Final[dict[str, tuple[Make, tuple[AnyEvent, ...], bool]]] = {
    "uses of one credential": (_clean, _OPENING, False),
    "uses of one credential, each out of scope": (_bad, _OPENING, False),
    "uses of one credential, each renewed late": (_used_and_renewed, _OPENING, False),
    "uses of one credential, sealed": (_clean, _OPENING, True),
    "uses of one credential, each out of scope, sealed": (_bad, _OPENING, True),
    "tasks: started, issued, used, ended": (whole_task, (), False),
    "idle credentials: issued": (_idle, (), False),
    "bare tasks: started, ended": (_bare_task, (), False),
}


def _portions(make: Make, numbers: "array[int]") -> Iterator[list[AnyEvent]]:
    for at in range(0, len(numbers), _PORTION):
        yield [event for number in numbers[at : at + _PORTION] for event in make(number)]


def _shuffled(make: Make, numbers: "array[int]", seed: int) -> Iterator[list[AnyEvent]]:
    """Also the events of one number come apart: their places are drawn among all."""
    each = len(make(1))
    places = array("l", range(len(numbers) * each))
    random.Random(seed).shuffle(places)
    for at in range(0, len(places), _PORTION):
        yield [make(numbers[place // each])[place % each] for place in places[at : at + _PORTION]]


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def measure(what: str, order: str, size: int) -> Point:
    """Runs one row in this process."""
    make, opening, sealed = _RUNS[what]
    ledger = Ledger(Policy())
    for event in opening:
        ledger.apply(event)
    if sealed:
        ledger.seal_lifecycle()
    numbers = array("l", range(1, size + 1))
    portions = _portions(make, numbers) if order == "in order" else _shuffled(make, numbers, 7)
    gc.collect()
    before, spent, events = _resident(), 0.0, 0
    for portion in portions:
        events += len(portion)
        started = time.process_time()
        for event in portion:
            ledger.apply(event)
        spent += time.process_time() - started
    del portion, event
    gc.collect()
    memory = (_resident() - before) / size
    started = time.process_time()
    until = ledger.latest or 0
    ledger.findings(until)
    ledger.commands(until)
    conclude = time.process_time() - started
    return Point(what, order, size, spent / events * 1e6, events / spent, memory, conclude)


def report(points: list[Point], machine: compare.Machine) -> str:
    """The Markdown of it."""
    body = [
        [
            point.what,
            point.order,
            f"{point.size:,}",
            f"{point.micros:.2f}",
            f"{point.rate:,.0f}",
            f"{point.memory:,.0f}",
            f"{point.conclude:.2f}",
        ]
        for point in points
    ]
    head = ["", "order", "n", "µs per event", "events/s", "bytes per n", "findings and commands, s"]
    return "\n".join(["# The cost of an event\n", tables.about(machine), "", tables.table(head, body), ""])


def main() -> None:
    """Measures all rows, prints the table and keeps it."""
    context = multiprocessing.get_context("spawn")
    points = []
    for what in _RUNS:
        for order in ("in order", "shuffled"):
            for size in _SIZES:
                with context.Pool(1) as pool:
                    points.append(pool.apply(measure, (what, order, size)))
                last = points[-1]
                print(
                    f"{what}, {order}, {size:,}: {last.micros:.2f} µs, {last.memory:,.0f} bytes", flush=True
                )
    text = report(points, compare.machine())
    print(text)
    tables.save(compare.RESULTS, "ledger", text, points)


if __name__ == "__main__":
    main()
