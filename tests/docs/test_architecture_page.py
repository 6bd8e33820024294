"""docs/architecture.md: its map has every package in order, and its walks name modules and names that there are."""

import ast
import re
from pathlib import Path

from tests.test_architecture import PACKAGE, PACKAGES

TEXT = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
_NAMED = re.compile(r"`(\w[\w/]*\.py)`(?:\s+`([A-Za-z_][\w.]*)`)?")


def names_in(path: Path) -> set[str]:
    """The classes and functions of a module, and methods as `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{one.name}" for one in methods}
    return found


def test_the_map_has_every_package_from_the_ground_up() -> None:
    section = TEXT.split("## The map", maxsplit=1)[1].split("\n## ", maxsplit=1)[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [*PACKAGES, "cli"]


def test_the_walks_name_what_there_is() -> None:
    outside = ("tests/", "deploy/")
    named = [(PACKAGE / path, name) for path, name in _NAMED.findall(TEXT) if not path.startswith(outside)]
    assert len(named) > 20
    missing = [
        f"{path.relative_to(PACKAGE)} {name}"
        for path, name in named
        if not path.exists() or (name and name not in names_in(path))
    ]
    assert missing == []
