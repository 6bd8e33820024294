"""The benchmark of the masking of events measures events that are read, and a share of a replay."""

import json

from benchmarks.compare import machine
from benchmarks.masking_bench import lifecycles, measure, report


def test_every_event_is_read_and_masking_is_a_part_of_the_replay() -> None:
    cost = measure("all", lifecycles(20, 2, secrets=True), runs=1)
    assert cost.count == 20 * 5
    assert 0 < cost.masked < cost.replayed
    assert "| all | 100 |" in report([cost], machine())


def test_only_uses_show_a_secret_and_only_if_asked() -> None:
    with_secrets = [json.loads(line) for line in lifecycles(3, 2, secrets=True) if "glpat-" in line]
    assert {event["type"] for event in with_secrets} == {"credential.used"}
    assert not any("glpat-" in line for line in lifecycles(3, 2, secrets=False))
