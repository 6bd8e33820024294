"""Time from a fresh clone to the first finding: `git clone`, then `make demo`."""

import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import compare, tables
from benchmarks.peers import HERE

# Any of the rules' names on a line of the demo's output is a finding that is shown.
_RULES: Final = re.compile(
    rb"leaked-(credential|secret)|use-(after|outside|by)-|outlives-task|unused-grant|over(long|due)-"
)


class FirstFinding(msgspec.Struct, frozen=True):
    """Seconds since the clone began; `first` is None if the demo showed no finding."""

    machine: compare.Machine
    cloned: float
    first: float | None
    done: float
    exit_code: int


def first_finding() -> FirstFinding:
    """Clones the repository this file is in to a temporary folder and runs its demo there.

    Package downloads are part of it: they come from whatever index and cache pip is set up with.
    """
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch) / "curfewd"
        started = time.perf_counter()
        subprocess.run(["git", "clone", "--quiet", str(HERE.parent), str(clone)], check=True)
        cloned = time.perf_counter() - started
        first = None
        with subprocess.Popen(
            ["make", "demo"], cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as demo:
            for line in demo.stdout or ():
                if first is None and _RULES.search(line):
                    first = time.perf_counter() - started
        done = time.perf_counter() - started
    return FirstFinding(compare.machine(), cloned, first, done, demo.returncode)


def report(made: FirstFinding) -> str:
    """The Markdown of it."""
    first = "none was shown" if made.first is None else f"{made.first:.1f} s"
    body = [
        ["git clone", f"{made.cloned:.1f} s"],
        ["first finding", first],
        ["demo ended", f"{made.done:.1f} s"],
    ]
    return "\n".join(
        [
            "# From clone to first finding\n",
            tables.about(made.machine),
            "",
            tables.table(["", "after"], body),
            "",
        ]
    )
