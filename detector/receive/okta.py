"""Okta's event hooks: a secret in a header of every request, and a handshake (developer.okta.com, "Event hooks").

Okta asks once by GET, shows its secret there too, and wants its challenge back.
"""

from typing import Final

import msgspec

from detector.receive.delivery import Head, Reading, Record, decoded, json_body, malformed
from detector.service.http.server import Answer

_CHALLENGE: Final = "x-okta-verification-challenge"
_LONGEST: Final = 256


class _Hook(msgspec.Struct):
    eventId: str | None = None  # noqa: N815 - Okta's name
    eventID: str | None = None  # noqa: N815 - its name in older pages


_HOOK: Final = msgspec.json.Decoder(_Hook)


def challenged(head: Head) -> Answer:
    """The answer to the handshake.

    Raises:
        RefusalError: it is none.
    """
    challenge = head.headers.get(_CHALLENGE, "")
    if not 0 < len(challenge) <= _LONGEST:
        raise malformed(f"a GET needs {_CHALLENGE}")
    return Answer(200, msgspec.json.encode({"verification": challenge}), "application/json")


def read(head: Head, body: bytes) -> Reading:
    """The delivery as one record; its events are in it."""
    hook: _Hook = decoded(json_body(head, body), _HOOK)
    return Reading((Record(body, hook.eventId or hook.eventID),))
