"""Records as shippers write them without Kubernetes, of a plain line and of a JSON line whose fields they merge."""

import json
from collections.abc import Callable
from typing import Any, Final

TIME: Final = "2026-05-01T00:00:09.000Z"
TASK: Final = "arn:aws:ecs:eu-west-1:111122223333:task/web/0123456789abcdef"
CONTAINER: Final = "ab" * 32

Record = dict[str, Any]


def _filebeat(fields: Record) -> Record:
    """`json.keys_under_root` or `decode_json_fields` with an empty target."""
    return {
        "@timestamp": TIME,
        "@metadata": {"beat": "filebeat", "type": "_doc", "version": "8.13.0"},
        "log": {"offset": 1024, "file": {"path": "/var/log/job.log"}},
        "input": {"type": "filestream"},
        "agent": {"type": "filebeat", "version": "8.13.0", "name": "node-1"},
        "ecs": {"version": "8.0.0"},
        "host": {"name": "node-1"},
        **fields,
    }


def _vector(fields: Record) -> Record:
    """`. = merge(., parse_json!(.message))`."""
    return {
        "file": "/var/log/job.log",
        "host": "node-1",
        "source_type": "file",
        "timestamp": TIME,
        "message": json.dumps(fields),
        **fields,
    }


def _fluent_bit(fields: Record) -> Record:
    """`tail` with a JSON parser, and no filter for Kubernetes: only the time is beside the fields."""
    return {"date": 1_777_593_609.5, **fields}


def _firelens(fields: Record) -> Record:
    """Fluent Bit on ECS, with a JSON parser for `log` that keeps the other fields."""
    return {
        "container_id": CONTAINER,
        "container_name": "/ecs-web-1",
        "ecs_cluster": "web",
        "ecs_task_arn": TASK,
        "ecs_task_definition": "web:7",
        "source": "stdout",
        **fields,
    }


def _logstash(fields: Record) -> Record:
    """The `json` filter without a target."""
    return {
        "@timestamp": TIME,
        "@version": "1",
        "host": {"name": "node-1"},
        "event": {"original": json.dumps(fields)},
        "message": json.dumps(fields),
        **fields,
    }


def _docker(fields: Record) -> Record:
    """Docker's fluentd driver, with Fluentd's `parser` filter and `reserve_data`."""
    return {
        "container_id": CONTAINER,
        "container_name": "/web",
        "source": "stdout",
        "log": json.dumps(fields),
        **fields,
    }


def _plain(around: Callable[[Record], Record], name: str) -> Callable[[str], Record]:
    return lambda line: {**around({}), name: line}


SHIPPERS: Final[dict[str, tuple[Callable[[str], Record], Callable[[Record], Record]]]] = {
    "Filebeat": (_plain(_filebeat, "message"), _filebeat),
    "Vector": (_plain(_vector, "message"), _vector),
    "Fluent Bit": (_plain(_fluent_bit, "log"), _fluent_bit),
    "FireLens": (_plain(_firelens, "log"), _firelens),
    "Logstash": (_plain(_logstash, "message"), _logstash),
    "Docker's fluentd driver": (_plain(_docker, "log"), _docker),
}
"""By name: what it makes of a line of text, and of the fields of a JSON line."""
