"""Fetches as a broken or hostile broker, or a hostile producer, might make them: seeded, from good batches.

Each is made of batches of every format, codec and kind, of which something is changed: bits, fields of the header,
numbers of the records (inside what is compressed, too), lengths, the order of batches. Most get the checksum that then
fits, so that the change is not found by that alone.
"""

import random
import struct
import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

from detector.kafka.columns_check import Written, batch, sealed
from tests.kafka import batch_reference
from tests.kafka.batch_parts import HEADER, LOG_OVERHEAD, compressed, framed, parts, written

SMALLEST: Final = 26  # bytes of any batch
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
CODECS: Final = (0, GZIP, SNAPPY, LZ4, ZSTD)
APPEND_TIME, CONTROL = 0x08, 0x20
PRODUCERS: Final = (7, 8)
FIELDS: Final = {  # of a batch's header: where each is, and its format
    "base offset": (0, ">q"),
    "length": (8, ">i"),
    "leader epoch": (12, ">i"),
    "magic": (16, ">b"),
    "attributes": (21, ">h"),
    "last offset": (23, ">i"),
    "first time": (27, ">q"),
    "latest time": (35, ">q"),
    "producer": (43, ">q"),
    "epoch": (51, ">h"),
    "sequence": (53, ">i"),
    "count": (57, ">i"),
}
OLD_FIELDS: Final = {
    "base offset": (0, ">q"),
    "length": (8, ">i"),
    "magic": (16, ">b"),
    "attributes": (17, ">b"),
    "latest time": (18, ">q"),
    "key": (26, ">i"),
}
EDGES: Final = (
    0,
    1,
    -1,
    2,
    3,
    7,
    63,
    64,
    127,
    128,
    255,
    1 << 14,
    1 << 30,
    (1 << 31) - 1,
    1 << 31,
    -(1 << 31),
)
WIDE_EDGES: Final = (*EDGES, 1 << 40, 1 << 62, (1 << 63) - 1, (1 << 63) - 2, -(1 << 63))


class Batch(NamedTuple):
    """Its bytes, and its last offset as its broker knows it."""

    data: bytes
    last: int


class Fetch(NamedTuple):
    """What a broker has: batches, and aborted transactions (producer, first offset, that of the marker).

    It is read from an offset on, so many records at once. `change` says what is wrong with it.
    """

    batches: tuple[Batch, ...]
    aborted: tuple[tuple[int, int, int], ...]
    offset: int
    most: int
    change: str

    def answer(self, offset: int) -> tuple[bytes, list[tuple[int, int]]]:
        """What a broker answers from an offset on: the bytes of its batches, and which transactions are aborted."""
        first = next((at for at, each in enumerate(self.batches) if each.last >= offset), len(self.batches))
        data = b"".join(each.data for each in self.batches[first:])
        return data, [(producer, begin) for producer, begin, end in self.aborted if end >= offset]


def fetch(rng: random.Random) -> Fetch:
    """One with something wrong, most often."""
    batches, aborted = _good(rng)
    end = batches[-1].last + 1
    changes = [_change(batches, rng) for _ in range(rng.choice((1, 1, 1, 1, 2)))]
    if not rng.randrange(8):
        aborted = [(rng.choice(PRODUCERS), rng.randrange(end), end) for _ in range(rng.randrange(3))]
    offset = 0 if rng.randrange(3) else rng.randrange(end + 1)
    return Fetch(tuple(batches), tuple(aborted), offset, rng.choice((1, 2, 3, 100)), ", ".join(changes))


def _good(rng: random.Random) -> tuple[list[Batch], list[tuple[int, int, int]]]:
    batches: list[Batch] = []
    aborted: list[tuple[int, int, int]] = []
    base = rng.choice((0, 0, 0, 5, 1000))
    magic = rng.choice((0, 1, *[2] * 10))
    for _ in range(rng.randint(1, 4)):
        kind, count, codec = rng.randrange(10), rng.randint(1, 4), rng.choice(CODECS)
        if magic < 2 or not rng.randrange(50):
            made, count = _old(base, count, min(magic, 1), rng)
        elif kind == 1:
            made = _compacted(base, count, rng)
        elif kind < 5:
            producer, abort = rng.choice(PRODUCERS), rng.randrange(2)
            if abort:
                aborted.append((producer, base, base + count))
            made = batch(base, _records(count, rng), codec=codec, producer=producer)
            batches.append(Batch(made, base + count - 1))
            base, count = base + count, 1
            marker: list[Written] = [(b"\0\0\0" + bytes([not abort]), b"\0\0\0\0\0\0", [])]
            made = batch(base, marker, producer=producer, attributes=CONTROL)
        else:
            made = batch(base, _records(count, rng), codec=codec, attributes=rng.choice((0, 0, APPEND_TIME)))
        batches.append(Batch(made, base + count - 1))
        base += count + rng.choice((0, 0, 0, 2))
    return batches, aborted


def _records(count: int, rng: random.Random) -> list[Written]:
    texts: tuple[bytes | None, ...] = (None, b"", b"key", b"a value " * 20, bytes(range(150)))
    headers: tuple[list[tuple[str, bytes | None]], ...] = (
        [],
        [],
        [("name", b"value"), ("none", None)],
        [("", b"")],
    )
    return [(rng.choice(texts), rng.choice(texts), rng.choice(headers)) for _ in range(count)]


def _old(base: int, count: int, magic: int, rng: random.Random) -> tuple[bytes, int]:
    """A batch of the formats before: uncompressed it is one record."""
    codec = rng.choice((0, GZIP, SNAPPY, LZ4))
    codec = 0 if magic == 0 and codec == LZ4 else codec
    count = count if codec else 1
    builder = LegacyRecordBatchBuilder(magic, codec, 1 << 20)
    for number in range(count):
        builder.append(
            number if magic else base + number, 1000 + number, rng.choice((None, b"key")), b"old" * number
        )
    made = bytearray(builder.build())
    struct.pack_into(">q", made, 0, base + count - 1)
    return old_sealed(made), count


def old_sealed(made: bytearray) -> bytes:
    """The message with its checksum."""
    struct.pack_into(">I", made, LOG_OVERHEAD, zlib.crc32(bytes(made[16:])))
    return bytes(made)


def _compacted(base: int, count: int, rng: random.Random) -> bytes:
    """A batch that lost some of its records, perhaps all; also a marker's."""
    kept = sorted(rng.sample(range(count), rng.randrange(count + 1)))
    records = [written(offset=each, value=b"kept") for each in kept]
    attributes = 0 if kept else rng.choice((0, 0, CONTROL, CONTROL | 0x10))
    return framed(base, b"".join(records), len(kept), count - 1, attributes=attributes)


def _change(batches: list[Batch], rng: random.Random) -> str:
    """Changes one of the batches, or their order; which change it was."""
    at = rng.randrange(len(batches))
    made = bytearray(batches[at].data)
    if len(made) < SMALLEST:  # changed before
        return _reorder(batches, rng)
    old = made[16] < 2
    name = rng.choice(_OLD_CHANGES if old else tuple(_CHANGES))
    if name == "order":
        return _reorder(batches, rng)
    if len(made) <= HEADER and not old:
        name = "bits"
    changed, what = _CHANGES[name](made, rng)
    if name != "cut" and rng.random() < 0.9:
        changed = (old_sealed if old else sealed)(bytearray(changed))
    batches[at] = Batch(bytes(changed), batches[at].last)
    return what


def _reorder(batches: list[Batch], rng: random.Random) -> str:
    which, at = rng.choice(("twice", "gone", "swapped")), rng.randrange(len(batches))
    if which == "twice":
        batches.insert(rng.randrange(len(batches) + 1), batches[at])
    elif which == "gone" and len(batches) > 1:
        del batches[at]
    else:
        rng.shuffle(batches)
    return f"batches {which}"


def _bits(made: bytearray, rng: random.Random) -> tuple[bytes, str]:
    for _ in range(rng.choice((1, 1, 3))):
        made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made), "bits"


def _bits_of_records(made: bytearray, rng: random.Random) -> tuple[bytes, str]:
    for _ in range(rng.choice((1, 1, 3))):
        made[rng.randrange(min(HEADER - 4, len(made) - 1), len(made))] ^= 1 << rng.randrange(8)
    return bytes(made), "bits of records"


def _field(made: bytearray, rng: random.Random) -> tuple[bytes, str]:
    fields = OLD_FIELDS if made[16] < 2 else FIELDS
    name, (at, form) = rng.choice(tuple(fields.items()))
    size = struct.calcsize(form)
    made += bytes(max(at + size - len(made), 0))  # what was changed before may be short
    (now,) = struct.unpack_from(form, made, at)
    number = rng.choice(
        (rng.choice(WIDE_EDGES), now + rng.choice((-2, -1, 1, 2, 10)), rng.randrange(-80, 80))
    )
    struct.pack_into(form.upper(), made, at, number & ((1 << 8 * size) - 1))
    return bytes(made), name


def _cut(made: bytearray, rng: random.Random) -> tuple[bytes, str]:
    """Without its end, whatever it says of its length."""
    del made[rng.randrange(len(made)) :]
    return bytes(made), "cut"


def _cut_and_fitted(made: bytearray, rng: random.Random) -> tuple[bytes, str]:
    """Without its end, or with more, and a length that fits."""
    if rng.randrange(2):
        del made[rng.randrange(SMALLEST, len(made) + 1) :]
    else:
        made += rng.choice((b"\0", bytes(7), rng.randbytes(9)))
    struct.pack_into(">i", made, 8, len(made) - LOG_OVERHEAD)
    return bytes(made), "cut and fitted"


def _numbers(made: bytearray, rng: random.Random) -> tuple[bytes, str]:
    """With other numbers in its records, in what is compressed, too."""
    codec = made[22] & 7
    try:
        records = parts(
            batch_reference.plain(codec, bytes(made[HEADER:])), struct.unpack_from(">i", made, 57)[0]
        )
    except Exception:  # noqa: BLE001 - changed before, so that it cannot be read
        return _bits_of_records(made, rng)
    if not records:
        return _bits_of_records(made, rng)
    name = rng.choice(
        ("length", "attributes", "time", "offset", "key", "value", "headers", "name", "long", "drop")
    )
    at = rng.randrange(len(records))
    part = dict(records[at])
    if name == "drop":
        del records[at]
    elif name == "long":
        part["widen"] = (
            rng.choice(("length", "time", "offset", "key", "value", "headers")),
            rng.randint(1, 10),
        )
    elif name == "name":
        part["named"] = rng.choice((b"\xff\xfe", None, b"\xc3\xa9", bytes(300)))
    else:
        now = part.get(name, 0)
        part[name] = rng.choice(
            (rng.choice(WIDE_EDGES), now + rng.choice((-2, -1, 1, 2)), rng.randrange(-9, 99))
        )
    if name != "drop":
        records[at] = part
    raw = b"".join(written(**each) for each in records) + rng.choice((b"", b"", b"", b"\0"))
    head = bytes(made[:HEADER])
    made = bytearray(head + compressed(codec, raw))
    struct.pack_into(">i", made, 8, len(made) - LOG_OVERHEAD)
    return bytes(made), f"{name} of a record"


_CHANGES: Final[dict[str, Callable[[bytearray, random.Random], tuple[bytes, str]]]] = {
    "bits": _bits,
    "bits of records": _bits_of_records,
    "field": _field,
    "field ": _field,
    "cut": _cut,
    "cut and fitted": _cut_and_fitted,
    "numbers": _numbers,
    "numbers ": _numbers,
    "numbers  ": _numbers,
    "order": _bits,  # see `_reorder`
}
_OLD_CHANGES: Final = ("bits", "field", "field", "cut", "cut and fitted", "order")
