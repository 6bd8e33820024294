"""Cloud SQL's form of pgaudit: entries of Google's audit log whose request is a `PgAuditEntry`.

`auditType`, `auditClass`, `command`, `object`, `statement`, `user`, `database`, `databaseSessionId` and more
(cloud.google.com, "Audit for PostgreSQL using pgAudit"). Each becomes a line as PostgreSQL's own log has it. A long
statement is cut into chunks: what is behind the first tells nothing but text.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any, Final

from detector.adapters.adapter import Carrier, Record
from detector.adapters.fields import find, maybe_text, text
from detector.adapters.postgresql.roles import PROVIDER
from detector.records.log_records import Read, whole_record

_NAME: Final = "cloudsql"
_TYPE: Final = "google.cloud.sql.audit.v1.PgAuditEntry"
_FIELDS: Final = (
    "auditType",
    "statementId",
    "substatementId",
    "auditClass",
    "command",
    "objectType",
    "object",
    "statement",
    "parameter",
)


def _looks_like(record: Record) -> bool:
    request = find(record, "protoPayload.request")
    kind = request.get("@type") if isinstance(request, dict) else None
    return isinstance(kind, str) and kind.endswith(_TYPE)


def _unwrap(record: Record, _now: int) -> Iterator[Record | Read]:
    entry: dict[str, Any] = record["protoPayload"]["request"]
    if (maybe_text(entry, "chunkIndex") or "1") != "1":
        log = whole_record(entry, record.get("timestamp"))
        yield Read(PROVIDER, log=log, of_source=True, idle=f"{PROVIDER}/chunk")
        return
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow([maybe_text(entry, name) or "" for name in _FIELDS])
    database = maybe_text(record, "resource.labels.database_id") or ""
    yield {
        "timestamp": record.get("timestamp"),
        "user": entry.get("user"),
        "dbname": entry.get("database"),
        "session_id": f"{database}/{text(entry, 'databaseSessionId')}",
        "line_num": text(record, "insertId"),
        "error_severity": "LOG",
        "message": f"AUDIT: {row.getvalue()}",
    }


CARRIERS: Final = (Carrier(_NAME, (b"PgAuditEntry",), _looks_like, _unwrap, audit=True),)
