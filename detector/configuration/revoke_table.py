"""Reads the `[revoke]` table, and checks that what it says goes together.

It knows nothing of the targets but their names: `detector.revoke.target_tables` checks their options.
"""

import re  # over names and times of day of a configuration
import zoneinfo
from collections.abc import Mapping, Sequence
from typing import Any, Final

from detector.configuration.fields import (
    FILE,
    FLAG,
    TEXT,
    TEXTS,
    Field,
    FieldReader,
    ValueType,
    dotted,
    duration_between,
    one_of,
    text,
    whole_number,
)
from detector.configuration.kafka_settings import INLINE
from detector.configuration.revoke_settings import (
    MATCHED,
    NOTICE_TYPES,
    OUTCOMES,
    ApprovalRule,
    Approver,
    Limits,
    Notice,
    QuietHours,
    RevokeSettings,
    Scope,
    SecretFile,
    TargetTable,
)
from detector.configuration.service_settings import ADDRESS
from detector.configuration.urls import https_url
from detector.terminal.output import shown
from detector.values.bounded_files import SECRET_BYTES, read_bounded
from detector.values.secrets import DeploymentKey, decode_key
from detector.values.toml_file import Key
from detector.values.wording import counted

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_WEEK: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY: Final = 24 * 60  # minutes
_MOST: Final = 1_000_000


def _name(value: Any) -> str:
    if not _NAME.fullmatch(text(value)):
        raise ValueError(
            "a name is made of at most 64 letters, digits and . _ @ -, and begins with a letter or digit"
        )
    return str(value)


def _time_of_day(value: Any) -> int:
    if value == "24:00":
        return _DAY
    found = _TIME_OF_DAY.fullmatch(text(value))
    if found is None:
        raise ValueError('write a time of the day in quotes: "22:00"')
    return 60 * int(found[1]) + int(found[2])


def _zone(value: Any) -> str:
    try:
        zoneinfo.ZoneInfo(text(value))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            'no such time zone here: write its IANA name, such as "Europe/Berlin" or "UTC"'
        ) from None
    return str(value)


def _days(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not value or not all(day in _WEEK for day in value):
        raise ValueError(f"write a list of days: {', '.join(_WEEK)}")
    return tuple(sorted({_WEEK.index(day) for day in value}))


def _outcomes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(each in OUTCOMES for each in value):
        raise ValueError(f"write a list of outcomes: {', '.join(OUTCOMES)}")
    return tuple(each for each in OUTCOMES if each in value)


_GLOBS: Final = "globs of "
SCOPE_FIELDS: Final = {
    "targets": Field(TEXTS, f"{_GLOBS}the names of targets, as in `[revoke.targets.NAME]`"),
    "kinds": Field(TEXTS, f"{_GLOBS}the kinds of credentials"),
    "tasks": Field(TEXTS, f"{_GLOBS}task ids; of several candidates all must match, for a denial one"),
    "owners": Field(TEXTS, f"{_GLOBS}the owners of tasks"),
}
LIMIT_FIELDS: Final = {
    "per_minute": Field(whole_number(0, _MOST), "credentials in any minute", "20"),
    "per_hour": Field(whole_number(0, _MOST), "credentials in any hour", "100"),
    "per_owner": Field(
        whole_number(0, _MOST), "credentials of one owner in any hour; those without an owner are one", "20"
    ),
    "per_target": Field(whole_number(0, _MOST), "credentials at one target in any hour", "50"),
}
APPROVAL_FIELDS: Final = {
    "approvals": Field(whole_number(1, 10), "how many different people must approve; required"),
    "irreversible": Field(FLAG, "only commands with a step that no one can undo", "false"),
    **SCOPE_FIELDS,
}
APPROVER_FIELDS: Final = {
    "name": Field(ValueType("name", _name), "who it is, as the outcomes say it; required"),
    "token_file": Field(
        FILE,
        "file with the token of this person, at least 32 characters; `openssl rand -hex 32` makes one; required",
    ),
}
QUIET_FIELDS: Final = {
    "from": Field(ValueType("time of day", _time_of_day), "when it begins: `22:00`; required"),
    "until": Field(
        ValueType("time of day", _time_of_day), "when it ends, on the next day if that is not later; required"
    ),
    "zone": Field(
        ValueType("IANA time zone", _zone), "the time zone of both, such as `Europe/Berlin`; required"
    ),
    "days": Field(ValueType("list of days", _days), "the days on which it begins; all by default"),
}
TARGET_FIELDS: Final = {
    "type": Field(TEXT, "what kind of target it is: [the types](revoke.md#targets); required"),
}
NOTICE_FIELDS: Final = {
    "name": Field(ValueType("name", _name), "its name, in messages; required"),
    "type": Field(one_of(*NOTICE_TYPES), "what is at the URL; required"),
    "url": Field(
        https_url("who owns the credential, and what became of it,"),
        "where it is sent; of Alertmanager the address without a path; either this or `url_file`",
    ),
    "url_file": Field(FILE, "file with the URL, if whoever knows it may write there, as with Slack"),
    "secret_file": Field(
        FILE, "`webhook`: file with the secret that signs it (Standard Webhooks): `whsec_…`"
    ),
    "token_file": Field(FILE, "`alertmanager`: file with a bearer token"),
    "ca_file": Field(
        FILE, "PEM file of the authorities that sign the server's certificate; the system's by default"
    ),
    "outcomes": Field(ValueType("list of outcomes", _outcomes), "which outcomes it reports; all by default"),
    **SCOPE_FIELDS,
}
REVOKE_FIELDS: Final = {
    "mode": Field(
        one_of("plan", "act"), "`plan` says what would be done, and does nothing; `act` revokes", '"plan"'
    ),
    "never": Field(
        TEXTS,
        "globs of what is never revoked: credential ids, identifiers, names in the handle (roles, users, accounts)"
        " and what the target finds for it",
        "[]",
    ),
    "command_key_file": Field(
        FILE,
        "file with the keys that the signatures of commands are checked with, one a line, beside those that the"
        " deployment keys give: [`curfewd revoke command-keys`](revoke.md#signed-commands) prints them",
    ),
    "allow_unsigned": Field(
        FLAG,
        "with a key: whether a command without a signature is carried out too; one with a wrong signature never is",
        "false",
    ),
    "max_age": Field(
        duration_between("1min", "365d"),
        "a command whose evidence is older is held until somebody approves it",
        '"24h"',
    ),
    "approval_age": Field(duration_between("1min", "365d"), "how long an approval is valid", '"24h"'),
    "deadline": Field(
        duration_between("1s", "7d"), "a step that has not succeeded by then has failed", '"10min"'
    ),
    "call_timeout": Field(
        duration_between("1s", "10min"), "how long to wait for a provider's answer", '"15s"'
    ),
    "concurrency": Field(whole_number(1, 64), "how many commands are carried out at once at one target", "8"),
    "breaker_failures": Field(
        whole_number(1, 1000), "after this many failures in a row, a target is left alone for a while", "5"
    ),
    "breaker_pause": Field(duration_between("1s", "24h"), "for how long", '"30s"'),
    "probes": Field(
        ADDRESS,
        "address of /healthz, /readyz and /metrics of `curfewd revoke`: it has no other port",
        '"127.0.0.1:9466"',
    ),
    "audit_log": Field(
        FILE,
        "file to which `curfewd revoke` adds a line for each of its own acts",
        '"curfewd-revocations.log"',
    ),
}
_TABLES: Final = ("allow", "deny", "limits", "approval", "approver", "quiet_hours", "targets", "notice")
_RENAMED_IN_NOTICES: Final = {"secret_file": "secret", "token_file": "token", "url_file": "url_file"}


def read_revoke(
    reader: FieldReader, data: Mapping[str, Any], keys: Sequence[DeploymentKey] = ()
) -> RevokeSettings:
    """The settings that can be read, with the deployment `keys` in force. The reader collects mistakes."""
    command_keys = tuple(key.for_commands() for key in keys)
    if "revoke" not in data:
        return RevokeSettings(command_keys=command_keys)
    table = reader.table(data["revoke"], "revoke")
    values = reader.fields(table, REVOKE_FIELDS, "revoke", also=_TABLES)
    if "audit_log" in values:
        values["audit_log"] = str(reader.folder / values["audit_log"])
    if "command_key_file" in values:
        values["command_key_file"] = str(reader.folder / values["command_key_file"])
        command_keys += _command_keys(reader, values["command_key_file"])
    limits = reader.fields(
        reader.table(table.get("limits", {}), "revoke", "limits"), LIMIT_FIELDS, "revoke", "limits"
    )
    approvers = _approvers(reader, table.get("approver", []))
    return RevokeSettings(
        given=True,
        **values,
        command_keys=tuple(dict.fromkeys(command_keys)),
        limits=Limits(**limits),
        allow=_scope(reader, reader.table(table.get("allow", {}), "revoke", "allow"), "revoke", "allow"),
        deny=_scope(reader, reader.table(table.get("deny", {}), "revoke", "deny"), "revoke", "deny"),
        approvers=tuple(approvers),
        approvals=tuple(_approvals(reader, table.get("approval", []), len(table.get("approver", [])))),
        quiet_hours=tuple(_quiet_hours(reader, table.get("quiet_hours", []))),
        targets=tuple(_targets(reader, table.get("targets", {}))),
        notices=tuple(_notices(reader, table.get("notice", []))),
    )


def _command_keys(reader: FieldReader, path: str) -> tuple[DeploymentKey, ...]:
    try:
        texts = read_bounded(path, SECRET_BYTES).decode("ascii", "replace").split()
        return tuple(DeploymentKey.of(decode_key(text)) for text in texts or [""])
    except ValueError as error:
        reader.fail(f"revoke.command_key_file: {shown(path)}: {error}", "revoke", "command_key_file")
        return ()


def _scope(reader: FieldReader, table: Mapping[str, Any], *keys: Key) -> Scope:
    return Scope(**reader.fields(table, SCOPE_FIELDS, *keys))


def _needs(reader: FieldReader, table: Mapping[str, Any], names: tuple[str, ...], *keys: Key) -> bool:
    """Whether a table has all of these keys. One that is missing is a mistake."""
    missing = [name for name in names if name not in table]
    if missing:
        reader.fail(f"{dotted(keys)}: needs {', '.join(missing)}", *keys)
    return not missing


def _entries(
    reader: FieldReader, value: Any, fields: Mapping[str, Field], required: tuple[str, ...], name: str
) -> list[tuple[int, dict[str, Any]]]:
    """The values of each `[[revoke.NAME]]` that can be read, with its number."""
    found = []
    for number, table in enumerate(reader.tables(value, "revoke", name)):
        before = len(reader.errors)
        values = reader.fields(table, fields, "revoke", name, number)
        if _needs(reader, table, required, "revoke", name, number) and len(reader.errors) == before:
            found.append((number, values))
    return found


def _taken(values: dict[str, Any]) -> Scope:
    """The scope among the values of an entry, which then has the rest."""
    return Scope(**{name: values.pop(name) for name in SCOPE_FIELDS if name in values})


def _secret_file(reader: FieldReader, name: str, key: str) -> SecretFile:
    return SecretFile(str(reader.folder / name), key)


def _approvers(reader: FieldReader, value: Any) -> list[Approver]:
    found: dict[str, Approver] = {}
    for number, values in _entries(reader, value, APPROVER_FIELDS, ("name", "token_file"), "approver"):
        if values["name"].casefold() in {name.casefold() for name in found}:
            reader.fail(
                "revoke.approver.name: another approver has this name", "revoke", "approver", number, "name"
            )
            continue
        key = f"revoke.approver {values['name']}: token_file"
        found[values["name"]] = Approver(values["name"], _secret_file(reader, values["token_file"], key))
    paths = [approver.token.path for approver in found.values()]
    if len(set(paths)) < len(paths):
        reader.fail(
            "revoke.approver: two approvers have one token_file: they would be one person",
            "revoke",
            "approver",
            len(paths) - 1,
        )
    return list(found.values())


def _approvals(reader: FieldReader, value: Any, people: int) -> list[ApprovalRule]:
    """The rules, for so many approvers. A rule that needs more could never be met."""
    found = []
    for number, values in _entries(reader, value, APPROVAL_FIELDS, ("approvals",), "approval"):
        if values["approvals"] > people:
            have = f"has {people or 'no'} [[revoke.approver]]"
            reason = (
                f"revoke.approval.approvals: the rule asks for {counted(values['approvals'], 'approval')} and the configuration "
                f"{have}: such commands would wait for ever"
            )
            reader.fail(reason, "revoke", "approval", number, "approvals")
        scope = _taken(values)
        found.append(ApprovalRule(**values, scope=scope))
    return found


def _quiet_hours(reader: FieldReader, value: Any) -> list[QuietHours]:
    found = []
    for number, values in _entries(reader, value, QUIET_FIELDS, ("from", "until", "zone"), "quiet_hours"):
        start, end = values.pop("from"), values.pop("until")
        if start % _DAY == end % _DAY and not (start == 0 and end == _DAY):
            reader.fail(
                'revoke.quiet_hours: it begins when it ends; for a whole day write from = "00:00", until = "24:00"',
                "revoke",
                "quiet_hours",
                number,
            )
            continue
        found.append(QuietHours(start % _DAY, end, **values))
    return found


def _targets(reader: FieldReader, value: Any) -> list[TargetTable]:
    found = []
    for name, own in reader.table(value, "revoke", "targets").items():
        keys = ("revoke", "targets", name)
        table = reader.table(own, *keys)
        if not _NAME.fullmatch(name):
            reader.fail(
                "revoke.targets: the name of a target is made of at most 64 letters, digits and . _ @ -",
                *keys,
            )
            continue
        before = len(reader.errors)
        for inline in sorted(INLINE & set(table)):
            reader.fail(
                f"{dotted((*keys, inline))}: never write a secret in the configuration: put it in a file, and write "
                f"{inline}_file",
                *keys,
                inline,
            )
        options = {key: option for key, option in table.items() if key not in {"type", "match"}}
        values = reader.fields(table, TARGET_FIELDS, *keys, also=("match", *options))
        match = _match(reader, table.get("match", {}), *keys, "match")
        if _needs(reader, table, ("type",), *keys) and len(reader.errors) == before:
            lines = {key: reader.file.line(*keys, key) for key in table}
            line = reader.file.line(*keys)
            found.append(TargetTable(name, values["type"], match, options, reader.file.path, line, lines))
    return found


def _match(reader: FieldReader, value: Any, *keys: Key) -> dict[str, tuple[str, ...]]:
    fields = {name: Field(_GLOB_OR_GLOBS, "") for name in MATCHED}
    return reader.fields(reader.table(value, *keys), fields, *keys)


def _glob_or_globs(value: Any) -> tuple[str, ...]:
    found: tuple[str, ...] = TEXTS.read([value] if isinstance(value, str) else value)
    if not found:
        raise ValueError("an empty list matches nothing: leave it out")
    return found


_GLOB_OR_GLOBS: Final = ValueType("glob, or list of globs", _glob_or_globs)


def _notices(reader: FieldReader, value: Any) -> list[Notice]:
    found: dict[str, Notice] = {}
    for number, values in _entries(reader, value, NOTICE_FIELDS, ("name", "type"), "notice"):
        at: tuple[Key, ...] = ("revoke", "notice", number)
        name, kind = values["name"], values["type"]
        if name in found:
            reader.fail("revoke.notice.name: another notice has this name", *at, "name")
        if ("url" in values) == ("url_file" in values):
            reader.fail("revoke.notice: needs either url or url_file", *at)
        for key, needed in (("secret_file", "webhook"), ("token_file", "alertmanager")):
            if key in values and kind != needed:
                reader.fail(f"revoke.notice.{key}: has an effect only with type {needed}", *at, key)
        if kind == "webhook" and "secret_file" not in values:
            reader.fail(
                "revoke.notice: a webhook needs secret_file: whoever gets it must know who sent it", *at
            )
        scope = _taken(values)
        for key, field in _RENAMED_IN_NOTICES.items():
            if key in values:
                values[field] = _secret_file(reader, values.pop(key), f"revoke.notice {name}: {key}")
        if "ca_file" in values:
            values["ca_file"] = str(reader.folder / values["ca_file"])
        found[name] = Notice(**values, scope=scope)
    return list(found.values())
