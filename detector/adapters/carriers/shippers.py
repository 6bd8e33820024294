"""Records that a shipper made from a container's output: log records, whatever the container wrote.

Fluent Bit and others can merge the JSON that a container prints into their own record (`Merge_Log`). The fields that
name the pod are the shipper's, the rest is the workload's. Such a record is never an event, so that no workload can
end its own task, or another's, by printing.
"""

from collections.abc import Iterator
from typing import Final

from detector.adapters.adapter import Carrier, Record
from detector.records.log_records import Read
from detector.records.shipper_fields import PART_MARKS, is_shipped


def _held(record: Record, _now: int) -> Iterator[Record | str | Read]:
    yield record


CARRIERS: Final = (Carrier("shippers", PART_MARKS, is_shipped, _held),)
