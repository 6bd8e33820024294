"""Adding up for good what can no longer be judged otherwise: a credential that is used for months is to fit.

A use or leak is judged by what happened before and at its time. Once nothing of that time is waited for any more, its
verdict stands: it is counted, and not kept. What is kept of it instead is an `AccountSums` for each credential.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from detector.judge.acceptance import accepted_until, covering
from detector.judge.accounts import Account, LeakGroup
from detector.judge.evidence import FinalTally, Sums, Tally
from detector.judge.final_evaluator import subject_of
from detector.judge.policy import Accept
from detector.judge.rules.catalog import RULES
from detector.judge.terms import NEVER
from detector.judge.time_order import Item, TimeOrder
from detector.values.events import CredentialUsed, Leak


class AccountSums(msgspec.Struct):
    """What stands of one credential: the earliest successful use that each grant covered (ns), and tallies by rule."""

    credential_id: str
    coverage: list[int | None] | None
    tallies: dict[str, Sums]


def fold(
    accounts: Iterable[Account], accepts: Sequence[Accept], before: int
) -> tuple[list[Account], set[CredentialUsed | Leak]]:
    """Adds up what happened to credentials before a time, but for what the findings about one of them show.

    Gives the credentials of which there was something, and the events that are not kept any more.
    """
    every = list(accounts)
    shown = {
        entry[:3] for account in every for tally in _tallies(account).values() for entry in tally.earliest()
    }
    folded: list[Account] = []
    gone: set[CredentialUsed | Leak] = set()
    for account in every:
        items = [item for order in _orders(account) for item in _cut(order, before, shown)]
        if items:
            folded.append(account)
            gone.update(item[-1] for item in items)
            _add_up(account, {item[:3] for item in items}, accepts, before)
    for account in folded:
        for name in account.owned():
            for group in name.leaks or ():
                _cut(group.order, before, shown)
    return folded, gone


def _add_up(
    account: Account, gone: set[tuple[int, str, str]], accepts: Sequence[Accept], before: int
) -> None:
    if account.uses is not None:
        for claimed, claim in list(account.uses.claims.items()):
            claim.items = [item for item in claim.items if item[:3] not in gone]
            if not claim.items:
                del account.uses.claims[claimed]
    account.stood = list(account.coverage) if account.coverage else None
    for rule, tally in _tallies(account).items():
        covers = covering(accepts, subject_of(rule, account)) if accepts else ()
        tally.fold(gone, before, accepted_until(covers) if covers else -NEVER)


def _tallies(account: Account) -> dict[str, Tally]:
    tallies = account.tallies or {}
    return {rule: tally for rule in RULES.of_uses_and_leaks if isinstance(tally := tallies.get(rule), Tally)}


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
    groups: Iterable[LeakGroup], tallies: dict[str, Tally | FinalTally], fingerprint: str, before: int
) -> tuple[list[Leak], Sums | None]:
    """The same of a secret that nobody registered. Gives also what is to be kept instead."""
    tally = tallies.get(fingerprint)
    shown = {entry[:3] for entry in tally.earliest()} if tally is not None else set()
    gone = [item for group in groups for item in _cut(group.order, before, shown)]
    if isinstance(tally, Tally):
        tally.fold({item[:3] for item in gone}, before, -NEVER)
        return [item[-1] for item in gone], tally.folded
    return [item[-1] for item in gone], None


def unfold_leaks(tallies: dict[str, Tally | FinalTally], fingerprint: str, sums: Sums) -> None:
    """Takes what `fold_leaks` gave."""
    tally = tallies.setdefault(fingerprint, Tally())
    if isinstance(tally, Tally):
        tally.folded = sums


def _orders(account: Account) -> Iterator[TimeOrder]:
    if account.uses is not None:
        yield account.uses.order
    if account.shown is not None:
        yield account.shown


def _cut(order: TimeOrder, before: int, kept: AbstractSet[tuple[int, str, str]]) -> list[Item]:
    """Takes what is earlier than `before` out of an order, but for what is to be kept."""
    gone: list[Item] = []
    for item in order.cut(before):
        if item[:3] in kept:
            order.put(item)
        else:
            gone.append(item)
    return gone
