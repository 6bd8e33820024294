"""The least rights of `curfewd revoke` in deploy/revoke: their names exist, and no more than is called is in them."""

import json
import re
from pathlib import Path

import pytest
from policy_sentry.querying.actions import get_action_data

from detector.revoke.targets.names import TARGET_MODULES

ROOT = Path(__file__).parent.parent.parent
AWS = json.loads((ROOT / "deploy/revoke/aws.json").read_text())


def allowed() -> set[str]:
    found: set[str] = set()
    for statement in AWS["Statement"]:
        if statement["Effect"] == "Allow":
            actions = statement["Action"]
            found |= {actions} if isinstance(actions, str) else set(actions)
    return found


@pytest.mark.parametrize("action", sorted(allowed()))
def test_each_action_of_the_aws_policy_exists(action: str) -> None:
    service, _, name = action.partition(":")
    assert get_action_data(service, name)


def test_the_aws_policy_allows_what_the_target_calls_and_no_more() -> None:
    called: set[str] = set()
    for module in ("aws_keys", "aws_sessions"):
        source = (ROOT / f"detector/revoke/targets/{module}.py").read_text()
        for name in re.findall(r'f?"((?:get|put|list|update|delete)_(?!after")[a-z_{}.]+)"', source):
            for kind in ("role", "user"):
                operation = name.replace("{sessions.kind}", kind)
                called.add("iam:" + "".join(part.capitalize() for part in operation.split("_")))
    assert called == allowed()


def test_the_aws_policy_names_a_path_and_forbids_to_change_the_revoker() -> None:
    power = {"iam:PutRolePolicy", "iam:PutUserPolicy"}
    for statement in AWS["Statement"]:
        if statement["Effect"] == "Allow" and power & set(statement["Action"]):
            assert statement["Resource"] != "*"
    denied = [statement for statement in AWS["Statement"] if statement["Effect"] == "Deny"]
    assert power <= set(denied[0]["Action"])


def test_the_page_lists_each_file_and_what_checks_it() -> None:
    page = (ROOT / "deploy/revoke/README.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| [")]
    listed = {name for row in rows for name in re.findall(r"^\| \[([a-z0-9.]+)\]\(\1\)", row)}
    assert listed == {path.name for path in (ROOT / "deploy/revoke").iterdir()} - {"README.md"}
    for test in re.findall(r"\]\((\.\./\.\./tests/[^)]+)\)", page):
        assert (ROOT / "deploy/revoke" / test).exists(), test
    targets = {match for row in rows for match in re.findall(r"\| `([a-z]+)` \|", row)}
    assert targets <= set(TARGET_MODULES)
    for row in rows:  # a file that nothing checks says so
        assert "tests/" in row or "nothing" in row
