"""Compressed files that are read from any place: the frames of Zstandard and the blocks of bgzip."""

import gzip
import random
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import zstandard

from detector.ingest import frames as frames_module
from detector.ingest import sources as sources_module
from detector.ingest.archives import GZIP, ZSTD
from detector.ingest.frames import Frames, framed, frames_of
from detector.ingest.inputs import find_sources
from detector.ingest.members import Bytes
from detector.ingest.sources import Source
from detector.ingest.stored_sources import opened, stored
from detector.ingest.units import units
from detector.values.errors import BadRecordError
from tests.ingest.archives_made import bgzip

TEXT = b"".join(b"line %d %x\n" % (n, random.Random(n).getrandbits(64)) for n in range(20_000))
BLOCK = 50_000


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames_module, "LEAST", 1)
    monkeypatch.setattr(sources_module, "_LEAST_FRAMED", 1)


def blocks(text: bytes = TEXT) -> list[bytes]:
    return [text[at : at + BLOCK] for at in range(0, len(text), BLOCK)]


def zstd_frames(
    text: bytes = TEXT, *, checksum: bool = False, table: bool = False, sizes: bool = True
) -> bytes:
    packer = zstandard.ZstdCompressor(3, write_checksum=checksum, write_content_size=sizes)
    packed = [packer.compress(block) for block in blocks(text)]
    return b"".join(packed) + (_seek_table(packed, blocks(text)) if table else b"")


def _seek_table(packed: list[bytes], made: list[bytes]) -> bytes:
    entries = b"".join(
        struct.pack("<II", len(one), len(other)) for one, other in zip(packed, made, strict=True)
    )
    footer = struct.pack("<IBI", len(packed), 0, 0x8F92EAB1)
    return struct.pack("<II", 0x184D2A5E, len(entries) + len(footer)) + entries + footer


def pzstd() -> bytes:
    """As pzstd writes it: a skippable frame before each, with its length."""
    packed = [zstandard.ZstdCompressor().compress(block) for block in blocks()]
    return b"".join(struct.pack("<III", 0x184D2A50, 4, len(one)) + one for one in packed)


KINDS = {
    "bgzip": (bgzip(TEXT, BLOCK), GZIP),
    "zstd frames": (zstd_frames(), ZSTD),
    "zstd frames with checksums": (zstd_frames(checksum=True), ZSTD),
    "pzstd": (pzstd(), ZSTD),
    "seekable zstd": (zstd_frames(table=True), ZSTD),
}


def raw_of(data: bytes) -> Bytes:
    def read(start: int, end: int) -> Iterator[bytes]:
        yield data[start:end]

    return read


def index(data: bytes, packing: str, *, near: bool = True) -> Frames | None:
    return frames_of(raw_of(data), len(data), packing, near=near)


@pytest.mark.parametrize("kind", KINDS)
def test_any_range_is_read(kind: str) -> None:
    data, packing = KINDS[kind]
    found = index(data, packing)
    assert found is not None
    assert len(found.packed) >= len(blocks())
    assert found.size == len(TEXT)
    read = framed(raw_of(data), found)
    rng = random.Random(5)
    for _ in range(50):
        start, end = sorted(rng.choices(range(len(TEXT) + 1), k=2))
        assert b"".join(read(start, end)) == TEXT[start:end]
    assert b"".join(read(0, len(TEXT))) == TEXT


def test_what_has_no_parts_is_read_whole() -> None:
    whole = {
        "gzip": (gzip.compress(TEXT), GZIP),
        "one frame": (zstandard.ZstdCompressor().compress(TEXT), ZSTD),
        "frames without sizes": (zstd_frames(sizes=False), ZSTD),
        "a cut file": (bgzip(TEXT, BLOCK)[:-40], GZIP),
        "gzip behind bgzip": (bgzip(TEXT, BLOCK) + gzip.compress(TEXT), GZIP),
        "frames, then something": (zstd_frames() + b"x" * 30, ZSTD),
    }
    assert {name: index(*each) for name, each in whole.items()} == dict.fromkeys(whole)


def test_far_away_only_a_seek_table_is_asked_for() -> None:
    for kind, (data, packing) in KINDS.items():
        assert (index(data, packing, near=False) is not None) == (kind == "seekable zstd"), kind


def sources(*paths: str) -> Sequence[Source]:
    return find_sources(paths)[0]


@pytest.mark.parametrize("kind", ["bgzip", "seekable zstd"])
def test_its_units_are_those_of_the_file_unpacked(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain.log").write_bytes(TEXT)
    Path("packed.log").write_bytes(KINDS[kind][0])
    packed, plain = sources("packed.log", "plain.log")
    assert (packed.packing, packed.size, packed.whole) == (None, len(TEXT), False)
    cuts = [(unit.start, unit.end) for unit in units([packed], 30_000)]
    assert len(cuts) > 10
    assert cuts == [(unit.start, unit.end) for unit in units([plain], 30_000)]
    again = opened(stored(packed))
    assert b"".join(b"".join(again.chunks(*cut)) for cut in cuts) == TEXT


def test_a_damaged_part_costs_no_other() -> None:
    data, packing = KINDS["zstd frames with checksums"]
    found = index(data, packing)
    assert found is not None
    broken = bytearray(data)
    for at in range(found.packed[3] + 30, found.packed[4] - 30):
        broken[at] ^= 0x55
    read = framed(raw_of(bytes(broken)), found)
    given: list[bytes] = []
    with pytest.raises(BadRecordError, match="corrupt-archive"):
        given.extend(read(0, len(TEXT)))
    text = b"".join(given)
    assert len(text) == len(TEXT)
    assert (text[: 3 * BLOCK], text[4 * BLOCK :]) == (TEXT[: 3 * BLOCK], TEXT[4 * BLOCK :])
    assert b"".join(read(4 * BLOCK, len(TEXT))) == TEXT[4 * BLOCK :]


def test_a_seek_table_that_says_too_little_hides_nothing() -> None:
    """What a frame holds beyond is read, and the file is told to be damaged."""
    packed = [zstandard.ZstdCompressor().compress(block) for block in blocks()]
    table = _seek_table(packed, [block[:100] for block in blocks()])
    data = b"".join(packed) + table
    found = index(data, ZSTD, near=False)
    assert found is not None
    given: list[bytes] = []
    with pytest.raises(BadRecordError, match="corrupt-archive"):
        given.extend(framed(raw_of(data), found)(0, found.size))
    assert b"".join(given) == TEXT
