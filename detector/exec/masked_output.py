"""Passes on what a command prints with its secrets masked: through pipes, or a terminal of its own where we have one.

The scanner is loaded while the command runs already. If it cannot be, or fails later, nothing of what the command then
prints is shown, and the command goes on.
"""

import fcntl
import os
import select
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

from detector.exec.child import IGNORED_BY_PYTHON, cannot_run, spawn
from detector.redact.held_tail import shown
from detector.redact.stream_redactor import StreamRedactor
from detector.terminal.output import printable
from detector.values.errors import CurfewdError

_CHUNK: Final = 512 * 1024
_DROPPED: Final = 4096  # bytes that are read to be dropped: memory may be what is short
_IDLE_MS: Final = 200  # a prompt waits no longer
_DRAIN_MS: Final = 1000  # for processes that hold the output open when the command has ended
_KEY: Final = 8  # bytes that a key sends at most: more are pasted
_LINE: Final = 64  # bytes of what was typed last in a line
_SIZE: Final = b"\0" * 8
_FAILED: Final = "‹masking failed›"  # stands for the output from there on
_SAID: Final = (
    "curfewd: exec: masking failed ({}): from here on the output is not shown, and the command runs on"
)


class Outputs(NamedTuple):
    """The command's process, and the descriptors to read, each with ours to write to. `terminal` is its terminal."""

    pid: int
    sources: tuple[tuple[int, int], ...]
    terminal: int | None


def start(command: Sequence[str], environ: Mapping[str, str], mask: frozenset[int]) -> Outputs:
    """Starts the command with its outputs turned to us.

    Raises:
        CannotRunError: it is not there, or cannot be run.
    """
    on_terminal = [number for number in (1, 2) if os.isatty(number)]
    pipes = {number: os.pipe() for number in (1, 2) if number not in on_terminal}
    try:
        if not on_terminal:
            pid = spawn(command, environ, mask, {number: pipe[1] for number, pipe in pipes.items()})
            return Outputs(pid, tuple((pipe[0], number) for number, pipe in pipes.items()), None)
        master, slave = os.openpty()
        with suppress(OSError, termios.error):
            termios.tcsetattr(slave, termios.TCSANOW, termios.tcgetattr(on_terminal[0]))
            copy_size(on_terminal[0], master)
        pid = _on_terminal(command, environ, mask, slave, {number: pipe[1] for number, pipe in pipes.items()})
        os.close(slave)
        sources = [(master, on_terminal[0]), *((pipe[0], number) for number, pipe in pipes.items())]
        return Outputs(pid, tuple(sources), master)
    finally:
        for _, writing in pipes.values():
            os.close(writing)


def _on_terminal(
    command: Sequence[str],
    environ: Mapping[str, str],
    mask: frozenset[int],
    slave: int,
    outputs: Mapping[int, int],
) -> int:
    """Starts the command as the leader of a session on that terminal."""
    hears, tells = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tells)
        failed = os.read(hears, 16)
        os.close(hears)
        if failed:
            os.waitpid(pid, 0)
            raise cannot_run(command[0], OSError(int(failed), os.strerror(int(failed))))
        return pid
    number = 0
    try:
        kept = None if os.isatty(0) else os.dup(0)
        os.login_tty(slave)
        if kept is not None:
            os.dup2(kept, 0)
        for number, handle in outputs.items():
            os.dup2(handle, number)
        for ignored in IGNORED_BY_PYTHON:
            signal.signal(ignored, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.execvpe(command[0], list(command), dict(environ))  # noqa: S606 - the command is what it is for
    except OSError as error:
        number = error.errno or 0
    finally:
        os.write(tells, str(number).encode())
        os._exit(127)


def copy_size(source: int, target: int) -> None:
    """Gives one terminal the size of another."""
    with suppress(OSError):
        fcntl.ioctl(target, termios.TIOCSWINSZ, fcntl.ioctl(source, termios.TIOCGWINSZ, _SIZE))


def to_terminal(outputs: Outputs) -> Callable[[int, bool], None]:
    """Forwards signals to what runs in the foreground of the command's terminal."""

    def forward(number: int, _from_terminal: bool) -> None:  # noqa: FBT001 - as `wait_for` calls it
        with suppress(OSError):
            if number == signal.SIGWINCH and outputs.terminal is not None:
                copy_size(outputs.sources[0][1], outputs.terminal)
                return
            group = os.tcgetpgrp(outputs.terminal) if outputs.terminal is not None else 0
            os.killpg(group or outputs.pid, number)

    return forward


@contextmanager
def passing_on(outputs: Outputs, masking: Callable[[], StreamRedactor], hold: float) -> Iterator[None]:
    """Within the block what the command prints is passed on; at its end it waits for the rest.

    `masking` makes what masks one output; each is passed on by a thread. What may still become a secret is held until
    nothing has come for `hold` seconds. What is typed at our terminal goes to that of the command.
    """
    ended = threading.Event()
    typed = _Typed()
    said = threading.Lock()  # by the first of the outputs that fails

    def pass_on(source: int, target: int) -> None:
        reader = _Reader(source, ended)
        failure = _masked(reader, target, masking, hold, typed if source == outputs.terminal else None)
        if failure is not None:
            if said.acquire(blocking=False):
                _write_line(2, _SAID.format(failure))
            reader.drop(lambda: _write_line(target, _FAILED))

    threads = [threading.Thread(target=pass_on, args=pair) for pair in outputs.sources]
    for thread in threads:
        thread.start()
    with _typing(outputs.terminal, ended, typed):
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join()


class _Reader:
    """Reads an output of the command, until its end, or until nothing more has come when the command has ended."""

    def __init__(self, source: int, ended: threading.Event) -> None:
        self._source = source
        self._ended = ended
        self._poll = select.poll()  # unlike select(2) it takes any descriptor
        self._poll.register(source, select.POLLIN)
        self._came = False

    def read(self, most: int = _CHUNK) -> bytes | None:
        """What has come; empty when nothing has for a while. None at the end."""
        ending = self._ended.is_set()
        if not self._poll.poll(_DRAIN_MS if ending else _IDLE_MS):
            return None if ending else b""
        chunk = _read(self._source, most)
        self._came = self._came or bool(chunk)
        return chunk or None

    def drop(self, show: Callable[[], None]) -> None:
        """Reads the rest, so that the command can write it. `show` is called once, where there is an output at all."""
        shown = False
        while True:
            if self._came and not shown:
                show()
                shown = True
            if (shown and self._ended.is_set()) or self.read(_DROPPED) is None:
                return


class _Typed:
    """What was typed last in a line, key by key. A program that edits a line redraws it at each key."""

    def __init__(self) -> None:
        self._line = b""

    def add(self, data: bytes) -> None:
        """Adds a key. Behind a pasted text, and the end of a line, what comes is no echo."""
        self._line = b"" if len(data) > _KEY or {*data} & {*b"\r\n\x03\x04"} else (self._line + data)[-_LINE:]

    def echoed(self, chunk: bytes) -> bool:
        """Whether a chunk of what the command prints shows nothing but what was typed."""
        return shown(chunk) in self._line


def _masked(
    reader: _Reader,
    target: int,
    masking: Callable[[], StreamRedactor],
    hold: float,
    typed: _Typed | None,
) -> str | None:
    """Writes what is read to `target`, masked. Returns why it could not. Of a terminal there is what was `typed`."""
    try:
        redacting = masking()
        came, echoed = time.monotonic(), True
        while (chunk := reader.read()) is not None:
            if chunk:
                came, echoed = time.monotonic(), echoed and typed is not None and typed.echoed(chunk)
                _write(target, redacting.feed(chunk))
            elif time.monotonic() - came >= hold:
                _write(target, redacting.idle() if typed is None else redacting.pause())
            elif typed is not None:
                _write(target, redacting.settle(echoed=echoed))
            echoed = echoed or not redacting
        _write(target, redacting.end())
    except BaseException as error:  # noqa: BLE001 - whatever it is, nothing may pass unmasked, and the command goes on
        return str(error) if isinstance(error, CurfewdError) else type(error).__name__
    return None


def _read(source: int, most: int = _CHUNK) -> bytes:
    try:
        return os.read(source, most)
    except OSError:
        return b""  # a terminal that nobody has open now


def _write(target: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(target, left) :]
        except BlockingIOError:  # full, and somebody who shares it has made it return at once
            select.select([], [target], [])
        except OSError:
            return  # its reader has gone: the command's output goes nowhere


def _write_line(target: int, text: str) -> None:
    """A line of ours. A terminal that is raw goes to the left at a carriage return alone."""
    end = "\r\n" if os.isatty(target) else "\n"
    _write(target, f"{printable(text)}{end}".encode())


@contextmanager
def _typing(terminal: int | None, ended: threading.Event, typed: _Typed) -> Iterator[None]:
    """Passes on what is typed at our terminal, key by key, and sets that terminal back at the end."""
    if terminal is None or not os.isatty(0):
        yield
        return
    before = termios.tcgetattr(0)
    foreground = os.tcgetpgrp(0) == os.getpgrp()
    if foreground:
        # The command's terminal has done what ours would do to each line. What was typed before is kept.
        tty.setraw(0, termios.TCSADRAIN)

    def pass_on() -> None:
        while not ended.is_set():
            if select.select([0], [], [], _IDLE_MS / 1000)[0]:
                data = _read(0)
                if not data:
                    _write(terminal, b"\x04")  # the end of what is typed
                    return
                typed.add(data)
                _write(terminal, data)

    thread = threading.Thread(target=pass_on, daemon=True)
    if foreground:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if foreground:
            thread.join()
            termios.tcsetattr(0, termios.TCSADRAIN, before)
        sys.stdout.flush()
