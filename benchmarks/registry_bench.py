"""What a registered credential costs a scan instance, by how many there are: `python -m benchmarks registry`.

Each size runs in a process of its own. The records of the registry topic are made outside the clock, in polls of
5,000, and applied as the service applies them: to the registry and to what finds the secrets. CPU time, one core.
Memory is what the process grew by. A hit is one look-up of an identifier, by a single call. A snapshot is written to
the disk, and resumed from by another registry: mapped, checked, and what finds the secrets made anew. That is CPU
time too.
"""

import asyncio
import contextlib
import gc
import itertools
import multiprocessing
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import compare, curves, peers, tables
from benchmarks.live_load import LEAKING, LENGTHS, key_of, known
from detector.judge.routing import encode, registry_key, without_terms
from detector.records.made_columns import columns_of
from detector.registry.credential_registry import compile_registry
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.registry.snapshot import Origin, Writing, opened
from detector.scan.sightings import NoPatterns
from detector.values.events import CredentialIssued
from detector.values.times import DAY

SIZES: Final = (10_000, 1_000_000, 10_000_000)
_SEED: Final = 7
_POLL: Final = 5000
_HITS: Final = 20_000
_TIME: Final = 1_764_333_333_000_000_000


class _Record(msgspec.Struct, frozen=True):
    """A record of the registry topic, as Kafka's client gives it."""

    key: bytes
    value: bytes | None
    headers: tuple[()] = ()
    topic: str = "registry"
    partition: int = 0
    offset: int = 0
    timestamp: int = 0


class Row(msgspec.Struct, frozen=True):
    """What one size of the registry costs.

    CPU seconds to read all, bytes a credential (of the registry alone, and in all), µs a hit, an update and a removal.
    CPU seconds to compact, and of its longest step. CPU seconds to write a snapshot, of them those in which nothing may
    change, and to resume from it; its bytes.
    """

    credentials: int
    seconds: float
    registry: float
    memory: float
    hit: float
    update: float
    removal: float
    compacting: float
    step: float
    saving: float
    still: float
    resuming: float
    file: int

    def cells(self) -> list[str]:
        """A line of the table."""
        return [
            f"{self.credentials:,}",
            f"{self.seconds:.1f}",
            f"{self.registry:.0f}",
            f"{self.memory:.0f}",
            f"{self.hit:.1f}",
            f"{self.update:.1f}",
            f"{self.removal:.1f}",
            f"{self.compacting:.2f}",
            f"{1e3 * self.step:.0f}",
            f"{self.saving:.2f}",
            f"{self.still:.2f}",
            f"{self.resuming:.2f}",
            f"{self.file / 1e6:,.0f}",
        ]


HEAD: Final = [
    "credentials",
    "CPU s to read",
    "bytes each, registry",
    "bytes each, all in",
    "µs a hit",
    "µs an update",
    "µs a removal",
    "CPU s to compact",
    "ms its longest step",
    "CPU s to save",
    "of them still",
    "CPU s to resume",
    "MB saved",
]


def measure(size: int) -> Row:
    """One size."""
    return asyncio.run(_measure(size))


async def _measure(size: int) -> Row:
    compile_registry()
    registered = RegisteredCredentials(Finders(NoPatterns(), (key_of(_SEED),)))
    first = list(known(_POLL, _SEED, _TIME))
    await _applied(registered, [_record(issue) for issue in first])
    records = _records(_POLL)
    gc.collect()
    before, seconds = _resident(), 0.0
    for done in range(_POLL, size, _POLL):
        seconds += await _applied(registered, [*itertools.islice(records, min(_POLL, size - done))])
    gc.collect()
    memory = (_resident() - before) / max(size - _POLL, 1)
    registry = registered.registry
    rate = registry.size / len(registry)
    identifiers = [issue.identifiers[0] for issue in first]
    start = time.process_time()
    for identifier in itertools.islice(itertools.cycle(identifiers), _HITS):
        registry.by_identifier(identifier)
    hit = (time.process_time() - start) / _HITS
    update = await _applied(registered, [*itertools.islice(records, _POLL)]) / _POLL
    start = time.process_time()
    for issue in first:
        registry.remove(issue.credential_id, issue.source, issue.id)
    removal = (time.process_time() - start) / len(first)
    start = time.process_time()
    registry.begin_compaction()
    step = time.process_time() - start
    done = False
    while not done:
        began = time.process_time()
        done = registry.compact_some()
        step = max(step, time.process_time() - began)
    registry.use_copy()
    compacting = time.process_time() - start
    with peers.scratch() as folder:
        saved = await _saved(registered, Path(folder) / "registry.snapshot")
    return Row(size, seconds, rate, memory, hit * 1e6, update * 1e6, removal * 1e6, compacting, step, *saved)


async def _saved(registered: RegisteredCredentials, path: Path) -> tuple[float, float, float, int]:
    """Seconds to write a snapshot, of them those in which nothing may change, and to resume from it; its bytes."""
    origin, now, start = Origin("registry", "", ""), time.time_ns(), time.process_time()
    with contextlib.closing(Writing(path)) as writing:
        image = registered.registry.image()
        writing.write(image)
        still = time.process_time() - start
        writing.finish(origin, image, {}, now)
    saving = time.process_time() - start
    size = _on_disk(path)
    start = time.process_time()
    other = RegisteredCredentials(Finders(NoPatterns(), (key_of(_SEED),)))
    image, _ = opened(path, origin, now, {})
    await other.resume(image)
    assert len(other.registry) == len(registered.registry)
    return saving, still, time.process_time() - start, size


def _on_disk(path: Path) -> int:
    """The bytes of a file on the disk: room that was never used takes none."""
    return 512 * path.stat().st_blocks


async def _applied(registered: RegisteredCredentials, records: Sequence[_Record]) -> float:
    columns = columns_of("registry", 0, records)  # as the service reads them from Kafka
    start = time.process_time()
    await registered.apply(columns)
    return time.process_time() - start


def _record(issue: CredentialIssued) -> _Record:
    return _Record(registry_key(issue), encode(without_terms(issue)))


def _records(first: int) -> Iterator[_Record]:
    """The records of issues as those of `known`, from a number on, of which ten million are made in a minute."""
    rng = random.Random(_SEED)
    (like,) = itertools.islice(known(LEAKING + 1, _SEED, _TIME), LEAKING, None)
    [identifier] = like.identifiers
    model = _record(like)
    made = _made(
        LEAKING, identifier.value, identifier.length or 0, identifier.check or "", identifier.folded or ""
    )
    assert made == model
    for number in itertools.count(first):
        digits = f"{rng.getrandbits(544):0136x}"
        yield _made(number, digits[:64], LENGTHS[number % 6], digits[128:], digits[64:128])


def _made(number: int, value: str, length: int, check: str, folded: str) -> _Record:
    return _Record(
        f'["cred","c-{number}","bench/issuer","i-{number}"]'.encode(),
        f'["credential.issued",{_TIME},"bench/issuer","i-{number}","c-{number}","job-{number}",[["hmac-sha256",'
        f'"{value}",{length},"{check}",null,"{folded}","mixed"]],"token",null,{_TIME + DAY},null,null,null,null,[],'
        "null,null,null]".encode(),
    )


def _resident() -> int:
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    return int(line.split()[1]) << 10


def main(sizes: Sequence[int] = SIZES) -> None:
    """Measures, prints and keeps the table."""
    rows = []
    for size in sizes:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(measure, (size,)))
        print(" ".join(rows[-1].cells()), flush=True)
    write(rows)


def write(rows: Sequence[Row]) -> None:
    """Prints and keeps the table and the picture."""
    machine = compare.machine()
    text = "\n".join(
        [
            "# The registry of a scan instance\n",
            tables.about(machine),
            "",
            tables.table(HEAD, [row.cells() for row in rows]),
            "",
        ]
    )
    print(text)
    sizes = [row.credentials for row in rows]
    drawn = curves.drawn(
        [
            curves.Panel(
                "bytes a credential",
                "credentials",
                sizes,
                {"all in": [row.memory for row in rows], "registry": [row.registry for row in rows]},
            ),
            curves.Panel(
                "µs",
                "credentials",
                sizes,
                {
                    "a hit": [row.hit for row in rows],
                    "an update": [row.update for row in rows],
                    "to read one": [1e6 * row.seconds / row.credentials for row in rows],
                },
            ),
        ],
    )
    (compare.RESULTS / "registry.svg").write_text(drawn)
    tables.save(compare.RESULTS, "registry", text, {"machine": machine, "rows": rows})
