"""A name by which events speak of a credential: keeps them until an issue claims it, then tells who has it."""

from bisect import insort
from collections import Counter
from collections.abc import Iterable

from detector.judge.policy import Policy
from detector.judge.routing import (
    CREDENTIAL,
    HMAC,
    Claim,
    Fact,
    Routed,
    SentCommand,
    identifier_key,
    secret_key,
    task_key,
)
from detector.judge.verdicts import Verdicts
from detector.values.events import (
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Leak,
)

_EVENTS = CredentialUsed | CredentialRenewed | CredentialRevoked | Leak
_SLACK = 15  # what waits may wait this fraction of the lateness longer, so that many go at once


class NameAggregate:
    """A credential's id or identifier.

    Claims are kept for `retention` and events for `lateness` after their time. Where claims contradict each other, a
    task that loses the name hears of the credential that has it, and passes on what is not its own; each claim costs a
    message or two, however many there are. `expired` counts by source the events but leaks that nobody claimed in time.
    """

    def __init__(self, key: str, policy: Policy) -> None:
        self.sends: list[Routed] = []
        self.dropped: list[Fact] = []
        self.expired: Counter[str] = Counter()
        self._key = key
        self._lateness = policy.lateness
        self._retention = policy.retention
        self._claims: dict[tuple[str, str, str], CredentialIssued] = {}
        self._issues: dict[str, list[CredentialIssued]] = {}  # by credential id, the earliest first
        self._owner: str | None = None  # the credential id
        self._parked: list[CredentialUsed | CredentialRenewed | CredentialRevoked | Leak] = []

    @property
    def parked(self) -> int:
        """How many events wait here."""
        return len(self._parked)

    def take(self, payload: Fact, watermark: int) -> bool:
        """As `Aggregate`."""
        if isinstance(payload, Claim):
            self._claim(payload.issue)
            return True
        if not isinstance(payload, _EVENTS):
            return False
        if self._owner is not None:
            self._forward(payload, self._issues[self._owner][0])
            return False
        if payload.time + self._lateness <= watermark:
            self._expire([payload])
            return False
        self._parked.append(payload)
        return True

    def judge(self, watermark: int, sent: list[SentCommand]) -> Verdicts:  # noqa: ARG002 - a name is never revoked
        """As `Aggregate`."""
        late = [event for event in self._parked if event.time + self._lateness <= watermark]
        if late:
            self._parked = [event for event in self._parked if event.time + self._lateness > watermark]
            self._expire(late)
            self.dropped += late
        old = [issue for issue in self._claims.values() if issue.time + self._retention <= watermark]
        if old:
            self.dropped += map(Claim, old)
            kept = [issue for issue in self._claims.values() if issue.time + self._retention > watermark]
            self._keep(kept)
        dues = [
            event.time + self._lateness + self._lateness // _SLACK
            for event in (min(self._parked, key=lambda event: event.time, default=None),)
            if event is not None
        ]
        if self._claims:
            dues.append(min(issue.time for issue in self._claims.values()) + self._retention)
        return Verdicts({}, [], min(dues, default=None), None if dues else watermark)

    def compact(self, before: int) -> list[tuple[str, bytes]]:  # noqa: ARG002 - nothing here is old
        """As `Aggregate`: what waits does not wait for long."""
        return []

    def restore_sums(self, value: bytes) -> None:
        """As `Aggregate`."""

    def owned_elsewhere(self) -> dict[str, str]:
        """As `Aggregate`: none is its own."""
        return {}

    def issues(self) -> list[CredentialIssued]:
        """As `Aggregate`: those are the tasks'."""
        return []

    def _expire(
        self, events: Iterable[CredentialUsed | CredentialRenewed | CredentialRevoked | Leak]
    ) -> None:
        """Counts them, but for leaks: each waits at all of its names, and has an owner or is told as a leaked secret."""
        self.expired.update(event.source for event in events if not isinstance(event, Leak))

    def _claim(self, issue: CredentialIssued) -> None:
        """Files an issue, releases what waited, and tells those who would be wrong without it."""
        before = self._issues[self._owner] if self._owner is not None else None
        governing = before[0] if before is not None else None
        if not self._file(issue) or self._owner is None:
            return
        owner = self._issues[self._owner][0]
        for event in self._parked:
            self._forward(event, owner)
        self.dropped += self._parked
        self._parked = []
        if self._key.startswith(CREDENTIAL):
            self._reissued(issue, governing)
        elif issue.credential_id != self._owner:
            self._tell(self._issues[self._owner], {task_key(issue.task_id)})
        elif governing is not None and governing.credential_id != self._owner:
            self._tell(self._issues[self._owner], {task_key(governing.task_id)})

    def _file(self, issue: CredentialIssued) -> bool:
        """Whether it was not known. Issues only ever make a credential older: one comparison tells who has the name."""
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

    def _forward(
        self, event: CredentialUsed | CredentialRenewed | CredentialRevoked | Leak, owner: CredentialIssued
    ) -> None:
        self.sends.append((task_key(owner.task_id), event))
        if isinstance(event, Leak):  # which is not a secret without an owner any more
            self.sends.append((secret_key(event.fingerprint), Claim(owner)))

    def _reissued(self, issue: CredentialIssued, before: CredentialIssued | None) -> None:
        """The task whose issue governs has to know all; other tasks, and the names of other issues, that one."""
        issues = self._issues[issue.credential_id]
        governing = issues[0]
        if before is None:
            return
        if governing is not issue:
            self._tell([issue], {task_key(governing.task_id)})
            self._tell([governing], {task_key(issue.task_id), *_names(issue)})
            return
        self._tell(issues[1:], {task_key(issue.task_id)})
        names = {name for each in issues[1:] for name in _names(each)}
        self._tell([issue], {task_key(before.task_id), *names})

    def _tell(self, issues: list[CredentialIssued], targets: set[str]) -> None:
        for issue in issues:
            known = {task_key(issue.task_id), *_names(issue)}
            self.sends += [(target, Claim(issue)) for target in sorted(targets - known)]


def _names(issue: CredentialIssued) -> set[str]:
    """The aggregates that heard of an issue by its identifiers."""
    names = set(map(identifier_key, issue.identifiers))
    return names | {secret_key(each.value) for each in issue.identifiers if each.scheme == HMAC}
