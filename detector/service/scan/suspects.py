"""Records that are tried out before they are scanned, as a process may have died of them."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from detector.kafka.handlers import Partition
from detector.records.record_columns import chosen
from detector.service.scan.scan_marks import NoMarks
from detector.values.errors import RetryError
from detector.values.shortage import lacking

SLOW_SECONDS: Final = 5.0  # of a scan: if it is not committed, it is tried out first the next time


class Suspects:
    """Up to which offset the records of each partition are suspected, for one reader of the inputs.

    They are those that a process was scanning when it died (`marks`), and those whose scan took long, until they are
    committed.
    """

    def __init__(self, marks: NoMarks) -> None:
        self._marks = marks
        self._ends: dict[Partition, int] = {}

    def assigned(self, partition: Partition) -> None:
        """Suspects what was left open when a process died."""
        self._add(partition, self._marks.left_open(partition))

    @contextlib.contextmanager
    def timed(self, partition: Partition, end: int) -> Iterator[None]:
        """Suspects the records before the offset `end` if what is done with them takes long, or more than there is.

        Raises:
            RetryError: something was lacking: they have to be tried out first.
        """
        began = time.monotonic()
        try:
            yield
        except Exception as error:
            what = lacking(error)
            if what is None or self.has(partition, end - 1):  # they were tried out: then nothing helps
                raise
            self._add(partition, end)
            raise RetryError(f"scanning {partition.topic}, partition {partition.number}: {what}") from error
        finally:
            if time.monotonic() - began > SLOW_SECONDS:
                self._add(partition, end)

    def has(self, partition: Partition, offset: int) -> bool:
        """Whether the record at an offset is suspected."""
        return offset < self._ends.get(partition, 0)

    def committed(self, partition: Partition, end: int) -> None:
        """What was read up to the offset `end` is through. If that is all of the suspected, none is left."""
        if end >= self._ends.get(partition, end + 1):
            del self._ends[partition]

    def without_aside(self, partition: Partition, records: Sequence[Any]) -> Sequence[Any]:
        """The records without those that were set aside."""
        aside = self._marks.aside(partition)
        if not aside:
            return records
        left = [number for number, record in enumerate(records) if record.offset not in aside]
        return records if len(left) == len(records) else chosen(records, left)

    def _add(self, partition: Partition, end: int) -> None:
        if end:
            self._ends[partition] = max(end, self._ends.get(partition, 0))
