"""The pages that a browser shows: the parts that the report and the live view share, and how one page is put together.

Each part is a plain script or style sheet beside this file. The scripts share one namespace, `curfewd`, and show what
they are given by `textContent` alone, so that no text of a log can become markup; tests/test_pages.py holds them to it.

| file | what |
| --- | --- |
| `palette.css`, `page.css` | colours for light and dark; headings, panels, tables, buttons, focus, print |
| `findings.css`, `timeline.css` | the looks of the parts below |
| `d3.min.js` | d3's scales, axes and zoom: `make vendor` renews it, `d3.json` says what it is, `d3.LICENSE.txt` whose |
| `dom.js` | `el`, `svg`: elements; `time`, `span`, `counted`: words |
| `rows.js` | `rowsOf`: the rows of a timeline, of findings and commands |
| `timeline.js` | `timeline`: tasks as bars, credentials under them, marks; zoom, pages, a table |
| `findings.js` | `findingCard`, `findingFacts`: one finding, with its evidence, advice and taxonomies |
| `task.js` | `taskDetail`: one task with all that is known of it |

What the objects look like that they are given is said in `detector.outputs.page_records`.
"""

import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from html import escape
from importlib.resources import files
from typing import Final

COMPONENT_STYLES: Final = ("palette.css", "page.css", "findings.css", "timeline.css")
COMPONENT_SCRIPTS: Final = ("d3.min.js", "dom.js", "findings.js", "rows.js", "timeline.js", "task.js")


@cache
def source(name: str) -> str:
    """The text of one of the files beside this one."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def joined(names: Iterable[str]) -> str:
    """Several of them as one script or style sheet, in this order."""
    return "\n".join(source(name).strip("\n") for name in names) + "\n"


def content_security_policy(script: str, style: str, **directives: str) -> str:
    """A policy under which a page runs this script and has this style, and nothing else from anywhere.

    `directives` are added, `connect_src="'self'"` for one.
    """
    made = {
        "default-src": "'none'",
        "script-src": _hash_of(script),
        "style-src": _hash_of(style),
        "base-uri": "'none'",
        "form-action": "'none'",
        **{name.replace("_", "-"): value for name, value in directives.items()},
    }
    return "; ".join(f"{name} {value}" for name, value in made.items())


def _hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def document(*, title: str, script: str, style: str, body: str, policy: str) -> bytes:
    """A whole page. `body` is markup of our own, never of what was read; the script runs when it is there."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n"
        f"<body>\n{body}\n<script>{script}</script>\n</body>\n</html>\n"
    ).encode()
