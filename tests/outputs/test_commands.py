"""A command is a CloudEvent that whoever revokes can act on, and holds no secret and no sha256."""

from typing import Any

import msgspec
import orjson

from detector.outputs.commands import command_record
from detector.outputs.writers import dumps
from detector.values.events import Identifier
from detector.values.findings import USE_AFTER_TERMINATION, Command, finding_uid
from tests.outputs import finding_samples as made


def with_credential(**fields: Any) -> Command:
    return made.command(credential=msgspec.structs.replace(made.CREDENTIAL, **fields))


def test_the_whole_of_a_command() -> None:
    command = made.command()
    assert command_record(command, made.untouched) == {
        "specversion": "1.0",
        "id": command.id,
        "source": "curfewd",
        "type": "credential.revocation.requested",
        "subject": "cred-7",
        "time": "2026-03-14T11:29:57.589Z",
        "datacontenttype": "application/json",
        "data": {
            "credential_id": "cred-7",
            "task_id": "release-4711",
            "kind": "token",
            "issued_at": "2026-03-14T09:06:53.589Z",
            "identifiers": [
                {"scheme": "hmac-sha256", "value": "a" * 64, "key_id": "k1"},
                {"scheme": "vault-accessor", "value": "acc-7"},
            ],
            "reasons": ["outlives-task", "use-after-termination"],
            "finding_uids": [
                finding_uid("outlives-task", "cred-7"),
                finding_uid(USE_AFTER_TERMINATION, "cred-7"),
            ],
            "escalated": False,
            "severity": "critical",
            "revocation": {"method": "http", "handle": "h-7"},
        },
    }


def test_a_credential_of_a_group_has_candidates_in_place_of_a_task() -> None:
    data = command_record(with_credential(task_id=None, candidates=made.candidates(25)), made.untouched)[
        "data"
    ]
    assert "task_id" not in data
    assert data["candidate_task_ids"] == [f"build-{number}" for number in range(20)]
    assert (data["candidate_count"], data["candidate_kind"]) == (25, "ci-job")
    none = command_record(with_credential(task_id=None, candidates=made.candidates(0)), made.untouched)[
        "data"
    ]
    assert (none["candidate_task_ids"], none["candidate_count"]) == ([], 0)
    assert "candidate_kind" not in none


def test_its_id_tells_plain_from_escalated_and_nothing_else() -> None:
    plain, escalated = made.command(), made.command(escalated=True)
    assert plain.id != escalated.id
    assert plain.id == made.command(time=0, reasons=()).id


def test_the_revocation_object_is_as_issued() -> None:
    revocation = {"url": "https://vault.example/v1/x", "n": [1, 2.5, None, True, {"deep": "é"}]}
    made_record = command_record(with_credential(revocation=revocation), made.untouched)
    assert made_record["data"]["revocation"] == revocation
    assert "revocation" not in command_record(with_credential(revocation=None), made.untouched)["data"]


def test_a_secret_among_what_was_issued_is_masked() -> None:
    def clean(text: str) -> str:
        return text.replace("hush", "‹x:4›")

    credential = with_credential(
        credential_id="hush-1",
        task_id="hush-2",
        revocation={"hush": ["hush", {"a": "b hush"}]},
        identifiers=(Identifier("vault-accessor", "hush"), Identifier("hush", "x", key_id="hush")),
    )
    assert b"hush" not in dumps(command_record(credential, clean))


def test_an_object_that_no_json_writer_takes_does_not_stop_the_command() -> None:
    deep: Any = "bottom"
    for _ in range(900):
        deep = [deep]
    record = command_record(
        with_credential(revocation={"deep": deep, "big": 10**40, "handle": "h"}), made.untouched
    )
    again = orjson.loads(dumps(record))
    assert again["data"]["revocation"]["handle"] == "h"
    assert again["data"]["revocation"]["big"] is None
