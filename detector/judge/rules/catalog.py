"""All rules, in the order in which pages and reports list them. Defaults, words and taxonomies are taken from here.

A rule of curfewd's own is one line in `BUNDLED`. A program that runs curfewd as a library adds its own rules with
`RULES.add` before it loads a configuration.
"""

from collections.abc import Iterable
from typing import Final

from detector.judge.rules import leaks, lifetimes, scans, uses
from detector.judge.rules.rule import EndTest, LeakTest, LifetimeTest, Rule, UseTest

BUNDLED: Final = (
    leaks.CREDENTIAL,
    leaks.SECRET,
    uses.AFTER_TERMINATION,
    uses.AFTER_REVOCATION,
    uses.OUTSIDE_WINDOW,
    uses.OUTSIDE_SCOPE,
    uses.BY_OTHER_WORKLOAD,
    uses.FROM_ELSEWHERE,
    lifetimes.OUTLIVES,
    lifetimes.UNUSED,
    lifetimes.OVERLONG,
    lifetimes.OVERDUE,
    scans.LIMITED,
    lifetimes.UNCONFIRMED,
)
_SINGLE: Final = ("secret", "limited", "deadline", "unconfirmed")  # there is one rule of each


class Catalog(dict[str, Rule]):
    """Rules by id, and the functions of those that look at the same thing. Rules come in by `add` only."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        super().__init__()
        self.uses: tuple[tuple[Rule, UseTest], ...] = ()
        self.use_tests: tuple[UseTest, ...] = ()  # those of `uses`: most uses break no rule, and need no more
        self.out_of_time: tuple[tuple[Rule, UseTest], ...] = ()
        self.leaks: tuple[tuple[Rule, LeakTest], ...] = ()
        self.lifetimes: tuple[tuple[Rule, LifetimeTest], ...] = ()
        self.ends: tuple[tuple[Rule, EndTest], ...] = ()
        # The ids of the rules that look at uses, at leaks, and at either.
        self.of_uses: tuple[str, ...] = ()
        self.of_leaks: tuple[str, ...] = ()
        self.of_uses_and_leaks: tuple[str, ...] = ()
        for rule in rules:
            self.add(rule)

    def add(self, rule: Rule) -> None:
        """Adds a rule.

        Raises:
            ValueError: there is a rule with this id, or one that looks at what only one rule can look at.
        """
        if rule.id in self:
            raise ValueError(f"there is a rule {rule.id} already")
        for field in _SINGLE:
            if getattr(rule, field) is not None and any(getattr(one, field) for one in self.values()):
                raise ValueError(f"{rule.id}: only one rule can have {field}")
        self[rule.id] = rule
        if rule.out_of_time is not None:
            self.out_of_time += ((rule, rule.out_of_time),)
        if rule.use is not None:
            self.uses += ((rule, rule.use),)
            self.use_tests += (rule.use,)
        if rule.leak is not None:
            self.leaks += ((rule, rule.leak),)
        if rule.lifetime is not None:
            self.lifetimes += ((rule, rule.lifetime),)
        if rule.end is not None:
            self.ends += ((rule, rule.end),)
        self.of_uses = tuple(one.id for one, _ in (*self.out_of_time, *self.uses))
        self.of_leaks = tuple(one.id for one, _ in self.leaks)
        self.of_uses_and_leaks = (*self.of_uses, *self.of_leaks)


RULES: Final = Catalog(BUNDLED)
