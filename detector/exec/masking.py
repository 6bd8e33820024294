"""Runs a command with its output masked. Importing this loads the scanner's modules."""

import functools
import threading
from collections.abc import Callable, Mapping, Sequence

from detector.configuration.settings import Settings
from detector.exec import child
from detector.exec.arguments import Request
from detector.exec.masked_output import passing_on, start, to_terminal
from detector.redact.stream_redactor import StreamRedactor
from detector.register.shown_secrets import index_of
from detector.scan.redactor import Redactor
from detector.scan.scanner_loader import load_scanner
from detector.values.secrets import Secret


def run_masked(
    request: Request,
    environ: Mapping[str, str],
    mask: frozenset[int],
    started: Callable[[int], None],
    secrets: Sequence[Secret],
) -> child.Ending:
    """Runs the command, and passes on what it prints without its secrets and without all others that are found.

    Raises:
        CannotRunError: the command is not there, or cannot be run.
    """
    outputs = start(request.command, environ, mask)
    started(outputs.pid)
    forward = child.to_process(outputs.pid) if outputs.terminal is None else to_terminal(outputs)
    with passing_on(outputs, _masking(request.config, secrets), secrets):
        return child.wait_for(outputs.pid, forward)


def _masking(config: str | None, secrets: Sequence[Secret]) -> Callable[[], StreamRedactor]:
    redactor = functools.cache(lambda: _redactor(config, secrets))
    loading = threading.Lock()

    def masking() -> StreamRedactor:
        with loading:  # in one thread at a time, once
            return StreamRedactor(redactor())

    return masking


def _redactor(config: str | None, secrets: Sequence[Secret]) -> Redactor:
    scanner, _ = load_scanner(Settings.load(config).patterns)
    return Redactor(scanner, index_of(secrets), None)
