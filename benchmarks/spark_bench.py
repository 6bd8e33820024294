"""What Spark costs beside processes of this machine: CPU seconds of all processes for a little log and for more of it.

    python -m benchmarks.spark_bench FOLDER [MEGABYTES]     # after `make test-spark` has installed PySpark

The difference of the two is what a byte costs (the margin), the rest what a start costs.
"""

import ctypes
import os
import random
import resource
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.logtext import block

_SUBREAPER: Final = 36  # prctl: processes whose parent died become ours, so that their CPU time is counted
_TIMES: Final = 5  # as much log
_ROUNDS: Final = 3
_KEY: Final = "5e" * 16
_ENGINES: Final = {"processes": ("--jobs", "2"), "spark": ("--engine", "spark", "--master", "local[2]")}


def _log(folder: Path, megabytes: int) -> Path:
    """A folder with one file of so many megabytes."""
    rng = random.Random(18)
    inside = folder / f"{megabytes}"
    inside.mkdir(parents=True, exist_ok=True)
    with (inside / "job.log").open("wb") as out:
        some = "\n".join("\n".join(map(str, block(rng).lines)) for _ in range(4000)).encode() + b"\n"
        while out.tell() < megabytes << 20:
            out.write(some)
    return inside


def _cpu(arguments: tuple[str, ...], log: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "detector.cli", "replay", *arguments, str(log)]
    environ = {**os.environ, "CURFEWD_KEY": _KEY}
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        if run.wait():
            raise SystemExit("a replay failed")
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(folder: str, megabytes: str = "64") -> None:
    """Prints CPU seconds of each engine and round, and the ratio of the margins."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    little, much = (_log(Path(folder), int(megabytes) * times) for times in (1, _TIMES))
    margins: dict[str, list[float]] = {name: [] for name in _ENGINES}
    for _ in range(_ROUNDS):
        for name, arguments in _ENGINES.items():
            first, second = _cpu(arguments, little), _cpu(arguments, much)
            margins[name].append((second - first) / (int(megabytes) * (_TIMES - 1)))
            print(
                f"{name}: {first:.1f} s, {second:.1f} s; {margins[name][-1] * 1000:.2f} s a GB more",
                flush=True,
            )
    ratio = sorted(margins["spark"])[_ROUNDS // 2] / sorted(margins["processes"])[_ROUNDS // 2]
    print(f"margin of Spark: {ratio:.2f} times that of processes")


if __name__ == "__main__":
    main(*sys.argv[1:])
