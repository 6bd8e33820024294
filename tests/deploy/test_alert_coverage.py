"""Whatever can go wrong wakes somebody, or deploy/prometheus/README.md says why not.

Each rule of the catalog and each counter and gauge is raised in a deployment where all is well otherwise, and
Prometheus says which alerts that gives.
"""

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, get_args

import pytest
import yaml

from detector.judge.rules.catalog import RULES
from detector.kafka.stage_facts import StopReason
from detector.receive.delivery import REASONS
from detector.revoke.outcomes import Verdict
from detector.service.observability import series
from detector.values.findings import Severity

pytestmark = pytest.mark.monitoring

HERE: Final = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES_FILES: Final = [HERE / "rules" / f"{name}.yml" for name in ("findings", "service", "revoke", "receive")]
STEP: Final = 5  # minutes
STEPS: Final = 36
LOOKS: Final = (30, 90, 180)  # minutes: when alerts are looked at
WELL: Final = {
    'up{job="curfewd"}': f"1x{STEPS}",
    'up{job="curfewd-revoke"}': f"1x{STEPS}",
    'curfewd_ready{job="curfewd"}': f"1x{STEPS}",
    'curfewd_records_total{stage="scan", topic="t"}': f"0+10x{STEPS}",
    'curfewd_partitions{stage="revoke", state="ready"}': f"1x{STEPS}",
    'curfewd_partitions{stage="judge", state="held"}': f"1x{STEPS}",
    'curfewd_partitions{stage="judge", state="ready"}': f"1x{STEPS}",
    'curfewd_standbys{state="held"}': f"1x{STEPS}",
    'curfewd_standbys{state="ready"}': f"1x{STEPS}",
    f"{series.WATERMARK.shown}": f"0+300x{STEPS}",
}
RISES: Final = f"0x3 0+100x{STEPS}"
IS_THERE: Final = f"0x3 1000000x{STEPS}"
# What its labels have to say where not every value of a metric is trouble, and its values where being low is.
LABELS: Final[Mapping[str, Mapping[str, Iterable[str]]]] = {
    series.REVOCATIONS.shown: {"outcome": get_args(Verdict)},
    series.REVOCATION_NOTICES.shown: {"result": ("lost",)},
    series.REVOCATIONS_HELD.shown: {"rail": ("plan", "approval", "age", "quiet-hours", "limit")},
    series.RECEIVE_REFUSED.shown: {"reason": REASONS},
    series.RELOADS.shown: {"outcome": ("refused",)},
    series.DROPPED.shown: {"reason": get_args(StopReason)},
    series.TRANSACTIONS.shown: {"outcome": ("aborted",)},
    series.LOST.shown: {"lost": ("yes", "no")},
    series.MISPLACED.shown: {"found": ("event", "text")},
    series.JOINS.shown: {"join": ("running",), "judged": ("no",)},
    series.COMMANDS.shown: {"kind": ("plain", "escalated")},
    series.EXPOSING.shown: {"rule": ("use-outside-window",)},
    series.PARTITIONS.shown: {"stage": ("judge",), "state": ("held",)},
    series.STANDBYS.shown: {"state": ("held",)},
    series.READY.shown: {"job": ("curfewd",)},
    series.RECORDS.shown: {"stage": ("scan",), "topic": ("t",)},
}
VALUES: Final[Mapping[str, str]] = {
    series.READY.shown: f"0x{STEPS}",
    series.RECORDS.shown: f"0x{STEPS}",
    series.WATERMARK.shown: f"1x{STEPS}",
    series.RECEIVE_CERTIFICATE.shown: f"1x{STEPS}",
}
_NAMED: Final = re.compile(r"^    name: (.*),$|^    alertname: (\w+), time", re.MULTILINE)


def written(name: str, labels: Mapping[str, str]) -> str:
    inside = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{inside}}}" if inside else name


def fired(folder: Path, troubles: Mapping[str, Mapping[str, str]]) -> Mapping[str, set[str]]:
    """The alerts that each gives, by its name. A trouble is some series with their values."""
    names = {
        entry["alert"]
        for path in RULES_FILES
        for group in yaml.safe_load(path.read_text())["groups"]
        for entry in group["rules"]
        if "alert" in entry
    }
    groups = [group["name"] for path in RULES_FILES for group in yaml.safe_load(path.read_text())["groups"]]
    expected = [
        {"eval_time": f"{at}m", "alertname": name, "exp_alerts": []} for at in LOOKS for name in sorted(names)
    ]
    tests: list[dict[str, Any]] = [
        {
            "name": name,
            "interval": f"{STEP}m",
            "input_series": [{"series": each, "values": values} for each, values in {**WELL, **own}.items()],
            "alert_rule_test": expected,
        }
        for name, own in troubles.items()
    ]
    path = folder / "trouble.yml"
    path.write_text(
        yaml.safe_dump(
            {
                "rule_files": [str(each) for each in RULES_FILES],
                "evaluation_interval": f"{2 * STEP}m",
                "group_eval_order": groups,
                "tests": tests,
            }
        )
    )
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    assert "SUCCESS" in told or "FAILED" in told, told
    found: defaultdict[str, set[str]] = defaultdict(set)
    name = ""
    for test, alert in _NAMED.findall(told):
        if test:
            name = test
        else:
            found[name].add(alert)
    assert set(found) <= set(troubles), told[:2000]
    return found


def silent() -> dict[str, str]:
    """What README.md says has no alert, each with its reason."""
    text = (HERE / "README.md").read_text()
    section = text.partition("## What has no alert")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*`) \| (.+) \|$", section, re.MULTILINE)
    return {name: reason for names, reason in rows for name in re.findall(r"`([^`]+)`", names)}


def variants(name: str, labels: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Each kind of trouble that a metric counts, and the series that it is."""
    special = LABELS.get(name, {})
    made: list[dict[str, str]] = [{}]
    for label, values in special.items():
        made = [{**one, label: value} for one in made for value in values]
    rest = {label: "x" for label in labels if label not in special}
    for one in made:
        telling = {label: value for label, value in one.items() if len(tuple(special[label])) > 1}
        yield written(name, telling), written(name, {**one, **rest})


def test_every_counter_and_gauge_wakes_somebody_or_has_a_reason_not_to(tmp_path: Path) -> None:
    troubles: dict[str, dict[str, str]] = {"nothing": {}}
    for each in series.ALL:
        if each.kind in {"counter", "gauge"} and each is not series.FINDINGS:
            usual = RISES if each.kind == "counter" else IS_THERE
            for name, key in variants(each.shown, each.labels):
                troubles[name] = {key: VALUES.get(each.shown, usual)}
    found = fired(tmp_path, troubles)
    assert found.get("nothing", set()) == set()
    reasons = silent()
    assert {name for name in troubles if name != "nothing" and not found.get(name)} == {
        name for name in reasons if name not in RULES
    }


def test_every_rule_wakes_somebody_or_has_a_reason_not_to(tmp_path: Path) -> None:
    # A leaked secret has the severity of its pattern.
    troubles = {
        f"{rule}, {severity.label}, {activity}": {
            written(
                series.FINDINGS.shown,
                {"rule": rule, "severity": severity.label, "activity": activity, "accepted": "no"},
            ): RISES
        }
        for rule in (*RULES, "a-rule-of-your-own")
        for severity in {
            Severity.CRITICAL,
            (RULES[rule].severity if rule in RULES else None) or Severity.HIGH,
        }
        for activity in ("created", "raised")
    }
    found = fired(tmp_path, troubles)
    without = {name.partition(",")[0] for name in troubles if not found.get(name)}
    assert without == {name for name in silent() if name in RULES}
    assert all(found[f"{rule}, critical, {activity}"] for rule in RULES for activity in ("created", "raised"))


def test_the_alert_for_the_rest_leaves_out_the_rules_that_have_one() -> None:
    (group,) = yaml.safe_load((HERE / "rules" / "findings.yml").read_text())["groups"]
    expressions = [entry["expr"] for entry in group["rules"] if "alert" in entry]
    special = {rule for each in expressions for rule in re.findall(r'\brule="([a-z-]+)"', each)}
    rest = [rules for each in expressions for rules in re.findall(r'\brule!~"([^"]+)"', each)]
    assert rest
    assert all(set(rules.split("|")) == special for rules in rest)
