"""The formats of inputs, by the names that `--format` takes."""

from typing import Final

from detector.adapters.names import SOURCES

TEXT: Final = "text"
JSON_LINES: Final = "jsonl"  # one object a line: events and log records, each told by its shape
JSON_LOG: Final = "json-log"  # the same, but every object is a log record
DOCUMENT: Final = "document"  # one JSON value over many lines, or all events of a file on one line
CRI: Final = "cri"
DOCKER: Final = "docker"
GITLAB_TRACE: Final = "gitlab-trace"  # a job's log with the runner's timestamps
SYSLOG: Final = "syslog"  # one message a line
SYSLOG_COUNTED: Final = "syslog-counted"  # each message behind its length (RFC 6587)
GITHUB_LOG: Final = "github-log"  # what `gh run view --log` prints
OTLP_PROTO: Final = "otlp-proto"  # requests in protobuf
EVENT_SOURCES: Final = ("cloudevents", *SOURCES)  # whose files are JSON lines or documents
CHOICES: Final = (
    TEXT,
    JSON_LINES,
    JSON_LOG,
    DOCUMENT,
    CRI,
    DOCKER,
    GITLAB_TRACE,
    SYSLOG,
    SYSLOG_COUNTED,
    GITHUB_LOG,
    OTLP_PROTO,
    *EVENT_SOURCES,
)
# How records are counted that are lines and log records, and nothing else.
TEXT_FORMATS: Final = frozenset({TEXT, "json", CRI, DOCKER, GITLAB_TRACE, SYSLOG, GITHUB_LOG})
EVENT_FORMATS: Final = frozenset({JSON_LINES, DOCUMENT, OTLP_PROTO})  # what may hold events at all
DIVISIBLE: Final = frozenset({TEXT, JSON_LINES, JSON_LOG, SYSLOG, GITHUB_LOG})  # what may be cut at line ends
