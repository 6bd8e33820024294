"""The tables about sources: `[[source]]` for the user's own, `[sources.NAME]` for bundled ones, and `[logs]`.

The tables below declare every key. docs/events.md says which fields an event needs or may have.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from detector.adapters.names import SOURCES
from detector.adapters.otlp.agent_spans import MODES, OFF
from detector.configuration.fields import FLAG, Field, FieldReader, ValueType, one_of, suggestion, text
from detector.configuration.mapped_sources import (
    LogSettings,
    MappedBinding,
    MappedEvent,
    MappedGrant,
    MappedIdentifier,
    MappedSource,
    Override,
    SourceSettings,
)
from detector.configuration.templates import (
    Choice,
    Template,
    parse_capture,
    parse_choice,
    parse_condition,
    parse_path,
    parse_template,
)
from detector.values.times import UNITS
from detector.values.toml_file import Key


def _many(name: str, parse: Any) -> ValueType:
    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value:
            raise ValueError(f"write a list of {name}")
        return tuple(parse(item) for item in value)

    return ValueType(f"list of {name}", read)


def _templates(value: Any) -> tuple[Template, ...]:
    if not isinstance(value, list):
        raise ValueError("write a list of templates")  # noqa: TRY004 - readers raise ValueError alone
    return tuple(parse_template(item) for item in value)


def _table(value: Any, known: tuple[str, ...] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("write a table: { key = ... }")  # noqa: TRY004 - as above
    for name in value:
        if known is not None and name not in known:
            raise ValueError(f"no such key: {name}{suggestion(name, known)}; known here: {', '.join(known)}")
    return value


def _identifier(value: Any) -> MappedIdentifier:
    table = _table(value, ("scheme", "value", "secret", "length"))
    if ("value" in table) == ("secret" in table):
        raise ValueError("an identifier has a value, or the secret whose SHA-256 is taken")
    if "secret" in table:
        table = {"scheme": "sha256", **table}
    if "scheme" not in table or ("secret" in table and table["scheme"] != "sha256"):
        raise ValueError("an identifier has a scheme; that of a secret is sha256")
    return MappedIdentifier(
        parse_template(table["scheme"]),
        **{name: parse_choice(item) for name, item in table.items() if name != "scheme"},
    )


def _grant(value: Any) -> MappedGrant:
    table = _table(value, ("actions", "resources", "when", "split"))
    if not {"actions", "resources"} & set(table):
        raise ValueError("a grant has actions, resources or both")
    when = table.get("when", [])
    if not isinstance(when, list):
        raise ValueError("when: write a list of conditions")  # noqa: TRY004 - as above
    lists = {name: _templates(table[name]) for name in ("actions", "resources") if name in table}
    return MappedGrant(**lists, when=tuple(parse_condition(item) for item in when), split=_split(table))


def _split(table: Mapping[str, Any]) -> str | None:
    split = table.get("split")
    if split is not None and (not isinstance(split, str) or not split):
        raise ValueError('split: write the text between two items, such as " "')
    for name in ("actions", "resources", "workloads", "source_ips") if split is not None else ():
        for template in table.get(name, ()):
            if len(parse_template(template).paths) > 1:
                raise ValueError(f"{name}: a template that is split has one path")
    return split


def _identifiers(value: Any) -> tuple[MappedIdentifier, ...]:
    if isinstance(value, dict):
        return (_identifier(value),)
    if not isinstance(value, list) or not value:
        raise ValueError('write a list of identifiers: [{ scheme = "jwt-id", value = "{token.jti}" }]')
    return tuple(_identifier(item) for item in value)


def _grants(value: Any) -> tuple[MappedGrant, ...]:
    if not isinstance(value, list):
        raise ValueError("write a list of grants")  # noqa: TRY004 - as above
    return tuple(_grant(item) for item in value)


def _bound_to(value: Any) -> MappedBinding:
    table = _table(value, ("workloads", "source_ips", "split"))
    lists = {name: _templates(table[name]) for name in ("workloads", "source_ips") if name in table}
    return MappedBinding(**lists, split=_split(table))


def _issued_to(value: Any) -> dict[str, Choice]:
    table = _table(value, ("source_ip", "workload"))
    return {name: parse_choice(item) for name, item in table.items()}


def _revocation(value: Any) -> dict[str, Choice]:
    return {name: parse_choice(item) for name, item in _table(value).items()}


def _unit(value: Any) -> int:
    if not isinstance(value, str) or value not in UNITS:
        raise ValueError(f"write one of {', '.join(UNITS)}")
    return UNITS[value]


def _outcomes(value: Any) -> dict[str, str]:
    known = ("succeeded", "failed", "cancelled", "timed_out", "success", "denied")
    for name, outcome in _table(value).items():
        if outcome not in known:
            raise ValueError(f"{name}: write {', '.join(known)}")
    return dict(value)


TEMPLATE: Final = ValueType(
    "template, or a list of templates: the first that can be filled counts", parse_choice
)
CONDITIONS: Final = _many("conditions", parse_condition)
CAPTURES: Final = _many("captures", parse_capture)
PATH: Final = ValueType("path into the record", parse_path)
GRANTS: Final = ValueType("list of grants", _grants)

SOURCE_FIELDS: Final = {
    "name": Field(ValueType("text", text), "the source's name in counts; required"),
    "match": Field(CONDITIONS, "conditions that all hold for its records; required"),
    "captures": Field(CAPTURES, "regexes whose named groups become names for templates"),
    "scan": Field(FLAG, "whether to scan its records for secrets too, like logs", "false"),
    "unwrap": Field(PATH, "path of another source's record inside this one, as an object or as text"),
}
OVERRIDE_FIELDS: Final = {
    "enabled": Field(FLAG, "whether to recognise its records; if not, they are log text", "true"),
    "task_id": Field(
        TEMPLATE,
        "the task that its records start, end and issue for; the source's own rule applies if no template can be filled",
    ),
    "task_group": Field(
        TEMPLATE,
        "the group of tasks that a credential belongs to one of, where nothing in its record names the task",
    ),
    "captures": Field(CAPTURES, "regexes whose named groups become names for templates"),
    "grants": Field(
        GRANTS,
        "grants of the credentials that it issues, each with conditions under `when`; without a match, scope is not judged",
    ),
}
LOG_FIELDS: Final = {
    "task_id": Field(
        TEMPLATE,
        "the task of a record without `task_id`; its pod, container or unit if no template can be filled",
    ),
    "agents": Field(
        one_of(*MODES),
        "whether an agent's spans are tasks: each run, or each conversation. The workload itself writes its spans",
        f'"{OFF}"',
    ),
}
_TEXT_KINDS: Final = dict.fromkeys(
    (
        "id", "source", "task_id", "group", "task_group", "kind", "owner", "workload", "parent_task_id", "outcome",
        "credential_id", "action", "resource", "source_ip", "user_agent", "expires_in",
    ),
    TEMPLATE,
)  # fmt: skip
_TIME_NAMES: Final = ("time", "deadline", "not_before", "expires_at")
_OTHER_KINDS: Final = {
    "when": CONDITIONS,
    "identifiers": ValueType("list of identifiers", _identifiers),
    "identifier": ValueType("identifier", _identifiers),
    "grants": GRANTS,
    "bound_to": ValueType("table of lists of templates", _bound_to),
    "issued_to": ValueType("table of templates", _issued_to),
    "expires_in_unit": ValueType("unit", _unit),
    "revocation": ValueType("table of templates", _revocation),
    "outcomes": ValueType("table of globs and outcomes", _outcomes),
}
_REQUIRED: Final = {
    "task.started": ("task_id",),
    "task.ended": ("task_id",),
    "credential.issued": ("credential_id", "identifiers"),
    "credential.renewed": (),
    "credential.used": (),
    "credential.revoked": (),
}
MAPPED_TYPES: Final = tuple(_REQUIRED)
"""The types of event that `[[source]]` can make. The outcome of a command comes from who carries commands out."""

_KINDS: Final = {
    "type": one_of(*MAPPED_TYPES),
    **_TEXT_KINDS,
    **dict.fromkeys(_TIME_NAMES, TEMPLATE),
    **_OTHER_KINDS,
}
_OPTIONAL: Final = {
    "task.started": ("group", "kind", "owner", "workload", "parent_task_id", "deadline"),
    "task.ended": ("outcome", "outcomes"),
    "credential.issued": (
        "task_id", "task_group", "issued_to", "kind", "not_before", "expires_at", "expires_in", "expires_in_unit",
        "grants", "bound_to", "revocation",
    ),
    "credential.renewed": ("credential_id", "identifier", "expires_at", "expires_in", "expires_in_unit"),
    "credential.used": (
        "credential_id", "identifier", "action", "resource", "outcome", "outcomes", "task_id", "workload", "source_ip",
        "user_agent",
    ),
    "credential.revoked": ("credential_id", "identifier"),
}  # fmt: skip


def event_keys(kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys that an event of this type must have, and those that it may."""
    return ("type", "time", *_REQUIRED[kind]), ("id", "source", "when", *_OPTIONAL[kind])


def _event_fields(kind: str) -> dict[str, Field]:
    required, optional = event_keys(kind)
    return {name: Field(_KINDS[name], "") for name in (*required, *optional)}


def read_sources(reader: FieldReader, data: Mapping[str, Any]) -> SourceSettings:
    """`[[source]]`, `[sources.NAME]` and `[logs]`; mistakes go to the reader."""
    own = [
        _source(reader, table, number)
        for number, table in enumerate(reader.tables(data.get("source", []), "source"))
    ]
    seen: set[str] = set(SOURCES)
    for number, source in enumerate(own):
        if source is not None and source.name in seen:
            reader.fail(f"source.name: {source.name} is the name of another source", "source", number, "name")
        elif source is not None:
            seen.add(source.name)
    logs = reader.fields(reader.table(data.get("logs", {}), "logs"), LOG_FIELDS, "logs")
    return SourceSettings(
        tuple(one for one in own if one is not None), dict(_overrides(reader, data)), LogSettings(**logs)
    )


def _overrides(reader: FieldReader, data: Mapping[str, Any]) -> Iterator[tuple[str, Override]]:
    for name, value in reader.table(data.get("sources", {}), "sources").items():
        table = reader.table(value, "sources", name)
        if name not in SOURCES:
            known = ", ".join(SOURCES)
            reader.fail(
                f"sources.{name}: no such source{suggestion(name, SOURCES)}; known are {known}",
                "sources",
                name,
            )
            continue
        yield name, Override(**reader.fields(table, OVERRIDE_FIELDS, "sources", name))


def _source(reader: FieldReader, table: dict[str, Any], number: int) -> MappedSource | None:
    keys: tuple[Key, ...] = ("source", number)
    before = len(reader.errors)
    values = reader.fields(table, SOURCE_FIELDS, *keys, also=("event",))
    events = [
        _event(reader, each, (*keys, "event", index))
        for index, each in enumerate(reader.tables(table.get("event", []), *keys, "event"))
    ]
    missing = [name for name in ("name", "match") if name not in table]
    if missing:
        reader.fail(f"source: needs {' and '.join(missing)}", *keys)
    elif ("unwrap" in table) == bool(table.get("event")):
        reader.fail("source: needs either [[source.event]] tables or unwrap", *keys)
    elif "match" in values and not any(condition.marker for condition in values["match"]):
        reader.fail("source.match: at least one condition says that something is there", *keys, "match")
    if len(reader.errors) > before:
        return None
    return MappedSource(**values, events=tuple(one for one in events if one is not None))


def _event(reader: FieldReader, table: dict[str, Any], keys: tuple[Key, ...]) -> MappedEvent | None:
    kind = table.get("type")
    if kind not in MAPPED_TYPES:
        place = (*keys, "type") if "type" in table else keys
        near = suggestion(kind, MAPPED_TYPES) if isinstance(kind, str) else ""
        reader.fail(f"source.event: needs a type{near}: {', '.join(MAPPED_TYPES)}", *place)
        return None
    before = len(reader.errors)
    values = reader.fields(table, _event_fields(kind), *keys)
    missing = [name for name in event_keys(kind)[0] if name not in table]
    if missing:
        reader.fail(f"source.event: {kind} needs {' and '.join(missing)}", *keys)
    for names in _one_of(kind):
        if not any(name in table for name in names):
            reader.fail(f"source.event: {kind} needs {' or '.join(names)}", *keys)
    if len(reader.errors) > before:
        return None
    identifiers = values.pop("identifiers", ()) or values.pop("identifier", ())
    values.pop("type")
    others = {name: values.pop(name) for name in tuple(values) if name in _OTHER_KINDS}
    return MappedEvent(
        kind,
        fields={name: item for name, item in values.items() if name in _TEXT_KINDS},
        times={name: item for name, item in values.items() if name in _TIME_NAMES},
        identifiers=identifiers,
        **others,
    )


def _one_of(kind: str) -> Iterator[tuple[str, ...]]:
    """Of which keys one is needed."""
    if kind in ("credential.renewed", "credential.used", "credential.revoked"):
        yield "credential_id", "identifier"
    if kind == "credential.renewed":
        yield "expires_at", "expires_in"
    if kind == "credential.issued":
        yield "task_id", "task_group"
