"""`[[trust]]` in a replay: files are held to sources and types by their paths, and refused events count for nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from detector.configuration.trust_settings import TrustEntry
from detector.ingest.trust.policy import TrustPolicy
from detector.replay import runner as runner_module
from detector.replay.runner import Processes
from detector.values.times import parse_rfc3339
from tests.replay.test_cli import main, output
from tests.replay.test_replay import run, verdict
from tests.small_history import KEY_TEXT, at, event, events, jsonl, write

FORGED = [
    event(900 + task, "task.ended", 1, task_id=f"task-{task}") | {"source": "stranger"} for task in range(4)
]


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CURFEWD_KEY", KEY_TEXT)
    paths = write(tmp_path / "history")
    return paths[0].relative_to(tmp_path), paths[1].relative_to(tmp_path)


def policy(*entries: TrustEntry) -> TrustPolicy:
    return TrustPolicy(entries)


RESERVING = TrustEntry(paths=("history/*",), sources=("ci",))


@pytest.mark.parametrize("size", [1 << 24, 4096])
def test_a_forged_event_changes_nothing(
    history: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Also in units and processes, in files of nothing but events, and in a file that is read line by line."""
    monkeypatch.setattr(runner_module, "SMALL", 0)
    options: dict[str, Any] = {"runner": Processes(2), "unit": size}
    expected = verdict(run(*history, **options))
    forged = Path("forged.jsonl")
    own = [one | {"source": "stranger"} for one in events()[:3]]
    for lines in (
        jsonl(FORGED),
        jsonl([*own, *FORGED]),
        jsonl(FORGED) + b'{"torn": ',
        b"\n" + jsonl([*own, *FORGED]),
    ):
        forged.write_bytes(lines)
        assert verdict(run(*history, forged, **options)) != expected
        held = run(
            *history,
            forged,
            trust=policy(RESERVING, TrustEntry(paths=("forged*",), sources=("other",))),
            **options,
        )
        assert verdict(held) == expected
        count = lines.count(b"stranger")
        assert held.summary.dead_letters["untrusted-source"] == count
        assert held.summary.untrusted == {"forged.jsonl": {"untrusted-source": count}}
        refused = [letter.line for letter in held.letters if letter.reason == "untrusted-source"]
        assert refused == [at for at, line in enumerate(lines.split(b"\n"), 1) if b"stranger" in line]


def test_a_forged_event_moves_no_time(history: tuple[Path, Path]) -> None:
    """By default a replay judges up to the latest time that it read."""
    late = event(990, "task.started", 20 * 86_400, task_id="late") | {"source": "stranger"}
    Path("forged.jsonl").write_bytes(jsonl([late]))
    assert run(*history, Path("forged.jsonl")).until == parse_rfc3339(at(20 * 86_400))
    held = run(
        *history, Path("forged.jsonl"), trust=policy(TrustEntry(paths=("forged*",), sources=("other",)))
    )
    assert held.until == run(*history).until


def test_a_source_reserved_for_a_topic_is_refused_from_a_file(history: tuple[Path, Path]) -> None:
    """A file has no headers: nothing shows that its events are those of the topic."""
    reserving = TrustEntry(topics=("ci",), sources=("ci",))
    held = run(*history, trust=policy(reserving))
    assert held.summary.untrusted == {str(history[0]): {"untrusted-source": len(events())}}
    named = run(*history, trust=policy(reserving, TrustEntry(paths=("history/*",), sources=("ci",))))
    assert verdict(named) == verdict(run(*history))


def test_the_command_line_says_what_was_not_believed(
    history: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("forged.jsonl").write_bytes(jsonl(FORGED))
    rest = '[patterns]\ndisable = ["*"]\ndetect_secrets = false\n'
    Path("curfewd.toml").write_text(f'[[trust]]\npaths = ["histories/*"]\nsources = ["ci"]\n\n{rest}')
    code, _, err = main(capsys, "replay", "--config", "curfewd.toml", *history, "forged.jsonl")
    assert code == 2
    assert err.startswith(
        "curfewd: curfewd.toml:1: trust.paths: histories/*: no file of this replay has such a path"
    )
    Path("curfewd.toml").write_text(
        f'[[trust]]\npaths = ["./history//*"]\nsources = ["ci"]\n\n[[trust]]\npaths = ["forged*"]\ntypes = ["task.started"]\n{rest}'
    )
    code, out, _ = main(
        capsys,
        "replay",
        "--strict",
        "--out",
        "out",
        "--config",
        "curfewd.toml",
        f"./{history[0]}",
        history[1],
        "forged.jsonl",
    )
    assert code == 3
    assert "untrusted   records that [[trust]] refuses: 4 forged.jsonl" in out
    found = output(Path("out"))
    summary = json.loads(found["summary.json"])
    assert summary["dead_letters"] == {"untrusted-type": 4}
    assert summary["untrusted"] == {"forged.jsonl": {"untrusted-type": 4}}
    letters = [json.loads(line) for line in found["dead-letters.jsonl"].splitlines()]
    assert letters[0] == {
        "source": "forged.jsonl",
        "line": 1,
        "reason": "untrusted-type",
        "field": "type",
        "detail": "[[trust]] does not let this input carry events of this type; the event was not believed",
    }
