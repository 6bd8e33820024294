"""docs/scanner.md describes every field of a pattern and every check, and its example is a pattern."""

import re
from pathlib import Path

import msgspec

from detector.patterns.checks import CHECKS
from detector.patterns.pattern import Pattern, load_file

TEXT = (Path(__file__).parents[2] / "docs" / "scanner.md").read_text()
GIVEN = {"family", "path", "line"}  # by the file, not by a pattern's table


def first_cells(heading: str) -> list[str]:
    """What the rows of the table under that heading are about."""
    (table,) = re.findall(rf"^\| {heading} \|.*\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [name for row in table.splitlines() for name in re.findall(r"`([a-z0-9_-]+)`", row.split("|")[1])]


def test_every_field_of_a_pattern_is_described() -> None:
    fields = {field.name for field in msgspec.structs.fields(Pattern)} - GIVEN
    assert set(first_cells("field")) == fields


def test_every_check_is_described_with_its_parameters() -> None:
    assert set(first_cells("check")) == set(CHECKS)
    for name, check in CHECKS.items():
        row = next(
            line for line in TEXT.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1]
        )
        missing = [one.name for one in msgspec.structs.fields(check) if f"`{one.name}`" not in row]
        assert missing == [], name


def test_the_example_is_a_pattern(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    path = tmp_path / "shipit.toml"
    path.write_text(block)
    (pattern,) = load_file(str(path))
    assert (pattern.id, pattern.family) == ("shipit-deploy-token", "shipit")
