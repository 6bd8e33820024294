"""What is held, and which approvals count: any order, any copies, any bytes in the topics."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.service.approvals.given_approvals import MOST_OF_COMMAND
from detector.service.approvals.held_commands import (
    MOST,
    MOST_RETRIABLE,
    NOT_KEPT,
    HeldCommands,
    standing,
)
from detector.values.approvals import Approval, approval_record, read_approval
from detector.values.secrets import Secret
from detector.values.times import DAY, HOUR
from tests.service.approvals.people import TOKENS, TOPIC, Pages, command_id, outcome

GARBAGE = [None, b"", b"{}", b"[" * 100_000, b"\xff", b'{"type": 1}', outcome(1)[:-1], b"null"]


def signed(name: str, verdict: Any = "approve", *, number: int = 1, ago: int = 0, **how: Any) -> bytes:
    approval = Approval(command_id(number), name, verdict, time.time_ns() - ago)
    return approval_record(approval, Secret(how.get("token", TOKENS[name]).encode()), how.get("topic", TOPIC))


def test_the_last_outcome_of_a_command_says_whether_it_waits() -> None:
    held = HeldCommands()
    for value in (outcome(1), outcome(2), outcome(1, count=2, detail="now for another reason"), *GARBAGE):
        held.take(value)
    assert [(one.credential_id, one.why[:9]) for one in held.all()] == [
        ("cred-1", "now for a"),
        ("cred-2", "needs 2 a"),
    ]
    before = held.version
    held.take(outcome(1, "confirmed", count=3))
    held.take(outcome(3, "refused"))
    assert [one.credential_id for one in held.all()] == ["cred-2"]
    assert held.version == before + 1


def test_of_more_than_ten_thousand_that_wait_none_is_forgotten() -> None:
    held = HeldCommands()
    for number in range(MOST + 1):
        held.take(outcome(number))
    last = held.get(command_id(MOST))
    assert last is not None, "it can be approved and denied"
    assert (last.credential_id, last.why) == ("", NOT_KEPT)
    assert len(held.all()) == MOST + 1
    held.take(outcome(0, "confirmed", count=2))
    held.take(outcome(MOST, count=2))
    told_again = held.get(command_id(MOST))
    assert told_again is not None
    assert told_again.credential_id == f"cred-{MOST}"


@pytest.mark.parametrize("verdict", ["failed", "done-unproved"])
def test_what_can_be_tried_again_is_known_until_its_next_outcome(verdict: str) -> None:
    held = HeldCommands()
    held.take(outcome(1, verdict))
    assert [(one.command_id, one.outcome) for one in held.all_retriable()] == [(command_id(1), verdict)]
    assert held.retriable(command_id(1))
    assert held.all() == []
    held.take(outcome(1, "confirmed", count=2))
    assert not held.retriable(command_id(1))
    for number in range(MOST_RETRIABLE + 1):
        held.take(outcome(number, verdict))
    assert (held.retriable(command_id(0)), held.retriable(command_id(MOST_RETRIABLE))) == (False, True)


def test_what_is_held_keeps_the_time_since_when() -> None:
    held = HeldCommands()
    held.take(outcome(1, finished_at="2026-11-03T12:00:00Z"))
    held.take(outcome(1, count=2, finished_at="2026-11-03T13:00:00Z", detail="x" * 5000))
    (one,) = held.all()
    assert one.since < time.time_ns()
    assert one.since == HeldCommandsOf(outcome(1)).since
    assert len(one.why) == 1024


def HeldCommandsOf(value: bytes) -> Any:  # noqa: N802 - reads as a value
    held = HeldCommands()
    held.take(value)
    return held.all()[0]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (signed("alice", token="f" * 32), "wrong signature"),
        (signed("alice", token=TOKENS["bob"]), "wrong signature"),
        (signed("alice", topic="another.deployment"), "wrong signature"),
        (signed("alice").replace(b'"approve"', b'"deny"'), "wrong signature"),
        (signed("alice").replace(b'"alice"', b'"bob"'), "wrong signature"),
        (signed("alice").replace(command_id(1).encode(), command_id(2).encode()), "wrong signature"),
        (signed("alice").replace(b'"alice"', b'"mallory"'), "no [[revoke.approver]]"),
        (signed("alice").replace(b'"approve"', b'"perhaps"'), "no approval"),
        (signed("alice")[:-1] + b', "more": 1}', "no approval"),
        (b"x" * 10_000, "no approval"),
        *((garbage, "no approval") for garbage in GARBAGE),
    ],
    ids=range(10 + len(GARBAGE)),
)
def test_what_is_forged_does_not_count(tmp_path: Path, value: bytes | None, why: str) -> None:
    pages = Pages(tmp_path)
    pages.given.take(value)
    assert pages.given.of(command_id(1)) == pages.given.of(command_id(2)) == ()
    assert len(pages.refused) == 1
    assert why in pages.refused[0]
    assert not any(token in pages.refused[0] for token in TOKENS.values())


def test_what_is_right_counts_as_long_as_it_is_not_too_old(tmp_path: Path) -> None:
    pages = Pages(tmp_path)
    for value in (signed("alice"), signed("bob", "deny"), signed("bob", ago=DAY + HOUR)):
        pages.given.take(value)
    assert standing(command_id(1), pages.given.of(command_id(1))) == {"alice": "approve", "bob": "deny"}
    assert pages.refused == []
    (tmp_path / "bob.token").unlink()
    pages.given.take(signed("bob", number=2))
    assert pages.given.of(command_id(2)) == ()
    assert "bob.token" in pages.refused[0]


def test_one_token_is_not_two_people(tmp_path: Path) -> None:
    pages = Pages(tmp_path)
    (tmp_path / "bob.token").write_text(TOKENS["alice"])
    for name in ("alice", "bob"):
        pages.given.take(signed(name, token=TOKENS["alice"]))
    assert pages.given.of(command_id(1)) == ()
    assert "alice and bob have one token" in pages.refused[0]
    pages.given.take(signed("alice", "deny"))
    assert standing(command_id(1), pages.given.of(command_id(1))) == {"alice": "deny"}


def test_a_denial_counts_however_old_it_is(tmp_path: Path) -> None:
    pages = Pages(tmp_path)
    pages.given.take(signed("bob", "deny", ago=30 * DAY))
    for number in range(1000):  # after which old ones are forgotten
        pages.given.take(signed("alice", number=number + 2))
    assert standing(command_id(1), pages.given.of(command_id(1))) == {"bob": "deny"}


def test_a_denial_stays_however_often_somebody_approves(tmp_path: Path) -> None:
    pages = Pages(tmp_path)
    pages.given.take(signed("bob", "deny", ago=HOUR))
    for number in range(3 * MOST_OF_COMMAND):
        pages.given.take(signed("alice", ago=HOUR - number * 1000))
    kept = pages.given.of(command_id(1))
    assert len(kept) == MOST_OF_COMMAND
    assert [each.approver for each in kept if not each.approves] == ["bob"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations([signed("alice"), signed("bob"), signed("bob", "deny"), signed("alice")]), st.binary())
def test_the_order_of_records_and_copies_change_nothing(
    tmp_path: Path, values: list[bytes], noise: bytes
) -> None:
    pages = Pages(tmp_path)
    for value in (*values, noise, *values):
        pages.given.take(value)
    assert {(each.approver, each.verdict) for each in pages.given.of(command_id(1))} == {
        ("alice", "approve"),
        ("bob", "approve"),
        ("bob", "deny"),
    }


def test_a_record_holds_no_token() -> None:
    value = signed("alice")
    assert TOKENS["alice"].encode() not in value
    assert read_approval(value).signed_with(Secret(TOKENS["alice"].encode()), TOPIC)
