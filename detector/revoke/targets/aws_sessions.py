"""Sessions of AWS roles and users: denied by an inline policy, by their name and the time of their issue."""

import asyncio
import re  # over ARNs of bounded length
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, Observation, Plan, RefusedError, Step, UnavailableError
from detector.revoke.targets.aws_iam import Iam
from detector.revoke.targets.aws_options import AwsOptions
from detector.revoke.targets.aws_session_policy import NAME, Denial, has, with_denials
from detector.revoke.targets.handle_fields import needed, optional
from detector.revoke.targets.settling import FirstSeen

_ARN = re.compile(
    r"arn:aws[a-z-]{0,20}:iam::(?P<account>[0-9]{12}):(?P<kind>role|user)/(?:[\x21-\x7e]{1,510}/)?(?P<name>[\w+=,.@-]{1,64})",
    re.ASCII,
)
_ASSUMED = re.compile(r"AROA[A-Z0-9]{12,124}:[\w+=,.@-]{2,64}", re.ASCII)
_FEDERATED = re.compile(r"arn:aws[a-z-]{0,20}:sts::([0-9]{12}):federated-user/([\w+=,.@-]{2,32})", re.ASCII)
_WITHIN: Final = 60.0
_MEMORY: Final = 60.0  # seconds for which a read of the policy may miss what was just written
_MOST_PRINCIPALS: Final = 1_000


class _Sessions(NamedTuple):
    """The sessions that are denied, and the role or user (`kind`) whose they are; `id` is the role's, if known."""

    kind: str
    name: str
    arn: str
    id: str
    denial: Denial

    def __str__(self) -> str:
        which = "all older sessions"
        if self.denial.user_id is not None:
            which = f"the sessions {self.denial.user_id} of that time"
        return f"{which} of the {self.kind} {self.name}"


class SessionRevocation:
    """Denies sessions."""

    def __init__(
        self, options: AwsOptions, iam: Iam, seen: FirstSeen, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._options = options
        self._iam = iam
        self._seen = seen
        self._clock = clock
        self._locks: dict[str, asyncio.Lock] = {}
        self._written: dict[str, dict[Denial, float]] = {}

    def plan(self, command: RevocationCommand) -> Plan:
        """What it would do.

        Raises:
            RefusedError: the command lacks what is needed.
        """
        sessions = self._sessions(command)
        return Plan(
            (Step(f"deny {sessions} by the inline policy {NAME}", reversible=True),),
            f"IAM has the policy {NAME} with the statement {sessions.denial.sid}",
            _WITHIN + self._options.settle_seconds,
            "a change in IAM takes some seconds to take effect everywhere; what the session has started goes on",
            forgets=False,
        )

    async def revoke(self, command: RevocationCommand) -> str:
        """Adds the denial to the policy.

        Raises:
            RefusedError, GoneError, UnavailableError: it was not done.
        """
        sessions = self._sessions(command)
        async with self._lock(sessions.arn):
            document = await self._look(sessions)
            if document is None or has(document, sessions.denial):
                await asyncio.sleep(max(0.0, self._options.settle_seconds - self._seen.seconds(sessions)))
                raise GoneError(_how(sessions, document), known=document is not None)
            made = with_denials(document, self._recent(sessions), sessions.kind, self._clock())
            await self._iam.call(
                "iam",
                f"put_{sessions.kind}_policy",
                PolicyName=NAME,
                PolicyDocument=msgspec.json.encode(made).decode(),
                **_whose(sessions),
            )
        return f"denied {sessions} by the inline policy {NAME}"

    async def probe(self, command: RevocationCommand) -> Observation:
        """Whether IAM has the denial.

        Raises:
            RefusedError, UnavailableError: it cannot be said.
        """
        sessions = self._sessions(command)
        document = await self._look(sessions)
        if document is not None and not has(document, sessions.denial):
            self._seen.forget(sessions)
            return Observation("live", f"the policy {NAME} of the {sessions.kind} does not deny it")
        how = _how(sessions, document)
        if self._seen.seconds(sessions) < self._options.settle_seconds:
            return Observation("unknown", f"{how}; AWS may accept it for some seconds more")
        await self._iam.own_account()
        return Observation("absent" if document is None else "dead", how, control=True)

    def _sessions(self, command: RevocationCommand) -> _Sessions:
        """The sessions that the command names.

        Raises:
            RefusedError: it names none, or more than the configuration allows.
        """
        of_role = command.method == "deny-session"
        arn = needed(command, "role_arn" if of_role else "user_arn", _ARN)
        parts = _ARN.fullmatch(arn)
        if parts is None or parts["kind"] != ("role" if of_role else "user"):
            raise RefusedError(
                "the revocation object names no role or user of IAM whose sessions can be denied"
            )
        if parts["account"] != self._options.account:
            raise RefusedError(f"the {parts['kind']} is of another account than {self._options.account}")
        if command.issued_at is None:
            raise RefusedError("the command does not say when the session was issued")
        assumed = optional(command, "assumed_role_id", _ASSUMED) if of_role else ""
        user_id = assumed or _federated(command, self._options.account)
        if not user_id and not self._options.all_sessions:
            raise RefusedError(
                f"the command does not say which session of the {parts['kind']} it is about: set all_sessions = true to "
                "deny all older ones"
            )
        denial = Denial.of(command.issued_at, user_id or None)
        return _Sessions(parts["kind"], parts["name"], arn, assumed.partition(":")[0], denial)

    async def _look(self, sessions: _Sessions) -> Mapping[str, Any] | None:
        """The policy of the role or user, empty if it has none; None if there is no such role or user.

        Raises:
            RefusedError: there is another one of that name.
            UnavailableError: IAM cannot be asked.
        """
        answer = await self._iam.call("iam", f"get_{sessions.kind}", **_whose(sessions))
        if answer is None:
            return None
        found = answer.get(sessions.kind.capitalize(), {})
        if found.get("Arn") != sessions.arn:
            raise RefusedError(f"the {sessions.kind} {sessions.name} has another ARN than the session's")
        if sessions.id and found.get("RoleId") != sessions.id:
            raise RefusedError(f"the role {sessions.name} was recreated since: it is not the session's")
        policy = await self._iam.call(
            "iam", f"get_{sessions.kind}_policy", PolicyName=NAME, **_whose(sessions)
        )
        if policy is None:
            return {"Version": "2012-10-17", "Statement": []}
        document = policy.get("PolicyDocument")
        if not isinstance(document, dict):
            raise UnavailableError(f"IAM answers with a policy {NAME} that is no document")
        return document

    def _recent(self, sessions: _Sessions) -> list[Denial]:
        """The denial, and those written so lately that a read of the policy may not have them yet."""
        now = time.monotonic()
        known = self._written.pop(sessions.arn, {})
        known = {denial: at for denial, at in known.items() if now - at < _MEMORY}
        known[sessions.denial] = now
        self._written[sessions.arn] = known
        if len(self._written) > _MOST_PRINCIPALS:
            del self._written[next(iter(self._written))]
        return list(known)

    def _lock(self, arn: str) -> asyncio.Lock:
        """One change at a time of one policy: two that read the same one would lose a denial."""
        if len(self._locks) > _MOST_PRINCIPALS:
            self._locks = {key: lock for key, lock in self._locks.items() if lock.locked()}
        return self._locks.setdefault(arn, asyncio.Lock())


def _federated(command: RevocationCommand, account: str) -> str:
    """The user id of a federated user's session, `<account>:<name>`; empty if the command names none."""
    parts = _FEDERATED.fullmatch(optional(command, "federated_user_arn", _FEDERATED))
    if parts is None:
        return ""
    if parts[1] != account:
        raise RefusedError(f"the federated user is of another account than {account}")
    return f"{parts[1]}:{parts[2]}"


def _whose(sessions: _Sessions) -> dict[str, str]:
    return {f"{sessions.kind.capitalize()}Name": sessions.name}


def _how(sessions: _Sessions, document: Mapping[str, Any] | None) -> str:
    if document is None:
        return f"IAM no longer has the {sessions.kind} {sessions.name}"
    return f"iam:Get{sessions.kind.capitalize()}Policy has the statement {sessions.denial.sid}"
