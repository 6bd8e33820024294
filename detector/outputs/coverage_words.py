"""Join coverage in words for a person: which credentials could not be judged, why, and what to do about it."""

from collections.abc import Iterator
from typing import Final

import msgspec

from detector.judge.join_coverage import (
    END_ONLY,
    ENDED,
    NEVER_ENDS,
    NO_CANDIDATE,
    OVERDUE,
    RUNNING,
    UNREPORTED,
    CoverageRow,
    JoinCoverage,
)
from detector.judge.rules.titles import noun_of
from detector.values.wording import Clean, counted, moment, visible

_HAVE: Final = {
    ENDED: "a task that started and ended",
    END_ONLY: "a task that ended, its start not reported",
    RUNNING: "a task that still runs",
}
# Why credentials could not be judged, and what to do. If the source of the issue says more, that takes the place of it.
_WHY: Final = {
    UNREPORTED: "nothing reported the task that they name. Let its start and end be reported under that id",
    OVERDUE: "their task should have ended by its deadline, and nothing reported the end. Let ends be reported, or "
    "set a longer `max_task_age`",
    NEVER_ENDS: "their tasks started more than a day ago, and nothing reported the end of any task of such "
    "credentials. Let ends be reported, too",
    NO_CANDIDATE: "no task of their group ran when they were issued. Let the starts of tasks be reported with that "
    "`group`",
}
_KIND, _SOURCE, _ID, _REASON = 40, 60, 64, 400  # characters


class CoverageGap(msgspec.Struct, frozen=True):
    """Credentials that could not be judged: how many of which kind, why, and which for example."""

    who: str
    why: str
    examples: str


def coverage_sentence(coverage: JoinCoverage) -> str:
    """`38 of 41 credentials have a task that started and ended, 3 a task that still runs (the oldest since …)`."""
    by_join, oldest = coverage.by_join, min(_running_since(coverage), default=None)
    parts = [(by_join[join], words) for join, words in _HAVE.items() if join in by_join]
    if RUNNING in by_join and oldest is not None:
        count, words = parts.pop()
        parts.append((count, f"{words} (the oldest since {moment(oldest)})"))
    said = [f"{count:,} {words}" for count, words in parts]
    if parts:
        count, words = parts[0]
        said[0] = f"{count:,} {_of(coverage)} {'has' if count == 1 else 'have'} {words}"
    if coverage.unjudged:
        said.append(f"{coverage.unjudged:,} {'' if parts else _of(coverage) + ' '}could not be judged")
    return ", ".join(said)


def _of(coverage: JoinCoverage) -> str:
    return f"of {counted(coverage.credentials, 'credential')}"


def _running_since(coverage: JoinCoverage) -> Iterator[int]:
    return (row.oldest for row in coverage.rows if row.join == RUNNING and row.oldest is not None)


def coverage_gaps(coverage: JoinCoverage, clean: Clean) -> Iterator[CoverageGap]:
    """The rows of credentials that could not be judged, the most first. `clean` masks what they say."""
    for row in coverage.rows:
        if not row.judged:
            yield CoverageGap(_who(row, clean), _why(row, clean), _examples(row, clean))


def _who(row: CoverageRow, clean: Clean) -> str:
    noun = noun_of(visible(clean(row.kind), _KIND)) if row.kind else "credential"
    return f"{counted(row.credentials, noun)} of {visible(clean(row.source), _SOURCE)}"


def _why(row: CoverageRow, clean: Clean) -> str:
    return visible(clean(row.reason), _REASON) if row.reason else _WHY[row.join]


def _examples(row: CoverageRow, clean: Clean) -> str:
    """`cred-7 (task build-17), cred-9 (task build-18)`; "" if there are none."""
    return ", ".join(
        f"{visible(clean(each.credential_id), _ID)} ({_named(row)} {visible(clean(each.task), _ID)})"
        for each in row.examples
    )


def _named(row: CoverageRow) -> str:
    return "group" if row.join == NO_CANDIDATE else "task"
