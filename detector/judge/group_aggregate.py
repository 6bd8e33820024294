"""A group of credentials that are revoked at once: whoever is told of first, each meets the other here.

A role's sessions, a pod's tokens, a token's children: the event names the group, and no source lists who is in it.
"""

import heapq
import itertools
from collections.abc import Iterable
from typing import Final

from detector.judge.policy import Policy
from detector.judge.routing import Claim, Fact, Routed, SentCommand, task_key
from detector.judge.verdicts import Verdicts
from detector.values.events import CredentialIssued, CredentialRevoked
from detector.values.times import DAY

MEMBERSHIP: Final = 400 * DAY  # of a credential without an expiry


class GroupAggregate:
    """Passes each revocation on to the tasks of the members that it is for.

    A member is kept until `retention` after its expiry as it was issued, a revocation for `retention`.
    """

    def __init__(self, policy: Policy) -> None:
        self.sends: list[Routed] = []
        self.dropped: list[Fact] = []
        self._retention = policy.retention
        self._members: set[Claim] = set()
        self._revocations: set[CredentialRevoked] = set()
        self._number = itertools.count()  # breaks ties
        self._ends: list[tuple[int, int, Claim | CredentialRevoked]] = []  # a heap: until when each is kept

    def take(self, payload: Fact, watermark: int) -> bool:  # noqa: ARG002 - names need it
        """As `Aggregate`."""
        if isinstance(payload, Claim):
            self._members.add(payload)
            self._keep(payload, self._end_of(payload.issue))
            self._pass_on([payload], self._revocations)
        elif isinstance(payload, CredentialRevoked):
            self._revocations.add(payload)
            self._keep(payload, payload.time + self._retention)
            self._pass_on(self._members, [payload])
        else:
            return False
        return True

    def judge(self, watermark: int, sent: list[SentCommand]) -> Verdicts:  # noqa: ARG002 - a group is no credential
        """As `Aggregate`."""
        while self._ends and self._ends[0][0] <= watermark:
            payload = heapq.heappop(self._ends)[2]
            if isinstance(payload, Claim):
                self._members.discard(payload)
            else:
                self._revocations.discard(payload)
            self.dropped.append(payload)
        due = self._ends[0][0] if self._ends else None
        return Verdicts({}, [], due, watermark if due is None else None)

    def compact(self, before: int) -> list[tuple[str, bytes]]:  # noqa: ARG002 - nothing here is judged
        """As `Aggregate`."""
        return []

    def restore_sums(self, value: bytes) -> None:
        """As `Aggregate`."""

    def owned_elsewhere(self) -> dict[str, str]:
        """As `Aggregate`: none is its own."""
        return {}

    def issues(self) -> list[CredentialIssued]:
        """As `Aggregate`: those are the tasks'."""
        return []

    def _end_of(self, issue: CredentialIssued) -> int:
        lives = issue.time + MEMBERSHIP if issue.expires_at is None else max(issue.time, issue.expires_at)
        return lives + self._retention

    def _keep(self, payload: Claim | CredentialRevoked, until: int) -> None:
        heapq.heappush(self._ends, (until, next(self._number), payload))

    def _pass_on(self, members: Iterable[Claim], revocations: Iterable[CredentialRevoked]) -> None:
        for event in revocations:
            tasks = {member.issue.task_id for member in members if event.strikes(member.issue)}
            self.sends += [(task_key(task_id), event) for task_id in sorted(tasks)]
