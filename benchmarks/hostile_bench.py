"""The slowest that anybody can make curfewd: MB/s and memory on text full of look-alikes, and on horrors.

Look-alikes of every pattern go through reading, decoding, patterns and fingerprints in this process, as a replay's
worker does it, with `KNOWN` registered credentials; horrors through whole replays with one registered credential, from
which the one of a single line is subtracted, in turns. CPU time; the memory is the peak of the process.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import compare, tables
from benchmarks.corpus import MB
from benchmarks.hostile_text import REGISTERED, horrors, look_alikes, with_registered
from benchmarks.peers import DATA
from benchmarks.replay_bench import deployment_key, replay
from benchmarks.scan_stages import KEY, LENGTHS, registry, source_of
from detector.ingest.units import Unit
from detector.patterns.pattern import load_bundled
from detector.register.identifiers import identifiers_of
from detector.replay.stages import Work, scan
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.scanner import PatternScanner
from detector.values.secrets import DeploymentKey, Secret

KNOWN: Final = 10_000
AIM: Final = 20  # MB/s
_LEAST: Final = 0.05  # CPU-s that a replay must take beyond its start-up, which varies by as much
_ROUNDS: Final = 2
_SHOWN: Final = 20  # rows of look-alikes
_HEAD: Final = ["MB per CPU-s", "leaks", "peak MB"]
_NOW: Final = 1_800_000_000 * 10**9


class Options(msgspec.Struct, frozen=True):
    """What is asked for: bytes of each text of look-alikes and of each horror, and which patterns and horrors."""

    look_alikes: int = 64 << 10
    horrors: int = 10_000_000
    seed: int = 7
    only: str = ""


class Slow(msgspec.Struct, frozen=True):
    """One text: MB/s of CPU time, leaks found in it, peak memory in bytes (of the whole process)."""

    name: str
    kind: str
    rate: float
    leaks: int
    memory: int


class Hostile(msgspec.Struct, frozen=True):
    """All of one sort."""

    machine: compare.Machine
    options: Options
    texts: list[Slow]


def of_look_alikes(options: Options) -> Iterator[Slow]:
    """Every pattern's, in the order of the patterns."""
    patterns = load_bundled()
    known = KnownIndex(registry(KNOWN, LENGTHS), [KEY])
    finder = LeakFinder(PatternScanner(patterns), known, [KEY])
    for pattern in patterns:
        if not pattern.regex or (options.only and options.only not in pattern.id):
            continue
        for kind, text in look_alikes(pattern, options.look_alikes, options.seed):
            work = Work([source_of(text)], _NOW, finder)
            few = text[: 4 << 10]
            scan(Work([source_of(few)], _NOW, finder), Unit(0, 0, len(few)))  # compiles what it needs
            _forget_peak()
            spent = float("inf")
            for _ in range(2):  # something may still be compiled in the first
                start = time.thread_time()
                found = scan(work, Unit(0, 0, len(text)))
                spent = min(spent, time.thread_time() - start)
                if spent < _LEAST:
                    break
            yield Slow(pattern.id, kind, len(text) / MB / spent, len(found.leaks), _peak())


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


def of_horrors(options: Options) -> Iterator[Slow]:
    """Each through a replay of its own."""
    DATA.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DATA) as scratch:
        names = "one.log", "horror.log", "out", "issue.jsonl"
        one, path, out, events = (Path(scratch) / name for name in names)
        one.write_bytes(b"nothing at all\n")
        events.write_bytes(_issue(options.seed))
        for name, make in {
            **horrors(options.horrors, options.seed),
            **with_registered(options.horrors, options.seed),
        }.items():
            if options.only and options.only not in name:
                continue
            size = path.write_bytes(make())
            _forget_peak()  # a child's peak is never less than that of its parent was
            nothing = spent = float("inf")
            for _ in range(_ROUNDS):  # in turns: what else the machine does changes
                nothing = min(nothing, replay([events, one], out, options.seed, [], 1).cpu)
                done = replay([events, path], out, options.seed, [], 1)
                spent = min(spent, done.cpu)
            with (out / "findings.jsonl").open("rb") as file:
                findings = sum(b'"uid":"leaked-' in line for line in file)
            yield Slow(name, "", size / MB / max(spent - nothing, _LEAST), findings, done.memory)


def _issue(seed: int) -> bytes:
    """The event that registers `REGISTERED`."""
    key = DeploymentKey.of(deployment_key(seed))
    issue = {
        "specversion": "1.0",
        "type": "credential.issued",
        "source": "bench",
        "id": "1",
        "time": "2026-05-04T08:00:00Z",
        "data": {
            "credential_id": "registered",
            "task_id": "task",
            "identifiers": identifiers_of(Secret(REGISTERED.encode()), [key]),
            "expires_at": "2026-05-04T09:00:00Z",
        },
    }
    return msgspec.json.encode(issue) + b"\n"


def report_horrors(made: Hostile) -> str:
    """The Markdown of it."""
    ordered = sorted(made.texts, key=lambda one: one.rate)
    parts = [
        "# Horrors\n",
        tables.about(made.machine),
        f"\n{made.options.horrors / MB:.0f} MB each, a replay each; that of one line beside it, which is start-up, is subtracted. The least of {_ROUNDS}.\n",
        f"Start-up varies: {made.options.horrors / MB / _LEAST:.0f} MB/s is that and more.\n",
        tables.table(["text", *_HEAD], [[one.name, *_cells(one)] for one in ordered]),
    ]
    return "\n".join(parts) + "\n"


def report_look_alikes(made: Hostile) -> str:
    """The Markdown of it."""
    by_kind: dict[str, list[float]] = defaultdict(list)
    clean: list[Slow] = []
    for one in made.texts:
        by_kind[one.kind].append(one.rate)
        if not one.leaks:
            by_kind["all in which nothing was found"].append(one.rate)
            clean.append(one)
    rows = [
        [
            kind,
            f"{len(rates)}",
            *(f"{rate:.1f}" for rate in _quantiles(rates)),
            f"{sum(r < AIM for r in rates)}",
        ]
        for kind, rates in by_kind.items()
    ]
    shown = [
        [one.name, one.kind, *_cells(one)] for one in sorted(made.texts, key=lambda one: one.rate)[:_SHOWN]
    ]
    slow = [[one.name, one.kind, *_cells(one)] for one in sorted(clean, key=lambda one: one.rate)[:_SHOWN]]
    parts = [
        "# Look-alikes, wall to wall\n",
        tables.about(made.machine),
        f"\n{made.options.look_alikes >> 10} KiB of each, with {KNOWN:,} registered credentials; in this process, start-up excluded.\n",
        tables.table(["kind", "texts", "slowest MB/s", "a tenth below", "median", f"below {AIM}"], rows),
        "\nThe slowest:\n",
        tables.table(["pattern", "kind", *_HEAD], shown),
        "\nThe slowest in which nothing was found:\n",
        tables.table(["pattern", "kind", *_HEAD], slow),
    ]
    return "\n".join(parts) + "\n"


def _cells(one: Slow) -> list[str]:
    return [f"{one.rate:.1f}", f"{one.leaks:,}", f"{one.memory / MB:.0f}"]


def _quantiles(rates: list[float]) -> tuple[float, float, float]:
    ordered = sorted(rates)
    return ordered[0], ordered[len(ordered) // 10], ordered[len(ordered) // 2]


def main(options: Options, name: str) -> None:
    """Measures `look-alikes` or `horrors`, prints and keeps the table."""
    measured, told = {
        "look-alikes": (of_look_alikes, report_look_alikes),
        "horrors": (of_horrors, report_horrors),
    }[name]
    made = Hostile(compare.machine(), options, list(measured(options)))
    text = told(made)
    print(text)
    if not options.only:
        tables.save(compare.RESULTS, name, text, made)
