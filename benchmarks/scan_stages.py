"""MB/s per core of each stage of the scanner alone, on seeded log text: `python -m benchmarks.scan_stages`."""

import argparse
import platform
import random
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks import peers
from benchmarks.corpus import MB, Spec, generate
from detector.decode import views
from detector.events import Identifier
from detector.known import HMAC, KnownIndex
from detector.leaks import Batch, LeakFinder, RecordAt
from detector.patterns import load_bundled
from detector.scan import PatternScanner
from detector.secrets import DeploymentKey

BATCH = 256 << 10
KEY = DeploymentKey.of(bytes(range(32)), "bench")
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


def _row(name: str, found: float) -> None:
    print(f"| {name:<46} | {found:>8.0f} | {1000 / found:>7.2f} |", flush=True)


def _nowhere(offset: int) -> RecordAt:
    return RecordAt(offset, offset + 1, "0")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=32, help="MB of log text")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--known", type=int, default=1_000_000)
    options = parser.parse_args()
    corpus = generate(Spec.of(options.size, options.seed, clean=True), peers.DATA)
    parts = batches(b"".join(path.read_bytes() for path in corpus.files()))
    few = parts[: max(1, len(parts) // 8)]
    print(f"{sum(map(len, parts)) / MB:.0f} MB of log text, {platform.machine()}, one core\n")
    print(f"| {'stage':<46} | {'MB/s':>8} | {'ns/byte':>7} |\n|{'-' * 48}|{'-' * 9}:|{'-' * 8}:|")
    patterns = load_bundled()
    scanner = PatternScanner(patterns)
    _row(f"patterns ({len(patterns)})", speed(scanner.scan, parts))
    _row("decoding, three deep", speed(lambda data: list(views(data)), parts))
    for count in (1, 100, 10_000):
        index = KnownIndex(registry(count, LENGTHS), [KEY])
        _row(f"{count:,} known, up to 8 lengths", speed(index.find, parts))
    for lengths in ((40,), LENGTHS, range(16, 66), range(16, 216)):
        index = KnownIndex(registry(options.known, lengths), [KEY])
        _row(f"{options.known:,} known, {len(lengths)} lengths", speed(index.find, parts, 2))
    slow = KnownIndex(registry(1000, LENGTHS, checked=False), [KEY])
    _row("1,000 known without length and check", speed(slow.find, few, 1))
    finder = LeakFinder(scanner, KnownIndex(registry(options.known, LENGTHS), [KEY]), [KEY])
    _row("all together", speed(lambda data: finder.find(Batch("bench", data, _nowhere)), parts))


if __name__ == "__main__":
    main()
