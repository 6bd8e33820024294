"""Join coverage: how many credentials of a history could be judged by the end of their task, and why not the others.

To a join of one credential (`detector.judge.joins`) a history adds `NEVER_ENDS`: its task has no deadline and ran long,
and no task of credentials of its source and kind ended at all. Their source reports starts and no ends.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from detector.judge.accounts import Account, Candidates
from detector.judge.joins import (
    CANDIDATES_OVERDUE,
    END_ONLY,
    ENDED,
    JOINS,
    JUDGED,
    LONG,
    NEVER_ENDS,
    NO_CANDIDATE,
    OTHER,
    RUNNING,
    UNREPORTED,
    join_of,
    source_of,
)
from detector.judge.terms import NEVER

MOST_ROWS: Final = 100
_MOST_EXAMPLES: Final = 3
_UNJOINED: Final = frozenset(
    {UNREPORTED, CANDIDATES_OVERDUE, NO_CANDIDATE}
)  # for these the issue may know why
_NAME: Final = 100  # characters of a kind or an id
_REASON: Final = 400  # characters of a reason


class CredentialExample(msgspec.Struct, frozen=True):
    """One of the credentials of a row, with the task or task group that its issue names."""

    credential_id: str
    task: str


class OldestTask(msgspec.Struct, frozen=True, order=True):
    """A task that has not ended. `started` is in ns."""

    started: int
    task_id: str


class CoverageRow(msgspec.Struct, frozen=True):
    """Credentials that have the same join for the same reason.

    `source` (as `source_of` shortens it) and `kind` are those of the issues. `reason` is why their source names no
    task, "" if it does not say so. `examples` are the earliest by issue. `oldest` is the first task or candidate to
    start of those that have not ended, None if all have.
    """

    source: str
    kind: str
    join: str
    reason: str
    credentials: int
    examples: tuple[CredentialExample, ...] = ()
    oldest: OldestTask | None = None

    @property
    def judged(self) -> bool:
        """Whether these credentials were judged."""
        return self.join in JUDGED


class JoinCoverage(msgspec.Struct, frozen=True):
    """The join coverage of a history. `rows` have those that could not be judged first, then the most credentials."""

    rows: tuple[CoverageRow, ...] = ()

    @property
    def credentials(self) -> int:
        """All credentials."""
        return sum(row.credentials for row in self.rows)

    @property
    def unjudged(self) -> int:
        """The credentials that could not be judged."""
        return sum(row.credentials for row in self.rows if not row.judged)

    @property
    def by_join(self) -> dict[str, int]:
        """Credentials by join, in the order of `JOINS`."""
        return {
            join: count
            for join in JOINS
            if (count := sum(row.credentials for row in self.rows if row.join == join))
        }


class JoinCount(msgspec.Struct):
    """A row in the making: the credentials of a part of a history that have the same join for the same reason.

    `undated`: their tasks run, and have no deadline. `first` has the earliest issues: time, credential, and the task or
    group that the issue names. The rest is as in `CoverageRow`.
    """

    source: str
    kind: str
    join: str
    reason: str
    undated: bool = False
    count: int = 0
    first: list[tuple[int, str, str]] = []
    oldest: OldestTask | None = None

    @property
    def place(self) -> tuple[str, str, str, str, bool]:
        """What its credentials have in common."""
        return self.source, self.kind, self.join, self.reason, self.undated

    def add(self, account: Account) -> None:
        """Counts a credential."""
        task = account.task.oldest if isinstance(account.task, Candidates) else account.task
        if task is not None and task.start is not None and task.ending is None:
            self._older(OldestTask(task.start.time, task.task_id[:_NAME]))
        self.count += 1
        issue = account.issue
        if len(self.first) < _MOST_EXAMPLES or account.seniority < self.first[-1][:2]:
            self._earlier([(*account.seniority, (issue.task_id or issue.task_group or "")[:_NAME])])

    def merge(self, other: "JoinCount") -> None:
        """Counts the credentials of another."""
        self.count += other.count
        self._earlier(other.first)
        if other.oldest is not None:
            self._older(other.oldest)

    def row(self) -> CoverageRow:
        """The row."""
        examples = (CredentialExample(credential_id[:_NAME], task) for _, credential_id, task in self.first)
        return CoverageRow(
            self.source, self.kind, self.join, self.reason, self.count, tuple(examples), self.oldest
        )

    def _earlier(self, some: list[tuple[int, str, str]]) -> None:
        self.first = sorted([*self.first, *some])[:_MOST_EXAMPLES]

    def _older(self, task: OldestTask) -> None:
        self.oldest = task if self.oldest is None else min(self.oldest, task)


def count_joins(accounts: Iterable[Account], until: int) -> list[JoinCount]:
    """The joins of credentials at a time, counted. Counts of the parts of a history make up its join coverage."""
    counts: dict[tuple[str, str, str, str, bool], JoinCount] = {}
    for account in accounts:
        issue, join = account.issue, join_of(account, until)
        reason = (issue.unjoined or "")[:_REASON] if join.name in _UNJOINED else ""
        undated = join.name == RUNNING and join.changes_at == NEVER
        place = source_of(issue.source), (issue.kind or "")[:_NAME], join.name, reason, undated
        counted = counts.get(place)
        if counted is None:
            counted = counts[place] = JoinCount(*place)
        counted.add(account)
    return list(counts.values())


def join_coverage(parts: Iterable[JoinCount], until: int, *, most: int = MOST_ROWS) -> JoinCoverage:
    """The join coverage of a history at a time, in at most `most` rows and one more for each join."""
    sums = _summed(parts)
    ending = {(one.source, one.kind) for one in sums if one.join in (ENDED, END_ONLY)}
    for one in sums:
        if one.undated:
            silent = one.oldest is not None and one.oldest.started + LONG < until
            one.join = NEVER_ENDS if silent and (one.source, one.kind) not in ending else RUNNING
            one.undated = False
    rows = sorted((one.row() for one in _summed(sums)), key=_order)
    rest: dict[str, int] = {}
    for row in rows[most:]:
        rest[row.join] = rest.get(row.join, 0) + row.credentials
    others = (CoverageRow(OTHER, "", join, "", count) for join, count in rest.items())
    return JoinCoverage((*rows[:most], *sorted(others, key=_order)))


def _summed(parts: Iterable[JoinCount]) -> list[JoinCount]:
    sums: dict[tuple[str, str, str, str, bool], JoinCount] = {}
    for one in parts:
        sums.setdefault(one.place, JoinCount(*one.place)).merge(one)
    return list(sums.values())


def _order(row: CoverageRow) -> tuple[bool, int, str, str, str, str]:
    return row.judged, -row.credentials, row.source, row.kind, row.join, row.reason
