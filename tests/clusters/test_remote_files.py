"""A replay by URL at MinIO: read, judged, written and kept there it comes to what it comes to on a disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from s3fs import S3FileSystem

from detector.configuration.deployment_keys import KEY_VARIABLE
from detector.ingest.remote import RemoteFolder
from detector.replay.facts_commands import run_judge, run_scan
from detector.replay.replay_command import Request, run_replay
from detector.values.errors import UsageError
from tests.clusters.minio_server import ROOT, SECRET, MinioServer
from tests.replay.files_of_histories import POLICY, everything, written
from tests.small_history import KEY_TEXT, NOW

pytestmark = pytest.mark.clusters
BUCKET = "logs-of-jobs"


@pytest.fixture(scope="module")
def server() -> Iterator[MinioServer]:
    with MinioServer() as started:
        started.client(ROOT, SECRET).make_bucket(BUCKET)
        yield started


@pytest.fixture
def bucket(server: MinioServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY_VARIABLE, KEY_TEXT)
    Path("curfewd.toml").write_text(POLICY)
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{server.address}",
        "AWS_ACCESS_KEY_ID": ROOT,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()  # it remembers whom it reached last, and how
    return boto3.client("s3")


def request(*paths: str, out: str | None = None, **options: Any) -> Request:
    named: dict[str, Any] = {"config": "curfewd.toml", "jobs": 2, "now": NOW} | options
    return Request(paths=paths, out=out, **named)


def names(client: Any, prefix: str) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return [each["Key"] for page in pages for each in page.get("Contents", ())]


def fetched(client: Any, prefix: str) -> dict[str, bytes]:
    Path(prefix).mkdir()
    for name in names(client, f"{prefix}/"):
        Path(name).write_bytes(client.get_object(Bucket=BUCKET, Key=name)["Body"].read())
    return written(prefix)


def test_all_of_a_replay_by_url(bucket: Any) -> None:
    everything(Path("all"))
    for path in sorted(Path("all").rglob("*")):
        if path.is_file():
            bucket.put_object(Bucket=BUCKET, Key=str(path), Body=path.read_bytes())
    root = f"s3://{BUCKET}"
    run_replay(request(f"{root}/all/", out=f"{root}/replayed"))
    expected = fetched(bucket, "replayed")
    for name, least in (("findings.jsonl", 30), ("revocations.jsonl", 8), ("dead-letters.jsonl", 10)):
        assert expected[name].count(b"\n") > least, name
    run_scan(request(f"{root}/all/"), f"{root}/facts")
    run_judge(request(out=f"{root}/judged"), [f"{root}/facts"])
    assert fetched(bucket, "judged") == expected
    assert not any(".curfewd-" in name for name in names(bucket, ""))


def test_a_file_that_is_there_is_not_written_as_new(bucket: Any) -> None:
    del bucket
    folder = RemoteFolder(f"s3://{BUCKET}/others")
    folder.write("facts.json", b"{}", new=True)
    with pytest.raises(FileExistsError):
        folder.write("facts.json", b"{}", new=True)


def test_who_may_not_write_is_told_at_the_start(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    del bucket
    Path("a.log").write_text("x\n")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    S3FileSystem.clear_instance_cache()
    with pytest.raises(
        UsageError, match=r"cannot write s3://logs-of-jobs/out/findings\.jsonl: access is denied"
    ):
        run_replay(request("a.log", out=f"s3://{BUCKET}/out"))
