"""OpenTelemetry's protocol: requests with many log records or spans, in JSON or protobuf.

`ExportLogsServiceRequest` and `ExportTraceServiceRequest` of opentelemetry-proto, as the Collector's Kafka exporter
(`otlp_json`, `otlp_proto`) and its file exporter write them. Each log record is one; so is each span, whose attributes
carry the arguments and results of an agent's tools. A span is scanned as of its end, when it was written.

Which task a record is of, the first of `TASK_NAMES` says that stands in its attributes or those of its resource; else
its trace does. What is said of a resource and a scope is scanned with their first record.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from detector.adapters import otlp_wire
from detector.adapters.adapter import Carrier, Record
from detector.adapters.otlp_agents import OFF, span_events
from detector.adapters.otlp_values import Texts, named, nanoseconds
from detector.deadletters import BAD_TIME, FUTURE_TIME, NOT_PROTOBUF, WRONG_FIELD, bad
from detector.errors import BadRecordError
from detector.events import MAX_FUTURE, CanonicalEvent
from detector.objects import LogText, Read

OTLP: Final = "otlp"
TASK_NAMES: Final = (
    "gen_ai.conversation.id",
    "k8s.pod.uid",
    "cicd.pipeline.task.run.id",
    "cicd.pipeline.run.id",
    "service.instance.id",
)
_MAX_ERRORS: Final = 16  # of one request: the rest is of the same kind
_ID_BYTES: Final = frozenset("0123456789abcdefABCDEF")


class _Kind(msgspec.Struct, frozen=True):
    """How one kind of request is made, and what of its items is no text."""

    top: str
    scopes: tuple[str, ...]
    items: str
    times: tuple[str, ...]
    silent: frozenset[str]


_LOGS: Final = _Kind(
    "resourceLogs",
    ("scopeLogs", "instrumentationLibraryLogs"),
    "logRecords",
    ("timeUnixNano", "observedTimeUnixNano"),
    frozenset({"body", "attributes", "timeUnixNano", "observedTimeUnixNano", "traceId", "spanId", "flags"}),
)
_SPANS: Final = _Kind(
    "resourceSpans",
    ("scopeSpans", "instrumentationLibrarySpans"),
    "spans",
    ("endTimeUnixNano", "startTimeUnixNano"),
    frozenset(
        {"name", "attributes", "events", "links", "startTimeUnixNano", "endTimeUnixNano", "traceId"}
        | {"spanId", "parentSpanId", "flags"}
    ),
)
_KINDS: Final = (_LOGS, _SPANS)


def looks_like(record: Record) -> bool:
    """Whether an object is a request with logs or spans."""
    return any(isinstance(record.get(kind.top), list) for kind in _KINDS)


class Otlp:
    """Reads requests. `tasks` is one of `otlp_agents.MODES`; `task_names` are attributes that name a record's task."""

    def __init__(self, tasks: str = OFF, task_names: Sequence[str] = TASK_NAMES) -> None:
        self._tasks = tasks
        self._task_names = tuple(task_names)

    def carrier(self) -> Carrier:
        """For requests in JSON."""
        return Carrier(OTLP, tuple(f'"{kind.top}"'.encode() for kind in _KINDS), looks_like, self.read_json)

    def read_json(self, value: Record, now: int) -> Iterator[Read]:
        """What a request in JSON holds."""
        request = _Request(self, now)
        for kind in _KINDS:
            if kind.top in value:
                yield from request.groups(kind, value[kind.top], kind.top)
        others = {name: held for name, held in value.items() if name not in (_LOGS.top, _SPANS.top)}
        if others:
            yield request.stray(others)

    def read_protobuf(self, data: bytes, now: int) -> Iterator[Read]:
        """What a request in protobuf holds; from where it cannot be read on, its bytes are text."""
        request = _Request(self, now)
        try:
            for group in otlp_wire.scopes(data):
                yield from request.encoded(data, group)
        except otlp_wire.WireError:
            yield Read(OTLP, log=LogText(data), error=bad(NOT_PROTOBUF))

    def events(self, span: Record, resource: Mapping[str, str], now: int) -> tuple[CanonicalEvent, ...]:
        """The tasks that a span tells of.

        Raises:
            BadRecordError: it is one of an agent, and lacks something.
        """
        return () if self._tasks == OFF else tuple(span_events(span, resource, self._tasks, now))

    def task(self, own: Mapping[str, str], resource: Mapping[str, str], trace: Any) -> str | None:
        """The task of a record with these attributes."""
        for name in self._task_names:
            found = own.get(name) or resource.get(name)
            if found:
                return found
        return trace if isinstance(trace, str) and trace.strip("0") and _ID_BYTES.issuperset(trace) else None


class _Request:
    """The reading of one request: numbers its records from 1, and tells errors not without end."""

    def __init__(self, reader: Otlp, now: int) -> None:
        self._reader = reader
        self._now = now
        self._part = 0
        self._errors = 0

    def groups(self, kind: _Kind, groups: Any, path: str) -> Iterator[Read]:
        """All of one kind."""
        for at, group in self._objects(groups, path):
            if isinstance(group, Read):
                yield group
                continue
            around = Texts()
            resource = group.get("resource")
            names = _resource(resource, around)
            for name, held in group.items():
                if name not in kind.scopes and name != "resource":
                    around.anything(name, held)
            for scopes in kind.scopes:
                if scopes in group:
                    yield from self._scopes(kind, group[scopes], f"{at}.{scopes}", names, around)
            if around.parts:
                yield self._read(around, None, None, None)

    def _scopes(
        self, kind: _Kind, scopes: Any, path: str, names: Mapping[str, str], around: Texts
    ) -> Iterator[Read]:
        for at, scope in self._objects(scopes, path):
            if isinstance(scope, Read):
                yield scope
                continue
            for name, held in scope.items():
                if name == "scope" and isinstance(held, dict):
                    _scope(held, around)
                elif name != kind.items:
                    around.anything(name, held)
            for place, item in self._objects(scope.get(kind.items, []), f"{at}.{kind.items}"):
                yield item if isinstance(item, Read) else self._item(kind, item, place, names, around)

    def _objects(self, values: Any, path: str) -> Iterator[tuple[str, Any]]:
        """The objects of a list with their paths; what is none is read as text, and told."""
        if not isinstance(values, list):
            yield path, self._wrong(values, path)
            return
        for index, value in enumerate(values):
            at = f"{path}[{index}]"
            yield at, value if isinstance(value, dict) else self._wrong(value, at)

    def _wrong(self, value: Any, path: str) -> Read:
        texts = Texts()
        texts.anything(path.rpartition(".")[2], value)
        return self._read(texts, None, None, self._told(bad(WRONG_FIELD, path)))

    def stray(self, others: Record) -> Read:
        """What stands beside the lists of a request."""
        texts = Texts()
        for name, held in others.items():
            texts.anything(name, held)
        return self._read(texts, None, None, None)

    def encoded(self, data: bytes, group: otlp_wire.Scope) -> Iterator[Read]:
        """The items of one scope in protobuf."""
        around = Texts()
        names = _resource(group.resource, around)
        _scope(group.scope, around)
        for start, end in group.items:
            name = otlp_wire.kind_of(data, start, end)
            kind = {"LogRecord": _LOGS, "Span": _SPANS}.get(name)
            if kind is None:  # a metric: what is text in it stands in clear
                yield self._read(around, None, None, None, data[start:end])
                continue
            try:
                item = otlp_wire.message(data, start, end, name)
            except otlp_wire.WireError:
                error = self._told(bad(NOT_PROTOBUF, name))
                yield self._read(around, None, None, error, data[start:end])
            else:
                yield self._item(kind, item, name, names, around)
        if around.parts:
            yield self._read(around, None, None, None)

    def _item(self, kind: _Kind, item: Record, path: str, resource: Mapping[str, str], around: Texts) -> Read:
        texts = Texts()
        if kind is _LOGS:
            if item.get("body") is not None:
                texts.value("", item["body"])
        else:
            _span(item, texts)
        attributes = item.get("attributes")
        texts.attributes(attributes)
        for name, held in item.items():
            if name not in kind.silent:
                texts.anything(name, held)
        own = named(attributes)
        time, error = self._time(item, kind.times, path)
        if texts.malformed and error is None:
            error = bad(WRONG_FIELD, path)
        events: tuple[CanonicalEvent, ...] = ()
        if kind is _SPANS:
            try:
                events = self._reader.events(item, {**resource, **own}, self._now)
            except BadRecordError as problem:
                error = BadRecordError(problem.reason, problem.detail, f"{path}.{problem.field}")
        texts.parts += around.parts
        around.parts = []
        task = self._reader.task(own, resource, item.get("traceId"))
        return self._read(texts, time, task, self._told(error), events=events)

    def _time(
        self, item: Record, names: Sequence[str], path: str
    ) -> tuple[int | None, BadRecordError | None]:
        """Nanoseconds, in JSON as text; 0 is none."""
        for name in names:
            held = item.get(name)
            if held in (None, 0, "0", ""):
                continue
            time = nanoseconds(held)
            if time is None:
                return None, bad(BAD_TIME, f"{path}.{name}")
            if time > self._now + MAX_FUTURE:
                return None, bad(FUTURE_TIME, f"{path}.{name}")
            return time, None
        return None, None

    def _told(self, error: BadRecordError | None) -> BadRecordError | None:
        self._errors += error is not None
        return error if self._errors <= _MAX_ERRORS else None

    def _read(  # noqa: PLR0913 - what a record has
        self,
        texts: Texts,
        time: int | None,
        task: str | None,
        error: BadRecordError | None,
        raw: bytes = b"",
        *,
        events: tuple[CanonicalEvent, ...] = (),
    ) -> Read:
        self._part += 1
        text = "\n".join(texts.parts).encode("utf-8", "replace")
        texts.parts = []
        text = b"\n".join(part for part in (raw, text) if part)
        return Read(OTLP, events, LogText(text, time, task, part=self._part), error)


def _resource(resource: Any, texts: Texts) -> dict[str, str]:
    """The attributes of a resource; its texts are added."""
    if not isinstance(resource, dict):
        if resource is not None:
            texts.anything("resource", resource)
        return {}
    _scope(resource, texts)
    return named(resource.get("attributes"))


def _scope(scope: Mapping[str, Any], texts: Texts) -> None:
    for name, held in scope.items():
        if name == "attributes":
            texts.attributes(held)
        else:
            texts.anything(name, held)


def _span(span: Record, texts: Texts) -> None:
    """Its name, and what happened in it."""
    name = span.get("name")
    if isinstance(name, str):
        texts.parts.append(name)
    elif name is not None:
        texts.malformed = True
        texts.anything("name", name)
    for inner in ("events", "links"):
        held = span.get(inner)
        for one in held if isinstance(held, list) else ():
            if isinstance(one, dict):
                _scope({key: value for key, value in one.items() if key not in ("traceId", "spanId")}, texts)
            else:
                texts.malformed = True
                texts.anything(inner, one)
        if held is not None and not isinstance(held, list):
            texts.malformed = True
            texts.anything(inner, held)


READER: Final = Otlp()
CARRIERS: Final = (READER.carrier(),)
