"""Sources as a configuration describes them: what a record must be like, and what is made of it. No code of a user's."""

from collections.abc import Mapping

import msgspec

from detector.adapters.otlp.agent_spans import OFF
from detector.configuration.templates import Capture, Choice, Condition, Names, Template


class MappedIdentifier(msgspec.Struct, frozen=True):
    """An identifier: its `value`, or the `secret` of which the SHA-256 is taken at once."""

    scheme: Template
    value: Choice | None = None
    secret: Choice | None = None
    length: Choice | None = None


class MappedGrant(msgspec.Struct, frozen=True):
    """A grant; `when` says for which records."""

    actions: tuple[Template, ...] | None = None
    resources: tuple[Template, ...] | None = None
    when: tuple[Condition, ...] = ()


class MappedEvent(msgspec.Struct, frozen=True):
    """One canonical event made of a record. `fields` are texts, `times` times; `outcomes` are (glob, outcome)."""

    type: str
    fields: Mapping[str, Choice]
    times: Mapping[str, Choice]
    when: tuple[Condition, ...] = ()
    identifiers: tuple[MappedIdentifier, ...] = ()
    grants: tuple[MappedGrant, ...] | None = None
    bound_to: Mapping[str, tuple[Template, ...]] = {}
    revocation: Mapping[str, Choice] = {}
    outcomes: Mapping[str, str] = {}


class MappedSource(msgspec.Struct, frozen=True):
    """A source of a user's own: its records are those of which all of `match` holds.

    `unwrap` is where another source's record stands in it, as an object or as text; `scan` says whether its own text is
    scanned for secrets.
    """

    name: str
    match: tuple[Condition, ...]
    captures: tuple[Capture, ...] = ()
    events: tuple[MappedEvent, ...] = ()
    unwrap: Names | None = None
    scan: bool = False


class Override(msgspec.Struct, frozen=True):
    """What is otherwise with a bundled source."""

    enabled: bool = True
    task_id: Choice | None = None
    captures: tuple[Capture, ...] = ()
    grants: tuple[MappedGrant, ...] = ()


class LogSettings(msgspec.Struct, frozen=True):
    """What is otherwise with log records. `agents` says whether OpenTelemetry's spans of agents are tasks."""

    task_id: Choice | None = None
    agents: str = OFF


class SourceSettings(msgspec.Struct, frozen=True):
    """All of it; `overrides` by the name of the source."""

    sources: tuple[MappedSource, ...] = ()
    overrides: Mapping[str, Override] = {}
    logs: LogSettings = LogSettings()
