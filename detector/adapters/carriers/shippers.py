"""Records that a shipper made of a container's output: log records, whatever the container wrote.

Fluent Bit and others can merge the JSON that a container prints into their record (`Merge_Log`). What names its pod in
a record of that kind is the shipper's, the rest is the workload's: it is never an event, so that no workload can end
its own task, or another's, by printing.
"""

from collections.abc import Iterator
from typing import Final

from detector.adapters.adapter import Carrier, Record
from detector.records.log_records import Read
from detector.records.shipper_fields import PART_MARKS, is_shipped


def _held(record: Record, _now: int) -> Iterator[Record | str | Read]:
    yield record


CARRIERS: Final = (Carrier("shippers", PART_MARKS, is_shipped, _held),)
