"""The examples of other scanners' rules, run through the patterns: how many are found, and why the others are not.

Reads a checkout that somebody brought: Kingfisher's rules (YAML with `examples`) or gitleaks' and betterleaks' (Go
with lists of `tps`). Nothing of their text is kept or printed, only counts by rule.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import yaml

from benchmarks.tables import table
from detector.configuration.settings import PatternSettings
from detector.patterns.placeholders import is_placeholder
from detector.scan.scanner import PatternScanner
from detector.scan.scanner_loader import load_scanner

MADE_UP: Final = "made up: a placeholder, a sequence, or a check refuses it"
NAME_ONLY: Final = "no form: only the name beside it could tell"
OTHER: Final = "other"
_SHORT: Final = 12  # bytes; less is an id, a host or a word
_RUN: Final = re.compile(rb"[\w.~+/=-]{12,}")
_PLAIN: Final = re.compile(rb"[A-Za-z0-9]+|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_GO_LIST: Final = re.compile(r"\btps\s*:?=\s*\[\]string\{(.*?)\n\t\}", re.DOTALL)
_GO_TEXT: Final = re.compile(r'^\s*(?:"((?:[^"\\\n]|\\.)*)"|`([^`]*)`),\s*(?://.*)?$', re.MULTILINE)


class Outcome(msgspec.Struct, frozen=True):
    """What became of a set of examples. `missed` counts by reason, `rules` those of which no example is found."""

    examples: int
    found: int
    missed: Mapping[str, int]
    rules: Sequence[str]


def examples(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The examples below a folder, each with the rule's id or the file's name."""
    for path in sorted({*folder.rglob("*.yml"), *folder.rglob("*.yaml")}):
        rules = yaml.safe_load(path.read_text(errors="replace"))
        for rule in rules.get("rules", ()) if isinstance(rules, dict) else ():
            for text in rule.get("examples") or ():
                yield str(rule.get("id", path.stem)), str(text).encode()
    for path in sorted(folder.rglob("*.go")):
        for block in _GO_LIST.findall(path.read_text(errors="replace")):
            for quoted, raw in _GO_TEXT.findall(block):
                # No `unicode_escape`: what Go escapes in these lists is quotes, tabs and line feeds.
                text = raw or re.sub(
                    r"\\([nt\"\\])", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), quoted
                )
                yield path.stem, text.encode()


def judge(texts: Iterator[tuple[str, bytes]], scanner: PatternScanner) -> Outcome:
    """Scans each by itself."""
    refused = scanner.count_refusals()
    found = total = 0
    missed = Counter[str]()
    by_rule: dict[str, bool] = defaultdict(bool)
    for rule, text in texts:
        before = refused.total()
        seen = bool(scanner.scan(text))
        total, found = total + 1, found + seen
        by_rule[rule] |= seen
        if not seen:
            missed[_reason(text, refused=refused.total() > before)] += 1
    return Outcome(total, found, dict(missed), sorted(rule for rule, seen in by_rule.items() if not seen))


def _reason(text: bytes, *, refused: bool) -> str:
    runs = _RUN.findall(text)
    values = [part for run in runs for part in re.split(rb"[=:]", run.rstrip(b"=")) if len(part) >= _SHORT]
    if refused or any(map(is_placeholder, values)):
        return MADE_UP
    longest = max(values, key=len, default=b"")
    return NAME_ONLY if _PLAIN.fullmatch(longest) else OTHER


def main(folders: Sequence[str]) -> None:
    """Prints a row for each folder."""
    rows = []
    for folder in folders:
        scanner, _ = load_scanner(PatternSettings())
        made = judge(examples(Path(folder)), scanner)
        counts = [f"{made.missed.get(reason, 0):,}" for reason in (MADE_UP, NAME_ONLY, OTHER)]
        rows.append(
            [Path(folder).name, f"{made.examples:,}", f"{made.found:,}", *counts, f"{len(made.rules):,}"]
        )
    print(table(["examples of", "all", "found", MADE_UP, NAME_ONLY, OTHER, "rules without one found"], rows))
