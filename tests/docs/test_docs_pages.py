"""README and the other pages: links lead somewhere, tests that they name exist, and commands to type work."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "deploy").rglob("*.md")),
    ROOT / "benchmarks" / "README.md",
    ROOT / "examples" / "README.md",
]
NAMING = ("guarantees.md", "threat-model.md")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_TEST = re.compile(r"`(test_\w+)`")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """As GitHub names headings."""
    plain = [re.sub(r"[^\w\- ]", "", title.lower()) for title in _HEADING.findall(page.read_text())]
    return {title.replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(page.read_text()):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("name", NAMING)
def test_tests_that_a_page_names_exist(name: str) -> None:
    named = set(_TEST.findall((ROOT / "docs" / name).read_text()))
    assert named
    assert named - {path.stem for path in (ROOT / "tests").rglob("test_*.py")} == set()


@pytest.mark.slow
def test_the_first_leak_of_the_readme_is_found(tmp_path: Path) -> None:
    (block,) = re.findall(
        r"^## A leak of your own.*?^```sh\n(.*?)^```",
        (ROOT / "README.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    script = re.sub(r"\$\(openssl rand -hex (\d+)\)", lambda found: "5e" * int(found[1]), block)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-eu", "-c", script],
        cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "token-1 of task build-1 was printed, in base64, in a log" in done.stdout
    assert '"subject":"token-1"' in (tmp_path / "out" / "revocations.jsonl").read_text()
    assert (tmp_path / "report.html").stat().st_size
