"""Azure Event Grid: events in its own schema or as CloudEvents, and the handshake of each.

In its own schema Event Grid posts a validation event and wants its code back. With CloudEvents it asks by OPTIONS
(learn.microsoft.com, "Endpoint validation with Event Grid event schema" and "with CloudEvents schema"). Neither is
written, and neither lets anybody send: each delivery shows its proof.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from detector.receive.cloudevents import EventReader
from detector.receive.delivery import Head, Reading, Record, RefusalError, batch, decoded, json_body
from detector.service.http.server import Answer, line
from detector.values.globs import GlobSet

_ORIGIN: Final = "webhook-request-origin"
_AZURE: Final = "eventgrid.azure.net"
_EVENT_TYPE: Final = "aeg-event-type"
_VALIDATION: Final = "SubscriptionValidation"
_LONGEST_CODE: Final = 256
HANDSHAKE_BYTES: Final = 64 << 10
"""The longest body of a handshake: whoever sends it has shown no proof."""


class _Validation(msgspec.Struct):
    validation_code: str = msgspec.field(name="validationCode", default="")


class _Event(msgspec.Struct):
    id: str
    topic: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


_EVENT: Final = msgspec.json.Decoder(_Event)
_DATA: Final = msgspec.json.Decoder(_Validation)


def allowed_origin(head: Head) -> Answer:
    """The answer to OPTIONS: Event Grid may send, as often as it likes (CloudEvents, "HTTP 1.1 Web Hooks")."""
    if head.headers.get(_ORIGIN) != _AZURE:
        raise RefusalError(403, "proof", f"{_ORIGIN} is not {_AZURE}")
    return line(200, "ok", {"WebHook-Allowed-Origin": _AZURE, "WebHook-Allowed-Rate": "*"})


def is_handshake(head: Head) -> bool:
    """Whether a request is a validation event, which Event Grid sends before it knows any proof."""
    return head.headers.get(_EVENT_TYPE) == _VALIDATION


class EventGridReader:
    """Reads deliveries whose events may have a topic, or a source, that matches one of `globs`; any without them."""

    def __init__(self, globs: Sequence[str]) -> None:
        self._events = EventReader(globs)
        self._topics = GlobSet(tuple(globs)) if globs else None

    def handshake(self, head: Head, body: bytes) -> Answer:
        """The answer to a validation event.

        Raises:
            RefusalError: it is none, or of a topic that nobody expects.
        """
        for raw in batch(json_body(head, body)):
            event = self._of(raw)
            data: _Validation = decoded(bytes(event.data), _DATA)
            code = data.validation_code
            if 0 < len(code) <= _LONGEST_CODE:
                answer = msgspec.json.encode({"validationResponse": code})
                return Answer(200, answer, "application/json")
        raise RefusalError(400, "malformed", "there is no validation code")

    def read(self, head: Head, body: bytes) -> Reading:
        """The events, a record each."""
        if head.content_type != "application/json":
            return self._events.read(head, body)
        return Reading([self._record(raw) for raw in batch(body)])

    def _record(self, raw: bytes) -> Record:
        event = self._of(raw)
        return Record(raw, f"{event.topic} {event.id}")

    def _of(self, raw: bytes) -> Any:
        event = decoded(raw, _EVENT)
        if self._topics is not None and not self._topics.matches(event.topic):
            raise RefusalError(403, "source", "nobody here expects events of that topic")
        return event
