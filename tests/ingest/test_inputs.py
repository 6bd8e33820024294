import codecs
import gzip
import io
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from detector.ingest.inputs import find_sources
from detector.ingest.sources import Source
from detector.records.byte_order_marks import chunks_without_marks, without_marks
from detector.values.errors import BadRecordError, InputError

EVENT = b'{"specversion": "1.0"}\n'


def names(paths: list[str], **options: Any) -> list[str]:
    return [source.name for source in find_sources(paths, **options)[0]]


def text_of(source: Source, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(source.chunks(start, end))


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs" / "deep").mkdir(parents=True)
    (tmp_path / "logs" / "b.log").write_bytes(b"b\n")
    (tmp_path / "logs" / "a.log").write_bytes(b"a\n")
    (tmp_path / "logs" / "deep" / "c.log").write_bytes(b"c\n")
    return tmp_path / "logs"


def test_files_and_folders_come_in_the_order_of_their_names_each_file_once(logs: Path) -> None:
    assert names(["logs/b.log", "logs", "./logs/b.log", str(logs / "a.log")]) == [
        "./logs/b.log",
        str(logs / "a.log"),
        "logs/deep/c.log",
    ]  # fmt: skip
    assert names(["logs"]) == names(["logs/"]) == ["logs/a.log", "logs/b.log", "logs/deep/c.log"]


def test_a_folder_without_a_file_is_told(logs: Path) -> None:
    (logs / "none" / "below").mkdir(parents=True)
    assert [(one.source, one.reason) for one in find_sources(["logs/none"])[1]] == [("logs/none", "empty")]
    assert find_sources(["logs"])[1] == []
    assert find_sources(["logs/a.log", "logs"], skip=[logs / "b.log"])[1] == []


def test_links_are_followed_but_never_for_ever(logs: Path) -> None:
    (logs / "deep" / "up").symlink_to(logs)
    (logs / "again.log").symlink_to(logs / "a.log")
    sources, letters = find_sources(["logs"])
    assert [source.name for source in sources] == ["logs/a.log", "logs/b.log", "logs/deep/c.log"]
    assert letters == []


def test_sockets_and_pipes_in_a_folder_are_passed_over(logs: Path) -> None:
    os.mkfifo(logs / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("logs/socket")
        assert names(["logs"]) == ["logs/a.log", "logs/b.log", "logs/deep/c.log"]


def test_what_cannot_be_opened_inside_a_folder_is_a_dead_letter(logs: Path) -> None:
    (logs / "gone.log").symlink_to(logs / "nowhere")
    sources, letters = find_sources(["logs"])
    assert len(sources) == 3
    assert [(letter.source, letter.reason) for letter in letters] == [("logs/gone.log", "unreadable")]


@pytest.mark.parametrize("path", ["nowhere.log", "logs/a.log/below", "", "nul\0byte"])
def test_what_is_named_must_be_there(logs: Path, path: str) -> None:
    assert logs.is_dir()
    with pytest.raises(InputError, match=r"no such file|Not a directory|cannot be opened"):
        find_sources(["logs/a.log", path])


def test_a_device_is_refused_but_for_the_empty_one(logs: Path) -> None:
    assert logs.is_dir()
    with pytest.raises(InputError, match="/dev/zero: neither a file nor a folder"):
        find_sources(["/dev/zero"])
    (empty,), _ = find_sources([os.devnull])
    assert (empty.size, text_of(empty)) == (0, b"")


def test_our_own_output_is_not_read_again(logs: Path) -> None:
    assert names(["logs"], skip=[logs / "a.log", logs / "nowhere"]) == ["logs/b.log", "logs/deep/c.log"]


def test_a_file_that_vanishes_is_a_bad_record(logs: Path) -> None:
    (source,), _ = find_sources(["logs/a.log"])
    (logs / "a.log").unlink()
    with pytest.raises(Exception, match="unreadable: it cannot be opened or read"):
        text_of(source)


def test_a_file_that_becomes_shorter_is_a_bad_record(logs: Path) -> None:
    (logs / "a.log").write_bytes(b"one\ntwo\n")
    (source,), _ = find_sources(["logs/a.log"])
    (logs / "a.log").write_bytes(b"one\n")
    chunks = source.chunks()
    assert next(chunks) == b"one\n"
    with pytest.raises(BadRecordError, match="unreadable: it became shorter while it was read"):
        next(chunks)
    assert text_of(source, 0, 4) == b"one\n"
    with (logs / "a.log").open("ab") as file:  # one that grows is read as far as it was seen
        file.write(b"two\nthree\n")
    assert text_of(source) == b"one\ntwo\n"


def test_a_file_in_whose_place_another_stands_is_a_bad_record(logs: Path) -> None:
    (source,), _ = find_sources(["logs/a.log"])
    (logs / "a.log").rename(logs / "a.log.1")
    (logs / "a.log").write_bytes((logs / "a.log.1").read_bytes())
    with pytest.raises(BadRecordError, match="unreadable: another file took its place"):
        text_of(source)


def test_ranges_are_read_of_what_is_not_compressed(logs: Path) -> None:
    (logs / "a.log").write_bytes(bytes(range(97, 123)))
    (source,), _ = find_sources(["logs/a.log"])
    assert (source.size, source.whole) == (26, False)
    assert text_of(source, 3, 6) == b"def"


def test_archives_are_told_by_their_bytes_not_their_names(logs: Path) -> None:
    (logs / "a.log").write_bytes(gzip.compress(EVENT))
    (logs / "b.log").rename(logs / "b.log.gz")
    packed, plain, _ = find_sources(["logs"])[0]
    assert (packed.whole, packed.format, text_of(packed)) == (True, "jsonl", EVENT)
    assert (plain.whole, plain.format, text_of(plain)) == (False, "text", b"b\n")


def test_byte_order_marks_are_taken_off_and_utf16_is_decoded(logs: Path) -> None:
    (logs / "a.log").write_bytes(codecs.BOM_UTF8 + EVENT)
    (logs / "b.log").write_bytes("töken=x\n".encode("utf-16"))
    (logs / "deep" / "c.log").write_bytes(gzip.compress(EVENT.decode().encode("utf-16")))
    marked, wide, packed = find_sources(["logs"])[0]
    assert (marked.format, text_of(marked)) == ("jsonl", EVENT)
    assert (wide.format, wide.whole, text_of(wide)) == ("text", True, "töken=x\n".encode())
    assert (packed.format, text_of(packed)) == ("jsonl", EVENT)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_logs_of_windows_are_read_as_text_and_events(logs: Path, encoding: str) -> None:
    """PowerShell's `>` writes UTF-16, and its `>>` another mark wherever a file begins again."""
    for text, name in ((EVENT.decode(), "jsonl"), ("plain text with a töken\r\n", "text")):
        both = text.encode(encoding) + text.encode(encoding)
        for content in (both, gzip.compress(both)):
            (logs / "a.log").write_bytes(content)
            (source,) = find_sources(["logs/a.log"])[0]
            assert (source.format, source.whole) == (name, True)
            assert text_of(source).decode() == text + text


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"a\0", bytes(64), bytes(range(256)), b"a\0b\0" + b"text" * 9]
)
def test_bytes_with_a_few_zeros_are_not_taken_for_utf16(logs: Path, content: bytes) -> None:
    (logs / "a.log").write_bytes(content)
    assert text_of(find_sources(["logs/a.log"])[0][0]) == content


def test_a_mark_before_any_line_is_taken_off_however_the_bytes_are_cut(logs: Path) -> None:
    mark = codecs.BOM_UTF8
    (logs / "a.log").write_bytes(
        mark + mark + EVENT + mark + EVENT + b"\n" + mark + b"text with " + mark + b"\n" + mark
    )
    (source,) = find_sources(["logs/a.log"])[0]
    assert text_of(source) == EVENT + EVENT + b"\ntext with " + mark + b"\n"
    data = source.raw(0, source.size)
    whole = b"".join(data)
    for size in range(1, 12):
        pieces = (whole[at : at + size] for at in range(0, len(whole), size))
        assert b"".join(chunks_without_marks(pieces)) == text_of(source)
    assert without_marks(whole) == text_of(source)


def test_whole_lines_come_in_the_chunk_that_ends_them() -> None:
    lines = [b"one\n", codecs.BOM_UTF8 + b"two\nthree\n", codecs.BOM_UTF8, b"four\n"]
    assert list(chunks_without_marks(lines)) == [b"one\n", b"two\nthree\n", b"four\n"]


def test_a_format_that_is_asked_for_wins(logs: Path) -> None:
    def formats(name: str) -> list[str]:
        return [source.format for source in find_sources(["logs/a.log"], format_name=name)[0]]

    (logs / "a.log").write_bytes(EVENT)
    assert [formats(name) for name in ("text", "json-log", "cloudtrail")] == [
        ["text"],
        ["json-log"],
        ["jsonl"],
    ]
    (logs / "a.log").write_bytes(b'{\n"eventSource": "x"\n}\n')
    assert formats("cloudtrail") == ["document"]


def test_the_task_is_named_by_the_path_where_that_is_clear(logs: Path) -> None:
    uid = "0a1b2c3d-1111-2222-3333-444455556666"
    pod = logs / "pods" / f"prod_web-7f_{uid}" / "app"
    docker = logs / "containers" / ("ab" * 32)
    for folder, name in ((pod, "0.log"), (docker, "x-json.log")):
        folder.mkdir(parents=True)
        (folder / name).write_bytes(b"x\n")
    tasks = {Path(source.name).name: source.task_id for source in find_sources(["logs"])[0]}
    assert tasks == {
        "0.log": f"k8s/prod/web-7f/{uid}",
        "x-json.log": "ab" * 32,
        "a.log": None,
        "b.log": None,
        "c.log": None,
    }


class _Stdin(io.StringIO):
    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd

    def fileno(self) -> int:
        return self._fd


def test_a_file_on_standard_input_is_read_from_where_it_stands(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (logs / "a.log").write_bytes(b"skipped\nread\n")
    with (logs / "a.log").open("rb") as file:
        file.seek(8)
        os.lseek(file.fileno(), 8, os.SEEK_SET)
        monkeypatch.setattr(sys, "stdin", _Stdin(file.fileno()))
        (source,), _ = find_sources(["-"])
        assert (source.name, source.size) == ("-", 5)
        assert [text_of(source), text_of(source)] == [b"read\n", b"read\n"]


def test_a_pipe_can_be_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(gzip.compress(EVENT))
    monkeypatch.setattr(sys, "stdin", _Stdin(reading))
    (source,), _ = find_sources(["-"])
    os.close(reading)
    assert (source.format, source.whole) == ("jsonl", True)
    assert [text_of(source), text_of(source)] == [EVENT, EVENT]


def test_a_named_pipe_on_the_command_line_is_read(logs: Path) -> None:
    path = logs / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(EVENT,))
    writer.start()
    (source,), _ = find_sources(["logs/pipe"])
    writer.join()
    assert (source.name, text_of(source)) == ("logs/pipe", EVENT)
