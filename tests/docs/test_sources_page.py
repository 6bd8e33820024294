"""docs/sources.md and its pages: what they show is what happens."""

import io
import json
import re
import tomllib
from pathlib import Path

import pytest

from detector.adapters.catalog import CATALOG
from detector.cli import main
from detector.configuration.settings import TABLES, Settings, problems
from detector.explain.sources_page import HEAD, table, with_table
from detector.ingest.classify import BUNDLED
from detector.ingest.mapped_adapter import configured_classifier
from detector.values.events import CredentialUsed
from detector.values.times import parse_rfc3339
from tests.scenarios.telling import told

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "sources.md"
PAGES = (PAGE, *sorted((DOCS / "sources").glob("*.md")))
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language, without their indent."""
    return [
        "".join(line.removeprefix(match[1]) for line in match[3].splitlines(keepends=True))
        for match in _BLOCK.finditer(text)
        if match[2] == language
    ]


def section(title: str) -> str:
    text = PAGE.read_text()
    start = text.index(f"## {title}\n")
    end = text.find("\n## ", start)
    return text[start:] if end < 0 else text[start:end]


def ours(block: str) -> bool:
    """Whether a block of TOML is a configuration of curfewd, and not of a shipper."""
    tables = set(tomllib.loads(block))
    return tables <= {*TABLES, "lateness"} and "type = " not in block.split("[[source.event]]", maxsplit=1)[0]


def test_the_example_with_which_the_page_begins(tmp_path: Path) -> None:
    found = told(tmp_path, {"gitlab.jsonl": blocks(PAGE.read_text(), "json")[0]})
    assert "use-after-termination" in [rule for rule, *_ in found.findings]
    assert found.dead == ()


def test_the_source_that_the_page_describes_finds_what_it_says(tmp_path: Path) -> None:
    text = section("A source of your own")
    (records,), (configuration,) = blocks(text, "json"), blocks(text, "toml")
    path = tmp_path / "curfewd.toml"
    path.write_text(configuration)
    assert problems(str(path), {}) == []
    classifier = configured_classifier(Settings.load(str(path), {}).sources)
    found = told(tmp_path / "in", {"deployer.jsonl": records}, classifier=classifier)
    rows = re.findall(r"^\| `(.+)` \| `(.+)` \| (\w+) \|$", text, re.MULTILINE)
    assert [(rule, key, severity) for rule, key, _, severity in found.findings] == rows
    assert found.dead == ()
    (command,) = found.result.commands
    assert command.credential.revocation == {"provider": "deployer", "call": "DELETE /tokens/tk-9"}


def test_the_commands_that_the_page_names_do_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.scan.scanner_loader.load_bundled", tuple)  # they have a test of their own
    text = section("A source of your own")
    (tmp_path / "curfewd.toml").write_text(blocks(text, "toml")[0])
    (tmp_path / "deployer.jsonl").write_text(blocks(text, "json")[0])
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--config", "curfewd.toml"]) == 0
    assert main(["replay", "--config", "curfewd.toml", "--out", "out", "deployer.jsonl"]) == 0
    found = [json.loads(line) for line in Path("out/findings.jsonl").read_text().splitlines()]
    assert len(found) == 4
    assert {each["unmapped"]["credential_id"] for each in found} == {"deployer/tk-9"}
    (read,) = json.loads(Path("out/summary.json").read_text())["records"].values()
    assert read == {"deployer": 5}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_configuration_on_a_page_is_right(page: Path, tmp_path: Path) -> None:
    for block in filter(ours, blocks(page.read_text(), "toml")):
        path = tmp_path / "curfewd.toml"
        path.write_text(block)
        assert [str(problem) for problem in problems(str(path), {})] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_refers_to_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_table_is_made_from_the_catalogue() -> None:
    assert with_table(PAGE.read_text()) == PAGE.read_text(), (
        "run python -m detector.explain.sources_page docs/sources.md"
    )
    assert with_table(f"{HEAD}| old |\n\nrest") == f"{table()}\nrest"


def test_a_csvlog_becomes_objects_by_the_program_on_the_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line is as PostgreSQL 13 writes it, before `leader_pid` and `query_id`; its statement has a line break."""
    (program,) = blocks((DOCS / "sources" / "postgresql.md").read_text(), "python")
    line = (
        '2026-05-04 08:22:14.535 UTC,"job-71","shop",7,"192.0.2.4:5432",6a.7,3,"SELECT",2026-05-04 08:22:00 UTC,3/4,0,'
        'LOG,00000,"AUDIT: SESSION,1,1,READ,SELECT,,,""SELECT 1\n"",<none>",,,,,,,,,"psql","client backend"\n'
    )
    monkeypatch.setattr("sys.stdin", io.StringIO(line))
    exec(compile(program, "csvlog.py", "exec"), {})  # noqa: S102 - it stands in our own page
    (read,) = BUNDLED.read_object(capsys.readouterr().out.encode(), parse_rfc3339("2026-06-01T00:00:00Z"))
    (use,) = read.events
    assert isinstance(use, CredentialUsed)
    assert (use.id, use.action, use.source_ip, use.user_agent) == ("6a.7/3", "SELECT", "192.0.2.4", "psql")


@pytest.mark.parametrize("name", CATALOG)
def test_a_source_has_a_page_and_a_section(name: str) -> None:
    file, _, anchor = CATALOG[name].page.partition("#")
    titles = re.findall(r"^#+ (.+)$", (DOCS / "sources" / file).read_text(), re.MULTILINE)
    assert anchor in {"", *(re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles)}


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.stem)
def test_a_page_begins_with_three_lines_to_paste(page: Path) -> None:
    title, block = page.read_text().split("\n\n", maxsplit=2)[:2]
    assert title.startswith("# ")
    lines = block.splitlines()
    assert lines[0].startswith("```")
    assert (len(lines), lines[-1]) == (5, "```")


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.stem)
def test_a_page_says_what_is_not_seen(page: Path) -> None:
    assert "\n## Not seen\n" in page.read_text()
