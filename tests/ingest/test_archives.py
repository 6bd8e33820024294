import gzip
import random
import time
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

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
    assert found.rstrip(b"\n") == TEXT.rstrip(b"\n")


def packing_magic(pack: Pack) -> bytes:
    return pack(b"")[:4]


def checked(data: bytes) -> bytes:
    """With a checksum, in blocks."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at:][1:]


@pytest.mark.parametrize("piece", [1, 7, 1000, 1 << 20])
@pytest.mark.parametrize(("pack", "trailer"), [(gzip.compress, 8), (gzip.compress, 4), (checked, 4)])
def test_a_wrong_checksum_or_length_is_told_and_loses_nothing(pack: Pack, trailer: int, piece: int) -> None:
    text = TEXT[:3000] if piece < 1000 else TEXT
    wrong = pack(text)
    wrong = flipped(wrong, len(wrong) - trailer)
    assert unpack(wrong, piece) == (text, "corrupt-archive")
    assert unpack(wrong + pack(b"more\n"), piece) == (text + b"more\n", "corrupt-archive")
    assert unpack(pack(b"first\n") + wrong + wrong, piece) == (b"first\n" + text + text, "corrupt-archive")


@pytest.mark.parametrize("piece", [7, 1000, 1 << 20])
@pytest.mark.parametrize("pack", [gzip.compress, zstd, checked])
def test_damage_in_the_middle_loses_what_stands_behind_it_in_its_member_alone(pack: Pack, piece: int) -> None:
    whole = pack(TEXT)
    for at in (len(whole) // 3, len(whole) // 2):
        found, reason = unpack(whole[:at] + b"\xff" * 40 + whole[at + 40 :] + pack(b"the last line\n"), piece)
        assert reason == "corrupt-archive"
        assert found.endswith(b"the last line\n")  # behind a newline, where the damage showed at once
        common = next(n for n in range(len(found)) if found[n] != TEXT[n])
        assert common > at  # nearly all that stands before the damage


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_what_follows_an_archive_and_is_none_is_told(pack: Pack) -> None:
    assert unpack(pack(TEXT) + b"token=unpacked\n" + pack(b"more\n")) == (
        TEXT + b"\nmore\n",
        "corrupt-archive",
    )


def test_a_zstd_file_may_have_frames_that_are_skipped() -> None:
    skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"token"
    for piece in (1, 1000):
        assert unpack(skipped + zstd(b"a\n") + skipped + checked(b"b\n") + skipped, piece) == (
            b"a\nb\n",
            None,
        )
    assert unpack(skipped[:-1]) == (b"", "truncated-archive")


def test_a_zstd_frame_may_be_wrong_about_its_size() -> None:
    whole = zstandard.ZstdCompressor(write_content_size=True).compress(b"token=x\n" * 20)
    at = 5  # magic, descriptor; of a single segment then its size
    assert unpack(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]) == (
        b"token=x\n" * 20,
        "corrupt-archive",
    )


def test_a_zstd_frame_with_a_window_too_large_to_hold_is_told_and_the_next_is_read() -> None:
    large = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(window_log=29, enable_ldm=True)
    )
    stream = large.compressobj()
    data = stream.compress(b"far\n") + stream.flush()
    assert unpack(data + zstd(b"near\n")) == (b"\nnear\n", "corrupt-archive")


def test_many_damaged_members_take_no_more_time_than_their_size_allows() -> None:
    false = (gzip.compress(b"x")[:10] + b"\xff") * 50_000
    begin = time.monotonic()
    _, reason = unpack(gzip.compress(b"a\n") + false)
    assert reason == "corrupt-archive"
    assert time.monotonic() - begin < 10


@given(
    st.sampled_from([gzip.compress, zstd, checked]),
    st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=9), st.integers(0, 9)), max_size=3),
)
def test_whatever_is_damaged_nothing_is_raised_but_a_bad_record(
    pack: Pack, edits: list[tuple[int, bytes, int]]
) -> None:
    data = pack(TEXT[:5000]) + pack(TEXT[:5000])
    for at, new, cut in edits:
        place = 4 + at % (len(data) - 4)
        data = data[:place] + new + data[place + cut :]
    unpack(data)


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_bomb_goes_by_in_small_chunks(pack: Pack) -> None:
    bomb = pack(b"\0" * (64 * 1024 * 1024))
    sizes = [len(chunk) for chunk in unpacked(iter([bomb]), str(packing(bomb)))]
    assert sum(sizes) == 64 * 1024 * 1024
    assert max(sizes) <= BLOCK


def test_what_is_not_compressed_is_told_by_its_first_bytes() -> None:
    assert packing(b"plain text") is None
    assert packing(b"") is None
