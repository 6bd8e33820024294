"""Sources as the configuration describes them, at work: a record is matched, its templates filled, the events checked.

What comes out is decoded as a canonical event would be, so a mapped source is held to the same rules.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import re2

from detector.adapters import cloudevents as canonical
from detector.adapters.adapter import Adapter, Carrier, Record
from detector.adapters.aws.times import answer_time
from detector.adapters.bundled import ADAPTERS, CARRIERS
from detector.adapters.carriers.journald import JOURNALD
from detector.adapters.carriers.journald import carrier as journald
from detector.adapters.otlp.requests import OTLP, Otlp
from detector.configuration.mapped_sources import (
    MappedEvent,
    MappedGrant,
    MappedIdentifier,
    MappedSource,
    Override,
    SourceSettings,
)
from detector.configuration.templates import Choice, Condition, Template, TemplateContext, value_at
from detector.ingest.classify import RecordClassifier
from detector.records.dead_letters import BAD_TIME, MISSING_FIELD, WRONG_FIELD, bad
from detector.records.log_records import Read, log_record
from detector.records.record_ids import record_id
from detector.records.timestamps import log_time
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    Grant,
    TaskEnded,
    TaskStarted,
)
from detector.values.globs import compile_glob
from detector.values.secrets import Secret, sha256_hex
from detector.values.times import SECOND, format_rfc3339, read_duration
from detector.values.wording import counted

_REQUIRED: Final = {
    "task.started": ("task_id",),
    "task.ended": ("task_id",),
    "credential.issued": ("credential_id",),
    "credential.renewed": ("expires_at",),
}
_TASKS: Final = ("task_id", "task_group")  # of which an issue has at least one
_APART: Final = frozenset({"id", "source", "expires_in", "outcome", *_TASKS})  # are not copied as they are
_OUTCOMES: Final[dict[str, tuple[str, ...]]] = {
    "task.ended": ("succeeded", "failed", "cancelled", "timed_out"),
    "credential.used": (SUCCESS, DENIED),
}
_NUMBER: Final = re2.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")
_LATEST: Final = 253_402_300_799 * SECOND  # the end of 9999


def configured_classifier(settings: SourceSettings, adapters: Sequence[Adapter] = ()) -> RecordClassifier:
    """Recognises a user's own sources first, then `adapters`, then the bundled ones that are not switched off."""
    own = [_adapter(source) for source in settings.sources if source.unwrap is None]
    opened = [_carrier(source) for source in settings.sources if source.unwrap is not None]
    bundled = [
        adapter if override is None else _overridden(adapter, override)
        for adapter in ADAPTERS
        if (override := settings.overrides.get(adapter.name)) is None or override.enabled
    ]
    named = None if settings.logs.task_id is None else partial(_task, settings.logs.task_id)
    configured = {OTLP: Otlp(settings.logs.agents, named).carrier(), JOURNALD: journald(named)}
    carriers = [configured.get(carrier.name, carrier) for carrier in CARRIERS]
    return RecordClassifier(
        (*own, *adapters, *bundled), (*opened, *carriers), named=named, flat=bool(settings.sources)
    )


def _task(choice: Choice, record: Record) -> str | None:
    return choice.fill(TemplateContext(record))


def _matches(conditions: Sequence[Condition], record: Record) -> bool:
    return all(condition.holds(value_at(record, condition.path)) for condition in conditions)


def _marks(source: MappedSource) -> tuple[bytes, ...]:
    """The one that is likely the rarest: the longest."""
    return (max((condition.marker for condition in source.match if condition.marker), key=len),)


def _adapter(source: MappedSource) -> Adapter:
    def translate(record: Record, now: int) -> list[CanonicalEvent]:
        context = TemplateContext(record, source.captures)
        wanted = [event for event in source.events if _matches(event.when, record)]
        return [_event(source.name, event, context, now, number) for number, event in enumerate(wanted)]

    def known(record: Record) -> bool:
        return any(_matches(event.when, record) for event in source.events)

    return Adapter(
        source.name,
        _marks(source),
        lambda record: _matches(source.match, record),
        translate,
        known,
        (lambda record, now: log_record(record, now).log) if source.scan else None,
    )


def _carrier(source: MappedSource) -> Carrier:
    def unwrap(record: Record, _now: int) -> Iterator[Record | str | Read]:
        held = value_at(record, source.unwrap or ())
        if isinstance(held, dict | str):
            yield held
        else:
            raise bad(MISSING_FIELD, ".".join(source.unwrap or ()))

    return Carrier(
        source.name, _marks(source), lambda record: _matches(source.match, record), unwrap, audit=True
    )


def _event(name: str, event: MappedEvent, context: TemplateContext, now: int, number: int) -> CanonicalEvent:
    """The event; further ones of the same record have their type behind the id."""
    time = _time(event.times["time"], context, required=True)
    event_id = _text(event.fields["id"], context) if "id" in event.fields else record_id(context.record)
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "type": event.type,
        "source": event.fields["source"].fill(context) or name if "source" in event.fields else name,
        "id": f"{event_id}/{event.type}" if number else event_id,
        "time": time,
        "data": dict(_data(event, context, time or "")),
    }
    found = canonical.decode(msgspec.json.encode(envelope), now)
    if found is None:  # of a type that is checked when the configuration is read
        raise bad(WRONG_FIELD, "type")
    return found


def _data(event: MappedEvent, context: TemplateContext, time: str) -> Iterator[tuple[str, Any]]:
    """The fields of the event's data; None is none."""
    required = _REQUIRED.get(event.type, ())
    for name, choice in event.fields.items():
        if name not in _APART:
            yield name, _text(choice, context) if name in required else choice.fill(context)
    for name, choice in event.times.items():
        if name != "time":
            yield name, _time(choice, context, required=name in required)
    yield from _tasks(event, context)
    if "expires_in" in event.fields:
        choice = event.fields["expires_in"]
        text = _text(choice, context) if "expires_at" in required else choice.fill(context)
        yield "expires_at", _later(text, choice, time, event.expires_in_unit)
    if "outcome" in event.fields:
        yield "outcome", _outcome(event, context)
    yield from _names(event, context)
    yield from _terms(event, context)


def _tasks(event: MappedEvent, context: TemplateContext) -> Iterator[tuple[str, Any]]:
    """The task, and for an issue also the group of its task: one of them is needed, but for a use."""
    found = {name: event.fields[name].fill(context) for name in _TASKS if name in event.fields}
    if event.type != "credential.used" and found and not any(found.values()):
        raise bad(MISSING_FIELD, event.fields[next(iter(found))].missing(context))
    yield from found.items()


def _names(event: MappedEvent, context: TemplateContext) -> Iterator[tuple[str, Any]]:
    """What the credential is recognised by; where it is only spoken of, its id will do."""
    if event.type == "credential.issued":
        yield "identifiers", [_identifier(identifier, context) for identifier in event.identifiers]
    elif event.identifiers:
        named = event.fields.get("credential_id")
        if named is None or named.fill(context) is None:
            yield "identifier", _identifier(event.identifiers[0], context)


def _terms(event: MappedEvent, context: TemplateContext) -> Iterator[tuple[str, Any]]:
    """What a credential is issued for."""
    if event.grants is not None:
        yield "grants", [_wire(grant) for grant in _granted(event.grants, context)]
    if event.bound_to is not None:
        bound = event.bound_to
        lists = {"workloads": bound.workloads, "source_ips": bound.source_ips}
        yield (
            "bound_to",
            {name: _spread(some, context, bound.split) for name, some in lists.items() if some is not None},
        )
    if event.issued_to:
        to = {name: choice.fill(context) for name, choice in event.issued_to.items()}
        yield "issued_to", {name: text for name, text in to.items() if text is not None}
    if event.revocation:
        filled = {name: choice.fill(context) for name, choice in event.revocation.items()}
        yield "revocation", {name: text for name, text in filled.items() if text is not None}


def _text(choice: Choice, context: TemplateContext) -> str:
    text = choice.fill(context)
    if text is None:
        raise bad(MISSING_FIELD, choice.missing(context))
    return text


def _time(choice: Choice, context: TemplateContext, *, required: bool) -> str | None:
    text = _text(choice, context) if required else choice.fill(context)
    if text is None:
        return None
    time = answer_time(text)
    if time is None:
        raise bad(BAD_TIME, _path(choice), "not a time in a known format")
    return format_rfc3339(time)


def _later(text: str | None, choice: Choice, since: str, unit: int) -> str | None:
    """So long after a time, a plain number counted in `unit` (ns); for ever where there is none, or none left."""
    if text is None:
        return None
    try:
        lifetime = read_duration(text, unit)
    except ValueError:
        detail = f"not a duration such as 90, 30m or PT30M: {_class_of(text)}"
        raise bad(WRONG_FIELD, _path(choice), detail) from None
    start = log_time(since) or 0
    return format_rfc3339(start + lifetime) if 0 < lifetime < _LATEST - start else None


def _path(choice: Choice) -> str:
    """The first path of a choice."""
    return next((".".join(part) for part in choice.templates[0].parts if isinstance(part, tuple)), "")


def _outcome(event: MappedEvent, context: TemplateContext) -> str | None:
    """As it is written, or what it stands for by the table of outcomes. None if the record has none.

    Raises:
        BadRecordError: it is a list or an object, no glob of the table matches it, or it is written in another way than
            curfewd's.
    """
    choice = event.fields["outcome"]
    text = choice.fill(context)
    if text is None:
        structure = choice.structure(context)
        if structure is None:
            return None
        what = "a list" if isinstance(structure, list) else "an object"
        raise bad(WRONG_FIELD, _path(choice), f"{what}; an outcome is text, a number, true or false")
    outcomes = event.outcomes or {outcome: outcome for outcome in _OUTCOMES[event.type]}
    found = next((outcome for glob, outcome in outcomes.items() if compile_glob(glob)(text)), None)
    if found is None:
        lacks = "no glob in `outcomes` matches it" if event.outcomes else "it needs a table of `outcomes`"
        raise bad(WRONG_FIELD, _path(choice), f"{lacks}: {_class_of(text)}")
    return found


def _class_of(text: str) -> str:
    """What a value is, without the value."""
    if text in {"true", "false"}:
        return "true or false"
    if _NUMBER.fullmatch(text):
        return "a number"
    what = "letter" if text.isalpha() else "character"
    return f"a text of {counted(len(text), what)}"


def _identifier(identifier: MappedIdentifier, context: TemplateContext) -> dict[str, Any]:
    scheme = identifier.scheme.fill(context)
    if scheme is None:
        raise bad(MISSING_FIELD, identifier.scheme.missing(context))
    if identifier.secret is not None:
        secret = _text(identifier.secret, context).encode()
        return {"scheme": scheme, "value": sha256_hex(Secret(secret)), "length": len(secret)}
    found: dict[str, Any] = {"scheme": scheme, "value": _text(identifier.value or Choice(()), context)}
    length = identifier.length.fill(context) if identifier.length is not None else None
    if length is not None and identifier.length is not None:
        if not (length.isascii() and length.isdecimal()):
            raise bad(WRONG_FIELD, _path(identifier.length))
        found["length"] = int(length)
    return found


def _granted(grants: Sequence[MappedGrant], context: TemplateContext) -> Iterator[Grant]:
    for grant in grants:
        if all(condition.holds(context.value_at(condition.path)) for condition in grant.when):
            yield Grant(
                *(
                    None if templates is None else tuple(_spread(templates, context, grant.split))
                    for templates in (grant.actions, grant.resources)
                )
            )


def _spread(templates: Sequence[Template], context: TemplateContext, split: str | None) -> list[str]:
    return [text for each in templates for text in each.spread(context, split)]


def _wire(grant: Grant) -> dict[str, Any]:
    lists = {"actions": grant.actions, "resources": grant.resources}
    return {name: globs for name, globs in lists.items() if globs is not None}


def _overridden(adapter: Adapter, override: Override) -> Adapter:
    """A bundled source whose events have another task, or grants."""
    translate = adapter.translate

    def otherwise(record: Record, now: int) -> list[CanonicalEvent]:
        events = translate(record, now)
        if not events:
            return events
        context = TemplateContext(record, override.captures)
        task = override.task_id.fill(context) if override.task_id is not None else None
        group = override.task_group.fill(context) if override.task_group is not None else None
        return [_changed(event, task, group, override.grants, context) for event in events]

    return msgspec.structs.replace(adapter, translate=otherwise)


def _changed(
    event: CanonicalEvent,
    task: str | None,
    group: str | None,
    grants: Sequence[MappedGrant],
    context: TemplateContext,
) -> CanonicalEvent:
    changes: dict[str, Any] = {}
    if task is not None and isinstance(event, CredentialIssued | TaskStarted | TaskEnded):
        changes["task_id"] = task
        if isinstance(event, CredentialIssued):
            changes |= {"task_group": None, "unjoined": None}  # it has a task now
    elif group is not None and isinstance(event, CredentialIssued) and event.unjoined is not None:
        changes |= {"task_id": None, "task_group": group}
    if grants and isinstance(event, CredentialIssued):
        granted = tuple(_granted(grants, context))
        if granted:
            changes["grants"] = granted
    return msgspec.structs.replace(event, **changes) if changes else event
