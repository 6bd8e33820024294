"""The log of a gateway of Amazon Bedrock AgentCore: the messages of the Model Context Protocol that it passed on.

Records as CloudWatch, S3 and Firehose get them (docs.aws.amazon.com/bedrock-agentcore, "AgentCore generated gateway
observability data"): `body.requestBody` and `body.responseBody` are text, though no JSON. They are text to scan, with
the trace as their task, as spans have it. What the agent signed in with is not in them.
"""

from collections.abc import Iterator
from typing import Final

from detector.adapters.adapter import Carrier, Record
from detector.adapters.ai.runs import run_text
from detector.records.log_records import Read
from detector.records.timestamps import log_time

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
    trace = record.get("trace_id")
    task = trace if isinstance(trace, str) and trace else None
    yield Read(AGENTCORE, log=run_text(record, now, task, log_time(record[_TIME])))


CARRIERS: Final = (Carrier(AGENTCORE, (f'"{_TIME}"'.encode(),), _looks_like, _unwrap),)
