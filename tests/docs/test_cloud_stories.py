"""The stories of docs/sources/{aws,google,azure}.md: the commands print what the pages show."""

import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from detector.cli import main
from tests.docs.test_page_examples import blocks

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("cloud", ["aws", "google", "azure"])
def test_a_story_is_told_as_the_page_shows(
    cloud: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("detector.scan.scanner_loader.load_bundled", tuple)  # it has tests of its own
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("CURFEWD_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    block = next(block for block in blocks(f"sources/{cloud}.md", "console") if "examples/clouds" in block)
    (replay, shown), (command, handle) = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    name, *arguments = replay.split()
    paths = [str(path) for each in arguments for path in sorted(Path().glob(each)) if "*" in each]
    assert name == "curfewd"
    assert main([each for each in arguments if "*" not in each] + paths) == 0
    said = re.sub(r" +$", "", capsys.readouterr().out, flags=re.MULTILINE)
    places = [said.index(part) for part in shown.split("…\n") if part]
    assert places[0] == 0
    assert all(before < after for before, after in pairwise(places))
    told = subprocess.run(["/bin/bash", "-c", command], check=True, capture_output=True, text=True)
    assert told.stdout == handle
