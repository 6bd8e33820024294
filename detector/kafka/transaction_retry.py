"""Keeps a transaction from waiting a tenth of a second for the one before it.

For the milliseconds in which the markers of a transaction are being written, the coordinator answers the next one's first
request with CONCURRENT_TRANSACTIONS. aiokafka (0.14) then waits 20 ms before it adds partitions again, and `retry_backoff_ms`,
100 ms, before it adds offsets: that is the first request of a transaction that writes nothing, as most of the scan stage's
are. A shorter `retry_backoff_ms` would hold for brokers that are away too.
"""

from typing import Any, Final

from aiokafka import errors as kafka
from aiokafka.producer import sender

WAIT_SECONDS: Final = 0.005


class _AddOffsets(sender.AddOffsetsToTxnHandler):  # type: ignore[misc]  # aiokafka has no types
    """Asks again soon."""

    def handle_response(self, resp: Any) -> float | None:
        """Seconds to wait before the next try, None if there is none to come."""
        if kafka.for_code(resp.error_code) is kafka.ConcurrentTransactions:
            return WAIT_SECONDS
        seconds: float | None = super().handle_response(resp)
        return seconds


def install() -> None:
    """From now on all of aiokafka's transactional producers wait that long."""
    sender.AddOffsetsToTxnHandler = _AddOffsets
    sender.BACKOFF_OVERRIDE = WAIT_SECONDS
