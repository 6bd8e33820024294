"""A set of events as the brute-force judge sees it: sorted by type, searched from end to end at every question."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from detector.values.events import (
    AnyEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    Leak,
    RevocationOutcome,
    TaskEnded,
    TaskHeartbeat,
    TaskStarted,
)

NEVER = float("inf")
_CURFEWD = uuid.uuid5(uuid.NAMESPACE_DNS, "curfewd")


def finding_uid(rule: str, key: str) -> str:
    """The uid of a finding."""
    return str(uuid.uuid5(_CURFEWD, f"{rule}/{key}"))


def command_id(credential_id: str, *, escalated: bool) -> str:
    """The id of a command."""
    return str(uuid.uuid5(_CURFEWD, f"{credential_id}/{'escalated' if escalated else 'plain'}"))


@dataclass
class History:
    """The set of events, sorted by type, and the time up to which they are judged; a second copy of one is dropped."""

    until: int
    started: list[TaskStarted] = field(default_factory=list)
    heartbeats: list[TaskHeartbeat] = field(default_factory=list)
    ended: list[TaskEnded] = field(default_factory=list)
    issued: list[CredentialIssued] = field(default_factory=list)
    renewed: list[CredentialRenewed] = field(default_factory=list)
    used: list[CredentialUsed] = field(default_factory=list)
    revoked: list[CredentialRevoked] = field(default_factory=list)
    outcomes: list[RevocationOutcome] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)

    @classmethod
    def of(cls, events: Iterable[AnyEvent], until: int) -> "History":
        """The history that `events`, in any order and with copies, tell."""
        history = cls(until)
        seen = set()
        for event in events:
            name = (event.source, event.id, event.fingerprint if isinstance(event, Leak) else "")
            if name in seen:
                continue
            seen.add(name)
            lists: dict[type[Any], list[Any]] = {
                TaskStarted: history.started,
                TaskHeartbeat: history.heartbeats,
                TaskEnded: history.ended,
                CredentialIssued: history.issued,
                CredentialRenewed: history.renewed,
                CredentialUsed: history.used,
                CredentialRevoked: history.revoked,
                RevocationOutcome: history.outcomes,
                Leak: history.leaks,
            }
            if type(event) in lists:
                lists[type(event)].append(event)
        return history

    def start_of(self, task_id: str) -> TaskStarted | None:
        """The earliest start of a task."""
        mine = [event for event in self.started if event.task_id == task_id]
        return min(mine, key=lambda event: (event.time, event.source, event.id), default=None)

    def end_of(self, task_id: str) -> int | None:
        """The earliest end of a task; without one, when the last of its leases is over, if it is."""
        reported = [event.time for event in self.ended if event.task_id == task_id]
        if reported:
            return min(reported)
        alive_until = [beat.time + beat.lease for beat in self.heartbeats if beat.task_id == task_id]
        return max(alive_until) if alive_until and max(alive_until) <= self.until else None

    def candidates_for(self, issue: CredentialIssued, skew: int) -> list[TaskStarted]:
        """The starts of the tasks of the issue's group that had started by the issue and not ended before it."""
        found = []
        for task_id in {event.task_id for event in self.started}:
            start, end = self.start_of(task_id), self.end_of(task_id)
            assert start is not None
            running = start.time <= issue.time + skew and (end is None or end >= issue.time - skew)
            if running and start.group == issue.task_group:
                found.append(start)
        return sorted(found, key=lambda event: (event.time, event.source, event.id))

    def issue_of(self, credential_id: str) -> CredentialIssued | None:
        """The issue that governs: the earliest."""
        mine = [event for event in self.issued if event.credential_id == credential_id]
        return min(mine, key=lambda event: (event.time, event.source, event.id), default=None)

    def claimants(self, identifier: Identifier) -> set[str]:
        """The credentials any issue of which carries the identifier."""
        return {
            issue.credential_id
            for issue in self.issued
            for other in issue.identifiers
            if (other.scheme, other.value) == (identifier.scheme, identifier.value)
        }

    def owner_of(self, identifier: Identifier) -> str | None:
        """Of the credentials that claim an identifier, the one issued earliest."""
        ages = []
        for credential_id in self.claimants(identifier):
            issue = self.issue_of(credential_id)
            assert issue is not None
            ages.append((issue.time, credential_id))
        return min(ages)[1] if ages else None

    def named_by(
        self, event: CredentialRenewed | CredentialUsed | CredentialRevoked | RevocationOutcome
    ) -> str | None:
        """The known credential that an event is about, if any."""
        if event.credential_id is not None and self.issue_of(event.credential_id) is not None:
            return event.credential_id
        return self.owner_of(event.identifier) if event.identifier is not None else None

    def revoked_at(self, credential_id: str) -> float:
        """The earliest revocation of a credential, `NEVER` without one."""
        issue = self.issue_of(credential_id)
        return min(
            (
                e.time
                for e in self.revoked
                if (
                    self.named_by(e) == credential_id
                    if e.group is None
                    else issue is not None
                    and e.group in issue.groups
                    and issue.time < (e.time if e.issued_before is None else e.issued_before)
                )
            ),
            default=NEVER,
        )

    def dead_at(self, credential_id: str, *, escalated: bool) -> float | None:
        """When a command for a credential was last said to have found or left it dead, None if that was never said."""
        command = command_id(credential_id, escalated=escalated)
        return max(
            (
                e.time if e.finished_at is None else e.finished_at
                for e in self.outcomes
                if (e.credential_id, e.command_id) == (credential_id, command)
                and e.outcome in ("confirmed", "gone-already")
            ),
            default=None,
        )

    def expiry(self, credential_id: str, time: int) -> float:
        """The expiry in force at a time: of the last issue or renewal at or before it."""
        so_far: list[tuple[int, float]] = [
            (e.time, NEVER if e.expires_at is None else e.expires_at)
            for e in self.issued
            if e.credential_id == credential_id and e.time <= time
        ]
        so_far += [
            (e.time, e.expires_at)
            for e in self.renewed
            if self.named_by(e) == credential_id and e.time <= time
        ]
        return max(so_far)[1] if so_far else NEVER

    def is_of(self, task_id: str, ancestor: str) -> bool:
        """Whether a task is `ancestor` or comes from it by parent_task_id."""
        seen: list[str] = []
        current: str | None = task_id
        while current is not None and current not in seen:
            if current == ancestor:
                return True
            seen.append(current)
            start = self.start_of(current)
            current = start.parent_task_id if start is not None else None
        return False
