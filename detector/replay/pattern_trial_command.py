"""What `curfewd patterns test --against` does and prints."""

import time
from collections.abc import Sequence
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from detector.configuration.allowlist import Allowlist
from detector.configuration.settings import Settings
from detector.ingest.inputs import find_sources
from detector.ingest.mapped_adapter import configured_classifier
from detector.replay.pattern_trial import PatternTrial, Tried, against
from detector.replay.stages import Work
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.redactor import Redactor
from detector.scan.scanner_loader import load_scanner
from detector.scan.shares import SECOND_LOOK
from detector.terminal.progress import meter
from detector.values.errors import UsageError
from detector.values.findings import Confidence
from detector.values.globs import compile_glob
from detector.values.wording import Clean, counted, size, visible

_GB: Final = 1e9
_LEAST_FOR_RATE: Final = 1_000_000  # bytes: of less no rate per GB can be told
_SHOWN_FINGERPRINT: Final = 16
_EXCERPT: Final = 160
_PLACE: Final = 120
NAMED_IDS: Final = ("named-secret", "named-password")  # the patterns that a threshold applies to


def try_against(settings: Settings, paths: Sequence[str]) -> tuple[Tried, Clean, tuple[str, ...]]:
    """Scans what the paths name; what was seen, what masks texts of it, and warnings.

    Raises:
        UsageError: a pattern or a path is wrong.
    """
    least = settings.patterns.confidence
    scanner, warnings = load_scanner(msgspec.structs.replace(settings.patterns, confidence=Confidence.LOW))
    classifier = configured_classifier(settings.sources)
    sources, letters = find_sources(paths, classifier=classifier)
    known = KnownIndex((), settings.keys)
    share = msgspec.structs.replace(SECOND_LOOK, forms=settings.scan.forms)
    finder = LeakFinder(scanner, known, settings.keys, allowlist=Allowlist(settings.allows), share=share)
    with meter() as bars:
        tried = against(Work(sources, time.time_ns(), finder, classifier), scanner, bars, least)
    missed = tuple(f"{letter.source}: {letter.detail}" for letter in letters)
    return tried, Redactor(scanner, known).clean, (*warnings, *missed)


def print_against(
    tried: Tried, clean: Clean, glob: str | None, console: Console, *, lasting: bool = False
) -> None:
    """Prints the patterns that saw or refused something, those that match the most first.

    `lasting`: fingerprints are those of a deployment key, and so shown as an `[[allow]]` can name them.

    Raises:
        UsageError: the glob matches no pattern.
    """
    wanted = compile_glob("*" if glob is None else glob)
    seen = [(name, one) for name, one in tried.patterns.items() if wanted(name)]
    if glob is not None and not seen:
        raise UsageError(
            f"--pattern {visible(glob, _PLACE)}: no pattern has such an id: `curfewd patterns list` shows all"
        )
    rows = [(name, one) for name, one in seen if one.matches or one.refused]
    rows.sort(key=lambda row: (-row[1].matches, -sum(row[1].refused.values()), row[0]))
    table = Table("pattern", box=None, pad_edge=False)
    for title in ("matches", "secrets", "per GB", "allowed"):
        table.add_column(title, justify="right")
    table.add_column("refused by checks")
    for name, one in rows:
        table.add_row(
            Text(name, no_wrap=True),
            f"{one.matches:,}",
            f"{len(one.secrets):,}",
            f"{one.matches * _GB / tried.size:,.1f}" if tried.size >= _LEAST_FOR_RATE else "",
            f"{one.allowed:,}" if one.allowed else "",
            Text(", ".join(f"{count:,} {check}" for check, count in _most(one))),
        )
    if rows:
        console.print(table)
    for name, one in rows:
        for index, example in enumerate(one.examples):
            if index == 0:
                console.print()
                console.print(Text(name), soft_wrap=True)
            place = visible(clean(example.source), _PLACE) + (
                "" if example.line is None else f":{example.line}"
            )
            text = Text(f"  {place}  ", "dim")
            text.append(visible(clean(example.excerpt).strip(), _EXCERPT), "not dim")
            text.append("  allowed" if example.allowed else "")
            text.append(f"  {example.fingerprint[:_SHOWN_FINGERPRINT]}*" if lasting else "")
            console.print(text, soft_wrap=True)
    if any(matches for matches, _ in tried.thresholds.values()) and any(map(wanted, NAMED_IDS)):
        console.print(_thresholds(tried))
    if rows:
        console.print()
    console.print(Text(_total(tried, seen)), soft_wrap=True)


def _thresholds(tried: Tried) -> Table:
    """What each threshold would report of secrets that only their name gives away."""
    table = Table("\n[patterns] confidence", box=None, pad_edge=False)
    for title in ("matches", "secrets", "per GB"):
        table.add_column(f"\n{title}", justify="right")
    for each, (matches, secrets) in tried.thresholds.items():
        table.add_row(
            f'"{each.label}"' + (" (in force)" if each == tried.least else ""),
            f"{matches:,}",
            f"{secrets:,}",
            f"{matches * _GB / tried.size:,.1f}" if tried.size >= _LEAST_FOR_RATE else "",
        )
    return table


def _most(one: PatternTrial) -> list[tuple[str, int]]:
    return sorted(one.refused.items(), key=lambda item: (-item[1], item[0]))


def _total(tried: Tried, seen: Sequence[tuple[str, PatternTrial]]) -> str:
    matches = sum(one.matches for _, one in seen)
    unreadable = f", {tried.dead:,} unreadable" if tried.dead else ""
    return (
        f"{matches:,} matches of {len(seen):,} patterns in {counted(tried.records, 'record')}, "
        f"{size(tried.size)}{unreadable}"
    )
