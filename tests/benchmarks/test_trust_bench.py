"""The benchmark of `[[trust]]` measures proofs that hold, and one that does not."""

import pytest

from benchmarks import compare
from benchmarks.trust_bench import Cost, measure, report, ways


def test_every_proof_is_measured_beside_none() -> None:
    made = ways()
    costs = measure(made, runs=1)
    assert [one.proof for one in costs] == [way.name for way in made]
    assert costs[0].more == 0
    assert costs[0].ratio == 1
    assert {"header", "standard-webhooks", "github", "jws ES256", "jws Ed25519, forged"} <= {
        one.proof for one in costs
    }


def test_a_proof_that_does_not_hold_is_no_measurement() -> None:
    made = ways()
    honest, forged = made[5], next(way for way in made if way.name.endswith("forged"))
    honest.records = forged.records
    with pytest.raises(RuntimeError, match="0 events are believed"):
        measure(made, runs=1)


def test_costs_are_shown_in_a_table() -> None:
    text = report([Cost("no entry", 14, 0, 1), Cost("github", 28, 14, 2)], compare.machine())
    assert "| github | 28.0 | 14.0 | 2.0 | 35,714 |" in text
