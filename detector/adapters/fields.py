"""Reads fields of a provider's JSON strictly. An error names the path of a field, never its value."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from detector.records.dead_letters import BAD_TIME, FUTURE_TIME, MISSING_FIELD, WRONG_FIELD, bad
from detector.records.timestamps import log_time
from detector.values.events import MAX_FUTURE, IssuedTo
from detector.values.networks import address_of

UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""The expression of one as most write it, in lower case."""


def find(record: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None if it is missing, or something on the way is not an object."""
    if "." not in path:
        return record.get(path)
    first, inner = _names(path)
    value = record.get(first)
    for name in inner:
        if type(value) is not dict:  # JSON gives only dict; a test for any Mapping costs ten times as much
            return None
        value = value.get(name)
    return value


@lru_cache(4096)
def _names(path: str) -> tuple[str, tuple[str, ...]]:
    first, *inner = path.split(".")
    return first, tuple(inner)


def text(record: Mapping[str, Any], path: str) -> str:
    """Non-empty text. A number becomes its digits, because providers write ids either way.

    Raises:
        BadRecordError: it is missing, empty, or neither.
    """
    value = maybe_text(record, path)
    if value is None:
        raise bad(MISSING_FIELD, path)
    return value


def maybe_text(record: Mapping[str, Any], path: str) -> str | None:
    """Text, or None if the field is missing, null or empty.

    Raises:
        BadRecordError: it is neither text nor a whole number.
    """
    value = record.get(path) if "." not in path else find(record, path)  # most are not nested
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise bad(WRONG_FIELD, path)


def first_text(record: Mapping[str, Any], *paths: str) -> str | None:
    """The same of the first of these fields that has any."""
    return next((found for path in paths if (found := maybe_text(record, path)) is not None), None)


def time(record: Mapping[str, Any], path: str, now: int | None = None) -> int:
    """A time in any form that `log_time` reads; with `now`, at most 10 minutes ahead of it.

    Raises:
        BadRecordError: it is missing, no time, or too far in the future.
    """
    value = find(record, path)
    if value is None or value == "":
        raise bad(MISSING_FIELD, path)
    read = log_time(value)
    if read is None:
        raise bad(BAD_TIME, path, "not a time in a known format")
    if now is not None and read > now + MAX_FUTURE:
        raise bad(FUTURE_TIME, path)
    return read


def maybe_time(record: Mapping[str, Any], path: str, now: int | None = None) -> int | None:
    """The same; None if it is missing or empty.

    Raises:
        BadRecordError: it is no time, or too far in the future.
    """
    return None if find(record, path) in (None, "") else time(record, path, now)


def expiry(record: Mapping[str, Any], path: str) -> int | None:
    """When something expires (ns); None if it is missing, no time, or zero, as Go writes the year 1."""
    read = log_time(find(record, path))
    return read if read is not None and read > 0 else None


def issued_to(address: str | None) -> IssuedTo | None:
    """Who got a credential, if the address can be compared with that of a use: some sources name services instead."""
    return None if address is None or address_of(address) is None else IssuedTo(address)
