"""Finds the records that cannot be processed among those that can."""

from collections.abc import Sequence
from typing import Any

from detector.kafka.handlers import Refusal, named
from detector.values.errors import StopError


class PoisonSearch:
    """Finds the record that makes `process` fail: it halves the polls that hold it, then gives a refusal of it."""

    def __init__(self, poll_records: int, refusals: int) -> None:
        self.limit = poll_records
        self._poll_records = poll_records
        self._refusals_left = self._refusals = refusals
        self._until = 0
        self._alone: int | None = None
        self._refused: int | None = None
        self._error = ""
        self._unreadable: int | None = None
        self._found = False  # the record that it halved the polls for

    def unreadable(self, offset: int, error: Exception) -> None:
        """The client could not decode a poll from `offset`. Halves the polls until the record is alone."""
        self._until = max(self._until, offset + self.limit)
        if self.limit == 1:
            self._unreadable = offset
            self._error = named(error)
        self.limit = max(self.limit // 2, 1)

    def unreadable_at(self, offset: int) -> Refusal | None:
        """The refusal of the record at this offset, if it is the one that cannot be decoded."""
        if offset != self._unreadable:
            return None
        return Refusal("record-unreadable", offset, error=self._error)

    def failed(self, records: Sequence[Any], error: Exception) -> None:
        """`process` raised `error` for these records. Of its text only what quotes none of them is kept."""
        self._error = named(error)
        first, last = records[0].offset, records[-1].offset
        self._until = max(self._until, last + 1)
        if len(records) > 1:
            self.limit = len(records) // 2
        elif self._alone == first:
            self._refused = first
        else:
            self.limit = 1
            self._alone = first

    def refusal(self, records: Sequence[Any]) -> Refusal | None:
        """The refusal, if these records are the one that makes `process` fail.

        Raises:
            StopError: many in a row are refused, so the records are not the cause.
        """
        if len(records) != 1 or records[0].offset != self._refused:
            return None
        if not self._refusals_left:
            raise StopError(
                f"{self._refusals} records one after another could not be processed: {self._error}"
            )
        return Refusal("record-failed", records[0].offset, records[0], error=self._error)

    def passed(self, offset: int) -> None:
        """Records before `offset` are done."""
        if self._refused is not None and offset > self._refused:
            self._refused = self._alone = None
            self._refusals_left -= 1
            self._found = True
        else:
            self._refusals_left = self._refusals
        if self._unreadable is not None and offset > self._unreadable:
            # The rest of its batch cannot be decoded either. The next good record restores the limit.
            self._unreadable, self._until = None, offset + 1
        elif offset >= self._until:
            self.limit, self._found = self._poll_records, False
        elif self._found:
            self.limit = min(2 * self.limit, self._poll_records)
