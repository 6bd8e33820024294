"""Pub/Sub's envelopes around entries of Cloud Logging: as it pushes a message, and as `pull` prints it.

`{"message": {"data": "<base64>", "messageId": …, "publishTime": …}, "subscription": …}` (cloud.google.com, "Push
subscriptions"), or `message` with an `ackId` instead, and `receivedMessages` around several of those. Libraries write
the names with underscores, too. `data` is what the publisher wrote: here, an entry.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final

from detector.adapters.adapter import Carrier, Record
from detector.records.dead_letters import WRONG_FIELD, bad

_MARKS: Final = (b'"publishTime"', b'"publish_time"')
_TIMES: Final = ("publishTime", "publish_time")


def _is_message(record: Record) -> bool:
    message = record.get("message")
    return (
        isinstance(message, dict)
        and isinstance(message.get("data"), str)
        and not message.keys().isdisjoint(_TIMES)
    )


def _message(record: Record, _now: int) -> Iterator[Record | str]:
    data: Any = record["message"]["data"]
    try:
        yield base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        raise bad(WRONG_FIELD, "message.data", "not base64 of text in UTF-8") from None


def _is_pull(record: Record) -> bool:
    messages = record.get("receivedMessages")
    return isinstance(messages, list) and any(isinstance(one, dict) and _is_message(one) for one in messages)


def _messages(record: Record, _now: int) -> Iterator[Record]:
    yield from (one for one in record["receivedMessages"] if isinstance(one, dict))


CARRIERS: Final = (
    Carrier("pubsub", _MARKS, _is_message, _message, audit=True),
    Carrier("pubsub", _MARKS, _is_pull, _messages, audit=True),
)
