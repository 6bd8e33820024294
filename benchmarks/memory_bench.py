"""Peak memory of replay on little and on much log text.

The much is the little many times: copies of the same files, on disk while they are read.
"""

import tempfile
from pathlib import Path

import msgspec

from benchmarks import compare, measure, tables
from benchmarks.corpus import MB, Spec, generate
from benchmarks.peers import DATA
from benchmarks.replay_bench import copies_of, registry, replay


class Memory(msgspec.Struct, frozen=True):
    """One replay: bytes of log text, and what it took."""

    size: int
    wall: float
    cpu: float
    memory: int


class Memories(msgspec.Struct, frozen=True):
    """The replays, and where they ran."""

    machine: compare.Machine
    known: int
    runs: list[Memory]


def memory(base: int, times: list[int], known: int, seed: int) -> Memories:
    """Replays `base` MB of log under 1, 10, ... names, with `known` credentials registered."""
    corpus = generate(Spec.of(base, seed), DATA)
    events = registry(corpus, known)
    prefix = measure.offline()
    runs = []
    for many in times:
        with tempfile.TemporaryDirectory(dir=DATA) as scratch:
            logs = Path(scratch) / "logs"
            copies_of(corpus, logs, many)
            done = replay([events, logs], Path(scratch) / "out", seed, prefix, None)
            size = corpus.bytes() * many
            print(f"{size / MB:.0f} MB: peak {done.memory / MB:.0f} MB, {done.wall:.0f} s", flush=True)
            runs.append(Memory(size, done.wall, done.cpu, done.memory))
    return Memories(compare.machine(), known, runs)


def report(made: Memories) -> str:
    """The Markdown of it."""
    body = [
        [f"{run.size / MB:,.0f}", f"{run.memory / MB:.0f}", f"{run.wall:.1f}", f"{run.cpu:.1f}"]
        for run in made.runs
    ]
    return "\n".join(
        [
            "# Memory of a replay\n",
            tables.about(made.machine),
            f"\n{made.known:,} known credentials are registered; larger sizes are copies of the same files.\n",
            tables.table(["MB of log text", "peak MB, all processes", "wall s", "CPU s"], body),
            "",
        ]
    )
