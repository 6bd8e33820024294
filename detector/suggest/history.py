"""What the tasks of each kind did with each kind of credential: the uses of a ledger's credentials, added up.

The lifecycle is read before the uses, as in a replay. So each use is judged as the replay judges it, and one that is
evidence of a finding is left out of what is suggested: a thief's actions are not granted to the next task.
"""

from array import array
from collections import Counter
from collections.abc import Container, Iterable
from typing import Final, NamedTuple

import msgspec
import numpy as np

from detector.judge.accounts import Account, Candidates, Task
from detector.judge.ledger import Ledger
from detector.judge.terms import NEVER
from detector.suggest.arguments import BY
from detector.suggest.networks import Networks
from detector.suggest.providers import provider_of
from detector.suggest.seen_events import SeenEvents
from detector.suggest.task_sample import TaskSample, task_number
from detector.suggest.use_table import Action, UseTable
from detector.values.errors import UsageError
from detector.values.events import DENIED, SUCCESS, CredentialUsed, Grant
from detector.values.findings import USE_FROM_ELSEWHERE
from detector.values.times import MICROSECOND

UNKNOWN: Final = "unknown"
NO_EXACT_NAME: Final = "action with * or ?"
LONG_NAME: Final = "action of more than 256 characters"
_LONGEST_ACTION: Final = 256
_MOST_KINDS: Final = 2048
_MOST_ACTIONS: Final = 4096
_MOST_GRANTS: Final = 512


class TaskKind(NamedTuple):
    """A kind of task: the field of their start by which tasks are of one kind, and its value."""

    by: str
    name: str


class Kind(NamedTuple):
    """A kind of task with a kind of credential."""

    task: TaskKind
    credential: str


class Window(msgspec.Struct, frozen=True):
    """Which uses count, and how tasks are told apart.

    `since` is the earliest time (ns) that counts. `by` is one of `BY`. `include` are rules whose evidence counts all
    the same. `wanted` says whether a kind of task is asked for, by its name.
    """

    since: int
    by: str = BY[0]
    include: frozenset[str] = frozenset()
    wanted: Container[str] | None = None


class KindHistory:
    """What is known of one kind of task with one kind of credential.

    - `done` are successful uses, `denied` refused ones. `left_out` are successful ones that count for nothing, by the
      rule that they are evidence of, or by what is wrong with their action.
    - `networks` are those of uses that count, and of those from elsewhere.
    - `used_by` are the tasks with uses in `done`, `tasks` all with such a credential that was issued in time.
    - `grants` counts the credentials with each grant. `more_grants`: there were too many to keep.
    - `lasted`, `lived` and `outlived` are durations in microseconds: of tasks, of credentials, and from the end of a
      task to the death of its credential. `undying` credentials have no end, `unjudged` ones no known grants.
    """

    def __init__(self) -> None:
        self.done = UseTable()
        self.denied = UseTable()
        self.left_out: dict[str, UseTable] = {}
        self.networks = Networks()
        self.used_by = TaskSample()
        self.tasks: set[str] = set()
        self.credentials = 0
        self.undying = 0
        self.unjudged = 0
        self.grants: Counter[Grant] = Counter()
        self.more_grants = False
        self.lasted = array("q")
        self.lived = array("q")
        self.outlived = array("q")

    def table(self, reason: str | None) -> UseTable:
        """Where uses are added up that count for nothing for this reason; None: they count."""
        if reason is None:
            return self.done
        if reason == DENIED:
            return self.denied
        return self.left_out.setdefault(reason, UseTable())

    def issued(self, account: Account) -> None:
        """Takes note of a credential."""
        issue, task = account.issue, account.task
        self.credentials += 1
        if issue.grants is None:
            self.unjudged += 1
        for grant in dict.fromkeys(issue.grants or ()):
            if grant in self.grants or len(self.grants) < _MOST_GRANTS:
                self.grants[grant] += 1
            else:
                self.more_grants = True
        starts = issue.time if issue.not_before is None else issue.not_before
        expires = last_expiry(account)
        if expires == NEVER:
            self.undying += 1
        else:
            self.lived.append(max(0, expires - starts) // MICROSECOND)
        dead = min(expires, account.revoked)
        if NEVER not in (task.ended, dead):
            self.outlived.append(max(0, dead - task.ended) // MICROSECOND)
        name = task_name(account)
        if name not in self.tasks:
            self.tasks.add(name)
            if isinstance(task, Task) and task.start is not None and task.ended != NEVER:
                self.lasted.append(max(0, task.ended - task.start.time) // MICROSECOND)


class History:
    """The uses and credentials of all kinds. `unknown` counts uses of credentials that nobody registered, by source."""

    def __init__(self, ledger: Ledger, window: Window) -> None:
        self.kinds: dict[Kind, KindHistory] = {}
        self.unknown: Counter[str] = Counter()
        self.early = 0
        self._ledger = ledger
        self._window = window
        self._seen = SeenEvents()
        self._known: dict[Account, tuple[KindHistory, int] | None] = {}
        for account in ledger.accounts():
            if account.issue.time >= window.since and (known := self._of(account)) is not None:
                known[0].issued(account)

    def add(self, uses: Iterable[CredentialUsed]) -> None:
        """Adds uses. They are judged by what the ledger knows, which must be all of the lifecycle.

        Raises:
            UsageError: there are too many different ones to be kept.
        """
        some = list(uses)
        if not some:
            return
        hashes = np.fromiter((_content(use) for use in some), np.int64, len(some))
        for use, fresh in zip(some, self._seen.fresh(hashes).tolist(), strict=True):
            self._add(use, int(fresh))

    def _add(self, use: CredentialUsed, count: int) -> None:
        if use.time < self._window.since:
            self.early += count
            return
        account = self._ledger.owner(use)
        if account is None:
            self.unknown[use.source] += count
            return
        known = self._of(account)
        if known is None:
            return
        kind, task = known
        arn = use.resource is not None and use.resource.startswith("arn:")
        action = Action(provider_of(use.source, account.issue.kind, use.action, arn=arn), use.action)
        reason = self._reason(account, use)
        table = kind.table(reason)
        table.add(_named(action), use.resource, task, count)
        if len(table.actions) > _MOST_ACTIONS:
            raise UsageError(
                f"suggest: tasks of one kind did more than {_MOST_ACTIONS:,} different actions, which is more than a "
                "suggestion can hold: split the kind (--by group, --by workload), or read fewer days (--days)"
            )
        if reason is None:
            kind.used_by.add(task)
        if reason in (None, USE_FROM_ELSEWHERE) and use.source_ip is not None:
            kind.networks.add(use.source_ip, task, count)

    def _reason(self, account: Account, use: CredentialUsed) -> str | None:
        """Why a use counts for nothing, None if it counts."""
        if use.outcome != SUCCESS:
            return use.outcome
        rules = (verdict.rule for verdict in self._ledger.verdicts_on(account, use))
        return _unnameable(use.action) or next(
            (rule for rule in rules if rule not in self._window.include), None
        )

    def _of(self, account: Account) -> tuple[KindHistory, int] | None:
        """The history that a credential belongs to, and the number of its task; None if nobody asked for its kind."""
        if account in self._known:
            return self._known[account]
        issue = account.issue
        task = kind_of(account, self._window.by)
        known = None
        if self._window.wanted is None or task.name in self._window.wanted:
            key = Kind(task, issue.kind or UNKNOWN)
            found = self.kinds.get(key)
            if found is None:
                if len(self.kinds) >= _MOST_KINDS:
                    raise UsageError(
                        f"suggest: there are more than {_MOST_KINDS:,} kinds of task and credential: name those that you "
                        "want (--kind GLOB), or split tasks by something else (--by)"
                    )
                found = self.kinds[key] = KindHistory()
            known = found, task_number(task_name(account))
        self._known[account] = known
        return known


def kind_of(account: Account, by: str) -> TaskKind:
    """What kind of task a credential is for: by that field, else by the first known of kind, workload, owner, group.

    One of several candidates is of a kind if all of them are.
    """
    task = account.task
    starts = [task.start] if isinstance(task, Task) else [one.start for one in task.first]
    if isinstance(task, Candidates) and by == "kind" and task.kind is not None:
        return TaskKind("kind", task.kind)
    for field in dict.fromkeys((by, "kind", "workload", "owner", "group")):
        values = {getattr(start, field, None) for start in starts}
        value = values.pop() if len(values) == 1 else None
        if value:
            return TaskKind(field, value)
    group = account.issue.task_group
    return TaskKind("group", group) if group else TaskKind(UNKNOWN, UNKNOWN)


def task_name(account: Account) -> str:
    """Whose uses those of a credential are: its task's. One of several candidates counts as a task of its own."""
    return account.issue.credential_id if account.issue.task_id is None else account.issue.task_id


def last_expiry(account: Account) -> int:
    """When a credential expires in the end, by its last issue or renewal; NEVER if it does not."""
    if account.expiries is None:
        return NEVER if account.issue.expires_at is None else account.issue.expires_at
    last = account.expiries.at_most(NEVER)
    return NEVER if last is None else int(last[1])


def _content(use: CredentialUsed) -> int:
    """What makes a use one: its event, and what it says, in case two events share an id."""
    return hash(
        (
            use.source,
            use.id,
            use.time,
            use.action,
            use.resource,
            use.outcome,
            use.credential_id,
            use.source_ip,
        )
    )


def _unnameable(action: str | None) -> str | None:
    """Why no glob names an action exactly; None if one does. Actions are never generalised."""
    if action is None:
        return None
    if "*" in action or "?" in action:
        return NO_EXACT_NAME
    return LONG_NAME if len(action) > _LONGEST_ACTION else None


def _named(action: Action) -> Action:
    if action.name is None or len(action.name) <= _LONGEST_ACTION:
        return action
    return action._replace(name=action.name[: _LONGEST_ACTION - 1] + "…")
