import gzip
import random
from collections.abc import Callable

import pytest
import zstandard

from detector.ingest.archives import packing, unpacked
from detector.records.blocks import BLOCK
from detector.values.errors import BadRecordError

Pack = Callable[[bytes], bytes]
TEXT = b"".join(b"line %d of a log\n" % random.Random(number).randrange(10**9) for number in range(30_000))


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def unpack(data: bytes, piece: int = 1000) -> tuple[bytes, str | None]:
    kind = packing(data)
    assert kind is not None
    chunks = (data[start : start + piece] for start in range(0, len(data), piece))
    found = []
    try:
        for chunk in unpacked(chunks, kind):
            assert len(chunk) <= BLOCK
            found.append(chunk)
    except BadRecordError as error:
        return b"".join(found), error.reason
    return b"".join(found), None


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
@pytest.mark.parametrize("piece", [1, 1000, 1 << 20])
def test_members_one_after_another_are_one_stream(pack: Pack, piece: int) -> None:
    text = TEXT[:20_000] if piece == 1 else TEXT
    assert unpack(pack(text) + pack(b"") + pack(b"more\n"), piece) == (text + b"more\n", None)


def test_padding_after_a_gzip_member_is_no_member() -> None:
    assert unpack(gzip.compress(TEXT) + b"\0" * 512) == (TEXT, None)


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_an_archive_that_ends_in_the_middle_gives_what_could_be_read(pack: Pack) -> None:
    whole = pack(TEXT)
    for keep in (len(whole) - 1, len(whole) // 2):
        found, reason = unpack(whole[:keep])
        assert reason == "truncated-archive"
        assert TEXT.startswith(found)
    assert found


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_damaged_data_gives_what_stood_before(pack: Pack) -> None:
    found, reason = unpack(pack(TEXT) + packing_magic(pack) + b"rubbish that is no archive" * 9)
    assert reason == "corrupt-archive"
    assert found == TEXT


def packing_magic(pack: Pack) -> bytes:
    return pack(b"")[:4]


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_bomb_goes_by_in_small_chunks(pack: Pack) -> None:
    bomb = pack(b"\0" * (64 * 1024 * 1024))
    sizes = [len(chunk) for chunk in unpacked(iter([bomb]), str(packing(bomb)))]
    assert sum(sizes) == 64 * 1024 * 1024
    assert max(sizes) <= BLOCK


def test_what_is_not_compressed_is_told_by_its_first_bytes() -> None:
    assert packing(b"plain text") is None
    assert packing(b"") is None
