"""Credentials that should be dead and are not: counted as they stand, for a gauge that falls when they are dead."""

from collections import Counter
from collections.abc import Iterable
from typing import Self

import msgspec


class Exposure(msgspec.Struct, frozen=True, array_like=True):
    """How many credentials live though their revocation was asked for, and by rule how many findings ask for it.

    `findings` holds no zeros, in the order of the rules' names: equal ones are written alike.
    """

    credentials: int = 0
    findings: dict[str, int] = {}

    def __bool__(self) -> bool:
        return self.credentials > 0 or bool(self.findings)

    @classmethod
    def of(cls, rules: Iterable[Iterable[str]]) -> Self:
        """Of so many credentials, each with the rules of its findings."""
        each = [tuple(some) for some in rules]
        return cls(len(each), _sorted(Counter(rule for some in each for rule in some)))

    def moved(self, before: "Exposure", after: "Exposure") -> "Exposure":
        """This sum, once one of its parts is no longer the one but the other."""
        if before == after:
            return self
        findings = Counter(self.findings)
        findings.update(after.findings)
        findings.subtract(before.findings)
        return Exposure(self.credentials + after.credentials - before.credentials, _sorted(findings))


def _sorted(counts: "Counter[str]") -> dict[str, int]:
    return {rule: counts[rule] for rule in sorted(counts) if counts[rule]}
