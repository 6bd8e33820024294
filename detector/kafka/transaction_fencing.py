"""Transactions that the group's coordinator refuses from whoever is no member of its current generation (KIP-447).

aiokafka 0.14 sends the offsets of a transaction without the member and its generation. So `install` puts a class in
front of the one that its senders use: it sends both if the group was named by a `NamedMember`, as Kafka's other
clients do.
"""

from types import SimpleNamespace
from typing import Any, Self

from aiokafka.producer import sender

from detector.kafka.error_codes import asks_for
from detector.kafka.group_requests import TxnOffsetCommit, errors_of
from detector.kafka.membership import Membership


class NamedMember(str):
    """The name of a group, for `send_offsets_to_transaction`. It says who commits."""

    __slots__ = ("membership",)
    membership: Membership

    def __new__(cls, membership: Membership) -> Self:
        """The name in place of that of its group."""
        made = super().__new__(cls, membership.group)
        made.membership = membership
        return made


class _CommitOffsets(sender.TxnOffsetCommitHandler):  # type: ignore[misc]  # aiokafka has no types
    """Says who commits."""

    def create_request(self) -> Any:
        if not isinstance(self._group_id, NamedMember):
            return super().create_request()
        transactions = self._sender._txn_manager  # noqa: SLF001 - aiokafka's own handler reads it so
        return TxnOffsetCommit(
            transactions.transactional_id,
            (transactions.producer_id, transactions.producer_epoch),
            self._group_id.membership,
            self._offsets,
        )

    def handle_response(self, resp: Any) -> float | None:
        """Seconds to wait before the next try, None if there is no next try."""
        if isinstance(self._group_id, NamedMember):
            for error in errors_of(resp):
                if asks_for(error) == "rejoin":
                    self._sender._txn_manager.error_transaction(error())  # noqa: SLF001 - as above
                    return None
            errors = [(topic, [each[:2] for each in partitions]) for topic, partitions, _ in resp.topics]
            resp = SimpleNamespace(errors=errors)
        seconds: float | None = super().handle_response(resp)
        return seconds


def install() -> None:
    """Lets all of aiokafka's transactional producers name their member, from now on."""
    sender.TxnOffsetCommitHandler = _CommitOffsets
