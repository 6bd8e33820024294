"""What all aggregates of a partition add up to: kept as running sums, because counting again would read all state."""

from collections.abc import Iterable, Mapping
from typing import Final, Self

import msgspec

from detector.judge.joins import JoinCounts


class Exposure(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Credentials that should be dead and still live.

    `credentials` counts those whose revocation was requested. `findings` counts by rule the findings that request it;
    it holds no zeros and its rules are sorted, so that equal values are encoded alike.
    """

    credentials: int = 0
    findings: dict[str, int] = {}

    def __bool__(self) -> bool:
        return self.credentials > 0 or bool(self.findings)

    @classmethod
    def of(cls, rules: Iterable[Iterable[str]]) -> Self:
        """The exposure of several credentials, given the rules of each one's findings."""
        each = [tuple(some) for some in rules]
        counts: dict[str, int] = {}
        for some in each:
            for rule in some:
                counts[rule] = counts.get(rule, 0) + 1
        return cls(len(each), _sorted(counts))

    def moved(self, before: "Exposure", after: "Exposure") -> "Exposure":
        """This sum once one of its parts changes from `before` to `after`."""
        if before == after:
            return self
        findings = dict(self.findings)
        for part, sign in ((after, 1), (before, -1)):
            for rule, count in part.findings.items():
                findings[rule] = findings.get(rule, 0) + sign * count
        return Exposure(self.credentials + after.credentials - before.credentials, _sorted(findings))


NO_EXPOSURE: Final = Exposure()


class Totals(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How many aggregates there are, how many events wait for their credential's issue, the exposure, and joins."""

    aggregates: int = 0
    parked: int = 0
    exposure: Exposure = Exposure()
    joins: JoinCounts = JoinCounts()

    def moved(self, before: "Totals", after: "Totals") -> "Totals":
        """These totals once one aggregate's share changes from `before` to `after`."""
        if before == after:
            return self
        aggregates = self.aggregates + after.aggregates - before.aggregates
        parked = self.parked + after.parked - before.parked
        return Totals(
            aggregates,
            parked,
            self.exposure.moved(before.exposure, after.exposure),
            self.joins.moved(before.joins, after.joins),
        )


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return {rule: counts[rule] for rule in sorted(counts) if counts[rule]}
