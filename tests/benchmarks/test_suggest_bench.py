"""The benchmark of `curfewd suggest` measures histories that give suggestions, beside a replay of the same."""

from pathlib import Path

import pytest

from benchmarks import compare
from benchmarks.suggest_bench import Costs, Options, history, measured, report


@pytest.mark.slow
def test_each_history_gives_suggestions(tmp_path: Path) -> None:
    cost = measured("runs", Options(400, 20), tmp_path)
    assert cost.lines > 40
    assert min(cost.cpu, cost.replay_cpu) > 0.1
    text = report(Costs(compare.machine(), Options(400, 20), [cost]))
    assert "| each task reads and writes its own folder, and what all share | 0 |" in text


@pytest.mark.parametrize("shape", ["runs", "folder", "tree"])
def test_a_history_has_as_many_uses_as_asked_for(shape: str) -> None:
    lines = list(history(shape, Options(400, 20)))
    assert sum('"credential.used"' in line for line in lines) == 400
    assert len(lines) == 400 + 3 * 20


def test_a_command_that_fails_is_no_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.suggest_bench.history", lambda _shape, _options: iter(()))
    monkeypatch.setattr("benchmarks.suggest_bench.sys.executable", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError):
        measured("runs", Options(400, 20), tmp_path)
