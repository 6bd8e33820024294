"""A decoy looks real, and whoever touches it is seen."""

import json
from pathlib import Path
from typing import Any

import pytest

from detector.judge.policy import Policy, RuleOverride, Tuning
from detector.register import Task
from detector.register.canary import FORMS, make
from detector.values.errors import UsageError
from detector.values.findings import LEAKED_CREDENTIAL, USE_OUTSIDE_SCOPE, Severity
from detector.values.registrable import CANARY_KIND
from tests.bundled import bundled_scanner
from tests.command_line import curfewd
from tests.exec.running import environment, events_in, run

PATTERNS = {
    "github": "github-pat-classic",
    "gitlab": "gitlab-pat",
    "npm": "npm-access-token",
}


@pytest.mark.parametrize("form", PATTERNS)
def test_a_decoy_has_the_form_and_the_checksum_of_a_real_one(form: str) -> None:
    text = "".join(
        f"token = {make(form).secret}\n" for _ in range(3)
    ).encode()  # one may look like a placeholder by chance
    assert PATTERNS[form] in {match.pattern.id for match in bundled_scanner().scan(text)}


def test_decoys_differ() -> None:
    assert len({make(form).secret for form in FORMS for _ in range(20)}) == 20 * len(FORMS)


def story(folder: Path, *later: str) -> list[dict[str, Any]]:
    """The findings after a task with a decoy, and these lines."""
    (folder / "later.jsonl").write_text("".join(f"{line}\n" for line in later))
    done = curfewd(
        "replay",
        "--until",
        "2031-01-01T00:00:00Z",
        "events.jsonl",
        "later.jsonl",
        "--findings",
        "-",
        folder=folder,
    )
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.parametrize("form", FORMS)
def test_its_leak_is_critical_and_names_the_task(tmp_path: Path, form: str) -> None:
    with Task("agent/42", to=str(tmp_path / "events.jsonl")) as task:
        canary = task.canary(form)
    [finding] = story(tmp_path, f"2030-01-01T00:00:00Z found {canary.secret} here")
    assert finding["finding_info"]["analytic"]["uid"] == LEAKED_CREDENTIAL
    assert finding["severity_id"] == Severity.CRITICAL
    assert finding["unmapped"]["task_id"] == "agent/42"
    assert canary.secret not in json.dumps(finding)


@pytest.mark.parametrize("outcome", ["success", "denied"])
def test_any_use_of_it_is_critical_and_asks_for_no_revocation(tmp_path: Path, outcome: str) -> None:
    with Task("agent/42", to=str(tmp_path / "events.jsonl")) as task:
        canary = task.canary("aws")
        during = {"identifier": {"scheme": "aws-access-key-id", "value": canary.key_id}, "outcome": outcome}
    ended = events_in(tmp_path)[-1]["time"]
    use = {
        "specversion": "1.0",
        "id": "u",
        "source": "aws",
        "type": "credential.used",
        "time": ended,
        "data": during,
    }
    [finding] = story(tmp_path, json.dumps(use))
    assert finding["finding_info"]["analytic"]["uid"] == USE_OUTSIDE_SCOPE
    assert finding["severity_id"] == Severity.CRITICAL
    title = str(finding["finding_info"]["title"])
    assert title.startswith("Canary token agent/42/canary-1 of task agent/42 was ")
    assert "although it is a decoy" in title


def test_nobody_is_told_that_a_decoy_outlives_its_task(tmp_path: Path) -> None:
    with Task("agent/42", to=str(tmp_path / "events.jsonl")) as task:
        task.canary()
    assert story(tmp_path, "2030-01-01T00:00:00Z nothing here") == []


def test_a_configuration_that_switches_rules_off_leaves_those_of_decoys_on() -> None:
    off = RuleOverride(enabled=False)
    rules = {name: off.over(base) for name, base in Policy().rules.items()}
    policy = Policy(rules=rules).resolve(CANARY_KIND, None)
    assert {name for name, rule in policy.rules.items() if rule.enabled} == {
        LEAKED_CREDENTIAL,
        USE_OUTSIDE_SCOPE,
    }
    kinds = {CANARY_KIND: Tuning(rules={LEAKED_CREDENTIAL: RuleOverride(severity=Severity.HIGH)})}
    assert Policy(kinds=kinds).resolve(CANARY_KIND, None).rules[LEAKED_CREDENTIAL].severity == Severity.HIGH
    assert (
        Policy().resolve(None, CANARY_KIND).rules == Policy().resolve(None, None).rules
    )  # a kind of task is another


@pytest.mark.parametrize("rule", ["outlives-task", "unused-grant", "overlong-credential"])
def test_a_rule_that_is_switched_on_for_decoys_is_as_for_other_credentials(rule: str) -> None:
    policy = Policy(kinds={CANARY_KIND: Tuning(rules={rule: RuleOverride(enabled=True)})})
    assert policy.resolve(CANARY_KIND, None).rules[rule] == policy.rules[rule]


def test_exec_plants_decoys_in_the_environment(tmp_path: Path) -> None:
    script = 'test -n "$GITHUB_ADMIN_TOKEN" && test -n "$OLD_ACCESS_KEY_ID" && echo "$OLD_SECRET_ACCESS_KEY" > stolen'
    done = run(tmp_path, "--canary", "github", "--canary", "aws:OLD", "--", "sh", "-c", script)
    assert (done.returncode, done.stderr) == (0, b"")
    issued = [event["data"] for event in events_in(tmp_path) if event["type"] == "credential.issued"]
    assert [one["credential_id"] for one in issued] == ["deploy/1/GITHUB_ADMIN_TOKEN", "deploy/1/OLD"]
    assert {one["kind"] for one in issued} == {CANARY_KIND}
    stolen = (tmp_path / "stolen").read_text().strip()
    assert stolen not in (tmp_path / "events.jsonl").read_text()
    [finding] = story(tmp_path, f"2030-01-01T00:00:00Z {stolen}")
    assert finding["unmapped"]["credential_id"] == "deploy/1/OLD"


@pytest.mark.parametrize(
    ("canary", "reason"),
    [
        ("github:DEPLOY_TOKEN", "already has a value"),
        ("visa", "one of github"),
        ("hex:A B", "letters, digits and _"),
    ],
)
def test_a_decoy_takes_nothings_place(tmp_path: Path, canary: str, reason: str) -> None:
    done = run(tmp_path, "--canary", canary, "--", "touch", "ran", environ=environment(tmp_path))
    assert done.returncode == 2
    assert reason in done.stderr.decode()
    assert not (tmp_path / "ran").exists()


def test_there_are_these_forms() -> None:
    with pytest.raises(UsageError, match="github, gitlab, npm, aws, hex"):
        make("visa")
