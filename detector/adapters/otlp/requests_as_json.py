"""A request in protobuf as OTLP's JSON: for a file, which has lines of text.

Integers of 64 bits stay numbers, which every reader of JSON in OTLP has to take. Fields of a later version become text.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from detector.adapters.otlp import wire

_LISTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "LogRecord": ("resourceLogs", "scopeLogs", "logRecords"),
    "Span": ("resourceSpans", "scopeSpans", "spans"),
}
_BYTES: Final = "bytesValue"  # base64 in JSON, as the encoder writes bytes


def as_json(data: bytes, name: str) -> bytes:
    """The request; `name` says what its items are, `LogRecord` or `Span`.

    Raises:
        WireError: a part of it cannot be read.
    """
    top, scopes, items = _LISTS[name]
    groups = []
    for group in wire.groups(data):
        if group.broken:
            raise wire.WireError("a resource cannot be read")
        held = [
            {"scope": one.scope, items: [wire.message(data, *place, name) for place in one.items]}
            for one in group.scopes
        ]
        groups.append({"resource": group.resource, scopes: held})
    return msgspec.json.encode(_texts({top: groups}))


def _texts(value: Any, name: str = "") -> Any:
    """The same with text in place of bytes. The wire's reader limits the depth."""
    if isinstance(value, dict):
        return {key: _texts(held, key) for key, held in value.items()}
    if isinstance(value, list):
        return [_texts(held, name) for held in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) and name != _BYTES else value
