"""Entra's sign-ins with federated credentials, and uses of their tokens. The samples have the common forms."""

import base64
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.adapters.azure.federation import looks_like, translate
from detector.values.events import DENIED, SUCCESS, CredentialIssued, CredentialUsed, Identifier
from detector.values.times import HOUR, MINUTE, parse_rfc3339

NOW = parse_rfc3339("2026-06-01T00:00:00Z")
SAMPLES = json.loads((Path(__file__).parent / "samples" / "azure.json").read_text())
NONE = "00000000-0000-0000-0000-000000000000"


def record(number: int, **properties: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(SAMPLES[number]["record"]))
    if properties:
        found["properties"] |= properties
    return found


def issued(of: dict[str, Any]) -> CredentialIssued:
    (found,) = translate(of, NOW)
    assert isinstance(found, CredentialIssued)
    return found


def used(of: dict[str, Any]) -> CredentialUsed:
    (found,) = translate(of, NOW)
    assert isinstance(found, CredentialUsed)
    return found


@given(st.uuids())
def test_both_forms_of_a_tokens_id_are_one(guid: uuid.UUID) -> None:
    uti = base64.urlsafe_b64encode(guid.bytes_le).decode().rstrip("=")
    written = base64.b64encode(str(guid).encode()).decode()
    signed_in = issued(record(0, uniqueTokenIdentifier=written)).identifiers
    assert signed_in == (Identifier("azure-token-id", uti),)
    assert used(record(3, signInActivityId=uti)).identifier == signed_in[0]
    assert used(record(3, signInActivityId=written.rstrip("="))).identifier == signed_in[0]


@pytest.mark.parametrize(
    "other", ["x" * 40, "not base64 at all, and long", "=" * 30, "MWM2MGVkN2MtYmU0OS00ZTUy"]
)
def test_an_id_of_another_form_stays_as_it_is(other: str) -> None:
    assert issued(record(0, uniqueTokenIdentifier=other)).identifiers[0].value == other


@pytest.mark.parametrize(
    ("properties", "issues"),
    [
        ({}, True),
        ({"clientCredentialType": "federatedIdentityCredential", "federatedCredentialId": ""}, True),
        ({"clientCredentialType": None}, True),  # older records have the id alone
        ({"clientCredentialType": "clientSecret", "federatedCredentialId": NONE}, False),
        ({"clientCredentialType": "certificate", "federatedCredentialId": None}, False),
        ({"status": {"errorCode": 7000215}}, False),
    ],
)
def test_only_a_sign_in_with_a_federated_credential_that_succeeded_counts(
    properties: dict[str, Any], issues: object
) -> None:
    assert bool(translate(record(0, **properties), NOW)) == issues


@pytest.mark.parametrize(
    ("details", "lives"),
    [
        ([{"key": "Is CAE Token", "value": "False"}], 90 * MINUTE),
        ([{"key": "Is CAE Token", "value": "True"}], 28 * HOUR),
        ([], 28 * HOUR),
        ("x", 28 * HOUR),
        (["x"], 28 * HOUR),
    ],
)
def test_what_the_log_does_not_tell_of_the_lifetime_is_assumed_long(details: Any, lives: int) -> None:
    issue = issued(record(0, authenticationProcessingDetails=details))
    assert issue.expires_at == issue.time + lives


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, SUCCESS), (404, SUCCESS), (401, DENIED), (403, DENIED)]
)
def test_graph_refuses_by_its_status(status: int, outcome: str) -> None:
    assert used(record(3, responseStatusCode=status)).outcome == outcome


@pytest.mark.parametrize(
    ("signature", "outcome"),
    [("Failed.Forbidden", DENIED), ("Succeeded.OK", SUCCESS), ("Failed.Conflict", SUCCESS), ("", SUCCESS)],
)
def test_the_activity_log_refuses_by_its_signature(signature: str, outcome: str) -> None:
    assert used(record(2) | {"resultSignature": signature}).outcome == outcome


def test_the_start_and_the_end_of_an_operation_are_two_records_and_each_counts_once() -> None:
    started = used(record(2) | {"resultType": "Start", "resultSignature": "Started."})
    assert started.id != used(record(2)).id
    assert used(record(2)).id == used(record(2)).id


def test_records_without_a_token_are_not_read() -> None:
    plain = record(2)
    plain["identity"] = {"claims": {"appid": "x"}}
    assert not looks_like(plain)
    assert translate(record(3, signInActivityId=None), NOW) == []
    for other in (
        {},
        {"category": ["ServicePrincipalSignInLogs"]},
        {"category": "SignInLogs", "properties": {}},
        {"category": "ServicePrincipalSignInLogs", "properties": "x"},
        {"category": "Administrative", "identity": "x"},
    ):
        assert not looks_like(other)
