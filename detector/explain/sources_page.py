"""Writes the table of docs/sources.md from the catalogue: `python -m detector.explain.sources_page docs/sources.md`."""

import sys
from pathlib import Path
from typing import Final

from detector.adapters.catalog import CATALOG

HEAD: Final = "| source | name | what it gives | its tasks | Panther | Elastic |\n| --- | --- | --- | --- | --- | --- |\n"


def table() -> str:
    """The table, a row for each source."""
    return HEAD + "".join(
        f"| [{entry.title}](sources/{entry.page}) | `{name}` | {entry.gives} | {entry.task}"
        f" | {entry.panther} | {entry.elastic} |\n"
        for name, entry in CATALOG.items()
    )


def with_table(text: str) -> str:
    """The page with its table made again."""
    before, head, rest = text.partition(HEAD)
    rows = rest.split("\n\n", maxsplit=1)
    return f"{before}{table()}\n{rows[1]}" if head else text


def main() -> None:
    """Writes the page that the argument names."""
    page = Path(sys.argv[1])
    page.write_text(with_table(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
