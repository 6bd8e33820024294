"""A history as what the product reads: canonical events, files of several formats, records of Kafka."""

import base64
import hashlib
import json
import os
import random
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.values.events import TYPE_NAMES, CanonicalEvent
from detector.values.times import SECOND, format_rfc3339
from tests.random_histories.lines import CONTAINER, DATED, JSON, UNDATED, LogStream

LOGS, EVENTS = 0, 1  # the numbers of the inputs of a deployment
_TIMES: Final = {"deadline", "not_before", "not_after", "expires_at", "started_at", "finished_at"}
Group = list[tuple[int, bytes]]  # records (input, value) that stay in their order, in one partition


def cloudevent(event: CanonicalEvent, rng: random.Random) -> bytes:
    """An event as its issuer writes it."""
    data = _plain(event, rng)
    if "lease" in data:
        data["lease"] = rng.choice((data["lease"] / SECOND, f"{data['lease'] // SECOND}s"))
    envelope = {name: data.pop(name) for name in ("source", "id")}
    time = format_rfc3339(data.pop("time"))
    return json.dumps(
        {"specversion": "1.0", "type": TYPE_NAMES[type(event)], **envelope, "time": time, "data": data}
    ).encode()


def _plain(value: Any, rng: random.Random) -> Any:
    if isinstance(value, tuple):
        return [_plain(each, rng) for each in value]
    if not isinstance(value, msgspec.Struct):
        return value
    fields = {name: each for name, each in msgspec.structs.asdict(value).items() if each is not None}
    fields.pop("groups", None)  # no canonical event has them
    if fields.get("scheme") == "sha256" and rng.random() < 0.5:
        fields["value"] = base64.b64encode(bytes.fromhex(fields["value"])).decode()
    return {
        name: format_rfc3339(each) if name in _TIMES else _plain(each, rng) for name, each in fields.items()
    }


def json_record(stream: LogStream, number: int) -> bytes:
    """A line as a job's own log record."""
    line = stream.lines[number]
    record = {"time": format_rfc3339(line.time), "task_id": stream.task_id, "stream": line.channel}
    return json.dumps({**record, "message": line.text}).encode()


def dated(stream: LogStream, number: int) -> bytes:
    """A line as text that begins with its time."""
    line = stream.lines[number]
    return f"{format_rfc3339(line.time)} {line.text}".encode()


def shipped(stream: LogStream, number: int) -> bytes:
    """A line of a container as Fluent Bit, Vector or Docker's driver for Fluentd ship it."""
    line = stream.lines[number]
    time, name, flag = format_rfc3339(line.time), _hex(stream, 32), "F" if line.ends else "P"
    pod = {"namespace_name": "ci", "pod_name": stream.name, "pod_id": name}
    record: dict[str, Any] = {"time": time, "stream": line.channel, "log": line.text, "kubernetes": pod}
    match int(name[0], 16) % 4:
        case 0:
            record["logtag"] = flag
        case 1:
            record["_p"] = flag
        case 2:
            pod = {"pod_namespace": "ci", "pod_name": stream.name, "pod_uid": name}
            record = {"timestamp": time, "stream": line.channel, "message": line.text, "kubernetes": pod}
            record |= {} if line.ends else {"_partial": True}
        case _:
            record = {"time": time, "container_id": name, "source": line.channel, "log": line.text}
            if not line.ends or line.whole != number:
                record |= {"partial_message": "true", "partial_id": f"{name}{line.whole}"}
                record["partial_last"] = "true" if line.ends else "false"
    return json.dumps(record).encode()


def _hex(stream: LogStream, digits: int) -> str:
    return hashlib.sha256(stream.name.encode()).hexdigest()[:digits]


def cri(stream: LogStream, number: int) -> bytes:
    """A line of a container as Kubernetes keeps it."""
    line = stream.lines[number]
    return f"{format_rfc3339(line.time)} {line.channel} {'F' if line.ends else 'P'} {line.text}".encode()


def docker(stream: LogStream, number: int) -> bytes:
    """A line of a container as Docker keeps it."""
    line = stream.lines[number]
    log = line.text + ("\n" if line.ends else "")
    return json.dumps({"log": log, "stream": line.channel, "time": format_rfc3339(line.time)}).encode()


_BY_FORM: Final = {JSON: json_record, DATED: dated, UNDATED: dated, CONTAINER: shipped}


def written(stream: LogStream, form: Any) -> list[bytes]:
    """All lines of a stream in a form."""
    return [form(stream, number) for number in range(len(stream.lines))]


def interleaved(groups: Sequence[Sequence[Any]], rng: random.Random) -> list[Any]:
    """Everything in the groups, between each other at random, that of each in its order."""
    order = [number for number, group in enumerate(groups) for _ in group]
    rng.shuffle(order)
    left = [iter(group) for group in groups]
    return [next(left[number]) for number in order]


def records(
    events: Sequence[CanonicalEvent], streams: Sequence[LogStream], rng: random.Random
) -> list[Group]:
    """What Kafka gets: each event, some of them twice, and each line by itself; those of a container in their order."""
    again = rng.sample(events, len(events) // 5)
    groups: list[Group] = [[(EVENTS, cloudevent(event, rng))] for event in (*events, *again)]
    for stream in streams:
        lines = [(LOGS, value) for value in written(stream, _BY_FORM[stream.form])]
        groups += [lines] if stream.form == CONTAINER else [[line] for line in lines]
    return groups


def files(
    folder: Path,
    events: Sequence[CanonicalEvent],
    streams: Sequence[LogStream],
    rng: random.Random,
    parts: int,
) -> None:
    """The same as files: events in random order over so many, lines in the formats of jobs and runtimes."""
    told = [*events, *rng.sample(events, len(events) // 5)]
    rng.shuffle(told)
    for part in range(parts):
        _write(folder / f"events-{part}.jsonl", (cloudevent(event, rng) for event in told[part::parts]))
    for form, name in ((JSON, "jobs.jsonl"), (DATED, "text.log")):
        lines = [
            line for stream in streams if stream.form == form for line in written(stream, _BY_FORM[form])
        ]
        rng.shuffle(lines)
        _write(folder / name, lines)
    together: list[list[bytes]] = []
    for stream in streams:
        if stream.form == UNDATED:
            path = folder / f"{stream.name}.log"
            _write(path, (line.text.encode() for line in stream.lines))
            os.utime(path, ns=(stream.lines[0].time,) * 2)
        elif stream.form == CONTAINER:
            match rng.randrange(3):
                case 0:
                    together.append(written(stream, shipped))
                case 1:
                    uid = str(uuid.UUID(_hex(stream, 32)))
                    path = folder / "pods" / f"ci_{stream.name}_{uid}" / "main" / "0.log"
                    _write(path, written(stream, cri))
                case _:
                    container = _hex(stream, 64)
                    path = folder / "containers" / container / f"{container}-json.log"
                    _write(path, written(stream, docker))
    _write(folder / "shipped.jsonl", interleaved(together, rng))


def _write(path: Path, lines: Iterable[bytes]) -> None:
    """A file, if there is anything to write: an empty one is a dead letter."""
    data = b"".join(line + b"\n" for line in lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    if data:
        path.write_bytes(data)
