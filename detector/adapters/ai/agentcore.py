"""The log of a gateway of Amazon Bedrock AgentCore: the messages of the Model Context Protocol that it passed on.

Records as CloudWatch, S3 and Firehose get them (docs.aws.amazon.com/bedrock-agentcore, "AgentCore generated gateway
observability data"): `body.requestBody` and `body.responseBody` are text, though no JSON. They are text to scan, with
the trace as their task, as spans have it. What the agent signed in with is not in them.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from detector.adapters.adapter import Carrier, Record
from detector.records.log_records import Read, log_record
from detector.records.timestamps import log_time
from detector.values.events import MAX_FUTURE

AGENTCORE: Final = "agentcore"
_TIME: Final = "event_timestamp"


def _looks_like(record: Record) -> bool:
    arn = record.get("resource_arn")
    return (
        isinstance(arn, str)
        and ":bedrock-agentcore:" in arn
        and _TIME in record
        and isinstance(record.get("body"), dict)
    )


def _unwrap(record: Record, now: int) -> Iterator[Read]:
    read = log_record(record, now)
    time, trace = log_time(record[_TIME]), record.get("trace_id")
    if read.log is not None and isinstance(trace, str) and trace:
        read = msgspec.structs.replace(read, log=msgspec.structs.replace(read.log, task_id=trace))
    if read.log is not None and time is not None and time <= now + MAX_FUTURE:
        read = msgspec.structs.replace(read, log=msgspec.structs.replace(read.log, time=time))
    yield msgspec.structs.replace(read, format=AGENTCORE)


CARRIERS: Final = (Carrier(AGENTCORE, (f'"{_TIME}"'.encode(),), _looks_like, _unwrap),)
