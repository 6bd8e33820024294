"""Whole blocks of canonical events at once: what an issuer's registry of a million credentials is made of.

`detector.adapters.cloudevents` reads one event and says what is wrong with it. A block with nothing wrong in any line is
read here in one go; where anything is, it is left to that, line by line. Both give the same events.
"""

import re  # over single classes
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
import numpy as np

from detector.ingest.classify import CLOUDEVENTS, RecordClassifier
from detector.ingest.file_ranges import line_span
from detector.ingest.formats.json_blocks import records_of
from detector.records.markers import Markers
from detector.records.shipper_fields import SHIPPED_MARKS
from detector.records.timestamps import Ints, leading_by_numpy, line_starts
from detector.values.events import (
    MAX_FUTURE,
    SUCCESS,
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

_MARK: Final = b'"specversion"'
_ODD: Final = Markers((*SHIPPED_MARKS, rb"\u"))
_HMAC, _SHA256 = "hmac-sha256", "sha256"
_DIGEST, _CHECK = 64, 8  # digits
_PAD: Final = b"\n" * 64  # more than a time is long
_HEX = re.compile(r"[0-9a-f]*")
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Name(msgspec.Struct, gc=False):
    scheme: _Text
    value: _Text
    length: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    check: str | None = None
    key_id: str | None = None


# `due` is the time that an event has besides its own, where it may have one.


class _Started(msgspec.Struct, gc=False):
    task_id: _Text
    kind: str | None = None
    owner: str | None = None
    workload: str | None = None
    parent_task_id: str | None = None
    due: str | None = msgspec.field(default=None, name="deadline")


class _Ended(msgspec.Struct, gc=False):
    due: ClassVar[None] = None
    task_id: _Text
    outcome: Literal["succeeded", "failed", "cancelled", "timed_out"] | None = None


class _Globs(msgspec.Struct, gc=False):
    actions: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None


class _Issued(msgspec.Struct, gc=False):
    credential_id: _Text
    task_id: _Text
    identifiers: Annotated[tuple[_Name, ...], msgspec.Meta(min_length=1)]
    kind: str | None = None
    not_before: str | None = None
    due: str | None = msgspec.field(default=None, name="expires_at")
    grants: tuple[_Globs, ...] | None = None
    approval: Any = None
    bound_to: Any = None
    revocation: dict[str, Any] | None = None


class _Spoken(msgspec.Struct, gc=False, kw_only=True):
    due: ClassVar[str | None] = None
    credential_id: str | None = None
    identifier: _Name | None = None


class _Renewed(msgspec.Struct, gc=False, kw_only=True):
    credential_id: str | None = None
    identifier: _Name | None = None
    due: _Text = msgspec.field(name="expires_at")


class _Used(_Spoken, gc=False, kw_only=True):
    action: str | None = None
    resource: str | None = None
    outcome: Literal["success", "denied"] | None = None
    task_id: str | None = None
    workload: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None


class _Envelope(msgspec.Struct, gc=False, kw_only=True, tag_field="type"):
    specversion: Literal["1.0"]
    id: _Text
    source: _Text
    time: _Text
    data_base64: str | None = None


class _StartedEvent(_Envelope, gc=False, kw_only=True, tag="task.started"):
    data: _Started


class _EndedEvent(_Envelope, gc=False, kw_only=True, tag="task.ended"):
    data: _Ended


class _IssuedEvent(_Envelope, gc=False, kw_only=True, tag="credential.issued"):
    data: _Issued


class _RenewedEvent(_Envelope, gc=False, kw_only=True, tag="credential.renewed"):
    data: _Renewed


class _UsedEvent(_Envelope, gc=False, kw_only=True, tag="credential.used"):
    data: _Used


class _RevokedEvent(_Envelope, gc=False, kw_only=True, tag="credential.revoked"):
    data: _Spoken


_OtherEvent = _StartedEvent | _EndedEvent | _RenewedEvent | _UsedEvent | _RevokedEvent
_Event = _IssuedEvent | _OtherEvent
_EVENTS: Final = msgspec.json.Decoder(_Event)


def events_of(data: bytes, starts: Ints, shapes: RecordClassifier, now: int) -> list[CanonicalEvent] | None:
    """The events of a block, one for each line; None if it is not made of such lines, all of them right.

    `starts` are the lines', `now` is the wall clock (ns).
    """

    def alone(index: int) -> CanonicalEvent:
        start, end = line_span(data, starts, index)
        return _alone(data[start:end], shapes, now)

    first = slice(*line_span(data, starts, 0)) if len(starts) else slice(0)
    if _MARK not in data[first]:
        return None
    try:
        alone(0)
        wires = records_of(data, starts, _EVENTS)
        return None if wires is None else _Builder(alone).built(wires, _odd(data), now + MAX_FUTURE)
    except ValueError:
        return None


def _alone(line: bytes, shapes: RecordClassifier, now: int) -> CanonicalEvent:
    """The event that a line is by itself.

    Raises:
        ValueError: it is none.
    """
    found = list(shapes.read_object(line, now))
    if len(found) != 1 or found[0].format != CLOUDEVENTS or len(found[0].events) != 1:
        raise ValueError("no event")
    return found[0].events[0]


def _odd(data: bytes) -> frozenset[int]:
    """The lines that may be something else: records of shippers, or with names in escapes that only a decoder reads."""
    if not _ODD.stand_in(data):
        return frozenset()
    return frozenset(index for index, line in enumerate(data.split(b"\n")) if _ODD.stand_in(line))


def _nanos(texts: list[str]) -> Iterator[int]:
    """The times as nanoseconds.

    Raises:
        ValueError: one of them is none.
    """
    joined = "\n".join(texts).encode()
    starts = line_starts(joined)
    # Without compiled code: loaded into each process of the first pass, it would take more memory than it saves time.
    stamps = leading_by_numpy(np.frombuffer(joined + _PAD, np.uint8), starts, whole=True)
    if not len(stamps) == len(starts) == len(texts):
        raise ValueError("no time")
    return stamps.all()


class _Builder:
    """Makes events of what was decoded. Texts that stand in many of them are held once."""

    def __init__(self, alone: Callable[[int], CanonicalEvent]) -> None:
        self._alone = alone
        self._shared: dict[str, str] = {}
        self._hex: list[str] = []

    def built(self, wires: list[_Event], odd: frozenset[int], limit: int) -> list[CanonicalEvent]:
        """The events, none later than `limit` (ns).

        Raises:
            ValueError: something is wrong with one of them.
        """
        dues = _nanos([due for wire in wires if (due := wire.data.due)])
        times = _nanos([wire.time for wire in wires])
        made: list[CanonicalEvent] = []
        for wire, time in zip(wires, times, strict=True):
            later = next(dues) if wire.data.due else None
            event: CanonicalEvent | None
            if isinstance(wire, _IssuedEvent):
                event = self._issued(wire, time, later)
            else:
                event = self._other(wire, time, later)
            made.append(self._alone(len(made)) if event is None or len(made) in odd else event)
        if max(event.time for event in made) > limit:
            raise ValueError("in the future")
        if _HEX.fullmatch("".join(self._hex)) is None:
            raise ValueError("no hex digits")
        return made

    def _other(self, wire: _OtherEvent, time: int, due: int | None) -> CanonicalEvent:
        source, data = self._share(wire.source), wire.data
        if isinstance(data, _Started):
            return TaskStarted(
                time=time,
                source=source,
                id=wire.id,
                task_id=data.task_id,
                kind=self._maybe(data.kind),
                owner=self._maybe(data.owner),
                workload=self._maybe(data.workload),
                parent_task_id=data.parent_task_id or None,
                deadline=due,
            )
        if isinstance(data, _Ended):
            outcome = self._maybe(data.outcome)
            return TaskEnded(time=time, source=source, id=wire.id, task_id=data.task_id, outcome=outcome)
        credential_id, identifier = data.credential_id or None, None
        if data.identifier is not None:
            identifier = self._identifier(data.identifier)
        elif credential_id is None:
            raise ValueError("of no credential")
        if isinstance(data, _Used):
            return CredentialUsed(
                time=time,
                source=source,
                id=wire.id,
                credential_id=credential_id,
                identifier=identifier,
                action=self._maybe(data.action),
                resource=data.resource or None,
                outcome=self._share(data.outcome or SUCCESS),
                task_id=data.task_id or None,
                workload=self._maybe(data.workload),
                source_ip=data.source_ip or None,
                user_agent=self._maybe(data.user_agent),
            )
        if due is None:
            return CredentialRevoked(
                time=time, source=source, id=wire.id, credential_id=credential_id, identifier=identifier
            )
        return CredentialRenewed(
            time=time,
            source=source,
            id=wire.id,
            expires_at=due,
            credential_id=credential_id,
            identifier=identifier,
        )

    def _issued(self, wire: _IssuedEvent, time: int, due: int | None) -> CredentialIssued | None:
        """None if there is something in it that is seldom and takes more care."""
        data, share = wire.data, self._shared.setdefault
        if data.approval is not None or data.bound_to is not None:
            return None
        if data.revocation is not None and not _PLAIN.issuperset(map(type, data.revocation.values())):
            return None
        kind, grants = data.kind, data.grants
        return CredentialIssued(
            time=time,
            source=share(wire.source, wire.source),
            id=wire.id,
            credential_id=data.credential_id,
            task_id=data.task_id,
            identifiers=tuple([self._identifier(name) for name in data.identifiers]),
            kind=share(kind, kind) if kind else None,
            not_before=parse_rfc3339(data.not_before) if data.not_before else None,
            expires_at=due,
            grants=None if grants is None else tuple(Grant(one.actions, one.resources) for one in grants),
            revocation=data.revocation,
        )

    def _identifier(self, name: _Name) -> Identifier:
        share = self._shared.setdefault
        scheme, value, check, key_id = name.scheme, name.value, name.check or None, name.key_id
        if scheme == _HMAC:
            if len(value) != _DIGEST:
                raise ValueError("no digest")
            self._hex.append(value)
        elif scheme == _SHA256:
            value = normal_sha256(value) or ""
            if not value:
                raise ValueError("no digest")
        if check is not None:
            if len(check) != _CHECK:
                raise ValueError("no check")
            self._hex.append(check)
        key_id = share(key_id, key_id) if key_id else None
        return Identifier(share(scheme, scheme), value, name.length, check, key_id)

    def _share(self, text: str) -> str:
        return self._shared.setdefault(text, text)

    def _maybe(self, text: str | None) -> str | None:
        return self._shared.setdefault(text, text) if text else None
