"""Finds the candidates of the credentials that were issued to a group of tasks: the tasks that ran at their issue.

One sweep in the order of time settles a whole group, in O(log n) for each task and credential, however many overlap.
"""

import heapq
import itertools
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from detector.judge.accounts import Account, Candidates, Task, TaskGroup, ended_by
from detector.judge.terms import NEVER, KindPolicy
from detector.judge.time_order import Item
from detector.values.events import TaskEnding

SHOWN: Final = 20  # candidates that findings and commands name


class Outline(NamedTuple):
    """What `Candidates` say of the tasks: the fields are theirs, `number` is their `count`."""

    number: int
    first: tuple[Task, ...]
    kind: str | None
    ending: TaskEnding | None
    due: int
    oldest: Task | None


def outlines(group: TaskGroup) -> Iterator[tuple[Account, Candidates, Outline]]:
    """The credentials of a group, with what now holds of the candidates of each."""
    kinds: dict[tuple[int, int | None], list[tuple[Account, Candidates]]] = {}
    for account in group.accounts:
        candidates, policy = account.task, account.policy
        if isinstance(candidates, Candidates) and candidates.group is group:
            kinds.setdefault((policy.skew, policy.max_task_age), []).append((account, candidates))
    if not kinds:
        return
    started = group.in_order()
    for issued in kinds.values():
        if len(issued) == 1:  # as in the service, where each end of a candidate asks again
            ((account, candidates),) = issued
            yield account, candidates, _outline_of(started, candidates, account.policy)
            continue
        issued.sort(key=lambda pair: pair[1].high)
        running, at = _Running(issued[0][0].policy), 0
        for account, candidates in issued:
            while at < len(started) and started[at][0][0] <= candidates.high:
                running.start(started[at][1])
                at += 1
            running.drop(candidates.low)
            yield account, candidates, running.outline()


def _outline_of(started: Sequence[tuple[Item, Task]], candidates: Candidates, policy: KindPolicy) -> Outline:
    """The same for one credential, with less to remember."""
    low, high = candidates.low, candidates.high
    ran: list[Task] = []
    for place, task in started:
        if place[0] > high:
            break
        if task.ended >= low:
            ran.append(task)
    endings = [ending for task in ran if (ending := task.ending) is not None]
    kinds = {task.kind for task in ran}
    return Outline(
        number=len(ran),
        first=tuple(ran[:SHOWN]),
        kind=kinds.pop() if len(kinds) == 1 else None,
        ending=max(endings, key=ended_by) if endings and len(endings) == len(ran) else None,
        due=max((task.deadline(policy) for task in ran), default=NEVER),
        oldest=next((task for task in ran if task.ending is None), None),
    )


class _Running:
    """The tasks that ran at a time, as that time goes on."""

    def __init__(self, policy: KindPolicy) -> None:
        self._policy = policy
        self._tasks: OrderedDict[Task, None] = OrderedDict()  # a dict would walk over those that are gone
        self._number = itertools.count()  # breaks ties
        self._ends: list[tuple[int, int, Task]] = []  # a heap
        self._deadlines: list[tuple[int, int, Task]] = []  # a heap, the latest first
        self._kinds: Counter[str | None] = Counter()
        self._endless = 0  # how many have no end
        self._undated = 0  # how many have no deadline
        self._last: TaskEnding | None = None
        self._oldest: Task | None = None  # of those without an end, which never go
        self._outline: Outline | None = None

    def start(self, task: Task) -> None:
        """Adds a task. They come in the order of their starts."""
        self._outline = None
        self._tasks[task] = None
        self._kinds[task.kind] += 1
        ending = task.ending
        if ending is None:
            self._endless += 1
            self._oldest = self._oldest or task
        else:
            heapq.heappush(self._ends, (task.ended, next(self._number), task))
            if self._last is None or ended_by(self._last) < ended_by(ending):
                self._last = ending
        deadline = task.deadline(self._policy)
        if deadline == NEVER:
            self._undated += 1
        else:
            heapq.heappush(self._deadlines, (-deadline, next(self._number), task))

    def drop(self, before: int) -> None:
        """Drops the tasks that ended before a time."""
        while self._ends and self._ends[0][0] < before:
            task = heapq.heappop(self._ends)[2]
            self._outline = None
            del self._tasks[task]
            self._kinds[task.kind] -= 1
            if not self._kinds[task.kind]:
                del self._kinds[task.kind]
            self._undated -= task.deadline(self._policy) == NEVER

    def outline(self) -> Outline:
        """What holds of those that are left. If one of them has ended, so has the one that ended last of all."""
        if self._outline is None:
            while self._deadlines and self._deadlines[0][2] not in self._tasks:
                heapq.heappop(self._deadlines)
            self._outline = Outline(
                number=len(self._tasks),
                first=tuple(itertools.islice(self._tasks, SHOWN)),
                kind=next(iter(self._kinds)) if len(self._kinds) == 1 else None,
                ending=self._last if self._tasks and not self._endless else None,
                due=-self._deadlines[0][0] if self._deadlines and not self._undated else NEVER,
                oldest=self._oldest,
            )
        return self._outline
