"""One frozen settings object, built at start from a TOML file and the environment, handed on in pieces.

Every key is declared once, in the tables of fields below: its reader, its default, what it means. Unknown keys,
wrong values and their lines all follow from those tables; `problems` finds every one of them, not just the first.
"""

import datetime as dt
import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.errors import ConfigError
from detector.findings import RULES, Severity
from detector.policy import DEFAULT_RULES, Accept, Policy, RuleOverride, Tuning
from detector.secrets import DeploymentKey, decode_key
from detector.times import SECOND, parse_duration, parse_rfc3339
from detector.tomlfile import Key, TomlFile

KEY_VARIABLE: Final = "CURFEWD_KEY"
NO_KEY_WARNING: Final = (
    f"no deployment key: set {KEY_VARIABLE} or key_file. Credentials registered by hmac-sha256 are not recognised, "
    "and the fingerprints of leaked secrets hold for this run only"
)


class PatternSettings(msgspec.Struct, frozen=True):
    """Where patterns come from beside the bundled ones. Paths are resolved against the configuration file.

    `paths` are pattern files or folders (our own format or gitleaks-style), `disable` globs of pattern ids,
    `plugins` detect-secrets plugins: ids of bundled ones to switch on, or custom plugin files;
    `baseline` a `.secrets.baseline` whose secrets are silenced.
    """

    paths: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    detect_secrets: bool = True
    plugins: tuple[str, ...] = ()
    baseline: str | None = None


class Settings(msgspec.Struct, frozen=True):
    """Everything that is configured. `keys` in force, the first of them makes the fingerprints we write."""

    keys: tuple[DeploymentKey, ...] = ()
    policy: Policy = Policy()
    patterns: PatternSettings = PatternSettings()
    warnings: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: str | None, environ: Mapping[str, str] = os.environ) -> "Settings":
        """The settings of a file (None: the defaults) and the environment.

        Raises:
            ConfigError: the first thing that is wrong, with its file and line.
        """
        settings, errors = read(path, environ)
        if errors:
            raise errors[0]
        return settings


def problems(path: str | None, environ: Mapping[str, str] = os.environ) -> list[ConfigError]:
    """Everything that is wrong with a configuration, in the order of its lines."""
    try:
        return read(path, environ)[1]
    except ConfigError as error:
        return [error]


class Field(msgspec.Struct, frozen=True):
    """One key: how its value is read (ValueError: what it should be) and what it means."""

    read: Callable[[Any], Any]
    about: str


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("write text in quotes")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("write a list of texts")  # noqa: TRY004 - readers raise ValueError alone
    return tuple(_text(item) for item in value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("write true or false")  # noqa: TRY004 - readers raise ValueError alone
    return value


def _severity(value: Any) -> Severity:
    try:
        return Severity.of(value)
    except (KeyError, AttributeError):
        raise ValueError("write low, medium, high or critical") from None


def _moment(value: Any) -> int:
    """A TOML date-time with an offset, or RFC 3339 text: nanoseconds."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        value = value.isoformat()
    if not isinstance(value, str):
        raise ValueError("write a time with a zone, such as 2027-01-31T00:00:00Z")  # noqa: TRY004 - as above
    return parse_rfc3339(value)


def _rule(value: Any) -> str:
    text = _text(value)
    if not any(c in text for c in "*?") and text not in RULES:
        raise ValueError(f"no such rule{_nearest(text, RULES)}; the rules are {', '.join(RULES)}")
    return text


def _watermark_delay(value: Any) -> int:
    delay = parse_duration(value)
    if delay > 24 * 3600 * SECOND:
        raise ValueError("more than a day: findings would come that much later")
    return delay


RULE_FIELDS: Final = {
    "enabled": Field(_flag, "whether the rule is judged at all"),
    "severity": Field(_severity, "of its findings; a denied use never weighs more"),
    "revoke": Field(_flag, "whether its evidence asks for the credential's revocation"),
    "hold": Field(parse_duration, "live: how long a command waits for events that would undo its evidence"),
}
KIND_FIELDS: Final = {
    "skew": Field(parse_duration, "by how much clocks may differ before a use counts as outside (5 s)"),
    "linger": Field(parse_duration, "how long after its task a credential may stay valid (60 s)"),
    "max_task_age": Field(
        parse_duration, "the deadline of tasks that state none, counted from their start (none)"
    ),
}
TOP_FIELDS: Final = {
    "key_file": Field(
        _text, f"file with the deployment key, hex or base64; {KEY_VARIABLE} in the environment does the same"
    ),
    **KIND_FIELDS,
    "confirm": Field(
        parse_duration, "live: how long a revocation may take before it counts as unconfirmed (5 min)"
    ),
    "lateness": Field(
        parse_duration, "live: how far behind the watermark an event may be and still re-judge (15 min)"
    ),
    "retention": Field(parse_duration, "live: how long a dead credential's state is kept (24 h)"),
    "watermark_delay": Field(
        _watermark_delay, "live: how far the watermark stays behind the latest event (10 s)"
    ),
}
KEY_FIELDS: Final = {
    "id": Field(_text, "the key's id, as identifiers carry it in key_id"),
    "file": Field(_text, "file with the key, hex or base64"),
    "env": Field(_text, "environment variable with the key"),
}
ACCEPT_FIELDS: Final = {
    "rule": Field(_rule, "glob of rules"),
    "credential": Field(_text, "glob of credential ids"),
    "task": Field(_text, "glob of task ids"),
    "workload": Field(_text, "glob of the task's workload"),
    "fingerprint": Field(_text, "glob of a leaked secret's fingerprint"),
    "reason": Field(_text, "why; required"),
    "expiry": Field(_moment, "until when evidence is accepted; required"),
}
PATTERN_FIELDS: Final = {
    "paths": Field(_texts, "pattern files or folders of your own, or gitleaks-style TOML"),
    "disable": Field(_texts, "globs of pattern ids that are switched off"),
    "detect_secrets": Field(_flag, "whether detect-secrets' plugins take part (true)"),
    "plugins": Field(_texts, "detect-secrets plugins to switch on by name, or custom plugin files"),
    "baseline": Field(_text, "a .secrets.baseline: what was audited there is silent here"),
}
TABLES: Final = {
    "keys": KEY_FIELDS,
    "rules": RULE_FIELDS,
    "kinds": KIND_FIELDS,
    "accept": ACCEPT_FIELDS,
    "patterns": PATTERN_FIELDS,
}


class _Reader:
    """Reads tables by their fields and collects what is wrong instead of stopping at it."""

    def __init__(self, file: TomlFile) -> None:
        self.file = file
        self.errors: list[ConfigError] = []

    def fail(self, reason: str, *keys: Key) -> None:
        self.errors.append(self.file.error(reason, *keys))

    def table(self, value: Any, *keys: Key) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self.fail(f"{_dotted(keys)}: write a table, [{_dotted(keys)}]", *keys)
        return {}

    def tables(self, value: Any, *keys: Key) -> list[dict[str, Any]]:
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return value
        self.fail(f"{_dotted(keys)}: write tables, [[{_dotted(keys)}]]", *keys)
        return []

    def fields(
        self, table: Mapping[str, Any], fields: Mapping[str, Field], *keys: Key, also: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """The values of a table's known keys; the others are errors."""
        values: dict[str, Any] = {}
        for name, value in table.items():
            if name in also:
                continue
            field = fields.get(name)
            if field is None:
                known = (*fields, *also)
                self.fail(
                    f"{_dotted((*keys, name))}: no such key{_nearest(name, known)}; known here: {', '.join(known)}",
                    *keys,
                    name,
                )
                continue
            try:
                values[name] = field.read(value)
            except ValueError as error:
                self.fail(f"{_dotted((*keys, name))}: {error}", *keys, name)
        return values

    def rules(self, value: Any, *keys: Key) -> dict[str, RuleOverride]:
        overrides = {}
        for name, table in self.table(value, *keys).items():
            if name not in RULES:
                self.fail(
                    f"{_dotted((*keys, name))}: no such rule{_nearest(name, RULES)}; the rules are {', '.join(RULES)}",
                    *keys,
                    name,
                )
                continue
            overrides[name] = RuleOverride(
                **self.fields(self.table(table, *keys, name), RULE_FIELDS, *keys, name)
            )
        return overrides

    def accept(self, table: dict[str, Any], index: int) -> Accept | None:
        values = self.fields(table, ACCEPT_FIELDS, "accept", index)
        missing = [name for name in ("reason", "expiry") if name not in table]
        if missing:
            self.fail(f"accept: needs {' and '.join(missing)}", "accept", index)
        elif not set(table) - {"reason", "expiry"}:
            self.fail(
                "accept: needs at least one of rule, credential, task, workload, fingerprint", "accept", index
            )
        return Accept(**values) if {"reason", "expiry"} <= set(values) else None


def read(path: str | None, environ: Mapping[str, str]) -> tuple[Settings, list[ConfigError]]:
    """The settings as far as they can be read, and everything that is wrong with them.

    Raises:
        ConfigError: the file cannot be read or is no TOML.
    """
    file = TomlFile.read(path) if path is not None else TomlFile("", "")
    reader = _Reader(file)
    data = file.data
    top = reader.fields(data, TOP_FIELDS, also=tuple(TABLES))
    keys = _keys(reader, top.pop("key_file", None), environ)
    overrides = reader.rules(data.get("rules", {}), "rules")
    kinds = {}
    for kind, value in reader.table(data.get("kinds", {}), "kinds").items():
        table = reader.table(value, "kinds", kind)
        values = reader.fields(table, KIND_FIELDS, "kinds", kind, also=("rules",))
        kinds[kind] = Tuning(**values, rules=reader.rules(table.get("rules", {}), "kinds", kind, "rules"))
    accepts = [
        reader.accept(table, i) for i, table in enumerate(reader.tables(data.get("accept", []), "accept"))
    ]
    patterns = reader.fields(reader.table(data.get("patterns", {}), "patterns"), PATTERN_FIELDS, "patterns")
    policy = Policy(
        **top,
        rules={
            name: overrides[name].over(base) if name in overrides else base
            for name, base in DEFAULT_RULES.items()
        },
        kinds=kinds,
        accepts=tuple(accept for accept in accepts if accept is not None),
    )
    settings = Settings(
        keys=keys,
        policy=policy,
        patterns=_pattern_settings(reader, patterns),
        warnings=() if keys or reader.errors else (NO_KEY_WARNING,),
    )
    return settings, sorted(reader.errors, key=lambda error: error.line or 0)


def _pattern_settings(reader: _Reader, values: dict[str, Any]) -> PatternSettings:
    """Paths resolved against the configuration's folder; those that do not exist are errors."""
    if "paths" in values:
        values["paths"] = tuple(_beside(reader, text, "patterns", "paths") for text in values["paths"])
    if "plugins" in values:
        values["plugins"] = tuple(
            _beside(reader, text, "patterns", "plugins") if text.endswith(".py") else text
            for text in values["plugins"]
        )
    if "baseline" in values:
        values["baseline"] = _beside(reader, values["baseline"], "patterns", "baseline")
    return PatternSettings(**values)


def _beside(reader: _Reader, text: str, *keys: Key) -> str:
    path = Path(reader.file.path).parent / text
    if not path.exists():
        reader.fail(f"{_dotted(keys)}: {path}: no such file or folder", *keys)
    return str(path)


def _keys(reader: _Reader, key_file: str | None, environ: Mapping[str, str]) -> tuple[DeploymentKey, ...]:
    """All keys in force: the environment's, `key_file`'s, then those of `[[keys]]` in their order."""
    found: list[DeploymentKey] = []
    folder = Path(reader.file.path).parent
    if environ.get(KEY_VARIABLE):
        try:
            found.append(DeploymentKey.of(decode_key(environ[KEY_VARIABLE])))
        except ValueError as error:
            reader.errors.append(ConfigError(str(error), KEY_VARIABLE))
    if key_file is not None:
        try:
            found.append(_key_of_file(folder / key_file, ""))
        except ValueError as error:
            reader.fail(f"key_file: {error}", "key_file")
    for i, table in enumerate(reader.tables(reader.file.data.get("keys", []), "keys")):
        try:
            found.append(_key_of_table(table, reader.fields(table, KEY_FIELDS, "keys", i), folder, environ))
        except ValueError as error:
            reader.fail(f"keys: {error}", "keys", i)
    unique = {key.material: key for key in reversed(found)}
    return tuple(key for key in found if unique[key.material] is key)


def _key_of_table(
    table: Mapping[str, Any], values: Mapping[str, Any], folder: Path, environ: Mapping[str, str]
) -> DeploymentKey:
    if "id" not in table or ("file" in table) == ("env" in table):
        raise ValueError("each needs an id, and either file or env")
    if "file" in values:
        return _key_of_file(folder / values["file"], values["id"])
    text = environ.get(values["env"])
    if not text:
        raise ValueError(f"the environment variable {values['env']} is not set")
    return DeploymentKey.of(decode_key(text), values["id"])


def _key_of_file(path: Path, key_id: str) -> DeploymentKey:
    try:
        text = path.read_text("ascii")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: a deployment key is written as hex or base64") from None
    try:
        return DeploymentKey.of(decode_key(text), key_id)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _dotted(keys: tuple[Key, ...]) -> str:
    return ".".join(str(key) for key in keys if isinstance(key, str))


def _nearest(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
