"""Findings, their evidence, and commands, as the judge makes them. Outputs write them as OCSF or CloudEvents."""

import hashlib
import uuid
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, Literal, Self

import msgspec

from detector.values.events import AnyEvent, Identifier, Leak
from detector.values.times import to_millis

NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "curfewd")
_NAMESPACED: Final = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)
MOST_FINDINGS: Final = (
    1_000  # different secrets that nobody registered, of a stream in a window of its records
)
MOST_LEAKS: Final = 10_000  # places where it shows them, the same ones again and again
TOO_MANY_SECRETS: Final = "findings"  # the reason of a `LimitedRecord` whose stream shows more
MAX_EVIDENCES: Final = 20


class _Level(IntEnum):
    @classmethod
    def of(cls, name: str) -> Self:
        """The level with that name, such as `low`.

        Raises:
            KeyError: there is no such level.
        """
        return cls[name.upper()] if name.islower() else cls[name]

    @property
    def label(self) -> str:
        """The name, as the configuration and commands write it."""
        return self._name_.lower()  # `name` takes a search through the class


class Severity(_Level):
    """OCSF's `severity_id`."""

    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5


class Confidence(_Level):
    """How sure it is that what was found is a secret: OCSF's `confidence_id`."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


_SEVERITIES: Final = {
    Confidence.LOW: Severity.LOW,
    Confidence.MEDIUM: Severity.MEDIUM,
    Confidence.HIGH: Severity.HIGH,
}


def severity_of(confidence: Confidence) -> Severity:
    """The severity of a secret that only its name gave away."""
    return _SEVERITIES[confidence]


LEAKED_CREDENTIAL: Final = "leaked-credential"
LEAKED_SECRET: Final = "leaked-secret"  # noqa: S105 - a rule's name
USE_AFTER_TERMINATION: Final = "use-after-termination"
USE_AFTER_REVOCATION: Final = "use-after-revocation"
USE_OUTSIDE_WINDOW: Final = "use-outside-window"
USE_OUTSIDE_SCOPE: Final = "use-outside-scope"
USE_BY_OTHER_WORKLOAD: Final = "use-by-other-workload"
USE_FROM_ELSEWHERE: Final = "use-from-elsewhere"
OUTLIVES_TASK: Final = "outlives-task"
UNUSED_GRANT: Final = "unused-grant"
OVERLONG_CREDENTIAL: Final = "overlong-credential"
OVERDUE_TASK: Final = "overdue-task"
SCAN_LIMITED: Final = "scan-limited"
REVOCATION_UNCONFIRMED: Final = "revocation-unconfirmed"


def _uuid_of(name: str) -> str:
    """UUIDv5 of a name, as `uuid.uuid5` makes it, in a third of the time."""
    digest = _NAMESPACED.copy()
    digest.update(name.encode())
    found = digest.hexdigest()
    variant = "89ab"[int(found[16], 16) & 3]
    return f"{found[:8]}-{found[8:12]}-5{found[13:16]}-{variant}{found[17:20]}-{found[20:32]}"


@lru_cache(maxsize=65536)
def finding_uid(rule: str, key: str) -> str:
    """UUIDv5 of `<rule>/<key>`. The key is a credential id, a fingerprint, a task id or a stream of log records."""
    return _uuid_of(f"{rule}/{key}")


@lru_cache(maxsize=65536)
def command_id(credential_id: str, *, escalated: bool) -> str:
    """UUIDv5 of `<credential id>/plain` or `/escalated`. A revoker recognises a second copy by it."""
    return _uuid_of(f"{credential_id}/{'escalated' if escalated else 'plain'}")


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """One piece of evidence: an event or a leak, and the time at which it counts.

    Rules that are judged at a later time (deadline + grace period) set that `time`, not the event's own. `detail` says
    in a few words what is wrong: `"action not granted"`, `"grant 2 of 3 never used"`.
    """

    time: int
    event: AnyEvent
    severity: Severity
    detail: str = ""


class TaskFacts(msgspec.Struct, frozen=True, gc=False):
    """What is known about a task, for `resources[]`. Times are in nanoseconds; None is unknown.

    `lapsed`: it ended because its lease lapsed, so nobody reported how.
    """

    task_id: str
    kind: str | None = None
    owner: str | None = None
    workload: str | None = None
    parent_task_id: str | None = None
    started: int | None = None
    ended: int | None = None
    deadline: int | None = None
    outcome: str | None = None
    lapsed: bool = False


class CandidateFacts(msgspec.Struct, frozen=True, gc=False):
    """The tasks to one of which a credential was issued. Times are in nanoseconds.

    `tasks` are the first 20 of `count` by start. `kind` is the kind that all have, None if they differ. `ended` is
    the last of their ends, at which a lease `lapsed` or not, and `deadline` the latest of their deadlines, None while
    one of them has none.
    """

    count: int
    kind: str | None = None
    ended: int | None = None
    deadline: int | None = None
    tasks: tuple[TaskFacts, ...] = ()
    lapsed: bool = False

    @property
    def task_ids(self) -> tuple[str, ...]:
        """The ids of `tasks`."""
        return tuple(task.task_id for task in self.tasks)


class Resolution(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What proved that a credential is dead: the last such outcome of a command.

    `time` is when it was dead, in ns. The rest is as `detector.values.events.RevocationOutcome` has it.
    """

    command_id: str
    outcome: str
    time: int
    proof: str | None = None
    target: str | None = None
    detail: str | None = None


class CredentialFacts(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What is known about a credential. `expires_at` follows from its last issue or renewal; None is never.

    `task_id` is None if only its group is known; then `candidates` are the tasks that may be its own.
    """

    credential_id: str
    task_id: str | None
    kind: str | None
    identifiers: tuple[Identifier, ...]
    issued: int
    not_before: int | None
    expires_at: int | None
    revoked: int | None
    revocation: dict[str, Any] | None
    candidates: CandidateFacts | None = None


class Finding(msgspec.Struct, frozen=True, gc=False):
    """A finding: all evidence for one rule about one credential, leaked secret or task.

    The uid is made from `rule` and `key`. `evidences` are the first 20 pieces in the order of event time; `count`
    counts all pieces. `accepted` is the reason in the `[[accept]]` entry that covers the finding, or None. `patterns`
    are the ids of the patterns that matched the leaks; other rules have none. `task` is None if only candidates for
    it are known, which are the credential's `candidates`. `resolution` is what proved its credential dead, if a
    command that names the finding did and nothing happened since.
    """

    rule: str
    key: str
    count: int
    first_seen: int
    last_seen: int
    severity: Severity
    evidences: tuple[Evidence, ...]
    task: TaskFacts | None = None
    credential: CredentialFacts | None = None
    fingerprint: str | None = None
    patterns: tuple[str, ...] = ()
    accepted: str | None = None
    resolution: Resolution | None = None

    @property
    def uid(self) -> str:
        """`finding_info.uid`."""
        return finding_uid(self.rule, self.key)

    @property
    def order(self) -> tuple[int, str]:
        """Findings are written in the order of these."""
        return to_millis(self.first_seen), self.uid

    @property
    def candidates(self) -> CandidateFacts | None:
        """The tasks to one of which its credential was issued, None if its task is known."""
        return self.credential.candidates if self.credential is not None else None

    @property
    def _concerned(self) -> TaskFacts | CandidateFacts | None:
        return self.task if self.task is not None else self.candidates

    @property
    def task_ended(self) -> int | None:
        """When its task, or the last candidate for it, ended (ns); None if that is not known."""
        return self._concerned.ended if self._concerned is not None else None

    @property
    def task_lapsed(self) -> bool:
        """Whether that end is a lease that lapsed."""
        return self._concerned is not None and self._concerned.lapsed

    @property
    def task_deadline(self) -> int | None:
        """When its task, or the last candidate for it, should have ended (ns); None if nothing says so."""
        return self._concerned.deadline if self._concerned is not None else None

    @property
    def names(self) -> tuple[str, ...]:
        """The names that gave the secret away in the evidence that is shown, sorted."""
        leaks = (piece.event for piece in self.evidences if isinstance(piece.event, Leak))
        return tuple(sorted({leak.name for leak in leaks if leak.name}))

    @property
    def confidence(self) -> Confidence | None:
        """How sure it is that the secret is one, by the evidence shown; None if a form or a fingerprint says so."""
        leaks = [piece.event for piece in self.evidences if isinstance(piece.event, Leak)]
        told = [leak.confidence for leak in leaks if leak.confidence is not None]
        return Confidence(max(told)) if told and len(told) == len(leaks) else None

    @property
    def primary_evidence(self) -> Evidence:
        """The piece of evidence that the title is about: the first of the highest severity."""
        severest = (piece for piece in self.evidences if piece.severity == self.severity)
        return next(severest, self.evidences[0])


Activity = Literal["created", "updated", "closed"]


class FindingChange(msgspec.Struct, frozen=True, gc=False):
    """A finding that changed since it was last reported. A closed one has only its `primary_evidence` as evidence.

    An updated one is `raised` if its severity is higher than it was, or if it was accepted and is no longer.
    """

    activity: Activity
    finding: Finding
    raised: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the finding is open and somebody has accepted it."""
        return self.activity != "closed" and self.finding.accepted is not None


class Command(msgspec.Struct, frozen=True, gc=False):
    """A request to revoke one credential. `reasons` are the rules that asked for it at `time`, sorted.

    `owner` is that of its task, None if that is not known.
    """

    credential: CredentialFacts
    time: int
    reasons: tuple[str, ...]
    severity: Severity
    escalated: bool
    owner: str | None = None

    @property
    def id(self) -> str:
        """The CloudEvent's id."""
        return command_id(self.credential.credential_id, escalated=self.escalated)

    @property
    def order(self) -> tuple[int, str, bool]:
        """Commands are written in the order of these: by time and credential id, plain before escalated."""
        return self.time, self.credential.credential_id, self.escalated

    @property
    def finding_uids(self) -> tuple[str, ...]:
        """The uids of the findings behind `reasons`, in the same order."""
        return tuple(finding_uid(rule, self.credential.credential_id) for rule in self.reasons)
