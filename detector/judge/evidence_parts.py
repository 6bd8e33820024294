"""The evidence about credentials as parts: of the uses and leaks of a task each of several ledgers judges a shard.

Each ledger knows all lifecycle events and is sealed. The shards have no event in common. So the sums add up to what one
ledger would have.
"""

from collections.abc import Iterable

import msgspec

from detector.judge.evidence import FinalTally, TallyPart
from detector.judge.ledger import Ledger
from detector.judge.terms import NEVER


class CredentialEvidence(msgspec.Struct, frozen=True, array_like=True):
    """What a shard says of a credential: part of each tally by rule, and the first use that each grant covered (ns)."""

    credential_id: str
    tallies: dict[str, TallyPart]
    coverage: list[int] | None


def evidence_of(ledger: Ledger) -> list[CredentialEvidence]:
    """What the uses and leaks were evidence of that a ledger judged since it was sealed."""
    return [
        CredentialEvidence(
            account.credential_id,
            {
                rule: tally.part()
                for rule, tally in (account.tallies or {}).items()
                if isinstance(tally, FinalTally)
            },
            account.coverage,
        )
        for account in ledger.accounts()
        if account.tallies or account.coverage
    ]


def add_evidence(ledger: Ledger, parts: Iterable[CredentialEvidence]) -> None:
    """Adds what other ledgers know of their shards."""
    for part in parts:
        account = ledger.credential(part.credential_id)
        if account is None:
            continue
        if account.tallies is None:
            account.tallies = {}
        for rule, some in part.tallies.items():
            tally = account.tallies.get(rule)
            if not isinstance(tally, FinalTally):
                tally = account.tallies[rule] = FinalTally(-NEVER)  # the parts know what is accepted
            tally.add_part(some)
        if part.coverage is not None:
            known = account.covered()
            account.coverage = [min(pair) for pair in zip(known, part.coverage, strict=True)]
