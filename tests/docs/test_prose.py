"""Habits of prose: lines that fit, tables that fit on a screen, and no sentence that a reader has to solve."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in (
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "docs/**/*.md",
        "deploy/**/*.md",
        "examples/*.md",
        "benchmarks/*.md",
    )
    for path in ROOT.glob(pattern)
)
MODULES = sorted((ROOT / "detector").rglob("*.py"))
LONGEST_LINE = 120
LONGEST_TABLE = 25  # rows of the README: what a screen shows
RIDDLES = re.compile(
    r"\bwhat is of\b|\bthat which\b|\bof which none\b|\bis none of\b|\bwho had it\b|\bis no link\b|\bnot our matter\b"
    r"|\bhangs? on time\b|\ba mistake of ours\b|\btook for\b",
    re.IGNORECASE,
)
# What no native speaker says. Two pages of record are left as they were written.
RECORDS = ("CHANGELOG.md", "benchmarks/README.md")
UN_ENGLISH = re.compile(
    r"\b(the|its|each) begin (of|to|in)\b|\bfrom (its|the) begin\b|\bsuch a one\b|\banew\b|\bthe least that runs\b"
    r"|\b(nothing|nobody|not|no \w+|none)( \w+)? any more\b|\b(a|one|that) \w+ that was ended\b",
    re.IGNORECASE,
)
# Words that curfewd once had for itself; docs/glossary.md has the words for the same things.
PRIVATE_WORDS = re.compile(
    r"\bveil(s|ed)?\b|\bbereav\w+|\bletter ?box(es)?\b|\bstrands?\b|\bsealed bench\b", re.IGNORECASE
)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a page with their numbers, without code, tables and pictures."""
    code = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip().startswith("```"):
            code = not code
        elif not code and not line.strip().startswith(("|", "![")):
            yield number, line


def tables(text: str) -> Iterator[list[str]]:
    """The tables of a page, each as its lines."""
    found: list[str] = []
    for line in (*text.splitlines(), ""):
        if line.startswith("|"):
            found.append(line)
        elif found:
            yield found
            found = []


def words_of(source: str) -> Iterator[tuple[int, str]]:
    """The docstrings and comments of a module, with the lines that they begin on."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield node.body[0].lineno, docstring
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def riddles(lines: Iterable[tuple[int, str]], *, record: bool = False) -> list[tuple[int, str]]:
    return [(number, found[0]) for number, text in lines for found in riddles_in(text, record=record)]


def riddles_in(text: str, *, record: bool = False) -> list[re.Match[str]]:
    joined = re.sub(r"[\s#]+", " ", text)
    patterns = (RIDDLES, PRIVATE_WORDS) if record else (RIDDLES, UN_ENGLISH, PRIVATE_WORDS)
    return [found for words in patterns if (found := words.search(joined))]


def test_lines_of_prose_fit() -> None:
    assert [
        f"{named(page)}:{number}"
        for page in PAGES
        for number, line in prose_lines(page.read_text())
        if len(line) > LONGEST_LINE
    ] == []


def test_a_page_has_no_riddles() -> None:
    assert [
        f"{named(page)}:{number}: {found}"
        for page in PAGES
        for text in [page.read_text()]
        for number, found in riddles(
            [*enumerate(text.splitlines(), start=1), (1, text)], record=named(page) in RECORDS
        )
    ] == []


def test_docstrings_and_comments_have_no_riddles() -> None:
    assert [
        f"{named(module)}:{number}: {found}"
        for module in MODULES
        for source in [module.read_text()]
        if riddles_in(source)  # few have one in their code: only these are parsed
        for number, found in riddles(words_of(source))
    ] == []


def test_the_readme_has_no_table_longer_than_a_screen() -> None:
    assert [
        table[0] for table in tables((ROOT / "README.md").read_text()) if len(table) > LONGEST_TABLE
    ] == []


def test_a_long_line_a_riddle_and_a_long_table_are_seen() -> None:
    page = "Fine.\n```\n" + "x" * 200 + "\n```\n" + "y" * 121 + "\n"
    assert [number for number, line in prose_lines(page) if len(line) > LONGEST_LINE] == [5]
    module = 'def f():\n    """Keeps that\n    which it reads."""\n    # a veil, anew\n    return 1  # what is of no use\n'
    assert riddles_in(module)
    assert [text for _, text in riddles(words_of(module))] == ["that which", "anew", "veil", "what is of"]
    assert [len(table) for table in tables("| a |\n" * 26 + "\ntext\n| b |\n")] == [26, 1]
