"""Each pattern's examples and near misses, run through the scanner that production uses."""

from collections.abc import Callable, Sequence

import msgspec

from detector.errors import ConfigError
from detector.patterns import Pattern
from detector.scan import PatternScanner


class Failure(msgspec.Struct, frozen=True):
    """An example that its pattern does not find, or a near miss that it does. `number` counts from 1."""

    pattern: Pattern
    kind: str
    number: int
    reason: str

    def __str__(self) -> str:
        place = f"pattern `{self.pattern.id}`: {self.kind} {self.number}: {self.reason}"
        return str(ConfigError(place, self.pattern.path, self.pattern.line))


def check_examples(patterns: Sequence[Pattern]) -> list[Failure]:
    """What of the patterns' evidence does not hold, by a scanner of all of them together.

    An example holds if its own pattern is the one that wins; a near miss if its own pattern finds nothing in it.
    """
    scanner = PatternScanner(patterns)
    failures = []
    for pattern in patterns:
        alone = PatternScanner([pattern])
        for kind, texts, judge, by in (
            ("example", pattern.examples, _judge_example, scanner),
            ("near miss", pattern.near_misses, _judge_near_miss, alone),
        ):
            for number, text in enumerate(texts, start=1):
                reason = judge(pattern, text.encode(), by)
                if reason is not None:
                    failures.append(Failure(pattern, kind, number, reason))
    return failures


Judge = Callable[[Pattern, bytes, PatternScanner], str | None]


def _judge_example(pattern: Pattern, text: bytes, scanner: PatternScanner) -> str | None:
    winners = {match.pattern.id for match in scanner.scan(text)}
    if pattern.id in winners:
        return None
    if not PatternScanner([pattern]).scan(text):
        return "not found" + _why(pattern, text)
    return f"found, but {', '.join(f'`{winner}`' for winner in sorted(winners))} wins over it"


def _judge_near_miss(_pattern: Pattern, text: bytes, alone: PatternScanner) -> str | None:
    return "found, and must not be" if alone.scan(text) else None


def _why(pattern: Pattern, text: bytes) -> str:
    """The first thing that stands in the way: the regex, the keywords or a check."""
    bare = msgspec.structs.replace(pattern, checks=(), placeholder_ok=True)
    if not PatternScanner([bare]).scan(text):
        no_keywords = msgspec.structs.replace(bare, keywords=("",))
        return (
            ": no keyword in it" if PatternScanner([no_keywords]).scan(text) else ": the regex does not match"
        )
    if not pattern.placeholder_ok and not PatternScanner([msgspec.structs.replace(pattern, checks=())]).scan(
        text
    ):
        return ": the check `not-placeholder` refuses it"
    for check in pattern.checks:
        if not PatternScanner([msgspec.structs.replace(bare, checks=(check,))]).scan(text):
            return f": the check `{check.kind}` refuses it"
    return ""
