"""Joins: what is known of the task of a credential, and how many credentials have which.

A credential that no ending task is known for is never found in use after the end. So each credential has a *join*,
which says what is known of its task at a time. `JUDGED` are the joins with which all that happened up to then was
judged. A task that runs is no gap: its end is still to come. It is one once the task should have ended (`deadline`,
`max_task_age`).
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple, Self

import msgspec

from detector.judge.accounts import Account, Candidates, Task
from detector.judge.terms import NEVER, KindPolicy
from detector.values.times import DAY

ENDED: Final = "ended"
END_ONLY: Final = "end-only"
RUNNING: Final = "running"
OVERDUE: Final = "overdue"
NEVER_ENDS: Final = "never-ends"
UNREPORTED: Final = "unreported"
OTHER_GROUP: Final = "other-group"
CANDIDATES_ENDED: Final = "candidates-ended"
CANDIDATES_RUNNING: Final = "candidates-running"
CANDIDATES_OVERDUE: Final = "candidates-overdue"
NO_CANDIDATE: Final = "no-candidate"

JOINS: Final[Mapping[str, str]] = {
    ENDED: "its task started and ended",
    END_ONLY: "its task ended, and nothing reported the start",
    RUNNING: "its task started and still runs",
    OVERDUE: "its task should have ended by its deadline, and nothing reported the end",
    NEVER_ENDS: "its task started more than a day ago, and nothing reported the end of any task of such credentials",
    UNREPORTED: "nothing reported the start or end of its task",
    OTHER_GROUP: "its task is of another group than its issue says, so the issue names the wrong task",
    CANDIDATES_ENDED: "it belongs to one of several tasks, and all of them ended",
    CANDIDATES_RUNNING: "it belongs to one of several tasks, and one of them still runs",
    CANDIDATES_OVERDUE: "it belongs to one of several tasks, and one of them never ended, though it should have",
    NO_CANDIDATE: "no task of its group ran when it was issued",
}
"""Each join and what it means."""
JUDGED: Final = frozenset({ENDED, END_ONLY, RUNNING, CANDIDATES_ENDED, CANDIDATES_RUNNING})
LONG: Final = DAY  # so long a candidate without a deadline may run, or a task if none of its kind ever ended
OTHER: Final = "other"
MOST_SOURCES: Final = 100  # that count by name in a sum
_FEW_SOURCES: Final = 20  # the same, of the credentials of one aggregate
_NAME: Final = 100  # characters of a source


class Join(NamedTuple):
    """What is known of a credential's task. `changes_at` is when time alone changes it (ns), NEVER if it does not."""

    name: str
    changes_at: int = NEVER


_LASTING: Final = {name: Join(name) for name in JOINS}  # until something happens


def join_of(account: Account, until: int) -> Join:
    """The join of a credential at a time."""
    return _join(account.task, account.policy, account.issue.task_group, until)


def _join(task: Task | Candidates, policy: KindPolicy, group: str | None, until: int) -> Join:
    if isinstance(task, Candidates):
        return _join_of_candidates(task, policy, until)
    if group is not None and task.start is not None and task.start.group not in (None, group):
        return _LASTING[OTHER_GROUP]
    if task.ending is not None:
        return _LASTING[END_ONLY if task.start is None else ENDED]
    if task.start is None:
        return _LASTING[UNREPORTED]
    overdue = task.deadline(policy) + policy.grace_period
    return _LASTING[OVERDUE] if overdue <= until else Join(RUNNING, min(NEVER, overdue))


class Ground(NamedTuple):
    """All that the join of a credential depends on, and its source. `policy` is the `id` of that."""

    task: Task | Candidates
    policy: int
    group: str | None
    source: str


def ground_of(account: Account) -> Ground:
    """The ground of a credential's join."""
    return Ground(account.task, id(account.policy), account.issue.task_group, account.issue.source)


class Grounds(msgspec.Struct, gc=False):
    """Credentials by the grounds of their joins. Most of those of one task differ in nothing that matters."""

    _counts: dict[Ground, int] = {}
    _policies: dict[int, KindPolicy] = {}

    def move(self, before: Ground | None, after: Ground | None, account: Account) -> None:
        """Counts a credential under another ground than before; None if it was not, or is no longer to be counted."""
        if before is not None:
            self._counts[before] -= 1
            if not self._counts[before]:
                del self._counts[before]
        if after is not None:
            self._counts[after] = self._counts.get(after, 0) + 1
            self._policies[after.policy] = account.policy

    def joins(self, until: int) -> dict[tuple[str, Join], int]:
        """How many credentials of each source have each join at a time."""
        found: dict[tuple[str, Join], int] = {}
        for (task, policy, group, source), number in self._counts.items():
            name = source, _join(task, self._policies[policy], group, until)
            found[name] = found.get(name, 0) + number
        return found


def _join_of_candidates(candidates: Candidates, policy: KindPolicy, until: int) -> Join:
    """The oldest candidate without an end decides: as long as nothing reports its end, the end of all is not known.

    A lost end would keep all later credentials of its group from being judged. So a candidate without a deadline is
    overdue after a day; `max_task_age` sets another time.
    """
    if not candidates.count:
        return _LASTING[NO_CANDIDATE]
    oldest = candidates.oldest
    if oldest is None or oldest.start is None:
        return _LASTING[CANDIDATES_ENDED]
    deadline = oldest.deadline(policy)
    overdue = (oldest.start.time + LONG if deadline == NEVER else deadline) + policy.grace_period
    return _LASTING[CANDIDATES_OVERDUE] if overdue <= until else Join(CANDIDATES_RUNNING, overdue)


@lru_cache(maxsize=4096)
def source_of(source: str) -> str:
    """What issued a credential, in few words: `aws.cloudtrail/4444…` is `aws.cloudtrail`, a URL its host."""
    scheme, mark, rest = source.partition("://")
    found = scheme + mark + rest.partition("/")[0] if mark else source.partition("/")[0] or source
    return found[:_NAME]


class JoinCounts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Credentials by source and join. A sum has no zeros, but it keeps the names of its sources."""

    by_source: dict[str, dict[str, int]] = {}

    def __bool__(self) -> bool:
        return any(self.by_source.values())

    @classmethod
    def of(cls, joins: Mapping[tuple[str, Join], int]) -> Self:
        """The counts of `Grounds.joins`. They name few sources: the others count as `other`."""
        counts: dict[str, dict[str, int]] = {}
        for (source, join), count in sorted(joins.items()):
            of_source = counts.setdefault(_slot(source_of(source), counts, _FEW_SOURCES), {})
            of_source[join.name] = of_source.get(join.name, 0) + count
        return cls(counts)

    def moved(self, before: "JoinCounts", after: "JoinCounts") -> "JoinCounts":
        """This sum once one of its parts changes from `before` to `after`.

        The first hundred sources count by name, as long as there are any credentials, and the others as `other`. So
        what was counted under a name is later taken from that name.
        """
        if before == after:
            return self
        sums = dict(self.by_source)
        for part, sign in ((after, 1), (before, -1)):
            for source, joins in part.by_source.items():
                slot = _slot(source, sums, MOST_SOURCES)
                counts = dict(sums.get(slot, {}))
                for join, count in joins.items():
                    counts[join] = counts.get(join, 0) + sign * count
                    if not counts[join]:
                        del counts[join]
                sums[slot] = counts
        return JoinCounts(sums) if any(sums.values()) else JoinCounts()


def _slot(source: str, known: Mapping[str, object], most: int) -> str:
    """The name under which a source counts."""
    return source if source in known or len(known) < most else OTHER
