"""What `curfewd patterns list` and `patterns test` print."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from detector.patterns.pattern import Pattern
from detector.scan.pattern_examples import check_examples
from detector.terminal.output import printable
from detector.values.findings import Severity

_STYLES = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "dim",
}


def list_patterns(patterns: Sequence[Pattern], console: Console) -> None:
    """The patterns: id, family, name, severity, keywords, reference.

    A table on a terminal; else a line for each with tabs between, nothing cut, for `grep` and `cut`.
    """
    if not console.is_terminal:
        for pattern in patterns:
            fields = (
                pattern.id,
                pattern.family,
                pattern.name,
                pattern.severity.label,
                " ".join(pattern.keywords),
                pattern.reference,
            )
            # rich would make blanks of the tabs
            console.file.write("\t".join(map(printable, fields)) + "\n")
        return
    table = Table("id", "family", "name", "severity", "keywords", "reference", box=None, pad_edge=False)
    for pattern in patterns:
        table.add_row(
            Text(pattern.id, no_wrap=True),
            Text(pattern.family),
            Text(pattern.name),
            Text(pattern.severity.label, style=_STYLES[pattern.severity]),
            Text(" ".join(pattern.keywords)),
            Text(pattern.reference),
        )
    console.print(table)
    families = len({pattern.family for pattern in patterns})
    console.print(f"{len(patterns)} patterns in {families} families")


def test_patterns(patterns: Sequence[Pattern], console: Console) -> bool:
    """Runs the examples and near misses, and prints which fail and where. Returns whether all pass."""
    failures = check_examples(patterns)
    for failure in failures:
        console.print(Text(str(failure)), soft_wrap=True)
    examples = sum(len(pattern.examples) for pattern in patterns)
    near_misses = sum(len(pattern.near_misses) for pattern in patterns)
    verdict = Text(f"{len(failures)} failed", "bold red") if failures else Text("all pass", "green")
    console.print(
        Text(f"{len(patterns)} patterns, {examples} examples, {near_misses} near misses: ") + verdict
    )
    return not failures
