"""What it costs to look for secrets in every form, on text without any.

`[scan] forms` with all groups, with none, and without each. All scan the same batches in turns, in one process. CPU
time of one thread, of each batch the least of some rounds. The text is generated and clean, and texts of yours beside
it. Known credentials are registered with a shape.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import compare, peers, tables
from benchmarks.corpus import MB, Spec, generate
from benchmarks.scan_stages import KEY, LENGTHS, batches, registry
from detector.patterns.pattern import load_bundled
from detector.scan import triggers
from detector.scan.decoders import DECODERS
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.scanner import PatternScanner
from detector.scan.shares import SECOND_LOOK
from detector.values.forms import ALL, FORMS, OBFUSCATED
from detector.values.registrable import MIXED

_SETTINGS: Final = (ALL, frozenset[str](), *(ALL - {form} for form in FORMS))


class Options(msgspec.Struct, frozen=True):
    """`size` MB of text made with `seed`, and at most of each of `texts`: files and folders by a name for the table."""

    size: float = 8
    seed: int = 7
    rounds: int = 6
    known: int = 1_000
    texts: Mapping[str, str] = {}


class Row(msgspec.Struct, frozen=True):
    """A text with so many known credentials: bytes, and ns a byte with all forms, with none, and without each group.

    `search` is what it takes to look for the places where something may be encoded.
    """

    text: str
    known: int
    bytes: int
    search: float
    all_forms: float
    no_forms: float
    without: Mapping[str, float]

    @property
    def ratio(self) -> float:
        """How many times as much all forms cost."""
        return self.all_forms / self.no_forms


class Forms(msgspec.Struct, frozen=True):
    """All rows; of each text how often in a MB a decoder is asked to look closer, by its name."""

    machine: compare.Machine
    rows: Sequence[Row]
    asked: Mapping[str, Mapping[str, float]]


def _nowhere(offset: int) -> RecordAt:
    return RecordAt(offset, offset + 1, "0")


def _read(path: Path, most: int) -> bytes:
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    share = most // max(1, len(files))
    return b"\n".join(each.read_bytes()[:share] for each in files)


def texts(options: Options) -> Iterator[tuple[str, list[bytes]]]:
    """Each text by its name, in batches."""
    most = int(options.size * MB)
    corpus = generate(Spec.of(options.size, options.seed, clean=True), peers.DATA)
    yield "generated", batches(b"".join(path.read_bytes() for path in corpus.files())[:most])
    for name, path in options.texts.items():
        yield name, batches(_read(Path(path), most))


def finders(known: int) -> list[LeakFinder]:
    """What looks for the groups of forms in each of `_SETTINGS`."""
    scanner = PatternScanner(load_bundled())
    registered = [msgspec.structs.replace(one, shape=MIXED) for one in registry(known, LENGTHS)]
    index = {forms: KnownIndex(registered, [KEY], forms=forms) for forms in (True, False)}
    return [
        LeakFinder(
            scanner,
            index[OBFUSCATED in forms],
            [KEY],
            share=msgspec.structs.replace(SECOND_LOOK, forms=forms),
        )
        for forms in _SETTINGS
    ]


def measured(name: str, parts: Sequence[bytes], known: int, rounds: int) -> Row:
    """One row."""
    steps: list[Callable[[bytes], object]] = [triggers.found]
    steps += [partial(_scan, finder) for finder in finders(known)]
    least = [[float("inf")] * len(parts) for _ in steps]
    for turn in range(rounds + 1):  # the first one compiles
        for number, part in enumerate(parts):
            for nth in range(len(steps)):
                which = (turn + number + nth) % len(steps)
                start = time.thread_time()
                steps[which](part)
                took = time.thread_time() - start
                if turn:
                    least[which][number] = min(least[which][number], took)
    size = sum(map(len, parts))
    search, every, none, *without = (1e9 * sum(times) / size for times in least)
    return Row(name, known, size, search, every, none, dict(zip(FORMS, without, strict=True)))


def _scan(finder: LeakFinder, part: bytes) -> None:
    finder.find(Batch("bench", part, _nowhere))


def asked(parts: Sequence[bytes]) -> dict[str, float]:
    """How often in a MB each bundled decoder is asked to look closer, those seldom asked left out."""
    counts: dict[str, float] = {}
    size = sum(map(len, parts)) / MB
    for part in parts:
        for kind, places in triggers.found(part).items():
            name = type(DECODERS.compiled[kind]).__name__
            counts[name] = counts.get(name, 0) + len(places) / size
    return {
        name: round(count, 1) for name, count in sorted(counts.items(), key=lambda one: -one[1]) if count >= 1
    }


def report(made: Forms) -> str:
    """The Markdown of it."""
    body = [
        [
            one.text,
            f"{one.bytes / MB:.1f}",
            f"{one.known:,}",
            f"{one.all_forms:.2f}",
            f"{one.no_forms:.2f}",
            f"{one.ratio:.2f}",
        ]
        for one in made.rows
    ]
    head = ["text", "MB", "known credentials", "all forms, ns a byte", "none, ns a byte", "ratio"]
    groups = [
        [
            one.text,
            f"{one.known:,}",
            f"{one.search:.2f}",
            *(f"{max(0, one.all_forms - without):.2f}" for without in one.without.values()),
        ]
        for one in made.rows
    ]
    places = [
        [text, ", ".join(f"{name} {count:g}" for name, count in counts.items())]
        for text, counts in made.asked.items()
    ]
    return "\n".join(
        (
            "# Clean text, with all forms and with none\n",
            tables.about(made.machine),
            "\nOne core, CPU time, in turns, the least of each batch of 256 KB.\n",
            tables.table(head, body),
            "\n## What each group costs\n",
            "In ns a byte: the search for all places, and by how much the whole is dearer than without the group.\n",
            tables.table(["text", "known credentials", "search", *FORMS], groups),
            "\n## How often a decoder looks closer\n",
            tables.table(["text", "times a MB"], places),
            "",
        )
    )


def main(options: Options) -> None:
    """Measures, prints and keeps the table."""
    rows: list[Row] = []
    often: dict[str, dict[str, float]] = {}
    for name, parts in texts(options):
        rows += [measured(name, parts, known, options.rounds) for known in (0, options.known)]
        often[name] = asked(parts)
        print(f"{name}: {', '.join(f'{row.ratio:.2f}' for row in rows if row.text == name)}", flush=True)
    where = compare.machine()
    command = f"python -m benchmarks forms --size {options.size:g} --rounds {options.rounds} NAME=PATH..."
    made = Forms(msgspec.structs.replace(where, command=command), rows, often)
    text = report(made)
    print(text)
    tables.save(compare.RESULTS, "forms", text, made)
