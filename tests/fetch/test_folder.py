"""Files that are there whole or not at all."""

from pathlib import Path

import pytest

from detector.fetch.folder import new_file, opened
from detector.values.errors import InputError


@pytest.mark.parametrize("unnamed", [True, False], ids=["without-a-name", "as-a-part"])
@pytest.mark.parametrize("before", [None, b"before"], ids=["new", "in-place"])
def test_a_file_is_there_once_it_is_kept(tmp_path: Path, before: bytes | None, *, unnamed: bool) -> None:
    path = tmp_path / "log"
    if before is not None:
        path.write_bytes(before)
    with new_file(path, unnamed=unnamed) as file:
        file.write(b"half a try")
        file.empty()
        file.write(b"all ")
        file.write(b"of it")
        assert (path.read_bytes() if path.exists() else None) == before
        file.keep()
        assert path.read_bytes() == b"all of it"
    assert [each.name for each in tmp_path.iterdir()] == ["log"]


@pytest.mark.parametrize("unnamed", [True, False], ids=["without-a-name", "as-a-part"])
def test_a_file_that_is_not_kept_leaves_nothing(tmp_path: Path, *, unnamed: bool) -> None:
    with new_file(tmp_path / "log", unnamed=unnamed) as file:
        file.write(b"half")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "host" / "octo"
    folder.mkdir(parents=True)
    (folder / ".github-job-1.log.part").write_bytes(b"half")
    (folder / "github-job-2.log").write_bytes(b"whole")
    with opened(str(tmp_path)):
        assert [path.name for path in folder.iterdir()] == ["github-job-2.log"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="file/out: Not a directory"), opened(str(tmp_path / "file" / "out")):
        pass
