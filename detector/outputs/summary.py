"""A replay in numbers: `summary.json`, and the figures in the summary on the terminal."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from detector.judge.join_coverage import CoverageRow, JoinCoverage
from detector.records.dead_letters import BINARY, EMPTY
from detector.values.findings import Command, Finding, Severity
from detector.values.times import format_rfc3339
from detector.values.wording import counted

UNKNOWN_TYPE: Final = "other"  # what events of a type that is not ours are counted as


class SourceRead(msgspec.Struct, frozen=True):
    """What was read from one source, a file as the user named it: format, records and bytes (decompressed)."""

    source: str
    format: str
    records: int
    bytes: int


class NotBelieved(msgspec.Struct, frozen=True):
    """A source that was taken for text though `events` records of it look like events.

    `line` is the line that makes it text, None if that is not known. With `declared` a person said that it is text.
    """

    source: str
    events: int
    line: int | None = None
    declared: bool = False

    @property
    def warning(self) -> str:
        """What happened, and what to do."""
        look = (
            "record that looks like an event is" if self.events == 1 else "records that look like events are"
        )
        what = f"{self.source}: {self.events:,} {look} not believed"
        if self.declared:
            return f"{what}, because --logs names the file"
        line = "" if self.line is None else f" (line {self.line:,} is text)"
        return (
            f"{what}, because there are other records too{line}. "
            "If only trusted programs can write to it, name it with --events"
        )


class BaselineSummary(msgspec.Struct, frozen=True):
    """What is told of the baseline, cleaned: a sentence, what no longer occurs, and the JSON of `summary.json`."""

    sentence: str
    gone: tuple[str, ...]
    record: Mapping[str, Any]


class Summary(msgspec.Struct, frozen=True):
    """All numbers of one replay.

    `idle` counts, by source and type, the records of known sources that say nothing of credentials and tasks.
    `findings_by_severity` has the accepted ones in it, `accepted` counts them. `allowed` counts by pattern the leaks
    that the configuration lets go. `limited` counts by source the log records that could not be examined whole.
    `unread` has, by name, the reason why a whole file, folder or archive was not understood: the first thousand.
    `untrusted` counts by source and reason the dead letters of events that `[[trust]]` refuses. `unresolved` counts
    by source the uses and events that name no known credential. `conflicts` counts identifiers claimed by two
    credentials, `masked_revocations` the revocation handles in which a secret was masked. `unfindable` counts by the
    reason the registered identifiers that no scan can find. `not_believed` are the sources of text with records that
    look like events. `coverage` says how many credentials could be judged. `keyed` says whether there was a
    deployment key, `baseline` is its part of summary.json, cleaned, and the sentence about it. `until` and
    `durations` are the time judged up to (ns) and seconds by stage; only the durations may differ between two runs
    over the same input.
    """

    read: tuple[SourceRead, ...] = ()
    events: Mapping[str, int] = {}
    idle: Mapping[str, int] = {}
    findings_by_rule: Mapping[str, int] = {}
    findings_by_severity: Mapping[str, int] = {}
    accepted: int = 0
    allowed: Mapping[str, int] = {}
    limited: Mapping[str, int] = {}
    plain: int = 0
    escalated: int = 0
    dead_letters: Mapping[str, int] = {}
    unread: Mapping[str, str] = {}
    untrusted: Mapping[str, Mapping[str, int]] = {}
    unresolved: Mapping[str, int] = {}
    conflicts: int = 0
    unfindable: Mapping[str, int] = {}
    not_believed: tuple[NotBelieved, ...] = ()
    masked_revocations: int = 0
    coverage: JoinCoverage = JoinCoverage()
    keyed: bool = True
    baseline: BaselineSummary | None = None
    warnings: tuple[str, ...] = ()
    durations: Mapping[str, float] = {}

    @property
    def records(self) -> int:
        """Records read in all."""
        return sum(one.records for one in self.read)

    @property
    def bytes(self) -> int:
        """Bytes read in all, decompressed."""
        return sum(one.bytes for one in self.read)

    @property
    def gaps(self) -> tuple[str, ...]:
        """What could not be judged, each as a clause: where there is any, nothing found is no all-clear."""
        found = []
        if self.coverage.unjudged:
            of = f"{self.coverage.unjudged:,} of {counted(self.coverage.credentials, 'credential')}"
            found.append(f"{of} could not be judged")
        unresolved = sum(self.unresolved.values())
        if unresolved:
            what = "event names a credential" if unresolved == 1 else "events name credentials"
            found.append(f"{unresolved:,} {what} that nobody registered")
        events = sum(one.events for one in self.not_believed if not one.declared)
        if events:
            what = "record that may be an event was" if events == 1 else "records that may be events were"
            found.append(f"{events:,} {what} not believed")
        limited = sum(self.limited.values())
        if limited:
            found.append(f"{counted(limited, 'record')} could not be examined whole")
        untrusted = sum(sum(counts.values()) for counts in self.untrusted.values())
        found += self._unread_gaps(untrusted)
        if untrusted:
            found.append(f"{counted(untrusted, 'event was', 'events were')} not trusted")
        unknown = self.events.get(UNKNOWN_TYPE, 0)
        if unknown:
            what = "event of an unknown type was" if unknown == 1 else "events of unknown types were"
            found.append(f"{unknown:,} {what} skipped")
        unfindable = sum(self.unfindable.values())
        if unfindable:
            found.append(
                f"the secrets of {counted(unfindable, 'registered identifier')} could not be looked for"
            )
        return tuple(found)

    def _unread_gaps(self, untrusted: int) -> Iterator[str]:
        """What could not be read. Events that are `untrusted` are dead letters for another reason."""
        binary, empty = (self.dead_letters.get(reason, 0) for reason in (BINARY, EMPTY))
        unread = sum(self.dead_letters.values()) - untrusted - binary - empty
        if unread > 0:
            yield f"{counted(unread, 'record or file', 'records or files')} could not be read"
        if binary:
            files = sum(reason == BINARY for reason in self.unread.values())
            yield f"{counted(max(1, files), 'file')} did not look like text"
        if empty:
            yield f"{counted(empty, 'file or folder', 'files or folders')} had nothing to read"

    def record(self) -> dict[str, Any]:
        """The JSON of `summary.json`, every mapping in the order of its keys."""
        return {
            "records": _by_source(self.read, "records"),
            "bytes": _by_source(self.read, "bytes"),
            "events": _sorted(self.events),
            "idle": _sorted(self.idle),
            "findings": {
                "by_rule": _sorted(self.findings_by_rule),
                "by_severity": {
                    severity.label: self.findings_by_severity.get(severity.label, 0)
                    for severity in sorted(Severity, reverse=True)
                },
                "accepted": self.accepted,
            },
            "allowed": _sorted(self.allowed),
            "limited": _sorted(self.limited),
            "commands": {"plain": self.plain, "escalated": self.escalated},
            "dead_letters": _sorted(self.dead_letters),
            "unread": _sorted_names(self.unread),
            "untrusted": {source: _sorted(counts) for source, counts in sorted(self.untrusted.items())},
            "unresolved": _sorted(self.unresolved),
            "coverage": _coverage(self.coverage),
            **({} if self.baseline is None else {"baseline": self.baseline.record}),
            "keyed": self.keyed,
            "conflicts": self.conflicts,
            "unfindable": _sorted(self.unfindable),
            "masked_revocations": self.masked_revocations,
            "not_believed": {
                one.source: {"events": one.events, "line": one.line, "declared": one.declared}
                for one in self.not_believed
            },
            "warnings": list(self.warnings),
            "durations": {name: round(seconds, 3) for name, seconds in self.durations.items()},
        }


def _coverage(coverage: JoinCoverage) -> dict[str, Any]:
    return {
        "credentials": coverage.credentials,
        "judged": coverage.credentials - coverage.unjudged,
        "by_join": coverage.by_join,
        "rows": [_row(row) for row in coverage.rows],
    }


def _row(row: CoverageRow) -> dict[str, Any]:
    return {
        "source": row.source,
        "kind": row.kind,
        "join": row.join,
        "judged": row.judged,
        "reason": row.reason,
        "credentials": row.credentials,
        "examples": [{"credential_id": each.credential_id, "task": each.task} for each in row.examples],
        "oldest": None
        if row.oldest is None
        else {"task_id": row.oldest.task_id, "started": format_rfc3339(row.oldest.started)},
    }


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _sorted_names(named: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(named.items()))


def _by_source(read: Iterable[SourceRead], field: str) -> dict[str, dict[str, int]]:
    """Counts for each source by format: one source may have files in several."""
    counts: dict[str, Counter[str]] = {}
    for one in read:
        counts.setdefault(one.source, Counter())[one.format] += getattr(one, field)
    return {source: _sorted(formats) for source, formats in sorted(counts.items())}


class Verdicts(msgspec.Struct, frozen=True):
    """The counts of findings and commands that a summary takes."""

    by_rule: Mapping[str, int]
    by_severity: Mapping[str, int]
    accepted: int
    plain: int
    escalated: int


def verdicts(findings: Sequence[Finding], commands: Sequence[Command]) -> Verdicts:
    """Counts the findings and commands of a run."""
    return Verdicts(
        by_rule=Counter(one.rule for one in findings),
        by_severity=Counter(one.severity.label for one in findings),
        accepted=sum(one.accepted is not None for one in findings),
        plain=sum(not one.escalated for one in commands),
        escalated=sum(one.escalated for one in commands),
    )
