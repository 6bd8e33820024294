"""The wheel: installed anywhere, curfewd finds its patterns."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_carries_the_patterns_and_runs_without_the_checkout(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("curfewd-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    expected = {f"detector/pattern_files/{path.name}" for path in (ROOT / "patterns").glob("*.toml")}
    assert len(expected) >= 60
    assert expected <= names
    assert "detector/py.typed" in names
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
