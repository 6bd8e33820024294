"""Amazon EventBridge: events of a service or a webhook, in the envelope that the bus gives to all.

`{"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws.sts", "detail": {…}, …}`
(docs.aws.amazon.com, "EventBridge events"). A rule that passes on the whole event, for example to Kafka, gives this.
"""

from collections.abc import Iterator
from typing import Final

from detector.adapters.adapter import Carrier, Record


def _looks_like(record: Record) -> bool:
    return isinstance(record.get("detail-type"), str) and isinstance(record.get("detail"), dict)


def _unwrap(record: Record, _now: int) -> Iterator[Record]:
    yield record["detail"]


CARRIERS: Final = (
    Carrier("eventbridge", (b'"detail-type"',), _looks_like, _unwrap, audit=True, time="time"),
)
