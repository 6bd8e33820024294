"""The recipe of README.md for GitHub Actions with AWS: what it shows is what happens.

GitHub is one on loopback, which gives its answers; CloudTrail's are written as `aws` prints them.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import curfewd
from tests.fetch.api_server import TOKEN, Server, serving
from tests.fixtures.github_answers import job, run

ROOT = Path(__file__).parents[2]
KEY = "ASIAEXAMPLEDRILL0001"


def recipe(language: str) -> list[str]:
    """The blocks of a language in the recipe, in order."""
    text = (
        (ROOT / "README.md").read_text().partition("\n## GitHub Actions with AWS\n")[2].partition("\n## ")[0]
    )
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def ran(folder: Path, script: str, **more: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), "COLUMNS": "80", **more},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def event(clock: str, name: str, **fields: Any) -> dict[str, str]:
    """An event as `aws cloudtrail lookup-events` answers it."""
    record = {
        "eventVersion": "1.11",
        "eventTime": f"2026-05-04T{clock}Z",
        "eventSource": "sts.amazonaws.com",
        "eventName": name,
        "eventID": f"{name}-{clock}",
        "eventType": "AwsApiCall",
        "recipientAccountId": "111122223333",
        **fields,
    }
    return {"EventId": f"{name}-{clock}", "EventName": name, "CloudTrailEvent": json.dumps(record)}


@contextmanager
def github() -> Iterator[Server]:
    """A GitHub with one run of one job."""
    made = Server()
    times = {"created_at": "2026-05-04T08:00:00Z", "updated_at": "2026-05-04T08:04:41Z"}
    made.runs["OWNER/REPO"] = [run(17, repository="OWNER/REPO", run_started_at=times["created_at"], **times)]
    ran_at = {"started_at": "2026-05-04T08:00:05Z", "completed_at": "2026-05-04T08:04:40Z"}
    made.jobs[17] = [job(48217365, 17, repository="OWNER/REPO", created_at=times["created_at"], **ran_at)]
    made.logs[48217365] = b"2026-05-04T08:00:31.1234567Z Authenticated as arn:aws:sts::111122223333\n"
    with serving(made):
        yield made


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the command of step 2 ran, for that day, and asked that GitHub."""
    folder = tmp_path_factory.mktemp("recipe")
    day = "2026-05-04T00:00:00Z --until 2026-05-05T00:00:00Z"
    command = recipe("sh")[0].splitlines()[0]
    command = command.replace("$(gh auth token)", TOKEN).replace("--since 1d", f"--since {day}")
    with github() as server:
        ran(folder, f"{command} --api-url {server.api}")
    return folder


def replayed(folder: Path, command: str) -> str:
    """What the command of step 3 prints."""
    program, *arguments = shlex.split(command)
    assert program == "curfewd"
    done = curfewd(*arguments, folder=folder, environ={"COLUMNS": "80", "CURFEWD_KEY": None})
    assert done.code == 0, done.err
    return done.out.decode()


@pytest.mark.slow
@pytest.mark.parametrize("named", ["named", "GitHubActions"])
def test_the_recipe_finds_its_drill(tmp_path: Path, fetched: Path, named: str) -> None:
    """And nothing before it; also without step 1, when all sessions have the action's own name."""
    (_, replay, _), (shown,) = recipe("sh"), recipe("text")
    (name,) = re.findall(r"role-session-name: (.*)", recipe("yaml")[0])
    session = name.replace("${{ job.check_run_id }}", "48217365") if named == "named" else named
    issue = event(
        "08:00:31",
        "AssumeRoleWithWebIdentity",
        userIdentity={"type": "WebIdentityUser", "userName": "repo:OWNER/REPO:ref:refs/heads/main"},
        sourceIPAddress="192.0.2.44",
        requestParameters={"roleArn": "arn:aws:iam::111122223333:role/deploy", "roleSessionName": session},
        responseElements={
            "credentials": {"accessKeyId": KEY, "expiration": "May 4, 2026, 9:00:31 AM"},
            "subjectFromWebIdentityToken": "repo:OWNER/REPO:ref:refs/heads/main",
        },
    )
    caller = {"type": "AssumedRole", "principalId": f"AROAEXAMPLEDEPLOY:{session}", "accessKeyId": KEY}
    calls = [
        event(
            clock, "GetCallerIdentity", userIdentity=caller, sourceIPAddress=address, userAgent="aws-cli/2.31"
        )
        for clock, address in (("08:00:33", "192.0.2.44"), ("08:19:12", "203.0.113.99"))
    ]
    shutil.copytree(fetched / "history", tmp_path / "history")
    (tmp_path / "trail.json").write_text(json.dumps({"Events": [issue, calls[0]]}))
    assert replayed(tmp_path, replay).startswith("Nothing found.\n")
    (tmp_path / "trail.json").write_text(json.dumps({"Events": [calls[1], issue, calls[0]]}))
    printed = replayed(tmp_path, replay)
    if named == "named":
        assert shown in printed, printed
    assert "use-after-termination · 2026-05-04 08:19:12Z" in printed
    (command,) = (tmp_path / "out" / "revocations.jsonl").read_text().splitlines()
    assert json.loads(command)["subject"] == KEY


def test_the_session_of_the_drill_is_the_one_that_comes_out_of_the_artifact(tmp_path: Path) -> None:
    (take,) = re.findall(r"- run: (env .*)", recipe("yaml")[1])
    (use,) = [line for line in recipe("sh")[2].splitlines() if line.startswith("env ")]
    session = {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": "made+up/not=asecret",
        "AWS_SESSION_TOKEN": "IQoJ/made+up==",
    }
    ran(tmp_path, take, DRILL="a made-up passphrase", AWS_REGION="eu-west-1", **session)
    assert KEY.encode() not in (tmp_path / "drill.enc").read_bytes()
    out = ran(tmp_path, re.sub(r"aws sts .*", "env", use), DRILL="a made-up passphrase")
    shown = dict(line.partition("=")[::2] for line in out.splitlines())
    assert {name: value for name, value in shown.items() if name.startswith("AWS_")} == session
