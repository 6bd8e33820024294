import os
from pathlib import Path

import hyperscan
import pytest

from detector import built_kernels
from detector.patterns.database_cache import DatabaseCache
from detector.patterns.file_cache import FileCache, cache_folder
from detector.patterns.prefilter import Expression, Place, Prefilter

DIGITS = [Expression(b"[0-9]{4}")]
TEXT = b"in 2026"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "curfewd"


def found(expressions: list[Expression], folder: Path | None) -> dict[int, list[Place]]:
    """What a prefilter made through that cache says of the text."""
    return Prefilter(expressions, DatabaseCache(folder)).scan(TEXT, 0, len(TEXT))


def file_in(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def refuse_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_nothing(*_: object) -> None:
        raise AssertionError("compiled, though a database is kept")

    monkeypatch.setattr("detector.patterns.prefilter._compile", compile_nothing)


def test_a_kept_database_is_used_instead_of_compiling(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = found(DIGITS, folder)
    refuse_to_compile(monkeypatch)
    assert found(DIGITS, folder) == first == {0: [(0, 7, False)]}
    with pytest.raises(AssertionError):
        found([Expression(b"[0-9]{3}")], folder)


def test_folder_and_file_are_the_users_alone(folder: Path) -> None:
    found(DIGITS, folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert file_in(folder).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda whole: whole[:-1],
        lambda whole: whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
        lambda _: b"of some other program",
    ],
    ids=["empty", "cut short", "a bit turned", "foreign"],
)
def test_a_damaged_file_is_ignored_and_written_anew(folder: Path, damage: object) -> None:
    found(DIGITS, folder)
    path = file_in(folder)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))  # type: ignore[operator]  # one of the functions above
    assert found(DIGITS, folder) == {0: [(0, 7, False)]}
    assert path.read_bytes() == whole


def test_a_file_that_others_may_write_is_not_believed(folder: Path) -> None:
    found(DIGITS, folder)
    other = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    other.compile(expressions=[b"nothing"], ids=[0], elements=1, flags=[0])
    path = file_in(folder)
    DatabaseCache(folder).keep([(b"nothing", 0)], other)
    (forged,) = set(folder.iterdir()) - {path}
    forged.replace(path)
    assert found(DIGITS, folder) == {}
    path.chmod(0o622)
    assert found(DIGITS, folder) == {0: [(0, 7, False)]}


def test_a_folder_open_to_others_is_not_used(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert found(DIGITS, folder) == {0: [(0, 7, False)]}
    assert list(folder.iterdir()) == []


def test_a_link_in_place_of_the_file_is_not_followed(folder: Path, tmp_path: Path) -> None:
    found(DIGITS, folder)
    path = file_in(folder)
    target = tmp_path / "target"
    path.rename(target)
    path.symlink_to(target)
    assert found(DIGITS, folder) == {0: [(0, 7, False)]}
    assert not path.is_symlink()


def test_nothing_fails_where_nothing_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(DIGITS, None) == {0: [(0, 7, False)]}
    (tmp_path / "file").write_bytes(b"")
    assert found(DIGITS, tmp_path / "file" / "curfewd") == {0: [(0, 7, False)]}

    def disk_full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("detector.patterns.file_cache.os.replace", disk_full)
    assert found(DIGITS, tmp_path / "full") == {0: [(0, 7, False)]}
    assert list((tmp_path / "full").iterdir()) == []


def test_only_the_latest_are_kept(folder: Path) -> None:
    for size in range(1, 11):
        found([Expression(b"[0-9]{%d}" % size)], folder)
    assert len(list(folder.iterdir())) == 8


def test_what_was_built_with_the_program_is_used_where_nothing_is_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(DIGITS, folder)
    built = tmp_path / "built"
    folder.rename(built)
    built.chmod(0o755)  # as the program is: root's, and for all to read
    monkeypatch.setattr(built_kernels, "FOLDER", built)
    with monkeypatch.context() as context:
        refuse_to_compile(context)
        assert found(DIGITS, None) == {0: [(0, 7, False)]}
    file_in(built).write_bytes(b"cut short")
    assert found(DIGITS, None) == {0: [(0, 7, False)]}


def test_a_database_for_another_processor_is_not_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its header says for which features it is, after a magic number, a version and a length of four bytes each."""
    found(DIGITS, folder)
    cache = FileCache(folder, ".hs", 8)
    name = file_in(folder).stem
    whole = cache.load(name)
    assert whole is not None
    cache.keep(name, whole[:12] + bytes([whole[12] ^ 4]) + whole[13:])
    folder.rename(tmp_path / "built")
    monkeypatch.setattr(built_kernels, "FOLDER", tmp_path / "built")
    assert found(DIGITS, folder) == {0: [(0, 7, False)]}
    assert cache.load(name) == whole
    refuse_to_compile(monkeypatch)
    assert found(DIGITS, folder) == {0: [(0, 7, False)]}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_CACHE_HOME": "/x", "HOME": "/home/a"}, "/x/curfewd"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/a"}, "/home/a/.cache/curfewd"),
        ({"HOME": "/home/a"}, "/home/a/.cache/curfewd"),
        ({}, None),
        ({"HOME": "/home/a", "CURFEWD_NO_CACHE": "1"}, None),
        ({"HOME": "/home/a", "CURFEWD_NO_CACHE": "0"}, "/home/a/.cache/curfewd"),
    ],
)
def test_where_the_cache_is(environ: dict[str, str], expected: str | None) -> None:
    assert cache_folder(environ) == (None if expected is None else Path(expected))
