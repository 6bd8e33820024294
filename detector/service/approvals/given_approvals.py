"""The approvals that people gave: a verifying reader of the topic `revocation-approvals`, and how one is written."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from detector.configuration.revoke_settings import Approver
from detector.kafka.clients import idempotent_producer, reaction, started
from detector.kafka.connection import ConnectionSettings
from detector.values.approvals import Approval, approval_record, read_approval
from detector.values.errors import ConfigError
from detector.values.secrets import Secret

MOST_OF_COMMAND: Final = 64
"""So many of one command are kept: a person may say the same again and again."""


class GivenApprovals:
    """Applies records of the topic of approvals, and keeps those whose signature is right.

    - `approvers`: whose signatures count. Their tokens are read for each record.
    - `since` (a function of no argument, ns): approvals that are older are forgotten; a denial stays.
    - `told` gets the command's id of each that counts; `refused` gets why one does not, for a log.
    - `complete` is set once everything is known that was there at the start.
    """

    def __init__(
        self,
        topic: str,
        approvers: Sequence[Approver],
        since: Callable[[], int],
        *,
        told: Callable[[str], object] = lambda _: None,
        refused: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.complete = asyncio.Event()
        self.version = 0
        self._topic = topic
        self._approvers: Mapping[str, Approver] = {}
        self._since = since
        self._told = told
        self._refused = refused
        self._given: defaultdict[str, list[Approval]] = defaultdict(list)
        self.use(approvers)

    def use(self, approvers: Sequence[Approver]) -> None:
        """Takes the approvers of a new configuration, for records that come."""
        self._approvers = {approver.name: approver for approver in approvers}

    async def apply(self, records: Sequence[Any]) -> None:
        """Takes records in the order of each partition. They are aiokafka's ConsumerRecord."""
        for record in records:
            self.take(record.value)

    def take(self, value: bytes | None) -> None:
        """Takes the value of one record."""
        try:
            signed = read_approval(value or b"")
        except ValueError:
            self._refused("a record in it is no approval")
            return
        approval = signed.approval
        if not approval.denies and approval.time < self._since():
            return
        approver = self._approvers.get(approval.approver)
        if approver is None:
            self._refused("an approval in it is of somebody who is no [[revoke.approver]]")
            return
        try:
            token = approver.token.read()
            right = signed.signed_with(token, self._topic)
        except ConfigError as error:
            self._refused(f"an approval cannot be verified, and does not count: {error}")
            return
        if not right:
            self._refused(f"an approval in the name of {approver.name} has a wrong signature")
            return
        same = self._with_token(token)
        if not approval.denies and len(same) > 1:
            self._refused(f"{' and '.join(same)} have one token: nobody knows who approved")
            return
        self._keep(approval)

    def _with_token(self, token: Secret) -> list[str]:
        found = []
        for approver in self._approvers.values():
            with contextlib.suppress(ConfigError):  # who has none can sign nothing
                if approver.token.read() == token:
                    found.append(approver.name)
        return sorted(found)

    def _keep(self, approval: Approval) -> None:
        """Keeps a denial for good, and of the others the last."""
        given = self._given[approval.command_id]
        if approval in given:
            return
        if len(given) >= MOST_OF_COMMAND:
            oldest = min((one for one in given if not one.denies), default=None, key=lambda one: one.time)
            if oldest is None:
                return
            given.remove(oldest)
        given.append(approval)
        self.version += 1
        self._told(approval.command_id)
        if self.version % 1000 == 0:
            self._forget()

    def _forget(self) -> None:
        since = self._since()
        for command_id in list(self._given):
            kept = [one for one in self._given[command_id] if one.denies or one.time >= since]
            if kept:
                self._given[command_id] = kept
            else:
                del self._given[command_id]

    def of(self, command_id: str) -> tuple[Approval, ...]:
        """The approvals of one command."""
        return tuple(self._given.get(command_id, ()))


async def write_approval(
    connection: ConnectionSettings, topic: str, approval: Approval, token: Secret
) -> None:
    """Signs an approval, and writes it.

    Raises:
        RetryError, StopError: it cannot be written.
    """
    value = approval_record(approval, token, topic)
    try:
        async with started(idempotent_producer(connection)) as producer:
            await producer.send_and_wait(topic, value, key=approval.command_id.encode())
    except Exception as error:
        raise reaction(error, f"writing to {topic}") from error
