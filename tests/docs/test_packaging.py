"""The wheel: installed anywhere, curfewd finds its patterns. And nothing installs curfewd by its name."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_EXTRAS = r"(?:\[[\w,. -]+\])?"
# Whoever registers a name that nobody has published runs code beside secrets. `curfewd @ …` is a wheel's address.
BY_NAME = (
    rf"\b(?:pip[x\d.]*|uvx?|poetry|pdm|conda|mamba)\b[^\n`|;&.]*[\s'\"]curfewd{_EXTRAS}(?!\s*@\s|[\w/:.\[-])",
    r"\bcurfewd\[[\w,. -]+\](?!\s*@\s)",
    r"\bcurfewd\s*(?:==|>=|~=|<|@\s*v?\d)\s*\d",
)


def by_name(text: str) -> list[str]:
    return [found[0] for each in BY_NAME for found in re.finditer(each, text)]


def test_the_wheel_carries_the_patterns_and_runs_without_the_checkout(tmp_path: Path) -> None:
    build: list[str | Path] = [
        Path(sys.executable).with_name("maturin"),
        "build",
        "--release",
        "--out",
        str(tmp_path),
    ]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("curfewd-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    expected = {f"detector/pattern_files/{path.name}" for path in (ROOT / "patterns").glob("*.toml")}
    assert len(expected) >= 60
    assert expected <= names
    assert {"detector/py.typed", "detector/core.pyi", "detector/core.abi3.so"} <= names
    assert {f"detector/pages/{path.name}" for path in (ROOT / "detector" / "pages").glob("*.*s")} <= names
    assert not any(name.startswith(("tests/", "benchmarks/", "examples/")) for name in names)
    script = "import detector.cli, sys; sys.exit(detector.cli.main(['patterns', 'list']))"
    run = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path / 'installed')!r}); {script}",
        ],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert "github-pat-classic" in run.stdout


@pytest.mark.parametrize(
    ("text", "installs"),
    [
        ("pip install curfewd", True),
        ("python -m pip install --upgrade 'curfewd[aws]'", True),
        ("pipx run curfewd check", True),
        ("uvx curfewd redact", True),
        ("uv tool install curfewd", True),
        ("install the extra curfewd[revoke]", True),
        ("additional_dependencies: ['curfewd==0.1.0']", True),
        ("pip install '.[revoke]' in the checkout of curfewd", False),
        ("~/curfewd/bin/pip install . && export PATH=~/curfewd/bin:$PATH", False),
        (
            "pip install 'curfewd[remote] @ https://files.example/curfewd-0.1.0-py3-none-any.whl#sha256=2b5a'",
            False,
        ),
        ("helm -n security install curfewd deploy/helm/curfewd", False),
    ],
)
def test_it_is_seen_what_installs_by_name(text: str, *, installs: bool) -> None:
    assert bool(by_name(text)) == installs


def test_nothing_installs_curfewd_by_a_name_that_nobody_has_published() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    # This file says what is looked for.
    paths = {ROOT / name for name in listed.stdout.split("\0") if name} - {
        Path(__file__),
    }
    texts = {path: path.read_text(errors="replace") for path in paths if path.is_file()}
    assert len(texts) > 1000
    found = {str(path.relative_to(ROOT)): by_name(text) for path, text in texts.items()}
    assert {path: each for path, each in found.items() if each} == {}
