"""What `curfewd suggest` costs a use: CPU time and peak memory for histories of many uses, well-behaved and hostile.

The whole command, start-up included, beside a replay of the same file. One process each: with more, others read the
file but one adds the uses up.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import compare, measure, tables
from benchmarks.corpus import MB

_SECONDS: Final = 2_000_000  # what the tasks of a history take together, in seconds
_SHAPES: Final = {
    "runs": "each task reads and writes its own folder, and what all share",
    "folder": "every use is of another object, all in one folder",
    "tree": "every use is of another object, in 200 folders of 200 each, again and again",
}


class Options(msgspec.Struct, frozen=True):
    """The uses of a history, and its tasks."""

    uses: int = 1_000_000
    tasks: int = 2_000


class Cost(msgspec.Struct, frozen=True):
    """One history: bytes, and of the command seconds of CPU and peak bytes of memory; the same of a replay."""

    shape: str
    size: int
    cpu: float
    memory: int
    replay_cpu: float
    replay_memory: int
    lines: int


class Costs(msgspec.Struct, frozen=True):
    """All histories, and where they were measured."""

    machine: compare.Machine
    options: Options
    costs: list[Cost]


def resource(shape: str, task: int, number: int, per_task: int) -> str:
    """The object of one use."""
    if shape == "folder":
        return f"arn:aws:s3:::data/in/{task * per_task + number}.csv"
    if shape == "tree":
        count = task * per_task + number
        return f"arn:aws:s3:::data/in/{count % 200}/{count // 200 % 200}.csv"
    if number % 4 == 1:
        return "arn:aws:s3:::data/static/model.bin"
    if number % 4 == 2:
        return f"arn:aws:s3:::data/in/{number % 50}.csv"
    return f"arn:aws:s3:::data/runs/run-{task}/part-{number % 20}.json"


def history(shape: str, options: Options) -> Iterator[str]:
    """The events of a history, as lines."""
    per_task = options.uses // options.tasks
    for task in range(options.tasks):
        start, name = task * _SECONDS // options.tasks, f"job-{task}"
        key = {"scheme": "aws-access-key-id", "value": f"ASIA{task}"}
        yield _event("task.started", name, start, task_id=name, kind=f"kind-{task % 5}")
        yield _event(
            "credential.issued", name, start, task_id=name, credential_id=f"ASIA{task}", kind="aws-session",
            identifiers=[key], expires_at="2026-06-30T00:00:00Z",
        )  # fmt: skip
        for number in range(per_task):
            yield _event(
                "credential.used", f"{name}/{number}", start + number % 600, identifier=key,
                action=("s3:GetObject", "s3:PutObject")[number % 2], source_ip=f"10.0.{task % 3}.{number % 200}",
                resource=resource(shape, task, number, per_task),
            )  # fmt: skip
        yield _event("task.ended", name, start + 601, task_id=name)


def _event(type_name: str, number: str, second: int, **data: object) -> str:
    day, rest = divmod(second, 86_400)
    record = {
        "specversion": "1.0",
        "id": f"{type_name}/{number}",
        "source": "aws.cloudtrail/1",
        "type": type_name,
        "time": f"2026-05-{1 + day:02d}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}Z",
        "data": data,
    }
    return json.dumps(record) + "\n"


def measured(shape: str, options: Options, folder: Path) -> Cost:
    """Runs both commands on one history.

    Raises:
        RuntimeError: one failed.
    """
    file = folder / f"{shape}.jsonl"
    with file.open("w") as out:
        out.writelines(history(shape, options))
    own, other = (_run(command, file) for command in ("suggest", "replay"))
    return Cost(
        shape, file.stat().st_size, own.cpu, own.memory, other.cpu, other.memory, own.output.count("\n")
    )


def _run(command: str, file: Path) -> measure.Run:
    program = Path(sys.executable).with_name("curfewd")
    done = measure.run([str(program), command, "--jobs", "1", str(file)], env={"CURFEWD_KEY": "00" * 32})
    if done.exit_code != 0:
        raise RuntimeError(f"{command} of {file.name} ended with {done.exit_code}")
    return done


def report(made: Costs) -> str:
    """The Markdown of it."""
    body = [
        [
            _SHAPES[cost.shape],
            f"{cost.size / MB:,.0f}",
            f"{cost.cpu:.1f}",
            f"{cost.cpu / made.options.uses * 1e6:.1f}",
            f"{cost.memory / MB:,.0f}",
            f"{cost.replay_cpu:.1f}",
            f"{cost.replay_memory / MB:,.0f}",
        ]
        for cost in made.costs
    ]
    head = ["history", "MB", "CPU s", "µs a use", "peak MB", "replay, CPU s", "replay, peak MB"]
    return "\n".join(
        [
            "# Suggestions from many uses\n",
            tables.about(made.machine),
            f"\n{made.options.uses:,} uses by {made.options.tasks:,} tasks of five kinds; one process; start-up included.\n",
            tables.table(head, body),
            "",
        ]
    )


def main(options: Options) -> None:
    """Measures and writes the results."""
    with tempfile.TemporaryDirectory() as folder:
        costs = []
        for shape in _SHAPES:
            costs.append(measured(shape, options, Path(folder)))
            (Path(folder) / f"{shape}.jsonl").unlink()
    made = Costs(compare.machine(), options, costs)
    text = report(made)
    print(text)
    tables.save(compare.RESULTS, "suggest", text, made)
