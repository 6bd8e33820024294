"""Diagnostic records of Azure Monitor, as it sends them to Event Hubs: alone, or in `records`.

All have `time`, `resourceId`, `operationName` and `category` (learn.microsoft.com, "Resource log schema"); Event
Hubs' own logs `EventName`. The id of a resource has the name of its provider in it, and there Microsoft writes its
own name in several cases.
"""

from typing import Final

from detector.adapters.adapter import Record
from detector.adapters.fields import find, maybe_text

SIGN_IN: Final = "ServicePrincipalSignInLogs"
MANAGED: Final = "ManagedIdentitySignInLogs"
GRAPH: Final = frozenset({"MicrosoftGraphActivityLogs", "AzureADGraphActivityLogs"})
_ENTRA: Final = GRAPH | {SIGN_IN, MANAGED}
AUDIT: Final = frozenset({"AuditLogs", "ApplicationManagement"})
ACTIVITY: Final = frozenset({"Administrative", "Action", "Write", "Delete"})
STORAGE: Final = frozenset({"StorageRead", "StorageWrite", "StorageDelete"})
_PROVIDERS: Final = ("/providers/Microsoft.", "/PROVIDERS/MICROSOFT.", "/providers/microsoft.")
MARKS: Final = (
    *(name.encode() for name in sorted(_ENTRA)),
    *(provider.encode() for provider in _PROVIDERS),
    b'"uti"',
)
"""One of these is in every record that `looks_like` accepts."""


def looks_like(record: Record) -> bool:
    """Whether an object is a diagnostic record of one of Microsoft's resources, or of a tenant's sign-ins."""
    category = record.get("category")
    if not isinstance(category, str):
        return False
    if category in _ENTRA:
        return isinstance(record.get("properties"), dict)
    resource = record.get("resourceId")
    if (
        isinstance(resource, str)
        and ("operationName" in record or "EventName" in record)
        and any(name in resource for name in _PROVIDERS)
    ):
        return True
    return category in ACTIVITY and claimed_uti(record) is not None


def claimed_uti(record: Record) -> str | None:
    """The id of the caller's token, among the claims that the activity log has of it."""
    claims = find(record, "identity.claims")
    uti = claims.get("uti") if isinstance(claims, dict) else None
    return uti if isinstance(uti, str) and uti else None


def source_of(record: Record) -> str:
    """The source of a record's events: its tenant, where it says one."""
    tenant = maybe_text(record, "tenantId")
    return f"azure/{tenant}" if tenant else "azure"
