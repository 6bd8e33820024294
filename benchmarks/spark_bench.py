"""What Spark costs beside processes of this machine, by size of the log: CPU seconds of all processes, and the clock.

    python -m benchmarks.spark_bench FOLDER [MEGABYTES…]     # after `make test-spark` has installed PySpark

Prints a table as results/spark.md has it. The difference of the largest and the least size is what a byte costs (the
margin), the rest what a start costs. Each figure is the median of ROUNDS (3) rounds, the engines in turns. Memory is
the resident set of the driver, and of all processes (what they share is counted once), looked at twice a second.

CPU time is that of a control group, so it needs root: workers of Spark die with their daemon, and nobody counts them.
"""

import contextlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from benchmarks.logtext import block

_GROUPS: Final = (Path("/sys/fs/cgroup/cpuacct/curfewd-bench"), Path("/sys/fs/cgroup/curfewd-bench"))
_SIZES: Final = ("200", "1000")
_ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
_MB: Final = 1 << 20
_KEY: Final = "5e" * 16
_ENGINES: Final = {"processes": ("--jobs", "2"), "spark": ("--engine", "spark", "--master", "local[2]")}


def _log(folder: Path, megabytes: int) -> Path:
    """A folder with one file of so many megabytes."""
    rng = random.Random(18)
    inside = folder / f"{megabytes}"
    inside.mkdir(parents=True, exist_ok=True)
    if (inside / "job.log").exists():
        return inside
    with (inside / "job.log").open("wb") as out:
        some = "\n".join("\n".join(map(str, block(rng).lines)) for _ in range(4000)).encode() + b"\n"
        while out.tell() < megabytes * 1_000_000:
            out.write(some)
    return inside


class Cost(NamedTuple):
    """CPU seconds of all processes, seconds, and the most memory (bytes) of the driver and of all."""

    cpu: float
    wall: float
    driver: int
    memory: int


def _cost(arguments: tuple[str, ...], log: Path) -> Cost:
    group = next((found for found in _GROUPS if found.parent.is_dir()), None)
    if group is None:
        raise SystemExit("there are no control groups")
    group.mkdir(exist_ok=True)
    before, begun = _used(group), time.perf_counter()
    command = [sys.executable, "-m", "detector.cli", "replay", *arguments, str(log)]
    within = ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh", *command]
    environ = {**os.environ, "CURFEWD_KEY": _KEY}
    run = subprocess.Popen(within, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    driver = memory = 0
    while run.poll() is None:
        pids = (group / "cgroup.procs").read_text().split()
        driver = max(driver, _memory(run.pid, "Rss"))
        memory = max(memory, sum(_memory(pid, "Pss") for pid in pids))
        time.sleep(0.5)
    if run.returncode:
        raise SystemExit(f"{' '.join(command)}: it ended with {run.returncode}")
    wall = time.perf_counter() - begun
    while (group / "cgroup.procs").read_text():  # Spark's processes end a little later
        time.sleep(0.1)
    return Cost(_used(group) - before, wall, driver, memory)


def _memory(pid: int | str, name: str) -> int:
    """Bytes of a process, 0 if it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _used(group: Path) -> float:
    """CPU seconds that a control group has used."""
    if (group / "cpuacct.usage").exists():
        return int((group / "cpuacct.usage").read_text()) / 1e9
    return int((group / "cpu.stat").read_text().split()[1]) / 1e6


def main(folder: str, *megabytes: str) -> None:
    """Prints a row for each size and engine, and the margins."""
    sizes = sorted(map(int, megabytes or _SIZES))
    logs = {size: _log(Path(folder), size) for size in sizes}
    costs: dict[tuple[int, str], list[Cost]] = {}
    for number in range(_ROUNDS):
        for size, log in logs.items():
            for name, arguments in _ENGINES.items():
                cost = _cost(arguments, log)
                costs.setdefault((size, name), []).append(cost)
                print(
                    f"round {number}, {size} MB, {name}: {cost.cpu:.1f} CPU-s, {cost.wall:.1f} s",
                    file=sys.stderr,
                )
    print(
        "| log | engine | CPU-seconds | seconds | MB of the driver | MB of all |\n| --- | --- | --- | --- | --- | --- |"
    )
    for (size, name), found in costs.items():
        print(
            f"| {_bytes(logs[size]) / 1e6:,.0f} MB | {name} | {median(each.cpu for each in found):.1f} | {median(each.wall for each in found):.1f} "
            f"| {median(each.driver for each in found) / _MB:,.0f} | {median(each.memory for each in found) / _MB:,.0f} |"
        )
    more = sum(_bytes(logs[size]) * sign for size, sign in ((sizes[-1], 1), (sizes[0], -1))) / 1e9
    margins = {
        name: [
            (last.cpu - first.cpu) / more
            for first, last in zip(costs[sizes[0], name], costs[sizes[-1], name], strict=True)
        ]
        for name in _ENGINES
    }
    for name, margin in margins.items():
        print(
            f"\n{name}: {median(margin):.1f} CPU-s a GB more ({', '.join(f'{each:.1f}' for each in margin)})"
        )
    print(
        f"\nmargin of Spark: {median(margins['spark']) / median(margins['processes']):.2f} times that of processes"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
