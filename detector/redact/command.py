"""What `curfewd redact` does: standard input to standard output, without its leaks."""

import argparse
import contextlib
import fcntl
import os
import select
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Final

import msgspec

from detector.configuration.allowlist import Allowlist
from detector.configuration.settings import NO_KEY_WARNING, Settings
from detector.ingest.declarations import STDIN
from detector.redact.stream_redactor import StreamRedactor
from detector.redact.unexamined import Handling, Reason
from detector.scan.redactor import Allowing, Redactor
from detector.scan.scanner_loader import load_scanner
from detector.scan.shares import SECOND_LOOK
from detector.terminal.output import printing, why
from detector.values.errors import InputError, UsageError
from detector.values.times import SECOND, parse_duration

_CHUNK: Final = 512 * 1024  # of what is there already: the more at once, the less it costs
_PIPE: Final = 1024 * 1024  # Linux gives any user a pipe as large as that


def redact(options: argparse.Namespace, tell: Callable[..., None]) -> None:
    """Does what the arguments of `curfewd redact` ask for. `tell` writes lines to standard error, masked.

    Raises:
        UsageError: an argument, a pattern or a file is wrong, or a credential of `--known` cannot be recognised.
        InputError: standard input cannot be read.
    """
    settings = Settings.load(options.config)
    try:
        hold = settings.scan.hold if options.hold is None else parse_duration(options.hold)
    except ValueError as error:
        raise UsageError(f"redact: --hold is {error}") from None
    redactor, warnings = redactor_of(settings, options.known, pass_unrecognised=options.pass_unrecognised)
    tell(*(f"curfewd: warning: {warning}" for warning in warnings))
    redacting = StreamRedactor(redactor, handling=options.unexamined)
    try:
        with printing():
            pass_on(sys.stdin.fileno(), sys.stdout.buffer, redacting, hold / SECOND)
    finally:
        if redacting.unexamined:
            tell(f"curfewd: {unexamined_line(redacting.unexamined, options.unexamined)}")


def redactor_of(
    settings: Settings, known: Sequence[str], *, pass_unrecognised: bool = False
) -> tuple[Redactor, tuple[str, ...]]:
    """What masks, and warnings. `known` are files with events: the credentials issued in them are masked too.

    What the configuration allows now, at the start, passes. With `pass_unrecognised` a credential of `known` that
    cannot be recognised is a warning.

    Raises:
        UsageError: a pattern or a file is wrong, or a credential of `known` cannot be recognised.
    """
    scanner, warnings = load_scanner(settings.patterns)
    index = None
    if known:
        # What reads files takes as long to import as all that masks.
        from detector.redact.registered import index_of  # noqa: PLC0415

        index, gaps = index_of(known, settings, pass_unrecognised=pass_unrecognised)
        warnings = (*gaps, *warnings)
    allowlist = Allowlist(settings.allows).in_force(time.time_ns())
    allowing = Allowing(allowlist, STDIN, settings.keys) if allowlist else None
    # Without a deployment key only what `known` registers and `[[allow]]` names is not recognised; `known` was told of.
    untold = [one for one in settings.warnings if settings.allows or one != NO_KEY_WARNING]
    share = msgspec.structs.replace(SECOND_LOOK, forms=settings.scan.forms)
    return Redactor(scanner, index, allowing, share), (*untold, *warnings)


def pass_on(source: int, target: IO[bytes], redacting: StreamRedactor, hold: float) -> None:
    """Everything that can be read from a file descriptor, until its end; whole lines at once.

    A line that may go on waits for the next until nothing has come for `hold` seconds.

    Raises:
        InputError: it cannot be read.
        OSError: the target cannot be written.
    """
    for pipe in (source, target):
        _widen(pipe)
    while True:
        waiting = bool(redacting)
        ready, _, _ = select.select([source], [], [], hold if waiting else None)
        if not ready:
            target.write(redacting.idle())
            target.flush()
            if redacting:  # an unfinished line: only more of it, or the end, can tell what it is
                select.select([source], [], [])
            continue
        chunk = _read(source)
        target.write(redacting.feed(chunk) if chunk else redacting.end())
        target.flush()
        if not chunk:
            return


def unexamined_line(counts: Mapping[Reason, int], handling: Handling) -> str:
    """What is said at the end of texts that could not be examined whole."""
    what = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
    total = sum(counts.values())
    done = "masked" if handling == "mask" else "passed on with a marker"
    return f"{total} {'text' if total == 1 else 'texts'} could not be examined whole, and were {done}: {what}"


def _read(source: int) -> bytes:
    try:
        return os.read(source, _CHUNK)
    except OSError as error:
        raise InputError(f"standard input: {why(error)}") from None


def _widen(file: int | IO[bytes]) -> None:
    """Lets a pipe hold more than its 64 KiB, so that whoever writes into it need not stop while we scan."""
    with contextlib.suppress(OSError):  # no pipe, or this user's pipes hold too much already
        fcntl.fcntl(file, fcntl.F_SETPIPE_SZ, _PIPE)
