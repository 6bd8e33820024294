"""What a person reads of a finding: a title that names who and what, a message, what to do."""

import msgspec
import pytest

from detector.judge.rules.catalog import RULES
from detector.outputs.advice import advise
from detector.values.events import DENIED
from detector.values.findings import (
    LEAKED_CREDENTIAL,
    LEAKED_SECRET,
    OVERDUE_TASK,
    OVERLONG_CREDENTIAL,
    USE_AFTER_REVOCATION,
    USE_AFTER_TERMINATION,
    USE_BY_OTHER_WORKLOAD,
    Evidence,
    Finding,
    Severity,
)
from detector.values.times import HOUR, MINUTE
from tests.outputs import finding_samples as made


def title(finding: Finding) -> str:
    return advise(finding, made.PATTERNS, made.untouched).title


def test_a_use_after_the_end_says_who_when_and_from_where() -> None:
    assert title(made.finding(USE_AFTER_TERMINATION)) == (
        "Token cred-7 of task release-4711 was used 2 h 3 min after the task ended, "
        "by workload laptop from 203.0.113.9: sign on artifact/app-1.2"
    )


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (None, "Credential"),
        ("aws-session", "AWS session"),
        ("github_app_token", "Github app token"),
        ("‹x-y:4›", "‹x-y:4›"),
    ],
)
def test_a_kind_begins_the_sentence(kind: str | None, words: str) -> None:
    credential = msgspec.structs.replace(made.CREDENTIAL, kind=kind)
    finding = made.finding(USE_AFTER_TERMINATION, credential=credential)
    assert title(finding).startswith(f"{words} cred-7 of task")


def test_a_denied_use_was_only_tried() -> None:
    piece = Evidence(made.USED, made.use(outcome=DENIED, workload=None), Severity.MEDIUM)
    finding = made.finding(USE_AFTER_TERMINATION, severity=Severity.MEDIUM, evidences=(piece,))
    assert "was tried, and denied, 2 h 3 min after the task ended, from 203.0.113.9" in title(finding)


def test_the_title_tells_the_gravest_evidence_not_the_first() -> None:
    denied = Evidence(made.USED, made.use(outcome=DENIED), Severity.MEDIUM)
    success = Evidence(made.USED + HOUR, made.use(made.USED + HOUR), Severity.CRITICAL)
    assert "was used 3 h 3 min after" in title(
        made.finding(USE_AFTER_TERMINATION, evidences=(denied, success))
    )


def test_a_leak_says_where_how_and_whether_it_mattered() -> None:
    assert title(made.finding(LEAKED_CREDENTIAL)) == (
        "Token cred-7 of task release-4711 was printed, in base64, in a log (live when it was shown): "
        "logs/release-4711.log line 214"
    )


def test_nested_encodings_are_told_from_the_inside() -> None:
    event = made.leak(encodings=("base64", "escaped"))  # outermost first
    finding = made.finding(LEAKED_CREDENTIAL, evidences=(Evidence(event.time, event, Severity.CRITICAL),))
    assert "was printed, in an escaped string inside base64, in a log" in title(finding)


def test_a_leaked_secret_names_its_pattern_and_brings_the_patterns_advice() -> None:
    words = advise(made.finding(LEAKED_SECRET), made.PATTERNS, made.untouched)
    assert words.title == (
        "Unregistered GitHub personal access token (classic) was printed, in base64, in the log of task "
        "release-4711: logs/release-4711.log line 214"
    )
    assert words.remediation.endswith("Delete it in the settings. POST /credentials/revoke.")


def test_a_leaked_secret_of_a_pattern_that_is_gone_is_still_told() -> None:
    assert title(made.finding(LEAKED_SECRET, patterns=("old-pattern",))).startswith(
        "Unregistered old-pattern"
    )


def test_use_by_another_task_names_it() -> None:
    piece = Evidence(made.USED, made.use(task_id="scan-9"), Severity.CRITICAL)
    assert "by another task, scan-9" in title(made.finding(USE_BY_OTHER_WORKLOAD, evidences=(piece,)))


def test_an_overlong_credential_says_how_much_too_long() -> None:
    piece = Evidence(
        made.ISSUED, made.issued(expires_at=made.DEADLINE + 3 * HOUR + 5 * MINUTE), Severity.MEDIUM
    )
    assert title(made.finding(OVERLONG_CREDENTIAL, evidences=(piece,), severity=Severity.MEDIUM)) == (
        "Token cred-7 of task release-4711 was issued for 3 h 5 min longer than the task's deadline"
    )
    never = Evidence(made.ISSUED, made.issued(), Severity.MEDIUM)
    assert title(made.finding(OVERLONG_CREDENTIAL, evidences=(never,))).endswith("never expires")


def test_an_overdue_task_ended_late_or_not_at_all() -> None:
    late = msgspec.structs.replace(made.TASK, ended=made.ENDED + 2 * HOUR)
    assert "(owner release-team) ended 1 h after its deadline" in title(made.finding(OVERDUE_TASK, task=late))
    never = msgspec.structs.replace(made.TASK, ended=None)
    assert "had not ended by its deadline, 2026-03-14 10:26:53Z" in title(
        made.finding(OVERDUE_TASK, task=never)
    )


def test_a_revoked_credential_is_not_told_to_be_revoked_by_its_handle() -> None:
    live = advise(made.finding(USE_AFTER_TERMINATION), made.PATTERNS, made.untouched)
    assert "Revocation handle: method=http handle=h-7." in live.remediation
    assert "no revocation of it is known" in live.message
    revoked = msgspec.structs.replace(made.CREDENTIAL, revoked=made.USED - MINUTE)
    words = advise(made.finding(USE_AFTER_REVOCATION, credential=revoked), made.PATTERNS, made.untouched)
    assert "handle" not in words.remediation
    assert words.title.startswith("Token cred-7 of task release-4711 was used 1 min after it was revoked")
    assert words.message.endswith("It was revoked at 2026-03-14 11:28:57Z.")


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_words_even_where_little_is_known(rule: str) -> None:
    full = made.finding(rule)
    bare = made.finding(rule, task=None, evidences=full.evidences)
    for finding in (full, bare, made.finding(rule, count=12_345, last_seen=made.USED + 5 * HOUR)):
        words = advise(finding, {}, made.untouched)
        assert words.message.startswith(words.title)
        assert words.remediation.endswith(".")
        assert "None" not in words.message + words.remediation


def test_nothing_that_an_event_says_can_move_the_cursor() -> None:
    piece = Evidence(made.USED, made.use(action="\x1b]0;owned\x07", workload="a\nb"), Severity.CRITICAL)
    words = advise(made.finding(USE_AFTER_TERMINATION, evidences=(piece,)), {}, made.untouched)
    assert (words.title + words.message).isprintable()
    assert "\\x1b]0;owned\\x07" in words.title
