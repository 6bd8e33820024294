"""The `[[trust]]` table: its fields, and how entries are read."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from detector.configuration.fields import (
    FLAG,
    Field,
    FieldReader,
    ValueType,
    duration_between,
    one_of,
    suggestion,
    text,
)
from detector.configuration.kafka_settings import KafkaSettings
from detector.configuration.trust_keys import read_keys
from detector.configuration.trust_settings import (
    SCHEMES,
    SIGNATURE_HEADERS,
    Signature,
    TrustedHeader,
    TrustEntry,
)
from detector.values.events import TYPES
from detector.values.globs import compile_glob, overlap
from detector.values.toml_file import Key

_OF_SIGNATURES: Final = ("signature_header", "max_age", "keys")
_LONGEST_NAME: Final = 256


def _globs(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("write a list of globs with at least one in it")
    return tuple(text(item) for item in value)


def _sources(value: Any) -> tuple[str, ...]:
    globs = _globs(value)
    if any(not glob.strip("*") for glob in globs):
        raise ValueError("`*` is every source: to let an input carry events of any source, leave sources out")
    return globs


def _types(value: Any) -> tuple[str, ...]:
    globs = _globs(value)
    for glob in globs:
        if not any(map(compile_glob(glob), TYPES)):
            raise ValueError(
                f"no type of event matches {glob!r}{suggestion(glob, tuple(TYPES))}; the types are {', '.join(TYPES)}"
            )
    return globs


def _header_name(value: Any) -> str:
    name = text(value)
    if len(name) > _LONGEST_NAME or not name.isascii() or not name.isprintable():
        raise ValueError("a header's name is of printable ASCII, at most 256 characters")
    if name.startswith("ce_"):
        raise ValueError("the sender of an event chooses its ce_ headers: they prove nothing")
    return name


def _header(value: Any) -> TrustedHeader:
    if not isinstance(value, dict) or set(value) != {"name", "value"}:
        raise ValueError('write { name = "…", value = "…" }')
    glob = text(value["value"])
    if not glob.strip("*?"):
        raise ValueError("value: this matches any value, so whoever sets the header could write anything")
    return TrustedHeader(_header_name(value["name"]), glob)


GLOBS: Final = ValueType("list of globs", _globs)
TRUST_FIELDS: Final = {
    "topics": Field(GLOBS, "the topics that the entry holds; this, `paths` or both"),
    "paths": Field(
        GLOBS,
        "a replay: the files that the entry holds, by their paths as you give them; standard input is `-`",
    ),
    "sources": Field(
        ValueType("list of globs", _sources),
        "globs of the `source` of the events that these inputs may carry; any without it",
    ),
    "types": Field(
        ValueType("list of globs", _types), "the types of the events that they may carry; all without it"
    ),
    "exclusive": Field(FLAG, "whether no other input may carry events of these `sources`", "true"),
    "header": Field(
        ValueType("{ name, value }", _header),
        "a header that each record has to carry exactly once; `value` is a glob. Only for `topics`",
    ),
    "signature": Field(
        one_of(*SCHEMES),
        "the signature that each record has to carry, under one of `keys`. Only for `topics`",
    ),
    "signature_header": Field(
        ValueType("text", _header_name),
        "the header with the signature; by default "
        + ", ".join(f"`{header}` for `{scheme}`" for scheme, header in SIGNATURE_HEADERS.items()),
    ),
    "max_age": Field(
        duration_between("1min", "3650d"),
        "how much older than the timestamp of its record a signed event may be; `retention` by default",
    ),
}


def read_trust(
    reader: FieldReader,
    data: Mapping[str, Any],
    environ: Mapping[str, str],
    retention: int,
    kafka: KafkaSettings | None,
) -> tuple[TrustEntry, ...]:
    """The entries that can be read. The reader collects what is wrong with the others."""
    tables = reader.tables(data.get("trust", []), "trust")
    entries: list[TrustEntry] = []
    for index, table in enumerate(tables):
        entry = _entry(reader, table, environ, retention, index)
        if entry is not None:
            _secrets_have_one_scheme(reader, entry, entries, index)
            entries.append(entry)
            if kafka is not None or "kafka" not in data:  # else its own mistakes come first
                _check_topics(reader, entry.topics, kafka, index)
    return tuple(entries)


def _entry(
    reader: FieldReader, table: Mapping[str, Any], environ: Mapping[str, str], retention: int, index: int
) -> TrustEntry | None:
    at: tuple[Key, ...] = ("trust", index)
    mistakes = len(reader.errors)
    values = reader.fields(table, TRUST_FIELDS, *at, also=("keys",))
    _fits_together(reader, table, *at)
    scheme = values.pop("signature", None)
    keys = read_keys(reader, table.get("keys", []), scheme or "", environ, *at, "keys")
    header, max_age = values.pop("signature_header", None), values.pop("max_age", retention)
    if len(reader.errors) > mistakes:
        return None
    signature = None
    if scheme is not None:
        signature = Signature(scheme, header or SIGNATURE_HEADERS[scheme], keys, max_age)
    return TrustEntry(**values, signature=signature, line=reader.file.line(*at))


def _fits_together(reader: FieldReader, table: Mapping[str, Any], *at: Key) -> None:
    if not {"topics", "paths"} & set(table):
        reader.fail("trust: needs topics, paths or both: which inputs it holds", *at)
    if not {"sources", "types", "header", "signature"} & set(table):
        reader.fail("trust: holds its inputs to nothing: write sources, types, header or signature", *at)
    if "exclusive" in table and "sources" not in table:
        reader.fail(
            "trust.exclusive: says who else may carry events of sources, and there are no sources",
            *at,
            "exclusive",
        )
    for name in ("header", "signature"):
        if name in table and "paths" in table:
            reader.fail(
                f"trust.{name}: a file has no headers, so this could not be judged there: write an entry of its own "
                "for paths",
                *at,
                name,
            )
    if "signature" not in table:
        for name in _OF_SIGNATURES:
            if name in table:
                reader.fail(f"trust.{name}: has an effect only with signature", *at, name)
    elif not table.get("keys"):
        reader.fail("trust.signature: needs at least one [[trust.keys]]", *at, "signature")


def _secrets_have_one_scheme(
    reader: FieldReader, entry: TrustEntry, others: Sequence[TrustEntry], index: int
) -> None:
    """A text that one scheme signs may be what another scheme would sign of a record with other bytes."""
    for other in others:
        if (
            entry.signature is None
            or other.signature is None
            or entry.signature.scheme == other.signature.scheme
        ):
            continue
        known = {key.secret for key in other.signature.keys if key.secret is not None}
        for number, key in enumerate(entry.signature.keys):
            if key.secret in known:
                reader.fail(
                    f"trust.keys: the secret of {key.id} is also one of {other.signature.scheme}: generate one for each "
                    "scheme",
                    "trust",
                    index,
                    "keys",
                    number,
                )


def _check_topics(
    reader: FieldReader, topics: Sequence[str], kafka: KafkaSettings | None, index: int
) -> None:
    """Reports globs that match no event topic: they would hold nothing."""
    for glob in topics:
        if kafka is None:
            reason = "there is no [kafka] table, so no topic is read: for a replay's files write paths"
        elif any(overlap(glob, other) for other in (*kafka.event_topics, *kafka.inputs.outcomes)):
            continue
        elif any(overlap(glob, other) for other in kafka.log_topics):
            reason = f"{glob} is under kafka.log_topics, where nothing is an event: leave it out here"
        else:
            reason = f"{glob} is no input: name the topic in kafka.event_topics, or leave it out here"
        reader.fail(f"trust.topics: {reason}", "trust", index, "topics")


def unheld(entries: Sequence[TrustEntry], kafka: KafkaSettings) -> list[str]:
    """Warnings of topics that no entry holds, where others are held: they let in what the entries keep out."""
    held = [compile_glob(glob) for entry in entries for glob in entry.topics]
    if not held:
        return []
    return [
        f"kafka.event_topics: no [[trust]] entry holds {glob}: whoever may write to it can end any task and revoke any "
        "credential, under a source that no entry reserves"
        for glob in kafka.event_topics
        if not any(matches(glob) for matches in held)
    ]
