"""A stage that waits for a compiler in its loop sends no heartbeats, and another instance takes its partitions."""

import subprocess
import sys

CODE = r"""
import asyncio
import json
from typing import Any

import numba

from detector import jit
from detector.configuration.settings import Settings
from detector.kafka.columns_check import batch
from detector.kafka.raw_batches import both_ways
from detector.scan.scanner_loader import load_scanner
from detector.service.compiled_loops import call_loops
from tests.fake_records import PARTITION
from tests.service.scan.test_redaction import KNOWN, Topic

called = set()
call = jit.Kernel.__call__


def recorded(kernel: Any, *arguments: Any) -> Any:
    called.add((kernel.name, tuple(map(numba.typeof, arguments))))
    return call(kernel, *arguments)


jit.Kernel.__call__ = recorded
TOKEN = "ghp_" + "0" * 36
TIME = "2026-05-04T10:00:00Z"
VALUES = [
    *(json.dumps({"message": f"{n} {TOKEN}", "task_id": "t", "time": TIME}).encode() for n in range(40)),
    json.dumps({"log": "a line\n", "stream": "stdout", "time": TIME}).encode(),
    f"{TIME} stdout F a line".encode(),
    b"a plain line",
    b'{"message": "cut \\u0041 short',
    b'{"specversion": "1.0", "type": "task.started", "id": "1", "source": "ci", "subject": "t"}',
    b"{",
    b"",
    b"\xff\xfe",
    b"it is " + KNOWN + b" and " + KNOWN[::-1],
]
NEXT = batch(len(VALUES), [(b"k", b"one", [("h", b"v")])], codec=4)


async def run(scanner: Any) -> None:
    topic = Topic(scanner, [])
    await topic.handler.assigned(PARTITION)
    data = batch(0, [(None, value, []) for value in VALUES]) + NEXT
    for columns in both_ways(data, [], 0, len(VALUES), 1 << 20)[0]:
        await topic.handler.process(PARTITION, columns)
    await topic.handler.tick(PARTITION, topic.now + 10**11)


scanner, _ = load_scanner(Settings.load(None).patterns)
call_loops(scanner)
compiled = set(called)
asyncio.run(run(scanner))
print(*sorted({name for name, _ in called - compiled}), sep=", ")
"""


def test_after_the_start_no_poll_waits_for_a_compiler() -> None:
    """In a process of its own: others have compiled all of it."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", "\n")
