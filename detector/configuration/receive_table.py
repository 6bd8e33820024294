"""Reads the `[receive]` table, checks that its keys go together, and reads the secrets to which it refers."""

import re  # over names of a configuration
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from detector.configuration.fields import (
    FILE,
    TEXT,
    TEXTS,
    Field,
    FieldReader,
    ValueType,
    duration_between,
    one_of,
    text,
    whole_number,
)
from detector.configuration.kafka_settings import NAME, KafkaSettings
from detector.configuration.receive_settings import (
    GOOGLE_ISSUER,
    GOOGLE_KEYS,
    SENDER_TYPES,
    ReceiveSettings,
    SourceEntry,
    TlsFiles,
    TokenClaims,
)
from detector.configuration.secret_references import secret_of_file, secret_of_variable
from detector.configuration.service_settings import ADDRESS
from detector.configuration.urls import https_url
from detector.terminal.output import shown
from detector.values.secrets import Secret
from detector.values.toml_file import Key

_SOURCE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_SHORTEST_SECRET: Final = 16
_SIGNED: Final = frozenset(
    {"github", "gitlab", "buildkite", "circleci"}
)  # their secrets are used as these senders use them
_WITH_SECRETS: Final = "secrets, and not for a type that signs with them"
_NAMING: Final = frozenset(
    {"cloudevents", "eventbridge", "eventgrid", "pubsub"}
)  # they may carry CloudEvents
_OF_TOKENS: Final = ("audience", "emails", "keys_url")


def _source_name(value: Any) -> str:
    if not _SOURCE_NAME.fullmatch(text(value)):
        raise ValueError("it is a path of the URL: at most 64 of a-z, 0-9 and . _ -, a letter or digit first")
    return str(value)


def _header_name(value: Any) -> str:
    if not _HEADER_NAME.fullmatch(text(value)):
        raise ValueError("write the name of an HTTP header: at most 64 letters, digits and -")
    return str(value).lower()


def _references(value: Any) -> tuple[str, ...]:
    references: tuple[str, ...] = TEXTS.read(value)
    if not references or any(each.partition(":")[0] not in {"env", "file"} for each in references):
        raise ValueError(
            'never write a secret in the configuration: say where it is, ["env:NAME"] or ["file:PATH"]'
        )
    return references


RECEIVE_FIELDS: Final = {
    "listen": Field(
        ADDRESS, "address to which senders send; without TLS only a loopback address", '"127.0.0.1:8080"'
    ),
    "probes": Field(ADDRESS, "address of /healthz, /readyz and /metrics", '"127.0.0.1:9467"'),
    "cert_file": Field(FILE, "TLS: PEM file with the certificate chain; read again when it changes"),
    "key_file": Field(FILE, "its private key, PEM, if it is not in `cert_file`"),
    "client_ca_file": Field(
        FILE, "mutual TLS: PEM file of the authorities that sign the certificates of clients"
    ),
    "body_bytes": Field(
        whole_number(1024, 1 << 30),
        "the longest body, after decompression; a longer one gets 413",
        "26214400",
    ),
    "waiting_bytes": Field(
        whole_number(1 << 20, 1 << 40),
        "bytes of requests held at once: from then on 503, and 429 for a source that holds half of them",
        "134217728",
    ),
    "connections": Field(whole_number(1, 100_000), "open connections in all", "1000"),
    "connections_per_client": Field(
        whole_number(1, 100_000),
        "open connections of one address; behind a load balancer all have its address",
        "1000",
    ),
    "body_timeout": Field(duration_between("1s", "10min"), "how long a body may take to arrive", '"10s"'),
    "write_timeout": Field(
        duration_between("1s", "10min"),
        "how long to wait for Kafka before a request gets 503; GitHub hangs up after 10 s",
        '"8s"',
    ),
    "drain_timeout": Field(
        duration_between("1s", "10min"), "longest time for a stop to answer what has arrived", '"20s"'
    ),
}
RECEIVE_SOURCE_FIELDS: Final = {
    "name": Field(
        ValueType("text", _source_name),
        "its name and path: `github` is sent to `/github`; required",
    ),
    "type": Field(one_of(*SENDER_TYPES), "what sends: [the senders](receive.md#senders); required"),
    "topic": Field(NAME, "the topic that its records are written to; required"),
    "secrets": Field(
        ValueType("list of env:NAME, file:PATH", _references),
        "where its secret is; several while one is rotated, any of them is right. For `github`, `gitlab`, `buildkite` and "
        "`circleci` that of the webhook, else a bearer token, or what `header` and `user` say",
    ),
    "header": Field(
        ValueType("header name", _header_name),
        "the header that carries the secret, such as `X-Api-Key`; by default `Authorization: Bearer …`",
    ),
    "user": Field(TEXT, "the secret is the password of this user (HTTP basic)"),
    "clients": Field(
        TEXTS,
        "globs of the names in the client's certificate (common name, DNS, URI); needs `receive.client_ca_file`",
    ),
    "issuer": Field(
        TEXT, f"a JWT is sent as the bearer token: its `iss`; `{GOOGLE_ISSUER}` by default for `pubsub`"
    ),
    "audience": Field(TEXT, "the JWT's `aud`; required with `issuer` and for `pubsub`"),
    "emails": Field(
        TEXTS, "the service accounts that may send: the JWT's verified `email`; required for `pubsub`"
    ),
    "keys_url": Field(
        https_url("what decides who is believed"),
        "the issuer's public keys (JWKS); Google's by default for `pubsub`",
    ),
    "sources": Field(
        TEXTS,
        "globs of the `source` that its CloudEvents may have (`eventgrid`: and of the `topic` of its events). Without it "
        "`cloudevents` may name any, `eventbridge`, `eventgrid` and `pubsub` none; other senders send no CloudEvents",
    ),
}


def read_receive(
    reader: FieldReader,
    data: Mapping[str, Any],
    environ: Mapping[str, str],
    kafka: KafkaSettings | None,
) -> ReceiveSettings:
    """The settings that can be read. The reader collects mistakes; what this machine lacks is in `unmet`."""
    if "receive" not in data:
        return ReceiveSettings()
    own = FieldReader(reader.file)
    table = own.table(data["receive"], "receive")
    values = own.fields(table, RECEIVE_FIELDS, "receive", also=("source",))
    files = {
        key: str(own.folder / values.pop(key))
        for key in ("cert_file", "key_file", "client_ca_file")
        if key in values
    }
    if files and "cert_file" not in files:
        own.fail("receive: key_file and client_ca_file need cert_file", "receive")
        files = {}
    tls = TlsFiles(**files) if files else None
    found = _sources(
        own, table.get("source", []), environ, mutual=tls is not None and tls.client_ca_file is not None
    )
    settings = ReceiveSettings(given=True, tls=tls, sources=tuple(found), **values)
    if tls is None and not settings.listen.loopback:
        own.fail(
            f"receive.listen: on {settings.listen} secrets would be sent in the clear: set cert_file, or listen on a "
            "loopback address behind a proxy that speaks TLS",
            "receive",
            "listen",
        )
    if settings.probes == settings.listen and settings.probes.port:
        own.fail(f"receive.probes: {settings.probes} is receive.listen too", "receive", "probes")
    reader.errors += own.errors
    reader.secret_variables |= own.secret_variables
    return msgspec.structs.replace(
        settings,
        unmet=tuple(own.unmet),
        warnings=tuple(_unbound(settings.sources)),
        unread=tuple(_unread(settings.sources, kafka)),
    )


def _sources(
    reader: FieldReader, value: Any, environ: Mapping[str, str], *, mutual: bool
) -> Iterator[SourceEntry]:
    """The entries that can be read. `mutual`: clients may show a certificate."""
    taken: set[str] = set()
    tables = reader.tables(value, "receive", "source")
    if not tables:
        reader.fail("receive: needs at least one [[receive.source]]: who may send what", "receive")
    for number, table in enumerate(tables):
        at: tuple[Key, ...] = ("receive", "source", number)
        mistakes = len(reader.errors)
        values = reader.fields(table, RECEIVE_SOURCE_FIELDS, *at)
        missing = [key for key in ("name", "type", "topic") if key not in table]
        if missing:
            reader.fail(f"receive.source: needs {', '.join(missing)}", *at)
        if len(reader.errors) > mistakes:
            continue
        if values["name"] in taken:
            reader.fail(f"receive.source: another one is called {values['name']}", *at, "name")
        taken.add(values["name"])
        _fits_together(reader, values, mutual, *at)
        if len(reader.errors) > mistakes:
            continue
        secrets = _secrets(reader, values.pop("secrets", ()), environ, *at, "secrets")
        token = _token(values)
        yield SourceEntry(**values, secrets=secrets, token=token)


def _fits_together(reader: FieldReader, values: Mapping[str, Any], mutual: bool, *at: Key) -> None:  # noqa: FBT001 - one of several facts
    kind = values["type"]
    signed, token = kind in _SIGNED, kind == "pubsub" or "issuer" in values
    for key, holds, reason in (
        ("header", "secrets" in values and not signed, _WITH_SECRETS),
        ("user", "secrets" in values and not signed, _WITH_SECRETS),
        ("user", "header" not in values, "no header"),
        ("clients", mutual, "receive.client_ca_file"),
        ("sources", kind in _NAMING, "type cloudevents, eventbridge, eventgrid or pubsub"),
        ("secrets", not token or "header" in values, "header where a JWT is the bearer token"),
        *((key, token, "issuer or type pubsub") for key in _OF_TOKENS),
    ):
        if key in values and not holds:
            reader.fail(f"receive.source.{key}: has an effect only with {reason}", *at, key)
    if signed and "secrets" not in values:
        reader.fail(f"receive.source: type {kind} needs secrets: the secret of the webhook", *at)
    elif not (token or "secrets" in values or "clients" in values):
        reader.fail("receive.source: anybody could send: it needs secrets, clients or issuer", *at)
    if token and "audience" not in values:
        reader.fail("receive.source: needs audience: a JWT for anybody else would do", *at)
    if kind == "pubsub" and "emails" not in values:
        reader.fail("receive.source: type pubsub needs emails: Google signs tokens for everybody", *at)
    if token and kind != "pubsub" and "keys_url" not in values:
        reader.fail("receive.source: issuer needs keys_url: where its public keys are", *at)


def _secrets(
    reader: FieldReader, references: Sequence[str], environ: Mapping[str, str], *at: Key
) -> tuple[Secret, ...]:
    found = []
    for reference in references:
        kind, _, name = reference.partition(":")
        secret = (
            secret_of_variable(reader, name, environ, *at)
            if kind == "env"
            else secret_of_file(reader, name, *at)
        )
        if secret is not None and len(secret) < _SHORTEST_SECRET:
            reader.missing(
                f"the secret in {shown(reference)} is shorter than {_SHORTEST_SECRET} characters: "
                "`openssl rand -hex 32` makes one",
                *at,
            )
        elif secret is not None:
            found.append(secret)
    return tuple(found)


def _token(values: dict[str, Any]) -> TokenClaims | None:
    """What a JWT must say, taken out of the values."""
    taken = {key: values.pop(key) for key in ("issuer", *_OF_TOKENS) if key in values}
    if "audience" not in taken:
        return None
    return TokenClaims(**{"issuer": GOOGLE_ISSUER, "keys_url": GOOGLE_KEYS, **taken})


def _unbound(sources: Sequence[SourceEntry]) -> Iterator[str]:
    """Warnings of senders that may speak for any other."""
    for source in sources:
        if source.type == "cloudevents" and not source.sources:
            yield (
                f"receive.source {source.name}: it may send events in any sender's name: set sources to what it names as "
                "`source`"
            )


def _unread(sources: Sequence[SourceEntry], kafka: KafkaSettings | None) -> Iterator[str]:
    """Warnings of topics that `curfewd run` does not read, with the same configuration."""
    if kafka is None:
        return
    for source in sources:
        if not kafka.inputs.reads(source.topic):
            yield (
                f"receive.source {source.name}: nobody reads {source.topic}: name it in kafka.event_topics, or in "
                "kafka.log_topics if it carries logs"
            )
