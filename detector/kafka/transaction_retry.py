"""Keeps a transaction from waiting a tenth of a second for the one before it.

While the coordinator writes the markers of a transaction, for some milliseconds, it answers the first request of the
next one with CONCURRENT_TRANSACTIONS. aiokafka 0.14 then waits 20 ms before it adds partitions again, but 100 ms
(`retry_backoff_ms`) before it adds offsets. Most transactions of the scan stage write nothing, and their first request
adds offsets. A shorter `retry_backoff_ms` would also apply while brokers are away.
"""

from typing import Any, Final

from aiokafka import errors as kafka
from aiokafka.producer import sender

WAIT_SECONDS: Final = 0.005


class _AddOffsets(sender.AddOffsetsToTxnHandler):  # type: ignore[misc]  # aiokafka has no types
    """Retries soon."""

    def handle_response(self, resp: Any) -> float | None:
        """Seconds to wait before the next try, None if there is no next try."""
        if kafka.for_code(resp.error_code) is kafka.ConcurrentTransactions:
            return WAIT_SECONDS
        seconds: float | None = super().handle_response(resp)
        return seconds


def install() -> None:
    """Makes all of aiokafka's transactional producers wait only that long, from now on."""
    sender.AddOffsetsToTxnHandler = _AddOffsets
    sender.BACKOFF_OVERRIDE = WAIT_SECONDS
