"""Join coverage in words for a person: which credentials could not be judged, why, and what to do about it."""

from collections.abc import Iterator
from typing import Final

import msgspec

from detector.judge.join_coverage import CoverageRow, JoinCoverage
from detector.judge.joins import (
    CANDIDATES_ENDED,
    CANDIDATES_OVERDUE,
    CANDIDATES_RUNNING,
    END_ONLY,
    ENDED,
    NEVER_ENDS,
    NO_CANDIDATE,
    OTHER_GROUP,
    OVERDUE,
    RUNNING,
    UNREPORTED,
)
from detector.judge.rules.titles import noun_of
from detector.values.wording import Clean, counted, moment, visible

_HAVE: Final = {
    ENDED: "a task that started and ended",
    END_ONLY: "a task that ended, its start not reported",
    RUNNING: "a task that still runs",
    CANDIDATES_ENDED: "candidates that all ended",
    CANDIDATES_RUNNING: "candidates of which one still runs",
}
"""What judged credentials have."""
_WHY: Final = {
    UNREPORTED: "nothing reported the task that they name. Report its start and end under that id",
    OTHER_GROUP: "their issue names a task of another group than its token does: a job may have taken the name of "
    "one that lasts longer. Check who requested them. Let each job give its own name",
    OVERDUE: "their task should have ended by its deadline, and nothing reported the end{oldest}. Report the ends of "
    "tasks, or set a longer `max_task_age`",
    NEVER_ENDS: "their tasks started more than a day ago, and nothing reported the end of any task of such "
    "credentials{oldest}. Report the ends of tasks, too",
    CANDIDATES_OVERDUE: "one of the candidates for their task never ended{oldest}: is a webhook lost? Report its end",
    NO_CANDIDATE: "no task of their group ran when they were issued. Report the starts of tasks with that "
    "`group`",
}
"""Why credentials could not be judged, and what to do."""
_KIND, _SOURCE, _ID, _REASON = 40, 60, 64, 400  # characters


class CoverageGap(msgspec.Struct, frozen=True):
    """Credentials that could not be judged: how many of which kind, why, and which for example."""

    who: str
    why: str
    examples: str


def coverage_sentence(coverage: JoinCoverage) -> str:
    """`38 of 41 credentials have a task that started and ended, 3 have a task that still runs (the …)`."""
    by_join = coverage.by_join
    said: list[str] = []
    for join in _HAVE:
        if join not in by_join:
            continue
        of, have = "" if said else f" {_of(coverage)}", "has" if by_join[join] == 1 else "have"
        said.append(f"{by_join[join]:,}{of} {have} {_HAVE[join]}{_since(coverage, join)}")
    if coverage.unjudged:
        said.append(f"{coverage.unjudged:,}{'' if said else ' ' + _of(coverage)} could not be judged")
    return ", ".join(said)


def _of(coverage: JoinCoverage) -> str:
    return f"of {counted(coverage.credentials, 'credential')}"


def _since(coverage: JoinCoverage, join: str) -> str:
    oldest = min((row.oldest for row in coverage.rows if row.join == join and row.oldest), default=None)
    return "" if oldest is None else f" (the oldest since {moment(oldest.started)})"


def coverage_gaps(coverage: JoinCoverage, clean: Clean) -> Iterator[CoverageGap]:
    """The rows of credentials that could not be judged, the most first. `clean` masks what they say."""
    for row in coverage.rows:
        if not row.judged:
            yield CoverageGap(_who(row, clean), _why(row, clean), _examples(row, clean))


def _who(row: CoverageRow, clean: Clean) -> str:
    kind = visible(clean(row.kind), _KIND).strip()
    noun = noun_of(kind) if kind else "credential"
    return f"{counted(row.credentials, noun)} of {visible(clean(row.source), _SOURCE)}"


def _why(row: CoverageRow, clean: Clean) -> str:
    reason, oldest = visible(clean(row.reason), _REASON), ""
    if row.oldest is not None:
        task, since = visible(clean(row.oldest.task_id), _ID), moment(row.oldest.started)
        oldest = f" (the oldest: {task}, since {since})"
    why = _WHY[row.join].replace("{oldest}", oldest)
    if not reason:
        return why
    return reason if row.join == UNREPORTED else f"{reason}, and {why}"


def _examples(row: CoverageRow, clean: Clean) -> str:
    """`cred-7 (task build-17), cred-9 (task build-18)`; "" if there are none."""
    return ", ".join(
        f"{visible(clean(each.credential_id), _ID)} ({_named(row)} {visible(clean(each.task), _ID)})"
        for each in row.examples
    )


def _named(row: CoverageRow) -> str:
    return "group" if row.join in (NO_CANDIDATE, CANDIDATES_OVERDUE) else "task"
