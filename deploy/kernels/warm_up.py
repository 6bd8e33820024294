"""Calls the loops as commands call them, and writes down with what types: `python warm_up.py FILE`."""

import io
import pickle
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numba

from detector import jit
from detector.configuration.settings import Settings
from detector.patterns.pattern import load_bundled
from detector.redact.command import redactor_of
from detector.redact.stream_redactor import StreamRedactor
from detector.replay.replay_command import Request, run_replay
from detector.scan.message_masks import masked_message
from detector.scan.scanner import PatternScanner
from detector.service.compiled_loops import compile_loops


def signatures() -> list[tuple[str, tuple[Any, ...]]]:
    """The name of each kernel that Python code calls, with the types of its arguments."""
    seen: dict[str, tuple[str, tuple[Any, ...]]] = {}
    call = jit.Kernel.__call__

    def recorded(kernel: Any, *arguments: Any) -> Any:
        types = tuple(map(numba.typeof, arguments))
        seen[f"{kernel.name}{types}"] = kernel.name, types
        return call(kernel, *arguments)

    vars(jit)["Kernel"].__call__ = recorded
    run()
    return [seen[each] for each in sorted(seen)]


def run() -> None:
    """Redacts and replays the examples of all patterns and decoders, and a few log records."""
    patterns = load_bundled()
    compile_loops(PatternScanner(patterns))
    examples = [text for pattern in patterns for text in (*pattern.examples, *pattern.near_misses)]
    masked_message("")
    redactor, _ = redactor_of(Settings.load(None), [])
    redacting = StreamRedactor(redactor)
    for text in ("\n".join(examples), "a 1\n" * 100_000):
        redacting.feed(text.encode())
    redacting.end()
    lines = [f'{{"time": "2026-05-04T10:00:00Z", "task_id": "t", "message": "{n} of it"}}' for n in range(9)]
    with redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as folder:
        Path(folder, "examples.log").write_text("\n".join(examples))
        Path(folder, "job.jsonl").write_text("\n".join(lines))
        run_replay(Request(config=None, paths=(folder,), jobs=1, now=time.time_ns()))


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(pickle.dumps(signatures()))
