"""A name by which events speak of a credential: keeps them until an issue claims it, then tells who has it."""

from collections import Counter

from detector.events import (
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Leak,
)
from detector.live.routing import (
    CREDENTIAL,
    HMAC,
    Claim,
    Payload,
    Routed,
    Sent,
    identifier_key,
    secret_key,
    task_key,
)
from detector.live.verdicts import Verdicts
from detector.policy import Policy

_EVENTS = CredentialUsed | CredentialRenewed | CredentialRevoked | Leak
_SLACK = 15  # what waits may wait this fraction of the lateness longer, so that many go at once


class NameAggregate:
    """A credential's id or identifier.

    Claims are kept for `retention` and events for `lateness` after their time. Where claims contradict each other, all
    tasks concerned hear of all of them: each then comes to the same view of whose an event is, and passes on what is
    another's. `expired` counts by source the events that nobody claimed in time.
    """

    def __init__(self, key: str, policy: Policy) -> None:
        self.sends: list[Routed] = []
        self.dropped: list[Payload] = []
        self.expired: Counter[str] = Counter()
        self._key = key
        self._lateness = policy.lateness
        self._retention = policy.retention
        self._claims: dict[tuple[str, str, str], Claim] = {}
        self._parked: list[CredentialUsed | CredentialRenewed | CredentialRevoked | Leak] = []
        self._relayed: set[tuple[str, str, str, str]] = set()

    def take(self, payload: Payload, watermark: int) -> bool:
        """As `Aggregate`."""
        if isinstance(payload, Claim):
            issue = payload.issue
            self._claims.setdefault((issue.source, issue.id, issue.credential_id), payload)
            self._release()
            if len(self._claims) > 1:
                self._relay()
            return True
        if not isinstance(payload, _EVENTS):
            return False
        owner = self._owner()
        if owner is not None:
            self._forward(payload, owner)
            return False
        if payload.time + self._lateness <= watermark:
            self.expired[payload.source] += 1
            return False
        self._parked.append(payload)
        return True

    def judge(self, watermark: int, sent: list[Sent]) -> Verdicts:  # noqa: ARG002 - a name is never revoked
        """As `Aggregate`."""
        late = [event for event in self._parked if event.time + self._lateness <= watermark]
        if late:
            self._parked = [event for event in self._parked if event.time + self._lateness > watermark]
            self.expired.update(event.source for event in late)
            self.dropped += late
        for name, claim in list(self._claims.items()):
            if claim.issue.time + self._retention <= watermark:
                del self._claims[name]
                self.dropped.append(claim)
        dues = [
            event.time + self._lateness + self._lateness // _SLACK
            for event in (min(self._parked, key=lambda event: event.time, default=None),)
            if event is not None
        ]
        dues += [claim.issue.time + self._retention for claim in self._claims.values()]
        return Verdicts({}, [], min(dues, default=None), None if dues else watermark)

    def disowned(self) -> dict[str, str]:
        """As `Aggregate`: none is its own."""
        return {}

    def issues(self) -> list[CredentialIssued]:
        """As `Aggregate`: those are the tasks'."""
        return []

    def _owner(self) -> CredentialIssued | None:
        """The earliest issue of the credential that has the name."""
        earliest: dict[str, CredentialIssued] = {}
        claimants: set[str] = set()
        for claim in self._claims.values():
            issue = claim.issue
            known = earliest.get(issue.credential_id)
            if known is None or (issue.time, issue.source, issue.id) < (known.time, known.source, known.id):
                earliest[issue.credential_id] = issue
            if self._key.startswith(CREDENTIAL) or self._key in map(identifier_key, issue.identifiers):
                claimants.add(issue.credential_id)
        return min(
            (earliest[claimant] for claimant in claimants),
            key=lambda issue: (issue.time, issue.credential_id),
            default=None,
        )

    def _release(self) -> None:
        owner = self._owner()
        if owner is None:
            return
        for event in self._parked:
            self._forward(event, owner)
        self.dropped += self._parked
        self._parked = []

    def _forward(
        self, event: CredentialUsed | CredentialRenewed | CredentialRevoked | Leak, owner: CredentialIssued
    ) -> None:
        self.sends.append((task_key(owner.task_id), event))
        if isinstance(event, Leak):  # which is not a secret without an owner any more
            self.sends.append((secret_key(event.fingerprint), Claim(owner)))

    def _relay(self) -> None:
        """Tells each task, and each name of a credential issued more than once, of the claims it does not know."""
        issues = [claim.issue for claim in self._claims.values()]
        tasks = {task_key(issue.task_id) for issue in issues}
        names: set[str] = set()
        if self._key.startswith(CREDENTIAL):
            for issue in issues:
                names.update(map(identifier_key, issue.identifiers))
                names.update(secret_key(each.value) for each in issue.identifiers if each.scheme == HMAC)
        for issue in issues:
            known = {task_key(issue.task_id), *map(identifier_key, issue.identifiers)}
            known |= {secret_key(each.value) for each in issue.identifiers if each.scheme == HMAC}
            for target in sorted((tasks | names) - known):
                told = (target, issue.source, issue.id, issue.credential_id)
                if told not in self._relayed:
                    self._relayed.add(told)
                    self.sends.append((target, Claim(issue)))
