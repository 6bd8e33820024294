"""The record of a finding in the findings topic: when to delete it.

A finding is over once the aggregate that reported it has closed or forgotten it. `finding_retention` later the record
may go. But another aggregate may report a finding with the same uid by then: issuers use ids of credentials again. So
the record of each finding has an aggregate of its own, which knows who reports it.
"""

from detector.judge.aggregates import Aggregate
from detector.judge.policy import Policy
from detector.judge.routing import FINDING, Fact, FindingDeleted, FindingOpened, FindingOver, SentCommand
from detector.judge.verdicts import Verdicts


class FindingRecordAggregate(Aggregate):
    """The record of one finding.

    A report and the deletion may pass each other: the report may stand before the deletion in the topic, and nobody
    sees it then. So the aggregate stays for the `finding_retention` after a deletion, and who reports the finding
    with later evidence in that time is told. A report without is of facts that were read again: it is deleted at
    once, and once more when that aggregate is done.
    """

    def __init__(self, key: str, policy: Policy) -> None:
        super().__init__()
        self._uid = key.removeprefix(FINDING)
        self._retention = policy.finding_retention
        self._opened: dict[str, FindingOpened] = {}  # by the aggregate that reports it
        self._over: FindingOver | None = None
        self._is_deleted = False
        self._is_repeated = False

    def take(self, fact: Fact, watermark: int) -> bool:  # noqa: ARG002 - needed by names
        """Takes that an aggregate reports the finding, or that it does no longer."""
        if type(fact) is FindingOpened:
            return self._open(fact)
        if type(fact) is not FindingOver:
            return False
        opened = self._opened.pop(fact.key, None)
        if opened is not None:
            self.dropped.append(opened)
        if self._over is not None:
            if self._is_deleted and fact.last_seen <= self._over.last_seen:
                self._is_repeated = True  # it may have been written since
                return False
            if fact.until <= self._over.until:
                return False
            self.dropped.append(self._over)
        self._over, self._is_deleted = fact, False
        return True

    def _open(self, fact: FindingOpened) -> bool:
        over = self._over
        if self._is_deleted and over is not None and fact.last_seen <= over.last_seen:
            self._is_repeated = True
            return False
        self._opened[fact.key] = fact
        if self._is_deleted:
            self.sends.append((fact.key, FindingDeleted(self._uid)))
            self._is_deleted = False
        if over is not None and over.key == fact.key:
            self.dropped.append(over)
            self._over = None
        return True

    def resume(self, timer: int | None) -> None:
        """As `Aggregate`. Once the record is deleted, the timer is later than the time for that."""
        self._is_deleted = self._over is not None and timer is not None and timer > self._over.until

    def judge(self, watermark: int, sent: list[SentCommand]) -> Verdicts:  # noqa: ARG002 - a record is no credential
        """Deletes the record when the finding is no longer reported and its time is over."""
        if self._over is None or self._opened:
            return Verdicts({}, [], None, None if self._opened else watermark)
        until = self._over.until
        if until > watermark:
            return Verdicts({}, [], until)
        deletes = self._is_repeated or not self._is_deleted
        self._is_deleted, self._is_repeated = True, False
        forgotten_at = until + self._retention
        timer = forgotten_at if forgotten_at > watermark else None
        return Verdicts({}, [], timer, forgotten_at, deleted=(self._uid,) if deletes else ())
