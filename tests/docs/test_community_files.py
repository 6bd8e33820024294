"""The files of a project that one can join: the changelog's form, hooks that run, templates that the forge can read."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import detector
from detector.configuration.fields import RENAMED_KEYS

ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
CHANGES = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
HOOKS: dict[str, Any] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
TEMPLATES = ROOT / ".github" / "ISSUE_TEMPLATE"


def sections(level: int, text: str) -> list[tuple[str, str]]:
    """The headings of a level, each with what stands below it."""
    parts = re.split(rf"^{'#' * level} (.+)$", text, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def test_the_changelog_has_the_form_of_keep_a_changelog() -> None:
    assert CHANGELOG.startswith("# Changelog\n")
    versions = sections(2, CHANGELOG)
    assert versions[0][0] == "[Unreleased]"
    released = [
        re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d{2}-\d{2})", title) for title, _ in versions[1:]
    ]
    assert all(released), versions
    numbers = [tuple(int(part) for part in match.groups()[:3]) for match in released if match]
    assert numbers == sorted(numbers, reverse=True)
    assert detector.__version__ in {".".join(map(str, number)) for number in numbers}
    for title, body in versions:
        kinds = [kind for kind, _ in sections(3, body)]
        assert kinds == [kind for kind in CHANGES if kind in kinds], f"{title}: {kinds}"
        for kind, changes in sections(3, body):
            assert "\n- " in changes, f"{title}, {kind}: nothing is listed"


def test_the_changelog_names_every_renamed_key() -> None:
    for old, new in RENAMED_KEYS.items():
        assert re.search(rf"^  \| .+ \| `{old}` \| `{new}` \|$", CHANGELOG, re.MULTILINE), old


def test_hooks_are_local_and_run_from_the_environment_of_the_project() -> None:
    assert [repository["repo"] for repository in HOOKS["repos"]] == ["local"]
    for hook in HOOKS["repos"][0]["hooks"]:
        assert hook["language"] == "system", hook["id"]
        assert hook["entry"].startswith(".venv/bin/"), hook["id"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the hooks, which find the programs beside the Python that runs the tests."""
    folder = tmp_path_factory.mktemp("hooks")
    programs = str(Path(sys.executable).parent)
    text = (ROOT / ".pre-commit-config.yaml").read_text().replace(".venv/bin", programs)
    (folder / ".pre-commit-config.yaml").write_text(text)
    shutil.copy(ROOT / "pyproject.toml", folder)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


WELL = {
    "good.py": '"""Adds."""\n\nSUM = 1 + 1\n',
    "good.yaml": "a: 1\n",
    "good.toml": "a = 1\n",
    "good.json": "{}\n",
}


@pytest.mark.parametrize(
    ("hook", "name", "text", "says"),
    [
        ("ruff", "bad.py", '"""Adds."""\n\nimport os\n', "F401"),
        ("ruff-format", "bad.py", '"""Adds."""\n\nSUM = 1+1\n', "would be reformatted"),
        ("check-yaml", "bad.yaml", "a: [1\n", "while parsing"),
        ("check-toml", "bad.toml", "a = \n", "bad.toml"),
        ("check-json", "bad.json", "{\n", "Failed to json decode"),
        ("trailing-whitespace", "bad.md", "blanks  \n", "Fixing bad.md"),
        ("end-of-file-fixer", "bad.md", "no newline", "Fixing bad.md"),
        ("check-added-large-files", "bad.md", "long\n" * 300_000, "exceeds"),
    ],
)
def test_a_hook_lets_good_files_pass_and_stops_a_bad_one(
    checkout: Path, hook: str, name: str, text: str, says: str
) -> None:
    for path, content in {**WELL, name: text}.items():
        (checkout / path).write_text(content)
    subprocess.run(["git", "add", "--all", "."], cwd=checkout, check=True)
    code, said = run_hook(checkout, hook, *WELL)
    assert code == 0, said
    code, said = run_hook(checkout, hook, name)
    assert code == 1, said
    assert says in said


def run_hook(folder: Path, hook: str, *files: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pre_commit", "run", hook, "--files", *files]
    environment = {**os.environ, "PRE_COMMIT_HOME": str(folder / ".cache")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["bug", "source", "pattern"])
def test_an_issue_template_asks_for_what_is_needed_and_warns_of_secrets(name: str) -> None:
    form = yaml.safe_load((TEMPLATES / f"{name}.yml").read_text())
    assert set(form) == {"name", "description", "labels", "body"}
    assert "Never paste a secret that works" in form["body"][0]["attributes"]["value"]
    asked = [each for each in form["body"] if each["type"] != "markdown"]
    assert {each["type"] for each in asked} <= {"input", "textarea", "dropdown"}
    assert len({each["id"] for each in asked}) == len(asked)
    assert any(each.get("validations", {}).get("required") for each in asked)
    assert all(each["attributes"]["options"] for each in asked if each["type"] == "dropdown")


def test_the_files_that_templates_and_the_policy_name_are_there() -> None:
    texts = [(ROOT / "SECURITY.md").read_text(), (ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md").read_text()]
    texts += [path.read_text() for path in sorted(TEMPLATES.glob("*.yml"))]
    named = {name for text in texts for name in re.findall(r"(?:docs/)?[\w-]+\.md\b", text)}
    assert {"CHANGELOG.md", "SECURITY.md", "docs/threat-model.md"} <= named
    for name in named:
        assert (ROOT / name).exists(), name
    targets = {target for text in texts for target in re.findall(r"`make ([a-z-]+)`", text)}
    assert targets
    assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for target in targets)


def test_the_editors_lines_are_as_long_as_the_linters() -> None:
    parser = configparser.ConfigParser()
    parser.read_string("[top]\n" + (ROOT / ".editorconfig").read_text())
    assert f"line-length = {parser['*.py']['max_line_length']}\n" in (ROOT / "pyproject.toml").read_text()
