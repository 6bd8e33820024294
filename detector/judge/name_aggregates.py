"""Aggregates that pass facts on to tasks: a name of a credential, and a group of credentials."""

import heapq
import itertools
from bisect import insort
from collections import Counter
from collections.abc import Iterable
from typing import Final, TypeAlias

from detector.judge.aggregates import Aggregate
from detector.judge.policy import Policy
from detector.judge.routing import (
    CREDENTIAL,
    HMAC,
    Claim,
    Fact,
    Recall,
    SentCommand,
    identifier_key,
    issue_key,
    secret_key,
)
from detector.judge.verdicts import Verdicts
from detector.values.events import (
    CredentialEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Leak,
    RevocationOutcome,
)
from detector.values.times import DAY

_Parked: TypeAlias = CredentialEvent | Leak
_PARKED = CredentialUsed | CredentialRenewed | CredentialRevoked | RevocationOutcome | Leak
_SLACK = 15  # parked events may wait longer by this fraction of the lateness, so that many expire at once
MEMBERSHIP: Final = 400 * DAY  # of a credential that never expires


def patience_of(policy: Policy) -> tuple[int, int]:
    """How long an event waits for the issue of its credential, and how much longer until it is dropped (ns)."""
    patience = 2 * policy.lateness
    return patience, patience // _SLACK


class NameAggregate(Aggregate):
    """A credential's id or one of its identifiers. It parks events until an issue claims the name.

    An issue may come `lateness` late, and a use as long before it: so events are kept for twice the `lateness`, claims
    for the `retention`, after their time. An event that names an identifier too is also passed on to that, as long as
    nobody claims the id, and recalled when somebody does.

    If claims contradict each other, a task that loses the name learns which credential owns it and passes on what is
    not its own. Each claim costs one or two messages, however many there are, and one more for each recall. Leaks
    that nobody claimed are not among the `expired`.
    """

    def __init__(self, key: str, policy: Policy) -> None:
        super().__init__()
        self.expired: Counter[str] = Counter()
        self._key = key
        self._patience, self._slack = patience_of(policy)
        self._retention = policy.retention
        self._claims: dict[tuple[str, str, str], CredentialIssued] = {}
        self._issues: dict[str, list[CredentialIssued]] = {}  # by credential id, the earliest first
        self._owner: str | None = None  # its credential id
        self._parked: list[_Parked] = []
        self._recalls: dict[str, list[CredentialIssued]] = {}  # by credential id

    @property
    def parked(self) -> int:
        """How many events wait here."""
        return len(self._parked)

    def take(self, fact: Fact, watermark: int) -> bool:
        """Takes a claim, a recall, or an event that refers to its credential by this name."""
        if type(fact) is Claim:
            self._claim(fact.issue)
            return True
        if type(fact) is Recall:
            self._recall(fact.issue)
            return True
        if not isinstance(fact, _PARKED):
            return False
        if self._owner is not None:
            self._forward(fact, self._issues[self._owner][0])
            return False
        if (key := self._fallback(fact)) is not None:
            self.sends.append((key, fact))
        if _since(fact) + self._patience <= watermark:
            self._expire([fact])
            return False
        self._parked.append(fact)
        return True

    def judge(self, watermark: int, sent: list[SentCommand]) -> Verdicts:  # noqa: ARG002 - a name is never revoked
        """Drops parked events, claims and recalls whose time is over."""
        late = [event for event in self._parked if _since(event) + self._patience <= watermark]
        if late:
            self._parked = [event for event in self._parked if _since(event) + self._patience > watermark]
            self._expire(late)
            self.dropped += late
        old = [issue for issue in self._claims.values() if issue.time + self._retention <= watermark]
        if old:
            self.dropped += map(Claim, old)
            kept = [issue for issue in self._claims.values() if issue.time + self._retention > watermark]
            self._keep(kept)
        recalls = [issue for issues in self._recalls.values() for issue in issues]
        over = [issue for issue in recalls if issue.time + self._retention <= watermark]
        if over:
            self.dropped += map(Recall, over)
            self._recalls = {}
            for issue in recalls:
                if issue.time + self._retention > watermark:
                    self._recalls.setdefault(issue.credential_id, []).append(issue)
        timers = [
            since + self._patience + self._slack
            for since in (min(map(_since, self._parked), default=None),)
            if since is not None
        ]
        kept_for_long = [*self._claims.values(), *(each for some in self._recalls.values() for each in some)]
        if kept_for_long:
            timers.append(min(issue.time for issue in kept_for_long) + self._retention)
        return Verdicts({}, [], min(timers, default=None), None if timers else watermark)

    def _expire(self, events: Iterable[_Parked]) -> None:
        """Counts events. Leaks are left out: each waits at all of its names, and is reported as a leaked secret.

        So are those that wait at an identifier too.
        """
        self.expired.update(
            event.source for event in events if not isinstance(event, Leak) and self._fallback(event) is None
        )

    def _fallback(self, event: _Parked) -> str | None:
        """The key of an event's identifier, if it names its credential by this id and by an identifier, else None."""
        if isinstance(event, Leak) or event.credential_id is None or event.identifier is None:
            return None
        return identifier_key(event.identifier) if self._key.startswith(CREDENTIAL) else None

    def _recall(self, issue: CredentialIssued) -> None:
        """Drops the events that name another credential, and tells every task that may have some of them."""
        self._recalls.setdefault(issue.credential_id, []).append(issue)
        parked, self._parked = self._parked, []
        for event in parked:
            theirs = not isinstance(event, Leak) and event.credential_id == issue.credential_id
            (self.dropped if theirs else self._parked).append(event)
        self._send_claims([issue], set(map(issue_key, self._claims.values())))

    def _claim(self, issue: CredentialIssued) -> None:
        """Files an issue, forwards the parked events, and tells the aggregates that need to know."""
        before = self._issues[self._owner] if self._owner is not None else None
        previous = before[0] if before is not None else None
        if not self._file(issue) or self._owner is None:
            return
        owner = self._issues[self._owner][0]
        for event in self._parked:
            self._forward(event, owner)
        for key in sorted({key for event in self._parked if (key := self._fallback(event)) is not None}):
            self.sends.append((key, Recall(owner)))
        for recalled in self._recalls.values():
            self._send_claims(recalled, {issue_key(issue)})
        self.dropped += self._parked
        self._parked = []
        if self._key.startswith(CREDENTIAL):
            self._reissued(issue, previous)
        elif issue.credential_id != self._owner:
            self._send_claims(self._issues[self._owner], {issue_key(issue)})
        elif previous is not None and previous.credential_id != self._owner:
            self._send_claims(self._issues[self._owner], {issue_key(previous)})

    def _file(self, issue: CredentialIssued) -> bool:
        """Adds an issue; returns whether it is new.

        An issue only ever makes a credential older, so one comparison tells which credential owns the name.
        """
        name = (issue.source, issue.id, issue.credential_id)
        if name in self._claims:
            return False
        self._claims[name] = issue
        issues = self._issues.setdefault(issue.credential_id, [])
        insort(issues, issue, key=lambda each: (each.time, each.source, each.id))
        if self._key.startswith(CREDENTIAL) or any(self._key in _names(each) for each in issues):
            mine, owner = issues[0], self._issues[self._owner][0] if self._owner is not None else None
            if owner is None or (mine.time, mine.credential_id) < (owner.time, owner.credential_id):
                self._owner = issue.credential_id
        return True

    def _keep(self, issues: list[CredentialIssued]) -> None:
        self._claims, self._issues, self._owner = {}, {}, None
        for issue in issues:
            self._file(issue)

    def _forward(self, event: _Parked, owner: CredentialIssued) -> None:
        self.sends.append((issue_key(owner), event))
        if isinstance(event, Leak):  # the secret has an owner now
            self.sends.append((secret_key(event.fingerprint), Claim(owner)))

    def _reissued(self, issue: CredentialIssued, previous: CredentialIssued | None) -> None:
        """Tells the task of the issue that counts about all others, and everybody else about that one."""
        issues = self._issues[issue.credential_id]
        governing = issues[0]
        if previous is None:
            return
        if governing is not issue:
            self._send_claims([issue], {issue_key(governing)})
            self._send_claims([governing], {issue_key(issue), *_names(issue)})
            return
        self._send_claims(issues[1:], {issue_key(issue)})
        names = {name for each in issues[1:] for name in _names(each)}
        self._send_claims([issue], {issue_key(previous), *names})

    def _send_claims(self, issues: list[CredentialIssued], targets: set[str]) -> None:
        for issue in issues:
            known = {issue_key(issue), *_names(issue)}
            self.sends += [(target, Claim(issue)) for target in sorted(targets - known)]


def _since(event: _Parked) -> int:
    """When it came: a log record may state any time, also one that is long over."""
    return event.known_since if isinstance(event, Leak) else event.time


def _names(issue: CredentialIssued) -> set[str]:
    """The keys of the aggregates that know an issue by its identifiers."""
    names = set(map(identifier_key, issue.identifiers))
    return names | {secret_key(each.value) for each in issue.identifiers if each.scheme == HMAC}


class GroupAggregate(Aggregate):
    """A group of credentials that can be revoked at once, such as a role's sessions or a token's children.

    The revocation names the group, and no source lists its members. So members and revocations meet here, whichever
    comes first, and each revocation goes on to the tasks of the members that it revokes. A member is kept for the
    `retention` after its expiry as issued, a revocation for the `retention` after its time.
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self._retention = policy.retention
        self._members: set[Claim] = set()
        self._revocations: set[CredentialRevoked] = set()
        self._number = itertools.count()  # breaks ties
        self._ends: list[tuple[int, int, Claim | CredentialRevoked]] = []  # a heap: until when each is kept

    def take(self, fact: Fact, watermark: int) -> bool:  # noqa: ARG002 - needed by names
        """Takes a new member or a revocation."""
        if type(fact) is Claim:
            self._members.add(fact)
            self._keep(fact, self._end_of(fact.issue))
            self._pass_on([fact], self._revocations)
        elif isinstance(fact, CredentialRevoked):
            self._revocations.add(fact)
            self._keep(fact, fact.time + self._retention)
            self._pass_on(self._members, [fact])
        else:
            return False
        return True

    def judge(self, watermark: int, sent: list[SentCommand]) -> Verdicts:  # noqa: ARG002 - a group is no credential
        """Drops members and revocations whose time is over."""
        while self._ends and self._ends[0][0] <= watermark:
            fact = heapq.heappop(self._ends)[2]
            if type(fact) is Claim:
                self._members.discard(fact)
            else:
                self._revocations.discard(fact)
            self.dropped.append(fact)
        timer = self._ends[0][0] if self._ends else None
        return Verdicts({}, [], timer, watermark if timer is None else None)

    def _end_of(self, issue: CredentialIssued) -> int:
        expires = issue.time + MEMBERSHIP if issue.expires_at is None else max(issue.time, issue.expires_at)
        return expires + self._retention

    def _keep(self, fact: Claim | CredentialRevoked, until: int) -> None:
        heapq.heappush(self._ends, (until, next(self._number), fact))

    def _pass_on(self, members: Iterable[Claim], revocations: Iterable[CredentialRevoked]) -> None:
        for event in revocations:
            keys = {issue_key(member.issue) for member in members if event.revokes(member.issue)}
            self.sends += [(key, event) for key in sorted(keys)]
