"""The command line inside this process, for what needs no process of its own: a start takes a second of a processor.

A test that is about the process itself (a signal, a closed stream, a full disk) starts `python -m detector.cli`.
"""

import contextlib
import io
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from detector import cli


class Done(msgspec.Struct, frozen=True):
    """What a command exited with and wrote."""

    code: int
    out: bytes
    err: bytes


def curfewd(
    *arguments: object,
    given: bytes = b"",
    folder: Path | None = None,
    environ: Mapping[str, str | None] | None = None,
) -> Done:
    """Runs one command in a folder, with `given` as its standard input and these variables; None unsets one."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with (
        contextlib.chdir(folder or Path.cwd()),
        _environment(environ or {}),
        _standard_input(given),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
    out.flush()
    err.flush()
    return Done(code, out.buffer.getvalue(), err.buffer.getvalue())


@contextlib.contextmanager
def _standard_input(given: bytes) -> Iterator[None]:
    """A pipe in the place of standard input, as a shell makes it."""
    before = sys.stdin
    reading, writing = os.pipe()

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
            pipe.write(given)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with os.fdopen(reading) as pipe:
            sys.stdin = pipe
            yield
    finally:
        sys.stdin = before
        writer.join()


@contextlib.contextmanager
def _environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    before = dict(os.environ)
    for name, value in changes.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
