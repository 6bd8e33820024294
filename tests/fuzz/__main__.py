"""`python -m tests.fuzz [TARGET…] [--seconds N]` fuzzes; `python -m tests.fuzz TARGET FILE…` runs a target on those inputs.

What is learnt is kept in `.cache/fuzz/TARGET/corpus`, an input that breaks something in `.cache/fuzz/TARGET/crash-…`, and
then the exit code is 1: make it small, move it to `tests/fuzz/found/TARGET/`, and mend what it shows.
"""

import argparse
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "fuzz"
# numba compiles no calls of atheris: modules with loops for it are left as they are written.
_COMPILES = re.compile(r"^from detector\.jit import .*\b(bare|compiled)\b", re.MULTILINE)
_COMPILED = [path.stem for path in (ROOT / "detector").glob("*.py") if _COMPILES.search(path.read_text())]
_SLOWEST = 60  # seconds for one input, on a machine that does other work

with atheris.instrument_imports(include=["detector"], exclude=[f"detector.{name}" for name in _COMPILED]):
    from tests.fuzz.targets import TARGETS, found


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument(
        "what", nargs="*", help=f"{', '.join(TARGETS)}; or one of them and files to run it on"
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        _fuzz(asked.what[0], asked.seconds)
    names = [name for name in asked.what if name in TARGETS] or list(TARGETS)
    files = [name for name in asked.what if name not in TARGETS]
    for file in files:
        TARGETS[names[0]].run(Path(file).read_bytes())
    if files:
        return 0
    failed = [name for name in names if not _fuzz_apart(name, asked.seconds)]
    sys.stderr.writelines(f"{name}: broken, see {CACHE / name}\n" for name in failed)
    return 1 if failed else 0


def _fuzz_apart(name: str, seconds: int) -> bool:
    """Whether a process of its own fuzzed a target and nothing broke; atheris never returns."""
    command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(seconds), "--inside"]
    return subprocess.run(command, check=False).returncode == 0


def _fuzz(name: str, seconds: int) -> None:
    target = TARGETS[name]
    corpus = CACHE / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate((*target.seeds(), *(path.read_bytes() for path in found(name)))):
        if number == 0:
            target.run(seed)  # what is loaded and compiled once is no part of an input's time
        if len(seed) <= target.longest:
            (corpus / hashlib.sha256(seed).hexdigest()[:20]).write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={target.longest}",
        f"-timeout={_SLOWEST}",
        f"-artifact_prefix={CACHE / name}/",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup([f"fuzz-{name}", *options, str(corpus)], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
