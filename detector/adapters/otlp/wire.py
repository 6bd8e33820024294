"""OTLP in protobuf's wire format, recognised by its structure and read message by message, to a limited depth.

Field numbers are those of opentelemetry-proto 1.x (`logs/v1`, `trace/v1`, `common/v1`, `resource/v1`). A message
becomes what OTLP's JSON would have (except bytes and 64-bit integers), so that one reader serves both. Unknown fields
are kept as text, if they are text.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
DEEPEST: Final = 100  # the limit of protobuf's own readers
_MORE, _LOW = 0x80, 0x7F
_ID_SIZES: Final = frozenset({0, 8, 16})  # bytes of a span's id and a trace's: anything else is text to scan
_VARINT_BITS: Final = 64
_SIMPLE: Final = frozenset({"AnyValue", "KeyValue"})
_FIRST, _SECOND = 0x0A, 0x12  # tags of the fields 1 and 2, with a length
_SHORT: Final = 0x7F  # a length of one byte
_F64: Final = struct.Struct("<Q")
_DOUBLE: Final = struct.Struct("<d")
_F32: Final = struct.Struct("<I")


class WireError(ValueError):
    """Bytes do not have the structure that they announce. Contains none of them."""


class _Field(NamedTuple):
    name: str
    kind: str  # text, bytes, hex, int, bool, double, or a message's name
    repeated: bool = False


_ATTRIBUTES: Final = _Field("attributes", "KeyValue", repeated=True)
SCHEMAS: Final[Mapping[str, Mapping[int, _Field]]] = {
    "AnyValue": {
        1: _Field("stringValue", "text"),
        2: _Field("boolValue", "bool"),
        3: _Field("intValue", "int"),
        4: _Field("doubleValue", "double"),
        5: _Field("arrayValue", "ArrayValue"),
        6: _Field("kvlistValue", "KeyValueList"),
        7: _Field("bytesValue", "bytes"),
    },
    "ArrayValue": {1: _Field("values", "AnyValue", repeated=True)},
    "KeyValueList": {1: _Field("values", "KeyValue", repeated=True)},
    "KeyValue": {1: _Field("key", "text"), 2: _Field("value", "AnyValue")},
    "Resource": {1: _ATTRIBUTES, 2: _Field("droppedAttributesCount", "int")},
    "Scope": {1: _Field("name", "text"), 2: _Field("version", "text"), 3: _ATTRIBUTES},
    "LogRecord": {
        1: _Field("timeUnixNano", "int"),
        2: _Field("severityNumber", "int"),
        3: _Field("severityText", "text"),
        5: _Field("body", "AnyValue"),
        6: _ATTRIBUTES,
        7: _Field("droppedAttributesCount", "int"),
        8: _Field("flags", "int"),
        9: _Field("traceId", "hex"),
        10: _Field("spanId", "hex"),
        11: _Field("observedTimeUnixNano", "int"),
        12: _Field("eventName", "text"),
    },
    "Span": {
        1: _Field("traceId", "hex"),
        2: _Field("spanId", "hex"),
        3: _Field("traceState", "text"),
        4: _Field("parentSpanId", "hex"),
        5: _Field("name", "text"),
        6: _Field("kind", "int"),
        7: _Field("startTimeUnixNano", "int"),
        8: _Field("endTimeUnixNano", "int"),
        9: _ATTRIBUTES,
        10: _Field("droppedAttributesCount", "int"),
        11: _Field("events", "Event", repeated=True),
        12: _Field("droppedEventsCount", "int"),
        13: _Field("links", "Link", repeated=True),
        14: _Field("droppedLinksCount", "int"),
        15: _Field("status", "Status"),
        16: _Field("flags", "int"),
    },
    "Event": {1: _Field("timeUnixNano", "int"), 2: _Field("name", "text"), 3: _ATTRIBUTES},
    "Link": {
        1: _Field("traceId", "hex"),
        2: _Field("spanId", "hex"),
        3: _Field("traceState", "text"),
        4: _ATTRIBUTES,
    },
    "Status": {2: _Field("message", "text"), 3: _Field("code", "int")},
}
_SCHEMA_URL: Final = "schemaUrl"  # besides the resource and the items there is nothing else


def looks_like_request(data: bytes) -> bool:
    """Whether all of the bytes are messages built like a resource with its scopes.

    Text cannot be: its second byte would have to be its own length.
    """
    if data[:1] != b"\n":
        return False
    try:
        for number, wire, start, end in fields(data, 0, len(data)):
            if number != 1 or wire != _LENGTH:
                return False
            for inner, kind, _, _ in fields(data, start, end):
                if not inner or kind != _LENGTH:
                    return False
    except WireError:
        return False
    return True


def begins_like_request(data: bytes) -> bool:
    """Whether bytes begin like a request and are not text, such as a cut or damaged request."""
    if data[:1] != b"\n" or not any(byte < 9 for byte in data[:64]):  # noqa: PLR2004 - no text has a byte below tab
        return False
    try:
        length, at = _varint(data, 1, len(data))
        first, _ = _varint(data, at, len(data))
    except WireError:
        return False
    return length > 0 and first in (0x0A, 0x12, 0x1A)


class Scope(NamedTuple):
    """One scope, and the places of its items, which are still encoded."""

    scope: dict[str, Any]
    items: list[tuple[int, int]]


class Group(NamedTuple):
    """What one resource sent, at data[start:end]; `broken` if it cannot be read."""

    start: int
    end: int
    resource: dict[str, Any]
    scopes: list[Scope]
    broken: bool = False


def groups(data: bytes) -> Iterator[Group]:
    """The resources of a request, one after another.

    Raises:
        WireError: it is not a request.
    """
    for _, wire, start, end in fields(data, 0, len(data)):
        if wire != _LENGTH:
            raise WireError("not a message")
        try:
            yield _group(data, start, end)
        except WireError:
            yield Group(start, end, {}, [], broken=True)


def _group(data: bytes, start: int, end: int) -> Group:
    inner, places = _parts(data, start, end)
    resource: dict[str, Any] = {}
    for number, low, high in inner:
        if number == 1:
            resource = message(data, low, high, "Resource")
        else:
            resource.setdefault(_SCHEMA_URL, []).append(data[low:high])
    return Group(start, end, resource, [_scope(data, low, high) for low, high in places])


def _scope(data: bytes, start: int, end: int) -> Scope:
    inner, places = _parts(data, start, end)
    scope: dict[str, Any] = {}
    for number, low, high in inner:
        if number == 1:
            scope = message(data, low, high, "Scope")
        else:
            scope.setdefault(_SCHEMA_URL, []).append(data[low:high])
    return Scope(scope, places)


def _parts(data: bytes, start: int, end: int) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]]]:
    """The fields of a message, all of them messages or text, by number; and the places of field 2, its items."""
    others: list[tuple[int, int, int]] = []
    items: list[tuple[int, int]] = []
    for number, wire, low, high in fields(data, start, end):
        if wire != _LENGTH:
            raise WireError("not a message")
        if number == 2:  # noqa: PLR2004 - scope_logs and scope_spans, log_records and spans
            items.append((low, high))
        else:
            others.append((number, low, high))
    return others, items


def kind_of(data: bytes, items: Sequence[tuple[int, int]]) -> str:
    """What the items of a scope are, by the first readable one: `LogRecord`, `Span`, or "" for anything else.

    A span has fixed times in its fields 7 and 8. A log record's first field is a time, a metric's its name.
    """
    for start, end in items:
        try:
            seen = {number: wire for number, wire, _, _ in fields(data, start, end)}
        except WireError:
            continue
        if _FIXED64 in (seen.get(7), seen.get(8)):
            return "Span"
        return "" if _LENGTH in (seen.get(1), seen.get(2)) else "LogRecord"
    return "LogRecord"


def message(data: bytes, start: int, end: int, name: str, depth: int = 0) -> dict[str, Any]:
    """One message as OTLP's JSON has it.

    Raises:
        WireError: it is not a message, or nested too deeply.
    """
    if depth > DEEPEST:
        raise WireError("nested too deeply")
    schema = SCHEMAS[name]
    found: dict[str, Any] = {}
    for number, wire, low, high in fields(data, start, end):
        field = schema.get(number)
        if field is None or (field.kind == "hex" and wire == _LENGTH and high - low not in _ID_SIZES):
            if wire != _VARINT:
                _unknown(data, number, low, high, found)
            continue
        if wire == _LENGTH and field.kind in _SIMPLE:
            value = _simple(data, low, high, field.kind) or message(data, low, high, field.kind, depth + 1)
        else:
            value = _value(data, wire, low, high, field.kind, depth)
        if field.repeated:
            found.setdefault(field.name, []).append(value)
        elif field.name not in found:
            found[field.name] = value
        else:  # a parser takes the last one alone; the text of the others is kept
            found.setdefault(f"field {number}", []).append(found[field.name])
            found[field.name] = value
    return found


def _simple(data: bytes, low: int, high: int, kind: str) -> dict[str, Any] | None:
    """An AnyValue or KeyValue with a short text, as most are; None for any other."""
    if kind == "AnyValue":
        if high - low < 2 or data[low] != _FIRST or data[low + 1] != high - low - 2 or high - low > _SHORT:  # noqa: PLR2004 - tag and length
            return None
        return {"stringValue": data[low + 2 : high].decode("utf-8", "replace")}
    if high - low < 4 or data[low] != _FIRST:  # noqa: PLR2004 - two tags and two lengths
        return None
    at = low + 2 + data[low + 1]
    if data[low + 1] & _MORE or at + 2 > high or data[at] != _SECOND or data[at + 1] != high - at - 2:
        return None
    value = _simple(data, at + 2, high, "AnyValue") if high - at <= _SHORT else None
    if value is None:
        return None
    return {"key": data[low + 2 : at].decode("utf-8", "replace"), "value": value}


def _unknown(data: bytes, number: int, low: int, high: int, found: dict[str, Any]) -> None:
    """Keeps a field of a later version, or a text of which one byte is damaged."""
    if high > low:
        found.setdefault(f"field {number}", []).append(data[low:high])


def _value(  # noqa: PLR0913, PLR0917 - a field and its place
    data: bytes, wire: int, low: int, high: int, kind: str, depth: int
) -> Any:
    if kind == "text" and wire == _LENGTH:
        return data[low:high].decode("utf-8", "replace")
    if kind in SCHEMAS and wire == _LENGTH:
        return message(data, low, high, kind, depth + 1)
    if kind == "hex" and wire == _LENGTH:
        return data[low:high].hex()
    if kind == "bytes" and wire == _LENGTH:
        return data[low:high]
    if kind == "double" and wire == _FIXED64:
        return _DOUBLE.unpack_from(data, low)[0]
    if kind in ("int", "bool") and wire != _LENGTH:
        number = _number(data, wire, low, high)
        return bool(number) if kind == "bool" else number
    raise WireError("a field of another type")


def _number(data: bytes, wire: int, low: int, high: int) -> int:
    if wire == _FIXED64:
        return int(_F64.unpack_from(data, low)[0])
    if wire == _FIXED32:
        return int(_F32.unpack_from(data, low)[0])
    return _varint(data, low, high)[0]


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type and place of every field."""
    while at < end:
        tag = data[at]
        if tag & _MORE:
            tag, at = _varint(data, at, end)
        else:
            at += 1
        number, wire = tag >> 3, tag & 7
        if wire == _LENGTH:
            if at >= end:
                raise WireError("it ends in the middle")
            size = data[at]
            if size & _MORE:
                size, at = _varint(data, at, end)
            else:
                at += 1
        elif wire == _VARINT:
            size = _varint(data, at, end)[1] - at
        elif wire == _FIXED64:
            size = 8
        elif wire == _FIXED32:
            size = 4
        else:
            raise WireError("a wire type that OTLP does not have")
        if not number or size > end - at:
            raise WireError("it ends in the middle")
        yield number, wire, at, at + size
        at += size


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < _VARINT_BITS:
        byte = data[at]
        at += 1
        value |= (byte & _LOW) << shift
        if not byte & _MORE:
            return value, at
        shift += 7
    raise WireError("it ends in the middle")
