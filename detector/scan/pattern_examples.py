"""Each pattern's examples and near misses, run through the scanner that production uses."""

from collections.abc import Sequence

import msgspec

from detector.patterns.pattern import Pattern
from detector.patterns.regexes import Regex
from detector.scan.scanner import PatternScanner
from detector.values.errors import ConfigError


class Failure(msgspec.Struct, frozen=True):
    """An example that its pattern misses, or a near miss that it finds. `number` counts from 1."""

    pattern: Pattern
    kind: str
    number: int
    reason: str

    def __str__(self) -> str:
        place = f"pattern `{self.pattern.id}`: {self.kind} {self.number}: {self.reason}"
        return str(ConfigError(place, self.pattern.path, self.pattern.line))


def check_examples(patterns: Sequence[Pattern]) -> list[Failure]:
    """The examples and near misses that fail, with one scanner for all patterns.

    An example holds if its own pattern is the one that wins; a near miss if its own pattern finds nothing in it.
    """
    together = PatternScanner(patterns)
    failures = []
    for pattern in patterns:
        for number, text in enumerate(pattern.examples, start=1):
            reason = _missed(pattern, text.encode(), together)
            if reason is not None:
                failures.append(Failure(pattern, "example", number, reason))
        for number, text in enumerate(pattern.near_misses, start=1):
            if pattern.id in together.finders(text.encode()):
                failures.append(Failure(pattern, "near miss", number, "found, and must not be"))
    return failures


def refuse_unseen(patterns: Sequence[Pattern], scanner: PatternScanner) -> None:
    """Refuses patterns that do not find their own examples with this scanner.

    An example may be found by another pattern, or silenced by a baseline. This guards against a pattern that finds
    nothing and says nothing: a check too strict, a keyword that is not there, or a regex that Hyperscan compiles
    wrongly (it has lost matches of alternatives that end alike, one of them with a counted repeat).

    Raises:
        ConfigError: one does not, and why; with its file and line.
    """
    for pattern in patterns:
        for number, text in enumerate(pattern.examples, start=1):
            found = scanner.scan(text.encode())
            if pattern.id in {match.pattern.id for match in found}:
                continue
            if not PatternScanner([pattern]).scan(text.encode()):
                raise pattern.error(f"example {number}: not found{_why(pattern, text.encode())}")


def _missed(pattern: Pattern, text: bytes, together: PatternScanner) -> str | None:
    winners = {match.pattern.id for match in together.scan(text)}
    if pattern.id in winners:
        return None
    if pattern.id not in together.finders(text):
        return "not found" + _why(pattern, text)
    return f"found, but {', '.join(f'`{winner}`' for winner in sorted(winners))} wins over it"


def _why(pattern: Pattern, text: bytes) -> str:
    """The first part that fails: the regex, the keywords, Hyperscan or a check."""
    bare = msgspec.structs.replace(pattern, checks=(), placeholder_ok=True)
    if not any(Regex(pattern.regex, multiline=pattern.multiline).matches(text, 0, len(text))):
        return ": the regex does not match"
    if not PatternScanner([bare]).scan(text):
        no_keywords = msgspec.structs.replace(bare, keywords=("",))
        if PatternScanner([no_keywords]).scan(text):
            return ": no keyword in it"
        return (
            ": the regex matches, and Hyperscan does not see it: make its alternatives patterns of their own"
        )
    if not pattern.placeholder_ok and not PatternScanner([msgspec.structs.replace(pattern, checks=())]).scan(
        text
    ):
        return ": the check `not-placeholder` refuses it"
    for check in pattern.checks:
        if not PatternScanner([msgspec.structs.replace(bare, checks=(check,))]).scan(text):
            return f": the check `{check.kind}` refuses it"
    return ""
