"""What holds for every page by the look of its parts: no markup is made of text, nothing is asked of the network."""

import base64
import hashlib
import json
import re  # over our own files
from pathlib import Path

import pytest

from detector import pages

FOLDER = Path(pages.__file__).parent
OURS = sorted(path for path in FOLDER.glob("*.js") if path.name != "d3.min.js")
STYLES = sorted(FOLDER.glob("*.css"))
# How a text could become markup, code or an address that is gone to.
MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc|setHTML"
    r"|\beval\b|\bFunction\(|\.html\(|setTimeout\(\s*[\"'`]|import\("
)


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_a_script_makes_no_markup_of_text(path: Path) -> None:
    assert MARKUP.findall(path.read_text()) == []


@pytest.mark.parametrize("path", [*OURS, *STYLES], ids=lambda path: path.name)
def test_nothing_is_named_that_is_not_in_the_page(path: Path) -> None:
    named = re.findall(r"https?://[^\s\"'`)]+|//[a-z0-9.-]+\.[a-z]{2,}|url\((?!#)|@import", path.read_text())
    assert set(named) <= ({"http://www.w3.org/2000/svg"} if path.name == "dom.js" else set())


def test_the_library_is_what_its_manifest_says_and_every_licence_is_carried() -> None:
    manifest = json.loads((FOLDER / "d3.json").read_text())
    licences = (FOLDER / "d3.LICENSE.txt").read_text()
    assert hashlib.sha256((FOLDER / manifest["file"]).read_bytes()).hexdigest() == manifest["sha256"]
    assert {one["license"] for one in manifest["packages"].values()} <= {"ISC", "BSD-3-Clause"}
    for name, package in manifest["packages"].items():
        assert f"{name} {package['version']}" in licences


def test_the_policy_allows_this_script_and_this_style_and_nothing_else() -> None:
    policy = pages.content_security_policy("let a;", "p{}", connect_src="'self'")
    said = dict(one.split(" ", 1) for one in policy.split("; "))

    def hash_of(text: bytes) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"

    assert said == {
        "default-src": "'none'",
        "script-src": hash_of(b"let a;"),
        "style-src": hash_of(b"p{}"),
        "base-uri": "'none'",
        "form-action": "'none'",
        "connect-src": "'self'",
    }


def test_a_title_cannot_end_itself() -> None:
    page = pages.document(title="</title><b>", script="", style="", body="", policy='"><b>')
    assert b"<b>" not in page


@pytest.mark.parametrize("name", [*pages.COMPONENT_SCRIPTS, "report.js", "live.js"])
def test_a_script_cannot_end_its_own_element(name: str) -> None:
    assert "</script" not in pages.source(name).lower()
    assert "<!--" not in pages.source(name)
