"""Results as Markdown tables and JSON."""

from pathlib import Path
from typing import Final

import msgspec

from benchmarks.compare import Comparison, Machine, Row
from benchmarks.corpus import MB
from benchmarks.matching import Ratio

_GB: Final = 1_000 * MB


def table(head: list[str], body: list[list[str]]) -> str:
    """A Markdown table."""
    rows = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def about(machine: Machine) -> str:
    """The line that says where figures come from."""
    return (
        f"{machine.date}, {machine.processor}, {machine.cores} cores, {machine.memory_gib:g} GiB, "
        f"{machine.system}, Python {machine.python}. `{machine.command.strip()}`"
    )


def percent(ratio: Ratio) -> str:
    """A ratio for a table."""
    return f"{100 * ratio.share:.1f} %" if ratio.planted else "–"


def comparison(made: Comparison) -> str:
    """The whole report of a comparison."""
    spec = made.spec
    planted = (
        "no secrets" if spec.clean else f"{spec.secrets} secrets and {spec.registered} registered credentials"
    )
    parts = [
        "# Scanners on one corpus\n",
        about(made.machine),
        f"\nCorpus: {made.size / MB:.0f} MB of log text, seed {spec.seed}, {planted}.\n",
        table(
            ["scanner", "version", "MB", "wall s", "CPU s", "of it start-up", "MB per CPU-s", "less start-up", "peak MB", "recall in clear", "recall encoded",
             "registered found", "false lines", "false lines per GB"],
            [_row(row) for row in made.rows],
        ),
        *_notes(made),
    ]  # fmt: skip
    if not spec.clean:
        parts += ["\n## Recall by encoding\n", _grouped(made.rows, "by_encoding")]
        parts += ["\n## Recall by family\n", _grouped(made.rows, "by_family")]
    parts += ["\n## False lines by what stands there\n", _counted(made.rows)]
    return "\n".join(parts) + "\n"


def _row(row: Row) -> list[str]:
    score = row.score
    return [
        row.scanner,
        row.version,
        f"{row.size / MB:.0f}",
        f"{row.wall:.1f}",
        f"{row.cpu:.1f}",
        f"{row.startup:.1f}",
        f"{row.rate:.1f}",
        f"{row.lean_rate:.1f}" if row.lean_rate else "–",
        f"{row.memory / MB:.0f}",
        percent(score.plain),
        percent(score.encoded),
        percent(score.registered),
        str(score.false_lines),
        f"{score.false_lines / row.size * _GB:.0f}",
    ]


def _notes(made: Comparison) -> list[str]:
    notes = [f"- {row.scanner}: {row.notes}" for row in made.rows if row.notes]
    notes += [f"- {name} is not in the table: {reason}" for name, reason in made.absent.items()]
    return ["", *notes] if notes else []


def _distinct(rows: list[Row]) -> list[Row]:
    """One row for each scanner that scores differently (timings of one scanner share their score)."""
    return [row for row in rows if not row.scanner.endswith(", 1 core")]


def _grouped(rows: list[Row], group: str) -> str:
    rows = _distinct(rows)
    scores: list[dict[str, Ratio]] = [getattr(row.score, group) for row in rows]
    names = sorted({name for score in scores for name in score})
    body = []
    for name in names:
        planted = max((score[name].planted for score in scores if name in score), default=0)
        body.append([name, str(planted), *(percent(score.get(name, Ratio())) for score in scores)])
    return table(["", "planted", *(row.scanner for row in rows)], body)


def _counted(rows: list[Row]) -> str:
    rows = _distinct(rows)
    names = sorted({name for row in rows for name in row.score.false_by_class})
    body = [[name, *(str(row.score.false_by_class.get(name, 0)) for row in rows)] for name in names]
    return table(["", *(row.scanner for row in rows)], body)


def slim(made: Comparison) -> Comparison:
    """The comparison without anything that shows a planted secret."""
    rows = []
    for row in made.rows:
        score = msgspec.structs.replace(row.score, missed=[], false_hits=[])
        rows.append(msgspec.structs.replace(row, score=score))
    return msgspec.structs.replace(made, rows=rows)


def save(folder: Path, name: str, text: str, data: object) -> None:
    """Writes `name`.md and `name`.json."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(data), indent=1) + b"\n")
