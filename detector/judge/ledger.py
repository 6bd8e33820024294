"""The ledger: takes events in any order, and knows at any time which findings and commands follow from them.

The result depends on the set of events alone, not on their order. An event costs the same however old a credential is
and however often it was used: a use is judged alone, and a lifecycle event judges again only what it can change.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar

from detector.judge import conclude
from detector.judge.accounts import (
    Account,
    Candidates,
    LeakGroup,
    Name,
    Task,
    TaskGroup,
    expiry_item,
    leak_tie,
    precedence,
)
from detector.judge.candidates import outlines
from detector.judge.credential_names import CredentialNames
from detector.judge.evidence import EvidenceEntry, FinalTally, Tally
from detector.judge.final_evaluator import FinalEvaluator
from detector.judge.incremental_evaluator import Changes, IncrementalEvaluator
from detector.judge.policy import Policy
from detector.judge.rules.apply import Moment, Verdict, judge_limited
from detector.judge.rules.lifetimes import deadline_of
from detector.judge.terms import NEVER
from detector.judge.time_order import TimeOrder
from detector.values.events import (
    AnyEvent,
    CredentialEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    Leak,
    LimitedRecord,
    RevocationOutcome,
    TaskEnded,
    TaskHeartbeat,
    TaskStarted,
)
from detector.values.findings import Command, CredentialFacts, Finding


class Ledger:
    """Takes canonical events and leaks; gives findings and commands.

    `latest` is the latest time of an event, heartbeats aside, or at which a leak was known, None before the first.
    `limited` has the tallies of streams with records that could not be examined whole, by stream. It notes in
    `changes` what events change.
    """

    def __init__(self, policy: Policy, changes: Changes | None = None) -> None:
        self.policy = policy
        self.latest: int | None = None
        self._evaluator = IncrementalEvaluator(policy, changes)
        self._final: FinalEvaluator | None = None
        self._names = CredentialNames()
        self._tasks: dict[str, Task] = {}
        self._groups: dict[str, TaskGroup] = {}
        self._unsettled: dict[
            TaskGroup, None
        ] = {}  # the groups whose credentials may have other candidates now
        self._leased: dict[Task, None] = {}  # tasks with a heartbeat and no end
        self._leaks: dict[str, LeakGroup] = {}
        self.limited: dict[str, Tally | FinalTally] = {}  # by stream
        self._lifecycle_changes = 0
        self._counted: set[int] | None = None  # once sealed: hashes of the unresolved uses that were counted
        self._routes = self._open_routes

    def __del__(self) -> None:
        """Parts what refers to each other: a service forgets tasks all day, and seldom collects cycles."""
        self._names.part()
        owners: tuple[Task | TaskGroup, ...] = (*self._tasks.values(), *self._groups.values())
        for owner in owners:
            owner.accounts.clear()

    @property
    def unresolved(self) -> Counter[str]:
        """By source, how many distinct events name a credential that is not known so far."""
        return Counter(self._names.unresolved)

    @property
    def conflicts(self) -> set[tuple[str, str]]:
        """(scheme, value) of each identifier that two credentials claim."""
        return set(self._names.conflicts)

    @property
    def revision(self) -> int:
        """Grows with all but uses that are evidence of nothing; while it stands, all verdicts of a time stand."""
        return self._lifecycle_changes + self._evaluator.telling_uses

    def apply(self, event: AnyEvent) -> None:
        """Takes one event or leak. A second copy changes nothing.

        Raises:
            ValueError: it is a lifecycle event, and `seal_lifecycle` was called.
        """
        kind = type(event)
        self._lifecycle_changes += kind is not CredentialUsed
        time = event.known_since if type(event) is Leak else event.time
        # Nothing may rest on the time of a heartbeat that no longer counts: it is not kept.
        if (self.latest is None or time > self.latest) and kind is not TaskHeartbeat:
            self.latest = time
        self._routes[kind](self, event)

    def seal_lifecycle(self, first_uses: Iterable[CredentialUsed] = (), until: int = NEVER) -> None:
        """Promises that only uses and leaks follow. From now on each is judged, added up and forgotten.

        Findings and commands will be asked for as of `until`; NEVER if that is the latest of all times, not known yet.

        `first_uses` are, of the uses that follow, the earliest ones by each name of a credential with an address of
        each family: a use is judged by the earliest, which may come after it. They need no action, resource or
        outcome.
        """
        if self._final is not None:
            return
        self.lapse(until)
        self.settle()
        for use in first_uses:
            account = self._names.owner(use)
            if account is not None:
                self._evaluator.locate(account, use)
        self.settle()
        final = self._final = FinalEvaluator(self._evaluator)
        for account in self._names.accounts():
            final.finalize(account)
        final.finalize_secrets()
        self._leaks = {}
        counted = self._counted = set()
        for name in self._names.names():
            counted.update(hash(item[1:3]) for item in name.parked or ())
            name.parked = name.leaks = None
        self._routes = self._sealed_routes
        self.limited = {
            stream: tally.final(-NEVER) if isinstance(tally, Tally) else tally
            for stream, tally in self.limited.items()
        }

    def findings(self, until: int) -> list[Finding]:
        """All findings, ordered by first evidence (in milliseconds) and uid.

        Rules that are judged at a later time hold if that time is at or before `until`.
        """
        policy, foreign = self.policy, self._evaluator.foreign
        self.lapse(until)
        found = [
            finding
            for account in self.accounts()
            for finding in conclude.credential_findings(
                account, policy, foreign, conclude.end_moments(account, until)
            )
        ]
        found += [
            conclude.secret_finding(fingerprint, tally, policy, self._tasks)
            for fingerprint, tally in self._evaluator.secrets.items()
        ]
        found += [
            conclude.limited_finding(stream, tally, policy, self._tasks)
            for stream, tally in self.limited.items()
        ]
        overdue = (conclude.task_finding(task, policy, until) for task in self._tasks.values())
        found += [finding for finding in overdue if finding is not None]
        return sorted(found, key=attrgetter("order"))

    def commands(self, until: int) -> list[Command]:
        """All commands, at most two for each credential, ordered by time and credential id, plain before escalated."""
        self.lapse(until)
        commands = [
            command
            for account in self.accounts()
            for command in conclude.credential_commands(
                account, self.policy, conclude.end_moments(account, until)
            )
        ]
        return sorted(commands, key=attrgetter("order"))

    def lapse(self, until: int) -> None:
        """Ends the tasks whose lease has lapsed at a time; one that ended so and sends a heartbeat again runs on."""
        for task in self._leased:
            if task.heartbeat is not None:
                self._end_by_lease(task, task.heartbeat, lapsed=task.heartbeat.lapse <= until)

    def report(self, heartbeat: TaskHeartbeat, *, lapsed: bool) -> None:
        """Takes what another ledger, which has all heartbeats of a task, says of its lease."""
        task = self._task(heartbeat.task_id)
        known = task.heartbeat
        if task.end is None and (heartbeat.outlasts(known) or (heartbeat == known and lapsed)):
            self._end_by_lease(task, heartbeat, lapsed=lapsed)

    def accounts(self) -> list[Account]:
        """All credentials, as of the time that was asked about last. Do not change them."""
        self.settle()
        return self._names.accounts()

    def settle(self) -> None:
        """Judges again what waits for all events that are known by now."""
        while self._unsettled:
            for account, candidates, found in outlines(self._unsettled.popitem()[0]):
                self._evaluator.settle_candidates(account, candidates, found)
        self._evaluator.settle()

    def credential(self, credential_id: str) -> Account | None:
        """A credential by its id, None if it is not known. Its candidates may have changed. Do not change it."""
        return self._names.by_id(credential_id).owner

    def owner(self, event: CredentialEvent) -> Account | None:
        """The credential that an event names, None if it is not known. Do not change it."""
        return self._names.owner(event)

    def shown_by(self, leak: Leak) -> bool:
        """Whether a leak shows a secret of a credential that is known."""
        found = map(self._names.find, leak.identifiers)
        return any(name is not None and name.owner is not None for name in found)

    def verdicts_on(self, account: Account, use: CredentialUsed) -> tuple[Verdict, ...]:
        """The verdicts on a use of one credential, which is not added up. `seal_lifecycle` must have been called."""
        return () if self._final is None else self._final.verdicts(account, use)

    def task(self, task_id: str) -> Task | None:
        """A task, None if nothing is known of it. Do not change it."""
        return self._tasks.get(task_id)

    def findings_about(self, account: Account, moments: Sequence[Moment]) -> Iterator[Finding]:
        """The findings about one credential, as in `findings`, given its `conclude.end_moments`."""
        return conclude.credential_findings(account, self.policy, self._evaluator.foreign, moments)

    def commands_for(
        self,
        account: Account,
        moments: Sequence[Moment],
        ready: conclude.Ready,
        facts: CredentialFacts | None = None,
    ) -> Iterator[Command]:
        """As `commands`, for one credential, and only by evidence that is `ready`. `facts` are its own."""
        return conclude.credential_commands(account, self.policy, moments, ready, facts)

    def overdue(self, task: Task, until: int) -> Finding | None:
        """The finding about a task itself, as in `findings`."""
        return conclude.task_finding(task, self.policy, until)

    def overdue_at(self, task: Task) -> int:
        """When a task will be overdue: after its deadline and the grace period, NEVER if it has no deadline."""
        if task.start is None:
            return NEVER
        policy = self.policy.of(None, task.start.kind)
        return deadline_of(task.start, policy) + policy.grace_period

    def secrets(self) -> tuple[Iterable[LeakGroup], dict[str, Tally | FinalTally]]:
        """The leaks, and the tallies of secrets that nobody registered, for compaction."""
        return self._leaks.values(), self._evaluator.secrets

    def identifiers(self) -> Iterator[Identifier]:
        """All identifiers of all issues."""
        for account in self._names.accounts():
            for issue in account.issues():
                yield from issue.identifiers

    # Tasks

    def _task(self, task_id: str) -> Task:
        task = self._tasks.get(task_id)
        if task is None:
            task = self._tasks[task_id] = Task(task_id)
        return task

    def _group(self, name: str) -> TaskGroup:
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = TaskGroup()
        return group

    def _started(self, event: TaskStarted) -> None:
        task = self._task(event.task_id)
        task.report(event)
        before = task.start
        if before is not None and precedence(before) <= precedence(event):
            return
        if before is not None and before.group is not None and before.group != event.group:
            self._unsettled[self._group(before.group)] = None
            self._group(before.group).take(event.task_id)
        task.start = event
        self._evaluator.note_task(task)
        if event.group is not None:
            self._group(event.group).put(task)
            self._unsettled[self._group(event.group)] = None
        self._evaluator.link(event.task_id, event.parent_task_id)
        for account in task.accounts:
            if account.task is not task:
                continue
            policy = self.policy.of(account.issue.kind, event.kind)
            if policy is not account.policy:
                account.policy = policy
                self._evaluator.judge_all(account)
            elif deadline_of(before, policy) != deadline_of(event, policy):
                self._evaluator.judge_lifetimes(account)

    def _ended(self, event: TaskEnded) -> None:
        task = self._task(event.task_id)
        task.report(event)
        if task.end is not None and precedence(task.end) <= precedence(event):
            return
        before = task.ended
        task.end = event
        self._evaluator.note_task(task)
        if task.heartbeat is not None:
            task.heartbeat, task.lapsed = None, False
            self._leased.pop(task, None)
        self._settle_ending(task, before)

    def _beat(self, event: TaskHeartbeat) -> None:
        task = self._task(event.task_id)
        if task.end is None and event.outlasts(task.heartbeat):
            self._leased[task] = None
            self._end_by_lease(task, event, lapsed=False)

    def _end_by_lease(self, task: Task, heartbeat: TaskHeartbeat, *, lapsed: bool) -> None:
        before = task.ended
        self._lifecycle_changes += (task.heartbeat, task.lapsed) != (heartbeat, lapsed)
        if lapsed != task.lapsed or (lapsed and heartbeat != task.heartbeat):
            self._evaluator.note_task(task)
        task.heartbeat, task.lapsed = heartbeat, lapsed
        self._settle_ending(task, before)

    def _settle_ending(self, task: Task, before: int) -> None:
        """Judges again what the end of a task decides, if it has moved."""
        after = task.ended
        if after == before:
            return
        if task.start is not None and task.start.group is not None:
            self._unsettled[self._group(task.start.group)] = None
        for account in task.accounts:
            if account.task is task:
                self._evaluator.judge_ending(account, before, after)

    # Credentials

    def _issued(self, event: CredentialIssued) -> None:
        name = self._names.by_id(event.credential_id)
        account = name.owner
        gained: list[Name] = []
        governs = account is None
        if account is None:
            self._recall(name)
            account = self._open(event, name)
            gained.append(name)
        else:
            if account.expiries is None and expiry_item(event)[:4] == expiry_item(account.issue)[:4]:
                return
            governs = precedence(event) < precedence(account.issue)
            if governs:
                account.timeline().put(expiry_item(event))
                self._govern(account, event)
            elif not self._extend(account, event):
                return
        self._evaluator.note(account)
        for claimed, loser in self._names.claim(account, event):
            gained.append(claimed)
            if loser is not None:
                self._lose_name(loser, claimed)
        for claimed in gained:
            self._settle_name(account, claimed)
        if governs:
            self._evaluator.judge_all(account)
        self._take_over(account, gained)

    def _open(self, event: CredentialIssued, name: Name) -> Account:
        """Adds a credential that was not known before."""
        task = self._task_of(event)
        account = Account(event, task, self.policy.of(event.kind, task.kind), name)
        self._assign(account, task)
        self._names.open(account, name)
        account.revoked = self._names.revoked(account)
        return account

    def _recall(self, name: Name) -> None:
        """Parks the events that name an id, which is known from now on, and were found by their identifier so far."""
        for event in self._names.unfile(name):
            filed = self._names.name_in(event)
            account, item = filed.owner, (event.time, event.source, event.id, event)
            filed.take(item)
            if name.put(item) and account is not None:
                self._names.park(event)
            if account is not None:
                self._evaluator.withdraw(
                    account,
                    (item,) if isinstance(event, CredentialUsed) else (),
                    (item,) if isinstance(event, CredentialRenewed) else (),
                )
                account.revoked = self._names.revoked(account)

    def _task_of(self, issue: CredentialIssued) -> Task | Candidates:
        """The task to which a credential was issued, or new candidates, which are not settled."""
        if issue.task_id is not None or issue.task_group is None:
            return self._task(issue.task_id or "")
        skew = self.policy.of(issue.kind, None).skew
        return Candidates(self._group(issue.task_group), issue.time - skew, issue.time + skew)

    def _assign(self, account: Account, task: Task | Candidates) -> None:
        if isinstance(task, Task):
            task.accounts.append(account)
            return
        task.group.accounts[account] = None
        self._unsettled[task.group] = None

    def _govern(self, account: Account, event: CredentialIssued) -> None:
        """Lets an earlier issue count from now on."""
        account.issue = event
        account.terms = None
        task = self._task_of(event)
        account.policy = self.policy.of(event.kind, task.kind)
        if task is not account.task:
            account.task = task
            self._assign(account, task)
        account.revoked = self._names.revoked(account)

    def _lose_name(self, account: Account, lost: Name) -> None:
        """Takes from a credential the events by a name that another credential owns now. The uses are parked again."""
        lost.parked = TimeOrder(3)
        for item in account.uses.order if account.uses is not None else ():
            if self._names.name_in(item[3]) is lost:
                lost.parked.put(item)
        self._evaluator.withdraw(account, lost.parked, lost.renewals or ())
        account.revoked = self._names.revoked(account)

    def _settle_name(self, account: Account, name: Name) -> None:
        """Applies the renewals and revocations by a name that a credential gained."""
        for item in name.renewals or ():
            self._extend(account, item[3])
        self._settle_revocation(account, name.revoked())

    def _take_over(self, account: Account, names: Iterable[Name]) -> None:
        """Judges the uses and leaks that waited at names that a credential gained."""
        for name in names:
            for item in name.parked or ():
                self._evaluator.judge_new(account, item)
            name.parked = None
            for group in name.leaks or ():
                self._evaluator.reassign(group)

    def _renewed(self, event: CredentialRenewed) -> None:
        name = self._names.name_in(event)
        if not name.put((event.time, event.source, event.id, event)):
            return
        self._names.file(event)
        if name.owner is None:
            self._names.park(event)
        else:
            self._extend(name.owner, event)

    def _extend(self, account: Account, event: CredentialIssued | CredentialRenewed) -> bool:
        """Adds an issue or renewal to a credential's timeline. Returns False if it was there.

        It sets the expiry until the next issue or renewal. In that time, it changes the verdicts on what happened
        between the old and the new expiry.
        """
        timeline = account.timeline()
        known = timeline.at_most(event.time)
        if not timeline.put(expiry_item(event)):
            return False
        self._evaluator.note(account)
        account.terms = None
        before = NEVER if known is None else known[1]
        after = NEVER if (last := timeline.at_most(event.time)) is None else last[1]
        if before != after:
            following = timeline.after(event.time)
            until = NEVER if following is None else following[0] - 1
            low, high = sorted((before, after))
            until = min(until, high + account.policy.skew)
            self._evaluator.judge_between(account, max(event.time, low + 1), until)
        self._evaluator.judge_lifetime(account, event)
        return True

    def _revoked(self, event: CredentialRevoked) -> None:
        if event.group is not None:
            for account in self._names.revoked_with(event.group, event):
                self._settle_revocation(account, event.time)
            return
        name = self._names.name_in(event)
        if not name.put((event.time, event.source, event.id, event)):
            return
        self._names.file(event)
        if name.owner is None:
            self._names.park(event)
        else:
            self._settle_revocation(name.owner, event.time)

    def _concluded(self, event: RevocationOutcome) -> None:
        """Keeps what became of a command. Findings say so when they are made: no verdict depends on it."""
        name = self._names.by_id(event.credential_id)
        if name.outcomes is None:
            name.outcomes = TimeOrder(3)
        if name.outcomes.put((event.time, event.source, event.id, event)):
            if name.owner is None:
                self._names.park(event)
            else:
                self._evaluator.note(name.owner)

    def _settle_revocation(self, account: Account, time: int) -> None:
        before = account.revoked
        if time < before:
            account.revoked = time
            self._evaluator.judge_between(account, time, before + account.policy.skew)

    # Uses and leaks

    def _used(self, event: CredentialUsed) -> None:
        name = self._names.name_in(event)
        item = (event.time, event.source, event.id, event)
        if name.owner is not None:
            if self._evaluator.judge_new(name.owner, item):
                self._names.file(event)
        elif name.put(item):
            self._names.file(event)
            self._names.park(event)

    def _leaked(self, leak: Leak) -> None:
        tie = leak_tie(leak)
        group = self._leaks.get(tie)
        if group is None:
            names = tuple(dict.fromkeys(map(self._names.by_identifier, leak.identifiers)))
            group = self._leaks[tie] = LeakGroup(tie, names)
            for name in names:
                if name.leaks is None:
                    name.leaks = []
                name.leaks.append(group)
            self._evaluator.reassign(group)
        place = leak.source, leak.id
        known = group.places.get(place)
        if (
            known is not None and known != leak.time
        ):  # the record was read again, and had no time that says the same
            if known < leak.time:
                return
            self._evaluator.withdraw_leak(group, (known, *place))
        group.places[place] = leak.time
        item = (leak.time, *place, leak)
        if group.order.put(item):
            self._evaluator.judge_new_leak(group, item)

    def _limit(self, record: LimitedRecord) -> None:
        for verdict in judge_limited(self.policy, record):
            entry = EvidenceEntry(
                record.time, record.source, record.id, "", verdict.severity, verdict.request, record
            )
            tally = self.limited.get(record.stream_name)
            if tally is None:
                tally = Tally() if self._final is None else FinalTally(-NEVER)
                self.limited[record.stream_name] = tally
            known = None if isinstance(tally, FinalTally) else tally.find(entry[:4])
            if known is None:
                tally.add(entry)
            elif isinstance(tally, Tally) and record.outgrows(known.event):
                tally.remove(known)
                tally.add(entry)

    def _used_finally(self, event: CredentialUsed) -> None:
        account = self._names.owner(event)
        if account is None:
            key = hash((event.source, event.id))
            if self._counted is not None and key not in self._counted:
                self._counted.add(key)
                self._names.park(event)
        elif self._final is not None:
            self._final.judge_use(account, event)

    def _leaked_finally(self, leak: Leak) -> None:
        if self._final is not None:
            found = map(self._names.find, leak.identifiers)
            self._final.judge_leak(tuple(name for name in found if name is not None), leak)

    def _refuse(self, event: AnyEvent) -> None:
        raise ValueError(f"a {type(event).__name__} after the lifecycle was sealed")

    # One table for all ledgers: there is one for each aggregate that is in memory.
    _open_routes: ClassVar[Mapping[type[Any], Callable[[Any, Any], None]]] = {
        TaskStarted: _started,
        TaskEnded: _ended,
        TaskHeartbeat: _beat,
        CredentialIssued: _issued,
        CredentialRenewed: _renewed,
        CredentialRevoked: _revoked,
        RevocationOutcome: _concluded,
        CredentialUsed: _used,
        Leak: _leaked,
        LimitedRecord: _limit,
    }
    _sealed_routes: ClassVar[Mapping[type[Any], Callable[[Any, Any], None]]] = {
        **dict.fromkeys(_open_routes, _refuse),
        CredentialUsed: _used_finally,
        Leak: _leaked_finally,
        LimitedRecord: _limit,
    }
