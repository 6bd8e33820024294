"""Keeps the tallies of credentials right while events come in any order.

Each new event judges again only what it can change: a use is judged alone, a late revocation judges the uses after it.
"""

import itertools
from collections.abc import Iterable
from typing import Final

import msgspec

from detector.judge.accounts import (
    Account,
    Candidates,
    LeakGroup,
    Task,
    Uses,
    UsesNamingTask,
    expiry_item,
    owners_of,
)
from detector.judge.candidates import Outline
from detector.judge.evidence import EvidenceEntry, FinalTally, Tally
from detector.judge.lineage import Lineage
from detector.judge.origins import earliest_located
from detector.judge.policy import Policy
from detector.judge.rules.apply import (
    Verdict,
    judge_leak,
    judge_lifetime,
    judge_secret,
    judge_use,
    overlong,
)
from detector.judge.rules.catalog import RULES
from detector.judge.terms import NEVER, Terms
from detector.judge.time_order import Item, TimeOrder
from detector.values.events import DENIED, AnyEvent, CredentialIssued, CredentialRenewed, CredentialUsed
from detector.values.globs import covering

DEEPEST: Final = (
    1000  # ancestors of a task that are asked about: whoever forges more could forge one that is right
)


class Changes(msgspec.Struct, gc=False):
    """What changed since the last look, which empties it: `credentials`, and with `tasks` what is known of a task."""

    credentials: dict[Account, None] = {}
    tasks: bool = False

    def note(self, accounts: Iterable[Account]) -> None:
        """Notes that these credentials have changed, or something that a finding shows of them."""
        self.credentials.update(dict.fromkeys(accounts))


class IncrementalEvaluator(msgspec.Struct, eq=False, gc=False):
    """Judges uses, leaks and lifetimes of credentials, and keeps the evidence in their tallies.

    `secrets` has the tallies of leaked secrets that nobody registered, by fingerprint. `telling_uses` grows with each
    use that is evidence, or moves an origin. `changes` is None if nobody looks.
    """

    policy: Policy
    _changes: Changes | None = None
    telling_uses: int = 0
    lineage: Lineage = msgspec.field(default_factory=Lineage)
    secrets: dict[str, Tally | FinalTally] = {}
    _users: dict[str, dict[Account, None]] = {}  # credentials, by other task that their uses name
    _named_tasks: dict[str, set[str]] = {}  # those tasks, by the root of their lineage
    _moved: dict[Account, None] = {}  # credentials with uses to judge again, as an origin has moved
    _reduced: dict[Account, None] = {}  # credentials that events were taken from

    def note(self, account: Account) -> None:
        """Notes that a credential, or something that a finding shows of it, has changed."""
        if self._changes is not None:
            self._changes.credentials[account] = None

    def note_task(self, task: Task) -> None:
        """Notes that what is known of a task has changed."""
        if self._changes is not None:
            self._changes.tasks = True
            self._changes.note(task.accounts)

    def judge_new(self, account: Account, item: Item) -> bool:
        """Judges a use, given as (time, source, id, use). Returns False if it was judged before."""
        uses = account.uses
        if uses is None:
            uses = account.uses = Uses()
        if not uses.order.put(item):
            return False
        self.note(account)
        terms = account.standing()
        use: CredentialUsed = item[3]
        if use.source_ip is not None:
            self.locate(account, use)
        foreign = self._file(account, uses, item)
        cover(account, terms, use)
        for verdict in judge_use(terms, use, foreign=foreign):
            self.telling_uses += 1
            self._settle(account, verdict.rule, (*item[:3], ""), verdict, use)
        return True

    def locate(self, account: Account, use: CredentialUsed) -> None:
        """Notes the address of a use. If it moves the credential's origin, `settle` judges the other uses again."""
        terms = account.standing()
        if terms.origins is not None and terms.origins.note(use, terms.policy.networks):
            self.telling_uses += 1
            self._moved[account] = None

    def settle(self) -> None:
        """Judges again the credentials that lost events, and the uses of those whose origin has moved.

        Each of many events may cause that: so this waits until somebody asks for findings. Until then tallies may be
        wrong.
        """
        while self._reduced:
            self.judge_all(self._reduced.popitem()[0])
        while self._moved:
            account, _ = self._moved.popitem()
            if account.uses is not None:
                for item in account.uses.order:
                    if item[3].source_ip is not None:
                        self._judge_use_again(account, account.uses, item)

    def judge_all(self, account: Account) -> None:
        """Judges again all uses, leaks and lifetimes of a credential."""
        self.note(account)
        account.terms = account.coverage = account.origins = None
        compacted = account.compacted_coverage
        if compacted is not None and len(compacted) == len(account.issue.grants or ()):
            account.coverage = list(compacted)
        if account.uses is not None:
            account.uses.by_task = {}
            for item in earliest_located(account.uses.order):
                self.locate(account, item[3])
            for item in account.uses.order:
                self._file(account, account.uses, item)
                cover(account, account.standing(), item[3])
                self._judge_use_again(account, account.uses, item)
        for item in account.leaks or ():
            self._settle_leak(account, item)
        self.judge_lifetimes(account)

    def judge_between(self, account: Account, low: int, high: int) -> None:
        """Judges again the uses, leaks and lifetimes at low <= time <= high."""
        self.note(account)
        account.terms = None
        if account.uses is not None:
            for item in account.uses.order.between(low, high):
                self._judge_use_again(account, account.uses, item)
        issued = account.issue.time
        if (
            account.leaks is not None and issued <= high
        ):  # one that is dated before the issue is judged as at it
            for item in account.leaks.between(-NEVER if low <= issued else low, high):
                self._settle_leak(account, item)
        # Only the request for a revocation depends on other times than a lifetime's own.
        if _lifetimes_revoke(account):
            if account.expiries is None:
                self.judge_lifetime(account, account.issue)
            else:
                for item in account.expiries.between(low, high):
                    self.judge_lifetime(account, item[4])

    def judge_ending(self, account: Account, before: int, after: int) -> None:
        """Judges again what the end of the task decides, which has moved from one time to another."""
        if before != after:
            low, high = (before, after) if before < after else (after, before)
            self.judge_between(account, low + account.policy.skew + 1, high + account.policy.skew)

    def judge_lifetimes(self, account: Account) -> None:
        """Judges how long each issue and renewal lets the credential live."""
        if account.expiries is None:
            self.judge_lifetime(account, account.issue)
            return
        for item in account.expiries:
            self.judge_lifetime(account, item[4])

    def judge_lifetime(self, account: Account, event: CredentialIssued | CredentialRenewed) -> None:
        """Judges one issue or renewal."""
        deadline = account.task.deadline(account.policy)
        if overlong(event, deadline):
            found = judge_lifetime(account.outline(), event, deadline)
        elif account.tallies is None:
            return
        else:
            found = ()
        self._settle_lifetime(account, event, found)

    def withdraw(self, account: Account, items: Iterable[Item], renewals: Iterable[Item]) -> None:
        """Takes back uses and renewals that belong to another credential now. `settle` judges the rest again."""
        if account.uses is not None:
            account.uses.by_task = {}  # it has some of them
        for item in items:
            if account.uses is not None:
                account.uses.order.take(item[:3])
            for rule in RULES.of_uses:
                self._settle(account, rule, (*item[:3], ""), None, item[3])
        for item in renewals:
            if account.expiries is not None:
                account.expiries.take(expiry_item(item[3])[:4])
            self._settle_lifetime(account, item[3], ())
        account.terms = None
        self.note(account)
        self._reduced[account] = None

    def link(self, task_id: str, parent: str | None) -> None:
        """Sets a task's parent, and judges again the uses that name tasks whose descent that may change."""
        before = self.lineage.link(task_id, parent)
        affected = self._named_tasks.pop(before, None) if before is not None else None
        for named in affected or ():
            self._named_tasks.setdefault(self.lineage.root(named), set()).add(named)
            for account in self._users[named]:
                uses = account.uses.by_task.get(named) if account.uses is not None else None
                if account.uses is None or uses is None:
                    continue
                self._judge_descent(account, account.uses, named, uses)

    def settle_candidates(self, account: Account, candidates: Candidates, found: Outline) -> None:
        """Takes what now holds of the candidates of a credential, and judges again what that may change."""
        self.note(account)
        ended, due = candidates.ended, candidates.due
        (
            candidates.count,
            candidates.first,
            candidates.kind,
            candidates.ending,
            candidates.due,
            candidates.oldest,
        ) = found
        self.judge_ending(account, ended, candidates.ended)
        if due != candidates.due:
            self.judge_lifetimes(account)
        if account.uses is not None:
            for named, uses in account.uses.by_task.items():
                self._judge_descent(account, account.uses, named, uses)

    def foreign(self, account: Account, named: str) -> bool:
        """Whether a task is neither that of a credential, or a candidate for it, nor a descendant of one.

        Without a candidate nobody can say so of any task.
        """
        own = account.task
        if isinstance(own, Task):
            return not self.lineage.descends(named, own.task_id)
        if not own.count or own.has(named):
            return False
        if own.count == len(own.first):
            return not any(self.lineage.descends(named, task.task_id) for task in own.first)
        ancestors = list(itertools.islice(self.lineage.chain(named), DEEPEST))
        return len(ancestors) < DEEPEST and not any(map(own.has, ancestors))

    def _judge_descent(self, account: Account, uses: Uses, named: str, naming: UsesNamingTask) -> None:
        """Judges again the uses that name a task, if it has become foreign, or is no longer."""
        foreign = self.foreign(account, named)
        if foreign != naming.foreign:
            naming.foreign = foreign
            for item in naming.items:
                self._judge_use_again(account, uses, item)

    def judge_new_leak(self, group: LeakGroup, item: Item) -> None:
        """Judges a new leak, given as (time, source, id, leak)."""
        for account in group.owners:
            self._add_leak(account, group, item)
        if not group.owners:
            self._settle_secret(group, item, registered=False)

    def withdraw_leak(self, group: LeakGroup, key: tuple[int, str, str]) -> None:
        """Takes back the leak with that time, source and id."""
        item = group.order.take(key)
        if item is None:
            return
        for account in group.owners:
            self._remove_leak(account, group, item)
        if not group.owners:
            self._settle_secret(group, item, registered=True)

    def reassign(self, group: LeakGroup) -> None:
        """Moves the leaks of a group to the credentials that own its names now."""
        before, after = group.owners, owners_of(group.names)
        group.owners = after
        for account in before:
            if account not in after:
                for item in group.order:
                    self._remove_leak(account, group, item)
        for account in after:
            if account not in before:
                for item in group.order:
                    self._add_leak(account, group, item)
        if bool(before) != bool(after):
            for item in group.order:
                self._settle_secret(group, item, registered=bool(after))

    def _file(self, account: Account, uses: Uses, item: Item) -> bool:
        """Files a use by the task that it names, if that is not the credential's. Returns whether it is foreign."""
        named = item[3].task_id
        if named is None or named == account.issue.task_id:
            return False
        filed = uses.by_task.get(named)
        if filed is None:
            filed = uses.by_task[named] = UsesNamingTask(foreign=self.foreign(account, named))
            self._users.setdefault(named, {})[account] = None
            self._named_tasks.setdefault(self.lineage.root(named), set()).add(named)
        filed.items.append(item)
        return filed.foreign

    def _judge_use_again(self, account: Account, uses: Uses, item: Item) -> None:
        use: CredentialUsed = item[3]
        filed = uses.by_task.get(use.task_id) if use.task_id is not None else None
        verdicts = judge_use(account.standing(), use, foreign=filed is not None and filed.foreign)
        if not verdicts and not account.tallies:
            return
        found = {verdict.rule: verdict for verdict in verdicts}
        for rule in RULES.of_uses:
            self._settle(account, rule, (*item[:3], ""), found.get(rule), use)

    def _add_leak(self, account: Account, group: LeakGroup, item: Item) -> None:
        if account.leaks is None:
            account.leaks = TimeOrder(4)
        leak = (*item[:3], group.tie, item[3])
        account.leaks.put(leak)
        self._settle_leak(account, leak)

    def _remove_leak(self, account: Account, group: LeakGroup, item: Item) -> None:
        key = (*item[:3], group.tie)
        if account.leaks is not None:
            account.leaks.take(key)
        for rule in RULES.of_leaks:
            self._settle(account, rule, key, None, item[3])

    def _settle_leak(self, account: Account, item: Item) -> None:
        time, source, id_, tie, leak = item
        found = {verdict.rule: verdict for verdict in judge_leak(account.standing(), leak)}
        key = (time, source, id_, tie)
        for rule in RULES.of_leaks:
            self._settle(account, rule, key, found.get(rule), leak)

    def _settle_lifetime(
        self, account: Account, event: CredentialIssued | CredentialRenewed, verdicts: Iterable[Verdict]
    ) -> None:
        found = {verdict.rule: verdict for verdict in verdicts}
        for rule, _ in RULES.lifetimes:
            self._settle(account, rule.id, _lifetime_key(event), found.get(rule.id), event)

    def _settle_secret(self, group: LeakGroup, item: Item, *, registered: bool) -> None:
        found = () if registered else judge_secret(self.policy, item[3])
        key, fingerprint = (*item[:3], group.tie), item[3].fingerprint
        _settle(self.secrets, fingerprint, key, found[0] if found else None, item[3])

    def _settle(
        self,
        account: Account,
        rule: str,
        key: tuple[int, str, str, str],
        verdict: Verdict | None,
        event: AnyEvent,
    ) -> None:
        """Puts this event into the rule's tally as the verdict says, or takes it out if there is no verdict."""
        if account.tallies is None:
            if verdict is None:
                return
            account.tallies = {}
        self.note(account)
        _settle(account.tallies, rule, key, verdict, event)


def _settle(
    tallies: dict[str, Tally | FinalTally],
    name: str,
    key: tuple[int, str, str, str],
    verdict: Verdict | None,
    event: AnyEvent,
) -> None:
    """As `IncrementalEvaluator._settle`."""
    tally = tallies.get(name)
    if tally is None:
        if verdict is None:
            return
        tally = tallies[name] = Tally()
    if isinstance(tally, FinalTally):
        raise TypeError("evidence that is final cannot be judged again")
    known = tally.find(key)
    if known is not None:
        if verdict is not None and (known.severity, known.request) == (verdict.severity, verdict.request):
            return
        tally.remove(known)
    elif verdict is None:
        return
    if verdict is not None:
        tally.add(EvidenceEntry(*key, verdict.severity, verdict.request, event))
    elif not tally.count:
        del tallies[name]


def _lifetimes_revoke(account: Account) -> bool:
    """Whether some rule about lifetimes requests a revocation."""
    rules = account.policy.rules
    for rule, _ in RULES.lifetimes:  # noqa: SIM110 - twice as fast as `any`, and needed for every renewal
        if rules[rule.id].revoke:
            return True
    return False


def _lifetime_key(event: CredentialIssued | CredentialRenewed) -> tuple[int, str, str, str]:
    return event.time, event.source, event.id, str(expiry_item(event)[1])


def cover(account: Account, terms: Terms, use: CredentialUsed) -> None:
    """Notes which grants a successful use needed."""
    if terms.scope is None or use.outcome == DENIED:
        return
    coverage = account.coverage
    if not coverage:
        coverage = account.coverage = [NEVER] * terms.scope.size
    for index in covering(terms.scope, use.action, use.resource):
        coverage[index] = min(coverage[index], use.time)
