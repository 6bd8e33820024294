"""Reads revocation commands: records of the topic `revocations`, lines of a replay's `revocations.jsonl`.

Whoever may write to the topic may write anything. What cannot be read becomes a dead letter, which names a field and
quotes nothing.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Final

import msgspec

from detector.adapters.cloudevents import MAX_DEPTH, Text, decode_json, deeper_than, read_time
from detector.configuration.revoke_settings import RevokeSettings
from detector.outputs.command_signature import check_signature
from detector.outputs.commands import TYPE
from detector.records.dead_letters import (
    AMBIGUOUS,
    FUTURE_TIME,
    TOO_DEEP,
    TOO_LARGE,
    UNSIGNED,
    WRONG_FIELD,
    bad,
)
from detector.records.repeated_names import has_repeated_name
from detector.revoke.revocation_command import RevocationCommand
from detector.values.errors import BadRecordError
from detector.values.events import MAX_FUTURE, Identifier
from detector.values.findings import Severity
from detector.values.times import MILLISECOND

APPENDED_HEADER: Final = "curfewd-appended"  # ms: when the log record that shows the leak was appended
LARGEST: Final = 128 << 10
"""Bytes of one command. The state of its case holds it beside what was done, and has to fit into a record too."""
MOST_HANDLE: Final = 16 << 10
"""Bytes of a revocation object as JSON: it is kept in memory for as long as the case is open."""
_SIZE: Final = f"a command is at most {LARGEST} bytes"
_MILLISECONDS_DIGITS: Final = 15
_UNKEYED: Final = RevokeSettings()

_Id = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\Z")]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
_Names = Annotated[tuple[_Name, ...], msgspec.Meta(max_length=64)]
_MaybeName = Annotated[str, msgspec.Meta(max_length=4096)] | None


class _Identifier(msgspec.Struct):
    scheme: _Name
    value: _Name
    key_id: _MaybeName = None


class _Data(msgspec.Struct):
    credential_id: _Name
    task_id: _MaybeName = None
    candidate_task_ids: _Names = ()
    kind: _MaybeName = None
    owner: _MaybeName = None
    issued_at: _MaybeName = None
    identifiers: Annotated[tuple[_Identifier, ...], msgspec.Meta(max_length=64)] = ()
    revocation: dict[str, Any] | None = None
    reasons: _Names = ()
    finding_uids: _Names = ()
    escalated: bool = False
    severity: str = Severity.CRITICAL.label


class _Envelope(msgspec.Struct):
    specversion: Text
    id: _Id
    type: Text
    time: Text
    data: _Data


_DECODER: Final = msgspec.json.Decoder(_Envelope)


def read_command(
    value: bytes | None, now: int, appended: int | None = None, settings: RevokeSettings = _UNKEYED
) -> RevocationCommand:
    """The command in one record or line. `now` and `appended` are in ns; `settings` have the keys that sign commands.

    Raises:
        BadRecordError: it is no command, or none that can be believed.
    """
    if value is None or len(value) > LARGEST:
        raise bad(TOO_LARGE if value else WRONG_FIELD, None, _SIZE if value else "it has no value")
    try:
        envelope = decode_json(value, _DECODER)
    except BadRecordError as error:
        if error.field is None:
            raise bad(error.reason, None, "it is no JSON object that can be read") from None
        raise
    if has_repeated_name(value):
        raise bad(AMBIGUOUS, None, "an object in it has a name twice, and readers differ in which counts")
    if envelope.specversion != "1.0":
        raise bad(WRONG_FIELD, "specversion", 'only CloudEvents "1.0" is read')
    if envelope.type != TYPE:
        raise bad(WRONG_FIELD, "type", f"not a command: its type is not {TYPE}")
    signed = _is_signed(value, settings)
    time = read_time(envelope.time, "time")
    if time > now + MAX_FUTURE:
        raise bad(FUTURE_TIME, "time")
    data = envelope.data
    _check_handle(data.revocation)
    try:
        severity = Severity.of(data.severity)
    except KeyError:
        raise bad(WRONG_FIELD, "data.severity", "not low, medium, high or critical") from None
    return RevocationCommand(
        id=envelope.id.lower(),
        time=time,
        credential_id=data.credential_id,
        task_ids=(data.task_id,) if data.task_id else data.candidate_task_ids,
        kind=data.kind or "",
        owner=data.owner or "",
        issued_at=read_time(data.issued_at, "data.issued_at") if data.issued_at else None,
        identifiers=tuple(Identifier(one.scheme, one.value, key_id=one.key_id) for one in data.identifiers),
        revocation=data.revocation or {},
        reasons=data.reasons,
        finding_uids=data.finding_uids,
        escalated=data.escalated,
        severity=severity,
        appended=appended,
        signed=signed,
    )


def _is_signed(value: bytes, settings: RevokeSettings) -> bool:
    """Whether a key has signed the command. Without a key, or where the settings allow it, it need not be.

    Raises:
        BadRecordError: it has to be, and is not.
    """
    if not settings.command_keys:
        return False
    try:
        check_signature(value, settings.command_keys)
    except BadRecordError as error:
        if error.reason == UNSIGNED and settings.allow_unsigned:
            return False
        raise
    return True


def _check_handle(revocation: dict[str, Any] | None) -> None:
    """Nothing, unless a revocation object is too deep or too large.

    Raises:
        BadRecordError: it is.
    """
    if revocation is None:
        return
    if deeper_than(revocation, MAX_DEPTH):
        raise bad(TOO_DEEP, "data.revocation")
    if len(msgspec.json.encode(revocation)) > MOST_HANDLE:
        raise bad(WRONG_FIELD, "data.revocation", f"a revocation object is at most {MOST_HANDLE} bytes")


def appended_at(headers: Iterable[tuple[str, bytes | None]], timestamp_ms: int) -> int | None:
    """When the record behind a command was appended (ns): by its header, else by Kafka's timestamp of the command.

    A header that is no time, or that is later than the command's own record, says nothing.
    """
    for name, value in headers:
        if name == APPENDED_HEADER and value is not None and value.isdigit():
            told = int(value[:_MILLISECONDS_DIGITS])
            if len(value) <= _MILLISECONDS_DIGITS and (timestamp_ms < 0 or told <= timestamp_ms):
                return told * MILLISECOND
    return timestamp_ms * MILLISECOND if timestamp_ms >= 0 else None
