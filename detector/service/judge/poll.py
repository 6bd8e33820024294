"""What one transaction of the judge stage is about."""

from typing import NamedTuple

import msgspec

from detector.judge.routing import Fact
from detector.judge.stage import AggregateState
from detector.judge.verdicts import Verdicts


class CachedAggregate(NamedTuple):
    """An aggregate in memory, and the digest of its key."""

    state: AggregateState
    digest: bytes


class RestingFact(NamedTuple):
    """The only fact for an aggregate of which nothing is known, its encoding, and the digest of the aggregate's key."""

    fact: Fact
    value: bytes
    digest: bytes


class Poll(msgspec.Struct):
    """The aggregates to judge, by key.

    `touched` have facts to judge, or their timer has come. `resting` are new, and only keep a fact; of those that report
    it, `secrets` has the verdicts. `began` has the time (ms) at which the record appeared that touched an aggregate first.
    """

    touched: dict[str, CachedAggregate] = {}
    resting: dict[str, RestingFact] = {}
    secrets: dict[str, Verdicts] = {}
    began: dict[str, int] = {}
