"""Kafka Connect's JSON converter with schemas: `{"schema": …, "payload": …}` around every value.

The envelope gives nobody new rights: whoever can write the payload could also write it without the envelope. It is
recognised only as Connect writes it, without spaces. Any other object of this form is not unwrapped.
"""

from collections.abc import Iterator
from typing import Final

from detector.adapters.adapter import Carrier, Record
from detector.records.dead_letters import MISSING_FIELD, bad
from detector.records.log_records import Read

_NAMES: Final = {"schema", "payload"}


def _is_envelope(record: Record) -> bool:
    schema = record.get("schema")
    return record.keys() == _NAMES and (schema is None or (isinstance(schema, dict) and "type" in schema))


def _payload(record: Record, _now: int) -> Iterator[Record | str | Read]:
    payload = record["payload"]
    if isinstance(payload, dict | str):
        yield payload
    elif isinstance(payload, list):
        yield from (one for one in payload if isinstance(one, dict | str))
    else:
        raise bad(MISSING_FIELD, "payload")


CARRIERS: Final = (
    Carrier("connect", (b'{"schema":{', b'{"schema":null'), _is_envelope, _payload, audit=True),
)
