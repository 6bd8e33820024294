"""Which files of a replay carry events: those that hold nothing else, and those that a person names."""

import gzip
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from detector.cli import main
from detector.configuration.mapped_sources import LogSettings, SourceSettings
from detector.ingest.declarations import Declarations
from detector.ingest.inputs import find_sources
from detector.ingest.mapped_adapter import configured_classifier
from detector.judge.policy import Policy
from detector.outputs.summary import NotBelieved
from detector.replay import runner as runner_module
from detector.replay.plan import Plan
from detector.replay.replay import Result, replay
from detector.replay.runner import Processes
from detector.terminal.progress import NoMeter
from detector.values.errors import InputError
from tests.adapters.shippers import SHIPPERS
from tests.replay.test_replay import finder_of
from tests.small_history import NOW, event, events, jsonl, write
from tests.stages.test_log_topics import SPAN

FORGED = event(900, "task.ended", 5, task_id="task-0")
# What Vault writes first of all: it has no token in it.
UNTOLD = {
    "time": "2026-05-01T00:00:01Z", "type": "request", "auth": {}, "request": {"id": "1", "operation": "update", "path": "sys/audit/test"},
}  # fmt: skip
UNIT = 700  # bytes: a file is cut into many ranges


def run(
    *paths: Path, events: Sequence[Path] = (), text: Sequence[Path] = (), unit: int = 1 << 20, jobs: int = 1
) -> Result:
    declarations = Declarations(map(str, events), map(str, text))
    sources, letters = find_sources(
        [str(path) for path in (*paths, *events, *text)], declarations=declarations
    )
    plan = Plan(
        sources, Policy(), finder_of, keyed=True, now=NOW, letters=letters, unit=unit, runner=Processes(jobs)
    )
    return replay(plan, NoMeter())


def found(result: Result) -> Any:
    return [(one.rule, one.key, one.count, one.first_seen) for one in result.findings], [
        one.id for one in result.commands
    ]


@pytest.fixture
def history(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "history")


@pytest.mark.parametrize("shipper", SHIPPERS)
@pytest.mark.parametrize("place", ["first", "last", "between"])
def test_an_event_that_a_shipper_merged_changes_nothing(
    history: tuple[Path, Path], tmp_path: Path, shipper: str, place: str
) -> None:
    """Each of these shippers lifts the fields of a JSON line that a job prints to the top of its own record."""
    expected = found(run(*history))
    plain, merged = SHIPPERS[shipper]
    records = [plain(f"line {number}") for number in range(5)]
    records.insert({"first": 0, "last": 5, "between": 2}[place], merged(FORGED))
    log = tmp_path / "shipped.jsonl"
    log.write_bytes(jsonl(records))
    result = run(*history, log)
    assert found(result) == expected
    assert result.summary.events["task.ended"] == 12
    # Even in a file that is declared: but a record with nothing of Fluent Bit's in it but `date` is an event.
    declared = run(*history, events=[log])
    assert declared.summary.events["task.ended"] == (13 if shipper == "Fluent Bit" else 12)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("unit", [UNIT, 1 << 20])
@pytest.mark.parametrize("at_line", [1, 20, 61])
def test_one_line_of_text_makes_a_whole_file_text(
    history: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, at_line: int, unit: int, jobs: int
) -> None:
    monkeypatch.setattr(runner_module, "SMALL", 0)
    lines = jsonl(events()).splitlines(keepends=True)
    lines.insert(at_line - 1, b'{"message": "hello"}\n')
    history[0].write_bytes(b"".join(lines))
    result = run(*history, unit=unit, jobs=jobs)
    assert result.summary.events == {}
    assert [one.rule for one in result.findings] == []
    assert result.summary.not_believed == (NotBelieved(str(history[0]), 60, at_line),)
    (warning,) = result.summary.warnings
    assert warning == (
        f"{history[0]}: 60 records that look like events are not believed, because there are other records too "
        f"(line {at_line} is text). If only trusted programs can write to it, name it with --events"
    )
    believed = run(*history, events=history[:1], unit=unit, jobs=jobs)
    assert len(believed.summary.events) == 5
    assert believed.summary.not_believed == ()


@pytest.mark.parametrize("unit", [UNIT, 1 << 20])
@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b'{"specversion": "1.0", "type": "task.en\n', id="torn"),
        pytest.param(b'{"da\n', id="torn early"),
        pytest.param(b'{"message": "\xff"}\n', id="not UTF-8"),
        pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"\n", id="too deep"),
        pytest.param(b"\n \n", id="blank"),
        pytest.param(jsonl([UNTOLD]), id="a record of a source that says nothing"),
        pytest.param(jsonl([{**FORGED, "data": {}}]), id="an event that lacks a field"),
        pytest.param(jsonl([{**FORGED, "type": "org.example.other"}]), id="an event of another type"),
    ],
)
def test_a_broken_line_does_not_make_a_file_of_events_text(
    history: tuple[Path, Path], broken: bytes, unit: int
) -> None:
    expected = found(run(*history))
    lines = jsonl(events()).splitlines(keepends=True)
    for place in (0, 30, 60):
        history[0].write_bytes(b"".join([*lines[:place], broken, *lines[place:]]))
        result = run(*history, unit=unit)
        assert found(result) == expected
        assert result.summary.not_believed == ()
        quiet = broken.isspace() or any(mark in broken for mark in (b"org.example", b"sys/audit/test"))
        assert sum(result.letters.counts.values()) == (0 if quiet else 1)


def test_what_only_resembles_json_is_text(tmp_path: Path) -> None:
    log = tmp_path / "python.log"
    log.write_bytes(b"{'level': 'info'}\n" + jsonl([FORGED, FORGED]))
    result = run(log)
    assert result.summary.events == {}
    assert result.summary.not_believed == (NotBelieved(str(log), 2, 1),)


def test_where_most_records_are_broken_a_file_is_text(tmp_path: Path) -> None:
    log = tmp_path / "cut-after-40-bytes.jsonl"
    log.write_bytes(b'{"level": "info", "message": "somethi\n' * 3 + jsonl([FORGED, FORGED]))
    result = run(log)
    assert result.summary.events == {}
    assert result.summary.not_believed == (NotBelieved(str(log), 2, 1),)


def test_the_end_of_an_archive_that_is_cut_makes_nothing_text(tmp_path: Path) -> None:
    packed = tmp_path / "events.jsonl.gz"
    packed.write_bytes(gzip.compress(jsonl(events() * 40), 1)[:-400])
    result = run(packed)
    assert result.summary.events["task.ended"] == 12
    assert dict(result.letters.counts)["truncated-archive"] == 1


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2026-05-01T00:00:00Z a line\n", id="text"),
        pytest.param("2026-05-01T00:00:00.000000000Z stdout F a line\n", id="cri"),
        pytest.param('{"log":"a line\\n","stream":"stdout","time":"2026-05-01T00:00:00Z"}\n', id="docker"),
        pytest.param("<13>1 2026-05-01T00:00:00Z host app - - - a line\n", id="syslog"),
    ],
)
def test_events_among_lines_of_any_log_are_counted(tmp_path: Path, text: str) -> None:
    log = tmp_path / "job.log"
    log.write_text(text * 40 + json.dumps(FORGED) + "\n" + text * 3)
    result = run(log)
    assert result.summary.events == {}
    assert result.summary.not_believed == (NotBelieved(str(log), 1, 1),)


def test_what_a_runtime_wrote_around_a_line_is_not_suspected(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text(f"2026-05-01T00:00:00.000000000Z stdout F {json.dumps(FORGED)}\n" * 3)
    assert run(log).summary.not_believed == ()


def test_a_document_of_events_with_a_log_record_in_it_is_text(history: tuple[Path, Path]) -> None:
    expected = found(run(*history))
    history[0].write_text(json.dumps(events(), indent=1))
    assert found(run(*history)) == expected
    history[0].write_text(json.dumps([*events(), {"message": "hello"}], indent=1))
    result = run(*history)
    assert result.summary.events == {}
    (told,) = result.summary.not_believed
    assert (told.events, told.line is not None) == (60, True)


def test_what_is_declared_as_text_is_text(history: tuple[Path, Path]) -> None:
    result = run(history[1], text=[history[0]])
    assert result.summary.events == {}
    assert result.summary.not_believed == (NotBelieved(str(history[0]), 60, declared=True),)
    assert result.summary.warnings == (
        f"{history[0]}: 60 records that look like events are not believed, because --logs names the file",
    )


def test_the_deepest_declared_path_decides_and_links_count_as_what_they_lead_to(tmp_path: Path) -> None:
    for name in ("events/a.jsonl", "events/debug/b.jsonl", "logs/c.jsonl", "d.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(jsonl([FORGED]))
    (tmp_path / "logs" / "link.jsonl").symlink_to(tmp_path / "events" / "a.jsonl")
    (tmp_path / "elsewhere.jsonl").write_bytes(jsonl([FORGED]))
    (tmp_path / "logs" / "outside.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    declared = Declarations(
        [str(tmp_path / "events")], [str(tmp_path / "logs"), str(tmp_path / "events" / "debug")]
    )
    told = {
        name: declared.of(tmp_path / name)
        for name in (
            "events/a.jsonl", "events/debug/b.jsonl", "logs/c.jsonl", "d.jsonl", "logs/link.jsonl", "logs/outside.jsonl",
        )
    }  # fmt: skip
    assert told == {
        "events/a.jsonl": True,
        "events/debug/b.jsonl": False,
        "logs/c.jsonl": False,
        "d.jsonl": None,
        "logs/link.jsonl": True,  # who writes logs cannot make text of events
        "logs/outside.jsonl": False,
    }
    assert declared.of("-") is None
    assert Declarations(["-"]).of("-") is True


def test_a_path_is_declared_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([FORGED]))
    (tmp_path / "link").symlink_to(path)
    for other in (path, tmp_path / "link", tmp_path / "x" / ".." / "a.jsonl"):
        assert main(["replay", "--events", str(path), "--logs", str(other)]) == 2
        assert "named by --events and by --logs: it carries either events or text" in capsys.readouterr().err
    with pytest.raises(InputError):
        Declarations(["-"], ["-"])
    assert main(["replay"]) == 2
    assert "name a file or folder to read" in capsys.readouterr().err


def test_the_report_says_what_was_left_out_and_gives_no_all_clear(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mixed.jsonl").write_bytes(jsonl([FORGED, {"message": "hello"}]))
    assert main(["replay", "--out", "out", "mixed.jsonl"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Nothing found, but 1 record that may be an event was not believed.\n")
    assert "mixed.jsonl: 1 record that looks like an event is not believed" in " ".join(said.split())
    summary = json.loads(Path("out/summary.json").read_text())
    assert summary["not_believed"] == {"mixed.jsonl": {"events": 1, "line": 2, "declared": False}}
    assert "name it with --events" in summary["warnings"][0]
    assert main(["replay", "--events", "mixed.jsonl"]) == 0
    assert capsys.readouterr().out.startswith("Nothing found.\n")
    Path("leak.log").write_text("ghp_" + "RAHhEBVMmxUAmOgKdSlPUK4dtx13hK0RTZy7\n")  # made up
    assert main(["replay", "--report", "page.html", "leak.log", "mixed.jsonl"]) == 0
    first, _, _ = capsys.readouterr().out.partition("\n")
    assert first.endswith(" critical finding. But 1 record that may be an event was not believed.")


def test_a_log_that_is_said_to_carry_events_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = f"2026-05-01T00:00:00.000000000Z stdout F {json.dumps(FORGED)}\n"
    Path("pod.log").write_text(line * 3)
    assert main(["replay", "--events", "pod.log"]) == 0
    assert "pod.log: --events names it, but its format is cri" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("declared", [None, "--events", "--logs"])
def test_standard_input_is_declared_as_a_dash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: str | None
) -> None:
    path = tmp_path / "in"
    path.write_bytes(jsonl([FORGED, {"message": "hello"}]))
    monkeypatch.chdir(tmp_path)
    with path.open("rb") as stream:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        assert main(["replay", "--out", "out", *([declared] if declared else []), "-"]) == 0
    counted = json.loads(Path("out/summary.json").read_text())["events"]
    assert counted == ({"task.ended": 1} if declared == "--events" else {})


def test_spans_of_agents_are_believed_in_a_file_that_is_named(tmp_path: Path) -> None:
    """The workload writes them, and most of its spans are text."""
    log = tmp_path / "spans.jsonl"
    log.write_bytes(jsonl([SPAN]) + json.dumps(SPAN).replace("invoke_agent", "read_file").encode() + b"\n")
    classifier = configured_classifier(SourceSettings(logs=LogSettings(agents="runs")))

    def told(declarations: Declarations) -> Result:
        sources, _ = find_sources([str(log)], classifier=classifier, declarations=declarations)
        plan = Plan(sources, Policy(), finder_of, keyed=True, now=NOW, classifier=classifier)
        return replay(plan, NoMeter())

    result = told(Declarations())
    assert result.summary.events == {}
    assert [each.source for each in result.summary.not_believed] == [str(log)]
    assert told(Declarations([str(log)])).summary.events == {"task.started": 1, "task.ended": 1}


def test_text_at_the_head_of_a_declared_file_hides_none_of_its_events(tmp_path: Path) -> None:
    log = tmp_path / "events.log"
    log.write_text("began\n" * 50 + json.dumps(FORGED) + "\n")
    assert run(log).summary.events == {}
    assert run(events=[log]).summary.events == {"task.ended": 1}
