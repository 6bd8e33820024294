"""Keeps the tallies of credentials in step with what is known of them, judging no more than a change can change."""

from collections.abc import Iterable

from detector.judge.accounts import Account, Claim, LeakGroup, Policies, Uses, expiry_item, owners_of
from detector.judge.evidence import Entry, FinalTally, Tally
from detector.judge.lineage import Lineage
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
from detector.judge.rules.lifetimes import deadline_of
from detector.judge.terms import NEVER, Terms
from detector.judge.time_order import Item, TimeOrder
from detector.values.events import DENIED, AnyEvent, CredentialIssued, CredentialRenewed, CredentialUsed
from detector.values.findings import LEAKED_SECRET
from detector.values.globs import covering


class IncrementalEvaluator:
    """Judges uses, leaks and lifetimes of credentials and keeps what it finds in their tallies.

    `secrets` are the tallies of leaked secrets that nobody registered, by fingerprint. `changed`, if it is to be
    kept, collects (rule, key) of the findings that were touched.
    """

    def __init__(self, policy: Policy, *, track: bool) -> None:
        self.policy = policy
        self.policies = Policies(policy)
        self.lineage = Lineage()
        self.secrets: dict[str, Tally | FinalTally] = {}
        self.changed: set[tuple[str, str]] | None = set() if track else None
        self._claimants: dict[str, dict[Account, None]] = {}  # by the task that uses name
        self._claimed: dict[str, set[str]] = {}  # those tasks, by the root of their lineage

    def judge_new(self, account: Account, item: Item) -> None:
        """Judges a use, (time, source, id, use), unless it was judged before."""
        uses = account.uses
        if uses is None:
            uses = account.uses = Uses()
        if not uses.order.put(item):
            return
        terms = account.standing()
        use: CredentialUsed = item[3]
        foreign = self._claim(account, uses, item)
        cover(account, terms, use)
        for verdict in judge_use(terms, use, foreign=foreign):
            self._settle(account, verdict.rule, (*item[:3], ""), verdict, use)

    def judge_all(self, account: Account) -> None:
        """Judges afresh all that is known of a credential."""
        account.terms = account.coverage = None
        if account.stood is not None and len(account.stood) == len(account.issue.grants or ()):
            account.coverage = list(account.stood)
        if account.uses is not None:
            account.uses.claims = {}
            for item in account.uses.order:
                self._claim(account, account.uses, item)
                cover(account, account.standing(), item[3])
                self._resettle(account, account.uses, item)
        for item in account.shown or ():
            self._settle_leak(account, item)
        self.judge_lifetimes(account)

    def judge_between(self, account: Account, low: int, high: int) -> None:
        """Judges anew what happened at low <= time <= high."""
        account.terms = None
        if account.uses is not None:
            for item in account.uses.order.between(low, high):
                self._resettle(account, account.uses, item)
        if account.shown is not None:
            for item in account.shown.between(low, high):
                self._settle_leak(account, item)
        # If no rule about lifetimes asks for a revocation, only its own times matter to a lifetime.
        if _lifetimes_ask(account):
            if account.expiries is None:
                self.judge_lifetime(account, account.issue)
            else:
                for item in account.expiries.between(low, high):
                    self.judge_lifetime(account, item[4])

    def judge_lifetimes(self, account: Account) -> None:
        """Judges how long each issue and renewal lets the credential live."""
        if account.expiries is None:
            self.judge_lifetime(account, account.issue)
            return
        for item in account.expiries:
            self.judge_lifetime(account, item[4])

    def judge_lifetime(self, account: Account, event: CredentialIssued | CredentialRenewed) -> None:
        """Judges one issue or renewal."""
        deadline = deadline_of(account.task.start, account.policy)
        if overlong(event, deadline):
            found = judge_lifetime(account.outline(), event, deadline)
        elif account.tallies is None:
            return
        else:
            found = ()
        self._settle_lifetime(account, event, found)

    def withdraw(self, account: Account, items: Iterable[Item], renewals: Iterable[Item]) -> None:
        """Takes back uses and renewals that are another credential's now. What remains is to be judged afresh."""
        for item in items:
            if account.uses is not None:
                account.uses.order.take(item[:3])
            for rule in RULES.of_uses:
                self._settle(account, rule, (*item[:3], ""), None, item[3])
        for item in renewals:
            self._settle_lifetime(account, item[3], ())

    def link(self, task_id: str, parent: str | None) -> None:
        """Sets a task's parent and judges anew the uses by tasks whose descent that may change."""
        before = self.lineage.link(task_id, parent)
        affected = self._claimed.pop(before, None) if before is not None else None
        for claimed in affected or ():
            self._claimed.setdefault(self.lineage.root(claimed), set()).add(claimed)
            for account in self._claimants[claimed]:
                claim = account.uses.claims.get(claimed) if account.uses is not None else None
                if account.uses is None or claim is None:
                    continue
                foreign = not self.lineage.descends(claimed, account.task.task_id)
                if foreign != claim.foreign:
                    claim.foreign = foreign
                    for item in claim.items:
                        self._resettle(account, account.uses, item)

    def judge_new_leak(self, group: LeakGroup, item: Item) -> None:
        """Judges a leak, (time, source, id, leak), that was not there before."""
        for account in group.owners:
            self._show(account, group, item)
        if not group.owners:
            self._settle_secret(group, item, registered=False)

    def reassign(self, group: LeakGroup) -> None:
        """Moves the leaks of a group to the credentials that own its names now."""
        before, after = group.owners, owners_of(group.names)
        group.owners = after
        for account in before:
            if account not in after:
                for item in group.order:
                    self._hide(account, group, item)
        for account in after:
            if account not in before:
                for item in group.order:
                    self._show(account, group, item)
        if bool(before) != bool(after):
            for item in group.order:
                self._settle_secret(group, item, registered=bool(after))

    def touch(self, rule: str, key: str) -> None:
        """Notes that a finding may have changed."""
        if self.changed is not None:
            self.changed.add((rule, key))

    def touch_all(self, account: Account) -> None:
        """Notes that what findings say of a credential or its task may have changed, and what is judged at e."""
        if self.changed is not None:
            rules = (*(account.tallies or ()), *(rule.id for rule, _ in RULES.ends))
            self.changed.update((rule, account.credential_id) for rule in rules)

    def _claim(self, account: Account, uses: Uses, item: Item) -> bool:
        """Files a use by the task it names, if that is not its credential's; says whether it is foreign."""
        claimed, own = item[3].task_id, account.task.task_id
        if claimed is None or claimed == own:
            return False
        claim = uses.claims.get(claimed)
        if claim is None:
            claim = uses.claims[claimed] = Claim(foreign=not self.lineage.descends(claimed, own))
            self._claimants.setdefault(claimed, {})[account] = None
            self._claimed.setdefault(self.lineage.root(claimed), set()).add(claimed)
        claim.items.append(item)
        return claim.foreign

    def _resettle(self, account: Account, uses: Uses, item: Item) -> None:
        use: CredentialUsed = item[3]
        claim = uses.claims.get(use.task_id) if use.task_id is not None else None
        verdicts = judge_use(account.standing(), use, foreign=claim is not None and claim.foreign)
        if not verdicts and not account.tallies:
            return
        found = {verdict.rule: verdict for verdict in verdicts}
        for rule in RULES.of_uses:
            self._settle(account, rule, (*item[:3], ""), found.get(rule), use)

    def _show(self, account: Account, group: LeakGroup, item: Item) -> None:
        if account.shown is None:
            account.shown = TimeOrder(4)
        shown = (*item[:3], group.tie, item[3])
        account.shown.put(shown)
        self._settle_leak(account, shown)

    def _hide(self, account: Account, group: LeakGroup, item: Item) -> None:
        key = (*item[:3], group.tie)
        if account.shown is not None:
            account.shown.take(key)
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
        if _settle(self.secrets, fingerprint, key, found[0] if found else None, item[3]):
            self.touch(LEAKED_SECRET, fingerprint)

    def _settle(
        self,
        account: Account,
        rule: str,
        key: tuple[int, str, str, str],
        verdict: Verdict | None,
        event: AnyEvent,
    ) -> None:
        """Makes a rule's tally hold for this event what the verdict says, and nothing if there is none."""
        if account.tallies is None:
            if verdict is None:
                return
            account.tallies = {}
        if _settle(account.tallies, rule, key, verdict, event):
            self.touch(rule, account.credential_id)


def _settle(
    tallies: dict[str, Tally | FinalTally],
    which: str,
    key: tuple[int, str, str, str],
    verdict: Verdict | None,
    event: AnyEvent,
) -> bool:
    """Whether this changed anything."""
    tally = tallies.get(which)
    if tally is None:
        if verdict is None:
            return False
        tally = tallies[which] = Tally()
    if isinstance(tally, FinalTally):
        raise TypeError("evidence that was sealed cannot be judged anew")
    known = tally.find(key)
    if known is not None:
        if verdict is not None and (known.severity, known.ask) == (verdict.severity, verdict.ask):
            return False
        tally.remove(known)
    elif verdict is None:
        return False
    if verdict is not None:
        tally.add(Entry(*key, verdict.severity, verdict.ask, event))
    elif not tally.count:
        del tallies[which]
    return True


def _lifetimes_ask(account: Account) -> bool:
    """Whether some rule about lifetimes asks for a revocation."""
    rules = account.policy.rules
    for rule, _ in RULES.lifetimes:  # noqa: SIM110 - twice as fast as `any`, and asked of every renewal
        if rules[rule.id].revoke:
            return True
    return False


def _lifetime_key(event: CredentialIssued | CredentialRenewed) -> tuple[int, str, str, str]:
    return event.time, event.source, event.id, str(expiry_item(event)[1])


def cover(account: Account, terms: Terms, use: CredentialUsed) -> None:
    """Notes which grants a successful use shows to be needed."""
    if terms.scope is None or use.outcome == DENIED:
        return
    coverage = account.coverage
    if not coverage:
        coverage = account.coverage = [NEVER] * terms.scope.size
    for index in covering(terms.scope, use.action, use.resource):
        coverage[index] = min(coverage[index], use.time)
