"""Calls the loops as commands call them; `python warm_up.py FILE` writes down with what types."""

import io
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from detector import jit
from detector.configuration.settings import Settings
from detector.patterns.pattern import load_bundled
from detector.redact.command import redactor_of
from detector.redact.stream_redactor import StreamRedactor
from detector.replay.replay_command import Request, run_replay
from detector.scan.message_masks import masked_message
from detector.scan.scanner import PatternScanner
from detector.service.compiled_loops import call_loops


def note(path: Path) -> None:
    """Writes the name of each kernel that Python code calls, with the types of its arguments."""
    import numba  # noqa: PLC0415 - a build has compiled the loops, and does without it
    from signatures import write  # noqa: PLC0415 - as above

    seen = set[tuple[str, tuple[Any, ...]]]()
    call = jit.Kernel.__call__

    def recorded(kernel: Any, *arguments: Any) -> Any:
        seen.add((kernel.name, tuple(map(numba.typeof, arguments))))
        return call(kernel, *arguments)

    vars(jit)["Kernel"].__call__ = recorded
    run()
    write(seen, path)


def run() -> None:
    """Redacts and replays the examples of all patterns and decoders, and a few log records."""
    patterns = load_bundled()
    call_loops(PatternScanner(patterns))
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
    if sys.argv[1:]:
        note(Path(sys.argv[1]))
    else:
        run()
