"""What a person is told of join coverage: one quiet line where all is well, and reasons where it is not."""

import io

import pytest
from rich.console import Console

from detector.judge.join_coverage import CoverageRow, CredentialExample, JoinCoverage, OldestTask
from detector.judge.joins import END_ONLY, ENDED, JOINS, JUDGED, RUNNING, UNREPORTED
from detector.outputs.coverage_words import coverage_gaps, coverage_sentence
from detector.outputs.report import Report
from detector.outputs.report_text import print_report
from detector.outputs.summary import Summary
from detector.values.times import parse_rfc3339
from tests.outputs import finding_samples as made

OLDEST = OldestTask(parse_rfc3339("2026-03-12T09:00:00Z"), "job-7")


def row(join: str, credentials: int, **more: object) -> CoverageRow:
    fields = {
        "source": "vault",
        "kind": "vault-token",
        "join": join,
        "reason": "",
        "credentials": credentials,
    }
    return CoverageRow(**{**fields, **more})  # type: ignore[arg-type]  # each as its field wants it


def shown(coverage: JoinCoverage, width: int = 80) -> list[str]:
    stream = io.StringIO()
    report = Report([], [], Summary(coverage=coverage), made.PATTERNS, made.untouched, None)
    print_report(report, Console(file=stream, width=width, highlight=False, markup=False))
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ((), ""),
        ((row(ENDED, 41),), "41 of 41 credentials have a task that started and ended"),
        ((row(ENDED, 1),), "1 of 1 credential has a task that started and ended"),
        (
            (row(ENDED, 38), row(RUNNING, 3, oldest=OLDEST), row(END_ONLY, 1)),
            (
                "38 of 42 credentials have a task that started and ended, 1 has a task that ended, its start not "
                "reported, 3 have a task that still runs (the oldest since 2026-03-12 09:00:00Z)"
            ),
        ),
        (
            (row(RUNNING, 1, oldest=OLDEST),),
            "1 of 1 credential has a task that still runs (the oldest since 2026-03-12 09:00:00Z)",
        ),
        ((row(UNREPORTED, 7),), "7 of 7 credentials could not be judged"),
        (
            (row(UNREPORTED, 7), row(ENDED, 2)),
            "2 of 9 credentials have a task that started and ended, 7 could not be judged",
        ),
    ],
)
def test_the_sentence_counts_every_credential_once(rows: tuple[CoverageRow, ...], sentence: str) -> None:
    assert coverage_sentence(JoinCoverage(rows)) == sentence


def test_where_all_is_well_there_is_one_quiet_line() -> None:
    assert shown(JoinCoverage((row(ENDED, 41),))) == [
        "Nothing found.",
        "",
        "read        0 sources, 0 records, 0 B",
        "formats",
        "judged      41 of 41 credentials have a task that started and ended",
    ]


def test_without_credentials_nothing_is_said_of_them() -> None:
    assert not any("judged" in line for line in shown(JoinCoverage()))


def test_what_could_not_be_judged_is_told_with_reason_and_examples_and_is_no_all_clear() -> None:
    reason = 'session name "GitHubActions" names no job; set `role-session-name: github-job-${{ job.check_run_id }}`'
    found = JoinCoverage(
        (
            row(
                UNREPORTED,
                47,
                source="aws.cloudtrail",
                kind="aws-session",
                reason=reason,
                examples=(CredentialExample("ASIAEXAMPLE1", "GitHubActions"),),
            ),
            row(UNREPORTED, 1, kind="", source="ci", examples=(CredentialExample("c1", "build-1"),)),
            row(ENDED, 40),
        )
    )
    assert shown(found)[:14] == [
        "Nothing found, but 48 of 88 credentials could not be judged.",
        "",
        "NOT JUDGED (48 of 88 credentials)",
        '  ○ 47 AWS sessions of aws.cloudtrail: session name "GitHubActions" names no',
        "    job; set `role-session-name: github-job-${{ job.check_run_id }}`",
        "    such as ASIAEXAMPLE1 (task GitHubActions)",
        "  ○ 1 credential of ci: nothing reported the task that they name. Report its",
        "    start and end under that id",
        "    such as c1 (task build-1)",
        "",
        "read        0 sources, 0 records, 0 B",
        "formats",
        "judged      40 of 88 credentials have a task that started and ended, 48 could",
        "            not be judged",
    ]


def test_a_screen_is_enough_however_many_reasons_there_are() -> None:
    rows = tuple(row(UNREPORTED, 9, reason=f"reason {number}") for number in range(100))
    lines = shown(JoinCoverage(rows))
    assert len(lines) < 20
    assert "  … and 95 more (--out DIR writes all of them)" in lines


@pytest.mark.parametrize("join", sorted(JOINS.keys() - JUDGED))
def test_every_join_that_is_not_judged_says_what_to_do(join: str) -> None:
    (gap,) = coverage_gaps(JoinCoverage((row(join, 2),)), made.untouched)
    assert gap.who == "2 Vault tokens of vault"
    assert any(word in gap.why for word in ("Report ", "Let "))


@pytest.mark.parametrize(
    "text", ["\x1b[2J\x1b]0;owned\x07", "\u202eevil", "a\r\nb", "[bold red]x[/]", "x" * 10_000]
)
def test_nothing_in_it_drives_the_terminal_or_fills_it(text: str) -> None:
    hostile = row(
        UNREPORTED, 1, source=text, kind=text, reason=text, examples=(CredentialExample(text, text),) * 3
    )
    lines = shown(JoinCoverage((hostile,)))
    assert all(char.isprintable() for line in lines for char in line)
    assert len(lines) < 30


def test_secrets_in_it_are_masked() -> None:
    hidden = row(
        UNREPORTED, 1, source="s3cret", kind="s3cret", examples=(CredentialExample("s3cret", "s3cret"),)
    )
    masked = row(UNREPORTED, 1, reason="s3cret")
    for gap in coverage_gaps(JoinCoverage((hidden, masked)), lambda text: text.replace("s3cret", "‹x:6›")):
        assert "s3cret" not in f"{gap.who}{gap.why}{gap.examples}"
