"""The canonical events, into which every source is translated before anything else sees it.

All times are nanoseconds since the epoch (`detector.values.times`). Structs with a `tag` are sent between processes as
MessagePack. docs/events.md describes the fields.
"""

from typing import Any, ClassVar, Final, final

import msgspec

SUCCESS: Final = "success"
DENIED: Final = "denied"
TASK_OUTCOMES: Final = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
MAX_FUTURE: Final = 600_000_000_000  # an event more than 10 minutes ahead of the clock is a dead letter


class Identifier(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Recognises a credential without its secret.

    `value` is normalised: a `sha256` is always 64 lower-case hex digits, however the source wrote it. `length` is the
    length of the secret in bytes and `check` its rolling check (see `detector.values.secrets`), if they were
    registered. `key_id` names the deployment key of an `hmac-sha256`, and `folded` is the digest of its secret
    without its case. `shape` says which characters the secret has (`detector.values.registrable`); None: any.
    """

    scheme: str
    value: str
    length: int | None = None
    check: str | None = None
    key_id: str | None = None
    folded: str | None = None
    shape: str | None = None


class Grant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Allowed actions and resources, as globs. None matches everything, an empty list nothing."""

    actions: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None


class Approval(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The window in which a credential may be used. A side that is None is open."""

    not_before: int | None = None
    not_after: int | None = None


class Binding(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The workloads (globs) and networks (CIDR) that may use a credential. None: this part is not judged."""

    workloads: tuple[str, ...] | None = None
    source_ips: tuple[str, ...] | None = None


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False, kw_only=True):
    """The fields that all events have. `source` and `id` together identify an event."""

    time: int
    source: str
    id: str


@final
class TaskStarted(Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="task.started"):
    """A task started. `group` is what its siblings share, such as a repository or a namespace."""

    task_id: str
    kind: str | None = None
    owner: str | None = None
    workload: str | None = None
    parent_task_id: str | None = None
    deadline: int | None = None
    group: str | None = None


@final
class TaskEnded(Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="task.ended"):
    """A task ended. `outcome` is one of `TASK_OUTCOMES`, or None if it is not known."""

    task_id: str
    outcome: str | None = None


@final
class TaskHeartbeat(Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="task.heartbeat"):
    """A task was alive, and counts as alive for its `lease` (ns) from then on."""

    task_id: str
    lease: int

    @property
    def lapse(self) -> int:
        """When the lease lapses, in ns: unless another heartbeat or an end is known, the task ended then."""
        return self.time + self.lease

    def outlasts(self, other: "TaskHeartbeat | None") -> bool:
        """Whether its lease counts and not that of the other: it lapses later. The rest breaks ties."""
        return other is None or _lasting(self) > _lasting(other)


def _lasting(beat: TaskHeartbeat) -> tuple[int, int, str, str]:
    return beat.lapse, beat.time, beat.source, beat.id


TaskEnding = TaskEnded | TaskHeartbeat  # what ends a task: that it ended, or that its lease lapsed


class IssuedTo(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who asked for a credential: the caller's IP address and workload, as the issuer saw them."""

    source_ip: str | None = None
    workload: str | None = None


@final
class CredentialIssued(Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="credential.issued"):
    """A credential was issued to a task.

    Without a `task_id` it belongs to one of its candidates: tasks of the `task_group` that ran when it was issued.
    `unjoined` says in a few words why an issue names no task that anything else reports, for the report of what could
    not be judged: `session name "GitHubActions" names no job`.

    If `grants` is None, its scope is not judged; if it is empty, nothing is granted. `groups` are names under which
    many credentials can be revoked at once: a role, a pod, a parent token.
    """

    credential_id: str
    task_id: str | None
    identifiers: tuple[Identifier, ...]
    kind: str | None = None
    not_before: int | None = None
    expires_at: int | None = None
    grants: tuple[Grant, ...] | None = None
    approval: Approval | None = None
    bound_to: Binding | None = None
    revocation: dict[str, Any] | None = None
    groups: tuple[str, ...] = ()
    task_group: str | None = None
    issued_to: IssuedTo | None = None
    unjoined: str | None = None


@final
class CredentialRenewed(
    Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="credential.renewed"
):
    """A credential got another expiry. `credential_id` or `identifier` is set; the first wins."""

    expires_at: int
    credential_id: str | None = None
    identifier: Identifier | None = None


@final
class CredentialUsed(Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="credential.used"):
    """A credential was used. `outcome` is `SUCCESS` or `DENIED`; `task_id` is the task that claims to use it."""

    credential_id: str | None = None
    identifier: Identifier | None = None
    action: str | None = None
    resource: str | None = None
    outcome: str = SUCCESS
    task_id: str | None = None
    workload: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None


@final
class CredentialRevoked(
    Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="credential.revoked"
):
    """A credential was revoked, which is final.

    With a `group` all its credentials are revoked that were issued before `issued_before` (ns; None: before the event).
    """

    credential_id: str | None = None
    identifier: Identifier | None = None
    group: str | None = None
    issued_before: int | None = None

    def revokes(self, issue: CredentialIssued) -> bool:
        """Whether it revokes, with a group, the credential of this governing issue."""
        before = self.time if self.issued_before is None else self.issued_before
        return self.group in issue.groups and issue.time < before


CONCLUSIVE: Final = frozenset({"confirmed", "gone-already"})
"""The outcomes of a command after which its credential is dead."""


@final
class RevocationOutcome(
    Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="credential.revocation.outcome"
):
    """What became of a command, as whoever carried it out says.

    `outcome` is `confirmed`, `done-unproved`, `refused`, `gone-already`, `failed` or `held`. `proof` says how it is
    known, `target` where it was done, `detail` more. `finished_at` (ns) is the event's time if it says none.
    """

    identifier: ClassVar[None] = None  # an outcome names its credential by id only
    credential_id: str
    command_id: str
    outcome: str
    proof: str | None = None
    target: str | None = None
    started_at: int | None = None
    finished_at: int | None = None
    detail: str | None = None

    @property
    def dead_at(self) -> int | None:
        """When the credential was dead, in ns; None if this does not say that it is."""
        if self.outcome not in CONCLUSIVE:
            return None
        return self.time if self.finished_at is None else self.finished_at


@final
class Leak(Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="leak"):
    """A log record that shows one secret. The secret itself is not stored here.

    `source` is the file or topic, and `id` the position of the record in it: `"17"` is a line, `"p3@1042"` a partition
    and offset, and `#3` after either the third log record of an OTLP request. Together they identify the record. A
    record with two secrets makes two leaks; a record with the same secret twice makes one.

    `identifiers` are all those under which the secret may be registered: an `hmac-sha256` for each key in force, a
    `sha256`, public ones. Only the fingerprint leaves the process. `fingerprint` groups the leaks of an unregistered
    secret. `pattern` is the id of the pattern that matched; `pattern` and `severity` are None if only a registered
    fingerprint matched. `allowed_until` (ns) is the expiry of the `[[allow]]` entry that covers the leak, or None.
    `received` (ns) is Kafka's timestamp of the record, or None. `time_origin` says where `time` is from, as
    `detector.records.log_times` has it. Of a secret that only its name gave away, `name` is that name, shortened, and
    `confidence` how sure it is that this is a secret (1 to 3, OCSF's `confidence_id`); None of any other.

    Records of a file that show nothing but the same secret, again and again at one time, are told in one leak: `also`
    has the lines of the further ones.
    """

    identifiers: tuple[Identifier, ...]
    fingerprint: str
    pattern: str | None
    severity: int | None
    excerpt: str
    encodings: tuple[str, ...] = ()
    line: int | None = None
    offset: int | None = None
    partition: int | None = None
    task_id: str | None = None
    stream: str | None = None
    allowed_until: int | None = None
    received: int | None = None
    time_origin: str | None = None
    name: str | None = None
    confidence: int | None = None
    also: tuple[int, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The `id` of each record."""
        return (self.id, *map(str, self.also))

    @property
    def known_since(self) -> int:
        """When it came, as far as that is known: state is kept by this time, whatever time the record states."""
        return self.time if self.received is None else max(self.time, self.received)

    @property
    def allowed(self) -> bool:
        """Whether the configuration allows it, as long as no registered credential has this secret."""
        return self.allowed_until is not None and self.known_since <= self.allowed_until


@final
class LimitedRecord(Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="limited"):
    """A log record that was not examined whole: it asked for more than its share of decoding or findings.

    `source` and `id` name the record as those of a `Leak` do, and `also` has the lines of further ones as there.
    `reason` is one of `detector.scan.shares`, `size` the bytes of its text. Of findings it is the first of so many
    `records` of its stream that were cut short; later there may be more of them.
    """

    reason: str
    size: int
    line: int | None = None
    offset: int | None = None
    partition: int | None = None
    task_id: str | None = None
    stream: str | None = None
    records: int = 1
    also: tuple[int, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The `id` of each record."""
        return (self.id, *map(str, self.also))

    @property
    def stream_name(self) -> str:
        """`<source>/<task id>/<stream>`: the stream of log records that it is one of."""
        return f"{self.source}/{self.task_id or ''}/{self.stream or ''}"

    def outgrows(self, known: Event) -> bool:
        """Whether it stands for more records than one that is known of them."""
        return isinstance(known, LimitedRecord) and self.records > known.records


Lifecycle = (
    TaskStarted
    | TaskHeartbeat
    | TaskEnded
    | CredentialIssued
    | CredentialRenewed
    | CredentialRevoked
    | RevocationOutcome
)
CanonicalEvent = Lifecycle | CredentialUsed
AnyEvent = CanonicalEvent | Leak | LimitedRecord
CredentialEvent = (
    CredentialUsed | CredentialRenewed | CredentialRevoked | RevocationOutcome
)  # these refer to a credential by name

TYPES: Final[dict[str, type[CanonicalEvent]]] = {
    "task.started": TaskStarted,
    "task.heartbeat": TaskHeartbeat,
    "task.ended": TaskEnded,
    "credential.issued": CredentialIssued,
    "credential.renewed": CredentialRenewed,
    "credential.used": CredentialUsed,
    "credential.revoked": CredentialRevoked,
    "credential.revocation.outcome": RevocationOutcome,
}
TYPE_NAMES: Final[dict[type[Any], str]] = {cls: name for name, cls in TYPES.items()}
