"""What `every_window` costs a scan of clean logs, by how many lengths are registered: `python -m benchmarks windows`.

Each batch is scanned with it and without it in turn, so that other work on the machine slows both alike. A figure is
the median over all batches of the CPU time of one against the other.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from benchmarks import compare, peers, tables
from benchmarks.corpus import MB, Spec, generate
from benchmarks.scan_stages import KEY, batches, registry
from detector.patterns.pattern import load_bundled
from detector.scan.known_credentials import SHA256, KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.scanner import PatternScanner
from detector.values.events import Identifier

LENGTHS: dict[str, Sequence[int]] = {
    "0": (),
    "1": (40,),
    "3": (20, 40, 64),
    "10": (16, 20, 24, 32, 36, 40, 56, 64, 93, 120),
    "40": range(20, 60),
    "40, of 880 bytes and more": range(880, 1120, 6),
}


PLAIN: Final[dict[str, Sequence[int]]] = {
    f"{name}, by `sha256` alone": LENGTHS[name] for name in ("1", "3", "10")
}
_PLAIN_KNOWN: Final = 1_000  # the cost does not depend on how many there are


class WindowCost(msgspec.Struct, frozen=True):
    """MB/s with every window and without, and what of the throughput is left with it."""

    lengths: str
    every: float
    delimited: float
    left: float


class WindowCosts(msgspec.Struct, frozen=True):
    """All of them, and where they were measured."""

    machine: compare.Machine
    size: int
    known: int
    costs: list[WindowCost]


def _nowhere(offset: int) -> RecordAt:
    return RecordAt(offset, offset + 1, "0")


def _seconds(finder: LeakFinder, data: bytes) -> float:
    start = time.thread_time()
    finder.find(Batch("bench", data, _nowhere))
    return time.thread_time() - start


def _pair(one: LeakFinder, other: LeakFinder, part: bytes, number: int) -> tuple[float, float]:
    """Seconds a byte of each. Who comes first changes: the second finds the text in the caches."""
    if number == 0:
        one.find(Batch("bench", part, _nowhere))  # compiles, and takes the misses of the first of all
    if number % 2:
        later, sooner = _seconds(other, part), _seconds(one, part)
        return sooner / len(part), later / len(part)
    return _seconds(one, part) / len(part), _seconds(other, part) / len(part)


def costs(parts: Sequence[bytes], known: int, rounds: int = 4) -> Iterator[WindowCost]:
    """The cost of each number of lengths."""
    scanner = PatternScanner(load_bundled())
    for name, lengths in (LENGTHS | PLAIN).items():
        if name in PLAIN:
            registered = [
                Identifier(SHA256, one.value, one.length) for one in registry(_PLAIN_KNOWN, lengths)
            ]
        else:
            registered = list(registry(known, lengths)) if lengths else []
        every, delimited = (
            LeakFinder(scanner, KnownIndex(registered, [KEY], every_window=each), [KEY])
            for each in (True, False)
        )
        pairs = [_pair(every, delimited, part, number) for part in parts for number in range(rounds)]
        yield WindowCost(
            name,
            1 / MB / statistics.median(one for one, _ in pairs),
            1 / MB / statistics.median(other for _, other in pairs),
            statistics.median(other / one for one, other in pairs),
        )


def main(size: float, seed: int, known: int) -> None:
    """Measures, prints and keeps the table."""
    corpus = generate(Spec.of(size, seed, clean=True), peers.DATA)
    data = b"".join(path.read_bytes() for path in corpus.files())
    made = WindowCosts(compare.machine(), len(data), known, list(costs(batches(data), known)))
    body = [
        [one.lengths, f"{one.every:.0f}", f"{one.delimited:.0f}", f"{100 * one.left:.0f} %"]
        for one in made.costs
    ]
    head = ["lengths", "MB/s, every window", "MB/s, between delimiters", "throughput left"]
    about = f"{tables.about(made.machine)}\n\n{made.size / MB:.0f} MB of clean log text, {known:,} registered credentials, "
    text = f"# Every window or delimiters\n\n{about}all patterns, CPU time of one core.\n\n{tables.table(head, body)}\n"
    print(text)
    tables.save(compare.RESULTS, "windows", text, made)
