"""Aggregates with a ledger: a task with its credentials, a leaked secret, a stream with records not examined whole.

An aggregate takes facts in any order and says what follows from them. It reads no clock and writes nothing; messages
for other aggregates collect in `sends`. If it is loaded again from the facts that it kept, it is the same.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec

from detector.judge.accounts import Account
from detector.judge.compaction import (
    AccountSums,
    account_sums,
    compact_accounts,
    compact_leaks,
    compact_lifecycle,
    compact_limited,
    restore_account,
    restore_leaks,
)
from detector.judge.evidence import Sums, Tally
from detector.judge.incremental_evaluator import Changes
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.quiet import Quiet
from detector.judge.routing import (
    LEAKED,
    TASK,
    CandidateStatuses,
    Claim,
    Fact,
    LeakWithdrawal,
    Routed,
    SentCommand,
    TaskStatus,
    TaskSubscription,
    answer,
    issue_key,
    task_key,
)
from detector.judge.task_credentials import TaskCredentials
from detector.judge.terms import NEVER
from detector.judge.verdicts import (
    Verdicts,
    judge_limited_stream,
    judge_lone_secret,
    judge_secret,
    judge_task,
    own_issues,
)
from detector.judge.watermark import BEGINNING
from detector.values.events import (
    CredentialEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Leak,
    LimitedRecord,
    RevocationOutcome,
    TaskEnded,
    TaskHeartbeat,
    TaskStarted,
)

_encoder: Final = msgspec.json.Encoder()
_account_sums: Final = msgspec.json.Decoder(AccountSums)
_secret_sums: Final = msgspec.json.Decoder(Sums)


class Aggregate(ABC):
    """What is judged as one.

    `sends` are facts for other aggregates. `dropped` are facts that need not be kept any longer. The caller empties
    both. `expired` counts by source the events that waited here in vain, None if none can.
    """

    expired: Counter[str] | None = None

    def __init__(self) -> None:
        self.sends: list[Routed] = []
        self.dropped: list[Fact] = []
        self._leases: dict[tuple[type[Fact], str], tuple[TaskStatus, Fact]] = {}  # by kind of fact and task

    @property
    def parked(self) -> int:
        """How many events wait here."""
        return 0

    @abstractmethod
    def take(self, fact: Fact, watermark: int) -> bool:
        """Takes a fact that it does not have yet. Returns False if there is no need to keep it."""

    @abstractmethod
    def judge(self, watermark: int, sent: list[SentCommand]) -> Verdicts:
        """What holds at a watermark, given the commands that were sent before."""

    def compact(self, before: int) -> list[tuple[str, bytes]]:  # noqa: ARG002 - most have nothing to compact
        """Compacts the facts older than `before` (ns). Returns by name the sums to keep in their place."""
        return []

    def restore_sums(self, value: bytes) -> None:  # noqa: B027 - most have no sums
        """Takes sums that `compact` returned, after all facts that were kept."""

    def resume(self, timer: int | None) -> None:  # noqa: B027 - most say the same at all times
        """Takes up what held when it was judged last, after all facts that were kept. `timer` is that of then."""

    def _keeps(self, status: TaskStatus, fact: TaskStatus | CandidateStatuses) -> bool:
        """Whether a fact with this status is to be kept: of those about one lease, what the others do not say."""
        if status.heartbeat is None:
            return True
        known = self._leases.get((type(fact), status.task_id))
        if known is not None:
            if not status.tells_more_than(known[0]):
                return False
            if not known[0].tells_more_than(status):
                self.dropped.append(known[1])
        self._leases[type(fact), status.task_id] = status, fact
        return True

    def owned_elsewhere(self) -> dict[str, str]:
        """The credentials that this aggregate knows to be another's: the key of that one, by credential id."""
        return {}

    def issues(self) -> list[CredentialIssued]:
        """The issues that the registry no longer needs once this aggregate is dropped."""
        return []


_Movable: TypeAlias = CredentialEvent | Leak


class TaskAggregate(Aggregate):
    """A task, its credentials, and all that happened to them.

    If a use names another task, it waits until that task and its ancestors have said who their parent is. Otherwise a
    subtask that uses its parent's credential would have it revoked whenever the news of the subtask come late.
    """

    def __init__(self, key: str, policy: Policy) -> None:
        super().__init__()
        self._task_id = key.removeprefix(TASK) if key.startswith(TASK) else ""
        self._key = key
        self._changes = Changes()
        self._ledger = Ledger(policy, self._changes)
        self._credentials = TaskCredentials(self._ledger, key, self._changes)
        # A dict without containers is none to the collector of cycles; a set is. There are very many aggregates.
        self._subscribers: dict[str, None] = {}
        self._subscribed = BEGINNING  # the latest time of an event that caused a subscription
        self._answered: dict[str, None] = {}
        self._waiting: dict[str, list[CredentialUsed]] = {}  # by the task that must answer
        self._forwarded: dict[tuple[str, _Movable], None] = {}
        self._quiet: Quiet | None = None

    @property
    def ledger(self) -> Ledger:
        """All that it knows. `own_accounts` returns the credentials that are the task's. Do not change it."""
        return self._ledger

    def take(self, fact: Fact, watermark: int) -> bool:  # noqa: ARG002 - needed by names
        """Takes an event, a leak, a claim, or a message of another task."""
        if type(fact) is CredentialUsed:
            named = fact.task_id
            if named is None or named == self._task_id:  # nearly always
                self._ledger.apply(fact)
            else:
                self._use(fact, named)
        elif type(fact) is TaskStarted or type(fact) is TaskEnded or type(fact) is TaskHeartbeat:
            return self._happened(fact)
        elif (
            type(fact) is Leak
            or type(fact) is CredentialIssued
            or type(fact) is CredentialRenewed
            or type(fact) is CredentialRevoked
            or type(fact) is RevocationOutcome
        ):
            self._ledger.apply(fact)
        elif type(fact) is TaskSubscription:
            self._subscribed = max(self._subscribed, fact.time)
            if fact.key not in self._subscribers:
                self._subscribers[fact.key] = None
                self.sends += answer(fact.key, self._status())
        elif type(fact) is TaskStatus:
            self._learn(fact)
            return self._keeps(fact, fact)
        elif type(fact) is Claim:
            self._ledger.apply(fact.issue)
        return True

    def judge(self, watermark: int, sent: list[SentCommand]) -> Verdicts:
        """Judges the task and its credentials, and forwards what it knows about other tasks' credentials."""
        if (
            self._quiet is not None
            and self._quiet.stands(self._ledger, watermark, self._subscribed)
            and not sent
        ):
            return self._quiet.verdicts
        if self._subscribers:
            before = self._status()
            self._ledger.lapse(watermark)
            self._tell_change(before, self._status())
        else:
            self._ledger.lapse(watermark)
        verdicts = judge_task(self._credentials, watermark, sent, subscribed=self._subscribed)
        others = self._credentials.others()
        for account in others:
            key = issue_key(account.issue)
            for event in _evidence(account):
                if (key, event) not in self._forwarded:
                    self._forwarded[key, event] = None
                    self.sends.append((key, event))
        nothing = not (others or sent or verdicts.findings or verdicts.commands)
        self._quiet = Quiet.of(self._ledger, verdicts, watermark, self._subscribed) if nothing else None
        return verdicts

    def compact(self, before: int) -> list[tuple[str, bytes]]:
        """Compacts the uses and leaks of each credential, and what its lifecycle has made void."""
        self._quiet = None
        own = self._credentials.grown()
        accepts = self._ledger.policy.accepting_globs
        accounts, gone = compact_accounts(own, accepts, before)
        # A log record may come hours late, and is judged by what held at its time.
        since = before + self._ledger.policy.lateness - self._ledger.policy.retention
        renewed, void = compact_lifecycle(own, accepts, min(before, since))
        self.dropped += [*gone, *void]
        changed = dict.fromkeys([*accounts, *renewed])
        self._changes.note(changed)
        return [(account.credential_id, _encoder.encode(account_sums(account))) for account in changed]

    def restore_sums(self, value: bytes) -> None:
        """Gives a credential its sums."""
        sums = _account_sums.decode(value)
        self._ledger.settle()
        account = self._ledger.credential(sums.credential_id)
        if account is not None:
            restore_account(account, sums)
            self._changes.note([account])

    def owned_elsewhere(self) -> dict[str, str]:
        """As `Aggregate`."""
        others = self._credentials.others()
        return {account.credential_id: issue_key(account.issue) for account in others}

    def issues(self) -> list[CredentialIssued]:
        """All issues for this aggregate."""
        return own_issues(self._ledger, self._key)

    def resume(self, timer: int | None) -> None:
        """Ends the task if its lease had lapsed: else there is a timer for that."""
        self._ledger.lapse(NEVER if timer is None else timer - 1)

    def _happened(self, event: TaskStarted | TaskHeartbeat | TaskEnded) -> bool:
        """Takes what happened to the task itself.

        Only the start, the end and the heartbeat that count are kept, and the latest report.
        """
        known = self._counting()
        if self._subscribers:
            before = self._status()
            self._ledger.apply(event)
            status = self._status()
            if before.lapsed and not status.lapsed:
                task = self._ledger.task(self._task_id)
                status = msgspec.structs.replace(status, heartbeat=None if task is None else task.heartbeat)
            self._tell_change(before, status)
        else:
            self._ledger.apply(event)
        counting = self._counting()
        if known:
            self.dropped += [each for each in known if each not in counting]
        return event in counting

    def _tell_change(self, before: TaskStatus, status: TaskStatus) -> None:
        if status != before:
            self.sends += [(key, status) for key in sorted(self._subscribers)]

    def _counting(self) -> list[TaskStarted | TaskEnded | TaskHeartbeat]:
        task = self._ledger.task(self._task_id)
        facts = () if task is None else (task.start, task.end, task.latest, task.heartbeat)
        return [each for each in facts if each is not None]

    def _status(self) -> TaskStatus:
        task = self._ledger.task(self._task_id)
        if task is None:
            return TaskStatus(self._task_id)
        lapsed = task.heartbeat if task.lapsed else None
        return TaskStatus(self._task_id, task.start, task.end, lapsed, task.lapsed)

    def _use(self, use: CredentialUsed, named: str | None) -> None:
        unknown = None if named is None else self._unanswered(named)
        if unknown is None:
            self._ledger.apply(use)
            return
        waiting = self._waiting.setdefault(unknown, [])
        if not waiting:
            self.sends.append((task_key(unknown), TaskSubscription(self._key, use.time)))
        waiting.append(use)

    def _unanswered(self, task_id: str) -> str | None:
        """The first ancestor of a task, itself included, that has not said who its parent is; None if all have."""
        seen: set[str] = set()
        while task_id != self._task_id and task_id not in seen:
            seen.add(task_id)
            if task_id not in self._answered:
                return task_id
            task = self._ledger.task(task_id)
            if task is None or task.start is None or task.start.parent_task_id is None:
                return None
            task_id = task.start.parent_task_id
        return None

    def _learn(self, status: TaskStatus) -> None:
        self._answered[status.task_id] = None
        if status.start is not None:
            self._ledger.apply(status.start)
        waiting = self._waiting.pop(status.task_id, [])
        if (
            not waiting and (unknown := self._unanswered(status.task_id)) is not None
        ):  # its parent has changed
            time = status.start.time if status.start else 0
            self.sends.append((task_key(unknown), TaskSubscription(self._key, time)))
        for use in waiting:
            self._use(use, status.task_id)


class SecretAggregate(Aggregate):
    """A leaked secret. It has a finding of its own until a credential claims it; then its leaks are that credential's.

    Most credentials never leak, and most secrets that nobody registered leak once: there is no ledger for either. It
    keeps the latest `most` leaks one by one and compacts the others, once they are older than the lateness.
    """

    def __init__(self, key: str, policy: Policy, most: int = 4096) -> None:
        super().__init__()
        self._most = most
        self._key = key
        self._policy = policy
        self._ledger: Ledger | None = None
        self._lone: Verdicts | None = None  # while it has one leak, and nothing else is known
        self._claims: list[CredentialIssued] = []
        self._leaks: list[Leak] = []
        self._sums: Sums | None = None  # of the leaks that were compacted
        self._statuses: list[TaskStatus] = []
        self._withdrawn: dict[tuple[str, str], int] = {}  # the time of each record, by source and id
        self._forwarded: dict[tuple[str, Leak], None] = {}
        self._subscriptions: dict[str, None] = {}

    def take(self, fact: Fact, watermark: int) -> bool:  # noqa: ARG002 - needed by names
        """Takes a claim, a leak, the withdrawal of a leak, or the status of the task whose log shows the secret."""
        if type(fact) is Claim:
            self._claims.append(fact.issue)
            if self._ledger is not None:
                self._ledger.apply(fact.issue)
            if (
                self._sums is not None
            ):  # the leaks that are kept are the credential's; the others were only counted
                self._sums = self._ledger = None
        elif type(fact) is Leak:
            self._leaks.append(fact)
            if self._ledger is not None and (fact.source, fact.id) not in self._withdrawn:
                self._ledger.apply(fact)
        elif type(fact) is LeakWithdrawal:
            self._withdrawn[fact.source, fact.id] = fact.time
            self._ledger = None  # it forgets nothing
        elif type(fact) is TaskStatus:
            if not self._keeps(fact, fact):
                return False
            self._statuses.append(fact)
            if self._ledger is not None:
                learn_status(self._ledger, fact)
        return True

    def judge(self, watermark: int, sent: list[SentCommand]) -> Verdicts:  # noqa: ARG002 - a secret is never revoked
        """Judges the secret, or forwards its leaks to the task of the credential that claims it."""
        if self._is_lone():
            lone = self._lone
            if lone is None or lone.timer is None or watermark >= lone.timer:
                lone = self._lone = judge_lone_secret(self._policy, self._leaks[0], watermark)
            self._subscribe(lone, self._leaks[0].known_since)
            return lone
        self._lone = None
        ledger = self._opened()
        if ledger is None:
            times = [*(issue.time for issue in self._claims), *self._withdrawn.values()]
            disposable_at = max(times, default=watermark) + self._policy.retention
            return Verdicts({}, [], disposable_at if disposable_at > watermark else None, disposable_at)
        for account in ledger.accounts():
            for item in account.leaks or ():
                routed = (issue_key(account.issue), item[4])
                if routed not in self._forwarded:
                    self._forwarded[routed] = None
                    self.sends.append(routed)
        verdicts = judge_secret(ledger, watermark)
        self._subscribe(verdicts, ledger.latest)
        return verdicts

    def _subscribe(self, verdicts: Verdicts, latest: int | None) -> None:
        """Asks the task whose log shows the secret to report its start and end."""
        for finding in verdicts.findings.values():
            if finding.task is not None and finding.task.task_id not in self._subscriptions:
                self._subscriptions[finding.task.task_id] = None
                time = finding.first_seen if latest is None else latest
                subscription = TaskSubscription(self._key, time)
                self.sends.append((task_key(finding.task.task_id), subscription))

    def _is_lone(self) -> bool:
        """Whether it has one leak, and nothing else is known that says more of it."""
        return (
            len(self._leaks) == 1
            and not self._claims
            and not self._withdrawn
            and self._sums is None
            and not any(status.start or status.end or status.heartbeat for status in self._statuses)
        )

    def _opened(self) -> Ledger | None:
        """The ledger with all that holds now, None if it has no leak."""
        if self._ledger is None:
            leaks = [leak for leak in self._leaks if (leak.source, leak.id) not in self._withdrawn]
            if not leaks and self._sums is None:
                return None
            ledger = self._ledger = Ledger(self._policy)
            for issue in self._claims:
                ledger.apply(issue)
            for leak in leaks:
                ledger.apply(leak)
            for status in self._statuses:
                learn_status(ledger, status)
            if self._sums is not None:
                restore_leaks(ledger.secrets()[1], self._key.removeprefix(LEAKED), self._sums)
        return self._ledger

    def compact(self, before: int) -> list[tuple[str, bytes]]:
        """Compacts all but the latest leaks, which a credential may still claim."""
        ledger = self._opened() if len(self._leaks) > self._most else None
        if ledger is None:
            return []
        before = min(before, sorted(leak.time for leak in self._leaks)[-self._most])
        gone, sums = compact_leaks(*ledger.secrets(), self._key.removeprefix(LEAKED), before)
        if not gone:
            return []
        dropped = set(gone)
        self._leaks = [leak for leak in self._leaks if leak not in dropped]
        self._forwarded = {routed: None for routed in self._forwarded if routed[1] not in dropped}
        self.dropped += gone
        self._sums = sums
        return [] if sums is None else [("", _encoder.encode(sums))]

    def restore_sums(self, value: bytes) -> None:
        """Takes the sums of the leaks that were compacted."""
        self._sums, self._ledger = _secret_sums.decode(value), None


class LimitedAggregate(Aggregate):
    """A stream with log records that could not be examined whole."""

    def __init__(self, key: str, policy: Policy) -> None:
        super().__init__()
        self._key = key
        self._ledger = Ledger(policy)
        self._records: dict[tuple[int, str, str], LimitedRecord] = {}
        self._subscribed: set[str] = set()

    def take(self, fact: Fact, watermark: int) -> bool:  # noqa: ARG002 - needed by names
        """Takes such a record, or the status of the task whose stream it is."""
        if isinstance(fact, LimitedRecord):
            key = (fact.time, fact.source, fact.id)
            known = self._records.get(key)
            if known is None or known.records < fact.records:
                self._records[key] = fact
            if known is not None and known != fact:  # one for fewer records no longer says anything
                self.dropped.append(min(known, fact, key=lambda one: one.records))
            self._ledger.apply(fact)
        elif isinstance(fact, TaskStatus):
            learn_status(self._ledger, fact)
            return self._keeps(fact, fact)
        return True

    def judge(self, watermark: int, sent: list[SentCommand]) -> Verdicts:  # noqa: ARG002 - nothing is to be revoked
        """Judges the stream, and asks its task to report its start and end."""
        verdicts = judge_limited_stream(self._ledger, watermark)
        for finding in verdicts.findings.values():
            if finding.task is not None and finding.task.task_id not in self._subscribed:
                self._subscribed.add(finding.task.task_id)
                subscription = TaskSubscription(self._key, finding.first_seen)
                self.sends.append((task_key(finding.task.task_id), subscription))
        return verdicts

    def compact(self, before: int) -> list[tuple[str, bytes]]:
        """Adds up old records."""
        made: list[tuple[str, bytes]] = []
        for tally in self._ledger.limited.values():
            if isinstance(tally, Tally):
                gone = compact_limited(tally, before)
                self.dropped += [self._records.pop(key) for key in gone]
                if tally.sums is not None:
                    made.append(("", _encoder.encode(tally.sums)))
        return made

    def restore_sums(self, value: bytes) -> None:
        """Takes the sums of the records that were added up."""
        for tally in self._ledger.limited.values():
            if isinstance(tally, Tally):
                tally.sums = _secret_sums.decode(value)


def learn_status(ledger: Ledger, status: TaskStatus) -> None:
    """Applies what a task says of itself."""
    for event in (status.start, status.end):
        if event is not None:
            ledger.apply(event)
    if status.heartbeat is not None:
        ledger.report(status.heartbeat, lapsed=status.lapsed)


def _evidence(account: Account) -> Iterator[_Movable]:
    """All that the task of a credential must know to judge it."""
    for item in account.uses.order if account.uses is not None else ():
        yield item[3]
    for item in account.leaks or ():
        yield item[4]
    for name in account.owned():
        for order in (name.renewals, name.revocations, name.outcomes):
            for item in order or ():
                yield item[3]
