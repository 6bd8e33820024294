"""Runs a command with its output masked. Importing this loads the scanner's modules."""

import functools
import threading
from collections.abc import Callable, Mapping, Sequence

from detector.configuration.settings import Settings
from detector.exec import child
from detector.exec.arguments import Request
from detector.exec.masked_output import passing_on, start, to_terminal
from detector.redact.held_tail import Beginnings
from detector.redact.stream_redactor import StreamRedactor
from detector.register.shown_secrets import index_of
from detector.scan.redactor import Redactor
from detector.scan.scanner_loader import load_scanner
from detector.values.secrets import Secret
from detector.values.times import SECOND


def run_masked(  # noqa: PLR0913, PLR0917 - what a command needs
    request: Request,
    settings: Settings | None,
    environ: Mapping[str, str],
    mask: frozenset[int],
    started: Callable[[int], None],
    secrets: Sequence[Secret],
) -> child.Ending:
    """Runs the command, and passes on what it prints without its secrets and without all others that are found.

    What may still become one is held until nothing has come for as long as is asked for, or configured.

    Raises:
        CannotRunError: the command is not there, or cannot be run.
    """
    settings = Settings.load(None) if settings is None else settings
    hold = (settings.scan.hold if request.hold is None else request.hold) / SECOND
    outputs = start(request.command, environ, mask)
    started(outputs.pid)
    forward = child.to_process(outputs.pid) if outputs.terminal is None else to_terminal(outputs)
    with passing_on(outputs, _masking(settings, secrets), hold):
        return child.wait_for(outputs.pid, forward)


def _masking(settings: Settings, secrets: Sequence[Secret]) -> Callable[[], StreamRedactor]:
    redactor = functools.cache(lambda: _redactor(settings, secrets))
    beginnings = Beginnings([secret.reveal() for secret in secrets])
    loading = threading.Lock()

    def masking() -> StreamRedactor:
        with loading:  # in one thread at a time, once
            return StreamRedactor(redactor(), beginnings=beginnings)

    return masking


def _redactor(settings: Settings, secrets: Sequence[Secret]) -> Redactor:
    scanner, _ = load_scanner(settings.patterns)
    return Redactor(scanner, index_of(secrets), None)
