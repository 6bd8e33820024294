"""A replay on Spark comes to what one on one machine comes to, byte for byte: on two cores here, and on two workers."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from detector.configuration.deployment_keys import KEY_VARIABLE
from detector.ingest.stored_sources import Sources
from detector.replay.facts_commands import run_judge
from detector.replay.replay_command import Request, run_replay
from detector.spark.command import replay_on_spark, scan_on_spark
from detector.values.errors import UsageError
from tests.replay.files_of_histories import POLICY, everything, judged_in_buckets, read_in_frames, written
from tests.small_history import KEY_TEXT, NOW
from tests.spark.standalone import Standalone

pytestmark = pytest.mark.spark
ROOT = Path(__file__).parents[2]
BUCKET = "logs-of-jobs"
SMALL_TASK = 20_000  # bytes
# The command line, with even a small history judged on the workers.
IN_BUCKETS = "import sys; from detector import cli; from detector.replay import replay; replay.WHOLE = 0; sys.exit(cli.main())"


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    """A store of objects with a bucket, which all processes find in their environment."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    named = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in named}
    os.environ.update(named)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield client
    for name, value in before.items():
        os.environ.pop(name)
        os.environ.update({} if value is None else {name: value})
    server.stop()


@pytest.fixture(scope="module")
def local(store: Any) -> Iterator[str]:
    """One Spark for the tests on this machine, with the key and the store in the environment of its workers."""
    from pyspark import SparkConf, SparkContext  # noqa: PLC0415 - `make test` has no Spark

    del store
    os.environ[KEY_VARIABLE] = KEY_TEXT
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    conf = SparkConf().setMaster("local[2]").set("spark.ui.enabled", "false")
    with SparkContext(conf=conf):
        del os.environ[KEY_VARIABLE]
        yield "local[2]"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY_TEXT)


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    everything(Path("all"))
    Path("curfewd.toml").write_text(POLICY)
    return Path("all")


def request(*paths: Path | str, out: str, **options: Any) -> Request:
    named: dict[str, Any] = {"config": "curfewd.toml", "jobs": 1, "now": NOW} | options
    return Request(paths=tuple(map(str, paths)), out=out, **named)


@pytest.mark.parametrize(("unit", "large"), [(1 << 24, 1 << 30), (3000, 0)])
def test_every_kind_of_input_gives_the_same(
    history: Path, local: str, unit: int, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judged on the workers too, a bucket each or a shard of one; compressed files are read in parts."""
    run_replay(request(history, out="here", unit=unit))
    expected = written("here")
    for name, least in (("findings.jsonl", 30), ("revocations.jsonl", 8), ("dead-letters.jsonl", 10)):
        assert expected[name].count(b"\n") > least, name
    judged_in_buckets(monkeypatch, large)
    read_in_frames(monkeypatch)
    replay_on_spark(request(history, out="spark", unit=unit), local, SMALL_TASK)
    assert written("spark") == expected


def test_many_files_by_url_give_the_same(
    history: Path, store: Any, local: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers look at the first of them while the driver is still listing."""
    for path in sorted(history.rglob("*")):
        if path.is_file():
            store.put_object(Bucket=BUCKET, Key=str(path), Body=path.read_bytes())
    with ThreadPoolExecutor(8) as pool:
        put = partial(store.put_object, Bucket=BUCKET, Body=b"nothing to see\n")
        list(pool.map(lambda number: put(Key=f"{history}/zz/{number:05}.log"), range(1500)))
    asked: list[str] = []
    listed, known = S3FileSystem._call_s3, Sources.append

    async def noted(self: S3FileSystem, method: str, *rest: Any, **named: Any) -> Any:
        asked.append(method)
        return await listed(self, method, *rest, **named)

    def taken(self: Sources, source: Any) -> None:
        asked.append("known")
        known(self, source)

    url = f"s3://{BUCKET}/{history}/"
    run_replay(request(url, out="here"))
    monkeypatch.setattr(S3FileSystem, "_call_s3", noted)
    monkeypatch.setattr(Sources, "append", taken)
    replay_on_spark(request(url, out="spark"), local)
    assert written("spark") == written("here")
    pages = asked[: len(asked) - asked[::-1].index("list_objects_v2")]
    assert pages.count("list_objects_v2") >= 2
    assert pages.index("known") < len(pages)


def test_the_incident_gives_the_same(tmp_path: Path, local: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY_TEXT)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples" / "incident", "incident")
    paths = "incident/events.jsonl", "incident/logs"
    run_replay(request(*paths, out="here", config="incident/curfewd.toml"))
    replay_on_spark(request(*paths, out="spark", config="incident/curfewd.toml"), local, SMALL_TASK)
    assert written("spark") == written("here")


def test_facts_of_spark_are_judged_so(history: Path, local: str) -> None:
    run_replay(request(history, out="here"))
    said = scan_on_spark(request(history, out="unused"), "facts", local, SMALL_TASK)
    assert "judges them" in said
    shutil.rmtree(history)
    run_judge(request(out="judged"), ["facts"])
    assert written("judged") == written("here")


def test_another_key_on_the_workers_is_told(
    history: Path, local: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "ff" * 16)
    with pytest.raises(UsageError, match=r"other deployment keys .* than the driver"):
        replay_on_spark(request(history, out="spark"), local)


def test_another_configuration_on_the_workers_is_told(history: Path, local: str) -> None:
    from detector.configuration.settings import Settings  # noqa: PLC0415
    from detector.scan.scanner_loader import load_scanner  # noqa: PLC0415
    from detector.spark.context import SparkStart  # noqa: PLC0415
    from detector.spark.runner import SparkRunner  # noqa: PLC0415

    settings = Settings.load("curfewd.toml")
    scanner, _ = load_scanner(settings.patterns)
    runner = SparkRunner(SparkStart(local), "curfewd.toml", settings, scanner)
    Path("curfewd.toml").write_text(POLICY + "[scan]\nevery_window = false\n")
    with pytest.raises(UsageError, match=r"not that of the driver \(\[scan]\)"):
        run_replay(request(history, out="spark"), runner_of=lambda *_: runner)


def test_without_a_key_it_is_refused(history: Path, local: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(UsageError, match="sealed under a deployment key, but there is none"):
        replay_on_spark(request(history, out="spark"), local)


def test_a_standalone_cluster_gives_the_same(history: Path, tmp_path: Path) -> None:
    """With authentication and encryption, a key file, and the driver as a program of its own."""
    Path("deployment.key").write_text(KEY_TEXT)
    Path("curfewd.toml").write_text('key_file = "deployment.key"\n' + POLICY)
    os.environ.pop(KEY_VARIABLE)
    until = ("--until", "2026-06-01T00:00:00Z")
    run_replay(request(history, out="here", until=NOW, now=time.time_ns()))
    with Standalone(tmp_path / "cluster") as cluster:
        done = subprocess.run(
            [sys.executable, "-c", IN_BUCKETS, "replay", "--engine", "spark", "--master", cluster.url,
             "--config", "curfewd.toml", *until, "--out", "spark", str(history)],
            env=cluster.environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        assert written("spark") == written("here")
        submitted = subprocess.run(
            [cluster.submit, "--master", cluster.url, str(ROOT / "detector" / "spark" / "submit.py"),
             "replay", "--config", "curfewd.toml", *until, "--out", "submitted", str(history)],
            env=cluster.environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert submitted.returncode == 0, submitted.stderr[-2000:]
        assert written("submitted") == written("here")
        assert cluster.workers_that_worked() == 2
        shutil.copytree(ROOT / "examples" / "incident", "incident")
        paths = "incident/events.jsonl", "incident/logs"
        run_replay(request(*paths, out="incident-here", config="curfewd.toml", now=time.time_ns()))
        done = subprocess.run(
            [sys.executable, "-c", IN_BUCKETS, "replay", "--engine", "spark", "--master", cluster.url,
             "--config", "curfewd.toml", "--out", "incident-spark", *paths],
            env=cluster.environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        assert written("incident-spark") == written("incident-here")
