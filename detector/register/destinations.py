"""Where events are sent: a file, an HTTP URL, a topic of Kafka. What each needs is loaded when something is sent."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from detector.values.errors import CurfewdError, UsageError

TOKEN_VARIABLE: Final = "CURFEWD_TOKEN"  # noqa: S105 - the name of a variable
SECONDS: Final = 5.0  # for one request, or for one connection to Kafka
_FORMS: Final = "a file, an http:// or https:// URL, or kafka://HOST:PORT/TOPIC"
_LATER: Final = frozenset({401, 403, 404, 407, 408, 421, 425, 429})  # a person or time may mend it
_OK: Final = range(200, 300)
_CLIENT_ERROR: Final = range(400, 500)


class UndeliveredError(CurfewdError):
    """Some lines were not taken: `done` of them were. If `later`, the same lines may be taken at another time."""

    def __init__(self, reason: str, done: int = 0, *, later: bool = True) -> None:
        self.done = done
        self.later = later
        super().__init__(reason)


class Destination(Protocol):
    """Takes events, each a CloudEvent in a line of JSON."""

    address: str

    def send(self, lines: Sequence[bytes]) -> None:
        """Sends all of them, in order. A line that was sent before may be sent again.

        Raises:
            UndeliveredError: some were not taken.
        """


def destination_of(
    address: str, environ: Mapping[str, str] = os.environ, security: Callable[[], Any] | None = None
) -> Destination:
    """The destination of that address. `security` gives the `Security` of Kafka's brokers; None: they ask for none.

    Raises:
        UsageError: it is none. The message does not hold the address.
    """
    if not address or "\0" in address:
        raise UsageError(f"there is no destination: name {_FORMS}")
    scheme = address.partition(":")[0].lower()
    if scheme in ("http", "https"):
        return HttpDestination(address, environ.get(TOKEN_VARIABLE))
    if scheme == "kafka":
        return KafkaDestination(address, security)
    if "://" in address:
        raise UsageError(f"the destination has an unknown scheme: name {_FORMS}")
    return FileDestination(address)


class FileDestination:
    """A file to which lines are appended. It is made with mode 0600."""

    def __init__(self, path: str) -> None:
        self.address = os.path.realpath(path)

    def send(self, lines: Sequence[bytes]) -> None:
        """As `Destination.send`, by one write: others may append to the file too."""
        try:
            handle = os.open(
                self.address, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600
            )
            try:
                data = b"".join(line + b"\n" for line in lines)
                written = os.write(handle, data)
                if written != len(data):
                    os.write(handle, b"\n")  # a line that was cut is no event, and ends
                    raise UndeliveredError("the disk is full")
            finally:
                os.close(handle)
        except OSError as error:
            raise UndeliveredError(f"the file cannot be written: {error.strerror}") from None


class HttpDestination:
    """A URL to which each event is posted as CloudEvents' HTTP binding has it, in structured mode.

    With a `token` it sends `Authorization: Bearer …`. A redirect is an error: the token is for this URL only.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        from urllib.parse import urlsplit  # noqa: PLC0415 - loaded only where something is sent over HTTP

        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or not url.isascii() or any(char <= " " or char == "\x7f" for char in url):
            raise UsageError("the URL of the destination is wrong: write it as https://HOST/PATH")
        if parts.username is not None or parts.password is not None:
            raise UsageError(f"the URL holds a user or password: put a token into {TOKEN_VARIABLE} instead")
        if token and (not token.isascii() or not token.isprintable()):
            raise UsageError(f"the token in {TOKEN_VARIABLE} is not printable ASCII")
        if token and parts.scheme.lower() == "http" and not _loopback(host):
            raise UsageError(f"the token in {TOKEN_VARIABLE} would be sent unencrypted: use https://")
        self.address = url
        self._token = token

    def send(self, lines: Sequence[bytes]) -> None:
        """As `Destination.send`."""
        for done, line in enumerate(lines):
            self._post(line, done)

    def _post(self, line: bytes, done: int) -> None:
        import http.client  # noqa: PLC0415 - as above
        import urllib.error  # noqa: PLC0415 - as above
        import urllib.request  # noqa: PLC0415 - as above

        class _Opener(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_: Any) -> None:
                return None  # then the answer is an error

        headers = {"Content-Type": "application/cloudevents+json; charset=UTF-8", "User-Agent": "curfewd"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self.address, line, headers, method="POST")  # noqa: S310 - http or https
        try:
            with urllib.request.build_opener(_Opener).open(request, timeout=SECONDS) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UndeliveredError(f"the server cannot be reached: {_why(error)}", done) from None
        if status not in _OK:
            later = status in _LATER or status not in _CLIENT_ERROR
            raise UndeliveredError(f"the server answered {status}", done, later=later)


class KafkaDestination:
    """A topic of Kafka; the key of each record is the id of its task."""

    def __init__(self, address: str, security: Callable[[], Any] | None) -> None:
        brokers, _, topic = address[len("kafka:") :].removeprefix("//").partition("/")
        if not brokers or not topic or "/" in topic or "@" in brokers:
            raise UsageError("the destination is not a topic: write it as kafka://HOST:PORT,HOST:PORT/TOPIC")
        self.address = address
        self._brokers = tuple(brokers.split(","))
        self._topic = topic
        self._security = security

    def send(self, lines: Sequence[bytes]) -> None:
        """As `Destination.send`."""
        from detector.kafka.event_producer import produce  # noqa: PLC0415 - aiokafka is large

        records = [(_task_of(line), line) for line in lines]
        security = None if self._security is None else self._security()
        try:
            produce(self._brokers, security, self._topic, records, SECONDS)
        except (CurfewdError, OSError) as error:
            raise UndeliveredError(str(error)) from None


def _task_of(line: bytes) -> bytes:
    return str(json.loads(line)["data"].get("task_id", "")).encode()


def _loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _why(error: BaseException) -> str:
    """The reason of an error of the network, without what it says of addresses."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return type(reason).__name__
