"""What it costs to judge a history in one ledger, and in buckets: `python -m benchmarks.judging_bench FOLDER [EVENTS]`.

Whole replays of an audit log with two processes, without logs. CPU seconds of the first process (the driver) and of
all, and the most memory of the driver. In the first history each task has a credential and 8 uses, in the second one
credential has all uses.
"""

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from detector.values.times import SECOND, format_rfc3339

_T0: Final = 1_764_333_333 * SECOND
_USES: Final = 8  # of a credential
_OUTSIDE: Final = 100  # of so many uses one is after the end of the task
_KEY: Final = "5e" * 16
_RUN: Final = """
import json, resource, sys, time
from detector import cli
from detector.replay import replay
replay.WHOLE = int(sys.argv.pop(1))
code = cli.main()
own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
driver = own.ru_utime + own.ru_stime
print(json.dumps([driver, driver + others.ru_utime + others.ru_stime, own.ru_maxrss / 1024]), file=sys.stderr)
sys.exit(code)
"""


def _event(source: str, kind: str, number: int, time_ns: int, **data: Any) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "type": kind,
            "source": source,
            "id": f"{kind}/{number}",
            "time": format_rfc3339(time_ns),
            "data": data,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def audit_events(tasks: int, uses: int, source: str = "audit") -> Iterator[bytes]:
    """An audit log of so many tasks, each with one credential, and uses of these in turns."""
    event = partial(_event, source)
    for n in range(tasks):
        at, task = _T0 + n * 1_000_000, f"task-{n}"
        identifiers = [{"scheme": "hmac-sha256", "value": f"{n:064x}", "length": 40, "check": "0123abcd"}]
        yield event("task.started", n, at, task_id=task, owner="team")
        yield event(
            "credential.issued",
            n,
            at,
            credential_id=f"credential-{n}",
            task_id=task,
            identifiers=identifiers,
            expires_at=format_rfc3339(at + 600 * SECOND),
        )
        yield event("task.ended", n, at + 600 * SECOND, task_id=task)
    for n in range(uses):
        of = n % tasks
        at = _T0 + of * 1_000_000 + (900 if n % _OUTSIDE == 0 else 9) * SECOND
        yield event(
            "credential.used",
            n,
            at + n // tasks * 1000,
            credential_id=f"credential-{of}",
            action="s3:GetObject",
            resource=f"bucket/{n}",
        )


def _written(folder: Path, tasks: int, uses: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "audit.jsonl").open("wb") as out:
        events = audit_events(tasks, uses)
        while some := b"".join(itertools.islice(events, 50_000)):
            out.write(some)
    return folder


def main(folder: str, events: str = "1000000") -> None:
    """Prints a row for each history and way."""
    count = int(events)
    tasks = count // (_USES + 3)
    print(f"{'history':<30} {'way':<8} driver s   all s  wall s     MB")
    for name, history in (
        (f"{tasks:,} tasks", _written(Path(folder) / "many", tasks, tasks * _USES)),
        (f"one task, {count:,} uses", _written(Path(folder) / "hot", 1, count)),
    ):
        for way, whole in (("whole", 1 << 60), ("buckets", 0)):
            command = [
                sys.executable,
                "-c",
                _RUN,
                str(whole),
                "replay",
                "--jobs",
                "2",
                "--out",
                f"{folder}/{way}",
            ]
            begun = time.perf_counter()
            done = subprocess.run(
                [*command, str(history)],
                env={**os.environ, "CURFEWD_KEY": _KEY},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                check=True,
            )
            driver, everything, memory = orjson.loads(done.stderr.splitlines()[-1])
            seconds = time.perf_counter() - begun
            print(
                f"{name:<30} {way:<8} {driver:8.1f} {everything:7.1f} {seconds:7.1f} {memory:6.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
