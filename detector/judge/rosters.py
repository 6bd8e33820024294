"""The aggregates behind candidates: the roster of a group of tasks, and a credential that was issued to such a group.

A roster knows when each task of its group ran. The credential asks it for the tasks that may have been issued it, and
learns of them, and of whatever changes about them, as long as it lives.
"""

import heapq
import itertools
from collections.abc import Iterator
from typing import Final, TypeAlias, TypeVar

from detector.judge.accounts import Account, precedence
from detector.judge.aggregates import Aggregate, TaskAggregate, learn_status
from detector.judge.policy import Policy
from detector.judge.routing import (
    CANDIDATES,
    ROSTER,
    CandidateStatuses,
    CandidateStatusesPart,
    CandidateSubscription,
    Claim,
    Fact,
    SentCommand,
    TaskStatus,
    TaskSubscription,
    encode,
    issue_key,
    roster_key,
    task_key,
)
from detector.judge.task_credentials import lifetime_end
from detector.judge.terms import NEVER
from detector.judge.time_order import TimeOrder
from detector.judge.verdicts import Verdicts
from detector.values.events import CredentialIssued, CredentialRenewed, TaskEnded, TaskStarted
from detector.values.times import DAY

LONGEST: Final = 400 * DAY  # that a task without an end and a credential without an expiry are kept
PART_BYTES: Final = (
    16_384  # of statuses in one answer, unless one status is longer: a record of Kafka has a limit
)

_News: TypeAlias = TaskStarted | TaskStatus
_Event = TypeVar("_Event", TaskStarted, TaskEnded)
_Kept: TypeAlias = str | CandidateSubscription  # a task, by its id, or a subscription


class CandidateAggregate(TaskAggregate):
    """A credential that was issued to a group of tasks, and all that happened to it.

    A task that a use names reports its end itself, and that may come before the roster's word of other candidates,
    which still run. So such an end counts only if it says that the task is no candidate; all others come from the
    roster.
    """

    def __init__(self, key: str, policy: Policy) -> None:
        super().__init__(key, policy)
        self._asked: dict[tuple[str, int, int], int] = {}  # until when, by group and times
        self._named: list[TaskStatus] = []  # what named tasks reported themselves, until the issue is known
        self._parts: dict[tuple[str, CandidateSubscription], dict[int, tuple[TaskStatus, ...]]] = {}

    def take(self, fact: Fact, watermark: int) -> bool:
        """Takes what a task's aggregate does, and what the roster says of candidates."""
        if isinstance(fact, CandidateStatuses):
            self._learn_candidates(fact.statuses)
            return len(fact.statuses) != 1 or self._keeps(fact.statuses[0], fact)
        if isinstance(fact, CandidateStatusesPart):
            answer = fact.group, fact.subscription
            parts = self._parts.setdefault(answer, {})
            parts[fact.number] = fact.statuses
            if len(parts) == fact.parts:
                for statuses in self._parts.pop(answer).values():
                    self._learn_candidates(statuses)
            return True
        kept = super().take(fact, watermark)
        if isinstance(fact, TaskStatus):
            self._named.append(fact)
            self._drop_ended()
        elif isinstance(fact, CredentialIssued | CredentialRenewed | Claim):
            self._drop_ended()
            self._subscribe()
        return kept

    def _learn_candidates(self, statuses: tuple[TaskStatus, ...]) -> None:
        for status in statuses:
            learn_status(self._ledger, status)

    def _own(self) -> Account | None:
        account = self._ledger.credential(self._key.removeprefix(CANDIDATES))
        return account if account is not None and issue_key(account.issue) == self._key else None

    def _drop_ended(self) -> None:
        """Has the named tasks that ended before the issue be no candidates.

        An earlier issue makes no more of them so.
        """
        account = self._own()
        if account is None:
            return
        low = account.issue.time - account.policy.skew
        for status in self._named:
            if not low <= _ended(status) < NEVER:
                learn_status(self._ledger, status)
        self._named.clear()

    def _subscribe(self) -> None:
        """Asks the roster of its group for candidates, and again if the issue that counts or its expiry has changed."""
        account = self._own()
        group = None if account is None else account.issue.task_group
        if account is None or group is None:
            return
        issue, skew, dead_at = account.issue, account.policy.skew, lifetime_end(account)
        until = max(issue.time, issue.time + LONGEST if dead_at >= NEVER else dead_at)
        low, high = issue.time - skew, issue.time + skew
        if self._asked.get((group, low, high), until - 1) < until:
            self._asked[group, low, high] = until
            subscription = CandidateSubscription(self._key, low, high, until)
            self.sends.append((roster_key(group), subscription))


class RosterAggregate(Aggregate):
    """The tasks of a group, and the credentials that were issued to it.

    A task is kept for the `retention` after its end, `LONGEST` after its start if it has none; a subscription for the
    `retention` after the credential is dead. Each task costs its credentials one message for its start and one for its
    end.
    """

    def __init__(self, key: str, policy: Policy) -> None:
        super().__init__()
        self._key = key
        self._group = key.removeprefix(ROSTER)
        self._retention = policy.retention
        self._tasks: dict[str, TaskStatus] = {}
        self._news: dict[str, list[_News]] = {}  # the facts behind each
        self._ends = TimeOrder(2)  # (end, task id) of those that are in the group
        self._subscriptions = TimeOrder(4)  # (latest start, key, earliest end, until when, subscription)
        self._number = itertools.count()  # breaks ties
        self._drops: list[tuple[int, int, _Kept]] = []  # a heap: until when each is kept

    def take(self, fact: Fact, watermark: int) -> bool:  # noqa: ARG002 - needed by names
        """Takes the start of a task, its status, or the subscription of a credential."""
        if isinstance(fact, TaskStarted):
            if fact.task_id not in self._tasks:
                self.sends.append((task_key(fact.task_id), TaskSubscription(self._key, fact.time)))
            return self._learn(fact, TaskStatus(fact.task_id, fact))
        if isinstance(fact, TaskStatus):
            return self._learn(fact, fact)
        if not isinstance(fact, CandidateSubscription):
            return False
        item = (fact.high, fact.key, fact.low, fact.until, fact)
        if self._subscriptions.put(item):
            self._drop_at(fact.until + self._retention, fact)
            self._answer(fact)
        return True

    def judge(self, watermark: int, sent: list[SentCommand]) -> Verdicts:  # noqa: ARG002 - a roster is no credential
        """Drops tasks and subscriptions whose time is over."""
        while self._drops and (self._drops[0][0] <= watermark or self._outdated(*self._drops[0])):
            time, number, kept = heapq.heappop(self._drops)
            if self._outdated(time, number, kept):
                continue
            if isinstance(kept, CandidateSubscription):
                self._subscriptions.take((kept.high, kept.key, kept.low, kept.until))
                self.dropped.append(kept)
            else:
                self._leave(self._tasks.pop(kept))
                self.dropped += self._news.pop(kept)
        timer = self._drops[0][0] if self._drops else None
        return Verdicts({}, [], timer, watermark if timer is None else None)

    def _learn(self, fact: _News, news: TaskStatus) -> bool:
        """Takes news of a task; returns whether they are any."""
        task_id = news.task_id
        known = self._tasks.get(task_id, TaskStatus(task_id))
        lease = news if news.supersedes(known) else known
        found = TaskStatus(
            task_id,
            _earlier(known.start, news.start),
            _earlier(known.end, news.end),
            lease.heartbeat,
            lease.lapsed,
        )
        if task_id in self._tasks and found == known:
            return False
        self._leave(known)
        self._tasks[task_id] = found
        self._replace(task_id, fact, found)
        self._drop_at(self._kept_until(found), task_id)
        if self._is_in(found):
            self._ends.put((_ended(found), task_id))
        keys = dict.fromkeys((*self._subscribers(known), *self._subscribers(found)))
        self.sends += [(key, CandidateStatuses((found,))) for key in keys]
        return True

    def _is_in(self, status: TaskStatus) -> bool:
        return status.start is not None and status.start.group == self._group

    def _replace(self, task_id: str, fact: _News, found: TaskStatus) -> None:
        """Keeps the facts without which less would be known."""
        known = self._news.get(task_id, [])
        needed = [] if fact == found else [one for one in known if _tells(one, found)]
        self.dropped += [one for one in known if one not in needed]
        self._news[task_id] = [*needed, fact]

    def _leave(self, status: TaskStatus) -> None:
        self._ends.take((_ended(status), status.task_id))

    def _subscribers(self, status: TaskStatus) -> Iterator[str]:
        """The keys of the credentials that a task may have been issued, as far as its start and end are known."""
        if status.start is None or not self._is_in(status):
            return
        for _, key, low, _, _ in self._subscriptions.between(status.start.time, NEVER):
            if low <= _ended(status):
                yield key

    def _answer(self, subscription: CandidateSubscription) -> None:
        """Tells a credential of all tasks that may be its own, at once."""
        ended_since = (self._tasks[task_id] for _, task_id in self._ends.between(subscription.low, NEVER))
        statuses = tuple(
            status
            for status in ended_since
            if status.start is not None and status.start.time <= subscription.high
        )
        parts = list(_in_parts(statuses))
        if len(parts) == 1:
            self.sends.append((subscription.key, CandidateStatuses(statuses)))
            return
        self.sends += [
            (subscription.key, CandidateStatusesPart(subscription, self._group, number, len(parts), part))
            for number, part in enumerate(parts)
        ]

    def _kept_until(self, status: TaskStatus) -> int:
        if _ended(status) != NEVER:
            return _ended(status) + self._retention
        return (0 if status.start is None else status.start.time) + LONGEST

    def _outdated(self, time: int, _number: int, kept: _Kept) -> bool:
        """Whether a task is to be kept until another time than this, or is gone."""
        if isinstance(kept, CandidateSubscription):
            return False
        return kept not in self._tasks or self._kept_until(self._tasks[kept]) != time

    def _drop_at(self, time: int, kept: _Kept) -> None:
        heapq.heappush(self._drops, (time, next(self._number), kept))


def _in_parts(statuses: tuple[TaskStatus, ...]) -> Iterator[tuple[TaskStatus, ...]]:
    """Statuses in parts of `PART_BYTES` at most, none if there are none."""
    part: list[TaskStatus] = []
    size = 0
    for status in statuses:
        more = len(encode(status))
        if part and size + more > PART_BYTES:
            yield tuple(part)
            part, size = [], 0
        part.append(status)
        size += more
    if part:
        yield tuple(part)


def _earlier(one: _Event | None, other: _Event | None) -> _Event | None:
    """Of two starts or ends of a task the one that counts."""
    if one is None or other is None:
        return one or other
    return min(one, other, key=precedence)


def _tells(news: _News, found: TaskStatus) -> bool:
    """Whether the start or end that counts is in this fact, or what counts of the lease."""
    if isinstance(news, TaskStarted):
        return news == found.start
    lease = (news.heartbeat, news.lapsed)
    return (
        (news.start is not None and news.start == found.start)
        or (news.end is not None and news.end == found.end)
        or (news.heartbeat is not None and lease == (found.heartbeat, found.lapsed))
    )


def _ended(status: TaskStatus) -> int:
    """When a task ended, NEVER if it has not: its end counts, whatever its lease does."""
    if status.end is not None:
        return status.end.time
    return status.heartbeat.lapse if status.lapsed and status.heartbeat is not None else NEVER
