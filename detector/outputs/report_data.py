"""The data of the report's page: one small JSON object in which every text is cleaned and visible.

What is about one task stands together, so that what its findings share is compressed away; advice is kept once, in
`texts`, and referred to by number. `unpacked` in pages/report.js puts it together again.
"""

import base64
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from detector import __version__
from detector.judge.join_coverage import JoinCoverage
from detector.outputs.advice import HANDLE_IS
from detector.outputs.commands import command_record
from detector.outputs.coverage_words import coverage_gaps, coverage_sentence
from detector.outputs.ocsf import finding_records
from detector.outputs.page_records import PageRecord, page_command, page_finding, rule_references
from detector.outputs.report import MAX_LETTERS, Report, proved_dead
from detector.outputs.report_text import worst_first
from detector.outputs.summary import SourceRead, Summary
from detector.records.dead_letters import DeadLetter
from detector.values.findings import Command, Finding, Severity
from detector.values.times import to_millis
from detector.values.wording import Clean, visible

MAX_FINDINGS: Final = 10_000
_MAX_SOURCES: Final = 500
_MAX_COUNTS: Final = 50
_NAME: Final = 200  # characters of a source's name


class PageRecords(msgspec.Struct, frozen=True):
    """The findings and commands of a page, the worst first, as `detector.outputs.page_records` makes them."""

    findings: list[PageRecord]
    commands: list[PageRecord]


def page_records_of(report: Report) -> PageRecords:
    """The worst findings, accepted ones last, and as many commands."""
    worst = sorted(report.findings, key=worst_first)[:MAX_FINDINGS]
    dead = proved_dead(report.findings, report.commands)
    return PageRecords(
        [page_finding(record) for record in finding_records(worst, report.patterns, report.clean)],
        [_page_command(one, dead, report.clean) for one in report.commands[:MAX_FINDINGS]],
    )


def _page_command(command: Command, dead: Mapping[str, int], clean: Clean) -> PageRecord:
    """A command, with the time when its credential was proved dead, if it was."""
    time = dead.get(command.credential.credential_id)
    return page_command(command_record(command, clean)) | ({} if time is None else {"dead": to_millis(time)})


class Budget(msgspec.Struct, frozen=True):
    """How much a page holds: findings (and commands), and pieces of evidence of each finding."""

    findings: int
    pieces: int


def page_data(report: Report, records: PageRecords, budget: Budget) -> dict[str, Any]:
    """The page's object."""
    texts: dict[str, int] = {}
    groups = _groups(records, budget)
    return {
        "product": f"curfewd {__version__}",
        "total": len(report.findings),
        "counts": _counts(report.findings, report.commands),
        "until": to_millis(report.until),
        "rules": rule_references(sorted({one.rule for one in report.findings})),
        "groups": [_packed(group, texts, budget.pieces) for group in groups],
        "texts": list(texts),
        "handle": HANDLE_IS,
        "coverage": _coverage(report.summary.coverage, report.clean),
        "read": _read(report.summary, report.letters[:MAX_LETTERS], report.clean),
    }


class _Group(msgspec.Struct):
    """The findings and commands about one task. Side by side, what they have in common compresses well."""

    findings: list[PageRecord]
    commands: list[PageRecord]


def _groups(records: PageRecords, budget: Budget) -> Iterable[_Group]:
    """Groups by task, those with the earliest findings first: neighbours in time compress well."""
    groups: dict[str, _Group] = {}
    for record in sorted(records.findings[: budget.findings], key=lambda record: record["first"]):
        groups.setdefault(record.get("task", {}).get("id", ""), _Group([], [])).findings.append(record)
    for record in records.commands[: budget.findings]:
        groups.setdefault(record["task"], _Group([], [])).commands.append(record)
    return groups.values()


def _packed(group: _Group, texts: dict[str, int], pieces: int) -> PageRecord:
    """A group as the page gets it: tasks and credentials once, and each finding with their numbers."""
    known: dict[str, dict[bytes, int]] = {"task": {}, "credential": {}}
    tables: dict[str, list[PageRecord]] = {"task": [], "credential": []}
    findings = []
    for record in group.findings:
        packed = _slim(record, pieces)
        advice, _, handle = record["advice"].partition(HANDLE_IS)
        packed["advice"] = [texts.setdefault(advice, len(texts)), *([handle] if handle else [])]
        for name, table in tables.items():
            if name in record:
                number = known[name].setdefault(msgspec.json.encode(record[name]), len(table))
                if number == len(table):
                    table.append(_less(record[name], task=record.get("task", {}).get("id")))
                packed[name] = number
        findings.append(packed)
    return {
        "tasks": tables["task"],
        "credentials": tables["credential"],
        "findings": findings,
        "commands": [
            _less(record, findings=record["findings"], id=record["id"]) for record in group.commands
        ],
    }


def _slim(record: PageRecord, pieces: int) -> PageRecord:
    """A finding without default values and what follows from the rest.

    Times count from its first, the uid is in base64.
    """
    first, severity = record["first"], record["severity"]
    uid = base64.b64encode(uuid.UUID(record["uid"]).bytes).decode().rstrip("=")
    evidence = [
        _less(piece | {"time": piece["time"] - first}, time=0, severity=severity, outcome="success")
        for piece in record["evidence"][:pieces]
    ]
    message = record["message"].removeprefix(f"{record['title']}. ")
    made = record | {"uid": uid, "message": message, "last": record["last"] - first, "evidence": evidence}
    return _less(made, status="new", count=1, last=0)


def _less(record: PageRecord, **usual: Any) -> PageRecord:
    """The record without the fields that have their usual value."""
    return {key: value for key, value in record.items() if key not in usual or usual[key] != value}


def _counts(findings: Sequence[Finding], commands: Sequence[Command]) -> dict[str, int]:
    standing = [one for one in findings if one.accepted is None]
    return {
        **{
            severity.label: sum(one.severity == severity for one in standing)
            for severity in sorted(Severity, reverse=True)
        },
        "accepted": len(findings) - len(standing),
        "revoke": len(
            {one.credential.credential_id for one in commands} - proved_dead(findings, commands).keys()
        ),
    }


def _coverage(coverage: JoinCoverage, clean: Clean) -> dict[str, Any]:
    return {
        "sentence": coverage_sentence(coverage),
        "unjudged": coverage.unjudged,
        "gaps": [[gap.who, gap.why, gap.examples] for gap in coverage_gaps(coverage, clean)],
    }


def _read(summary: Summary, letters: Iterable[DeadLetter], clean: Clean) -> dict[str, Any]:
    formats: dict[str, int] = {}
    for one in summary.read:
        formats[one.format] = formats.get(one.format, 0) + one.records
    largest = sorted(summary.read, key=lambda one: (-one.bytes, one.source, one.format))[:_MAX_SOURCES]
    return {
        "records": summary.records,
        "bytes": summary.bytes,
        "total_sources": len({one.source for one in summary.read}),
        "sources": [_source(one, clean) for one in sorted(largest, key=lambda one: (one.source, one.format))],
        "formats": _ranked(formats, clean),
        "events": _ranked(summary.events, clean),
        "unresolved": _ranked(summary.unresolved, clean),
        "dead_letters": _ranked(summary.dead_letters, clean),
        "allowed": _ranked(summary.allowed, clean),
        "conflicts": summary.conflicts,
        **_baseline(summary),
        "warnings": [visible(clean(text)) for text in summary.warnings[:_MAX_COUNTS]],
        "total_letters": sum(summary.dead_letters.values()),
        "letters": [_letter(one, clean) for one in letters],
    }


def _baseline(summary: Summary) -> dict[str, Any]:
    if summary.baseline is None:
        return {}
    return {"baseline": summary.baseline.sentence, "gone": summary.baseline.gone[:_MAX_COUNTS]}


def _source(one: SourceRead, clean: Clean) -> list[str | int]:
    return [visible(clean(one.source), _NAME), one.format, one.records, one.bytes]


def _ranked(counts: Mapping[str, int], clean: Clean) -> list[list[str | int]]:
    """[name, count], the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [[visible(clean(name), _NAME), count] for name, count in ordered[:_MAX_COUNTS]]


def _letter(letter: DeadLetter, clean: Clean) -> dict[str, str]:
    record = letter.record()
    places = [f"{name} {record[name]}" for name in ("line", "partition", "offset") if name in record]
    about = f" ({visible(clean(letter.field), _NAME)})" if letter.field else ""
    return {
        "place": " ".join([visible(clean(letter.source), _NAME), *places]),
        "reason": letter.reason + about,
        "detail": letter.detail,
    }
