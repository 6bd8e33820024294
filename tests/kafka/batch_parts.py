"""Records and batches of any numbers and bytes, whether they fit or not."""

import struct
from typing import Any, Final

from aiokafka import codec as codecs
from aiokafka.record.util import encode_varint

from detector.kafka.columns_check import batch, sealed
from tests.kafka.batch_reference import Bytes

HEADER: Final = 61
LOG_OVERHEAD: Final = 12
_ENCODERS: Final = {
    1: codecs.gzip_encode,
    2: codecs.snappy_encode,
    3: codecs.lz4_encode,
    4: codecs.zstd_encode,
}


def compressed(codec: int, data: bytes) -> bytes:
    return bytes(_ENCODERS[codec](data)) if codec else data


def varint(number: int, widen: int = 0) -> bytes:
    """The number in its usual bytes, or in so many more."""
    made = bytearray()
    encode_varint(((number + (1 << 63)) & ((1 << 64) - 1)) - (1 << 63), made.append)
    if widen:
        made[-1] |= 0x80
        made += b"\x80" * (widen - 1) + b"\0"
    return bytes(made)


def written(  # noqa: PLR0913 - the parts of a record
    *,
    length: int | None = None,
    attributes: int = 0,
    time: int = 0,
    offset: int = 0,
    key: int | None = None,
    key_bytes: bytes = b"",
    value: bytes | int | None = None,
    value_bytes: bytes = b"",
    headers: int | None = None,
    header_bytes: bytes = b"",
    named: bytes | str | None = "",
    widen: tuple[str, int] = ("", 0),
) -> bytes:
    """A record of these numbers and bytes, whether they fit or not."""
    if isinstance(value, bytes):
        value_bytes = value
    numbers = {"attributes": attributes, "time": time, "offset": offset}
    numbers["key"] = -1 if key is None else key
    said = len(value) if isinstance(value, bytes) else value
    numbers["value"] = -1 if said is None else said
    if not isinstance(named, str):
        headers = 1
        header_bytes = (varint(-1) if named is None else varint(len(named)) + named) + varint(-1)
    numbers["headers"] = 0 if headers is None else headers
    wide = {name: varint(number, widen[1] if widen[0] == name else 0) for name, number in numbers.items()}
    body = b"".join(
        (
            wide["attributes"],
            wide["time"],
            wide["offset"],
            wide["key"],
            key_bytes,
            wide["value"],
            value_bytes,
            wide["headers"],
            header_bytes,
        )
    )
    length = len(body) if length is None else length
    return varint(length, widen[1] if widen[0] == "length" else 0) + body


def parts(data: bytes, count: int) -> list[dict[str, Any]]:
    """The parts of records that are right, for `written`."""
    found, at = [], 0
    for _ in range(count):
        record = Bytes(data, at)
        record.number()
        part: dict[str, Any] = {
            "attributes": record.number(),
            "time": record.number(),
            "offset": record.number(),
        }
        for name in ("key", "value"):
            text = record.sized()
            part[name], part[f"{name}_bytes"] = (-1 if text is None else len(text)), text or b""
        part["headers"] = record.number()
        begin = record.at
        for _ in range(part["headers"]):
            record.sized()
            record.sized()
        part["header_bytes"] = data[begin : record.at]
        found.append(part)
        at = record.at
    return found


def framed(  # noqa: PLR0913 - the parts of a batch
    base: int, records: bytes, count: int, last: int, *, codec: int = 0, attributes: int = 0
) -> bytes:
    """A batch of these bytes, which say that they are so many records, of which the last has this offset."""
    made = bytearray(batch(base, [(None, b"", [])])[:HEADER])
    made += compressed(codec, records)
    struct.pack_into(">i", made, 8, len(made) - LOG_OVERHEAD)
    struct.pack_into(">h", made, 21, codec | attributes)
    struct.pack_into(">i", made, 23, last)
    struct.pack_into(">i", made, 57, count)
    return sealed(made)
