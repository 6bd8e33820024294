"""What the ledger keeps of tasks, of credentials, and of the names by which events refer to credentials.

A million idle credentials must fit into memory. So whatever only some credentials need is None until one needs it.
"""

from typing import Final

from detector.judge.evidence import FinalTally, Tally
from detector.judge.origins import Origins, origins_of
from detector.judge.rules.lifetimes import deadline_of
from detector.judge.terms import NEVER, KindPolicy, Terms
from detector.judge.time_order import Item, TimeOrder
from detector.values.events import (
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Leak,
    TaskEnded,
    TaskEnding,
    TaskHeartbeat,
    TaskStarted,
)
from detector.values.findings import USE_FROM_ELSEWHERE
from detector.values.globs import Bounds, Scope, bounds_of, scope_of


class Task:
    """A task with the start and end that count, the latest report of either, and the credentials issued to it.

    Until it has an end, `heartbeat` is the one whose lease lapses last. `lapsed` is whether that is past, so that it
    ends the task; the ledger knows what time it is. `accounts` may hold credentials that an earlier issue has since
    given to another task.
    """

    __slots__ = ("accounts", "end", "heartbeat", "lapsed", "latest", "start", "task_id")

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        self.start: TaskStarted | None = None
        self.end: TaskEnded | None = None
        self.latest: TaskStarted | TaskEnded | None = None
        self.heartbeat: TaskHeartbeat | None = None
        self.lapsed = False
        self.accounts: list[Account] = []

    @property
    def kind(self) -> str | None:
        """Its kind, None if unknown."""
        return self.start.kind if self.start is not None else None

    @property
    def owner(self) -> str | None:
        """Who owns it, None if unknown."""
        return self.start.owner if self.start is not None else None

    @property
    def ending(self) -> TaskEnding | None:
        """What ended it: its end, else the heartbeat whose lease has lapsed; None while it runs."""
        if self.end is not None:
            return self.end
        return self.heartbeat if self.lapsed else None

    @property
    def ended(self) -> int:
        """When it ended, NEVER if it has not."""
        if self.end is not None:
            return self.end.time
        return self.heartbeat.lapse if self.lapsed and self.heartbeat is not None else NEVER

    def report(self, event: TaskStarted | TaskEnded) -> None:
        """Notes that something was heard of it: how long its state stays goes by the latest report."""
        if self.latest is None or event.time > self.latest.time:
            self.latest = event

    def deadline(self, policy: KindPolicy) -> int:
        """When it should have ended, NEVER if nothing says so."""
        return deadline_of(self.start, policy)


class TaskGroup:
    """What tasks share, such as a repository: the tasks whose start names it, by id, and the credentials issued to it.

    `accounts` may hold credentials that an earlier issue has since given to a task or another group.
    """

    __slots__ = ("_in_order", "accounts", "tasks")

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.accounts: dict[Account, None] = {}
        self._in_order: list[tuple[Item, Task]] | None = None

    def put(self, task: "Task") -> None:
        """Adds a task whose start names the group, or whose start has changed."""
        self.tasks[task.task_id] = task
        self._in_order = None

    def take(self, task_id: str) -> None:
        """Takes a task out, as another start of it counts."""
        del self.tasks[task_id]
        self._in_order = None

    def in_order(self) -> "list[tuple[Item, Task]]":
        """The tasks by start, each with its place in the order. Do not change it."""
        if self._in_order is None:
            started = [
                (precedence(task.start), task) for task in self.tasks.values() if task.start is not None
            ]
            self._in_order = sorted(started, key=lambda pair: pair[0])
        return self._in_order


class Candidates:
    """The tasks to one of which a credential was issued: those of a group that ran when it was issued.

    They had started at or before `high`, and had not ended before `low` (ns). It answers what a `Task` answers, for
    all of them: `ending` is the last of their endings, `due` (ns) the latest of their deadlines, None and NEVER while
    one of them has none or there is none. `first` are the first 20 by start, `oldest` is the first of those without
    an end; `kind` is the kind that all have. The ledger keeps all of this right (`detector.judge.candidates`).
    """

    __slots__ = ("count", "due", "ending", "first", "group", "high", "kind", "low", "oldest")

    def __init__(self, group: TaskGroup, low: int, high: int) -> None:
        self.group = group
        self.low = low
        self.high = high
        self.count = 0
        self.first: tuple[Task, ...] = ()
        self.kind: str | None = None
        self.ending: TaskEnding | None = None
        self.due = NEVER
        self.oldest: Task | None = None

    @property
    def start(self) -> None:
        """None: no start is known to be that of the credential's task."""
        return

    @property
    def owner(self) -> str | None:
        """Who owns all of them, None if they differ or nobody looked at all."""
        owners = {task.owner for task in self.first}
        return owners.pop() if len(owners) == 1 and self.count == len(self.first) else None

    @property
    def ended(self) -> int:
        """When the last of them ended, NEVER while one runs."""
        return ended_by(self.ending)[0] if self.ending is not None else NEVER

    @property
    def lapsed(self) -> bool:
        """Whether that end is a lease that lapsed."""
        return isinstance(self.ending, TaskHeartbeat)

    def deadline(self, policy: KindPolicy) -> int:  # noqa: ARG002 - `due` follows from the policy already
        """When the last of them should have ended, NEVER if nothing says so of one."""
        return self.due

    def has(self, task_id: str) -> bool:
        """Whether a task is one of them."""
        task = self.group.tasks.get(task_id)
        if task is None or task.start is None:
            return False
        return task.start.time <= self.high and task.ended >= self.low


class UsesNamingTask:
    """The uses of one credential that name one task other than its own.

    `foreign`: that task does not descend from the credential's, or from one of its candidates.
    """

    __slots__ = ("foreign", "items")

    def __init__(self, *, foreign: bool) -> None:
        self.foreign = foreign
        self.items: list[Item] = []


class Uses:
    """The uses of a credential: (time, source, id, use) in order, and by other task that they name."""

    __slots__ = ("by_task", "order")

    def __init__(self) -> None:
        self.order = TimeOrder(3)
        self.by_task: dict[str, UsesNamingTask] = {}


class Name:
    """One way to refer to a credential: its id, for which `scheme` is None, or an identifier.

    `renewals`, `revocations` and `parked` hold (time, source, id, event) in order. `parked` are uses that wait until
    the credential is known. `leaks` are the groups of leaks that show the identifier. Only an id has `outcomes`,
    those of the commands to revoke its credential, in the same form.
    """

    __slots__ = ("leaks", "outcomes", "owner", "parked", "renewals", "revocations", "scheme", "value")

    def __init__(self, scheme: str | None, value: str) -> None:
        self.scheme = scheme
        self.value = value
        self.owner: Account | None = None
        self.parked: TimeOrder | None = None
        self.renewals: TimeOrder | None = None
        self.revocations: TimeOrder | None = None
        self.outcomes: TimeOrder | None = None
        self.leaks: list[LeakGroup] | None = None

    def put(self, item: Item) -> bool:
        """Adds a use that is to be parked, a renewal or a revocation. Returns whether it was added."""
        kept = _ORDERS[type(item[3])]
        order: TimeOrder | None = getattr(self, kept)
        if order is None:
            order = TimeOrder(3)
            setattr(self, kept, order)
        return order.put(item)

    def take(self, item: Item) -> None:
        """Removes a parked use, a renewal or a revocation, if it is there."""
        kept = _ORDERS[type(item[3])]
        order: TimeOrder | None = getattr(self, kept)
        if order is not None and order.take(item[:3]) is not None and not order:
            setattr(self, kept, None)

    def revoked(self) -> int:
        """The earliest revocation by this name, NEVER if there is none."""
        return NEVER if self.revocations is None else int(self.revocations.first[0])


_ORDERS: Final[dict[type, str]] = {
    CredentialUsed: "parked",
    CredentialRenewed: "renewals",
    CredentialRevoked: "revocations",
}


class Group:
    """Credentials that can be revoked at once: all that were ever members, and the revocations in order."""

    __slots__ = ("members", "revocations")

    def __init__(self) -> None:
        self.members: dict[Account, None] = {}
        self.revocations = TimeOrder(3)


class LeakGroup:
    """Leaks that show the same secret in the same way, as (time, source, id, leak) in order, and its owners.

    `places` has the time of each by its source and id. One record is one leak: of two times of it the earlier counts.
    """

    __slots__ = ("names", "order", "owners", "places", "tie")

    def __init__(self, tie: str, names: tuple[Name, ...]) -> None:
        self.tie = tie
        self.names = names
        self.order = TimeOrder(3)
        self.places: dict[tuple[str, str], int] = {}
        self.owners: tuple[Account, ...] = ()


def owners_of(names: tuple[Name, ...]) -> "tuple[Account, ...]":
    """The credentials that own these names, each once."""
    return tuple({id(name.owner): name.owner for name in names if name.owner is not None}.values())


def leak_tie(leak: Leak) -> str:
    """What all leaks of one group have in common."""
    names = "\0".join(f"{identifier.scheme}\0{identifier.value}" for identifier in leak.identifiers)
    return f"{leak.fingerprint}\0{leak.pattern}\0{leak.severity}\0{names}"


class Account:
    """One credential.

    `task` is its task, or the candidates of which one is. `names` has all names that its issues claim, owned or not;
    the first is its id. `expiries` holds (time, expires, source, id, event) of its issues and renewals in order, None
    while one issue says it all. `leaks` holds (time, source, id, tie, leak) in order. `coverage` has for each grant
    the time of the first successful use that it covered; `compacted_coverage` has the same of the uses that were
    compacted. `origins` is None until its uses are judged, and if their origin is not.
    """

    __slots__ = (
        "compacted_coverage",
        "coverage",
        "expiries",
        "issue",
        "leaks",
        "names",
        "origins",
        "policy",
        "revoked",
        "tallies",
        "task",
        "terms",
        "uses",
    )

    def __init__(
        self, issue: CredentialIssued, task: Task | Candidates, policy: KindPolicy, name: Name
    ) -> None:
        self.issue = issue
        self.task = task
        self.policy = policy
        self.names = [name]
        self.revoked = NEVER
        self.expiries: TimeOrder | None = None
        self.terms: Terms | None = None
        self.origins: Origins | None = None
        self.tallies: dict[str, Tally | FinalTally] | None = None
        self.uses: Uses | None = None
        self.leaks: TimeOrder | None = None
        self.coverage: list[int] | None = None
        self.compacted_coverage: list[int] | None = None

    @property
    def credential_id(self) -> str:
        """Its id."""
        return self.issue.credential_id

    @property
    def seniority(self) -> tuple[int, str]:
        """Orders credentials: of two that claim an identifier, the lesser owns it."""
        return self.issue.time, self.issue.credential_id

    def owned(self) -> list[Name]:
        """The names that it owns."""
        return [name for name in self.names if name.owner is self]

    def issues(self) -> list[CredentialIssued]:
        """All its issues in order of time. The first one counts."""
        if self.expiries is None:
            return [self.issue]
        found = [item[4] for item in self.expiries if isinstance(item[4], CredentialIssued)]
        return sorted(found, key=precedence)

    def timeline(self) -> TimeOrder:
        """Its issues and renewals, as an order that the caller may add to."""
        if self.expiries is None:
            self.expiries = TimeOrder(4)
            self.expiries.put(expiry_item(self.issue))
        return self.expiries

    def standing(self) -> Terms:
        """The terms that decide its uses and leaks now."""
        if self.terms is None:
            grants, binding = self.issue.grants, self.issue.bound_to
            if self.origins is None and self.policy.rules[USE_FROM_ELSEWHERE].enabled:
                self.origins = origins_of(self.issue)
            self.terms = self._terms(
                scope_of(grants) if grants is not None else None,
                bounds_of(binding) if binding is not None else None,
            )
        return self.terms

    def outline(self) -> Terms:
        """The same terms without scope and bounds, for what is judged without a use. They are not kept."""
        return self.terms if self.terms is not None else self._terms(None, None)

    def covered(self) -> list[int]:
        """`coverage` with an entry for each grant."""
        return self.coverage or [NEVER] * len(self.issue.grants or ())

    def _terms(self, scope: Scope | None, bounds: Bounds | None) -> Terms:
        issue, skew, ended = self.issue, self.policy.skew, self.task.ended
        starts = issue.time if issue.not_before is None else issue.not_before
        approval = issue.approval
        low = approval.not_before if approval is not None else None
        high = approval.not_after if approval is not None else None
        approved_from = -NEVER if low is None else low
        approved_to = NEVER if high is None else high
        return Terms(
            task_id=issue.task_id,
            issued=issue.time,
            starts=starts,
            end=ended,
            revoked=self.revoked,
            approved_from=approved_from,
            approved_to=approved_to,
            expires=NEVER if issue.expires_at is None else issue.expires_at,
            expiries=self.expiries,
            scope=scope,
            bounds=bounds,
            policy=self.policy,
            opens=max(starts, approved_from) - skew,
            closes=min(ended, self.revoked, approved_to) + skew,
            origins=self.origins,
        )


def precedence(
    event: CredentialIssued
    | CredentialRenewed
    | CredentialUsed
    | CredentialRevoked
    | TaskStarted
    | TaskEnded,
) -> Item:
    """Orders events of which one counts: the earliest, and of several at one time the first by source and id."""
    return event.time, event.source, event.id


def ended_by(ending: TaskEnding) -> Item:
    """When this ended a task, and what breaks ties between such times."""
    time = ending.lapse if isinstance(ending, TaskHeartbeat) else ending.time
    return time, ending.source, ending.id


def expiry_item(event: CredentialIssued | CredentialRenewed) -> Item:
    """An issue or renewal as a timeline holds it. Of several at one time, the latest expiry comes last."""
    return event.time, NEVER if event.expires_at is None else event.expires_at, event.source, event.id, event
