"""Compacts what is old, so that the state of a credential that is used and renewed for months stays small.

Whether a use or leak is evidence depends on events of its time and before. Once no such event can come, it is
counted and dropped. `AccountSums` has the counts of one credential. An issue, renewal, revocation or outcome is dropped
once a later or earlier one has made it void.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from detector.judge.acceptance import accepted_until, covering, subject_of
from detector.judge.accounts import Account, Candidates, LeakGroup, Name, Task, expiry_item, precedence
from detector.judge.evidence import FinalTally, Sums, Tally
from detector.judge.origins import earliest_located
from detector.judge.policy import Accept
from detector.judge.rules.catalog import RULES
from detector.judge.terms import NEVER
from detector.judge.time_order import Item, TimeOrder
from detector.values.events import (
    CredentialEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialUsed,
    Leak,
    RevocationOutcome,
)

_LIFETIMES: Final = tuple(rule.id for rule, _ in RULES.lifetimes)
MOST_RETRACTABLE: Final = 4096  # uses after a lease lapsed that are kept one by one


class AccountSums(msgspec.Struct):
    """The compacted facts of one credential, as they are stored.

    `coverage` has for each grant the time (ns) of the earliest successful use that it covered.
    """

    credential_id: str
    coverage: list[int | None] | None
    tallies: dict[str, Sums]


def has_grown(account: Account) -> bool:
    """Whether a credential has anything that may be compacted. Most of a task that has very many do not."""
    if account.uses is not None or account.leaks is not None or account.expiries is not None:
        return True
    return any(name.revocations is not None or name.outcomes is not None for name in account.names)


def compact_accounts(
    accounts: Iterable[Account], accepts: Sequence[Accept], before: int
) -> tuple[list[Account], set[CredentialUsed | Leak]]:
    """Compacts the uses and leaks of credentials before a time, except for those that findings show and for origins.

    Uses that a heartbeat may clear are kept too, up to a limit.

    Returns the credentials that had any, and the events that were dropped.
    """
    every = list(accounts)
    shown = {
        entry[:3]
        for account in every
        for tally in _tallies(account, RULES.of_uses_and_leaks).values()
        for entry in tally.earliest()
    }
    # They say where a credential was first used from, which decides about all later uses.
    shown.update(
        item[:3]
        for account in every
        if account.uses is not None
        for item in earliest_located(account.uses.order)
    )
    # A leak is judged no earlier than at the issue, whatever time it states.
    shown.update(
        item[:3] for account in every if account.issue.time >= before for item in account.leaks or ()
    )
    # Before a time that comes after the issue, tasks may still become candidates for it.
    shown.update(
        item[:3]
        for account in every
        if isinstance(account.task, Candidates) and account.task.high >= before and account.uses is not None
        for item in account.uses.order
    )
    shown.update(item[:3] for account in every for item in _retractable(account))
    compacted: list[Account] = []
    dropped: set[CredentialUsed | Leak] = set()
    for account in every:
        items = [item for order in _orders(account) for item in _cut(order, before, shown)]
        if items:
            compacted.append(account)
            dropped.update(item[-1] for item in items)
            _compact(account, {item[:3] for item in items}, accepts, before)
    for account in compacted:
        for name in account.owned():
            for group in name.leaks or ():
                _cut_leaks(group, before, shown)
    return compacted, dropped


def compact_lifecycle(
    accounts: Iterable[Account], accepts: Sequence[Accept], before: int
) -> tuple[list[Account], list[CredentialEvent | CredentialIssued]]:
    """Drops what was made void before a time of the issues, renewals, revocations and outcomes of credentials.

    Returns the credentials whose evidence was added up for it, and the events that were dropped.
    """
    compacted: list[Account] = []
    dropped: list[CredentialEvent | CredentialIssued] = []
    for account in accounts:
        lifetimes = _void_lifetimes(account, before)
        if lifetimes:
            compacted.append(account)
            dropped += lifetimes
            _drop_lifetimes(account, lifetimes, accepts, before)
        for name in account.owned():
            dropped += _drop_void(name, before)
    return compacted, dropped


def _void_lifetimes(account: Account, before: int) -> list[CredentialIssued | CredentialRenewed]:
    """The issues and renewals before a time that decide nothing from then on.

    Of them the last one says until when the credential lives, one says it was the longest, and others decide about uses
    and leaks that are still kept. An issue may also have identifiers of its own. Findings show the first that are
    evidence.
    """
    order, issue = account.expiries, account.issue
    late = isinstance(account.task, Candidates) and account.task.high >= before  # candidates have deadlines
    if order is None or late or issue.time >= before:
        return []
    tallies = _tallies(account, _LIFETIMES).values()
    shown = {entry[:3] for tally in tallies for entry in tally.earliest()}
    times = [item[0] for kept in _orders(account) for item in kept.between(-NEVER, before - 1)]
    deciding = [order.at_most(max(time, issue.time)) for time in times]
    needed = {item[:4] for item in (max(order, key=lambda item: item[1]), *deciding) if item is not None}
    old = [item for item in order.between(-NEVER, before - 1) if item[:4] not in needed][:-1]
    return [
        event
        for *_, event in old
        if precedence(event) not in shown and (isinstance(event, CredentialRenewed) or _repeats(event, issue))
    ]


def _repeats(event: CredentialIssued, governing: CredentialIssued) -> bool:
    """Whether an issue says nothing beside its expiry that the one that governs does not."""
    same = (event.task_id, event.task_group) == (governing.task_id, governing.task_group)
    known = set(governing.identifiers).issuperset(event.identifiers)
    return (
        precedence(event) != precedence(governing)
        and same
        and known
        and set(governing.groups).issuperset(event.groups)
    )


def _drop_lifetimes(
    account: Account,
    events: Iterable[CredentialIssued | CredentialRenewed],
    accepts: Sequence[Accept],
    before: int,
) -> None:
    for event in events:
        if account.expiries is not None:
            account.expiries.take(expiry_item(event)[:4])
        if isinstance(event, CredentialRenewed):
            for name in account.owned():
                name.take((event.time, event.source, event.id, event))
    account.terms = None
    _add_up(account, _LIFETIMES, set(map(precedence, events)), accepts, before)


def _drop_void(name: Name, before: int) -> Iterator[CredentialEvent]:
    """Drops of old revocations all but the first and the last, and of old outcomes all but the last of each kind."""
    if name.revocations is not None:
        for item in list(name.revocations.between(name.revocations.first[0], before - 1))[1:-1]:
            name.revocations.take(item[:3])
            yield item[3]
    if name.outcomes is not None:
        kept: set[tuple[str, str, int | None]] = set()
        for item in reversed(list(name.outcomes.between(-NEVER, before - 1))):
            outcome: RevocationOutcome = item[3]
            key = (outcome.command_id, outcome.outcome, outcome.dead_at)
            if key in kept:
                name.outcomes.take(item[:3])
                yield outcome
            kept.add(key)


def _retractable(account: Account) -> list[Item]:
    """The uses after a lease lapsed, but the latest `MOST_RETRACTABLE` only.

    A heartbeat may still say that the task ran on.
    """
    task = account.task
    if isinstance(task, Task):
        lapsed = task.lapsed
    else:
        lapsed = any(each.lapsed for each in task.group.tasks.values() if task.has(each.task_id))
    if not lapsed or account.uses is None:
        return []
    return list(account.uses.order.between(task.ended + account.policy.skew + 1, NEVER))[-MOST_RETRACTABLE:]


def _compact(account: Account, gone: set[Item], accepts: Sequence[Accept], before: int) -> None:
    if account.uses is not None:
        for task_id, uses in list(account.uses.by_task.items()):
            uses.items = [item for item in uses.items if item[:3] not in gone]
            if not uses.items:
                del account.uses.by_task[task_id]
    account.compacted_coverage = list(account.coverage) if account.coverage else None
    _add_up(account, RULES.of_uses_and_leaks, gone, accepts, before)


def _add_up(
    account: Account, rules: Iterable[str], gone: set[Item], accepts: Sequence[Accept], before: int
) -> None:
    """Adds up the evidence that the events in `gone` are."""
    for rule, tally in _tallies(account, rules).items():
        covers = covering(accepts, subject_of(rule, account)) if accepts else ()
        tally.compact(gone, before, accepted_until(covers) if covers else -NEVER)


def _tallies(account: Account, rules: Iterable[str]) -> dict[str, Tally]:
    tallies = account.tallies or {}
    return {rule: tally for rule in rules if isinstance(tally := tallies.get(rule), Tally)}


def account_sums(account: Account) -> AccountSums:
    """The sums of one credential, to be stored."""
    tallies = {
        rule: tally.sums
        for rule, tally in (account.tallies or {}).items()
        if isinstance(tally, Tally) and tally.sums is not None
    }
    compacted = account.compacted_coverage
    coverage = None if compacted is None else [None if at == NEVER else at for at in compacted]
    return AccountSums(account.credential_id, coverage, tallies)


def restore_account(account: Account, sums: AccountSums) -> None:
    """Gives a credential its stored sums: once, and after the events that are still kept."""
    if sums.coverage is not None:
        compacted = [NEVER if at is None else at for at in sums.coverage]
        account.compacted_coverage = compacted
        covered = account.coverage or compacted
        if len(covered) == len(compacted):
            account.coverage = list(map(min, covered, compacted))
    for rule, stored in sums.tallies.items():
        if account.tallies is None:
            account.tallies = {}
        tally = account.tallies.setdefault(rule, Tally())
        if isinstance(tally, Tally):
            tally.sums = stored


def compact_leaks(
    groups: Iterable[LeakGroup], tallies: dict[str, Tally | FinalTally], fingerprint: str, before: int
) -> tuple[list[Leak], Sums | None]:
    """Compacts the leaks of a secret that nobody registered. Returns those that were dropped, and their sums."""
    tally = tallies.get(fingerprint)
    shown = {entry[:3] for entry in tally.earliest()} if tally is not None else set()
    gone = [item for group in groups for item in _cut_leaks(group, before, shown)]
    if isinstance(tally, Tally):
        tally.compact({item[:3] for item in gone}, before, -NEVER)
        return [item[-1] for item in gone], tally.sums
    return [item[-1] for item in gone], None


def compact_limited(tally: Tally, before: int) -> set[tuple[int, str, str]]:
    """Adds up the records before a time that could not be examined whole, but those shown. Returns what was dropped."""
    shown = {entry[:3] for entry in tally.earliest()}
    gone = {entry[:3] for entry in tally.entries() if entry[0] < before and entry[:3] not in shown}
    tally.compact(gone, before, -NEVER)
    return gone


def restore_leaks(tallies: dict[str, Tally | FinalTally], fingerprint: str, sums: Sums) -> None:
    """Gives a secret that nobody registered its stored sums."""
    tally = tallies.setdefault(fingerprint, Tally())
    if isinstance(tally, Tally):
        tally.sums = sums


def _orders(account: Account) -> Iterator[TimeOrder]:
    if account.uses is not None:
        yield account.uses.order
    if account.leaks is not None:
        yield account.leaks


def _cut(order: TimeOrder, before: int, kept: AbstractSet[tuple[int, str, str]]) -> list[Item]:
    """Removes the items earlier than `before`, except for those in `kept`, and returns them."""
    gone: list[Item] = []
    for item in order.cut(before):
        if item[:3] in kept:
            order.put(item)
        else:
            gone.append(item)
    return gone


def _cut_leaks(group: LeakGroup, before: int, kept: AbstractSet[tuple[int, str, str]]) -> list[Item]:
    """The same of a group of leaks."""
    gone = _cut(group.order, before, kept)
    for item in gone:
        group.places.pop(item[1:3], None)
    return gone
