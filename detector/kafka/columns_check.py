"""Checks, before it is relied on, that columns hold what aiokafka's own records do."""

import struct
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

Written = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]

_ATTRIBUTES: Final = 21  # where a batch has them; its checksum is before them, and of all from there on
_CRC: Final = 17
_APPEND_TIME: Final = 0x08
_CONTROL: Final = 0x20
_LZ4: Final = 3
_ABORTED: Final = 7  # a producer
_RECORDS: Final[tuple[Written, ...]] = (
    (b"key", b"value" * 1000, []),  # so long that the checksum is one of ours
    (None, b"", [("name", b"value"), ("none", None)]),
    (b"", None, []),
)
_ABORT: Final[tuple[Written, ...]] = ((b"\0\0\0\0", b"\0\0\0\0\0\0", []),)
_TIME: Final = 1000
_OFFSET: Final = 1
_MOST: Final = 2
_POLLS: Final = [2, 2, 1]


@cache
def columns_work() -> bool:
    """Whether this aiokafka gives columns, and they are right."""
    try:
        from detector.kafka.raw_batches import both_ways  # noqa: PLC0415 - not every aiokafka has what it needs

        batches = (
            batch(0, _RECORDS),
            batch(3, _RECORDS, producer=_ABORTED),
            batch(6, _ABORT, producer=_ABORTED, attributes=_CONTROL),
            batch(9, _RECORDS, codec=_LZ4, attributes=_APPEND_TIME),
        )
        columns, records = both_ways(b"".join(batches), [(_ABORTED, 3)], _OFFSET, _MOST, 1 << 20)
        polls = list(columns)
        return (
            [len(poll) for poll in polls] == _POLLS
            and [fields(each) for poll in polls for each in poll] == [fields(each) for each in records]
            and columns.next_fetch_offset == records.next_fetch_offset
        )
    except Exception:  # noqa: BLE001 - another aiokafka may raise whatever it likes here
        return False


def batch(
    base: int, records: Sequence[Written], *, codec: int = 0, producer: int = -1, attributes: int = 0
) -> bytes:
    """A batch from the offset `base` on; of a `producer` it is part of a transaction."""
    builder = DefaultRecordBatchBuilder(
        2,
        codec,
        is_transactional=producer >= 0,
        producer_id=producer,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 20,
    )
    for offset, (key, value, headers) in enumerate(records):
        builder.append(offset, _TIME + offset, key, value, list(headers))
    made = bytearray(builder.build())
    struct.pack_into(">q", made, 0, base)
    made[_ATTRIBUTES + 1] |= attributes
    return sealed(made)


def sealed(made: bytearray) -> bytes:
    """The batch with its checksum."""
    struct.pack_into(">I", made, _CRC, calc_crc32c(bytes(made[_ATTRIBUTES:])))
    return bytes(made)


def fields(record: Any) -> tuple[Any, ...]:
    """What must be the same, however a record was read. aiokafka has None where there is no timestamp."""
    timestamp = -1 if record.timestamp is None else record.timestamp
    return record.offset, timestamp, record.key, record.value, tuple(record.headers)
