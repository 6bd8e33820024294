"""Ids for events of records that have none: a hash of the whole record, so that two equal records are one event.

The hash that an adapter gives could tell whether a guess at a secret in the record is right. So the door through
which all events go (`detector.stages.masking`) puts a keyed hash in its place, before the id is stored, sent, keyed
or counted.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from detector.records.dead_letters import TOO_DEEP, bad
from detector.values.secrets import KeyedHash

_PLAIN: Final = "record-sha256:"
_KEYED: Final = "record:"
_DIGITS: Final = 32  # of the keyed hash: 128 bits


def record_id(record: Mapping[str, Any]) -> str:
    """The id of a record, whatever the order of its fields.

    Raises:
        BadRecordError: it is nested too deep.
    """
    try:
        data = msgspec.json.encode(record, order="deterministic")
    except RecursionError:
        raise bad(TOO_DEEP) from None
    return f"{_PLAIN}{hashlib.sha256(data).hexdigest()}"


def is_record_id(name: str) -> bool:
    """Whether `record_id` made it, or an id that begins so."""
    return name.startswith(_PLAIN)


def hold_record_id(texts: Iterable[str]) -> bool:
    """Whether there may be such an id among many texts: one search."""
    return _PLAIN in "\n".join(texts)


def keyed_record_id(name: str, key: KeyedHash) -> str:
    """What stands in its place: `record:` and 32 hex digits of its HMAC."""
    return f"{_KEYED}{key.digest(name.encode('utf-8', 'replace')).hex()[:_DIGITS]}"
