"""What a task that goes on costs the judge, and what many tasks put into its state: `python -m benchmarks growth`.

Each aggregate gets events of one kind, ten in each judgement, 20 s apart. What is in its state is counted in bytes of
keys and values, as the `state` topic has them, and the CPU time of the events since the size before. Then the judge
stage takes many tasks without Kafka: what each writes to the state topic, and what is left of it until it is
forgotten.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from benchmarks import compare, tables
from detector.judge.policy import Policy
from detector.judge.routing import Claim, Fact, TaskStatus, encode, route
from detector.judge.stage import AggregateState, Change
from detector.registry.credential_registry import CredentialRegistry
from detector.values.events import (
    CanonicalEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    Leak,
    TaskEnded,
    TaskStarted,
)
from detector.values.times import DAY, HOUR, MINUTE, SECOND
from tests.service.judge.judge_without_kafka import World

_START: Final = 1_793_491_200 * SECOND
_APART: Final = 20 * SECOND
_TOGETHER: Final = 10
_KEY_BYTES: Final = 17  # before the name of an entry, in the state topic
_NAME: Final = Identifier("vault-accessor", "hmac-c")
_SERVICE: Final = TaskStarted(time=_START, source="ci", id="s", task_id="t", kind="service")
_POLL: Final = 1000
_MANY: Final = 10_000

Events = Callable[[int, int], Fact]


class Kind(msgspec.Struct, frozen=True):
    """What happens again and again to the aggregate `key`, after `first`, and up to how often."""

    name: str
    key: str
    make: Events
    first: tuple[Fact, ...] = ()
    most: int = 100_000


class Row(msgspec.Struct, frozen=True):
    """An aggregate after so many events.

    Bytes and entries in its state, µs of CPU an event since the size before, and ms to load it.
    """

    name: str
    events: int
    size: int
    entries: int
    cost: float
    loading: float

    def cells(self) -> list[str]:
        """A line of the table."""
        size = f"{self.size / 1e3:,.0f}"
        return [
            self.name,
            f"{self.events:,}",
            size,
            f"{self.entries:,}",
            f"{self.cost:.0f}",
            f"{self.loading:.0f}",
        ]


class Tasks(msgspec.Struct, frozen=True):
    """What each of many tasks costs.

    Bytes and records that it writes to the state topic, bytes and entries that stand until it is forgotten, µs of CPU.
    """

    tasks: int
    written: float
    records: float
    standing: float
    entries: float
    cost: float


HEAD: Final = ["what goes on", "events", "KB of state", "entries", "µs an event", "ms to load"]


def _issued(number: int, at: int, credential: str, name: Identifier = _NAME) -> CredentialIssued:
    return CredentialIssued(
        time=at,
        source="vault",
        id=f"i{number}",
        credential_id=credential,
        task_id="t",
        identifiers=(name,),
        expires_at=at + HOUR,
    )


def _used(number: int, at: int, credential: str = "c", task: str | None = None) -> CredentialUsed:
    return CredentialUsed(
        time=at,
        source="audit",
        id=f"u{number}",
        credential_id=credential,
        action="read",
        resource=f"kv/{number}",
        task_id=task,
    )


def _own(number: int, at: int) -> Fact:
    name = Identifier("vault-accessor", f"hmac-{number}")
    return _issued(number, at, f"c{number}", name)


def _repeated(number: int, at: int) -> Fact:
    if number % 2:
        return TaskEnded(time=at + DAY, source="ci", id=f"e{number}", task_id="t", outcome="succeeded")
    return TaskStarted(time=at, source="ci", id=f"s{number}", task_id="t", kind="service")


def _subtask(number: int, at: int) -> Fact:
    started = TaskStarted(
        time=at, source="ci", id=f"x{number}", task_id=f"x{number // 2}", parent_task_id="t"
    )
    if number % 2:
        return _used(number, at, task=f"x{number // 2}")
    return TaskStatus(f"x{number // 2}", started)


def kinds() -> Iterator[Kind]:
    """What can go on for as long as a service runs."""
    lasting = msgspec.structs.replace(_issued(0, _START, "c"), expires_at=None)
    first = (_SERVICE, lasting)
    yield Kind("uses of one credential", "t:t", _used, first)
    yield Kind("uses, each after the expiry", "t:t", _used, (_SERVICE, _issued(0, _START, "c")))
    yield Kind(
        "leaks of one credential",
        "t:t",
        lambda n, at: Leak(
            time=at,
            source="logs",
            id=f"p0@{n}",
            identifiers=(_NAME,),
            fingerprint="ab" * 32,
            pattern="p",
            severity=5,
            excerpt="‹p:40›" * 10,
        ),
        first,
    )
    yield Kind(
        "renewals of one credential",
        "t:t",
        lambda n, at: CredentialRenewed(
            time=at, source="vault", id=f"n{n}", credential_id="c", expires_at=at + HOUR
        ),
        first,
    )
    yield Kind("issues of one credential", "t:t", lambda n, at: _issued(n + 1, at, "c"), first)
    yield Kind(
        "revocations of one credential",
        "t:t",
        lambda n, at: CredentialRevoked(time=at, source="vault", id=f"r{n}", credential_id="c"),
        first,
    )
    yield Kind("starts and ends of one task", "t:t", _repeated, (lasting,))
    yield Kind("credentials of one task", "t:t", _own, (_SERVICE,), 10_000)
    many = (_SERVICE, *(_own(number, _START) for number in range(_MANY)), _used(0, _START - HOUR, "c0"))
    ended = TaskEnded(time=_START, source="ci", id="e", task_id="t", outcome="succeeded")
    beside = f"beside {_MANY:,} credentials"
    yield Kind(f"uses {beside}, one finding", "t:t", lambda n, at: _used(n + 1, at, "c1"), many, 10_000)
    yield Kind(
        f"uses after the end, {beside}", "t:t", lambda n, at: _used(n + 1, at, "c1"), (*many, ended), 1_000
    )
    yield Kind("subtasks that use its credential", "t:t", _subtask, first, 10_000)
    yield Kind(
        "credentials in a group that is revoked at once", "g:g", lambda n, at: Claim(_issued(n, at, f"c{n}"))
    )


def grown(kind: Kind) -> Iterator[Row]:
    """The aggregate at each size."""
    state, store = AggregateState(kind.key, Policy()), dict[bytes, bytes]()

    def judged(facts: list[Fact], watermark: int) -> None:
        for fact in facts:
            state.take(fact, encode(fact), watermark)
        _apply(store, state.judge(watermark).changes)

    judged(list(kind.first), _START)
    done = 0
    for size in (size for size in (1_000, 10_000, 100_000) if size <= kind.most):
        began, before = time.process_time(), done
        while done < size:
            facts = [kind.make(number, _START + number * _APART) for number in range(done, done + _TOGETHER)]
            done += _TOGETHER
            judged(facts, _START + done * _APART - 10 * SECOND)
        cost = (time.process_time() - began) / (done - before)
        began = time.process_time()
        AggregateState(kind.key, Policy()).load(list(store.items()))
        loading = time.process_time() - began
        bytes_ = sum(_KEY_BYTES + len(key) + len(value) for key, value in store.items())
        yield Row(kind.name, done, bytes_, len(store), cost * 1e6, loading * 1e3)


def _apply(store: dict[bytes, bytes], changes: list[Change]) -> None:
    for key, value in changes:
        if value is None:
            store.pop(key, None)
        else:
            store[key] = value


def _task(number: int) -> list[CanonicalEvent]:
    """A task of ten minutes with one credential, which is used five times and revoked."""
    at, task, credential = _START + number * SECOND // 100, f"build-{number}", f"c-{number}"
    name = Identifier("vault-accessor", f"hmac-{number:032}")
    made = msgspec.structs.replace(_issued(number, at, credential, name), task_id=task)
    return [
        TaskStarted(time=at, source="ci", id=f"s{number}", task_id=task, kind="ci", owner="team"),
        made,
        *(_used(number, at + use * MINUTE, credential) for use in range(1, 6)),
        TaskEnded(time=at + 10 * MINUTE, source="ci", id=f"e{number}", task_id=task, outcome="succeeded"),
        CredentialRevoked(time=at + 10 * MINUTE, source="vault", id=f"r{number}", credential_id=credential),
    ]


async def many(count: int) -> Tasks:
    """So many tasks through the judge stage, and what their state is until and once it is forgotten."""
    world, registry = World(Policy(), _START, partitions=1, cache_size=100_000), CredentialRegistry()
    try:
        await world.open()
        seconds = 0.0
        for first in range(0, count, _POLL):
            for event in (event for number in range(first, first + _POLL) for event in _task(number)):
                for key, fact in route(event, registry):
                    world.send(key, fact)
                if isinstance(event, CredentialIssued):
                    registry.add(event)
            began = time.process_time()
            await world.drain()
            seconds += time.process_time() - began
        standing: dict[bytes, bytes] = {}
        (rows,) = world.logs.topics
        _apply(standing, [change for _, change in rows])
        size = sum(len(key) + len(value) for key, value in standing.items())
        began = time.process_time()
        left = 0
        while left != len(rows):  # a transaction has a thousand timers at the most
            left = len(rows)
            await world.settle(_START + 3 * DAY, Policy())
        seconds += time.process_time() - began
        written = sum(len(key) + len(value or b"") for _, (key, value) in rows)
        entries = len({key for _, (key, _) in rows})
        await world.close()
    finally:
        world.remove()
    return Tasks(
        count, written / count, len(rows) / count, size / count, entries / count, seconds / count * 1e6
    )


def main(tasks: int) -> None:
    """Measures, prints and keeps the tables."""
    machine = compare.machine()
    rows = []
    for kind in kinds():
        for row in grown(kind):
            print(row.cells(), flush=True)
            rows.append(row)
    made = asyncio.run(many(tasks))
    about = (
        f"{made.tasks:,} tasks of ten minutes, each with one credential of one identifier, five uses and a revocation, "
        "one partition, without Kafka and the scan stage. CPU is that of the judge from the facts to the store, and "
        "until all is forgotten.\n"
    )
    text = "\n".join(
        [
            "# A task that goes on, and many tasks\n",
            tables.about(machine),
            "\nA judgement has ten events, which are 20 s apart; the policy is the default one.\n",
            tables.table(HEAD, [row.cells() for row in rows]),
            "\n## Many tasks\n",
            about,
            tables.table(
                ["a task", ""],
                [
                    ["KB written to the state topic, until it is forgotten", f"{made.written / 1e3:.2f}"],
                    ["records of the state topic", f"{made.records:.1f}"],
                    ["KB that stand until it is forgotten", f"{made.standing / 1e3:.2f}"],
                    ["entries", f"{made.entries:.1f}"],
                    ["µs of CPU", f"{made.cost:,.0f}"],
                ],
            ),
            "",
        ]
    )
    print(text)
    tables.save(compare.RESULTS, "growth", text, {"machine": machine, "rows": rows, "tasks": made})
