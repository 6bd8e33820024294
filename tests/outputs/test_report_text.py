"""The person's summary: short whatever the history, legible at 80 columns, inert whatever the events say."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from detector.outputs.advice import advise
from detector.outputs.report import Report
from detector.outputs.report_text import console_for, print_report
from detector.outputs.summary import SourceRead, Summary
from detector.values.events import Leak
from detector.values.findings import (
    LEAKED_CREDENTIAL,
    OUTLIVES_TASK,
    USE_AFTER_TERMINATION,
    Command,
    Evidence,
    Finding,
    Severity,
)
from tests.outputs import finding_samples as made

SUMMARY = Summary(
    read=(SourceRead("a.log", "text", 12_000, 1_234_567), SourceRead("e.jsonl", "cloudevents", 90, 20_000)),
    events={"task.started": 10, "credential.used": 70},
    durations={"total": 0.5},
)


def report(
    findings: list[Finding],
    commands: tuple[Command, ...] = (),
    summary: Summary = SUMMARY,
    out: str | None = "out",
) -> Report:
    return Report(findings, commands, summary, made.PATTERNS, made.untouched, out)


def shown(one: Report, width: int = 80, *, terminal: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, markup=False, force_terminal=terminal)
    print_report(one, console)
    return stream.getvalue()


def test_a_finding_is_told_with_its_title_rule_time_owner_and_excerpt() -> None:
    text = shown(report([made.finding(LEAKED_CREDENTIAL)], (made.command(),)), width=200)
    title = advise(made.finding(LEAKED_CREDENTIAL), made.PATTERNS, made.untouched).title
    assert text.splitlines()[:7] == [
        "1 critical finding. 1 credential to revoke.",
        "",
        "CRITICAL (1)",
        f"  ● {title}",
        "    leaked-credential · 2026-03-14 09:07:53Z · owner release-team",
        "    │ TOKEN=‹github-pat-classic:40› done",
        "",
    ]
    assert "  → cred-7 of task release-4711: outlives-task, use-after-termination" in text


def test_nothing_found_is_said_plainly_with_what_was_read() -> None:
    assert shown(report([], out=None)).splitlines() == [
        "Nothing found.",
        "",
        "read        2 sources, 12,090 records, 1.3 MB",
        "formats     12,000 text, 90 cloudevents",
        "events      70 credential.used, 10 task.started",
    ]


def test_what_should_make_a_person_look_twice_is_said() -> None:
    summary = Summary(
        dead_letters={"not-json": 3},
        untrusted={"audit.json": {"unsigned": 1, "bad-signature": 1}, "ci.json": {"unsigned": 1}},
        unresolved={"aws": 2},
        conflicts=1,
        warnings=("no deployment key",),
    )
    text = shown(report([], summary=summary))
    assert "unreadable  3 not-json" in text
    assert "untrusted   records that [[trust]] refuses: 2 audit.json, 1 ci.json" in text
    assert "unresolved  events about unknown credentials: 2 aws" in text
    assert "conflicts   1 identifier claimed by two credentials" in text
    assert "warning     no deployment key" in text


@pytest.mark.parametrize("number", [1, 1000])
def test_it_fits_on_two_screens_whatever_was_found(number: int) -> None:
    findings = made.all_rules()[:6] * number
    commands = (made.command(),) * number
    text = shown(report(findings, commands))
    assert text.count("\n") < 110
    assert "1,000 to revoke" not in text
    assert ("more in out/findings.jsonl" in text) == (number > 1)
    assert ("more in out/revocations.jsonl" in text) == (number > 1)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_asked_or_ends_in_blanks(width: int) -> None:
    lines = shown(report(made.all_rules(), (made.command(escalated=True),)), width=width).splitlines()
    assert max(len(line) for line in lines) <= width
    assert all(line == line.rstrip() for line in lines)


def test_the_first_line_is_sentences() -> None:
    findings = [made.finding(rule) for rule in (USE_AFTER_TERMINATION, LEAKED_CREDENTIAL, OUTLIVES_TASK)]
    several = Summary(unresolved={"web": 1}, dead_letters={"json": 2})
    assert first(report([], ())) == "Nothing found."
    assert first(report([], (), several)) == (
        "Nothing found, but 1 event names a credential that nobody registered"
        " and 2 records or files could not be read."
    )
    assert first(report(findings[:1], ())) == "1 critical finding."
    assert first(report(findings, (made.command(),), several)) == (
        "2 critical and 1 high findings. 1 credential to revoke."
        " But 1 event names a credential that nobody registered and 2 records or files could not be read."
    )


def first(reported: Report) -> str:
    return shown(reported, width=400).splitlines()[0]


def test_accepted_findings_stand_apart_and_do_not_alarm() -> None:
    text = shown(
        report([made.finding(OUTLIVES_TASK, accepted="a drill"), made.finding(USE_AFTER_TERMINATION)])
    )
    assert text.startswith("1 critical finding.\n")
    assert "ACCEPTED (1)" in text


def test_without_a_terminal_neither_colour_nor_anything_that_differs_between_runs() -> None:
    quick, slow = (
        Summary(read=SUMMARY.read, durations={"logs": seconds - 0.05, "judging": 0.05})
        for seconds in (0.1, 9.0)
    )
    texts = [shown(report(made.all_rules(), summary=one)) for one in (quick, slow)]
    assert texts[0] == texts[1]
    assert "\x1b" not in texts[0]
    assert "1.3 MB in 9.0 s\n" in plain(shown(report([], summary=slow), terminal=True))
    much = Summary(read=(SourceRead("a.log", "text", 9, 90_000_000),), durations={"logs": 0.5})
    assert "90.0 MB in 0.5 s (180.0 MB/s)" in plain(shown(report([], summary=much), terminal=True))


def plain(text: str) -> str:
    return Text.from_ansi(text).plain + "\n"


def test_colour_marks_the_severity_and_leaves_the_sentence_plain() -> None:
    text = shown(report([made.finding(OUTLIVES_TASK)]), width=200, terminal=True)
    assert "\x1b[31m  ● \x1b[0mToken cred-7 of task" in text


def hostile(text: str) -> Finding:
    event = made.use(action=text, workload=text, source_ip=text)
    return made.finding(USE_AFTER_TERMINATION, evidences=(Evidence(event.time, event, Severity.CRITICAL),))


@pytest.mark.parametrize("text", ["\x1b[2J\x1b]0;owned\x07", "\u202eevil", "a\r\nb", "\x9b31m", "\u2028"])
def test_an_event_cannot_drive_the_terminal(text: str) -> None:
    shown_text = shown(report([hostile(text)]), width=400)
    assert all(char.isprintable() for line in shown_text.split("\n") for char in line)


def test_an_event_cannot_speak_rich_markup_or_emoji() -> None:
    assert "[bold red]x[/] :boom:" in shown(report([hostile("[bold red]x[/] :boom:")]), width=400)


def test_a_long_excerpt_is_cut_around_the_secret() -> None:
    event = made.leak(excerpt="a" * 500 + " ‹github-pat-classic:40› " + "b" * 500)
    finding = made.finding(LEAKED_CREDENTIAL, evidences=(Evidence(event.time, event, Severity.CRITICAL),))
    assert isinstance(finding.evidences[0].event, Leak)
    text = shown(report([finding]), width=300)
    line = next(line for line in text.splitlines() if "│" in line)
    assert "‹github-pat-classic:40›" in line
    assert len(line) < 180
    assert line.endswith("…")


def test_a_stream_that_cannot_say_it_gets_a_question_mark() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    console = console_for(stream)
    print_report(report([made.finding(LEAKED_CREDENTIAL)]), console)
    stream.flush()
    assert b"?github-pat-classic:40?" in raw.getvalue()


def test_a_very_wide_terminal_is_not_used_whole() -> None:
    assert console_for(io.StringIO()).width <= 110


def test_a_credential_that_was_proved_dead_is_not_to_be_revoked() -> None:
    proved = made.finding(LEAKED_CREDENTIAL, resolution=made.resolution())
    asked = made.command(reasons=(LEAKED_CREDENTIAL,))
    text = shown(report([proved], (asked,)), 120)
    assert "credential to revoke" not in text
    assert "→ cred-7 of task release-4711: leaked-credential, proved dead at 2026-03-14 09:07:54Z" in text
    after = made.finding(USE_AFTER_TERMINATION)
    text = shown(report([proved, after], (asked,)), 120)
    assert "1 credential to revoke" in text
    assert "leaked-credential, proved dead" not in text
