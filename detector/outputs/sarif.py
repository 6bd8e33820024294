"""Findings as SARIF 2.1.0 (OASIS, with errata 01), for code scanning and for CI.

One run, one result a finding, the worst first. A result stands where a log file shows the secret; what only an audit
log says has no file, so it stands at line 1 of a place named like the event's source, because code scanning takes no
result without one. GitHub's limits are kept by `MAX_RESULTS`; docs/report.md says what else it makes of the file.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import re2

from detector import __version__
from detector.judge.rules.catalog import RULES
from detector.judge.rules.rule import Rule
from detector.outputs.coverage_words import coverage_gaps
from detector.outputs.ocsf import finding_record
from detector.outputs.page_records import PageRecord, page_finding, rule_references
from detector.outputs.report import Report
from detector.outputs.report_text import worst_first
from detector.outputs.sarif_taxonomies import taxonomies
from detector.outputs.summary import Summary
from detector.outputs.writers import Target, dumps, write_file
from detector.terminal.output import path_bytes
from detector.values.findings import Finding, Severity
from detector.values.times import MILLISECOND, format_rfc3339
from detector.values.wording import counted, visible

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MAX_RESULTS: Final = 25_000  # more in one run, and GitHub refuses the file
_LEVELS: Final = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
# GitHub turns scores into severities: from 9.0 critical, from 7.0 high, from 4.0 medium, else low.
_SCORES: Final = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
}

# A number in braces is a placeholder in a message, and so are doubled ones where it is none (3.11.5).
_PLACEHOLDER: Final = re2.compile(r"\{(\d+)\}")

Record = dict[str, Any]


def sarif_record(report: Report, limit: int = MAX_RESULTS) -> Record:
    """The SARIF log of a run, with at most `limit` results."""
    worst = sorted(report.findings, key=worst_first)[:limit]
    rules = [rule for rule in RULES if any(one.rule == rule for one in report.findings)]
    references = rule_references(rules)
    for rule in rules:
        references[rule] = [*map(list, RULES[rule].weaknesses), *references[rule]]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "curfewd",
                        "semanticVersion": __version__,
                        "shortDescription": {
                            "text": "Sees task credentials that leak or outlive their task."
                        },
                        "rules": [_rule(RULES[rule], report.findings, references[rule]) for rule in rules],
                        "supportedTaxonomies": [{"name": name} for name in _names(references)],
                    }
                },
                "taxonomies": taxonomies(references),
                "automationDetails": {"id": "curfewd/"},
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": list(_notices(report, len(worst))),
                    }
                ],
                "results": [_result(one, report, rules, references) for one in worst],
            }
        ],
    }


def write_sarif(path: Target, report: Report) -> None:
    """Writes the log; it appears whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    write_file(path, dumps(sarif_record(report)) + b"\n")


def _names(references: Mapping[str, list[list[str]]]) -> list[str]:
    return sorted({taxonomy for listed in references.values() for taxonomy, _, _ in listed})


def _rule(rule: Rule, findings: Sequence[Finding], references: list[list[str]]) -> Record:
    severity = max(one.severity for one in findings if one.rule == rule.id)
    what, advice = rule.description, rule.advice
    return {
        "id": rule.id,
        "name": rule.id.title().replace("-", ""),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": what},
        "help": {"text": f"{what} {advice}", "markdown": f"{what}\n\n**What to do.** {advice}"},
        "defaultConfiguration": {"level": _LEVELS[severity.label]},
        "relationships": [{"target": _target(one), "kinds": ["relevant"]} for one in references],
        "properties": {
            # GitHub shows ten tags.
            "tags": ["security", *(f"external/cwe/{one.id.lower()}" for one in rule.weaknesses)],
            "precision": "high",
            "security-severity": _SCORES[severity],
        },
    }


def _target(reference: list[str]) -> Record:
    taxonomy, entry, _ = reference
    return {"id": entry, "toolComponent": {"name": taxonomy}}


def _notices(report: Report, told: int) -> Iterator[Record]:
    """Warnings about the run: what could not be read or judged, and what is not in this file."""
    summary: Summary = report.summary
    texts = [f"{number:,} unreadable: {reason}" for reason, number in sorted(summary.dead_letters.items())]
    texts += [visible(report.clean(text)) for text in summary.warnings]
    gaps = coverage_gaps(summary.coverage, report.clean)
    texts += [f"Could not be judged: {gap.who}: {gap.why}" for gap in gaps]
    left_out = len(report.findings) - told
    if left_out:
        texts.append(f"{counted(left_out, 'more finding')} not in this file, which holds the {told:,} worst")
    for text in texts:
        yield {"level": "warning", "message": _message(text)}


def _message(text: str) -> Record:
    """Text that was read, changed so that no viewer shows a link (3.11.6) or fills a placeholder in it."""
    return {"text": _PLACEHOLDER.sub(r"{{\1}}", text).replace("](", "] (")}


def _result(
    finding: Finding, report: Report, rules: list[str], references: Mapping[str, list[list[str]]]
) -> Record:
    record = page_finding(finding_record(finding, report.patterns, report.clean))
    suppressed = {"kind": "external", "status": "accepted", "justification": record.get("accepted")}
    return {
        "ruleId": finding.rule,
        "ruleIndex": rules.index(finding.rule),
        "level": _LEVELS[record["severity"]],
        "message": _message(f"{record['message']} {record['advice']}"),
        "locations": _locations(record),
        "relatedLocations": list(_related(record)),
        "occurrenceCount": record["count"],
        "correlationGuid": record["uid"],
        # GitHub recognises an alert by the first, so a finding stays the same alert when its line moves.
        "partialFingerprints": {
            "primaryLocationLineHash": f"{record['uid'].replace('-', '')[:16]}:1",
            "curfewdFinding/v1": record["uid"],
        },
        "taxa": [_target(one) for one in references[finding.rule]],
        "suppressions": [suppressed] if record["status"] == "accepted" else [],
        "properties": _properties(record),
    }


def _properties(record: PageRecord) -> Record:
    made = {
        "severity": record["severity"],
        "firstSeen": format_rfc3339(record["first"] * MILLISECOND),
        "lastSeen": format_rfc3339(record["last"] * MILLISECOND),
        "task": record.get("task", {}).get("id"),
        "candidates": [one["id"] for one in record.get("task", {}).get("candidates", ())],
        "owner": record.get("task", {}).get("owner"),
        "credential": record.get("credential", {}).get("id"),
        "fingerprint": record.get("fingerprint"),
        "patterns": record.get("patterns"),
        "names": record.get("names"),
        "confidence": record.get("confidence"),
    }
    return {name: value for name, value in made.items() if value}


def _locations(record: PageRecord) -> list[Record]:
    """Each line that shows the secret. If there is none, line 1 of the first event's source."""
    shown = dict.fromkeys(
        (_uri(piece), piece["line"])
        for piece in record["evidence"]
        if piece["type"] == "log" and "line" in piece
    )
    about = [
        {"name": one["id"], "fullyQualifiedName": f"{kind}/{one['id']}", "kind": "resource"}
        for kind in ("task", "credential")
        if kind in record
        for one in record[kind].get("candidates", [record[kind]])
    ]
    places = list(shown) or [(_uri(record["evidence"][0]), 1)]
    return [{"physicalLocation": _place(uri, line), "logicalLocations": about} for uri, line in places]


def _place(uri: str, line: int) -> Record:
    return {"artifactLocation": {"uri": uri}, "region": {"startLine": max(line, 1)}}


def _uri(piece: PageRecord) -> str:
    """A path or an event's source as a relative URI reference. An absolute path becomes a `file:` URI."""
    source = piece.get("source", "")
    if source == "-":
        return "stdin"
    quoted = quote(path_bytes(source) if piece["type"] == "log" else source, safe="/")
    if quoted.startswith("/") and piece["type"] == "log":
        return f"file:///{quoted.lstrip('/')}"
    return quoted.lstrip("/") or "unknown"


def _related(record: PageRecord) -> Iterator[Record]:
    """The pieces of evidence, each with its words."""
    for number, piece in enumerate(record["evidence"], start=1):
        yield {
            "id": number,
            "message": _message(" ".join(_words(piece))),
            "physicalLocation": _place(_uri(piece), piece.get("line", 1)),
            "logicalLocations": [
                {
                    "fullyQualifiedName": f"{piece.get('source', '')}#{piece.get('id', '')}",
                    "kind": "resource",
                }
            ],
        }


def _words(piece: PageRecord) -> Iterable[str]:
    yield f"{format_rfc3339(piece['time'] * MILLISECOND)} {piece['type']}"
    for before, name in (("", "action"), ("on", "resource"), ("by", "workload"), ("from", "address")):
        if name in piece:
            yield f"{before} {piece[name]}".strip()
    if piece.get("outcome", "success") != "success":
        yield f"({piece['outcome']})"
    if "detail" in piece:
        yield f"– {piece['detail']}"
    if "excerpt" in piece:
        yield f"– {piece['excerpt']}"
