"""OpenTelemetry's protocol: requests with many log records or spans, in JSON or protobuf.

`ExportLogsServiceRequest` and `ExportTraceServiceRequest` of opentelemetry-proto, as the Collector's Kafka exporter
(`otlp_json`, `otlp_proto`) and its file exporter write them. Each log record becomes one log record, and so does each
span, because its attributes hold the arguments and results of an agent's tools. A span has the time of its end, when
it was written.

The task of a record is the first of `TASK_NAMES` in its attributes or in those of its resource, else its trace. The
texts of a resource and a scope are scanned with their first record.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from detector.adapters.adapter import Carrier, Record
from detector.adapters.otlp import wire as otlp_wire
from detector.adapters.otlp.agent_spans import CONVERSATION, OFF, span_events
from detector.adapters.otlp.values import Texts, as_object, named, nanoseconds
from detector.records.agent_names import MCP_SESSION, agent_task
from detector.records.blocks import LONG_JSON
from detector.records.dead_letters import BAD_TIME, FUTURE_TIME, NOT_PROTOBUF, TOO_LARGE, WRONG_FIELD, bad
from detector.records.log_records import LogText, Read, log_record
from detector.records.log_times import CARRIER, RECORD
from detector.records.pod_names import pod_task
from detector.records.shipper_fields import Named
from detector.values.errors import BadRecordError
from detector.values.events import MAX_FUTURE, CanonicalEvent

OTLP: Final = "otlp"
_POD: Final = "k8s.pod.uid"
TASK_NAMES: Final = (
    CONVERSATION,
    MCP_SESSION,
    _POD,
    "cicd.pipeline.task.run.id",
    "cicd.pipeline.run.id",
    "service.instance.id",
)
MAX_HELD: Final = 50_000  # records of one request that are read one by one
_MAX_ERRORS: Final = 16  # reported for one request: the rest is alike
_HEX: Final = frozenset("0123456789abcdefABCDEF")


class _Kind(msgspec.Struct, frozen=True):
    """How one kind of request is built, and which fields of its items are not text.

    The first of `times` is that of an item. `carried` is when a collector saw it, which an item never is later than.
    """

    top: str
    scopes: tuple[str, ...]
    items: str
    times: tuple[str, ...]
    silent: frozenset[str]
    carried: str | None = None


_LOGS: Final = _Kind(
    "resourceLogs",
    ("scopeLogs", "instrumentationLibraryLogs"),
    "logRecords",
    ("timeUnixNano",),
    frozenset({"body", "attributes", "timeUnixNano", "observedTimeUnixNano", "traceId", "spanId", "flags"}),
    carried="observedTimeUnixNano",
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
_SILENT: Final = frozenset({"timeUnixNano", "traceId", "spanId", "flags"})  # of a span's events
_MESSAGES: Final = {"LogRecord": _LOGS, "Span": _SPANS}


def looks_like(record: Record) -> bool:
    """Whether an object is a request with logs or spans."""
    return any(isinstance(record.get(kind.top), list) for kind in _KINDS)


class Otlp:
    """Reads requests.

    `agents` is one of `agent_spans.MODES`: whether an agent's spans are tasks. `named` finds the task that the
    configuration gives a record; it sees the record's attributes, those of its resource, `traceId` and `spanId`.
    """

    def __init__(self, agents: str = OFF, named: Named | None = None) -> None:
        self._agents = agents
        self._named = named
        self.wanted = frozenset(TASK_NAMES) if agents == OFF and named is None else None

    def carrier(self) -> Carrier:
        """The carrier for requests in JSON."""
        marks = tuple(f'"{kind.top}"'.encode() for kind in _KINDS)
        return Carrier(OTLP, marks, looks_like, self.read_json, encoded=self.read_protobuf)

    def read_json(self, value: Record, now: int) -> Iterator[Read]:
        """The records of a request in JSON."""
        return _bounded(_Request(self, now).decoded(value))

    def read_protobuf(self, data: bytes, now: int) -> Iterator[Read] | None:
        """The records of a request in protobuf; None if it is not a request. A cut or damaged one is read as text."""
        if len(data) <= LONG_JSON and otlp_wire.looks_like_request(data):
            return _bounded(_Request(self, now).encoded(data))
        if not otlp_wire.begins_like_request(data):
            return None
        error = bad(NOT_PROTOBUF if len(data) <= LONG_JSON else TOO_LARGE)
        return iter((Read(OTLP, log=LogText(data), error=error),))

    def events(self, span: Record, resource: Mapping[str, str], now: int) -> tuple[CanonicalEvent, ...]:
        """The tasks that a span reports.

        Raises:
            BadRecordError: it is an agent's span, and lacks a field.
        """
        return () if self._agents == OFF else tuple(span_events(span, resource, self._agents, now))

    def task(self, item: Record, own: Mapping[str, str], resource: Mapping[str, str]) -> str | None:
        """The task that the attributes of a record name."""
        if self._named is not None:
            ids = {name: item.get(name) for name in ("traceId", "spanId")}
            found = self._named({**resource, **own, **ids})
            if found:
                return found
        for name in TASK_NAMES:
            found = own.get(name) or resource.get(name)
            if found:
                return _task(name, found, resource)
        return None


class _Request:
    """Reads one request, numbers its records from 1, and limits how many errors it reports."""

    def __init__(self, reader: Otlp, now: int) -> None:
        self._reader = reader
        self._now = now
        self._part = 0
        self._errors = 0

    def decoded(self, value: Record) -> Iterator[Read]:
        """All records of a request in JSON."""
        for kind in _KINDS:
            if kind.top in value:
                yield from self._groups(kind, value[kind.top], kind.top)
        others = Texts()
        for name, held in value.items():
            if name not in (_LOGS.top, _SPANS.top):
                others.anything(name, held)
        if others.parts:
            yield self._read(LogText(b""), others)

    def _groups(self, kind: _Kind, groups: Any, path: str) -> Iterator[Read]:
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
                yield self._read(LogText(b""), around)

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
        """The objects of a list with their paths. Anything else in the list is read as text, with an error."""
        if not isinstance(values, list):
            yield path, self._wrong(values, path)
            return
        for index, value in enumerate(values):
            at = f"{path}[{index}]"
            yield at, value if isinstance(value, dict) else self._wrong(value, at)

    def _wrong(self, value: Any, path: str) -> Read:
        texts = Texts()
        texts.anything(path.rpartition(".")[2], value)
        return self._read(LogText(b""), texts, error=self._limited(bad(WRONG_FIELD, path)))

    def encoded(self, data: bytes) -> Iterator[Read]:
        """All records of a request in protobuf."""
        for group in otlp_wire.groups(data):
            around = Texts()
            if group.broken:
                error = self._limited(bad(NOT_PROTOBUF))
                yield self._read(LogText(data[group.start : group.end]), around, error=error)
                continue
            names = _resource(group.resource, around)
            for scope in group.scopes:
                _scope(scope.scope, around)
                name = otlp_wire.kind_of(data, scope.items)
                for place in scope.items:
                    yield self._encoded_item(data, place, name, names, around)
            if around.parts:
                yield self._read(LogText(b""), around)

    def _encoded_item(
        self, data: bytes, place: tuple[int, int], name: str, resource: Mapping[str, str], around: Texts
    ) -> Read:
        start, end = place
        kind = _MESSAGES.get(name)
        if kind is None:  # a metric: its texts are in clear
            return self._read(LogText(data[start:end]), around)
        try:
            item = otlp_wire.message(data, start, end, name)
        except otlp_wire.WireError:
            error = self._limited(bad(NOT_PROTOBUF, name))
            return self._read(LogText(data[start:end]), around, error=error)
        return self._item(kind, item, name, resource, around)

    def _item(self, kind: _Kind, item: Record, path: str, resource: Mapping[str, str], around: Texts) -> Read:
        said, beside = Texts(), Texts()
        record = LogText(b"")
        if kind is _SPANS:
            _span(item, said, beside)
        elif (shipped := as_object(item.get("body"))) is not None:
            record = log_record(shipped, self._now).log or record
        elif item.get("body") is not None:
            said.value("", item["body"])
        attributes = item.get("attributes")
        beside.attributes(attributes)
        for name, held in item.items():
            if name not in kind.silent:
                beside.anything(name, held)
        own = named(attributes, self._reader.wanted)
        time, error = self._time(item, kind.times, path)
        carried, problem = (
            self._time(item, (kind.carried,), path) if kind.carried is not None else (None, None)
        )
        error = error or problem
        if error is None and (said.malformed or beside.malformed):
            error = bad(WRONG_FIELD, path)
        events: tuple[CanonicalEvent, ...] = ()
        if kind is _SPANS:
            try:
                events = self._reader.events(item, {**resource, **own}, self._now)
            except BadRecordError as problem:
                error = BadRecordError(problem.reason, problem.detail, f"{path}.{problem.field}")
        beside.parts += around.parts
        around.parts = []
        text = record.text or "\n".join(said.parts).encode("utf-8", "replace")
        time, origin = record.time if time is None else time, RECORD
        if time is None:
            time, origin, carried = carried, CARRIER, None
        task = self._reader.task(item, own, resource) or record.task_id or _trace(item)
        log = msgspec.structs.replace(
            record, text=text, time=time, task_id=task, origin=origin, carried=carried
        )
        return self._read(log, beside, error=self._limited(error), events=events)

    def _time(
        self, item: Record, names: Sequence[str], path: str
    ) -> tuple[int | None, BadRecordError | None]:
        """Nanoseconds, which JSON has as text; 0 means no time."""
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

    def _limited(self, error: BadRecordError | None) -> BadRecordError | None:
        self._errors += error is not None
        return error if self._errors <= _MAX_ERRORS else None

    def _read(
        self,
        log: LogText,
        beside: Texts,
        *,
        error: BadRecordError | None = None,
        events: tuple[CanonicalEvent, ...] = (),
    ) -> Read:
        """The next record, with the texts collected so far."""
        self._part += 1
        rest, beside.parts = "\n".join(beside.parts).encode("utf-8", "replace"), []
        rest = b"\n".join(part for part in (log.rest, rest) if part)
        return Read(OTLP, events, msgspec.structs.replace(log, rest=rest, part=self._part), error)


def _bounded(reads: Iterator[Read]) -> Iterator[Read]:
    """The reads; everything beyond `MAX_HELD` is one of them, with an error."""
    yield from islice(reads, MAX_HELD - 1)
    left = list(reads)
    if left:
        texts = [part for read in left if read.log is not None for part in (read.log.text, read.log.rest)]
        events = tuple(event for read in left for event in read.events)
        yield Read(OTLP, events, LogText(b"\n".join(filter(None, texts))), bad(TOO_LARGE))


def _trace(item: Record) -> str | None:
    """The trace of a record, if it has one."""
    trace = item.get("traceId")
    if isinstance(trace, str) and trace.strip("0") and _HEX.issuperset(trace):
        return trace.lower()
    return None


def _task(name: str, value: str, resource: Mapping[str, str]) -> str:
    """The task id as the sources for conversations and pods write it."""
    if name in (CONVERSATION, MCP_SESSION):
        return agent_task(value)
    namespace, pod = resource.get("k8s.namespace.name"), resource.get("k8s.pod.name")
    return (pod_task(namespace, pod, value) if name == _POD and namespace and pod else None) or value


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


def _span(span: Record, said: Texts, beside: Texts) -> None:
    """The span's name is its text; its events are scanned apart."""
    name = span.get("name")
    if isinstance(name, str):
        said.parts.append(name)
    elif name is not None:
        said.malformed = True
        said.anything("name", name)
    for inner in ("events", "links"):
        held = span.get(inner, [])
        for one in held if isinstance(held, list) else (held,):
            if isinstance(one, dict):
                _scope({key: value for key, value in one.items() if key not in _SILENT}, beside)
            else:
                beside.malformed = True
                beside.anything(inner, one)


READER: Final = Otlp()
CARRIERS: Final = (READER.carrier(),)
