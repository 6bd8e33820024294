"""What the report's page is given: one JSON object, as small as it can be, and every text in it cleaned and visible.

What is about one task stands together, so that what its findings share is compressed away; advice is kept once, in
`texts`, and referred to by number. `unpacked` in pages/report.js puts it together again.
"""

import base64
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from detector import __version__
from detector.outputs.advice import HANDLE_IS
from detector.outputs.commands import command_record
from detector.outputs.ocsf import finding_records
from detector.outputs.page_records import PageRecord, page_command, page_finding, rule_references
from detector.outputs.report import MAX_LETTERS, Report
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
    return PageRecords(
        [page_finding(record) for record in finding_records(worst, report.patterns, report.clean)],
        [page_command(command_record(one, report.clean)) for one in report.commands[:MAX_FINDINGS]],
    )


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
        "read": _read(report.summary, report.letters[:MAX_LETTERS], report.clean),
    }


class _Group(msgspec.Struct):
    """What is about one task: told together, what they have in common is compressed away."""

    findings: list[PageRecord]
    commands: list[PageRecord]


def _groups(records: PageRecords, budget: Budget) -> Iterable[_Group]:
    """By task, those with the earliest findings first: what is close in time looks alike."""
    groups: dict[str, _Group] = {}
    for view in sorted(records.findings[: budget.findings], key=lambda view: view["first"]):
        groups.setdefault(view.get("task", {}).get("id", ""), _Group([], [])).findings.append(view)
    for view in records.commands[: budget.findings]:
        groups.setdefault(view["task"], _Group([], [])).commands.append(view)
    return groups.values()


def _packed(group: _Group, texts: dict[str, int], pieces: int) -> PageRecord:
    """A group as it is sent: tasks and credentials once, each finding with their numbers in it."""
    known: dict[str, dict[bytes, int]] = {"task": {}, "credential": {}}
    tables: dict[str, list[PageRecord]] = {"task": [], "credential": []}
    findings = []
    for view in group.findings:
        packed = _slim(view, pieces)
        advice, _, handle = view["advice"].partition(HANDLE_IS)
        packed["advice"] = [texts.setdefault(advice, len(texts)), *([handle] if handle else [])]
        for name, table in tables.items():
            if name in view:
                number = known[name].setdefault(msgspec.json.encode(view[name]), len(table))
                if number == len(table):
                    table.append(_less(view[name], task=view.get("task", {}).get("id")))
                packed[name] = number
        findings.append(packed)
    return {
        "tasks": tables["task"],
        "credentials": tables["credential"],
        "findings": findings,
        "commands": [_less(view, findings=view["findings"], id=view["id"]) for view in group.commands],
    }


def _slim(view: PageRecord, pieces: int) -> PageRecord:
    """A finding without what is usual or follows from the rest; times from its first on, the uid in base64."""
    first, severity = view["first"], view["severity"]
    uid = base64.b64encode(uuid.UUID(view["uid"]).bytes).decode().rstrip("=")
    evidence = [
        _less(piece | {"time": piece["time"] - first}, time=0, severity=severity, outcome="success")
        for piece in view["evidence"][:pieces]
    ]
    message = view["message"].removeprefix(f"{view['title']}. ")
    made = view | {"uid": uid, "message": message, "last": view["last"] - first, "evidence": evidence}
    return _less(made, status="new", count=1, last=0)


def _less(view: PageRecord, **usual: Any) -> PageRecord:
    """The view without what is as usual."""
    return {key: value for key, value in view.items() if key not in usual or usual[key] != value}


def _counts(findings: Sequence[Finding], commands: Sequence[Command]) -> dict[str, int]:
    standing = [one for one in findings if one.accepted is None]
    return {
        **{
            severity.label: sum(one.severity == severity for one in standing)
            for severity in sorted(Severity, reverse=True)
        },
        "accepted": len(findings) - len(standing),
        "revoke": len({one.credential.credential_id for one in commands}),
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
        "warnings": [visible(clean(text)) for text in summary.warnings[:_MAX_COUNTS]],
        "total_letters": sum(summary.dead_letters.values()),
        "letters": [_letter(one, clean) for one in letters],
    }


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
