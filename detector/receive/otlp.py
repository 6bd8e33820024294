"""OTLP over HTTP: logs and traces, in protobuf or JSON (OpenTelemetry, "OTLP specification", OTLP/HTTP).

An exporter is given `https://HOST/NAME` and adds `/v1/logs` or `/v1/traces` itself.
"""

from typing import Final

from detector.adapters.otlp.wire import looks_like_request
from detector.receive.delivery import Head, Reading, Record, RefusalError, json_body, malformed, wrong_type
from detector.service.http.server import Answer

PROTOBUF: Final = "application/x-protobuf"
PATHS: Final = ("/v1/logs", "/v1/traces")
_JSON: Final = "application/json"
# An ExportLogsServiceResponse, or that of traces, in which nothing was rejected.
_TAKEN_PROTOBUF: Final = Answer(200, b"", PROTOBUF)
_TAKEN_JSON: Final = Answer(200, b"{}", _JSON)


def read(head: Head, body: bytes, *, binary: bool) -> Reading:
    """The request as one record; `binary`: protobuf may be written. An empty one is none: it tries the connection.

    Raises:
        RefusalError: it is no request, or one of metrics, which say nothing of credentials.
    """
    if head.path not in PATHS:
        raise RefusalError(404, "unknown-path", f"known here: {', '.join(PATHS)}")
    if head.content_type == PROTOBUF:
        if not binary:
            raise wrong_type("send JSON, as a file has lines of text: OTEL_EXPORTER_OTLP_PROTOCOL=http/json")
        if body and not looks_like_request(body):
            raise malformed("the body is no request of OTLP in protobuf")
        value, taken = body, _TAKEN_PROTOBUF
    else:
        value, taken = json_body(head, body), _TAKEN_JSON
    return Reading((Record(value, keyed=False),) if value.strip(b" {}\r\n") else (), taken)
