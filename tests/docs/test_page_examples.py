"""The examples with which pages begin: what they show is what is printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

from detector.configuration.settings import problems

DOCS = Path(__file__).parents[2] / "docs"


def printed(command: str, given: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), "COLUMNS": "100", "CURFEWD_KEY": "00" * 16},
        input=given,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def test_the_example_of_the_rules(tmp_path: Path) -> None:
    assert blocks("rules.md", "text")[0] in printed(
        "curfewd replay -", blocks("rules.md", "json")[0], tmp_path
    )


def test_the_examples_of_the_scanner(tmp_path: Path) -> None:
    told = re.findall(r"^\$ (.*)\n(.*)\n", blocks("scanner.md", "console")[0], re.MULTILINE)
    assert len(told) == 2
    assert [printed(command, "", tmp_path) for command, _ in told] == [f"{line}\n" for _, line in told]


def test_the_least_that_is_deployed(tmp_path: Path) -> None:
    (tmp_path / "deployment.key").write_text("00" * 32)
    path = tmp_path / "curfewd.toml"
    path.write_text(blocks("deploy.md", "toml")[0])
    assert problems(str(path), {}) == []


def test_the_first_look_at_the_revoker(tmp_path: Path) -> None:
    (tmp_path / "curfewd.toml").write_text(blocks("revoke.md", "toml")[0])
    command, _, told = blocks("revoke.md", "console")[0].removeprefix("$ ").partition("\n")
    said = re.sub(
        r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ",
        "2026-05-01 08:14:02Z",
        # In one shell: the revoker checks signatures with the key that the replay signed with.
        printed(f"{{ {blocks('revoke.md', 'sh')[0]} }} >&2\nCOLUMNS=80 {command}", "", tmp_path),
    )
    assert re.sub(r" +$", "", said, flags=re.MULTILINE) == told
