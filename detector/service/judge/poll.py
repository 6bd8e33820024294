"""What one transaction of the judge stage is about."""

import msgspec

from detector.judge.routing import Fact
from detector.judge.stage import AggregateState
from detector.judge.verdicts import Verdicts


class CachedAggregate(msgspec.Struct, frozen=True, gc=False):
    """An aggregate in memory, and the digest of its key."""

    state: AggregateState
    digest: bytes


class RestingFact(msgspec.Struct, gc=False):
    """The only fact for an aggregate of which nothing is known, its encoding, and the digest of the aggregate's key.

    `verdicts` are those of an aggregate that reports it, None while it is not judged.
    """

    fact: Fact
    value: bytes
    digest: bytes
    verdicts: Verdicts | None = None


class Poll(msgspec.Struct):
    """The aggregates to judge, by key.

    `touched` have facts to judge, or their timer has come. `resting` are new, and only keep a fact; `secrets` are
    those of them that report it. `began` has the time (ms) at which the record appeared that touched an aggregate
    first.
    """

    touched: dict[str, CachedAggregate] = {}
    resting: dict[str, RestingFact] = {}
    secrets: list[str] = []
    began: dict[str, int] = {}
