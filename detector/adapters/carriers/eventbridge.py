"""Amazon EventBridge: events of a service or a webhook, in the envelope that the bus gives to all.

`{"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws.sts", "detail": {…}, …}`
(docs.aws.amazon.com, "EventBridge events"). A rule that passes on the whole event, for example to Kafka, gives this.
The events of `aws.task_states` and of Buildkite are not opened: their envelope has the time. A record of CloudTrail
comes from AWS alone: whoever may put events on a bus can choose any source but `aws.…`.
"""

from collections.abc import Iterator
from typing import Final

from detector.adapters.adapter import Carrier, Record
from detector.adapters.aws.cloudtrail import looks_like as looks_like_cloudtrail
from detector.adapters.aws.task_states import STATES, is_of_aws
from detector.adapters.ci.buildkite import is_partner


def _looks_like(record: Record) -> bool:
    kind = record.get("detail-type")
    if not isinstance(kind, str) or kind in STATES or is_partner(record):
        return False
    detail = record.get("detail")
    if not isinstance(detail, dict):
        return False
    return not looks_like_cloudtrail(detail) or is_of_aws(record)


def _unwrap(record: Record, _now: int) -> Iterator[Record]:
    yield record["detail"]


CARRIERS: Final = (
    Carrier("eventbridge", (b'"detail-type"',), _looks_like, _unwrap, audit=True, time="time"),
)
