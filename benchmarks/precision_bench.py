"""False positives by pattern: all that are on by default, on clean generated logs of several seeds and on real text.

Whatever matches in generated text is false: nothing was planted. In real text a match may be right (a key of a test,
in a history of commits), so somebody has to read them: they are printed as `curfewd patterns test --against` prints
them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from rich.console import Console

from benchmarks import peers
from benchmarks.compare import RESULTS, Machine, machine
from benchmarks.corpus import MB, Spec, generate
from benchmarks.tables import about, save, table
from detector.configuration.settings import Settings
from detector.replay.pattern_trial_command import print_against, try_against

_GB: Final = 1_000 * MB
GENERATED: Final = "generated"
_MOST_CHECKS: Final = 3


class Options(msgspec.Struct, frozen=True):
    """`size` is MB of log text for each seed; `texts` are paths of real text by a name for the table.

    `name` is that of the result files.
    """

    size: float
    seeds: Sequence[int]
    texts: Mapping[str, str]
    name: str = "precision"


class Text(msgspec.Struct, frozen=True):
    """A text: its bytes, the matches by pattern, how many of them differ, and what checks refused by pattern."""

    name: str
    bytes: int
    matches: Mapping[str, int]
    secrets: Mapping[str, int]
    refused: Mapping[str, Mapping[str, int]]


class Precision(msgspec.Struct, frozen=True):
    """What so many patterns saw."""

    machine: Machine
    patterns: int
    seeds: Sequence[int]
    texts: Sequence[Text]


def precision(options: Options, console: Console) -> Precision:
    """Scans each body of text with the default settings and prints what matched."""
    texts: list[Text] = []
    patterns = 0
    for name, path in _bodies(options):
        tried, clean, _ = try_against(Settings(), [path])
        console.rule(name)
        print_against(tried, clean, None, console)
        patterns = len(tried.patterns)
        seen = tried.patterns.items()
        matches = {pattern: one.matches for pattern, one in seen if one.matches}
        secrets = {pattern: len(one.secrets) for pattern, one in seen if one.matches}
        refused = {pattern: one.refused for pattern, one in seen if one.refused}
        texts.append(Text(name, tried.size, matches, secrets, refused))
    return Precision(_without_paths(machine(), options), patterns, options.seeds, texts)


def _without_paths(where: Machine, options: Options) -> Machine:
    seeds = ",".join(map(str, options.seeds))
    generated = f"--size {options.size:g} --seeds {seeds}" if seeds else "--seeds ''"
    command = f"python -m benchmarks precision {generated} NAME=PATH..."
    return msgspec.structs.replace(where, command=command)


def _bodies(options: Options) -> Iterator[tuple[str, str]]:
    for seed in options.seeds:
        made = generate(Spec.of(options.size, seed, clean=True), peers.DATA)
        yield GENERATED, str(made.logs)
    yield from options.texts.items()


def report(made: Precision) -> str:
    """The tables: the bodies of text, the patterns that matched, and those whose checks had to refuse something."""
    names = list(dict.fromkeys(text.name for text in made.texts))
    sizes = Counter[str]()
    matches, secrets = ({name: Counter[str]() for name in names} for _ in range(2))
    refused: dict[str, Counter[str]] = {}
    for text in made.texts:
        sizes[text.name] += text.bytes
        matches[text.name].update(text.matches)
        secrets[text.name].update(text.secrets)
        for pattern, checks in text.refused.items():
            refused.setdefault(pattern, Counter()).update(checks)
    total = sum(matches.values(), Counter[str]())
    by_size = [
        [name, f"{sizes[name] / MB:,.0f}", f"{matches[name].total():,}", _per_gb(matches[name].total(), sizes[name])]
        for name in names
    ]  # fmt: skip
    by_pattern = [
        [pattern, *(_cell(matches[name][pattern], secrets[name][pattern], sizes[name]) for name in names)]
        for pattern, _ in total.most_common()
    ]
    by_check = [
        [pattern, ", ".join(f"{count:,} {check}" for check, count in checks.most_common(_MOST_CHECKS))]
        for pattern, checks in sorted(refused.items(), key=lambda row: (-row[1].total(), row[0]))
    ]
    parts = [
        f"# What the patterns see {'where no secret was put' if made.seeds else 'in real text'}\n",
        about(made.machine),
        f"\n{made.patterns} patterns, those that are on by default; {_generated(made.seeds)}.\n",
        table(["text", "MB", "matches", "per GB"], by_size),
        "\n## Matches by pattern\n",
        f"Matches (different ones; matches per GB). The other {made.patterns - len(total)} patterns matched nothing.\n",
        table(["pattern", *names], by_pattern) if by_pattern else "None.",
        "\n## What checks refused\n\nEach text about once.\n",
        table(["pattern", "checks"], by_check) if by_check else "Nothing.",
    ]
    return "\n".join(parts) + "\n"


def _generated(seeds: Sequence[int]) -> str:
    return f"generated text of the seeds {', '.join(map(str, seeds))}" if seeds else "no generated text"


def _cell(count: int, different: int, size: int) -> str:
    return f"{count:,} ({different:,}; {count * _GB / size:,.0f})" if count else "0"


def _per_gb(count: int, size: int) -> str:
    return f"{count * _GB / size:.2f}" if size else ""


def main(options: Options) -> None:
    """Measures and writes `results/precision.md` and `.json`, or under another name."""
    console = Console(width=160)
    made = precision(options, console)
    text = report(made)
    print(text)
    save(RESULTS, options.name, text, made)
