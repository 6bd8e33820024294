"""What `curfewd redact` does: standard input to standard output, without its leaks."""

import contextlib
import fcntl
import os
import select
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Final

from detector.configuration.allowlist import Allowlist
from detector.configuration.settings import KEY_VARIABLE, NO_KEY_WARNING, Settings
from detector.ingest.classify import RecordClassifier
from detector.ingest.declarations import STDIN
from detector.ingest.files import read
from detector.ingest.inputs import find_sources
from detector.ingest.mapped_adapter import configured_classifier
from detector.ingest.range_reader import Reading
from detector.records.dead_letters import DeadLetter
from detector.redact.stream_redactor import StreamRedactor
from detector.redact.unexamined import Handling, Reason
from detector.scan.known_credentials import HMAC, SHA256, KnownIndex, never_found
from detector.scan.leaks import Allowing, Redactor
from detector.scan.scanner_loader import load_scanner
from detector.stages.ranges import LifecycleCollector
from detector.terminal.output import why
from detector.values.errors import InputError, UsageError
from detector.values.events import CredentialIssued, Identifier
from detector.values.secrets import DeploymentKey
from detector.values.wording import counted

_CHUNK: Final = 512 * 1024  # of what is there already: the more at once, the less it costs
_PIPE: Final = 1024 * 1024  # Linux gives any user a pipe as large as that
_IDLE_SECONDS: Final = 0.2  # what may go on in the next line waits no longer for it


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
        registered, unread = _registered(known, configured_classifier(settings.sources))
        gaps = list(_unrecognised(registered, unread, settings.keys))
        if gaps and not pass_unrecognised:
            raise UsageError(
                f"redact --known: {gaps[0]}; --pass-unrecognised goes on, and passes such secrets unmasked"
            )
        warnings = (*(f"--known: {gap}; such secrets pass unmasked" for gap in gaps), *warnings)
        identifiers = [identifier for issue in registered for identifier in issue.identifiers]
        index = KnownIndex(identifiers, settings.keys, every_window=settings.scan.every_window)
    allowlist = Allowlist(settings.allows).in_force(time.time_ns())
    allowing = Allowing(allowlist, STDIN, settings.keys) if allowlist else None
    # Without a deployment key only what `known` registers and `[[allow]]` names is not recognised; `known` was told of.
    untold = [one for one in settings.warnings if settings.allows or one != NO_KEY_WARNING]
    return Redactor(scanner, index, allowing), (*untold, *warnings)


def pass_on(source: int, target: IO[bytes], redacting: StreamRedactor) -> None:
    """Everything that can be read from a file descriptor, until its end; whole lines at once.

    Raises:
        InputError: it cannot be read.
        OSError: the target cannot be written.
    """
    for pipe in (source, target):
        _widen(pipe)
    while True:
        waiting = bool(redacting)
        ready, _, _ = select.select([source], [], [], _IDLE_SECONDS if waiting else None)
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


def _registered(
    paths: Sequence[str], classifier: RecordClassifier
) -> tuple[list[CredentialIssued], list[DeadLetter]]:
    """The issues in these files and folders, and what cannot be read of them."""
    sources, unread = find_sources(paths, classifier=classifier)
    issues: list[CredentialIssued] = []
    now = time.time_ns()
    for source in sources:
        collector = LifecycleCollector()
        reader = read(source, 0, source.size, collector, Reading(now, classifier))
        unread += collector.facts(reader).dead_letters
        issues += (event for event in collector.lifecycle if isinstance(event, CredentialIssued))
    return issues, unread


def _unrecognised(
    issues: Sequence[CredentialIssued], unread: Sequence[DeadLetter], keys: Sequence[DeploymentKey]
) -> Iterator[str]:
    """Why secrets that should be masked would pass, and what to do, each in a few words."""
    if unread:
        first = unread[0]
        where = first.source if first.line is None else f"{first.source}, line {first.line:,}"
        yield (
            f"{counted(len(unread), 'record or file', 'records or files')} cannot be read, and may register "
            f"credentials: mend or leave out {where} ({first.reason})"
        )
    if not issues:
        yield "no credential is registered there: name files with `credential.issued` events"
    counts = Counter(
        reason for issue in issues if (reason := _unrecognisable(issue.identifiers, keys)) is not None
    )
    for reason, count in sorted(counts.items()):
        yield f"{counted(count, 'credential')} cannot be recognised: {reason}"


def _unrecognisable(identifiers: Sequence[Identifier], keys: Sequence[DeploymentKey]) -> str | None:
    """Why none of the identifiers of a credential finds its secret; None if one does, or none is of a secret."""
    reasons = [
        _unfindable(identifier, keys) for identifier in identifiers if identifier.scheme in (HMAC, SHA256)
    ]
    return reasons[0] if reasons and None not in reasons else None


def _unfindable(identifier: Identifier, keys: Sequence[DeploymentKey]) -> str | None:
    never = never_found(identifier)
    if never is not None or identifier.scheme != HMAC:
        return never and f"{never}; register it with what `curfewd fingerprint` prints"
    return None if keys else f"there is no deployment key: set {KEY_VARIABLE} or key_file to the issuer's"
