"""OpenTelemetry's AnyValue and attributes, as OTLP's JSON has them: every text inside, and attributes by name.

`opentelemetry/proto/common/v1/common.proto`. In JSON a 64-bit integer is text and bytes are base64; bytes from
protobuf are `bytes` here. A value of another shape is reported as malformed, and its texts are collected all the same.
"""

import binascii
from collections.abc import Mapping
from typing import Any, Final

_SCALARS: Final = frozenset({"boolValue", "intValue", "doubleValue"})
_LISTS: Final = frozenset({"arrayValue", "kvlistValue"})
_MAX_TIME: Final = 1 << 64
_DIGITS: Final = 20
_DEEPEST: Final = 100
_NUMBERS: Final[Mapping[str, Any]] = {"intValue": int, "doubleValue": float}
_LONG_NUMBER: Final = 32
_PAIR: Final = frozenset({"key", "value"})
_LONG_NAME: Final = 16  # shorter keys hold no secret


class Texts:
    """Collects texts as `name=value`; `malformed` if something was not an AnyValue or an attribute."""

    __slots__ = ("malformed", "parts")

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.malformed = False

    def value(self, name: str, value: Any) -> None:
        """The texts in an AnyValue; without a name they stand alone."""
        if type(value) is dict and len(value) == 1:
            text = value.get("stringValue")
            if type(text) is str:
                self.parts.append(f"{name}={text}" if name else text)
                return
        self._deep(name, value)

    def attributes(self, pairs: Any) -> None:
        """The texts in a list of key-value pairs."""
        if pairs is None:
            return
        if type(pairs) is not list:
            self.malformed = True
            self.anything("attributes", pairs)
            return
        add = self.parts.append
        for pair in pairs:
            if type(pair) is dict and len(pair) == 2:  # noqa: PLR2004 - key and value
                key, value = pair.get("key"), pair.get("value")
                if type(key) is str and type(value) is dict:
                    text = value.get("stringValue")
                    if type(text) is str and len(value) == 1:
                        add(f"{key}={text}")
                    else:
                        self._deep(key, value)
                    continue
            self._pair(pair)

    def anything(self, name: str, value: Any) -> None:
        """Every text in a value of any shape."""
        stack: list[tuple[str, Any]] = [(name, value)]
        while stack:
            key, item = stack.pop()
            if isinstance(item, str):
                self.parts.append(f"{key}={item}")
            elif isinstance(item, bytes):
                self.parts.append(f"{key}={item.decode('utf-8', 'replace')}")
            elif isinstance(item, dict):
                stack.extend(reversed(item.items()))
            elif isinstance(item, list):
                stack.extend((key, one) for one in reversed(item))
            elif len(key) >= _LONG_NAME:
                self.parts.append(f"{key}={item}")

    def _pair(self, pair: Any) -> None:
        if isinstance(pair, dict) and isinstance(pair.get("key"), str):
            self.value(pair["key"], pair.get("value", {}))
            for name, item in pair.items():
                if name not in ("key", "value"):
                    self.anything(name, item)
            return
        self.malformed = True
        self.anything("attributes", pair)

    def _deep(self, name: str, value: Any) -> None:
        """Every text, without recursion, in the order of the document."""
        stack: list[tuple[str, Any]] = [(name, value)]
        while stack:
            key, item = stack.pop()
            if not isinstance(item, dict):
                self.malformed = True
                self.anything(key, item)
                continue
            inner: list[tuple[str, Any]] = []
            for kind, held in item.items():
                if kind == "stringValue" and isinstance(held, str):
                    self.parts.append(f"{key}={held}" if key else held)
                elif kind in _SCALARS and not isinstance(held, dict | list):
                    if len(key) >= _LONG_NAME:
                        self.parts.append(f"{key}={held}")
                elif kind == "bytesValue" and isinstance(held, str | bytes):
                    self._bytes(key, held)
                elif kind in _LISTS and isinstance(held, dict):
                    self._list(key, kind, held, inner)
                else:
                    self.malformed = self.malformed or kind.endswith("Value")
                    self.anything(kind, held)
            stack.extend(reversed(inner))

    def _list(self, key: str, kind: str, held: Mapping[str, Any], inner: list[tuple[str, Any]]) -> None:
        values = held.get("values", [])
        if not isinstance(values, list):
            self.malformed = True
            self.anything(key, values)
            return
        for one in values:
            if kind == "arrayValue":
                inner.append((key, one))
            elif isinstance(one, dict) and isinstance(one.get("key"), str):
                inner.append((one["key"], one.get("value", {})))
            else:
                self.malformed = True
                self.anything(key, one)

    def _bytes(self, key: str, held: str | bytes) -> None:
        text = held
        if isinstance(held, str):
            try:
                text = binascii.a2b_base64(held, strict_mode=True)
            except ValueError:
                self.malformed = True
        shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
        self.parts.append(f"{key}={shown}" if key else shown)


def as_object(value: Any) -> dict[str, Any] | None:
    """A list of key-value pairs as the JSON object that it was made from; None if it is not well formed.

    Shippers write their records so (`otlp_json` of Fluent Bit: `log`, `kubernetes`, …).
    """
    if type(value) is not dict or "kvlistValue" not in value:
        return None
    try:
        found = _plain(value, 0)
    except (ValueError, TypeError, KeyError):
        return None
    return found if isinstance(found, dict) else None


def _plain(value: Any, depth: int) -> Any:  # noqa: PLR0911 - one for each kind
    """The value of an AnyValue. Raises ValueError, TypeError or KeyError if it is not one."""
    if not value:
        return None
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if type(value) is not dict or len(value) != 1:
        raise ValueError("no value")
    ((kind, held),) = value.items()
    if kind == "stringValue" and type(held) is str:
        return held
    if kind == "kvlistValue":
        return {_key(one): _plain(one.get("value"), depth + 1) for one in held.get("values", ())}
    if kind == "arrayValue":
        return [_plain(one, depth + 1) for one in held.get("values", ())]
    if kind == "bytesValue":
        return (binascii.a2b_base64(held, strict_mode=True) if type(held) is str else held).decode(
            "utf-8", "replace"
        )
    if kind == "boolValue" and type(held) is bool:
        return held
    if kind in _NUMBERS and type(held) in (str, int, float) and len(str(held)) <= _LONG_NUMBER:
        return _NUMBERS[kind](held)
    raise ValueError("no value")


def _key(pair: dict[str, Any]) -> str:
    """The key of a pair that has only a key and a value."""
    key = pair["key"]
    if type(key) is not str or not pair.keys() <= _PAIR:
        raise ValueError("no pair")
    return key


def named(pairs: Any, wanted: frozenset[str] | None = None) -> dict[str, str]:
    """The attributes that are text or a number, by name; of two with one name the first counts. None selects all."""
    found: dict[str, str] = {}
    for pair in pairs if type(pairs) is list else ():
        if type(pair) is not dict:
            continue
        key = pair.get("key")
        if type(key) is not str or (wanted is not None and key not in wanted):
            continue
        value = pair.get("value")
        text = value.get("stringValue", value.get("intValue")) if type(value) is dict else None
        if type(text) in (str, int):
            found.setdefault(key, str(text))
    return found


def nanoseconds(held: Any) -> int | None:
    """A time of OTLP, which JSON has as text; None if it is not one, or has more than 64 bits."""
    if isinstance(held, str) and len(held) <= _DIGITS and held.isascii() and held.isdigit():
        held = int(held)
    return held if type(held) is int and 0 <= held < _MAX_TIME else None
