"""A start without loops that were built with the program compiles for minutes: it can be asked and ended meanwhile."""

import asyncio
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.broker import Cluster
from tests.broker.cluster import free_ports
from tests.exec.running import children_of
from tests.ingest.streams import until
from tests.service.whole.deployment import Deployment, ended, terminate
from tests.service.whole.test_workers import gone


def status(port: int, probe: str) -> int:
    """What a port answers before the log names it: no line is masked while loops compile."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{probe}", timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def test_a_start_that_compiles_answers_and_ends(
    broker: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, cache = Deployment(broker.bootstrap, tmp_path), tmp_path / "cache"
    await deployment.create()
    (probes,) = free_ports(1)
    text = deployment.config.read_text()
    deployment.config.write_text(text.replace('probes = "127.0.0.1:0"', f'probes = "127.0.0.1:{probes}"'))
    monkeypatch.setenv("CURFEWD_JIT", "1")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(cache))
    process = deployment.start()
    try:

        async def compiles() -> bool:
            return any(cache.rglob("*.nbi"))

        await until(compiles, "the first loop", every=0.2)
        assert await asyncio.to_thread(status, probes, "healthz") == 200
        assert await asyncio.to_thread(status, probes, "readyz") == 503
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
