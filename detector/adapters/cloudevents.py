"""CloudEvents 1.0 in JSON, structured and binary mode, decoded into canonical events and strictly validated.

docs/events.md has the table of events. Unknown fields are ignored. A null or an empty text in an optional field is the
same as no field. An error names the path of a field (`data.identifiers[0].value`), never its value: msgspec's own
messages may contain values, so only their paths are passed on.
"""

import base64
import binascii
import ipaddress
import re  # over msgspec's own messages and text of bounded length
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

import msgspec

from detector.records.dead_letters import (
    AMBIGUOUS,
    FUTURE_TIME,
    MISSING_FIELD,
    NOT_JSON,
    NOT_UTF8,
    TOO_DEEP,
    TRUNCATED_JSON,
    WRONG_FIELD,
    bad,
)
from detector.records.repeated_names import has_repeated_name
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
    IssuedTo,
    RevocationOutcome,
    TaskEnded,
    TaskHeartbeat,
    TaskStarted,
)
from detector.values.registrable import LONGEST_LEASE, MIXED, UNBROKEN
from detector.values.secrets import normal_sha256
from detector.values.times import parse_duration, parse_rfc3339

MAX_DEPTH: Final = 64  # of the opaque `revocation` object, which is copied to the command
_MAX_LENGTH: Final = 2**31 - 1
_HMAC, _SHA256 = "hmac-sha256", "sha256"
_HMAC_DIGITS, _CHECK_DIGITS = 64, 8
_SHAPES: Final[dict[str | None, str]] = {UNBROKEN: UNBROKEN, MIXED: MIXED}
_HEX = re.compile(r"[0-9a-f]*")
_SEPARATORS = re.compile(r"[-_./: ]")
_LONGEST_MISSPELLING: Final = 24  # characters
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_MISSING = re.compile(r"Object missing required field `(\w+)`(?: - at `\$([^`]*)`)?")
_AT = re.compile(r" - at `\$([^`]*)`")

Text = Annotated[str, msgspec.Meta(min_length=1)]
_Globs = tuple[str, ...]
_T = TypeVar("_T")


class _Envelope(msgspec.Struct):
    specversion: str
    id: Text
    source: Text
    type: Text
    time: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")
    data_base64: str | None = None


class _Identifier(msgspec.Struct, gc=False):
    scheme: Text
    value: Text
    length: Annotated[int, msgspec.Meta(ge=1, le=_MAX_LENGTH)] | None = None
    check: str | None = None
    key_id: str | None = None
    folded: str | None = None
    shape: str | None = None


# `due` is the second time of an event, where its type has one.


class _TaskStarted(msgspec.Struct, gc=False):
    task_id: Text
    kind: str | None = None
    owner: str | None = None
    workload: str | None = None
    parent_task_id: str | None = None
    due: str | None = msgspec.field(default=None, name="deadline")
    group: str | None = None


class _TaskHeartbeat(msgspec.Struct, gc=False):
    due: ClassVar[None] = None
    task_id: Text
    lease: str | float


class _TaskEnded(msgspec.Struct, gc=False):
    due: ClassVar[None] = None
    task_id: Text
    outcome: Literal["succeeded", "failed", "cancelled", "timed_out"] | None = None


class _Grant(msgspec.Struct, gc=False):
    actions: _Globs | None = None
    resources: _Globs | None = None


class _Approval(msgspec.Struct, gc=False):
    not_before: str | None = None
    not_after: str | None = None


class _Binding(msgspec.Struct, gc=False):
    workloads: _Globs | None = None
    source_ips: _Globs | None = None


class _IssuedTo(msgspec.Struct, gc=False):
    source_ip: str | None = None
    workload: str | None = None


class _CredentialIssued(msgspec.Struct, gc=False):
    credential_id: Text
    identifiers: Annotated[tuple[_Identifier, ...], msgspec.Meta(min_length=1)]
    task_id: str | None = None
    task_group: str | None = None
    issued_to: _IssuedTo | None = None
    kind: str | None = None
    not_before: str | None = None
    due: str | None = msgspec.field(default=None, name="expires_at")
    grants: tuple[_Grant, ...] | None = None
    approval: _Approval | None = None
    bound_to: _Binding | None = None
    revocation: dict[str, Any] | None = None


class _Named(msgspec.Struct, gc=False, kw_only=True):
    credential_id: str | None = None
    identifier: _Identifier | None = None


class _CredentialRenewed(_Named, gc=False, kw_only=True):
    due: Text = msgspec.field(name="expires_at")


class _CredentialUsed(_Named, gc=False, kw_only=True):
    due: ClassVar[None] = None
    action: str | None = None
    resource: str | None = None
    outcome: Literal["success", "denied"] | None = None
    task_id: str | None = None
    workload: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None


class _CredentialRevoked(_Named, gc=False):
    due: ClassVar[None] = None


class _RevocationOutcome(msgspec.Struct, gc=False):
    credential_id: Text
    command_id: Text
    outcome: Literal["confirmed", "done-unproved", "refused", "gone-already", "failed", "held"]
    proof: str | None = None
    target: str | None = None
    started_at: str | None = None
    due: str | None = msgspec.field(default=None, name="finished_at")
    detail: str | None = None


DATA_TYPES: Final[dict[str, type[msgspec.Struct]]] = {
    "task.started": _TaskStarted,
    "task.heartbeat": _TaskHeartbeat,
    "task.ended": _TaskEnded,
    "credential.issued": _CredentialIssued,
    "credential.renewed": _CredentialRenewed,
    "credential.used": _CredentialUsed,
    "credential.revoked": _CredentialRevoked,
    "credential.revocation.outcome": _RevocationOutcome,
}
"""What the `data` of each event type holds."""


_TYPES_BY_FORM: Final = {name.replace(".", ""): name for name in DATA_TYPES}
_STEM: Final = len("taskend")  # letters of a shortened type


def meant_type(name: str) -> str | None:
    """The type of which this one is a misspelling: one letter off, other separators or case, or cut short.

    A type that is further off, such as `task.restarted`, is somebody else's.
    """
    if len(name) > _LONGEST_MISSPELLING:
        return None
    form = _SEPARATORS.sub("", name.lower())
    return next(
        (
            known
            for written, known in _TYPES_BY_FORM.items()
            if _one_off(form, written) or (written.startswith(form) and len(form) >= _STEM)
        ),
        None,
    )


def _one_off(one: str, other: str) -> bool:
    """Whether at most one letter is missing, too many, wrong, or swapped with the next."""
    start = _alike(one, other)
    left, right = one[start:][::-1], other[start:][::-1]
    end = _alike(left, right)
    left, right = left[end:], right[end:]
    return max(len(left), len(right)) <= 1 or (len(left) == 2 and left == right[::-1])  # noqa: PLR2004 - two letters


def _alike(one: str, other: str) -> int:
    """The number of letters at the start of both that are the same."""
    return next(
        (at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right),
        min(len(one), len(other)),
    )


def decode_json(raw: bytes | msgspec.Raw, decoder: "msgspec.json.Decoder[_T]", at: str = "") -> _T:
    """Decodes `raw`, which is at path `at` of the record.

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


def read_time(text: str, field: str) -> int:
    """The time (ns) in the field at that path.

    Raises:
        BadRecordError: it is no RFC 3339 time.
    """
    try:
        return parse_rfc3339(text)
    except ValueError:
        raise bad(WRONG_FIELD, field, "not an RFC 3339 time with a zone") from None


def _maybe_time(text: str | None, field: str) -> int | None:
    return read_time(text, field) if text else None


def deeper_than(value: object, limit: int) -> bool:
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


class EventBuilder:
    """Makes events from decoded `data`, and checks what their types cannot express.

    `of[type(data)](data, time, source, id, due)` makes one event; `due` is its second time, if that is parsed already.
    It raises `BadRecordError` with the path of the mistake.

    `share(text, text)` may return an equal text that other events already hold. `not_hex` says whether a text has
    other characters than lower-case hex digits; a caller that checks many at once may return None and check them
    later.
    """

    def __init__(
        self,
        share: Callable[[str, str], str] = lambda text, _: text,
        not_hex: Callable[[str], bool | None] = lambda text: _HEX.fullmatch(text) is None,
    ) -> None:
        self._share = share
        self._not_hex = not_hex
        self.of: Final[dict[type[msgspec.Struct], Callable[..., CanonicalEvent]]] = {
            _TaskStarted: self._started,
            _TaskHeartbeat: self._beat,
            _TaskEnded: self._ended,
            _CredentialIssued: self._issued,
            _CredentialRenewed: self._renewed,
            _CredentialUsed: self._used,
            _CredentialRevoked: self._revoked,
            _RevocationOutcome: self._concluded,
        }

    def _optional(self, text: str | None) -> str | None:
        return self._share(text, text) if text else None

    def _identifier(self, wire: _Identifier, field: str, among: Sequence[_Identifier] = ()) -> Identifier:
        scheme, value, check, key_id, share = wire.scheme, wire.value, wire.check, wire.key_id, self._share
        if scheme == _HMAC:
            if len(value) != _HMAC_DIGITS or self._not_hex(value):
                raise _wrong_identifier(
                    wire, field, among, "value", "an hmac-sha256 is 64 lower-case hex digits"
                )
        elif scheme == _SHA256:
            value = normal_sha256(value) or ""
            if not value:
                detail = "a sha256 is 64 hex digits or the base64 of 32 bytes"
                raise _wrong_identifier(wire, field, among, "value", detail)
        if check and (len(check) != _CHECK_DIGITS or self._not_hex(check)):
            raise _wrong_identifier(wire, field, among, "check", "a check is 8 lower-case hex digits")
        folded = wire.folded
        if folded and (len(folded) != _HMAC_DIGITS or self._not_hex(folded)):
            raise _wrong_identifier(wire, field, among, "folded", "it is 64 lower-case hex digits")
        return Identifier(
            share(scheme, scheme),
            value,
            wire.length,
            check or None,
            share(key_id, key_id) if key_id else None,
            folded or None,
            _SHAPES.get(wire.shape),  # another one says nothing: the secret may have any character
        )

    def _named(self, wire: _Named) -> tuple[str | None, Identifier | None]:
        if wire.identifier is not None:
            return wire.credential_id or None, self._identifier(wire.identifier, "data.identifier")
        if not wire.credential_id:
            raise bad(
                MISSING_FIELD, "data.credential_id", "neither `credential_id` nor `identifier` is there"
            )
        return wire.credential_id, None

    def _started(
        self, wire: _TaskStarted, time: int, source: str, event_id: str, due: int | None
    ) -> TaskStarted:
        return TaskStarted(
            time=time,
            source=source,
            id=event_id,
            task_id=wire.task_id,
            kind=self._optional(wire.kind),
            owner=self._optional(wire.owner),
            workload=self._optional(wire.workload),
            parent_task_id=wire.parent_task_id or None,
            deadline=_maybe_time(wire.due, "data.deadline") if due is None else due,
            group=self._optional(wire.group),
        )

    @staticmethod
    def _beat(wire: _TaskHeartbeat, time: int, source: str, event_id: str, _due: None) -> TaskHeartbeat:
        lease = _lease(wire.lease)
        return TaskHeartbeat(time=time, source=source, id=event_id, task_id=wire.task_id, lease=lease)

    def _ended(self, wire: _TaskEnded, time: int, source: str, event_id: str, _due: None) -> TaskEnded:
        outcome = self._optional(wire.outcome)
        return TaskEnded(time=time, source=source, id=event_id, task_id=wire.task_id, outcome=outcome)

    def _issued(
        self, wire: _CredentialIssued, time: int, source: str, event_id: str, due: int | None
    ) -> CredentialIssued:
        revocation, kind, grants, identifiers = wire.revocation, wire.kind, wire.grants, wire.identifiers
        identifier = self._identifier
        if (
            revocation is not None
            and not _SCALARS.issuperset(map(type, revocation.values()))
            and deeper_than(revocation, MAX_DEPTH)
        ):
            raise bad(TOO_DEEP, "data.revocation")
        if not wire.task_id and not wire.task_group:
            raise bad(MISSING_FIELD, "data.task_id", "neither `task_id` nor `task_group` is there")
        issued_to = wire.issued_to
        return CredentialIssued(
            time=time,
            source=source,
            id=event_id,
            credential_id=wire.credential_id,
            task_id=wire.task_id or None,
            identifiers=tuple([identifier(one, "data.identifiers", identifiers) for one in identifiers]),
            kind=self._share(kind, kind) if kind else None,
            not_before=read_time(wire.not_before, "data.not_before") if wire.not_before else None,
            expires_at=_maybe_time(wire.due, "data.expires_at") if due is None else due,
            grants=None if grants is None else tuple([Grant(one.actions, one.resources) for one in grants]),
            approval=None if wire.approval is None else _approval(wire.approval),
            bound_to=None if wire.bound_to is None else _binding(wire.bound_to),
            revocation=revocation,
            task_group=self._optional(wire.task_group),
            issued_to=None
            if issued_to is None
            else IssuedTo(issued_to.source_ip or None, self._optional(issued_to.workload)),
        )

    def _renewed(
        self, wire: _CredentialRenewed, time: int, source: str, event_id: str, due: int | None
    ) -> CredentialRenewed:
        credential_id, identifier = self._named(wire)
        return CredentialRenewed(
            time=time,
            source=source,
            id=event_id,
            expires_at=read_time(wire.due, "data.expires_at") if due is None else due,
            credential_id=credential_id,
            identifier=identifier,
        )

    def _used(
        self, wire: _CredentialUsed, time: int, source: str, event_id: str, _due: None
    ) -> CredentialUsed:
        credential_id, identifier = self._named(wire)
        outcome = wire.outcome or SUCCESS
        return CredentialUsed(
            time=time,
            source=source,
            id=event_id,
            credential_id=credential_id,
            identifier=identifier,
            action=self._optional(wire.action),
            resource=wire.resource or None,
            outcome=self._share(outcome, outcome),
            task_id=wire.task_id or None,
            workload=self._optional(wire.workload),
            source_ip=wire.source_ip or None,
            user_agent=self._optional(wire.user_agent),
        )

    def _revoked(
        self, wire: _CredentialRevoked, time: int, source: str, event_id: str, _due: None
    ) -> CredentialRevoked:
        credential_id, identifier = self._named(wire)
        return CredentialRevoked(
            time=time, source=source, id=event_id, credential_id=credential_id, identifier=identifier
        )

    def _concluded(
        self, wire: _RevocationOutcome, time: int, source: str, event_id: str, due: int | None
    ) -> RevocationOutcome:
        return RevocationOutcome(
            time=time,
            source=source,
            id=event_id,
            credential_id=wire.credential_id,
            command_id=wire.command_id,
            outcome=wire.outcome,
            proof=wire.proof or None,
            target=self._optional(wire.target),
            started_at=_maybe_time(wire.started_at, "data.started_at"),
            finished_at=_maybe_time(wire.due, "data.finished_at") if due is None else due,
            detail=wire.detail or None,
        )


def _wrong_identifier(
    wire: _Identifier, field: str, among: Sequence[_Identifier], name: str, detail: str
) -> BadRecordError:
    index = next((number for number, one in enumerate(among) if one is wire), None)
    path = field if index is None else f"{field}[{index}]"
    return bad(WRONG_FIELD, f"{path}.{name}", detail)


def _lease(value: str | float) -> int:
    """A lease in ns, from seconds or a text such as `90s`."""
    try:
        lease = parse_duration(value)
    except ValueError:
        lease = 0
    if not 0 < lease <= LONGEST_LEASE:
        raise bad(WRONG_FIELD, "data.lease", "a lease is a duration such as 90s, of a day at most")
    return lease


def _approval(wire: _Approval) -> Approval:
    return Approval(
        _maybe_time(wire.not_before, "data.approval.not_before"),
        _maybe_time(wire.not_after, "data.approval.not_after"),
    )


def _binding(wire: _Binding) -> Binding:
    for index, network in enumerate(wire.source_ips or ()):
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise bad(
                WRONG_FIELD, f"data.bound_to.source_ips[{index}]", "not an IP network in CIDR notation"
            ) from None
    return Binding(wire.workloads, wire.source_ips)


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_DATA: Final = {name: msgspec.json.Decoder(wire) for name, wire in DATA_TYPES.items()}
_BUILDERS: Final = EventBuilder().of


def decode(raw: bytes | msgspec.Raw, now: int) -> CanonicalEvent | None:
    """The event in one structured-mode CloudEvent; None for a `type` that is not curfewd's. `now` is in ns.

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
    decoder = _DATA.get(envelope.type)
    if decoder is None:
        return None
    if not envelope.time:
        raise bad(MISSING_FIELD, "time")
    time = read_time(envelope.time, "time")
    if time > now + MAX_FUTURE:
        raise bad(FUTURE_TIME, "time")
    data: bytes | msgspec.Raw = envelope.data
    if envelope.data_base64 is not None and not envelope.data:
        try:
            data = base64.b64decode(envelope.data_base64, validate=True)
        except (binascii.Error, ValueError):
            raise bad(WRONG_FIELD, "data_base64", "not base64") from None
        if has_repeated_name(data):
            raise bad(AMBIGUOUS, "data_base64")
    if not data:
        raise bad(MISSING_FIELD, "data")
    wire = decode_json(data, decoder, "data")
    return _BUILDERS[type(wire)](wire, time, envelope.source, envelope.id, None)
