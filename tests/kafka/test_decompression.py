"""Record batches decompress to their original bytes, and never to more than the limit."""

import gzip
import itertools
import os
import random
from collections.abc import Iterator

import cramjam
import pytest
import zstandard
from aiokafka import codec
from aiokafka.record import default_records
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from detector.kafka import decompression
from detector.kafka.decompression import TooMuchError

LIMIT = 1 << 20
ENCODERS = {
    "gzip_decode": codec.gzip_encode,
    "snappy_decode": codec.snappy_encode,
    "lz4_decode": codec.lz4_encode,
    "zstd_decode": codec.zstd_encode,
}
CODECS = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}


@pytest.mark.parametrize("name", ENCODERS)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.integers(1, 300_000).map(lambda n: random.Random(n).randbytes(n % 99) * (n // 99)),
    )
)
def test_what_was_compressed_comes_back(name: str, data: bytes) -> None:
    assert decompression.DECODERS[name](bytes(ENCODERS[name](data)), LIMIT) == data


@pytest.mark.parametrize("name", ENCODERS)
def test_the_limit_is_exact_where_it_can_be_and_never_passed(name: str) -> None:
    decode, encode = decompression.DECODERS[name], ENCODERS[name]
    at_limit = os.urandom(LIMIT // 2) + bytes(LIMIT // 2)
    assert decode(bytes(encode(at_limit)), LIMIT) == at_limit
    with pytest.raises(TooMuchError):
        decode(bytes(encode(at_limit + bytes(1 << 20))), LIMIT)


def test_other_ways_to_write_the_same() -> None:
    """A raw snappy block, frames one after another, a frame without its size, as other clients write them."""
    data = b"a line of a log " * 1000
    assert decompression.snappy(bytes(cramjam.snappy.compress_raw(data)), LIMIT) == data
    assert decompression.gzip(gzip.compress(data) + gzip.compress(b"more"), LIMIT) == data + b"more"
    assert decompression.lz4(bytes(cramjam.lz4.compress(data)) * 2, LIMIT) == data * 2
    stream = zstandard.ZstdCompressor(write_content_size=False)
    assert decompression.zstd(stream.compress(data) + stream.compress(data), LIMIT) == data * 2


def test_a_length_that_only_claims_to_be_large_is_not_believed_into_memory() -> None:
    with pytest.raises(TooMuchError):
        decompression.snappy(b"\xff\xff\xff\xff\x0f" + b"\x00" * 20, LIMIT)


@pytest.mark.parametrize("name", ENCODERS)
@given(st.binary(min_size=1, max_size=200), st.integers(0, 100), st.booleans())
def test_garbage_ends_in_an_error_or_in_little(name: str, noise: bytes, at: int, whole: bool) -> None:  # noqa: FBT001 - drawn
    good = bytes(ENCODERS[name](b"some text " * 50))
    data = noise if whole else good[: at % len(good)] + noise
    try:
        made = decompression.DECODERS[name](data, LIMIT)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - whatever a decompressor raises, the poll takes as unreadable
        made = b""
    assert len(made) <= LIMIT


@pytest.mark.parametrize("name", ENCODERS)
def test_what_was_cut_is_never_taken_for_whole(name: str) -> None:
    """A batch may be cut between two of its blocks: then its records are too few."""
    data = b"".join(b"%d," % number for number in range(400))
    good = bytes(ENCODERS[name](data))
    between = {0} if name != "snappy_decode" else {0, decompression.XERIAL_HEADER}
    for cut in set(range(len(good))) - between:
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever a decompressor raises
            decompression.DECODERS[name](good[:cut], LIMIT)


def test_zstandard_frames_of_every_kind_are_whole() -> None:
    data = b"a line of a log " * 100_000
    skipped = b"\x53\x2a\x4d\x18\x03\0\0\0abc"
    for options in itertools.product((False, True), repeat=2):
        writer = zstandard.ZstdCompressor(write_content_size=options[0], write_checksum=options[1])
        for some in (b"", b"x", data[:300], data, os.urandom(300_000)):
            made = writer.compress(some)
            assert decompression.zstd(made + skipped + made, 1 << 24) == some * 2
            for frames in (made[:-1], made + skipped + made[:-1], made + skipped[:-1]):
                with pytest.raises(Exception, match=r"too early|[Zz]std|[Uu]nknown"):
                    decompression.zstd(frames, 1 << 24)


def test_snappy_blocks_of_negative_size_end() -> None:
    header = b"\x82SNAPPY\x00" + bytes(8)
    with pytest.raises(ValueError, match="ends too early"):
        decompression.snappy(header + b"\xff\xff\xff\xfc" + bytes(20), LIMIT)


@pytest.fixture
def installed() -> Iterator[None]:
    modules = [codec, __import__("sys").modules[DefaultRecordBatch.__module__]]
    before = [(module, name, getattr(module, name)) for module in modules for name in ENCODERS]
    decompression.install(LIMIT)
    yield
    for module, name, function in before:
        setattr(module, name, function)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("number", CODECS)
def test_aiokafka_is_held_to_it(number: int) -> None:
    def batch(value: bytes) -> DefaultRecordBatch:
        builder = DefaultRecordBatchBuilder(
            2,
            number,
            is_transactional=0,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=0,
            batch_size=1 << 26,
        )
        builder.append(0, 0, None, value, [])
        return default_records.DefaultRecordBatch(bytes(builder.build()))

    assert [record.value for record in batch(b"x" * 1000)] == [b"x" * 1000]
    with pytest.raises(TooMuchError):
        list(batch(bytes(3 * LIMIT)))
