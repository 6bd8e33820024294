"""CloudEvents over HTTP: structured, batched and binary mode (CloudEvents 1.0, HTTP protocol binding).

A batch becomes one record an event. In binary mode the attributes become `ce_*` headers, as the binding for Kafka has
it.
"""

import base64
import re  # over names of bounded length
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from detector.receive.delivery import (
    Head,
    Reading,
    Record,
    RefusalError,
    batch,
    decoded,
    malformed,
    wrong_type,
)
from detector.values.globs import GlobSet

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
_PREFIX: Final = "ce-"
_ATTRIBUTE: Final = re.compile(r"ce-[a-z0-9]{1,20}")
_MOST: Final = 40  # attributes
_NEEDED: Final = ("ce_id", "ce_source", "ce_specversion", "ce_type")


class _Event(msgspec.Struct):
    id: str
    source: str
    specversion: str
    type: str


_EVENT: Final = msgspec.json.Decoder(_Event)
_JSON: Final = msgspec.json.Decoder(msgspec.Raw)


class EventReader:
    """Reads requests whose events may have a source that matches one of `globs`; any if there are none."""

    def __init__(self, globs: Sequence[str]) -> None:
        self._sources = GlobSet(tuple(globs)) if globs else None

    def read(self, head: Head, body: bytes) -> Reading:
        """The events, a record each.

        Raises:
            RefusalError: the body is no event, or one has a source that this sender may not have.
        """
        if head.content_type == STRUCTURED:
            return Reading((self._structured(body),))
        if head.content_type == BATCHED:
            return Reading([self._structured(event) for event in batch(body)])
        if "ce-specversion" in head.headers:
            return Reading((self._binary(head, body),))
        raise wrong_type(f"send {STRUCTURED}, {BATCHED}, or ce- headers")

    def _structured(self, body: bytes) -> Record:
        event = decoded(body, _EVENT)
        return self._record(body, event.source, event.id, ())

    def _binary(self, head: Head, body: bytes) -> Record:
        given = {name: text for name, text in head.headers.items() if name.startswith(_PREFIX)}
        if len(given) > _MOST or not all(map(_ATTRIBUTE.fullmatch, given)):
            raise malformed("an attribute's name has at most 20 characters, each a-z or 0-9")
        attributes = {f"ce_{name[len(_PREFIX) :]}": unquote(text) for name, text in given.items()}
        if not all(attributes.get(name) for name in _NEEDED):
            raise malformed("an event needs ce-id, ce-source, ce-specversion and ce-type")
        headers = tuple((name, text.encode("utf-8", "replace")) for name, text in attributes.items())
        content = ("content-type", head.headers.get("content-type", "").encode("utf-8", "replace"))
        return self._record(body, attributes["ce_source"], attributes["ce_id"], (*headers, content))

    def _record(
        self, value: bytes, source: str, event_id: str, headers: tuple[tuple[str, bytes], ...]
    ) -> Record:
        if self._sources is not None and not self._sources.matches(source):
            raise RefusalError(403, "source", "this sender may not send events of that source")
        return Record(value, f"{source} {event_id}", headers)


def as_structured(value: bytes, headers: Sequence[tuple[str, bytes]]) -> bytes:
    """An event of binary mode in structured mode: where there are no headers, such as in a file."""
    texts = {name: text.decode("utf-8", "replace") for name, text in headers}
    event: dict[str, Any] = {name[3:]: text for name, text in texts.items() if name.startswith("ce_")}
    kind = texts.get("content-type", "")
    event["datacontenttype"] = kind or "application/json"
    try:
        if "json" not in event["datacontenttype"]:
            raise ValueError(kind)  # noqa: TRY301 - as what is no JSON
        event["data"] = _JSON.decode(value)
    except ValueError:
        event["data_base64"] = base64.b64encode(value).decode()
    return msgspec.json.encode(event)
