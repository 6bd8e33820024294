"""Sources that a configuration describes: which records belong to them, and which events are made of a record."""

from collections.abc import Mapping

import msgspec

from detector.adapters.otlp.agent_spans import OFF
from detector.configuration.templates import Capture, Choice, Condition, FieldPath, Template
from detector.values.times import SECOND


class MappedIdentifier(msgspec.Struct, frozen=True):
    """An identifier: its `value`, or the `secret`, of which only the SHA-256 is kept."""

    scheme: Template
    value: Choice | None = None
    secret: Choice | None = None
    length: Choice | None = None


class MappedGrant(msgspec.Struct, frozen=True):
    """A grant, given if all conditions in `when` hold.

    A text that fills a template is a list, parted at each `split`.
    """

    actions: tuple[Template, ...] | None = None
    resources: tuple[Template, ...] | None = None
    when: tuple[Condition, ...] = ()
    split: str | None = None


class MappedBinding(msgspec.Struct, frozen=True):
    """What a credential is bound to. `split` is as in a grant."""

    workloads: tuple[Template, ...] | None = None
    source_ips: tuple[Template, ...] | None = None
    split: str | None = None


class MappedEvent(msgspec.Struct, frozen=True):
    """How to make one canonical event of a record.

    `outcomes` maps globs of the source's outcomes to curfewd's. `expires_in_unit` is that of a plain number (ns).
    """

    type: str
    fields: Mapping[str, Choice]
    times: Mapping[str, Choice]
    when: tuple[Condition, ...] = ()
    identifiers: tuple[MappedIdentifier, ...] = ()
    grants: tuple[MappedGrant, ...] | None = None
    bound_to: MappedBinding | None = None
    issued_to: Mapping[str, Choice] = {}
    expires_in_unit: int = SECOND
    revocation: Mapping[str, Choice] = {}
    outcomes: Mapping[str, str] = {}


class MappedSource(msgspec.Struct, frozen=True):
    """A source of the user's own. Its records are those for which every condition in `match` holds.

    `unwrap` is the path of another source's record inside its own, as an object or as text. `scan` says whether its
    records are scanned for secrets too.
    """

    name: str
    match: tuple[Condition, ...]
    captures: tuple[Capture, ...] = ()
    events: tuple[MappedEvent, ...] = ()
    unwrap: FieldPath | None = None
    scan: bool = False


class Override(msgspec.Struct, frozen=True):
    """Changes to a bundled source."""

    enabled: bool = True
    task_id: Choice | None = None
    task_group: Choice | None = None
    captures: tuple[Capture, ...] = ()
    grants: tuple[MappedGrant, ...] = ()


class LogSettings(msgspec.Struct, frozen=True):
    """Settings for log records. `agents` says whether the spans of agents (OpenTelemetry) are tasks."""

    task_id: Choice | None = None
    agents: str = OFF


class SourceSettings(msgspec.Struct, frozen=True):
    """Everything about sources. `overrides` has the name of the bundled source as its key."""

    sources: tuple[MappedSource, ...] = ()
    overrides: Mapping[str, Override] = {}
    logs: LogSettings = LogSettings()
