"""A replay of random histories gives what the contract gives, as an independent judge says who knows what was drawn."""

from pathlib import Path

import msgspec
import pytest

from detector.values.findings import Severity
from tests.chaos import MANY
from tests.random_histories import replayed
from tests.random_histories.configuration import KEYS, write
from tests.random_histories.expected import drawn
from tests.random_histories.replayed import TOGETHER, Replay, replay, told_small


@pytest.mark.parametrize("number", range(3 if MANY == 1 else 40 * MANY))
def test_random_histories_are_judged_as_drawn_and_kill_no_replay(tmp_path: Path, number: int) -> None:
    compared, said = replay(tmp_path, number * TOGETHER)
    assert not said, said
    assert compared.findings > 10 * TOGETHER
    assert compared.commands > TOGETHER


def test_a_difference_is_told_in_a_history_that_a_person_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replayed, "FOLDER", tmp_path)
    how = Replay(
        {"key_file": "deployment.key", "keys": [{"id": KEYS[1].id, "file": "old.key"}]}, "", 1, 1, None
    )
    policy = write(tmp_path, how.tables)[1]
    rules = dict(policy.rules)
    rules["leaked-credential"] = msgspec.structs.replace(rules["leaked-credential"], severity=Severity.MEDIUM)
    history = drawn((4, 5), policy)
    said = told_small(how, history, msgspec.structs.replace(policy, rules=rules))
    assert "only told: " in said
    assert "curfewd replay --config" in said
    assert said.count("\n") < 40
    assert "credential.issued" in said
