"""A task that tells curfewd of itself: that it started, which credentials it has, and how it ended."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from detector.register.canary import Canary, make
from detector.register.delivery import Sender
from detector.register.destinations import Destination, destination_of
from detector.register.heartbeats import Heartbeats, heartbeat, lease_of
from detector.register.identifiers import identifiers_of, keys_of
from detector.register.messages import OUTCOMES, ended, event
from detector.register.shown_secrets import refuse_shown
from detector.register.spool import Spool, SpoolFullError, spool_folder, spooled
from detector.values.errors import UsageError
from detector.values.registrable import CANARY_KIND
from detector.values.secrets import DeploymentKey, Secret
from detector.values.times import format_rfc3339, parse_duration

DESTINATION_VARIABLE: Final = "CURFEWD_TO"
TASK_VARIABLE: Final = "CURFEWD_TASK"
SOURCE: Final = "curfewd-register"
LONGEST_ID: Final = 1024  # characters of an id
_PATIENCE_SECONDS: Final = 5.0  # for the last events, when a task ends


class Description(NamedTuple):
    """What is told of a task when it starts. `deadline` is a duration from then: `"15m"`, or seconds."""

    task_id: str
    kind: str | None = None
    owner: str | None = None
    workload: str | None = None
    group: str | None = None
    parent: str | None = None
    deadline: str | float | None = None

    def started(self, source: str, now: int) -> bytes:
        """The event of its start.

        Raises:
            UsageError: the id is empty or too long, or the deadline is no duration.
        """
        if not 0 < len(self.task_id) <= LONGEST_ID:
            raise UsageError(f"a task needs an id of at most {LONGEST_ID} characters")
        try:
            due = None if self.deadline is None else format_rfc3339(now + parse_duration(self.deadline))
        except ValueError as error:
            raise UsageError(f"the deadline is {error}") from None
        fields = {
            "task_id": self.task_id,
            "group": self.group,
            "kind": self.kind,
            "owner": self.owner,
            "workload": self.workload,
            "parent_task_id": self.parent,
            "deadline": due,
        }
        try:
            return event("task.started", source, now, fields)
        except ValueError:
            raise UsageError("the id of the task, or another text about it, is not UTF-8") from None


def issued(
    source: str, now: int, fields: Mapping[str, Any], secret: Secret, keys: Sequence[DeploymentKey]
) -> bytes:
    """The event that registers a task's credential: the `fields` of `credential.issued`, and its secret's identifiers.

    Raises:
        InputError: the secret cannot be registered. The message does not hold it.
        UsageError: a field shows the secret, in whatever form, or is no JSON.
    """
    full = {**fields, "identifiers": [*identifiers_of(secret, keys), *fields.get("identifiers", ())]}
    try:
        line = event("credential.issued", source, now, full)
    except (TypeError, ValueError, RecursionError):
        raise UsageError("a field of the credential cannot be written as JSON") from None
    refuse_shown([line], [secret])
    return line


def canary_fields(task_id: str, name: str, canary: Canary) -> dict[str, Any]:
    """What `credential.issued` says of a decoy beside its secret: nothing is granted to it."""
    return {
        "credential_id": f"{task_id}/{name}",
        "task_id": task_id,
        "kind": CANARY_KIND,
        "grants": [],
        "identifiers": []
        if canary.key_id is None
        else [{"scheme": "aws-access-key-id", "value": canary.key_id}],
    }


class Task:
    """A task, from entering its block to leaving it: `with Task("agent/42") as task:`, or `async with`.

    `to` is a file, an `http(s)://` URL or `kafka://HOST:PORT/TOPIC`; without it `CURFEWD_TO` is. A thread sends the
    events. What cannot be sent waits in the spool, and the next task on this machine with the same destination sends
    it. Nothing here waits for the network but the end, for at most `patience` seconds.

    A process that is killed does not leave its block: then the next task ends this one, when its lease ran out. With
    a `lease` (`"90s"`, or seconds) the thread also sends heartbeats, every third of it. So the task ends when the
    lease has lapsed, though the machine never comes back. If not `beats`, only `heartbeat` sends some: then a task
    that hangs ends too.

    Raises:
        UsageError: there is no destination, or an argument is wrong.
    """

    def __init__(  # noqa: PLR0913 - what is told of a task
        self,
        task_id: str,
        *,
        kind: str | None = None,
        owner: str | None = None,
        workload: str | None = None,
        group: str | None = None,
        parent: str | None = None,
        deadline: str | float | None = None,
        lease: str | float | None = None,
        beats: bool = True,
        to: str | Destination | None = None,
        source: str = SOURCE,
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        parent = parent or os.environ.get(TASK_VARIABLE) or None
        self.id = task_id
        self.outcome: str | None = None
        """How it ended: `succeeded`, `failed`, `cancelled` or `timed_out`. If None, the way out of the block tells."""
        self._description = Description(task_id, kind, owner, workload, group, parent, deadline)
        self._keys = keys_of()
        to = to or os.environ.get(DESTINATION_VARIABLE) or ""
        self._destination = destination_of(to) if isinstance(to, str) else to
        self._source = source
        self._lease = None if lease is None else lease_of(lease)
        self._beats = beats
        self._patience = patience
        self._process = 0
        self._numbered = 0
        self._start = b""
        self._sender: Sender | None = None

    def __enter__(self) -> Self:
        if self._sender is not None:
            raise UsageError("a task is started once: a retry is a new task, with an id of its own")
        self._start = self._description.started(self._source, time.time_ns())
        lines = [self._start]
        if self._lease is not None:
            lines.append(heartbeat(self._source, self.id, self._lease))
        file, spool = spooled(Spool(spool_folder(), self._destination.address), lines, _warn)
        self._process = os.getpid()
        every = self._lease if self._beats else None
        heartbeats = Heartbeats(self._destination, self._source, self.id, every)
        self._sender = Sender(file, spool, self._destination, heartbeats)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.end(self.outcome or _outcome_of(error))

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tell_end(self.outcome or _outcome_of(error))
        import asyncio  # noqa: PLC0415 - whoever gets here has loaded it

        await asyncio.shield(asyncio.to_thread(self._finish))

    def credential(  # noqa: PLR0913 - the fields of `credential.issued`
        self,
        secret: str | bytes,
        *,
        kind: str | None = None,
        name: str | None = None,
        grants: Sequence[Mapping[str, Sequence[str]]] | None = None,
        lifetime: str | float | None = None,
        approval: Mapping[str, str] | None = None,
        bound_to: Mapping[str, Sequence[str]] | None = None,
        revocation: Mapping[str, Any] | None = None,
    ) -> str:
        """Registers a credential that the task was issued, and returns its id: `<task id>/<name>`.

        Without a `name` it has a number. `lifetime` is how long it lives from now, `"1h"` or seconds. The others are as
        docs/events.md has them.

        Raises:
            InputError: the secret cannot be registered, for the reason that it says.
            UsageError: the task does not run, or a field is wrong.
        """
        held = Secret(secret.encode() if isinstance(secret, str) else secret)
        now = time.time_ns()
        self._numbered += 1
        credential_id = f"{self.id}/{name or f'credential-{self._numbered}'}"
        try:
            expiry = None if lifetime is None else format_rfc3339(now + parse_duration(lifetime))
        except ValueError as error:
            raise UsageError(f"the lifetime is {error}") from None
        fields = {
            "credential_id": credential_id,
            "task_id": self.id,
            "kind": kind,
            "expires_at": expiry,
            "grants": None if grants is None else [dict(grant) for grant in grants],
            "approval": approval,
            "bound_to": bound_to,
            "revocation": revocation,
        }
        line = issued(self._source, now, fields, held, self._keys)
        self._running()
        refuse_shown([self._start], [held])
        self._tell(line)
        return credential_id

    def canary(self, form: str = "github", *, name: str | None = None) -> Canary:
        """Makes a decoy that opens nothing, and registers it as a credential of this task: any use or leak is critical.

        `form` is `github`, `gitlab`, `npm`, `aws` or `hex`. Plant its `secret` (and `key_id`) where a thief would look.

        Raises:
            UsageError: there is no such form, or the task does not run.
        """
        canary = make(form)
        self._numbered += 1
        name = name or f"canary-{self._numbered}"
        fields = canary_fields(self.id, name, canary)
        self._tell(issued(self._source, time.time_ns(), fields, Secret(canary.secret.encode()), self._keys))
        return canary

    def heartbeat(self, lease: str | float | None = None) -> None:
        """Tells that the task is alive, and counts as alive for its `lease` from now on, or for another one.

        It is sent at once, or not at all if a later one is told before it could be sent.

        Raises:
            UsageError: the task does not run, or has no lease.
        """
        lasting = self._lease if lease is None else lease_of(lease)
        if lasting is None:
            raise UsageError("the task has no lease: say how long it counts as alive")
        self._running().beat(heartbeat(self._source, self.id, lasting))

    def revoked(self, credential_id: str) -> None:
        """Tells that a credential of this task was revoked."""
        self._tell(
            event("credential.revoked", self._source, time.time_ns(), {"credential_id": credential_id})
        )

    def end(self, outcome: str) -> None:
        """Ends the task, as leaving its block does. A second end changes nothing.

        Raises:
            UsageError: there is no such outcome.
        """
        self._tell_end(outcome)
        self._finish()

    def _running(self) -> Sender:
        if self._sender is None or not self._process:
            raise UsageError("the task does not run: use it within its `with` block")
        if self._process != os.getpid():
            raise UsageError("the task was started by another process: start one in this process")
        return self._sender

    def _tell(self, line: bytes) -> None:
        sender = self._running()
        try:
            sender.append(line)
        except (OSError, SpoolFullError) as error:
            _warn("an event of the task is lost, because the spool cannot hold it: %s", error)

    def _tell_end(self, outcome: str) -> None:
        if outcome not in OUTCOMES:
            raise UsageError(f"a task ends as one of {', '.join(OUTCOMES)}")
        if self._process == os.getpid():  # a fork that leaves the block does not end the task of its parent
            self._tell(ended(self._source, time.time_ns(), self.id, outcome))
            self._process = 0

    def _finish(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None and not self._process:
            left, reason = sender.finish(self._patience)
            if left:
                _warn("%d events of the task wait in the spool, and will be sent later: %s", left, reason)


def _outcome_of(error: BaseException | None) -> str:
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return "succeeded"
    if isinstance(error, TimeoutError):
        return "timed_out"
    futures = sys.modules.get("asyncio.exceptions")  # if it is not loaded, nothing of it was cancelled
    stray = () if futures is None else (futures.CancelledError,)
    if isinstance(error, (KeyboardInterrupt, GeneratorExit, *stray)):
        return "cancelled"
    return "failed"


def _warn(text: str, *values: object) -> None:
    import logging  # noqa: PLC0415 - only where something is wrong

    logging.getLogger("curfewd.register").warning(text, *values)
