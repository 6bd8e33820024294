"""The summary that `curfewd replay` prints for a person: what was found, what to revoke, what was read.

A screen or two, whatever the size of the history. Nothing in it is read as markup or as a terminal escape, and
without a terminal the same input gives the same text (no rate, no colour).
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TextIO

import msgspec
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment
from rich.text import Text

from detector.judge.rules.titles import Words
from detector.outputs.advice import advise
from detector.outputs.coverage_words import coverage_gaps, coverage_sentence
from detector.outputs.headline import none_standing
from detector.outputs.public_identifiers import keeping_public_ids
from detector.outputs.report import Report, proved_dead
from detector.outputs.summary import Summary
from detector.terminal.output import printable
from detector.values.events import Leak
from detector.values.findings import Finding, Severity
from detector.values.times import to_millis
from detector.values.wording import Clean, cleaner_of, counted, moment, period, size, visible

_STYLES: Final = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
}
# How many findings of each severity are shown; the rest are counted.
_SHOWN: Final = {Severity.CRITICAL: 6, Severity.HIGH: 5, Severity.MEDIUM: 4, Severity.LOW: 4}
_SHOWN_COMMANDS: Final = 8
_SHOWN_ACCEPTED: Final = 3
_SHOWN_COUNTS: Final = 6
_SHOWN_GAPS: Final = 5
_SHOWN_WARNINGS: Final = 5
_SHOWN_GONE: Final = 3  # entries of the baseline that no longer occur
_SHOWN_UNREAD: Final = 8
_MEASURABLE: Final = 10_000_000  # bytes from which a rate says more of the reading than of the start
_WARNING: Final = 480  # characters of a warning: it names a path, and says what to do
_EXCERPT: Final = 160  # characters of a leak's excerpt
_NARROW, _WIDE = 60, 110  # columns between which the text is set


def worst_first(finding: Finding) -> tuple[bool, int, int, str]:
    """The order of findings where not all may fit: accepted ones last."""
    return finding.accepted is not None, -finding.severity, to_millis(finding.first_seen), finding.uid


def console_for(stream: TextIO | None = None) -> Console:
    """A console on `stream` (standard output): colours only on a terminal, `?` for what its encoding lacks.

    It prints nothing that acts on the terminal.
    """
    stream = sys.stdout if stream is None else stream
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    console.push_render_hook(_Escaping())
    console.width = min(console.width, _WIDE)
    return console


class _Escaping(RenderHook):
    """Writes what does not print as escapes, whatever is printed."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """See `RenderHook`."""
        return [_Escaped(each) for each in renderables]


class _Escaped:
    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._renderable, options):
            if segment.control or segment.text == "\n":
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)


class _Block(msgspec.Struct, frozen=True):
    """A paragraph with a hanging indent: `first` stands before its first line, blanks before the others."""

    first: str
    text: Text
    first_style: str = ""


def print_report(report: Report, console: Console) -> None:
    """Prints the report."""
    for block in _blocks(report, timed=console.is_terminal):
        lines = block.text.wrap(console, max(console.width - len(block.first), 20)) or [Text()]
        for index, line in enumerate(lines):
            line.rstrip()
            # The style that a Text begins with covers all that is appended to it, so begin with none.
            whole = Text().append(block.first if index == 0 else " " * len(block.first), block.first_style)
            whole.append_text(line)
            whole.rstrip()
            console.print(whole, soft_wrap=True)


def _blocks(report: Report, *, timed: bool) -> Iterator[_Block]:
    yield _Block("", _headline(report))
    standing = [one for one in report.findings if one.accepted is None]
    for severity in sorted(Severity, reverse=True):
        group = [one for one in standing if one.severity == severity]
        if group:
            yield from _section(f"{severity.label.upper()} ({len(group):,})", _STYLES[severity])
            for one in group[: _SHOWN[severity]]:
                yield from _finding(one, report)
            yield from _more(len(group) - _SHOWN[severity], "findings.jsonl", report)
    accepted = [one for one in report.findings if one.accepted is not None]
    if accepted:
        yield from _section(f"ACCEPTED ({len(accepted):,})", "dim")
        for one in accepted[:_SHOWN_ACCEPTED]:
            yield _Block("    ", Text(_words(one, report)[0]))
        yield from _more(len(accepted) - _SHOWN_ACCEPTED, "findings.jsonl", report)
    yield from _commands(report)
    yield from _not_judged(report)
    yield from _read(report, timed=timed)


def _headline(report: Report) -> Text:
    """Sentences: how many findings of each severity, what to revoke, and what nobody could judge."""
    standing = [one for one in report.findings if one.accepted is None]
    dead = proved_dead(report.findings, report.commands)
    to_revoke = len({one.credential.credential_id for one in report.commands} - dead.keys())
    sentences = [_count(standing)] if standing else []
    if to_revoke:
        sentences.append(Text(f"{counted(to_revoke, 'credential')} to revoke.", "bold"))
    gaps = " and ".join(report.summary.gaps)  # beside what was found a warning, and without any no all-clear
    if not standing:
        nothing = Text(none_standing(len(report.findings)), "bold yellow" if gaps else "bold green")
        sentences.insert(0, nothing.append(f", but {gaps}." if gaps else "."))
    elif gaps:
        sentences.append(Text(f"But {gaps}.", "bold yellow"))
    return Text(" ").join(sentences)


def _count(findings: Sequence[Finding]) -> Text:
    """Counts the findings by severity: `2 critical and 1 high findings.`."""
    counts = Counter(one.severity for one in findings)
    line = Text()
    for index, severity in enumerate(sorted(counts, reverse=True), 1):
        line.append("" if index == 1 else " and " if index == len(counts) else ", ")
        line.append(f"{counts[severity]:,} {severity.label}", _STYLES[severity])
    return line.append(" finding." if len(findings) == 1 else " findings.")


def _section(title: str, style: str) -> Iterator[_Block]:
    yield _Block("", Text())
    yield _Block("", Text(title, style))


def _words(finding: Finding, report: Report) -> tuple[str, Clean]:
    identifiers = finding.credential.identifiers if finding.credential else ()
    clean = keeping_public_ids(identifiers, cleaner_of(finding, report.clean))
    return advise(finding, report.patterns, clean).title, clean


def _finding(finding: Finding, report: Report) -> Iterator[_Block]:
    title, clean = _words(finding, report)
    yield _Block("  ● ", Text(title), _STYLES[finding.severity])
    facts = [finding.rule + (f" ×{finding.count:,}" if finding.count > 1 else "")]
    facts.append(period(finding.first_seen, finding.last_seen))
    if finding.task is not None and finding.task.owner:
        facts.append(f"owner {visible(clean(finding.task.owner), 40)}")
    if finding.resolution is not None:
        facts.append(f"resolved, proved dead at {moment(finding.resolution.time)}")
    yield _Block("    ", Text(" · ".join(facts), "dim"))
    event = finding.primary_evidence.event
    if isinstance(event, Leak) and finding.severity >= Severity.MEDIUM:
        yield _Block("    │ ", Text(_excerpt(clean(event.excerpt)), "italic"), "dim")


def _excerpt(text: str) -> str:
    """The excerpt on one line. A long one is cut around its first masked secret."""
    shown = visible(text.strip())
    if len(shown) <= _EXCERPT:
        return shown
    start = max(0, min(shown.find("‹") - _EXCERPT // 2, len(shown) - _EXCERPT))
    end = start + _EXCERPT
    return ("…" if start else "") + shown[start:end] + ("…" if end < len(shown) else "")


def _more(hidden: int, file: str, report: Report) -> Iterator[_Block]:
    if hidden > 0:
        where = f"in {report.out}/{file}" if report.out is not None else "(--out DIR writes all of them)"
        yield _Block("  ", Text(f"… and {hidden:,} more {where}", "dim"))


def _commands(report: Report) -> Iterator[_Block]:
    if not report.commands:
        return
    dead = proved_dead(report.findings, report.commands)
    yield from _section(f"TO REVOKE ({len(report.commands):,})", "bold")
    for command in report.commands[:_SHOWN_COMMANDS]:
        credential = command.credential
        clean = keeping_public_ids(credential.identifiers, cleaner_of(credential, report.clean))
        line = Text(visible(clean(credential.credential_id), 64), "bold")
        words, candidates = Words(report.patterns, clean), credential.candidates
        whose = f"task {words.say(credential.task_id)}" if candidates is None else words.one_of(candidates)
        line.append(f" of {whose}: ", "not bold")
        line.append(", ".join(command.reasons), "not bold " + _STYLES[command.severity].replace("bold ", ""))
        if command.escalated:
            line.append(", escalated: it is revoked and still works", "bold")
        if credential.credential_id in dead:
            line.append(f", proved dead at {moment(dead[credential.credential_id])}", "not bold")
        yield _Block("  → ", line)
    yield from _more(len(report.commands) - _SHOWN_COMMANDS, "revocations.jsonl", report)


def _not_judged(report: Report) -> Iterator[_Block]:
    """The credentials that could not be judged, and why."""
    coverage = report.summary.coverage
    if not coverage.unjudged:
        return
    title = f"NOT JUDGED ({coverage.unjudged:,} of {counted(coverage.credentials, 'credential')})"
    yield from _section(title, "yellow")
    gaps = list(coverage_gaps(coverage, report.clean))
    for gap in gaps[:_SHOWN_GAPS]:
        yield _Block("  ○ ", Text(f"{gap.who}: {gap.why}"), "yellow")
        if gap.examples:
            yield _Block("    ", Text(f"such as {gap.examples}", "dim"))
    yield from _more(len(gaps) - _SHOWN_GAPS, "summary.json", report)


def _read(report: Report, *, timed: bool) -> Iterator[_Block]:
    """What was read, and all that was wrong with it."""
    summary = report.summary
    formats: dict[str, int] = {}
    for one in summary.read:
        formats[one.format] = formats.get(one.format, 0) + one.records
    rows = [("read", _amount(summary, timed=timed), ""), ("formats", _counts(formats, report), "")]
    if summary.events:
        rows.append(("events", _counts(summary.events, report), ""))
    rows += _judged(report)
    rows += _baseline(report)
    if summary.allowed:
        rows.append(("allowed", f"leaks that [[allow]] passes: {_counts(summary.allowed, report)}", ""))
    if summary.dead_letters:
        rows.append(("unreadable", _counts(summary.dead_letters, report), "yellow"))
    rows += _unread(report)
    rows += _untrusted(report)
    rows += _limited(report)
    if summary.unresolved:
        rows.append(
            (
                "unresolved",
                f"events about unknown credentials: {_counts(summary.unresolved, report)}",
                "yellow",
            )
        )
    if summary.conflicts:
        claimed = f"{counted(summary.conflicts, 'identifier')} claimed by two credentials; the earliest issue gets it"
        rows.append(("conflicts", claimed, "yellow"))
    rows += [
        ("warning", visible(report.clean(text), _WARNING), "yellow")
        for text in summary.warnings[:_SHOWN_WARNINGS]
    ]
    if len(summary.warnings) > _SHOWN_WARNINGS:
        rows.append(("", f"… and {len(summary.warnings) - _SHOWN_WARNINGS:,} more in summary.json", "dim"))
    if report.out is not None:
        rows.append(("written", f"{report.out}/ findings, revocations, dead-letters, summary", ""))
    yield _Block("", Text())
    for name, text, style in rows:
        yield _Block(f"{name:<12}", Text(text, style), "dim")


def _judged(report: Report) -> list[tuple[str, str, str]]:
    coverage = report.summary.coverage
    return [("judged", coverage_sentence(coverage), "")] if coverage.credentials else []


def _baseline(report: Report) -> list[tuple[str, str, str]]:
    baseline = report.summary.baseline
    if baseline is None:
        return []
    rows = [("baseline", baseline.sentence, "")]
    rows += [("", f"gone: {name}", "dim") for name in baseline.gone[:_SHOWN_GONE]]
    if len(baseline.gone) > _SHOWN_GONE:
        rows.append(("", f"… and {len(baseline.gone) - _SHOWN_GONE:,} more in summary.json", "dim"))
    return rows


def _limited(report: Report) -> list[tuple[str, str, str]]:
    counts = report.summary.limited
    number = counted(sum(counts.values()), "record")
    text = f"{number} could not be examined whole: {_counts(counts, report)}"
    return [("limited", text, "yellow")] if counts else []


def _unread(report: Report) -> list[tuple[str, str, str]]:
    """The files, folders and archives that were not understood, by name."""
    unread = sorted(report.summary.unread.items())
    rows = [
        ("not read", f"{visible(report.clean(name), _WARNING)}: {reason}", "yellow")
        for name, reason in unread[:_SHOWN_UNREAD]
    ]
    if len(unread) > _SHOWN_UNREAD:
        rows.append(("", f"… and {len(unread) - _SHOWN_UNREAD:,} more in summary.json", "dim"))
    return rows


def _untrusted(report: Report) -> list[tuple[str, str, str]]:
    refused = {source: sum(counts.values()) for source, counts in report.summary.untrusted.items()}
    text = f"records that [[trust]] refuses: {_counts(refused, report)}"
    return [("untrusted", text, "yellow")] if refused else []


def _amount(summary: Summary, *, timed: bool) -> str:
    sources = len({one.source for one in summary.read})
    what = f"{counted(sources, 'source')}, {counted(summary.records, 'record')}, {size(summary.bytes)}"
    seconds = sum(summary.durations.values())
    if timed and seconds > 0:
        what += f" in {seconds:.1f} s"
        if summary.bytes >= _MEASURABLE:
            what += f" ({size(summary.bytes / seconds)}/s)"
    return what


def _counts(counts: Mapping[str, int], report: Report) -> str:
    """`1,200 text, 90 cloudevents, …`, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{number:,} {visible(report.clean(name), 60)}" for name, number in ordered[:_SHOWN_COUNTS]]
    if len(ordered) > _SHOWN_COUNTS:
        shown.append(f"… {len(ordered) - _SHOWN_COUNTS:,} more")
    return ", ".join(shown)
