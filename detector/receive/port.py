"""The port: from a request to its answer.

1. The path names the source. Whoever shows no proof is refused before the body is read.
2. The body is read within its limits, its signature checked, and its records are told apart.
3. The sink writes them. Only then is the answer 2xx; if that takes too long it is 503, and the sender comes again.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from aiohttp import web

from detector.configuration.receive_settings import ReceiveSettings
from detector.receive.bodies import Waiting, read_body
from detector.receive.delivery import Head, Reading, Reason, Record, RefusalError
from detector.receive.eventgrid import HANDSHAKE_BYTES, allowed_origin, is_handshake
from detector.receive.sinks import Sink, Written
from detector.receive.sources import Source
from detector.receive.tls import ReloadedTls, certificate_names
from detector.service.http.connection_limits import Limits, Refusal, Refused
from detector.service.http.server import Answer, HttpServer, headers_of, line
from detector.values.errors import RetryError
from detector.values.times import SECOND

SOURCE_HEADER: Final = "curfewd-source"
DELIVERY_HEADER: Final = "curfewd-delivery"
CONTENT_TYPE: Final = "content-type"
_SETTING: Final = "receive.listen"
_REQUESTS: Final = 10_000  # on one connection
_IDLE_SECONDS: Final = 60.0  # senders keep connections for the next event
_UNREAD: Final = "unread-body"


class Received(msgspec.Struct, frozen=True):
    """A request that was answered 2xx: its source, records, their bytes, and the seconds until they were safe."""

    source: str
    records: int
    size: int
    seconds: float


class RefusedRequest(msgspec.Struct, frozen=True):
    """A request that was refused, and why; of a path that is no source's `source` is empty. `error` is one of ours."""

    source: str
    reason: Reason
    client: str
    error: BaseException | None = None


Observe = Callable[[Received | RefusedRequest], None]


class ReceivePort(HttpServer):
    """Serves the sources by their names. `connection` gets connections that are cut off."""

    def __init__(
        self,
        settings: ReceiveSettings,
        sink: Sink,
        observe: Observe,
        connection: Callable[[Refused], None] = lambda _: None,
        tls: ReloadedTls | None = None,
    ) -> None:
        limits = Limits(settings.connections, settings.connections_per_client, _REQUESTS, _IDLE_SECONDS)
        super().__init__(
            settings.listen,
            {},
            setting=_SETTING,
            limits=limits,
            observe=connection,
            tls=None if tls is None else tls.context,
        )
        self._settings = settings
        self._sink = sink
        self._tell = observe
        self._sources: Mapping[str, Source] = {}
        self.waiting = Waiting(settings.waiting_bytes)

    def use(self, sources: Sequence[Source]) -> None:
        """Takes other sources from now on."""
        self._sources = {source.name: source for source in sources}

    def refused(self, reason: Refusal, client: str) -> None:
        """As in any port; but that a refused request has a body is no news here."""
        if reason != _UNREAD:
            super().refused(reason, client)

    async def answer(self, request: web.BaseRequest, client: str) -> Answer:
        """The answer to one request."""
        began = time.perf_counter()
        # The target as it was sent: nothing in it is unescaped, and a path is looked up, never opened.
        name, slash, below = request.raw_path.partition("?")[0][1:].partition("/")
        try:
            source = self._source(name)
            head = Head(slash + below, headers_of(request), certificate_names(request.transport))
            return await self._received(request, source, head, began)
        except RefusalError as refusal:
            self._tell(RefusedRequest(name if name in self._sources else "", refusal.reason, client))
            return refusal.answer()
        except Exception as error:  # noqa: BLE001 - a request that fails must not end the process
            self._tell(RefusedRequest(name if name in self._sources else "", "internal", client, error))
            return line(500, "internal error")

    def _source(self, name: str) -> Source:
        source = self._sources.get(name)
        if source is None:
            raise RefusalError(404, "unknown-path", "no source has this path")
        return source

    async def _received(self, request: web.BaseRequest, source: Source, head: Head, began: float) -> Answer:
        if request.method == "OPTIONS" and source.grid is not None:
            return allowed_origin(head)
        challenged = source.challenged if request.method == "GET" else None
        if request.method != "POST" and challenged is None:
            raise RefusalError(405, "method", "POST only")
        handshake = source.grid is not None and is_handshake(head)
        for proof in () if handshake else source.proofs:
            await proof.check(head)
        if challenged is not None:
            return challenged(head)
        most = min(self._settings.body_bytes, HANDSHAKE_BYTES) if handshake else self._settings.body_bytes
        with self.waiting.of(source.name) as take:
            body = await self._body(request, head, most, take, known=source.verify is None and not handshake)
            if source.grid is not None and handshake:
                return source.grid.handshake(head, body)
            if source.verify is not None:
                source.verify(head, body)
            reading = source.read(head, body)
            await self._write(source, head, reading)
        size = sum(len(record.value) for record in reading.records)
        self._tell(Received(source.name, len(reading.records), size, time.perf_counter() - began))
        return reading.answer

    async def _body(
        self, request: web.BaseRequest, head: Head, limit: int, take: Callable[[int], None], *, known: bool
    ) -> bytes:
        """The body. Nothing is decompressed for a sender that is not `known` before its body is read."""
        length = request.content_length
        if length is not None and length > limit:
            raise RefusalError(413, "too-large", f"the body is longer than {limit} bytes")
        encoding = head.headers.get("content-encoding", "").strip().lower()
        if encoding and not known:
            raise RefusalError(415, "content-type", "send it without Content-Encoding")
        return await read_body(request.content, encoding, limit, self._settings.body_timeout / SECOND, take)

    async def _write(self, source: Source, head: Head, reading: Reading) -> None:
        if not reading.records:
            return
        written = [_written(source, head, record) for record in reading.records]
        if any(len(each.value) > self._sink.record_bytes for each in written):
            raise RefusalError(413, "too-large", f"a record has at most {self._sink.record_bytes} bytes here")
        try:
            async with asyncio.timeout(self._settings.write_timeout / SECOND):
                await self._sink.write(written)
        except (RetryError, TimeoutError):
            raise RefusalError(503, "unwritten", "it could not be written in time: send it again") from None


def _written(source: Source, head: Head, record: Record) -> Written:
    """The record under its id, with headers that no sender can set."""
    delivery = record.delivery.encode()
    headers = [(SOURCE_HEADER, source.name.encode()), (DELIVERY_HEADER, delivery), *record.headers]
    if head.content_type and all(name != CONTENT_TYPE for name, _ in record.headers):
        headers.append((CONTENT_TYPE, head.content_type.encode("utf-8", "replace")))
    return Written(source.topic, delivery if record.keyed else None, record.value, tuple(headers))
