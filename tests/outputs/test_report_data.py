"""What the report's page is given: all that was found, in as many bytes as a page may have, and no secret."""

import base64
import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks import report_history
from detector import cli
from detector.judge.join_coverage import CoverageRow, CredentialExample, JoinCoverage, OldestTask
from detector.judge.rules.catalog import RULES
from detector.outputs.headline import headline
from detector.outputs.report import MAX_LETTERS, Report
from detector.outputs.report_page import MAX_BYTES, report_page
from detector.outputs.summary import SourceRead, Summary
from detector.records.dead_letters import DeadLetter
from detector.values.findings import (
    LEAKED_CREDENTIAL,
    LEAKED_SECRET,
    OUTLIVES_TASK,
    OVERDUE_TASK,
    UNUSED_GRANT,
    USE_AFTER_TERMINATION,
    USE_OUTSIDE_SCOPE,
    Command,
    Evidence,
    Finding,
    Severity,
)
from detector.values.times import MINUTE
from tests.outputs import finding_samples as made
from tests.small_history import KEY_TEXT, secret_of, write


def report(findings: list[Finding], commands: list[Command] | None = None, **more: Any) -> Report:
    summary = more.pop("summary", Summary())
    clean = more.pop("clean", made.untouched)
    return Report(findings, commands or [], summary, made.PATTERNS, clean, until=made.USED, **more)


def data_of(page: bytes) -> dict[str, Any]:
    """The object that the page carries."""
    packed = page.split(b'id="report-data">')[1].split(b"</script>")[0]
    return dict(json.loads(zlib.decompress(base64.b64decode(packed))))


def data(one: Report) -> dict[str, Any]:
    return data_of(report_page(one))


def findings_in(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for group in page["groups"]:
        yield from group["findings"]


def used(number: int, pieces: int = 1, **fields: Any) -> Finding:
    """A finding about a task and a credential of its own, with so many uses."""
    evidences = tuple(
        Evidence(made.USED + index * MINUTE, made.use(id=f"{number}-{index}"), Severity.CRITICAL)
        for index in range(pieces)
    )
    facts: dict[str, Any] = {
        "key": f"cred-{number}",
        "count": pieces,
        "evidences": evidences,
        "task": msgspec.structs.replace(made.TASK, task_id=f"task-{number}"),
        "credential": msgspec.structs.replace(made.CREDENTIAL, credential_id=f"cred-{number}"),
    }
    return made.finding(USE_AFTER_TERMINATION, **(facts | fields))


@pytest.mark.parametrize(
    ("findings", "sentence"),
    [
        ([], "Nothing found."),
        ([made.finding(LEAKED_CREDENTIAL)], "1 credential leaked into a log."),
        (
            [used(1), used(2), made.finding(OUTLIVES_TASK)],
            "2 credentials were used after their tasks had ended and 1 outlived its task.",
        ),
        (
            [made.finding(UNUSED_GRANT), made.finding(OVERDUE_TASK), made.finding(LEAKED_SECRET)],
            (
                "1 unregistered secret leaked into a log, 1 task did not end by its deadline "
                "and 1 credential had grants it never used."
            ),
        ),
        (
            [made.finding(rule) for rule in RULES],
            (
                "1 credential leaked into a log, 1 was used after its task had ended, "
                f"1 unregistered secret leaked into a log and {len(RULES) - 3} more findings."
            ),
        ),
    ],
)
def test_the_headline_says_the_worst_first_and_each_noun_once(findings: list[Finding], sentence: str) -> None:
    assert headline(findings) == sentence


def test_what_is_accepted_is_no_headline() -> None:
    accepted = made.finding(LEAKED_CREDENTIAL, accepted="a drill")
    assert headline([accepted]) == headline([]) or "accepted" in headline([accepted])
    assert headline([accepted, made.finding(OUTLIVES_TASK)]) == "1 credential outlived its task."


def test_every_finding_is_there_once_with_its_severity_and_counts() -> None:
    findings = [*made.all_rules(), used(1, accepted="a drill")]
    page = data(report(findings, [made.command(), made.command(escalated=True)]))
    assert sorted(one["rule"] for one in findings_in(page)) == sorted([*RULES, USE_AFTER_TERMINATION])
    assert page["total"] == len(findings)
    counted = page["counts"]
    assert (counted["accepted"], counted["revoke"]) == (1, 1)
    assert sum(counted[one] for one in ("critical", "high", "medium", "low")) == len(RULES)
    assert sum(len(group["commands"]) for group in page["groups"]) == 2


def test_the_same_findings_give_the_same_page() -> None:
    assert report_page(report(made.all_rules())) == report_page(report(made.all_rules()))


def test_a_page_too_large_has_less_evidence_and_then_fewer_findings() -> None:
    low = [msgspec.structs.replace(used(100 + number, 10), severity=Severity.LOW) for number in range(60)]
    one = report([*low, *(used(number, 10) for number in range(60))])
    whole = report_page(one)
    assert {len(finding["evidence"]) for finding in findings_in(data_of(whole))} == {10}
    smaller = report_page(one, len(whole) - 1)
    assert len(smaller) < len(whole)
    assert {len(finding["evidence"]) for finding in findings_in(data_of(smaller))} == {5}
    smallest = list(findings_in(data_of(report_page(one, 1))))
    assert len(smallest) == 20
    assert {finding["severity"] for finding in smallest} == {"critical"}


def test_texts_that_no_compression_makes_smaller_do_not_make_a_page_too_large() -> None:
    rng = random.Random(1)
    letters = [chr(code) for code in range(0x4E00, 0x9FA5)]

    def noise() -> str:
        return "".join(rng.choices(letters, k=900))

    def noisy(number: int) -> Finding:
        names = ("source", "id", "action", "resource", "workload", "user_agent")
        pieces = tuple(
            Evidence(
                made.USED + index, made.use(made.USED, **{name: noise() for name in names}), Severity.HIGH
            )
            for index in range(2)
        )
        return used(number, 2, evidences=pieces)

    assert len(report_page(report([noisy(number) for number in range(150)]))) <= MAX_BYTES


def test_what_was_read_is_told_in_bounds() -> None:
    sources = tuple(SourceRead(f"{number}.log", "text", 1, number) for number in range(2_000))
    summary = Summary(read=sources, dead_letters={"not-json": 5_000})
    letters = [DeadLetter("a.log", "not-json", "it is not", line=line) for line in range(5_000)]
    read = data(report([], summary=summary, letters=letters))["read"]
    assert (read["total_sources"], read["records"], read["total_letters"]) == (2_000, 2_000, 5_000)
    assert len(read["letters"]) == MAX_LETTERS
    assert read["letters"][7] == {"place": "a.log line 7", "reason": "not-json", "detail": "it is not"}
    assert len(read["sources"]) < len(sources)
    assert ["1999.log", "text", 1, 1999] in read["sources"]


def test_a_secret_in_any_text_is_masked() -> None:
    secret = "hunter2-hunter2"
    summary = Summary(
        read=(SourceRead(f"{secret}.log", "text", 1, 2),),
        events={secret: 1},
        unresolved={secret: 1},
        dead_letters={secret: 1},
        allowed={secret: 1},
        coverage=JoinCoverage(
            (
                CoverageRow(
                    secret,
                    secret,
                    "overdue",
                    secret,
                    1,
                    (CredentialExample(secret, secret),),
                    OldestTask(1, secret),
                ),
            )
        ),
        warnings=(secret,),
    )
    task = msgspec.structs.replace(made.TASK, task_id=secret, owner=secret, kind=secret, workload=secret)
    use = made.use(source=secret, id=secret, action=secret, resource=secret, user_agent=secret)
    piece = Evidence(made.USED, use, Severity.HIGH, secret)
    finding = made.finding(USE_OUTSIDE_SCOPE, task=task, evidences=(piece,), accepted=secret)
    credential = msgspec.structs.replace(made.CREDENTIAL, revocation={"handle": secret}, task_id=secret)
    one = report(
        [finding],
        [made.command(credential=credential)],
        summary=summary,
        clean=lambda text: text.replace(secret, "‹known-credential:15›"),
        letters=[DeadLetter(secret, "not-json", "it is not", secret)],
    )
    page = report_page(one)
    assert secret not in page.decode()
    assert secret not in json.dumps(data_of(page))
    assert json.dumps(data_of(page), ensure_ascii=False).count("‹known-credential:15›") > 15


def test_the_command_writes_the_same_page_again_and_does_not_read_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURFEWD_KEY", KEY_TEXT)
    config = tmp_path / "quick.toml"
    config.write_text('[patterns]\ndisable = ["*"]\ndetect_secrets = false\n')
    history = tmp_path / "history"
    write(history)
    target = history / "report.html"
    arguments = ["replay", "--config", str(config), "--jobs", "1", "--report", str(target), str(history)]
    assert cli.main(arguments) == 0
    page = target.read_bytes()
    assert cli.main(arguments) == 0
    assert target.read_bytes() == page
    assert len(page) < MAX_BYTES
    shown = json.dumps(data_of(page))
    assert "task-3" in shown
    assert not any(secret_of(task).decode() in shown for task in range(12))


def test_the_history_that_is_measured_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    def written(name: str, **more: int) -> list[bytes]:
        report_history.write(tmp_path / name, 50, **more)
        return [(tmp_path / name / one).read_bytes() for one in ("events.jsonl", "tasks.log")]

    assert written("a") == written("b")
    assert written("a") != written("c", seed=8)
