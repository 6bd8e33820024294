"""Files by URL: from a store of objects they come to what they come to from a disk."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from detector.cli import main
from detector.configuration.deployment_keys import KEY_VARIABLE
from detector.ingest import remote as remote_module
from detector.ingest import remote_sources as remote_sources_module
from detector.ingest.inputs import find_sources
from detector.ingest.remote import RemoteFolder, remote_bytes, remote_file
from detector.ingest.stored_sources import Sources
from detector.ingest.units import UNIT, units
from detector.replay import runner as runner_module
from detector.replay.arguments import paths_in
from detector.replay.facts_commands import run_judge, run_scan
from detector.replay.replay_command import Request, run_replay
from detector.replay.runner import Processes
from detector.values.errors import BadRecordError, InputError, UsageError
from detector.values.times import SECOND
from tests.replay.files_of_histories import POLICY, cut, everything, joined, packed, written
from tests.small_history import KEY_TEXT, NOW

BUCKET = "logs-of-jobs"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY_VARIABLE, KEY_TEXT)
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    Path("curfewd.toml").write_text(POLICY)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield client
    while some := names(client):
        client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": name} for name in some]})
    client.delete_bucket(Bucket=BUCKET)


def names(client: Any, prefix: str = "") -> list[str]:
    found = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [each["Key"] for each in found.get("Contents", ())]


def fetched(client: Any, prefix: str) -> dict[str, bytes]:
    """What a replay wrote below a prefix, as `written` gives it."""
    Path(prefix).mkdir()
    for name in names(client, prefix):
        Path(name).write_bytes(client.get_object(Bucket=BUCKET, Key=name)["Body"].read())
    return written(prefix)


def put(client: Any, folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            client.put_object(Bucket=BUCKET, Key=str(path), Body=path.read_bytes())


def some_of_each(folder: Path) -> None:
    """Every packing, mistake and kind of record. The samples of every source are read from a store in memory, below."""
    packed(folder / "packed")
    joined(folder / "joined")
    cut(folder / "cut")


def request(*paths: str, out: str | None = None, **options: Any) -> Request:
    named: dict[str, Any] = {"config": "curfewd.toml", "jobs": 2, "now": NOW} | options
    return Request(paths=paths, out=out, **named)


def unnamed(found: dict[str, bytes]) -> dict[str, Any]:
    """What was written, without what a longer name changes: uids that it goes into, sentences that are shortened."""
    findings = list(map(json.loads, found["findings.jsonl"].splitlines()))
    for finding in findings:
        del finding["finding_info"]["uid"], finding["finding_info"]["title"], finding["message"]
    return found | {"findings.jsonl": sorted(map(json.dumps, findings))}


def test_a_store_gives_what_a_disk_gives(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "SMALL", 0)  # processes are forked
    some_of_each(Path("all"))
    put(bucket, Path("all"))
    for each in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]:  # a record without a time has the file's
        os.utime(each["Key"], (each["LastModified"].timestamp(),) * 2)
    run_replay(request("all/", out="near", unit=8000))
    near = written("near")
    for name, least in (("findings.jsonl", 30), ("revocations.jsonl", 8), ("dead-letters.jsonl", 3)):
        assert near[name].count(b"\n") > least, name
    shutil.rmtree("all")
    url = f"s3://{BUCKET}/all/"
    run_replay(request(url, out="far", unit=8000))
    found = written("far")
    prefix = f"s3://{BUCKET}/".encode()
    assert unnamed({name: data.replace(prefix, b"") for name, data in found.items()}) == unnamed(near)
    run_scan(request(url, unit=8000), "facts")
    run_judge(request(out="judged"), ["facts"])
    assert written("judged") == found


def test_ranges_are_those_of_a_file(bucket: Any) -> None:
    data = b"".join(b"line %d\n" % number for number in range(2500))
    Path("a.log").write_bytes(data)
    put(bucket, Path())
    (far,), _ = find_sources([f"s3://{BUCKET}/a.log"])
    (near,), _ = find_sources(["a.log"])
    cuts = list(units([far], 2500))
    assert cuts == list(units([near], 2500))
    assert len(cuts) > 8
    assert b"".join(b"".join(far.raw(unit.start, unit.end)) for unit in cuts) == data
    assert (far.name, far.size, far.format) == (f"s3://{BUCKET}/a.log", len(data), near.format)
    assert far.modified is not None


def test_a_file_may_name_the_urls(bucket: Any) -> None:
    for number in range(12):
        bucket.put_object(Bucket=BUCKET, Key=f"{number}.log", Body=b"line %d\n" % number)
    urls = [f"s3://{BUCKET}/{number}.log" for number in range(12)]
    Path("manifest").write_text("\n".join([*urls[::-1], "", f"s3://{BUCKET}/"]))
    sources, letters = find_sources(paths_in("manifest"))
    assert [source.name for source in sources] == sorted(urls)
    assert letters == []
    assert main(["replay", "--paths-from", "manifest", "--out", "out"]) == 0
    assert sum(json.loads(Path("out/summary.json").read_bytes())["records"][urls[7]].values()) == 1
    with pytest.raises(UsageError, match="--paths-from none: cannot be read"):
        paths_in("none")


def test_a_folder_is_read_while_it_is_listed(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of many pages: the first files are looked at before the last page is asked for, here and in processes.

    Pages have 20 keys instead of 1000, and 5 files are looked at together instead of 128.
    """
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "20")
    monkeypatch.setattr(remote_module, "_PAGE", 20)
    for module in (remote_sources_module, runner_module):
        monkeypatch.setattr(module, "TOGETHER", 5)
    many = [f"flat/{number:05}.log" for number in range(45)]
    for name in many:
        bucket.put_object(Bucket=BUCKET, Key=name, Body=name.encode())
    asked: list[str] = []
    listed, looked = S3FileSystem._call_s3, Sources.append

    async def noted(self: S3FileSystem, method: str, *rest: Any, **named: Any) -> Any:
        asked.append(method)
        return await listed(self, method, *rest, **named)

    def known(self: Sources, source: Any) -> None:
        asked.append("known")
        looked(self, source)

    monkeypatch.setattr(S3FileSystem, "_call_s3", noted)
    monkeypatch.setattr(Sources, "append", known)
    found = {}
    for jobs in (1, 2):
        asked.clear()
        sources, letters = find_sources([f"s3://{BUCKET}/flat"], look=Processes(jobs).look, unit=UNIT)
        last_page = len(asked) - asked[::-1].index("list_objects_v2")
        assert asked.count("list_objects_v2") >= 3
        assert asked.index("known") < last_page
        assert letters == []
        found[jobs] = [(source.name, b"".join(source.raw(0, 99))) for source in sources[::9]]
        assert len(sources) == len(many)
    assert found[1] == found[2] == [(f"s3://{BUCKET}/{name}", name.encode()) for name in many[::9]]


def test_a_file_that_is_named_twice_is_read_once(bucket: Any) -> None:
    Path("b").mkdir()
    for name in ("b/x.log", "b/y.log", "b.log"):
        Path(name).write_text(name)
    put(bucket, Path("b"))
    root = f"s3://{BUCKET}"
    named = [f"{root}/b/", f"{root}/b/y.log", "b.log", f"{root}/b", f"{root}/b/x.log"]
    sources, _ = find_sources(named)
    assert [source.name for source in sources] == ["b.log", f"{root}/b/x.log", f"{root}/b/y.log"]
    assert [b"".join(source.raw(0, 99)) for source in sources] == [b"b.log", b"b/x.log", b"b/y.log"]


def test_a_name_may_be_a_file_and_a_folder(bucket: Any) -> None:
    """In a store of objects. The folder is what is read."""
    for name in ("a", "a/b.log"):
        bucket.put_object(Bucket=BUCKET, Key=name, Body=b"x\n")
    sources, _ = find_sources([f"s3://{BUCKET}/a"])
    assert [source.name for source in sources] == [f"s3://{BUCKET}/a/b.log"]
    sources, _ = find_sources([f"s3://{BUCKET}"])
    assert len(sources) == 2


def test_large_files_are_cut_where_they_are_looked_at(bucket: Any) -> None:
    data = b"".join(b"line %d\n" % number for number in range(5000))
    Path("a.log").write_bytes(data)
    put(bucket, Path())
    (far,), _ = find_sources([f"s3://{BUCKET}/a.log"], unit=5000)
    (near,), _ = find_sources(["a.log"])
    assert far.cuts is not None
    assert list(units([far], 1)) == list(units([near], 5000))


def test_what_is_not_there_is_told(bucket: Any) -> None:
    del bucket
    for url in (f"s3://{BUCKET}/none", "s3://no-such-bucket/x"):
        with pytest.raises(InputError, match="no such file"):
            find_sources([url])
    with pytest.raises(InputError, match="files by URL need fsspec"):
        find_sources(["gs://bucket/x"])
    with pytest.raises(InputError, match="cannot be reached"):
        find_sources(["nonsense://bucket/x"])


def test_an_object_that_was_replaced_is_a_dead_letter(bucket: Any) -> None:
    bucket.put_object(Bucket=BUCKET, Key="a.log", Body=b"one\n")
    (source,), _ = find_sources([f"s3://{BUCKET}/a.log"])
    bucket.put_object(Bucket=BUCKET, Key="a.log", Body=b"another\n")
    with pytest.raises(Exception, match="took its place"):
        list(source.raw(0, source.size))


def test_a_store_may_say_less_of_the_time_of_one_object_than_in_a_list(bucket: Any) -> None:
    """MinIO lists milliseconds, and says seconds of one."""
    bucket.put_object(Bucket=BUCKET, Key="a.log", Body=b"one\n")
    file = remote_file(f"s3://{BUCKET}/a.log")
    assert file is not None
    listed = msgspec.structs.replace(file, modified=file.modified // SECOND * SECOND + 123_000_000)
    assert b"".join(remote_bytes(listed, 0, 4)) == b"one\n"
    with pytest.raises(BadRecordError, match="took its place"):
        list(remote_bytes(msgspec.structs.replace(listed, modified=listed.modified + SECOND), 0, 4))


def test_outputs_are_written_to_a_url(bucket: Any) -> None:
    some_of_each(Path("all"))
    single = {"report": "r.html", "sarif": "r.sarif", "findings": "f.jsonl"}
    run_replay(request("all/", out="near", **single))
    run_replay(
        request(
            "all/",
            out=f"s3://{BUCKET}/far",
            **{name: f"s3://{BUCKET}/{file}" for name, file in single.items()},
        )
    )
    assert fetched(bucket, "far") == written("near")
    assert sorted(names(bucket)) == [
        "f.jsonl", "far/dead-letters.jsonl", "far/findings.jsonl", "far/revocations.jsonl", "far/summary.json",
        "r.html", "r.sarif",
    ]  # fmt: skip
    for file in single.values():
        assert bucket.get_object(Bucket=BUCKET, Key=file)["Body"].read() == Path(file).read_bytes()


def test_an_output_that_cannot_be_written_is_told_before_anything_is_read(bucket: Any) -> None:
    del bucket
    Path("a.log").write_text("x\n")
    with pytest.raises(
        UsageError, match=r"cannot write s3://no-such-bucket/out/findings.jsonl: no such file"
    ):
        run_replay(request("a.log", out="s3://no-such-bucket/out"))
    with pytest.raises(UsageError, match="--out: it would stand in s3://logs-of-jobs/a/, which is read"):
        run_replay(request(f"s3://{BUCKET}/a/", out=f"s3://{BUCKET}/a/out"))


def test_facts_are_kept_at_a_url(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted scan goes on, and what it did is not done again."""
    some_of_each(Path("all"))
    put(bucket, Path("all"))
    url, facts = f"s3://{BUCKET}/all/", f"s3://{BUCKET}/facts"
    run_replay(request(url, out="replayed"))
    sent = RemoteFolder.write
    count = 0

    def ended(self: RemoteFolder, name: str, data: bytes, *, new: bool = False) -> None:
        nonlocal count
        count += 1
        if count > 10:
            raise KeyboardInterrupt
        sent(self, name, data, new=new)

    monkeypatch.setattr(RemoteFolder, "write", ended)
    with pytest.raises(KeyboardInterrupt):
        run_scan(request(url), facts)
    before = set(names(bucket, "facts"))
    assert len(before) == 10
    with pytest.raises(InputError, match="is not finished"):
        run_judge(request(), [facts])
    again: list[str] = []

    def noted(self: RemoteFolder, name: str, data: bytes, *, new: bool = False) -> None:
        again.append(f"facts/{name}")
        sent(self, name, data, new=new)

    monkeypatch.setattr(RemoteFolder, "write", noted)
    run_scan(request(url, now=NOW + 1), facts)
    assert len(again) > 10
    assert not before & set(again)
    run_judge(request(out="judged"), [facts])
    assert written("judged") == written("replayed")
    with pytest.raises(UsageError, match="there are other files in it"):
        run_scan(request("all/"), f"s3://{BUCKET}/all")
    with pytest.raises(UsageError, match="it stands in s3://logs-of-jobs/all/, which is read"):
        run_scan(request(url), f"{url}facts")


def test_of_two_scans_that_begin_at_once_one_is_refused(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.log").write_text("x\n")
    monkeypatch.setattr(RemoteFolder, "names", lambda *_: set())
    bucket.put_object(Bucket=BUCKET, Key="facts/facts.json", Body=b"")
    monkeypatch.setattr(RemoteFolder, "read", lambda *_: None)
    with pytest.raises(UsageError, match="another scan has started there"):
        run_scan(request("a.log"), f"s3://{BUCKET}/facts")


def test_other_stores_by_the_contract_of_fsspec_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`gs://`, `abfs://` and `hdfs://` need servers that are not here: a store in memory answers the same calls."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY_VARIABLE, KEY_TEXT)
    Path("curfewd.toml").write_text(POLICY)
    everything(Path("all"))
    store = MemoryFileSystem()
    store.put("all", "/bucket/all", recursive=True)
    run_replay(request("memory://bucket/all", jobs=1, out="memory://bucket/out"))
    store.get("/bucket/out", "out", recursive=True)
    found = written("out")
    for name, least in (("findings.jsonl", 30), ("revocations.jsonl", 8), ("dead-letters.jsonl", 10)):
        assert found[name].count(b"\n") > least, name
    run_scan(request("memory://bucket/all", jobs=1), "memory://bucket/facts")
    run_judge(request(jobs=1, out="judged"), ["memory://bucket/facts"])
    assert written("judged") == found
