"""What is read of ZIP and tar archives, and what is said of the rest."""

import io
import os
import shutil
import stat
import struct
import sys
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from detector.configuration.trust_settings import TrustEntry
from detector.ingest import archive_sources, members
from detector.ingest.declarations import Declarations
from detector.ingest.files import read
from detector.ingest.inputs import find_sources
from detector.ingest.range_reader import Reading
from detector.ingest.sources import Source
from detector.ingest.trust.policy import TrustPolicy
from detector.ingest.units import units
from detector.records.dead_letters import DeadLetter
from detector.values.errors import InputError
from detector.values.times import HOUR, SECOND, format_rfc3339
from tests.ingest.archives_made import MODIFIED, gzipped, streamed, tarred, zipped, zstd
from tests.ingest.collecting import NOW, Collector
from tests.ingest.test_inputs import _Stdin

TREE = {
    "0_build.txt": b"2026-05-01T10:00:00.1234567Z MARK of the job\n",
    "build/3_Run the tests.txt": b"\xef\xbb\xbf2026-05-01T10:00:01.1234567Z ##[group]MARK\nMARK\n",
    "events/audit.jsonl": b'{"specversion": "1.0", "id": "1", "source": "ci", "type": "task.ended", '
    b'"time": "2026-05-01T00:00:00Z", "data": {"task_id": "t"}}\n',
    "logs/app.log.gz": gzipped(b"MARK in gzip\n"),
    "logs/big.log": b"a line of a log\n" * 40_000 + b"MARK\n",
}
PACKED = {
    "zip": zipped(TREE),
    "stored": zipped(TREE, zipfile.ZIP_STORED),
    "tar": tarred(TREE),
    "tar.gz": gzipped(tarred(TREE)),
    "tar.zst": zstd(tarred(TREE)),
    "zip.gz": gzipped(zipped(TREE)),
}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def make(content: bytes, name: str = "a.zip") -> tuple[Sequence[Source], list[DeadLetter]]:
        Path(name).write_bytes(content)
        os.utime(name, ns=(NOW - HOUR, NOW - HOUR))
        return find_sources([name])

    return make


def texts(sources: Sequence[Source]) -> dict[str, bytes]:
    return {source.name: b"".join(source.content()) for source in sources}


def seen_in(source: Source) -> Collector:
    sink = Collector()
    for unit in units([source], 100_000):
        read(source, unit.start, unit.end, sink, Reading(NOW))
    return sink


@pytest.mark.parametrize("kind", sorted(PACKED))
def test_members_are_sources_by_their_names(made: Any, kind: str) -> None:
    sources, letters = made(PACKED[kind], f"run.{kind}")
    assert letters == []
    plain = {**TREE, "logs/app.log.gz": b"MARK in gzip\n"}
    assert texts(sources) == {f"run.{kind}!{name}": data for name, data in plain.items()}
    assert {source.format for source in sources} == {"text", "jsonl"}
    marked = [at for source in sources for at in seen_in(source).marked()]
    assert len(marked) == 5
    assert {(at.stream, at.time) for at in marked} == {
        ("build", "2026-05-01T10:00:00.123456700Z"),
        ("build/Run the tests", "2026-05-01T10:00:01.123456700Z"),
        (None, "2026-05-02T00:00:00Z"),
    }
    assert sum(len(seen_in(source).events) for source in sources) == 1


@pytest.mark.parametrize(
    "pack", [zipped, tarred, lambda files: gzipped(tarred(files))], ids=["zip", "tar", "tar.gz"]
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    files=st.dictionaries(
        st.from_regex(r"[a-zé]{1,9}(/[a-z]{1,9}\.log)?", fullmatch=True),
        st.lists(
            st.sampled_from([b"MARK", b"2026-05-01T00:00:00Z MARK", b'{"message": "MARK"}', b"", b"text\r"])
        ).map(lambda lines: b"".join(line + b"\n" for line in lines)),
        max_size=5,
    )
)
@example(files={"a": b""})
def test_a_tree_that_is_packed_is_read_as_the_tree(made: Any, pack: Any, files: dict[str, bytes]) -> None:
    files = {f"{number}/{name}": data for number, (name, data) in enumerate(files.items())}
    sources, letters = made(pack(files))
    told = {letter.source: letter.reason for letter in letters}
    folder = Path("tree")
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(MODIFIED, MODIFIED))
        ((unpacked,), _) = find_sources([str(path)])
        (member,) = (source for source in sources if source.name == f"a.zip!{name}")
        expected, found = seen_in(unpacked), seen_in(member)
        assert [letter.reason for letter in found.letters] == [letter.reason for letter in expected.letters]
        timeless = format_rfc3339(MODIFIED)  # the replay gives it, as the file's
        assert [(one.text, one.line, one.time) for one in found.marked()] == [
            (one.text, one.line, timeless if one.time is None else one.time) for one in expected.marked()
        ]
    empty = {"a.zip": "empty"} if pack is zipped else {}  # an empty tar is nothing but zeros: binary
    assert told == ({} if files else empty)


@pytest.mark.parametrize(
    "inner", [zipped, tarred, lambda files: gzipped(tarred(files))], ids=["zip", "tar", "tar.gz"]
)
@pytest.mark.parametrize(
    "outer", [zipped, tarred, lambda files: gzipped(tarred(files))], ids=["zip", "tar", "tar.gz"]
)
def test_an_archive_in_an_archive_is_opened_and_none_below(made: Any, inner: Any, outer: Any) -> None:
    below = inner({"deep.log": b"MARK\n", "deepest.zip": zipped({"x": b"MARK\n"}, zipfile.ZIP_STORED)})
    sources, letters = made(outer({"in.pack": below}))
    assert [source.name for source in sources] == ["a.zip!in.pack!deep.log", "a.zip!in.pack!deepest.zip"]
    assert letters == []
    deep, deepest = map(seen_in, sources)
    assert (len(deep.marked()), deep.letters) == (1, [])
    assert len(deepest.marked()) == 1  # scanned as it stands
    assert [(letter.source, letter.reason) for letter in deepest.letters] == [
        ("a.zip!in.pack!deepest.zip", "unsupported-archive")
    ]


def test_names_name_and_do_nothing_else(made: Any, tmp_path: Path) -> None:
    names = [
        "/etc/passwd",
        "../../up.log",
        "a\x1b[31m\u202e.log",
        "same.log",
        "same.log",
        "same.log#2",
        "C:\\x",
        "a" * 5000,
    ]
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = zipped([(name, b"MARK\n") for name in names])
    sources, letters = made(content)
    assert letters == []
    assert sorted(source.name for source in sources) == sorted(
        f"a.zip!{name}" for name in (*names[:4], "same.log#3", "same.log#2", "C:\\x", "a" * 1024 + "…")
    )
    assert all(len(seen_in(source).marked()) == 1 for source in sources)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]


def test_names_that_are_not_utf8_are_shown_as_those_of_files(made: Any) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", errors="surrogateescape") as archive:
        for name in ("\udc80.log", "github-job-\udcff.log", "logs\udcfe/\udc80"):
            member = tarfile.TarInfo(name)
            member.size = 5
            archive.addfile(member, io.BytesIO(b"MARK\n"))
    sources, letters = made(content.getvalue())
    assert letters == []
    names = [r"a.zip!\x80.log", r"a.zip!github-job-\xff.log", r"a.zip!logs\xfe/\x80"]
    assert [source.name for source in sources] == names
    assert all(len(seen_in(source).marked()) == 1 for source in sources)
    assert all(msgspec.json.encode(source.member) for source in sources)


def test_a_folder_that_holds_data_is_read(made: Any) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.mkdir("empty")
        archive.writestr(zipfile.ZipInfo("logs/"), b"MARK of a folder\n")
    for size in (17, 0):  # as its list says
        hidden = bytearray(content.getvalue())
        struct.pack_into("<I", hidden, hidden.rfind(b"PK\x01\x02") + 24, size)
        sources, letters = made(bytes(hidden))
        assert (letters, texts(sources)) == ([], {"a.zip!logs/": b"MARK of a folder\n"})
    packed = bytearray(zipped({"logs/": b"MARK " * 99}))
    struct.pack_into("<I", packed, packed.rfind(b"PK\x01\x02") + 24, 0)
    sources, letters = made(bytes(packed))
    assert "corrupt-archive" in [letter.reason for source in sources for letter in seen_in(source).letters]


def test_a_file_keeps_its_name_where_a_member_has_the_same(made: Any) -> None:
    made(zipped({"a.log": b"MARK member\n"}))
    Path("a.zip!a.log").write_bytes(b"MARK file\n")
    sources, _ = find_sources(["."])
    assert texts(sources) == {"a.zip!a.log": b"MARK file\n", "a.zip!a.log#2": b"MARK member\n"}


def test_links_and_devices_are_passed_over_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            member = tarfile.TarInfo(f"odd-{kind!r}")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        member = tarfile.TarInfo("a.log")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"MARK\n"))
    Path("a.tar").write_bytes(content.getvalue())
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile("b.zip", "w") as zipping:
        zipping.writestr(link, "/etc/passwd")
        zipping.mkdir("folder")
        zipping.writestr("b.log", "MARK\n")
    told: list[str] = []
    sources, letters = find_sources(["a.tar", "b.zip"], passed_over=told)
    assert [source.name for source in sources] == ["a.tar!a.log", "b.zip!b.log"]
    assert letters == []
    assert told == [
        "a.tar: 4 links or devices were skipped",
        "b.zip: 1 link or device was skipped",
    ]


def test_a_member_without_a_name_is_read(made: Any) -> None:
    content = zipped({"a.log": b"MARK\n"}).replace(b"a.log", b"\0.log")
    sources, letters = made(content)
    assert letters == []
    assert texts(sources) == {"a.zip!": b"MARK\n"}


def test_what_says_that_it_is_a_link_and_is_too_long_for_one_is_read(made: Any) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (("link", "/etc/passwd"), ("log", "MARK\n" + "line\n" * 999)):
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, data)
    sources, letters = made(content.getvalue())
    assert letters == []
    assert [source.name for source in sources] == ["a.zip!log"]
    assert len(seen_in(sources[0]).marked()) == 1


def test_a_tar_member_of_an_unknown_type_is_a_file(made: Any) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        member = tarfile.TarInfo("log")
        member.type, member.size = b"Z", 5
        archive.addfile(member, io.BytesIO(b"MARK\n"))
    sources, letters = made(content.getvalue())
    assert letters == []
    assert texts(sources) == {"a.zip!log": b"MARK\n"}


def flag(content: bytes, bits: int) -> bytes:
    """With bits set in the flags of all members, in their own headers and in the list."""
    changed = bytearray(content)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = changed.find(mark)
        while place >= 0:
            changed[place + at] |= bits
            place = changed.find(mark, place + 4)
    return bytes(changed)


def test_what_cannot_be_unpacked_is_named_and_the_rest_is_read(made: Any) -> None:
    sources, letters = made(flag(zipped({"a.log": b"MARK\n"}), 1))
    assert not sources
    assert [(one.source, one.reason) for one in letters] == [("a.zip!a.log", "unsupported-archive")]
    assert "encrypted" in letters[0].detail
    for method, name in ((zipfile.ZIP_LZMA, "LZMA"), (zipfile.ZIP_BZIP2, "bzip2")):
        content = zipped({"a.log": b"MARK\n" * 99}, method)
        sources, letters = made(content)
        letters += [letter for source in sources for letter in seen_in(source).letters]
        assert [(one.source, one.reason) for one in letters] == [("a.zip!a.log", "unsupported-archive")]
        assert name in letters[0].detail


def test_a_zip_of_a_stream_and_one_with_large_fields_are_read(made: Any) -> None:
    """Sizes behind the data, and ZIP64."""
    sources, letters = made(streamed("a.log", b"MARK\n" * 1000))
    assert (letters, texts(sources)) == ([], {"a.zip!a.log": b"MARK\n" * 1000})
    content = io.BytesIO()
    with (
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("b.log", "w", force_zip64=True) as file,
    ):
        file.write(b"MARK\n")
    sources, letters = made(content.getvalue())
    assert (letters, texts(sources)) == ([], {"a.zip!b.log": b"MARK\n"})


def test_an_archive_on_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(zipped({"a.log": b"MARK\n"}))
    monkeypatch.setattr(sys, "stdin", _Stdin(reading))
    sources, letters = find_sources(["-"])
    os.close(reading)
    assert (letters, texts(sources)) == ([], {"-!a.log": b"MARK\n"})


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_a_part_of_an_archive_gives_what_is_there_and_is_told(made: Any, kind: str) -> None:
    for share in (0.4, 0.8, 0.95):
        whole = PACKED[kind]
        sources, letters = made(whole[: int(len(whole) * share)])
        letters += [letter for source in sources for letter in seen_in(source).letters]
        assert letters, share
        assert {letter.reason for letter in letters} <= {"truncated-archive", "corrupt-archive", "binary"}


def test_damage_in_a_member_costs_what_stands_behind_it_in_the_member(made: Any) -> None:
    content = bytearray(
        zipped({"a.log": b"".join(b"line %d MARK\n" % n for n in range(9999)), "b.log": b"MARK\n"})
    )
    content[len(content) // 2] ^= 0xFF
    sources, letters = made(bytes(content))
    assert letters == []
    first, second = map(seen_in, sources)
    assert len(first.marked()) > 1000
    assert {letter.reason for letter in first.letters} <= {"corrupt-archive", "truncated-archive"}
    assert first.letters
    assert (len(second.marked()), second.letters) == (1, [])


def test_a_checksum_that_is_wrong_is_told_and_loses_nothing(made: Any) -> None:
    content = bytearray(zipped({"a.log": b"MARK\n"}))
    content[content.find(b"PK\x01\x02") + 16] ^= 0xFF
    sources, _ = made(bytes(content))
    (sink,) = map(seen_in, sources)
    assert (len(sink.marked()), [letter.reason for letter in sink.letters]) == (1, ["corrupt-archive"])


def test_a_size_that_is_too_small_bounds_what_is_unpacked(made: Any) -> None:
    content = bytearray(zipped({"a.log": b"MARK\n" * 100_000}))
    struct.pack_into("<I", content, content.find(b"PK\x01\x02") + 24, 10)
    sources, _ = made(bytes(content))
    (sink,) = map(seen_in, sources)
    assert (len(sink.marked()), [letter.reason for letter in sink.letters]) == (2, ["corrupt-archive"])


def test_members_that_overlap_are_not_unpacked(made: Any) -> None:
    """As in the bombs that name the same data many times."""
    content = bytearray(zipped({"a.log": b"MARK\n" * 9999, "b.log": b"MARK\n"}))
    second = content.rfind(b"PK\x01\x02")
    struct.pack_into("<I", content, second + 42, 0)  # it begins where the first one does
    sources, letters = made(bytes(content))
    assert len(sources) + len(letters) >= 2
    assert {letter.reason for letter in letters} == {"corrupt-archive"}
    assert "overlap" in letters[0].detail


def test_bytes_that_the_list_of_a_zip_does_not_name_are_told(made: Any) -> None:
    content = bytearray(zipped({"a.log": b"MARK\n", "b.log": b"hidden " * 99, "c.log": b"MARK\n"}))
    place = content.find(b"PK\x01\x02", content.find(b"PK\x01\x02") + 4)
    following = content.find(b"PK\x01\x02", place + 4)
    end = content.find(b"PK\x05\x06")
    del content[place:following]
    end -= following - place
    struct.pack_into("<HHI", content, end + 8, 2, 2, end - content.find(b"PK\x01\x02"))
    sources, letters = made(bytes(content))
    assert [source.name for source in sources] == ["a.zip!a.log", "a.zip!c.log"]
    assert [(letter.source, letter.reason) for letter in letters] == [("a.zip", "corrupt-archive")]


def test_a_zip_that_hides_its_list_behind_another_is_told(made: Any) -> None:
    """An end record in the comment: readers differ in which of the two they take."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.log", "MARK\n")
        archive.comment = b"PK\x05\x06" + bytes(18) + b"more"
    sources, letters = made(content.getvalue())
    assert texts(sources) == {"a.zip!(rest)": b"more"}
    assert [(letter.source, letter.reason) for letter in letters] == [("a.zip", "corrupt-archive")]


@pytest.mark.parametrize("outer", [bytes, gzipped], ids=["plain", "gzip"])
def test_the_comment_of_a_zip_and_what_stands_behind_its_end_are_scanned(made: Any, outer: Any) -> None:
    plain = zipped({"a.log": b"x\n"})
    comment = b"MARK of a comment"
    commented = plain[:-2] + struct.pack("<H", len(comment)) + comment
    sources, letters = made(outer(commented))
    assert letters == []
    assert [(source.name, len(seen_in(source).marked())) for source in sources] == [
        ("a.zip!(rest)", 1),
        ("a.zip!a.log", 0),
    ]
    for behind in (b"MARK behind it\n", bytes(9) + b"MARK\n", b"MARK\n" + b"x" * 60_000):
        for content in (plain, commented):
            sources, letters = made(outer(content + behind))
            assert [(letter.source, letter.reason) for letter in letters] == [("a.zip", "corrupt-archive")]
            assert sum(len(seen_in(source).marked()) for source in sources) == 1 + (content is commented)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_no_event_is_read_behind_the_end_of_an_archive(made: Any, pack: Any) -> None:
    sources, _ = made(pack({"a.log": b"x\n"}) + b"\n" + TREE["events/audit.jsonl"])
    assert [source.carries_events for source in sources] == [False, None]  # `(rest)` and `a.log`


def test_what_stands_behind_the_end_of_a_tar_is_scanned_and_told(made: Any) -> None:
    sources, letters = made(tarred({"a.log": b"x\n"}) + b"MARK behind it\n")
    assert [(letter.source, letter.reason) for letter in letters] == [("a.zip", "corrupt-archive")]
    assert [len(seen_in(source).marked()) for source in sources] == [1, 0]  # `(rest)` and `a.log`
    damaged = bytearray(tarred({"a.log": b"x\n", "b.log": b"MARK\n"}))
    damaged[1024] ^= 0xFF  # the name of the second member
    sources, letters = made(bytes(damaged))
    assert [letter.reason for letter in letters] == ["corrupt-archive"]
    assert sum(len(seen_in(source).marked()) for source in sources) == 1


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.zst", "zip.gz"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    edits=st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=6), st.integers(0, 6)), max_size=4)
)
def test_whatever_is_damaged_nothing_is_raised(
    made: Any, kind: str, edits: list[tuple[int, bytes, int]]
) -> None:
    content = {name: data[:2000] for name, data in TREE.items()}
    packed = {
        "zip": zipped(content),
        "tar": tarred(content),
        "tar.gz": gzipped(tarred(content)),
        "tar.zst": zstd(tarred(content)),
        "zip.gz": gzipped(zipped(content)),
    }[kind]
    for place, new, cut in edits:
        at = place % len(packed)
        packed = packed[:at] + new + packed[at + cut :]
    for source in made(packed)[0]:
        seen_in(source)


def test_a_member_that_would_begin_before_the_archive_is_told(made: Any) -> None:
    """The end of a ZIP says where its list stands. What it says too much is taken off all places in the list."""
    packed = zipped({"a.log": b"nothing"})
    at = packed.rfind(b"PK\5\6") + 16  # the place of the list
    packed = packed[:at] + (0x7F00_0000).to_bytes(4, "little") + packed[at + 4 :]
    for archive in (packed, gzipped(packed)):
        _, letters = made(archive)
        assert [letter.reason for letter in letters] == ["corrupt-archive"]


def test_a_bomb_is_cut_off_and_told(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member is deflated twice, so that it would become a million times as large as the archive."""
    monkeypatch.setattr(archive_sources, "LEAST", 1024)
    inner = zipped({"zeros": bytes(1 << 28)})
    content = zipped({"bomb.zip": inner})
    begin = time.monotonic()
    sources, letters = made(content)
    size = 0
    for source in sources:
        try:
            size += sum(map(len, source.content()))
        except Exception as error:  # noqa: BLE001 - what is raised is looked at
            assert "unpacks to far more" in str(error)  # noqa: PT017 - after what could be read
            break
    else:
        raise AssertionError(letters)
    assert size <= 2 * archive_sources.RATIO * len(content) < 1 << 28
    assert time.monotonic() - begin < 60


def test_a_list_of_millions_of_members_is_refused_in_bounded_memory(made: Any) -> None:
    entry = (
        struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    )
    count = members.MOST_AT_ONCE // len(entry) + 1
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(entry) * count, 30, 0)
    content = b"PK\x03\x04" + bytes(26) + entry * count + end
    tracemalloc.start()
    sources, letters = made(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 * 1024 * 1024
    assert letters == []
    (source,) = sources
    assert source.doubt is not None
    assert source.doubt.reason == "too-large"


def test_no_more_than_so_many_members_are_read(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (members, archive_sources):
        monkeypatch.setattr(module, "MOST_MEMBERS", 3)
    files = {f"{number}.log": b"MARK\n" for number in range(4)}
    for content in (zipped(files), tarred(files)):
        sources, letters = made(content)
        assert (len(sources), {letter.reason for letter in letters}) == (3, {"too-large"})
    sources, letters = made(
        zipped({"a.zip": zipped({"1": b"1", "2": b"2"}), "b.zip": zipped({"3": b"3", "4": b"4"})})
    )
    assert len(sources) < 4
    assert {letter.reason for letter in letters} == {"too-large"}


def test_where_there_is_no_temporary_space_it_is_told_and_scanned(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: object, _chunks: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("detector.ingest.archive_sources.Spool.take", full)
    (source,), letters = made(gzipped(tarred({"a.log": b"MARK\n"})), "a.tar.gz")
    assert letters == []
    assert source.doubt is not None
    assert (source.doubt.reason, "TMPDIR" in source.doubt.detail) == ("too-large", True)
    assert len(seen_in(source).marked()) == 1


# Times


@pytest.mark.parametrize("pack", [zipped, tarred], ids=["zip", "tar"])
def test_a_member_has_the_time_of_the_archive_and_is_bounded_by_it(made: Any, pack: Any) -> None:
    late = format_rfc3339(MODIFIED + 6 * SECOND)
    sources, _ = made(pack({"a.log": b"MARK\n" + late.encode() + b" MARK\n2026-05-01T00:00:00Z MARK\n"}))
    (sink,) = map(seen_in, sources)
    at = [one for _, found in sink.places for one in found.values()]
    assert [(one.time, one.time_origin) for one in at[:2]] == [(MODIFIED, "archive-member")] * 2
    assert at[2].time_origin == "record"


def test_a_time_without_a_zone_bounds_no_time_that_may_be_true(made: Any) -> None:
    times = [MODIFIED + 11 * HOUR, MODIFIED + 13 * HOUR]
    lines = b"".join(format_rfc3339(one).encode() + b" MARK\n" for one in times)
    sources, _ = made(zipped({"a.log": lines}, exact=False))
    (sink,) = map(seen_in, sources)
    assert [one.time for one in sink.marked()] == [format_rfc3339(times[0]), format_rfc3339(MODIFIED)]


def test_a_member_that_states_no_time_has_that_of_the_archive(made: Any) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.log"), "MARK\n")
    (source,), _ = made(content.getvalue())
    assert source.modified == NOW - HOUR  # the file's: the replay takes it
    assert [one.time for one in seen_in(source).marked()] == [None]


# What a person names


def test_members_can_be_named(made: Any) -> None:
    made(PACKED["zip"], "run.zip")

    def names(*paths: str) -> list[str]:
        return [source.name.partition("!")[2] for source in find_sources(list(paths))[0]]

    assert names("run.zip!build/*") == ["build/3_Run the tests.txt"]
    assert names("run.zip!0_*", "run.zip!logs/*") == ["0_build.txt", "logs/app.log.gz", "logs/big.log"]
    assert names("run.zip!0_*", "run.zip") == names("run.zip") == names(".") == sorted(TREE)
    for path in ("run.zip!nothing", "run.zip!"):
        with pytest.raises(InputError, match="no member of it has a name like"):
            names(path)
    with pytest.raises(InputError, match="no such file"):
        names("gone.zip!a")
    Path("a.log").write_bytes(b"x\n")
    with pytest.raises(InputError, match="not an archive whose members curfewd reads"):
        names("a.log!x")


def test_members_can_be_declared(made: Any) -> None:
    made(PACKED["zip"], "run.zip")

    def declared(events: list[str], logs: list[str]) -> Mapping[str, bool | None]:
        said = Declarations(events, logs)
        found, _ = find_sources(["run.zip"], declarations=said)
        return {source.name.partition("!")[2]: source.carries_events for source in found}

    assert set(declared([], ["run.zip"]).values()) == {False}
    assert declared(["run.zip!events/*"], ["."]) == {name: name.startswith("events/") for name in TREE}
    both = declared(["run.zip!*"], ["run.zip!build/*", "run.zip!0_*"])
    assert both == {name: not name.startswith(("build/", "0_")) for name in TREE}
    assert set(declared(["run.zip!*"], ["run.zip!*"]).values()) == {False}


def test_what_holds_an_archive_holds_its_members() -> None:
    policy = TrustPolicy([TrustEntry(paths=("run.zip",), sources=("ci",), exclusive=False)])
    for path, archive in (("run.zip", None), ("run.zip!a.jsonl", "run.zip")):
        assert policy.of_path(path, archive) is not None
    assert policy.of_path("other.zip!a.jsonl", "other.zip") is None
