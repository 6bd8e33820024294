"""The service gives what the contract gives of random histories, whatever order they come in and whatever dies."""

from pathlib import Path

import pytest

from tests.broker import Cluster
from tests.chaos import MANY
from tests.random_histories.live import MODES, run

SEEDS = 75
KILLS = 6


@pytest.mark.chaos
@pytest.mark.parametrize("number", range(MANY * len(MODES)))
async def test_random_histories_are_judged_as_drawn_through_kills(
    broker: Cluster, tmp_path: Path, number: int
) -> None:
    compared, said = await run(
        broker.bootstrap, tmp_path, number % len(MODES), 10_000 + number * SEEDS, SEEDS, KILLS
    )
    assert not said, said
    assert compared.findings > 10 * SEEDS
