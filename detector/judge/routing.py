"""The facts that the judge stage takes, and the aggregate that each is for.

An aggregate is judged as one, in one partition: a task with its credentials, a credential issued to a group of tasks,
the roster of such a group, a name of a credential, a group of credentials, a leaked secret, a stream with records
that could not be examined whole, or the record of a finding in its topic. A fact is an event or leak as it was read,
or a message from one aggregate to another.

The sender of an event may not know its task: its registry may be behind, or an earlier issue may still come. The
receiving aggregate knows better and passes the event on, so a wrong guess costs a detour and no finding.
"""

from collections.abc import Iterator
from typing import Final, Protocol, TypeAlias, final

import msgspec

from detector.judge.watermark import BEGINNING
from detector.values.events import (
    AnyEvent,
    CanonicalEvent,
    CredentialEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    Leak,
    LimitedRecord,
    RevocationOutcome,
    TaskEnded,
    TaskHeartbeat,
    TaskStarted,
)
from detector.values.findings import Command, Finding
from detector.values.times import MILLISECOND

TASK: Final = "t:"
CANDIDATES: Final = "k:"
ROSTER: Final = "r:"
CREDENTIAL: Final = "c:"
IDENTIFIER: Final = "i:"
LEAKED: Final = "s:"
GROUP: Final = "g:"
LIMITED: Final = "l:"
FINDING: Final = "f:"
HMAC: Final = "hmac-sha256"


@final
class Claim(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="claim"):
    """Says that a credential owns a name. The issue has no grants, approval, binding or revocation handle."""

    issue: CredentialIssued


@final
class Recall(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="recall"):
    """Tells an identifier that a credential id is known now. Events that name both are the credential's of that id.

    They had been passed on to the identifier. The issue is as in a `Claim`.
    """

    issue: CredentialIssued


@final
class TaskSubscription(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="follow"):
    """Asks a task to report its start and end to the aggregate `key`, now and whenever they change.

    `time` is that of the event that caused it: a task known by subscriptions alone is kept for the retention after it.
    """

    key: str
    time: int


@final
class TaskStatus(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="told"):
    """Answers a `TaskSubscription`: the earliest start and end known, None if there is none.

    `heartbeat` is the one whose lease has `lapsed`, or the first after that. So who is told learns of each lapse and
    each return, and not of each heartbeat. Of two statuses the one that `supersedes` counts, whichever came first.
    """

    task_id: str
    start: TaskStarted | None = None
    end: TaskEnded | None = None
    heartbeat: TaskHeartbeat | None = None
    lapsed: bool = False

    def supersedes(self, other: "TaskStatus") -> bool:
        """Whether this says of the lease what was known later."""
        if self.heartbeat is None or self.heartbeat == other.heartbeat:
            return self.heartbeat is not None and self.lapsed and not other.lapsed
        return self.heartbeat.outlasts(other.heartbeat)

    def tells_more_than(self, other: "TaskStatus") -> bool:
        """Whether something would be lost if only the other were known."""
        return (
            self.supersedes(other)
            or self.start not in {None, other.start}
            or self.end not in {None, other.end}
        )


@final
class CandidateSubscription(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="candidates"):
    """Asks the roster of a group for the tasks that may have been issued the credential of the aggregate `key`.

    They started at or before `high` and had not ended before `low`. `until` is when the credential is dead. All in ns.
    """

    key: str
    low: int
    high: int
    until: int


@final
class CandidateStatuses(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="ran"):
    """Answers a `CandidateSubscription`: what is known of such tasks, and again of each of which more is known."""

    statuses: tuple[TaskStatus, ...]


@final
class CandidateStatusesPart(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="ran-part"):
    """Part `number`, from 0, of the `parts` of an answer that is too long for one record.

    It counts once all are there: a credential that knew some of its candidates would take the others for other tasks.
    """

    subscription: CandidateSubscription
    group: str
    number: int
    parts: int
    statuses: tuple[TaskStatus, ...]


class ReportedFinding(msgspec.Struct, frozen=True, gc=False):
    """A finding as it was reported last, with its `primary_evidence` as only evidence.

    `digest` tells whether the finding has changed since.
    """

    digest: str
    finding: Finding


class SentCommand(msgspec.Struct, frozen=True, gc=False):
    """A command that was sent, and its time. It is never withdrawn and never sent again.

    `sent_at` is when it was sent, in ns: from then on it may be carried out. It is the watermark, or the wall clock
    less the watermark's delay if that is later: a watermark that was held is far behind, and goes on by a leap.
    """

    credential_id: str
    escalated: bool
    time: int
    sent_at: int = BEGINNING

    @classmethod
    def of(cls, command: Command, sent_at: int) -> "SentCommand":
        """That this command is sent at a time (ns)."""
        return cls(command.credential.credential_id, command.escalated, command.time, sent_at)


@final
class Handover(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="handover"):
    """What one task's aggregate reported about a credential that turned out to be another task's."""

    reported: tuple[ReportedFinding, ...] = ()
    sent: tuple[SentCommand, ...] = ()


@final
class FindingOpened(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="opened"):
    """Tells the record of a finding that the aggregate `key` reports it: it stays until that one is done with it."""

    key: str
    last_seen: int


@final
class FindingOver(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="over"):
    """Tells the record of a finding that the aggregate `key` closed or forgot it: it may be deleted at `until` (ns).

    `last_seen` is that of a finding that was forgotten: what is not later has been reported. It is BEGINNING of others.
    """

    key: str
    until: int
    last_seen: int


@final
class FindingDeleted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="deleted"):
    """Tells who has just reported the finding `uid` that its record was deleted at that time: it reports it again."""

    uid: str


@final
class LeakWithdrawal(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="withdrawn"):
    """Tells a leaked secret that one record shows it only as part of a registered credential's secret.

    The leak is then that credential's. `source` and `id` name the record; `time` is the record's, in ns.
    """

    source: str
    id: str
    time: int


@final
class InputProgress(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="mark"):
    """How far one partition of an input, `source`, has been read, in ns (`detector.judge.watermark`)."""

    source: str
    time: int


@final
class WorkProgress(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="reached"):
    """How far one `partition` of work has been judged: `time` in the first round, the later ones `behind` it, in ms.

    It is short, as all partitions report to all.
    """

    partition: int
    time: int
    behind: tuple[int, ...]

    @classmethod
    def of(cls, partition: int, times: tuple[int, ...]) -> "WorkProgress":
        """The report of a partition that has come so far in each round (ns), rounded down."""
        first, *others = (time // MILLISECOND for time in times)
        return cls(partition, first, tuple(first - time for time in others))

    @property
    def times(self) -> tuple[int, ...]:
        """How far it has come in each round, in ns."""
        return tuple((self.time - behind) * MILLISECOND for behind in (0, *self.behind))


Fact: TypeAlias = (
    TaskStarted
    | TaskHeartbeat
    | TaskEnded
    | CredentialIssued
    | CredentialRenewed
    | CredentialUsed
    | CredentialRevoked
    | RevocationOutcome
    | Leak
    | LimitedRecord
    | Claim
    | Recall
    | TaskSubscription
    | TaskStatus
    | CandidateSubscription
    | CandidateStatuses
    | CandidateStatusesPart
    | Handover
    | FindingOpened
    | FindingOver
    | FindingDeleted
    | LeakWithdrawal
    | InputProgress
    | WorkProgress
)
Routed: TypeAlias = tuple[str, Fact]  # the key of an aggregate, and a fact for it

_encoder: Final = msgspec.json.Encoder()  # JSON: MessagePack cannot hold the nanoseconds of the year 9999
_decoder: Final = msgspec.json.Decoder(Fact)


def encode(fact: Fact) -> bytes:
    """A fact as bytes; equal facts give equal bytes."""
    return _encoder.encode(fact)


def decode(value: bytes) -> Fact:
    """The fact that was encoded.

    Raises:
        msgspec.MsgspecError: no fact was.
    """
    found: Fact = _decoder.decode(value)
    return found


def task_key(task_id: str) -> str:
    """The key of a task's aggregate."""
    return TASK + task_id


def roster_key(group: str) -> str:
    """The key of the roster of a group of tasks."""
    return ROSTER + group


def answer(key: str, status: TaskStatus) -> list[Routed]:
    """A task's answer to a subscription of the aggregate `key`.

    Other tasks and rosters wait for it. A leaked secret and a stream only show what is known: while nothing is, they
    get none.
    """
    known = status.start is not None or status.end is not None or status.heartbeat is not None
    return [(key, status)] if known or not key.startswith((LEAKED, LIMITED)) else []


def issue_key(issue: CredentialIssued) -> str:
    """The key of the aggregate that judges the credential of an issue: its task's, or one of its own."""
    if issue.task_id is not None:
        return task_key(issue.task_id)
    return candidates_key(issue.credential_id)


def candidates_key(credential_id: str) -> str:
    """The key of the aggregate of a credential that belongs to one of several tasks."""
    return CANDIDATES + credential_id


def credential_key(credential_id: str) -> str:
    """The key of the name that is a credential's id."""
    return CREDENTIAL + credential_id


def identifier_key(identifier: Identifier) -> str:
    """The key of the name that is an identifier. Only its scheme and value count."""
    return f"{IDENTIFIER}{identifier.scheme}:{identifier.value}"


def secret_key(fingerprint: str) -> str:
    """The key of a leaked secret."""
    return LEAKED + fingerprint


def limited_key(record: LimitedRecord) -> str:
    """The key of a stream with records that could not be examined whole."""
    return LIMITED + record.stream_name


def finding_key(uid: str) -> str:
    """The key of the record of a finding."""
    return FINDING + uid


def group_key(group: str) -> str:
    """The key of a group of credentials that can be revoked at once."""
    return GROUP + group


def name_key(event: CredentialEvent) -> str:
    """The key of the name by which an event refers to its credential. An id comes first: it may be known there."""
    if event.credential_id is not None:
        return credential_key(event.credential_id)
    return identifier_key(event.identifier) if event.identifier is not None else credential_key("")


def registry_key(issue: CredentialIssued) -> bytes:
    """The key of an issue in the registry topic. It is JSON, so that no two issues share a key."""
    return _encoder.encode(("cred", issue.credential_id, issue.source, issue.id))


def without_terms(issue: CredentialIssued) -> CredentialIssued:
    """An issue without what only its task's aggregate needs: grants, approval, binding and revocation handle."""
    terms = (issue.grants, issue.approval, issue.bound_to, issue.revocation)
    if terms == (None, None, None, None):
        return issue
    return msgspec.structs.replace(issue, grants=None, approval=None, bound_to=None, revocation=None)


def claims(issue: CredentialIssued) -> Iterator[Routed]:
    """The claims for each name of an issue, and the membership for each of its groups."""
    claim = Claim(without_terms(issue))
    member = Claim(msgspec.structs.replace(claim.issue, identifiers=()))
    for group in issue.groups:
        yield group_key(group), member
    yield credential_key(issue.credential_id), claim
    for identifier in dict.fromkeys((each.scheme, each.value) for each in issue.identifiers):
        yield f"{IDENTIFIER}{identifier[0]}:{identifier[1]}", claim
        if identifier[0] == HMAC:  # the value is the fingerprint under which the secret would leak
            yield secret_key(identifier[1]), claim


class Owners(Protocol):
    """The part of a registry that routing asks: the key of the aggregate that judges a credential.

    It is None if no known issue owns the name that is asked for.
    """

    def by_identifier(self, identifier: Identifier) -> str | None:
        """That of the owner of an identifier."""

    def owner(self, event: CredentialEvent) -> str | None:
        """That of the owner of the name by which an event refers to its credential."""


def route_event(event: CanonicalEvent, owners: Owners) -> list[Routed]:
    """The aggregates that an event is for. The caller adds issues to the registry."""
    # To ask a struct for its type takes 0.03 µs, `isinstance` 0.2 for each class that it is not of.
    if type(event) is TaskStarted and event.group is not None:
        return [(task_key(event.task_id), event), (roster_key(event.group), event)]
    if type(event) is TaskStarted or type(event) is TaskHeartbeat or type(event) is TaskEnded:
        return [(task_key(event.task_id), event)]
    if type(event) is CredentialIssued:
        return [(issue_key(event), event), *claims(event)]
    if type(event) is CredentialRevoked and event.group is not None:
        return [(group_key(event.group), event)]
    owner = owners.owner(event)
    if owner is not None:
        return [(owner, event)]
    return [(name_key(event), event)]


def route_leak(leak: Leak, owners: Owners) -> list[Routed]:
    """The tasks whose credentials a leak shows.

    If none of its identifiers has an owner yet, the leak goes to the leaked secret and also waits at those names.
    """
    owned: dict[str, Fact] = {}
    waiting: dict[str, Fact] = {}
    for identifier in leak.identifiers:
        owner = owners.by_identifier(identifier)
        if owner is not None:
            owned[owner] = leak
        else:
            waiting[identifier_key(identifier)] = leak
    if not owned:
        waiting[secret_key(leak.fingerprint)] = leak
    return [*owned.items(), *waiting.items()]


def route(event: AnyEvent, owners: Owners) -> list[Routed]:
    """The aggregates that an event or leak is for."""
    if type(event) is LimitedRecord:
        return [(limited_key(event), event)]
    return route_leak(event, owners) if type(event) is Leak else route_event(event, owners)
