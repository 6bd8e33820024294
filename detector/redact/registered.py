"""What `curfewd redact --known` reads: the credentials that events register, and why some cannot be recognised."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence

from detector.configuration.deployment_keys import KEY_VARIABLE
from detector.configuration.settings import Settings
from detector.ingest.classify import RecordClassifier
from detector.ingest.files import read
from detector.ingest.inputs import find_sources
from detector.ingest.mapped_adapter import configured_classifier
from detector.ingest.range_reader import Reading
from detector.records.dead_letters import DeadLetter
from detector.scan.known_credentials import HMAC, SHA256, KnownIndex, never_found
from detector.stages.ranges import LifecycleCollector
from detector.values.errors import UsageError
from detector.values.events import CredentialIssued, Identifier
from detector.values.forms import OBFUSCATED
from detector.values.secrets import DeploymentKey
from detector.values.wording import counted


def index_of(
    known: Sequence[str], settings: Settings, *, pass_unrecognised: bool
) -> tuple[KnownIndex, tuple[str, ...]]:
    """What finds the credentials issued in these files and folders, and warnings.

    With `pass_unrecognised` a credential that cannot be recognised is a warning.

    Raises:
        UsageError: a file is wrong, or a credential cannot be recognised.
    """
    registered, unread = _registered(known, configured_classifier(settings.sources))
    gaps = list(_unrecognised(registered, unread, settings.keys))
    if gaps and not pass_unrecognised:
        raise UsageError(
            f"redact --known: {gaps[0]}; --pass-unrecognised goes on, and passes such secrets unmasked"
        )
    identifiers = [identifier for issue in registered for identifier in issue.identifiers]
    index = KnownIndex(
        identifiers,
        settings.keys,
        every_window=settings.scan.every_window,
        forms=OBFUSCATED in settings.scan.forms,
    )
    return index, tuple(f"--known: {gap}; such secrets pass unmasked" for gap in gaps)


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
        issues += (event for event in collector.lifecycle() if isinstance(event, CredentialIssued))
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
            f"credentials: fix or leave out {where} ({first.reason})"
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
