"""Dead letters: where a record stood that cannot be read and why. The record itself is never in one."""

from typing import Any, Final

import msgspec

from detector.values.errors import BadRecordError

# The small fixed set of reasons: each is a metric label, and what a person reads beside it is in `_DETAILS`.
NOT_JSON: Final = "not-json"
TRUNCATED_JSON: Final = "truncated-json"
NOT_UTF8: Final = "not-utf8"
NOT_PROTOBUF: Final = "not-protobuf"
NOT_SYSLOG: Final = "not-syslog"
TOO_DEEP: Final = "too-deep"
TOO_LARGE: Final = "too-large"
MISSING_FIELD: Final = "missing-field"
WRONG_FIELD: Final = "wrong-field"
FUTURE_TIME: Final = "future-time"
BAD_TIME: Final = "bad-time"
NOT_MASKED: Final = "not-masked"
UNREADABLE: Final = "unreadable"
TRUNCATED_ARCHIVE: Final = "truncated-archive"
CORRUPT_ARCHIVE: Final = "corrupt-archive"
UNSUPPORTED_ARCHIVE: Final = "unsupported-archive"
BINARY: Final = "binary"
EMPTY: Final = "empty"
UNTRUSTED_SOURCE: Final = "untrusted-source"
UNTRUSTED_TYPE: Final = "untrusted-type"
UNTRUSTED_HEADER: Final = "untrusted-header"
UNSIGNED: Final = "unsigned"
BAD_SIGNATURE: Final = "bad-signature"
STALE_SIGNATURE: Final = "stale-signature"
AMBIGUOUS: Final = "ambiguous-json"
UNTRUSTED: Final = (
    UNTRUSTED_SOURCE,
    UNTRUSTED_TYPE,
    UNTRUSTED_HEADER,
    UNSIGNED,
    BAD_SIGNATURE,
    STALE_SIGNATURE,
)
"""The reasons for which an event was not believed, as `[[trust]]` asks."""

_DETAILS: Final = {
    NOT_JSON: "it begins as a JSON object but is not one; it was scanned as text",
    TRUNCATED_JSON: "the JSON ends in the middle; it was scanned as text",
    NOT_UTF8: "it is not UTF-8; it was scanned as bytes",
    NOT_PROTOBUF: "it begins as an OTLP request in protobuf but is not one; it was scanned as bytes",
    NOT_SYSLOG: "it begins as a syslog message but is not one; it was scanned as text",
    TOO_DEEP: "the JSON is nested too deeply",
    TOO_LARGE: "the JSON is too large for one record; it was scanned as text",
    MISSING_FIELD: "a required field is missing",
    WRONG_FIELD: "a field has the wrong type or an impossible value",
    FUTURE_TIME: "the time is more than 10 minutes in the future",
    BAD_TIME: "the record's time cannot be read; it was scanned with the time of the record before it",
    NOT_MASKED: "a leak is in a place where it cannot be replaced; it was not passed on",
    UNREADABLE: "it cannot be opened or read; curfewd went on without it",
    TRUNCATED_ARCHIVE: "the compressed file ends in the middle; what could be read was used",
    CORRUPT_ARCHIVE: "the compressed data is damaged; what could be read of it was used",
    UNSUPPORTED_ARCHIVE: "compressed data of this kind is not unpacked here; its bytes were scanned as text",
    BINARY: "it does not look like text; its bytes were scanned as they stand",
    EMPTY: "there is nothing in it",
    UNTRUSTED_SOURCE: "[[trust]] does not let this input carry events of this source; the event was not believed",
    UNTRUSTED_TYPE: "[[trust]] does not let this input carry events of this type; the event was not believed",
    UNTRUSTED_HEADER: "the header that [[trust]] requires is missing or has another value; the event was not believed",
    UNSIGNED: "the signature that [[trust]] requires is missing; the event was not believed",
    BAD_SIGNATURE: "the signature does not match the record; the event was not believed",
    STALE_SIGNATURE: "the event is older than its record by more than max_age of [[trust]]; it was not believed",
    AMBIGUOUS: "an object in it has a name twice, and readers differ in which counts; it was scanned as text, and no event was believed",
}
REASONS: Final = tuple(_DETAILS)


def bad(reason: str, field: str | None = None, detail: str = "") -> BadRecordError:
    """The error for one of `REASONS`; `detail` takes the place of the usual sentence and holds no value."""
    return BadRecordError(reason, detail or _DETAILS[reason], field)


class DeadLetter(msgspec.Struct, frozen=True, array_like=True):
    """One record that could not be read.

    `source` is the file or topic; `line` counts from 1, `offset` and `partition` are Kafka's; all None where
    the whole source is meant.
    """

    source: str
    reason: str
    detail: str
    field: str | None = None
    line: int | None = None
    offset: int | None = None
    partition: int | None = None

    @classmethod
    def of(cls, error: BadRecordError, source: str, line: int | None = None) -> "DeadLetter":
        """The dead letter that an error asks for."""
        return cls(source, error.reason, error.detail, error.field, line)

    def record(self) -> dict[str, Any]:
        """The JSON object that is written; fields that are None are left out."""
        full = {
            "source": self.source,
            "partition": self.partition,
            "offset": self.offset,
            "line": self.line,
            "reason": self.reason,
            "field": self.field,
            "detail": self.detail,
        }
        return {name: value for name, value in full.items() if value is not None}
