"""Records of GitHub's audit log without a token or an id, as a person exports them, or as a public clone is written.

They are told by their action (`repo.create`), the organisation or country that they name, and the time in
milliseconds (docs.github.com, "Exporting audit log activity", and the fields of "Audit log events").
"""

from typing import Final

import re2

from detector.adapters.adapter import Record
from detector.records.log_records import LogText, whole_record

_TIMES: Final = ("@timestamp", "created_at")
_FROM: Final = ("org", "business", "actor_location")
_MILLISECONDS: Final = 10**12  # the least time: of 2001
_ACTION: Final = re2.compile(r"[a-z_]{1,64}(?:\.[a-z_]{1,128}){1,2}")
MARKS: Final = tuple(f'"{name}":{space}1'.encode() for name in _TIMES for space in ("", " "))


def looks_like(record: Record) -> bool:
    """Whether an object has the shape of such a record."""
    action = record.get("action")
    return (
        isinstance(action, str)
        and any(isinstance(record.get(name), str | dict) for name in _FROM)
        and any(type(at := record.get(name)) is int and at >= _MILLISECONDS for name in _TIMES)
        and _ACTION.fullmatch(action) is not None
    )


def scanned(record: Record) -> LogText | None:
    """All that such a record says."""
    return whole_record(record, record.get("created_at")) if looks_like(record) else None
