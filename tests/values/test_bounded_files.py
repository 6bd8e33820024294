"""Whatever stands where a file is named: it is read whole, or refused at once with a reason."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from detector.values import bounded_files
from detector.values.bounded_files import BadFileError, read_bounded

LIMIT = 1 << 10


def loop(path: Path) -> None:
    path.symlink_to(path)


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)  # a hole


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (Path.exists, "No such file or directory"),
        (Path.mkdir, "it is a folder"),
        (os.mkfifo, "a pipe into which nobody writes"),
        (loop, "Too many levels of symbolic links"),
        (bound_socket, "No such device or address"),
        (huge, "larger than 1 KiB"),
        (lambda path: path.write_bytes(b"x" * (LIMIT + 1)), "larger than 1 KiB"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a device"),
        (lambda path: path.symlink_to("/dev/full"), "it is a device"),
        (lambda path: path.symlink_to("/proc/self/mem"), "cannot be read: "),
        (lambda path: path.symlink_to("a" * 300), "File name too long"),
    ],
)
def test_what_is_no_small_file_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    make(tmp_path / "there")
    begin = time.monotonic()
    with pytest.raises(BadFileError, match=says):
        read_bounded(tmp_path / "there", LIMIT)
    assert time.monotonic() - begin < 5


def test_a_name_with_a_zero_byte_is_no_file() -> None:
    with pytest.raises(BadFileError, match="a zero byte in its name"):
        read_bounded("a\0b", LIMIT)


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refused)  # root may read everything
    with pytest.raises(BadFileError, match="Permission denied"):
        read_bounded(tmp_path / "key", LIMIT)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"", b"x" * LIMIT, bytes(range(256))):
        path.write_bytes(content)
        assert read_bounded(path, LIMIT) == content
    assert read_bounded(os.devnull, LIMIT) == b""


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = tmp_path / "file", os.read
    path.write_bytes(b"half a key")

    def reading(handle: int, size: int) -> bytes:
        found = read(handle, size)
        if path.stat().st_size < 20:
            with path.open("ab") as file:
                file.write(b" and the other half")
        return found

    monkeypatch.setattr(os, "read", reading)
    with pytest.raises(BadFileError, match="changes while it is read"):
        read_bounded(path, 1 << 16)


def test_a_pipe_is_read_to_its_end_if_its_writer_is_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        assert cat.stdin is not None
        assert cat.stdout is not None
        writer = threading.Timer(0.2, lambda: (cat.stdin.write(b"skew = '1s'"), cat.stdin.close()))  # type: ignore[union-attr]
        writer.start()
        assert read_bounded(f"/proc/self/fd/{cat.stdout.fileno()}", LIMIT) == b"skew = '1s'"
        writer.join()
    monkeypatch.setattr(bounded_files, "PATIENCE_SECONDS", 0.2)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer_end = os.open(path, os.O_WRONLY)
    try:
        with pytest.raises(BadFileError, match="its writer took more than"):
            read_bounded(path, LIMIT)
        os.write(writer_end, b"x" * (LIMIT + 1))
        with pytest.raises(BadFileError, match="larger than 1 KiB"):
            read_bounded(path, LIMIT)
    finally:
        os.close(reader)
        os.close(writer_end)
