"""A group of credentials that are revoked at once: whoever is told of first, each meets the other here.

A role's sessions, a pod's tokens, a token's children: the event names the group, and no source lists who is in it.
"""

from collections.abc import Iterable
from typing import Final, TypeVar

from detector.events import CredentialIssued, CredentialRevoked
from detector.live.routing import Claim, Payload, Routed, Sent, task_key
from detector.live.verdicts import Verdicts
from detector.policy import Policy
from detector.times import DAY

_Kept = TypeVar("_Kept", Claim, CredentialRevoked)
MEMBERSHIP: Final = 400 * DAY  # of a credential without an expiry


class GroupAggregate:
    """Passes each revocation on to the tasks of the members that it is for.

    A member is kept until `retention` after its expiry as it was issued, a revocation for `retention`.
    """

    def __init__(self, policy: Policy) -> None:
        self.sends: list[Routed] = []
        self.dropped: list[Payload] = []
        self._retention = policy.retention
        self._members: dict[Claim, int] = {}  # until when each is kept
        self._revocations: dict[CredentialRevoked, int] = {}

    def take(self, payload: Payload, watermark: int) -> bool:  # noqa: ARG002 - names need it
        """As `Aggregate`."""
        if isinstance(payload, Claim):
            self._members[payload] = self._end_of(payload.issue)
            self._pass_on([payload], self._revocations)
        elif isinstance(payload, CredentialRevoked):
            self._revocations[payload] = payload.time + self._retention
            self._pass_on(self._members, [payload])
        else:
            return False
        return True

    def judge(self, watermark: int, sent: list[Sent]) -> Verdicts:  # noqa: ARG002 - a group is no credential
        """As `Aggregate`."""
        self.dropped += [*_over(self._members, watermark), *_over(self._revocations, watermark)]
        due = min((*self._members.values(), *self._revocations.values()), default=None)
        return Verdicts({}, [], due, watermark if due is None else None)

    def fold(self, before: int) -> list[tuple[str, bytes]]:  # noqa: ARG002 - nothing here is judged
        """As `Aggregate`."""
        return []

    def unfold(self, value: bytes) -> None:
        """As `Aggregate`."""

    def disowned(self) -> dict[str, str]:
        """As `Aggregate`: none is its own."""
        return {}

    def issues(self) -> list[CredentialIssued]:
        """As `Aggregate`: those are the tasks'."""
        return []

    def _end_of(self, issue: CredentialIssued) -> int:
        lives = issue.time + MEMBERSHIP if issue.expires_at is None else max(issue.time, issue.expires_at)
        return lives + self._retention

    def _pass_on(self, members: Iterable[Claim], revocations: Iterable[CredentialRevoked]) -> None:
        for event in revocations:
            tasks = {member.issue.task_id for member in members if event.strikes(member.issue)}
            self.sends += [(task_key(task_id), event) for task_id in sorted(tasks)]


def _over(kept: dict[_Kept, int], watermark: int) -> list[_Kept]:
    """Those that need not be kept any more, which are kept no more."""
    over = [payload for payload, until in kept.items() if until <= watermark]
    for payload in over:
        del kept[payload]
    return over
