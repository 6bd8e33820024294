"""Webhooks whose body is a JSON object, mostly with an `id`: CircleCI, Azure DevOps, and Amazon EventBridge.

Azure DevOps' service hooks show a user and password (learn.microsoft.com, "Webhooks"). EventBridge posts the event, or
what a rule's input transformer makes of it. The connection of its API destination adds an API key, a user and password,
or an OAuth token (docs.aws.amazon.com, "Connections for API destinations").
"""

from typing import Final

import msgspec

from detector.receive.delivery import Head, Reading, Record, decoded, json_body


class _Event(msgspec.Struct):
    id: str | None = None


_EVENT: Final = msgspec.json.Decoder(_Event)


def read(head: Head, body: bytes) -> Reading:
    """The event as one record."""
    event: _Event = decoded(json_body(head, body), _EVENT)
    return Reading((Record(body, event.id),))
