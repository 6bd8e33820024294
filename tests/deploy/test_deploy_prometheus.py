"""The rules for Prometheus: each alert fires and does not, is routed, has a runbook, and asks for series that exist."""

import re
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any, Final, get_args

import pytest
import yaml

from detector.judge.rules.catalog import RULES
from detector.receive.delivery import REASONS
from detector.revoke.outcomes import Verdict
from detector.revoke.rails import Rail
from detector.service.observability import series

ROOT: Final = Path(__file__).parents[2]
HERE: Final = ROOT / "deploy" / "prometheus"
RUNBOOKS: Final = ROOT / "docs" / "runbooks"
RULES_FILES: Final = sorted((HERE / "rules").glob("*.yml"))
TESTS: Final = sorted((HERE / "tests").glob("*.yml"))
SECTIONS: Final = ["## What it means", "## What to look at", "## What to do"]
# What is asked for and not ours: Prometheus makes it.
THEIRS: Final = {"up"}


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


ENTRIES: Final = [
    entry for path in RULES_FILES for group in loaded(path)["groups"] for entry in group["rules"]
]
ALERTS: Final = [entry for entry in ENTRIES if "alert" in entry]
RECORDED: Final = {entry["record"] for entry in ENTRIES if "record" in entry}


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shown() -> set[str]:
    """The names of our series as a query has them."""
    found = {each.shown for each in series.ALL}
    for each in series.ALL:
        if each.kind == "histogram":
            found |= {f"{each.name}_{part}" for part in ("bucket", "sum", "count")}
    return found


def asked_for(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:curfewd[_:][a-z0-9_:]+|up)\b", expression))


def cases() -> list[tuple[str, int, list[dict[str, str]]]]:
    """Of all tests: the alert, the minute, and the labels of those expected."""
    return [
        (case["alertname"], number, [each["exp_labels"] for each in case["exp_alerts"]])
        for number, path in enumerate(TESTS)
        for test in loaded(path)["tests"]
        for case in test["alert_rule_test"]
    ]


@pytest.mark.monitoring
def test_prometheus_takes_the_configuration_and_its_rules() -> None:
    said = run("promtool", "check", "config", HERE / "prometheus.yml")
    assert f"{len(RULES_FILES)} rule files found" in said
    assert {job["job_name"] for job in loaded(HERE / "prometheus.yml")["scrape_configs"]} == {
        "curfewd",
        "curfewd-revoke",
        "curfewd-receive",
    }


@pytest.mark.monitoring
@pytest.mark.parametrize("runbooks", ["https://docs.example/r", "https://docs.example/r/"])
def test_one_setting_makes_links_of_all_runbooks(runbooks: str, tmp_path: Path) -> None:
    run("make", "-C", ROOT, "rules", f"RUNBOOKS={runbooks}", f"INTO={tmp_path}")
    made = sorted(tmp_path.iterdir())
    run("promtool", "check", "rules", *made)
    assert [path.name for path in made] == [path.name for path in RULES_FILES]
    links = {
        entry["alert"]: entry["annotations"]["runbook_url"]
        for path in made
        for group in loaded(path)["groups"]
        for entry in group["rules"]
        if "alert" in entry
    }
    assert links == {alert["alert"]: f"https://docs.example/r/{alert['alert']}.md" for alert in ALERTS}


def test_rules_without_an_address_are_not_made() -> None:
    done = subprocess.run(["make", "-C", ROOT, "rules"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "make rules RUNBOOKS=" in done.stdout


@pytest.mark.monitoring
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_alerts_fire_when_they_should_and_at_no_other_time(path: Path) -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", path)


def test_groups_are_evaluated_in_an_order_that_is_said() -> None:
    """Where one group asks for what another records: promtool's own order is another one each time."""
    for path in TESTS:
        test = loaded(path)
        groups = [
            group["name"] for each in test["rule_files"] for group in loaded(path.parent / each)["groups"]
        ]
        assert len(groups) == 1 or sorted(test["group_eval_order"]) == sorted(groups)


def test_every_alert_is_seen_to_fire_and_not_to() -> None:
    fires: dict[str, set[str]] = defaultdict(set)
    quiet: dict[str, set[str]] = defaultdict(set)
    for alert, _number, expected in cases():
        firing = {each["severity"] for each in expected}
        fires[alert] |= firing
        quiet[alert] |= {"page", "ticket"} - firing
    for alert in ALERTS:
        name, severity = alert["alert"], alert["labels"]["severity"]
        assert severity in fires[name], f"{name} is never seen to fire as {severity}"
        assert severity in quiet[name], f"{name} is never seen not to fire as {severity}"
    assert set(fires) | set(quiet) == {alert["alert"] for alert in ALERTS}


def test_every_alert_says_whom_it_wakes_and_why() -> None:
    for alert in ALERTS:
        labels, annotations = alert["labels"], alert["annotations"]
        assert labels["severity"] in {"page", "ticket"}
        assert labels["team"] in {"security", "platform"}
        assert labels["component"] in {"findings", "service", "inputs", "kafka", "revoke", "receive", "slo"}
        assert set(annotations) == {"summary", "description", "runbook_url"}
        assert annotations["runbook_url"] == f"docs/runbooks/{alert['alert']}.md"


def test_there_is_a_runbook_for_every_alert_and_for_nothing_else() -> None:
    assert {path.stem for path in RUNBOOKS.iterdir()} == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize("path", sorted(RUNBOOKS.iterdir()), ids=lambda path: path.stem)
def test_a_runbook_says_what_it_means_what_to_look_at_and_what_to_do(path: Path) -> None:
    text = path.read_text()
    lines = text.splitlines()
    assert lines[0] == f"# {path.stem}"
    assert [line for line in lines if line.startswith("## ")] == SECTIONS
    assert all(part.strip() for part in re.split(r"^## .*$", text, flags=re.MULTILINE)[1:])
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert (path.parent / target).exists(), target
    assert asked_for(text) - THEIRS <= shown() | {"curfewd:slo_budget:ratio"}


def test_what_is_asked_for_is_there() -> None:
    known = shown() | RECORDED | THEIRS
    for entry in ENTRIES:
        asked = asked_for(entry["expr"])
        assert asked <= known, asked - known
    described = (ROOT / "docs" / "metrics.md").read_text()
    assert all(f"`{series.shown}`" in described for series in series.ALL)


def test_what_is_recorded_is_asked_for_by_somebody() -> None:
    dashboard = (ROOT / "deploy" / "grafana" / "dashboards" / "curfewd.json").read_text()
    asked = set().union(*(asked_for(entry["expr"]) for entry in ENTRIES), asked_for(dashboard))
    assert asked >= RECORDED


def test_labels_have_the_values_that_the_service_gives() -> None:
    for entry in ENTRIES:
        for rule in re.findall(r'\brule="([^"]*)"', entry["expr"]):
            assert rule in RULES
        for bound in re.findall(r'\ble="([^"]*)"', entry["expr"]):
            of_revoker = series.REVOCATION_SECONDS.name in entry["expr"]
            latency = series.REVOCATION_SECONDS if of_revoker else series.COMMAND_LATENCY
            assert float(bound) in latency.buckets
        if series.RECEIVE_REFUSED.shown in entry["expr"]:
            reasons = re.findall(r'\breason=~?"([^"]*)"', entry["expr"])
            assert set("|".join(reasons).split("|")) <= {"", *REASONS}
        for rail in "|".join(re.findall(r'\brail=~"([^"]*)"', entry["expr"])).split("|"):
            assert rail in {"", *get_args(Rail)}
        for outcome in "|".join(re.findall(r'\boutcome=~?"([^"]*)"', entry["expr"])).split("|"):
            assert outcome in {"", "aborted", "committed", *get_args(Verdict)}


@pytest.mark.monitoring
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("team=security severity=page", "security-page"),
        ("team=security severity=ticket", "security-ticket"),
        ("team=platform severity=page", "platform-page"),
        ("team=platform severity=ticket", "platform-ticket"),
    ],
)
def test_alerts_go_to_their_team(labels: str, receiver: str) -> None:
    config = HERE / "alertmanager.yml"
    run("amtool", "check-config", config)
    assert (
        run("amtool", "config", "routes", "test", "--config.file", config, *labels.split()).strip()
        == receiver
    )
