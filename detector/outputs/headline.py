"""What a run found, in one sentence: what happened and how often, the worst first."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from detector.values.findings import (
    LEAKED_CREDENTIAL,
    LEAKED_SECRET,
    OUTLIVES_TASK,
    OVERDUE_TASK,
    OVERLONG_CREDENTIAL,
    REVOCATION_UNCONFIRMED,
    RULES,
    UNUSED_GRANT,
    USE_AFTER_REVOCATION,
    USE_AFTER_TERMINATION,
    USE_BY_OTHER_WORKLOAD,
    USE_OUTSIDE_SCOPE,
    USE_OUTSIDE_WINDOW,
    Finding,
)
from detector.values.wording import counted

_TOLD: Final = 3  # rules that the sentence tells
_CREDENTIAL: Final = ("credential", "credentials")
# Of each rule the noun that it counts, and what one of them did, or several.
_PHRASES: Final = {
    LEAKED_CREDENTIAL: (_CREDENTIAL, "leaked into a log", "leaked into logs"),
    LEAKED_SECRET: (
        ("unregistered secret", "unregistered secrets"),
        "leaked into a log",
        "leaked into logs",
    ),
    USE_AFTER_TERMINATION: (
        _CREDENTIAL,
        "was used after its task had ended",
        "were used after their tasks had ended",
    ),
    USE_AFTER_REVOCATION: (
        _CREDENTIAL,
        "was used after its revocation",
        "were used after their revocation",
    ),
    USE_OUTSIDE_WINDOW: (
        _CREDENTIAL,
        "was used outside its approved time",
        "were used outside their approved time",
    ),
    USE_OUTSIDE_SCOPE: (_CREDENTIAL, "was used beyond its grants", "were used beyond their grants"),
    USE_BY_OTHER_WORKLOAD: (_CREDENTIAL, "was used by somebody else", "were used by somebody else"),
    OUTLIVES_TASK: (_CREDENTIAL, "outlived its task", "outlived their tasks"),
    UNUSED_GRANT: (_CREDENTIAL, "had grants it never used", "had grants they never used"),
    OVERLONG_CREDENTIAL: (_CREDENTIAL, "was issued for too long", "were issued for too long"),
    OVERDUE_TASK: (("task", "tasks"), "did not end by its deadline", "did not end by their deadlines"),
    REVOCATION_UNCONFIRMED: (_CREDENTIAL, "was not confirmed revoked", "were not confirmed revoked"),
}
assert tuple(sorted(_PHRASES)) == tuple(sorted(RULES))  # noqa: S101 - a rule without a phrase would be a bug of ours


def headline(findings: Sequence[Finding]) -> str:
    """The sentence, of findings that nobody accepted; it holds nothing that was read."""
    standing = [one for one in findings if one.accepted is None]
    if not standing:
        return "Nothing found that is not accepted." if findings else "Nothing found."
    counts = Counter(one.rule for one in standing)
    worst = {rule: max(one.severity for one in standing if one.rule == rule) for rule in counts}
    order = sorted(counts, key=lambda rule: (-worst[rule], RULES.index(rule)))
    first = _noun(order[0])
    told = sorted(
        order[:_TOLD], key=lambda rule: _noun(rule) != first
    )  # what has one noun together, said once
    phrases = [_phrase(rule, counts[rule], before) for before, rule in zip([None, *told], told, strict=False)]
    rest = sum(counts[rule] for rule in order[_TOLD:])
    if rest:
        phrases.append(counted(rest, "more finding"))
    return f"{', '.join(phrases[:-1])} and {phrases[-1]}." if len(phrases) > 1 else f"{phrases[0]}."


def _noun(rule: str) -> str:
    return _PHRASES[rule][0][0]


def _phrase(rule: str, count: int, before: str | None) -> str:
    """`3 credentials leaked into logs`; the noun is left out after one of the same."""
    (noun, nouns), one, many = _PHRASES[rule]
    did = one if count == 1 else many
    if before is not None and _noun(before) == noun:
        return f"{count:,} {did}"
    return f"{counted(count, noun, nouns)} {did}"
