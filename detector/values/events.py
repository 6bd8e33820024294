"""The canonical events: what every source is translated into before anything looks at it.

All times are nanoseconds since the epoch (`detector.values.times`). Every struct is frozen; the ones with a `tag`
travel between processes as MessagePack. Field names and meanings are those of the README's event table.
"""

from typing import Any, Final

import msgspec

SUCCESS: Final = "success"
DENIED: Final = "denied"
TASK_OUTCOMES: Final = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
MAX_FUTURE: Final = 600_000_000_000  # an event more than 10 minutes ahead of the clock is a dead letter


class Identifier(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Something by which a credential is recognised without its secret.

    `value` is normalised: a `sha256` is always 64 lower-case hex digits, however it was written.
    `length` is the secret's in bytes and `check` the rolling check (see `detector.values.secrets`), if registered;
    `key_id` names the deployment key of an `hmac-sha256`.
    """

    scheme: str
    value: str
    length: int | None = None
    check: str | None = None
    key_id: str | None = None


class Grant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Actions on resources, as globs; a list that is None matches everything, an empty one nothing."""

    actions: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None


class Approval(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The approved window; a side that is None is open."""

    not_before: int | None = None
    not_after: int | None = None


class Binding(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a credential may be used from: workload globs and CIDR networks; None is not judged."""

    workloads: tuple[str, ...] | None = None
    source_ips: tuple[str, ...] | None = None


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False, kw_only=True):
    """What every event has: its time, and `source` + `id`, which together identify it."""

    time: int
    source: str
    id: str


class TaskStarted(Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="task.started"):
    """A task began."""

    task_id: str
    kind: str | None = None
    owner: str | None = None
    workload: str | None = None
    parent_task_id: str | None = None
    deadline: int | None = None


class TaskEnded(Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="task.ended"):
    """A task ended, with one of `TASK_OUTCOMES` where known."""

    task_id: str
    outcome: str | None = None


class CredentialIssued(Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="credential.issued"):
    """A credential was issued to a task. `grants` None: scope is not judged; empty: nothing is granted.

    `groups` name what many credentials can be revoked by at once: a role, a pod, a parent token.
    """

    credential_id: str
    task_id: str
    identifiers: tuple[Identifier, ...]
    kind: str | None = None
    not_before: int | None = None
    expires_at: int | None = None
    grants: tuple[Grant, ...] | None = None
    approval: Approval | None = None
    bound_to: Binding | None = None
    revocation: dict[str, Any] | None = None
    groups: tuple[str, ...] = ()


class CredentialRenewed(
    Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="credential.renewed"
):
    """A credential's expiry moved. `credential_id` wins over `identifier`; one of them is set."""

    expires_at: int
    credential_id: str | None = None
    identifier: Identifier | None = None


class CredentialUsed(Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="credential.used"):
    """A credential did something. `outcome` is `SUCCESS` or `DENIED`; `task_id` is who claims to use it."""

    credential_id: str | None = None
    identifier: Identifier | None = None
    action: str | None = None
    resource: str | None = None
    outcome: str = SUCCESS
    task_id: str | None = None
    workload: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None


class CredentialRevoked(
    Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="credential.revoked"
):
    """A credential was revoked; that is final.

    With `group` it is each credential of that group issued before `issued_before` (ns; None: before the event).
    """

    credential_id: str | None = None
    identifier: Identifier | None = None
    group: str | None = None
    issued_before: int | None = None

    def strikes(self, issue: CredentialIssued) -> bool:
        """Whether it is for the credential of a governing issue, as one of its group."""
        before = self.time if self.issued_before is None else self.issued_before
        return self.group in issue.groups and issue.time < before


class Leak(Event, frozen=True, array_like=True, gc=False, kw_only=True, tag="leak"):
    """A log record that shows one secret, found by the scanner; the secret itself is not in here.

    `source` is the file or topic and `id` the place of the record in it (`"17"` a line, `"p3@1042"` a
    partition and offset; behind it `#3` for the third of the log records that one of OTLP holds): they identify the
    record. One record with two secrets gives two leaks, one with
    the same secret twice gives one. `identifiers` are all by which the secret may be registered (an
    `hmac-sha256` under each key in force, `sha256`, public ones); they never leave the process but for the
    fingerprint. `fingerprint` groups leaks of one unregistered secret. `pattern` is the id of the pattern
    that recognised it, None where only a registered fingerprint did, and then `severity` is None too.
    `allowed_until` (ns) says until when the configuration lets such a leak go, None: it does not.
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

    @property
    def allowed(self) -> bool:
        """Whether it is let go, unless the secret turns out to be a registered credential's."""
        return self.allowed_until is not None and self.time <= self.allowed_until


Lifecycle = TaskStarted | TaskEnded | CredentialIssued | CredentialRenewed | CredentialRevoked
CanonicalEvent = Lifecycle | CredentialUsed
AnyEvent = CanonicalEvent | Leak
CredentialEvent = (
    CredentialUsed | CredentialRenewed | CredentialRevoked
)  # these refer to a credential by name

TYPES: Final[dict[str, type[CanonicalEvent]]] = {
    "task.started": TaskStarted,
    "task.ended": TaskEnded,
    "credential.issued": CredentialIssued,
    "credential.renewed": CredentialRenewed,
    "credential.used": CredentialUsed,
    "credential.revoked": CredentialRevoked,
}
TYPE_NAMES: Final[dict[type[Any], str]] = {cls: name for name, cls in TYPES.items()}
