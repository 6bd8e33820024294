"""Decides over commands by the configuration: which target takes one, whether it may go, whether it is tried again."""

from collections.abc import Callable, Sequence
from typing import Protocol

from detector.configuration.revoke_settings import RevokeSettings
from detector.revoke.rails import Decision, Held, History, Proposal, Refused, decide, stopped
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target_tables import TableTarget, find_target
from detector.values.approvals import RETRY, Approval


class Deciding(Protocol):
    """Decides over commands, by the configuration. It is asked again about what is held."""

    def target_of(self, command: RevocationCommand) -> TableTarget:
        """The first target that takes it.

        Raises:
            RefusedError: none does.
        """

    def target_named(self, name: str) -> TableTarget | None:
        """The target of a table; None if it is gone from the configuration."""

    def decide(self, proposal: Proposal, history: History, now: int) -> Decision:
        """Whether it may go now."""

    def stopped(self, proposal: Proposal, now: int) -> Held | Refused | None:
        """Why what was let go may not go on, None if it may."""

    def retried(self, command_id: str) -> tuple[int, str]:
        """When a person asked last to try it again (ns; 0 if nobody did), and who."""

    def said(self, command_id: str) -> Sequence[Approval]:
        """What approvers have said of a command."""


class Configured:
    """`Deciding` by the `[revoke]` table. `approvals_of` gives the verified approvals of a command."""

    def __init__(
        self,
        settings: RevokeSettings,
        targets: Sequence[TableTarget],
        approvals_of: Callable[[str], Sequence[Approval]] = lambda _: (),
    ) -> None:
        self._settings = settings
        self._targets = targets
        self._approvals_of = approvals_of
        self._by_name = {each.name: each for each in targets}

    def target_of(self, command: RevocationCommand) -> TableTarget:
        """See `Deciding`."""
        return find_target(self._targets, command)

    def target_named(self, name: str) -> TableTarget | None:
        """See `Deciding`."""
        return self._by_name.get(name)

    def decide(self, proposal: Proposal, history: History, now: int) -> Decision:
        """See `Deciding`."""
        return decide(proposal, history, self._settings, now, self._approvals_of(proposal.command.id))

    def stopped(self, proposal: Proposal, now: int) -> Held | Refused | None:
        """See `Deciding`."""
        return stopped(proposal, self._settings, now, self._approvals_of(proposal.command.id))

    def said(self, command_id: str) -> Sequence[Approval]:
        """See `Deciding`."""
        return self._approvals_of(command_id)

    def retried(self, command_id: str) -> tuple[int, str]:
        """See `Deciding`."""
        known = {approver.name for approver in self._settings.approvers}
        asked = [one for one in self._approvals_of(command_id) if one.verdict == RETRY]
        return max(((one.time, one.approver) for one in asked if one.approver in known), default=(0, ""))
