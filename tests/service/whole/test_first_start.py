"""A start without loops that were built with the program compiles for minutes: it can be asked and ended meanwhile."""

import asyncio
from pathlib import Path

import pytest

from tests.broker import Cluster
from tests.exec.running import children_of
from tests.ingest.streams import until
from tests.service.whole.deployment import Deployment, ended, terminate
from tests.service.whole.test_workers import gone


async def test_a_start_that_compiles_answers_and_ends(
    broker: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, cache = Deployment(broker.bootstrap, tmp_path), tmp_path / "cache"
    await deployment.create()
    monkeypatch.setenv("CURFEWD_JIT", "1")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(cache))
    process = deployment.start()
    try:

        async def compiles() -> bool:
            return any(cache.rglob("*.nbi"))

        await until(compiles, "the first loop", every=0.2)
        assert (await asyncio.to_thread(deployment.get, "/healthz"))[0] == 200
        assert (await asyncio.to_thread(deployment.get, "/readyz"))[0] == 503
        compiling = [each for child in children_of(process.pid) for each in (child, *children_of(child))]
        assert len(compiling) > 1
        terminate(process)
        assert await ended(process) == 0
    finally:
        deployment.end()

    async def all_gone() -> bool:
        return all(map(gone, compiling))

    await until(all_gone, "the end of what compiled")
    assert deployment.said()[-1]["event"] == "stopped"
    assert not [line for line in deployment.said() if line["event"] == "inputs"], "all was compiled"
