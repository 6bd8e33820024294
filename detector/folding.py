"""Adding up for good what can no longer be judged otherwise: a credential that is used for months is to fit.

A use or leak is judged by what happened before and at its time. Once nothing of that time is waited for any more, its
verdict stands: it is counted, and not kept. What is kept of it instead is an `AccountSums` for each credential.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from detector.accepts import accepted_until, covering
from detector.account import Account, LeakGroup
from detector.events import CredentialUsed, Leak
from detector.evidence import SealedTally, Sums, Tally
from detector.findings import LEAKED_CREDENTIAL
from detector.judge import NEVER, USE_RULES
from detector.policy import Accept
from detector.sealed import subject_of

_RULES: Final = (*USE_RULES, LEAKED_CREDENTIAL)


class AccountSums(msgspec.Struct):
    """What stands of one credential: the earliest successful use that each grant covered (ns), and tallies by rule."""

    credential_id: str
    coverage: list[int | None] | None
    tallies: dict[str, Sums]


def fold(account: Account, accepts: Sequence[Accept], before: int) -> list[CredentialUsed | Leak]:
    """Adds up what happened to a credential before a time. Gives the events that are not kept any more."""
    gone: list[CredentialUsed | Leak] = list(_cut_uses(account, before))
    if account.shown is not None:
        gone += [item[4] for item in account.shown.cut(before)]
        for name in account.owned():
            for group in name.leaks or ():
                group.order.cut(before)
    if not gone:
        return gone
    account.stood = list(account.coverage) if account.coverage else None
    for rule in _RULES:
        tally = (account.tallies or {}).get(rule)
        if isinstance(tally, Tally):
            tally.fold(
                before, accepted_until(covering(accepts, subject_of(rule, account))) if accepts else -NEVER
            )
    return gone


def sums_of(account: Account) -> AccountSums:
    """What is to be stored of what was folded."""
    folded = {
        rule: tally.folded
        for rule, tally in (account.tallies or {}).items()
        if isinstance(tally, Tally) and tally.folded is not None
    }
    coverage = None if account.stood is None else [None if at == NEVER else at for at in account.stood]
    return AccountSums(account.credential_id, coverage, folded)


def unfold(account: Account, sums: AccountSums) -> None:
    """Gives a credential what stands of it: once, and after the events that were kept."""
    if sums.coverage is not None:
        account.stood = [NEVER if at is None else at for at in sums.coverage]
        covered = account.coverage or account.stood
        if len(covered) == len(account.stood):
            account.coverage = list(map(min, covered, account.stood))
    for rule, folded in sums.tallies.items():
        if account.tallies is None:
            account.tallies = {}
        tally = account.tallies.setdefault(rule, Tally())
        if isinstance(tally, Tally):
            tally.folded = folded


def fold_leaks(
    groups: Iterable[LeakGroup], tallies: dict[str, Tally | SealedTally], fingerprint: str, before: int
) -> Sums | None:
    """Adds up the leaks before a time of a secret that nobody registered. Gives what is to be kept of them instead."""
    for group in groups:
        group.order.cut(before)
    tally = tallies.get(fingerprint)
    if not isinstance(tally, Tally):
        return None
    tally.fold(before, -NEVER)
    return tally.folded


def unfold_leaks(tallies: dict[str, Tally | SealedTally], fingerprint: str, sums: Sums) -> None:
    """Takes what `fold_leaks` gave."""
    tally = tallies.setdefault(fingerprint, Tally())
    if isinstance(tally, Tally):
        tally.folded = sums


def _cut_uses(account: Account, before: int) -> Iterator[CredentialUsed]:
    uses = account.uses
    if uses is None:
        return
    for item in uses.order.cut(before):
        yield item[3]
    for claimed, claim in list(uses.claims.items()):
        claim.items = [item for item in claim.items if item[0] >= before]
        if not claim.items:
            del uses.claims[claimed]
