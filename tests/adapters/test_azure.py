"""Entra's sign-ins with federated credentials, and uses of their tokens. The samples have the common forms."""

import base64
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.adapters.azure.diagnostics import translate
from detector.adapters.azure.records import looks_like
from detector.values.errors import BadRecordError
from detector.values.events import (
    DENIED,
    SUCCESS,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
)
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


def test_a_request_to_azure_ad_graph_uses_the_token_of_a_sign_in() -> None:
    """The legacy interface: other names than Microsoft Graph's, no time of its own, and a padded id."""
    uti = issued(record(0)).identifiers[0].value
    properties = {
        "signInActivityId": f"{uti}==",
        "timeGenerated": "2026-05-04T08:40:00.5Z",
        "httpMethod": "PATCH",
        "httpStatusCode": 403,
        "requestUri": "/v2/c0dd2fa0/applications/b1c34143",
        "requestId": "r-9",
        "callerIpAddress": "203.0.113.99",
    }
    legacy = {
        "category": "AzureADGraphActivityLogs",
        "operationName": "AAD Graph Activity",
        "properties": properties,
    }
    assert looks_like(legacy)
    use = used(legacy)
    assert (use.id, use.action, use.resource) == ("r-9", "PATCH", properties["requestUri"])
    assert (use.identifier, use.outcome) == (Identifier("azure-token-id", uti), DENIED)
    assert (use.source_ip, use.time) == ("203.0.113.99", parse_rfc3339("2026-05-04T08:40:00.5Z"))


def test_a_sign_in_from_before_tokens_had_ids_has_its_own_in_their_form() -> None:
    guid = uuid.UUID("0a2f3b1c-5d6e-4f70-8192-a3b4c5d6e7f8")
    (identifier,) = issued(record(0, uniqueTokenIdentifier=None, id=str(guid))).identifiers
    assert identifier.value == base64.urlsafe_b64encode(guid.bytes_le).decode().rstrip("=")


@pytest.mark.parametrize("own", ["marker", "", None], ids=repr)
def test_a_sign_in_whose_token_has_no_id_at_all_is_told(own: str | None) -> None:
    with pytest.raises(BadRecordError) as caught:
        translate(record(0, uniqueTokenIdentifier=None, id=own), NOW)
    assert caught.value.field == "properties.uniqueTokenIdentifier"


@pytest.mark.parametrize(
    "other", ["x" * 40, "not base64 at all, and long", "=" * 30, "MWM2MGVkN2MtYmU0OS00ZTUy"]
)
def test_an_id_of_another_form_stays_as_it_is(other: str) -> None:
    assert issued(record(0, uniqueTokenIdentifier=other)).identifiers[0].value == other


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({}, "set `task_group`"),
        (
            {"clientCredentialType": "federatedIdentityCredential", "federatedCredentialId": ""},
            "set `task_group`",
        ),
        ({"clientCredentialType": None}, "set `task_group`"),  # older records have the id alone
        (
            {"clientCredentialType": "clientSecret", "federatedCredentialId": NONE},
            "use federated credentials",
        ),
        ({"clientCredentialType": "certificate", "federatedCredentialId": None}, "use federated credentials"),
    ],
)
def test_a_sign_in_that_names_no_job_says_what_to_set(properties: dict[str, Any], says: str) -> None:
    assert says in (issued(record(0, **properties)).unjoined or "")


def test_a_sign_in_that_failed_gives_no_token() -> None:
    assert translate(record(0, status={"errorCode": 7000215}), NOW) == []


def test_a_managed_identity_signs_in_without_an_address() -> None:
    signed_in = record(0, ipAddress="", servicePrincipalCredentialKeyId=KEY) | {
        "category": "ManagedIdentitySignInLogs"
    }
    issue = issued(signed_in)
    assert issue.issued_to is None
    assert "managed identity" in (issue.unjoined or "")


def test_a_service_principal_that_is_named_after_a_job_belongs_to_it() -> None:
    issue = issued(record(0, servicePrincipalName="github-job-71"))
    assert (issue.task_id, issue.unjoined) == ("github/job/71", None)


KEY = "D747DA7E-e11b-4af2-aede-0487c44067af"


@pytest.mark.parametrize(("error", "outcome", "tokens"), [(0, SUCCESS, 1), (7000215, DENIED, 0)])
def test_a_sign_in_with_a_secret_is_a_use_of_the_secret(error: int, outcome: str, tokens: int) -> None:
    signed_in = record(0, servicePrincipalCredentialKeyId=KEY, status={"errorCode": error})
    use, *token = translate(signed_in, NOW)
    assert isinstance(use, CredentialUsed)
    assert use.identifier == Identifier("azure-credential-key-id", KEY.lower())
    assert (use.outcome, use.source_ip, len(token)) == (outcome, "192.0.2.44", tokens)


def keys(*names: str) -> str:
    return json.dumps(
        [f"[KeyIdentifier={name},KeyType=Password,KeyUsage=Verify,DisplayName=x]" for name in names]
    )


def changed(before: Any, after: Any, activity: str = "Add service principal credentials") -> dict[str, Any]:
    target = {
        "id": "a7d5dcbe-0627-4ddf-a2f4-86b6785bcc42",
        "type": "ServicePrincipal",
        "displayName": "app-deploy",
        "modifiedProperties": [
            {"displayName": "Included Updated Properties", "oldValue": None, "newValue": "x"},
            {"displayName": "KeyDescription", "oldValue": before, "newValue": after},
        ],
    }
    return {
        "time": "2026-05-04T08:02:00Z",
        "category": "AuditLogs",
        "operationName": activity,
        "correlationId": "c",
        "resourceId": "/tenants/t/providers/Microsoft.aadiam",
        "properties": {"id": "d", "result": "success", "targetResources": [target]},
    }


A, B, C = (f"0000000{number}-0000-0000-0000-000000000000" for number in range(3))


@pytest.mark.parametrize(
    ("before", "after", "added", "removed"),
    [
        (keys(), keys(A), [A], []),
        (None, keys(A), [A], []),
        (keys(A), keys(B, A.upper()), [B], []),
        (keys(A, B, C), keys(B), [], [A, C]),
        (keys(A), keys(B), [B], [A]),
        (keys(A), keys(A), [], []),
        (keys(A), None, [], [A]),
        ('"Client Secret"', '"[]"', [], []),
        (7, ["x"], [], []),
    ],
)
def test_secrets_are_what_the_lists_of_keys_differ_by(
    before: Any, after: Any, added: list[str], removed: list[str]
) -> None:
    events = translate(changed(before, after), NOW)
    new = [event for event in events if isinstance(event, CredentialIssued)]
    gone = [event for event in events if isinstance(event, CredentialRevoked)]
    assert [event.credential_id for event in new] == [f"azure/key/{name}" for name in added]
    assert [event.identifier and event.identifier.value for event in gone] == removed
    assert len({event.id for event in events}) == len(events)
    for event in new:
        assert event.kind == "azure-secret"
        assert event.revocation == {
            "provider": "azure",
            "method": "remove-secret",
            "service_principal": "a7d5dcbe-0627-4ddf-a2f4-86b6785bcc42",
            "key_id": event.identifiers[0].value,
        }


def test_a_certificate_is_no_secret_for_the_revoker() -> None:
    certificate = keys(A).replace("Password", "AsymmetricX509Cert")
    (event,) = translate(changed(None, certificate), NOW)
    assert isinstance(event, CredentialIssued)
    assert (event.kind, (event.revocation or {})["method"]) == ("azure-certificate", "remove-certificate")


def test_an_application_that_is_deleted_takes_its_secrets_along() -> None:
    (added,) = translate(changed(None, keys(A)), NOW)
    (gone,) = translate(changed(None, None, "Remove service principal"), NOW)
    assert isinstance(added, CredentialIssued)
    assert isinstance(gone, CredentialRevoked)
    assert gone.group in added.groups


def test_a_change_that_failed_changes_nothing() -> None:
    failed = changed(None, keys(A))
    failed["properties"]["result"] = "failure"
    assert translate(failed, NOW) == []


def test_storage_names_a_token_by_its_hash() -> None:
    read = {
        "time": "2026-05-04T08:02:00Z",
        "category": "StorageRead",
        "operationName": "GetBlob",
        "correlationId": "c",
        "callerIpAddress": "203.0.113.9:5555",
        "statusCode": 403,
        "resourceId": "/subscriptions/s/providers/Microsoft.Storage/storageAccounts/a/blobServices/default",
        "properties": {"objectKey": "/a/dump.sql", "userAgentHeader": "AzCopy"},
        "identity": {"type": "OAuth", "tokenHash": "AB" * 32},
    }
    use = used(read)
    assert (use.identifier, use.outcome) == (Identifier("sha256", "ab" * 32), DENIED)
    assert (use.resource, use.user_agent, use.source_ip) == ("/a/dump.sql", "AzCopy", "203.0.113.9:5555")
    read["identity"] = {"type": "SAS", "tokenHash": f"key1({'AB' * 32}),SasSignature({'CD' * 32})"}
    assert translate(read, NOW) == []


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


@pytest.mark.parametrize("signature", ["Succeeded.", "Failed.", "Canceled."])
def test_the_end_of_a_long_operation_is_no_use(signature: str) -> None:
    ended = record(2) | {"resultType": signature.removesuffix("."), "resultSignature": signature}
    assert translate(ended, NOW) == []
    accepted = used(record(2) | {"resultType": "Accept", "resultSignature": "Accepted.Accepted"})
    assert accepted.outcome == SUCCESS


def test_records_without_a_token_are_known_and_give_nothing() -> None:
    plain = record(2)
    plain["identity"] = {"claims": {"appid": "x"}}
    assert looks_like(plain)
    assert translate(plain, NOW) == []
    assert translate(record(3, signInActivityId=None), NOW) == []
    hub = {
        "category": "OperationalLogs",
        "EventName": "x",
        "resourceId": "/PROVIDERS/MICROSOFT.EVENTHUB/NAMESPACES/X",
    }
    assert looks_like(hub)
    people = record(0) | {"category": "SignInLogs"}
    assert looks_like(people)
    assert translate(people, NOW) == []


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"category": ["ServicePrincipalSignInLogs"]},
        {"category": "SignInLogs", "properties": {}},
        {"category": "ServicePrincipalSignInLogs", "properties": "x"},
        {"category": "Administrative", "identity": "x"},
        {"category": "Administrative", "operationName": "x", "resourceId": ["/providers/Microsoft."]},
        {"category": "Administrative", "operationName": "x", "resourceId": "/providers/Acme."},
    ],
)
def test_what_is_no_diagnostic_record_is_not_azures(other: dict[str, Any]) -> None:
    assert not looks_like(other)
