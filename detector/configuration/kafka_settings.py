"""The `[kafka]` table: how to connect, which topics to use, and limits for records in flight.

A secret is never written in the configuration, which names the environment variable or file that holds it.
"""

import re  # over names of topics
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from detector.configuration.fields import (
    FILE,
    TEXT,
    Field,
    ValueType,
    duration_between,
    one_of,
    text,
    whole_number,
)
from detector.configuration.input_topics import INPUT_FIELDS, InputTopics
from detector.configuration.redacted_topics import RedactedTopics
from detector.configuration.urls import https_url
from detector.values.globs import compile_glob
from detector.values.secrets import Secret
from detector.values.times import MINUTE, SECOND

PREFIX: Final = "curfewd."
TLS: Final = frozenset({"SSL", "SASL_SSL"})
SASL: Final = frozenset({"SASL_PLAINTEXT", "SASL_SSL"})
_PORTS: Final = range(1, 65536)
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")  # as Kafka's own org.apache.kafka.common.internals.Topic


class Topic(msgspec.Struct, frozen=True):
    """One of curfewd's own topics. `retention` is in ns; None for a compacted topic, which is kept for ever."""

    name: str
    partitions: int
    retention: int | None = None


class Topics(msgspec.Struct, frozen=True):
    """curfewd's own topics.

    `state` has as many partitions as `work`, because it stores the ledgers of each, `revocation_state` and
    `revocation_outcomes` as many as `revocations`. The last three are those of `curfewd revoke`.
    """

    work: Topic
    registry: Topic
    state: Topic
    findings: Topic
    revocations: Topic
    dead_letters: Topic
    revocation_state: Topic
    revocation_outcomes: Topic
    revocation_approvals: Topic

    def all(self) -> tuple[Topic, ...]:
        """The topics of `curfewd run`, in the order in which they are shown."""
        return (self.work, self.registry, self.state, self.findings, self.revocations, self.dead_letters)

    def of_revocation(self) -> tuple[Topic, ...]:
        """The topics that only `curfewd revoke` needs, in the same order."""
        return (self.revocation_state, self.revocation_outcomes, self.revocation_approvals)

    def inputs(
        self,
        events: tuple[str, ...],
        logs: tuple[str, ...],
        *,
        redacted: RedactedTopics | None,
        revoking: bool,
    ) -> InputTopics:
        """Which topics are read: the globs in `events` and `logs`, without what curfewd writes.

        The outcomes of revocations are events to be believed where there is a revoker, or where `events` names them.
        """
        outcomes = self.revocation_outcomes.name
        believed = revoking or any(compile_glob(glob)(outcomes) for glob in events)
        written = [topic.name for topic in (*self.all(), *self.of_revocation())]
        written += () if redacted is None else redacted.written
        if believed:
            written.remove(outcomes)
        return InputTopics(events, logs, tuple(written), (outcomes,) if believed else ())


class Security(msgspec.Struct, frozen=True):
    """TLS and SASL. All files and secrets exist. Paths are absolute, or relative to the working directory."""

    protocol: str = "PLAINTEXT"
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    key_password: Secret | None = None
    mechanism: str | None = None
    username: str | None = None
    password: Secret | None = None
    token_file: str | None = None
    token_endpoint: str | None = None
    oauth_client_id: str | None = None
    client_secret: Secret | None = None
    scope: str | None = None
    token_ca_file: str | None = None

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.protocol in TLS


class KafkaSettings(msgspec.Struct, frozen=True):
    """Everything under `[kafka]`. Durations are in ns, sizes in bytes. `revoking`: there is a `[revoke]` table."""

    bootstrap: tuple[str, ...]
    topics: Topics
    security: Security = Security()
    client_id: str = "curfewd"
    group: str = "curfewd"
    event_topics: tuple[str, ...] = ()
    log_topics: tuple[str, ...] = ()
    redacted: RedactedTopics | None = None
    replication: int = 3
    min_insync: int = 2
    lookback: int = 5 * MINUTE
    poll_records: int = 16_000
    partition_fetch_bytes: int = 4 << 20
    fetch_bytes: int = 16 << 20
    batch_bytes: int = 256 << 10
    record_bytes: int = 1_048_588
    compression: str = "none"
    request_timeout: int = 15 * SECOND
    session_timeout: int = 15 * SECOND
    transaction_timeout: int = 30 * SECOND
    rebalance_timeout: int = 20 * SECOND
    drain_timeout: int = 20 * SECOND
    revoking: bool = False
    warnings: tuple[str, ...] = ()

    def passed_on(self, inputs: Iterable[str]) -> dict[str, str]:
        """The redacted topic of each input that has one."""
        return {} if self.redacted is None else self.redacted.pairs(inputs)

    @property
    def inputs(self) -> InputTopics:
        """Which topics are read."""
        return self.topics.inputs(
            self.event_topics, self.log_topics, redacted=self.redacted, revoking=self.revoking
        )

    def own_topics(self) -> tuple[Topic, ...]:
        """All topics of ours that have to exist: those of the revoker only with a `[revoke]` table."""
        return (*self.topics.all(), *(self.topics.of_revocation() if self.revoking else ()))

    def carries_events(self, topic: str) -> bool:
        """Whether events in an input topic are believed; everything in the other inputs is text."""
        return self.inputs.carries_events(topic)


def _hosts(value: Any) -> tuple[str, ...]:
    """`host:port`, or several in a list or separated by commas."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise ValueError('write "host:port", several in a list')
    hosts = tuple(item.strip() if isinstance(item, str) else "" for item in items)
    for item in hosts:
        host, _, port = item.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        if not host or not port.isdecimal() or int(port) not in _PORTS or (":" in host and bare == host):
            raise ValueError('write "host:port", an IPv6 address in brackets, several in a list')
        if any(c in host for c in "/@ "):
            raise ValueError('write "host:port" only: no scheme, no user, no path')
        try:
            bare.encode("idna")
        except UnicodeError:
            raise ValueError("not a host name: its parts are of 1 to 63 characters") from None
    return hosts


def _topic(value: Any) -> str:
    name = text(value)
    if not _TOPIC.fullmatch(name) or name in {".", ".."}:
        raise ValueError("a topic's name is made of letters, digits, . _ and -, at most 249 of them")
    return name


def _prefix(value: Any) -> str:
    if value == "":
        return ""
    return _topic(value)


NAME: Final = ValueType("topic name", _topic)
PARTITIONS: Final = whole_number(1, 10_000)
KEPT: Final = duration_between("1min", "3650d")


def _topic_fields(name: str, partitions: int | None, retention: str | None) -> dict[str, Field]:
    fields = {"name": Field(NAME, "the topic's name; by default the prefix and the table's name")}
    if partitions is not None:
        fields["partitions"] = Field(PARTITIONS, f"partitions of `{name}`", str(partitions))
    if retention is not None:
        fields["retention"] = Field(KEPT, "how long a record is kept", f'"{retention}"')
    return fields


# A compacted topic keeps the last record of every key. `state` has as many partitions as `work`.
TOPIC_FIELDS: Final = {
    "work": {
        **_topic_fields("work", 16, "7d"),
        "partitions": Field(
            PARTITIONS,
            "partitions of `work` and `state`: how many judges can share the tasks. Never changes later",
            "16",
        ),
    },
    "registry": _topic_fields("registry", 4, None),
    "state": _topic_fields("state", None, None),
    "findings": _topic_fields("findings", 4, None),
    "revocations": _topic_fields("revocations", 4, "30d"),
    "dead_letters": _topic_fields("dead_letters", 4, "14d"),
    "revocation_state": _topic_fields("revocation_state", None, None),
    "revocation_outcomes": _topic_fields("revocation_outcomes", None, None),
    "revocation_approvals": _topic_fields("revocation_approvals", 1, "30d"),
}
# A topic without a number of partitions of its own has as many as this one.
PARTITIONED_LIKE: Final = {
    "state": "work",
    "revocation_state": "revocations",
    "revocation_outcomes": "revocations",
}
SECURITY_FIELDS: Final = {
    "protocol": Field(
        one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"), "Kafka's security protocol", '"PLAINTEXT"'
    ),
    "ca_file": Field(
        FILE, "PEM file of the authorities that sign the brokers' certificates; the system's by default"
    ),
    "cert_file": Field(FILE, "mutual TLS: PEM file with the client's certificate chain"),
    "key_file": Field(FILE, "its private key, PEM, if it is not in `cert_file`"),
    "key_password_env": Field(TEXT, "environment variable with the passphrase of the private key"),
    "key_password_file": Field(FILE, "or a file with the passphrase"),
    "mechanism": Field(
        one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"), "the SASL mechanism"
    ),
    "username": Field(TEXT, "user for PLAIN and SCRAM"),
    "password_env": Field(TEXT, "environment variable with the password", '"CURFEWD_KAFKA_PASSWORD"'),
    "password_file": Field(FILE, "or a file with the password; a newline at its end does not count"),
    "token_file": Field(
        FILE, "OAUTHBEARER: file with a token, read for each connection. Something else has to renew it"
    ),
    "token_endpoint": Field(
        https_url("the client's secret"),
        "OAUTHBEARER: endpoint that gives a token for client credentials (RFC 6749, 4.4)",
    ),
    "oauth_client_id": Field(TEXT, "the client's id at that endpoint"),
    "client_secret_env": Field(
        TEXT, "environment variable with the client's secret", '"CURFEWD_KAFKA_CLIENT_SECRET"'
    ),
    "client_secret_file": Field(FILE, "or a file with the secret"),
    "scope": Field(TEXT, "the scope to ask for"),
    "token_ca_file": Field(
        FILE, "PEM file of the authorities that sign the endpoint's certificate; the system's by default"
    ),
}
KAFKA_FIELDS: Final = {
    "bootstrap": Field(
        ValueType("host:port, or a list of them", _hosts), "brokers to connect to first; required"
    ),
    "client_id": Field(TEXT, "curfewd's name in the brokers' logs and quotas", '"curfewd"'),
    "group": Field(TEXT, "prefix of consumer groups and transactional ids", '"curfewd"'),
    "prefix": Field(ValueType("text", _prefix), "prefix of the names of curfewd's own topics", f'"{PREFIX}"'),
    **INPUT_FIELDS,
    "replication": Field(
        whole_number(1, 32), "copies of each of curfewd's topics; use 1 if there is one broker", "3"
    ),
    "min_insync": Field(
        whole_number(1, 32), "copies that must have a record before it counts; `replication` - 1 by default"
    ),
    "lookback": Field(
        duration_between("0s", "24h"),
        "how much later logs are scanned again, for credentials that were registered late; 0 never",
        '"5min"',
    ),
    "poll_records": Field(
        whole_number(1, 100_000),
        "at most this many records of a partition in a transaction; of `work` never more than 1000",
        "16000",
    ),
    "partition_fetch_bytes": Field(
        whole_number(1024, 1 << 30),
        "bytes fetched ahead for each partition; less, down to 2097152, where that is more than 64 MiB together",
        "4194304",
    ),
    "fetch_bytes": Field(whole_number(1024, 1 << 30), "bytes fetched ahead from each broker", "16777216"),
    "batch_bytes": Field(whole_number(1024, 1 << 30), "bytes in one produced batch", "262144"),
    "record_bytes": Field(
        whole_number(1024, 1 << 30),
        "size of the largest record written; curfewd's topics are created for it",
        "1048588",
    ),
    "compression": Field(
        one_of("none", "gzip", "snappy", "lz4", "zstd"), "compression of produced batches", '"none"'
    ),
    "request_timeout": Field(
        duration_between("1s", "10min"), "how long to wait for a broker's answer", '"15s"'
    ),
    "session_timeout": Field(
        duration_between("6s", "30min"),
        "after this time without a heartbeat a group member counts as dead",
        '"15s"',
    ),
    "transaction_timeout": Field(
        duration_between("1s", "15min"),
        "longest time from the beginning of a transaction to its commit",
        '"30s"',
    ),
    "rebalance_timeout": Field(
        duration_between("1s", "15min"), "longest time to hand partitions over", '"20s"'
    ),
    "drain_timeout": Field(
        duration_between("1s", "15min"), "longest time for a stop to commit open work", '"20s"'
    ),
}
# A secret in the file would get into a repository sooner or later: these keys have an error of their own.
INLINE: Final = frozenset({"password", "key_password", "client_secret", "token", "sasl_password", "secret"})
