"""The `[[accept]]` table: its fields, and how entries are read."""

import uuid
from typing import Any, Final

from detector.configuration.fields import (
    MOMENT,
    SEVERITY,
    TEXT,
    Field,
    FieldReader,
    ValueType,
    suggestion,
    text,
)
from detector.judge.policy import Accept
from detector.judge.rules.catalog import RULES

_NEEDED: Final = ("reason", "expiry")
_GLOBS: Final = ("rule", "credential", "task", "workload", "fingerprint")


def _rule(value: Any) -> str:
    rule = text(value)
    if not any(c in rule for c in "*?") and rule not in RULES:
        raise ValueError(f"no such rule{suggestion(rule, tuple(RULES))}; the rules are {', '.join(RULES)}")
    return rule


def read_uid(value: Any) -> str:
    """The uid of a finding.

    Raises:
        ValueError: it is not written as findings have it.
    """
    uid = text(value)
    try:
        same = str(uuid.UUID(uid)) == uid
    except ValueError:
        same = False
    if not same:
        raise ValueError("write the uid of a finding, as findings.jsonl and the report have it")
    return uid


ACCEPT_FIELDS: Final = {
    "uid": Field(ValueType("uid", read_uid), "one finding, by its uid; no glob beside it"),
    "severity": Field(SEVERITY, "with `uid`: a finding that is more severe than this is not accepted"),
    "rule": Field(ValueType("glob", _rule), "glob of rules"),
    "credential": Field(TEXT, "glob of credential ids"),
    "task": Field(TEXT, "glob of task ids; of several candidates it must match each, and 20 at most"),
    "workload": Field(TEXT, "glob of the task's workload"),
    "fingerprint": Field(TEXT, "glob of a leaked secret's fingerprint; needs a deployment key"),
    "reason": Field(TEXT, "why; required"),
    "expiry": Field(MOMENT, "evidence after this time is not accepted; required"),
}


def read_accepts(reader: FieldReader, data: dict[str, Any]) -> tuple[Accept, ...]:
    """The entries that can be read. The reader collects what is wrong with the others."""
    tables = reader.tables(data.get("accept", []), "accept")
    read = [_accept(reader, table, index) for index, table in enumerate(tables)]
    return tuple(accept for accept in read if accept is not None)


def _accept(reader: FieldReader, table: dict[str, Any], index: int) -> Accept | None:
    values = reader.fields(table, ACCEPT_FIELDS, "accept", index)
    missing = [name for name in _NEEDED if name not in table]
    globs = set(_GLOBS) & set(table)
    if missing:
        reader.fail(f"accept: needs {' and '.join(missing)}", "accept", index)
    elif not globs and "uid" not in table:
        reader.fail(f"accept: needs uid, or at least one of {', '.join(_GLOBS)}", "accept", index)
    if "uid" in table and globs:
        reader.fail("accept: uid names one finding already: leave the globs out", "accept", index)
    if "severity" in table and "uid" not in table:
        reader.fail("accept: severity goes with uid", "accept", index, "severity")
    return Accept(**values) if set(_NEEDED) <= set(values) else None
