"""`curfewd sources explain`: what became of each record, which is what a replay makes of it."""

import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from detector.adapters.catalog import CATALOG
from detector.cli import main
from detector.configuration.settings import Settings
from detector.explain.explained import EVENTS, NOT_BELIEVED, TEXT, UNREADABLE
from detector.explain.reading import Explained, explain
from detector.explain.table import print_catalog
from detector.outputs.summary import UNKNOWN_TYPE
from detector.replay.plan import Plan
from detector.replay.replay import replay
from detector.replay.replay_command import Request, planned
from detector.terminal.progress import NoMeter
from tests.bundled import bundled_scanner
from tests.scenarios.telling import NOW, STORIES

TOKEN = "glpat-A7kQz93LmWx2PdTnVb4R"
START = '{"specversion": "1.0", "id": "1", "source": "ci", "type": "task.started", "time": "2026-05-01T08:00:00Z", "data": {"task_id": "t-1"}}\n'


def plan_of(*paths: Path, config: str | None = None, **named: Any) -> Plan:
    request = Request(config=config, paths=tuple(map(str, paths)), jobs=1, now=NOW, **named)
    return planned(request, Settings.load(config), bundled_scanner())[0]


def explained(*paths: Path, most: int = 1000, **named: Any) -> Explained:
    return explain(plan_of(*paths, **named), NoMeter(), most)


def issue(number: int, **data: Any) -> str:
    return event(
        "credential.issued",
        number,
        credential_id=f"c-{number}",
        identifiers=[{"scheme": "id", "value": f"v-{number}"}],
        **data,
    )


def event(kind: str, number: int, **data: Any) -> str:
    record = {
        "specversion": "1.0",
        "id": f"{kind}/{number}",
        "source": "ci",
        "type": kind,
        "time": f"2026-05-01T08:00:{number:02}Z",
        "data": data,
    }
    return json.dumps(record) + "\n"


def of_lines(tmp_path: Path, *lines: str, name: str = "events.jsonl", **named: Any) -> Explained:
    file = tmp_path / name
    file.write_bytes("".join(lines).encode())
    return explained(file, **named)


def events_of(made: Explained) -> list[tuple[str, str | None, str | None, str]]:
    return [(one.type, one.task, one.by, one.reason) for record in made.records for one in record.events]


@pytest.mark.parametrize("name", sorted(STORIES))
def test_records_and_events_are_those_of_a_replay(name: str) -> None:
    plan = plan_of(STORIES[name])
    made, summary = explain(plan, NoMeter(), 1000), replay(plan, NoMeter()).summary
    read = Counter[str]()
    for one in summary.read:
        read[one.format] += one.records
    shown = Counter[str]()
    for record in made.records:
        shown[record.format] += record.count
    assert shown == read
    assert made.tally.records == read.total()
    kinds = Counter(each[0] for each in events_of(made))
    told = summary.events.keys() - {UNKNOWN_TYPE}
    assert kinds.keys() == told
    assert all(kinds[kind] >= summary.events[kind] for kind in told)  # copies count once in a replay


def test_a_task_is_found_by_its_id_its_group_or_its_candidates(tmp_path: Path) -> None:
    made = of_lines(
        tmp_path,
        event("task.started", 1, task_id="t-1", group="one"),
        event("task.started", 2, task_id="t-2", group="two"),
        event("task.started", 3, task_id="t-3", group="two"),
        issue(11, task_id="t-1"),
        issue(12, task_group="one"),
        issue(13, task_group="two"),
        issue(14, task_group="none"),
        issue(15, task_id="t-9"),
        event("credential.used", 16, credential_id="c-11"),
        event("credential.used", 17, credential_id="c-99"),
        event("task.ended", 18, task_id="t-8"),
    )
    assert events_of(made)[3:] == [
        ("credential.issued", "t-1", "id", ""),
        ("credential.issued", "t-1", "group", ""),
        ("credential.issued", "one of 2 tasks", "candidates", ""),
        ("credential.issued", None, None, "no-candidate"),
        ("credential.issued", None, None, "unreported"),
        ("credential.used", "t-1", "id", ""),
        ("credential.used", None, None, "unknown-credential"),
        ("task.ended", "t-8", "id", "no-start"),
    ]
    tried = [one.tried for record in made.records for one in record.events if one.tried]
    assert tried == ["group none", "task t-9"]
    assert (made.tally.joined, made.tally.unjoined) == ({"id": 2, "group": 1, "candidates": 1}, 3)


def test_what_no_source_knows_is_told_with_the_nearest_source_and_the_field_that_it_lacks(
    tmp_path: Path,
) -> None:
    trail = {"eventSource": "sts.amazonaws.com", "eventTime": "2026-05-01T08:00:00Z", "userIdentity": {}}
    made = of_lines(tmp_path, json.dumps(trail) + "\n", '{"answer": 42}\n')
    assert [record.became for record in made.records] == [TEXT, TEXT]
    assert made.records[0].why == "nearest is AWS CloudTrail (cloudtrail), without eventName"
    assert made.records[1].why == "no source writes such records"


def test_a_source_that_is_switched_off_is_told_as_such(tmp_path: Path) -> None:
    config = tmp_path / "curfewd.toml"
    config.write_text("[sources.cloudtrail]\nenabled = false\n")
    trail = {
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "eventTime": "2026-05-01T08:00:00Z",
    }
    (record,) = of_lines(tmp_path, json.dumps(trail) + "\n", config=str(config)).records
    assert record.became == TEXT
    assert "or that source is off" in record.why


def test_a_file_with_a_line_of_text_carries_no_events_and_its_line_is_named(tmp_path: Path) -> None:
    made = of_lines(tmp_path, START, "hello\n", START)
    assert [(record.line, record.became) for record in made.records] == [
        (1, NOT_BELIEVED),
        (2, TEXT),
        (3, NOT_BELIEVED),
    ]
    assert "line 2 of the file is text" in made.records[0].why


def test_what_is_declared_as_logs_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(START)
    (record,) = explained(logs=(str(file),)).records
    assert (record.became, record.why) == (
        NOT_BELIEVED,
        "--logs names the file, so nothing in it is an event",
    )


def test_what_trust_refuses_is_told_with_the_entry(tmp_path: Path) -> None:
    config = tmp_path / "curfewd.toml"
    config.write_text('\n[[trust]]\npaths = ["*events.jsonl"]\nsources = ["vault/*"]\n')
    (record,) = of_lines(tmp_path, START, config=str(config)).records
    assert record.became == NOT_BELIEVED
    assert record.reason == "untrusted-source"
    assert record.why.endswith("([[trust]] in line 2)")


def test_a_broken_record_is_told_with_its_field(tmp_path: Path) -> None:
    made = of_lines(tmp_path, START, START.replace('"id": "1", ', ""))
    assert [record.became for record in made.records] == [EVENTS, UNREADABLE]
    assert made.records[1].why == "a required field is missing (id)"


@pytest.mark.parametrize("shape", ["lines", "document", "long"])
def test_every_record_has_its_line_in_every_form_of_file(tmp_path: Path, shape: str) -> None:
    records = [{"action": "queued", "workflow_job": {"id": n}, "pad": "x" * 100} for n in range(3)]
    if shape == "document":
        text = json.dumps(records, indent=0)
        lines = [text[: text.index(f'"id": {n}')].count("\n") - 2 for n in range(3)]
    else:
        pad = "x" * (9_000_000 if shape == "long" else 1)
        text = "".join(json.dumps({**record, "pad": pad}) + "\n" for record in records)
        lines = [1, 2, 3]
    (tmp_path / "hooks.json").write_text(text)
    made = explained(tmp_path / "hooks.json")
    assert [record.line for record in made.records] == lines
    assert {record.format for record in made.records} == {"github"}


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "core").write_bytes(bytes(range(256)) * 8)
    assert [(letter.source, letter.reason) for letter in explained(tmp_path / "core").letters] == [
        (str(tmp_path / "core"), "binary")
    ]


def test_carriage_returns_make_no_lines(tmp_path: Path) -> None:
    made = of_lines(tmp_path, START.replace(": ", ":\r"), START.strip())
    assert [(record.line, record.became) for record in made.records] == [(1, EVENTS), (2, EVENTS)]


def test_only_the_first_records_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    made = of_lines(tmp_path, *(event("task.started", n, task_id=f"t-{n}") for n in range(30)), most=4)
    assert len(made.records) == 4
    assert made.tally.records == 30


# The command


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    try:
        code = main(["sources", *map(str, arguments)])
    except SystemExit as stopped:
        code = int(str(stopped.code))
    return code, *capsys.readouterr()


@pytest.fixture(autouse=True)
def _few_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    scanner = bundled_scanner()
    monkeypatch.setattr("detector.explain.command.load_scanner", lambda _: (scanner, ()))


def test_the_command_prints_records_and_sums(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(START + issue(11, task_id="t-1") + issue(12, task_id="t-9"))
    code, out, _ = run(capsys, "explain", file)
    assert code == 0
    assert "credential.issued   c-11 → t-1 by its id" in out
    assert "c-12  nothing reported the start or end of its task (tried: task t-9)" in out
    assert "3 records: 3 (100 %) understood" in out
    assert "1 (50 %) of 2 events about credentials found a task" in out


def test_hostile_text_and_secrets_reach_neither_terminal_nor_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(event("task.started", 1, task_id=f"a\x1b[31m\u202e {TOKEN}") + issue(2, task_id=TOKEN))
    for arguments in ((), ("--json",)):
        code, out, _ = run(capsys, "explain", *arguments, file)
        assert code == 0
        assert TOKEN not in out
        assert "\x1b" not in out
        assert "\u202e" not in out


def test_json_has_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(START + issue(12, task_id="t-9"))
    code, out, _ = run(capsys, "explain", "--json", "--limit", "1", file)
    made = json.loads(out)
    assert code == 0
    assert [(each["line"], each["became"]) for each in made["records"]] == [(1, "events")]
    assert made["summary"]["became"] == {"events": 2}
    assert made["summary"]["reasons"][0]["reason"] == "unreported"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("explain",), "name a file or folder"),
        (("explain", "missing.json"), "missing.json"),
        (("explain", "--limit", "-1", "x"), "--limit"),
        (("explain", "--format", "nothing", "x"), "--format"),
        (("nothing",), "nothing"),
    ],
)
def test_a_mistake_is_told_in_a_line(
    arguments: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in err.splitlines()[0]


def test_the_list_has_every_source(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys)
    assert code == 0
    code, document, _ = run(capsys, "--json")
    names = [each["name"] for each in json.loads(document)["sources"]]
    assert [name for name in names if name not in out] == []


def test_no_name_in_the_table_of_sources_is_cut() -> None:
    told = io.StringIO()
    print_catalog(CATALOG, Console(file=told, width=80))
    cells = [text for entry in CATALOG.values() for text in (entry.gives, entry.task, entry.enable)]
    assert told.getvalue().count("…") == sum(text.count("…") for text in cells)
