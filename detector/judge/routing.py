"""Which aggregates an event is for: what the scan stage sends to the judge stage, and under which key.

An aggregate is what is judged together, in one partition: a task with its credentials, a name by which events speak
of a credential, or a leaked secret. Events travel as they were told. Whose they are is settled where they arrive, so a
registry that is behind, or an earlier issue still to come, costs a detour and no mistake.
"""

from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec

from detector.values.events import (
    AnyEvent,
    CanonicalEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    Leak,
    TaskEnded,
    TaskStarted,
)
from detector.values.findings import Finding

TASK: Final = "t:"
CREDENTIAL: Final = "c:"
IDENTIFIER: Final = "i:"
LEAKED: Final = "s:"
GROUP: Final = "g:"
HMAC: Final = "hmac-sha256"


class Claim(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="claim"):
    """Tells a name whose it is: an issue without grants, approval, bounds and the revoker's handle."""

    issue: CredentialIssued


class TaskSubscription(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="follow"):
    """Asks a task to tell the aggregate `key` what is known of its start and end, now and later.

    `time` is that of the event which asks: a task that nobody else speaks of is remembered for so long after.
    """

    key: str
    time: int


class TaskStatus(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="told"):
    """The answer to a `TaskSubscription`: the earliest start and end known, None if none."""

    task_id: str
    start: TaskStarted | None = None
    end: TaskEnded | None = None


class ReportedFinding(msgspec.Struct, frozen=True):
    """A finding as its last record tells it, with the one piece of evidence that it is told by; `digest` is the record's."""

    digest: str
    finding: Finding


class SentCommand(msgspec.Struct, frozen=True):
    """A command that was sent, and its time: it is never withdrawn nor sent again."""

    credential_id: str
    escalated: bool
    time: int


class Handover(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="handover"):
    """What one task's aggregate wrote about a credential that is another task's now."""

    reported: tuple[ReportedFinding, ...] = ()
    sent: tuple[SentCommand, ...] = ()


class LeakWithdrawal(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="withdrawn"):
    """Tells a leaked secret that one record shows it only as part of a registered credential's, which has the leak.

    `source` and `id` name the record, `time` is the record's (ns).
    """

    source: str
    id: str
    time: int


class InputProgress(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="mark"):
    """How far one partition of an input has got: its latest event time less the delay (ns). `source` names it."""

    source: str
    time: int


Spoken: TypeAlias = CredentialUsed | CredentialRenewed | CredentialRevoked
Fact: TypeAlias = (
    TaskStarted
    | TaskEnded
    | CredentialIssued
    | CredentialRenewed
    | CredentialUsed
    | CredentialRevoked
    | Leak
    | Claim
    | TaskSubscription
    | TaskStatus
    | Handover
    | LeakWithdrawal
    | InputProgress
)
Routed: TypeAlias = tuple[str, Fact]

_encoder: Final = msgspec.json.Encoder()  # unlike MessagePack it holds the nanoseconds of the year 9999
_decoder: Final = msgspec.json.Decoder(Fact)


def encode(payload: Fact) -> bytes:
    """A payload as the value of a record."""
    return _encoder.encode(payload)


def decode(value: bytes) -> Fact:
    """The payload of a record's value.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    found: Fact = _decoder.decode(value)
    return found


def task_key(task_id: str) -> str:
    """The aggregate of a task."""
    return TASK + task_id


def credential_key(credential_id: str) -> str:
    """The aggregate of a credential's id, for what arrives before its issue."""
    return CREDENTIAL + credential_id


def identifier_key(identifier: Identifier) -> str:
    """The aggregate of an identifier, likewise: scheme and value count, nothing else."""
    return f"{IDENTIFIER}{identifier.scheme}:{identifier.value}"


def secret_key(fingerprint: str) -> str:
    """The aggregate of a leaked secret."""
    return LEAKED + fingerprint


def group_key(group: str) -> str:
    """The aggregate of credentials that are revoked at once."""
    return GROUP + group


def registry_key(issue: CredentialIssued) -> bytes:
    """The key of an issue in the registry topic: JSON, so that no two issues share one."""
    return _encoder.encode(("cred", issue.credential_id, issue.source, issue.id))


def without_terms(issue: CredentialIssued) -> CredentialIssued:
    """An issue as registry and names know it: when, whose and under which names, until when."""
    terms = (issue.grants, issue.approval, issue.bound_to, issue.revocation)
    if terms == (None, None, None, None):
        return issue
    return msgspec.structs.replace(issue, grants=None, approval=None, bound_to=None, revocation=None)


def claims(issue: CredentialIssued) -> Iterator[Routed]:
    """What tells all names of an issue whose they are, and its groups who is in them."""
    claim = Claim(without_terms(issue))
    member = Claim(msgspec.structs.replace(claim.issue, identifiers=()))
    for group in issue.groups:
        yield group_key(group), member
    yield credential_key(issue.credential_id), claim
    for identifier in dict.fromkeys((each.scheme, each.value) for each in issue.identifiers):
        yield f"{IDENTIFIER}{identifier[0]}:{identifier[1]}", claim
        if identifier[0] == HMAC:  # which is the fingerprint of the secret, if it leaks
            yield secret_key(identifier[1]), claim


class Registry:
    """The issues that are known, by credential id and by identifier. Of those that claim a name the earliest has it.

    `conflicts` is how many identifiers more than one credential claims.
    """

    def __init__(self) -> None:
        self.conflicts = 0
        self._issues: dict[str, list[CredentialIssued]] = {}  # by credential id, the earliest first
        self._names: dict[str, dict[str, list[str]]] = {}  # by scheme and value the credentials that claim it

    def __len__(self) -> int:
        """How many credentials."""
        return len(self._issues)

    def add(self, issue: CredentialIssued) -> None:
        """Makes an issue known; again changes nothing."""
        bare = without_terms(issue)
        issues = self._issues.setdefault(issue.credential_id, [bare])
        if issues[0] is not bare:
            if any(_same(known, issue.source, issue.id) for known in issues):
                return
            issues.append(bare)
            issues.sort(key=lambda known: (known.time, known.source, known.id))
        for identifier in issue.identifiers:
            owners = self._names.setdefault(identifier.scheme, {}).setdefault(identifier.value, [])
            if issue.credential_id not in owners:
                owners.append(issue.credential_id)
                self.conflicts += len(owners) == 2  # noqa: PLR2004 - the second makes it one

    def remove(self, credential_id: str, source: str, event_id: str) -> None:
        """Forgets one issue; the credential with the last."""
        issues = self._issues.get(credential_id, [])
        gone = [issue for issue in issues if _same(issue, source, event_id)]
        left = [issue for issue in issues if not _same(issue, source, event_id)]
        if left:
            self._issues[credential_id] = left
        else:
            self._issues.pop(credential_id, None)
        kept = {(each.scheme, each.value) for issue in left for each in issue.identifiers}
        lost = {(each.scheme, each.value) for issue in gone for each in issue.identifiers} - kept
        for scheme, value in lost:
            owners = self._names[scheme][value]
            owners.remove(credential_id)
            self.conflicts -= len(owners) == 1
            if not owners:
                del self._names[scheme][value]

    def issues(self) -> Iterator[CredentialIssued]:
        """All issues."""
        for issues in self._issues.values():
            yield from issues

    def by_id(self, credential_id: str) -> CredentialIssued | None:
        """The earliest issue of a credential."""
        issues = self._issues.get(credential_id)
        return issues[0] if issues else None

    def by_identifier(self, identifier: Identifier) -> CredentialIssued | None:
        """The earliest issue of the credential that has an identifier."""
        names = self._names.get(identifier.scheme)
        owners = names.get(identifier.value) if names is not None else None
        if not owners:
            return None
        if len(owners) == 1:
            return self._issues[owners[0]][0]
        return min(
            (self._issues[owner][0] for owner in owners), key=lambda issue: (issue.time, issue.credential_id)
        )

    def claimed(self, identifier: Identifier) -> bool:
        """Whether any credential has that identifier."""
        return identifier.value in self._names.get(identifier.scheme, ())

    def owner(self, event: Spoken) -> CredentialIssued | None:
        """The issue that tells whose an event is: a credential id wins over an identifier."""
        if event.credential_id is not None:
            return self.by_id(event.credential_id)
        return self.by_identifier(event.identifier) if event.identifier is not None else None


def _same(issue: CredentialIssued, source: str, event_id: str) -> bool:
    return issue.id == event_id and issue.source == source


def route_event(event: CanonicalEvent, registry: Registry) -> list[Routed]:
    """The aggregates that have to know an event. An issue is to be added to the registry by whoever calls."""
    if isinstance(event, TaskStarted | TaskEnded):
        return [(task_key(event.task_id), event)]
    if isinstance(event, CredentialIssued):
        return [(task_key(event.task_id), event), *claims(event)]
    if isinstance(event, CredentialRevoked) and event.group is not None:
        return [(group_key(event.group), event)]
    owner = registry.owner(event)
    if owner is not None:
        return [(task_key(owner.task_id), event)]
    return [(spoken_key(event), event)]


def spoken_key(event: Spoken) -> str:
    """The aggregate of the name by which an event speaks of its credential."""
    if event.credential_id is not None:
        return credential_key(event.credential_id)
    return identifier_key(event.identifier) if event.identifier is not None else credential_key("")


def route_leak(leak: Leak, registry: Registry) -> list[Routed]:
    """The tasks whose credentials a leak shows. What nobody claims yet is a leaked secret, and waits at its names."""
    owned: dict[str, Fact] = {}
    waiting: dict[str, Fact] = {}
    for identifier in leak.identifiers:
        owner = registry.by_identifier(identifier)
        if owner is not None:
            owned[task_key(owner.task_id)] = leak
        else:
            waiting[identifier_key(identifier)] = leak
    if not owned:
        waiting[secret_key(leak.fingerprint)] = leak
    return [*owned.items(), *waiting.items()]


def route(event: AnyEvent, registry: Registry) -> list[Routed]:
    """`route_leak` or `route_event`, as it may be."""
    return route_leak(event, registry) if isinstance(event, Leak) else route_event(event, registry)
