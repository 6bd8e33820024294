"""The bundled incident is what its generator writes, and the demo finds exactly what examples/README.md tells."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from detector.cli import main

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
INCIDENT = EXAMPLES / "incident"

# rule, credential (or task, or the leaked secret's pattern family), pieces of evidence, severity
FINDINGS = [
    ("leaked-credential", "sign-4711", 1, "Critical"),
    ("use-after-termination", "sign-4711", 3, "Critical"),
    ("use-by-other-workload", "sign-4711", 3, "Critical"),
    ("outlives-task", "sign-4711", 1, "High"),
    ("use-outside-window", "aws-green", 4, "High"),
    ("use-outside-scope", "queue-late", 3, "High"),
    ("unused-grant", "queue-late", 1, "Low"),
    ("outlives-task", "vault-orders-b", 1, "High"),
    ("overlong-credential", "wh-sales-us", 1, "Medium"),
    ("overdue-task", "export-sales-us", 1, "Medium"),
    ("use-after-revocation", "wh-sales-us", 10, "Critical"),
]
COMMANDS = [
    ("wh-sales-us", True, ["use-after-revocation"]),
    ("sign-4711", False, ["leaked-credential"]),
    ("aws-green", False, ["use-outside-window"]),
    ("vault-orders-b", False, ["outlives-task"]),
]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_incident_is_what_its_generator_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, EXAMPLES / "make_incident.py", tmp_path], check=True, cwd=ROOT)
    assert files(tmp_path) == files(INCIDENT)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demo's folder of results and what it printed, from a copy so that two test runs do not share `out/`."""
    root = tmp_path_factory.mktemp("demo")
    shutil.copytree(EXAMPLES, root / "examples")
    run = subprocess.run(
        [sys.executable, root / "examples" / "demo.py"], check=True, capture_output=True, text=True
    )
    return root / "out", run.stdout


def test_the_plan_of_its_revocations_is_worth_a_look(
    outcome: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    commands = str(outcome[0] / "revocations.jsonl")
    assert main(["revoke", "--config", str(EXAMPLES / "revoke.toml"), "--json", "--dry-run", commands]) == 0
    planned = json.loads(capsys.readouterr().out)["commands"]
    assert [(each["credential_id"], each["target"], each["verdict"]) for each in planned] == [
        ("wh-sales-us", "house", "go"),
        ("sign-4711", "house", "go"),
        ("aws-green", "aws", "go"),
        ("vault-orders-b", "vault", "go"),
    ]


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def about(record: dict[str, Any]) -> str:
    unmapped = record["unmapped"]
    return str(unmapped.get("credential_id") or unmapped["task_id"])


def test_the_demo_finds_what_the_story_tells_and_nothing_of_the_well_behaved(
    outcome: tuple[Path, str],
) -> None:
    records = lines(outcome[0] / "findings.jsonl")
    registered = [one for one in records if one["finding_info"]["analytic"]["uid"] != "leaked-secret"]
    found = [
        (one["finding_info"]["analytic"]["uid"], about(one), one["count"], one["severity"])
        for one in registered
    ]
    assert sorted(found) == sorted(FINDINGS)
    (secret,) = (one for one in records if one not in registered)
    assert secret["unmapped"]["task_id"] == "rotate-orders-b"
    assert secret["evidences"][0]["file"]["name"] == "rotate-orders-b.jsonl"


def test_the_demo_asks_for_the_revocations_of_the_story(outcome: tuple[Path, str]) -> None:
    commands = [one["data"] for one in lines(outcome[0] / "revocations.jsonl")]
    assert [(one["credential_id"], one["escalated"], one["reasons"]) for one in commands] == COMMANDS


def test_the_demo_reads_everything_and_prints_the_leaks_place(outcome: tuple[Path, str]) -> None:
    out, printed = outcome
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["dead_letters"], summary["unresolved"], summary["warnings"]) == ({}, {}, [])
    assert summary["events"]["task.started"] == 10
    assert "release-4711.log line 34" in " ".join(printed.split())


def test_no_secret_of_the_incident_is_in_what_the_demo_writes(outcome: tuple[Path, str]) -> None:
    logs = b"".join(files(INCIDENT / "logs").values()).decode()
    shown = outcome[1] + "".join(path.read_text() for path in outcome[0].iterdir())
    passwords = [part.split("@")[0] for part in logs.split("orders_rw:")[1:]]
    (password,) = (one for one in passwords if one != "***")
    basic = logs.split("Basic ")[1].split("'")[0]
    assert len(password) == 28
    for secret in (password, basic, basic[:40]):
        assert secret not in shown
