"""The page about the options of targets is what the program reads."""

import tomllib
from pathlib import Path

from detector.configuration.settings import Settings
from detector.revoke.options_page import page
from detector.revoke.target_tables import make_targets

PAGE = Path(__file__).parents[2] / "docs" / "revoke-options.md"


def test_the_page_is_what_the_program_reads() -> None:
    assert PAGE.read_text() == page(), "run: python -m detector.revoke.options_page > docs/revoke-options.md"


def test_its_example_is_taken(tmp_path: Path) -> None:
    example = page().split("```toml\n")[1].split("```")[0]
    (tmp_path / "curfewd.toml").write_text(f"[revoke]\n{example}")
    (made,) = make_targets(Settings.load(str(tmp_path / "curfewd.toml"), {}).revoke)
    assert made.name == "orders-db"
    assert set(tomllib.loads(example)["revoke"]["targets"]) == {"orders-db"}
