"""What a registered credential costs a scan instance, by how many there are: `python -m benchmarks registry`.

Each size runs in a process of its own. The records of the registry topic are made outside the clock, in polls of 5,000,
and applied as the service applies them: to the registry and to what finds the secrets. CPU time, one core. Memory is
what the process grew by. A hit is one look-up of an identifier, by a single call.
"""

import asyncio
import gc
import itertools
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import compare, tables
from benchmarks.live_load import key_of, known
from detector.judge.routing import encode, registry_key, without_terms
from detector.registry.credential_registry import compile_registry
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.scan.known_credentials import compile_known
from detector.scan.sightings import NoPatterns
from detector.values.events import CredentialIssued

SIZES: Final = (10_000, 1_000_000, 10_000_000)
_SEED: Final = 7
_POLL: Final = 5000
_HITS: Final = 20_000


class _Record(msgspec.Struct, frozen=True):
    """A record of the registry topic, as Kafka's client gives it."""

    key: bytes
    value: bytes | None
    headers: tuple[()] = ()
    topic: str = "registry"
    partition: int = 0
    offset: int = 0


class Row(msgspec.Struct, frozen=True):
    """One size: CPU seconds to read all, bytes a credential (of the registry alone, and in all), µs a hit, an update and a removal, seconds to compact."""

    credentials: int
    seconds: float
    registry: float
    memory: float
    hit: float
    update: float
    removal: float
    compacting: float

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
        ]


HEAD: Final = [
    "credentials",
    "CPU s to read",
    "bytes each, registry",
    "bytes each, all in",
    "µs a hit",
    "µs an update",
    "µs a removal",
    "s to compact",
]


def measure(size: int) -> Row:
    """One size."""
    return asyncio.run(_measure(size))


async def _measure(size: int) -> Row:
    compile_known()
    compile_registry()
    registered = RegisteredCredentials(Finders(NoPatterns(), (key_of(_SEED),)))
    issues = known(size + 2 * _POLL, _SEED, time.time_ns())
    first = [next(issues) for _ in range(_POLL)]
    await _applied(registered, first)
    gc.collect()
    before, seconds = _resident(), 0.0
    for some in _portions(itertools.islice(issues, size - _POLL)):
        seconds += await _applied(registered, some)
    gc.collect()
    memory = (_resident() - before) / max(size - _POLL, 1)
    registry = registered.registry
    rate = registry.size / len(registry)
    identifiers = [issue.identifiers[0] for issue in first]
    start = time.process_time()
    for identifier in itertools.islice(itertools.cycle(identifiers), _HITS):
        registry.by_identifier(identifier)
    hit = (time.process_time() - start) / _HITS
    update = await _applied(registered, [*issues][:_POLL]) / _POLL
    start = time.process_time()
    for issue in first:
        registry.remove(issue.credential_id, issue.source, issue.id)
    removal = (time.process_time() - start) / len(first)
    start = time.process_time()
    registry.compact()
    compacting = time.process_time() - start
    return Row(size, seconds, rate, memory, hit * 1e6, update * 1e6, removal * 1e6, compacting)


async def _applied(registered: RegisteredCredentials, issues: Sequence[CredentialIssued]) -> float:
    records = [_Record(registry_key(issue), encode(without_terms(issue))) for issue in issues]
    start = time.process_time()
    await registered.apply(records)
    return time.process_time() - start


def _portions(issues: Iterator[CredentialIssued]) -> Iterator[list[CredentialIssued]]:
    while some := list(itertools.islice(issues, _POLL)):
        yield some


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
    tables.save(compare.RESULTS, "registry", text, {"machine": machine, "rows": rows})
