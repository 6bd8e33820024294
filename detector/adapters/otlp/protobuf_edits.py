"""Finds the texts in an OTLP request in protobuf, and replaces some of them, with new lengths around them."""

from collections.abc import Callable, Iterator
from typing import Final

from detector.adapters.otlp import wire as otlp_wire
from detector.adapters.otlp.wire import WireError

Change = Callable[[int, int], bytes | None]

_LENGTH: Final = 2
_ITEMS: Final = 2  # the field of a group with its scopes, and of a scope with its records or spans
_TEXTS: Final = frozenset({"text", "bytes"})
_LOW, _MORE = 0x7F, 0x80


def texts(data: bytes) -> list[tuple[int, int]]:
    """The places of the texts in a request, in order. Unreadable parts and metrics have none."""
    found: list[tuple[int, int]] = []

    def take(start: int, end: int) -> None:
        found.append((start, end))

    rewritten(data, take)
    return found


def rewritten(data: bytes, change: Change) -> bytes:
    """The request with each text replaced for which `change(start, end)` returns something."""
    done = _fields(data, 0, len(data), lambda _, low, high: _group(data, low, high, change))
    return data if done is None else done


def _group(data: bytes, start: int, end: int, change: Change) -> bytes | None:
    def inner(number: int, low: int, high: int) -> bytes | None:
        if number == 1:
            return _message(data, low, high, "Resource", change)
        return _scope(data, low, high, change) if number == _ITEMS else change(low, high)

    return _fields(data, start, end, inner)


def _scope(data: bytes, start: int, end: int, change: Change) -> bytes | None:
    try:
        items = [
            (low, high) for number, _, low, high in otlp_wire.fields(data, start, end) if number == _ITEMS
        ]
    except WireError:
        return None
    kind = otlp_wire.kind_of(data, items)

    def inner(number: int, low: int, high: int) -> bytes | None:
        if number == _ITEMS:
            return _message(data, low, high, kind, change) if kind else None
        return _message(data, low, high, "Scope", change) if number == 1 else change(low, high)

    return _fields(data, start, end, inner)


def _message(  # noqa: PLR0913, PLR0917 - a message and its place
    data: bytes, start: int, end: int, name: str, change: Change, depth: int = 0
) -> bytes | None:
    schema = otlp_wire.SCHEMAS[name]

    def inner(number: int, low: int, high: int) -> bytes | None:
        field = schema.get(number)
        if field is None or field.kind in _TEXTS:
            return change(low, high)
        if field.kind in otlp_wire.SCHEMAS and depth < otlp_wire.DEEPEST:
            return _message(data, low, high, field.kind, change, depth + 1)
        return None

    return _fields(data, start, end, inner)


def _fields(
    data: bytes, start: int, end: int, inner: Callable[[int, int, int], bytes | None]
) -> bytes | None:
    """A message with the fields replaced for which `inner` returns something; None if there are none."""
    pieces: list[bytes] = []
    kept = at = start
    for number, wire, low, high in _readable(data, start, end):
        new = inner(number, low, high) if wire == _LENGTH else None
        if new is not None:
            pieces += (data[kept:at], _varint(number << 3 | _LENGTH), _varint(len(new)), new)
            kept = high
        at = high
    return b"".join((*pieces, data[kept:end])) if pieces else None


def _readable(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields up to a broken one."""
    try:
        yield from otlp_wire.fields(data, start, end)
    except WireError:
        return


def _varint(value: int) -> bytes:
    done = bytearray()
    while value > _LOW:
        done.append(value & _LOW | _MORE)
        value >>= 7
    return bytes((*done, value))
