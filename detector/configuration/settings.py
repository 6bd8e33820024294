"""The settings: one frozen object, built at the start from a TOML file and the environment.

The tables of fields below declare every key once, with its type, default and meaning. Unknown keys, wrong values and
their lines follow from those tables. `problems` finds all mistakes, not just the first.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.configuration.accept_table import ACCEPT_FIELDS, read_accepts
from detector.configuration.allow_table import ALLOW_FIELDS, read_allows, unkeyed_warning
from detector.configuration.allowlist import Allow
from detector.configuration.deployment_keys import KEY_FIELDS, KEY_VARIABLE, read_deployment_keys
from detector.configuration.fields import (
    CONFIDENCE,
    DURATION,
    FILE,
    FLAG,
    SEVERITY,
    TEXTS,
    Field,
    FieldReader,
    ValueType,
    dotted,
    some_of,
    suggestion,
    whole_number,
)
from detector.configuration.kafka_settings import KAFKA_FIELDS, KafkaSettings
from detector.configuration.kafka_table import read_kafka
from detector.configuration.mapped_sources import SourceSettings
from detector.configuration.network_settings import NETWORK_FIELDS, read_networks
from detector.configuration.receive_settings import ReceiveSettings
from detector.configuration.receive_table import RECEIVE_FIELDS, read_receive
from detector.configuration.revoke_settings import RevokeSettings
from detector.configuration.revoke_table import REVOKE_FIELDS, read_revoke
from detector.configuration.service_settings import SERVICE_FIELDS, ServiceSettings, read_service
from detector.configuration.source_settings import LOG_FIELDS, OVERRIDE_FIELDS, SOURCE_FIELDS, read_sources
from detector.configuration.trust_settings import TrustEntry
from detector.configuration.trust_table import TRUST_FIELDS, read_trust, unheld
from detector.judge.origins import NetworkPolicy
from detector.judge.policy import Accept, Policy, RuleOverride, Tuning, default_rules
from detector.judge.rules.catalog import RULES
from detector.terminal.output import shown, why
from detector.values.errors import ConfigError
from detector.values.findings import MOST_FINDINGS, Confidence
from detector.values.forms import ALL as ALL_FORMS
from detector.values.forms import FORMS, left_out
from detector.values.secrets import DeploymentKey
from detector.values.times import SECOND, parse_duration
from detector.values.toml_file import Key, TomlFile

NO_KEY_WARNING: Final = (
    f"no deployment key: set {KEY_VARIABLE} or key_file. Credentials registered by hmac-sha256 are not recognised, "
    "and the fingerprints of leaked secrets are valid for this run only"
)
# Instances cannot agree on a key over Kafka: whoever reads it could try secrets against fingerprints.
NO_KEY_LIVE_WARNING: Final = (
    f"no deployment key: set {KEY_VARIABLE} or key_file, the same for every instance. Credentials registered by "
    "hmac-sha256 are not recognised. Each service.state, and each replay, makes a key of its own for the fingerprints of "
    "leaked secrets: two instances name the same secret differently and report two findings, and so does one that lost its "
    "folder"
)


class PatternSettings(msgspec.Struct, frozen=True):
    """Patterns beside the bundled ones. Paths are relative to the configuration file.

    `paths` are pattern files or folders, in curfewd's format or that of gitleaks. `disable` are globs of pattern ids.
    `plugins` are detect-secrets plugins: ids of bundled ones to switch on, or files. The secrets in `baseline`, a
    `.secrets.baseline`, are not reported. What only its name gives away is reported from `confidence` on.
    """

    paths: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    detect_secrets: bool = True
    plugins: tuple[str, ...] = ()
    baseline: str | None = None
    confidence: Confidence = Confidence.MEDIUM


class ScanSettings(msgspec.Struct, frozen=True):
    """How texts are scanned.

    With `every_window` a registered secret is found whatever is glued to it, without it between delimiters alone.
    `findings_per_stream` is how many secrets that nobody registered are reported of a stream in a window; 0: all.
    `forms` are the groups of `detector.values.forms` that are looked for. `hold` (ns) is how long a filter holds back
    what may still become a secret.
    """

    every_window: bool = True
    forms: frozenset[str] = ALL_FORMS
    findings_per_stream: int = MOST_FINDINGS
    hold: int = SECOND  # longer than programs pause within what they print


class Settings(msgspec.Struct, frozen=True):
    """The whole configuration. The first of `keys` makes the fingerprints that are written.

    `kafka` is None without a `[kafka]` table. `unmet` is what `[kafka]` and `[service]` need and this machine lacks,
    such as a certificate's file. A replay does without it. `secret_variables` are the environment variables that the
    configuration names, or takes by default, for a secret.
    """

    keys: tuple[DeploymentKey, ...] = ()
    policy: Policy = Policy()
    patterns: PatternSettings = PatternSettings()
    scan: ScanSettings = ScanSettings()
    allows: tuple[Allow, ...] = ()
    kafka: KafkaSettings | None = None
    service: ServiceSettings = ServiceSettings()
    sources: SourceSettings = SourceSettings()
    trust: tuple[TrustEntry, ...] = ()
    revoke: RevokeSettings = RevokeSettings()
    receive: ReceiveSettings = ReceiveSettings()
    warnings: tuple[str, ...] = ()
    unmet: tuple[ConfigError, ...] = ()
    secret_variables: frozenset[str] = frozenset()

    @classmethod
    def load(cls, path: str | None, environ: Mapping[str, str] = os.environ) -> "Settings":
        """The settings from a file (None: the defaults) and the environment.

        Raises:
            ConfigError: the first mistake, with its file and line.
        """
        settings, errors = read(path, environ)
        if errors:
            raise errors[0]
        return settings

    def live(self) -> KafkaSettings:
        """The settings for Kafka.

        Raises:
            ConfigError: there is no `[kafka]` table, or this machine lacks something that it names.
        """
        if self.unmet:
            raise self.unmet[0]
        if self.kafka is None:
            raise ConfigError("there is no [kafka] table in the configuration: it needs at least bootstrap")
        return self.kafka


def problems(path: str | None, environ: Mapping[str, str] = os.environ) -> list[ConfigError]:
    """All mistakes in a configuration, in the order of their lines."""
    return checked(path, environ)[1]


def checked(path: str | None, environ: Mapping[str, str] = os.environ) -> tuple[Settings, list[ConfigError]]:
    """The settings as far as they can be read, and all mistakes. The file is read once: it may be a pipe."""
    try:
        settings, errors = read(path, environ)
    except ConfigError as error:
        return Settings(), [error]
    return settings, sorted([*errors, *settings.unmet], key=lambda error: error.line or 0)


def _watermark_delay(value: Any) -> int:
    delay = parse_duration(value)
    if delay > 24 * 3600 * SECOND:
        raise ValueError("more than a day: findings would come that much later")
    return delay


RULE_FIELDS: Final = {
    "enabled": Field(FLAG, "whether the rule is judged"),
    "severity": Field(SEVERITY, "the severity of its findings; a denied use never has a higher one"),
    "revoke": Field(FLAG, "whether its evidence asks for the revocation of the credential"),
    "command_delay": Field(
        DURATION, "live: how long a command waits for events that would undo its evidence"
    ),
}
KIND_FIELDS: Final = {
    "skew": Field(DURATION, "how far the clocks of two machines may differ", '"5s"'),
    "grace_period": Field(DURATION, "how long a credential may live after its task ended", '"60s"'),
    "max_task_age": Field(DURATION, "the deadline of a task that states none, counted from its start"),
    **NETWORK_FIELDS,
}
TOP_FIELDS: Final = {
    "key_file": Field(
        FILE, f"file with the deployment key, hex or base64; {KEY_VARIABLE} in the environment does the same"
    ),
    **KIND_FIELDS,
    "confirm_timeout": Field(
        DURATION, "live: how long after a command the credential must be dead", '"5min"'
    ),
    "lateness": Field(
        DURATION,
        "live: how far behind the watermark an event may arrive and still be judged exactly",
        '"15min"',
    ),
    "retention": Field(
        DURATION, "live: how long state is kept after a credential is dead and its task has ended", '"24h"'
    ),
    "finding_retention": Field(
        DURATION,
        "live: how long the record of a finding stands after it was closed or its state was forgotten; 0: for ever; "
        "[why 90 days](live.md#how-long-findings-stand)",
        '"90d"',
    ),
    "watermark_delay": Field(
        ValueType("duration, at most a day", _watermark_delay),
        "live: how far the watermark stays behind the latest event time",
        '"10s"',
    ),
}
PATTERN_FIELDS: Final = {
    "paths": Field(TEXTS, "pattern files or folders of your own; gitleaks-style TOML works too", "[]"),
    "disable": Field(TEXTS, "globs of the patterns to switch off", "[]"),
    "detect_secrets": Field(FLAG, "whether to use the plugins of detect-secrets", "true"),
    "plugins": Field(TEXTS, "detect-secrets plugins to switch on by name, or custom plugin files", "[]"),
    "baseline": Field(FILE, "a `.secrets.baseline`: secrets that were audited there are not reported"),
    "confidence": Field(
        CONFIDENCE,
        "how sure it must be that a value is a secret if only its name says so: `low`, `medium` or `high`; "
        "[what each means](scanner.md#secrets-that-only-their-name-gives-away)",
        '"medium"',
    ),
}
SCAN_FIELDS: Final = {
    "every_window": Field(
        FLAG,
        "whether a registered secret is found when other letters or digits are glued to it, or it has blanks in it; "
        "[the price](scanner.md#what-it-costs)",
        "true",
    ),
    "forms": Field(
        some_of(*FORMS),
        "in which forms a secret is looked for, besides as it stands; "
        "[what each name means](scanner.md#leaving-forms-out)",
        "[" + ", ".join(f'"{form}"' for form in FORMS) + "]",
    ),
    "findings_per_stream": Field(
        whole_number(0, 1_000_000),
        "how many different secrets that nobody registered are reported of a stream in 262,144 records; "
        "[what happens to the others](rules.md#streams-that-show-too-many-secrets); 0: all",
        f"{MOST_FINDINGS}",
    ),
    "hold": Field(
        DURATION,
        "how long `curfewd redact` and `curfewd exec --mask` hold back what may still become a secret when no more "
        "comes; [what is left](exec.md#output-in-pieces)",
        '"1s"',
    ),
}
TABLES: Final = {
    "keys": KEY_FIELDS,
    "rules": RULE_FIELDS,
    "kinds": KIND_FIELDS,
    "accept": ACCEPT_FIELDS,
    "allow": ALLOW_FIELDS,
    "patterns": PATTERN_FIELDS,
    "scan": SCAN_FIELDS,
    "kafka": KAFKA_FIELDS,
    "service": SERVICE_FIELDS,
    "source": SOURCE_FIELDS,
    "sources": OVERRIDE_FIELDS,
    "logs": LOG_FIELDS,
    "trust": TRUST_FIELDS,
    "revoke": REVOKE_FIELDS,
    "receive": RECEIVE_FIELDS,
}


def read(path: str | None, environ: Mapping[str, str]) -> tuple[Settings, list[ConfigError]]:
    """The settings that can be read, and all mistakes.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """
    file = TomlFile.read(path) if path is not None else TomlFile("", "")
    reader = FieldReader(file)
    data = file.data
    top = reader.fields(data, TOP_FIELDS, also=tuple(TABLES))
    read_networks(reader, top)
    networks = Tuning(**{name: top.pop(name) for name in (*NETWORK_FIELDS,) if name in top})
    keys = read_deployment_keys(reader, top.pop("key_file", None), environ)
    overrides = _rules(reader, data.get("rules", {}), "rules")
    kinds = {}
    for kind, value in reader.table(data.get("kinds", {}), "kinds").items():
        table = reader.table(value, "kinds", kind)
        values = reader.fields(table, KIND_FIELDS, "kinds", kind, also=("rules",))
        read_networks(reader, values, "kinds", kind)
        kinds[kind] = Tuning(**values, rules=_rules(reader, table.get("rules", {}), "kinds", kind, "rules"))
    accepts = read_accepts(reader, data)
    patterns = reader.fields(reader.table(data.get("patterns", {}), "patterns"), PATTERN_FIELDS, "patterns")
    policy = Policy(
        **top,
        rules={
            name: overrides[name].over(base) if name in overrides else base
            for name, base in default_rules().items()
        },
        kinds=kinds,
        accepts=accepts,
        networks=networks.networks_over(NetworkPolicy()),
    )
    kafka = read_kafka(reader, data["kafka"], environ, revoking="revoke" in data) if "kafka" in data else None
    service = read_service(reader, data.get("service", {}), environ)
    allows = read_allows(reader, data)
    trust = read_trust(reader, data, environ, policy.retention, kafka)
    if kafka is not None:
        kafka = msgspec.structs.replace(kafka, warnings=(*kafka.warnings, *unheld(trust, kafka)))
    warnings = [] if keys or reader.errors else [NO_KEY_WARNING if kafka is None else NO_KEY_LIVE_WARNING]
    if warnings:
        named: dict[str, tuple[Allow | Accept, ...]] = {"allow": allows, "accept": accepts}
        warnings += [
            unkeyed_warning(table)
            for table, entries in named.items()
            if any(entry.fingerprint is not None for entry in entries)
        ]
    scan = ScanSettings(**reader.fields(reader.table(data.get("scan", {}), "scan"), SCAN_FIELDS, "scan"))
    if unseen := left_out(scan.forms):
        warnings.append(
            f"[scan] forms leaves out {', '.join(unseen)}: a secret that is printed so is not looked for, and no leak"
        )
    revoke, receive = read_revoke(reader, data, keys), read_receive(reader, data, environ, kafka)
    settings = Settings(
        keys=keys,
        policy=policy,
        patterns=_pattern_settings(reader, patterns),
        scan=scan,
        allows=allows,
        kafka=kafka,
        service=service,
        sources=read_sources(reader, data),
        trust=trust,
        revoke=revoke,
        receive=receive,
        warnings=tuple(warnings),
        unmet=tuple(reader.unmet),
        secret_variables=frozenset(reader.secret_variables),
    )
    return settings, sorted(reader.errors, key=lambda error: error.line or 0)


def _rules(reader: FieldReader, value: Any, *keys: Key) -> dict[str, RuleOverride]:
    overrides = {}
    for name, table in reader.table(value, *keys).items():
        if name not in RULES:
            reader.fail(
                f"{dotted((*keys, name))}: no such rule{suggestion(name, tuple(RULES))}; the rules are {', '.join(RULES)}",
                *keys,
                name,
            )
            continue
        overrides[name] = RuleOverride(
            **reader.fields(reader.table(table, *keys, name), RULE_FIELDS, *keys, name)
        )
    return overrides


def _pattern_settings(reader: FieldReader, values: dict[str, Any]) -> PatternSettings:
    """The settings, with paths relative to the configuration's folder. A path that does not exist is an error."""
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


def _beside(reader: FieldReader, text: str, *keys: Key) -> str:
    path = Path(reader.file.path).parent / text
    try:
        path.stat()
    except (FileNotFoundError, ValueError):  # a name with a zero byte is nobody's
        reader.fail(f"{dotted(keys)}: {shown(path)}: no such file or folder", *keys)
    except OSError as error:
        reader.fail(f"{dotted(keys)}: {shown(path)}: {why(error)}", *keys)
    return str(path)
