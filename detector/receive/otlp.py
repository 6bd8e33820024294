"""OTLP over HTTP: logs and traces, in protobuf or JSON (OpenTelemetry, "OTLP specification", OTLP/HTTP).

An exporter is given `https://HOST/NAME` and adds `/v1/logs` or `/v1/traces` itself.
"""

from typing import Final

from detector.adapters.otlp.requests_as_json import as_json
from detector.adapters.otlp.wire import WireError, looks_like_request
from detector.receive.delivery import Head, Reading, Record, RefusalError, json_body, malformed
from detector.service.http.server import Answer

PROTOBUF: Final = "application/x-protobuf"
PATHS: Final = {"/v1/logs": "LogRecord", "/v1/traces": "Span"}
_JSON: Final = "application/json"
# An ExportLogsServiceResponse, or that of traces, in which nothing was rejected.
_TAKEN_PROTOBUF: Final = Answer(200, b"", PROTOBUF)
_TAKEN_JSON: Final = Answer(200, b"{}", _JSON)


def read(head: Head, body: bytes, *, binary: bool) -> Reading:
    """The request as one record. An empty one is none: it tries the connection.

    Where no protobuf may be written (`binary` is false), it becomes JSON: Python's exporter sends nothing else.

    Raises:
        RefusalError: it is no request, or one of metrics, which say nothing of credentials.
    """
    if head.path not in PATHS:
        raise RefusalError(404, "unknown-path", f"known here: {', '.join(PATHS)}")
    if head.content_type == PROTOBUF:
        if body and not looks_like_request(body):
            raise malformed("the body is not an OTLP request in protobuf")
        value, taken = body if binary else _readable(body, PATHS[head.path]), _TAKEN_PROTOBUF
    else:
        value, taken = json_body(head, body), _TAKEN_JSON
    return Reading((Record(value, keyed=False),) if value.strip(b" {}\r\n") else (), taken)


def _readable(body: bytes, name: str) -> bytes:
    try:
        return as_json(body, name) if body else body
    except WireError:
        raise malformed("the body is not an OTLP request in protobuf") from None
