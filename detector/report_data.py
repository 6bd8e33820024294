"""What the report's page is given: one JSON object, as small as it can be, and every text in it cleaned and visible.

Texts and objects that many findings share are kept once, in `texts`, `tasks` and `credentials`, and referred to by number.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from detector import __version__
from detector.commands import command_record
from detector.deadletters import DeadLetter
from detector.findings import Command, Finding, Severity
from detector.ocsf import finding_record
from detector.report_text import Report
from detector.summary import SourceRead, Summary
from detector.times import to_millis
from detector.views import View, command_view, finding_view, rule_views
from detector.wording import Clean, visible

MAX_FINDINGS: Final = 10_000
_MAX_SOURCES: Final = 500
MAX_LETTERS: Final = 200
_MAX_COUNTS: Final = 50
_NAME: Final = 200  # characters of a source's name


class Views(msgspec.Struct, frozen=True):
    """The findings and commands of a page, the worst first, as `detector.views` makes them."""

    findings: list[View]
    commands: list[View]


def views_of(report: Report) -> Views:
    """The worst findings, accepted ones last, and as many commands."""
    worst = sorted(report.findings, key=_order)[:MAX_FINDINGS]
    return Views(
        [finding_view(finding_record(one, report.patterns, report.clean)) for one in worst],
        [command_view(command_record(one, report.clean)) for one in report.commands[:MAX_FINDINGS]],
    )


def _order(finding: Finding) -> tuple[bool, int, int, str]:
    return finding.accepted is not None, -finding.severity, to_millis(finding.first_seen), finding.uid


class Budget(msgspec.Struct, frozen=True):
    """How much a page holds: findings (and commands), and pieces of evidence of each finding."""

    findings: int
    pieces: int


def page_data(
    report: Report, views: Views, letters: Iterable[DeadLetter], until: int, budget: Budget
) -> dict[str, Any]:
    """The page's object. `letters` are those to show; `until` is the time judged up to (ns), 0 if there was none."""
    texts, tasks, credentials = _Table(), _Table(), _Table()
    findings = [
        _packed(view, texts, tasks, credentials, budget.pieces) for view in views.findings[: budget.findings]
    ]
    return {
        "product": f"curfewd {__version__}",
        "total": len(report.findings),
        "counts": _counts(report.findings, report.commands),
        "until": to_millis(until),
        "rules": rule_views(sorted({one.rule for one in report.findings})),
        "texts": texts.values,
        "tasks": tasks.values,
        "credentials": credentials.values,
        "findings": findings,
        "commands": [
            {key: value for key, value in view.items() if key != "findings"}
            for view in views.commands[: budget.findings]
        ],
        "read": _read(report.summary, letters, report.clean),
    }


class _Table:
    """Values, each once, by number."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._known: dict[Hashable, int] = {}

    def number(self, value: Any) -> int:
        key = value if isinstance(value, str) else msgspec.json.encode(value, order="sorted")
        known = self._known.setdefault(key, len(self.values))
        if known == len(self.values):
            self.values.append(value)
        return known


def _packed(view: View, texts: _Table, tasks: _Table, credentials: _Table, pieces: int) -> View:
    packed = dict(view)
    packed["advice"] = texts.number(view["advice"])
    packed["message"] = view["message"].removeprefix(f"{view['title']}. ")
    packed["evidence"] = view["evidence"][:pieces]
    for name, table in (("task", tasks), ("credential", credentials)):
        if name in view:
            packed[name] = table.number(view[name])
    return packed


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
