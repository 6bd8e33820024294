"""CloudEvents 1.0 in JSON, structured and binary mode, decoded into canonical events and strictly validated.

The event table is the README's. Fields that it does not name are ignored; a null, or empty text, in an optional
field is the same as no field. What is wrong is named by its path (`data.identifiers[0].value`), never by its value:
msgspec's own messages can hold values, so only the path in them is passed on.
"""

import base64
import binascii
import ipaddress
import re  # over msgspec's own messages and text of bounded length
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from detector.records.dead_letters import (
    FUTURE_TIME,
    MISSING_FIELD,
    NOT_JSON,
    NOT_UTF8,
    TOO_DEEP,
    TRUNCATED_JSON,
    WRONG_FIELD,
    bad,
)
from detector.values.errors import BadRecordError
from detector.values.events import (
    MAX_FUTURE,
    SUCCESS,
    Approval,
    Binding,
    CanonicalEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Grant,
    Identifier,
    TaskEnded,
    TaskStarted,
)
from detector.values.secrets import normal_sha256
from detector.values.times import parse_rfc3339

MAX_DEPTH: Final = 64  # of the opaque `revocation` object, which is written out again
_MAX_LENGTH: Final = 2**31 - 1
_HMAC = re.compile(r"[0-9a-f]{64}")
_CHECK = re.compile(r"[0-9a-f]{8}")
_MISSING = re.compile(r"Object missing required field `(\w+)`(?: - at `\$([^`]*)`)?")
_AT = re.compile(r" - at `\$([^`]*)`")

_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Globs = tuple[str, ...]
_T = TypeVar("_T")


class _Envelope(msgspec.Struct):
    specversion: str
    id: _Text
    source: _Text
    type: _Text
    time: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")
    data_base64: str | None = None


class _Identifier(msgspec.Struct):
    scheme: _Text
    value: _Text
    length: Annotated[int, msgspec.Meta(ge=1, le=_MAX_LENGTH)] | None = None
    check: str | None = None
    key_id: str | None = None


class _TaskStarted(msgspec.Struct):
    task_id: _Text
    kind: str | None = None
    owner: str | None = None
    workload: str | None = None
    parent_task_id: str | None = None
    deadline: str | None = None


class _TaskEnded(msgspec.Struct):
    task_id: _Text
    outcome: Literal["succeeded", "failed", "cancelled", "timed_out"] | None = None


class _Grant(msgspec.Struct):
    actions: _Globs | None = None
    resources: _Globs | None = None


class _Approval(msgspec.Struct):
    not_before: str | None = None
    not_after: str | None = None


class _Binding(msgspec.Struct):
    workloads: _Globs | None = None
    source_ips: _Globs | None = None


class _CredentialIssued(msgspec.Struct):
    credential_id: _Text
    task_id: _Text
    identifiers: Annotated[tuple[_Identifier, ...], msgspec.Meta(min_length=1)]
    kind: str | None = None
    not_before: str | None = None
    expires_at: str | None = None
    grants: tuple[_Grant, ...] | None = None
    approval: _Approval | None = None
    bound_to: _Binding | None = None
    revocation: dict[str, Any] | None = None


class _Named(msgspec.Struct):
    credential_id: str | None = None
    identifier: _Identifier | None = None


class _CredentialRenewed(_Named, kw_only=True):
    expires_at: _Text


class _CredentialUsed(_Named):
    action: str | None = None
    resource: str | None = None
    outcome: Literal["success", "denied"] | None = None
    task_id: str | None = None
    workload: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None


class _Stamp(msgspec.Struct):
    """What the envelope says of every event."""

    time: int
    source: str
    id: str


def decode_json(raw: bytes | msgspec.Raw, decoder: "msgspec.json.Decoder[_T]", at: str = "") -> _T:
    """`raw` by `decoder`; `at` is the path of `raw` in the record.

    Raises:
        BadRecordError: what is wrong and the path of it.
    """
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _named(str(error), at) from None
    except msgspec.DecodeError as error:
        raise bad(TRUNCATED_JSON if "truncated" in str(error) else NOT_JSON, at or None) from None
    except UnicodeDecodeError:
        raise bad(NOT_UTF8, at or None) from None
    except RecursionError:
        raise bad(TOO_DEEP, at or None) from None


def _named(text: str, at: str) -> BadRecordError:
    missing = _MISSING.match(text)
    if missing is not None:
        return bad(MISSING_FIELD, f"{at}{missing[2] or ''}.{missing[1]}".removeprefix("."))
    found = _AT.search(text)
    return bad(WRONG_FIELD, f"{at}{found[1] if found else ''}".removeprefix(".") or None)


def _time(text: str, field: str) -> int:
    try:
        return parse_rfc3339(text)
    except ValueError:
        raise bad(WRONG_FIELD, field, "not an RFC 3339 time with a zone") from None


def _maybe_time(text: str | None, field: str) -> int | None:
    return _time(text, field) if text else None


def _identifier(wire: _Identifier, field: str) -> Identifier:
    value = wire.value
    if wire.scheme == "hmac-sha256" and _HMAC.fullmatch(value) is None:
        raise bad(WRONG_FIELD, f"{field}.value", "an hmac-sha256 is 64 lower-case hex digits")
    if wire.scheme == "sha256":
        value = normal_sha256(value) or ""
        if not value:
            raise bad(WRONG_FIELD, f"{field}.value", "a sha256 is 64 hex digits or the base64 of 32 bytes")
    if wire.check and _CHECK.fullmatch(wire.check) is None:
        raise bad(WRONG_FIELD, f"{field}.check", "a check is 8 lower-case hex digits")
    return Identifier(wire.scheme, value, wire.length, wire.check or None, wire.key_id or None)


def _who(wire: _Named) -> tuple[str | None, Identifier | None]:
    if not wire.credential_id and wire.identifier is None:
        raise bad(MISSING_FIELD, "data.credential_id", "neither `credential_id` nor `identifier` is there")
    identifier = None if wire.identifier is None else _identifier(wire.identifier, "data.identifier")
    return wire.credential_id or None, identifier


def _started(wire: _TaskStarted, at: _Stamp) -> TaskStarted:
    return TaskStarted(
        time=at.time,
        source=at.source,
        id=at.id,
        task_id=wire.task_id,
        kind=wire.kind or None,
        owner=wire.owner or None,
        workload=wire.workload or None,
        parent_task_id=wire.parent_task_id or None,
        deadline=_maybe_time(wire.deadline, "data.deadline"),
    )


def _ended(wire: _TaskEnded, at: _Stamp) -> TaskEnded:
    return TaskEnded(time=at.time, source=at.source, id=at.id, task_id=wire.task_id, outcome=wire.outcome)


def _binding(wire: _Binding | None) -> Binding | None:
    if wire is None:
        return None
    for index, network in enumerate(wire.source_ips or ()):
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise bad(
                WRONG_FIELD, f"data.bound_to.source_ips[{index}]", "not an IP network in CIDR notation"
            ) from None
    return Binding(wire.workloads, wire.source_ips)


def _deeper_than(value: object, limit: int) -> bool:
    """Whether lists and objects nest deeper than `limit`; without recursion."""
    level: list[Any] = [value]
    for _ in range(limit + 1):
        level = [
            item
            for node in level
            if isinstance(node, dict | list)
            for item in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return True


def _issued(wire: _CredentialIssued, at: _Stamp) -> CredentialIssued:
    if wire.revocation is not None and _deeper_than(wire.revocation, MAX_DEPTH):
        raise bad(TOO_DEEP, "data.revocation")
    approval = wire.approval
    return CredentialIssued(
        time=at.time,
        source=at.source,
        id=at.id,
        credential_id=wire.credential_id,
        task_id=wire.task_id,
        identifiers=tuple(
            _identifier(one, f"data.identifiers[{index}]") for index, one in enumerate(wire.identifiers)
        ),
        kind=wire.kind or None,
        not_before=_maybe_time(wire.not_before, "data.not_before"),
        expires_at=_maybe_time(wire.expires_at, "data.expires_at"),
        grants=None
        if wire.grants is None
        else tuple(Grant(grant.actions, grant.resources) for grant in wire.grants),
        approval=None
        if approval is None
        else Approval(
            _maybe_time(approval.not_before, "data.approval.not_before"),
            _maybe_time(approval.not_after, "data.approval.not_after"),
        ),
        bound_to=_binding(wire.bound_to),
        revocation=wire.revocation,
    )


def _renewed(wire: _CredentialRenewed, at: _Stamp) -> CredentialRenewed:
    credential_id, identifier = _who(wire)
    return CredentialRenewed(
        time=at.time,
        source=at.source,
        id=at.id,
        expires_at=_time(wire.expires_at, "data.expires_at"),
        credential_id=credential_id,
        identifier=identifier,
    )


def _used(wire: _CredentialUsed, at: _Stamp) -> CredentialUsed:
    credential_id, identifier = _who(wire)
    return CredentialUsed(
        time=at.time,
        source=at.source,
        id=at.id,
        credential_id=credential_id,
        identifier=identifier,
        action=wire.action or None,
        resource=wire.resource or None,
        outcome=wire.outcome or SUCCESS,
        task_id=wire.task_id or None,
        workload=wire.workload or None,
        source_ip=wire.source_ip or None,
        user_agent=wire.user_agent or None,
    )


def _revoked(wire: _Named, at: _Stamp) -> CredentialRevoked:
    credential_id, identifier = _who(wire)
    return CredentialRevoked(
        time=at.time, source=at.source, id=at.id, credential_id=credential_id, identifier=identifier
    )


def _reader(
    wire: type[_T], build: Callable[[_T, _Stamp], CanonicalEvent]
) -> Callable[[bytes | msgspec.Raw, _Stamp], CanonicalEvent]:
    decoder = msgspec.json.Decoder(wire)
    return lambda raw, at: build(decode_json(raw, decoder, "data"), at)


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_READERS: Final[dict[str, Callable[[bytes | msgspec.Raw, _Stamp], CanonicalEvent]]] = {
    "task.started": _reader(_TaskStarted, _started),
    "task.ended": _reader(_TaskEnded, _ended),
    "credential.issued": _reader(_CredentialIssued, _issued),
    "credential.renewed": _reader(_CredentialRenewed, _renewed),
    "credential.used": _reader(_CredentialUsed, _used),
    "credential.revoked": _reader(_Named, _revoked),
}


def decode(raw: bytes | msgspec.Raw, now: int) -> CanonicalEvent | None:
    """The event in one structured-mode CloudEvent; None for a `type` that is not ours. `now` in ns.

    Raises:
        BadRecordError: it is not a valid event, or more than 10 minutes ahead of `now`.
    """
    return _open(decode_json(raw, _ENVELOPE), now)


def decode_binary(headers: Mapping[str, bytes], value: bytes, now: int) -> CanonicalEvent | None:
    """The event in a binary-mode CloudEvent: attributes in `ce_*` headers, `value` is the data.

    Raises:
        BadRecordError: as for `decode`.
    """
    attributes: dict[str, str] = {}
    for name in ("specversion", "id", "source", "type", "time"):
        header = headers.get(f"ce_{name}")
        if header is None:
            if name == "time":
                continue
            raise bad(MISSING_FIELD, name)
        try:
            attributes[name] = header.decode()
        except UnicodeDecodeError:
            raise bad(NOT_UTF8, name) from None
        if not attributes[name]:
            raise bad(WRONG_FIELD, name)
    return _open(_Envelope(**attributes, data=msgspec.Raw(value)), now)


def _open(envelope: _Envelope, now: int) -> CanonicalEvent | None:
    if envelope.specversion != "1.0":
        raise bad(WRONG_FIELD, "specversion", 'only CloudEvents "1.0" is read')
    reader = _READERS.get(envelope.type)
    if reader is None:
        return None
    if not envelope.time:
        raise bad(MISSING_FIELD, "time")
    time = _time(envelope.time, "time")
    if time > now + MAX_FUTURE:
        raise bad(FUTURE_TIME, "time")
    data: bytes | msgspec.Raw = envelope.data
    if envelope.data_base64 is not None and not envelope.data:
        try:
            data = base64.b64decode(envelope.data_base64, validate=True)
        except (binascii.Error, ValueError):
            raise bad(WRONG_FIELD, "data_base64", "not base64") from None
    if not data:
        raise bad(MISSING_FIELD, "data")
    return reader(data, _Stamp(time, envelope.source, envelope.id))
