"""Aggregates that keep a ledger: a task with its credentials, and a leaked secret.

An aggregate takes payloads in any order and says what they change; it reads no clock and writes nothing. What it has
for other aggregates waits in `sends`. Loaded anew from the payloads that it kept, it is the same.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final, Protocol, TypeAlias

import msgspec

from detector.judge.accounts import Account
from detector.judge.compaction import AccountSums, fold, fold_leaks, sums_of, unfold, unfold_leaks
from detector.judge.evidence import Sums
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.routing import (
    LEAKED,
    Claim,
    Fact,
    LeakWithdrawal,
    Routed,
    SentCommand,
    TaskStatus,
    TaskSubscription,
    task_key,
)
from detector.judge.verdicts import Verdicts, judge_secret, judge_task, own_accounts, own_issues
from detector.judge.watermark import BEGINNING
from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Leak,
    TaskEnded,
    TaskStarted,
)

_Movable: TypeAlias = CredentialUsed | CredentialRenewed | CredentialRevoked | Leak
_encoder: Final = msgspec.json.Encoder()
_sums: Final = msgspec.json.Decoder(AccountSums)
_secret_sums: Final = msgspec.json.Decoder(Sums)


class Aggregate(Protocol):
    """What the handler asks of one."""

    sends: list[Routed]
    dropped: list[Fact]

    def take(self, payload: Fact, watermark: int) -> bool:
        """Takes a payload that it has not yet; False if there is no need to keep it."""

    def judge(self, watermark: int, sent: list[SentCommand]) -> Verdicts:
        """What holds at a watermark. What need not be kept any more is in `dropped`."""

    def compact(self, before: int) -> list[tuple[str, bytes]]:
        """Adds up what is older than `before`, in ns: by name what is to be kept instead of what is now `dropped`."""

    def restore_sums(self, value: bytes) -> None:
        """Takes what `fold` gave, after all other payloads that it kept."""

    def owned_elsewhere(self) -> dict[str, str]:
        """Credentials that this one knows as another task's: the task by credential id."""

    def issues(self) -> list[CredentialIssued]:
        """The issues that the registry need not know any more when this is over."""


class TaskAggregate:
    """A task, its credentials, and what concerns them.

    A use that claims another task waits until that task and those above it said whose children they are: else a
    child's use of its parent's credential would have it revoked whenever news of the child come late.
    """

    def __init__(self, task_id: str, policy: Policy) -> None:
        self.sends: list[Routed] = []
        self.dropped: list[Fact] = []
        self._task_id = task_id
        self._key = task_key(task_id)
        self._ledger = Ledger(policy)
        self._followers: set[str] = set()
        self._asked = BEGINNING  # the latest time of what asked
        self._answered: set[str] = set()
        self._waiting: defaultdict[str, list[CredentialUsed]] = defaultdict(list)  # by the task asked
        self._forwarded: set[AnyEvent] = set()

    @property
    def ledger(self) -> Ledger:
        """What is known, to be asked and not to be changed; `own_accounts` are the task's."""
        return self._ledger

    def take(self, payload: Fact, watermark: int) -> bool:  # noqa: ARG002 - names need it
        """As `Aggregate`."""
        if isinstance(payload, CredentialUsed):
            self._use(payload, payload.task_id)
        elif isinstance(payload, TaskStarted | TaskEnded):
            before = self._told()
            self._ledger.apply(payload)
            if (told := self._told()) != before:
                self.sends += [(key, told) for key in sorted(self._followers)]
        elif isinstance(payload, TaskSubscription):
            self._asked = max(self._asked, payload.time)
            if payload.key not in self._followers:
                self._followers.add(payload.key)
                self.sends.append((payload.key, self._told()))
        elif isinstance(payload, TaskStatus):
            self._learn(payload)
        elif isinstance(payload, Claim):
            self._ledger.apply(payload.issue)
        elif isinstance(payload, CredentialIssued | CredentialRenewed | CredentialRevoked | Leak):
            self._ledger.apply(payload)
        return True

    def judge(self, watermark: int, sent: list[SentCommand]) -> Verdicts:
        """As `Aggregate`."""
        for account in self._others():
            for event in _evidence(account):
                if event not in self._forwarded:
                    self._forwarded.add(event)
                    self.sends.append((task_key(account.task.task_id), event))
        return judge_task(self._ledger, self._task_id, watermark, sent, asked=self._asked)

    def compact(self, before: int) -> list[tuple[str, bytes]]:
        """As `Aggregate`: what happened to each credential."""
        own = own_accounts(self._ledger, self._task_id)
        accounts, gone = fold(own, self._ledger.policy.accepts, before)
        self.dropped += gone
        return [(account.credential_id, _encoder.encode(sums_of(account))) for account in accounts]

    def restore_sums(self, value: bytes) -> None:
        """As `Aggregate`."""
        sums = _sums.decode(value)
        for account in self._ledger.accounts():
            if account.credential_id == sums.credential_id:
                unfold(account, sums)

    def owned_elsewhere(self) -> dict[str, str]:
        """As `Aggregate`."""
        return {account.credential_id: account.task.task_id for account in self._others()}

    def issues(self) -> list[CredentialIssued]:
        """As `Aggregate`."""
        return own_issues(self._ledger, self._task_id)

    def _others(self) -> Iterator[Account]:
        return (account for account in self._ledger.accounts() if account.task.task_id != self._task_id)

    def _told(self) -> TaskStatus:
        task = self._ledger.task(self._task_id)
        return TaskStatus(self._task_id) if task is None else TaskStatus(self._task_id, task.start, task.end)

    def _use(self, use: CredentialUsed, claimed: str | None) -> None:
        asked = None if claimed is None else self._unanswered(claimed)
        if asked is None:
            self._ledger.apply(use)
            return
        if asked not in self._waiting:
            self.sends.append((task_key(asked), TaskSubscription(self._key, use.time)))
        self._waiting[asked].append(use)

    def _unanswered(self, task_id: str) -> str | None:
        """The task on the way up from here to ours, or to the end, whose parent we do not know."""
        seen: set[str] = set()
        while task_id != self._task_id and task_id not in seen:
            seen.add(task_id)
            if task_id not in self._answered:
                return task_id
            task = self._ledger.task(task_id)
            if task is None or task.start is None or task.start.parent_task_id is None:
                return None
            task_id = task.start.parent_task_id
        return None

    def _learn(self, told: TaskStatus) -> None:
        self._answered.add(told.task_id)
        if told.start is not None:
            self._ledger.apply(told.start)
        waiting = self._waiting.pop(told.task_id, [])
        if not waiting and (above := self._unanswered(told.task_id)) is not None:  # it has another parent now
            self.sends.append(
                (task_key(above), TaskSubscription(self._key, told.start.time if told.start else 0))
            )
        for use in waiting:
            self._use(use, told.task_id)


class SecretAggregate:
    """A leaked secret: a finding of its own until a credential claims it, then its leaks are that credential's.

    Most credentials never leak: until a secret does, there is no ledger. Of its leaks the latest `most` are kept each by
    itself, older ones than the lateness are added up.
    """

    def __init__(self, key: str, policy: Policy, most: int = 4096) -> None:
        self.sends: list[Routed] = []
        self.dropped: list[Fact] = []
        self._most = most
        self._key = key
        self._policy = policy
        self._ledger: Ledger | None = None
        self._claims: list[CredentialIssued] = []
        self._shown: list[Leak] = []
        self._stood: Sums | None = None  # of leaks before those
        self._tasks: list[TaskStarted | TaskEnded] = []
        self._withdrawn: dict[tuple[str, str], int] = {}  # records by source and id, their time
        self._forwarded: set[tuple[str, Leak]] = set()
        self._asked: set[str] = set()

    def take(self, payload: Fact, watermark: int) -> bool:  # noqa: ARG002 - names need it
        """As `Aggregate`."""
        if isinstance(payload, Claim):
            self._claims.append(payload.issue)
            if self._ledger is not None:
                self._ledger.apply(payload.issue)
            if self._stood is not None:  # what is kept is the credential's, the rest was but counted
                self._stood = None
                self._reopen()
        elif isinstance(payload, Leak):
            self._shown.append(payload)
            if (payload.source, payload.id) not in self._withdrawn:
                self._open().apply(payload)
        elif isinstance(payload, LeakWithdrawal):
            self._withdrawn[payload.source, payload.id] = payload.time
            self._reopen()
        elif isinstance(payload, TaskStatus):
            told = [event for event in (payload.start, payload.end) if event is not None]
            self._tasks += told
            if self._ledger is not None:
                for event in told:
                    self._ledger.apply(event)
        return True

    def judge(self, watermark: int, sent: list[SentCommand]) -> Verdicts:  # noqa: ARG002 - a secret is never revoked
        """As `Aggregate`."""
        if self._ledger is None:
            times = [*(issue.time for issue in self._claims), *self._withdrawn.values()]
            over = max(times, default=watermark) + self._policy.retention
            return Verdicts({}, [], over if over > watermark else None, over)
        for account in self._ledger.accounts():
            for item in account.shown or ():
                where = (task_key(account.task.task_id), item[4])
                if where not in self._forwarded:
                    self._forwarded.add(where)
                    self.sends.append(where)
        verdicts = judge_secret(self._ledger, watermark)
        for finding in verdicts.findings.values():
            if finding.task is not None and finding.task.task_id not in self._asked:
                self._asked.add(finding.task.task_id)
                self.sends.append(
                    (task_key(finding.task.task_id), TaskSubscription(self._key, finding.first_seen))
                )
        return verdicts

    def _open(self) -> Ledger:
        if self._ledger is None:
            self._ledger = Ledger(self._policy)
            for event in (*self._claims, *self._tasks):
                self._ledger.apply(event)
        return self._ledger

    def _reopen(self) -> None:
        """A ledger forgets nothing: it is made anew from what holds."""
        self._ledger = None
        for leak in self._shown:
            if (leak.source, leak.id) not in self._withdrawn:
                self._open().apply(leak)
        if self._stood is not None:
            _, tallies = self._open().secrets()
            unfold_leaks(tallies, self._key.removeprefix(LEAKED), self._stood)

    def compact(self, before: int) -> list[tuple[str, bytes]]:
        """As `Aggregate`. The latest leaks are kept in any case, for a credential that may yet claim them."""
        if len(self._shown) <= self._most or self._ledger is None:
            return []
        before = min(before, sorted(leak.time for leak in self._shown)[-self._most])
        gone, sums = fold_leaks(*self._ledger.secrets(), self._key.removeprefix(LEAKED), before)
        if not gone:
            return []
        dropped = set(gone)
        self._shown = [leak for leak in self._shown if leak not in dropped]
        self._forwarded = {where for where in self._forwarded if where[1] not in dropped}
        self.dropped += gone
        self._stood = sums
        return [] if sums is None else [("", _encoder.encode(sums))]

    def restore_sums(self, value: bytes) -> None:
        """As `Aggregate`."""
        self._stood = _secret_sums.decode(value)
        self._reopen()

    def owned_elsewhere(self) -> dict[str, str]:
        """As `Aggregate`: none is its own."""
        return {}

    def issues(self) -> list[CredentialIssued]:
        """As `Aggregate`: those are the tasks'."""
        return []


def _evidence(account: Account) -> Iterator[_Movable]:
    """What the task that has a credential must know to judge it."""
    for item in account.uses.order if account.uses is not None else ():
        yield item[3]
    for item in account.shown or ():
        yield item[4]
    for name in account.owned():
        for order in (name.renewals, name.revocations):
            for item in order or ():
                yield item[3]
