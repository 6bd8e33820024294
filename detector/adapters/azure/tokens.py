"""Tokens of Microsoft Entra: issued by sign-ins of service principals and managed identities, and used.

A sign-in has the fields of Graph's `signIn` resource. A token's `uti` claim joins it with the uses ("Linkable
identifiers in Microsoft Entra"): the sign-in has it as `uniqueTokenIdentifier`, the logs of Microsoft Graph and of
Azure AD Graph as `signInActivityId` (the latter with `==` behind it), the activity log among the caller's claims.
Storage logs the SHA-256 of the token that a request had (learn.microsoft.com, "Azure Blob Storage monitoring data
reference").

A sign-in with a secret or a certificate is a use of it: `servicePrincipalCredentialKeyId` is its id. Of a federated
credential the log has the id, and not the subject of the token that was handed in, so it names neither job nor
repository.
"""

import base64
import uuid
from collections.abc import Iterator
from typing import Final

from detector.adapters.adapter import Record
from detector.adapters.azure.records import GRAPH, MANAGED, SIGN_IN, STORAGE, claimed_uti, source_of
from detector.adapters.azure.secrets import KEY_ID
from detector.adapters.ci_names import task_named
from detector.adapters.fields import find, first_text, issued_to, maybe_text, text, time
from detector.records.dead_letters import MISSING_FIELD, bad
from detector.records.record_ids import record_id
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialUsed,
    Identifier,
)
from detector.values.secrets import normal_sha256
from detector.values.times import HOUR, MINUTE

TOKEN_ID: Final = "azure-token-id"  # noqa: S105 - the scheme of an identifier: a token's `uti`
_FEDERATED: Final = "federatedidentitycredential"
_NONE: Final = "00000000-0000-0000-0000-000000000000"
# Access tokens live 60 to 90 minutes, and those for continuous access evaluation, or of managed identities, up to a day
# and more (learn.microsoft.com, "Access tokens in the Microsoft identity platform", "Continuous access evaluation",
# "Managed identities for Azure resources frequently asked questions").
_LIVES: Final = 90 * MINUTE
_LIVES_EVALUATED: Final = 28 * HOUR
_REFUSED: Final = frozenset({"401", "403"})
# In the activity log, the status and behind the dot that of the request ("Azure Activity Log event schema":
# `subStatus`). The end of a long operation has none: nobody asked for anything then, and its start is a record of its
# own.
_ONLY_ENDS: Final = ("Succeeded.", "Failed.", "Canceled.")
_UTI: Final = 22  # characters of the base64 of 16 bytes
_UNJOINED: Final = "the sign-in log names no job; give each repository an application of its own, and set `task_group` in `[sources.azure]`"
_BY_SECRET: Final = "sign-in with a secret or certificate, which names no job; use federated credentials"  # noqa: S105 - words
_MANAGED: Final = "sign-in of a managed identity, which names no job"


def signed_in(record: Record, now: int) -> Iterator[CanonicalEvent]:
    """The token that a sign-in gave, and the use of the secret that it was done with.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    failed = (
        maybe_text(record, "properties.status.errorCode") or maybe_text(record, "resultType") or "0"
    ) != "0"
    key_id = maybe_text(record, "properties.servicePrincipalCredentialKeyId") or _NONE
    if key_id != _NONE and record["category"] == SIGN_IN:
        yield _secret_used(record, key_id, now, outcome=DENIED if failed else SUCCESS)
    if not failed:
        yield _issued(record, now)


def _secret_used(record: Record, key_id: str, now: int, *, outcome: str) -> CredentialUsed:
    token = maybe_text(record, "properties.uniqueTokenIdentifier")
    return CredentialUsed(
        time=_signed_in_at(record, now),
        source=source_of(record),
        id=maybe_text(record, "properties.id") or token or record_id(record),
        identifier=Identifier(KEY_ID, key_id.lower()),
        action="sign-in",
        resource=maybe_text(record, "properties.resourceDisplayName"),
        outcome=outcome,
        source_ip=maybe_text(record, "properties.ipAddress"),
        user_agent=maybe_text(record, "properties.userAgent"),
    )


def _issued(record: Record, now: int) -> CredentialIssued:
    token = _token_given(record)
    at = _signed_in_at(record, now)
    principal = text(record, "properties.servicePrincipalId")
    address = maybe_text(record, "properties.ipAddress")
    named = task_named(maybe_text(record, "properties.servicePrincipalName") or "")
    return CredentialIssued(
        time=at,
        source=source_of(record),
        id=f"{maybe_text(record, 'properties.id') or token}/issued",
        credential_id=f"azure/token/{token}",
        task_id=named or f"azure/service-principal/{principal}/{token}",
        identifiers=(Identifier(TOKEN_ID, token),),
        kind="azure-token",
        expires_at=at + (_LIVES if _is_plain(record) else _LIVES_EVALUATED),
        revocation={
            "provider": "azure",
            "method": "disable-service-principal",
            "service_principal": principal,
        },
        issued_to=issued_to(address),
        unjoined=None if named is not None else _unjoined(record),
    )


def _token_given(record: Record) -> str:
    """The id of a sign-in's token. Records from before 2022 lack it: it is the sign-in's own id, written otherwise."""
    token = maybe_text(record, "properties.uniqueTokenIdentifier")
    if token is not None:
        return _token(token)
    try:
        return _short(uuid.UUID(maybe_text(record, "properties.id") or ""))
    except ValueError:
        raise bad(MISSING_FIELD, "properties.uniqueTokenIdentifier") from None


def _signed_in_at(record: Record, now: int) -> int:
    return time(record, "properties.createdDateTime", now)


def _unjoined(record: Record) -> str:
    if record["category"] == MANAGED:
        return _MANAGED
    kind = (maybe_text(record, "properties.clientCredentialType") or "").lower()
    federated = maybe_text(record, "properties.federatedCredentialId") or _NONE
    return _UNJOINED if kind == _FEDERATED or federated != _NONE else _BY_SECRET


def _is_plain(record: Record) -> bool:
    """Whether the sign-in says that its token is not one for continuous access evaluation."""
    details = find(record, "properties.authenticationProcessingDetails")
    return isinstance(details, list) and any(
        isinstance(one, dict) and one.get("key") == "Is CAE Token" and one.get("value") == "False"
        for one in details
    )


def used(record: Record, now: int) -> Iterator[CanonicalEvent]:
    """The use of a token that a record names by its id, or by its hash; nothing if it names none.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    identifier = _identifier(record)
    if identifier is None or record.get("resultSignature") in _ONLY_ENDS:
        return
    graph = record["category"] in GRAPH
    action = first_text(record, "properties.requestMethod", "properties.httpMethod") if graph else None
    yield CredentialUsed(
        time=time(record, "properties.timeGenerated" if graph and "time" not in record else "time", now),
        source=source_of(record),
        id=_event_id(record, graph=graph),
        identifier=identifier,
        action=action or text(record, "operationName"),
        resource=first_text(record, "properties.requestUri", "properties.objectKey", "resourceId"),
        outcome=DENIED if _is_refused(record) else SUCCESS,
        source_ip=first_text(record, "properties.ipAddress", "properties.callerIpAddress", "callerIpAddress"),
        user_agent=first_text(record, "properties.userAgent", "properties.userAgentHeader"),
    )


def _identifier(record: Record) -> Identifier | None:
    """The token that a request had."""
    if record["category"] in STORAGE:
        # Of an account's key or a shared signature it is a list of hashes, which begins with the key's name.
        digest = normal_sha256(maybe_text(record, "identity.tokenHash") or "")
        return None if digest is None else Identifier("sha256", digest)
    graph = record["category"] in GRAPH
    uti = maybe_text(record, "properties.signInActivityId") if graph else claimed_uti(record)
    return None if not uti else Identifier(TOKEN_ID, _token(uti))


def _is_refused(record: Record) -> bool:
    names = (
        "properties.responseStatusCode",
        "properties.httpStatusCode",
        "resultSignature",
        "statusCode",
    )
    status = first_text(record, *names) or ""
    return status in _REFUSED or status.partition(".")[2] in ("Forbidden", "Unauthorized")


def _event_id(record: Record, *, graph: bool) -> str:
    """The id of a request. The activity log reports the start and the end of one operation, with one correlation id."""
    if graph:
        return maybe_text(record, "properties.requestId") or text(record, "correlationId")
    parts = (
        text(record, "correlationId"),
        maybe_text(record, "operationName"),
        maybe_text(record, "resultType"),
    )
    return "/".join(part for part in parts if part)


def _token(uti: str) -> str:
    """A token's `uti` in one form: 22 characters of base64. Sign-ins may have the base64 of its GUID's text instead."""
    uti = uti.rstrip("=") or uti
    if len(uti) <= _UTI:
        return uti
    try:
        guid = uuid.UUID(base64.b64decode(uti + "=" * (-len(uti) % 4), validate=True).decode("ascii"))
    except ValueError:
        return uti
    return _short(guid)


def _short(guid: uuid.UUID) -> str:
    return base64.urlsafe_b64encode(guid.bytes_le).decode().rstrip("=")
