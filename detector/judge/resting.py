"""Facts that only wait: what an aggregate of which nothing else is known says to one of them.

Most aggregates get a single fact and are never asked again: the names of a credential that nobody disputes, a leak at
the names of a secret that nobody registered, a task that shows somebody else's leak, the record of a finding. Such an
aggregate need not be built to say that it keeps the fact for some time. Nor need that of a secret that nobody
registered and that leaks once: it is reported, and waits. `judge` (`detector.judge.stage`) gives the same.
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
    ReportedFinding,
    Routed,
    TaskStatus,
    TaskSubscription,
    answer,
    finding_key,
    task_key,
)
from detector.judge.stage import META, REPORTED, FindingDigest, Judgement, Meta, fact_key, uid_key
from detector.judge.verdicts import Verdicts
from detector.values.events import Leak
from detector.values.findings import FindingChange

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


def is_secret(key: str, fact: Fact) -> bool:
    """Whether a fact is a leak that an aggregate of a leaked secret is to report."""
    return type(fact) is Leak and key.startswith(LEAKED)


def reported(  # noqa: PLR0913, PLR0917 - the aggregate has a key and a policy, the leak an encoding and verdicts
    key: str, leak: Leak, value: bytes, verdicts: Verdicts, policy: Policy, digest: FindingDigest
) -> Judgement:
    """The judgement of a new aggregate of a leaked secret with this leak, given with its encoding, and no other fact.

    `verdicts` are those of `judge_lone_secret`: not disposable yet. `digest` is as for `AggregateState.judgement`.
    """
    judgement = Judgement([(fact_key(value), value)], [], sends=[], timer=verdicts.timer)
    for uid, finding in verdicts.findings.items():
        if finding.task is not None:
            subscription = TaskSubscription(key, leak.known_since)
            judgement.sends.append((task_key(finding.task.task_id), subscription))
        if policy.finding_retention:
            judgement.sends.append((finding_key(uid), FindingOpened(key, finding.last_seen)))
        judgement.findings.append(FindingChange("created", finding))
        kept = msgspec.json.encode(ReportedFinding(digest(finding), finding))
        judgement.changes.append((uid_key(REPORTED, uid), kept))
    judgement.changes.append((META, msgspec.json.encode(Meta(key, verdicts.timer))))
    return judgement


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
