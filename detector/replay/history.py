"""A history that is judged: lifecycle events go in first, then uses and leaks in any order, then findings come out."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from detector.judge.join_coverage import JoinCoverage, count_joins, join_coverage
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.stage import judge_history
from detector.replay.buckets import CredentialBuckets
from detector.stages.first_uses import FirstUses
from detector.values.events import CredentialUsed, Leak, Lifecycle, LimitedRecord
from detector.values.findings import Command, Finding


class Concluded(msgspec.Struct, frozen=True):
    """What follows from a history, findings and commands in the order of the output.

    The rest is as `Summary` has it.
    """

    findings: list[Finding]
    commands: list[Command]
    unresolved: Mapping[str, int]
    conflicts: int
    coverage: JoinCoverage


class History(Protocol):
    """Takes what was read, all of it masked."""

    @property
    def buckets(self) -> CredentialBuckets | None:
        """Where the uses of a unit are routed to, if it is judged in buckets; known once it is sealed."""

    def tell(self, events: Sequence[Lifecycle]) -> None:
        """Takes lifecycle events."""

    def locate(self, uses: Sequence[CredentialUsed]) -> None:
        """Takes first uses, as `Ledger.seal_lifecycle` needs them; more than those do no harm."""

    def seal(self) -> None:
        """Promises that uses and leaks follow."""

    def use(self, uses: Sequence[CredentialUsed]) -> None:
        """Takes uses."""

    def put(self, rows: Mapping[int, bytes]) -> None:
        """Takes uses that were `routed`."""

    def show(self, record: Leak | LimitedRecord) -> None:
        """Takes what a log record shows, or that it was not examined whole."""

    def conclude(self, until: int) -> Concluded:
        """What follows, up to an event time (ns).

        Raises:
            UsageError: the runner cannot go on.
        """


class WholeHistory:
    """All of it in one ledger. `sealed_until` is as `Ledger.seal_lifecycle` has it. Implements `History`."""

    buckets = None

    def __init__(self, policy: Policy, sealed_until: int) -> None:
        self.ledger = Ledger(policy)
        self._sealed_until = sealed_until
        self._first_uses = FirstUses()

    def tell(self, events: Sequence[Lifecycle]) -> None:
        """See `History`."""
        for event in events:
            self.ledger.apply(event)

    def locate(self, uses: Sequence[CredentialUsed]) -> None:
        """See `History`."""
        for use in uses:
            self._first_uses.add(use)

    def seal(self) -> None:
        """See `History`."""
        self.ledger.seal_lifecycle(self._first_uses.uses(), self._sealed_until)
        self._first_uses = FirstUses()

    def use(self, uses: Sequence[CredentialUsed]) -> None:
        """See `History`."""
        for use in uses:
            self.ledger.apply(use)

    def put(self, rows: Mapping[int, bytes]) -> None:
        """See `History`: without buckets nothing is routed."""

    def show(self, record: Leak | LimitedRecord) -> None:
        """See `History`."""
        self.ledger.apply(record)

    def conclude(self, until: int) -> Concluded:
        """See `History`."""
        ledger = self.ledger
        findings, commands = judge_history(ledger, until)
        coverage = join_coverage(count_joins(ledger.accounts(), until), until)
        return Concluded(findings, commands, ledger.unresolved, len(ledger.conflicts), coverage)
