"""Google Cloud Pub/Sub's push: a message in an envelope, or its data alone (cloud.google.com, "Push subscriptions").

The subscription's service account signs a JWT for each push ("Authentication for push subscriptions").
"""

from typing import Final

import msgspec

from detector.receive.delivery import Head, Reading, Record, decoded

_UNWRAPPED_ID: Final = "x-goog-pubsub-message-id"


class _Message(msgspec.Struct, rename="camel"):
    message_id: str


class _Push(msgspec.Struct):
    message: _Message


_PUSH: Final = msgspec.json.Decoder(_Push)


def read(head: Head, body: bytes) -> Reading:
    """The push as one record."""
    named = head.headers.get(_UNWRAPPED_ID)
    if named is None:
        push: _Push = decoded(body, _PUSH)
        named = push.message.message_id
    return Reading((Record(body, named),))
