"""Microsoft Entra's federated credentials: sign-ins of service principals, and the uses of their tokens.

Diagnostic records as Azure Monitor sends them to Event Hubs, alone or in `records`: `ServicePrincipalSignInLogs` (the
fields of Graph's `signIn` resource), `MicrosoftGraphActivityLogs` and the activity log (learn.microsoft.com, "Azure
Activity Log event schema"). A token's `uti` claim joins them ("Linkable identifiers in Microsoft Entra"): the sign-in
has it as `uniqueTokenIdentifier`, Graph's log as `signInActivityId`, the activity log among the caller's claims.

Only sign-ins with a federated credential count: those of CI jobs and pods. The log has the id of that credential, and
not the subject of the token that was handed in, so it names neither job nor repository.
"""

import base64
import uuid
from collections.abc import Iterator
from typing import Final

from detector.adapters.adapter import Adapter, Carrier, Record
from detector.adapters.fields import find, maybe_text, text, time
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialUsed,
    Identifier,
)
from detector.values.times import HOUR, MINUTE

TOKEN_ID: Final = "azure-token-id"  # noqa: S105 - the scheme of an identifier: a token's `uti`
_SIGN_IN: Final = "ServicePrincipalSignInLogs"
_GRAPH: Final = "MicrosoftGraphActivityLogs"
_ACTIVITY: Final = frozenset({"Administrative", "Action", "Write", "Delete"})
_FEDERATED: Final = "federatedidentitycredential"
_NO_CREDENTIAL: Final = "00000000-0000-0000-0000-000000000000"
# Access tokens live 60 to 90 minutes, and those for continuous access evaluation up to 28 hours (learn.microsoft.com,
# "Access tokens in the Microsoft identity platform", "Continuous access evaluation").
_LIVES: Final = 90 * MINUTE
_LIVES_EVALUATED: Final = 28 * HOUR
_REFUSED: Final = frozenset({"401", "403"})
_UTI: Final = 22  # characters of the base64 of 16 bytes
_UNJOINED: Final = "the sign-in log names no job; give each repository an application of its own, and set `task_group` in `[sources.azure]`"


def looks_like(record: Record) -> bool:
    """Whether an object is a sign-in of a service principal, or a use of a token with its `uti`."""
    category = record.get("category")
    if category in (_SIGN_IN, _GRAPH):
        return isinstance(record.get("properties"), dict)
    return isinstance(category, str) and category in _ACTIVITY and _claims_uti(record) is not None


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The token that a sign-in gave, or the use of one; nothing for sign-ins by other credentials, and failed ones.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    if record["category"] == _SIGN_IN:
        return list(_signed_in(record, now))
    return list(_used(record, now))


def _signed_in(record: Record, now: int) -> Iterator[CanonicalEvent]:
    kind = (maybe_text(record, "properties.clientCredentialType") or "").lower()
    federated = maybe_text(record, "properties.federatedCredentialId") or _NO_CREDENTIAL
    if kind != _FEDERATED and federated == _NO_CREDENTIAL:
        return
    if (maybe_text(record, "properties.status.errorCode") or maybe_text(record, "resultType") or "0") != "0":
        return
    token = _token(text(record, "properties.uniqueTokenIdentifier"))
    at = time(record, "properties.createdDateTime", now)
    principal = text(record, "properties.servicePrincipalId")
    yield CredentialIssued(
        time=at,
        source=_source(record),
        id=f"{maybe_text(record, 'properties.id') or token}/issued",
        credential_id=f"azure/token/{token}",
        task_id=f"azure/service-principal/{principal}/{token}",
        identifiers=(Identifier(TOKEN_ID, token),),
        kind="azure-token",
        expires_at=at + (_LIVES if _is_plain(record) else _LIVES_EVALUATED),
        revocation={
            "provider": "azure",
            "method": "disable-service-principal",
            "service_principal": principal,
        },
        unjoined=_UNJOINED,
    )


def _is_plain(record: Record) -> bool:
    """Whether the sign-in says that its token is not one for continuous access evaluation."""
    details = find(record, "properties.authenticationProcessingDetails")
    return isinstance(details, list) and any(
        isinstance(one, dict) and one.get("key") == "Is CAE Token" and one.get("value") == "False"
        for one in details
    )


def _used(record: Record, now: int) -> Iterator[CanonicalEvent]:
    graph = record["category"] == _GRAPH
    uti = maybe_text(record, "properties.signInActivityId") if graph else _claims_uti(record)
    if not uti:
        return
    status = (
        maybe_text(record, "properties.responseStatusCode") or maybe_text(record, "resultSignature") or ""
    )
    refused = status in _REFUSED or status.partition(".")[2] in ("Forbidden", "Unauthorized")
    address = maybe_text(record, "properties.ipAddress") or maybe_text(record, "callerIpAddress")
    action = maybe_text(record, "properties.requestMethod") if graph else None
    yield CredentialUsed(
        time=time(record, "time", now),
        source=_source(record),
        id=_event_id(record, graph=graph),
        identifier=Identifier(TOKEN_ID, _token(uti)),
        action=action or text(record, "operationName"),
        resource=maybe_text(record, "properties.requestUri") or maybe_text(record, "resourceId"),
        outcome=DENIED if refused else SUCCESS,
        source_ip=address,
        user_agent=maybe_text(record, "properties.userAgent"),
    )


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


def _claims_uti(record: Record) -> str | None:
    claims = find(record, "identity.claims")
    uti = claims.get("uti") if isinstance(claims, dict) else None
    return uti if isinstance(uti, str) and uti else None


def _token(uti: str) -> str:
    """A token's `uti` in one form: 22 characters of base64. Sign-ins may have the base64 of its GUID's text instead."""
    if len(uti) <= _UTI:
        return uti
    try:
        guid = uuid.UUID(base64.b64decode(uti + "=" * (-len(uti) % 4), validate=True).decode("ascii"))
    except ValueError:
        return uti
    return base64.urlsafe_b64encode(guid.bytes_le).decode().rstrip("=")


def _source(record: Record) -> str:
    tenant = maybe_text(record, "tenantId")
    return f"azure/{tenant}" if tenant else "azure"


def _is_batch(record: Record) -> bool:
    records = record.get("records")
    return isinstance(records, list) and any(isinstance(one, dict) and looks_like(one) for one in records)


def _batch(record: Record, _now: int) -> Iterator[Record]:
    yield from (one for one in record["records"] if isinstance(one, dict))


_MARKS: Final = (b"ServicePrincipalSignInLogs", b"MicrosoftGraphActivityLogs", b'"uti"')
ADAPTER: Final = Adapter("azure", _MARKS, looks_like, translate)
CARRIERS: Final = (Carrier("azure", _MARKS, _is_batch, _batch, audit=True),)
