"""Azure's and Entra's diagnostic records: tokens, secrets and certificates, and what was done with them.

`records` has what such a record is, `tokens` and `secrets` what some of them say. All others, such as sign-ins of
people, say nothing of credentials of tasks.
"""

from collections.abc import Iterator
from typing import Final

from detector.adapters.adapter import Adapter, Carrier, Record
from detector.adapters.azure.records import (
    ACTIVITY,
    AUDIT,
    GRAPH,
    MANAGED,
    MARKS,
    SIGN_IN,
    STORAGE,
    claimed_uti,
    looks_like,
)
from detector.adapters.azure.secrets import secrets_changed
from detector.adapters.azure.tokens import signed_in, used
from detector.records.log_records import LogText, whole_record
from detector.values.events import CanonicalEvent

_KINDS: Final = (
    AUDIT
    | ACTIVITY
    | STORAGE
    | GRAPH
    | {
        SIGN_IN,
        MANAGED,
        "SignInLogs",
        "NonInteractiveUserSignInLogs",
        "ProvisioningLogs",
        "RiskyUsers",
    }
    | {"UserRiskEvents", "Policy", "Recommendation", "ResourceHealth", "ServiceHealth", "Security", "Alert"}
    | {"Autoscale", "AuditEvent"}
)
_USES: Final = ACTIVITY | STORAGE | GRAPH


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The token that a sign-in gave, secrets that were added or removed, or the use of either.

    Raises:
        BadRecordError: a field that such a record has is missing or wrong.
    """
    category = record["category"]
    if category in (SIGN_IN, MANAGED):
        return list(signed_in(record, now))
    if category in AUDIT:
        return list(secrets_changed(record, now))
    return list(used(record, now)) if category in _USES else []


def scanned(record: Record, _now: int) -> LogText:
    """All that a record says: bodies of requests may hold secrets."""
    return whole_record(record, record.get("time"))


def _kind(record: Record) -> str | None:
    """The category, or that a resource of any kind wrote it. None: it names its caller's token, and is not read."""
    category = record["category"]
    if category in _KINDS:
        return str(category)
    return "resource" if claimed_uti(record) is None else None


def _is_batch(record: Record) -> bool:
    records = record.get("records")
    return isinstance(records, list) and any(isinstance(one, dict) and looks_like(one) for one in records)


def _batch(record: Record, _now: int) -> Iterator[Record]:
    yield from (one for one in record["records"] if isinstance(one, dict))


ADAPTER: Final = Adapter(
    "azure", MARKS, looks_like, translate, text=scanned, kind=_kind, type_at=("category", "operationName")
)
CARRIERS: Final = (Carrier("azure", MARKS, _is_batch, _batch, audit=True),)
