"""Reads the `[kafka]` table, checks that its keys go together, and reads the secrets to which it refers."""

from collections.abc import Mapping
from typing import Any, Final

from detector.configuration.fields import FieldReader, dotted
from detector.configuration.input_topics import EVENT_TOPICS, LOG_TOPICS, InputTopics, check_inputs
from detector.configuration.kafka_settings import (
    INLINE,
    KAFKA_FIELDS,
    PARTITIONED_LIKE,
    PREFIX,
    SASL,
    SECURITY_FIELDS,
    TLS,
    TOPIC_FIELDS,
    KafkaSettings,
    Security,
    Topic,
    Topics,
)
from detector.configuration.redacted_topics import read_redacted
from detector.configuration.secret_references import secret_of_file, secret_of_variable
from detector.configuration.urls import loopback
from detector.values.toml_file import Key

PASSWORD_VARIABLE: Final = "CURFEWD_KAFKA_PASSWORD"  # noqa: S105 - a variable's name
CLIENT_SECRET_VARIABLE: Final = "CURFEWD_KAFKA_CLIENT_SECRET"  # noqa: S105 - a variable's name
_PASSWORDS: Final = frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})
_OF_TLS: Final = ("ca_file", "cert_file", "key_file", "key_password_env", "key_password_file")
_OF_PASSWORDS: Final = ("username", "password_env", "password_file")
_OF_ENDPOINT: Final = (
    "oauth_client_id",
    "client_secret_env",
    "client_secret_file",
    "scope",
    "token_ca_file",
)
_OF_TOKENS: Final = ("token_file", "token_endpoint", *_OF_ENDPOINT)
_FILES: Final = ("ca_file", "cert_file", "key_file", "token_file", "token_ca_file")


def read_kafka(
    reader: FieldReader, value: Any, environ: Mapping[str, str], *, revoking: bool = False
) -> KafkaSettings | None:
    """The settings that can be read. The reader collects mistakes and what this machine lacks.

    `revoking` says that there is a `[revoke]` table.
    """
    table = _without_secrets(reader, reader.table(value, "kafka"), "kafka")
    values = reader.fields(table, KAFKA_FIELDS, "kafka", also=("topics", "security", "redacted"))
    topics = _topics(reader, table.get("topics", {}), values.pop("prefix", PREFIX))
    security = _security(reader, table.get("security", {}), environ)
    replication = values.get("replication", 3)
    values.setdefault("min_insync", max(1, replication - 1))
    if values["min_insync"] > replication:
        reader.fail(f"kafka.min_insync: more than the {replication} copies there are", "kafka", "min_insync")
    ours = [topic.name for topic in (*topics.all(), *topics.of_revocation())]
    globs = values.get(EVENT_TOPICS, ()), values.get(LOG_TOPICS, ())
    redacted = read_redacted(reader, table.get("redacted", {}), InputTopics(*globs).named, ours)
    inputs = topics.inputs(*globs, redacted=redacted, revoking=revoking)
    warnings = check_inputs(reader, inputs, redacted.topics if redacted is not None else ())
    if "bootstrap" not in table:
        reader.fail('kafka: needs bootstrap = ["host:port"]', "kafka")
    if "bootstrap" not in values:
        return None
    if security.protocol in {"PLAINTEXT", "SASL_PLAINTEXT"} and not all(
        loopback(host.rpartition(":")[0].strip("[]")) for host in values["bootstrap"]
    ):
        what = "everything is" if security.mechanism is None else "everything, also the credentials, is"
        warnings.append(f"kafka.security.protocol: {what} sent in the clear; set SSL or SASL_SSL")
    return KafkaSettings(
        **values,
        topics=topics,
        security=security,
        redacted=redacted,
        revoking=revoking,
        warnings=tuple(warnings),
    )


def _without_secrets(reader: FieldReader, table: dict[str, Any], *keys: Key) -> dict[str, Any]:
    for name in sorted(INLINE & set(table)):
        where = f"{name}_env or {name}_file" if f"{name}_env" in SECURITY_FIELDS else "an _env or _file key"
        reader.fail(
            f"{dotted((*keys, name))}: never write a secret in the configuration: say where it is, with "
            f"{where} of kafka.security",
            *keys,
            name,
        )
    return {name: value for name, value in table.items() if name not in INLINE}


def _topics(reader: FieldReader, value: Any, prefix: str) -> Topics:
    table = reader.table(value, "kafka", "topics")
    reader.fields(table, {}, "kafka", "topics", also=TOPIC_FIELDS)
    topics: dict[str, Topic] = {}
    for key, fields in TOPIC_FIELDS.items():
        own = reader.fields(
            reader.table(table.get(key, {}), "kafka", "topics", key), fields, "kafka", "topics", key
        )
        made = {
            name: field.type.read(_literal(field.default)) for name, field in fields.items() if field.default
        }
        topics[key] = Topic(
            own.get("name", prefix + key.replace("_", "-")),
            own.get("partitions") or made.get("partitions") or topics[PARTITIONED_LIKE[key]].partitions,
            own.get("retention", made.get("retention")),
        )
        taken = next(
            (other for other in topics if other != key and topics[other].name == topics[key].name), None
        )
        if taken is not None:
            reader.fail(f"kafka.topics.{key}: has the same name as {taken}", "kafka", "topics", key)
    return Topics(**topics)


def _literal(default: str) -> Any:
    return default[1:-1] if default.startswith('"') else int(default)


def _security(reader: FieldReader, value: Any, environ: Mapping[str, str]) -> Security:
    keys = ("kafka", "security")
    table = _without_secrets(reader, reader.table(value, *keys), *keys)
    errors = len(reader.errors)
    values = reader.fields(table, SECURITY_FIELDS, *keys)
    values.setdefault("protocol", "PLAINTEXT")
    if len(reader.errors) > errors:
        return Security()
    _fits_together(reader, values)
    if len(reader.errors) > errors:
        return Security()
    for name in _FILES:
        if name in values:
            values[name] = _there(reader, values[name], *keys, name)
    secrets = {"key_password": "", "password": PASSWORD_VARIABLE, "client_secret": CLIENT_SECRET_VARIABLE}
    needed = {
        "password": values.get("mechanism") in _PASSWORDS,
        "client_secret": "token_endpoint" in values,
        "key_password": False,
    }
    for name, variable in secrets.items():
        env, file = values.pop(f"{name}_env", None), values.pop(f"{name}_file", None)
        if file is not None:
            values[name] = secret_of_file(reader, file, *keys, f"{name}_file")
        elif env is not None or needed[name]:
            values[name] = secret_of_variable(
                reader, env or variable, environ, *keys, f"{name}_env" if env else "mechanism"
            )
    return Security(**values)


def _fits_together(reader: FieldReader, values: Mapping[str, Any]) -> None:
    protocol, mechanism = values["protocol"], values.get("mechanism")
    for names, holds, reason in (
        (_OF_TLS, protocol in TLS, "protocol SSL or SASL_SSL"),
        (("mechanism",), protocol in SASL, "protocol SASL_SSL or SASL_PLAINTEXT"),
        (_OF_PASSWORDS, mechanism in _PASSWORDS, "mechanism PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"),
        (_OF_TOKENS, mechanism == "OAUTHBEARER", "mechanism OAUTHBEARER"),
        (_OF_ENDPOINT, "token_endpoint" in values or mechanism != "OAUTHBEARER", "token_endpoint"),
        (("key_file",), "cert_file" in values, "cert_file"),
    ):
        for name in names:
            if name in values and not holds:
                _fail(reader, name, f"has an effect only with {reason}")
    for name in ("password", "key_password", "client_secret"):
        if f"{name}_env" in values and f"{name}_file" in values:
            _fail(reader, f"{name}_file", f"write this or {name}_env, not both")
    if protocol in SASL and mechanism is None:
        _fail(reader, "protocol", f"{protocol} needs a mechanism")
    if mechanism in _PASSWORDS and "username" not in values:
        _fail(reader, "mechanism", f"{mechanism} needs a username")
    if mechanism == "OAUTHBEARER" and ("token_file" in values) == ("token_endpoint" in values):
        _fail(reader, "mechanism", "OAUTHBEARER needs either token_file or token_endpoint")
    if "token_endpoint" in values and "oauth_client_id" not in values:
        _fail(reader, "token_endpoint", "needs oauth_client_id")


def _fail(reader: FieldReader, name: str, reason: str) -> None:
    reader.fail(f"kafka.security.{name}: {reason}", "kafka", "security", name)


def _there(reader: FieldReader, name: str, *keys: Key) -> str:
    path = reader.folder / name
    if not path.is_file():
        reader.missing(f"{path}: no such file", *keys)
    return str(path)
