"""`curfewd run`: how it starts, waits, reloads and ends; without a broker where none is needed."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.configuration.settings import Settings
from detector.kafka.handlers import Partition
from detector.service.composition import FALLBACK_FILE, fallback_key
from detector.service.observability.readiness import Readiness
from detector.service.topics import check_topics
from detector.values.errors import StopError
from tests.broker import Cluster
from tests.ingest.streams import PATIENCE_SECONDS, until
from tests.service.whole.deployment import ROOT, Deployment, ended, terminate
from tests.small_history import KEY_TEXT

NOBODY = "127.0.0.1:1"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Deployment]:
    """A service whose brokers are not there."""
    deployment = Deployment(NOBODY, tmp_path)
    yield deployment
    deployment.end()


def run(config: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "detector.cli", "run", "--config", str(config)]
    return subprocess.run(
        command, cwd=config.parent, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def test_a_configuration_without_kafka_is_told_at_once(tmp_path: Path) -> None:
    config = tmp_path / "curfewd.toml"
    config.write_text("")
    done = run(config)
    assert done.returncode == 2
    assert done.stderr.startswith("curfewd: there is no [kafka] table")


def test_a_mistake_in_service_is_told_with_its_line(tmp_path: Path) -> None:
    config = tmp_path / "curfewd.toml"
    config.write_text('[kafka]\nbootstrap = "127.0.0.1:1"\n[service]\nlisten = "everywhere"\n')
    done = run(config)
    assert done.returncode == 2
    assert done.stderr.startswith(f'curfewd: {config}:4: service.listen: write "host:port"')


@pytest.mark.parametrize("setting", ["listen", "probes"])
def test_a_port_in_use_ends_it(alone: Deployment, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        free, used = f'{setting} = "127.0.0.1:0"', f'{setting} = "127.0.0.1:{port}"'
        alone.config.write_text(alone.config.read_text().replace(free, used))
        done = run(alone.config)
    assert done.returncode == 2
    assert f"service.{setting}: cannot listen on 127.0.0.1:{port}" in done.stderr


def test_probes_and_metrics_do_not_share_a_port(alone: Deployment) -> None:
    alone.config.write_text(alone.config.read_text().replace('"127.0.0.1:0"', '"127.0.0.1:9464"'))
    done = run(alone.config)
    assert done.returncode == 2
    assert "service.probes: 127.0.0.1:9464 is service.listen too" in done.stderr


async def test_brokers_that_are_not_there_are_waited_for(alone: Deployment) -> None:
    process = alone.start()

    async def waits() -> bool:
        return any(line["event"] == "cannot reach Kafka yet, trying again" for line in alone.said())

    await until(waits, "the line that says so")
    status, why = await asyncio.to_thread(alone.get, "/readyz")
    assert status == 503
    assert NOBODY in why
    assert (await asyncio.to_thread(alone.get, "/healthz")) == (200, "ok\n")
    assert any("two instances name the same secret differently" in line["event"] for line in alone.said())
    assert "process_start_time_seconds" in (await asyncio.to_thread(alone.get, "/metrics"))[1]
    terminate(process)
    assert await ended(process) == 0


async def test_without_its_topics_it_says_what_to_do(broker: Cluster, tmp_path: Path) -> None:
    deployment = Deployment(broker.bootstrap, tmp_path)
    process = deployment.start()
    try:
        assert await ended(process) == 2
    finally:
        deployment.end()
    assert "run curfewd topics create" in deployment.said()[-1]["why"]


async def test_it_reloads_on_hup_and_keeps_what_it_has_if_that_is_wrong(
    broker: Cluster, tmp_path: Path
) -> None:
    deployment = Deployment(broker.bootstrap, tmp_path)
    await deployment.create()
    good = deployment.config.read_text()
    process = deployment.start()

    def counted(outcome: str) -> bool:
        return f'curfewd_reloads_total{{outcome="{outcome}"}} 1.0' in deployment.get("/metrics")[1]

    async def refused() -> bool:
        return await asyncio.to_thread(counted, "refused")

    async def done() -> bool:
        return await asyncio.to_thread(counted, "done")

    async def stopped() -> bool:
        return "stopped" in {line.get("reason") for line in deployment.said()}

    try:
        await until(deployment.ready, "readiness")
        deployment.config.write_text("grace_period = 'soon'\n" + good)
        process.send_signal(signal.SIGHUP)
        await until(refused, "a refusal")
        assert not await stopped()
        # Not at once: on a busy machine a heartbeat may be late, or the answer.
        await until(deployment.ready, "readiness after the refusal")
        deployment.config.write_text("grace_period = '5min'\n" + good)
        process.send_signal(signal.SIGHUP)
        await until(done, "a reload")
        await until(stopped, "the judge's end under the old policy")
        await until(deployment.ready, "readiness after the reload")
        terminate(process)
        assert await ended(process) == 0
    finally:
        deployment.end()
    refusal = next(line for line in deployment.said() if "not reloaded" in line["event"])
    assert ":1: grace_period" in refusal["why"]


def test_topics_have_to_be_as_configured(alone: Deployment) -> None:
    live = Settings.load(str(alone.config)).live()
    found = {topic.name: topic.partitions for topic in live.topics.all()}
    check_topics(live, found)
    with pytest.raises(StopError, match=r"has 3 partitions and .* 7"):
        check_topics(live, {**found, live.topics.state.name: 7})
    with pytest.raises(StopError, match="has 7 partitions and 3 are configured"):
        check_topics(live, {**found, live.topics.state.name: 7, live.topics.work.name: 7})


def test_without_a_deployment_key_fingerprints_are_the_same_after_a_restart(alone: Deployment) -> None:
    settings = Settings.load(str(alone.config), {})
    first, second = fallback_key(settings), fallback_key(settings)
    assert first is not None
    assert first == second
    assert (Path(settings.service.state) / FALLBACK_FILE).stat().st_mode & 0o077 == 0


def test_without_a_deployment_key_check_and_start_say_what_differs(alone: Deployment) -> None:
    command = [sys.executable, "-m", "detector.cli", "check", "--config", str(alone.config)]
    checked = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert checked.returncode == 0
    assert "no deployment key" in checked.stderr + checked.stdout
    assert "two instances name the same secret differently" in checked.stderr + checked.stdout
    (alone.folder / "deployment.key").write_text(KEY_TEXT)
    alone.config.write_text('key_file = "deployment.key"\n' + alone.config.read_text())
    assert Settings.load(str(alone.config), {}).warnings == ()


def test_ready_is_assigned_restored_and_caught_up() -> None:
    readiness = Readiness(ready_lag=60 * 10**9)
    partition = Partition("logs", 0)
    assert readiness.ready() == "starting"
    readiness.waiting = None
    assert readiness.ready() == "no stage has started yet"
    readiness.starting("scan")
    readiness.update("scan", {}, 0)
    assert readiness.ready() == "scan: not in its group yet"
    readiness.assigned("scan")
    readiness.update("scan", {partition: False}, 0)
    assert readiness.ready() == "scan: 1 of 1 partitions are not restored"
    for _ in range(2):
        readiness.restoring("scan", 1000)
    readiness.update("scan", {partition: False}, 0)
    progress = "2,000 records of their changelog are read"
    assert readiness.ready() == f"scan: 1 of 1 partitions are not restored, {progress}"
    readiness.update("scan", {partition: True}, 61)
    assert readiness.ready() == "scan: 61 s behind"
    readiness.update("scan", {partition: True}, 1)
    assert readiness.ready() is None
    assert readiness.alive() is None
