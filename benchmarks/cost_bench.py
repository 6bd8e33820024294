"""What a byte of clean log text costs: against the number of patterns, of known credentials, and the length of lines.

In this process, CPU time of one thread, the best of some runs. More patterns than there are: copies that look for
another literal. The text is the clean corpus; for the lengths of lines it is wrapped anew.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import msgspec

from benchmarks import compare, peers, tables
from benchmarks.corpus import Spec, generate
from benchmarks.scan_stages import KEY, LENGTHS, batches, registry, speed, unit_speed
from detector.patterns.literals import longest_literal
from detector.patterns.pattern import Pattern, load_bundled
from detector.patterns.regexes import SECRET
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.scanner import PatternScanner

_PATTERNS: Final = (60, 250, 1000)
_LINES: Final = (50, 200, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
_LETTERS: Final = bytes(range(ord("a"), ord("z") + 1))
_LEAST: Final = 3  # letters of a literal that can be another
_CHUNK: Final = 1 << 17  # identifiers made at once: ten million of them together are 3 GB of objects


class Options(msgspec.Struct, frozen=True):
    """MB of log text, its seed, numbers of known credentials."""

    size: float = 32
    seed: int = 7
    known: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)


class Cost(msgspec.Struct, frozen=True):
    """One point: how many of what, MB/s of the part concerned and of all together, and seconds to make it ready."""

    of: str
    count: int
    part: float
    all: float
    ready: float


class Costs(msgspec.Struct, frozen=True):
    """All points, and where they were measured."""

    machine: compare.Machine
    options: Options
    points: list[Cost]


def many_patterns(bundled: Sequence[Pattern], count: int) -> list[Pattern]:
    """So many of them; past the last, copies whose longest literal has other letters."""
    made, turn = list(bundled[:count]), 1
    able = [one for one in bundled if len(longest_literal(one.regex)) >= _LEAST and not one.multiline]
    able = [one for one in able if longest_literal(one.regex) not in SECRET]
    there = {one.regex for one in bundled}
    while len(made) < count:
        copies = [_copied(one, turn) for one in able]
        made += [one for one in copies if one.regex not in there][: count - len(made)]
        turn += 1
    return made


def _copied(pattern: Pattern, turn: int) -> Pattern:
    lower = bytes.maketrans(_LETTERS, _LETTERS[turn:] + _LETTERS[:turn])
    upper = bytes.maketrans(_LETTERS.upper(), (_LETTERS[turn:] + _LETTERS[:turn]).upper())

    def other(text: str) -> str:
        return text.encode().translate(lower).translate(upper).decode()

    literal = longest_literal(pattern.regex)
    return msgspec.structs.replace(
        pattern,
        id=f"{pattern.id}-{turn}",
        regex=pattern.regex.replace(literal, other(literal)),
        keywords=tuple(other(word) for word in pattern.keywords),
    )


def _nowhere(offset: int) -> RecordAt:
    return RecordAt(offset, offset + 1, "0")


def _finding(finder: LeakFinder, parts: Sequence[bytes]) -> float:
    return speed(lambda data: finder.find(Batch("bench", data, _nowhere)), parts, 2)


def _registered(count: int) -> tuple[KnownIndex, float]:
    """The index of so many, and the CPU-seconds that registering them took, without making them up."""
    index, ready, made = KnownIndex((), [KEY]), 0.0, registry(count, LENGTHS)
    while identifiers := list(islice(made, _CHUNK)):
        start = time.thread_time()
        index.add(identifiers)
        ready += time.thread_time() - start
    return index, ready


def points(options: Options) -> Iterator[Cost]:
    """Each as it is measured."""
    corpus = generate(Spec.of(options.size, options.seed, clean=True), peers.DATA)
    text = b"".join(path.read_bytes() for path in corpus.files())
    parts = batches(text)
    bundled = load_bundled()
    few = KnownIndex(registry(options.known[0], LENGTHS), [KEY])
    for count in sorted({*_PATTERNS, len(bundled)}):
        start = time.thread_time()
        scanner = PatternScanner(many_patterns(bundled, count))
        ready = time.thread_time() - start
        both = _finding(LeakFinder(scanner, few, [KEY]), parts)
        yield Cost("patterns", count, speed(scanner.scan, parts, 2), both, ready)
    scanner = PatternScanner(bundled)
    for count in options.known:
        index, ready = _registered(count)
        both = _finding(LeakFinder(scanner, index, [KEY]), parts)
        yield Cost("known credentials", count, speed(index.seen, parts, 2), both, ready)
        del index  # before the next is made
    finder = LeakFinder(scanner, few, [KEY])
    for width in _LINES:
        wrapped = _wrapped(text, width)
        yield Cost("bytes a line", width, unit_speed(None, wrapped), unit_speed(finder, wrapped), 0)


def _wrapped(text: bytes, width: int) -> bytes:
    """The text in lines of that many bytes."""
    words = text.replace(b"\n", b" ")
    return b"".join(words[at : at + width - 1] + b"\n" for at in range(0, len(words), width - 1))


def report(made: Costs) -> str:
    """The Markdown of it."""
    parts = ["# What a byte costs\n", tables.about(made.machine)]
    for of, part in (
        ("patterns", "patterns alone"),
        ("known credentials", "known alone"),
        ("bytes a line", "reading alone"),
    ):
        body = [
            [f"{one.count:,}", f"{one.part:.0f}", f"{one.all:.0f}", f"{one.ready:.1f}" if one.ready else ""]
            for one in made.points
            if one.of == of
        ]
        head = [of, f"{part}, MB/s", "all together, MB/s", "CPU-s to make ready"]
        parts += [f"\n## By {of}\n", tables.table(head, body)]
    return "\n".join(parts) + "\n"


def main(options: Options) -> None:
    """Measures, prints and keeps the table."""
    made = Costs(compare.machine(), options, list(points(options)))
    text = report(made)
    print(text)
    tables.save(compare.RESULTS, "cost", text, made)
