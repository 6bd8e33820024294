"""Random events of one small world: a family of tasks, their credentials, and what was done with them."""

import random
from typing import Any, Final

from detector.judge.policy import Policy
from detector.values.events import (
    DENIED,
    SUCCESS,
    Approval,
    Binding,
    CanonicalEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Grant,
    Identifier,
    RevocationOutcome,
    TaskEnded,
    TaskHeartbeat,
    TaskStarted,
)
from detector.values.findings import command_id
from detector.values.times import MINUTE, SECOND
from tests.histories import ADDRESSES, CALLERS, GLOBS, NETWORKS, OUTCOMES, VALUES, WORKLOAD_GLOBS
from tests.random_histories.configuration import CANARY, KINDS, START, durations
from tests.random_histories.secrets import HASHED, SUBTOKENS, WINDOWS, MadeSecret, make

_STYLES: Final = (WINDOWS, WINDOWS, WINDOWS, HASHED, SUBTOKENS)
# An empty text in an event is the same as none.
_VALUES: Final = tuple(each or None for each in VALUES)
_ADDRESSES: Final = tuple(each or None for each in ADDRESSES)
_WORKLOADS: Final = (None, "runner-1", "runner-2", "laptop")


class World:
    """What one seed draws, with names that no other seed has."""

    def __init__(self, seed: int, policy: Policy) -> None:
        self.rng = random.Random(seed)
        self.name = f"s{seed}"
        self.events: list[CanonicalEvent] = []
        self._apart = durations(policy)
        rng = self.rng
        self.tasks = [f"{self.name}-t{number}" for number in range(rng.randrange(3, 9))]
        self.groups = [f"{self.name}-repo", f"{self.name}-fork"]
        self.credentials = [f"{self.name}-c{number}" for number in range(rng.randrange(2, 7))]
        self.secrets: dict[str, MadeSecret] = {
            each: make(rng, rng.choice(_STYLES)) for each in self.credentials
        }
        self.names: dict[str, list[Identifier]] = {}
        for number, task in enumerate(self.tasks):
            self._task(task, number)
        if rng.random() < 0.05:
            self._crowd()
        for credential in self.credentials:
            self._issues(credential)
        for credential in self.credentials:
            self._life(credential)

    def maybe(self, value: Any, chance: float = 0.5) -> Any:
        """The value, or None."""
        return value if self.rng.random() < chance else None

    def moment(self) -> int:
        """A time: often so many durations from a minute, and a nanosecond beside, so that events meet at bounds."""
        rng = self.rng
        base = START + rng.randrange(1, 6) * MINUTE
        if rng.random() < 0.4:
            return base + rng.randrange(60 * SECOND)
        first, second = rng.choice(self._apart), rng.choice((0, 0, rng.choice(self._apart)))
        return base + rng.choice((0, 1, -1)) * first + second + rng.choice((0, 0, 0, 1, -1))

    def tell(self, cls: type[Any], **fields: Any) -> Any:
        """One more event; two sources number theirs alike."""
        number = len(self.events)
        event = cls(source=("ci", "audit")[number % 2], id=f"{self.name}-{number // 2}", **fields)
        self.events.append(event)
        return event

    def _task(self, task: str, number: int) -> None:
        rng = self.rng
        for _ in range(rng.choice((0, 1, 1, 1, 1, 2))):
            # Most often a chain, as deep as there are tasks; sometimes a parent that nobody knows, or a circle.
            parent = self.tasks[number - 1] if number else None
            self.tell(
                TaskStarted,
                time=self.moment(),
                task_id=task,
                kind=rng.choice((None, *KINDS)),
                workload=rng.choice(_WORKLOADS),
                parent_task_id=rng.choice(
                    (parent, parent, parent, None, rng.choice(self.tasks), f"{self.name}-x")
                ),
                deadline=self.maybe(self.moment(), 0.3),
                group=rng.choice((None, *self.groups, self.groups[0])),
            )
        if rng.random() < 0.3:
            for _ in range(rng.randrange(1, 4)):
                lease = rng.choice((SECOND, 30 * SECOND, MINUTE, 2 * MINUTE))
                self.tell(TaskHeartbeat, time=self.moment(), task_id=task, lease=lease)
        ends = rng.choice((0, 1, 1, 2) if number else (0, 0, 1))
        for _ in range(ends):
            outcome = rng.choice((None, "succeeded", "failed", "cancelled", "timed_out"))
            self.tell(TaskEnded, time=self.moment(), task_id=task, outcome=outcome)

    def _crowd(self) -> None:
        """More tasks of a group than a finding names, most of which are there when its credentials are issued."""
        for number in range(25):
            task = f"{self.name}-crowd{number}"
            self.tell(TaskStarted, time=START + number, task_id=task, group=self.groups[0], kind=KINDS[0])
            if self.rng.random() < 0.5:
                self.tell(TaskEnded, time=self.moment(), task_id=task)

    def _identifiers(self, credential: str) -> tuple[Identifier, ...]:
        """Its secret under one key or the other, or both, a public one; sometimes that of another credential."""
        rng = self.rng
        keys = rng.choice(((0,), (0,), (1,), (0, 1)))
        found = [self.secrets[credential].registered(key) for key in keys]
        if rng.random() < 0.4:
            found.append(Identifier("jwt-id", f"{credential}-j"))
        if rng.random() < 0.2 and self.names:
            found.append(rng.choice(self.names[rng.choice(sorted(self.names))]))
        found = list({(each.scheme, each.value): each for each in found}.values())
        self.names.setdefault(credential, []).extend(found)
        return tuple(found)

    def _globs(self, pool: tuple[str, ...]) -> Any:
        return self.maybe(tuple(self.rng.sample(pool, self.rng.randrange(3))))

    def _issues(self, credential: str) -> None:
        rng = self.rng
        if rng.random() < 0.1:
            other = self.secrets[rng.choice(self.credentials)]
            self.secrets[credential] = other
        canary = rng.random() < 0.1
        for _ in range(rng.choice((1, 1, 1, 2))):
            task, group = rng.choice(
                (
                    (rng.choice(self.tasks), None),
                    (rng.choice(self.tasks[:2]), None),
                    (rng.choice(self.tasks), rng.choice(self.groups)),
                    (None, rng.choice(self.groups)),
                )
            )
            grants = tuple(Grant(self._globs(GLOBS), self._globs(GLOBS)) for _ in range(rng.randrange(3)))
            self.tell(
                CredentialIssued,
                time=self.moment(),
                credential_id=credential,
                task_id=task,
                task_group=group,
                identifiers=self._identifiers(credential),
                kind=CANARY if canary else rng.choice((None, *KINDS)),
                not_before=self.maybe(self.moment(), 0.2),
                expires_at=self.maybe(self.moment() + rng.choice((0, 0, 9 * MINUTE)), 0.6),
                grants=() if canary else self.maybe(grants),
                approval=self.maybe(Approval(self.maybe(self.moment()), self.maybe(self.moment())), 0.2),
                bound_to=self.maybe(Binding(self._globs(WORKLOAD_GLOBS), self._globs(NETWORKS)), 0.3),
                issued_to=rng.choice(CALLERS),
                revocation=self.maybe({"handle": credential}),
            )

    def _named(self, credential: str) -> dict[str, Any]:
        """What an event calls a credential: by id, by identifier, by both; sometimes by a name that nobody knows."""
        rng = self.rng
        identifier = rng.choice((*self.names[credential], Identifier("jwt-id", f"{self.name}-nobody")))
        return rng.choice(
            (
                {"credential_id": credential},
                {"credential_id": credential},
                {"identifier": identifier},
                {"credential_id": rng.choice((credential, f"{self.name}-c99")), "identifier": identifier},
            )
        )

    def _life(self, credential: str) -> None:
        rng = self.rng
        for _ in range(rng.randrange(1, 7)):
            self._use(credential)
        if rng.random() < 0.05:
            for _ in range(22):
                self._use(credential)
        for _ in range(rng.choice((0, 0, 1, 2))):
            when, expiry = self.moment(), self.moment() + rng.choice((0, 9 * MINUTE))
            self.tell(CredentialRenewed, time=when, expires_at=expiry, **self._named(credential))
        for _ in range(rng.choice((0, 0, 1, 2))):
            self.tell(CredentialRevoked, time=self.moment(), **self._named(credential))
        for _ in range(rng.choice((0, 0, 1, 2))):
            self.tell(
                RevocationOutcome,
                time=self.moment(),
                credential_id=credential,
                command_id=command_id(credential, escalated=rng.random() < 0.3),
                outcome=rng.choice(OUTCOMES),
                finished_at=self.maybe(self.moment()),
            )

    def _use(self, credential: str) -> None:
        rng = self.rng
        self.tell(
            CredentialUsed,
            time=self.moment(),
            action=rng.choice(_VALUES),
            resource=rng.choice(_VALUES),
            outcome=rng.choice((SUCCESS, SUCCESS, DENIED)),
            task_id=rng.choice((None, None, *self.tasks, f"{self.name}-x")),
            workload=rng.choice(_WORKLOADS),
            source_ip=rng.choice(_ADDRESSES),
            **self._named(credential),
        )
