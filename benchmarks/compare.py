"""One corpus, every scanner, one table."""

import datetime as dt
import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import measure, peers
from benchmarks.corpus import Corpus, Spec, generate
from benchmarks.matching import Hit, Score, score

RESULTS: Final = Path(__file__).parent / "results"


class Machine(msgspec.Struct, frozen=True):
    """Where and when it was measured."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    date: str
    command: str


class Row(msgspec.Struct, frozen=True):
    """One scanner's line of the table; `size` and `memory` in bytes, `rate` in MB per CPU-second.

    `startup` is the part of `cpu` that does not grow with the log: starting, loading rules, reading a registry.
    """

    scanner: str
    version: str
    size: int
    wall: float
    cpu: float
    memory: int
    rate: float
    startup: float
    score: Score
    notes: str = ""

    @property
    def lean_rate(self) -> float:
        """MB per CPU-second of what grows with the log."""
        growing = self.cpu - self.startup
        return self.size / 1e6 / growing if growing > 0 else 0.0


class Subject(msgspec.Struct, frozen=True):
    """What is measured: its name in the table, its version, and what a reader should know of the run."""

    scanner: str
    version: str
    notes: str = ""


class Comparison(msgspec.Struct, frozen=True):
    """Everything one run of `compare` says."""

    machine: Machine
    spec: Spec
    size: int
    rows: list[Row]
    absent: dict[str, str]


def machine() -> Machine:
    """This machine, now."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )  # fmt: skip
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Machine(
        cpu,
        os.cpu_count() or 1,
        round(memory, 1),
        platform.system(),
        platform.python_version(),
        dt.datetime.now(dt.UTC).date().isoformat(),
        "python -m benchmarks " + " ".join(sys.argv[1:]),
    )


def run_peer(peer: peers.Peer, corpus: Corpus, prefix: list[str]) -> Row:
    """Measures one peer on the corpus, or on the slice that it can do."""
    part = corpus if peer.slice_of is None else peers.sliced(corpus, peer.slice_of)
    report = corpus.folder / "reports" / f"{peer.name}.json"
    report.parent.mkdir(exist_ok=True)
    report.unlink(missing_ok=True)
    home = peers.DATA / "home"  # caches and settings of the peers, not the user's
    home.mkdir(exist_ok=True)
    # A first run on little text fills caches (Kingfisher keeps its compiled rules), as curfewd has one too.
    measure.run([*prefix, *peer.command(peers.sliced(corpus, 1), report, 0)], env={"HOME": str(home)})
    start = measure.run([*prefix, *peer.command(peers.one_line(corpus), report, 0)], env={"HOME": str(home)})
    report.unlink(missing_ok=True)
    done = measure.run([*prefix, *peer.command(part, report, 0)], env={"HOME": str(home)})
    if not report.exists():
        raise RuntimeError(f"{peer.name} left no report: exit {done.exit_code}\n{done.output}")
    subject = Subject(peer.name, peers.version_of(peer), peer.notes)
    return row(subject, part, done, start.cpu, peer.read(part, report, done.output))


def row(subject: Subject, corpus: Corpus, done: measure.Run, startup: float, hits: Iterable[Hit]) -> Row:
    """The measured run as a line of the table."""
    size = corpus.bytes()
    made = score(corpus.truth(), corpus.decoys(), hits)
    return Row(
        scanner=subject.scanner,
        version=subject.version,
        size=size,
        wall=done.wall,
        cpu=done.cpu,
        memory=done.memory,
        rate=done.rate(size),
        startup=startup,
        score=made,
        notes=subject.notes,
    )


def compare(spec: Spec, only: set[str], ours: list[Row] | None = None) -> Comparison:
    """Runs the peers named in `only` (all if empty) after what is `ours`."""
    corpus = generate(spec, peers.DATA)
    failed = peers.install()
    prefix = measure.offline()
    rows = list(ours or [])
    absent = dict(peers.ABSENT) | {name: f"could not be installed: {why}" for name, why in failed.items()}
    for peer in peers.PEERS:
        if only and peer.name not in only:
            continue
        if peer.package in failed:
            continue
        print(f"measuring {peer.name} ...", flush=True)
        try:
            rows.append(run_peer(peer, corpus, prefix))
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            absent[peer.name] = f"failed: {str(error)[:300]}"
    return Comparison(machine(), spec, corpus.bytes(), rows, absent)
