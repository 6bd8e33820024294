"""Amazon EventBridge: what a service or a webhook put on a bus, in the envelope that the bus has for all.

`{"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws.sts", "detail": {…}, …}`
(docs.aws.amazon.com, "EventBridge events"). A rule that hands on the whole event, to a Kafka topic for one, gives this.
"""

from collections.abc import Iterator
from typing import Final

from detector.adapters.adapter import Carrier, Record


def _looks_like(record: Record) -> bool:
    return isinstance(record.get("detail-type"), str) and isinstance(record.get("detail"), dict)


def _unwrap(record: Record, _now: int) -> Iterator[Record]:
    yield record["detail"]


CARRIERS: Final = (Carrier("eventbridge", (b'"detail-type"',), _looks_like, _unwrap, audit=True),)
