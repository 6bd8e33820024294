"""Join coverage: how many credentials of a history could be judged by the end of their task, and why not the others.

To a join of one credential (`detector.judge.joins`) a history adds `NEVER_ENDS`: its task has no deadline and ran long,
and no task of credentials of its source and kind ended at all. Their source reports starts and no ends.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

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

    `source` (as `source_of` shortens it) and `kind` are those of the issues. `reason` is why their source names no task,
    "" if it does not say so. `examples` are the earliest by issue. `oldest` is the first task or candidate to start of
    those that have not ended, None if all have.
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


class _Key(NamedTuple):
    """What the credentials of a row have in common, as in `CoverageRow`."""

    source: str
    kind: str
    join: str
    reason: str


class _RowCount:
    """A row in the making. `first` has the earliest issues."""

    __slots__ = ("count", "first", "oldest")

    def __init__(self) -> None:
        self.count = 0
        self.first: list[tuple[int, str, Account]] = []
        self.oldest: OldestTask | None = None

    def add(self, account: Account) -> None:
        task = account.task.oldest if isinstance(account.task, Candidates) else account.task
        oldest = None
        if task is not None and task.start is not None and task.ending is None:
            oldest = OldestTask(task.start.time, task.task_id[:_NAME])
        self._take(1, [(account.issue.time, account.issue.credential_id, account)], oldest)

    def merge(self, other: "_RowCount") -> None:
        self._take(other.count, other.first, other.oldest)

    def _take(self, count: int, first: list[tuple[int, str, Account]], oldest: OldestTask | None) -> None:
        self.count += count
        if oldest is not None:
            self.oldest = oldest if self.oldest is None else min(self.oldest, oldest)
        for place in first:
            if len(self.first) < _MOST_EXAMPLES or _earlier(place) < _earlier(self.first[-1]):
                self.first = sorted([*self.first, place], key=_earlier)[:_MOST_EXAMPLES]

    def row(self, source: str, kind: str, join: str, reason: str) -> CoverageRow:
        examples = (_example(account) for _, _, account in self.first)
        return CoverageRow(source, kind, join, reason, self.count, tuple(examples), self.oldest)


def _earlier(place: tuple[int, str, Account]) -> tuple[int, str]:
    return place[:2]


def _example(account: Account) -> CredentialExample:
    issue = account.issue
    return CredentialExample(issue.credential_id[:_NAME], (issue.task_id or issue.task_group or "")[:_NAME])


def join_coverage(accounts: Iterable[Account], until: int, *, most: int = MOST_ROWS) -> JoinCoverage:
    """The join coverage of all credentials of a history at a time, in at most `most` rows and one more for each join."""
    counts: defaultdict[_Key, _RowCount] = defaultdict(_RowCount)
    undated: defaultdict[_Key, _RowCount] = defaultdict(_RowCount)  # whose tasks run, and have no deadline
    for account in accounts:
        issue, join = account.issue, join_of(account, until)
        reason = (issue.unjoined or "")[:_REASON] if join.name in _UNJOINED else ""
        key = _Key(source_of(issue.source), (issue.kind or "")[:_NAME], join.name, reason)
        of_key = undated if join.name == RUNNING and join.changes_at == NEVER else counts
        of_key[key].add(account)
    ending = {(key.source, key.kind) for key in counts if key.join in (ENDED, END_ONLY)}
    for key, some in undated.items():
        silent = some.oldest is not None and some.oldest.started + LONG < until
        join_name = NEVER_ENDS if silent and (key.source, key.kind) not in ending else RUNNING
        counts[key._replace(join=join_name)].merge(some)
    rows = sorted((some.row(*key) for key, some in counts.items()), key=_order)
    rest: dict[str, int] = {}
    for row in rows[most:]:
        rest[row.join] = rest.get(row.join, 0) + row.credentials
    others = (CoverageRow(OTHER, "", join, "", count) for join, count in rest.items())
    return JoinCoverage((*rows[:most], *sorted(others, key=_order)))


def _order(row: CoverageRow) -> tuple[bool, int, str, str, str, str]:
    return row.judged, -row.credentials, row.source, row.kind, row.join, row.reason
