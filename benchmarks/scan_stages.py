"""MB/s per core of each stage of the scanner alone, on seeded log text: `python -m benchmarks stages`."""

import random
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from benchmarks import compare, peers, tables
from benchmarks.corpus import MB, Spec, generate
from detector.ingest.format_names import TEXT
from detector.ingest.sources import Source
from detector.ingest.units import Unit
from detector.patterns.pattern import load_bundled
from detector.replay.stages import Work, scan
from detector.scan.decode import Decoding
from detector.scan.known_credentials import HMAC, KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.scanner import PatternScanner
from detector.values.events import Identifier
from detector.values.secrets import DeploymentKey

BATCH = 256 << 10
KEY = DeploymentKey.of(bytes(range(32)), "bench")
_NOW = 1_800_000_000 * 10**9
LENGTHS = (20, 24, 32, 36, 40, 56, 64, 93)


def registry(count: int, lengths: Sequence[int], *, checked: bool = True) -> Iterator[Identifier]:
    """So many made-up identifiers; what they are fingerprints of does not matter to the cost."""
    rng = random.Random(11)
    for number in range(count):
        value = rng.randbytes(32).hex()
        if checked:
            yield Identifier(HMAC, value, lengths[number % len(lengths)], rng.randbytes(4).hex())
        else:
            yield Identifier(HMAC, value)


def batches(data: bytes) -> list[bytes]:
    """Whole lines of about 256 KiB."""
    made, start = [], 0
    while start < len(data):
        end = data.find(b"\n", start + BATCH) + 1 or len(data)
        made.append(data[start:end])
        start = end
    return made


def speed(work: Callable[[bytes], object], parts: Sequence[bytes], repeats: int = 3) -> float:
    """MB/s of this thread's CPU time, the best of some runs."""
    work(parts[0])
    best = float("inf")
    for _ in range(repeats):
        start = time.thread_time()
        for part in parts:
            work(part)
        best = min(best, time.thread_time() - start)
    return sum(map(len, parts)) / MB / best


def source_of(data: bytes) -> Source:
    """A text as a source that is read in blocks."""

    def read(start: int, end: int) -> Iterator[bytes]:
        for at in range(start, end, BATCH):
            yield data[at : min(at + BATCH, end)]

    return Source("bench", TEXT, len(data), raw=read)


def unit_speed(finder: LeakFinder | None, data: bytes) -> float:
    """MB/s of reading a text as a replay's worker does: its records told apart, dated and, with a finder, scanned."""
    work = Work([source_of(data)], _NOW, finder)
    return speed(lambda text: scan(work, Unit(0, 0, len(text))), [data], 2)


class Stage(msgspec.Struct, frozen=True):
    """One stage alone: MB/s of CPU time."""

    name: str
    rate: float


class Stages(msgspec.Struct, frozen=True):
    """All of them, and where they were measured."""

    machine: compare.Machine
    size: int
    stages: list[Stage]


def _nowhere(offset: int) -> RecordAt:
    return RecordAt(offset, offset + 1, "0")


def stages(data: bytes, known: int) -> Iterator[Stage]:
    """Each as it is measured; the last two are a replay's work on one unit, without and with the scanner."""
    parts = batches(data)
    few = parts[: max(1, len(parts) // 8)]
    patterns = load_bundled()
    scanner = PatternScanner(patterns)
    yield Stage(f"patterns ({len(patterns)})", speed(scanner.scan, parts))
    yield Stage("decoding, three deep", speed(lambda part: list(Decoding(part)), parts))
    for count in (1, 100, 10_000):
        index = KnownIndex(registry(count, LENGTHS), [KEY])
        yield Stage(f"{count:,} known, up to 8 lengths", speed(index.seen, parts))
    for lengths in ((40,), LENGTHS, range(16, 66), range(16, 216)):
        index = KnownIndex(registry(known, lengths), [KEY])
        yield Stage(f"{known:,} known, {len(lengths)} lengths", speed(index.seen, parts, 2))
    slow = KnownIndex(registry(1000, LENGTHS, checked=False), [KEY])
    yield Stage("1,000 known without length and check", speed(slow.seen, few, 1))
    finder = LeakFinder(scanner, KnownIndex(registry(known, LENGTHS), [KEY]), [KEY])
    yield Stage("all together", speed(lambda part: finder.find(Batch("bench", part, _nowhere)), parts))
    yield Stage("reading: blocks, records, times", unit_speed(None, data))
    yield Stage("reading and all together", unit_speed(finder, data))


def main(size: float, seed: int, known: int) -> None:
    """Measures, prints and keeps the table."""
    corpus = generate(Spec.of(size, seed, clean=True), peers.DATA)
    data = b"".join(path.read_bytes() for path in corpus.files())
    made = Stages(compare.machine(), len(data), list(stages(data, known)))
    body = [[one.name, f"{one.rate:.0f}", f"{1000 / one.rate:.2f}"] for one in made.stages]
    about = f"{tables.about(made.machine)}\n\n{made.size / MB:.0f} MB of clean log text, one core."
    text = f"# The scanner's stages\n\n{about}\n\n{tables.table(['stage', 'MB/s', 'ns a byte'], body)}\n"
    print(text)
    tables.save(compare.RESULTS, "stages", text, made)
