"""What one request brings: its head, the records that its body holds, and why it may be refused."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

import msgspec

from detector.service.http.server import Answer, line
from detector.values.errors import CurfewdError

Reason = Literal[
    "unknown-path",
    "method",
    "proof",
    "source",
    "content-type",
    "malformed",
    "too-large",
    "slow-body",
    "busy",
    "unwritten",
    "internal",
]  # docs/metrics.md says what each means
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)

ACCEPTED: Final = line(200, "ok")
_LONGEST_ID: Final = 256
_RETRY_SECONDS: Final = "2"
_ANY: Final = msgspec.json.Decoder(msgspec.Raw)
_BATCH: Final = msgspec.json.Decoder(list[msgspec.Raw])
MOST_EVENTS: Final = 10_000
"""Of one request: telling more apart would keep all others waiting."""


class Head(msgspec.Struct, frozen=True):
    """What is known of a request before its body. `path` is what follows the source's name, `/v1/logs` or nothing.

    `headers` have names in lower case. `names` are those in the client's certificate.
    """

    path: str
    headers: Mapping[str, str]
    names: tuple[str, ...] = ()

    @property
    def content_type(self) -> str:
        """The media type, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Record(msgspec.Struct, frozen=True):
    """What is written as one record. `id` is the sender's, by which a copy is recognised; None: it has none.

    With `keyed` false the id is no key: records of a log need not go to one partition.
    """

    value: bytes
    id: str | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    keyed: bool = True

    @property
    def delivery(self) -> str:
        """The id of the delivery; of what has none a hash, which its copy has too."""
        if self.id is None or len(self.id) > _LONGEST_ID or not (self.id.isascii() and self.id.isprintable()):
            return hashlib.sha256(
                self.value if self.id is None else self.id.encode("utf-8", "replace")
            ).hexdigest()
        return self.id


class Reading(msgspec.Struct, frozen=True):
    """The records of a request, and its answer once they are written."""

    records: Sequence[Record]
    answer: Answer = ACCEPTED


class RefusalError(CurfewdError):
    """A request is refused with this status. The text goes to its sender: it repeats nothing that was sent."""

    def __init__(self, status: int, reason: Reason, text: str) -> None:
        self.status = status
        self.reason: Reason = reason
        super().__init__(text)

    def answer(self) -> Answer:
        """What the sender gets. It is told to come back where that may help."""
        later = self.status in (429, 503)
        return line(self.status, str(self), {"Retry-After": _RETRY_SECONDS} if later else {})


def malformed(text: str) -> RefusalError:
    """The refusal of a body that is not what its sender sends."""
    return RefusalError(400, "malformed", text)


def wrong_type(text: str) -> RefusalError:
    """The refusal of a media type."""
    return RefusalError(415, "content-type", text)


def copied(head: Head, names: Sequence[str]) -> tuple[tuple[str, bytes], ...]:
    """These headers, as headers of a record."""
    return tuple(
        (name, head.headers[name].encode("utf-8", "replace")) for name in names if name in head.headers
    )


def json_body(head: Head, body: bytes) -> bytes:
    """The body, if it is a JSON object or array.

    Raises:
        RefusalError: it is none, or sent as something else.
    """
    if head.content_type != "application/json" and not head.content_type.endswith("+json"):
        raise wrong_type("send application/json")
    decoded(body, _ANY)
    if body.lstrip()[:1] not in (b"{", b"["):
        raise malformed("the body is not a JSON object")
    return body


def batch(body: bytes) -> list[bytes]:
    """The items of a JSON array, as they were sent.

    Raises:
        RefusalError: it is no array, or too long for one request.
    """
    items: list[msgspec.Raw] = decoded(body, _BATCH)
    check_number(len(items))
    return [bytes(item) for item in items]


def check_number(events: int) -> None:
    """Raises RefusalError if a request has more events than can be told apart in time."""
    if events > MOST_EVENTS:
        raise RefusalError(413, "too-large", f"a request has at most {MOST_EVENTS} events here")


def decoded(body: bytes, decoder: "msgspec.json.Decoder[Any]") -> Any:
    """What a body decodes to.

    Raises:
        RefusalError: it is no JSON, or of another form.
    """
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise malformed("the body is not such JSON") from None
