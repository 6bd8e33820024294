"""One entry of Google Cloud's audit log: what its events share.

A `LogEntry` of Cloud Logging with a `google.cloud.audit.AuditLog` in `protoPayload` (cloud.google.com, "LogEntry",
"AuditLog"), as a sink writes it, or as Eventarc hands it on: in `data` of a CloudEvent. Some exports write the names
of the entry's own fields in lower case, and leave those inside as they are.
"""

from typing import Final

from detector.adapters.adapter import Record
from detector.adapters.fields import find, maybe_text, time
from detector.records.record_ids import record_id

EVENTARC: Final = "google.cloud.audit.log.v1.written"
_AUDIT_LOG: Final = "google.cloud.audit.AuditLog"
_TYPES: Final = ("@type", "at_sign_type")  # some exports cannot have an `@` in a name
_REFUSED: Final = frozenset({7, 16})  # PERMISSION_DENIED, UNAUTHENTICATED (google.rpc.Code)


def entry_in(record: Record) -> Record | None:
    """The entry of the audit log that an object is, or that a CloudEvent of Eventarc holds; None if there is none."""
    if "protoPayload" not in record:
        held = record.get("data") if record.get("type") == EVENTARC else None
        record = held if isinstance(held, dict) else record
        lower = record.get("protopayload")
        record = (
            record if lower is None else {**record, "protoPayload": lower, "logName": record.get("logname")}
        )
    payload = record.get("protoPayload")
    if not isinstance(payload, dict):
        return None
    if "methodName" in payload or "authenticationInfo" in payload:
        return record
    told = (payload.get(name) for name in _TYPES)
    return record if any(isinstance(kind, str) and kind.endswith(_AUDIT_LOG) for kind in told) else None


class Entry:
    """What the events of one entry share."""

    def __init__(self, record: Record, now: int) -> None:
        self.record, self.payload = record, record["protoPayload"]
        self.time = time(record, "timestamp", now)
        # Every entry has an id when Cloud Logging has it; exports may leave it out, or write its name in lower case.
        self.id = maybe_text(record, "insertId") or maybe_text(record, "insertid") or record_id(record)
        project = maybe_text(record, "resource.labels.project_id")
        self.source = f"google.audit/{project}" if project else "google.audit"
        method = self.payload.get("methodName")
        self.method = method if isinstance(method, str) else ""
        code = find(self.payload, "status.code")
        self.code = code if isinstance(code, int) else 0

    @property
    def call(self) -> str:
        """The method without its service: `CreateServiceAccountKey`."""
        return self.method.rpartition(".")[2]

    @property
    def refused(self) -> bool:
        """Whether the caller had no right to it, or no valid credential."""
        return self.code in _REFUSED

    @property
    def only_ends(self) -> bool:
        """Whether it says only that an operation is over, which an earlier entry of the same call began."""
        operation = self.record.get("operation")
        return isinstance(operation, dict) and operation.get("last") is True and not operation.get("first")

    @property
    def address(self) -> str | None:
        """The caller's address. Of a caller inside Google Cloud it may be a word, such as `gce-internal-ip`."""
        return maybe_text(self.payload, "requestMetadata.callerIp") or maybe_text(
            self.payload, "requestMetadata.callerIP"
        )
