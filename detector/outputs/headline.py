"""A run's findings in one sentence: what happened and how often, the worst first."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from detector.judge.rules.catalog import RULES
from detector.values.findings import Finding
from detector.values.wording import counted

_TOLD: Final = 3  # rules that the sentence tells


def headline(findings: Sequence[Finding], gaps: Sequence[str] = ()) -> str:
    """The sentence about the findings that nobody accepted. It contains no text from the input.

    `gaps` says what could not be judged, as `Summary.gaps` does.
    """
    standing = [one for one in findings if one.accepted is None]
    if not standing:
        return f"{none_standing(len(findings))}{', but ' if gaps else ''}{' and '.join(gaps)}."
    counts = Counter(one.rule for one in standing)
    worst = {rule: max(one.severity for one in standing if one.rule == rule) for rule in counts}
    order = sorted(counts, key=lambda rule: (-worst[rule], list(RULES).index(rule)))
    first = _noun(order[0])
    told = sorted(
        order[:_TOLD], key=lambda rule: _noun(rule) != first
    )  # what has one noun together, said once
    phrases = [_phrase(rule, counts[rule], before) for before, rule in zip([None, *told], told, strict=False)]
    rest = sum(counts[rule] for rule in order[_TOLD:])
    if rest:
        phrases.append(counted(rest, "more finding"))
    return f"{', '.join(phrases[:-1])} and {phrases[-1]}." if len(phrases) > 1 else f"{phrases[0]}."


def none_standing(accepted: int) -> str:
    """What was found where so many findings are accepted, and none is not."""
    if not accepted:
        return "Nothing found"
    return f"{counted(accepted, 'finding')}, {'all ' if accepted > 1 else ''}accepted"


def _noun(rule: str) -> str:
    return RULES[rule].phrase.noun


def _phrase(rule: str, count: int, before: str | None) -> str:
    """`3 credentials leaked into logs`. After a phrase with the same noun, the noun is left out."""
    phrase = RULES[rule].phrase
    did = phrase.one if count == 1 else phrase.many
    if before is not None and _noun(before) == phrase.noun:
        return f"{count:,} {did}"
    return f"{counted(count, phrase.noun, phrase.nouns)} {did}"
