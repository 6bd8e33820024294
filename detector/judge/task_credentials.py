"""The credentials of an aggregate, and what follows of each: only those that something changed are judged again."""

import heapq
from collections.abc import Sequence
from operator import attrgetter, itemgetter
from typing import Final

import msgspec

from detector.judge.accounts import Account
from detector.judge.compaction import has_grown
from detector.judge.incremental_evaluator import Changes
from detector.judge.joins import Ground, Grounds, Join, ground_of
from detector.judge.ledger import Ledger
from detector.judge.routing import TASK, SentCommand, issue_key
from detector.judge.terms import NEVER
from detector.judge.totals import NO_EXPOSURE, Exposure
from detector.values.findings import Command, Finding

_SPARE: Final = 16  # outdated times that are never worth a new heap
_FEW: Final = 8  # times among which the earliest is found without one


class Conclusion(msgspec.Struct, frozen=True, gc=False):
    """What holds of a credential until an event changes it, or until `until` (ns): its findings and commands.

    `commands` were not sent before. `exposure` is that of this credential.
    """

    findings: tuple[Finding, ...] = ()
    commands: tuple[Command, ...] = ()
    exposure: Exposure = NO_EXPOSURE
    until: int = NEVER


NOTHING: Final = Conclusion()
_BY_ID: Final = attrgetter("credential_id")
_TIME: Final = itemgetter(1)


class _Kept(msgspec.Struct, gc=False):
    """What is known of a credential that the aggregate judges."""

    ground: Ground | None = None
    conclusion: Conclusion = NOTHING


class _Earliest(msgspec.Struct, gc=False):
    """The earliest of the times of credentials, which may change.

    Most tasks have one credential, so few need a heap.
    """

    _times: dict[Account, int] = {}
    _heap: list[tuple[int, int, Account]] | None = None
    _number: int = 0  # breaks ties

    def put(self, account: Account, time: int | None) -> None:
        """Sets the time of a credential; None if it has none."""
        if self._times.get(account) == time:
            return
        if time is None:
            del self._times[account]
            return
        self._times[account] = time
        if self._heap is None and len(self._times) <= _FEW:
            return
        self._number += 1
        if self._heap is not None:
            heapq.heappush(self._heap, (time, self._number, account))
        if self._heap is None or len(self._heap) > 2 * len(self._times) + _SPARE:
            self._heap = [(at, number, each) for number, (each, at) in enumerate(self._times.items())]
            heapq.heapify(self._heap)
            self._number = len(self._heap)

    def first(self) -> tuple[int, Account] | None:
        """The earliest time, and a credential that has it; None if none has a time."""
        if self._heap is None:
            if not self._times:
                return None
            account, time = min(self._times.items(), key=_TIME)
            return time, account
        while self._heap:
            time, _, account = self._heap[0]
            if self._times.get(account) == time:
                return time, account
            heapq.heappop(self._heap)
        return None


class TaskCredentials(msgspec.Struct, eq=False, gc=False):
    """The credentials that the aggregate `key` judges. Its ledger notes in `changes` what events change.

    `findings`, by uid, `commands` and `exposure` are what was concluded of them last.
    """

    ledger: Ledger
    key: str
    _changes: Changes
    findings: dict[str, Finding] = {}
    exposure: Exposure = NO_EXPOSURE
    _task_id: str | None = None
    _own: dict[Account, _Kept] = {}
    _others: dict[Account, None] = {}
    _telling: dict[Account, None] = {}  # those of which something is concluded
    _commanding: dict[Account, None] = {}
    _grounds: Grounds = msgspec.field(default_factory=Grounds)
    _timers: _Earliest = msgspec.field(default_factory=_Earliest)
    _ends: _Earliest = msgspec.field(default_factory=_Earliest)  # of their lifetimes, the latest first
    _sent: Sequence[SentCommand] = ()
    _sent_of: dict[str, list[SentCommand]] = {}
    _since: int = NEVER

    def __post_init__(self) -> None:
        if self.key.startswith(TASK):
            self._task_id = self.key.removeprefix(TASK)

    def __bool__(self) -> bool:
        return bool(self._own)

    def changed(self, watermark: int, sent: list[SentCommand]) -> list[Account]:
        """Those to conclude about again at a watermark, given the commands that were sent before.

        The others are up to date.
        """
        self.ledger.settle()
        self._take_sent(sent)
        changes = self._changes
        changed, changes.credentials = changes.credentials, {}
        if (
            changes.tasks or watermark < self._since
        ):  # a finding may show other tasks than the credential's own
            changed.update(self._telling)
        changes.tasks = False
        self._since = watermark
        while (first := self._timers.first()) is not None and first[0] <= watermark:
            self._timers.put(first[1], None)
            changed[first[1]] = None
        return [account for account in changed if self._sort(account)]

    def _take_sent(self, sent: list[SentCommand]) -> None:
        if not (sent or self._sent) or sent == self._sent:  # none, mostly: an empty list is no empty tuple
            return
        before, self._sent, self._sent_of = self._sent_of, sent, {}
        for each in sent:
            self._sent_of.setdefault(each.credential_id, []).append(each)
        for credential_id in before.keys() | self._sent_of.keys():
            account = self.ledger.credential(credential_id)
            if account is not None and before.get(credential_id) != self._sent_of.get(credential_id):
                self._changes.credentials[account] = None

    def _sort(self, account: Account) -> bool:
        """Notes whose a credential is. Whether it is this aggregate's, and something may follow from it."""
        if self._is_own(account):
            self._others.pop(account, None)
            kept = self._own.get(account)
            if kept is None:
                kept = self._own[account] = _Kept()
            self._move(account, kept, ground_of(account))
            self._ends.put(account, -lifetime_end(account))
            if account.tallies or account.task.ending is not None or self.sent_of(account):
                return True
            self.conclude(account, NOTHING)
            return False
        self._others[account] = None
        kept = self._own.get(account)
        if kept is not None:
            self.conclude(account, NOTHING)
            self._move(account, kept, None)
            self._ends.put(account, None)
            del self._own[account]
        return False

    def _is_own(self, account: Account) -> bool:
        if self._task_id is not None:
            return account.issue.task_id == self._task_id  # as below, and faster
        return issue_key(account.issue) == self.key

    def _move(self, account: Account, kept: _Kept, ground: Ground | None) -> None:
        if kept.ground != ground:
            self._grounds.move(kept.ground, ground, account)
            kept.ground = ground

    def sent_of(self, account: Account) -> list[SentCommand]:
        """The commands that were sent before to revoke a credential."""
        return self._sent_of.get(account.credential_id, [])

    def conclude(self, account: Account, conclusion: Conclusion) -> None:
        """Takes what holds now of a credential of this aggregate."""
        kept = self._own[account]
        before, kept.conclusion = kept.conclusion, conclusion
        if before is conclusion:
            return
        for finding in before.findings:
            del self.findings[finding.uid]
        self.findings.update((finding.uid, finding) for finding in conclusion.findings)
        self.exposure = self.exposure.moved(before.exposure, conclusion.exposure)
        self._timers.put(account, conclusion.until if conclusion.until < NEVER else None)
        _keep(self._telling, account, kept=conclusion is not NOTHING)
        _keep(self._commanding, account, kept=bool(conclusion.commands))

    @property
    def commands(self) -> list[Command]:
        """The commands that were not sent before, in the order of their evidence."""
        if not self._commanding:
            return []
        found = [
            command for account in self._commanding for command in self._own[account].conclusion.commands
        ]
        return sorted(found, key=attrgetter("order"))

    @property
    def timer(self) -> int:
        """When time alone changes what was concluded of a credential, NEVER if it does not."""
        first = self._timers.first()
        return NEVER if first is None else first[0]

    @property
    def lifetime_end(self) -> int:
        """When the last of them is revoked or expired for good, NEVER if one is not to be. There is one."""
        first = self._ends.first()
        return NEVER if first is None else -first[0]

    def joins(self, until: int) -> dict[tuple[str, Join], int]:
        """How many of them, by source, have each join at a time."""
        return self._grounds.joins(until)

    def grown(self) -> list[Account]:
        """Those that have anything to compact, by id. This, and the others, is as of when `changed` was asked last."""
        return sorted(filter(has_grown, self._own), key=_BY_ID)

    def others(self) -> list[Account]:
        """The credentials in the ledger that turned out to be another aggregate's, by id."""
        return sorted(self._others, key=_BY_ID)


def lifetime_end(account: Account) -> int:
    """When a credential is revoked or expired for good, NEVER if it is not to be."""
    expiries = [NEVER if account.issue.expires_at is None else account.issue.expires_at]
    if account.expiries is not None:
        expiries = [item[1] for item in account.expiries]
    return min(account.revoked, max(expiries))


def _keep(some: dict[Account, None], account: Account, *, kept: bool) -> None:
    if kept:
        some[account] = None
    else:
        some.pop(account, None)
