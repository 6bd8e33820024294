"""What became of a command: the findings that it names are resolved once the credential is proved dead."""

from typing import Any

import msgspec
import pytest

from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.routing import Claim, credential_key, task_key
from detector.judge.stage import applied, judge
from detector.outputs.ocsf import change_record, finding_record
from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    Leak,
    RevocationOutcome,
    TaskEnded,
)
from detector.values.findings import Command, Finding, command_id
from detector.values.times import MINUTE, SECOND, to_millis

START = 1_793_491_200 * SECOND
NAME = Identifier("hmac-sha256", "a" * 64)
PLAIN, ESCALATED = (command_id("c", escalated=escalated) for escalated in (False, True))
ISSUE = CredentialIssued(
    time=START, source="vault", id="1", credential_id="c", task_id="t", identifiers=(NAME,), grants=()
)
USE = CredentialUsed(time=START + MINUTE, source="vault", id="u", credential_id="c", action="read")


def leak(minutes: int, **fields: Any) -> Leak:
    made: dict[str, Any] = {
        "time": START + minutes * MINUTE,
        "source": "log",
        "id": str(minutes),
        "identifiers": (NAME,),
        "fingerprint": NAME.value,
        "pattern": None,
        "severity": None,
        "excerpt": "‹known-credential:40›",
    }
    return Leak(**made | fields)


def outcome(
    minutes: float, said: str = "confirmed", command: str = PLAIN, **fields: Any
) -> RevocationOutcome:
    made: dict[str, Any] = {
        "time": START + int(minutes * MINUTE),
        "source": "revoker",
        "id": f"{command}/{minutes}/{said}",
        "credential_id": "c",
        "command_id": command,
        "outcome": said,
    }
    return RevocationOutcome(**made | fields)


def findings(*events: AnyEvent, until: int = START + 20 * MINUTE) -> dict[str, Finding]:
    ledger = Ledger(Policy())
    for event in events:
        ledger.apply(event)
    return {one.rule: one for one in ledger.findings(until)}


def status(finding: Finding) -> int:
    found: int = finding_record(finding, {}, str)["status_id"]
    return found


@pytest.mark.parametrize("said", ["confirmed", "gone-already"])
def test_a_dead_credential_resolves_the_findings_that_its_command_names_and_no_others(said: str) -> None:
    found = findings(ISSUE, USE, leak(2), outcome(3, said))
    assert {rule: status(one) for rule, one in found.items()} == {
        "leaked-credential": 4,
        "use-outside-scope": 1,
        "overlong-credential": 1,
    }


@pytest.mark.parametrize("said", ["done-unproved", "refused", "failed", "held"])
def test_any_other_outcome_changes_no_finding(said: str) -> None:
    def records(*events: AnyEvent) -> list[dict[str, Any]]:
        return [finding_record(one, {}, str) for one in findings(*events).values()]

    assert records(ISSUE, leak(2), outcome(3, said)) == records(ISSUE, leak(2))


def test_later_evidence_makes_it_new_again_until_the_next_proof() -> None:
    events: list[AnyEvent] = [ISSUE, leak(2), outcome(3)]
    assert status(findings(*events)["leaked-credential"]) == 4
    events.append(leak(4))
    assert status(findings(*events)["leaked-credential"]) == 1
    events.append(outcome(5, "gone-already"))
    assert status(findings(*events)["leaked-credential"]) == 4


def test_when_it_finished_counts_and_not_when_that_was_told() -> None:
    early = outcome(9, finished_at=START + 3 * MINUTE)
    assert status(findings(ISSUE, leak(2), early)["leaked-credential"]) == 4
    assert status(findings(ISSUE, leak(2), leak(4), early)["leaked-credential"]) == 1


def test_what_proves_it_stands_in_the_record_and_in_the_message() -> None:
    told = outcome(3, target="vault-prod", proof="lookup-accessor answered 403", detail="approved by alice")
    record = finding_record(findings(ISSUE, leak(2), told)["leaked-credential"], {}, str)
    assert record["unmapped"]["resolution"] == {
        "command_id": PLAIN,
        "outcome": "confirmed",
        "time": to_millis(START + 3 * MINUTE),
        "target": "vault-prod",
        "proof": "lookup-accessor answered 403",
        "detail": "approved by alice",
    }
    assert "Resolved: the credential was proved dead at" in record["message"]
    assert "approved by alice" in record["message"]
    assert (record["activity_id"], record["status"], record["is_alert"]) == (1, "Resolved", False)


@pytest.mark.parametrize(
    "forged",
    [
        outcome(3, command="11111111-1111-4111-8111-111111111111"),
        outcome(3, command=command_id("d", escalated=False)),
        outcome(3, command=ESCALATED),
        outcome(3, credential_id="d"),
    ],
    ids=["no command", "another's command", "a command that was not sent", "another credential"],
)
def test_an_outcome_that_names_another_command_or_credential_resolves_nothing(
    forged: RevocationOutcome,
) -> None:
    assert status(findings(ISSUE, leak(2), forged)["leaked-credential"]) == 1


def test_an_accepted_finding_stays_accepted() -> None:
    finding = findings(ISSUE, leak(2), outcome(3))["leaked-credential"]
    assert status(msgspec.structs.replace(finding, accepted="known")) == 3


def test_live_the_finding_is_updated_once_and_again_by_later_evidence() -> None:
    key, policy = task_key("t"), Policy()
    first = judge(key, {}, [ISSUE, leak(2)], START + 2 * MINUTE, policy)
    assert [command.id for command in first.commands] == [PLAIN]
    state = applied({}, first)
    dead = CredentialRevoked(time=START + 3 * MINUTE, source="revoker", id="dead", credential_id="c")
    second = judge(key, state, [outcome(3), dead], START + 3 * MINUTE, policy)
    told = {one.finding.rule: change_record(one, {}, str) for one in second.findings}
    assert (told["leaked-credential"]["activity_id"], told["leaked-credential"]["status_id"]) == (2, 4)
    state = applied(state, second)
    assert not judge(key, state, [outcome(3)], START + 3 * MINUTE, policy).findings
    third = judge(key, state, [leak(4)], START + 4 * MINUTE, policy)
    (change,) = third.findings
    assert change_record(change, {}, str)["status_id"] == 1


def test_live_an_outcome_that_comes_before_its_credential_waits_for_it() -> None:
    policy = Policy()
    waits = judge(credential_key("c"), {}, [outcome(3)], START, policy)
    state = applied({}, waits)

    claimed = judge(credential_key("c"), state, [Claim(ISSUE)], START, policy)
    assert (task_key("t"), outcome(3)) in claimed.sends


def sent_and_unconfirmed(watermark: int, *late: AnyEvent) -> tuple[list[Command], dict[str, Finding]]:
    key, policy = task_key("t"), Policy()
    first = judge(key, {}, [ISSUE, leak(2)], watermark, policy)
    second = judge(key, applied({}, first), late, watermark + policy.confirm_timeout + SECOND, policy)
    return second.commands, {one.finding.rule: one.finding for one in second.findings}


def test_a_command_that_nobody_confirms_is_escalated_and_its_proof_resolves_both_findings() -> None:
    commands, found = sent_and_unconfirmed(START + 2 * MINUTE)
    assert [command.id for command in commands] == [ESCALATED]
    assert status(found["revocation-unconfirmed"]) == 1
    assert not sent_and_unconfirmed(
        START + 2 * MINUTE,
        CredentialRevoked(time=START + 3 * MINUTE, source="revoker", id="dead", credential_id="c"),
    )[0]
    key, policy = task_key("t"), Policy()
    state: dict[bytes, bytes] = {}
    steps: list[tuple[list[AnyEvent], int]] = [
        ([ISSUE, leak(2)], 2),
        ([], 8),
        ([outcome(9, "confirmed", ESCALATED), outcome(9)], 9),
    ]
    for facts, minutes in steps:
        judgement = judge(key, state, facts, START + minutes * MINUTE, policy)
        state = applied(state, judgement)
    told = {one.finding.rule: status(one.finding) for one in judgement.findings}
    assert told == {"leaked-credential": 4, "revocation-unconfirmed": 4}


def test_a_command_of_late_evidence_has_its_whole_time_to_be_confirmed() -> None:
    policy, hour = Policy(), 60 * MINUTE
    key = task_key("t")
    first = judge(key, {}, [ISSUE, leak(2)], START + hour, policy)
    assert [command.id for command in first.commands] == [PLAIN]
    assert first.timer == START + hour + policy.confirm_timeout
    state = applied({}, first)
    early = judge(key, state, [], START + hour + policy.confirm_timeout - 1, policy)
    assert not early.commands
    due = judge(key, state, [], START + hour + policy.confirm_timeout, policy)
    assert [command.id for command in due.commands] == [ESCALATED]
    (change,) = due.findings
    assert change.finding.last_seen == START + 2 * MINUTE + policy.confirm_timeout


def test_a_command_says_of_what_kind_and_whose_the_credential_is() -> None:
    ended = TaskEnded(time=START + MINUTE, source="ci", id="e", task_id="t")
    ledger = Ledger(Policy())
    for event in (ISSUE, leak(2), ended):
        ledger.apply(event)
    (command,) = ledger.commands(START)
    assert command.owner is None
    assert command.credential.issued == START
