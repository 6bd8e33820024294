"""`python -m tests.fuzz [TARGET…] [--seconds N]` fuzzes; `python -m tests.fuzz TARGET FILE…` runs it on those inputs.

What is learnt is kept in `.cache/fuzz/TARGET/corpus`, an input that breaks something in `.cache/fuzz/TARGET/crash-…`,
and then the exit code is 1: make it small, move it to `tests/fuzz/found/TARGET/`, and mend what it shows. With
`--runs N` each target sees N inputs, always the same, some of which are seeds; nothing learnt is kept.
"""

import argparse
import contextlib
import hashlib
import os
import random
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "fuzz"
# numba compiles no calls of atheris: modules with loops for it are left as they are written.
_COMPILES = re.compile(r"^from detector\.jit import .*\b(bare|compiled)\b", re.MULTILINE)
_COMPILED = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "detector").rglob("*.py")
    if _COMPILES.search(path.read_text())
]
_SLOWEST = 60  # seconds for one input, on a machine that does other work
_COMPILING = 600  # where not all was compiled before
_SEEDS = 3  # of the inputs, one in so many is a seed where there are only some

with atheris.instrument_imports(include=["detector"], exclude=_COMPILED):
    from tests.fuzz.targets import TARGETS, found


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument(
        "what", nargs="*", help=f"{', '.join(TARGETS)}; or one of them and files to run it on"
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--runs", type=int, help="inputs of each target, instead of a time")
    asked = parser.parse_args(arguments)
    names = [name for name in asked.what if name in TARGETS] or list(TARGETS)
    files = [name for name in asked.what if name not in TARGETS]
    for file in files:
        TARGETS[names[0]].run(Path(file).read_bytes())
    if files:
        return 0
    for name in names:
        with contextlib.suppress(Exception):  # what breaks here breaks there again
            TARGETS[name].run(next(iter(TARGETS[name].seeds())))  # loads and compiles, once for all processes
    failed = [name for name in names if not _fuzz_apart(name, asked.seconds, asked.runs)]
    sys.stderr.writelines(f"{name}: broken, see {CACHE / name}\n" for name in failed)
    return 1 if failed else 0


def _fuzz_apart(name: str, seconds: int, runs: int | None) -> bool:
    """Whether a process of its own fuzzed a target and nothing broke; atheris never returns."""
    with tempfile.TemporaryDirectory(prefix="curfewd-fuzz-") as passing:
        corpus = CACHE / name / "corpus" if runs is None else Path(passing)
        limits = [f"-max_total_time={seconds}", f"-timeout={_SLOWEST}"]
        seeds = [*TARGETS[name].seeds(), *(path.read_bytes() for path in found(name))]
        if runs is not None:
            limits = [f"-runs={runs}", "-seed=1", f"-timeout={_COMPILING}"]
            seeds = random.Random(runs).sample(seeds, min(1 + runs // _SEEDS, len(seeds)))
        child = os.fork()
        if not child:
            _fuzz(name, corpus, seeds, limits)
        return os.waitpid(child, 0)[1] == 0


def _fuzz(name: str, corpus: Path, seeds: Sequence[bytes], limits: Sequence[str]) -> None:
    target = TARGETS[name]
    corpus.mkdir(parents=True, exist_ok=True)
    (CACHE / name).mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        if len(seed) <= target.longest:
            (corpus / hashlib.sha256(seed).hexdigest()[:20]).write_bytes(seed)
    options = [
        *limits,
        f"-max_len={target.longest}",
        f"-artifact_prefix={CACHE / name}/",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup([f"fuzz-{name}", *options, str(corpus)], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
