"""What a start keeps of patterns and plugins: the same as if it were read again, and never what it was not made of."""

from pathlib import Path

import pytest

from detector.patterns import deferred_plugins, detect_secrets_plugins, pattern
from detector.patterns.file_cache import FileCache
from detector.values.errors import ConfigError

GITHUB = Path(__file__).parents[2] / "patterns" / "github.toml"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the patterns of a program that has one file of them, and a cache of its own."""
    folder = tmp_path / "detector" / "pattern_files"
    folder.mkdir(parents=True)
    code = tmp_path / "detector" / "patterns" / "pattern.py"
    code.parent.mkdir()
    code.write_bytes(Path(pattern.__file__).read_bytes())
    (folder / "github.toml").write_bytes(GITHUB.read_bytes())
    monkeypatch.setattr(pattern, "__file__", str(code))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CURFEWD_NO_CACHE", raising=False)
    return folder


def refuse_to_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object) -> None:
        raise AssertionError("parsed, though the patterns are kept")

    monkeypatch.setattr(pattern, "_parse_bundled", parse)


def test_kept_patterns_are_those_of_the_files(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pattern.load_bundled()
    refuse_to_parse(monkeypatch)
    assert pattern.load_bundled() == first
    assert first == pattern.load_file(str(package / "github.toml"))


def test_a_change_of_the_files_or_of_the_code_parses_anew(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, *_) = pattern.load_bundled()
    file = package / "github.toml"
    file.write_text(file.read_text().replace(f'"{first.name}"', '"Another"'))
    assert pattern.load_bundled()[0].name == "Another"
    refuse_to_parse(monkeypatch)
    assert pattern.load_bundled()[0].name == "Another"
    with Path(pattern.__file__).open("a") as code:
        code.write("\n")
    with pytest.raises(AssertionError):
        pattern.load_bundled()


def test_a_kept_file_that_says_something_else_is_not_believed(package: Path) -> None:
    first = pattern.load_bundled()
    (kept,) = (package.parents[1] / "cache" / "curfewd").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    assert pattern.load_bundled() == first
    cache = FileCache(kept.parent, ".patterns", 4)
    cache.keep(kept.stem, b"\x91\x80")  # whole, and no list of patterns
    assert pattern.load_bundled() == first


def test_a_wrong_file_is_refused_each_time(package: Path) -> None:
    (package / "z.toml").write_text("[[pattern]]\nid = 'z'\n")
    for _ in range(2):
        with pytest.raises(ConfigError, match="severity"):
            pattern.load_bundled()


def test_deferred_plugins_are_those_of_detect_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CURFEWD_NO_CACHE", raising=False)
    line = b"STRIPE=rk_live_5TcWfjKmJgpql9hjpRnwRXbT"
    deferred_plugins.load_plugins()
    monkeypatch.setattr(deferred_plugins, "_by_id", dict)
    kept = deferred_plugins.load_plugins()  # from the cache: there are no others now
    monkeypatch.undo()
    real = detect_secrets_plugins.load_plugins()
    for mine, theirs in zip(kept, real, strict=True):
        assert mine.pattern == theirs.pattern
        assert mine.expressions() == theirs.expressions()
        assert list(mine.spans(line, 0, len(line))) == list(theirs.spans(line, 0, len(line)))
    assert sum(len(list(plugin.spans(line, 0, len(line)))) for plugin in kept) == 1


def test_plugins_that_are_asked_for_come_from_detect_secrets() -> None:
    (theirs,) = (
        plugin
        for plugin in deferred_plugins.load_plugins(["BasicAuthDetector"])
        if plugin.pattern.id == "detect-secrets:basic-auth-credentials"
    )
    assert theirs.pattern.family == "detect-secrets"
    with pytest.raises(ConfigError, match="no plugin 'Nothing'"):
        deferred_plugins.load_plugins(["Nothing"])
