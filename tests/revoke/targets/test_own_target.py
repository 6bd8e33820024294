"""A target of one's own: the class of docs/revoke.md, found and made by the configuration of the same page."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.configuration.settings import Settings
from detector.revoke.target import GoneError, RefusedError
from detector.revoke.target_tables import TableTarget, find_target, make_targets, target_mistakes
from tests.revoke.targets.commands import command

SECTION = (Path(__file__).parents[3] / "docs" / "revoke.md").read_text().split("## A target of your own\n")[1]
ASKED = command({"provider": "shipit", "id": "71"})


def block(language: str) -> str:
    return SECTION.split(f"```{language}\n")[1].split("```")[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The files of the page, on Python's path."""
    (tmp_path / "shipit_target.py").write_text(block("python"))
    (tmp_path / "curfewd.toml").write_text(block("toml"))
    (tmp_path / "tokens").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("shipit_target", None)


def targets(folder: Path) -> tuple[TableTarget, ...]:
    return make_targets(Settings.load(str(folder / "curfewd.toml"), {}).revoke)


async def test_the_class_of_the_page_is_found_and_revokes(folder: Path) -> None:
    (folder / "tokens" / "71").touch()
    found = find_target(targets(folder), ASKED)
    assert found.name == "shipit"
    assert found.target.plan(ASKED).steps[0].words == "delete the token 71"
    assert (await found.target.probe(ASKED)).state == "live"
    assert await found.target.revoke(ASKED, 0) == "deleted the token (step 1)"
    assert (await found.target.probe(ASKED)).state == "absent"
    with pytest.raises(GoneError):
        await found.target.revoke(ASKED, 0)
    with pytest.raises(RefusedError):
        found.target.plan(command({"provider": "shipit", "id": "../71"}))
    with pytest.raises(RefusedError, match="no table"):
        find_target(targets(folder), command({"provider": "vault", "method": "revoke-accessor"}))


def test_what_is_wrong_with_its_table_is_found_with_the_configuration(folder: Path) -> None:
    right = (folder / "curfewd.toml").read_text()
    for wrong, words in (
        ("shipit_target:Nothing", "has no Nothing"),
        ("nowhere:Shipit", "no module nowhere"),
        ("shipit", "no such type"),
    ):
        (folder / "curfewd.toml").write_text(right.replace("shipit_target:Shipit", wrong))
        (mistake,) = target_mistakes(Settings.load(str(folder / "curfewd.toml"), {}).revoke)
        assert words in str(mistake)
    (folder / "curfewd.toml").write_text(f"{right}colour = 1\n")
    (mistake,) = target_mistakes(Settings.load(str(folder / "curfewd.toml"), {}).revoke)
    assert "colour" in str(mistake) or "no such option" in str(mistake)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def x(:", "cannot be imported (SyntaxError)"),
        ("raise RuntimeError('a secret')", "cannot be imported (RuntimeError)"),
        ("Broken = 5", "is not a target"),
        ("class Broken: pass", "is not a target"),
        (
            "import msgspec\nclass Broken:\n  class Options(msgspec.Struct): pass\n  def __init__(self, _): {}['x']",
            "cannot be created (KeyError)",
        ),
    ],
    ids=["syntax", "raises", "number", "options", "constructor"],
)
def test_a_broken_module_is_a_mistake_in_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_target", raising=False)
    (tmp_path / "broken_target.py").write_text(code)
    (tmp_path / "curfewd.toml").write_text('[revoke.targets.mine]\ntype = "broken_target:Broken"\n')
    (mistake,) = target_mistakes(Settings.load(str(tmp_path / "curfewd.toml"), {}).revoke)
    assert words in str(mistake)
    assert "secret" not in str(mistake)


@pytest.mark.parametrize(
    "name",
    [
        "oauth",
        "keycloak",
        "github",
        "gitlab",
        "webhook",
        "shared-signals",
        "program",
        "postgresql",
        "redis",
        "minio",
    ],
)
def test_the_tables_of_the_page_are_taken(tmp_path: Path, name: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "revoke.md").read_text()
    tables = [each.split("```")[0] for each in page.split("```toml\n")[1:]]
    (table,) = [each for each in tables if each.startswith("[revoke.targets.") and f'type = "{name}"' in each]
    (tmp_path / "curfewd.toml").write_text(table)
    (made,) = targets(tmp_path)
    assert made.target.name == name
