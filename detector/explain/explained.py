"""What became of a record: what it was taken for, its events, and what they joined."""

from typing import Final

import msgspec

EVENTS: Final = "events"
IDLE: Final = "no-use"
UNKNOWN: Final = "unknown-type"
TEXT: Final = "text"
NOT_BELIEVED: Final = "not-believed"
UNREADABLE: Final = "unreadable"

BECAME: Final = {
    EVENTS: "understood",
    IDLE: "of a known source, of no use",
    UNKNOWN: "of a known source, of a type that is not read",
    TEXT: "text, scanned for secrets",
    NOT_BELIEVED: "not believed",
    UNREADABLE: "not readable",
}
"""What may become of a record, and in words."""

BY_ID: Final = "id"
BY_GROUP: Final = "group"
BY_CANDIDATES: Final = "candidates"


class ExplainedEvent(msgspec.Struct, frozen=True):
    """One event of a record.

    - `credential` is the id under which it is known, or else the name that the event gives it.
    - `by` says how the task was found: the record names it (`BY_ID`), or a group of which one task ran (`BY_GROUP`) or
      several (`BY_CANDIDATES`); None if no task was found.
    - `why` says what stands against a verdict, in one of few texts of which `reason` is the kind. `tried` is the task
      or group that the credential names.
    """

    type: str
    task: str | None = None
    credential: str | None = None
    by: str | None = None
    reason: str = ""
    why: str = ""
    tried: str = ""


class ExplainedRecord(msgspec.Struct, frozen=True):
    """One record, or `count` lines of text.

    `source` is the file, `line` counts from 1, `format` is what it was taken for. `became` is one of `BECAME`; `why`
    says why nothing else, and `reason` is its kind, one of few.
    """

    source: str
    line: int | None
    format: str
    became: str
    events: tuple[ExplainedEvent, ...] = ()
    reason: str = ""
    why: str = ""
    count: int = 1
