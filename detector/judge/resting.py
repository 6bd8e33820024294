"""Facts that only wait: what an aggregate of which nothing else is known says to one of them.

Most aggregates get a single fact and are never asked again: the names of a credential that nobody disputes, a leak at
the names of a secret that nobody registered, a task that shows somebody else's leak, the record of a finding. Such an
aggregate need not be built to say that it keeps the fact for some time. `judge` (`detector.judge.stage`) gives the same.
"""

from typing import Final

import msgspec

from detector.judge.name_aggregates import patience_of
from detector.judge.policy import Policy
from detector.judge.routing import (
    CREDENTIAL,
    FINDING,
    IDENTIFIER,
    LEAKED,
    TASK,
    Claim,
    Fact,
    FindingOpened,
    Routed,
    TaskStatus,
    TaskSubscription,
    answer,
)
from detector.judge.stage import META, Judgement, Meta, fact_key
from detector.values.events import Leak

_WAITING: Final[dict[type[Fact], str | tuple[str, ...]]] = {
    Claim: (CREDENTIAL, IDENTIFIER, LEAKED),
    Leak: (CREDENTIAL, IDENTIFIER),
    TaskSubscription: TASK,
    FindingOpened: FINDING,
}


def rests(key: str, fact: Fact) -> bool:
    """Whether a fact only waits at an aggregate of which nothing else is known."""
    prefixes = _WAITING.get(type(fact))
    return prefixes is not None and key.startswith(prefixes)


def rested(key: str, fact: Fact, value: bytes, watermark: int, policy: Policy) -> Judgement:
    """The judgement of a new aggregate that gets such a fact, given with its encoding, and no other."""
    sends: list[Routed] = []
    if type(fact) is Claim:
        until = timer = fact.issue.time + policy.retention
    elif type(fact) is Leak:
        patience, slack = patience_of(policy)
        until = fact.known_since + patience
        timer = until + slack
    elif type(fact) is TaskSubscription:
        sends = answer(fact.key, TaskStatus(key.removeprefix(TASK)))
        until = timer = fact.time + policy.retention
    elif type(fact) is FindingOpened:
        meta = msgspec.json.encode(Meta(key, None))
        return Judgement([(fact_key(value), value), (META, meta)])
    else:
        raise TypeError("more follows from such a fact")
    if until <= watermark:
        return Judgement([], sends=sends)
    meta = msgspec.json.encode(Meta(key, timer))
    return Judgement([(fact_key(value), value), (META, meta)], sends=sends, timer=timer)
