"""Random configurations: tables that become TOML, and the policy that they mean."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from detector.configuration.settings import Settings
from detector.judge.policy import Policy, default_rules
from detector.values.findings import REVOCATION_UNCONFIRMED
from detector.values.secrets import DeploymentKey
from detector.values.times import MINUTE, SECOND, format_rfc3339, parse_rfc3339

START: Final = parse_rfc3339("2026-05-01T00:00:00Z")
KINDS: Final = ("ci", "cloud")
CANARY: Final = "canary-token"
KEYS: Final = (
    DeploymentKey.of(bytes.fromhex("00112233445566778899aabbccddeeff")),
    DeploymentKey.of(bytes.fromhex("ffeeddccbbaa99887766554433221100"), "old"),
)
_LEVELS: Final = ("low", "medium", "high", "critical")
_ACCEPTED: Final = (
    {"rule": "use-*"},
    {"credential": "*-c1"},
    {"task": "*-t1", "rule": "*"},
    {"workload": "runner-2"},
    {"rule": "leaked-secret"},
)
Tables = dict[str, Any]


def configuration(rng: random.Random) -> Tables:
    """What a file may say of rules, kinds and accepted findings; every third says nothing."""
    keys: Tables = {"key_file": "deployment.key", "keys": [{"id": KEYS[1].id, "file": "old.key"}]}
    if rng.random() < 1 / 3:
        return keys
    kinds = {kind: _tuning(rng) | {"rules": _rules(rng)} for kind in KINDS if rng.random() < 0.6}
    if rng.random() < 0.3:
        kinds[CANARY] = {"rules": _rules(rng)}
    accepted = [
        {"reason": "known", "expiry": format_rfc3339(START + rng.choice((1, 3, 5, 90)) * MINUTE), **globs}
        for globs in rng.sample(_ACCEPTED, rng.randrange(3))
    ]
    return keys | _tuning(rng) | {"rules": _rules(rng), "kinds": kinds, "accept": accepted}


def _tuning(rng: random.Random) -> Tables:
    said = {
        "skew": rng.choice(("0s", "1s", "20s")),
        "grace_period": rng.choice(("0s", "5s", "2min")),
        "max_task_age": rng.choice(("1min", "3min")),
        "ipv4_prefix": rng.choice((8, 32)),
        "ipv6_prefix": rng.choice((0, 128)),
        "expected_networks": ["11.0.0.0/8", "2001:db8:0:7::/64"],
    }
    return {name: value for name, value in said.items() if rng.random() < 0.4}


def _rules(rng: random.Random) -> Tables:
    def said() -> Tables:
        choices = {
            "enabled": rng.random() < 0.5,
            "severity": rng.choice(_LEVELS),
            "revoke": rng.random() < 0.5,
        }
        return dict(rng.sample(sorted(choices.items()), 1))

    return {rule: said() for rule in rng.sample(_judged_everywhere(), rng.randrange(4))}


def _judged_everywhere() -> list[str]:
    return [rule for rule in default_rules() if rule not in (REVOCATION_UNCONFIRMED, "scan-limited")]


def held(tables: Tables, delay: str) -> Tables:
    """The same where commands wait: live, the first evidence known then is the earliest."""
    rules: Tables = {rule: {"command_delay": delay} for rule in _judged_everywhere()}
    for rule, said in tables.get("rules", {}).items():
        rules[rule] |= said
    return tables | {"rules": rules | {REVOCATION_UNCONFIRMED: {"enabled": False}}}


def toml(tables: Mapping[str, Any], at: str = "") -> str:
    """Tables as TOML: values, then tables and lists of tables."""
    values, inner = "", ""
    for name, value in tables.items():
        path = f"{at}{name}"
        if isinstance(value, dict):
            inner += f"[{path}]\n{toml(value, f'{path}.')}"
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            inner += "".join(f"[[{path}]]\n{toml(each)}" for each in value)
        else:
            values += f"{name} = {json.dumps(value)}\n"
    return values + inner


def write(folder: Path, tables: Tables) -> tuple[Path, Policy]:
    """The file, with the keys beside it, and its policy."""
    (folder / "deployment.key").write_text(KEYS[0].material.hex())
    (folder / "old.key").write_text(KEYS[1].material.hex())
    path = folder / "curfewd.toml"
    path.write_text(toml(tables))
    return path, Settings.load(str(path), {}).policy


def durations(policy: Policy) -> list[int]:
    """The durations (ns) that decide verdicts, by which events are drawn to lie apart."""
    found = [policy.skew, policy.grace_period, policy.max_task_age, MINUTE, 5 * MINUTE, SECOND]
    for tuning in policy.kinds.values():
        found += [tuning.skew, tuning.grace_period, tuning.max_task_age]
    return [each for each in found if each is not None]
