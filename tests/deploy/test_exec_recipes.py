"""What deploy/exec/ has for CI servers and schedulers: their schemas read it, and its steps run in a real shell.

The runner of GitHub, GitLab, Jenkins and Kubernetes itself is not here: what they put in place of their expressions and
variables, these tests put there.
"""

import hashlib
import os
import re
import shlex
import shutil
import signal
import string
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from tests.exec.running import TOKEN, children_of, ends_in, environment, events_in, until

RECIPES = Path(__file__).parents[2] / "deploy" / "exec"
KUBERNETES = "1.30"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def recipe(name: str) -> Any:
    return yaml.safe_load((RECIPES / name).read_text())


def shell(
    folder: Path, script: str, variables: Mapping[str, str], *, by: tuple[str, ...] = ("sh", "-e")
) -> "subprocess.CompletedProcess[bytes]":
    (folder / "step").write_text(script)
    environ = environment(folder, PATH=PATH, CURFEWD_TO=str(folder / "events.jsonl"))
    return subprocess.run(
        [*by, "step"], cwd=folder, env={**environ, **variables}, capture_output=True, check=False
    )


def catches(pid: int, number: int) -> bool:
    [caught] = re.findall(r"^SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(caught, 16) >> number - 1 & 1)


def issued(folder: Path) -> list[str]:
    return [one["data"]["credential_id"] for one in events_in(folder) if one["type"] == "credential.issued"]


@pytest.mark.parametrize(
    ("name", "schema"),
    [("github-action/action.yml", "vendor.github-actions"), ("gitlab.yml", "vendor.gitlab-ci")],
)
def test_the_schema_of_the_vendor_reads_it(name: str, schema: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(RECIPES / name)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_steps_of_the_github_action_run(tmp_path: Path) -> None:
    action = recipe("github-action/action.yml")
    given = {name: str(one.get("default", "")) for name, one in action["inputs"].items()}
    given |= {
        "to": str(tmp_path / "events.jsonl"),
        "secrets": "DEPLOY_TOKEN\nOTHER\n",
        "canaries": "npm",
    }
    given["run"] = 'echo "${#DEPLOY_TOKEN}"\nfalse | true\necho "not reached"'
    expressions = {f"inputs.{name}": value for name, value in given.items()}
    expressions |= {"runner.temp": str(tmp_path), "job.check_run_id": "4711"}
    runner = {
        "GITHUB_ACTION": "__run_2",
        "GITHUB_ACTOR": "ann",
        "GITHUB_WORKFLOW": "CI",
        "GITHUB_REPOSITORY": "Octo/App",
    }
    runner |= {"RUNNER_TEMP": str(tmp_path), "GITHUB_PATH": str(tmp_path / "path"), "OTHER": TOKEN[::-1]}
    done = None
    for step in action["runs"]["steps"]:
        variables = {
            name: re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda found: expressions[found[1]], value)
            for name, value in step["env"].items()
        }
        assert "${{" not in step["run"]  # what somebody else writes is never part of a script
        done = shell(
            tmp_path,
            step["run"],
            {**runner, **variables},
            by=("bash", "--noprofile", "--norc", "-eo", "pipefail"),
        )
    assert done is not None
    assert (done.returncode, done.stdout.decode()) == (1, "33\n")
    start = events_in(tmp_path)[0]["data"]
    assert start.pop("deadline")
    assert start == {
        "task_id": "github/job/4711/__run_2",
        "parent_task_id": "github/job/4711",
        "kind": "github-step",
        "owner": "ann",
        "workload": "CI",
        "group": "github:octo/app",
    }
    assert [one.removeprefix("github/job/4711/__run_2/") for one in issued(tmp_path)] == [
        "DEPLOY_TOKEN",
        "OTHER",
        "NPM_PUBLISH_TOKEN",
    ]
    assert ends_in(tmp_path)["github/job/4711/__run_2"]["outcome"] == "failed"
    assert not (tmp_path / "path").exists()  # there was a curfewd


def wheel(folder: Path) -> tuple[Path, str]:
    """A wheel called curfewd without dependencies, whose command says so; and its SHA-256."""
    path, info = folder / "curfewd-0.1.0-py3-none-any.whl", "curfewd-0.1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("stands_in.py", "def main():\n    print('from the wheel')\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: curfewd\nVersion: 0.1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\ncurfewd = stands_in:main\n")
        archive.writestr(f"{info}/RECORD", "")
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def install(folder: Path, package: str) -> "subprocess.CompletedProcess[bytes]":
    """The step of the action that installs, copied into a repository that is not curfewd's."""
    (folder / "pyproject.toml").write_text('name = "somebody-elses"\n')
    [step] = [
        one for one in recipe("github-action/action.yml")["runs"]["steps"] if one["name"] == "Install curfewd"
    ]
    python = Path(sys.executable).resolve().parent
    variables = {
        "EXEC_PACKAGE": package,
        "RUNNER_TEMP": str(folder),
        "GITHUB_PATH": str(folder / "path"),
        "GITHUB_ACTION_PATH": str(folder / "deploy" / "exec" / "github-action"),
        "PATH": f"{python}{os.pathsep}/usr/bin{os.pathsep}/bin",
    }
    return shell(folder, step["run"], variables, by=("bash", "--noprofile", "--norc", "-eo", "pipefail"))


@pytest.mark.parametrize("package", ["", "curfewd", "https://files.example/curfewd-0.1.0-py3-none-any.whl"])
def test_the_github_action_installs_nothing_by_a_name(tmp_path: Path, package: str) -> None:
    done = install(tmp_path, package)
    assert done.returncode == 1
    assert (
        b"there is no curfewd here: install it on the runner, or give as `package` the folder" in done.stderr
    )
    assert not (tmp_path / "curfewd").exists()


def test_the_github_action_installs_a_wheel_by_its_hash_alone(tmp_path: Path) -> None:
    path, digest = wheel(tmp_path)
    other = install(tmp_path, f"file://{path}#sha256={'0' * 64}")
    assert other.returncode != 0
    assert b"DO NOT MATCH THE HASHES" in other.stderr
    assert not (tmp_path / "path").exists()
    done = install(tmp_path, f"file://{path}#sha256={digest}")
    assert done.returncode == 0, done.stderr
    said = subprocess.run(
        [Path((tmp_path / "path").read_text().strip()) / "curfewd"], capture_output=True, check=True
    )
    assert said.stdout == b"from the wheel\n"


def test_the_script_of_the_gitlab_include_runs(tmp_path: Path) -> None:
    job = recipe("gitlab.yml")[".curfewd-exec"]
    variables = {name: value for name, value in job["variables"].items() if name != "CURFEWD_SPOOL"}
    variables |= {
        "CURFEWD_SECRETS": "DEPLOY_TOKEN",
        "CURFEWD_CANARIES": "hex",
        "CURFEWD_RUN": 'test -n "$ADMIN_API_KEY"',
    }
    variables |= {"CI_JOB_ID": "9", "CI_JOB_NAME": "deploy", "GITLAB_USER_LOGIN": "ann"}
    [script] = job["script"]
    assert shell(tmp_path, script, variables).returncode == 0
    assert issued(tmp_path) == ["gitlab/job/9/script/DEPLOY_TOKEN", "gitlab/job/9/script/ADMIN_API_KEY"]
    assert events_in(tmp_path)[0]["data"]["parent_task_id"] == "gitlab/job/9"
    assert ends_in(tmp_path)["gitlab/job/9/script"]["outcome"] == "succeeded"
    assert shell(tmp_path, script, {**variables, "CURFEWD_RUN": "exit 5"}).returncode == 5


def test_the_shell_step_of_the_jenkinsfile_runs(tmp_path: Path) -> None:
    [script] = re.findall(r"sh '''\n(.*?)'''", (RECIPES / "Jenkinsfile").read_text(), re.DOTALL)
    deploy = tmp_path / "deploy.sh"
    deploy.write_text('#!/bin/sh\ntest -n "$DEPLOY_TOKEN"\n')
    deploy.chmod(0o755)
    # Groovy reads the escape of a line break in such a text away.
    variables = {"JOB_NAME": "shop/main", "BUILD_NUMBER": "7", "STAGE_NAME": "Deploy", "NODE_NAME": "agent-1"}
    assert shell(tmp_path, re.sub(r"\\\n", "", script), variables).returncode == 0
    assert issued(tmp_path) == ["jenkins/shop/main/7/Deploy/DEPLOY_TOKEN"]
    assert ends_in(tmp_path)["jenkins/shop/main/7/Deploy"]["outcome"] == "succeeded"


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not installed on this machine"
)
@pytest.mark.parametrize("name", ["backup.service", "curfewd-flush.service", "curfewd-flush.timer"])
def test_systemd_reads_it_without_a_complaint(tmp_path: Path, name: str) -> None:
    for unit in RECIPES.glob("curfewd-flush.*"):
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/curfewd/bin/curfewd", "/bin/true"))
    text = (RECIPES / name).read_text().replace("/opt/curfewd/bin/curfewd", "/bin/true")
    (tmp_path / name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_of_the_systemd_unit_runs(tmp_path: Path) -> None:
    [line] = re.findall(r"^ExecStart=((?:.*\\\n)*.*)", (RECIPES / "backup.service").read_text(), re.MULTILINE)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    words = shlex.split(line.replace("\\\n", ""))
    given = {"INVOCATION_ID": "5e5e", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    command = [
        string.Template(word.replace("%N", "backup").replace("%H", "host-1")).substitute(given)
        for word in words
    ]
    command[0], command[-1] = "curfewd", "true"
    assert shell(tmp_path, shlex.join(command), given).returncode == 0
    [credential] = issued(tmp_path)
    assert credential.startswith("systemd/backup/5e5e/")
    assert TOKEN not in (tmp_path / "events.jsonl").read_text()
    assert ends_in(tmp_path)["systemd/backup/5e5e"]["outcome"] == "succeeded"


def test_the_schema_of_kubernetes_reads_the_job() -> None:
    kubernetes_validate.validate(recipe("job.yaml"), KUBERNETES, strict=True)


def test_the_command_of_the_init_container_holds_the_task_open_until_it_is_told_to_stop(
    tmp_path: Path,
) -> None:
    [container] = recipe("job.yaml")["spec"]["template"]["spec"]["initContainers"]
    assert container["restartPolicy"] == "Always"
    (tmp_path / "token").write_text(TOKEN)
    named = {"NAMESPACE": "shop", "NAME": "deploy-x7k2p"}
    values = {one["name"]: one.get("value", named.get(one["name"], "")) for one in container["env"]}
    task = re.sub(r"\$\((\w+)\)", lambda found: named[found[1]], values["TASK"])
    arguments = [
        one.replace("$(TASK)", task).replace("/run/secrets/deploy/token", "token")
        for one in container["args"]
    ]
    process = subprocess.Popen(
        ["curfewd", *arguments],
        cwd=tmp_path,
        env=environment(tmp_path, PATH=PATH, CURFEWD_TO=str(tmp_path / "events.jsonl")),
    )
    until(lambda: (tmp_path / "events.jsonl").exists() and issued(tmp_path))
    until(
        lambda: any(catches(child, signal.SIGTERM) for child in children_of(process.pid))
    )  # the `trap` is set
    assert ends_in(tmp_path) == {}
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert issued(tmp_path) == ["k8s/shop/deploy-x7k2p/secrets/token"]
    assert ends_in(tmp_path)["k8s/shop/deploy-x7k2p/secrets"]["outcome"] == "succeeded"
