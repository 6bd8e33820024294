"""What the topic of commands may hold: commands, and whatever whoever may write there puts in."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.configuration.revoke_settings import RevokeSettings
from detector.outputs.command_signature import signed, signing_key
from detector.outputs.commands import command_record
from detector.revoke.case import Case
from detector.revoke.reader import LARGEST, MOST_HANDLE, appended_at, read_command
from detector.revoke.stored_cases import case_record, stored_case
from detector.values.errors import BadRecordError
from detector.values.events import Identifier
from detector.values.findings import Command, CredentialFacts, Severity
from detector.values.secrets import DeploymentKey
from detector.values.times import MILLISECOND, parse_rfc3339
from tests.revoke.deployment import command_event

NOW = parse_rfc3339("2026-06-01T00:00:00Z")


def event(**data: Any) -> dict[str, Any]:
    return command_event("cred-1", NOW, **data)


def reads(one: Any) -> Any:
    return read_command(json.dumps(one).encode(), NOW)


def test_what_the_judge_writes_is_read() -> None:
    credential = CredentialFacts(
        "cred-1",
        "build-7",
        "vault-token",
        (Identifier("vault-accessor", "acc-1"), Identifier("sha256", "0" * 64)),
        NOW,
        None,
        None,
        None,
        {"provider": "vault", "accessor": "acc-1", "deep": {"a": [1, None]}},
    )
    made = Command(credential, NOW, ("leaked-credential",), Severity.HIGH, escalated=True)
    read = reads(command_record(made, str))
    assert (read.id, read.time, read.credential_id, read.task_ids) == (made.id, NOW, "cred-1", ("build-7",))
    assert (read.provider, read.escalated, read.severity) == ("vault", True, Severity.HIGH)
    assert read.identifiers == (Identifier("vault-accessor", "acc-1"),)
    assert read.finding_uids == made.finding_uids
    stored = stored_case(case_record(Case(read, partition=2)), "here")
    assert stored == Case(read, partition=2)


def test_candidates_kind_owner_and_issue_are_read() -> None:
    one = event(
        task_id=None,
        candidate_task_ids=["a", "b"],
        kind="github-token",
        owner="ann",
        issued_at="2026-05-31T00:00:00Z",
    )
    read = reads(one)
    assert (read.task_ids, read.kind, read.owner) == (("a", "b"), "github-token", "ann")
    assert read.issued_at == parse_rfc3339("2026-05-31T00:00:00Z")


def deep(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(levels):
        made = {"a": made}
    return made


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"id": "not-a-uuid"}, "id"),
        ({"id": ["x"]}, "id"),
        ({"specversion": "2.0"}, "specversion"),
        ({"type": "credential.revoked"}, "type"),
        ({"time": "soon"}, "time"),
        ({"time": "2026-06-01T01:00:00Z"}, "time"),
        ({"data": None}, "data"),
        ({"data": {}}, "data.credential_id"),
        ({"data": {"credential_id": ""}}, "data.credential_id"),
        ({"data": {"credential_id": "c", "severity": "worst"}}, "data.severity"),
        ({"data": {"credential_id": "c", "revocation": []}}, "data.revocation"),
        ({"data": {"credential_id": "c", "revocation": deep(65)}}, "data.revocation"),
        ({"data": {"credential_id": "c", "revocation": {"a": "x" * MOST_HANDLE}}}, "data.revocation"),
        ({"data": {"credential_id": "c", "escalated": "yes"}}, "data.escalated"),
        ({"data": {"credential_id": "c", "issued_at": "1"}}, "data.issued_at"),
        ({"data": {"credential_id": "c", "reasons": ["r"] * 65}}, "data.reasons"),
        ({"data": {"credential_id": "c" * 5000}}, "data.credential_id"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_wrong_is_named_and_not_quoted(change: dict[str, Any], where: str) -> None:
    with pytest.raises(BadRecordError) as caught:
        reads(event() | change)
    assert caught.value.field == where


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"specversion": "1.0", "specversion": "1.0"}',
        b'{"a":' + b"1" * 5000 + b"}",
        b" " * (LARGEST + 1),
    ],
    ids=["none", "empty", "cut", "deep", "no UTF-8", "twice", "a long number", "too large"],
)
def test_what_is_no_command_is_a_dead_letter(value: bytes | None) -> None:
    with pytest.raises(BadRecordError) as caught:
        read_command(value, NOW)
    assert "scanned" not in caught.value.detail


def test_a_name_that_stands_twice_is_not_believed() -> None:
    text = json.dumps(event()).replace('"name": "cred-1"', '"name": "cred-2", "name": "cred-1"')
    with pytest.raises(BadRecordError) as caught:
        read_command(text.encode(), NOW)
    assert caught.value.reason == "ambiguous-json"


KEYS = [DeploymentKey.of(bytes(16), "2026"), DeploymentKey.of(b"o" * 16, "2025")]
KEYED = RevokeSettings(command_keys=tuple(key.for_commands() for key in KEYS))
ALLOWING = msgspec.structs.replace(KEYED, allow_unsigned=True)


def test_with_a_key_a_command_is_believed_by_its_signature() -> None:
    plain = json.dumps(event()).encode()
    own, other = signed(plain, signing_key(KEYS))[0], signed(plain, KEYS[0])[0]
    for value, with_keys, allowed, without in (
        (own, True, True, False),
        (plain, "unsigned", False, False),
        (other, "bad-signature", "bad-signature", False),
        (own.replace(b'"critical"', b'"low"'), "bad-signature", "bad-signature", False),
        (own.replace(b'"cred-1"', b'"cred-1 "'), "bad-signature", "bad-signature", False),
    ):
        for given_settings, wanted in ((KEYED, with_keys), (ALLOWING, allowed), (RevokeSettings(), without)):
            try:
                found: object = read_command(value, NOW, settings=given_settings).signed
            except BadRecordError as error:
                found = error.reason
            assert found == wanted, (value, given_settings)


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_object_is_read_or_refused_and_can_be_stored(value: Any) -> None:
    try:
        read = read_command(json.dumps(event(revocation={"x": value})).encode(), NOW)
    except BadRecordError:
        return
    assert stored_case(case_record(Case(read)), "here").command == read


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(value: bytes) -> None:
    with pytest.raises(BadRecordError):
        read_command(value, NOW)


def test_when_the_leak_was_appended() -> None:
    assert appended_at([], 5_000) == 5_000 * MILLISECOND
    assert appended_at([("curfewd-appended", b"4000")], 5_000) == 4_000 * MILLISECOND
    for wrong in (b"6000", b"-1", b"4000.5", b"x", b"", b"9" * 30, "\u0664".encode(), None):
        assert appended_at([("curfewd-appended", wrong)], 5_000) == 5_000 * MILLISECOND
    assert appended_at([], -1) is None
